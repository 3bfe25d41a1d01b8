/* SPDX-License-Identifier: MIT
 *
 * net/play under a virtual clock: what comes when.
 */
#include "net/play.h"

#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* A clock that stands still until `advance`, with at most a few timers. */
struct virtual
{
	struct mw_env env;
	uint64_t now;
	struct {
		struct mw_timer *timer;
		uint64_t when;
	} timers[4];
};

static uint64_t virtual_now(struct mw_env *env)
{
	return mw_container_of(env, struct virtual, env)->now;
}

static void virtual_timer_del(struct mw_env *env, struct mw_timer *t)
{
	struct virtual *v = mw_container_of(env, struct virtual, env);
	for (size_t i = 0; i < MW_LEN(v->timers); i++)
		if (v->timers[i].timer == t)
			v->timers[i].timer = NULL;
	t->set = false;
}

static void virtual_timer_set(struct mw_env *env, struct mw_timer *t, uint64_t after_us)
{
	struct virtual *v = mw_container_of(env, struct virtual, env);
	size_t i = 0;
	virtual_timer_del(env, t);
	while (v->timers[i].timer)
		assert_true(++i < MW_LEN(v->timers));
	v->timers[i].timer = t;
	v->timers[i].when = v->now + after_us;
	t->set = true;
}

static const struct mw_env_ops virtual_ops = {
    .now = virtual_now, .timer_set = virtual_timer_set, .timer_del = virtual_timer_del};

static size_t timers_set(const struct virtual *v)
{
	size_t n = 0;
	for (size_t i = 0; i < MW_LEN(v->timers); i++)
		n += v->timers[i].timer != NULL;
	return n;
}

/* Lets the clock run to `until` and fires what is due on the way, in order. */
static void advance(struct virtual *v, uint64_t until)
{
	for (;;) {
		size_t first = MW_LEN(v->timers);
		for (size_t i = 0; i < MW_LEN(v->timers); i++)
			if (v->timers[i].timer && v->timers[i].when <= until &&
			    (first == MW_LEN(v->timers) ||
				v->timers[i].when < v->timers[first].when))
				first = i;
		if (first == MW_LEN(v->timers))
			break;
		struct mw_timer *t = v->timers[first].timer;
		v->now = MW_MAX(v->now, v->timers[first].when);
		virtual_timer_del(&v->env, t);
		t->fn(t->arg);
	}
	v->now = until;
}

/* An exchange whose story is written down: "@100 head 200 …". */
struct story {
	struct virtual v;
	struct mw_exchange *x;
	struct mw_buf text;
	void (*hook)(struct story *s); /* runs in on_head and on_bytes */
	int hooks;
};

static void head_came(void *arg, const struct mw_exchange_head *head)
{
	struct story *s = arg;
	mw_buf_addf(&s->text, "@%d head %d/%zu\n", (int)s->v.now, head->status, head->n_headers);
	if (s->hook)
		s->hook(s);
}

static void bytes_came(void *arg, struct mw_str bytes)
{
	struct story *s = arg;
	mw_buf_addf(&s->text, "@%d bytes %.*s\n", (int)s->v.now, MW_FMT(bytes));
	if (s->hook)
		s->hook(s);
}

static void end_came(void *arg, const struct mw_exchange_result *result)
{
	struct story *s = arg;
	mw_buf_addf(&s->text, "@%d end %d\n", (int)s->v.now, result->end);
	assert_true((result->end == MW_END_OK) == (result->text[0] == '\0'));
	mw_exchange_pause(s->x); /* allowed, and without effect */
	mw_exchange_resume(s->x);
	s->x = NULL;
}

static const struct mw_exchange_events events = {head_came, bytes_came, end_came};

static const struct mw_play_piece pieces[] = {
    {10, {"one", 3}}, {0, {"two", 3}}, {30, {"three", 5}}};
static const struct mw_header headers[] = {{{"Content-Type", 12}, {"text/plain", 10}}};
static const struct mw_play_script script = {.head_after_us = 100,
    .status = 200,
    .headers = headers,
    .n_headers = 1,
    .pieces = pieces,
    .n_pieces = 3,
    .end_after_us = 5};

static void begin(struct story *s, const struct mw_play_script *what)
{
	*s = (struct story){.v.env.ops = &virtual_ops};
	mw_buf_init(&s->text, 1 << 16);
	s->x = mw_play_start(&s->v.env, what, &events, s);
	assert_int_equal(s->text.n, 0);
}

static void assert_story(struct story *s, const char *want)
{
	mw_buf_addc(&s->text, '\0');
	assert_string_equal(s->text.p, want);
	assert_null(s->x);
	assert_int_equal(timers_set(&s->v), 0);
	mw_buf_deinit(&s->text);
}

static void each_piece_comes_at_its_time(void **state)
{
	(void)state;
	struct story s;
	begin(&s, &script);
	advance(&s.v, 1000);
	assert_story(
	    &s, "@100 head 200/1\n@110 bytes one\n@110 bytes two\n@140 bytes three\n@145 end 0\n");
}

static void nothing_comes_early(void **state)
{
	(void)state;
	struct story s;
	begin(&s, &script);
	advance(&s.v, 99);
	assert_int_equal(s.text.n, 0);
	advance(&s.v, 109);
	assert_int_equal(s.text.n, strlen("@100 head 200/1\n"));
	advance(&s.v, 1000);
	assert_story(
	    &s, "@100 head 200/1\n@110 bytes one\n@110 bytes two\n@140 bytes three\n@145 end 0\n");
}

static void an_empty_script_has_head_and_end(void **state)
{
	(void)state;
	struct story s;
	begin(&s, &(struct mw_play_script){.status = 204});
	advance(&s.v, 0);
	assert_story(&s, "@0 head 204/0\n@0 end 0\n");
}

static void some_ends_have_no_head(void **state)
{
	static const enum mw_exchange_end ends[] = {
	    MW_END_UNREACHABLE, MW_END_CONNECT_TIMEOUT, MW_END_LOCAL, MW_END_NO_REPLY};
	(void)state;
	for (size_t i = 0; i < MW_LEN(ends); i++) {
		struct story s;
		struct mw_play_script broken = script;
		char want[32];
		broken.end = ends[i];
		begin(&s, &broken);
		advance(&s.v, 1000);
		snprintf(want, sizeof(want), "@105 end %d\n", ends[i]);
		assert_story(&s, want);
	}
}

static void a_cut_comes_after_the_pieces(void **state)
{
	(void)state;
	struct story s;
	struct mw_play_script cut = script;
	cut.n_pieces = 1;
	cut.end = MW_END_CUT;
	begin(&s, &cut);
	advance(&s.v, 1000);
	char want[64];
	snprintf(want, sizeof(want), "@100 head 200/1\n@110 bytes one\n@115 end %d\n", MW_END_CUT);
	assert_story(&s, want);
}

/* A clock that comes late is no reason to be later still. */
static void late_timers_do_not_add_up(void **state)
{
	(void)state;
	struct story s;
	begin(&s, &script);
	s.v.now = 135; /* the loop was busy */
	advance(&s.v, 135);
	advance(&s.v, 1000);
	assert_story(
	    &s, "@135 head 200/1\n@135 bytes one\n@135 bytes two\n@140 bytes three\n@145 end 0\n");
}

static void pausing_holds_the_clock_of_the_script(void **state)
{
	(void)state;
	struct story s;
	begin(&s, &script);
	advance(&s.v, 40);
	mw_exchange_pause(s.x); /* 60 to go */
	mw_exchange_pause(s.x);
	advance(&s.v, 500);
	assert_int_equal(timers_set(&s.v), 0);
	mw_exchange_resume(s.x);
	mw_exchange_resume(s.x);
	advance(&s.v, 1000);
	assert_story(
	    &s, "@560 head 200/1\n@570 bytes one\n@570 bytes two\n@600 bytes three\n@605 end 0\n");
}

static void pause_here(struct story *s)
{
	s->hooks++;
	mw_exchange_pause(s->x);
}

static void pausing_in_a_callback(void **state)
{
	(void)state;
	struct story s;
	begin(&s, &script);
	s.hook = pause_here;
	for (uint64_t t = 1000; t <= 5000; t += 1000) {
		advance(&s.v, t);
		if (s.x)
			mw_exchange_resume(s.x);
	}
	assert_int_equal(s.hooks, 4);
	assert_story(&s,
	    "@100 head 200/1\n@1010 bytes one\n@2000 bytes two\n@3030 bytes three\n@4005 end 0\n");
}

static void pause_and_resume_here(struct story *s)
{
	mw_exchange_pause(s->x);
	mw_exchange_resume(s->x);
}

static void pausing_and_resuming_in_a_callback_changes_nothing(void **state)
{
	(void)state;
	struct story s;
	begin(&s, &script);
	s.hook = pause_and_resume_here;
	advance(&s.v, 1000);
	assert_story(
	    &s, "@100 head 200/1\n@110 bytes one\n@110 bytes two\n@140 bytes three\n@145 end 0\n");
}

static struct mw_play_script *borrowed;

static void cancel_at_the_second(struct story *s)
{
	if (++s->hooks < 2)
		return;
	mw_exchange_cancel(s->x);
	s->x = NULL;
	mw_mem_free(borrowed);
}

/* … and the script may go with it. */
static void cancelling_in_a_callback_is_the_last_callback(void **state)
{
	(void)state;
	struct story s;
	borrowed = mw_mem_alloc(sizeof(*borrowed));
	*borrowed = script;
	begin(&s, borrowed);
	s.hook = cancel_at_the_second;
	advance(&s.v, 1000);
	assert_story(&s, "@100 head 200/1\n@110 bytes one\n");
}

static void cancelling_from_outside(void **state)
{
	(void)state;
	static const uint64_t when[] = {0, 105, 140};
	static const char *const want[] = {"", "@100 head 200/1\n",
	    "@100 head 200/1\n@110 bytes one\n@110 bytes two\n@140 bytes three\n"};
	for (size_t i = 0; i < 2 * MW_LEN(when); i++) {
		struct story s;
		begin(&s, &script);
		advance(&s.v, when[i / 2]);
		if (i % 2)
			mw_exchange_pause(s.x);
		mw_exchange_cancel(s.x);
		s.x = NULL;
		advance(&s.v, 1000);
		assert_story(&s, want[i / 2]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_piece_comes_at_its_time),
	    cmocka_unit_test(nothing_comes_early),
	    cmocka_unit_test(an_empty_script_has_head_and_end),
	    cmocka_unit_test(some_ends_have_no_head),
	    cmocka_unit_test(a_cut_comes_after_the_pieces),
	    cmocka_unit_test(late_timers_do_not_add_up),
	    cmocka_unit_test(pausing_holds_the_clock_of_the_script),
	    cmocka_unit_test(pausing_in_a_callback),
	    cmocka_unit_test(pausing_and_resuming_in_a_callback_changes_nothing),
	    cmocka_unit_test(cancelling_in_a_callback_is_the_last_callback),
	    cmocka_unit_test(cancelling_from_outside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
