/* SPDX-License-Identifier: MIT
 *
 * The list of endpoints at work. Everything is decided on the head, so that nobody without a key
 * gets a body read.
 */
#include "gate/endpoints.h"

#include "base/log.h"
#include "gate/attempt.h"
#include "gate/pages.h"
#include "gate/reply.h"
#include "gate/steps.h"

#include <stdio.h>

enum flags { V1 = 1, OPEN = 2 };

struct endpoint {
	const char *method, *path;
	int flags;
	enum mw_kind kind;
	mw_page_fn *page; /* NULL: a call */
};

static const struct endpoint endpoints[] = {
#define MW_CALL(method, path, flags, kind) {method, path, flags, kind, NULL},
#define MW_PAGE(method, path, flags, page) {method, path, flags, MW_KINDS, page},
#include "gate/endpoints.def"
#undef MW_CALL
#undef MW_PAGE
};

/* ---- finding ------------------------------------------------------------------------------- */

/* Does the row stand for the path? `rest` is what is left of it. */
static bool fits(const struct endpoint *e, struct mw_str path, struct mw_str *rest)
{
	struct mw_str row = mw_str(e->path), v1 = MW_STR("/v1");
	if (e->flags & V1 && mw_str_starts(path, v1) && path.n > v1.n && path.p[v1.n] == '/')
		path = mw_strn(path.p + v1.n, path.n - v1.n);
	bool below = row.n > 1 && row.p[row.n - 1] == '/';
	if (!below && path.n > 1 && path.p[path.n - 1] == '/')
		path.n--; /* a slash at the end changes nothing */
	*rest = MW_NOSTR;
	if (!below)
		return mw_str_eq(path, row);
	if (!mw_str_starts(path, row) || path.n == row.n)
		return false;
	*rest = mw_strn(path.p + row.n, path.n - row.n);
	return true;
}

/* The row for method and path; NULL with *allow set if only the method is wrong. */
static const struct endpoint *find(
    const struct mw_http_head *head, struct mw_str *rest, const char **allow)
{
	*allow = NULL;
	for (size_t i = 0; i < MW_LEN(endpoints); i++) {
		if (!fits(&endpoints[i], head->path, rest))
			continue;
		if (mw_str_is(head->method, endpoints[i].method))
			return &endpoints[i];
		*allow = endpoints[i].method;
	}
	return NULL;
}

/* ---- the key ------------------------------------------------------------------------------- */

/* "Bearer sk-…", any other scheme word, or the bare key. */
static struct mw_str without_scheme(struct mw_str value)
{
	struct mw_str rest = mw_str_trim(value), word;
	return mw_str_cut(&rest, ' ', &word) ? mw_str_trim(rest) : word;
}

static struct mw_str key_of(const struct mw_http_head *head)
{
	static const char *const names[] = {
	    "x-litellm-api-key", "authorization", "x-api-key", "api-key", "x-goog-api-key"};
	for (size_t i = 0; i < MW_LEN(names); i++) {
		struct mw_str value = mw_http_header(head, names[i]);
		if (value.p)
			return without_scheme(value);
	}
	return MW_NOSTR;
}

static bool admitted(struct mw_worker *w, const struct mw_http_head *head, struct mw_err *err)
{
	struct mw_str master = mw_worker_version(w)->settings->master_key;
	if (!master.n)
		return true;
	struct mw_str key = key_of(head);
	if (!key.n)
		return mw_err_set(err, MW_ERR_NO_KEY,
		    "Authentication Error, No api key passed in. Send it as 'Authorization: Bearer "
		    "KEY'.");
	return mw_equal_secret(key, master) ||
	       mw_err_set(err, MW_ERR_NO_KEY, "Authentication Error, Incorrect API key provided.");
}

/* ---- the handler --------------------------------------------------------------------------- */

static void preflight(struct mw_http_req *req, const struct mw_http_head *head)
{
	struct mw_str asked = mw_http_header(head, "access-control-request-headers");
	struct mw_header headers[] = {
	    {MW_STR("Content-Type"), MW_STR("text/plain; charset=utf-8")},
	    {MW_STR("Access-Control-Allow-Origin"), MW_STR("*")},
	    {MW_STR("Access-Control-Allow-Methods"), MW_STR("GET, HEAD, OPTIONS, POST")},
	    {MW_STR("Access-Control-Max-Age"), MW_STR("600")},
	    {MW_STR("Access-Control-Allow-Headers"), asked.n ? asked : MW_STR("*")},
	};
	mw_http_reply(req, 200, headers, MW_LEN(headers), MW_STR("OK"));
}

/* What of a path or a method is shown; "-" for what was never read. */
static struct mw_str shown(struct mw_str text)
{
	return text.n ? mw_strn(text.p, MW_MIN(text.n, (size_t)200)) : MW_STR("-");
}

static void log_refusal(
    struct mw_worker *w, const struct mw_http_head *head, const struct mw_err *err)
{
	char text[512];
	snprintf(text, sizeof(text), "method=%.*s path=%.*s status=%d error=%s",
	    MW_FMT(shown(head->method)), MW_FMT(shown(head->path)), mw_err_status(err->code),
	    mw_err_name(err->code));
	mw_log_call(mw_str(text));
	mw_worker_logged(w);
}

static void refuse(struct mw_worker *w, struct mw_http_req *req, const struct mw_err *err)
{
	log_refusal(w, mw_http_req_head(req), err);
	mw_reply_err(req, err);
}

static void wrong_path(
    struct mw_worker *w, struct mw_http_req *req, const struct mw_http_head *head)
{
	struct mw_err err;
	mw_err_set(&err, MW_ERR_NOT_FOUND,
	    "there is nothing at %.*s; chat is POST /v1/chat/completions, GET / lists more",
	    MW_FMT(shown(head->path)));
	refuse(w, req, &err);
}

static void wrong_method(struct mw_worker *w, struct mw_http_req *req,
    const struct mw_http_head *head, const char *allow)
{
	struct mw_err err;
	struct mw_buf b;
	if (strcmp(allow, "GET") == 0)
		allow = "GET, HEAD";
	mw_buf_init(&b, MW_MAX_HEAD);
	mw_err_set(&err, MW_ERR_METHOD, "%.*s takes %s, not %.*s", MW_FMT(shown(head->path)), allow,
	    MW_FMT(shown(head->method)));
	log_refusal(w, head, &err);
	mw_reply_err_body(head->path, &err, &b);
	struct mw_header headers[] = {
	    {MW_STR("Content-Type"), MW_STR("application/json")},
	    {MW_STR("Allow"), mw_str(allow)},
	    {MW_STR("Access-Control-Allow-Origin"), MW_STR("*")},
	};
	mw_http_reply(req, mw_err_status(err.code), headers, MW_LEN(headers), mw_buf_str(&b));
	mw_buf_deinit(&b);
}

static void *on_head(void *arg, struct mw_http_req *req, const struct mw_http_head *head)
{
	struct mw_worker *w = arg;
	struct mw_str rest;
	const char *allow;
	struct mw_err err;
	if (mw_str_is(head->method, "OPTIONS"))
		return preflight(req, head), NULL;
	const struct endpoint *e = find(head, &rest, &allow);
	if (!e && allow)
		return wrong_method(w, req, head, allow), NULL;
	if (!e)
		return wrong_path(w, req, head), NULL;
	if (!(e->flags & OPEN) && !admitted(w, head, &err))
		return refuse(w, req, &err), NULL;
	if (!e->page)
		return mw_walk_new(w, req, head, e->kind);
	e->page(w, req, rest);
	return NULL;
}

static void on_body(void *call, struct mw_str body)
{
	struct mw_walk *walk = call;
	walk->call.body = body;
	walk->waited_us = mw_env_now(walk->call.env) - walk->call.started_us;
	mw_steps_run(walk);
}

static void on_gone(void *call)
{
	mw_steps_gone(call);
}

static void on_refused(void *arg, void *call, const struct mw_http_head *head,
    const struct mw_err *err, struct mw_buf *out)
{
	if (call)
		mw_steps_refused(call, err);
	else
		log_refusal(arg, head, err);
	mw_reply_err_body(head->path, err, out);
}

static void on_drain(void *call)
{
	mw_attempt_drained(call);
}

const struct mw_http_handler mw_endpoints_handler = {
    .on_head = on_head,
    .on_body = on_body,
    .on_gone = on_gone,
    .on_refused = on_refused,
    .on_drain = on_drain,
};
