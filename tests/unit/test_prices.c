/* SPDX-License-Identifier: MIT
 *
 * shared/prices: both formats of a price table, its faults, and how a model's entry is found.
 */
#include "shared/prices.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mw_prices *parse(const char *text)
{
	struct mw_err err = {0};
	struct mw_prices *p = mw_prices_parse(mw_str(text), "prices.json", &err);
	if (!p)
		fail_msg("%s", err.text);
	return p;
}

static const struct mw_price *find(
    const struct mw_prices *p, const char *provider, const char *model)
{
	return mw_prices_find(p, mw_str(provider), mw_str(model));
}

static void our_own_format(void **state)
{
	(void)state;
	struct mw_prices *p = parse(
	    "{\"unit\": \"USD per million tokens\", \"models\": {"
	    "\"openai/gpt-4o\": {\"input\": 2.5, \"cached\": 1.25, \"output\": 10, \"context\": "
	    "128000,"
	    "  \"max_output\": 16384},"
	    "\"gemini/pro\": {\"input\": 1.25, \"output\": 10, \"reasoning\": 11, \"audio_in\": 1,"
	    "  \"audio_out\": 2, \"cache_write\": 3.75, \"cache_write_1h\": 6,"
	    "  \"tiers\": [{\"above\": 200000, \"input\": 2.5, \"output\": 15}]}}}");
	const struct mw_price *gpt = find(p, "openai", "gpt-4o");
	assert_non_null(gpt);
	assert_int_equal(gpt->base.input, 2500000);
	assert_int_equal(gpt->base.cached, 1250000);
	assert_int_equal(gpt->base.output, 10000000);
	assert_int_equal(gpt->base.reasoning, -1);
	assert_int_equal(gpt->context, 128000);
	assert_int_equal(gpt->max_output, 16384);
	const struct mw_price *pro = find(p, "gemini", "pro");
	assert_non_null(pro);
	assert_int_equal(pro->base.reasoning, 11000000);
	assert_int_equal(pro->base.cache_write_1h, 6000000);
	assert_int_equal(pro->n_tiers, 1);
	assert_int_equal(pro->tiers[0].above, 200000);
	assert_int_equal(pro->tiers[0].rates.input, 2500000);
	assert_int_equal(pro->tiers[0].rates.cached, -1);
	mw_prices_free(p);
}

static void litellms_price_map(void **state)
{
	(void)state;
	struct mw_prices *p =
	    parse("{\"sample_spec\": {\"max_tokens\": \"a note\", \"input_cost_per_token\": \"see "
		  "above\","
		  "  \"mode\": \"one of\", \"supports_vision\": true},"
		  "\"gpt-4o\": {\"max_tokens\": 16384, \"max_input_tokens\": 128000, "
		  "\"max_output_tokens\": 16384,"
		  "  \"input_cost_per_token\": 2.5e-06, \"output_cost_per_token\": 1e-05,"
		  "  \"cache_read_input_token_cost\": 1.25e-06, \"litellm_provider\": \"openai\","
		  "  \"input_cost_per_token_priority\": 4.25e-06,"
		  "  \"search_context_cost_per_query\": {\"low\": 0.03}},"
		  "\"gemini/gemini-2.5-pro\": {\"input_cost_per_token\": 1.25e-06,"
		  "  \"input_cost_per_token_above_200k_tokens\": 2.5e-06, "
		  "\"output_cost_per_token\": 1e-05,"
		  "  \"output_cost_per_token_above_200k_tokens\": 1.5e-05, "
		  "\"output_cost_per_image\": null},"
		  "\"dall-e-3\": {\"output_cost_per_image\": 0.04},"
		  "\"text-embedding-3-small\": {\"input_cost_per_token\": 2e-08, "
		  "\"output_cost_per_token\": 0.0}}");
	const struct mw_price *gpt = find(p, "openai", "gpt-4o");
	assert_non_null(gpt);
	assert_int_equal(gpt->base.input, 2500000);
	assert_int_equal(gpt->base.cached, 1250000);
	assert_int_equal(gpt->context, 128000);
	assert_int_equal(gpt->max_output, 16384);
	const struct mw_price *pro = find(p, "gemini", "gemini-2.5-pro");
	assert_non_null(pro);
	assert_int_equal(pro->tiers[0].rates.output, 15000000);
	assert_int_equal(find(p, "openai", "text-embedding-3-small")->base.input, 20000);
	/* without a price of tokens it is unknown, never free */
	assert_null(find(p, "openai", "dall-e-3"));
	assert_null(find(p, "", "sample_spec"));
	mw_prices_free(p);
}

static void a_model_is_found_by_ever_less_of_its_name(void **state)
{
	(void)state;
	struct mw_prices *p =
	    parse("{\"unit\": \"USD per million tokens\", \"models\": {"
		  "\"gpt-4o\": {\"input\": 1}, \"azure/gpt-4o\": {\"input\": 2},"
		  "\"gpt-4o-2024-05-13\": {\"input\": 3}, \"anthropic/claude\": {\"input\": 4},"
		  "\"-2024-05-13\": {\"input\": 5}}}");
	static const struct {
		const char *provider, *model;
		int64_t input; /* -1: unknown */
	} cases[] = {
	    {"openai", "gpt-4o", 1},
	    {"azure", "gpt-4o", 2},
	    {"", "gpt-4o", 1},
	    {"openai", "gpt-4o-2024-05-13", 3},
	    {"azure", "gpt-4o-2024-05-13", 3}, /* the date is part of a name before it is cut off */
	    {"openai", "gpt-4o-2024-08-06", 1},
	    {"azure", "gpt-4o-2024-08-06", 2},
	    {"anthropic", "claude-20241022", 4},
	    {"anthropic", "claude@20241022", 4},
	    {"anthropic", "claude-2024102", -1},
	    {"anthropic", "claude-latest", -1},
	    {"bedrock", "claude", -1},
	    {"x", "-2024-05-13", 5},
	    {"openai", "gpt-4", -1},
	    {"openai", "", -1},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		const struct mw_price *price = find(p, cases[i].provider, cases[i].model);
		int64_t input = price ? price->base.input / 1000000 : -1;
		if (input != cases[i].input)
			fail_msg("%s/%s: %lld, expected %lld", cases[i].provider, cases[i].model,
			    (long long)input, (long long)cases[i].input);
	}
	mw_prices_free(p);
}

static void a_merge_puts_entries_over_entries(void **state)
{
	(void)state;
	struct mw_prices *p = parse(
	    "{\"a\": {\"input_cost_per_token\": 1}, \"b\": {\"input_cost_per_token\": 1}, \"x/d\": "
	    "{\"input_cost_per_token\": 1}, \"x/d-20240101\": {\"input_cost_per_token\": 5}}");
	struct mw_prices *over =
	    parse("{\"b\": {\"output_cost_per_token\": 2}, \"c\": {\"input_cost_per_token\": 3}, "
		  "\"d\": {\"input_cost_per_token\": 4}}");
	mw_prices_merge(p, over);
	mw_prices_free(over);
	assert_int_equal(find(p, "x", "d")->base.input, 4000000000000); /* by its shorter name */
	assert_int_equal(
	    find(p, "x", "d-20240101")->base.input, 5000000000000); /* but not by less */
	assert_int_equal(find(p, "", "a")->base.input, 1000000000000);
	assert_int_equal(find(p, "", "b")->base.input, -1); /* an entry is replaced whole */
	assert_int_equal(find(p, "", "b")->base.output, 2000000000000);
	assert_int_equal(find(p, "", "c")->base.input, 3000000000000);
	mw_prices_free(p);
}

#define OWN(entry) "{\"unit\": \"USD per million tokens\", \"models\": {\"m\": " entry "}}"

static void faults_name_the_file_the_model_and_the_member(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
	    {"{", "prices.json: "},
	    {"[]", "prices.json: a price table is an object"},
	    {"{\"m\": 3}", "prices.json: m: 'it' is 3, which is not an object with prices"},
	    {"{\"m\": {\"input_cost_per_token\": -1}}",
		"prices.json: m: 'input_cost_per_token' is -1, which is not a price of a token in "
		"USD"},
	    {"{\"unit\": \"EUR\"}", "'unit' is \"EUR\", which is not \"USD per million tokens\""},
	    {"{\"unit\": \"USD per million tokens\"}", "the object 'models' is missing"},
	    {OWN("{\"input\": \"1\"}"),
		"m: 'input' is \"1\", which is not a price of a million tokens in USD"},
	    {OWN("{\"input\": 1, \"outptu\": 1}"), "m: nothing is known of a member 'outptu'"},
	    {OWN("{\"context\": 1}"),
		"m: 'it' is {\"context\": 1}, which is not an entry with 'input' or 'output'"},
	    {OWN("{\"input\": 1, \"context\": 0}"),
		"m: 'context' is 0, which is not a number of tokens"},
	    {OWN("{\"input\": 1, \"tiers\": 1}"), "m: 'tiers' is 1, which is not a list"},
	    {OWN("{\"input\": 1, \"tiers\": [1]}"),
		"m: 'tiers' is 1, which is not an object with 'above'"},
	    {OWN("{\"input\": 1, \"tiers\": [{\"above\": 1, \"oops\": 1}]}"),
		"m: nothing is known of a member 'oops'"},
	    {OWN("{\"input\": 1, \"tiers\": "
		 "[{\"above\":1},{\"above\":2},{\"above\":3},{\"above\":4},{\"above\":5}]}"),
		"m: 'tiers' is {\"above\":5}, which is not one of the first four"},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_err err = {0};
		struct mw_prices *p = mw_prices_parse(mw_str(cases[i].text), "prices.json", &err);
		assert_null(p);
		assert_int_equal(err.code, MW_ERR_SETTINGS);
		if (!strstr(err.text, cases[i].says))
			fail_msg(
			    "%s: '%s' does not say '%s'", cases[i].text, err.text, cases[i].says);
	}
	assert_null(mw_prices_parse(MW_STR("{"), "x", NULL));
	mw_prices_free(NULL);
}

static void the_table_that_ships_is_good(void **state)
{
	(void)state;
	struct mw_arena *a = mw_arena_new();
	struct mw_str text;
	struct mw_err err = {0};
	if (!mw_file_read("lua/prices.json", 16u << 20, a, &text, &err))
		fail_msg("%s (tests run in the project's root)", err.text);
	struct mw_prices *p = mw_prices_parse(text, "lua/prices.json", &err);
	if (!p)
		fail_msg("%s", err.text);
	const struct mw_price *price = find(p, "openai", "gpt-4o-2024-08-06");
	assert_non_null(price);
	assert_true(price->base.input > 0 && price->base.output > price->base.input);
	mw_prices_free(p);
	mw_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(our_own_format),
	    cmocka_unit_test(litellms_price_map),
	    cmocka_unit_test(a_model_is_found_by_ever_less_of_its_name),
	    cmocka_unit_test(a_merge_puts_entries_over_entries),
	    cmocka_unit_test(faults_name_the_file_the_model_and_the_member),
	    cmocka_unit_test(the_table_that_ships_is_good),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
