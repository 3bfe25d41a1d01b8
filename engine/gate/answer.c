/* SPDX-License-Identifier: MIT
 *
 * The answer that a policy gives in a target's place, in the client's form.
 */
#include "gate/answer.h"

#include "base/buf.h"
#include "gate/reply.h"

#define NO_USAGE "\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}"

/* What each object of the answer begins with, up to its choices. */
static void add_start(struct mw_buf *b, const struct mw_call *call, const char *object)
{
	mw_buf_addf(b,
	    "{\"id\":\"chatcmpl-%s\",\"object\":\"%s\",\"created\":%llu,\"model\":", call->id,
	    object, (unsigned long long)(mw_env_wall(call->env) / 1000000));
	mw_json_quote(b, call->asked);
	mw_buf_addz(b, ",\"choices\":[");
}

static void add_completion(struct mw_buf *b, const struct mw_call *call, struct mw_str text)
{
	add_start(b, call, "chat.completion");
	mw_buf_addz(b, "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
	mw_json_quote(b, text);
	mw_buf_addz(b, "},\"logprobs\":null,\"finish_reason\":\"stop\"}]," NO_USAGE "}");
}

static void add_chunk_start(struct mw_buf *b, const struct mw_call *call)
{
	mw_buf_addz(b, "data: ");
	add_start(b, call, "chat.completion.chunk");
}

/* All of the text in one piece, the finish, and the usage if the client wants it. */
static void add_chunks(struct mw_buf *b, const struct mw_call *call, struct mw_str text)
{
	const char *end = call->include_usage ? "}],\"usage\":null}\n\n" : "}]}\n\n";
	add_chunk_start(b, call);
	mw_buf_addz(b, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":");
	mw_json_quote(b, text);
	mw_buf_addf(b, "},\"logprobs\":null,\"finish_reason\":null%s", end);
	add_chunk_start(b, call);
	mw_buf_addf(
	    b, "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"%s", end);
	if (call->include_usage) {
		add_chunk_start(b, call);
		mw_buf_addz(b, "]," NO_USAGE "}\n\n");
	}
	mw_buf_addz(b, "data: [DONE]\n\n");
}

static void not_a_chat(struct mw_walk *walk, const struct mw_decision *d)
{
	walk->fault = (struct mw_fault){
	    .code = MW_ERR_POLICY,
	    .message = mw_arena_printf(walk->call.arena,
		"the policy '%.*s' answers with text, which is no answer to embeddings",
		MW_FMT(d->policy)),
	};
	mw_reply_fault(walk);
}

void mw_answer_text(struct mw_walk *walk, const struct mw_decision *d)
{
	struct mw_call *call = &walk->call;
	struct mw_buf b;
	if (call->kind != MW_KIND_CHAT) {
		not_a_chat(walk, d);
		return;
	}
	walk->fault = (struct mw_fault){0}; /* what failed before has become no matter */
	mw_buf_init(&b, MW_MAX_REPLY);
	if (call->stream)
		add_chunks(&b, call, d->text);
	else
		add_completion(&b, call, d->text);
	walk->reply = mw_arena_dup(call->arena, mw_buf_str(&b));
	mw_buf_deinit(&b);
	call->finish = MW_STR("stop");
	if (call->stream) {
		mw_reply_begin_stream(walk);
		mw_http_write(walk->req, walk->reply);
		mw_reply_end_stream(walk);
	} else {
		mw_reply_whole(walk);
	}
}
