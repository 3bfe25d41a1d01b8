/* SPDX-License-Identifier: MIT
 *
 * script/policy, load and param: what a bundle may be, and what is said of one that is not so.
 */
#include "script_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int open_world(void **state)
{
	*state = world_new();
	return 0;
}

static int close_world(void **state)
{
	world_free(*state);
	return 0;
}

#define HEAD "local P = mw.policy{ name = 'mine', api = 1, kind = 'route'"

struct broken {
	const char *source, *said;
};

static const struct broken broken[] = {
    /* the file */
    {"return", "mine.lua:1: MW402 the file declares no policy"},
    {"", "mine.lua:1: MW402"},
    {"x = = 1", "mine.lua:1: MW401 unexpected symbol near '='"},
    {"\n\nlocal a = 1\nreturn mw.policy{ name = }", "mine.lua:4: MW401"},
    {"local x = 'open", "mine.lua:1: MW401"},
    {"\x1bLJ\x02", "MW401"},
    {"return {}", "MW402 the file declares no policy"},
    {HEAD " }", "MW402 the file returns nil; it must return what mw.policy gave it"},
    {HEAD " } return {}", "MW402 the file returns a table"},
    {"local x = nil\nlocal y = x.z", "mine.lua:2: MW100 attempt to index local 'x'"},
    {"error('on purpose')", "mine.lua:1: MW100 on purpose"},
    {"error({})", "mine.lua:1: MW100 an error value that is not a string"},
    {"error({ message = 'told' })", "mine.lua:1: MW100 told"},
    {"local x = undefined_thing", "mine.lua:1: MW102 there is no global 'undefined_thing'"},
    {"os.exit(1)", "MW102 there is no global 'os'"},
    /* the manifest */
    {"return mw.policy()", "mine.lua: MW403 mw.policy needs a table, not nil"},
    {"return mw.policy{ api = 1, kind = 'route' }", "MW403 mw.policy needs 'name', a string"},
    {"return mw.policy{ name = 'x', kind = 'route' }", "needs 'api', a number"},
    {"return mw.policy{ name = 'x', api = 2, kind = 'route' }",
	"api is 2; this version of Moonweir knows api = 1"},
    {"return mw.policy{ name = 'x', api = '1', kind = 'route' }",
	"'api' must be a number, not string \"1\""},
    {"return mw.policy{ name = 'x', api = 1, kind = 'router' }",
	"kind is 'router'; allowed are guard, rewrite, route and observe"},
    {"return mw.policy{ name = 'My Policy', api = 1, kind = 'route' }",
	"the name 'My Policy' must be"},
    {"return mw.policy{ name = '', api = 1, kind = 'route' }", "must be 1 to 63 small letters"},
    {"return mw.policy{\n name = 'x', api = 1, kind = 'route', sumary = 'y' }",
	"MW403 mw.policy has no 'sumary' (did you mean 'summary'?)"},
    {HEAD " } mw.policy{ name = 'two', api = 1, kind = 'route' } return P",
	"MW403 mw.policy is called a second time"},
    {HEAD ", needs = { 'stats', 'fetch' } } return P",
	"MW403 mw.policy: needs 'fetch', which this version does not have"},
    {HEAD ", needs = { 'stat' } } return P", "(did you mean 'stats'?)"},
    /* hooks */
    {HEAD " }\nfunction P.rout() end return P",
	"mine.lua:2: MW404 there is no hook 'rout' (did you mean 'route'?)"},
    {HEAD " }\n\nP.route = 5 return P",
	"mine.lua:3: MW404 the hook route must be a function, not number 5"},
    {HEAD " } P[1] = print return P", "MW102"},
    {HEAD " } P[1] = pcall return P", "MW404"},
    {HEAD " } function P.init() error('no') end return P", "mine.lua:1: MW100 no"},
    {HEAD " } function P.init() return 1 end return P",
	"mine.lua:1: MW201 the hook init returned number 1; it may return nothing"},
    {HEAD " }\n function P.init()\n  counter = 1\n end return P", "mine.lua:3: MW101"},
    /* parameters as declared */
    {HEAD ", params = { 1 } } return P", "MW405 params are written as"},
    {HEAD ", params = { x = 5 } } return P", "MW405"},
    {HEAD ", params = { x = {} } } return P", "MW405 the parameter 'x' needs 'type', a string"},
    {HEAD ", params = { x = { type = 'int' } } } return P",
	"the parameter 'x' has the type 'int'; allowed are number, integer"},
    {HEAD ", params = { x = { type = 'number', defualt = 1 } } } return P",
	"has no 'defualt' (did you mean 'default'?)"},
    {HEAD ", params = { x = { type = 'number', default = 'a' } } } return P",
	"has the default string \"a\"; it must be a number"},
    {HEAD ", params = { x = { type = 'integer', default = 1.5 } } } return P",
	"it must be an integer"},
    {HEAD ", params = { x = { type = 'number', default = 5, max = 4 } } } return P",
	"has the default number 5; allowed is 4 or less"},
    {HEAD ", params = { x = { type = 'string', default = 'c', enum = { 'a', 'b' } } } } return P",
	"; allowed are a, b"},
    {HEAD ", params = { x = { type = 'string', min = 1 } } } return P",
	"has min or max, which are for numbers"},
    /* require */
    {"require('util')",
	"mine.lua:1: MW407 require finds no 'util' among this policy's files: policy.lua"},
    {"require('os')", "MW407"},
    {"require('../../etc/passwd')", "MW407"},
};

static void what_is_wrong_is_said_with_file_line_and_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < MW_LEN(broken); i++) {
		struct world *w = world_new();
		world_add(w, broken[i].source);
		if (world_load(w))
			fail_msg("this loads: %s", broken[i].source);
		if (!strstr(w->err.text, broken[i].said))
			fail_msg("%s\n  says: %s\n  not:  %s", broken[i].source, w->err.text,
			    broken[i].said);
		assert_int_equal(w->err.code, MW_ERR_SCRIPT);
		world_free(w);
	}
}

/* ---- parameters of the settings ---- */

#define DECLARED                                                                                   \
	"local P = mw.policy{ name = 'mine', api = 1, kind = 'guard', params = {"                  \
	" limit = { type = 'integer', default = 10, min = 1, max = 100 },"                         \
	" rate = { type = 'number', min = 0 },"                                                    \
	" mode = { type = 'string', default = 'soft', enum = { 'soft', 'hard' } },"                \
	" on = { type = 'boolean', default = true },"                                              \
	" words = { type = 'list' } } } "

static const struct broken bad_params[] = {
    {"{\"limt\":5}",
	"config.yaml:7: MW406 the policy 'mine' has no parameter 'limt' (did you mean 'limit'?)"},
    {"{\"limit\":500}", "config.yaml:7: MW406 the policy 'mine': the parameter 'limit' is number "
			"500; allowed is 1 to 100"},
    {"{\"limit\":1.5}", "it must be an integer"},
    {"{\"limit\":\"5\"}", "is a string; it must be an integer"},
    {"{\"rate\":-1}", "is number -1; allowed is 0 or more"},
    {"{\"mode\":\"hrad\"}", "is string \"hrad\"; allowed are soft, hard"},
    {"{\"mode\":true}", "is true; it must be a string"},
    {"{\"on\":1}", "it must be a boolean"},
    {"{\"words\":\"a\"}", "it must be a list"},
    {"{\"words\":{\"a\":1}}", "is a mapping"},
    {"{\"limit\":null}", "is nil; it must be an integer"},
};

static void parameters_are_checked_against_the_manifest(void **state)
{
	(void)state;
	for (size_t i = 0; i < MW_LEN(bad_params); i++) {
		struct world *w = world_new();
		world_add(w, DECLARED WORLD_TAIL)->params = mw_str(bad_params[i].source);
		if (world_load(w))
			fail_msg("this is taken: %s", bad_params[i].source);
		if (!strstr(w->err.text, bad_params[i].said))
			fail_msg("%s\n  says: %s\n  not:  %s", bad_params[i].source, w->err.text,
			    bad_params[i].said);
		world_free(w);
	}
}

static const char *params_seen(struct world *w, const char *json)
{
	struct mw_decision d;
	world_add(w, DECLARED
	    "function P.admit(req, p) return mw.answer{ text = table.concat({ tostring(p.limit), "
	    "tostring(p.rate), p.mode, tostring(p.on), tostring(p.words and #p.words) }, ' ') } "
	    "end" WORLD_TAIL)
	    ->params = mw_str(json);
	assert_true(world_load(w));
	mw_hook_admit(w->policies, &w->call, &d);
	snprintf(w->text, sizeof(w->text), "%.*s", MW_FMT(d.text));
	return w->text;
}

static void hooks_get_the_settings_values(void **state)
{
	assert_string_equal(params_seen(*state, "{\"limit\":7,\"rate\":0.5,\"mode\":\"hard\","
						"\"on\":false,\"words\":[\"a\",\"b\"]}"),
	    "7 0.5 hard false 2");
}

static void hooks_cannot_overwrite_them(void **state)
{
	struct world *w = *state;
	struct mw_decision d;
	world_add(w,
	    DECLARED "function P.admit(req, p) local ok = pcall(function() p.limit = 7 end) "
		     "return mw.answer{ text = tostring(ok) .. ' ' .. p.limit } end" WORLD_TAIL)
	    ->params = MW_STR("{\"limit\":3}");
	assert_true(world_load(w));
	mw_hook_admit(w->policies, &w->call, &d);
	assert_true(mw_str_is(d.text, "false 3"));
}

static void and_the_defaults_for_what_is_not_set(void **state)
{
	assert_string_equal(params_seen(*state, ""), "10 nil soft true nil");
}

static void a_strategy_takes_arguments_that_are_for_another(void **state)
{
	struct world *w = *state;
	world_add(w, DECLARED WORLD_TAIL)->params = MW_STR("{\"ttl\":5,\"limit\":3}");
	w->settings.n_policies = 1; /* the last is the strategy */
	assert_true(world_load(w));
}

/* ---- files ---- */

static void a_policy_requires_its_own_files(void **state)
{
	struct world *w = *state;
	struct mw_decision d;
	world_add(w,
	    WORLD_HEAD("guard") "local util = require('util') assert(require('util') == util)\n"
				"assert(require('deep.down').name == 'down')\n"
				"function P.admit() return mw.answer{ text = util.greet('you') } "
				"end" WORLD_TAIL);
	world_add_file(w, "util.lua", "mine/util.lua",
	    "local M = {} function M.greet(n) return 'hi ' .. n end return M");
	world_add_file(w, "deep/down.lua", "mine/deep/down.lua", "return { name = 'down' }");
	if (!world_load(w))
		fail_msg("%s", w->err.text);
	mw_hook_admit(w->policies, &w->call, &d);
	assert_true(mw_str_is(d.text, "hi you"));
}

static void an_error_in_a_required_file_names_that_file(void **state)
{
	struct world *w = *state;
	world_add(w, WORLD_HEAD("guard") "require('util')" WORLD_TAIL);
	world_add_file(w, "util.lua", "mine/util.lua", "\n\nlocal x = = 1");
	assert_contains(world_refusal(w), "mine/util.lua:3: MW401");
}

static void files_that_require_each_other_are_refused(void **state)
{
	struct world *w = *state;
	world_add(w, WORLD_HEAD("guard") "require('a')" WORLD_TAIL);
	world_add_file(w, "a.lua", "mine/a.lua", "require('b')");
	world_add_file(w, "b.lua", "mine/b.lua", "\nrequire('a')");
	assert_contains(world_refusal(w), "mine/b.lua:2: MW407 'a' requires itself");
}

static void require_and_manifest_are_not_for_hooks(void **state)
{
	struct world *w = *state;
	assert_contains(world_eval(w, "require('x')"), "MW303 require is for the top of a file");
	assert_contains(world_eval(w, "mw.policy{ name = 'x', api = 1, kind = 'guard' }"), "MW303");
	assert_contains(
	    world_eval(w, "(function() P.route = pcall end)()"), "MW303 hooks are set while");
}

static void one_broken_policy_refuses_the_bundle(void **state)
{
	struct world *w = *state;
	world_add(w, WORLD_HEAD("guard") WORLD_TAIL);
	world_add(w, "return 1");
	assert_contains(world_refusal(w), "MW402");
}

/* ---- asking ---- */

static void what_no_policy_has_is_not_wanted(void **state)
{
	struct world *w = *state;
	world_add(w, WORLD_HEAD("guard") "function P.admit() end" WORLD_TAIL);
	world_add(w, WORLD_HEAD("observe") "function P.complete() end" WORLD_TAIL);
	w->model.n_policies = 1; /* the second is bound to another model */
	assert_true(world_load(w));
	assert_true(mw_policies_want(w->policies, &w->model, MW_HOOK_ADMIT));
	assert_false(mw_policies_want(w->policies, &w->model, MW_HOOK_COMPLETE));
	assert_true(mw_policies_want(w->policies, NULL, MW_HOOK_COMPLETE));
	assert_false(mw_policies_want(w->policies, NULL, MW_HOOK_ROUTE));
	struct mw_buf b;
	mw_buf_init(&b, 1000);
	mw_policies_describe(w->policies, &b);
	assert_true(mw_str_is(mw_buf_str(&b), "mine@0123456, mine@0123456"));
	mw_buf_deinit(&b);
}

static void init_runs_once_and_its_locals_last(void **state)
{
	struct world *w = *state;
	struct mw_decision d;
	world_add(w, WORLD_HEAD("guard") "local n = 0 function P.init(p) n = n + 100 end "
					 "function P.admit() n = n + 1 return mw.answer{ text = "
					 "tostring(n) } end" WORLD_TAIL);
	assert_true(world_load(w));
	mw_hook_admit(w->policies, &w->call, &d);
	mw_hook_admit(w->policies, &w->call, &d);
	assert_true(mw_str_is(d.text, "102"));
}

static const char *readme(void)
{
	static char text[200000];
	FILE *f = fopen("policies/README.md", "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static void the_example_of_the_readme_loads(void **state)
{
	struct world *w = *state;
	static char source[4000];
	const char *begin = strstr(readme(), "```lua\n") + strlen("```lua\n");
	snprintf(source, sizeof(source), "%.*s", (int)(strstr(begin, "```") - begin), begin);
	world_add(w, source);
	if (!world_load(w))
		fail_msg("%s", w->err.text);
	assert_true(mw_policies_want(w->policies, &w->model, MW_HOOK_ROUTE));
}

/* Every code of the list is in the table of errors that people read. */
static void every_code_is_in_the_readme(void **state)
{
	(void)state;
	static const int codes[] = {
#define MW_CODE(id, number, short) number,
#include "script/codes.def"
#undef MW_CODE
	};
	for (size_t i = 0; i < MW_LEN(codes); i++) {
		char row[16];
		snprintf(row, sizeof(row), "| MW%d |", codes[i]);
		if (!strstr(readme(), row))
			fail_msg("policies/README.md has no row for MW%d", codes[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_wrong_is_said_with_file_line_and_code),
	    cmocka_unit_test(parameters_are_checked_against_the_manifest),
	    cmocka_unit_test_setup_teardown(hooks_get_the_settings_values, open_world, close_world),
	    cmocka_unit_test_setup_teardown(hooks_cannot_overwrite_them, open_world, close_world),
	    cmocka_unit_test_setup_teardown(
		and_the_defaults_for_what_is_not_set, open_world, close_world),
	    cmocka_unit_test_setup_teardown(
		a_strategy_takes_arguments_that_are_for_another, open_world, close_world),
	    cmocka_unit_test_setup_teardown(
		a_policy_requires_its_own_files, open_world, close_world),
	    cmocka_unit_test_setup_teardown(
		an_error_in_a_required_file_names_that_file, open_world, close_world),
	    cmocka_unit_test_setup_teardown(
		files_that_require_each_other_are_refused, open_world, close_world),
	    cmocka_unit_test_setup_teardown(
		require_and_manifest_are_not_for_hooks, open_world, close_world),
	    cmocka_unit_test_setup_teardown(
		one_broken_policy_refuses_the_bundle, open_world, close_world),
	    cmocka_unit_test_setup_teardown(
		what_no_policy_has_is_not_wanted, open_world, close_world),
	    cmocka_unit_test_setup_teardown(
		init_runs_once_and_its_locals_last, open_world, close_world),
	    cmocka_unit_test_setup_teardown(
		the_example_of_the_readme_loads, open_world, close_world),
	    cmocka_unit_test(every_code_is_in_the_readme),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
