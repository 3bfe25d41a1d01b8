/* SPDX-License-Identifier: MIT
 *
 * Bytes of answers on their way to one client: what the socket does not take at once waits here.
 * Also how the head of an answer is written.
 */
#ifndef MW_HTTP_OUT_H
#define MW_HTTP_OUT_H

#include "base/buf.h"
#include "base/exchange.h"

struct mw_http_out {
	struct mw_buf buf;
	size_t sent;  /* of buf */
	bool blocked; /* the socket took less than there was: nothing is tried until it is writable
		       */
	bool broken; /* the client cannot be reached any more, or more waits than the ceiling allows
		      */
};

void mw_http_out_init(struct mw_http_out *o);
void mw_http_out_deinit(struct mw_http_out *o);
/* Ready for another answer; keeps at most `keep` bytes of memory. */
void mw_http_out_reset(struct mw_http_out *o, size_t keep);

static inline size_t mw_http_out_waiting(const struct mw_http_out *o)
{
	return o->buf.n - o->sent;
}

/* Puts bytes behind what waits; nothing is sent yet. */
void mw_http_out_add(struct mw_http_out *o, struct mw_str bytes);

/* Sends what waits, then `more`, then `tail`, in one system call if the socket takes it; what it
 * does not take is kept. Returns whether any byte went. */
bool mw_http_out_send(struct mw_http_out *o, int fd, struct mw_str more, struct mw_str tail);

/* The parts of a head, in this order; nothing is sent yet. Control characters in values become
 * spaces, so that no value can end the head. */
void mw_http_out_status(struct mw_http_out *o, int status);
void mw_http_out_length(struct mw_http_out *o, uint64_t content_length);
void mw_http_out_fields(struct mw_http_out *o, const struct mw_header *headers, size_t n);
void mw_http_out_head_end(struct mw_http_out *o);

/* Adds the line that goes before `n` bytes of a chunked body; n > 0. */
void mw_http_out_chunk_size(struct mw_http_out *o, size_t n);

/* "Date: …\r\n" of a time since 1970; to holds MW_HTTP_OUT_DATE bytes. */
enum { MW_HTTP_OUT_DATE = 38 };
void mw_http_out_date(char to[MW_HTTP_OUT_DATE], uint64_t seconds);

#endif
