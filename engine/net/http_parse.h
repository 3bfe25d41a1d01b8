/* SPDX-License-Identifier: MIT
 *
 * The grammar of HTTP/1.1 request heads (RFC 9112), without sockets. Bytes come in pieces of any
 * size and the verdict does not depend on where they were cut. Strict: a head that two readers
 * could understand in two ways is refused, because that is how requests are smuggled.
 */
#ifndef MW_HTTP_PARSE_H
#define MW_HTTP_PARSE_H

#include "net/http_in.h"

enum mw_http_parsed {
	MW_HTTP_MORE, /* right so far */
	MW_HTTP_DONE,
	MW_HTTP_BAD, /* err says what and where */
};

/* One head. `max_bytes` and `max_headers` are set by init, the results are good after DONE (and as
 * far as they go after BAD: the path is there once the request line was right); slices point into
 * `bytes`. */
struct mw_http_parse {
	size_t max_bytes, max_headers;

	struct mw_http_head head;
	size_t length;       /* of the head, its empty line included */
	bool http11;         /* else HTTP/1.0 */
	bool keep_alive;     /* what the client asked for */
	bool wants_continue; /* Expect: 100-continue */

	struct mw_header *headers; /* owned: room for cap_headers */
	size_t cap_headers;
	size_t at;      /* where the first line that was not looked at begins */
	size_t scanned; /* no LF before this */
	unsigned line;  /* its number, for messages; the request line is 1 */
	unsigned seen;  /* which of the fields that may come only once were there */
	bool skipped_empty_line;
};

void mw_http_parse_init(struct mw_http_parse *p, size_t max_bytes, size_t max_headers);
void mw_http_parse_deinit(struct mw_http_parse *p);

/* Forgets the head; keeps the memory. Also for reading a head again after its bytes have moved. */
void mw_http_parse_reset(struct mw_http_parse *p);

/* `bytes` is all that came since the head began: each time the same start and more behind it.
 * Errors: BAD_REQUEST, HEAD_TOO_LARGE, HTTP_VERSION, EXPECTATION. */
enum mw_http_parsed mw_http_parse_head(
    struct mw_http_parse *p, struct mw_str bytes, struct mw_err *err) MW_MUSTCHECK;

/* Made of what a field value may hold? (No control character but TAB.) */
bool mw_http_parse_is_value(struct mw_str s);
/* Made of what a field name or a method may hold? */
bool mw_http_parse_is_token(struct mw_str s);

#endif
