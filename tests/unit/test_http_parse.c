/* SPDX-License-Identifier: MIT
 *
 * What the parser makes of right heads and chunked bodies. (What it refuses: test_http_malformed.c.)
 */
#include "net/http_chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static enum mw_http_parsed parse(struct mw_http_parse *p, const char *text)
{
	struct mw_err err;
	mw_http_parse_init(p, 1000, 20);
	return mw_http_parse_head(p, mw_str(text), &err);
}

#define assert_str(s, text)                                                                        \
	do {                                                                                       \
		assert_int_equal((s).n, strlen(text));                                             \
		assert_memory_equal((s).p, text, (s).n);                                           \
	} while (0)

static void a_head_is_taken_apart(void **state)
{
	(void)state;
	static const char text[] = "POST /v1/chat%20x?a=b?c HTTP/1.1\r\nHost: h:1\r\nX-Empty:\r\n"
				   "Content-Length:   12 \r\nX-Trim: \t a b \t\r\n\r\nbody";
	struct mw_http_parse p;
	assert_int_equal(parse(&p, text), MW_HTTP_DONE);
	assert_str(p.head.method, "POST");
	assert_str(p.head.path, "/v1/chat%20x");
	assert_str(p.head.query, "a=b?c");
	assert_int_equal(p.head.n_headers, 4);
	assert_str(p.head.headers[0].name, "Host");
	assert_str(p.head.headers[1].value, "");
	assert_str(p.head.headers[3].value, "a b");
	assert_true(p.head.has_body);
	assert_int_equal(p.head.body_length, 12);
	assert_int_equal(p.length, sizeof(text) - 1 - 4);
	assert_true(p.http11);
	assert_true(p.keep_alive);
	assert_false(p.wants_continue);
	mw_http_parse_deinit(&p);
}

static void targets_have_four_forms(void **state)
{
	(void)state;
	static const struct {
		const char *line, *path, *query;
	} rows[] = {
	    {"GET / HTTP/1.1", "/", ""},
	    {"GET /a? HTTP/1.1", "/a", ""},
	    {"GET http://h HTTP/1.1", "/", ""},
	    {"GET http://h:80/a?b HTTP/1.1", "/a", "b"},
	    {"GET HTTPS://[::1]:80?b HTTP/1.1", "/", "b"},
	    {"OPTIONS * HTTP/1.1", "*", ""},
	    {"GET //a//b/../c HTTP/1.1", "//a//b/../c", ""},
	};
	for (size_t i = 0; i < MW_LEN(rows); i++) {
		char text[200];
		snprintf(text, sizeof(text), "%s\r\nHost: h\r\n\r\n", rows[i].line);
		struct mw_http_parse p;
		assert_int_equal(parse(&p, text), MW_HTTP_DONE);
		assert_str(p.head.path, rows[i].path);
		assert_str(p.head.query, rows[i].query);
		mw_http_parse_deinit(&p);
	}
}

static void connection_options_are_weighed(void **state)
{
	(void)state;
	static const struct {
		const char *version, *field;
		bool keep;
	} rows[] = {
	    {"1.1", "", true},
	    {"1.1", "Connection: close\r\n", false},
	    {"1.1", "Connection: a,CLOSE ,b\r\n", false},
	    {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
	    {"1.1", "Connection: closed\r\n", true},
	    {"1.0", "", false},
	    {"1.0", "Connection: Keep-Alive\r\n", true},
	    {"1.0", "Connection: keep-alive, close\r\n", false},
	};
	for (size_t i = 0; i < MW_LEN(rows); i++) {
		char text[200];
		snprintf(text, sizeof(text), "GET / HTTP/%s\r\nHost: h\r\n%s\r\n", rows[i].version,
		    rows[i].field);
		struct mw_http_parse p;
		assert_int_equal(parse(&p, text), MW_HTTP_DONE);
		assert_int_equal(p.keep_alive, rows[i].keep);
		mw_http_parse_deinit(&p);
	}
}

static void a_head_may_move_if_it_is_read_again(void **state)
{
	(void)state;
	static const char text[] = "GET /path HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
	struct mw_http_parse p;
	struct mw_err err;
	mw_http_parse_init(&p, 1000, 20);
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		char moved[sizeof(text)];
		memcpy(moved, text, n);
		mw_http_parse_reset(&p);
		assert_int_equal(mw_http_parse_head(&p, mw_strn(moved, n), &err), MW_HTTP_MORE);
	}
	mw_http_parse_reset(&p);
	assert_int_equal(
	    mw_http_parse_head(&p, mw_strn(text, sizeof(text) - 1), &err), MW_HTTP_DONE);
	assert_str(p.head.path, "/path");
	assert_int_equal(p.head.n_headers, 2);
	mw_http_parse_deinit(&p);
}

static void the_path_is_known_when_a_later_line_is_bad(void **state)
{
	(void)state;
	struct mw_http_parse p;
	assert_int_equal(parse(&p, "HEAD /path HTTP/1.1\r\nHost h\r\n"), MW_HTTP_BAD);
	assert_str(p.head.path, "/path");
	assert_true(p.head.is_head);
	mw_http_parse_deinit(&p);
}

static void an_error_says_the_line_and_no_value(void **state)
{
	(void)state;
	struct mw_http_parse p;
	struct mw_err err;
	mw_http_parse_init(&p, 1000, 20);
	struct mw_str text = MW_STR("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: se\x01"
				    "cret\r\n\r\n");
	assert_int_equal(mw_http_parse_head(&p, text, &err), MW_HTTP_BAD);
	assert_non_null(strstr(err.text, "line 3"));
	assert_null(strstr(err.text, "cret"));
	mw_http_parse_deinit(&p);
}

static void values_of_every_byte(void **state)
{
	(void)state;
	for (int b = 0; b < 256; b++) {
		char c = (char)b;
		bool control = (b < 32 && b != '\t') || b == 127;
		assert_int_equal(mw_http_parse_is_value(mw_strn(&c, 1)), !control);
		bool token = b && b < 128 &&
		             strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
				 b);
		assert_int_equal(mw_http_parse_is_token(mw_strn(&c, 1)), token);
	}
	assert_false(mw_http_parse_is_token(MW_NOSTR));
}

/* Feeds text in pieces of that size; the data goes to out, what is left over is counted. */
static enum mw_http_parsed feed(const char *text, size_t piece, struct mw_buf *out, size_t *left)
{
	struct mw_http_chunked c = {0};
	struct mw_str all = mw_str(text), data;
	struct mw_err err;
	enum mw_http_parsed result = MW_HTTP_MORE;
	while (all.n && result == MW_HTTP_MORE) {
		struct mw_str raw = mw_strn(all.p, MW_MIN(piece, all.n));
		all = mw_strn(all.p + raw.n, all.n - raw.n);
		while (raw.n && result == MW_HTTP_MORE) {
			result = mw_http_chunked_feed(&c, &raw, &data, &err);
			mw_buf_add(out, data);
		}
		*left = raw.n + all.n;
	}
	return result;
}

static void chunks_are_joined_wherever_they_are_cut(void **state)
{
	(void)state;
	static const char text[] =
	    "5\r\nhello\r\n1;a=\"b\"\r\n \r\n0005\r\nworld\r\n0\r\nT: 1\r\nU:\r\n\r\nrest";
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct mw_buf out;
		size_t left = 0;
		mw_buf_init(&out, 1000);
		assert_int_equal(feed(text, piece, &out, &left), MW_HTTP_DONE);
		assert_str(mw_buf_str(&out), "hello world");
		assert_int_equal(left, 4);
		mw_buf_deinit(&out);
	}
}

static void a_reader_may_take_data_by_itself(void **state)
{
	(void)state;
	struct mw_http_chunked c = {0};
	struct mw_str raw = MW_STR("64\r"), data;
	struct mw_err err;
	assert_int_equal(mw_http_chunked_feed(&c, &raw, &data, &err), MW_HTTP_MORE);
	assert_int_equal(mw_http_chunked_left(&c), 0); /* not before the line has ended */
	raw = MW_STR("\nab");
	assert_int_equal(mw_http_chunked_feed(&c, &raw, &data, &err), MW_HTTP_MORE);
	assert_str(data, "ab");
	assert_int_equal(mw_http_chunked_left(&c), 98);
	mw_http_chunked_skip(&c, 98);
	raw = MW_STR("\r\n0\r\n\r\n");
	assert_int_equal(mw_http_chunked_feed(&c, &raw, &data, &err), MW_HTTP_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_head_is_taken_apart),
	    cmocka_unit_test(targets_have_four_forms),
	    cmocka_unit_test(connection_options_are_weighed),
	    cmocka_unit_test(a_head_may_move_if_it_is_read_again),
	    cmocka_unit_test(the_path_is_known_when_a_later_line_is_bad),
	    cmocka_unit_test(an_error_says_the_line_and_no_value),
	    cmocka_unit_test(values_of_every_byte),
	    cmocka_unit_test(chunks_are_joined_wherever_they_are_cut),
	    cmocka_unit_test(a_reader_may_take_data_by_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
