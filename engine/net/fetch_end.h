/* SPDX-License-Identifier: MIT
 *
 * How a transfer ended: libcurl's account of it put into our words. Pure.
 */
#ifndef MW_FETCH_END_H
#define MW_FETCH_END_H

#include "base/exchange.h"

#include <curl/curl.h>

struct mw_fetch_end {
	CURLcode code;
	const char *why; /* libcurl's words; "" if it has none */
	int os_error;    /* errno of what failed last: socket() or connect(); 0: unknown */
	bool ipv6;       /* one of the addresses tried was of IPv6 */
	bool sent;       /* a connection was there and the request was begun */
	bool head_given; /* the reply's head has come */
};

enum mw_exchange_end mw_fetch_end_of(const struct mw_fetch_end *e);

/* Writes what went wrong, "" if nothing did; of the URL no more than the host. */
enum { MW_FETCH_END_TEXT = 1024 };
void mw_fetch_end_text(
    const struct mw_fetch_end *e, struct mw_str url, char text[MW_FETCH_END_TEXT]);

#endif
