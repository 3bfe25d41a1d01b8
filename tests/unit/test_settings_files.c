/* SPDX-License-Identifier: MIT
 *
 * shared/settings: files that include others, price maps, prices of deployments, and LiteLLM's own
 * configs, which load without a warning.
 */
#include "settings_world.h"

#include <unistd.h>

/* ---- prices ---------------------------------------------------------------------------------- */

static const struct mw_price *price_of(struct mw_settings *s, const char *name)
{
	return find(s, name)->targets[0]->price;
}

static void a_deployment_may_have_its_own_price(void **state)
{
	struct mw_settings *s = good(*state,
	    "model_list:\n"
	    "- {model_name: table, litellm_params: {model: openai/gpt-4o}}\n"
	    "- {model_name: none, litellm_params: {model: openai/unheard-of}}\n"
	    "- {model_name: own, litellm_params: {model: openai/gpt-4o, input_cost_per_token: "
	    "1e-06,"
	    " output_cost_per_token: 0.000002}}\n"
	    "- {model_name: free, litellm_params: {model: openai/gpt-4o, input_cost_per_token: 0,"
	    " output_cost_per_token: 0}}\n"
	    "- {model_name: mixed, litellm_params: {model: openai/gpt-4o,"
	    " cache_read_input_token_cost: 5e-07}}\n"
	    "- {model_name: info, litellm_params: {model: openai/x}, model_info:"
	    " {input_cost_per_token: 3e-06, output_cost_per_token_above_200k_tokens: 4e-06}}\n"
	    "- {model_name: based, litellm_params: {model: azure/my-deployment}, model_info:"
	    " {base_model: openai/gpt-4o}}\n"
	    "- {model_name: any/*, litellm_params: {model: openai/*}}\n");
	assert_int_equal(price_of(s, "table")->base.cached, 1250000);
	assert_null(price_of(s, "none"));
	assert_int_equal(price_of(s, "own")->base.input, 1000000);
	assert_int_equal(price_of(s, "own")->base.output, 2000000);
	assert_int_equal(price_of(s, "own")->base.cached, -1); /* the table's is not mixed in */
	assert_int_equal(price_of(s, "free")->base.input, 0);
	assert_int_equal(price_of(s, "mixed")->base.input, 2500000);
	assert_int_equal(price_of(s, "mixed")->base.cached, 500000);
	assert_int_equal(price_of(s, "info")->base.input, 3000000);
	assert_int_equal(price_of(s, "info")->tiers[0].rates.output, 4000000);
	assert_int_equal(price_of(s, "based")->base.output, 10000000);
	const struct mw_target *any = find(s, "any/gpt-4o")->targets[0];
	assert_null(any->price);
	assert_int_equal(
	    mw_settings_price(s, any, MW_STR("gpt-4o-2024-08-06"))->base.input, 2500000);
	assert_null(mw_settings_price(s, any, MW_STR("unheard-of")));
	assert_ptr_equal(
	    mw_settings_price(s, find(s, "own")->targets[0], MW_STR("x")), price_of(s, "own"));
	mw_settings_unref(s);
}

/* ---- files ----------------------------------------------------------------------------------- */

static char folder[64];

static void write_file(const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void make_folder(void)
{
	strcpy(folder, "/tmp/moonweir-settings-XXXXXX");
	assert_non_null(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	assert_int_equal(system(command), 0);
}

static struct mw_settings *read_file(struct fixture *f, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f->warnings[0] = '\0';
	return mw_settings_read(path, &f->world, &f->err);
}

static void files_are_included_and_read_once(void **state)
{
	make_folder();
	write_file("main.yaml",
	    "include: [more.yaml]\n" AB "router_settings: {num_retries: 1, timeout: 5}\n"
	    "policies: [first]\n");
	write_file("more.yaml", "include: [main.yaml]\n"
				"model_list: [{model_name: c, litellm_params: {model: openai/c}}]\n"
				"router_settings: {num_retries: 4}\n"
				"policies: [x/second.lua]\n"
				"moonweir_settings: {price_map: prices.json}\n");
	write_file("prices.json", "{\"c\": {\"input_cost_per_token\": 1e-6}}");
	struct mw_settings *s = read_file(*state, "main.yaml");
	if (!s)
		fail_msg("%s", ((struct fixture *)*state)->err.text);
	assert_int_equal(s->n_models, 3);
	assert_int_equal(s->num_retries, 4); /* what is included wins, key by key */
	assert_int_equal(s->timeout_us, 5000000);
	assert_int_equal(s->n_policies, 3);
	assert_int_equal(price_of(s, "c")->base.input, 1000000);
	assert_int_equal(s->n_files, 3);
	assert_non_null(strstr(s->files[0], "/main.yaml"));
	assert_non_null(strstr(s->files[1], "/more.yaml"));
	assert_non_null(strstr(s->files[2], "/prices.json"));
	assert_string_equal(s->policies[1].file, s->files[1]);
	mw_settings_unref(s);
	remove_folder();
}

static void the_price_map_may_come_from_litellms_variable(void **state)
{
	make_folder();
	write_file("map.json", "{\"gpt-9\": {\"input_cost_per_token\": 7e-6}, \"openai/gpt-4o\": "
			       "{\"input_cost_per_token\": 1}}");
	char url[128];
	snprintf(url, sizeof(url), "file://%s/map.json", folder);
	setenv("LITELLM_MODEL_COST_MAP_URL", url, 1);
	struct mw_settings *s =
	    good(*state, "model_list: [{model_name: m, litellm_params: {model: openai/gpt-9}}]\n");
	assert_int_equal(price_of(s, "m")->base.input, 7000000);
	mw_settings_unref(s);
	setenv("LITELLM_MODEL_COST_MAP_URL", "https://example.com/map.json", 1);
	s = good(*state, ONE); /* nothing is fetched */
	assert_int_equal(price_of(s, "m")->base.input, 2500000);
	mw_settings_unref(s);
	unsetenv("LITELLM_MODEL_COST_MAP_URL");
	remove_folder();
}

static void faults_of_files_say_where(void **state)
{
	struct fixture *f = *state;
	make_folder();
	write_file("main.yaml", "include:\n- more.yaml\n- gone.yaml\n");
	write_file("more.yaml", "model_list: [{model_name: c, litellm_params: {model: openai/c}}]\n"
				"router_settings:\n  num_retries: many\n");
	assert_null(read_file(f, "main.yaml"));
	assert_non_null(strstr(f->err.text, "main.yaml:3: include: "));
	assert_non_null(strstr(f->err.text, "gone.yaml: No such file"));
	write_file("main.yaml", "include: [more.yaml]\n");
	assert_null(read_file(f, "main.yaml"));
	assert_non_null(strstr(f->err.text, "more.yaml:3: num_retries is \"many\""));
	write_file("main.yaml", ONE "moonweir_settings:\n  price_map: more.yaml\n");
	assert_null(read_file(f, "main.yaml"));
	assert_non_null(strstr(f->err.text, "main.yaml:3: price_map: "));
	assert_non_null(strstr(f->err.text, "more.yaml: "));
	assert_null(read_file(f, "none.yaml"));
	assert_non_null(strstr(f->err.text, "none.yaml: No such file or directory"));
	assert_null(mw_settings_read(folder, &f->world, &f->err));
	assert_non_null(strstr(f->err.text, "Is a directory"));
	assert_int_equal(f->err.code, MW_ERR_SETTINGS);
	remove_folder();
}

static void litellms_configs_load_without_a_word(void **state)
{
	struct fixture *f = *state;
	static const char *const files[] = {"quickstart", "production", "vendors", "policies"};
	static const char *const variables[] = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY",
	    "GEMINI_API_KEY", "AZURE_API_KEY", "OPENAI_ORGANIZATION", "OPENROUTER_API_KEY",
	    "MISTRAL_API_KEY", "COHERE_API_KEY", "LITELLM_MASTER_KEY"};
	for (size_t i = 0; i < MW_LEN(variables); i++)
		setenv(variables[i], "x", 1);
	for (size_t i = 0; i < MW_LEN(files); i++) {
		char path[64];
		snprintf(path, sizeof(path), "tests/unit/configs/%s.yaml", files[i]);
		f->warnings[0] = '\0';
		struct mw_settings *s = mw_settings_read(path, &f->world, &f->err);
		if (!s)
			fail_msg("%s", f->err.text);
		if (f->warnings[0])
			fail_msg("%s", f->warnings);
		assert_true(s->n_models > 0);
		mw_settings_unref(s);
	}
	for (size_t i = 0; i < MW_LEN(variables); i++)
		unsetenv(variables[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_deployment_may_have_its_own_price),
	    TEST(files_are_included_and_read_once),
	    TEST(the_price_map_may_come_from_litellms_variable),
	    TEST(faults_of_files_say_where),
	    TEST(litellms_configs_load_without_a_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
