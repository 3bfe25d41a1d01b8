/* SPDX-License-Identifier: MIT
 *
 * Bytes on their way to a client: nothing lost, nothing doubled, nothing out of order, however little the
 * socket takes.
 */
#include "net/http_out.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void open_pair(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
}

static size_t receive(int fd, char *to, size_t room)
{
	ssize_t n = recv(fd, to, room, 0);
	return n > 0 ? (size_t)n : 0;
}

/* Sends pieces of growing sizes in both ways to a socket that is read in small bites. */
static void bytes_arrive_in_order_however_little_is_taken(void **state)
{
	(void)state;
	enum { TOTAL = 3000000 };
	int pair[2];
	open_pair(pair);
	struct mw_http_out o;
	mw_http_out_init(&o);
	char *all = malloc(TOTAL), *got = malloc(TOTAL);
	for (size_t i = 0; i < TOTAL; i++)
		all[i] = (char)(i * 7 + i / 253);
	size_t sent = 0, n = 0;
	for (size_t piece = 1; n < TOTAL; piece = piece * 3 % 40009) {
		size_t a = MW_MIN(piece, TOTAL - sent), b = MW_MIN(piece / 5, TOTAL - sent - a);
		if (piece % 2) {
			mw_http_out_send(
			    &o, pair[0], mw_strn(all + sent, a), mw_strn(all + sent + a, b));
		} else {
			mw_http_out_add(&o, mw_strn(all + sent, a));
			mw_http_out_add(&o, mw_strn(all + sent + a, b));
		}
		sent += a + b;
		n += receive(pair[1], got + n, MW_MIN(TOTAL - n, (size_t)10007));
		o.blocked = false;
		if (sent == TOTAL)
			mw_http_out_send(&o, pair[0], MW_NOSTR, MW_NOSTR);
	}
	assert_memory_equal(got, all, TOTAL);
	assert_int_equal(mw_http_out_waiting(&o), 0);
	assert_false(o.broken);
	free(all);
	free(got);
	mw_http_out_deinit(&o);
	close(pair[0]);
	close(pair[1]);
}

static void nothing_is_tried_while_the_socket_is_full(void **state)
{
	(void)state;
	int pair[2];
	open_pair(pair);
	struct mw_http_out o;
	mw_http_out_init(&o);
	char piece[8192] = "";
	while (!o.blocked)
		mw_http_out_send(&o, pair[0], mw_strn(piece, sizeof(piece)), MW_NOSTR);
	size_t waiting = mw_http_out_waiting(&o);
	assert_true(waiting > 0);
	while (receive(pair[1], piece, sizeof(piece)))
		;
	assert_false(mw_http_out_send(&o, pair[0], MW_STR("x"), MW_NOSTR));
	assert_int_equal(mw_http_out_waiting(&o), waiting + 1);
	o.blocked = false;
	assert_true(mw_http_out_send(&o, pair[0], MW_NOSTR, MW_NOSTR));
	mw_http_out_deinit(&o);
	close(pair[0]);
	close(pair[1]);
}

static void a_client_that_left_is_found_out(void **state)
{
	(void)state;
	int pair[2];
	open_pair(pair);
	close(pair[1]);
	struct mw_http_out o;
	mw_http_out_init(&o);
	assert_false(mw_http_out_send(&o, pair[0], MW_STR("hello"), MW_NOSTR));
	assert_true(o.broken);
	mw_http_out_reset(&o, 0);
	assert_false(o.broken);
	assert_int_equal(o.buf.cap, 0);
	mw_http_out_deinit(&o);
	close(pair[0]);
}

static void a_head_is_written(void **state)
{
	(void)state;
	struct mw_http_out o;
	mw_http_out_init(&o);
	struct mw_header fields[] = {
	    {{"A", 1}, {"b\tc\xff", 4}}, {{"D", 1}, {"\0\r\n", 3}}, {{"E", 1}, {NULL, 0}}};
	mw_http_out_status(&o, 529);
	mw_http_out_length(&o, 12345678901);
	mw_http_out_fields(&o, fields, 3);
	mw_http_out_head_end(&o);
	mw_http_out_chunk_size(&o, 0x1f);
	static const char expected[] = "HTTP/1.1 529 \r\nContent-Length: 12345678901\r\nA: "
				       "b\tc\xff\r\nD:    \r\nE: \r\n\r\n1f\r\n";
	assert_int_equal(o.buf.n, sizeof(expected) - 1);
	assert_memory_equal(o.buf.p, expected, o.buf.n);
	mw_http_out_deinit(&o);
}

static void dates_are_written_as_http_wants_them(void **state)
{
	(void)state;
	char date[MW_HTTP_OUT_DATE];
	mw_http_out_date(date, 784111777);
	assert_string_equal(date, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	mw_http_out_date(date, 951782399);
	assert_string_equal(date, "Date: Mon, 28 Feb 2000 23:59:59 GMT\r\n");
	mw_http_out_date(date, 4102444800);
	assert_string_equal(date, "Date: Fri, 01 Jan 2100 00:00:00 GMT\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_arrive_in_order_however_little_is_taken),
	    cmocka_unit_test(nothing_is_tried_while_the_socket_is_full),
	    cmocka_unit_test(a_client_that_left_is_found_out),
	    cmocka_unit_test(a_head_is_written),
	    cmocka_unit_test(dates_are_written_as_http_wants_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
