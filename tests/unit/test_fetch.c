/* SPDX-License-Identifier: MIT
 *
 * net/fetch against a scripted server on the same loop.
 */
#include "live_env.h"
#include "scripted_server.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { PATIENCE_US = 20 * 1000 * 1000 };

/* One exchange and all that it brought. */
struct call {
	struct fixture *f;
	struct mw_exchange *x;
	struct mw_exchange_request request;
	char url[256];
	int heads, ends, status;
	bool started, reused;
	bool quiet; /* paused: no bytes may come */
	enum mw_exchange_end end;
	struct mw_buf headers, body; /* headers: "name: value\n" */
	char text[1100];
	void (*on_head)(struct call *c);
	void (*on_bytes)(struct call *c, struct mw_str bytes);
	void (*on_end)(struct call *c);
	struct call *other; /* for the test's own hooks */
	int count;
	struct mw_timer timer;
};

struct fixture {
	struct live_env live;
	struct server server;
	int waiting; /* exchanges that have not ended */
	bool late;
	struct mw_timer patience;
};

static void head_came(void *arg, const struct mw_exchange_head *head)
{
	struct call *c = arg;
	assert_true(c->started);
	assert_int_equal(c->ends, 0);
	c->heads++;
	c->status = head->status;
	for (size_t i = 0; i < head->n_headers; i++) {
		mw_buf_add(&c->headers, head->headers[i].name);
		mw_buf_addz(&c->headers, ": ");
		mw_buf_add(&c->headers, head->headers[i].value);
		mw_buf_addc(&c->headers, '\n');
	}
	if (c->on_head)
		c->on_head(c);
}

static void bytes_came(void *arg, struct mw_str bytes)
{
	struct call *c = arg;
	assert_int_equal(c->heads, 1);
	assert_int_equal(c->ends, 0);
	assert_false(c->quiet);
	assert_true(bytes.n > 0);
	mw_buf_add(&c->body, bytes);
	if (c->on_bytes)
		c->on_bytes(c, bytes);
}

static void end_came(void *arg, const struct mw_exchange_result *result)
{
	struct call *c = arg;
	assert_true(c->started);
	c->ends++;
	c->end = result->end;
	c->reused = result->reused;
	snprintf(c->text, sizeof(c->text), "%s", result->text);
	assert_int_equal(c->ends, 1);
	assert_true((c->end == MW_END_OK) == (c->text[0] == '\0'));
	assert_true(c->end != MW_END_OK || c->heads == 1);
	c->f->waiting--;
	if (c->on_end)
		c->on_end(c);
	if (c->f->waiting == 0)
		mw_loop_stop(c->f->live.loop);
}

static const struct mw_exchange_events events = {head_came, bytes_came, end_came};

static void start(struct call *c)
{
	c->started = false;
	c->f->waiting++;
	c->x = mw_env_exchange(&c->f->live.env, &c->request, &events, c);
	c->started = true;
}

static void init(struct call *c, struct fixture *f, const char *method, const char *path)
{
	*c = (struct call){.f = f};
	snprintf(c->url, sizeof(c->url), "http://127.0.0.1:%d%s", f->server.port, path);
	c->request = (struct mw_exchange_request){
	    .method = mw_str(method), .url = mw_str(c->url), .connect_ms = 5000};
	mw_buf_init(&c->headers, 1 << 20);
	mw_buf_init(&c->body, 64 << 20);
}

static void deinit(struct call *c)
{
	mw_buf_deinit(&c->headers);
	mw_buf_deinit(&c->body);
}

static void give_up_waiting(void *arg)
{
	struct fixture *f = arg;
	f->late = true;
	mw_loop_stop(f->live.loop);
}

/* Runs the loop until something stops it: the end of the last exchange, or a test's own hook. */
static void run(struct fixture *f)
{
	mw_loop_timer_set(f->live.loop, &f->patience, PATIENCE_US);
	mw_loop_run(f->live.loop);
	mw_loop_timer_del(f->live.loop, &f->patience);
	assert_false(f->late);
}

/* Runs the loop until *flag. */
struct wait {
	struct fixture *f;
	const bool *flag;
	struct mw_timer timer;
};

static void look(void *arg)
{
	struct wait *w = arg;
	if (*w->flag)
		mw_loop_stop(w->f->live.loop);
	else
		mw_loop_timer_set(w->f->live.loop, &w->timer, 1000);
}

static void wait_for(struct fixture *f, const bool *flag)
{
	struct wait w = {.f = f, .flag = flag};
	mw_timer_init(&w.timer, look, &w);
	mw_loop_timer_set(f->live.loop, &w.timer, 0);
	run(f);
}

/* Starts, waits and checks how it ended. */
static void expect(struct call *c, enum mw_exchange_end end)
{
	start(c);
	run(c->f);
	if (c->end != end)
		fail_msg("ended as %d, not %d: %s", c->end, end, c->text);
}

static void assert_body(struct call *c, const char *want)
{
	if (!mw_str_is(mw_buf_str(&c->body), want))
		fail_msg("got  [%.*s]\nwant [%s]", MW_FMT(mw_buf_str(&c->body)), want);
}

static bool has(struct mw_str text, const char *part)
{
	return mw_str_search(text, mw_str(part)) != NULL;
}

/* A text without a pattern that repeats soon, so that lost or doubled bytes are seen. */
static struct mw_str long_text(size_t n)
{
	char *p = malloc(n);
	uint32_t x = 1;
	assert_non_null(p);
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (char)('a' + (x >> 24) % 26);
	}
	return mw_strn(p, n);
}

/* -- what the server answers: the raw bytes that the test chose ----------------------------------
 */

static const char *reply_text;
static size_t reply_step;
static enum server_then reply_then;

static void answer(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	(void)head, (void)body;
	server_send(c, mw_str(reply_text), reply_step, reply_then);
}

static int set_up(void **state)
{
	struct fixture *f = mw_mem_zalloc(sizeof(*f));
	live_env_init(&f->live, 1);
	server_init(&f->server, f->live.loop, answer);
	mw_timer_init(&f->patience, give_up_waiting, f);
	reply_text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	reply_step = 0;
	reply_then = SERVER_KEEP;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	server_deinit(&f->server);
	live_env_deinit(&f->live);
	mw_mem_free(f);
	return 0;
}

/* -- tests ---------------------------------------------------------------------------------------
 */

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
	assert_false(c.reused);
	assert_body(&c, "hello");
	mw_buf_addc(&c.headers, '\0');
	assert_string_equal(
	    c.headers.p, "X-One: 1\nx-two: 2\nX-Folded: a  b\nEmpty: \nContent-Length: 5\n");
	assert_int_equal(mw_multi_running(f->live.multi), 0);
	deinit(&c);
}

/* What the server saw, for the tests of requests. */
static struct {
	struct mw_buf head, body;
	int reads;
} seen;

static void note(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	mw_buf_clear(&seen.head);
	mw_buf_clear(&seen.body);
	mw_buf_add(&seen.head, head);
	mw_buf_add(&seen.body, body);
	seen.reads = c->reads;
	server_reply(c, reply_text);
}

static void watch_requests(struct fixture *f)
{
	f->server.on_request = note;
	mw_buf_init(&seen.head, 1 << 20);
	mw_buf_init(&seen.body, 64 << 20);
}

static void unwatch_requests(void)
{
	mw_buf_deinit(&seen.head);
	mw_buf_deinit(&seen.body);
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
	c.request.body = MW_STR("{\"model\":\"m\"}");
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
		c.request.body = mw_str(cases[i].body);
		expect(&c, MW_END_OK);
		assert_true(mw_str_starts(mw_buf_str(&seen.head), mw_str(cases[i].want)));
		assert_true(mw_str_is(mw_buf_str(&seen.body), cases[i].body));
		bool sized = has(mw_buf_str(&seen.head), "Content-Length");
		bool wants_size = cases[i].method[0] == 'P' || cases[i].body[0];
		assert_int_equal(sized, wants_size);
		assert_false(has(mw_buf_str(&seen.head), "urlencoded"));
		assert_body(&c, is_head ? "" : "ok");
		assert_int_equal(c.reused, i > 0);
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
		c.request.body = body;
		expect(&c, MW_END_OK);
		assert_false(has(mw_buf_str(&seen.head), "Expect"));
		assert_true(mw_str_eq(mw_buf_str(&seen.body), body));
		deinit(&c);
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
	assert_false(c.reused);
	deinit(&c);
}

static void reuses_the_connection(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 5; i++) {
		struct call c;
		init(&c, f, "POST", "/");
		c.request.body = MW_STR("x");
		expect(&c, MW_END_OK);
		assert_int_equal(c.reused, i > 0);
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
		c.request.body = MW_STR("x");
		expect(&c, MW_END_OK);
		assert_false(c.reused);
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
static void libcurl_repeats_on_a_new_connection(void **state)
{
	struct fixture *f = *state;
	f->server.on_request = close_second_request;
	for (int i = 0; i < 2; i++) {
		struct call c;
		init(&c, f, "POST", "/");
		c.request.body = MW_STR("x");
		expect(&c, MW_END_OK);
		assert_body(&c, "ok");
		assert_false(c.reused);
		deinit(&c);
	}
	assert_int_equal(f->server.n, 2);
	assert_int_equal(f->server.requests, 3);
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
	assert_false(c.reused);
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
	assert_false(c.reused);
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
		c.request.body = MW_STR("x");
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
	    {MW_MAX_HEADERS, 10, MW_END_OK},
	    {MW_MAX_HEADERS + 1, 10, MW_END_MALFORMED},
	    {2, MW_MAX_HEAD - 100, MW_END_OK},
	    {2, MW_MAX_HEAD, MW_END_MALFORMED},
	    {100, 10000, MW_END_MALFORMED},
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
		c.request.body = MW_STR("prompt");
		expect(&c, MW_END_OK);
		assert_int_equal(c.status / 100, 3);
		assert_true(has(mw_buf_str(&c.headers), "Location"));
		deinit(&c);
	}
	assert_int_equal(f->server.requests, 3);
}

static void coded_replies_are_not_decoded(void **state)
{
	struct fixture *f = *state;
	struct call c;
	reply_text =
	    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip";
	init(&c, f, "GET", "/");
	expect(&c, MW_END_OK);
	assert_body(&c, "not gzip");
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
		assert_false(c.reused);
		deinit(&c);
	}
}

/* -- pause and resume ----------------------------------------------------------------------------
 */

static void resume_later(void *arg)
{
	struct call *c = arg;
	c->quiet = false;
	mw_exchange_resume(c->x);
	mw_exchange_resume(c->x);
}

/* Pauses in each callback and is resumed by a timer. */
static void pause_a_while(struct call *c)
{
	c->quiet = true;
	mw_exchange_pause(c->x);
	mw_exchange_pause(c->x);
	mw_loop_timer_set(c->f->live.loop, &c->timer, (uint64_t)(c->count++ % 3) * 300);
}

static void pause_in_bytes(struct call *c, struct mw_str bytes)
{
	(void)bytes;
	pause_a_while(c);
}

/* Pauses and goes on at once; the resume must not call back from inside. */
static void pause_and_resume(struct call *c, struct mw_str bytes)
{
	(void)bytes;
	c->quiet = true;
	mw_exchange_pause(c->x);
	mw_exchange_resume(c->x);
	c->quiet = false;
}

static void stop_timer(struct call *c)
{
	mw_loop_timer_del(c->f->live.loop, &c->timer);
}

static char *sized_reply(struct mw_str body, bool chunked)
{
	struct mw_buf b;
	mw_buf_init(&b, 128 << 20);
	mw_buf_addz(&b, "HTTP/1.1 200 OK\r\n");
	if (!chunked) {
		mw_buf_addf(&b, "Content-Length: %zu\r\n\r\n", body.n);
		mw_buf_add(&b, body);
	} else {
		mw_buf_addz(&b, "Transfer-Encoding: chunked\r\n\r\n");
		for (size_t at = 0, n; at < body.n; at += n) {
			n = MW_MIN(body.n - at, 1 + at * 7 % 5000);
			mw_buf_addf(&b, "%zx\r\n", n);
			mw_buf_add(&b, mw_strn(body.p + at, n));
			mw_buf_addz(&b, "\r\n");
		}
		mw_buf_addz(&b, "0\r\n\r\n");
	}
	mw_buf_addc(&b, '\0');
	return b.p;
}

static void nothing_is_lost_or_doubled_by_pauses(void **state)
{
	struct fixture *f = *state;
	struct mw_str body = long_text(3000000);
	for (int way = 0; way < 4; way++) {
		struct call c;
		char *text = sized_reply(body, way & 1);
		reply_text = text;
		init(&c, f, "GET", "/");
		mw_timer_init(&c.timer, resume_later, &c);
		c.on_head = way < 2 ? pause_a_while : NULL;
		c.on_bytes = way < 2 ? pause_in_bytes : pause_and_resume;
		c.on_end = stop_timer;
		expect(&c, MW_END_OK);
		assert_true(mw_str_eq(mw_buf_str(&c.body), body));
		deinit(&c);
		free(text);
	}
	free((char *)body.p);
}

struct from_outside {
	struct call *call;
	struct mw_timer timer;
	size_t sent;
	int turns;
	bool done;
};

/* Pauses a running exchange from a timer, waits until the server can send no more, and resumes. */
static void hold_back(void *arg)
{
	struct from_outside *o = arg;
	struct fixture *f = o->call->f;
	if (o->turns++ == 0) {
		mw_exchange_pause(o->call->x);
		o->call->quiet = true;
	} else if (f->server.sent == o->sent) {
		assert_true(o->sent < 40000000);
		o->call->quiet = false;
		mw_exchange_resume(o->call->x);
		return;
	}
	o->sent = f->server.sent;
	mw_loop_timer_set(f->live.loop, &o->timer, 100000);
}

static void pausing_from_outside_holds_the_server_back(void **state)
{
	struct fixture *f = *state;
	struct mw_str body = long_text(40000000);
	struct call c;
	struct from_outside o = {.call = &c};
	char *text = sized_reply(body, false);
	reply_text = text;
	init(&c, f, "GET", "/");
	mw_timer_init(&o.timer, hold_back, &o);
	mw_loop_timer_set(f->live.loop, &o.timer, 0);
	expect(&c, MW_END_OK);
	assert_true(o.turns >= 2);
	assert_true(mw_str_eq(mw_buf_str(&c.body), body));
	deinit(&c);
	free(text);
	free((char *)body.p);
}

/* -- cancel --------------------------------------------------------------------------------------
 */

static void never_answer(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	(void)head, (void)body;
	mw_loop_stop(c->server->loop);
}

static void cancelling_a_stalled_exchange_closes_its_connection(void **state)
{
	struct fixture *f = *state;
	struct call c;
	f->server.on_request = never_answer;
	init(&c, f, "POST", "/");
	start(&c);
	run(f); /* until the request is there */
	assert_int_equal(mw_multi_running(f->live.multi), 1);
	mw_exchange_cancel(c.x);
	assert_int_equal(mw_multi_running(f->live.multi), 0);
	wait_for(f, &f->server.conns[0]->gone);
	assert_int_equal(c.heads + c.ends, 0);
	deinit(&c);
}

static void cancel_self(struct call *c)
{
	mw_exchange_cancel(c->x);
	c->f->waiting--;
}

static void cancel_self_in_bytes(struct call *c, struct mw_str bytes)
{
	(void)bytes;
	c->count++;
	cancel_self(c);
}

static void cancelling_in_a_callback_is_the_last_callback(void **state)
{
	struct fixture *f = *state;
	struct mw_str body = long_text(1000000);
	char *text = sized_reply(body, true);
	for (int in_bytes = 0; in_bytes < 2; in_bytes++) {
		struct call c;
		reply_text = text;
		init(&c, f, "GET", "/");
		c.on_head = in_bytes ? NULL : cancel_self;
		c.on_bytes = in_bytes ? cancel_self_in_bytes : NULL;
		start(&c);
		while (f->server.n <= in_bytes) /* until its connection is there */
			wait_for(f, &(bool){true});
		wait_for(f, &f->server.conns[in_bytes]->gone);
		assert_int_equal(c.heads, 1);
		assert_int_equal(c.count, in_bytes);
		assert_int_equal(c.ends, 0);
		assert_int_equal(mw_multi_running(f->live.multi), 0);
		deinit(&c);
	}
	free(text);
	free((char *)body.p);
}

static void cancelling_before_the_loop_turns(void **state)
{
	struct fixture *f = *state;
	struct call c, d;
	init(&c, f, "GET", "/");
	init(&d, f, "GET", "/");
	start(&c);
	cancel_self(&c);
	expect(&d, MW_END_OK);
	assert_int_equal(c.heads + c.ends, 0);
	assert_int_equal(f->server.requests, 1);
	deinit(&c);
	deinit(&d);
}

static void cancel_other(struct call *c)
{
	mw_exchange_cancel(c->other->x);
	c->f->waiting--;
}

static void cancel_other_in_bytes(struct call *c, struct mw_str bytes)
{
	(void)bytes;
	if (c->count++ == 0)
		cancel_other(c);
}

static void answer_slow_never(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	if (!has(head, "/slow"))
		answer(c, head, body);
}

/* As a hedged call does: the first that answers ends the others. */
static void cancelling_another_exchange(void **state)
{
	struct fixture *f = *state;
	f->server.on_request = answer_slow_never;
	for (int way = 0; way < 3; way++) {
		struct call slow, quick;
		init(&slow, f, "GET", "/slow");
		init(&quick, f, "GET", "/quick");
		quick.other = &slow;
		quick.on_head = way == 0 ? cancel_other : NULL;
		quick.on_bytes = way == 1 ? cancel_other_in_bytes : NULL;
		quick.on_end = way == 2 ? cancel_other : NULL;
		start(&slow);
		expect(&quick, MW_END_OK);
		assert_int_equal(slow.heads + slow.ends, 0);
		assert_int_equal(mw_multi_running(f->live.multi), 0);
		deinit(&slow);
		deinit(&quick);
	}
}

static void cancelling_while_paused(void **state)
{
	struct fixture *f = *state;
	struct mw_str body = long_text(1000000);
	char *text = sized_reply(body, false);
	struct call c, d;
	reply_text = text;
	init(&c, f, "GET", "/");
	mw_timer_init(&c.timer, resume_later, &c);
	c.on_bytes = pause_in_bytes;
	start(&c);
	while (c.body.n == 0)
		wait_for(f, &(bool){true});
	stop_timer(&c);
	mw_exchange_resume(c.x); /* queued, and then not wanted any more */
	cancel_self(&c);
	init(&d, f, "GET", "/");
	expect(&d, MW_END_OK);
	assert_true(mw_str_eq(mw_buf_str(&d.body), body));
	deinit(&c);
	deinit(&d);
	free(text);
	free((char *)body.p);
}

static void pause_first(struct call *c, struct mw_str bytes)
{
	(void)bytes;
	if (c->count == 0)
		mw_exchange_pause(c->x);
	else if (c->count == 1)
		cancel_other(c);
	c->count++;
}

/* Both go on in the same turn, and the first cancels the second before its own turn has come. */
static void cancelling_another_that_is_about_to_go_on(void **state)
{
	struct fixture *f = *state;
	struct mw_str body = long_text(1000000);
	char *text = sized_reply(body, false);
	struct call c[2];
	reply_text = text;
	for (int i = 0; i < 2; i++) {
		init(&c[i], f, "GET", "/");
		c[i].other = &c[1 - i];
		c[i].on_bytes = pause_first;
		start(&c[i]);
	}
	while (c[0].count == 0 || c[1].count == 0)
		wait_for(f, &(bool){true});
	wait_for(f, &(bool){true}); /* what came behind has been refused by now */
	size_t had = c[1].body.n;
	c[1].quiet = true;
	mw_exchange_resume(c[0].x);
	mw_exchange_resume(c[1].x);
	run(f);
	assert_true(mw_str_eq(mw_buf_str(&c[0].body), body));
	assert_int_equal(c[1].body.n, had);
	assert_int_equal(mw_multi_running(f->live.multi), 0);
	deinit(&c[0]);
	deinit(&c[1]);
	free(text);
	free((char *)body.p);
}

/* -- several -------------------------------------------------------------------------------------
 */

static void start_other(struct call *c)
{
	start(c->other);
}

static void start_other_in_bytes(struct call *c, struct mw_str bytes)
{
	(void)bytes;
	start(c->other);
}

static void starting_from_inside_a_callback(void **state)
{
	struct fixture *f = *state;
	for (int way = 0; way < 3; way++) {
		struct call a, b;
		init(&a, f, "GET", "/a");
		init(&b, f, "GET", "/b");
		a.other = &b;
		a.on_head = way == 0 ? start_other : NULL;
		a.on_bytes = way == 1 ? start_other_in_bytes : NULL;
		a.on_end = way == 2 ? start_other : NULL;
		expect(&a, MW_END_OK);
		assert_int_equal(b.ends, 1);
		assert_body(&b, "ok");
		deinit(&a);
		deinit(&b);
	}
}

static void echo_slowly(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	char text[128];
	(void)head;
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%.*s", body.n,
	    MW_FMT(body));
	server_send(c, mw_str(text), 1 + (size_t)c->number % 13, SERVER_KEEP);
}

static void many_at_once_do_not_mix(void **state)
{
	enum { N = 300 };
	struct fixture *f = *state;
	struct call *calls = mw_mem_zalloc(N * sizeof(*calls));
	char bodies[N][16];
	f->server.on_request = echo_slowly;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < N; i++) {
			init(&calls[i], f, "POST", "/");
			snprintf(bodies[i], sizeof(bodies[i]), "body %d", i);
			calls[i].request.body = mw_str(bodies[i]);
			start(&calls[i]);
		}
		assert_int_equal(mw_multi_running(f->live.multi), N);
		run(f);
		for (int i = 0; i < N; i++) {
			assert_int_equal(calls[i].end, MW_END_OK);
			assert_body(&calls[i], bodies[i]);
			deinit(&calls[i]);
		}
	}
	assert_int_equal(mw_multi_running(f->live.multi), 0);
	assert_int_equal(f->server.n, N); /* the second round ran on the connections of the first */
	mw_mem_free(calls);
}

enum { BUSY = 40 };

/* Answers all at once, when libcurl's timers of the time of connecting (200 ms) have run out too.
 */
static void answer_all_late(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	(void)head, (void)body;
	struct server *s = c->server;
	if (s->requests % BUSY)
		return;
	if (s->requests == BUSY)
		usleep(300 * 1000);
	for (int i = 0; i < s->n; i++)
		server_reply(s->conns[i], reply_text);
}

/* Libcurl then reads several replies in one visit, and the loop still holds the news of them. */
static void old_news_do_not_spoil_a_pooled_connection(void **state)
{
	struct fixture *f = *state;
	struct call c[BUSY];
	f->server.on_request = answer_all_late;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < BUSY; i++) {
			init(&c[i], f, "POST", "/");
			start(&c[i]);
		}
		run(f);
		for (int i = 0; i < BUSY; i++) {
			assert_int_equal(c[i].end, MW_END_OK);
			assert_int_equal(c[i].reused, round == 1);
			deinit(&c[i]);
		}
	}
	assert_int_equal(f->server.n, BUSY);
}

static void freeing_the_multi_ends_all_in_silence(void **state)
{
	struct fixture *f = *state;
	struct call running, queued;
	f->server.on_request = never_answer;
	init(&running, f, "POST", "/");
	init(&queued, f, "POST", "/");
	start(&running);
	run(f);
	start(&queued);
	mw_multi_free(f->live.multi);
	f->live.multi = mw_multi_new(f->live.loop);
	wait_for(f, &f->server.conns[0]->gone);
	assert_int_equal(running.heads + running.ends + queued.heads + queued.ends, 0);
	deinit(&running);
	deinit(&queued);
}

/* -- connecting ----------------------------------------------------------------------------------
 */

static void a_silent_tls_server_meets_connect_ms(void **state)
{
	struct fixture *f = *state;
	struct call c[3]; /* those that wait for the first one's connection have their own clocks */
	for (int i = 0; i < 3; i++) {
		init(&c[i], f, "POST", "/secret");
		snprintf(c[i].url, sizeof(c[i].url), "https://127.0.0.1:%d/secret", f->server.port);
		c[i].request.url = mw_str(c[i].url);
		c[i].request.connect_ms = 100;
		start(&c[i]);
	}
	uint64_t before = mw_loop_now(f->live.loop);
	run(f);
	uint64_t took = mw_loop_now(f->live.loop) - before;
	assert_true(took >= 95000 && took < 5000000);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(c[i].end, MW_END_CONNECT_TIMEOUT);
		assert_null(strstr(c[i].text, "secret"));
		assert_non_null(strstr(c[i].text, "127.0.0.1"));
		deinit(&c[i]);
	}
}

static void a_slow_answer_does_not_count_as_connecting(void **state)
{
	struct fixture *f = *state;
	struct call c;
	reply_text = "HTTP/1.1 200 OK\r\nX: it takes a millisecond for each of these bytes\r\n"
		     "Content-Length: 2\r\n\r\nok";
	reply_step = 1;
	init(&c, f, "POST", "/");
	c.request.connect_ms = 30;
	expect(&c, MW_END_OK);
	deinit(&c);
}

/* From its second request on the server lets nobody in: its queue is full, so that the kernel drops
 * whoever knocks. */
static void shut_the_door(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	struct server *s = c->server;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (c->requests == 1) {
		answer(c, head, body);
		return;
	}
	mw_loop_unwatch(s->watch);
	s->watch = NULL;
	assert_int_equal(listen(s->fd, 0), 0);
	a.sin_port = htons((uint16_t)s->port);
	for (int i = 0; i < 4; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fd, (struct sockaddr *)&a, sizeof(a));
		s->knocking[i] = fd;
	}
	server_close(c, SERVER_RESET);
}

/* When libcurl repeats a request on a new connection, that one has connect_ms too. */
static void repeating_meets_connect_ms(void **state)
{
	struct fixture *f = *state;
	f->server.on_request = shut_the_door;
	for (int i = 0; i < 2; i++) {
		struct call c;
		init(&c, f, "POST", "/");
		c.request.connect_ms = 200;
		uint64_t before = mw_loop_now(f->live.loop);
		expect(&c, i ? MW_END_NO_REPLY : MW_END_OK);
		assert_true(mw_loop_now(f->live.loop) - before < 5000000);
		deinit(&c);
	}
}

/* Libcurl resolves names in threads of its own, through this. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool asked, released;
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int getaddrinfo(const char *restrict name, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (name && strcmp(name, "slow.test") == 0) {
		pthread_mutex_lock(&resolver.lock);
		resolver.asked = true;
		while (!resolver.released)
			pthread_cond_wait(&resolver.changed, &resolver.lock);
		pthread_mutex_unlock(&resolver.lock);
		return EAI_NONAME;
	}
	if (name && strcmp(name, "missing.test") == 0)
		return EAI_NONAME;
	if (name && strcmp(name, "alias.test") == 0)
		name = "127.0.0.1";
	return real(name, service, hints, out);
}

static int threads(void)
{
	char line[128];
	int n = 0;
	FILE *file = fopen("/proc/self/status", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Threads: %d", &n) == 1)
			break;
	if (file)
		fclose(file);
	return n;
}

static void a_slow_name_server_does_not_stop_the_loop(void **state)
{
	struct fixture *f = *state;
	struct call slow, cancelled, quick, first;
	init(&first, f, "GET", "/"); /* a sanitizer makes a thread of its own with the first */
	first.request.url = MW_STR("http://missing.test/");
	expect(&first, MW_END_UNREACHABLE);
	deinit(&first);
	int before = threads();
	init(&slow, f, "GET", "/");
	init(&cancelled, f, "GET", "/");
	init(&quick, f, "GET", "/");
	slow.request.url = cancelled.request.url = MW_STR("http://slow.test/path");
	slow.request.connect_ms = 100;
	slow.other = &cancelled;
	slow.on_end = cancel_other;
	start(&slow);
	start(&cancelled);
	expect(&quick, MW_END_OK);
	assert_int_equal(slow.end, MW_END_CONNECT_TIMEOUT);
	assert_int_equal(cancelled.ends, 0);
	pthread_mutex_lock(&resolver.lock);
	assert_true(resolver.asked && !resolver.released);
	resolver.released = true;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
	while (threads() > before) /* libcurl's threads clean up behind themselves */
		wait_for(f, &(bool){true});
	deinit(&slow);
	deinit(&cancelled);
	deinit(&quick);
}

static void names_are_resolved_or_named_in_the_error(void **state)
{
	struct fixture *f = *state;
	struct call c;
	init(&c, f, "GET", "/");
	c.request.url = MW_STR("http://missing.test/path?key=secret");
	expect(&c, MW_END_UNREACHABLE);
	assert_non_null(strstr(c.text, "missing.test"));
	assert_null(strstr(c.text, "path"));
	deinit(&c);
	init(&c, f, "GET", "/");
	snprintf(c.url, sizeof(c.url), "http://alias.test:%d/", f->server.port);
	c.request.url = mw_str(c.url);
	expect(&c, MW_END_OK);
	deinit(&c);
}

static void proxy_variables_are_honoured(void **state)
{
	struct fixture *f = *state;
	struct call c;
	char proxy[64];
	watch_requests(f);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", f->server.port);
	setenv("http_proxy", proxy, 1);
	init(&c, f, "GET", "/");
	c.request.url = MW_STR("http://elsewhere.test/path");
	expect(&c, MW_END_OK);
	assert_true(mw_str_starts(
	    mw_buf_str(&seen.head), MW_STR("GET http://elsewhere.test/path HTTP/1.1")));
	deinit(&c);
	setenv("no_proxy", "missing.test", 1);
	init(&c, f, "GET", "/");
	c.request.url = MW_STR("http://missing.test/path");
	expect(&c, MW_END_UNREACHABLE);
	deinit(&c);
	unsetenv("no_proxy");
	unsetenv("http_proxy");
	unwatch_requests();
}

/* -- TLS -----------------------------------------------------------------------------------------
 */

/* Runs a program with its output in a pipe; the caller waits for it. */
static pid_t spawn(const char *const *args, FILE **out)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		close(ends[0]);
		execvp(args[0], (char *const *)args);
		_exit(127);
	}
	close(ends[1]);
	*out = fdopen(ends[0], "r");
	assert_non_null(*out);
	return pid;
}

static bool run_to_end(const char *const *args)
{
	char line[512];
	FILE *out;
	int status;
	pid_t pid = spawn(args, &out);
	while (fgets(line, sizeof(line), out))
		;
	fclose(out);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* A directory with a key and a certificate for "localhost" that signed itself. */
struct tls_files {
	char folder[64], key[96], certificate[96];
};

static bool make_certificate(struct tls_files *t)
{
	snprintf(t->folder, sizeof(t->folder), "/tmp/moonweir-test-XXXXXX");
	if (!mkdtemp(t->folder))
		return false;
	snprintf(t->key, sizeof(t->key), "%s/key", t->folder);
	snprintf(t->certificate, sizeof(t->certificate), "%s/certificate", t->folder);
	return run_to_end((const char *const[]){"openssl", "req", "-x509", "-newkey", "ec",
	    "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", t->key, "-out",
	    t->certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
	    "subjectAltName=DNS:localhost", NULL});
}

static void remove_files(struct tls_files *t)
{
	run_to_end((const char *const[]){"rm", "-r", t->folder, NULL});
}

static pid_t start_tls_server(const struct tls_files *t, FILE **out, int *port)
{
	char line[512];
	pid_t pid = spawn((const char *const[]){"openssl", "s_server", "-accept", "127.0.0.1:0",
			      "-www", "-key", t->key, "-cert", t->certificate, NULL},
	    out);
	while (fgets(line, sizeof(line), *out)) {
		const char *colon = strrchr(line, ':');
		if (strncmp(line, "ACCEPT", 6) == 0 && colon && (*port = atoi(colon + 1)) > 0)
			return pid;
	}
	return pid;
}

static void check_tls(struct fixture *f, const char *host, int port, enum mw_exchange_end end)
{
	struct call c;
	init(&c, f, "GET", "/");
	snprintf(c.url, sizeof(c.url), "https://%s:%d/secret", host, port);
	c.request.url = mw_str(c.url);
	expect(&c, end);
	assert_null(strstr(c.text, "secret"));
	if (end == MW_END_OK)
		assert_true(c.status == 200 && c.body.n > 0);
	else
		assert_non_null(strstr(c.text, "certificate"));
	deinit(&c);
}

static void certificates_are_verified(void **state)
{
	struct fixture *f = *state;
	struct tls_files t;
	FILE *out;
	int port = 0;
	if (!make_certificate(&t)) {
		print_message("skipped: no openssl program\n");
		skip();
	}
	pid_t pid = start_tls_server(&t, &out, &port);
	assert_true(port > 0);
	check_tls(f, "localhost", port, MW_END_UNREACHABLE); /* nobody has signed it */
	setenv("SSL_CERT_FILE", t.certificate, 1);
	mw_multi_free(f->live.multi); /* its handles know the old list */
	f->live.multi = mw_multi_new(f->live.loop);
	check_tls(f, "localhost", port, MW_END_OK);
	check_tls(f, "127.0.0.1", port, MW_END_UNREACHABLE); /* not whom it was made for */
	unsetenv("SSL_CERT_FILE");
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	fclose(out);
	remove_files(&t);
}

static int unset_proxies(void **state)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
	    "ALL_PROXY", "no_proxy", "NO_PROXY"};
	(void)state;
	for (size_t i = 0; i < MW_LEN(names); i++)
		unsetenv(names[i]);
	unsetenv("SSL_CERT_FILE");
	mw_fetch_global_init();
	return 0;
}

static int deinit_globals(void **state)
{
	(void)state;
	mw_fetch_global_deinit();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(gives_head_bytes_and_end),
	    TEST(sends_what_it_was_told),
	    TEST(methods_do_not_rub_off),
	    TEST(sends_large_bodies_whole),
	    TEST(refuses_what_cannot_be_sent),
	    TEST(says_who_refused_and_no_secret),
	    TEST(reuses_the_connection),
	    TEST(a_connection_closed_while_idle_is_not_used),
	    TEST(libcurl_repeats_on_a_new_connection),
	    TEST(no_reply_on_a_new_connection_is_not_repeated),
	    TEST(unasked_bytes_spoil_a_pooled_connection),
	    TEST(knows_how_replies_end),
	    TEST(takes_chunks_cut_anywhere),
	    TEST(trailers_are_no_headers),
	    TEST(knows_a_cut_reply),
	    TEST(knows_what_is_not_http),
	    TEST(a_head_has_ceilings),
	    TEST(endless_interim_answers_meet_the_ceiling),
	    TEST(interim_answers_are_skipped),
	    TEST(redirects_are_not_followed),
	    TEST(coded_replies_are_not_decoded),
	    TEST(bytes_behind_the_reply_are_not_given),
	    TEST(nothing_is_lost_or_doubled_by_pauses),
	    TEST(pausing_from_outside_holds_the_server_back),
	    TEST(cancelling_a_stalled_exchange_closes_its_connection),
	    TEST(cancelling_in_a_callback_is_the_last_callback),
	    TEST(cancelling_before_the_loop_turns),
	    TEST(cancelling_another_exchange),
	    TEST(cancelling_while_paused),
	    TEST(cancelling_another_that_is_about_to_go_on),
	    TEST(starting_from_inside_a_callback),
	    TEST(many_at_once_do_not_mix),
	    TEST(old_news_do_not_spoil_a_pooled_connection),
	    TEST(freeing_the_multi_ends_all_in_silence),
	    TEST(a_silent_tls_server_meets_connect_ms),
	    TEST(a_slow_answer_does_not_count_as_connecting),
	    TEST(repeating_meets_connect_ms),
	    TEST(a_slow_name_server_does_not_stop_the_loop),
	    TEST(names_are_resolved_or_named_in_the_error),
	    TEST(proxy_variables_are_honoured),
	    TEST(certificates_are_verified),
	};
	return cmocka_run_group_tests(tests, unset_proxies, deinit_globals);
}
