/* SPDX-License-Identifier: MIT
 *
 * Answers. The headers of a call's answer say which target gave it, after how many attempts, at
 * what cost and how much of the time was the gateway's own.
 */
#include "gate/reply.h"

#include "base/json.h"
#include "base/number.h"
#include "gate/cost.h"
#include "shared/prices.h"

enum { MAX_MESSAGE = 8 * 1024, MAX_ERROR = 256 * 1024, OWN_HEADERS = 16 };

#define JSON_TYPE MW_STR("application/json")

/* ---- error bodies -------------------------------------------------------------------------- */

static int status_of(const struct mw_fault *f)
{
	return f->status ? f->status : mw_err_status(f->code);
}

/* OpenAI's word for a status, for faults that bring none of their own. */
static struct mw_str type_of(const struct mw_fault *f)
{
	if (f->type.n)
		return f->type;
	if (f->code != MW_ERR_REJECTED && f->code != MW_ERR_UPSTREAM)
		return mw_str(mw_err_openai_type(f->code));
	switch (status_of(f)) {
	case 401:
		return MW_STR("authentication_error");
	case 403:
		return MW_STR("permission_error");
	case 429:
		return MW_STR("rate_limit_error");
	default:
		return status_of(f) < 500 ? MW_STR("invalid_request_error") : MW_STR("api_error");
	}
}

static void quote_or_null(struct mw_buf *b, struct mw_str s)
{
	if (s.n)
		mw_json_quote(b, s);
	else
		mw_buf_addz(b, "null");
}

/* In OpenAI's dialect, which every endpoint speaks so far. */
static void add_error(struct mw_buf *out, const struct mw_fault *f)
{
	mw_buf_addz(out, "{\"error\":{\"message\":");
	mw_json_quote(out, mw_strn(f->message.p, MW_MIN(f->message.n, (size_t)MAX_MESSAGE)));
	mw_buf_addz(out, ",\"type\":");
	mw_json_quote(out, type_of(f));
	mw_buf_addz(out, ",\"param\":");
	quote_or_null(out, f->param);
	mw_buf_addz(out, ",\"code\":");
	if (f->native_code.n)
		mw_json_quote(out, f->native_code);
	else
		mw_buf_addf(out, "\"%d\"", status_of(f));
	mw_buf_addz(out, "}}");
}

/* Words that OpenAI's clients look for in error.code. */
static struct mw_str code_word(enum mw_err_code code)
{
	switch (code) {
	case MW_ERR_NO_KEY:
		return MW_STR("invalid_api_key");
	case MW_ERR_NO_MODEL:
		return MW_STR("model_not_found");
	case MW_ERR_UNSUPPORTED:
		return MW_STR("unsupported_parameter");
	default:
		return MW_NOSTR;
	}
}

static struct mw_fault fault_of(const struct mw_err *err)
{
	return (struct mw_fault){.code = err->code,
	    .message = mw_str(err->text),
	    .param = mw_str(err->param),
	    .native_code = code_word(err->code)};
}

void mw_reply_err_body(struct mw_str path, const struct mw_err *err, struct mw_buf *out)
{
	(void)path;
	struct mw_fault f = fault_of(err);
	add_error(out, &f);
}

/* ---- answers that are no call's ------------------------------------------------------------ */

void mw_reply_plain(
    struct mw_http_req *req, int status, struct mw_str content_type, struct mw_str body)
{
	struct mw_header headers[] = {
	    {MW_STR("Content-Type"), content_type},
	    {MW_STR("Access-Control-Allow-Origin"), MW_STR("*")},
	};
	mw_http_reply(req, status, headers, MW_LEN(headers), body);
}

void mw_reply_err(struct mw_http_req *req, const struct mw_err *err)
{
	struct mw_buf b;
	mw_buf_init(&b, MAX_ERROR);
	mw_reply_err_body(mw_http_req_head(req)->path, err, &b);
	mw_reply_plain(req, mw_err_status(err->code), JSON_TYPE, mw_buf_str(&b));
	mw_buf_deinit(&b);
}

void mw_reply_set_fault(struct mw_walk *walk, const struct mw_err *err)
{
	struct mw_arena *a = walk->call.arena;
	walk->fault = fault_of(err);
	walk->fault.message = mw_arena_dup(a, walk->fault.message);
	walk->fault.param = mw_arena_dup(a, walk->fault.param);
}

void mw_reply_set_rejection(struct mw_walk *walk, const struct mw_decision *d)
{
	walk->fault = (struct mw_fault){
	    .code = MW_ERR_REJECTED,
	    .status = d->status,
	    .message = d->message,
	    .native_code = d->code,
	    .retry_after_us = d->retry_after_us,
	};
}

/* ---- headers of a call's answer ------------------------------------------------------------ */

struct headers {
	struct mw_header *list; /* in the call's arena: our own and those of policies */
	size_t n, max;
	struct mw_arena *arena;
};

static void init(struct headers *h, const struct mw_call *call)
{
	h->n = 0;
	h->max = OWN_HEADERS;
	h->arena = call->arena;
	for (const struct mw_extra_header *x = call->to_client; x; x = x->next)
		h->max++;
	h->list = mw_arena_alloc(call->arena, h->max * sizeof(*h->list));
}

static void add(struct headers *h, const char *name, struct mw_str value)
{
	if (value.n && h->n < h->max)
		h->list[h->n++] = (struct mw_header){mw_str(name), value};
}

/* With a point before the last `places` digits. */
static void add_number(struct headers *h, const char *name, uint64_t digits, unsigned places)
{
	char *text = mw_arena_alloc(h->arena, MW_NUMBER_LONGEST);
	add(h, name, mw_strn(text, mw_number_decimal(digits, places, text)));
}

/* Microseconds of this call that were spent neither waiting for the body, nor in attempts, nor in pauses
 * before them. */
static uint64_t overhead_us(const struct mw_walk *walk, uint64_t now)
{
	uint64_t running = walk->exchange ? now - walk->sent_us : 0;
	uint64_t all = now - walk->call.started_us, theirs = walk->waited_us + running;
	return all > theirs ? all - theirs : 0;
}

static void explain(struct mw_walk *walk, struct headers *h, bool cost_known)
{
	struct mw_call *call = &walk->call;
	const struct mw_target *t = call->target;
	uint64_t now = mw_env_now(call->env);
	add(h, "x-litellm-call-id", mw_str(call->id));
	if (t) {
		add(h, "x-litellm-model-id", t->id);
		add(h, "x-litellm-model-api-base", t->api_base);
		add(h, "x-litellm-model-group", t->group);
		add_number(
		    h, "x-litellm-attempted-retries", call->attempts ? call->attempts - 1 : 0, 0);
		add_number(h, "x-litellm-attempted-fallbacks", call->fallbacks, 0);
	}
	if (cost_known && call->cost >= 0)
		add(h, "x-litellm-response-cost",
		    mw_price_text(call->cost, mw_arena_alloc(h->arena, MW_PRICE_TEXT)));
	add_number(h, "x-litellm-overhead-duration-ms", overhead_us(walk, now), 3);
	add_number(h, "x-litellm-response-duration-ms", now - call->started_us, 3);
	add(h, "Access-Control-Allow-Origin", MW_STR("*"));
	add(h, "Access-Control-Expose-Headers", MW_STR("*"));
	for (struct mw_extra_header *x = call->to_client; x && h->n < h->max; x = x->next)
		h->list[h->n++] = x->header;
}

/* ---- finishing ----------------------------------------------------------------------------- */

static struct mw_http_req *take_req(struct mw_walk *walk)
{
	struct mw_http_req *req = walk->req;
	walk->req = NULL;
	walk->answered_us = mw_env_now(walk->call.env);
	walk->call.headers =
	    NULL; /* they lived in the request, and so did the body and its members */
	walk->call.n_headers = 0;
	walk->call.body = MW_NOSTR;
	memset(walk->call.members, 0, sizeof(walk->call.members));
	return req;
}

void mw_reply_whole(struct mw_walk *walk)
{
	struct headers h;
	init(&h, &walk->call);
	mw_cost_fill(walk);
	add(&h, "Content-Type", JSON_TYPE);
	explain(walk, &h, true);
	walk->call.status = 200;
	mw_http_reply(take_req(walk), 200, h.list, h.n, walk->reply);
}

void mw_reply_begin_stream(struct mw_walk *walk)
{
	struct mw_policies *policies = mw_walk_policies(walk);
	struct headers h;
	if (mw_policies_want(policies, walk->call.model, MW_HOOK_RESPOND))
		mw_hook_respond(policies, &walk->call, NULL);
	init(&h, &walk->call);
	add(&h, "Content-Type", MW_STR("text/event-stream; charset=utf-8"));
	add(&h, "Cache-Control", MW_STR("no-cache"));
	add(&h, "X-Accel-Buffering", MW_STR("no"));
	explain(walk, &h, false);
	walk->call.status = 200;
	mw_http_begin(walk->req, 200, h.list, h.n);
}

void mw_reply_end_stream(struct mw_walk *walk)
{
	mw_http_end(take_req(walk));
}

/* Inside a stream an error can only be an event; the stream then ends without its end mark. */
static void fault_in_stream(struct mw_walk *walk, struct mw_str body)
{
	mw_http_write(walk->req, MW_STR("data: "));
	mw_http_write(walk->req, body);
	mw_http_write(walk->req, MW_STR("\n\n"));
	mw_reply_end_stream(walk);
}

static void fault_as_answer(struct mw_walk *walk, struct mw_str body)
{
	struct headers h;
	init(&h, &walk->call);
	uint64_t wait = walk->fault.retry_after_us;
	add(&h, "Content-Type", JSON_TYPE);
	if (wait)
		add_number(&h, "Retry-After", (wait + 999999) / 1000000, 0);
	explain(walk, &h, false);
	walk->call.status = status_of(&walk->fault);
	mw_http_reply(take_req(walk), walk->call.status, h.list, h.n, body);
}

void mw_reply_fault(struct mw_walk *walk)
{
	struct mw_buf b;
	mw_buf_init(&b, MAX_ERROR);
	if (!walk->fault.native_code.n)
		walk->fault.native_code = code_word(walk->fault.code);
	add_error(&b, &walk->fault);
	if (mw_http_began(walk->req))
		fault_in_stream(walk, mw_buf_str(&b));
	else
		fault_as_answer(walk, mw_buf_str(&b));
	mw_buf_deinit(&b);
}
