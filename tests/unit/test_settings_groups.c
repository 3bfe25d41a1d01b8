/* SPDX-License-Identifier: MIT
 *
 * shared/settings: wildcards, aliases, fallbacks, policies, and finding a model by name.
 */
#include "settings_world.h"

#include <pthread.h>

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

/* LiteLLM's settings name providers that are not there yet: the rest of them serves. */
static void what_is_left_out_is_spoken_of_once_and_served_by_nobody_else(void **state)
{
	struct fixture *f = *state;
	struct mw_settings *s =
	    parse(f, "model_list:\n"
		     "- {model_name: '*', litellm_params: {model: openai/*}}\n"
		     "- {model_name: mixed, litellm_params: {model: later/x}}\n"
		     "- {model_name: mixed, litellm_params: {model: openai/x}}\n"
		     "- {model_name: none, litellm_params: {model: later/x}}\n"
		     "- {model_name: later/*, litellm_params: {model: later/*}}\n"
		     "router_settings:\n"
		     "  fallbacks: [{mixed: [none, alias, later/y]}, {none: [mixed]}]\n"
		     "  model_group_alias: {alias: none}\n"
		     "policies: [{name: least-busy, models: [none, later/*]}]\n");
	assert_non_null(s);
	assert_string_equal(f->warnings,
	    "config.yaml:3: model_name mixed is left out: it is not there yet\n"
	    "config.yaml:5: model_name none is left out: it is not there yet\n"
	    "config.yaml:6: model_name later/* is left out: it is not there yet\n");
	assert_int_equal(s->n_targets, 2);
	assert_int_equal(find(s, "mixed")->n_targets, 1);
	assert_str(find(s, "else")->name, "*");
	assert_null(mw_settings_find(s, MW_STR("none"), NULL));
	assert_null(mw_settings_find(s, MW_STR("alias"), NULL));
	assert_null(mw_settings_find(s, MW_STR("later/y"), NULL));
	struct mw_str near[4];
	for (size_t i = mw_settings_nearest(s, MW_STR("none"), near, 4); i-- > 0;)
		assert_false(mw_str_is(near[i], "none"));
	mw_settings_unref(s);
}

static void an_alias_of_what_is_left_out_hides_a_model_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct mw_settings *s = parse(f, "model_list:\n"
					 "- {model_name: a, litellm_params: {model: openai/x}}\n"
					 "- {model_name: none, litellm_params: {model: later/x}}\n"
					 "router_settings: {model_group_alias: {a: none}}\n");
	assert_non_null(s);
	assert_non_null(
	    strstr(f->warnings, "config.yaml:4: model_group_alias: 'a' hides the model"));
	assert_null(mw_settings_find(s, MW_STR("a"), NULL));
	for (size_t i = 0; i < s->n_models; i++)
		assert_true(s->models[i].hidden); /* nobody is offered what nobody serves */
	mw_settings_unref(s);
}

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

static void a_policy_may_be_bound_to_a_pattern(void **state)
{
	struct mw_settings *s =
	    good(*state, ABC "policies:\n"
			     "- {name: x, models: 'w/*'}\n"
			     "- {name: y, models: ['*']}\n"
			     "router_settings: {model_group_alias: {same: w/some, w/n: a}}\n");
	static const size_t of_a[] = {1, 2}, of_w[] = {0, 1, 2};
	assert_int_equal(find(s, "a")->n_policies, 2);
	assert_memory_equal(find(s, "a")->policies, of_a, sizeof(of_a));
	static const char *const all[] = {"w/any", "same", "w/n"};
	for (size_t i = 0; i < MW_LEN(all); i++) {
		assert_int_equal(find(s, all[i])->n_policies, 3);
		assert_memory_equal(find(s, all[i])->policies, of_w, sizeof(of_w));
	}
	mw_settings_unref(s);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_most_specific_wildcard_wins),
	    TEST(a_star_alone_stands_for_what_the_providers_know),
	    TEST(aliases_of_both_forms),
	    TEST(an_alias_wins_over_a_model_of_its_name),
	    TEST(fallbacks_of_all_forms),
	    TEST(what_is_left_out_is_spoken_of_once_and_served_by_nobody_else),
	    TEST(an_alias_of_what_is_left_out_hides_a_model_and_says_so),
	    TEST(policies_in_order_and_the_strategy_last),
	    TEST(a_policy_may_be_bound_to_a_pattern),
	    TEST(one_model_from_the_command_line),
	    TEST(the_nearest_names_best_first),
	    TEST(a_snapshot_lives_as_long_as_it_is_held),
	    TEST(a_reload_keeps_health_and_series),
	    TEST(many_threads_may_look_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
