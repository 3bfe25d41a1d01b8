/* SPDX-License-Identifier: MIT
 *
 * A server on a loop and clients on socket pairs, for the tests of net/http_in. The path of a request
 * says what its handler does:
 *
 *   /echo      answers in on_body with the body          /now     answers in on_head
 *   /wait      answers when the test says so             /stream  begins in on_body, goes on when told
 *   /early     begins in on_head, goes on when told      /abort   aborts in on_body
 *   /nothing   answers 204                               /cut     begins in on_body, writes, aborts
 *
 * Everything that the handler sees is written to `seen`, a line each.
 */
#ifndef HTTP_RIG_H
#define HTTP_RIG_H

#include "base/loop_event.h"
#include "net/http_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <errno.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <event2/event.h>

struct rig_call;

struct rig {
	struct mw_loop *loop;
	struct mw_http_in *in;
	struct mw_http_limits limits;
	struct mw_buf seen;
	struct rig_call *call;	 /* the last that was not answered at once */
	struct mw_http_req *req; /* its request */
	int heads, gone, drained;
	int refused; /* calls, by http_in itself */
	int fd;		   /* of the client */
	struct mw_buf got; /* what the client received */
	bool closed;       /* the server closed, or shut down its side … */
	bool reset;        /* … and not in good order */
};

static struct mw_str rig_echo_type[] = {{"Content-Type", 12}, {"text/plain", 10}};

static inline void rig_answer(struct mw_http_req *req, int status, struct mw_str body)
{
	struct mw_header type = {rig_echo_type[0], rig_echo_type[1]};
	mw_http_reply(req, status, &type, 1, body);
}

static inline bool rig_path_is(struct mw_http_req *req, const char *path)
{
	return mw_str_is(mw_http_req_head(req)->path, path);
}

struct rig_call {
	struct rig *rig;
	struct mw_http_req *req;
};

static inline void rig_forget(struct rig_call *call)
{
	if (call->rig->call == call) {
		call->rig->call = NULL;
		call->rig->req = NULL;
	}
	free(call);
}

static inline void rig_hold(struct rig_call *call)
{
	call->rig->call = call;
	call->rig->req = call->req;
}

/* Answers the request that waits. */
static inline void rig_reply(struct rig *r, struct mw_str body)
{
	struct rig_call *call = r->call;
	rig_answer(call->req, 200, body);
	rig_forget(call);
}

static inline void rig_end(struct rig *r)
{
	struct rig_call *call = r->call;
	mw_http_end(call->req);
	rig_forget(call);
}

static inline void *rig_on_head(void *arg, struct mw_http_req *req, const struct mw_http_head *head)
{
	struct rig *r = arg;
	r->heads++;
	mw_buf_addf(&r->seen, "%s%.*s %.*s", head->is_head ? "(head) " : "", MW_FMT(head->method),
	    MW_FMT(head->path));
	if (head->query.n)
		mw_buf_addf(&r->seen, " ?%.*s", MW_FMT(head->query));
	if (head->has_body && head->body_length == UINT64_MAX)
		mw_buf_addz(&r->seen, " chunked");
	else if (head->has_body)
		mw_buf_addf(&r->seen, " %llu", (unsigned long long)head->body_length);
	mw_buf_addz(&r->seen, "\n");
	if (mw_str_is(head->path, "/now")) {
		rig_answer(req, 401, MW_STR("no"));
		return NULL;
	}
	struct rig_call *call = malloc(sizeof(*call));
	*call = (struct rig_call){r, req};
	if (mw_str_is(head->path, "/early")) {
		mw_http_begin(req, 200, NULL, 0);
		rig_hold(call);
	}
	return call;
}

static inline void rig_on_body(void *arg, struct mw_str body)
{
	struct rig_call *call = arg;
	struct rig *r = call->rig;
	struct mw_http_req *req = call->req;
	mw_buf_addf(&r->seen, "body %zu ", body.n);
	mw_buf_add(&r->seen, mw_strn(body.p, MW_MIN(body.n, (size_t)200)));
	mw_buf_addz(&r->seen, "\n");
	bool streams = rig_path_is(req, "/stream") || rig_path_is(req, "/cut");
	if (streams)
		mw_http_begin(req, 200, NULL, 0);
	if (rig_path_is(req, "/wait") || rig_path_is(req, "/stream")) {
		rig_hold(call);
		return;
	}
	if (rig_path_is(req, "/cut"))
		mw_http_write(req, MW_STR("half"));
	if (rig_path_is(req, "/cut") || rig_path_is(req, "/abort"))
		mw_http_abort(req);
	else if (rig_path_is(req, "/nothing"))
		mw_http_reply(req, 204, NULL, 0, MW_NOSTR);
	else
		rig_answer(req, 200, body);
	free(call);
}

static inline void rig_on_gone(void *arg)
{
	struct rig_call *call = arg;
	mw_buf_addz(&call->rig->seen, "gone\n");
	call->rig->gone++;
	rig_forget(call);
}

static inline void rig_on_drain(void *arg)
{
	struct rig_call *call = arg;
	call->rig->drained++;
}

static inline void rig_on_refused(void *arg, void *call, const struct mw_http_head *head,
    const struct mw_err *err, struct mw_buf *out)
{
	struct rig *r = arg;
	r->refused += call != NULL;
	if (call)
		rig_forget(call);
	mw_buf_addf(out, "{\"error\":\"%s\",\"path\":\"%.*s\"}", mw_err_name(err->code),
	    MW_FMT(head->path));
}

static const struct mw_http_handler rig_handler = {.on_head = rig_on_head,
    .on_body = rig_on_body,
    .on_gone = rig_on_gone,
    .on_refused = rig_on_refused,
    .on_drain = rig_on_drain};

static inline void rig_connect(struct rig *r)
{
	int pair[2];
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	r->fd = pair[0];
	r->closed = false;
	mw_buf_clear(&r->got);
	mw_http_in_accept(r->in, pair[1]);
}

/* A rig with these limits (NULL: the usual ones) and one client. */
static inline void rig_start(struct rig *r, const struct mw_http_limits *limits)
{
	*r = (struct rig){.fd = -1};
	r->limits = limits ? *limits : mw_http_default_limits;
	mw_buf_init(&r->seen, 1 << 24);
	mw_buf_init(&r->got, 1 << 28);
	r->loop = mw_loop_new();
	r->in = mw_http_in_new(r->loop, &r->limits, &rig_handler, r);
	rig_connect(r);
}

static inline void rig_receive(struct rig *r)
{
	ssize_t n = 1;
	while (n > 0 && !r->closed) {
		mw_require(mw_buf_reserve(&r->got, 65536));
		n = recv(r->fd, r->got.p + r->got.n, 65536, 0);
		r->got.n += n > 0 ? (size_t)n : 0;
		r->reset = n < 0 && errno != EAGAIN;
		r->closed = n == 0 || r->reset;
	}
}

/* Turns of the loop until there is nothing to do, without the client reading. */
static inline void rig_turn(struct rig *r)
{
	event_base_loop(mw_loop_base(r->loop), EVLOOP_NONBLOCK);
}

/* As many turns as it takes until nothing more happens. */
static inline void rig_settle(struct rig *r)
{
	for (int quiet = 0; quiet < 4; quiet++) {
		size_t before = r->got.n + r->seen.n;
		rig_turn(r);
		if (r->fd >= 0)
			rig_receive(r);
		if (before != r->got.n + r->seen.n)
			quiet = 0;
	}
}

/* Turns until the condition holds; fails after a generous while. */
#define RIG_UNTIL(r, condition)                                                                    \
	do {                                                                                       \
		uint64_t give_up = mw_loop_now((r)->loop) + 10000000;                              \
		while (!(condition) && mw_loop_now((r)->loop) < give_up) {                         \
			rig_turn(r);                                                               \
			if ((r)->fd >= 0)                                                          \
				rig_receive(r);                                                    \
		}                                                                                  \
		assert_true(condition);                                                            \
	} while (0)

/* Sends all of it, with turns of the loop where the socket is full. */
static inline void rig_send(struct rig *r, struct mw_str bytes)
{
	while (bytes.n) {
		ssize_t n = send(r->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return; /* the server has closed */
		if (n > 0)
			bytes = mw_strn(bytes.p + n, bytes.n - (size_t)n);
		if (bytes.n) {
			rig_turn(r);
			rig_receive(r); /* or both sides would wait for each other */
		}
	}
}

static inline void rig_sendz(struct rig *r, const char *bytes)
{
	rig_send(r, mw_str(bytes));
}

static inline void rig_close(struct rig *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static inline void rig_stop(struct rig *r)
{
	rig_close(r);
	mw_http_in_free(r->in);
	mw_loop_free(r->loop);
	mw_buf_deinit(&r->seen);
	mw_buf_deinit(&r->got);
}

/* Is `text` somewhere in what the client received, or in what the handler saw? */
static inline bool rig_got(struct rig *r, const char *text)
{
	return mw_str_search(mw_buf_str(&r->got), mw_str(text)) != NULL;
}

static inline bool rig_saw(struct rig *r, const char *text)
{
	return mw_str_search(mw_buf_str(&r->seen), mw_str(text)) != NULL;
}

static inline size_t rig_count(struct mw_str in, const char *text)
{
	size_t n = 0;
	for (const char *at; (at = mw_str_search(in, mw_str(text))); n++)
		in = mw_strn(at + 1, in.n - (size_t)(at + 1 - in.p));
	return n;
}

#define assert_got(r, text)                                                                        \
	do {                                                                                       \
		if (!rig_got(r, text))                                                             \
			fail_msg("not received: %s\nreceived: %.*s", text, (int)(r)->got.n,        \
			    (r)->got.p);                                                           \
	} while (0)
#define assert_saw(r, text)                                                                        \
	do {                                                                                       \
		if (!rig_saw(r, text))                                                             \
			fail_msg("not seen: %s\nseen: %.*s", text, (int)(r)->seen.n, (r)->seen.p); \
	} while (0)

#define HOST		   "Host: x\r\n"
#define GET(path)	   "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define POST(path, length) "POST " path " HTTP/1.1\r\n" HOST "Content-Length: " length "\r\n\r\n"
#define CHUNKED(path)	   "POST " path " HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

/* What the client received, with the dates taken out: they change with the second. */
static inline char *rig_received(struct rig *r)
{
	mw_buf_addc(&r->got, '\0');
	r->got.n--;
	char *out = calloc(1, r->got.n + 1), *to = out;
	for (const char *p = r->got.p; *p;) {
		bool date = strncmp(p, "Date: ", 6) == 0;
		const char *end = strchr(p, '\n');
		size_t n = end ? (size_t)(end + 1 - p) : strlen(p);
		if (!date)
			memcpy(to, p, n), to += n;
		p += n;
	}
	return out;
}

static inline void assert_received(struct rig *r, const char *expected)
{
	char *got = rig_received(r);
	assert_string_equal(got, expected);
	free(got);
	mw_buf_clear(&r->got);
}

#define TEXT(status, length, body)                                                                 \
	"HTTP/1.1 " status "\r\nContent-Length: " length "\r\nContent-Type: "                      \
							 "text/plain\r\n\r\n" body

#endif
