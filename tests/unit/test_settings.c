/* SPDX-License-Identifier: MIT
 *
 * shared/settings: what the entries of a config.yaml and its plain values mean.
 */
#include "settings_world.h"

#include "base/json.h"

#include <limits.h>
#include <pthread.h>

/* ---- model_list ------------------------------------------------------------------------------ */

static void an_entry_becomes_a_target(void **state)
{
	struct mw_settings *s = good(*state, "model_list:\n"
					     "- model_name: chat\n"
					     "  litellm_params:\n"
					     "    model: openai/gpt-4o\n"
					     "    rpm: 100\n"
					     "    tpm: 20000\n"
					     "    weight: 2.5\n"
					     "    order: 3\n"
					     "    timeout: 12.5\n"
					     "    stream_timeout: 3\n"
					     "    max_retries: 4\n"
					     "    cooldown_time: 0\n"
					     "    drop_params: true\n"
					     "  model_info: {id: the-id}\n");
	assert_int_equal(s->n_models, 1);
	assert_int_equal(s->n_targets, 1);
	const struct mw_model *m = find(s, "chat");
	const struct mw_target *t = m->targets[0];
	assert_ptr_equal(t, &s->targets[0]);
	assert_str(m->name, "chat");
	assert_false(m->wildcard || m->hidden);
	assert_str(t->id, "the-id");
	assert_str(t->group, "chat");
	assert_str(t->name, "openai/gpt-4o");
	assert_str(t->provider, "openai");
	assert_str(t->model, "gpt-4o");
	assert_str(t->dialect, "openai_chat");
	assert_int_equal(t->rpm, 100);
	assert_int_equal(t->tpm, 20000);
	assert_true(t->weight == 2.5);
	assert_int_equal(t->order, 3);
	assert_int_equal(t->timeout_us, 12500000);
	assert_int_equal(t->stream_timeout_us, 3000000);
	assert_int_equal(t->num_retries, 4);
	assert_int_equal(t->cooldown_us, 0);
	assert_true(t->drop_params);
	assert_false(t->has_defaults);
	assert_int_equal(t->price->base.input, 2500000);
	assert_ptr_equal(
	    t->health, mw_healths_of(((struct fixture *)*state)->world.healths, t->id));
	assert_int_not_equal(t->series, 0);
	mw_settings_unref(s);
}

static void what_is_not_given_has_a_default(void **state)
{
	struct mw_settings *s = good(*state, ONE);
	const struct mw_target *t = &s->targets[0];
	assert_true(t->weight == 0 && t->rpm == 0 && t->tpm == 0);
	assert_int_equal(t->order, INT_MAX);
	assert_int_equal(t->num_retries, -1);
	assert_int_equal(t->timeout_us, 0);
	assert_int_equal(t->stream_timeout_us, 0);
	assert_int_equal(t->cooldown_us, -1);
	assert_false(t->drop_params || t->wildcard);
	assert_int_equal(t->id.n, 64);
	assert_int_equal(s->num_retries, 2);
	assert_int_equal(s->timeout_us, 600000000);
	assert_int_equal(s->stream_timeout_us, 0);
	assert_int_equal(s->connect_us, 10000000);
	assert_int_equal(s->allowed_fails, -1);
	assert_int_equal(s->cooldown_us, 5000000);
	assert_int_equal(s->retry_after_us, 0);
	assert_int_equal(s->max_fallbacks, 5);
	assert_int_equal(s->max_body, 64 << 20);
	assert_int_equal(s->policy_memory, 16 << 20);
	assert_int_equal(s->head_us, 30000000);
	assert_int_equal(s->body_us, 30000000);
	assert_int_equal(s->idle_us, 30000000);
	assert_int_equal(s->master_key.n, 0);
	assert_false(s->disable_cooldowns || s->drop_params);
	assert_str(s->strategy, "simple-shuffle");
	assert_str(s->strategy_params, "{}");
	assert_int_equal(s->n_policies, 1);
	assert_str(s->policies[0].name, "simple-shuffle");
	assert_int_equal(s->policies[0].line, 0);
	mw_settings_unref(s);
}

static void entries_of_one_name_form_a_group_by_order(void **state)
{
	struct mw_settings *s = good(*state,
	    "model_list:\n"
	    "- {model_name: g, litellm_params: {model: openai/none}}\n"
	    "- {model_name: other, litellm_params: {model: openai/x}}\n"
	    "- {model_name: g, litellm_params: {model: openai/two, order: 2}}\n"
	    "- {model_name: g, litellm_params: {model: openai/one, order: 1}}\n"
	    "- {model_name: g, litellm_params: {model: openai/two-again, order: 2}}\n");
	assert_int_equal(s->n_models, 2);
	const struct mw_model *g = find(s, "g");
	assert_int_equal(g->index, 0);
	assert_int_equal(g->n_targets, 4);
	assert_str(g->targets[0]->model, "one");
	assert_str(g->targets[1]->model, "two");
	assert_str(g->targets[2]->model, "two-again");
	assert_str(g->targets[3]->model, "none");
	assert_int_equal(find(s, "other")->index, 1);
	mw_settings_unref(s);
}

static struct mw_json spec_at(const struct mw_target *t, const char *path)
{
	struct mw_json root;
	struct mw_err err;
	if (!mw_json_peek(t->spec, NULL, &root, &err))
		fail_msg("%s: %.*s", err.text, MW_FMT(t->spec));
	return mw_json_at(root, mw_str(path));
}

static void lua_is_told_what_the_deployment_says(void **state)
{
	setenv("OPENAI_API_KEY", "from-the-environment", 1);
	setenv("MW_TEST_API_BASE", "b", 1);
	setenv("MW_TEST_SECRET", "not yours", 1);
	struct mw_settings *s = good(*state, "model_list:\n"
					     "- model_name: chat\n"
					     "  litellm_params:\n"
					     "    model: gpt-4o\n"
					     "    custom_llm_provider: azure\n"
					     "    api_base: \"http://x/\\\"y\"\n"
					     "    api_key: k\n"
					     "    api_version: 2024-10-21\n"
					     "    organization: org\n"
					     "    extra_headers: {X-A: 1, X-B: two}\n"
					     "    mock_response: hello\n"
					     "    temperature: 0.5\n"
					     "    max_tokens: 100\n"
					     "    stop: [a, b]\n"
					     "    seed: null\n"
					     "    something_own: {deep: true}\n"
					     "    extra_body: {temperature: 0.7, top_k: 4}\n"
					     "    aws_region_name: eu\n"
					     "    rpm: 5\n"
					     "  model_info: {id: x}\n");
	const struct mw_target *t = &s->targets[0];
	assert_true(mw_json_is(spec_at(t, "model"), "gpt-4o"));
	assert_true(mw_json_is(spec_at(t, "provider"), "azure"));
	assert_int_equal(spec_at(t, "wildcard").kind, MW_JSON_BOOL);
	assert_false(mw_json_true(spec_at(t, "wildcard")));
	assert_str(spec_at(t, "params.api_base").raw, "\"http://x/\\\"y\"");
	assert_true(mw_json_is(spec_at(t, "params.api_key"), "k"));
	assert_true(mw_json_is(spec_at(t, "params.api_version"), "2024-10-21"));
	assert_true(mw_json_is(spec_at(t, "params.organization"), "org"));
	assert_true(mw_json_is(spec_at(t, "params.mock_response"), "hello"));
	assert_str(spec_at(t, "params.extra_headers.X-A").raw, "1");
	assert_str(spec_at(t, "params.extra.temperature").raw, "0.7"); /* extra_body wins */
	assert_str(spec_at(t, "params.extra.max_tokens").raw, "100");
	assert_int_equal(mw_json_count(spec_at(t, "params.extra.stop")), 2);
	assert_true(mw_json_true(spec_at(t, "params.extra.something_own.deep")));
	assert_str(spec_at(t, "params.extra.top_k").raw, "4");
	assert_int_equal(
	    mw_json_count(spec_at(t, "params.extra")), 5); /* no null, no rpm, no aws_… */
	assert_true(t->has_defaults);
	assert_true(mw_json_is(spec_at(t, "params.env.OPENAI_API_KEY"), "from-the-environment"));
	assert_true(mw_json_is(spec_at(t, "params.env.MW_TEST_API_BASE"), "b"));
	assert_int_equal(spec_at(t, "params.env.MW_TEST_SECRET").kind, MW_JSON_NONE);
	mw_settings_unref(s);
	unsetenv("OPENAI_API_KEY");
	unsetenv("MW_TEST_API_BASE");
	unsetenv("MW_TEST_SECRET");
}

static void organizations_make_a_deployment_each(void **state)
{
	struct mw_settings *s = good(*state, "model_list: [{model_name: m, litellm_params: {model: "
					     "openai/x, organization: [o1, o2]}}]\n");
	assert_int_equal(find(s, "m")->n_targets, 2);
	assert_true(mw_json_is(spec_at(&s->targets[0], "params.organization"), "o1"));
	assert_true(mw_json_is(spec_at(&s->targets[1], "params.organization"), "o2"));
	assert_false(mw_str_eq(s->targets[0].id, s->targets[1].id));
	mw_settings_unref(s);
}

static void a_credential_stands_in_for_what_is_missing(void **state)
{
	struct mw_settings *s = good(*state,
	    "credential_list:\n"
	    "- credential_name: ours\n"
	    "  credential_values: {api_key: K, api_base: http://c}\n"
	    "  credential_info: {description: x}\n"
	    "model_list:\n"
	    "- {model_name: m, litellm_params: {model: openai/x, litellm_credential_name: ours}}\n"
	    "- {model_name: n, litellm_params: {model: openai/x, litellm_credential_name: ours,"
	    " api_base: http://own}}\n");
	assert_true(mw_json_is(spec_at(&s->targets[0], "params.api_key"), "K"));
	assert_true(mw_json_is(spec_at(&s->targets[0], "params.api_base"), "http://c"));
	assert_true(mw_json_is(spec_at(&s->targets[1], "params.api_key"), "K"));
	assert_true(mw_json_is(spec_at(&s->targets[1], "params.api_base"), "http://own"));
	mw_settings_unref(s);
}

/* ---- ids ------------------------------------------------------------------------------------- */

static struct mw_str id_from(void **state, const char *params, char copy[65])
{
	char yaml[512];
	snprintf(yaml, sizeof(yaml), "model_list: [{model_name: m, litellm_params: %s}]\n", params);
	struct mw_settings *s = good(*state, yaml);
	snprintf(copy, 65, "%.*s", MW_FMT(s->targets[0].id));
	mw_settings_unref(s);
	return mw_str(copy);
}

static void an_id_follows_from_all_but_the_key(void **state)
{
	char a[65], b[65];
	struct mw_str id = id_from(state, "{model: openai/x, api_key: one, api_base: http://h}", a);
	assert_int_equal(id.n, 64);
	assert_int_equal(strspn(a, "0123456789abcdef"), 64);
	assert_str(id_from(state, "{api_base: http://h, model: openai/x, api_key: two}", b), a);
	id_from(state, "{model: openai/x, api_key: one, api_base: http://i}", b);
	assert_string_not_equal(a, b);
	id_from(state, "{model: openai/y, api_key: one, api_base: http://h}", b);
	assert_string_not_equal(a, b);
	id_from(state, "{model: openai/x, api_key: one, api_base: http://h, max_tokens: 5}", b);
	assert_string_not_equal(a, b);
}

static void equal_entries_have_different_ids(void **state)
{
	struct mw_settings *s =
	    good(*state, "model_list:\n"
			 "- {model_name: m, litellm_params: {model: openai/x, api_key: a}}\n"
			 "- {model_name: m, litellm_params: {model: openai/x, api_key: b}}\n");
	assert_false(mw_str_eq(s->targets[0].id, s->targets[1].id));
	assert_int_not_equal(s->targets[0].series, s->targets[1].series);
	mw_settings_unref(s);
}

static void a_target_is_found_by_its_id(void **state)
{
	struct mw_settings *s = good(*state,
	    "model_list:\n"
	    "- {model_name: m, litellm_params: {model: openai/x}, model_info: {id: first}}\n"
	    "- {model_name: m, litellm_params: {model: openai/x}, model_info: {id: 17}}\n");
	const struct mw_target *only = NULL;
	const struct mw_model *m = mw_settings_find(s, MW_STR("17"), &only);
	assert_ptr_equal(m, find(s, "m"));
	assert_ptr_equal(only, &s->targets[1]);
	assert_ptr_equal(mw_settings_find(s, MW_STR("m"), &only), m);
	assert_null(only);
	assert_ptr_equal(mw_settings_find(s, MW_STR("first"), NULL), m);
	assert_null(mw_settings_find(s, MW_STR("second"), &only));
	assert_null(mw_settings_find(s, MW_STR(""), &only));
	mw_settings_unref(s);
}

/* ---- environment ----------------------------------------------------------------------------- */

static void values_come_from_the_environment(void **state)
{
	setenv("MW_T_KEY", "secret", 1);
	setenv("MW_T_RPM", "12", 1);
	setenv("MW_T_DROP", "True", 1);
	struct mw_settings *s =
	    good(*state, "model_list:\n"
			 "- model_name: m\n"
			 "  litellm_params:\n"
			 "    model: openai/x\n"
			 "    api_key: os.environ/MW_T_KEY\n"
			 "    rpm: os.environ/MW_T_RPM\n"
			 "    drop_params: os.environ/MW_T_DROP\n"
			 "    extra_headers: {X-Key: os.environ/MW_T_KEY}\n"
			 "    stop: [os.environ/MW_T_KEY]\n"
			 "router_settings: {num_retries: os.environ/MW_T_RPM}\n");
	const struct mw_target *t = &s->targets[0];
	assert_true(mw_json_is(spec_at(t, "params.api_key"), "secret"));
	assert_true(mw_json_is(spec_at(t, "params.extra_headers.X-Key"), "secret"));
	assert_true(mw_json_is(spec_at(t, "params.extra.stop.1"), "secret"));
	assert_int_equal(t->rpm, 12);
	assert_true(t->drop_params);
	assert_int_equal(s->num_retries, 12);
	mw_settings_unref(s);
	unsetenv("MW_T_KEY");
	unsetenv("MW_T_RPM");
	unsetenv("MW_T_DROP");
}

static void the_settings_own_variables_win(void **state)
{
	setenv("MW_T_OUTER", "outer", 1);
	setenv("OPENAI_API_KEY", "outer", 1);
	struct mw_settings *s =
	    good(*state, "environment_variables:\n"
			 "  OPENAI_API_KEY: inner\n"
			 "  MW_T_COPY: os.environ/MW_T_OUTER\n"
			 "  MW_T_PORT: 6379\n"
			 "model_list:\n"
			 "- model_name: m\n"
			 "  litellm_params: {model: openai/x, api_key: os.environ/MW_T_COPY,"
			 " api_version: os.environ/MW_T_PORT}\n");
	const struct mw_target *t = &s->targets[0];
	assert_true(mw_json_is(spec_at(t, "params.api_key"), "outer"));
	assert_true(mw_json_is(spec_at(t, "params.api_version"), "6379"));
	assert_true(mw_json_is(spec_at(t, "params.env.OPENAI_API_KEY"), "inner"));
	assert_string_equal(
	    getenv("OPENAI_API_KEY"), "outer"); /* the process's own is left alone */
	mw_settings_unref(s);
	unsetenv("MW_T_OUTER");
	unsetenv("OPENAI_API_KEY");
}

static void the_master_key(void **state)
{
	struct mw_settings *s = good(*state, ONE "general_settings: {master_key: sk-mine}\n");
	assert_str(s->master_key, "sk-mine");
	mw_settings_unref(s);
	setenv("LITELLM_MASTER_KEY", "sk-env", 1);
	s = good(*state, ONE);
	assert_str(s->master_key, "sk-env");
	mw_settings_unref(s);
	s = good(*state, ONE "general_settings: {master_key: sk-mine}\n");
	assert_str(s->master_key, "sk-mine");
	mw_settings_unref(s);
	unsetenv("LITELLM_MASTER_KEY");
}

/* ---- router_settings and the like ------------------------------------------------------------ */

static void the_routers_values(void **state)
{
	struct mw_settings *s =
	    good(*state, ONE "router_settings:\n"
			     "  num_retries: 0\n"
			     "  timeout: 30\n"
			     "  stream_timeout: 2.5\n"
			     "  allowed_fails: 7\n"
			     "  cooldown_time: 60\n"
			     "  disable_cooldowns: true\n"
			     "  retry_after: 0.25\n"
			     "  max_fallbacks: 2\n"
			     "  routing_strategy: latency-based-routing\n"
			     "  routing_strategy_args: {ttl: 10, lowest_latency_buffer: 0.5}\n"
			     "litellm_settings:\n"
			     "  num_retries: 9\n"
			     "  request_timeout: 99\n"
			     "  drop_params: true\n");
	assert_int_equal(s->num_retries, 0); /* router_settings wins */
	assert_int_equal(s->timeout_us, 30000000);
	assert_int_equal(s->stream_timeout_us, 2500000);
	assert_int_equal(s->allowed_fails, 7);
	assert_int_equal(s->cooldown_us, 60000000);
	assert_true(s->disable_cooldowns);
	assert_int_equal(s->retry_after_us, 250000);
	assert_int_equal(s->max_fallbacks, 2);
	assert_true(s->drop_params);
	assert_true(s->targets[0].drop_params);
	assert_str(s->strategy, "latency-based");
	assert_str(s->policies[0].name, "latency-based");
	assert_str(s->policies[0].params, "{\"lowest_latency_buffer\":0.5}"); /* ttl is LiteLLM's */
	assert_int_equal(s->policies[0].line, 11);
	mw_settings_unref(s);
}

static void litellm_settings_stand_in_for_the_routers(void **state)
{
	struct mw_settings *s = good(*state,
	    ONE "litellm_settings: {num_retries: 5, request_timeout: 45,"
		" cooldown_time: 1, allowed_fails: 0, routing_strategy: least-busy}\n");
	assert_int_equal(s->num_retries, 5);
	assert_int_equal(s->timeout_us, 45000000);
	assert_int_equal(s->cooldown_us, 1000000);
	assert_int_equal(s->allowed_fails, 0);
	assert_str(s->strategy, "least-busy");
	mw_settings_unref(s);
}

static void three_allowed_fails_mean_the_default_logic(void **state)
{
	struct mw_settings *s = good(*state, ONE "router_settings: {allowed_fails: 3}\n");
	assert_int_equal(s->allowed_fails, -1);
	mw_settings_unref(s);
}

static void our_own_settings(void **state)
{
	struct mw_settings *s =
	    good(*state, ONE "moonweir_settings: {max_body_mb: 0.5, head_timeout: 1,"
			     " body_timeout: 2, idle_timeout: 3, connect_timeout: 4,"
			     " policy_memory_mb: 8}\n"
			     "general_settings: {max_request_size_mb: 9}\n");
	assert_int_equal(s->max_body, 512 << 10);
	assert_int_equal(s->head_us, 1000000);
	assert_int_equal(s->body_us, 2000000);
	assert_int_equal(s->idle_us, 3000000);
	assert_int_equal(s->connect_us, 4000000);
	assert_int_equal(s->policy_memory, 8 << 20);
	mw_settings_unref(s);
	s = good(*state, ONE "general_settings: {max_request_size_mb: 9}\n");
	assert_int_equal(s->max_body, 9 << 20);
	mw_settings_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_entry_becomes_a_target),
	    TEST(what_is_not_given_has_a_default),
	    TEST(entries_of_one_name_form_a_group_by_order),
	    TEST(lua_is_told_what_the_deployment_says),
	    TEST(organizations_make_a_deployment_each),
	    TEST(a_credential_stands_in_for_what_is_missing),
	    TEST(an_id_follows_from_all_but_the_key),
	    TEST(equal_entries_have_different_ids),
	    TEST(a_target_is_found_by_its_id),
	    TEST(values_come_from_the_environment),
	    TEST(the_settings_own_variables_win),
	    TEST(the_master_key),
	    TEST(the_routers_values),
	    TEST(litellm_settings_stand_in_for_the_routers),
	    TEST(three_allowed_fails_mean_the_default_logic),
	    TEST(our_own_settings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
