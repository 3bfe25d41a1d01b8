/* SPDX-License-Identifier: MIT
 *
 * The server side of HTTP/1.1 (RFC 9112): one connection after another, one request at a time on each.
 * Strict: whatever two readers could read in two ways is refused and the connection closed. Keep-alive,
 * pipelining, chunked bodies, Expect: 100-continue and HEAD are handled here and nobody else sees them.
 *
 * Words: a `struct mw_http_req` is one request and its answer. It is made here when a head is whole,
 * handed to `on_head`, then to `on_body`, and belongs to http_in; its pointer is good until the answer
 * has been finished (mw_http_reply, mw_http_end or mw_http_abort) or on_gone has been called, whichever
 * comes first. Everything happens on the loop's thread.
 */
#ifndef MW_HTTP_IN_H
#define MW_HTTP_IN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/exchange.h"
#include "base/loop.h"

struct mw_http_in; /* the server of one worker: all connections and their shared settings */
struct mw_http_req;

struct mw_http_limits {
	size_t head;            /* bytes of request line and headers */
	size_t headers;         /* header lines */
	size_t body;            /* bytes, after chunked coding is removed */
	uint32_t head_ms;       /* from the first byte of a head to its end */
	uint32_t body_ms;       /* of silence inside a body (a body that drips is cut by body_min_rate) */
	uint32_t body_min_rate; /* bytes a second over the whole body, after the first body_ms */
	uint32_t idle_ms;       /* between requests, and before the first */
	uint32_t write_ms;      /* a client that takes nothing while there is something to send */
	size_t out_high;        /* bytes waiting for the client at which mw_http_full becomes true */
	size_t out_low;         /* …and at which on_drain is called */
	size_t connections;     /* more are closed at once */
};
/* 64 KiB, 128, 64 MiB, 30 s, 30 s, 1 KiB/s, 30 s, 30 s, 256 KiB, 64 KiB, 100000 */
extern const struct mw_http_limits mw_http_default_limits;

struct mw_http_head {
	struct mw_str method; /* as sent */
	struct mw_str path;   /* without the query, percent-decoding not done; "*" for OPTIONS * */
	struct mw_str query;  /* without '?', may be empty */
	const struct mw_header *headers;
	size_t n_headers;
	bool is_head;         /* HEAD: method reads "GET" and no body will be sent */
	bool has_body;
	uint64_t body_length; /* as declared; UINT64_MAX if chunked */
};

struct mw_http_handler {
	/* The head is whole. Return a pointer that later callbacks get as `call`. The handler may answer at
	 * once (mw_http_reply); the body is then read and thrown away up to a small ceiling, or the
	 * connection is closed after the answer. */
	void *(*on_head)(void *arg, struct mw_http_req *req, const struct mw_http_head *head);
	/* The request is whole. The body (empty if there is none) stays where it is until the answer is
	 * finished. Not called when an answer was begun before. */
	void (*on_body)(void *call, struct mw_str body);
	/* The client left before the answer was finished: req is dead, nothing more can be sent, no
	 * further callback. */
	void (*on_gone)(void *call);
	/* The client broke a rule before an answer was begun: http_in answers by itself, with the body
	 * that this puts into out. `head` goes as far as it was right. `call` is over as after on_gone;
	 * NULL if there was none yet. */
	void (*on_refused)(void *arg, void *call, const struct mw_http_head *head,
	    const struct mw_err *err, struct mw_buf *out);
	/* mw_http_full was true and is not any more. */
	void (*on_drain)(void *call);
};

struct mw_http_in *mw_http_in_new(struct mw_loop *loop, const struct mw_http_limits *limits,
    const struct mw_http_handler *handler, void *arg);
/* Closes what is open; calls on_gone for running calls. Not from inside a callback. Takes NULL. */
void mw_http_in_free(struct mw_http_in *in);

/* Other limits, from the next request of each connection on; `head` and `headers` cannot change. */
void mw_http_in_set_limits(struct mw_http_in *in, const struct mw_http_limits *limits);

/* Takes over an accepted, non-blocking socket. */
void mw_http_in_accept(struct mw_http_in *in, int fd);

/* From now on every answer says Connection: close, and connections on which nothing has come are closed
 * at once. */
void mw_http_in_drain(struct mw_http_in *in);
size_t mw_http_in_connections(const struct mw_http_in *in);
size_t mw_http_in_busy(const struct mw_http_in *in); /* connections with a request on them */

/* The first header of that name (any case); {NULL,0} if absent. */
struct mw_str mw_http_header(const struct mw_http_head *head, const char *name);
/* The head of a request, good as long as the request is. */
const struct mw_http_head *mw_http_req_head(const struct mw_http_req *req);

/* A whole answer. Content-Length, Date and Connection are added here; `headers` brings the rest,
 * Content-Type included. Everything is copied or sent before it returns. req is dead. */
void mw_http_reply(struct mw_http_req *req, int status, const struct mw_header *headers, size_t n,
    struct mw_str body);

/* A streamed answer: begin once, write any number of times, end once. The bytes of one write leave
 * together, before the loop sleeps (no waiting for more; what is written in the same turn leaves with
 * them). For HTTP/1.0 the answer ends with the connection. mw_http_end makes req dead. */
void mw_http_begin(struct mw_http_req *req, int status, const struct mw_header *headers, size_t n);
void mw_http_write(struct mw_http_req *req, struct mw_str bytes);
void mw_http_end(struct mw_http_req *req);
/* Closes the connection in the middle of an answer, so that the client sees that it was cut. */
void mw_http_abort(struct mw_http_req *req);

bool mw_http_began(const struct mw_http_req *req); /* has an answer been begun? */
bool mw_http_full(const struct mw_http_req *req); /* the client is slower than what feeds it */

#endif
