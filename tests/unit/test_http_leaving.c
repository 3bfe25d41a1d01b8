/* SPDX-License-Identifier: MIT
 *
 * Clients of the HTTP server that leave: by closing, by closing one side, by a reset, in the middle of
 * everything; and the server that leaves.
 */
#include "http_rig.h"

#include "net/listener.h"

#include <netinet/in.h>

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

static void a_request_that_has_come_when_draining_begins_is_answered(void **state)
{
	(void)state;
	struct rig r;
	rig_start(&r, NULL);
	rig_sendz(&r, GET("/echo"));
	rig_settle(&r);
	rig_sendz(&r, GET("/now")); /* the loop has not seen it yet */
	mw_http_in_drain(r.in);
	rig_settle(&r);
	assert_got(&r, "HTTP/1.1 401 ");
	assert_got(&r, "Connection: close\r\n");
	assert_true(r.closed);
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
		size_t n =
		    sizeof(part) - 1 - (size_t)i % 9; /* ends anywhere in the server's buffers */
		assert_int_equal(send(fds[i], part, n, 0), n);
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
	assert_false(r.reset);
	assert_got(&r, "HTTP/1.1 413 ");
	assert_got(&r, "BODY_TOO_LARGE");
	mw_listener_free(l);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_client_that_leaves_is_noticed_at_once),
	    cmocka_unit_test(a_client_that_leaves_behind_unread_bytes_is_noticed),
	    cmocka_unit_test(an_answer_reaches_a_client_that_has_closed_its_side),
	    cmocka_unit_test(freeing_the_server_ends_its_requests),
	    cmocka_unit_test(a_drained_server_finishes_what_runs_and_closes_the_rest),
	    cmocka_unit_test(a_request_that_has_come_when_draining_begins_is_answered),
	    cmocka_unit_test(clients_that_reset_in_mid_body_delay_nobody),
	    cmocka_unit_test(a_reset_that_comes_with_the_request_is_noticed),
	    cmocka_unit_test(a_reset_while_reading_is_paused_is_noticed),
	    cmocka_unit_test(a_client_that_still_sends_gets_the_refusal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
