/* SPDX-License-Identifier: MIT
 *
 * net/fetch: pause, resume, cancel, and many exchanges at once.
 */
#include "fetch_fixture.h"

/* -- pause and resume ------------------------------------------------------------------------- */

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

/* -- cancel ----------------------------------------------------------------------------------- */

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
			turn(f);
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
		turn(f);
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
		turn(f);
	turn(f); /* what came behind has been refused by now */
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

/* -- several ---------------------------------------------------------------------------------- */

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
			calls[i].request.body[0] = mw_str(bodies[i]);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FETCH_TEST(nothing_is_lost_or_doubled_by_pauses),
	    FETCH_TEST(pausing_from_outside_holds_the_server_back),
	    FETCH_TEST(cancelling_a_stalled_exchange_closes_its_connection),
	    FETCH_TEST(cancelling_in_a_callback_is_the_last_callback),
	    FETCH_TEST(cancelling_before_the_loop_turns),
	    FETCH_TEST(cancelling_another_exchange),
	    FETCH_TEST(cancelling_while_paused),
	    FETCH_TEST(cancelling_another_that_is_about_to_go_on),
	    FETCH_TEST(starting_from_inside_a_callback),
	    FETCH_TEST(many_at_once_do_not_mix),
	    FETCH_TEST(old_news_do_not_spoil_a_pooled_connection),
	    FETCH_TEST(freeing_the_multi_ends_all_in_silence),
	};
	return cmocka_run_group_tests(tests, unset_proxies, deinit_globals);
}
