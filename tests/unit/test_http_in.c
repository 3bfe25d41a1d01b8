/* SPDX-License-Identifier: MIT
 *
 * The HTTP server as a client and a handler meet it: requests, connections, pipelining, bodies. Streams
 * and slow clients: test_http_answers.c; clients that leave: test_http_leaving.c; ceilings and clocks:
 * test_http_limits.c; bad requests: test_http_malformed.c.
 */
#include "http_rig.h"

#include <malloc.h>

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

/* Wherever in the input buffer the head ends: it may not move once the handler has seen it. */
static void head_then_body(const char *framing, size_t padding, const char *body)
{
	char head[400];
	snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\n" HOST "%s\r\nX-A: %0*d\r\n\r\n",
	    framing, (int)padding, 0);
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, head);
	rig_settle(&r);
	rig_sendz(&r, body);
	rig_settle(&r);
	assert_saw(&r, "body 50 01234567890123456789012345678901234567890123456789\n");
	assert_int_equal(r.heads, 1);
	assert_received(
	    &r, TEXT("200 OK", "50", "01234567890123456789012345678901234567890123456789"));
	rig_stop(&r);
}

static void heads_of_every_length_may_have_bodies(void **state)
{
	(void)state;
	for (size_t padding = 1; padding < 200; padding++) {
		head_then_body("Content-Length: 50", padding,
		    "01234567890123456789012345678901234567890123456789");
		head_then_body("Transfer-Encoding: chunked", padding,
		    "32\r\n01234567890123456789012345678901234567890123456789\r\n0\r\n\r\n");
	}
}

static void a_client_that_sends_much_does_not_hold_up_the_others(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	static char body[20000];
	rig_sendz(&r, POST("/echo", "20000"));
	rig_send(&r, mw_strn(body, sizeof(body)));
	int first = r.fd;
	rig_connect(&r);
	rig_sendz(&r, GET("/now"));
	RIG_UNTIL(&r, rig_saw(&r, "body 20000") && rig_saw(&r, "GET /now"));
	struct mw_str seen = mw_buf_str(&r.seen);
	assert_true(
	    mw_str_search(seen, MW_STR("GET /now")) < mw_str_search(seen, MW_STR("body 20000")));
	close(first);
	rig_stop(&r);
}

static void cut_everywhere(const char *all, size_t piece)
{
	struct rig whole, cut;
	rig_start(&whole, NULL);
	rig_sendz(&whole, all);
	rig_settle(&whole);
	char *expected = rig_received(&whole);
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
	    cmocka_unit_test(heads_of_every_length_may_have_bodies),
	    cmocka_unit_test(a_client_that_sends_much_does_not_hold_up_the_others),
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
	    cmocka_unit_test(an_idle_connection_holds_less_than_a_kilobyte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
