/* SPDX-License-Identifier: MIT
 *
 * Played replies: order and times, pauses, and being cancelled at any moment.
 */
#include "net/play.h"

#include "base/buf.h"
#include "base/mem.h"
#include "live_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct player {
	struct live_env live;
	struct mw_play_script *script; /* freed by whom cancels, as a call's arena would */
	struct mw_exchange *x;
	struct mw_buf got;
	bool cancel_in_head, cancel_in_bytes, ended;
};

static void give_up(struct player *p)
{
	mw_exchange_cancel(p->x);
	mw_mem_free((void *)p->script->pieces);
	mw_mem_free(p->script);
	p->script = NULL;
	mw_loop_stop(p->live.loop);
}

static void on_head(void *arg, const struct mw_exchange_head *head)
{
	struct player *p = arg;
	assert_int_equal(head->status, 200);
	if (p->cancel_in_head)
		give_up(p);
}

static void on_bytes(void *arg, struct mw_str bytes)
{
	struct player *p = arg;
	mw_buf_add(&p->got, bytes);
	if (p->cancel_in_bytes)
		give_up(p);
}

static void on_end(void *arg, const struct mw_exchange_result *result)
{
	struct player *p = arg;
	assert_int_equal(result->end, MW_END_OK);
	p->ended = true;
	mw_loop_stop(p->live.loop);
}

static void begin(struct player *p)
{
	static const struct mw_exchange_events events = {on_head, on_bytes, on_end};
	live_env_init(&p->live, 1);
	mw_buf_init(&p->got, 1024);
	struct mw_play_piece *pieces = mw_mem_alloc(2 * sizeof(*pieces));
	pieces[0] = (struct mw_play_piece){100, MW_STR("one ")};
	pieces[1] = (struct mw_play_piece){100, MW_STR("two")};
	p->script = mw_mem_zalloc(sizeof(*p->script));
	*p->script = (struct mw_play_script){.status = 200, .pieces = pieces, .n_pieces = 2};
	p->x = mw_play_start(&p->live.env, p->script, &events, p);
	mw_loop_run(p->live.loop);
}

static void finish(struct player *p)
{
	if (p->script)
		mw_mem_free((void *)p->script->pieces);
	mw_mem_free(p->script);
	mw_buf_deinit(&p->got);
	live_env_deinit(&p->live);
}

static void plays_to_the_end(void **state)
{
	(void)state;
	struct player p = {0};
	begin(&p);
	assert_true(p.ended && mw_str_is(mw_buf_str(&p.got), "one two"));
	finish(&p);
}

/* Whoever cancels may free the script at once: an answer that ends a call frees the call's memory. */
static void does_not_touch_its_script_when_cancelled_inside_a_callback(void **state)
{
	(void)state;
	struct player in_head = {.cancel_in_head = true}, in_bytes = {.cancel_in_bytes = true};
	begin(&in_head);
	assert_true(!in_head.ended && in_head.got.n == 0);
	finish(&in_head);
	begin(&in_bytes);
	assert_true(!in_bytes.ended && mw_str_is(mw_buf_str(&in_bytes.got), "one "));
	finish(&in_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plays_to_the_end),
	    cmocka_unit_test(does_not_touch_its_script_when_cancelled_inside_a_callback),
	};
	mw_fetch_global_init();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	mw_fetch_global_deinit();
	return failed;
}
