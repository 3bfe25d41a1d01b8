/* SPDX-License-Identifier: MIT
 *
 * script/sandbox: what policies see of Lua, and that what is ours instead of Lua's answers as Lua
 * does.
 */
#include "script_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

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

static void gone(struct world *w, const char *expression, const char *why)
{
	assert_contains(world_eval(w, expression), why);
}

static void what_reaches_outside_is_not_there(void **state)
{
	static const char *const names[] = {"io", "os", "debug", "package", "ffi", "jit", "load",
	    "loadstring", "dofile", "loadfile", "collectgarbage", "newproxy", "getfenv", "setfenv",
	    "module", "print", "rawset", "xpcall", "coroutine", "gcinfo", "_G"};
	char text[80];
	for (size_t i = 0; i < MW_LEN(names); i++) {
		snprintf(text, sizeof(text), "there is no global '%s'", names[i]);
		gone(*state, names[i], text);
	}
	gone(*state, "string.dump", "nil");
	gone(*state, "math.randomseed", "nil");
	gone(*state, "table.foreach", "nil");
	gone(*state, "print('x')", "mw.log.info");
}

static void the_metatable_of_strings_is_locked(void **state)
{
	gone(*state, "getmetatable('')", "false");
	gone(*state, "pcall(setmetatable, '', {})", "false");
	assert_string_equal(world_eval(*state, "('x'):rep(3)"), "xxx");
	assert_string_equal(world_eval(*state, "('a.b'):find('.', 1, true)"), "2");
	assert_string_equal(world_eval(*state, "('%d items'):format(4)"), "4 items");
}

static void a_library_changed_by_one_policy_is_whole_for_the_next(void **state)
{
	struct world *w = *state;
	struct mw_decision d;
	mw_policies_free(w->policies);
	w->bundle.n_policies = w->sources[0].n_files = 0;
	world_add(w,
	    WORLD_HEAD("guard") "math.floor = nil string.upper = function() return 'spoilt' end "
				"table.sort = 1 tostring = nil" WORLD_TAIL);
	w->sources[1].n_files = 0;
	world_add(w,
	    WORLD_HEAD("guard") "function P.admit() return mw.answer{ text = ('a'):upper() .. "
				"string.upper('b') .. tostring(math.floor(1.5)) } end" WORLD_TAIL);
	assert_true(world_load(w));
	mw_hook_admit(w->policies, &w->call, &d);
	assert_int_equal(d.verdict, MW_ANSWER);
	assert_true(mw_str_is(d.text, "AB1"));
}

static void globals_are_written_only_while_a_file_is_loaded(void **state)
{
	assert_string_equal(world_eval_in(*state, "limit = 5", "limit"), "5");
	assert_string_equal(
	    world_eval_in(*state, "function double(x) return 2 * x end", "double(4)"), "8");
	const char *said = world_eval_in(*state, "", "(function() count = 1 end)()");
	assert_contains(said, "mine.lua:3: MW101");
	assert_contains(said, "\"count\" is not declared");
	assert_contains(
	    world_eval_in(*state, "count = 1", "(function() count = 2 end)()"), "MW101");
}

static void reading_what_is_not_there_names_it(void **state)
{
	const char *said = world_eval_in(*state, "local function f() return limt end", "f()");
	assert_contains(said, "mine.lua:1: MW102 there is no global 'limt'");
	assert_contains(world_eval(*state, "tostrin(1)"), "did you mean 'tostring'?");
	assert_contains(
	    world_eval(*state, "mw.jsn"), "MW103 there is no mw.jsn (did you mean 'json'?)");
	assert_contains(world_eval(*state, "mw.random.unitt()"),
	    "there is no mw.random.unitt (did you mean 'unit'?)");
	assert_contains(world_eval(*state, "p.limit"), "MW103 the policy has no parameter 'limit'");
}

static void mw_cannot_be_changed(void **state)
{
	static const char *const tries[] = {"mw.extra = 1", "mw.reject = nil", "mw.json.extra = 1",
	    "mw.json.encode = nil", "p.extra = 1"};
	for (size_t i = 0; i < MW_LEN(tries); i++) {
		char source[100];
		snprintf(source, sizeof(source), "(function() %s end)()", tries[i]);
		assert_contains(world_eval(*state, source), "MW101");
	}
	assert_contains(
	    world_eval_in(*state, "mw.reject = nil", "1"), "MW101 mw cannot be changed");
}

static void libraries_are_changed_only_while_a_file_is_loaded(void **state)
{
	assert_string_equal(
	    world_eval_in(*state, "function math.double(x) return 2 * x end math.floor = nil",
		"math.double(4) .. tostring(math.floor)"),
	    "8nil");
	assert_contains(world_eval(*state, "(function() math.floor = nil end)()"),
	    "MW101 math cannot be changed in a hook");
	assert_contains(world_eval(*state, "(function() string.trim = 1 end)()"), "MW101 string");
	assert_string_equal(world_eval(*state, "math.floor(1.5)"), "1");
}

static void nothing_prints_an_address(void **state)
{
	assert_string_equal(world_eval(*state, "tostring({})"), "table");
	assert_string_equal(
	    world_eval(*state, "tostring(print_me)"), world_eval(*state, "tostring(print_me)"));
	assert_string_equal(world_eval(*state, "tostring(pcall)"), "function");
	assert_string_equal(world_eval(*state, "tostring(req)"), "request");
	assert_string_equal(
	    world_eval(*state, "string.format('%s %s', {}, pcall)"), "table function");
	assert_contains(world_eval(*state, "string.format('%5p', {})"), "'%p' is not offered");
	assert_string_equal(
	    world_eval(
		*state, "tostring(setmetatable({}, {__tostring = function() return 'me' end}))"),
	    "me");
}

static void pairs_walks_in_an_order_that_is_always_the_same(void **state)
{
	static const char *const build = "local function keys(t) local out = {} for k in pairs(t) "
					 "do out[#out + 1] = tostring(k) end "
					 "return table.concat(out, ' ') end";
	struct world *w = *state;
	assert_string_equal(
	    world_eval_in(w, build, "keys{ 'x', 'y', b = 1, a = 2, [10] = 3, [2.5] = 1, c = 1 }"),
	    "1 2 2.5 10 a b c");
	assert_string_equal(world_eval_in(w, build, "keys{}"), "");
	assert_string_equal(
	    world_eval_in(w, build, "keys{ [true] = 1, z = 1, [-1] = 1 }"), "-1 z true");
	assert_string_equal(world_eval_in(w, build, "keys{ 1, nil, 3 }"), "1 3");
	assert_string_equal(
	    world_eval_in(w,
		"local t = { a = 1, b = 2, c = 3 } for k in pairs(t) do t[k] = nil end", "next(t)"),
	    "nil");
	assert_string_equal(world_eval(w, "next({ z = 1, a = 2 })"), "a");
	assert_contains(world_eval(w, "next({ a = 1 }, 'a')"), "walk with pairs");
	assert_contains(
	    world_eval_early(w, "local t = {} for i = 1, 10001 do t['k' .. i] = i end", "pairs(t)"),
	    "MW113");
}

static void library_functions_have_ceilings(void **state)
{
	struct world *w = *state;
	assert_contains(world_eval_early(w, "", "('x'):rep(1e9)"), "MW113");
	assert_contains(world_eval_early(w, "", "('x'):rep(1048577)"), "MW113");
	assert_string_equal(world_eval_early(w, "", "#('x'):rep(1048576)"), "1048576");
	assert_string_equal(world_eval_early(w, "", "('ab'):rep(3, '-')"), "ab-ab-ab");
	assert_string_equal(world_eval_early(w, "", "(''):rep(1e18)"), "");
	assert_string_equal(world_eval_early(w, "", "('x'):rep(-1)"), "");
	assert_contains(
	    world_eval_early(w, "local s = ('x'):rep(600000)", "table.concat({s, s})"), "MW113");
	assert_contains(
	    world_eval_early(w, "local s = ('x'):rep(600000)", "string.format('%s%s', s, s)"),
	    "MW113");
	assert_contains(
	    world_eval_early(w, "local t = {} for i = 1, 10001 do t[i] = i end", "table.sort(t)"),
	    "MW113");
	assert_contains(
	    world_eval_early(w, "", "table.insert({}, -2e9, 1)"), "is not in a list of 0");
	assert_contains(
	    world_eval_early(w, "", "table.remove({1}, -2e9)"), "is not in a list of 1");
	assert_contains(world_eval_early(w, "", "('x'):rep(3000):find('.-.-.-.-b')"), "MW115");
	assert_contains(world_eval_early(w, "", "('x'):find('[')"), "MW114");
}

static void deep_recursion_through_c_is_an_error(void **state)
{
	struct world *w = *state;
	assert_contains(
	    world_eval_early(w, "local function f() local ok, e = pcall(f) return e end", "f()"),
	    "MW112");
	assert_contains(
	    world_eval_early(w, "local function f() return (('x'):gsub('x', f)) end", "f()"),
	    "MW112");
	assert_contains(
	    world_eval_early(w, "local function f() table.sort({1, 2}, f) end", "f()"), "MW112");
	assert_contains(
	    world_eval_early(w,
		"local t = setmetatable({}, {}) getmetatable(t).__tostring = function() return "
		"tostring(t) end",
		"tostring(t)"),
	    "MW112");
	assert_contains(
	    world_eval_early(w,
		"local t = setmetatable({}, {}) getmetatable(t).__index = function() return "
		"('x'):gsub('x', t) end",
		"('x'):gsub('x', t)"),
	    "MW112");
	assert_contains(world_eval_early(w,
			    "local m = {} m.__lt = function() table.sort({setmetatable({}, m), "
			    "setmetatable({}, m)}) "
			    "end",
			    "setmetatable({}, m) < setmetatable({}, m)"),
	    "MW112");
	assert_contains(
	    world_eval_early(w, "local function f() return 1 + f() end", "f()"), "stack overflow");
}

static void metatables_of_json_are_not_for_policies(void **state)
{
	struct world *w = *state;
	assert_string_equal(world_eval(w, "getmetatable(mw.json.decode('{\"a\":1}'))"), "nil");
	assert_string_equal(world_eval(w, "getmetatable(mw.json.decode('[]'))"), "nil");
	assert_string_equal(
	    world_eval(w, "getmetatable(setmetatable({}, {__index = {}})).__index ~= nil"), "true");
	assert_string_equal(world_eval(w, "getmetatable(req)"), "false");
	assert_string_equal(
	    world_eval(w, "getmetatable(setmetatable({}, {__metatable = 'mine'}))"), "mine");
}

/* ---- as in Lua ---- */

static const char *const same[] = {
    "('hello'):find('l')",
    "('hello'):find('l', -2)",
    "('hello'):find('', 10)",
    "('hello'):find('x')",
    "('hello'):find('h', 0)",
    "('hello'):find('h', -100)",
    "('hello'):find('', 6)",
    "('hello'):find('')",
    "('hello'):find('l', 1, true)",
    "('a.b'):find('.', 1, true)",
    "('a.b'):find('.', 2, false)",
    "('hello'):match('l+')",
    "('hello'):match('(h)(e)')",
    "('hello'):match('()ll()')",
    "('x'):match('y')",
    "('  x '):match('^%s*(.-)%s*$')",
    "('2024-01'):match('(%d+)-(%d+)')",
    "('hello'):match('.', -1)",
    "('hello'):match('^l', 3)",
    "('abc'):gsub('%w', '%0%0')",
    "('abc'):gsub('%w', '%%')",
    "('abc'):gsub('', '-')",
    "('abc'):gsub('', '-', 2)",
    "(''):gsub('', '-')",
    "('aXbXXc'):gsub('X*', '.')",
    "('abc'):gsub('c', '')",
    "('abc'):gsub('$', '!')",
    "('abc'):gsub('^', '!')",
    "(('ab, cd; '):rep(30)):gsub('[%a_]+', '<%0>')",
    "(('joe@a.b '):rep(60)):gsub('[%w.]+@[%w]+', 'x')",
    "(('a1b22 '):rep(50)):gsub('()[0-9]+', '%1')",
    "(('a\\0b'):rep(99)):gsub('[%z]', '0')",
    "(('xay'):rep(99)):gsub('[^a]-a', '.')",
    "(('xay'):rep(99)):gsub('.*a', '.')",
    "(('f(x) '):rep(99)):gsub('%b()', '')",
    "(('one two '):rep(50)):gsub('%f[%w]%w', string.upper)",
    "(('aab'):rep(99)):gsub('(a)%1', '%1')",
    "('abc'):gsub('b*', 'x')",
    "('hello world'):gsub('o', '0', 1)",
    "('abc'):gsub('(a)(b)', '%2%1')",
    "('abc'):gsub('b', {b = 'B'})",
    "('abc'):gsub('b', {b = false})",
    "('abc'):gsub('%w', function(c) if c == 'b' then return 'X' end end)",
    "('abc'):gsub('^a', 'x')",
    "('aaa'):gsub('^a', 'x')",
    "('abc'):gsub('b', '%1')",
    "('abc'):gsub('x', 'y')",
    "('abc'):gsub('.', '', 0)",
    "('abc'):gsub('.', '', -1)",
    "('abc'):gsub('()', '%1')",
    "('abc'):gsub('a', 7)",
    "('k=v; x=y'):gsub('(%w+)=(%w+)', '%2=%1')",
    "('abc'):gsub('.', {a = 1, b = true and 'B'})",
    "('x'):rep(0)",
    "('x'):rep(2.9)",
    "('ab'):rep(2)",
    "table.concat({1, 2, 3}, ', ')",
    "table.concat({'a', 'b', 'c'}, '-', 2)",
    "table.concat({'a', 'b', 'c'}, '-', 2, 2)",
    "table.concat({}, 'x')",
    "table.concat({1.5, 'x'})",
    "string.format('%5.2f|%d|%s|%q', 1.234, 7, 'x', 'a\"b')",
    "string.format('%x %X %o %c %e %g %i %u', 255, 255, 8, 65, 1.5, 0.1, 3, 4)",
    "string.format('%%')",
    "string.format('%-5s|%5s', 'a', 'b')",
    "string.format('%s', nil)",
    "string.format('%s', true)",
    "tostring(nil)",
    "tostring(true)",
    "tostring(1e15)",
    "tostring(0.1)",
    "tostring('x')",
    "tostring(-0)",
    "tostring(1e100)",
    "tostring(1/0)",
    "select('#', unpack({1, 2, 3}))",
    "tonumber('0x10')",
    "tonumber('z', 36)",
    "math.floor(-1.5)",
    "math.max(1, 5, 3)",
    "bit.band(255, 15)",
    "type(pairs)",
    "#'abc'",
    "('abc'):upper()",
    "pcall(error, 'x')",
    "pcall(error, {1})",
    "pcall(function() return 1, 2, 3 end)",
    "pcall(function() error() end)",
    "pcall(nil)",
    "select(2, pcall(error, 'plain', 0))",
    "ipairs",
    "rawequal('a', 'a')",
    "rawget({a = 1}, 'a')",
};

/* All values of an expression with '|' between them; errors are told apart only from values. */
static const char *values = "local function all(...) local out = {} for i = 1, select('#', ...) do "
			    "local v = select(i, ...) "
			    "out[i] = type(v) == 'table' and 'table' or type(v) == 'function' and "
			    "'function' or tostring(v) end "
			    "return table.concat(out, '|') end ";

static void functions_of_ours_answer_as_luas_own(void **state)
{
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	for (size_t i = 0; i < MW_LEN(same); i++) {
		char source[2048], ours[512];
		snprintf(source, sizeof(source), "all(%s)", same[i]);
		snprintf(ours, sizeof(ours), "%s", world_eval_in(*state, values, source));
		snprintf(source, sizeof(source), "%s return all(%s)", values, same[i]);
		assert_int_equal(luaL_dostring(L, source), 0);
		if (strcmp(lua_tostring(L, -1), ours) != 0)
			fail_msg("%s: Lua says %s, ours %s", same[i], lua_tostring(L, -1), ours);
		lua_settop(L, 0);
	}
	lua_close(L);
}

static void gmatch_finds_all_as_luas_own(void **state)
{
	static const char *const patterns[] = {
	    "%w+", "(%w)(%w)", "", "x*", "()%w", "%s*", "nothing", "^a", "a-"};
	static const char *const each =
	    "local function each(p) local out = {} for a, b in ('one two abba'):gmatch(p) do "
	    "out[#out + 1] = "
	    "tostring(a) .. ':' .. tostring(b) end return table.concat(out, '|') end ";
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	for (size_t i = 0; i < MW_LEN(patterns); i++) {
		char source[1024], ours[512];
		snprintf(source, sizeof(source), "each('%s')", patterns[i]);
		snprintf(ours, sizeof(ours), "%s", world_eval_in(*state, each, source));
		snprintf(source, sizeof(source), "%s return each('%s')", each, patterns[i]);
		assert_int_equal(luaL_dostring(L, source), 0);
		if (strcmp(lua_tostring(L, -1), ours) != 0)
			fail_msg(
			    "%s: Lua says %s, ours %s", patterns[i], lua_tostring(L, -1), ours);
		lua_settop(L, 0);
	}
	lua_close(L);
}

static void sort_sorts_and_keeps_equals_in_order(void **state)
{
	struct world *w = *state;
	static const char *const helpers =
	    "local function sorted(t, f) table.sort(t, f) return table.concat(t, ' ') end "
	    "local function by(t, k) table.sort(t, function(a, b) return a[k] < b[k] end) local "
	    "out = {} "
	    "for i, v in ipairs(t) do out[i] = v.n end return table.concat(out) end "
	    "local function many() local t = {} for i = 1, 1000 do t[i] = (i * 7919) % 1009 end "
	    "table.sort(t) "
	    "for i = 2, #t do if t[i] < t[i - 1] then return 'unsorted at ' .. i end end return "
	    "'sorted' end";
	assert_string_equal(world_eval_in(w, helpers, "sorted{3, 1, 2}"), "1 2 3");
	assert_string_equal(
	    world_eval_in(w, helpers, "sorted({3, 1, 2}, function(a, b) return a > b end)"),
	    "3 2 1");
	assert_string_equal(world_eval_in(w, helpers, "sorted{'b', 'a', 'B'}"), "B a b");
	assert_string_equal(world_eval_in(w, helpers, "sorted{}"), "");
	assert_string_equal(world_eval_in(w, helpers, "many()"), "sorted");
	assert_string_equal(
	    world_eval_in(w, helpers,
		"by({{k=1,n='a'},{k=0,n='b'},{k=1,n='c'},{k=0,n='d'},{k=1,n='e'}}, 'k')"),
	    "bdace");
	assert_contains(world_eval_in(w, helpers, "sorted{1, 'x'}"), "attempt to compare");
	assert_string_equal(
	    world_eval_in(w, "local t = {3, 1, 2} pcall(table.sort, t, function() error('no') end)",
		"table.concat(t, ' ')"),
	    "3 1 2");
}

static void insert_and_remove_work_in_a_list(void **state)
{
	struct world *w = *state;
	static const char *const list = "local t = {'a', 'b', 'c'}";
	assert_string_equal(world_eval_in(w, "local t = {} table.insert(t, 'x')", "t[1]"), "x");
	assert_string_equal(
	    world_eval_in(w, "local t = {'a', 'c'} table.insert(t, 2, 'b')", "table.concat(t)"),
	    "abc");
	assert_string_equal(
	    world_eval_in(w, "local t = {'a'} table.insert(t, 2, 'b')", "table.concat(t)"), "ab");
	assert_string_equal(world_eval_in(w, list, "table.remove(t) .. table.concat(t)"), "cab");
	assert_string_equal(world_eval_in(w, list, "table.remove(t, 1) .. table.concat(t)"), "abc");
	assert_string_equal(world_eval(w, "table.remove({})"), "nil");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_reaches_outside_is_not_there),
	    cmocka_unit_test(the_metatable_of_strings_is_locked),
	    cmocka_unit_test(a_library_changed_by_one_policy_is_whole_for_the_next),
	    cmocka_unit_test(globals_are_written_only_while_a_file_is_loaded),
	    cmocka_unit_test(reading_what_is_not_there_names_it),
	    cmocka_unit_test(mw_cannot_be_changed),
	    cmocka_unit_test(libraries_are_changed_only_while_a_file_is_loaded),
	    cmocka_unit_test(nothing_prints_an_address),
	    cmocka_unit_test(pairs_walks_in_an_order_that_is_always_the_same),
	    cmocka_unit_test(library_functions_have_ceilings),
	    cmocka_unit_test(deep_recursion_through_c_is_an_error),
	    cmocka_unit_test(metatables_of_json_are_not_for_policies),
	    cmocka_unit_test(functions_of_ours_answer_as_luas_own),
	    cmocka_unit_test(gmatch_finds_all_as_luas_own),
	    cmocka_unit_test(sort_sorts_and_keeps_equals_in_order),
	    cmocka_unit_test(insert_and_remove_work_in_a_list),
	};
	return cmocka_run_group_tests(tests, open_world, close_world);
}
