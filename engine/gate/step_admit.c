/* SPDX-License-Identifier: MIT
 *
 * ADMIT: the hooks that may refuse, answer or rewrite a call before it is routed. A call that comes to
 * another group, by a rewrite or as a fallback, has to pass the policies of that group too.
 */
#include "gate/admit.h"

#include "base/buf.h"
#include "gate/decode.h"
#include "gate/reply.h"
#include "gate/steps.h"

/* ---- an answer of a policy ----------------------------------------------------------------- */

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

void mw_admit_answer(struct mw_walk *walk, const struct mw_decision *d)
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

/* ---- hooks --------------------------------------------------------------------------------- */

/* After a rewrite. False: the body is none any more. */
static bool decode_again(struct mw_walk *walk, struct mw_decision *d)
{
	struct mw_err err = {0};
	if (mw_decode_call(walk, &err))
		return true;
	mw_err_prefix(&err, "after a policy's rewrite");
	mw_reply_set_fault(walk, &err);
	d->verdict = MW_REJECT;
	return false;
}

/* Asks those that the call has not been before. */
static void ask(struct mw_walk *walk, struct mw_decision *d)
{
	struct mw_policies *policies = mw_walk_policies(walk);
	struct mw_call *call = &walk->call;
	if (mw_policies_want(policies, call->model, MW_HOOK_ADMIT))
		mw_hook_admit(policies, call, d);
	if (d->verdict == MW_GO && mw_policies_want(policies, call->model, MW_HOOK_REWRITE))
		mw_hook_rewrite(policies, call, d);
	if (d->verdict == MW_REJECT)
		mw_reply_set_rejection(walk, d);
}

static void note_admission(struct mw_call *call)
{
	struct mw_admission *a = mw_arena_alloc(call->arena, sizeof(*a));
	*a = (struct mw_admission){call->model, call->admissions};
	call->admissions = a;
}

bool mw_admit_group(struct mw_walk *walk, struct mw_decision *d)
{
	struct mw_call *call = &walk->call;
	const struct mw_model *model;
	*d = (struct mw_decision){.verdict = MW_GO};
	do {
		const char *body = call->body.p;
		model = call->model;
		ask(walk, d);
		if (d->verdict != MW_GO)
			return false;
		note_admission(call);
		if (call->body.p != body && !decode_again(walk, d))
			return false;
	} while (call->model != model);
	return true;
}

enum mw_next mw_step_admit(struct mw_walk *walk)
{
	struct mw_decision d;
	if (mw_admit_group(walk, &d))
		return MW_STEP_GO;
	if (d.verdict == MW_ANSWER)
		mw_admit_answer(walk, &d);
	else
		mw_reply_fault(walk);
	return MW_STEP_END;
}
