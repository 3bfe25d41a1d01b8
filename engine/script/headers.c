/* SPDX-License-Identifier: MIT
 *
 * The rules for headers that policies read and set.
 */
#include "script/headers.h"

#include "net/http_parse.h"

static const char *const secrets[] = {
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-litellm-api-key",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
    "x-amz-security-token",
};

/* Hop by hop, or about the bytes on the wire, which are the gateway's. */
static const char *const framing[] = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "content-encoding",
    "content-type",
    "expect",
    "host",
    "date",
};

static bool listed(struct mw_str name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (mw_str_ieq(name, mw_str(list[i])))
			return true;
	return false;
}

static bool ends_with(struct mw_str name, const char *end)
{
	size_t n = strlen(end);
	return name.n >= n && mw_str_ieq(mw_strn(name.p + name.n - n, n), mw_str(end));
}

bool mw_headers_secret(struct mw_str name)
{
	return listed(name, secrets, MW_LEN(secrets)) || ends_with(name, "-api-key") ||
	       ends_with(name, "-token") || ends_with(name, "-secret");
}

bool mw_headers_may_set(struct mw_str name, struct mw_str value, struct mw_err *err)
{
	if (name.n > MW_HEADERS_NAME || !mw_http_parse_is_token(name))
		return mw_err_set(err, MW_ERR_SCRIPT,
		    "'%.*s' is no header name: 1 to %d letters, digits and -_.",
		    (int)MW_MIN(name.n, 40u), name.p, MW_HEADERS_NAME);
	if (listed(name, framing, MW_LEN(framing)))
		return mw_err_set(err, MW_ERR_SCRIPT,
		    "'%.*s' belongs to the connection, which is the gateway's", MW_FMT(name));
	if (value.n > MW_HEADERS_VALUE || !mw_http_parse_is_value(value))
		return mw_err_set(err, MW_ERR_SCRIPT,
		    "the value for '%.*s' holds a line end or another control character, or is "
		    "longer "
		    "than %d bytes",
		    MW_FMT(name), MW_HEADERS_VALUE);
	return true;
}
