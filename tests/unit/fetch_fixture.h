/* SPDX-License-Identifier: MIT
 *
 * What the tests of net/fetch share: exchanges that note all that they bring, a scripted server on
 * the same loop, and running the loop until something has happened.
 */
#ifndef MW_FETCH_FIXTURE_H
#define MW_FETCH_FIXTURE_H

#include "live_env.h"
#include "scripted_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PATIENCE_US = 20 * 1000 * 1000 };

/* One exchange and all that it brought. */
struct call {
	struct fixture *f;
	struct mw_exchange *x;
	struct mw_exchange_request request;
	char url[256];
	int heads, ends, status;
	bool started;
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

static inline void head_came(void *arg, const struct mw_exchange_head *head)
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

static inline void bytes_came(void *arg, struct mw_str bytes)
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

static inline void end_came(void *arg, const struct mw_exchange_result *result)
{
	struct call *c = arg;
	assert_true(c->started);
	c->ends++;
	c->end = result->end;
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

static inline void start(struct call *c)
{
	c->started = false;
	c->f->waiting++;
	c->x = mw_env_exchange(&c->f->live.env, &c->request, &events, c);
	c->started = true;
}

static inline void init(struct call *c, struct fixture *f, const char *method, const char *path)
{
	*c = (struct call){.f = f};
	snprintf(c->url, sizeof(c->url), "http://127.0.0.1:%d%s", f->server.port, path);
	c->request = (struct mw_exchange_request){
	    .method = mw_str(method), .url = mw_str(c->url), .connect_ms = 5000};
	mw_buf_init(&c->headers, 1 << 20);
	mw_buf_init(&c->body, 64 << 20);
}

static inline void deinit(struct call *c)
{
	mw_buf_deinit(&c->headers);
	mw_buf_deinit(&c->body);
}

static inline void give_up_waiting(void *arg)
{
	struct fixture *f = arg;
	f->late = true;
	mw_loop_stop(f->live.loop);
}

/* Runs the loop until something stops it: the end of the last exchange, or a test's own hook. */
static inline void run(struct fixture *f)
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

static inline void look(void *arg)
{
	struct wait *w = arg;
	if (*w->flag)
		mw_loop_stop(w->f->live.loop);
	else
		mw_loop_timer_set(w->f->live.loop, &w->timer, 1000);
}

static inline void wait_for(struct fixture *f, const bool *flag)
{
	struct wait w = {.f = f, .flag = flag};
	mw_timer_init(&w.timer, look, &w);
	mw_loop_timer_set(f->live.loop, &w.timer, 0);
	run(f);
}

/* One turn of the loop, or a few. */
static inline void turn(struct fixture *f)
{
	wait_for(f, &(bool){true});
}

/* Starts, waits and checks how it ended. */
static inline void expect(struct call *c, enum mw_exchange_end end)
{
	start(c);
	run(c->f);
	if (c->end != end)
		fail_msg("ended as %d, not %d: %s", c->end, end, c->text);
}

static inline void assert_body(struct call *c, const char *want)
{
	if (!mw_str_is(mw_buf_str(&c->body), want))
		fail_msg("got  [%.*s]\nwant [%s]", MW_FMT(mw_buf_str(&c->body)), want);
}

static inline bool has(struct mw_str text, const char *part)
{
	return mw_str_search(text, mw_str(part)) != NULL;
}

/* A text without a pattern that repeats soon, so that lost or doubled bytes are seen. */
static inline struct mw_str long_text(size_t n)
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

/* -- what the server answers: the raw bytes that the test chose ------------------------------- */

static const char *reply_text;
static size_t reply_step;
static enum server_then reply_then;

static inline void answer(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	(void)head, (void)body;
	server_send(c, mw_str(reply_text), reply_step, reply_then);
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
	struct fixture *f = *state;
	server_deinit(&f->server);
	live_env_deinit(&f->live);
	mw_mem_free(f);
	return 0;
}

/* What the server saw, for the tests of requests. */
static struct {
	struct mw_buf head, body;
	int reads;
} seen;

static inline void note(struct server_conn *c, struct mw_str head, struct mw_str body)
{
	mw_buf_clear(&seen.head);
	mw_buf_clear(&seen.body);
	mw_buf_add(&seen.head, head);
	mw_buf_add(&seen.body, body);
	seen.reads = c->reads;
	server_reply(c, reply_text);
}

static inline void watch_requests(struct fixture *f)
{
	f->server.on_request = note;
	mw_buf_init(&seen.head, 1 << 20);
	mw_buf_init(&seen.body, 64 << 20);
}

static inline void unwatch_requests(void)
{
	mw_buf_deinit(&seen.head);
	mw_buf_deinit(&seen.body);
}

/* A hook: ends the call's `other`. */
static inline void cancel_other(struct call *c)
{
	mw_exchange_cancel(c->other->x);
	c->f->waiting--;
}

static inline int unset_proxies(void **state)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
	    "ALL_PROXY", "no_proxy", "NO_PROXY"};
	(void)state;
	for (size_t i = 0; i < MW_LEN(names); i++)
		unsetenv(names[i]);
	unsetenv("SSL_CERT_FILE");
	mw_multi_global_init();
	return 0;
}

static inline int deinit_globals(void **state)
{
	(void)state;
	mw_multi_global_deinit();
	return 0;
}

#define FETCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
