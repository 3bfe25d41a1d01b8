/* SPDX-License-Identifier: MIT
 *
 * Puts a request into libcurl's terms.
 */
#include "net/fetch_request.h"

#include "base/mem.h"
#include "net/http_parse.h"

#include <stdlib.h>

enum {
	MAX_URL = 64 * 1024,
	MAX_LINES = 256 * 1024,
	KEEP_BYTES = 16 * 1024, /* a buffer larger than this is not kept for the next request */
	ONE_SEND = 64 * 1024,   /* libcurl sends a body shorter than this together with the head */
	/* … and of a longer one, up to this much in one send. Allocated for each such transfer: cheap only
	 * because mw_mem_tune lets malloc keep memory of this size. */
	SEND_BUFFER = 128 * 1024,
	READ_BUFFER = 64 * 1024, /* the most that one read brings */
};

/* ---- bodies -------------------------------------------------------------------------------- */

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
	struct mw_fetch_request *told = arg;
	size_t room = size * n, skip = told->given, given = 0;
	for (size_t i = 0; i < MW_EXCHANGE_PARTS; i++) {
		struct mw_str part = told->parts[i];
		size_t at = MW_MIN(skip, part.n), more = MW_MIN(part.n - at, room - given);
		if (more)
			memcpy(to + given, part.p + at, more);
		skip -= at;
		given += more;
	}
	told->given += given;
	return given;
}

/* Libcurl begins anew on another connection. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct mw_fetch_request *told = arg;
	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	told->given = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static const char *join(struct mw_fetch_request *told, const struct mw_str *parts, size_t total)
{
	for (size_t i = 0; i < MW_EXCHANGE_PARTS; i++)
		if (parts[i].n == total)
			return total ? parts[i].p : "";
	if (told->joined.cap > KEEP_BYTES)
		mw_buf_deinit(&told->joined);
	mw_buf_clear(&told->joined);
	for (size_t i = 0; i < MW_EXCHANGE_PARTS; i++)
		mw_buf_add(&told->joined, parts[i]);
	mw_require(!told->joined.full);
	return told->joined.p;
}

static size_t body_length(const struct mw_exchange_request *r)
{
	size_t total = 0;
	for (size_t i = 0; i < MW_EXCHANGE_PARTS; i++)
		total += r->body[i].n;
	return total;
}

static void set_body(struct mw_fetch_request *told, CURL *easy, const struct mw_exchange_request *r)
{
	size_t total = body_length(r);
	const char *one = total < ONE_SEND ? join(told, r->body, total) : NULL;
	told->parts = r->body;
	told->length = one ? 0 : total;
	told->given = 0;
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, one);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)total);
}

/* ---- what a handle is told once ---------------------------------------------------------------- */

/* Does the environment name a proxy, in any way that libcurl knows? */
static bool has_proxy(void)
{
	static const char *const names[] = {
	    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
	for (size_t i = 0; i < MW_LEN(names); i++)
		if (getenv(names[i]))
			return true;
	return false;
}

/* What holds for every request. */
static void set_options(CURL *c)
{
	/* else libcurl looks at the environment for each transfer */
	if (!has_proxy())
		curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	/* as for OpenSSL's own programs: names a bundle other than the system's */
	const char *bundle = getenv("SSL_CERT_FILE");
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (bundle && *bundle)
		curl_easy_setopt(c, CURLOPT_CAINFO, bundle);
	curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, ""); /* never asked for, but understood */
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	/* a look-up that is given up goes on by itself: to wait for its thread would stop the loop
	 */
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)READ_BUFFER);
	curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BUFFER);
}

/* ---- what is kept -------------------------------------------------------------------------- */

void mw_fetch_request_init(struct mw_fetch_request *told, CURL *easy)
{
	*told = (struct mw_fetch_request){0};
	mw_buf_init(&told->url, MAX_URL);
	mw_buf_init(&told->lines, MAX_LINES);
	mw_buf_init(&told->joined, ONE_SEND);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, told);
	curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(easy, CURLOPT_SEEKDATA, told);
	set_options(easy);
}

void mw_fetch_request_deinit(struct mw_fetch_request *told)
{
	curl_url_cleanup(told->parsed);
	mw_buf_deinit(&told->url);
	mw_buf_deinit(&told->lines);
	mw_buf_deinit(&told->joined);
	mw_mem_free(told->list);
}

bool mw_fetch_request_sent(const struct mw_fetch_request *told)
{
	return told->kind != MW_FETCH_BODY || told->given >= told->length;
}

bool mw_fetch_request_tls(const struct mw_fetch_request *told)
{
	return told->version == CURL_HTTP_VERSION_2TLS;
}

struct mw_str mw_fetch_request_host(struct mw_str url)
{
	const char *slashes = mw_str_search(url, MW_STR("://"));
	if (!slashes)
		return MW_STR("the target");
	struct mw_str host = mw_strn(slashes + 3, (size_t)(url.p + url.n - slashes) - 3);
	for (size_t i = 0; i < host.n; i++)
		if (memchr("/?#\\", host.p[i], 4))
			host.n = i;
	for (size_t i = host.n; i > 0; i--)
		if (host.p[i - 1] == '@')
			return mw_strn(host.p + i, host.n - i);
	return host;
}

/* Libcurl parses a URL anew for each transfer unless it is also given it in parts. */
static bool parse_url(
    struct mw_fetch_request *told, CURL *easy, struct mw_str url, struct mw_err *err)
{
	if (!told->parsed)
		told->parsed = curl_url();
	mw_require(told->parsed);
	CURLUcode code = curl_url_set(told->parsed, CURLUPART_URL, told->url.p, 0);
	if (code == CURLUE_OK) {
		curl_easy_setopt(easy, CURLOPT_URL, told->url.p);
		curl_easy_setopt(easy, CURLOPT_CURLU, told->parsed);
		return true;
	}
	mw_buf_clear(&told->url); /* it would look as if it had been told */
	struct mw_str host = mw_fetch_request_host(url);
	return mw_err_set(err, MW_ERR_UPSTREAM_UNREACHABLE, "the address of %.*s is not a URL: %s",
	    MW_FMT(host), curl_url_strerror(code));
}

static bool set_url(
    struct mw_fetch_request *told, CURL *easy, struct mw_str url, struct mw_err *err)
{
	if (told->url.n == url.n + 1 && memcmp(told->url.p, url.p, url.n) == 0)
		return true;
	bool tls = mw_str_istarts(url, MW_STR("https://"));
	if (!tls && !mw_str_istarts(url, MW_STR("http://")))
		return mw_err_set(err, MW_ERR_UPSTREAM_UNREACHABLE,
		    "the address does not begin with http:// or https://");
	if (url.n >= MAX_URL || memchr(url.p, '\0', url.n))
		return mw_err_set(err, MW_ERR_UPSTREAM_UNREACHABLE,
		    "the address has %zu bytes (%d can be sent) or a NUL", url.n, MAX_URL - 1);
	mw_buf_clear(&told->url);
	mw_buf_add(&told->url, url);
	mw_buf_addc(&told->url, '\0');
	mw_require(!told->url.full);
	if (!parse_url(told, easy, url, err))
		return false;
	/* HTTP/2 without TLS is nowhere spoken, and to ask for it would let the first calls queue
	 */
	long version = tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
	if (version != told->version)
		curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
	told->version = version;
	return true;
}

static void set_kind(struct mw_fetch_request *told, CURL *easy, enum mw_fetch_kind kind)
{
	if (kind == told->kind)
		return;
	told->kind = kind;
	if (kind == MW_FETCH_GET)
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	else if (kind == MW_FETCH_HEAD)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
}

static enum mw_fetch_kind kind_of(const struct mw_exchange_request *r)
{
	if (mw_str_is(r->method, "HEAD"))
		return MW_FETCH_HEAD;
	bool body = body_length(r) || mw_str_is(r->method, "POST") || mw_str_is(r->method, "PUT") ||
	            mw_str_is(r->method, "PATCH");
	return body ? MW_FETCH_BODY : MW_FETCH_GET;
}

static bool set_method(struct mw_fetch_request *told, CURL *easy,
    const struct mw_exchange_request *r, struct mw_err *err)
{
	static const char *const natural[] = {
	    [MW_FETCH_GET] = "GET", [MW_FETCH_HEAD] = "HEAD", [MW_FETCH_BODY] = "POST"};
	if (!mw_http_parse_is_token(r->method) || r->method.n >= sizeof(told->method))
		return mw_err_set(err, MW_ERR_UPSTREAM_UNREACHABLE,
		    "\"%.*s\" is not an HTTP method", MW_FMT(r->method));
	enum mw_fetch_kind kind = kind_of(r);
	set_kind(told, easy, kind);
	if (kind == MW_FETCH_BODY)
		set_body(told, easy, r);
	struct mw_str custom = mw_str_is(r->method, natural[kind]) ? MW_STR("") : r->method;
	if (mw_str_is(custom, told->method))
		return true;
	memcpy(told->method, custom.p, custom.n);
	told->method[custom.n] = '\0';
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, custom.n ? told->method : NULL);
	return true;
}

/* Headers that say how the message travels are ours to write. */
static bool is_ours(struct mw_str name)
{
	static const char *const ours[] = {
	    "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Accept-Encoding"};
	for (size_t i = 0; i < MW_LEN(ours); i++)
		if (mw_str_ieq(name, mw_str(ours[i])))
			return true;
	return false;
}

static bool add_header(
    struct mw_buf *lines, struct mw_str name, struct mw_str value, struct mw_err *err)
{
	value = mw_str_trim(value);
	if (!mw_http_parse_is_token(name))
		return mw_err_set(err, MW_ERR_UPSTREAM_UNREACHABLE,
		    "\"%.*s\" cannot be the name of a header", (int)MW_MIN(name.n, (size_t)40),
		    name.p);
	if (value.n && (memchr(value.p, '\r', value.n) || memchr(value.p, '\n', value.n) ||
			   memchr(value.p, '\0', value.n)))
		return mw_err_set(err, MW_ERR_UPSTREAM_UNREACHABLE,
		    "the value of the header %.*s holds a line break or a NUL",
		    (int)MW_MIN(name.n, (size_t)40), name.p);
	mw_buf_add(lines, name);
	mw_buf_addz(lines, value.n ? ": " : ";"); /* libcurl's way to say: empty, but send it */
	mw_buf_add(lines, value);
	mw_buf_addc(lines, '\0');
	return true;
}

/* A name without a value takes away what libcurl would add by itself. */
static size_t suppress(struct mw_buf *lines, struct mw_str name)
{
	mw_buf_add(lines, name);
	mw_buf_addc(lines, '\0');
	return 1;
}

/* Makes libcurl's list of the n texts in `lines`. */
static void link_lines(struct mw_fetch_request *told, size_t n)
{
	if (n > told->list_cap) {
		told->list_cap = MW_MAX(n, (size_t)16);
		told->list = mw_mem_realloc(told->list, told->list_cap * sizeof(*told->list));
	}
	char *p = told->lines.p;
	for (size_t i = 0; i < n; i++) {
		told->list[i] = (struct curl_slist){p, i + 1 < n ? &told->list[i + 1] : NULL};
		p += strlen(p) + 1;
	}
}

static bool set_headers(struct mw_fetch_request *told, CURL *easy,
    const struct mw_exchange_request *r, struct mw_err *err)
{
	struct mw_buf *lines = &told->lines;
	bool typed = told->kind != MW_FETCH_BODY;
	size_t n = 0;
	if (lines->cap > KEEP_BYTES)
		mw_buf_deinit(lines);
	mw_buf_clear(lines);
	for (size_t i = 0; i < r->n_headers; i++) {
		if (is_ours(r->headers[i].name))
			continue;
		if (!add_header(lines, r->headers[i].name, r->headers[i].value, err))
			return false;
		typed |= mw_str_ieq(r->headers[i].name, MW_STR("Content-Type"));
		n++;
	}
	n += suppress(lines, MW_STR("Accept:")); /* anything, which goes without saying */
	n += suppress(lines, MW_STR("Accept-Encoding:"));
	if (told->length) /* only for long bodies does libcurl think of it */
		n += suppress(lines, MW_STR("Expect:"));
	if (!typed)
		n += suppress(lines, MW_STR("Content-Type:"));
	if (lines->full)
		return mw_err_set(err, MW_ERR_UPSTREAM_UNREACHABLE,
		    "the request's headers have more than %d bytes", MAX_LINES);
	link_lines(told, n);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, told->list);
	return true;
}

bool mw_fetch_request_set(struct mw_fetch_request *told, CURL *easy,
    const struct mw_exchange_request *request, struct mw_err *err)
{
	return set_url(told, easy, request->url, err) && set_method(told, easy, request, err) &&
	       set_headers(told, easy, request, err);
}
