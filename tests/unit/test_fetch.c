/* SPDX-License-Identifier: MIT
 *
 * net/fetch: what is sent, what is made of what comes, and which connection it runs on.
 */
#include "fetch_fixture.h"

static void gives_head_bytes_and_end(void **state)
{
	struct fixture *f = *state;
	struct call c;
	reply_text =
	    "HTTP/1.1 201 Made\r\nX-One:  1 \r\nx-two:2\r\nX-Folded: a\r\n  b\r\nEmpty:\r\n"
	    "Content-Length: 5\r\n\r\nhello";
	init(&c, f, "GET", "/v1/models?key=1");
	expect(&c, MW_END_OK);
	assert_int_equal(c.status, 201);
	assert_string_equal(c.text, "");
	assert_body(&c, "hello");
	mw_buf_addc(&c.headers, '\0');
	assert_string_equal(
	    c.headers.p, "X-One: 1\nx-two: 2\nX-Folded: a  b\nEmpty: \nContent-Length: 5\n");
	assert_int_equal(mw_multi_running(f->live.multi), 0);
	deinit(&c);
}

static void sends_what_it_was_told(void **state)
{
	struct fixture *f = *state;
	const struct mw_header headers[] = {
	    {MW_STR("Content-Type"), MW_STR("application/json")},
	    {MW_STR("Authorization"), MW_STR("Bearer sk-1")},
	    {MW_STR("X-Empty"), MW_STR("")},
	    {MW_STR("content-length"), MW_STR("99")},
	    {MW_STR("Transfer-Encoding"), MW_STR("chunked")},
	    {MW_STR("Expect"), MW_STR("100-continue")},
	    {MW_STR("Accept-Encoding"), MW_STR("gzip")},
	    {MW_STR("Connection"), MW_STR("close")},
	};
	struct call c;
	watch_requests(f);
	init(&c, f, "POST", "/v1/chat/completions?a=b");
	c.request.headers = headers;
	c.request.n_headers = MW_LEN(headers);
	c.request.body[0] = MW_STR("{\"model\":\"m\"}");
	expect(&c, MW_END_OK);
	char host[64];
	snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%d\r\n", f->server.port);
	struct mw_str head = mw_buf_str(&seen.head);
	assert_true(mw_str_starts(head, MW_STR("POST /v1/chat/completions?a=b HTTP/1.1\r\n")));
	assert_true(has(head, host));
	assert_true(has(head, "\r\nContent-Type: application/json\r\n"));
	assert_true(has(head, "\r\nAuthorization: Bearer sk-1\r\n"));
	assert_true(has(head, "\r\nX-Empty:\r\n"));
	assert_true(has(head, "\r\nContent-Length: 13\r\n"));
	assert_false(has(head, "content-length"));
	assert_false(has(head, "Transfer-Encoding"));
	assert_false(has(head, "Expect"));
	assert_false(has(head, "Accept"));
	assert_false(has(head, "Encoding"));
	assert_false(has(head, "close"));
	assert_true(mw_str_is(mw_buf_str(&seen.body), "{\"model\":\"m\"}"));
	assert_int_equal(seen.reads, 1); /* head and body came in one piece */
	deinit(&c);
	unwatch_requests();
}

/* Handles are used again: nothing of one request may be left in the next. */
static void methods_do_not_rub_off(void **state)
{
	static const struct {
		const char *method, *body, *want;
	} cases[] = {
	    {"POST", "one", "POST /x HTTP/1.1"},
	    {"GET", "", "GET /x HTTP/1.1"},
	    {"HEAD", "", "HEAD /x HTTP/1.1"},
	    {"PUT", "two", "PUT /x HTTP/1.1"},
	    {"DELETE", "", "DELETE /x HTTP/1.1"},
	    {"POST", "", "POST /x HTTP/1.1"},
	    {"PATCH", "three", "PATCH /x HTTP/1.1"},
	    {"GET", "", "GET /x HTTP/1.1"},
	    {"HEAD", "", "HEAD /x HTTP/1.1"},
	    {"POST", "four", "POST /x HTTP/1.1"},
	    {"GET", "odd", "GET /x HTTP/1.1"},
	};
	struct fixture *f = *state;
	watch_requests(f);
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct call c;
		init(&c, f, cases[i].method, "/x");
		bool is_head = strcmp(cases[i].method, "HEAD") == 0;
		reply_text = is_head ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
		                     : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
		c.request.body[0] = mw_str(cases[i].body);
		expect(&c, MW_END_OK);
		assert_true(mw_str_starts(mw_buf_str(&seen.head), mw_str(cases[i].want)));
		assert_true(mw_str_is(mw_buf_str(&seen.body), cases[i].body));
		bool sized = has(mw_buf_str(&seen.head), "Content-Length");
		bool wants_size = cases[i].method[0] == 'P' || cases[i].body[0];
		assert_int_equal(sized, wants_size);
		assert_false(has(mw_buf_str(&seen.head), "urlencoded"));
		assert_body(&c, is_head ? "" : "ok");
		deinit(&c);
	}
	assert_int_equal(f->server.n, 1);
	unwatch_requests();
}

static void sends_large_bodies_whole(void **state)
{
	static const size_t sizes[] = {65535, 65536, 65537, 300000, 5000000};
	struct fixture *f = *state;
	watch_requests(f);
	for (size_t i = 0; i < MW_LEN(sizes); i++) {
		struct call c;
		struct mw_str body = long_text(sizes[i]);
		init(&c, f, "POST", "/");
		c.request.body[0] = body;
		expect(&c, MW_END_OK);
		assert_false(has(mw_buf_str(&seen.head), "Expect"));
		assert_true(mw_str_eq(mw_buf_str(&seen.body), body));
		deinit(&c);
		free((char *)body.p);
	}
	unwatch_requests();
}

static void sends_the_parts_of_a_body_in_order(void **state)
{
	static const size_t sizes[] = {2, 40, 65535, 65536, 300000};
	struct fixture *f = *state;
	watch_requests(f);
	for (size_t i = 0; i < MW_LEN(sizes); i++) {
		size_t n = sizes[i];
		struct mw_str body = long_text(n);
		const size_t cuts[][2] = {
		    {1, n - 1}, {0, n / 2}, {n / 2, n / 2}, {n / 2, n}, {n, n}};
		for (size_t k = 0; k < MW_LEN(cuts); k++) {
			size_t a = cuts[k][0], b = cuts[k][1];
			struct call c;
			init(&c, f, "POST", "/");
			c.request.body[0] = a ? mw_strn(body.p, a) : MW_NOSTR;
			c.request.body[1] = mw_strn(body.p + a, b - a);
			c.request.body[2] = b < n ? mw_strn(body.p + b, n - b) : MW_NOSTR;
			expect(&c, MW_END_OK);
			assert_true(mw_str_eq(mw_buf_str(&seen.body), body));
			deinit(&c);
		}
		free((char *)body.p);
	}
	unwatch_requests();
}

static void refuses_what_cannot_be_sent(void **state)
{
	static const char bad_value[] = "a\r\nX-Smuggled: 1";
	const struct mw_header headers[] = {
	    {MW_STR("X-Ok"), MW_STR("1")},
	    {MW_STR("X-Bad"), {bad_value, sizeof(bad_value) - 1}},
	    {MW_STR("X Bad"), MW_STR("1")},
	    {MW_STR(""), MW_STR("1")},
	    {MW_STR("X-Nul"), {"a\0b", 3}},
	    {MW_STR("X-Lf"), MW_STR("a\nX-Smuggled: 1")},
	    {MW_STR("X-Cr"), MW_STR("a\rb")},
	};
	struct fixture *f = *state;
	for (size_t i = 1; i < MW_LEN(headers); i++) {
		struct call c;
		const struct mw_header two[] = {headers[0], headers[i]};
		init(&c, f, "POST", "/");
		c.request.headers = two;
		c.request.n_headers = 2;
		expect(&c, MW_END_UNREACHABLE);
		deinit(&c);
	}
	static const char *const urls[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1",
	    "", "http://", "http://a b/", "http://user:secret@[::1/path?key=secret"};
	for (size_t i = 0; i < 2 * MW_LEN(urls); i++) { /* twice: a handle remembers its last URL */
		struct call c;
		init(&c, f, "GET", "/");
		c.request.url = mw_str(urls[i / 2]);
		expect(&c, MW_END_UNREACHABLE);
		assert_null(strstr(c.text, "secret"));
		assert_null(strstr(c.text, "passwd"));
		deinit(&c);
	}
	struct call c;
	init(&c, f, "GET / HTTP/1.1\r\nX:", "/");
	expect(&c, MW_END_UNREACHABLE);
	deinit(&c);
	/* and the handles are still good */
	init(&c, f, "GET", "/");
	expect(&c, MW_END_OK);
	deinit(&c);
	assert_int_equal(f->server.requests, 1);
}

static void says_who_refused_and_no_secret(void **state)
{
	struct fixture *f = *state;
	struct call c;
	int port, fd = server_listen(&port);
	char want[64];
	close(fd);
	init(&c, f, "POST", "/");
	snprintf(c.url, sizeof(c.url), "http://me:pass@127.0.0.1:%d/path?key=secret", port);
	c.request.url = mw_str(c.url);
	expect(&c, MW_END_UNREACHABLE);
	snprintf(want, sizeof(want), "connection refused by 127.0.0.1:%d", port);
	assert_string_equal(c.text, want);
	deinit(&c);
}

static void reuses_the_connection(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 5; i++) {
		struct call c;
		init(&c, f, "POST", "/");
		c.request.body[0] = MW_STR("x");
		expect(&c, MW_END_OK);
		deinit(&c);
	}
	assert_int_equal(f->server.n, 1);
	assert_int_equal(f->server.conns[0]->requests, 5);
}

static void a_connection_closed_while_idle_is_not_used(void **state)
{
	struct fixture *f = *state;
	reply_then = SERVER_CLOSE; /* without saying so */
	for (int i = 0; i < 5; i++) {
		struct call c;
		init(&c, f, "POST", "/");
		c.request.body[0] = MW_STR("x");
		expect(&c, MW_END_OK);
		deinit(&c);
	}
	assert_int_equal(f->server.n, 5);
}

static void close_second_request(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	(void)head, (void)body;
	if (c->requests == 2)
		server_close(c, SERVER_RESET);
	else
		server_reply(c, reply_text);
}

/* The race that every pool has: the server closes just as the request goes out. */
static void repeats_on_a_new_connection(struct fixture *f, struct mw_str body)
{
	for (int i = 0; i < 2; i++) {
		struct call c;
		init(&c, f, "POST", "/");
		c.request.body[0] = c.request.body[2] = body;
		expect(&c, MW_END_OK);
		assert_body(&c, "ok");
		deinit(&c);
	}
	assert_int_equal(f->server.n, 2);
	assert_int_equal(f->server.requests, 3);
}

static void libcurl_repeats_on_a_new_connection(void **state)
{
	struct fixture *f = *state;
	f->server.on_request = close_second_request;
	repeats_on_a_new_connection(f, MW_STR("x"));
}

static size_t length_seen;

static void note_length(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	length_seen = body.n;
	close_second_request(c, head, body);
}

/* … also one that libcurl has to read once more. */
static void a_long_body_is_repeated_whole(void **state)
{
	struct fixture *f = *state;
	struct mw_str body = long_text(100000);
	f->server.on_request = note_length;
	repeats_on_a_new_connection(f, body);
	assert_int_equal(length_seen, 2 * body.n);
	free((char *)body.p);
}

static void close_first_request(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	(void)head, (void)body;
	server_close(c, SERVER_CLOSE);
}

static void no_reply_on_a_new_connection_is_not_repeated(void **state)
{
	struct fixture *f = *state;
	struct call c;
	f->server.on_request = close_first_request;
	init(&c, f, "POST", "/secret");
	expect(&c, MW_END_NO_REPLY);
	assert_null(strstr(c.text, "secret"));
	assert_int_equal(f->server.requests, 1);
	deinit(&c);
}

/* A whole reply that nobody asked for waits on a pooled connection: it must not become the answer
 * to the next request. */
static void unasked_bytes_spoil_a_pooled_connection(void **state)
{
	struct fixture *f = *state;
	struct call c;
	init(&c, f, "GET", "/");
	expect(&c, MW_END_OK);
	deinit(&c);
	server_reply(f->server.conns[0], "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
	wait_for(f, &f->server.conns[0]->gone);
	init(&c, f, "GET", "/");
	expect(&c, MW_END_OK);
	assert_body(&c, "ok");
	deinit(&c);
}

static void check_end(struct fixture *f, const char *text, enum server_then then,
    enum mw_exchange_end end, const char *body)
{
	static const size_t steps[] = {0, 1, 7};
	for (size_t i = 0; i < MW_LEN(steps); i++) {
		struct call c;
		reply_text = text;
		reply_then = then;
		reply_step = steps[i];
		init(&c, f, "POST", "/");
		c.request.body[0] = MW_STR("x");
		start(&c);
		run(f);
		if (c.end != end)
			fail_msg("[%s] in pieces of %zu ended as %d, not %d: %s", text, steps[i],
			    c.end, end, c.text);
		assert_body(&c, body);
		assert_int_equal(c.heads, end == MW_END_OK || end == MW_END_CUT || *body);
		deinit(&c);
	}
}

static void knows_how_replies_end(void **state)
{
	struct fixture *f = *state;
	check_end(f, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", SERVER_KEEP, MW_END_OK,
	    "hello");
	check_end(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", SERVER_KEEP, MW_END_OK, "");
	check_end(f, "HTTP/1.1 204 No\r\n\r\n", SERVER_KEEP, MW_END_OK, "");
	check_end(f, "HTTP/1.1 304 Not\r\nContent-Length: 7\r\n\r\n", SERVER_KEEP, MW_END_OK, "");
	check_end(
	    f, "HTTP/1.1 200 OK\r\n\r\nuntil closed", SERVER_CLOSE, MW_END_OK, "until closed");
	check_end(f, "HTTP/1.0 200 OK\r\n\r\nold", SERVER_CLOSE, MW_END_OK, "old");
	check_end(f, "HTTP/1.1 200 OK\nContent-Length: 2\n\nlf", SERVER_KEEP, MW_END_OK, "lf");
}

static void takes_chunks_cut_anywhere(void **state)
{
	struct fixture *f = *state;
	check_end(f,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\n\r\n",
	    SERVER_KEEP, MW_END_OK, "abc0123456789");
	check_end(f,
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Trailer: "
	    "t\r\n\r\n",
	    SERVER_KEEP, MW_END_OK, "a");
}

static void trailers_are_no_headers(void **state)
{
	struct fixture *f = *state;
	struct call c;
	reply_text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		     "chunked\r\n\r\n1\r\na\r\n0\r\nX-Trailer: t\r\n\r\n";
	init(&c, f, "GET", "/");
	expect(&c, MW_END_OK);
	assert_false(has(mw_buf_str(&c.headers), "X-Trailer"));
	deinit(&c);
}

static void knows_a_cut_reply(void **state)
{
	struct fixture *f = *state;
	check_end(f, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", SERVER_CLOSE, MW_END_CUT,
	    "hello");
	check_end(f, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", SERVER_CLOSE, MW_END_CUT, "");
	check_end(f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	    SERVER_CLOSE, MW_END_CUT, "abc");
	check_end(f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", SERVER_CLOSE,
	    MW_END_CUT, "abc");
	check_end(f, "HTTP/1.1 200 OK\r\nX: ", SERVER_CLOSE, MW_END_NO_REPLY, "");
	check_end(f, "HTTP/1.1 200 OK\r\nX: 1\r\n", SERVER_CLOSE, MW_END_NO_REPLY, "");
	check_end(f, "HTT", SERVER_CLOSE, MW_END_NO_REPLY, "");
	check_end(f, "HTTP/1.1 100 Continue\r\n\r\n", SERVER_CLOSE, MW_END_NO_REPLY, "");
}

static void knows_what_is_not_http(void **state)
{
	struct fixture *f = *state;
	check_end(f, "SSH-2.0-OpenSSH_9\r\n\r\n", SERVER_CLOSE, MW_END_MALFORMED, "");
	check_end(
	    f, "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", SERVER_CLOSE, MW_END_MALFORMED, "");
	check_end(f, "HTTP/1.1 200 OK\r\n: nameless\r\n\r\n", SERVER_CLOSE, MW_END_MALFORMED, "");
	check_end(
	    f, "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", SERVER_CLOSE, MW_END_MALFORMED, "");
	check_end(f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n",
	    SERVER_CLOSE, MW_END_MALFORMED, "abc");
}

/* Raw text of a head with n headers "Hi: xx…", each with a value of `size` bytes. */
static char *head_of(size_t n, size_t size)
{
	struct mw_buf b;
	mw_buf_init(&b, 8 << 20);
	mw_buf_addz(&b, "HTTP/1.1 200 OK\r\n");
	for (size_t i = 1; i < n; i++) {
		mw_buf_addf(&b, "H%zu: ", i);
		for (size_t k = 0; k < size; k++)
			mw_buf_addc(&b, 'x');
		mw_buf_addz(&b, "\r\n");
	}
	mw_buf_addz(&b, "Content-Length: 2\r\n\r\nok");
	mw_buf_addc(&b, '\0');
	return b.p;
}

static void a_head_has_ceilings(void **state)
{
	static const struct {
		size_t n, size;
		enum mw_exchange_end end;
	} cases[] = {
	    {MW_MAX_HEADERS, 10, MW_END_OK}, {MW_MAX_HEADERS + 1, 10, MW_END_MALFORMED},
	    {2, MW_MAX_HEAD - 100, MW_END_OK}, {2, MW_MAX_HEAD, MW_END_MALFORMED},
	    {100, 10000, MW_END_MALFORMED},
	    {2, 150000, MW_END_MALFORMED}, /* libcurl gives no line of this size */
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct call c;
		char *text = head_of(cases[i].n, cases[i].size);
		reply_text = text;
		init(&c, f, "GET", "/");
		expect(&c, cases[i].end);
		assert_int_equal(c.heads, cases[i].end == MW_END_OK);
		deinit(&c);
		free(text);
	}
}

static void endless_interim_answers_meet_the_ceiling(void **state)
{
	struct fixture *f = *state;
	struct call c;
	struct mw_buf b;
	mw_buf_init(&b, 8 << 20);
	for (int i = 0; i < 5000; i++)
		mw_buf_addz(&b, "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n");
	mw_buf_addc(&b, '\0');
	reply_text = b.p;
	init(&c, f, "GET", "/");
	expect(&c, MW_END_MALFORMED);
	deinit(&c);
	mw_buf_deinit(&b);
}

static void interim_answers_are_skipped(void **state)
{
	struct fixture *f = *state;
	struct call c;
	reply_text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
		     "HTTP/1.1 200 OK\r\nX-Final: 1\r\nContent-Length: 2\r\n\r\nok";
	init(&c, f, "POST", "/");
	expect(&c, MW_END_OK);
	assert_int_equal(c.status, 200);
	assert_int_equal(c.heads, 1);
	assert_false(has(mw_buf_str(&c.headers), "Link"));
	assert_true(has(mw_buf_str(&c.headers), "X-Final"));
	deinit(&c);
}

static void redirects_are_not_followed(void **state)
{
	static const char *const replies[] = {
	    "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.1 307 Temporary\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n",
	    "HTTP/1.1 308 Permanent\r\nLocation: :://not a url\r\nContent-Length: 0\r\n\r\n",
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < MW_LEN(replies); i++) {
		struct call c;
		reply_text = replies[i];
		init(&c, f, "POST", "/");
		c.request.body[0] = MW_STR("prompt");
		expect(&c, MW_END_OK);
		assert_int_equal(c.status / 100, 3);
		assert_true(has(mw_buf_str(&c.headers), "Location"));
		deinit(&c);
	}
	assert_int_equal(f->server.requests, 3);
}

static void send_coded(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	(void)body;
	assert_false(has(head, "Accept-Encoding"));
	server_send(c,
	    MW_STR("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 13\r\n\r\n"
		   "\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15"),
	    0, SERVER_KEEP);
}

static void a_reply_that_is_coded_unasked_is_decoded(void **state)
{
	struct fixture *f = *state;
	struct call c;
	f->server.on_request = send_coded;
	init(&c, f, "GET", "/");
	expect(&c, MW_END_OK);
	assert_body(&c, "hello");
	deinit(&c);
	f->server.on_request = answer;
	reply_text =
	    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip";
	init(&c, f, "GET", "/");
	expect(&c, MW_END_MALFORMED);
	assert_body(&c, "");
	deinit(&c);
}

static void bytes_behind_the_reply_are_not_given(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 2; i++) {
		struct call c;
		reply_text =
		    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nmore";
		init(&c, f, "GET", "/");
		expect(&c, MW_END_OK);
		assert_body(&c, "ok");
		deinit(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FETCH_TEST(gives_head_bytes_and_end),
	    FETCH_TEST(sends_what_it_was_told),
	    FETCH_TEST(methods_do_not_rub_off),
	    FETCH_TEST(sends_large_bodies_whole),
	    FETCH_TEST(sends_the_parts_of_a_body_in_order),
	    FETCH_TEST(refuses_what_cannot_be_sent),
	    FETCH_TEST(says_who_refused_and_no_secret),
	    FETCH_TEST(reuses_the_connection),
	    FETCH_TEST(a_connection_closed_while_idle_is_not_used),
	    FETCH_TEST(libcurl_repeats_on_a_new_connection),
	    FETCH_TEST(a_long_body_is_repeated_whole),
	    FETCH_TEST(no_reply_on_a_new_connection_is_not_repeated),
	    FETCH_TEST(unasked_bytes_spoil_a_pooled_connection),
	    FETCH_TEST(knows_how_replies_end),
	    FETCH_TEST(takes_chunks_cut_anywhere),
	    FETCH_TEST(trailers_are_no_headers),
	    FETCH_TEST(knows_a_cut_reply),
	    FETCH_TEST(knows_what_is_not_http),
	    FETCH_TEST(a_head_has_ceilings),
	    FETCH_TEST(endless_interim_answers_meet_the_ceiling),
	    FETCH_TEST(interim_answers_are_skipped),
	    FETCH_TEST(redirects_are_not_followed),
	    FETCH_TEST(a_reply_that_is_coded_unasked_is_decoded),
	    FETCH_TEST(bytes_behind_the_reply_are_not_given),
	};
	return cmocka_run_group_tests(tests, unset_proxies, deinit_globals);
}
