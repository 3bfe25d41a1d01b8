/* SPDX-License-Identifier: MIT
 *
 * A request in libcurl's terms. A pooled handle keeps what it was told: URL, method and protocol
 * are set again only when they differ, and the list of headers is built in the same memory. A short
 * body is put together, to leave in one send with the head; a long one is read part by part.
 */
#ifndef MW_FETCH_REQUEST_H
#define MW_FETCH_REQUEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/exchange.h"

#include <curl/curl.h>

enum mw_fetch_kind { MW_FETCH_NEW, MW_FETCH_GET, MW_FETCH_HEAD, MW_FETCH_BODY };

/* What one libcurl handle has been told. Belongs to the handle's owner; zero bytes at first. */
struct mw_fetch_request {
	struct mw_buf url;	 /* ended by a NUL */
	CURLU *parsed;		 /* the same, in parts */
	struct mw_buf lines;	 /* "Name: value", each ended by a NUL */
	struct curl_slist *list; /* nodes whose data lies in `lines` */
	size_t list_cap;
	enum mw_fetch_kind kind;
	char method[16];	 /* CURLOPT_CUSTOMREQUEST; "" if none */
	long version;		 /* CURLOPT_HTTP_VERSION */
	struct mw_buf joined;	 /* a short body that came in parts */
	const struct mw_str *parts; /* of a long body; borrowed */
	size_t length, given;	 /* of a long body: its bytes, and how many libcurl has read */
};

void mw_fetch_request_init(struct mw_fetch_request *told, CURL *easy);
void mw_fetch_request_deinit(struct mw_fetch_request *told); /* not while the handle is in use */

/* Tells the handle. The body is borrowed until the transfer is over. False (UPSTREAM_UNREACHABLE)
 * when the request cannot be sent as it is: not an http or https URL, a line break in a header … */
bool mw_fetch_request_set(struct mw_fetch_request *told, CURL *easy,
    const struct mw_exchange_request *request, struct mw_err *err) MW_MUSTCHECK;

/* Has libcurl read the whole body? */
bool mw_fetch_request_sent(const struct mw_fetch_request *told);

bool mw_fetch_request_tls(const struct mw_fetch_request *told);

/* HOST or HOST:PORT of a URL, for people: never the path, the query or a password. */
struct mw_str mw_fetch_request_host(struct mw_str url);

#endif
