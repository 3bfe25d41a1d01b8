/* SPDX-License-Identifier: MIT
 *
 * A list of requests that are not HTTP, or that two readers could understand in two ways, and what each
 * is answered; and beside them their near neighbours that are right. Every one is sent whole and cut in
 * two at every byte: the verdict is the same. Behind each comes a request that must never be seen.
 */
#include "http_rig.h"

#define START  "POST /echo HTTP/1.1\r\n" HOST
#define PIECES START "Transfer-Encoding: chunked\r\n\r\n"
#define AFTER  "GET /smuggled HTTP/1.1\r\n" HOST "\r\n"

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
	ROW("folded field", START "X-A: b\r\n c\r\n\r\n", 400),
	ROW("folded field by a tab", START "X-A: b\r\n\tc\r\n\r\n", 400),
	ROW("fold behind the request line", "GET /echo HTTP/1.1\r\n Host: x\r\n\r\n", 400),
	ROW("folded Transfer-Encoding", START "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("space before the colon", START "Content-Length : 5\r\n\r\nhello", 400),
	ROW("tab before the colon", START "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("space in a name", START "Content Length: 5\r\n\r\nhello", 400),
	ROW("no colon", START "X-A\r\n\r\n", 400),
	ROW("no name", START ": b\r\n\r\n", 400),
	ROW("control in a name", START "X\x08-A: b\r\n\r\n", 400),
	ROW("byte outside ASCII in a name", START "X-\xe4: b\r\n\r\n", 400),
	ROW("quote in a name", START "\"X\": b\r\n\r\n", 400),
	ROW("NUL in a value", START "X-A: b\0c\r\n\r\n", 400),
	ROW("control in a value", START "X-A: b\x01\r\n\r\n", 400),
	ROW("DEL in a value", START "X-A: b\x7f\r\n\r\n", 400),
	ROW("lone CR in a value", START "X-A: b\rX-B: c\r\n\r\n", 400),
	ROW("lone LF behind a field", START "X-A: b\nX-B: c\r\n\r\n", 400),
	ROW("lone LF for the empty line", START "X-A: b\r\n\n", 400),
	ROW("CR CR LF behind a field", START "X-A: b\r\r\n\r\n", 400),
	ROW("lone CR for the empty line", START "\rX: y\r\n\r\n", 400),
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
	ROW("two lengths", START "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
	ROW("the same length twice", START "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
	ROW("list of lengths", START "Content-Length: 5, 5\r\n\r\nhello", 400),
	ROW("length with a plus", START "Content-Length: +5\r\n\r\nhello", 400),
	ROW("length with a minus", START "Content-Length: -5\r\n\r\nhello", 400),
	ROW("length in hexadecimal", START "Content-Length: 0x5\r\n\r\nhello", 400),
	ROW("length with a fraction", START "Content-Length: 5.0\r\n\r\nhello", 400),
	ROW("length with a space inside", START "Content-Length: 1 5\r\n\r\nhello", 400),
	ROW("length in quotes", START "Content-Length: \"5\"\r\n\r\nhello", 400),
	ROW("empty length", START "Content-Length:\r\n\r\nhello", 400),
	ROW("length in words", START "Content-Length: five\r\n\r\nhello", 400),
	ROW("length beyond 64 bits", START "Content-Length: 18446744073709551621\r\n\r\nhello", 400),
	ROW("length of all 64 bits", START "Content-Length: 18446744073709551615\r\n\r\nhello", 400),
	ROW("length with a vertical tab", START "Content-Length: \x0b" "5\r\n\r\nhello", 400),
	ROW("length with a wide space", START "Content-Length: \xc2\xa0" "5\r\n\r\nhello", 400),
	ROW("length beyond the ceiling", START "Content-Length: 67108865\r\n\r\nhello", 413),
	/* Transfer-Encoding */
	ROW("length and coding", START "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("coding and length", START "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
	ROW("coding and length 0", START "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
	ROW("two codings", START "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked, then identity", START "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
	ROW("list of codings", START "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked not last", START "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
	ROW("list with an empty member", START "Transfer-Encoding: , chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("another coding", START "Transfer-Encoding: gzip\r\n\r\n", 400),
	ROW("identity", START "Transfer-Encoding: identity\r\n\r\n", 400),
	ROW("empty coding", START "Transfer-Encoding:\r\n\r\n", 400),
	ROW("xchunked", START "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked with a parameter", START "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked in quotes", START "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked behind a vertical tab", START "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked before a NUL", START "Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n", 400),
	ROW("chunked twice in a line", START "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
	ROW("coding in HTTP/1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
	/* chunks */
	ROW("size with a plus", PIECES "+5\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size with a minus", PIECES "-5\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size with 0x", PIECES "0x5\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size behind a space", PIECES " 5\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size before a space", PIECES "5 \r\nhello\r\n0\r\n\r\n", 400),
	ROW("size before a tab and an extension", PIECES "5\t;a\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size with an underscore", PIECES "1_0\r\nhello\r\n0\r\n\r\n", 400),
	ROW("empty size", PIECES "\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size of no digits", PIECES "g\r\nhello\r\n0\r\n\r\n", 400),
	ROW("extension without a size", PIECES ";a\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size beyond 64 bits", PIECES "10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size of 17 zeros", PIECES "00000000000000005\r\nhello\r\n0\r\n\r\n", 400),
	ROW("size of all 64 bits", PIECES "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", 413),
	ROW("size beyond the ceiling", PIECES "4000001\r\nhello\r\n0\r\n\r\n", 413),
	ROW("lone LF behind a size", PIECES "5\nhello\r\n0\r\n\r\n", 400),
	ROW("lone CR behind a size", PIECES "5\rhello\r\n0\r\n\r\n", 400),
	ROW("CR CR LF behind a size", PIECES "5\r\r\nhello\r\n0\r\n\r\n", 400),
	ROW("lone LF behind an extension", PIECES "5;a\nhello\r\n0\r\n\r\n", 400),
	ROW("lone CR in an extension", PIECES "5;a\rb\r\nhello\r\n0\r\n\r\n", 400),
	ROW("control in an extension", PIECES "5;a\x01\r\nhello\r\n0\r\n\r\n", 400),
	ROW("lone LF behind data", PIECES "5\r\nhello\n0\r\n\r\n", 400),
	ROW("lone CR behind data", PIECES "5\r\nhello\r0\r\n\r\n", 400),
	ROW("nothing behind data", PIECES "5\r\nhello0\r\n\r\n", 400),
	ROW("data longer than its size", PIECES "5\r\nhello!\r\n0\r\n\r\n", 400),
	ROW("data shorter than its size", PIECES "5\r\nhell\r\n0\r\n\r\n", 400),
	ROW("lone LF behind the last chunk", PIECES "0\n\r\n", 400),
	ROW("lone LF at the end", PIECES "0\r\n\n", 400),
	ROW("trailer without a colon", PIECES "0\r\nX-A\r\n\r\n", 400),
	ROW("trailer without a name", PIECES "0\r\n: b\r\n\r\n", 400),
	ROW("trailer with a space before the colon", PIECES "0\r\nX-A : b\r\n\r\n", 400),
	ROW("folded trailer", PIECES "0\r\nX-A: b\r\n c\r\n\r\n", 400),
	ROW("lone LF behind a trailer", PIECES "0\r\nX-A: b\n\r\n", 400),
	ROW("control in a trailer", PIECES "0\r\nX-A: \0\r\n\r\n", 400),
	/* Expect */
	ROW("another expectation", START "Expect: miracles\r\nContent-Length: 5\r\n\r\nhello", 417),
	ROW("two expectations", START "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 400),
	ROW("empty expectation", START "Expect:\r\n\r\n", 417),
};

/* Right, however odd it looks: the echo is answered, and then the request behind it. */
static const struct row taken[] = {
	ROW("plain", START "Content-Length: 5\r\n\r\nhello", 200),
	ROW("one empty line before it", "\r\n" START "Content-Length: 5\r\n\r\nhello", 200),
	ROW("no body", START "\r\n", 200),
	ROW("length 0", START "Content-Length: 0\r\n\r\n", 200),
	ROW("length with zeros", START "Content-Length: 0005\r\n\r\nhello", 200),
	ROW("length in spaces", START "Content-Length: \t 5 \t\r\n\r\nhello", 200),
	ROW("small letters", "POST /echo HTTP/1.1\r\nhost:x\r\ncontent-length:5\r\n\r\nhello", 200),
	ROW("chunks", PIECES "5\r\nhello\r\n0\r\n\r\n", 200),
	ROW("CHUNKED", START "TRANSFER-ENCODING: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200),
	ROW("chunked in tabs", START "Transfer-Encoding:\tchunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200),
	ROW("sizes with zeros and capitals", PIECES "00A\r\nhello hell\r\n0000\r\n\r\n", 200),
	ROW("extensions", PIECES "5;a=b;c=\"d;e\"\r\nhello\r\n0;f\r\n\r\n", 200),
	ROW("trailers", PIECES "5\r\nhello\r\n0\r\nX-A: b\r\nContent-Length: 9\r\n\r\n", 200),
	ROW("value outside ASCII", START "X-A: \xc3\xa4\xff\r\n\r\n", 200),
	ROW("empty value", START "X-A:\r\n\r\n", 200),
	ROW("odd name", START "!#$%&'*+-.^_`|~09az: b\r\n\r\n", 200),
	ROW("odd path", "GET /a-._~!$&'()*+,;=:@%41/b?c=d/?[]{}|^`\\ HTTP/1.1\r\n" HOST "\r\n", 200),
	ROW("absolute target", "GET http://x/echo HTTP/1.1\r\n" HOST "\r\n", 200),
	ROW("absolute target without a path", "GET HTTP://x:80 HTTP/1.1\r\n" HOST "\r\n", 200),
	ROW("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 200),
	ROW("IPv6 Host", "GET /echo HTTP/1.1\r\nHost: [::1]:4000\r\n\r\n", 200),
	ROW("Host with a port", "GET /echo HTTP/1.1\r\nHost: a-b.c:4000\r\n\r\n", 200),
	ROW("unknown method", "FROB /echo HTTP/1.1\r\n" HOST "\r\n", 200),
	ROW("another Connection", START "Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", 200),
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
	assert_false(r->reset);
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
