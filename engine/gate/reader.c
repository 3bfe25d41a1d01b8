/* SPDX-License-Identifier: MIT
 *
 * Reading replies. A stream's output is held back until its first content: before that, whatever
 * goes wrong is not yet the client's to see, and the plan can go on to the next target.
 */
#include "gate/reader.h"

#include "gate/pass.h"

#include <stdio.h>

enum { MAX_FAILURE = 1 << 20 }; /* bytes of an error answer that are read */

/* Fills the walk's fault; returns false. */
static bool fail(struct mw_walk *walk, enum mw_err_code code, const char *text)
{
	walk->fault = (struct mw_fault){.code = code,
	    .message = mw_arena_printf(
		walk->call.arena, "%s: %s", walk->translation.target->provider.p, text)};
	return false;
}

/* ---- opening and closing ------------------------------------------------------------------- */

void mw_reader_open(struct mw_walk *walk)
{
	struct mw_reader *r = &walk->reader;
	*r = (struct mw_reader){0};
	mw_buf_init(&r->body, MW_MAX_REPLY);
	mw_buf_init(&r->out, MW_MAX_REPLY);
	mw_sse_init(&r->sse, MW_MAX_EVENT);
}

/* What a translated stream has told of itself so far. Where bytes passed before it, they may have told
 * more. */
static void take_account(struct mw_walk *walk)
{
	struct mw_call *call = &walk->call;
	struct mw_usage usage;
	struct mw_str finish;
	mw_stream_usage(walk->reader.stream, &usage, &finish, call->arena);
	if (usage.reported)
		call->usage = usage;
	if (finish.n)
		call->finish = finish;
}

void mw_reader_close(struct mw_walk *walk)
{
	struct mw_reader *r = &walk->reader;
	if (r->stream)
		take_account(walk); /* a stream that broke has used tokens too */
	mw_stream_close(r->stream);
	r->stream = NULL;
	mw_sse_deinit(&r->sse);
	mw_buf_deinit(&r->body);
	mw_buf_deinit(&r->out);
}

static struct mw_str header_of(const struct mw_exchange_head *head, const char *name)
{
	for (size_t i = 0; i < head->n_headers; i++)
		if (mw_str_ieq(head->headers[i].name, mw_str(name)))
			return head->headers[i].value;
	return MW_NOSTR;
}

void mw_reader_head(struct mw_walk *walk, const struct mw_exchange_head *head)
{
	struct mw_reader *r = &walk->reader;
	r->status = head->status;
	bool good = head->status >= 200 && head->status < 300;
	struct mw_str type = mw_str_trim(header_of(head, "content-type"));
	struct mw_str main_type;
	mw_str_cut(&type, ';', &main_type);
	r->events = good && walk->call.stream &&
	            mw_str_ieq(mw_str_trim(main_type), MW_STR("text/event-stream"));
	if (!good)
		r->body.max = MAX_FAILURE;
}

/* ---- event streams ------------------------------------------------------------------------- */

static bool is_done(struct mw_str data)
{
	return mw_str_is(mw_str_trim(data), "[DONE]");
}

static bool translate_event(struct mw_walk *walk, const struct mw_sse_event *e)
{
	struct mw_reader *r = &walk->reader;
	if (!r->stream)
		r->stream = mw_stream_open(&walk->translation, &r->sent);
	if (!r->stream)
		return fail(walk, MW_ERR_INTERNAL, "the reply could not be translated");
	enum mw_stream_state state = MW_STREAM_EMPTY;
	size_t before = r->out.n;
	if (!mw_stream_event(
		r->stream, &walk->translation, e->name, e->data, &r->out, &state, &walk->fault))
		return false;
	r->progress += state != MW_STREAM_EMPTY && r->out.n > before;
	r->whole |= state == MW_STREAM_WHOLE;
	return true;
}

/* Nothing more of its choice follows the finish that was held. */
static void release(struct mw_reader *r)
{
	r->sent.begun |= r->held > 0;
	r->held = 0;
}

/* More does follow: lua/ puts the two in order. */
static bool translate_held(struct mw_walk *walk)
{
	enum { BEFORE = 6, AFTER = 2 }; /* "data: " and the line ends */
	struct mw_reader *r = &walk->reader;
	if (!r->held)
		return true;
	r->out.n -= r->held;
	struct mw_str chunk = mw_strn(r->out.p + r->out.n + BEFORE, r->held - BEFORE - AFTER);
	struct mw_sse_event e = {.data = mw_arena_dup(walk->call.arena, chunk)};
	r->held = 0;
	r->sent.finished = false;
	return translate_event(walk, &e);
}

static bool pass_end(struct mw_walk *walk)
{
	struct mw_reader *r = &walk->reader;
	release(r);
	r->whole = r->sent.finished;
	return r->whole || fail(walk, MW_ERR_UPSTREAM_BROKEN,
			       "the stream says [DONE] but held no finished answer");
}

/* A chunk has been appended to out: what becomes of it. `before` is where it begins. */
static void pass_chunk(struct mw_walk *walk, const struct mw_pass_chunk *chunk, size_t before)
{
	struct mw_reader *r = &walk->reader;
	struct mw_call *call = &walk->call;
	r->progress += chunk->content || chunk->finish.p;
	if (chunk->calls)
		r->sent.call_id = mw_arena_dup(call->arena, chunk->call_id);
	r->sent.calls += chunk->calls;
	r->sent.bare = chunk->bare;
	if (chunk->finish.p) {
		r->sent.finished = true;
		r->held = r->out.n - before;
		call->finish = mw_arena_dup(call->arena, chunk->finish);
		return;
	}
	release(r);
	r->sent.begun |= !chunk->only_usage;
	if (chunk->only_usage && !call->include_usage)
		r->out.n = before; /* asked for by us, not by the client */
}

/* A chunk that goes through as bytes; one that deviates is translated, and all that follow with it. So
 * is one that has more of a choice after its finish: some servers tell the finish early, or twice. */
static bool pass_event(struct mw_walk *walk, const struct mw_sse_event *e)
{
	struct mw_reader *r = &walk->reader;
	if (is_done(e->data))
		return pass_end(walk);
	struct mw_pass_chunk chunk;
	size_t before = r->out.n;
	enum mw_pass passed = mw_pass_event(
	    e->data, walk->client_model_json, &r->sent, &r->out, &walk->call.usage, &chunk);
	if (passed == MW_PASS_OK && (chunk.only_usage || !r->sent.finished)) {
		pass_chunk(walk, &chunk, before);
		return true;
	}
	r->out.n = before;
	return translate_held(walk) && translate_event(walk, e);
}

static bool on_event(void *arg, const struct mw_sse_event *e)
{
	struct mw_walk *walk = arg;
	struct mw_reader *r = &walk->reader;
	if (r->whole)
		return true; /* nothing after the end is anybody's business */
	bool good = walk->pass && !r->stream ? pass_event(walk, e) : translate_event(walk, e);
	if (good && r->out.full)
		return fail(
		    walk, MW_ERR_UPSTREAM_BROKEN, "the stream is larger than can be held back");
	return good;
}

/* ---- bytes --------------------------------------------------------------------------------- */

static bool after_feed(struct mw_walk *walk, enum mw_sse_result result)
{
	if (result == MW_SSE_TOO_LARGE)
		return fail(
		    walk, MW_ERR_UPSTREAM_BROKEN, "one event of the stream is larger than 16 MiB");
	return result == MW_SSE_OK;
}

bool mw_reader_bytes(struct mw_walk *walk, struct mw_str bytes)
{
	struct mw_reader *r = &walk->reader;
	if (r->events)
		return after_feed(walk, mw_sse_feed(&r->sse, bytes, on_event, walk));
	mw_buf_add(&r->body, bytes);
	if (!r->body.full)
		return true;
	if (r->status < 200 || r->status > 299)
		return true; /* an error answer is cut at its ceiling and read as it is */
	return fail(walk, MW_ERR_UPSTREAM_BROKEN, "the answer is larger than 64 MiB");
}

/* ---- ends ---------------------------------------------------------------------------------- */

static bool end_of_stream(struct mw_walk *walk)
{
	struct mw_reader *r = &walk->reader;
	if (!after_feed(walk, mw_sse_finish(&r->sse, on_event, walk)))
		return false;
	r->whole |= r->sent.finished;
	if (r->stream && !r->whole)
		r->whole = mw_stream_may_end(r->stream);
	if (!r->whole)
		return fail(walk, MW_ERR_UPSTREAM_BROKEN,
		    r->progress ? "the stream ended before its answer was whole"
				: "the stream ended without an answer");
	return true;
}

void mw_reader_finish(struct mw_walk *walk)
{
	struct mw_reader *r = &walk->reader;
	release(r);
	if (!r->stream) {
		mw_buf_add(&r->out, MW_STR("data: [DONE]\n\n"));
		return;
	}
	mw_stream_finish(r->stream, &r->out);
	take_account(walk);
}

static bool translate_whole(struct mw_walk *walk, struct mw_str text)
{
	struct mw_call *call = &walk->call;
	return mw_translate_reply(
	    &walk->translation, text, &walk->reply, &call->usage, &call->finish, &walk->fault);
}

static bool end_of_whole(struct mw_walk *walk)
{
	struct mw_call *call = &walk->call;
	struct mw_str text = mw_str_trim_all(mw_buf_str(&walk->reader.body));
	if (call->stream)
		return mw_translate_failure(
			   &walk->translation, walk->reader.status, text, &walk->fault),
		       false;
	if (!walk->pass)
		return translate_whole(walk, text);
	enum mw_pass passed = mw_pass_reply(call, text, walk->client_model_json, &walk->reply);
	return passed == MW_PASS_OK || translate_whole(walk, text);
}

bool mw_reader_end(struct mw_walk *walk)
{
	struct mw_reader *r = &walk->reader;
	if (r->status < 200 || (r->status > 299 && r->status < 400)) {
		char text[80];
		snprintf(text, sizeof(text),
		    "it answered with status %d; redirects are not followed", r->status);
		return fail(walk, MW_ERR_UPSTREAM_BROKEN, text);
	}
	if (r->status > 299) {
		mw_translate_failure(
		    &walk->translation, r->status, mw_buf_str(&r->body), &walk->fault);
		return false;
	}
	return r->events ? end_of_stream(walk) : end_of_whole(walk);
}
