/* SPDX-License-Identifier: MIT
 *
 * shared/stats: decaying means and windows by name.
 */
#include "shared/stats.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { SECOND = 1000000 };

static int open_stats(void **state)
{
	*state = mw_stats_new();
	return 0;
}

static int close_stats(void **state)
{
	mw_stats_free(*state);
	return 0;
}

static struct mw_stat_view view(struct mw_stat *s, uint64_t now)
{
	struct mw_stat_view v;
	mw_stat_view(s, now, &v);
	return v;
}

static void an_ewma_forgets_by_its_span(void **state)
{
	struct mw_stat *s = mw_stats_get(*state, MW_STR("x"), MW_STAT_EWMA, 10 * SECOND, NULL);
	assert_int_equal(view(s, 0).count, 0);
	mw_stat_add(s, 100, 1 * SECOND);
	assert_true(view(s, 1 * SECOND).mean == 100);
	mw_stat_add(s, 200, 1 * SECOND); /* at the same time: both weigh the same */
	assert_true(fabs(view(s, 1 * SECOND).mean - 150) < 1e-9);
	mw_stat_add(s, 0, 11 * SECOND); /* one span later the old ones weigh 1/e */
	double old = 2 * exp(-1);
	assert_true(fabs(view(s, 11 * SECOND).mean - 150 * old / (old + 1)) < 1e-9);
	mw_stat_add(s, 7, 100000ull * SECOND);
	assert_true(fabs(view(s, 100000ull * SECOND).mean - 7) < 1e-9);
	mw_stat_add(s, 9, 5 * SECOND); /* a clock that another worker read earlier */
	assert_true(fabs(view(s, 100000ull * SECOND).mean - 8) < 1e-9);
}

static void a_window_holds_the_last_span(void **state)
{
	struct mw_stat *s = mw_stats_get(*state, MW_STR("x"), MW_STAT_WINDOW, 16 * SECOND, NULL);
	for (uint64_t t = 0; t < 16; t++)
		mw_stat_add(s, (double)t, t * SECOND);
	struct mw_stat_view v = view(s, 15 * SECOND);
	assert_int_equal(v.count, 16);
	assert_true(v.sum == 120 && v.mean == 7.5);
	v = view(s, 20 * SECOND); /* 0 to 4 have left */
	assert_int_equal(v.count, 11);
	assert_true(v.sum == 110);
	mw_stat_add(s, 1000, 20 * SECOND);
	assert_true(view(s, 20 * SECOND).sum == 1110);
	assert_int_equal(view(s, 100 * SECOND).count, 0);
}

static void a_name_stands_for_one_stat(void **state)
{
	struct mw_err err;
	struct mw_stat *s = mw_stats_get(*state, MW_STR("x"), MW_STAT_EWMA, SECOND, NULL);
	assert_ptr_equal(mw_stats_get(*state, MW_STR("x"), MW_STAT_EWMA, 2 * SECOND, NULL), s);
	assert_int_equal(view(s, 0).span_us, 2 * SECOND);
	assert_ptr_not_equal(mw_stats_get(*state, MW_STR("y"), MW_STAT_EWMA, SECOND, NULL), s);
	assert_null(mw_stats_get(*state, MW_STR("x"), MW_STAT_WINDOW, SECOND, &err));
	assert_string_equal(err.text, "'x' is already the name of an ewma");
	assert_null(mw_stats_get(*state, MW_STR(""), MW_STAT_EWMA, SECOND, &err));
}

static void there_are_only_so_many_names(void **state)
{
	struct mw_err err;
	char name[16];
	for (int i = 0; i < MW_STATS_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_non_null(mw_stats_get(*state, mw_str(name), MW_STAT_EWMA, SECOND, &err));
	}
	assert_null(mw_stats_get(*state, MW_STR("more"), MW_STAT_EWMA, SECOND, &err));
	assert_non_null(mw_stats_get(*state, MW_STR("n5"), MW_STAT_EWMA, SECOND, &err));
}

static void *add_many(void *all)
{
	for (int i = 0; i < 5000; i++) {
		struct mw_stat *s = mw_stats_get(
		    all, i % 2 ? MW_STR("a") : MW_STR("b"), MW_STAT_WINDOW, SECOND, NULL);
		mw_stat_add(s, 1, 5);
		view(s, 5);
	}
	return NULL;
}

static void workers_share_them(void **state)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, add_many, *state);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	struct mw_stat *a = mw_stats_get(*state, MW_STR("a"), MW_STAT_WINDOW, SECOND, NULL);
	assert_int_equal(view(a, 5).count, 10000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stats, close_stats)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_ewma_forgets_by_its_span),
	    TEST(a_window_holds_the_last_span),
	    TEST(a_name_stands_for_one_stat),
	    TEST(there_are_only_so_many_names),
	    TEST(workers_share_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
