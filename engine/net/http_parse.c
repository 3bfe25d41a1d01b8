/* SPDX-License-Identifier: MIT
 *
 * Request heads: the request line, the fields, and what they say together about the body.
 */
#include "net/http_parse.h"

#include "base/mem.h"

enum { MAX_METHOD = 32, MAX_HOST = 255, FIRST_HEADERS = 16 };

enum {
	SEEN_HOST = 1,
	SEEN_LENGTH = 2,
	SEEN_CODING = 4,
	SEEN_EXPECT = 8,
	SEEN_CLOSE = 16,
	SEEN_KEEP = 32
};

/* What a byte may be part of. */
enum {
	T = 1,  /* a token: method, field name */
	V = 2,  /* a field value */
	P = 4,  /* a path */
	Q = 8,  /* a query; also what browsers leave there as it is: [ ] { } | \ ^ ` */
	H = 16, /* a host */
};
#define X (T | V | P | Q | H) /* letters and digits */

/* clang-format off */
static const unsigned char classes[256] = {
	/* controls */
	0, 0, 0, 0, 0, 0, 0, 0, 0, V, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	/*         !  "  #      $  %  &  '  (        )        *  +  ,      -  .  / */
	V,         X, V, T | V, X, X, X, X, X & ~T, X & ~T, X, X, V|P|Q, X, X, V|P|Q,
	/* 0 to 9                     :       ;       <  =       >  ? */
	X, X, X, X, X, X, X, X, X, X, X & ~T, X & ~T, V, X & ~T, V, V | Q,
	/* @   A to O */
	V|P|Q, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	/* P to Z                        [      \      ]      ^        _ */
	X, X, X, X, X, X, X, X, X, X, X, V | Q, V | Q, V | Q, T|V|Q,   X,
	/* `   a to o */
	T|V|Q, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	/* p to z                        {      |      }      ~  DEL */
	X, X, X, X, X, X, X, X, X, X, X, V | Q, T|V|Q, V | Q, X, 0,
	/* outside ASCII: in values only */
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
	V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V, V,
};
/* clang-format on */

/* How many bytes at the start of s are of that class. */
static size_t span(struct mw_str s, unsigned class)
{
	size_t n = 0;
	while (n < s.n && (classes[(unsigned char)s.p[n]] & class))
		n++;
	return n;
}

static bool all(struct mw_str s, unsigned class)
{
	return span(s, class) == s.n;
}

bool mw_http_parse_is_value(struct mw_str s)
{
	return all(s, V);
}

bool mw_http_parse_is_token(struct mw_str s)
{
	return s.n && all(s, T);
}

void mw_http_parse_init(struct mw_http_parse *p, size_t max_bytes, size_t max_headers)
{
	*p = (struct mw_http_parse){.max_bytes = max_bytes, .max_headers = max_headers};
}

void mw_http_parse_deinit(struct mw_http_parse *p)
{
	mw_mem_free(p->headers);
	p->headers = NULL;
	p->cap_headers = 0;
}

void mw_http_parse_reset(struct mw_http_parse *p)
{
	struct mw_header *headers = p->headers;
	size_t cap = p->cap_headers;
	mw_http_parse_init(p, p->max_bytes, p->max_headers);
	p->headers = headers;
	p->cap_headers = cap;
}

/* ---- the request line ------------------------------------------------------ */

/* Each % begins a coded byte, and none of them is NUL. */
static bool coding_is_right(struct mw_str s)
{
	for (size_t i = mw_str_find(s, '%'); i < s.n; i++) {
		if (s.p[i] != '%')
			continue;
		if (s.n - i < 3 || mw_str_hex(s.p[i + 1]) < 0 || mw_str_hex(s.p[i + 2]) < 0)
			return false;
		if (s.p[i + 1] == '0' && s.p[i + 2] == '0')
			return false;
	}
	return true;
}

static bool digits_only(struct mw_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

static bool is_port(struct mw_str s)
{
	return s.n <= 5 && digits_only(s);
}

/* [address] and perhaps :port */
static bool is_bracketed_host(struct mw_str s)
{
	struct mw_str address;
	if (!mw_str_cut(&s, ']', &address) || address.n < 3)
		return false;
	for (size_t i = 1; i < address.n; i++)
		if (mw_str_hex(address.p[i]) < 0 && address.p[i] != ':' && address.p[i] != '.')
			return false;
	return s.n == 0 || (s.p[0] == ':' && is_port(mw_strn(s.p + 1, s.n - 1)));
}

static bool is_host(struct mw_str s)
{
	if (s.n == 0 || s.n > MAX_HOST)
		return false;
	if (s.p[0] == '[')
		return is_bracketed_host(s);
	struct mw_str name;
	mw_str_cut(&s, ':', &name);
	return name.n && all(name, H) && coding_is_right(name) && is_port(s);
}

/* http://host/path: what a proxy is sent; every server has to take it. */
static bool cut_authority(struct mw_str *target)
{
	static const struct mw_str schemes[] = {{"http://", 7}, {"https://", 8}};
	for (size_t i = 0; i < MW_LEN(schemes); i++) {
		size_t n = schemes[i].n;
		if (!mw_str_istarts(*target, schemes[i]))
			continue;
		struct mw_str rest = mw_strn(target->p + n, target->n - n);
		size_t end = MW_MIN(mw_str_find(rest, '/'), mw_str_find(rest, '?'));
		*target = mw_strn(rest.p + end, rest.n - end);
		return is_host(mw_strn(rest.p, end));
	}
	return false;
}

static bool take_target(struct mw_http_head *head, struct mw_str target, struct mw_err *err)
{
	if (mw_str_is(target, "*")) {
		head->path = target;
		return mw_str_is(head->method, "OPTIONS") ||
		       mw_err_set(
			   err, MW_ERR_BAD_REQUEST, "the target \"*\" goes only with OPTIONS");
	}
	if (target.n && target.p[0] != '/' && !cut_authority(&target))
		return mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "the request target is neither a path that begins with / nor a whole http:// "
		    "address");
	if (mw_str_cut(&target, '?', &head->path))
		head->query = target;
	if (head->path.n == 0)
		head->path = MW_STR("/");
	if (all(head->path, P) && all(head->query, Q) && coding_is_right(head->path) &&
	    coding_is_right(head->query))
		return true;
	head->path = head->query = MW_NOSTR;
	return mw_err_set(err, MW_ERR_BAD_REQUEST,
	    "the request target has a character that has to be percent-coded, a %% without two "
	    "hexadecimal "
	    "digits, or a coded NUL");
}

static bool take_version(struct mw_http_parse *p, struct mw_str version, struct mw_err *err)
{
	p->http11 = mw_str_is(version, "HTTP/1.1");
	if (p->http11 || mw_str_is(version, "HTTP/1.0"))
		return true;
	bool shaped = version.n == 8 && mw_str_starts(version, MW_STR("HTTP/")) &&
	              digits_only(mw_strn(version.p + 5, 1)) && version.p[6] == '.' &&
	              digits_only(mw_strn(version.p + 7, 1));
	if (!shaped)
		return mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "the first line of a request is METHOD TARGET HTTP/1.1, with one space "
		    "between");
	return mw_err_set(err, MW_ERR_HTTP_VERSION,
	    "this port speaks HTTP/1.1 and HTTP/1.0, not %.*s", MW_FMT(version));
}

static bool take_request_line(struct mw_http_parse *p, struct mw_str line, struct mw_err *err)
{
	struct mw_str target;
	mw_str_cut(&line, ' ', &p->head.method);
	mw_str_cut(&line, ' ', &target);
	if (p->head.method.n > MAX_METHOD || !mw_http_parse_is_token(p->head.method))
		return mw_err_set(
		    err, MW_ERR_BAD_REQUEST, "the request does not begin with a method");
	if (!take_version(p, line, err))
		return false;
	if (mw_str_is(p->head.method, "CONNECT"))
		return mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "CONNECT asks for a tunnel, and this is no proxy of that kind");
	p->head.is_head = mw_str_is(p->head.method, "HEAD");
	if (p->head.is_head)
		p->head.method = MW_STR("GET");
	return take_target(&p->head, target, err);
}

/* ---- fields ---------------------------------------------------------------- */

static bool once(struct mw_http_parse *p, unsigned field, const char *name, struct mw_err *err)
{
	bool first = !(p->seen & field);
	p->seen |= field;
	return first ||
	       mw_err_set(err, MW_ERR_BAD_REQUEST, "the request has more than one %s", name);
}

static bool take_host(struct mw_http_parse *p, struct mw_str value, struct mw_err *err)
{
	return once(p, SEEN_HOST, "Host", err) &&
	       (is_host(value) ||
		   mw_err_set(err, MW_ERR_BAD_REQUEST, "the Host field is not a host name"));
}

static bool take_length(struct mw_http_parse *p, struct mw_str value, struct mw_err *err)
{
	if (!once(p, SEEN_LENGTH, "Content-Length", err))
		return false;
	/* UINT64_MAX means chunked */
	return (mw_str_u64(value, &p->head.body_length) && p->head.body_length <= INT64_MAX) ||
	       mw_err_set(err, MW_ERR_BAD_REQUEST, "Content-Length is not one decimal number");
}

static bool take_coding(struct mw_http_parse *p, struct mw_str value, struct mw_err *err)
{
	return once(p, SEEN_CODING, "Transfer-Encoding", err) &&
	       (mw_str_ieq(value, MW_STR("chunked")) ||
		   mw_err_set(err, MW_ERR_BAD_REQUEST,
		       "the only Transfer-Encoding that is understood here is \"chunked\""));
}

static bool take_expect(struct mw_http_parse *p, struct mw_str value, struct mw_err *err)
{
	if (!once(p, SEEN_EXPECT, "Expect", err))
		return false;
	p->wants_continue = mw_str_ieq(value, MW_STR("100-continue"));
	return p->wants_continue ||
	       mw_err_set(err, MW_ERR_EXPECTATION,
		   "the only Expect that is understood here is \"100-continue\"");
}

static bool take_connection(struct mw_http_parse *p, struct mw_str value, struct mw_err *err)
{
	(void)err;
	while (value.n) {
		struct mw_str option;
		mw_str_cut(&value, ',', &option);
		option = mw_str_trim(option);
		if (mw_str_ieq(option, MW_STR("close")))
			p->seen |= SEEN_CLOSE;
		else if (mw_str_ieq(option, MW_STR("keep-alive")))
			p->seen |= SEEN_KEEP;
	}
	return true;
}

/* The fields that say how to read the request. */
static bool take_known(struct mw_http_parse *p, const struct mw_header *field, struct mw_err *err)
{
	static const struct known {
		struct mw_str name;
		bool (*take)(struct mw_http_parse *p, struct mw_str value, struct mw_err *err);
	} known[] = {
	    {{"host", 4}, take_host},
	    {{"content-length", 14}, take_length},
	    {{"connection", 10}, take_connection},
	    {{"transfer-encoding", 17}, take_coding},
	    {{"expect", 6}, take_expect},
	};
	for (size_t i = 0; i < MW_LEN(known); i++)
		if (known[i].name.n == field->name.n && mw_str_ieq(known[i].name, field->name))
			return known[i].take(p, field->value, err);
	return true;
}

static bool refuse_name(struct mw_http_parse *p, struct mw_str line, size_t n, struct mw_err *err)
{
	if (n == 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
		return mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "line %u of the request head begins with a space; a field stands on one line",
		    p->line);
	return mw_err_set(err, MW_ERR_BAD_REQUEST,
	    "line %u of the request head is no field: it begins with a name of letters, digits and "
	    "!#$%%&'*+-.^_`|~ and a colon that follows at once",
	    p->line);
}

static struct mw_header *room_for_header(struct mw_http_parse *p)
{
	if (p->head.n_headers == p->cap_headers) {
		p->cap_headers = MW_MAX(p->cap_headers * 2, (size_t)FIRST_HEADERS);
		p->headers = mw_mem_realloc(p->headers, p->cap_headers * sizeof(*p->headers));
	}
	return &p->headers[p->head.n_headers++];
}

static bool take_field(struct mw_http_parse *p, struct mw_str line, struct mw_err *err)
{
	size_t n = span(line, T);
	if (n == 0 || n == line.n || line.p[n] != ':')
		return refuse_name(p, line, n, err);
	struct mw_str value = mw_strn(line.p + n + 1, line.n - n - 1);
	if (!all(value, V))
		return mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "line %u of the request head has a control character in its value", p->line);
	if (p->head.n_headers == p->max_headers)
		return mw_err_set(err, MW_ERR_HEAD_TOO_LARGE,
		    "more than %zu header lines are not taken", p->max_headers);
	struct mw_header *field = room_for_header(p);
	*field = (struct mw_header){mw_strn(line.p, n), mw_str_trim(value)};
	return take_known(p, field, err);
}

/* ---- the whole ------------------------------------------------------------- */

/* What no single line can tell. */
static bool weigh(struct mw_http_parse *p, struct mw_err *err)
{
	if (p->http11 && !(p->seen & SEEN_HOST))
		return mw_err_set(
		    err, MW_ERR_BAD_REQUEST, "an HTTP/1.1 request needs a Host field");
	if ((p->seen & SEEN_CODING) && (p->seen & SEEN_LENGTH))
		return mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "Content-Length and Transfer-Encoding exclude each other: leave one out");
	if ((p->seen & SEEN_CODING) && !p->http11)
		return mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "HTTP/1.0 has no Transfer-Encoding: send Content-Length, or speak HTTP/1.1");
	if (p->seen & SEEN_CODING)
		p->head.body_length = UINT64_MAX;
	p->head.has_body = p->head.body_length > 0;
	p->head.headers = p->headers;
	p->wants_continue = p->wants_continue && p->http11 && p->head.has_body;
	p->keep_alive = !(p->seen & SEEN_CLOSE) && (p->http11 || (p->seen & SEEN_KEEP));
	p->length = p->at;
	return true;
}

/* `line` is without its LF. */
static enum mw_http_parsed take_line(
    struct mw_http_parse *p, struct mw_str line, struct mw_err *err)
{
	if (line.n == 0 || line.p[line.n - 1] != '\r') {
		mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "line %u of the request head ends with a lone LF; lines end with CR LF",
		    p->line + 1);
		return MW_HTTP_BAD;
	}
	line.n--;
	/* after a body some old clients send one CR LF too many */
	if (p->line == 0 && line.n == 0 && !p->skipped_empty_line) {
		p->skipped_empty_line = true;
		return MW_HTTP_MORE;
	}
	if (++p->line == 1)
		return take_request_line(p, line, err) ? MW_HTTP_MORE : MW_HTTP_BAD;
	if (line.n == 0)
		return weigh(p, err) ? MW_HTTP_DONE : MW_HTTP_BAD;
	return take_field(p, line, err) ? MW_HTTP_MORE : MW_HTTP_BAD;
}

static bool next_line(struct mw_http_parse *p, struct mw_str in, struct mw_str *line)
{
	const char *lf = NULL;
	if (p->scanned < in.n)
		lf = memchr(in.p + p->scanned, '\n', in.n - p->scanned);
	if (!lf) {
		p->scanned = in.n;
		return false;
	}
	*line = mw_strn(in.p + p->at, (size_t)(lf - in.p) - p->at);
	p->at = p->scanned = (size_t)(lf - in.p) + 1;
	return true;
}

/* Told by the first byte, because such a client may never send a line end. */
static bool is_other_protocol(const struct mw_http_parse *p, struct mw_str in, struct mw_err *err)
{
	if (p->at || in.n == 0)
		return false;
	unsigned char first = (unsigned char)in.p[0];
	if ((classes[first] & T) || first == '\r' || first == '\n')
		return false;
	if (first == 0x16)
		mw_err_set(err, MW_ERR_BAD_REQUEST,
		    "this port speaks plain HTTP, and what came is the beginning of TLS: use "
		    "http://, not https://");
	else
		mw_err_set(err, MW_ERR_BAD_REQUEST, "what came is not HTTP");
	return true;
}

enum mw_http_parsed mw_http_parse_head(
    struct mw_http_parse *p, struct mw_str bytes, struct mw_err *err)
{
	struct mw_str in = mw_strn(bytes.p, MW_MIN(bytes.n, p->max_bytes)), line;
	if (is_other_protocol(p, in, err))
		return MW_HTTP_BAD;
	while (next_line(p, in, &line)) {
		enum mw_http_parsed now = take_line(p, line, err);
		if (now != MW_HTTP_MORE)
			return now;
	}
	if (in.n < p->max_bytes)
		return MW_HTTP_MORE;
	mw_err_set(
	    err, MW_ERR_HEAD_TOO_LARGE, "the request head is larger than %zu bytes", p->max_bytes);
	return MW_HTTP_BAD;
}
