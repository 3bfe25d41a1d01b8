/* SPDX-License-Identifier: MIT
 *
 * A list of requests that are not HTTP, or that two readers could understand in two ways, and what each
 * is answered; and beside them their near neighbours that are right. Every one is sent whole and cut in
 * two at every byte: the verdict is the same. Behind each comes a request that must never be seen.
 */
#include "http_rig.h"

#define HOST	"Host: x\r\n"
#define POST	"POST /echo HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define AFTER	"GET /smuggled HTTP/1.1\r\n" HOST "\r\n"

struct row {
	const char *name;
	struct mw_str bytes;
	int status;
};

#define ROW(name, bytes, status)                                                                   \
	{                                                                                          \
		name, {bytes AFTER, sizeof(bytes AFTER) - 1}, status                               \
	}

/* clang-format off */
static const struct row refused[] = {
	/* the request line */
	ROW("no version", "GET /echo\r\n\r\n", 400),
	ROW("no target", "GET HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("no method", " /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("space before the method", " GET /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("two spaces behind the method", "GET  /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("two spaces before the version", "GET /echo  HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("space at the end", "GET /echo HTTP/1.1 \r\n" HOST "\r\n", 400),
	ROW("tab for a space", "GET\t/echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("space in the target", "GET /echo now HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("method with a colon", "G:T /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("method outside ASCII", "G\xc3\xa4T /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("method of 33 letters", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("method with a control", "GE\x01T /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("lower-case version", "GET /echo http/1.1\r\n" HOST "\r\n", 400),
	ROW("version without a dot", "GET /echo HTTP/11\r\n" HOST "\r\n", 400),
	ROW("version with three digits", "GET /echo HTTP/1.10\r\n" HOST "\r\n", 400),
	ROW("version of another protocol", "GET /echo RTSP/1.0\r\n" HOST "\r\n", 400),
	ROW("HTTP/1.2", "GET /echo HTTP/1.2\r\n" HOST "\r\n", 505),
	ROW("HTTP/2.0", "GET /echo HTTP/2.0\r\n" HOST "\r\n", 505),
	ROW("HTTP/0.9 by name", "GET /echo HTTP/0.9\r\n\r\n", 505),
	ROW("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
	ROW("lone LF behind the request line", "GET /echo HTTP/1.1\n" HOST "\r\n", 400),
	ROW("lone CR behind the request line", "GET /echo HTTP/1.1\rHost: x\r\n\r\n", 400),
	ROW("lone LF before the request line", "\nGET /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("lone CR before the request line", "\rGET /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("two empty lines before it", "\r\n\r\nGET /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	/* the target */
	ROW("target without a slash", "GET echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("asterisk with GET", "GET * HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("CONNECT", "CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("CONNECT with a path", "CONNECT /echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("authority as target", "GET x:80 HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("absolute without authority", "GET http:///echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("absolute with a user", "GET http://u:p@x/echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("absolute with a bad port", "GET http://x:8o/echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("absolute of another scheme", "GET ftp://x/echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("fragment", "GET /echo#top HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("quote in the path", "GET /ec\"ho HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("backslash in the path", "GET /..\\echo HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("brackets in the path", "GET /<echo> HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("DEL in the path", "GET /echo\x7f HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("byte outside ASCII in the path", "GET /\xff HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("NUL in the path", "GET /ec\0ho HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("angle bracket in the query", "GET /echo?a=<b HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("coded NUL", "GET /echo%00 HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("coded NUL in the query", "GET /echo?a=%00 HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("% without digits", "GET /echo%zz HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("% with one digit at the end", "GET /echo%4 HTTP/1.1\r\n" HOST "\r\n", 400),
	ROW("IIS %u coding", "GET /echo%u0041 HTTP/1.1\r\n" HOST "\r\n", 400),
	/* other protocols */
	ROW("TLS ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
	ROW("binary", "\x80\x81\x82\x83", 400),
	ROW("SSH", "SSH-2.0-OpenSSH_9.2\r\n", 400),
	ROW("PROXY protocol", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", 400),
	ROW("a reply for a request", "HTTP/1.1 200 OK\r\n" HOST "\r\n", 400),
	/* fields */
	ROW("folded field", POST "X-A: b\r\n c\r\n\r\n", 400),
	ROW("folded field by a tab", POST "X-A: b\r\n\tc\r\n\r\n", 400),
	ROW("fold behind the request line", "GET /echo HTTP/1.1\r\n Host: x\r\n\r\n", 400),
	ROW("folded Transfer-Encoding", POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("space before the colon", POST "Content-Length : 5\r\n\r\nhello", 400),
	ROW("tab before the colon", POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("space in a name", POST "Content Length: 5\r\n\r\nhello", 400),
	ROW("no colon", POST "X-A\r\n\r\n", 400),
	ROW("no name", POST ": b\r\n\r\n", 400),
	ROW("control in a name", POST "X\x08-A: b\r\n\r\n", 400),
	ROW("byte outside ASCII in a name", POST "X-\xe4: b\r\n\r\n", 400),
	ROW("quote in a name", POST "\"X\": b\r\n\r\n", 400),
	ROW("NUL in a value", POST "X-A: b\0c\r\n\r\n", 400),
	ROW("control in a value", POST "X-A: b\x01\r\n\r\n", 400),
	ROW("DEL in a value", POST "X-A: b\x7f\r\n\r\n", 400),
	ROW("lone CR in a value", POST "X-A: b\rX-B: c\r\n\r\n", 400),
	ROW("lone LF behind a field", POST "X-A: b\nX-B: c\r\n\r\n", 400),
	ROW("lone LF for the empty line", POST "X-A: b\r\n\n", 400),
	ROW("CR CR LF behind a field", POST "X-A: b\r\r\n\r\n", 400),
	ROW("lone CR for the empty line", POST "\rX: y\r\n\r\n", 400),
	/* Host */
	ROW("no Host", "GET /echo HTTP/1.1\r\nX-A: b\r\n\r\n", 400),
	ROW("empty Host", "GET /echo HTTP/1.1\r\nHost:\r\n\r\n", 400),
	ROW("two Hosts", "GET /echo HTTP/1.1\r\n" HOST "Host: y\r\n\r\n", 400),
	ROW("the same Host twice", "GET /echo HTTP/1.1\r\n" HOST "host: x\r\n\r\n", 400),
	ROW("Host with a space", "GET /echo HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
	ROW("Host with a path", "GET /echo HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
	ROW("Host with a user", "GET /echo HTTP/1.1\r\nHost: u@x\r\n\r\n", 400),
	ROW("list of Hosts", "GET /echo HTTP/1.1\r\nHost: x, y\r\n\r\n", 400),
	ROW("Host with a bad port", "GET /echo HTTP/1.1\r\nHost: x:y\r\n\r\n", 400),
	ROW("Host with a long port", "GET /echo HTTP/1.1\r\nHost: x:123456\r\n\r\n", 400),
	ROW("Host with an open bracket", "GET /echo HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
	ROW("Host with empty brackets", "GET /echo HTTP/1.1\r\nHost: []\r\n\r\n", 400),
	ROW("Host with words in brackets", "GET /echo HTTP/1.1\r\nHost: [x]\r\n\r\n", 400),
	ROW("Host only a port", "GET /echo HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
	ROW("no Host with an absolute target", "GET http://x/echo HTTP/1.1\r\n\r\n", 400),
	ROW("two Hosts in HTTP/1.0", "GET /echo HTTP/1.0\r\n" HOST HOST "\r\n", 400),
	/* Content-Length */
	ROW("two lengths", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
	ROW("the same length twice", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
	ROW("list of lengths", POST "Content-Length: 5, 5\r\n\r\nhello", 400),
	ROW("length with a plus", POST "Content-Length: +5\r\n\r\nhello", 400),
	ROW("length with a minus", POST "Content-Length: -5\r\n\r\nhello", 400),
	ROW("length in hexadecimal", POST "Content-Length: 0x5\r\n\r\nhello", 400),
	ROW("length with a fraction", POST "Content-Length: 5.0\r\n\r\nhello", 400),
	ROW("length with a space inside", POST "Content-Length: 1 5\r\n\r\nhello", 400),
	ROW("length in quotes", POST "Content-Length: \"5\"\r\n\r\nhello", 400),
	ROW("empty length", POST "Content-Length:\r\n\r\nhello", 400),
	ROW("length in words", POST "Content-Length: five\r\n\r\nhello", 400),
	ROW("length beyond 64 bits", POST "Content-Length: 18446744073709551621\r\n\r\nhello", 400),
	ROW("length of all 64 bits", POST "Content-Length: 18446744073709551615\r\n\r\nhello", 400),
	ROW("length with a vertical tab", POST "Content-Length: \x0b" "5\r\n\r\nhello", 400),
	ROW("length with a wide space", POST "Content-Length: \xc2\xa0" "5\r\n\r\nhello", 400),
	ROW("length beyond the ceiling", POST "Content-Length: 67108865\r\n\r\nhello", 413),
	/* Transfer-Encoding */
	ROW("length and coding", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("coding and length", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
	ROW("coding and length 0", POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
	ROW("two codings", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked, then identity", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
	ROW("list of codings", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked not last", POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
	ROW("list with an empty member", POST "Transfer-Encoding: , chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("another coding", POST "Transfer-Encoding: gzip\r\n\r\n", 400),
	ROW("identity", POST "Transfer-Encoding: identity\r\n\r\n", 400),
	ROW("empty coding", POST "Transfer-Encoding:\r\n\r\n", 400),
	ROW("xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked with a parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked in quotes", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked behind a vertical tab", POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked before a NUL", POST "Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked twice in a line", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("coding in HTTP/1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
	/* chunks */
	ROW("size with a plus", CHUNKED "+5\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size with a minus", CHUNKED "-5\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size with 0x", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size behind a space", CHUNKED " 5\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size before a space", CHUNKED "5 \r\nhello\r\n0\r\n\r\n", 400),
	ROW("size before a tab and an extension", CHUNKED "5\t;a\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size with an underscore", CHUNKED "1_0\r\nhello\r\n0\r\n\r\n", 400),
	ROW("empty size", CHUNKED "\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size of no digits", CHUNKED "g\r\nhello\r\n0\r\n\r\n", 400),
	ROW("extension without a size", CHUNKED ";a\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size beyond 64 bits", CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size of 17 zeros", CHUNKED "00000000000000005\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size of all 64 bits", CHUNKED "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", 413),
	ROW("size beyond the ceiling", CHUNKED "4000001\r\nhello\r\n0\r\n\r\n", 413),
	ROW("lone LF behind a size", CHUNKED "5\nhello\r\n0\r\n\r\n", 400),
	ROW("lone CR behind a size", CHUNKED "5\rhello\r\n0\r\n\r\n", 400),
	ROW("CR CR LF behind a size", CHUNKED "5\r\r\nhello\r\n0\r\n\r\n", 400),
	ROW("lone LF behind an extension", CHUNKED "5;a\nhello\r\n0\r\n\r\n", 400),
	ROW("lone CR in an extension", CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n", 400),
	ROW("control in an extension", CHUNKED "5;a\x01\r\nhello\r\n0\r\n\r\n", 400),
	ROW("lone LF behind data", CHUNKED "5\r\nhello\n0\r\n\r\n", 400),
	ROW("lone CR behind data", CHUNKED "5\r\nhello\r0\r\n\r\n", 400),
	ROW("nothing behind data", CHUNKED "5\r\nhello0\r\n\r\n", 400),
	ROW("data longer than its size", CHUNKED "5\r\nhello!\r\n0\r\n\r\n", 400),
	ROW("data shorter than its size", CHUNKED "5\r\nhell\r\n0\r\n\r\n", 400),
	ROW("lone LF behind the last chunk", CHUNKED "0\n\r\n", 400),
	ROW("lone LF at the end", CHUNKED "0\r\n\n", 400),
	ROW("trailer without a colon", CHUNKED "0\r\nX-A\r\n\r\n", 400),
	ROW("trailer without a name", CHUNKED "0\r\n: b\r\n\r\n", 400),
	ROW("trailer with a space before the colon", CHUNKED "0\r\nX-A : b\r\n\r\n", 400),
	ROW("folded trailer", CHUNKED "0\r\nX-A: b\r\n c\r\n\r\n", 400),
	ROW("lone LF behind a trailer", CHUNKED "0\r\nX-A: b\n\r\n", 400),
	ROW("control in a trailer", CHUNKED "0\r\nX-A: \0\r\n\r\n", 400),
	/* Expect */
	ROW("another expectation", POST "Expect: miracles\r\nContent-Length: 5\r\n\r\nhello", 417),
	ROW("two expectations", POST "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 400),
	ROW("empty expectation", POST "Expect:\r\n\r\n", 417),
};

/* Right, however odd it looks: the echo is answered, and then the request behind it. */
static const struct row taken[] = {
	ROW("plain", POST "Content-Length: 5\r\n\r\nhello", 200),
	ROW("one empty line before it", "\r\n" POST "Content-Length: 5\r\n\r\nhello", 200),
	ROW("no body", POST "\r\n", 200),
	ROW("length 0", POST "Content-Length: 0\r\n\r\n", 200),
	ROW("length with zeros", POST "Content-Length: 0005\r\n\r\nhello", 200),
	ROW("length in spaces", POST "Content-Length: \t 5 \t\r\n\r\nhello", 200),
	ROW("small letters", "POST /echo HTTP/1.1\r\nhost:x\r\ncontent-length:5\r\n\r\nhello", 200),
	ROW("chunks", CHUNKED "5\r\nhello\r\n0\r\n\r\n", 200),
	ROW("CHUNKED", POST "TRANSFER-ENCODING: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200),
	ROW("chunked in tabs", POST "Transfer-Encoding:\tchunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200),
	ROW("sizes with zeros and capitals", CHUNKED "00A\r\nhello hell\r\n0000\r\n\r\n", 200),
	ROW("extensions", CHUNKED "5;a=b;c=\"d;e\"\r\nhello\r\n0;f\r\n\r\n", 200),
	ROW("trailers", CHUNKED "5\r\nhello\r\n0\r\nX-A: b\r\nContent-Length: 9\r\n\r\n", 200),
	ROW("value outside ASCII", POST "X-A: \xc3\xa4\xff\r\n\r\n", 200),
	ROW("empty value", POST "X-A:\r\n\r\n", 200),
	ROW("odd name", POST "!#$%&'*+-.^_`|~09az: b\r\n\r\n", 200),
	ROW("odd path", "GET /a-._~!$&'()*+,;=:@%41/b?c=d/?[]{}|^`\\ HTTP/1.1\r\n" HOST "\r\n", 200),
	ROW("absolute target", "GET http://x/echo HTTP/1.1\r\n" HOST "\r\n", 200),
	ROW("absolute target without a path", "GET HTTP://x:80 HTTP/1.1\r\n" HOST "\r\n", 200),
	ROW("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 200),
	ROW("IPv6 Host", "GET /echo HTTP/1.1\r\nHost: [::1]:4000\r\n\r\n", 200),
	ROW("Host with a port", "GET /echo HTTP/1.1\r\nHost: a-b.c:4000\r\n\r\n", 200),
	ROW("unknown method", "FROB /echo HTTP/1.1\r\n" HOST "\r\n", 200),
	ROW("another Connection", POST "Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", 200),
	ROW("HTTP/1.0 kept", "GET /echo HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 200),
	ROW("expectation of HTTP/1.0", "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 200),
};
/* clang-format on */

static void start(struct rig *r, struct mw_str bytes, size_t cut)
{
	rig_connect(r);
	mw_buf_clear(&r->seen);
	rig_send(r, mw_strn(bytes.p, cut));
	if (cut < bytes.n) {
		rig_settle(r);
		rig_send(r, mw_strn(bytes.p + cut, bytes.n - cut));
	}
	rig_settle(r);
}

/* The status of the last answer. */
static int status(struct rig *r)
{
	struct mw_str got = mw_buf_str(&r->got);
	int last = 0;
	for (const char *at; (at = mw_str_search(got, MW_STR("HTTP/1.1 ")));) {
		got = mw_strn(at + 9, got.n - (size_t)(at + 9 - got.p));
		last = atoi(got.p);
	}
	return last;
}

static void check_refused(struct rig *r, const struct row *row, size_t cut)
{
	start(r, row->bytes, cut);
	if (status(r) != row->status || !r->closed)
		fail_msg("%s, cut at %zu: %d, not %d; %s\n%.*s", row->name, cut, status(r),
		    row->status, r->closed ? "closed" : "left open", (int)r->got.n, r->got.p);
	if (rig_saw(r, "smuggled"))
		fail_msg(
		    "%s, cut at %zu: smuggled\n%.*s", row->name, cut, (int)r->seen.n, r->seen.p);
	assert_got(r, "Connection: close\r\n");
	assert_got(r, "{\"error\":\"");
	rig_close(r);
	rig_turn(r);
}

static void check_taken(struct rig *r, const struct row *row, size_t cut)
{
	start(r, row->bytes, cut);
	size_t answers = rig_count(mw_buf_str(&r->got), "HTTP/1.1 200 OK\r\n");
	if (answers != 2 || r->closed || !rig_saw(r, "smuggled"))
		fail_msg("%s, cut at %zu: %zu answers\n%.*s", row->name, cut, answers,
		    (int)r->got.n, r->got.p);
	rig_close(r);
	rig_turn(r);
}

static void each(
    const struct row *rows, size_t n, void (*check)(struct rig *, const struct row *, size_t))
{
	struct rig r;
	rig_start(&r, NULL);
	rig_close(&r);
	for (size_t i = 0; i < n; i++)
		for (size_t cut = 1; cut <= rows[i].bytes.n; cut++)
			check(&r, &rows[i], cut);
	assert_int_equal(mw_http_in_connections(r.in), 0);
	rig_stop(&r);
}

static void malformed_requests_are_refused(void **state)
{
	(void)state;
	each(refused, MW_LEN(refused), check_refused);
}

static void odd_but_right_requests_are_taken(void **state)
{
	(void)state;
	each(taken, MW_LEN(taken), check_taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(malformed_requests_are_refused),
	    cmocka_unit_test(odd_but_right_requests_are_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
