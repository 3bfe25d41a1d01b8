/* SPDX-License-Identifier: MIT
 *
 * The grammar of chunked bodies (RFC 9112, 7.1), without sockets. The verdict does not depend on
 * where the bytes were cut.
 */
#ifndef MW_HTTP_CHUNKED_H
#define MW_HTTP_CHUNKED_H

#include "net/http_parse.h"

/* One body. Zero it to begin. */
struct mw_http_chunked {
	uint64_t left;
	unsigned state, digits, extension_bytes, trailer_bytes;
};

/* Takes bytes off the front of *raw: framing, and at most one piece of data (*data, else empty).
 * MORE: call again if raw has bytes left. DONE: the body ended; what is left in raw comes after it.
 * Errors: BAD_REQUEST, HEAD_TOO_LARGE (trailers). */
enum mw_http_parsed mw_http_chunked_feed(struct mw_http_chunked *c, struct mw_str *raw,
    struct mw_str *data, struct mw_err *err) MW_MUSTCHECK;

/* How much data is to come of the present chunk. A reader may take that much, or a part, from the
 * socket by itself and say so with skip. */
uint64_t mw_http_chunked_left(const struct mw_http_chunked *c);
void mw_http_chunked_skip(struct mw_http_chunked *c, uint64_t n);

#endif
