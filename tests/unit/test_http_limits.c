/* SPDX-License-Identifier: MIT
 *
 * What a client may not do to the HTTP server: send too much, too slowly, or take too little.
 */
#include "http_rig.h"

static const struct mw_http_limits tight = {
    .head = 200,
    .headers = 4,
    .body = 100,
    .head_ms = 50,
    .body_ms = 50,
    .body_min_rate = 1000000,
    .idle_ms = 50,
    .write_ms = 50,
    .out_high = 1000,
    .out_low = 100,
    .connections = 3,
};

static void assert_refused(struct rig *r, const char *status, const char *error)
{
	RIG_UNTIL(r, r->closed);
	assert_got(r, status);
	assert_got(r, "Connection: close\r\nContent-Type: application/json\r\n");
	assert_got(r, error);
	RIG_UNTIL(r, mw_http_in_connections(r->in) == 0);
}

static uint64_t ms(struct rig *r)
{
	return mw_loop_now(r->loop) / 1000;
}

/* ---- size ---- */

static void a_head_at_its_ceiling_is_taken_and_one_byte_more_refused(void **state)
{
	(void)state;
	static const char start[] = "GET /echo HTTP/1.1\r\n" HOST "X-A: ", end[] = "\r\n\r\n";
	char fill[200];
	memset(fill, 'a', sizeof(fill));
	size_t room = tight.head - (sizeof(start) - 1) - (sizeof(end) - 1);
	for (size_t more = 0; more < 2; more++) {
		struct rig r;
		rig_start(&r, &tight);
		rig_sendz(&r, start);
		rig_send(&r, mw_strn(fill, room + more));
		rig_sendz(&r, end);
		rig_settle(&r);
		if (more)
			assert_refused(&r, "HTTP/1.1 431 ", "HEAD_TOO_LARGE");
		else
			assert_got(&r, "HTTP/1.1 200 OK");
		rig_stop(&r);
	}
}

static void a_head_without_a_line_end_is_refused_at_its_ceiling(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	char fill[200];
	memset(fill, 'A', sizeof(fill));
	rig_send(&r, mw_strn(fill, sizeof(fill)));
	assert_refused(&r, "HTTP/1.1 431 ", "HEAD_TOO_LARGE");
	rig_stop(&r);
}

static void too_many_headers_are_refused(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, "GET /echo HTTP/1.1\r\n" HOST "A: 1\r\nA: 2\r\nA: 3\r\n\r\n");
	rig_settle(&r);
	assert_got(&r, "HTTP/1.1 200 OK");
	rig_sendz(&r, "GET /echo HTTP/1.1\r\n" HOST "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\n\r\n");
	assert_refused(&r, "HTTP/1.1 431 ", "{\"error\":\"HEAD_TOO_LARGE\",\"path\":\"/echo\"}");
	rig_stop(&r);
}

static void a_body_that_is_declared_too_large_is_refused_by_its_head(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, POST("/echo", "101"));
	assert_refused(&r, "HTTP/1.1 413 ", "{\"error\":\"BODY_TOO_LARGE\",\"path\":\"/echo\"}");
	assert_int_equal(r.heads, 0);
	rig_stop(&r);
}

static void a_chunked_body_is_refused_where_it_becomes_too_large(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, CHUNKED("/echo"));
	for (int i = 0; i < 10; i++)
		rig_sendz(&r, "a\r\n0123456789\r\n");
	rig_settle(&r);
	assert_int_equal(r.got.n, 0);
	rig_sendz(&r, "1\r\n"); /* its byte need not come */
	assert_refused(&r, "HTTP/1.1 413 ", "BODY_TOO_LARGE");
	assert_int_equal(r.refused, 1);
	rig_stop(&r);
}

static void a_new_ceiling_holds_from_the_next_request_on(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, GET("/wait") POST("/echo", "5") "hello"); /* the second is here already */
	rig_settle(&r);
	struct mw_http_limits less = r.limits;
	less.body = 4;
	mw_http_in_set_limits(r.in, &less);
	rig_reply(&r, MW_STR("late"));
	rig_settle(&r);
	assert_got(&r, "late");
	assert_got(&r, "HTTP/1.1 413 ");
	rig_stop(&r);
}

static void a_body_at_its_ceiling_is_taken(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, POST("/echo", "100"));
	for (int i = 0; i < 10; i++)
		rig_sendz(&r, "0123456789");
	rig_settle(&r);
	assert_saw(&r, "body 100 ");
	rig_stop(&r);
}

static void more_connections_than_allowed_are_closed(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	int first = r.fd;
	rig_connect(&r);
	int second = r.fd;
	rig_connect(&r);
	int third = r.fd;
	rig_connect(&r);
	rig_settle(&r);
	assert_true(r.closed);
	assert_int_equal(mw_http_in_connections(r.in), 3);
	close(first);
	close(second);
	close(third);
	rig_settle(&r);
	assert_int_equal(mw_http_in_connections(r.in), 0);
	rig_stop(&r);
}

static void a_flood_of_trailers_is_refused(void **state)
{
	(void)state;
	struct rig r;
	struct mw_http_limits limits = tight;
	limits.body_min_rate = 0;
	limits.body_ms = 30000;
	rig_start(&r, &limits);
	rig_sendz(&r, CHUNKED("/echo") "0\r\n");
	for (int i = 0; i < 1000; i++)
		rig_sendz(&r, "Trailer: 0\r\n");
	assert_refused(&r, "HTTP/1.1 431 ", "HEAD_TOO_LARGE");
	rig_stop(&r);
}

static void a_long_chunk_extension_is_refused(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, CHUNKED("/echo") "1;");
	for (int i = 0; i < 30; i++)
		rig_sendz(&r, "0123456789");
	assert_refused(&r, "HTTP/1.1 400 ", "BAD_REQUEST");
	rig_stop(&r);
}

/* ---- time ---- */

static void a_connection_that_says_nothing_is_closed_silently(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	uint64_t began = ms(&r);
	RIG_UNTIL(&r, r.closed);
	assert_true(ms(&r) - began >= 49);
	assert_int_equal(r.got.n, 0);
	rig_stop(&r);
}

static void an_idle_connection_is_closed_silently(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, GET("/echo"));
	rig_settle(&r);
	uint64_t began = ms(&r);
	mw_buf_clear(&r.got);
	RIG_UNTIL(&r, r.closed);
	assert_true(ms(&r) - began >= 45);
	assert_int_equal(r.got.n, 0);
	rig_stop(&r);
}

/* Each byte comes in time; the head does not. */
static void a_head_that_drips_is_refused(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	uint64_t began = ms(&r), next = began;
	rig_sendz(&r, "GET /");
	while (!r.closed && ms(&r) - began < 5000) {
		if (ms(&r) >= next) {
			rig_sendz(&r, "a");
			next = ms(&r) + 5;
		}
		rig_settle(&r);
	}
	assert_true(ms(&r) - began >= 49);
	assert_refused(&r, "HTTP/1.1 408 ", "SLOW_CLIENT");
	rig_stop(&r);
}

static void a_pipelined_head_that_stalls_is_refused(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, GET("/echo") "GET /ec");
	rig_settle(&r);
	assert_got(&r, "HTTP/1.1 200 OK");
	assert_refused(&r, "HTTP/1.1 408 ", "SLOW_CLIENT");
	rig_stop(&r);
}

static void a_body_that_stalls_is_refused(void **state)
{
	(void)state;
	static const char *const stalls[] = {POST("/echo", "5"), POST("/echo", "5") "hell",
	    POST("/echo", "99") "hell", CHUNKED("/echo") "5\r\nhell"};
	for (size_t i = 0; i < MW_LEN(stalls); i++) {
		struct rig r;
		rig_start(&r, &tight);
		rig_sendz(&r, stalls[i]);
		rig_settle(&r);
		assert_int_equal(r.gone, 0);
		assert_refused(&r, "HTTP/1.1 408 ", "SLOW_CLIENT");
		assert_int_equal(r.refused, 1);
		rig_stop(&r);
	}
}

static void a_body_that_drips_is_refused(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, POST("/echo", "100"));
	uint64_t began = ms(&r), next = began;
	while (!r.closed && ms(&r) - began < 5000) {
		if (ms(&r) >= next) {
			rig_sendz(&r, "a");
			next = ms(&r) + 5;
		}
		rig_settle(&r);
	}
	assert_refused(&r, "HTTP/1.1 408 ", "SLOW_CLIENT");
	assert_int_equal(r.refused, 1);
	rig_stop(&r);
}

static void a_running_request_has_all_the_time_it_needs(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, POST("/wait", "5") "hello");
	rig_settle(&r);
	uint64_t began = ms(&r);
	RIG_UNTIL(&r, ms(&r) - began > 200);
	assert_int_equal(r.gone, 0);
	rig_reply(&r, MW_STR("late"));
	rig_settle(&r);
	assert_got(&r, "late");
	rig_stop(&r);
}

static void a_client_that_takes_nothing_is_closed(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, GET("/stream"));
	rig_settle(&r);
	while (!mw_http_full(r.req)) {
		mw_http_write(r.req, MW_STR("0123456789abcdef0123456789abcdef0123456789abcdef"));
		rig_turn(&r);
	}
	uint64_t began = ms(&r);
	while (!r.gone && ms(&r) - began < 5000)
		rig_turn(&r);
	assert_int_equal(r.gone, 1);
	assert_int_equal(mw_http_in_connections(r.in), 0);
	rig_stop(&r);
}

static void a_client_that_does_not_take_its_whole_answer_is_closed(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, GET("/wait"));
	rig_settle(&r);
	char *large = calloc(1, 1000000);
	rig_reply(&r, mw_strn(large, 1000000));
	free(large);
	uint64_t began = ms(&r);
	while (mw_http_in_connections(r.in) && ms(&r) - began < 5000)
		rig_turn(&r);
	assert_int_equal(mw_http_in_connections(r.in), 0);
	assert_int_equal(r.gone, 0); /* its request was over */
	rig_stop(&r);
}

/* It is read on for a while, but not for ever. */
static void a_refused_client_that_goes_on_sending_is_closed(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, &tight);
	rig_sendz(&r, POST("/echo", "101"));
	rig_settle(&r);
	assert_got(&r, "HTTP/1.1 413 ");
	uint64_t began = ms(&r);
	while (mw_http_in_connections(r.in) && ms(&r) - began < 5000) {
		(void)!send(r.fd, "more", 4, MSG_NOSIGNAL);
		rig_turn(&r);
	}
	assert_int_equal(mw_http_in_connections(r.in), 0);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_head_at_its_ceiling_is_taken_and_one_byte_more_refused),
	    cmocka_unit_test(a_head_without_a_line_end_is_refused_at_its_ceiling),
	    cmocka_unit_test(too_many_headers_are_refused),
	    cmocka_unit_test(a_body_that_is_declared_too_large_is_refused_by_its_head),
	    cmocka_unit_test(a_chunked_body_is_refused_where_it_becomes_too_large),
	    cmocka_unit_test(a_new_ceiling_holds_from_the_next_request_on),
	    cmocka_unit_test(a_body_at_its_ceiling_is_taken),
	    cmocka_unit_test(more_connections_than_allowed_are_closed),
	    cmocka_unit_test(a_flood_of_trailers_is_refused),
	    cmocka_unit_test(a_long_chunk_extension_is_refused),
	    cmocka_unit_test(a_connection_that_says_nothing_is_closed_silently),
	    cmocka_unit_test(an_idle_connection_is_closed_silently),
	    cmocka_unit_test(a_head_that_drips_is_refused),
	    cmocka_unit_test(a_pipelined_head_that_stalls_is_refused),
	    cmocka_unit_test(a_body_that_stalls_is_refused),
	    cmocka_unit_test(a_body_that_drips_is_refused),
	    cmocka_unit_test(a_running_request_has_all_the_time_it_needs),
	    cmocka_unit_test(a_client_that_takes_nothing_is_closed),
	    cmocka_unit_test(a_client_that_does_not_take_its_whole_answer_is_closed),
	    cmocka_unit_test(a_refused_client_that_goes_on_sending_is_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
