/* SPDX-License-Identifier: MIT
 *
 * What libcurl says of a transfer's end, read and put into words.
 */
#include "net/fetch_end.h"

#include "net/fetch_request.h"

#include <errno.h>
#include <stdio.h>

static bool is_malformed(const struct mw_fetch_end *e)
{
	switch (e->code) {
	case CURLE_UNSUPPORTED_PROTOCOL: /* "HTTP/0.9" */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return true;
	case CURLE_RECV_ERROR: /* bad chunks have no code of their own */
		return strstr(e->why, "in chunked-encoding") != NULL;
	default:
		return false;
	}
}

/* Of several addresses the last one's errno is known. Where there is no IPv6 on this machine that is
 * EADDRNOTAVAIL, whatever was wrong with the others. */
static int known_error(const struct mw_fetch_end *e)
{
	return e->os_error == EADDRNOTAVAIL && e->ipv6 ? 0 : e->os_error;
}

/* Was it this machine that could not even begin? */
static bool is_local(const struct mw_fetch_end *e)
{
	switch (known_error(e)) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EADDRNOTAVAIL: /* no port is left */
		return true;
	}
	return e->code == CURLE_SSL_CACERT_BADFILE || strstr(e->why, "thread failed to start");
}

static enum mw_exchange_end unconnected(const struct mw_fetch_end *e)
{
	if (is_local(e))
		return MW_END_LOCAL;
	return e->code == CURLE_OPERATION_TIMEDOUT ? MW_END_CONNECT_TIMEOUT : MW_END_UNREACHABLE;
}

enum mw_exchange_end mw_fetch_end_of(const struct mw_fetch_end *e)
{
	if (e->code == CURLE_OK)
		return e->head_given ? MW_END_OK : MW_END_NO_REPLY;
	if (!e->sent)
		return unconnected(e);
	if (is_malformed(e))
		return MW_END_MALFORMED;
	return e->head_given ? MW_END_CUT : MW_END_NO_REPLY;
}

/* Libcurl's words know whom it could not reach: a proxy, perhaps. */
static void say_unconnected(
    const struct mw_fetch_end *e, struct mw_str host, char text[MW_FETCH_END_TEXT])
{
	char peer[256], error[128];
	unsigned port;
	int number = known_error(e);
	if (sscanf(e->why, "Failed to connect to %240s port %u", peer, &port) == 2)
		snprintf(peer + strlen(peer), 12, ":%u", port);
	else
		snprintf(peer, sizeof(peer), "%.*s", MW_FMT(host));
	if (number == ECONNREFUSED)
		snprintf(text, MW_FETCH_END_TEXT, "connection refused by %s", peer);
	else
		snprintf(text, MW_FETCH_END_TEXT, "no connection to %s: %s", peer,
		    number ? strerror_r(number, error, sizeof(error))
			   : curl_easy_strerror(e->code));
}

void mw_fetch_end_text(
    const struct mw_fetch_end *e, struct mw_str url, char text[MW_FETCH_END_TEXT])
{
	static const char *const words[][2] = {
	    [MW_END_UNREACHABLE] = {"no connection to ", ""},
	    [MW_END_LOCAL] = {"no connection to ", ""},
	    [MW_END_CONNECT_TIMEOUT] = {"no connection to ", " in time"},
	    [MW_END_NO_REPLY] = {"", " closed the connection before it answered"},
	    [MW_END_CUT] = {"", " closed the connection inside its answer"},
	    [MW_END_MALFORMED] = {"what came from ", " is not HTTP"},
	};
	enum mw_exchange_end end = mw_fetch_end_of(e);
	text[0] = '\0';
	if (end == MW_END_OK)
		return;
	struct mw_str host = mw_fetch_request_host(url);
	if (!e->sent && e->code == CURLE_COULDNT_CONNECT)
		say_unconnected(e, host, text);
	else
		snprintf(text, MW_FETCH_END_TEXT, "%s%.*s%s%s%s", words[end][0], MW_FMT(host),
		    words[end][1], e->why[0] ? ": " : "", e->why);
}
