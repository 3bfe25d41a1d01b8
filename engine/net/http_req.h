/* SPDX-License-Identifier: MIT
 *
 * The bytes of a request: where they are read to, how a body becomes one contiguous piece, and the
 * memory for it. No sockets here. For http_conn.c and http_in.c only.
 *
 * A connection that rests between requests holds none of this. With the first byte of a request it
 * borrows a `struct mw_http_req`; the spare ones are kept, so that a request costs no malloc.
 */
#ifndef MW_HTTP_REQ_H
#define MW_HTTP_REQ_H

#include "net/http_chunked.h"
#include "net/http_out.h"

/* How much is read of a body that nobody wants, so that the connection can be kept. */
enum { MW_HTTP_REQ_DISCARD = 256 * 1024 };

enum mw_http_sink {
	MW_HTTP_STORE,   /* the body is kept for on_body */
	MW_HTTP_IGNORE,  /* an answer has begun: the body is not kept, but its rules hold */
	MW_HTTP_DISCARD, /* the answer is complete: the rest is read to keep the connection, within reason */
};

struct mw_http_req {
	struct mw_http_req *next; /* among the spare ones */
	struct mw_http_conn *conn;
	void *call; /* what on_head returned */
	struct mw_http_parse parse;
	struct mw_buf in;   /* from the first byte of the head on; does not move after on_head */
	struct mw_buf body; /* if the body does not fit into `in` */
	size_t body_max;
	struct mw_http_chunked chunked;
	uint64_t left;      /* to come of a body with a declared length, unless in_place */
	uint64_t body_seen; /* bytes of the body that came */
	enum mw_http_sink sink;
	bool in_place; /* the body stands in `in`, behind the head */
	bool body_done;

	struct mw_http_out out;
	bool begun;  /* the answer */
	bool bare;   /* the answer has no body: HEAD, 204, 304 */
	bool framed; /* the answer is chunked */
	bool full;   /* from out_high waiting bytes until out_low */
};

/* Spare requests of one server. */
struct mw_http_req_pool {
	const struct mw_http_limits *limits;
	struct mw_http_req *first;
	size_t n;
};

struct mw_http_req *mw_http_req_take(struct mw_http_req_pool *pool);
void mw_http_req_give(struct mw_http_req_pool *pool, struct mw_http_req *r);
void mw_http_req_pool_deinit(struct mw_http_req_pool *pool);

/* Makes way for the next request of the same connection: what came behind this one moves to the
 * front. */
void mw_http_req_next(const struct mw_http_req_pool *pool, struct mw_http_req *r);

/* The head is whole: says where its body will be gathered. May have to move the head (and read it
 * again) for that. False if there is no memory. */
bool mw_http_req_expect_body(struct mw_http_req *r, struct mw_err *err) MW_MUSTCHECK;

/* Takes what has come of the body. BAD: BODY_TOO_LARGE, BAD_REQUEST, HEAD_TOO_LARGE, INTERNAL. */
enum mw_http_parsed mw_http_req_collect(struct mw_http_req *r, struct mw_err *err) MW_MUSTCHECK;

/* The whole body, after DONE. */
struct mw_str mw_http_req_body(const struct mw_http_req *r);

/* Has any byte come behind the head? */
static inline bool mw_http_req_has_more(const struct mw_http_req *r)
{
	return r->in.n > r->parse.length;
}

/* Where the next bytes from the socket belong. Bytes that nobody wants go to `scratch`. */
struct mw_http_slot {
	char *p; /* NULL: no memory */
	size_t n;
};
struct mw_http_slot mw_http_req_slot(struct mw_http_req *r, char *scratch, size_t scratch_size);
/* n bytes have come into that slot. */
void mw_http_req_took(struct mw_http_req *r, size_t n);

#endif
