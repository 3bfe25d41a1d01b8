/* SPDX-License-Identifier: MIT
 *
 * The HTTP server as a client and a handler meet it: connections, pipelining, answers whole and
 * streamed, leaving, back-pressure. (Ceilings and clocks: test_http_limits.c; bad requests:
 * test_http_malformed.c.)
 */
#include "http_rig.h"

#include "net/listener.h"

#include <malloc.h>
#include <netinet/in.h>

#define HOST		   "Host: x\r\n"
#define GET(path)	   "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define POST(path, length) "POST " path " HTTP/1.1\r\n" HOST "Content-Length: " length "\r\n\r\n"
#define CHUNKED(path)	   "POST " path " HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

/* What the client received, with the dates taken out: they change with the second. */
static char *received(struct rig *r)
{
	mw_buf_addc(&r->got, '\0');
	r->got.n--;
	char *out = calloc(1, r->got.n + 1), *to = out;
	for (const char *p = r->got.p; *p;) {
		bool date = strncmp(p, "Date: ", 6) == 0;
		const char *end = strchr(p, '\n');
		size_t n = end ? (size_t)(end + 1 - p) : strlen(p);
		if (!date)
			memcpy(to, p, n), to += n;
		p += n;
	}
	return out;
}

static void assert_received(struct rig *r, const char *expected)
{
	char *got = received(r);
	assert_string_equal(got, expected);
	free(got);
	mw_buf_clear(&r->got);
}

#define TEXT(status, length, body)                                                                 \
	"HTTP/1.1 " status "\r\nContent-Length: " length "\r\nContent-Type: "                      \
							 "text/plain\r\n\r\n" body

/* ---- requests and connections ---- */

static void a_request_is_answered_and_the_connection_kept(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	for (int i = 0; i < 3; i++) {
		rig_sendz(&r, POST("/echo?a=b&c", "5") "hello");
		rig_settle(&r);
		assert_got(&r, "\r\nDate: ");
		assert_received(&r, TEXT("200 OK", "5", "hello"));
	}
	assert_memory_equal(r.seen.p, "POST /echo ?a=b&c 5\nbody 5 hello\nPOST", 37);
	assert_false(r.closed);
	assert_int_equal(mw_http_in_connections(r.in), 1);
	rig_stop(&r);
}

static void a_body_longer_than_the_input_buffer_arrives_whole(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	char *body = malloc(100000);
	for (size_t i = 0; i < 100000; i++)
		body[i] = (char)('a' + i % 23);
	rig_sendz(&r, POST("/echo", "100000"));
	rig_send(&r, mw_strn(body, 100000));
	RIG_UNTIL(&r, r.got.n > 100000);
	assert_saw(&r, "body 100000 abc");
	assert_memory_equal(r.got.p + r.got.n - 100000, body, 100000);
	free(body);
	rig_stop(&r);
}

static void a_chunked_body_arrives_in_one_piece(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, CHUNKED("/echo"));
	for (int i = 0; i < 300; i++)
		rig_sendz(&r,
		    "64;x=y\r\n"
		    "0123456789012345678901234567890123456789012345678901234567890123456789"
		    "012345678901234567890123456789\r\n");
	rig_sendz(&r, "3\r\nend\r\n0\r\nTrailer: ignored\r\n\r\n" GET("/after"));
	RIG_UNTIL(&r, rig_saw(&r, "GET /after"));
	assert_saw(&r, "body 30003 0123456789");
	assert_got(&r, "0123456789end");
	rig_stop(&r);
}

static void cut_everywhere(const char *all, size_t piece)
{
	struct rig whole, cut;
	rig_start(&whole, NULL);
	rig_sendz(&whole, all);
	rig_settle(&whole);
	char *expected = received(&whole);
	rig_start(&cut, NULL);
	for (size_t at = 0, n = strlen(all); at < n; at += piece) {
		rig_send(&cut, mw_strn(all + at, MW_MIN(piece, n - at)));
		rig_turn(&cut);
	}
	rig_settle(&cut);
	assert_received(&cut, expected);
	assert_int_equal(whole.seen.n, cut.seen.n);
	assert_memory_equal(whole.seen.p, cut.seen.p, cut.seen.n);
	free(expected);
	rig_stop(&whole);
	rig_stop(&cut);
}

static void requests_may_be_cut_at_every_byte(void **state)
{
	(void)state;
	static const char all[] = POST("/echo", "11") "hello world" GET("/now") CHUNKED(
	    "/echo") "1\r\na\r\n1f;x\r\n0123456789012345678901234567890\r\n0\r\nA: b\r\n\r\n"
		     "\r\n" POST("/now", "100") "01234567890123456789012345678901234567890123456789"
						"0123456789012345678901234567890123456789012345678"
						"9" CHUNKED("/now") "5\r\nhello\r\n0\r\n\r\n"
								    "HEAD /echo HTTP/1.1\r\n" HOST
								    "\r\n" GET("/last");
	for (size_t piece = 1; piece < sizeof(all); piece++)
		cut_everywhere(all, piece);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, POST("/echo", "1") "1" POST("/wait", "1") "2" POST("/echo", "1") "3" POST(
			  "/wait", "1") "4" POST("/echo", "1") "5");
	rig_settle(&r);
	assert_received(&r, TEXT("200 OK", "1", "1"));
	assert_int_equal(mw_http_in_busy(r.in), 1);
	rig_reply(&r, MW_STR("two"));
	assert_null(r.req); /* the next request does not begin inside mw_http_reply */
	rig_settle(&r);
	assert_received(&r, TEXT("200 OK", "3", "two") TEXT("200 OK", "1", "3"));
	rig_reply(&r, MW_STR("four"));
	rig_settle(&r);
	assert_received(&r, TEXT("200 OK", "4", "four") TEXT("200 OK", "1", "5"));
	assert_int_equal(mw_http_in_busy(r.in), 0);
	rig_stop(&r);
}

static void many_pipelined_requests_need_no_stack(void **state)
{
	(void)state;
	enum { MANY = 20000 };
	struct rig r;
	rig_start(&r, NULL);
	for (int i = 0; i < MANY; i++)
		rig_sendz(&r, i % 2 ? GET("/now") : GET("/echo"));
	RIG_UNTIL(&r, r.heads == MANY);
	rig_settle(&r);
	assert_int_equal(rig_count(mw_buf_str(&r.got), "HTTP/1.1 "), MANY);
	assert_false(r.closed);
	rig_stop(&r);
}

static void http_1_0_is_closed_unless_it_asks(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	rig_settle(&r);
	assert_got(&r, "Connection: keep-alive\r\n");
	assert_false(r.closed);
	rig_sendz(&r, "GET /echo HTTP/1.0\r\n\r\n");
	rig_settle(&r);
	assert_got(&r, "Connection: close\r\n");
	assert_true(r.closed);
	assert_int_equal(mw_http_in_connections(r.in), 0);
	rig_stop(&r);
}

static void connection_close_is_obeyed(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(
	    &r, "GET /echo HTTP/1.1\r\n" HOST "Connection: foo , Close\r\n\r\n" GET("/never"));
	rig_settle(&r);
	assert_got(&r, "Connection: close\r\n");
	assert_true(r.closed);
	assert_false(rig_saw(&r, "never"));
	rig_stop(&r);
}

static void head_gets_the_headers_and_no_body(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, "HEAD /wait HTTP/1.1\r\n" HOST "\r\n");
	rig_settle(&r);
	assert_saw(&r, "(head) GET /wait");
	rig_reply(&r, MW_STR("hello"));
	rig_settle(&r);
	assert_received(&r, TEXT("200 OK", "5", ""));
	rig_sendz(&r, "HEAD /stream HTTP/1.1\r\n" HOST "\r\n" GET("/echo"));
	rig_settle(&r);
	mw_http_write(r.req, MW_STR("hello"));
	rig_end(&r);
	rig_settle(&r);
	assert_received(
	    &r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" TEXT("200 OK", "0", ""));
	rig_stop(&r);
}

static void an_answer_without_content_has_no_length(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, "OPTIONS /nothing HTTP/1.1\r\n" HOST "\r\n");
	rig_settle(&r);
	assert_received(&r, "HTTP/1.1 204 No Content\r\n\r\n");
	assert_false(r.closed);
	rig_stop(&r);
}

static void header_values_cannot_end_the_head(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, GET("/wait"));
	rig_settle(&r);
	struct mw_header evil = {{"X-A", 3}, {"b\r\nSet-Cookie: c\r\n\r\nd", 21}};
	struct rig_call *call = r.call;
	mw_http_reply(call->req, 429, &evil, 1, MW_NOSTR);
	rig_forget(call);
	rig_settle(&r);
	assert_received(&r, "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nX-A: b  "
			    "Set-Cookie: c    d\r\n\r\n");
	rig_stop(&r);
}

static void headers_are_found_in_any_case(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(
	    &r, "GET /wait HTTP/1.1\r\nHOST: x\r\nX-Key:  one \r\nx-key: two\r\nX-Empty:\r\n\r\n");
	rig_settle(&r);
	const struct mw_http_head *head = mw_http_req_head(r.req);
	assert_true(mw_str_is(mw_http_header(head, "x-KEY"), "one"));
	assert_true(mw_str_is(mw_http_header(head, "x-empty"), ""));
	assert_non_null(mw_http_header(head, "x-empty").p);
	assert_null(mw_http_header(head, "x-none").p);
	assert_int_equal(head->n_headers, 4);
	rig_stop(&r);
}

/* ---- Expect: 100-continue ---- */

#define EXPECT(path)                                                                               \
	"POST " path " HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n"

static void a_waiting_client_is_asked_for_its_body(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, EXPECT("/echo"));
	rig_settle(&r);
	assert_received(&r, "HTTP/1.1 100 Continue\r\n\r\n");
	rig_sendz(&r, "hello");
	rig_settle(&r);
	assert_received(&r, TEXT("200 OK", "5", "hello"));
	assert_false(r.closed);
	rig_stop(&r);
}

static void a_body_that_came_is_not_asked_for(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, EXPECT("/echo") "hello");
	rig_settle(&r);
	assert_received(&r, TEXT("200 OK", "5", "hello"));
	rig_stop(&r);
}

static void a_refused_body_is_not_asked_for(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, EXPECT("/now"));
	rig_settle(&r);
	assert_false(rig_got(&r, "100 Continue"));
	assert_got(&r, "HTTP/1.1 401 ");
	assert_got(&r, "Connection: close\r\n"); /* nobody knows whether the body will come */
	assert_true(r.closed);
	rig_stop(&r);
}

/* ---- answers before the body is there ---- */

static void a_small_unwanted_body_is_read_and_the_connection_kept(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, POST("/now", "5"));
	rig_settle(&r);
	assert_received(&r, TEXT("401 Unauthorized", "2", "no"));
	rig_sendz(&r, "hel");
	rig_settle(&r);
	rig_sendz(&r, "lo" CHUNKED("/now"));
	rig_settle(&r);
	assert_received(&r, TEXT("401 Unauthorized", "2", "no"));
	rig_sendz(&r, "5\r\nhello\r\n0\r\n\r\n" POST("/echo", "2") "hi");
	rig_settle(&r);
	assert_received(&r, TEXT("200 OK", "2", "hi"));
	assert_false(rig_saw(&r, "body 5"));
	rig_stop(&r);
}

static void a_large_unwanted_body_ends_the_connection(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, POST("/now", "1000000"));
	rig_settle(&r);
	assert_got(&r, "HTTP/1.1 401 ");
	assert_got(&r, "Connection: close\r\n");
	assert_true(r.closed);
	rig_stop(&r);
}

static void an_unwanted_body_without_end_ends_the_connection(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, CHUNKED("/now"));
	for (int i = 0; i < 300 && !r.closed; i++) {
		char piece[1030] = "400\r\n";
		memset(piece + 5, 'x', 1024);
		rig_send(&r, mw_strn(piece, 1029));
		rig_send(&r, MW_STR("\r\n"));
		rig_settle(&r);
	}
	assert_true(r.closed);
	rig_stop(&r);
}

static void an_unwanted_body_that_does_not_come_ends_the_connection(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, POST("/now", "5") "hel");
	rig_settle(&r);
	assert_received(&r, TEXT("401 Unauthorized", "2", "no"));
	RIG_UNTIL(&r, r.closed);
	RIG_UNTIL(&r, mw_http_in_connections(r.in) == 0);
	rig_stop(&r);
}

static void an_answer_may_begin_before_the_body_is_there(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, POST("/early", "200") "hello");
	rig_settle(&r);
	mw_http_write(r.req, MW_STR("first"));
	rig_settle(&r);
	assert_received(&r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
	char rest[196] = "";
	memset(rest, 'x', 195);
	rig_sendz(&r, rest);
	rig_sendz(&r, GET("/echo"));
	rig_settle(&r);
	rig_end(&r);
	rig_settle(&r);
	assert_received(&r, "0\r\n\r\n" TEXT("200 OK", "0", ""));
	assert_false(rig_saw(&r, "body 200"));
	rig_stop(&r);
}

/* ---- streamed answers ---- */

static void a_stream_is_sent_in_chunks(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, GET("/stream") GET("/echo"));
	rig_settle(&r);
	assert_true(mw_http_began(r.req));
	assert_received(&r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	mw_http_write(r.req, MW_STR("data: 1\n\n"));
	rig_turn(&r); /* it is on its way before the loop sleeps */
	rig_receive(&r);
	assert_received(&r, "9\r\ndata: 1\n\n\r\n");
	mw_http_write(r.req, MW_NOSTR);
	mw_http_write(r.req, MW_STR("0123456789abcdef"));
	mw_http_write(r.req, MW_STR("!"));
	rig_end(&r);
	rig_settle(&r);
	assert_received(
	    &r, "10\r\n0123456789abcdef\r\n1\r\n!\r\n0\r\n\r\n" TEXT("200 OK", "0", ""));
	rig_stop(&r);
}

static void a_large_write_is_one_chunk(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, GET("/stream"));
	rig_settle(&r);
	mw_buf_clear(&r.got);
	char *large = malloc(1000000);
	memset(large, 'x', 1000000);
	mw_http_write(r.req, mw_strn(large, 1000000));
	rig_end(&r);
	RIG_UNTIL(&r, r.got.n == 7 + 1000000 + 7);
	assert_memory_equal(r.got.p, "f4240\r\nx", 8);
	assert_memory_equal(r.got.p + 7, large, 1000000);
	free(large);
	rig_stop(&r);
}

static void a_stream_for_http_1_0_ends_with_the_connection(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	rig_settle(&r);
	mw_http_write(r.req, MW_STR("hello"));
	rig_settle(&r);
	assert_false(r.closed);
	rig_end(&r);
	rig_settle(&r);
	assert_received(&r, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
	assert_true(r.closed);
	rig_stop(&r);
}

static void an_aborted_stream_has_no_end(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, GET("/cut") GET("/never"));
	rig_settle(&r);
	assert_received(&r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
	assert_true(r.closed);
	assert_false(rig_saw(&r, "never"));
	assert_int_equal(r.gone, 0);
	rig_connect(&r);
	rig_sendz(&r, GET("/abort"));
	rig_settle(&r);
	assert_int_equal(r.got.n, 0);
	assert_true(r.closed);
	rig_stop(&r);
}

/* ---- leaving ---- */

static void leave(const char *request, bool half)
{
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, request);
	rig_settle(&r);
	assert_int_equal(r.gone, 0);
	if (half)
		shutdown(r.fd, SHUT_WR);
	else
		rig_close(&r);
	rig_turn(&r); /* noticed at once */
	assert_int_equal(r.gone, 1);
	assert_int_equal(mw_http_in_connections(r.in), 0);
	rig_stop(&r);
}

static void a_client_that_leaves_is_noticed_at_once(void **state)
{
	(void)state;
	for (int half = 0; half < 2; half++) {
		leave(GET("/wait"), half);
		leave(POST("/wait", "5") "hello", half);
		leave(GET("/stream"), half);
		leave(POST("/echo", "5") "hell", half);
		leave(POST("/echo", "5000") "hell", half);
		leave(CHUNKED("/echo") "5\r\nhell", half);
		leave(POST("/early", "5") "hell", half);
		/* with bytes that nobody has read yet */
		leave(GET("/wait") GET("/next"), half);
	}
}

static void a_client_that_leaves_behind_unread_bytes_is_noticed(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, GET("/wait"));
	rig_settle(&r);
	for (int i = 0; i < 100; i++)
		rig_sendz(&r, GET("/next"));
	rig_settle(&r);
	assert_int_equal(r.gone, 0);
	rig_close(&r);
	rig_turn(&r);
	assert_int_equal(r.gone, 1);
	assert_false(rig_saw(&r, "next"));
	rig_stop(&r);
}

static void an_answer_reaches_a_client_that_has_closed_its_side(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, POST("/echo", "1") "1" POST("/echo", "1") "2");
	shutdown(r.fd, SHUT_WR);
	rig_settle(&r);
	assert_received(&r, TEXT("200 OK", "1", "1") TEXT("200 OK", "1", "2"));
	assert_true(r.closed);
	assert_int_equal(mw_http_in_connections(r.in), 0);
	rig_stop(&r);
}

static void freeing_the_server_ends_its_requests(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, GET("/wait"));
	rig_settle(&r);
	struct mw_http_in *other = mw_http_in_new(r.loop, &r.limits, &rig_handler, &r);
	mw_http_in_free(r.in);
	r.in = other;
	assert_int_equal(r.gone, 1);
	rig_settle(&r);
	assert_true(r.closed);
	rig_stop(&r);
}

static void a_drained_server_finishes_what_runs_and_closes_the_rest(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, GET("/wait"));
	rig_settle(&r);
	int busy = r.fd;
	rig_connect(&r);
	rig_sendz(&r, GET("/echo"));
	rig_settle(&r);
	mw_http_in_drain(r.in);
	rig_settle(&r);
	assert_true(r.closed);
	assert_int_equal(mw_http_in_connections(r.in), 1);
	rig_close(&r);
	r.fd = busy;
	r.closed = false;
	mw_buf_clear(&r.got);
	rig_reply(&r, MW_STR("done"));
	rig_settle(&r);
	assert_got(&r, "Connection: close\r\n");
	assert_got(&r, "done");
	assert_true(r.closed);
	rig_close(&r);
	rig_settle(&r);
	assert_int_equal(mw_http_in_connections(r.in), 0);
	rig_stop(&r);
}

/* ---- back-pressure ---- */

static void a_slow_client_is_told_of_and_then_drained(void **state)
{
	(void)state;
	struct mw_http_limits limits = mw_http_default_limits;
	limits.out_high = 10000;
	limits.out_low = 1000;
	struct rig r;
	rig_start(&r, &limits);
	rig_sendz(&r, GET("/stream"));
	rig_settle(&r);
	mw_buf_clear(&r.got);
	char piece[1000];
	memset(piece, 'x', sizeof(piece));
	size_t written = 0;
	for (; !mw_http_full(r.req); written++) {
		mw_http_write(r.req, mw_strn(piece, sizeof(piece)));
		rig_turn(&r);
		assert_true(written < 10000); /* the kernel's buffers are not endless */
	}
	rig_turn(&r);
	assert_int_equal(r.drained, 0);
	RIG_UNTIL(&r, r.drained == 1);
	assert_false(mw_http_full(r.req));
	rig_end(&r);
	RIG_UNTIL(&r, r.got.n == written * (sizeof(piece) + 7) + 5);
	assert_int_equal(r.drained, 1);
	rig_stop(&r);
}

static void a_large_whole_answer_reaches_a_slow_client(void **state)
{
	(void)state;
	enum { LARGE = 5000000 };
	struct rig r;
	rig_start(&r, NULL);
	char *large = malloc(LARGE);
	for (size_t i = 0; i < LARGE; i++)
		large[i] = (char)('a' + i % 25);
	rig_sendz(&r, GET("/wait") POST("/echo", "4") "next");
	rig_settle(&r);
	rig_reply(&r, mw_strn(large, LARGE));
	for (int i = 0; i < 10; i++)
		rig_turn(&r);
	assert_false(rig_saw(&r, "next")); /* not before the client has taken the answer */
	RIG_UNTIL(&r, rig_saw(&r, "next"));
	rig_settle(&r);
	const char *body = mw_str_search(mw_buf_str(&r.got), MW_STR("\r\n\r\n"));
	assert_memory_equal(body + 4, large, LARGE);
	assert_got(&r, "next");
	free(large);
	rig_stop(&r);
}

static void a_client_that_takes_nothing_and_leaves_is_noticed(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, GET("/stream"));
	rig_settle(&r);
	while (!mw_http_full(r.req)) {
		mw_http_write(r.req, MW_STR("0123456789abcdef0123456789abcdef0123456789abcdef"));
		rig_turn(&r);
	}
	rig_close(&r);
	rig_turn(&r);
	assert_int_equal(r.gone, 1);
	assert_int_equal(r.drained, 0);
	rig_stop(&r);
}

/* ---- over TCP ---- */

static void accept_into(void *arg, int fd)
{
	mw_http_in_accept(((struct rig *)arg)->in, fd);
}

static int tcp_client(uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void reset(int fd)
{
	struct linger at_once = {.l_onoff = 1};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

/* The reset of some is there before their bytes are read, of others behind. */
static void clients_that_reset_in_mid_body_delay_nobody(void **state)
{
	(void)state;
	enum { MANY = 200 };
	static const char part[] = POST("/echo", "5000") "part of it";
	struct rig r;
	rig_start(&r, NULL);
	struct mw_listener *l = mw_listener_new(r.loop, "127.0.0.1", 0, accept_into, &r, NULL);
	assert_non_null(l);
	int fds[MANY];
	for (int i = 0; i < MANY; i++) {
		fds[i] = tcp_client(mw_listener_port(l));
		assert_int_equal(send(fds[i], part, sizeof(part) - 1, 0), sizeof(part) - 1);
		if (i % 2)
			reset(fds[i]);
	}
	RIG_UNTIL(&r, r.heads + r.gone >= MANY / 2);
	for (int i = 0; i < MANY; i += 2)
		reset(fds[i]);
	rig_sendz(&r, POST("/echo", "2") "hi");
	uint64_t began = mw_loop_now(r.loop);
	RIG_UNTIL(&r, rig_got(&r, "hi"));
	RIG_UNTIL(&r, mw_http_in_connections(r.in) == 1);
	assert_true(mw_loop_now(r.loop) - began < 5000000);
	assert_int_equal(rig_count(mw_buf_str(&r.seen), "POST /echo 5000"), r.gone);
	assert_int_equal(mw_http_in_busy(r.in), 0);
	mw_listener_free(l);
	rig_stop(&r);
}

static void a_reset_that_comes_with_the_request_is_noticed(void **state)
{
	(void)state;
	static const char whole[] = POST("/wait", "5") "hello";
	struct rig r;
	rig_start(&r, NULL);
	struct mw_listener *l = mw_listener_new(r.loop, "127.0.0.1", 0, accept_into, &r, NULL);
	int fd = tcp_client(mw_listener_port(l));
	RIG_UNTIL(&r, mw_http_in_connections(r.in) == 2);
	assert_int_equal(send(fd, whole, sizeof(whole) - 1, 0), sizeof(whole) - 1);
	reset(fd);
	RIG_UNTIL(&r, mw_http_in_connections(r.in) == 1);
	assert_int_equal(rig_count(mw_buf_str(&r.seen), "POST /wait"), r.gone);
	mw_listener_free(l);
	rig_stop(&r);
}

static void a_reset_while_reading_is_paused_is_noticed(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	struct mw_listener *l = mw_listener_new(r.loop, "127.0.0.1", 0, accept_into, &r, NULL);
	int fd = tcp_client(mw_listener_port(l));
	for (int i = 0; i < 10; i++)
		assert_true(send(fd, GET("/wait"), sizeof(GET("/wait")) - 1, 0) > 0);
	RIG_UNTIL(&r, r.req);
	reset(fd);
	RIG_UNTIL(&r, r.gone == 1);
	assert_int_equal(mw_http_in_connections(r.in), 1);
	mw_listener_free(l);
	rig_stop(&r);
}

/* A close right behind the refusal would be a reset, and destroy the answer on its way. */
static void a_client_that_still_sends_gets_the_refusal(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	struct mw_listener *l = mw_listener_new(r.loop, "127.0.0.1", 0, accept_into, &r, NULL);
	rig_close(&r);
	r.fd = tcp_client(mw_listener_port(l));
	evutil_make_socket_nonblocking(r.fd);
	rig_sendz(&r, POST("/echo", "99999999"));
	char piece[65536] = "";
	for (int i = 0; i < 16; i++)
		rig_send(&r, mw_strn(piece, sizeof(piece)));
	RIG_UNTIL(&r, r.closed);
	assert_got(&r, "HTTP/1.1 413 ");
	assert_got(&r, "BODY_TOO_LARGE");
	mw_listener_free(l);
	rig_stop(&r);
}

/* ---- memory ---- */

static void an_idle_connection_holds_less_than_a_kilobyte(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* mallinfo2 tells nothing there */
#else
	enum { MANY = 200 };
	struct rig r;
	rig_start(&r, NULL);
	int fds[MANY];
	size_t before = 0;
	for (int i = 0; i < MANY; i++) {
		if (i == MANY / 2)
			before = mallinfo2().uordblks;
		rig_sendz(&r, POST("/echo", "5") "hello");
		RIG_UNTIL(&r, rig_got(&r, "hello"));
		fds[i] = r.fd;
		rig_connect(&r);
		mw_buf_clear(&r.seen);
	}
	size_t each = (mallinfo2().uordblks - before) / (MANY / 2);
	if (each > 1024)
		fail_msg("%zu bytes", each);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	rig_stop(&r);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_is_answered_and_the_connection_kept),
	    cmocka_unit_test(a_body_longer_than_the_input_buffer_arrives_whole),
	    cmocka_unit_test(a_chunked_body_arrives_in_one_piece),
	    cmocka_unit_test(requests_may_be_cut_at_every_byte),
	    cmocka_unit_test(pipelined_requests_are_answered_in_order),
	    cmocka_unit_test(many_pipelined_requests_need_no_stack),
	    cmocka_unit_test(http_1_0_is_closed_unless_it_asks),
	    cmocka_unit_test(connection_close_is_obeyed),
	    cmocka_unit_test(head_gets_the_headers_and_no_body),
	    cmocka_unit_test(an_answer_without_content_has_no_length),
	    cmocka_unit_test(header_values_cannot_end_the_head),
	    cmocka_unit_test(headers_are_found_in_any_case),
	    cmocka_unit_test(a_waiting_client_is_asked_for_its_body),
	    cmocka_unit_test(a_body_that_came_is_not_asked_for),
	    cmocka_unit_test(a_refused_body_is_not_asked_for),
	    cmocka_unit_test(a_small_unwanted_body_is_read_and_the_connection_kept),
	    cmocka_unit_test(a_large_unwanted_body_ends_the_connection),
	    cmocka_unit_test(an_unwanted_body_without_end_ends_the_connection),
	    cmocka_unit_test(an_unwanted_body_that_does_not_come_ends_the_connection),
	    cmocka_unit_test(an_answer_may_begin_before_the_body_is_there),
	    cmocka_unit_test(a_stream_is_sent_in_chunks),
	    cmocka_unit_test(a_large_write_is_one_chunk),
	    cmocka_unit_test(a_stream_for_http_1_0_ends_with_the_connection),
	    cmocka_unit_test(an_aborted_stream_has_no_end),
	    cmocka_unit_test(a_client_that_leaves_is_noticed_at_once),
	    cmocka_unit_test(a_client_that_leaves_behind_unread_bytes_is_noticed),
	    cmocka_unit_test(an_answer_reaches_a_client_that_has_closed_its_side),
	    cmocka_unit_test(freeing_the_server_ends_its_requests),
	    cmocka_unit_test(a_drained_server_finishes_what_runs_and_closes_the_rest),
	    cmocka_unit_test(a_slow_client_is_told_of_and_then_drained),
	    cmocka_unit_test(a_large_whole_answer_reaches_a_slow_client),
	    cmocka_unit_test(a_client_that_takes_nothing_and_leaves_is_noticed),
	    cmocka_unit_test(clients_that_reset_in_mid_body_delay_nobody),
	    cmocka_unit_test(a_reset_that_comes_with_the_request_is_noticed),
	    cmocka_unit_test(a_reset_while_reading_is_paused_is_noticed),
	    cmocka_unit_test(a_client_that_still_sends_gets_the_refusal),
	    cmocka_unit_test(an_idle_connection_holds_less_than_a_kilobyte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
