/* SPDX-License-Identifier: MIT
 *
 * Listening sockets: what is accepted, what cannot be listened on and how that is said.
 */
#include "base/loop_event.h"
#include "net/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct taken {
	int n, fd;
};

static void take(void *arg, int fd)
{
	struct taken *t = arg;
	if (t->n++)
		close(fd);
	else
		t->fd = fd;
}

static int client(int family, uint16_t port)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 six = {
	    .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
	four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = family == AF_INET ? connect(fd, (struct sockaddr *)&four, sizeof(four))
	                          : connect(fd, (struct sockaddr *)&six, sizeof(six));
	assert_true(r == 0 || errno == EINPROGRESS);
	return fd;
}

static void turn_until(struct mw_loop *loop, const struct taken *t, int n)
{
	uint64_t give_up = mw_loop_now(loop) + 10000000;
	while (t->n < n && mw_loop_now(loop) < give_up)
		event_base_loop(mw_loop_base(loop), EVLOOP_NONBLOCK);
	assert_int_equal(t->n, n);
}

static void accepted_sockets_are_ready_for_use(void **state)
{
	(void)state;
	struct mw_loop *loop = mw_loop_new();
	struct taken t = {0};
	struct mw_listener *l = mw_listener_new(loop, "127.0.0.1", 0, take, &t, NULL);
	assert_non_null(l);
	int fd = client(AF_INET, mw_listener_port(l));
	turn_until(loop, &t, 1);
	assert_true(fcntl(t.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(t.fd, F_GETFD) & FD_CLOEXEC);
	int on = 0;
	socklen_t n = sizeof(on);
	assert_int_equal(getsockopt(t.fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
	assert_int_equal(on, 1);
	close(fd);
	close(t.fd);
	mw_listener_free(l);
	mw_listener_free(NULL);
	mw_loop_free(loop);
}

static void a_host_may_be_written_in_many_ways(void **state)
{
	(void)state;
	static const char *const hosts[] = {"*", "127.0.0.1", "0.0.0.0", "localhost"};
	struct mw_loop *loop = mw_loop_new();
	for (size_t i = 0; i < MW_LEN(hosts); i++) {
		struct taken t = {0};
		struct mw_err err;
		struct mw_listener *l = mw_listener_new(loop, hosts[i], 0, take, &t, &err);
		if (!l)
			fail_msg("%s: %s", hosts[i], err.text);
		int fd = client(AF_INET, mw_listener_port(l));
		turn_until(loop, &t, 1);
		close(fd);
		close(t.fd);
		mw_listener_free(l);
	}
	mw_loop_free(loop);
}

static void ipv6_is_listened_on_where_there_is_any(void **state)
{
	(void)state;
	static const char *const hosts[] = {"*", "::1", "[::1]"};
	struct mw_loop *loop = mw_loop_new();
	for (size_t i = 0; i < MW_LEN(hosts); i++) {
		struct taken t = {0};
		struct mw_listener *l = mw_listener_new(loop, hosts[i], 0, take, &t, NULL);
		int fd = l ? client(AF_INET6, mw_listener_port(l)) : -1;
		if (!l) {
			mw_loop_free(loop);
			skip(); /* no IPv6 on this machine */
		}
		turn_until(loop, &t, 1);
		close(fd);
		close(t.fd);
		mw_listener_free(l);
	}
	mw_loop_free(loop);
}

static void workers_share_a_port_but_another_program_is_noticed(void **state)
{
	(void)state;
	struct mw_loop *loop = mw_loop_new();
	struct taken t = {0};
	struct mw_err err;
	struct mw_listener *first = mw_listener_new(loop, "127.0.0.1", 0, take, &t, &err);
	uint16_t port = mw_listener_port(first);
	struct mw_listener *second = mw_listener_new(loop, "127.0.0.1", port, take, &t, &err);
	assert_non_null(second);
	assert_int_equal(mw_listener_port(second), port);
	assert_false(mw_listener_check("127.0.0.1", port, &err));
	assert_int_equal(err.code, MW_ERR_SETTINGS);
	char expected[200];
	snprintf(expected, sizeof(expected), "port %u on 127.0.0.1 is taken", port);
	assert_non_null(strstr(err.text, expected));
	assert_non_null(strstr(err.text, "--port"));
	mw_listener_free(first);
	mw_listener_free(second);
	assert_true(mw_listener_check("127.0.0.1", port, &err));
	mw_loop_free(loop);
}

static void an_address_that_is_not_ours_is_explained(void **state)
{
	(void)state;
	static const char *const hosts[] = {"192.0.2.1", "no such host", "999.1.1.1", "[", "::1::"};
	for (size_t i = 0; i < MW_LEN(hosts); i++) {
		struct mw_err err;
		assert_false(mw_listener_check(hosts[i], 0, &err));
		assert_int_equal(err.code, MW_ERR_SETTINGS);
		assert_non_null(strstr(err.text, hosts[i]));
	}
}

static void without_file_descriptors_it_rests_and_goes_on(void **state)
{
	(void)state;
	struct mw_loop *loop = mw_loop_new();
	struct taken t = {0};
	struct mw_listener *l = mw_listener_new(loop, "127.0.0.1", 0, take, &t, NULL);
	int fd = client(AF_INET, mw_listener_port(l));
	event_base_loop(mw_loop_base(loop), EVLOOP_NONBLOCK); /* the clock of the loop begins */
	int other = client(AF_INET, mw_listener_port(l));
	struct rlimit before, none;
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	int seen = t.n;
	for (int i = 0; i < 10; i++)
		event_base_loop(mw_loop_base(loop), EVLOOP_NONBLOCK);
	assert_int_equal(t.n, seen);
	setrlimit(RLIMIT_NOFILE, &before);
	turn_until(loop, &t, 2);
	close(fd);
	close(other);
	close(t.fd);
	mw_listener_free(l);
	mw_loop_free(loop);
}

static void who_is_connected_when_it_closes_is_handed_over(void **state)
{
	(void)state;
	struct mw_loop *loop = mw_loop_new();
	struct taken t = {0};
	struct mw_listener *l = mw_listener_new(loop, "127.0.0.1", 0, take, &t, NULL);
	int fd = client(AF_INET, mw_listener_port(l));
	mw_listener_free(l);
	assert_int_equal(t.n, 1);
	close(t.fd);
	close(fd);
	mw_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accepted_sockets_are_ready_for_use),
	    cmocka_unit_test(a_host_may_be_written_in_many_ways),
	    cmocka_unit_test(ipv6_is_listened_on_where_there_is_any),
	    cmocka_unit_test(workers_share_a_port_but_another_program_is_noticed),
	    cmocka_unit_test(an_address_that_is_not_ours_is_explained),
	    cmocka_unit_test(without_file_descriptors_it_rests_and_goes_on),
	    cmocka_unit_test(who_is_connected_when_it_closes_is_handed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
