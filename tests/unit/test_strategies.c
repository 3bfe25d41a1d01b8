/* SPDX-License-Identifier: MIT
 *
 * policies/: the shipped strategies, loaded from the binary as the gateway does.
 */
#include "script/embedded.h"
#include "script_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct world *shipped(const char *name, const char *params)
{
	struct world *w = world_new();
	struct mw_str text = mw_embedded_policy(mw_str(name));
	if (!text.p)
		fail_msg("%s is not in the binary", name);
	world_add(w, text.p)->params = mw_str(params);
	w->settings.n_policies = 1; /* the last is the strategy */
	if (!world_load(w))
		fail_msg("%s", w->err.text);
	return w;
}

/* How often each target comes first of n plans; every plan names all targets once. */
static void count_first(struct world *w, int n, unsigned first[WORLD_TARGETS])
{
	struct mw_plan plan;
	struct mw_policy_tally tally;
	memset(first, 0, WORLD_TARGETS * sizeof(*first));
	for (int i = 0; i < n; i++) {
		unsigned seen = 0;
		mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
		assert_int_equal(plan.n, WORLD_TARGETS);
		for (size_t k = 0; k < plan.n; k++)
			seen |= 1u << plan.steps[k].target->index;
		assert_int_equal(seen, (1u << WORLD_TARGETS) - 1);
		first[plan.steps[0].target->index]++;
	}
	mw_policies_tally(w->policies, &tally);
	assert_int_equal(tally.errors, 0);
}

static void simple_shuffle_shares_by_weight_then_rpm_then_tpm(void **state)
{
	(void)state;
	unsigned first[WORLD_TARGETS];
	struct world *w = shipped("simple-shuffle", "");
	count_first(w, 3000, first);
	for (size_t i = 0; i < WORLD_TARGETS; i++)
		assert_in_range(first[i], 850, 1150);
	w->targets[0].tpm = 1000;
	w->targets[1].tpm = 3000;
	count_first(w, 4000, first);
	assert_in_range(first[0], 850, 1150);
	assert_int_equal(first[2], 0);
	w->targets[2].rpm = 10;
	w->targets[1].rpm = 10;
	count_first(w, 2000, first);
	assert_int_equal(first[0], 0);
	assert_in_range(first[1], 850, 1150);
	w->targets[0].weight = 0.5;
	count_first(w, 100, first);
	assert_int_equal(first[0], 100);
	world_free(w);
}

static void least_busy_goes_where_least_is_under_way(void **state)
{
	(void)state;
	unsigned first[WORLD_TARGETS];
	struct world *w = shipped("least-busy", "");
	w->candidates[0].live.inflight = 3;
	w->candidates[1].live.inflight = 1;
	w->candidates[2].live.inflight = 1;
	count_first(w, 2000, first);
	assert_int_equal(first[0], 0);
	assert_in_range(first[1], 850, 1150);
	world_free(w);
}

static void set_latency(struct world *w, double a, double b, double c)
{
	double values[WORLD_TARGETS] = {a, b, c};
	for (size_t i = 0; i < WORLD_TARGETS; i++) {
		w->candidates[i].live.per_token_us = values[i] * 1000;
		w->candidates[i].live.ttft_us =
		    values[WORLD_TARGETS - 1 - i] * 1000; /* the other way round */
	}
}

static void latency_based_goes_where_it_was_fastest(void **state)
{
	(void)state;
	unsigned first[WORLD_TARGETS];
	struct world *w = shipped("latency-based", "");
	set_latency(w, 30, 20, 10);
	count_first(w, 100, first);
	assert_int_equal(first[2], 100);
	w->call.stream = true; /* a stream is judged by its first token */
	count_first(w, 100, first);
	assert_int_equal(first[0], 100);
	world_free(w);
}

static void latency_based_tries_first_what_was_never_measured(void **state)
{
	(void)state;
	unsigned first[WORLD_TARGETS];
	struct world *w = shipped("latency-based", "");
	set_latency(w, 30, 0, 10);
	count_first(w, 100, first);
	assert_int_equal(first[1], 100);
	set_latency(w, 0, 0, 0);
	count_first(w, 3000, first);
	assert_in_range(first[0], 850, 1150);
	world_free(w);
}

static void latency_based_spreads_over_all_within_the_buffer(void **state)
{
	(void)state;
	unsigned first[WORLD_TARGETS];
	struct world *w = shipped("latency-based", "{\"lowest_latency_buffer\":0.5,\"ttl\":3600}");
	set_latency(w, 14, 10, 16);
	count_first(w, 2000, first);
	assert_in_range(first[0], 850, 1150);
	assert_in_range(first[1], 850, 1150);
	assert_int_equal(first[2], 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(simple_shuffle_shares_by_weight_then_rpm_then_tpm),
	    cmocka_unit_test(least_busy_goes_where_least_is_under_way),
	    cmocka_unit_test(latency_based_goes_where_it_was_fastest),
	    cmocka_unit_test(latency_based_tries_first_what_was_never_measured),
	    cmocka_unit_test(latency_based_spreads_over_all_within_the_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
