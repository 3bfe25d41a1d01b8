/* SPDX-License-Identifier: MIT
 *
 * shared/health: when a target cools, what its numbers say, and that threads lose no count.
 */
#include "shared/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>

#define SECOND UINT64_C(1000000)

/* A row of samples: each letter is an attempt that ends, `gap` after the one before.
 * . good   x failed with 500   C no connection   T timed out   n neutral
 * 4 429    1 401   3 403   0 404   W 429 that asks for 30 s   w for 1 ms   Y 503 that asks for a day */
struct cooling_case {
	const char *name;
	const char *samples;
	uint64_t gap;
	struct mw_cooldown_rule rule;
	int began_at;     /* index of the first sample that begins a cooldown; -1: none does */
	uint64_t cooling; /* right after the last sample */
};

#define MANY(fails)                                                                                \
	{                                                                                          \
		.allowed_fails = (fails), .cooldown_us = 5 * SECOND                                \
	}
#define ONLY(fails)                                                                                \
	{                                                                                          \
		.allowed_fails = (fails), .cooldown_us = 5 * SECOND, .only_target = true           \
	}

static const struct cooling_case cases[] = {
    {"good answers cool nothing", "........", 0, MANY(-1), -1, 0},
    {"429 cools at once", "4", 0, MANY(-1), 0, 5 * SECOND},
    {"429 does not cool the only target", "4444444", 0, ONLY(-1), -1, 0},
    {"401 cools at once", "1", 0, MANY(-1), 0, 5 * SECOND},
    {"403 cools at once", "3", 0, MANY(-1), 0, 5 * SECOND},
    {"404 cools at once", "0", 0, MANY(-1), 0, 5 * SECOND},
    {"401 does not cool the only target", "1", 0, ONLY(-1), -1, 0},
    {"four failures of four are too few to tell", "xxxx", 0, MANY(-1), -1, 0},
    {"five failures of five cool", "xxxxx", 0, MANY(-1), 4, 5 * SECOND},
    {"half is not more than half", "...xxx", 0, MANY(-1), -1, 0},
    {"more than half cools", "...xxxx", 0, MANY(-1), 6, 5 * SECOND},
    {"three of five cool", "..xxx", 0, MANY(-1), 4, 5 * SECOND},
    {"connections that fail count", "CCCCC", 0, MANY(-1), 4, 5 * SECOND},
    {"timeouts count", "TTTTT", 0, MANY(-1), 4, 5 * SECOND},
    {"neutral ends count for nothing", "nnnnnxxxx", 0, MANY(-1), -1, 0},
    {"failures do not cool the only target", "xxxxxxxxxxxx", 0, ONLY(-1), -1, 0},
    {"failures of an older minute are forgotten", "xxxxx", 20 * SECOND, MANY(-1), -1, 0},
    {"failures within the minute are not", "xxxxx", 10 * SECOND, MANY(-1), 4, 5 * SECOND},
    {"a good answer after a failure does not end a cooldown", "4.", SECOND, MANY(-1), 0,
	4 * SECOND},
    {"a failure while cooling makes it longer", "44", SECOND, MANY(-1), 0, 5 * SECOND},
    {"the provider's wish wins", "W", 0, MANY(-1), 0, 30 * SECOND},
    {"a wish of an instant is none", "w", 0, MANY(-1), 0, 5 * SECOND},
    {"a shorter cooldown does not cut a longer one", "W4", SECOND, MANY(-1), 0, 29 * SECOND},
    {"a wish is honoured up to an hour", "Y", 0, MANY(0), 0, 3600 * SECOND},
    {"allowed_fails 0 cools at the first failure", "x", 0, MANY(0), 0, 5 * SECOND},
    {"allowed_fails 2 allows two", "xx", 0, MANY(2), -1, 0},
    {"allowed_fails 2 cools at the third", "x.x.x", 0, MANY(2), 4, 5 * SECOND},
    {"counting cools the only target too", "xxx", 0, ONLY(2), 2, 5 * SECOND},
    {"counting does not treat 429 apart", "44", 0, MANY(2), -1, 0},
    {"counting forgets after one cooldown's time", "xxx", 4 * SECOND, MANY(2), -1, 0},
    {"counting starts anew after it cooled", "xx.xx", 0, MANY(2), 3, 5 * SECOND},
    {"disabled never cools", "4xxxxxx", 0,
	{.disabled = true, .allowed_fails = -1, .cooldown_us = 1}, -1, 0},
    {"a cooldown of nothing never cools", "W", 0, {.allowed_fails = 0, .cooldown_us = 0}, -1, 0},
};

static struct mw_health_sample sample_of(char letter)
{
	struct mw_health_sample s = {.outcome = MW_HEALTH_FAILED, .status = 500, .total_us = 1000};
	switch (letter) {
	case '.':
		s.outcome = MW_HEALTH_OK, s.status = 200;
		break;
	case 'n':
		s.outcome = MW_HEALTH_NEUTRAL, s.status = 400;
		break;
	case 'C':
		s.status = 0;
		break;
	case 'T':
		s.outcome = MW_HEALTH_TIMED_OUT, s.status = 0;
		break;
	case '4':
		s.status = 429;
		break;
	case 'w':
		s.status = 429, s.retry_after_us = 1000;
		break;
	case 'W':
		s.status = 429, s.retry_after_us = 30 * SECOND;
		break;
	case 'Y':
		s.status = 503, s.retry_after_us = 86400 * SECOND;
		break;
	case '1':
	case '3':
	case '0':
		s.status = 400 + (letter - '0') + (letter == '0' ? 4 : 0);
		break;
	}
	return s;
}

static void a_target_cools_when_it_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		const struct cooling_case *c = &cases[i];
		struct mw_healths *all = mw_healths_new();
		struct mw_health *h = mw_healths_of(all, MW_STR("t"));
		uint64_t now = 1000 * SECOND;
		int began_at = -1;
		for (int k = 0; c->samples[k]; k++) {
			now += k ? c->gap : 0;
			struct mw_health_sample s = sample_of(c->samples[k]);
			mw_health_start(h);
			if (mw_health_end(h, now, &s, &c->rule) && began_at < 0)
				began_at = k;
		}
		if (began_at != c->began_at || mw_health_cooling(h, now) != c->cooling)
			fail_msg(
			    "%s: began at %d (expected %d), cooling for %llu us (expected %llu)",
			    c->name, began_at, c->began_at,
			    (unsigned long long)mw_health_cooling(h, now),
			    (unsigned long long)c->cooling);
		mw_healths_free(all);
	}
}

static void a_cooldown_ends(void **state)
{
	(void)state;
	struct mw_healths *all = mw_healths_new();
	struct mw_health *h = mw_healths_of(all, MW_STR("t"));
	struct mw_health_sample s = sample_of('4');
	struct mw_cooldown_rule rule = MANY(-1);
	mw_health_start(h);
	assert_true(mw_health_end(h, 10 * SECOND, &s, &rule));
	assert_int_equal(mw_health_cooling(h, 12 * SECOND), 3 * SECOND);
	assert_int_equal(mw_health_cooling(h, 15 * SECOND - 1), 1);
	assert_int_equal(mw_health_cooling(h, 15 * SECOND), 0);
	mw_health_start(h);
	assert_true(mw_health_end(h, 15 * SECOND, &s, &rule));
	mw_healths_free(all);
}

static void a_record_belongs_to_an_id(void **state)
{
	(void)state;
	struct mw_healths *all = mw_healths_new();
	char id[] = "one";
	struct mw_health *one = mw_healths_of(all, mw_str(id));
	id[0] = 'x'; /* the record keeps its own copy */
	assert_ptr_equal(mw_healths_of(all, MW_STR("one")), one);
	assert_ptr_not_equal(mw_healths_of(all, MW_STR("two")), one);
	assert_ptr_equal(mw_healths_of(all, MW_STR("one")), one);
	mw_healths_free(all);
}

/* How long, and with how many tokens, an answer took; or a failure or timeout. */
static void end(struct mw_health *h, uint64_t now, struct mw_health_sample s)
{
	static const struct mw_cooldown_rule rule = {.disabled = true};
	mw_health_start(h);
	assert_false(mw_health_end(h, now, &s, &rule));
}

static void close_to(double got, double expected)
{
	if (fabs(got - expected) > 1e-6 * fabs(expected))
		fail_msg("%.9g is not %.9g", got, expected);
}

static void averages_decay_with_tau_of_a_minute(void **state)
{
	(void)state;
	struct mw_healths *all = mw_healths_new();
	struct mw_health *h = mw_healths_of(all, MW_STR("t"));
	struct mw_health_view v;
	mw_health_view(h, 100 * SECOND, &v);
	assert_true(v.ttft_us == 0 && v.total_us == 0 && v.per_token_us == 0);
	assert_true(v.calls == 0 && v.error_rate == 0 && v.inflight == 0 && v.cooling_us == 0);

	end(h, 100 * SECOND,
	    (struct mw_health_sample){.ttft_us = 1000, .total_us = 10000, .tokens = 10});
	mw_health_view(h, 100 * SECOND, &v);
	close_to(v.ttft_us, 1000);
	close_to(v.total_us, 10000);
	close_to(v.per_token_us, 1000);

	/* a minute later the first sample weighs 1/e of the second */
	end(h, 160 * SECOND,
	    (struct mw_health_sample){.ttft_us = 3000, .total_us = 30000, .tokens = 10});
	mw_health_view(h, 160 * SECOND, &v);
	close_to(v.ttft_us, (1000 * exp(-1) + 3000) / (exp(-1) + 1));
	close_to(v.total_us, (10000 * exp(-1) + 30000) / (exp(-1) + 1));

	/* silence keeps the mean, until it is too old to say anything */
	double before = v.total_us;
	mw_health_view(h, 300 * SECOND, &v);
	close_to(v.total_us, before);
	mw_health_view(h, 500 * SECOND, &v);
	assert_true(v.total_us == 0 && v.ttft_us == 0 && v.per_token_us == 0);
	mw_healths_free(all);
}

static void only_good_answers_and_timeouts_make_latency(void **state)
{
	(void)state;
	struct mw_healths *all = mw_healths_new();
	struct mw_health *h = mw_healths_of(all, MW_STR("t"));
	struct mw_health_view v;
	end(h, SECOND,
	    (struct mw_health_sample){.outcome = MW_HEALTH_FAILED, .status = 500, .total_us = 9});
	end(h, SECOND,
	    (struct mw_health_sample){.outcome = MW_HEALTH_NEUTRAL, .total_us = 9, .ttft_us = 9});
	end(h, SECOND,
	    (struct mw_health_sample){.outcome = MW_HEALTH_OK, .total_us = 50}); /* no tokens */
	mw_health_view(h, SECOND, &v);
	close_to(v.total_us, 50);
	assert_true(v.ttft_us == 0 && v.per_token_us == 0);
	assert_int_equal(v.calls, 2); /* the neutral one is no sample */
	close_to(v.error_rate, 0.5);

	end(h, SECOND, (struct mw_health_sample){.outcome = MW_HEALTH_TIMED_OUT, .total_us = 700});
	mw_health_view(h, SECOND, &v);
	close_to(v.ttft_us, 700);      /* it waited that long at least */
	close_to(v.total_us, 50);      /* of good answers only */
	close_to(v.per_token_us, 1e9); /* 1000 s, as LiteLLM counts it */
	mw_healths_free(all);
}

static void the_window_moves_on(void **state)
{
	(void)state;
	struct mw_healths *all = mw_healths_new();
	struct mw_health *h = mw_healths_of(all, MW_STR("t"));
	struct mw_health_view v;
	for (int i = 0; i < 4; i++)
		end(h, 3 * SECOND,
		    (struct mw_health_sample){.outcome = i ? MW_HEALTH_OK : MW_HEALTH_FAILED});
	mw_health_view(h, 59 * SECOND, &v);
	assert_int_equal(v.calls, 4);
	close_to(v.error_rate, 0.25);
	mw_health_view(h, 66 * SECOND, &v);
	assert_int_equal(v.calls, 0);
	assert_true(v.error_rate == 0);
	/* the slot of 3 s is used again at 63 s: what it held is gone */
	end(h, 63 * SECOND, (struct mw_health_sample){.outcome = MW_HEALTH_OK});
	mw_health_view(h, 63 * SECOND, &v);
	assert_int_equal(v.calls, 1);
	mw_healths_free(all);
}

static void a_clock_that_lags_behind_does_no_harm(void **state)
{
	(void)state;
	struct mw_healths *all = mw_healths_new();
	struct mw_health *h = mw_healths_of(all, MW_STR("t"));
	struct mw_health_view v;
	end(h, 1000 * SECOND, (struct mw_health_sample){.total_us = 10});
	end(h, 999 * SECOND, (struct mw_health_sample){.total_us = 30});
	mw_health_view(h, 998 * SECOND, &v);
	close_to(v.total_us, 20);
	assert_int_equal(v.calls, 2);
	mw_healths_free(all);
}

/* ---- threads: run under SAN=thread too ------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 5000 };

static void *hammer(void *arg)
{
	struct mw_healths *all = arg;
	struct mw_cooldown_rule rule = MANY(3);
	for (int i = 0; i < ROUNDS; i++) {
		char id[16];
		snprintf(id, sizeof(id), "target-%d", i % 7);
		struct mw_health *h = mw_healths_of(all, mw_str(id));
		uint64_t now = (uint64_t)i * 1000;
		struct mw_health_view v;
		struct mw_health_sample s = sample_of("..x4Tn"[i % 6]);
		mw_health_start(h);
		mw_health_view(h, now, &v);
		assert_true(v.inflight >= 1 && v.inflight <= THREADS);
		mw_health_end(h, now, &s, &rule);
		(void)mw_health_cooling(h, now);
	}
	return NULL;
}

static void threads_lose_no_count(void **state)
{
	(void)state;
	struct mw_healths *all = mw_healths_new();
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, all), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	uint64_t calls = 0;
	for (int i = 0; i < 7; i++) {
		char id[16];
		snprintf(id, sizeof(id), "target-%d", i);
		struct mw_health_view v;
		mw_health_view(mw_healths_of(all, mw_str(id)), (uint64_t)ROUNDS * 1000, &v);
		assert_int_equal(v.inflight, 0);
		calls += v.calls;
	}
	/* every sixth was neutral */
	assert_int_equal(calls, THREADS * (ROUNDS - ROUNDS / 6));
	mw_healths_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_target_cools_when_it_should),
	    cmocka_unit_test(a_cooldown_ends),
	    cmocka_unit_test(a_record_belongs_to_an_id),
	    cmocka_unit_test(averages_decay_with_tau_of_a_minute),
	    cmocka_unit_test(only_good_answers_and_timeouts_make_latency),
	    cmocka_unit_test(the_window_moves_on),
	    cmocka_unit_test(a_clock_that_lags_behind_does_no_harm),
	    cmocka_unit_test(threads_lose_no_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
