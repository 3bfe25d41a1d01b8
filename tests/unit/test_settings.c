/* SPDX-License-Identifier: MIT
 *
 * shared/settings: what a config.yaml means, and what is said of a wrong one. Providers are played by a
 * `prepare` of this file, so that no Lua is needed.
 */
#include "shared/settings.h"

#include "base/json.h"
#include "base/map.h"
#include "shared/health.h"
#include "shared/metrics.h"
#include "shared/prices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the world ------------------------------------------------------------------------------- */

struct fixture {
	struct mw_settings_world world;
	char warnings[8192]; /* one a line */
	struct mw_err err;
};

/* As lua/ does it: "provider/model", refusing a provider that is called "nobody"; "keyless" has no
 * key. */
static bool prepare(void *arg, struct mw_target *t, struct mw_arena *arena, struct mw_err *err)
{
	(void)arg, (void)arena;
	struct mw_str rest = t->model, provider;
	if (t->provider.n == 0) {
		if (mw_str_cut(&rest, '/', &provider)) {
			t->provider = provider;
			t->model = rest;
		} else {
			t->provider = MW_STR("openai");
		}
	}
	if (mw_str_is(t->provider, "nobody"))
		return mw_err_set(err, MW_ERR_SETTINGS, "nobody is no provider");
	if (mw_str_is(t->provider, "keyless"))
		t->warning = MW_STR("there is no key");
	t->dialect = MW_STR("openai_chat");
	return true;
}

static size_t wildcards(void *arg, struct mw_arena *arena, const struct mw_wildcard **out)
{
	(void)arg, (void)arena;
	static const struct mw_wildcard list[] = {
	    {{"openai/*", 8}, {"openai/*", 8}},
	    {{"claude-*", 8}, {"anthropic/claude-*", 18}},
	    {{"nobody/*", 8}, {"nobody/*", 8}},
	    {{"keyless/*", 9}, {"keyless/*", 9}},
	};
	*out = list;
	return MW_LEN(list);
}

static void warn(void *arg, const char *text)
{
	struct fixture *f = arg;
	size_t n = strlen(f->warnings);
	snprintf(f->warnings + n, sizeof(f->warnings) - n, "%s\n", text);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->world = (struct mw_settings_world){
	    .metrics = mw_metrics_new(1),
	    .healths = mw_healths_new(),
	    .prepare = prepare,
	    .wildcards = wildcards,
	    .arg = f,
	    .warn = warn,
	    .price_table =
		MW_STR("{\"unit\": \"USD per million tokens\", \"models\": {"
		       "\"openai/gpt-4o\": {\"input\": 2.5, \"cached\": 1.25, \"output\": 10},"
		       "\"anthropic/claude-x\": {\"input\": 3, \"output\": 15}}}"),
	};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	mw_metrics_free(f->world.metrics);
	mw_healths_free(f->world.healths);
	free(f);
	return 0;
}

static struct mw_settings *parse(struct fixture *f, const char *yaml)
{
	f->warnings[0] = '\0';
	f->err = (struct mw_err){0};
	return mw_settings_parse(mw_str(yaml), "config.yaml", &f->world, &f->err);
}

/* Good, and without a warning. */
static struct mw_settings *good(struct fixture *f, const char *yaml)
{
	struct mw_settings *s = parse(f, yaml);
	if (!s)
		fail_msg("refused: %s", f->err.text);
	if (f->warnings[0])
		fail_msg("warned: %s", f->warnings);
	return s;
}

static const struct mw_model *find(const struct mw_settings *s, const char *name)
{
	const struct mw_target *only;
	const struct mw_model *m = mw_settings_find(s, mw_str(name), &only);
	if (!m)
		fail_msg("'%s' is not found", name);
	return m;
}

#define ONE "model_list: [{model_name: m, litellm_params: {model: openai/gpt-4o}}]\n"
#define AB                                                                                         \
	"model_list:\n"                                                                            \
	"- {model_name: a, litellm_params: {model: openai/a}}\n"                                   \
	"- {model_name: b, litellm_params: {model: openai/b}}\n"

#define assert_str(s, z)                                                                           \
	do {                                                                                       \
		struct mw_str got_ = (s);                                                          \
		if (!mw_str_is(got_, z))                                                           \
			fail_msg("'%.*s' is not '%s'", MW_FMT(got_), z);                           \
	} while (0)

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
	if (!mw_json_peek(t->spec, NULL, NULL, 0, &root, &err))
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
					     "  model_info: {mode: embedding, id: x}\n");
	const struct mw_target *t = &s->targets[0];
	assert_true(mw_json_is(spec_at(t, "model"), "gpt-4o"));
	assert_true(mw_json_is(spec_at(t, "provider"), "azure"));
	assert_int_equal(spec_at(t, "wildcard").kind, MW_JSON_BOOL);
	assert_false(mw_json_true(spec_at(t, "wildcard")));
	assert_str(spec_at(t, "params.api_base").raw, "\"http://x/\\\"y\"");
	assert_true(mw_json_is(spec_at(t, "params.api_key"), "k"));
	assert_true(mw_json_is(spec_at(t, "params.api_version"), "2024-10-21"));
	assert_true(mw_json_is(spec_at(t, "params.organization"), "org"));
	assert_true(mw_json_is(spec_at(t, "params.mode"), "embedding"));
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
			 " api_base: os.environ/MW_T_PORT}\n");
	const struct mw_target *t = &s->targets[0];
	assert_true(mw_json_is(spec_at(t, "params.api_key"), "outer"));
	assert_true(mw_json_is(spec_at(t, "params.api_base"), "6379"));
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
	assert_str(s->policies[0].params, "{\"ttl\":10,\"lowest_latency_buffer\":0.5}");
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

/* ---- wildcards ------------------------------------------------------------------------------- */

static void assert_sent(const struct mw_settings *s, const char *asked, const char *model)
{
	struct mw_arena *a = mw_arena_new();
	const struct mw_model *m = mw_settings_find(s, mw_str(asked), NULL);
	if (!m && model)
		fail_msg("'%s' is not found", asked);
	if (m && !model)
		fail_msg("'%s' is found as '%.*s'", asked, MW_FMT(m->name));
	if (m) {
		struct mw_str got = mw_settings_target_model(m->targets[0], m, mw_str(asked), a);
		struct mw_str both =
		    mw_arena_printf(a, "%.*s:%.*s", MW_FMT(m->targets[0]->provider), MW_FMT(got));
		if (!mw_str_is(both, model))
			fail_msg(
			    "'%s' is sent as '%.*s', expected '%s'", asked, MW_FMT(both), model);
	}
	mw_arena_free(a);
}

static void the_most_specific_wildcard_wins(void **state)
{
	struct mw_settings *s =
	    good(*state, "model_list:\n"
			 "- {model_name: '*', litellm_params: {model: router/*}}\n"
			 "- {model_name: openai/*, litellm_params: {model: openai/*}}\n"
			 "- {model_name: openai/gpt-4*, litellm_params: {model: azure/four*}}\n"
			 "- {model_name: team-a/*, litellm_params: {model: anthropic/*}}\n"
			 "- {model_name: 'x-*-y', litellm_params: {model: 'p/*'}}\n"
			 "- {model_name: fixed-*, litellm_params: {model: openai/one}}\n"
			 "- {model_name: openai/exact, litellm_params: {model: openai/other}}\n");
	assert_sent(s, "openai/o3", "openai:o3");
	assert_sent(s, "openai/gpt-4o", "azure:fouro");
	assert_sent(s, "openai/exact", "openai:other");
	assert_sent(s, "team-a/claude-x", "anthropic:claude-x");
	assert_sent(s, "x-mid-y", "p:mid");
	assert_sent(
	    s, "x-y", "router:x-y"); /* the star stands for what lies between, not for an overlap */
	assert_sent(s, "fixed-whatever", "openai:one");
	assert_sent(s, "anything", "router:anything");
	assert_sent(s, "router/anything", "router:anything");
	assert_true(find(s, "openai/o3")->wildcard);
	mw_settings_unref(s);
}

static void a_star_alone_stands_for_what_the_providers_know(void **state)
{
	struct mw_settings *s =
	    good(*state, "model_list:\n"
			 "- {model_name: '*', litellm_params: {model: '*'}}\n"
			 "- {model_name: team/*, litellm_params: {model: '*'}}\n"
			 "- {model_name: claude-*, litellm_params: {model: bedrock/*}}\n");
	assert_sent(s, "openai/gpt-4o", "openai:gpt-4o");
	assert_sent(s, "claude-x", "bedrock:x"); /* what the settings name themselves stays */
	assert_sent(s, "team/openai/gpt-4o", "openai:gpt-4o");
	assert_sent(s, "team/claude-x", "anthropic:claude-x");
	assert_sent(s, "nobody/x", NULL);  /* a provider that cannot be prepared is left out */
	assert_sent(s, "keyless/x", NULL); /* and one that has no key, without a word */
	assert_sent(s, "mystery", NULL);
	mw_settings_unref(s);
}

/* ---- aliases and fallbacks ------------------------------------------------------------------- */

static void aliases_of_both_forms(void **state)
{
	struct mw_settings *s =
	    good(*state, AB "- {model_name: w/*, litellm_params: {model: openai/*}}\n"
			    "router_settings:\n"
			    "  model_group_alias:\n"
			    "    one: a\n"
			    "    two: {model: b, hidden: true}\n"
			    "    three: w/gpt\n"
			    "    four: three\n");
	const struct mw_model *one = find(s, "one"), *two = find(s, "two");
	assert_ptr_equal(one->targets[0], find(s, "a")->targets[0]);
	assert_str(one->name, "one");
	assert_str(one->means, "a");
	assert_false(one->hidden);
	assert_ptr_equal(two->targets[0], find(s, "b")->targets[0]);
	assert_true(two->hidden);
	assert_int_equal(find(s, "a")->means.n, 0);
	assert_sent(s, "three", "openai:gpt"); /* the wildcard is filled from what it stands for */
	assert_sent(s, "four", "openai:gpt");
	for (size_t i = 0; i < s->n_models; i++)
		assert_int_equal(s->models[i].index, i);
	mw_settings_unref(s);
}

static void an_alias_wins_over_a_model_of_its_name(void **state)
{
	struct fixture *f = *state;
	struct mw_settings *s = parse(f, AB "router_settings: {model_group_alias: {a: b}}\n");
	assert_non_null(s);
	assert_string_equal(
	    f->warnings, "config.yaml:4: model_group_alias: 'a' hides the model of that name\n");
	assert_str(find(s, "a")->targets[0]->model, "b");
	/* its target can still be asked for by id */
	const struct mw_target *only;
	const struct mw_model *m = mw_settings_find(s, s->targets[0].id, &only);
	assert_ptr_equal(m->targets[0], only);
	assert_str(only->model, "a");
	mw_settings_unref(s);
}

static void assert_fallbacks(const struct mw_settings *s, const char *name, const char *expected)
{
	char got[256] = "";
	const struct mw_model *m = find(s, name);
	for (size_t i = 0; i < m->n_fallbacks; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s", i ? " " : "",
		    MW_FMT(m->fallbacks[i]));
	if (strcmp(got, expected) != 0)
		fail_msg("fallbacks of '%s' are '%s', expected '%s'", name, got, expected);
}

#define ABC                                                                                        \
	AB "- {model_name: c, litellm_params: {model: openai/c}}\n- {model_name: w/*, "            \
	   "litellm_params: {model: openai/*}}\n"

static void fallbacks_of_all_forms(void **state)
{
	struct mw_settings *s =
	    good(*state, ABC "router_settings:\n"
			     "  fallbacks: [{a: [b, c]}, {b: [w/x], w/y: [a]}, {'*': [c]}]\n"
			     "  default_fallbacks: [a]\n" /* '*' came first */
			     "  model_group_alias: {same: a, own: b}\n"
			     "litellm_settings: {fallbacks: [{c: [b]}]}\n");
	assert_fallbacks(s, "a", "b c");
	assert_fallbacks(s, "b", "w/x");
	assert_fallbacks(s, "c", ""); /* everybody's, but never itself */
	assert_fallbacks(s, "w/z", "c");
	assert_fallbacks(s, "w/y", "a"); /* a name that only a wildcard serves */
	assert_sent(s, "w/y", "openai:y");
	assert_true(find(s, "w/y")->hidden);
	assert_fallbacks(s, "same", "b c");
	mw_settings_unref(s);

	s = good(*state, ABC "litellm_settings: {default_fallbacks: [a, b]}\n");
	assert_fallbacks(s, "a", "b");
	assert_fallbacks(s, "c", "a b");
	mw_settings_unref(s);
}

/* ---- policies -------------------------------------------------------------------------------- */

static void policies_in_order_and_the_strategy_last(void **state)
{
	struct fixture *f = *state;
	f->warnings[0] = '\0';
	struct mw_settings *s =
	    mw_settings_parse(MW_STR(AB "policies:\n"
					"- least-busy\n"
					"- sub/mine.lua\n"
					"- alone.lua\n"
					"- path: /abs/folder\n"
					"  params: {x: [1, two], y: null}\n"
					"- name: guard\n"
					"  models: [b]\n"
					"- {name: other, models: a}\n"
					"router_settings: {model_group_alias: {aa: a}}\n"),
		"etc/config.yaml", &f->world, &f->err);
	assert_non_null(s);
	assert_string_equal(f->warnings, "");
	assert_int_equal(s->n_policies, 7);
	assert_str(s->policies[0].name, "least-busy");
	assert_int_equal(s->policies[0].path.n, 0);
	assert_str(s->policies[0].params, "{}");
	assert_int_equal(s->policies[0].line, 5);
	assert_string_equal(s->policies[0].file, "etc/config.yaml");
	assert_str(s->policies[1].path, "etc/sub/mine.lua");
	assert_int_equal(s->policies[1].name.n, 0);
	assert_str(s->policies[2].path, "etc/alone.lua");
	assert_str(s->policies[3].path, "/abs/folder");
	assert_str(s->policies[3].params, "{\"x\":[1,\"two\"],\"y\":null}");
	assert_int_equal(s->policies[3].n_models, 0);
	assert_int_equal(s->policies[4].n_models, 1);
	assert_str(s->policies[6].name, "simple-shuffle");

	const struct mw_model *a = find(s, "a"), *b = find(s, "b"), *aa = find(s, "aa");
	static const size_t of_a[] = {0, 1, 2, 3, 5, 6}, of_b[] = {0, 1, 2, 3, 4, 6};
	assert_int_equal(a->n_policies, 6);
	assert_memory_equal(a->policies, of_a, sizeof(of_a));
	assert_int_equal(b->n_policies, 6);
	assert_memory_equal(b->policies, of_b, sizeof(of_b));
	assert_int_equal(aa->n_policies, 6); /* an alias has those of what it stands for */
	assert_memory_equal(aa->policies, of_a, sizeof(of_a));
	mw_settings_unref(s);
}

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

/* ---- one model, nearest names, references ---------------------------------------------------- */

static void one_model_from_the_command_line(void **state)
{
	struct fixture *f = *state;
	struct mw_settings *s = mw_settings_one_model(MW_STR("gpt \"4\"\\o"), &f->world, &f->err);
	assert_non_null(s);
	assert_string_equal(f->warnings, "");
	assert_str(find(s, "gpt \"4\"\\o")->targets[0]->model, "gpt \"4\"\\o");
	assert_string_equal(s->file, "");
	assert_int_equal(s->n_files, 0);
	mw_settings_unref(s);
	assert_null(mw_settings_one_model(MW_STR("nobody/x"), &f->world, &f->err));
	assert_string_equal(f->err.text, "model_name nobody/x: nobody is no provider");
}

static void the_nearest_names_best_first(void **state)
{
	struct mw_settings *s = good(*state,
	    "model_list:\n"
	    "- {model_name: gpt-4o-mini, litellm_params: {model: openai/a}}\n"
	    "- {model_name: gpt-4o, litellm_params: {model: openai/b}}\n"
	    "- {model_name: claude, litellm_params: {model: openai/c}}\n"
	    "- {model_name: gpt-4, litellm_params: {model: openai/d}}\n"
	    "router_settings: {model_group_alias: {gpt-4p: {model: claude, hidden: true}}}\n");
	struct mw_str out[3];
	assert_int_equal(mw_settings_nearest(s, MW_STR("gpt-4p"), out, 3), 3);
	assert_str(out[0], "gpt-4o");
	assert_str(out[1], "gpt-4");
	assert_str(out[2], "gpt-4o-mini");
	assert_int_equal(mw_settings_nearest(s, MW_STR("clade"), out, 1), 1);
	assert_str(out[0], "claude");
	assert_int_equal(mw_settings_nearest(s, MW_STR("x"), out, 0), 0);
	mw_settings_unref(s);
}

static void a_snapshot_lives_as_long_as_it_is_held(void **state)
{
	struct mw_settings *s = good(*state, ONE);
	assert_ptr_equal(mw_settings_ref(s), s);
	mw_settings_unref(s);
	assert_str(s->targets[0].model, "gpt-4o");
	mw_settings_unref(s);
	mw_settings_unref(NULL);
}

static void a_reload_keeps_health_and_series(void **state)
{
	struct mw_settings *s = good(*state, ONE), *again = good(*state, ONE);
	assert_ptr_equal(s->targets[0].health, again->targets[0].health);
	assert_int_equal(s->targets[0].series, again->targets[0].series);
	mw_settings_unref(s);
	mw_settings_unref(again);
}

static void *look_up(void *arg)
{
	const struct mw_settings *s = arg;
	struct mw_arena *a = mw_arena_new();
	for (int i = 0; i < 2000; i++) {
		const struct mw_target *only;
		const struct mw_model *m = mw_settings_find(s, MW_STR("w/some"), &only);
		mw_settings_target_model(m->targets[0], m, MW_STR("w/some"), a);
		mw_settings_find(s, MW_STR("none"), &only);
		mw_settings_unref(mw_settings_ref(arg));
		mw_arena_reset(a);
	}
	mw_arena_free(a);
	return NULL;
}

static void many_threads_may_look_up(void **state)
{
	struct mw_settings *s = good(*state, ABC);
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_up, s), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	mw_settings_unref(s);
}

/* ---- warnings -------------------------------------------------------------------------------- */

#define PARAMS(more)                                                                               \
	"model_list:\n- model_name: m\n  litellm_params:\n    model: openai/x\n    " more "\n"
#define C "config.yaml:"

static void warnings_name_the_line_and_what_is_known(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *yaml, *says; /* the whole of it */
	} cases[] = {
	    {PARAMS("api_bse: x"),
		C "5: unknown key 'api_bse' in litellm_params; did you mean 'api_base'?\n"},
	    {PARAMS("temprature: 1"),
		C "5: unknown key 'temprature' in litellm_params; did you mean 'temperature'?\n"},
	    {PARAMS("my_servers_own_parameter: 1"), ""}, {PARAMS("foo: 1"), ""},
	    {PARAMS("aws_region_name: x"), ""}, {PARAMS("input_cost_per_image: 1"), ""},
	    {ONE "x-anything: 1\n", ""},
	    {ONE "modle_list: []\n",
		C "2: unknown key 'modle_list' at the top level; did you mean 'model_list'?\n"},
	    {ONE "something: 1\n", C "2: unknown key 'something' at the top level\n"},
	    {ONE "router_settings:\n  num_retrys: 1\n",
		C "3: unknown key 'num_retrys' in router_settings; did you mean 'num_retries'?\n"},
	    {ONE "general_settings:\n  fallbacks: []\n",
		C "3: unknown key 'fallbacks' in general_settings; it belongs in "
		  "router_settings\n"},
	    {ONE "router_settings:\n  master_key: x\n",
		C "3: unknown key 'master_key' in router_settings; it belongs in "
		  "general_settings\n"},
	    {ONE "master_key: x\n",
		C "2: unknown key 'master_key' at the top level; it belongs in general_settings\n"},
	    {ONE "moonweir_settings: {max_body: 1}\n",
		C "2: unknown key 'max_body' in moonweir_settings; did you mean 'max_body_mb'?\n"},
	    {"model_list: [{model_name: m, litellm_parms: {}, litellm_params: {model: "
	     "openai/x}}]\n",
		C "1: unknown key 'litellm_parms' in an entry of model_list; did you mean "
		  "'litellm_params'?\n"},
	    {"model_list:\n- model_name: m\n  litellm_params: {model: openai/x}\n  model_info: "
	     "{base_modle: x, owner: me}\n",
		C "4: unknown key 'base_modle' in model_info; did you mean 'base_model'?\n"},
	    {PARAMS("api_key: os.environ/MW_T_UNSET"),
		C "5: api_key is taken from the environment variable MW_T_UNSET, which is not set: "
		  "it counts as not given\n"},
	    {PARAMS("extra_headers: {X-K: os.environ/MW_T_UNSET}"),
		C "5: X-K is taken from the environment variable MW_T_UNSET, which is not set: it "
		  "counts as not given\n"},
	    {ONE "router_settings: {redis_host: os.environ/MW_T_UNSET}\n",
		""}, /* nobody needs it */
	    {ONE "router_settings:\n  routing_strategy: usage-based-routing-v2\n",
		C "3: routing_strategy 'usage-based-routing-v2' is not there yet; simple-shuffle "
		  "is used in its place\n"},
	    {ONE "router_settings:\n  fallbacks:\n  - m: [gone]\n",
		C "4: fallback 'gone' of 'm' is no known model\n"},
	    {ONE "router_settings:\n  fallbacks:\n  - gone: [m]\n",
		C "4: fallbacks are given for 'gone', which is no known model\n"},
	    {ONE "litellm_settings:\n  default_fallbacks: [gone]\n",
		C "3: fallback 'gone' of '*' is no known model\n"},
	    {ONE "router_settings:\n  model_group_alias:\n    x: gone\n",
		C "4: model_group_alias: 'x' stands for 'gone', which is no known model\n"},
	    {ONE "general_settings:\n  master_key: sk-1234\n",
		C "3: the master key is sk-1234, which everybody knows from LiteLLM's "
		  "documentation: choose another\n"},
	    {"model_list:\n- {model_name: m, litellm_params: {model: openai/x}, model_info: {id: "
	     "i}}\n"
	     "- {model_name: n, litellm_params: {model: openai/x}, model_info: {id: i}}\n",
		C "3: model_info.id 'i' is the id of another deployment too; this one gets an id "
		  "made for it\n"},
	    {"model_list:\n- {model_name: m, litellm_params: {model: keyless/x}}\n",
		C "2: model_name m: there is no key\n"},
	    {"", "config.yaml: model_list is empty: there is no model to ask for\n"},
	    {"model_list: []\n",
		"config.yaml: model_list is empty: there is no model to ask for\n"},
	    {"x-p: &p {model: openai/x, api_bse: 1}\n"
	     "model_list:\n- {model_name: a, litellm_params: *p}\n- {model_name: b, "
	     "litellm_params: *p}\n",
		C
		"1: unknown key 'api_bse' in litellm_params; did you mean 'api_base'?\n"}, /* once */
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_settings *s = parse(f, cases[i].yaml);
		if (!s)
			fail_msg("%s\nis refused: %s", cases[i].yaml, f->err.text);
		if (strcmp(f->warnings, cases[i].says) != 0)
			fail_msg("%s\nwarns '%s', expected '%s'", cases[i].yaml, f->warnings,
			    cases[i].says);
		mw_settings_unref(s);
	}
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void faults_say_what_was_found_and_what_is_allowed(void **state)
{
	struct fixture *f = *state;
	setenv("MW_T_SECRET", "sk-very-secret", 1);
	static const struct {
		const char *yaml, *says; /* the whole of it */
	} cases[] = {
	    {"- a\n", C "1: the file is a list, which is not a map with model_list and the like"},
	    {ONE "router_settings:\n  num_retries: many\n",
		C "3: num_retries is \"many\", which is not a whole number from 0 to 100"},
	    {ONE "router_settings:\n  num_retries: -1\n",
		C "3: num_retries is -1, which is not a whole number from 0 to 100"},
	    {ONE "router_settings:\n  num_retries: 1.5\n",
		C "3: num_retries is 1.5, which is not a whole number from 0 to 100"},
	    {ONE "router_settings:\n  num_retries: [1]\n",
		C "3: num_retries is a list, which is not a whole number from 0 to 100"},
	    {ONE "router_settings:\n  timeout: 0\n",
		C "3: timeout is 0, which is not a number of seconds from 0.001 to 86400"},
	    {ONE "router_settings:\n  cooldown_time: soon\n",
		C "3: cooldown_time is \"soon\", which is not a number of seconds from 0 to 86400"},
	    {ONE "router_settings:\n  disable_cooldowns: maybe\n",
		C "3: disable_cooldowns is \"maybe\", which is not true or false"},
	    {ONE "litellm_settings:\n  num_retries: many\n",
		C "3: num_retries is \"many\", which is not a whole number from 0 to 100"},
	    {ONE "router_settings: 3\n", C "2: router_settings is 3, which is not a map"},
	    {"model_list: {a: b}\n", C "1: model_list is a map, which is not a list"},
	    {"model_list:\n- gpt-4o\n",
		C "2: an entry of model_list is a string, which is not a map"},
	    {"model_list:\n- litellm_params: {model: openai/x}\n",
		C "2: this entry of model_list has no model_name"},
	    {"model_list:\n- model_name: m\n",
		C "2: model_name m: litellm_params.model is missing, such as openai/gpt-4o"},
	    {PARAMS("api_base: [x]"), C "5: api_base is a list, which is not a string"},
	    {PARAMS("weight: -2"), C "5: weight is -2, which is not a number from 0 to 1000000000"},
	    {PARAMS("rpm: os.environ/MW_T_SECRET"),
		C "5: rpm is taken from the environment variable MW_T_SECRET, whose value is not a "
		  "whole number from 0 "
		  "to 4294967295"},
	    {PARAMS("input_cost_per_token: cheap"),
		C "5: input_cost_per_token is \"cheap\", which is not a price of a token in USD, "
		  "such as 2.5e-06"},
	    {PARAMS("litellm_credential_name: gone"),
		C "5: litellm_credential_name is 'gone', which no entry of credential_list has"},
	    {"model_list:\n- {model_name: m, litellm_params: {model: nobody/x}}\n",
		C "2: model_name m: nobody is no provider"},
	    {"model_list:\n- {model_name: 'a*b*', litellm_params: {model: openai/x}}\n",
		C "2: model_name a*b*: a name can hold one '*', not more"},
	    {"model_list:\n- {model_name: m, litellm_params: {model: openai/*}}\n",
		C "2: model_name m: litellm_params.model is 'openai/*', but there is no '*' in "
		  "model_name to fill it from"},
	    {"model_list:\n- {model_name: '*m', litellm_params: {model: '*'}}\n",
		C "2: model_name *m: litellm_params.model is '*', so model_name must end with '*'"},
	    {ONE "general_settings:\n  master_key: os.environ/MW_T_UNSET\n",
		C "3: master_key is taken from the environment variable MW_T_UNSET, which is not "
		  "set or empty; set it, or "
		  "leave master_key out to ask for no key"},
	    {ONE "general_settings:\n  master_key: ''\n",
		C "3: master_key is empty; leave it out to ask for no key"},
	    {ONE "router_settings:\n  fallbacks: [[a]]\n",
		C "3: an entry of fallbacks is not a map of a model to a list, such as {gpt-4o: "
		  "[claude]}"},
	    {ONE "router_settings:\n  fallbacks: [{m: n}]\n",
		C "3: an entry of fallbacks is not a map of a model to a list, such as {gpt-4o: "
		  "[claude]}"},
	    {ONE "router_settings:\n  fallbacks: [{m: [{a: b}]}]\n",
		C "3: a fallback of 'm' is a map, which is not a model's name"},
	    {ONE "router_settings:\n  model_group_alias: {x: [m]}\n",
		C "3: model_group_alias: x is a list; it must be a model's name, or a map with "
		  "`model` and `hidden`"},
	    {ONE "router_settings:\n  routing_strategy: random\n",
		C "3: routing_strategy is 'random', which is none of simple-shuffle, least-busy, "
		  "latency-based-routing; a "
		  "strategy of your own goes into `policies:`"},
	    {ONE "policies:\n- {params: {}}\n",
		C "3: a policy needs either `path:` (a file or folder) or `name:` (one that is "
		  "built in), and has neither"},
	    {ONE "policies:\n- {path: a.lua, name: b}\n",
		C "3: a policy needs either `path:` (a file or folder) or `name:` (one that is "
		  "built in), not both"},
	    {ONE "policies:\n- [3]\n",
		C "3: an entry of policies is a list, which is neither a map nor a string"},
	    {ONE "policies:\n- {name: x, params: [1]}\n",
		C "3: params is a list, which is not a map"},
	    {ONE "policies:\n- {name: x, models: [mm]}\n",
		C "3: models names 'mm', which is no model_name; the nearest is 'm'"},
	    {ONE "policies:\n- {name: x, models: []}\n",
		C "3: models is an empty list; leave it out to bind the policy to all models"},
	    {ONE "environment_variables:\n  X: [1]\n",
		C "3: the environment variable X is a list, which is not a string"},
	    {ONE "moonweir_settings:\n  policy_memory_mb: 0\n",
		C "3: policy_memory_mb is 0, which is not a number from 1 to 1024"},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_settings *s = parse(f, cases[i].yaml);
		if (s)
			fail_msg("%s\nis taken", cases[i].yaml);
		assert_int_equal(f->err.code, MW_ERR_SETTINGS);
		if (strcmp(f->err.text, cases[i].says) != 0)
			fail_msg("%s\nsays '%s', expected '%s'", cases[i].yaml, f->err.text,
			    cases[i].says);
	}
	unsetenv("MW_T_SECRET");
}

static void several_faults_are_told_together(void **state)
{
	struct fixture *f = *state;
	assert_null(
	    parse(f, ONE "router_settings:\n  num_retries: a\n  timeout: b\n  cooldown_time: c\n"));
	assert_string_equal(f->err.text,
	    C "3: num_retries is \"a\", which is not a whole number from 0 to 100\n" C
	      "4: timeout is \"b\", which is not a number of seconds from 0.001 to 86400\n" C
	      "5: cooldown_time is \"c\", which is not a number of seconds from 0 to 86400");
	/* more than there is room for: whole lines, and how many are left */
	char yaml[8192] = "model_list:\n";
	for (int i = 0; i < 40; i++)
		snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
		    "- {model_name: m%d, litellm_params: {model: openai/x, rpm: wrong}}\n", i);
	assert_null(parse(f, yaml));
	const char *more = strrchr(f->err.text, '\n');
	int left, lines = 0;
	assert_int_equal(sscanf(more, "\nand %d more", &left), 1);
	for (const char *at = f->err.text; at != more + 1; at = strchr(at, '\n') + 1)
		lines++;
	assert_int_equal(lines + left, 40);
	assert_null(mw_settings_parse(MW_STR("- a\n"), "x", &f->world, NULL));
}

static void a_refused_file_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	assert_null(parse(f, ONE "router_settings: {fallbacks: 3}\n"));
	struct mw_buf b;
	mw_buf_init(&b, 1u << 20);
	mw_metrics_write(f->world.metrics, &b);
	mw_buf_addc(&b, '\0');
	assert_null(strstr(b.p, "model=\"m\""));
	mw_buf_deinit(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
	    TEST(the_most_specific_wildcard_wins),
	    TEST(a_star_alone_stands_for_what_the_providers_know),
	    TEST(aliases_of_both_forms),
	    TEST(an_alias_wins_over_a_model_of_its_name),
	    TEST(fallbacks_of_all_forms),
	    TEST(policies_in_order_and_the_strategy_last),
	    TEST(a_deployment_may_have_its_own_price),
	    TEST(files_are_included_and_read_once),
	    TEST(the_price_map_may_come_from_litellms_variable),
	    TEST(faults_of_files_say_where),
	    TEST(litellms_configs_load_without_a_word),
	    TEST(one_model_from_the_command_line),
	    TEST(the_nearest_names_best_first),
	    TEST(a_snapshot_lives_as_long_as_it_is_held),
	    TEST(a_reload_keeps_health_and_series),
	    TEST(many_threads_may_look_up),
	    TEST(warnings_name_the_line_and_what_is_known),
	    TEST(faults_say_what_was_found_and_what_is_allowed),
	    TEST(several_faults_are_told_together),
	    TEST(a_refused_file_leaves_no_trace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
