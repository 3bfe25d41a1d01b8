/* SPDX-License-Identifier: MIT
 *
 * The small tools of base/: slices, buffers, arenas, maps, random numbers, errors, mailboxes,
 * timers.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mailbox.h"
#include "base/map.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* ---- str ----------------------------------------------------------------------------------- */

static void slices_compare_trim_and_cut(void **state)
{
	(void)state;
	assert_true(mw_str_ieq(MW_STR("Content-Type"), MW_STR("content-TYPE")));
	assert_false(mw_str_ieq(MW_STR("a"), MW_STR("ab")));
	assert_true(mw_str_eq(MW_NOSTR, MW_STR("")));
	assert_true(mw_str_is(mw_str_trim(MW_STR(" \t x y\t")), "x y"));
	assert_true(mw_str_is(mw_str_trim_all(MW_STR("\r\n x \n")), "x"));
	assert_true(mw_str_cmp(MW_STR("ab"), MW_STR("abc")) < 0);
	assert_true(mw_str_cmp(MW_STR("b"), MW_STR("abc")) > 0);
	struct mw_str rest = MW_STR("a;b"), part;
	assert_true(mw_str_cut(&rest, ';', &part));
	assert_true(mw_str_is(part, "a"));
	assert_true(mw_str_is(rest, "b"));
	assert_false(mw_str_cut(&rest, ';', &part));
	assert_true(mw_str_is(part, "b"));
	assert_int_equal(rest.n, 0);
	assert_null(mw_str_search(MW_STR("aaa"), MW_STR("b")));
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
	(void)state;
	uint64_t u;
	double d;
	assert_true(mw_str_u64(MW_STR("18446744073709551615"), &u));
	assert_true(u == UINT64_MAX);
	assert_false(mw_str_u64(MW_STR("18446744073709551616"), &u));
	assert_false(mw_str_u64(MW_STR(""), &u));
	assert_false(mw_str_u64(MW_STR("+1"), &u));
	assert_false(mw_str_u64(MW_STR("1 "), &u));
	assert_true(mw_str_double(MW_STR("-2.5e3"), &d));
	assert_true(d == -2500);
	assert_false(mw_str_double(MW_STR("inf"), &d));
	assert_false(mw_str_double(MW_STR("0x1"), &d));
	assert_false(mw_str_double(MW_STR("1.5s"), &d));
}

static void distance_counts_edits(void **state)
{
	(void)state;
	assert_int_equal(mw_str_distance(MW_STR("api_bse"), MW_STR("api_base")), 1);
	assert_int_equal(mw_str_distance(MW_STR("abc"), MW_STR("abc")), 0);
	assert_int_equal(mw_str_distance(MW_STR(""), MW_STR("abc")), 3);
	assert_int_equal(mw_str_distance(MW_STR("kitten"), MW_STR("sitting")), 3);
}

/* ---- buf, arena, map ----------------------------------------------------------------------- */

static void a_buffer_stops_at_its_ceiling_and_says_so(void **state)
{
	(void)state;
	struct mw_buf b;
	mw_buf_init(&b, 20);
	mw_buf_addz(&b, "0123456789");
	mw_buf_addu(&b, 12345, 0);
	mw_buf_addf(&b, "%d", 7);
	assert_false(b.full);
	assert_true(mw_str_is(mw_buf_str(&b), "0123456789123457"));
	mw_buf_addz(&b, "too much for it");
	assert_true(b.full);
	assert_int_equal(b.n, 16);
	mw_buf_drop(&b, 10);
	assert_true(mw_str_is(mw_buf_str(&b), "123457"));
	mw_buf_deinit(&b);
}

static int order[3], n_order;

static void note(void *arg)
{
	order[n_order++] = *(int *)arg;
}

static void an_arena_runs_its_cleanups_last_first(void **state)
{
	(void)state;
	int one = 1, two = 2;
	struct mw_arena *a = mw_arena_new();
	for (int round = 0; round < 2; round++) {
		n_order = 0;
		char *big = mw_arena_alloc(a, 10000);
		memset(big, 1, 10000);
		mw_arena_on_reset(a, note, &one);
		mw_arena_on_reset(a, note, &two);
		assert_true(mw_str_is(mw_arena_printf(a, "%s-%d", "x", 5), "x-5"));
		assert_int_equal((uintptr_t)mw_arena_alloc(a, 1) % 16, 0);
		mw_arena_reset(a);
		assert_int_equal(n_order, 2);
		assert_int_equal(order[0], 2);
	}
	assert_null(mw_arena_try(a, SIZE_MAX - 4));
	mw_arena_free(a);
}

static void a_map_finds_what_was_set_and_keeps_the_order(void **state)
{
	(void)state;
	enum { MANY = 500 };
	static char names[MANY][8];
	static int values[MANY];
	struct mw_map *m = mw_map_new();
	assert_null(mw_map_get(m, MW_STR("k0")));
	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "k%d", i);
		assert_null(mw_map_set(m, mw_str(names[i]), &values[i]));
	}
	assert_ptr_equal(mw_map_set(m, MW_STR("k7"), &values[0]), &values[7]);
	assert_ptr_equal(mw_map_get(m, MW_STR("k7")), &values[0]);
	assert_ptr_equal(mw_map_get(m, MW_STR("k499")), &values[499]);
	assert_null(mw_map_get(m, MW_STR("k500")));
	assert_int_equal(mw_map_count(m), MANY);
	struct mw_str key;
	void *value;
	size_t at = 0, seen = 0;
	while (mw_map_next(m, &at, &key, &value))
		assert_true(mw_str_is(key, names[seen++]));
	assert_int_equal(seen, MANY);
	mw_map_free(m);
}

/* ---- hash, err ----------------------------------------------------------------------------- */

static void random_numbers_repeat_by_seed_and_fill_their_range(void **state)
{
	(void)state;
	struct mw_rng a, b;
	mw_rng_seed(&a, 42);
	mw_rng_seed(&b, 42);
	double sum = 0;
	for (int i = 0; i < 10000; i++) {
		double u = mw_rng_unit(&a);
		assert_true(u == mw_rng_unit(&b) && u >= 0 && u < 1);
		sum += u;
	}
	assert_true(sum > 4800 && sum < 5200);
	assert_true(mw_hash(MW_STR("abc")) == mw_hash(MW_STR("abc")));
	assert_true(mw_hash(MW_STR("abc")) != mw_hash(MW_STR("abd")));
	assert_true(mw_hash_stable(MW_STR("")) == 0xcbf29ce484222325u);
	assert_true(mw_equal_secret(MW_STR("sk-1"), MW_STR("sk-1")));
	assert_false(mw_equal_secret(MW_STR("sk-1"), MW_STR("sk-2")));
	assert_false(mw_equal_secret(MW_STR("sk-1"), MW_STR("sk-11")));
}

static void an_error_is_a_row_and_a_sentence(void **state)
{
	(void)state;
	struct mw_err err;
	assert_false(mw_err_set(&err, MW_ERR_NO_MODEL, "no %s", "x"));
	assert_int_equal(mw_err_status(err.code), 404);
	assert_string_equal(mw_err_name(err.code), "NO_MODEL");
	mw_err_prefix(&err, "line %d", 3);
	assert_string_equal(err.text, "line 3: no x");
	assert_false(mw_err_set(NULL, MW_ERR_INTERNAL, "nobody listens"));
}

/* ---- loop, mailbox ------------------------------------------------------------------------- */

struct scene {
	struct mw_loop *loop;
	struct mw_mailbox *mailbox;
	int letters;
};

static void on_letter(void *arg)
{
	struct scene *s = arg;
	if (++s->letters == 1000)
		mw_loop_stop(s->loop);
}

static void *post_many(void *arg)
{
	struct scene *s = arg;
	for (int i = 0; i < 500; i++)
		mw_mailbox_post(s->mailbox, on_letter, s);
	return NULL;
}

static void letters_of_two_threads_all_arrive(void **state)
{
	(void)state;
	struct scene s = {.loop = mw_loop_new()};
	s.mailbox = mw_mailbox_new(s.loop);
	pthread_t threads[2];
	for (size_t i = 0; i < MW_LEN(threads); i++)
		pthread_create(&threads[i], NULL, post_many, &s);
	mw_loop_run(s.loop);
	for (size_t i = 0; i < MW_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(s.letters, 1000);
	mw_mailbox_free(s.mailbox);
	mw_loop_free(s.loop);
}

static void count_letter(void *arg)
{
	((struct scene *)arg)->letters++;
}

static void letters_that_are_left_are_run_at_the_end(void **state)
{
	(void)state;
	struct scene s = {.loop = mw_loop_new()};
	s.mailbox = mw_mailbox_new(s.loop);
	mw_mailbox_post(s.mailbox, count_letter, &s);
	mw_mailbox_post(s.mailbox, count_letter, &s);
	mw_mailbox_free(s.mailbox);
	assert_int_equal(s.letters, 2);
	mw_loop_free(s.loop);
}

static void stop_loop(void *arg)
{
	mw_loop_stop(arg);
}

static void a_timer_that_was_taken_back_does_not_fire(void **state)
{
	(void)state;
	struct scene s = {.loop = mw_loop_new()};
	struct mw_timer never, moved, last;
	mw_timer_init(&never, count_letter, &s);
	mw_timer_init(&moved, count_letter, &s);
	mw_timer_init(&last, stop_loop, s.loop);
	mw_loop_timer_set(s.loop, &never, 1000);
	mw_loop_timer_set(s.loop, &moved, 100000000);
	mw_loop_timer_set(s.loop, &moved, 2000);
	mw_loop_timer_set(s.loop, &last, 10000);
	mw_loop_timer_del(s.loop, &never);
	mw_loop_run(s.loop);
	assert_int_equal(s.letters, 1);
	assert_false(moved.set);
	mw_loop_free(s.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slices_compare_trim_and_cut),
	    cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
	    cmocka_unit_test(distance_counts_edits),
	    cmocka_unit_test(a_buffer_stops_at_its_ceiling_and_says_so),
	    cmocka_unit_test(an_arena_runs_its_cleanups_last_first),
	    cmocka_unit_test(a_map_finds_what_was_set_and_keeps_the_order),
	    cmocka_unit_test(random_numbers_repeat_by_seed_and_fill_their_range),
	    cmocka_unit_test(an_error_is_a_row_and_a_sentence),
	    cmocka_unit_test(letters_of_two_threads_all_arrive),
	    cmocka_unit_test(letters_that_are_left_are_run_at_the_end),
	    cmocka_unit_test(a_timer_that_was_taken_back_does_not_fire),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
