/* SPDX-License-Identifier: MIT
 *
 * shared/price: decimals become exact picodollars, and calls cost what was computed by hand.
 */
#include "shared/price.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static void decimals_are_exact(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool per_million;
		int64_t pico; /* -1: refused */
	} cases[] = {
	    {"2.5e-06", false, 2500000},
	    {"2.5E-6", false, 2500000},
	    {"0.0000025", false, 2500000},
	    {"25e-7", false, 2500000},
	    {"3e-06", false, 3000000},
	    {"7.5e-08", false, 75000},
	    {"1.1e-06", false, 1100000},
	    {"0.29", false, 290000000000},
	    {"0", false, 0},
	    {"0.0", false, 0},
	    {"0e0", false, 0},
	    {"000.5", true, 500000},
	    {".5", true, 500000},
	    {"2.5", true, 2500000},
	    {"0.075", true, 75000},
	    {"10", true, 10000000},
	    {"1e2", true, 100000000},
	    {"1e+2", true, 100000000},
	    {"4e-13", false, 0},
	    {"5e-13", false, 1}, /* half a picodollar is rounded up */
	    {"1.4999e-12", false, 1},
	    {"1.00000000000000000000000001e-6", false, 1000000},
	    {"123456789012345678901e-26", false, 1234568},
	    {"1e-999", false, 0},
	    {"1000", false, INT64_C(1000000000000000)},
	    {"1001", false, -1},
	    {"1e300", false, -1},
	    {"1e999999999999999999", false, -1},
	    {"", false, -1},
	    {".", false, -1},
	    {"-1", false, -1},
	    {"+1", false, -1},
	    {"1.2.3", false, -1},
	    {"1e", false, -1},
	    {"e5", false, -1},
	    {"1 ", false, -1},
	    {"1e 5", false, -1},
	    {"1e\t5", false, -1},
	    {"1e5x", false, -1},
	    {"0x10", false, -1},
	    {"nan", false, -1},
	    {"free", false, -1},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		int64_t pico;
		if (!mw_price_decimal(mw_str(cases[i].text), cases[i].per_million, &pico))
			pico = -1;
		if (pico != cases[i].pico)
			fail_msg("'%s' is %lld, expected %lld", cases[i].text, (long long)pico,
			    (long long)cases[i].pico);
	}
}

static void set(struct mw_price *p, const char *key, const char *usd)
{
	if (!mw_price_set(p, mw_str(key), mw_str(usd)))
		fail_msg("%s: %s is refused", key, usd);
}

static void rates_go_by_litellms_names(void **state)
{
	(void)state;
	struct mw_price p;
	mw_price_init(&p);
	assert_int_equal(p.base.input, -1);
	assert_int_equal(p.base.audio_out, -1);
	set(&p, "input_cost_per_token", "1e-12");
	set(&p, "cache_read_input_token_cost", "2e-12");
	set(&p, "cache_creation_input_token_cost", "3e-12");
	set(&p, "cache_creation_input_token_cost_above_1hr", "4e-12");
	set(&p, "input_cost_per_audio_token", "5e-12");
	set(&p, "output_cost_per_token", "6e-12");
	set(&p, "output_cost_per_reasoning_token", "7e-12");
	set(&p, "output_cost_per_audio_token", "8e-12");
	set(&p, "output_cost_per_token_above_200k_tokens", "20e-12");
	set(&p, "input_cost_per_token_above_128k_tokens", "10e-12");
	set(&p, "cache_creation_input_token_cost_above_1hr_above_200k_tokens", "30e-12");
	assert_int_equal(p.base.input, 1);
	assert_int_equal(p.base.cached, 2);
	assert_int_equal(p.base.cache_write, 3);
	assert_int_equal(p.base.cache_write_1h, 4);
	assert_int_equal(p.base.audio_in, 5);
	assert_int_equal(p.base.output, 6);
	assert_int_equal(p.base.reasoning, 7);
	assert_int_equal(p.base.audio_out, 8);
	assert_int_equal(p.n_tiers, 2); /* thresholds rise, whatever the order of the keys */
	assert_int_equal(p.tiers[0].above, 128000);
	assert_int_equal(p.tiers[0].rates.input, 10);
	assert_int_equal(p.tiers[0].rates.output, -1);
	assert_int_equal(p.tiers[1].above, 200000);
	assert_int_equal(p.tiers[1].rates.output, 20);
	assert_int_equal(p.tiers[1].rates.cache_write_1h, 30);
}

static void other_names_are_no_rates(void **state)
{
	(void)state;
	static const char *const others[] = {"", "input", "input_cost_per_image",
	    "input_cost_per_token_batches", "input_cost_per_token_priority",
	    "input_cost_per_token_above_200k_tokens_priority",
	    "input_cost_per_token_above_k_tokens", "input_cost_per_token200k_tokens",
	    "_above_200k_tokens", "input_cost_per_token_above_99999999999999999999k_tokens",
	    "supports_vision"};
	struct mw_price p;
	mw_price_init(&p);
	for (size_t i = 0; i < MW_LEN(others); i++) {
		assert_false(mw_price_is_rate(mw_str(others[i])));
		assert_false(mw_price_set(&p, mw_str(others[i]), MW_STR("1")));
	}
	assert_false(mw_price_set(&p, MW_STR("input_cost_per_token"), MW_STR("dear")));
	for (int i = 1; i <= MW_PRICE_TIERS + 1; i++) {
		char key[64];
		snprintf(key, sizeof(key), "input_cost_per_token_above_%dk_tokens", i);
		assert_true(mw_price_set(&p, mw_str(key), MW_STR("1")) == (i <= MW_PRICE_TIERS));
	}
}

/* ---- cost: all by hand ----------------------------------------------------------------------- */

static struct mw_cost cost_of(const struct mw_price *p, struct mw_usage u)
{
	struct mw_cost c;
	mw_price_cost(p, &u, &c);
	return c;
}

static void input_and_output_cost_by_token(void **state)
{
	(void)state;
	struct mw_price p;
	mw_price_init(&p);
	set(&p, "input_cost_per_token", "2.5e-06");
	set(&p, "output_cost_per_token", "1e-05");
	struct mw_cost c = cost_of(&p, (struct mw_usage){.prompt = 12, .completion = 7});
	assert_int_equal(c.input, 30000000);  /* 12 x 2.5 USD/M */
	assert_int_equal(c.output, 70000000); /* 7 x 10 USD/M */
	assert_int_equal(c.total, 100000000); /* 0.0001 USD */
	char text[32];
	assert_true(mw_str_is(mw_price_text(c.total, text), "0.0001"));
}

static void cached_tokens_cost_their_own_rate(void **state)
{
	(void)state;
	struct mw_price p;
	mw_price_init(&p);
	set(&p, "input_cost_per_token", "3e-06");
	set(&p, "cache_read_input_token_cost", "3e-07");
	set(&p, "cache_creation_input_token_cost", "3.75e-06");
	set(&p, "cache_creation_input_token_cost_above_1hr", "6e-06");
	set(&p, "output_cost_per_token", "1.5e-05");
	struct mw_cost c = cost_of(&p, (struct mw_usage){.prompt = 10000,
					   .cached = 6000,
					   .cache_write = 1000,
					   .cache_write_1h = 2000,
					   .completion = 100});
	assert_int_equal(c.input, 1000 * 3000000LL);
	assert_int_equal(c.cached, 6000 * 300000LL);
	assert_int_equal(c.cache_write, 1000 * 3750000LL + 2000 * 6000000LL);
	assert_int_equal(c.output, 100 * 15000000LL);
	assert_int_equal(c.total, 22050000000LL); /* 0.003 + 0.0018 + 0.01575 + 0.0015 USD */
	char text[32];
	assert_true(mw_str_is(mw_price_text(c.total, text), "0.02205"));
}

static void reasoning_and_audio_cost_their_own_rates(void **state)
{
	(void)state;
	struct mw_price p;
	mw_price_init(&p);
	set(&p, "input_cost_per_token", "1e-06");
	set(&p, "input_cost_per_audio_token", "4e-05");
	set(&p, "output_cost_per_token", "2e-06");
	set(&p, "output_cost_per_reasoning_token", "3e-06");
	set(&p, "output_cost_per_audio_token", "8e-05");
	struct mw_cost c = cost_of(&p,
	    (struct mw_usage){
		.prompt = 100, .audio_in = 40, .completion = 50, .reasoning = 20, .audio_out = 5});
	assert_int_equal(c.input, 60 * 1000000LL + 40 * 40000000LL);
	assert_int_equal(c.output, 25 * 2000000LL + 20 * 3000000LL + 5 * 80000000LL);
	assert_int_equal(c.total, 2170000000LL);
}

static void cached_audio_is_not_paid_twice(void **state)
{
	(void)state;
	struct mw_price p;
	mw_price_init(&p);
	p.base.input = 10;
	p.base.cached = 1;
	p.base.audio_in = 100;
	assert_int_equal(
	    cost_of(&p, (struct mw_usage){.prompt = 50, .cached = 50, .audio_in = 50}).total, 50);
	assert_int_equal(
	    cost_of(&p, (struct mw_usage){.prompt = 50, .cached = 30, .audio_in = 40}).total,
	    30 + 20 * 100);
}

static void a_rate_that_is_not_given_has_a_stand_in(void **state)
{
	(void)state;
	struct mw_price p;
	mw_price_init(&p);
	p.base.input = 10;
	p.base.output = 100;
	struct mw_usage u = {.prompt = 5,
	    .cached = 1,
	    .cache_write = 1,
	    .cache_write_1h = 1,
	    .audio_in = 1,
	    .completion = 3,
	    .reasoning = 1,
	    .audio_out = 1};
	struct mw_cost c = cost_of(&p, u);
	assert_int_equal(c.cached, 10);
	assert_int_equal(c.cache_write, 20);
	assert_int_equal(c.input, 20);
	assert_int_equal(c.output, 300);
	p.base.cache_write = 12; /* stands in for an hour's too */
	assert_int_equal(cost_of(&p, u).cache_write, 24);
	p.base.cached = 0; /* given as nothing is not "not given" */
	assert_int_equal(cost_of(&p, u).cached, 0);
	p.base.input = -1; /* an image model's entry has output only */
	assert_int_equal(cost_of(&p, (struct mw_usage){.prompt = 5, .completion = 1}).total, 100);
}

static void a_tier_replaces_the_rates_of_the_whole_call(void **state)
{
	(void)state;
	struct mw_price p;
	mw_price_init(&p);
	set(&p, "input_cost_per_token", "1.25e-06");
	set(&p, "cache_read_input_token_cost", "1.25e-07");
	set(&p, "output_cost_per_token", "1e-05");
	set(&p, "input_cost_per_token_above_200k_tokens", "2.5e-06");
	set(&p, "cache_read_input_token_cost_above_200k_tokens", "2.5e-07");
	set(&p, "output_cost_per_token_above_200k_tokens", "1.5e-05");
	struct mw_cost at = cost_of(&p, (struct mw_usage){.prompt = 200000, .completion = 10});
	assert_int_equal(at.total, 200000 * 1250000LL + 10 * 10000000LL);
	struct mw_cost over =
	    cost_of(&p, (struct mw_usage){.prompt = 200001, .cached = 1000, .completion = 10});
	assert_int_equal(over.input, 199001 * 2500000LL);
	assert_int_equal(over.cached, 1000 * 250000LL);
	assert_int_equal(over.output, 10 * 15000000LL);
	/* what the tier does not name stays as it was */
	p.base.reasoning = 7;
	assert_int_equal(
	    cost_of(&p, (struct mw_usage){.prompt = 200001, .completion = 1, .reasoning = 1})
		.output,
	    7);
	/* the highest threshold below the prompt counts */
	set(&p, "output_cost_per_token_above_300k_tokens", "1");
	set(&p, "output_cost_per_token_above_100k_tokens", "2");
	assert_int_equal(
	    cost_of(&p, (struct mw_usage){.prompt = 300000, .completion = 1}).output, 15000000);
	assert_int_equal(cost_of(&p, (struct mw_usage){.prompt = 300001, .completion = 1}).output,
	    1000000000000LL);
}

static void odd_usage_costs_no_less_than_nothing(void **state)
{
	(void)state;
	struct mw_price p;
	mw_price_init(&p);
	p.base.input = 10;
	p.base.cached = 1;
	p.base.output = 10;
	/* more cached than read: a provider that counts its cache apart */
	struct mw_cost c = cost_of(&p, (struct mw_usage){.prompt = 5, .cached = 100});
	assert_int_equal(c.input, 0);
	assert_int_equal(c.total, 100);
	assert_int_equal(
	    cost_of(&p, (struct mw_usage){.prompt = -5, .cached = -7, .completion = -1}).total, 0);
	struct mw_usage huge = {.prompt = INT64_MAX, .cached = INT64_MAX, .completion = INT64_MAX};
	assert_true(cost_of(&p, huge).total == INT64_MAX);
}

static void costs_are_written_as_python_does(void **state)
{
	(void)state;
	static const struct {
		int64_t pico;
		const char *text;
	} cases[] = {
	    {0, "0.0"},
	    {1, "1e-12"},
	    {10, "1e-11"},
	    {15, "1.5e-11"},
	    {2700000, "2.7e-06"},
	    {27000000, "2.7e-05"},
	    {99999999, "9.9999999e-05"},
	    {100000000, "0.0001"},
	    {123000000, "0.000123"},
	    {123456789012, "0.123456789012"},
	    {500000000000, "0.5"},
	    {1000000000000, "1.0"},
	    {1500000000000, "1.5"},
	    {12000000000000, "12.0"},
	    {1234000000000001, "1234.000000000001"},
	    {INT64_MAX, "9223372.036854775807"},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		char buf[MW_PRICE_TEXT];
		struct mw_str text = mw_price_text(cases[i].pico, buf);
		if (!mw_str_is(text, cases[i].text))
			fail_msg("%lld is '%.*s', expected '%s'", (long long)cases[i].pico,
			    MW_FMT(text), cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decimals_are_exact),
	    cmocka_unit_test(rates_go_by_litellms_names),
	    cmocka_unit_test(other_names_are_no_rates),
	    cmocka_unit_test(input_and_output_cost_by_token),
	    cmocka_unit_test(cached_tokens_cost_their_own_rate),
	    cmocka_unit_test(reasoning_and_audio_cost_their_own_rates),
	    cmocka_unit_test(cached_audio_is_not_paid_twice),
	    cmocka_unit_test(a_rate_that_is_not_given_has_a_stand_in),
	    cmocka_unit_test(a_tier_replaces_the_rates_of_the_whole_call),
	    cmocka_unit_test(odd_usage_costs_no_less_than_nothing),
	    cmocka_unit_test(costs_are_written_as_python_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
