/* SPDX-License-Identifier: MIT
 *
 * Answers of the HTTP server: streamed ones, large ones, and clients that take them slowly.
 */
#include "http_rig.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_stream_is_sent_in_chunks),
	    cmocka_unit_test(a_large_write_is_one_chunk),
	    cmocka_unit_test(a_stream_for_http_1_0_ends_with_the_connection),
	    cmocka_unit_test(an_aborted_stream_has_no_end),
	    cmocka_unit_test(a_slow_client_is_told_of_and_then_drained),
	    cmocka_unit_test(a_large_whole_answer_reaches_a_slow_client),
	    cmocka_unit_test(a_client_that_takes_nothing_and_leaves_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
