/* SPDX-License-Identifier: MIT
 *
 * script/pattern: what matches, and where, is compared with the stock string library; what stops a
 * match is told by hand.
 */
#include "script/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

static lua_State *stock;

static int open_stock(void **state)
{
	(void)state;
	stock = luaL_newstate();
	luaL_openlibs(stock);
	return 0;
}

static int close_stock(void **state)
{
	(void)state;
	lua_close(stock);
	return 0;
}

struct pair {
	const char *subject, *pattern;
};

static const struct pair pairs[] = {
    {"hello world", "o w"},
    {"hello", "l+"},
    {"hello", "l*"},
    {"hello", "l-"},
    {"hello", "xl?"},
    {"hello", "hx?e"},
    {"", ""},
    {"abc", ""},
    {"", "a*"},
    {"", "a-"},
    {"", "a?"},
    {"", "."},
    {"aaa", "a-b"},
    {"aaab", "a-b"},
    {"aaab", "a*b"},
    {"aaab", "a+b"},
    {"xaaab", "xa-b"},
    {"key = value", "(%w+)%s*=%s*(%w+)"},
    {"key=value", "^(%w+)=(%w*)$"},
    {"a.b.c", "%."},
    {"a.b.c", "[.]"},
    {"a-b", "[a-]"},
    {"a-b", "[-a]+"},
    {"a]b", "[]]"},
    {"a]b", "[^]]+"},
    {"x^y", "[x^]+"},
    {"tab\there", "%s"},
    {"0x1F", "0[xX](%x+)"},
    {"THE (quick) fox", "%((%a+)%)"},
    {"f(a(b)c)d", "%b()"},
    {"f(a(b)c", "%b()"},
    {"((x))", "%b()"},
    {"\"q\"", "%b\"\""},
    {"THE (quick) fox", "%f[%a]%a+%f[%A]"},
    {"THE (quick) fox", "%f[%a]%l+"},
    {"foo", "%f[%z]"},
    {"abcabc", "(abc)%1"},
    {"abab", "((a)(b))%1"},
    {"xx", "(x)%1"},
    {"xy", "(x)%1"},
    {"hello", "()ll()"},
    {"hello", "()"},
    {"hello", "h()(e)()"},
    {"aaaa", "(a*)(a*)"},
    {"aaaa", "(a-)(a*)"},
    {"aaaa", "(a?)(a?)(a*)"},
    {"abc", "(a)(b)(c)"},
    {"$5", "$5"},
    {"5$", "5$"},
    {"5$", "%$$"},
    {"a$b", "a$b"},
    {"a\nb", "a.b"},
    {"^a", "%^a"},
    {"a^b", "a^b"},
    {"\xc3\xa9t\xc3\xa9", "[\x80-\xff]+"},
    {"\xc3\xa9", "%a"},
    {"\xc3\xa9", "%A"},
    {"UPPER", "%u+"},
    {"UPPERlower", "%l+"},
    {"a,b", "%p"},
    {"a,b", "%P+"},
    {"\x01\x02", "%c+"},
    {"\x7f", "%c"},
    {"12ab", "%D+"},
    {"  x", "%S"},
    {"xyz", "[a-y]+"},
    {"xyz", "[^a-y]+"},
    {"a%b", "%%"},
    {"a%b", "[%%]"},
    {"a-z", "[a%-z]+"},
    {"5", "[0-9]"},
    {"z", "[a-%%z]"},
    {"b", "[%a-z]"},
    {"-", "[%a-z]"},
    {"x", "[^%s]"},
    {"aXb", "%w%u%w"},
    {"aaa", "^a-$"},
    {"aab", "^a-$"},
    {"aaab", "(a+)b%1"},
    {"aabaa", "(a+)b%1$"},
    {"abcd", "(((a)b)c)d"},
    {"abcd", "(a(b(c(d))))"},
    {"ab", "a(x?)b"},
    {"ab", "(x*)a"},
    {"one;two;;four", "([^;]*);"},
    {"a.b", "^[^.]*%.[^.]*$"},
    {"  trim  ", "^%s*(.-)%s*$"},
    {"2024-01-31", "(%d+)-(%d+)-(%d+)"},
    {"abc", "%g+"},
    {"foo.bar(baz)", "([%w_]+)%.([%w_]+)(%b())"},
    {"a", "a*a*a*a*b?"},
    {"aXXb", "a.-b"},
    {"aab", "a-ab"},
    {"aaXb", "(a-)X(.*)"},
    {"[x]", "%[(.-)%]"},
    {"-x", "-x"},
    {"x-", "x%-"},
    {"+", "+"},
    {"*a", "*a"},
    {"?", "?"},
    {")", "%)"},
    {"b", "[a-b-c]"},
    {"-", "[a-b-c]"},
    {"c", "[a-b-c]"},
    {"^", "[%^]"},
    {"]", "[%]]"},
    {"a]", "[a]]"},
    {"ab", "[a][b]"},
    {"\\", "[\\]"},
    /* malformed */
    {"a", "("},
    {"a", ")"},
    {"a", "(a"},
    {"a", "a)"},
    {"a", "%"},
    {"a", "["},
    {"a", "[a"},
    {"a", "[^"},
    {"a", "[]"},
    {"a", "[^]"},
    {"a", "[%"},
    {"a", "[%]"},
    {"a", "%b"},
    {"a", "%bx"},
    {"a", "%f"},
    {"a", "%fa"},
    {"a", "%1"},
    {"a", "(a%1)"},
    {"a", "%0"},
    {"a", "()%1"},
    {"a", "(()"},
    {"a", "a%"},
    {"aa", "(a)%2"},
    {"b", "a("},
    {"b", "a%"},
    {"b", "(a"},
    {"", "[a"},
};

/* Writes what find says in one line: "2 4 |ll|@3" or "none" or "error". */
static void say_stock(struct mw_str subject, struct mw_str pattern, char *out, size_t room)
{
	lua_settop(stock, 0);
	lua_getglobal(stock, "string");
	lua_getfield(stock, -1, "find");
	lua_remove(stock, 1);
	lua_pushlstring(stock, subject.p, subject.n);
	lua_pushlstring(stock, pattern.p, pattern.n);
	if (lua_pcall(stock, 2, LUA_MULTRET, 0) != 0) {
		snprintf(out, room, "error");
		return;
	}
	if (lua_isnil(stock, 1)) {
		snprintf(out, room, "none");
		return;
	}
	size_t n = (size_t)snprintf(
	    out, room, "%d %d", (int)lua_tointeger(stock, 1), (int)lua_tointeger(stock, 2));
	for (int i = 3; i <= lua_gettop(stock) && n < room; i++) {
		if (lua_type(stock, i) == LUA_TNUMBER)
			n += (size_t)snprintf(
			    out + n, room - n, "@%d", (int)lua_tointeger(stock, i));
		else
			n += (size_t)snprintf(out + n, room - n, "|%s|", lua_tostring(stock, i));
	}
}

static bool say_captures(const struct mw_pattern *m, char *out, size_t room, size_t n)
{
	for (size_t i = 0; i < m->n_captures && n < room; i++) {
		const struct mw_capture *c = &m->captures[i];
		if (c->n == MW_CAPTURE_OPEN)
			return false;
		if (c->n == MW_CAPTURE_POSITION)
			n += (size_t)snprintf(out + n, room - n, "@%d", (int)c->at + 1);
		else
			n += (size_t)snprintf(
			    out + n, room - n, "|%.*s|", (int)c->n, m->subject.p + c->at);
	}
	return true;
}

static void say_ours(struct mw_str subject, struct mw_str pattern, char *out, size_t room)
{
	struct mw_pattern m;
	size_t at = 0, end;
	if (mw_pattern_is_plain(pattern)) {
		const char *p = mw_str_search(subject, pattern);
		int from = p ? (int)(p - subject.p) : 0;
		snprintf(out, room, p ? "%d %d" : "none", from + 1, from + (int)pattern.n);
		return;
	}
	bool anchored = pattern.n > 0 && pattern.p[0] == '^';
	if (anchored)
		pattern = mw_strn(pattern.p + 1, pattern.n - 1);
	mw_pattern_init(&m, subject, pattern);
	bool hit = anchored ? mw_pattern_at(&m, 0, &end) : mw_pattern_next(&m, &at, &end);
	if (m.fault) {
		snprintf(out, room, "error");
	} else if (!hit) {
		snprintf(out, room, "none");
	} else {
		size_t n = (size_t)snprintf(out, room, "%d %d", (int)at + 1, (int)end);
		if (!say_captures(&m, out, room, n))
			snprintf(out, room, "error");
	}
}

static void compare(struct mw_str subject, struct mw_str pattern)
{
	char theirs[2048], ours[2048];
	say_stock(subject, pattern, theirs, sizeof(theirs));
	say_ours(subject, pattern, ours, sizeof(ours));
	if (strcmp(theirs, ours) != 0)
		fail_msg("\"%.*s\" find \"%.*s\": stock says %s, ours %s", MW_FMT(subject),
		    MW_FMT(pattern), theirs, ours);
}

static void known_patterns_match_as_in_the_stock_library(void **state)
{
	(void)state;
	for (size_t i = 0; i < MW_LEN(pairs); i++)
		compare(mw_str(pairs[i].subject), mw_str(pairs[i].pattern));
	compare(MW_STR("a\0b"), MW_STR("a.b"));
	compare(MW_STR("a\0b"), MW_STR("%z"));
}

/* There the stock library takes it for the pattern's end. */
static void a_zero_byte_in_a_pattern_is_a_byte(void **state)
{
	(void)state;
	struct mw_pattern m;
	size_t at = 0, end;
	mw_pattern_init(&m, MW_STR("a\0b"), MW_STR("[\0](b)"));
	assert_true(mw_pattern_next(&m, &at, &end));
	assert_int_equal(at, 1);
	assert_int_equal(end, 3);
}

/* Random texts over few letters, and patterns of the pieces that mean something. */
static void random_patterns_match_as_in_the_stock_library(void **state)
{
	(void)state;
	static const char *const pieces[] = {"a", "b", "c", ".", "%a", "%d", "[ab]", "[^a]",
	    "[a-c]", "(", ")", "()", "%1", "%2", "%bab", "%f[a]", "*", "+", "-", "?", "$", "^",
	    "%.", "[%a]", "%s"};
	uint64_t seed = 7;
	for (int i = 0; i < 60000; i++) {
		char subject[16], pattern[96] = "";
		size_t n = 0;
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t r = seed >> 8;
		for (; n < r % 13; n++)
			subject[n] = "abc 1."[(r >> (3 * n + 5)) % 6];
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		r = seed >> 8;
		for (size_t k = 0; k < 1 + r % 8; k++)
			strcat(pattern, pieces[(r >> (5 * k + 6)) % MW_LEN(pieces)]);
		compare(mw_strn(subject, n), mw_str(pattern));
	}
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static char many_a[20001];

static bool runs_out(struct mw_str subject, const char *pattern)
{
	struct mw_pattern m;
	size_t at = 0, end;
	double begin = seconds();
	mw_pattern_init(&m, subject, mw_str(pattern));
	bool hit = mw_pattern_next(&m, &at, &end);
	assert_true(seconds() - begin < 0.5);
	return !hit && m.exhausted && m.fault;
}

static void a_match_that_would_take_for_ever_runs_out_of_steps(void **state)
{
	(void)state;
	memset(many_a, 'a', sizeof(many_a) - 1);
	struct mw_str text = mw_strn(many_a, 20000), few = mw_strn(many_a, 30);
	assert_true(runs_out(text, ".-.-b"));
	assert_true(runs_out(text, "a*a*b"));
	assert_true(runs_out(few, "a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?b"));
	assert_true(runs_out(few, "a*a*a*a*a*a*a*a*a*a*b"));
	assert_true(runs_out(text, "(.-)%1b"));
	assert_true(
	    runs_out(text, "[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab]-x"));
}

static void an_ordinary_search_of_a_long_text_does_not(void **state)
{
	(void)state;
	static char text[1000001];
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text + 999980, "id: 12-34", 9);
	struct mw_pattern m;
	size_t at = 0, end;
	mw_pattern_init(&m, mw_strn(text, 1000000), MW_STR("%d%d%-%d%d"));
	assert_true(mw_pattern_next(&m, &at, &end));
	assert_int_equal(at, 999984);
	at = 0;
	mw_pattern_init(&m, mw_strn(text, 1000000), MW_STR("id: (%d+)"));
	assert_true(mw_pattern_next(&m, &at, &end));
	assert_int_equal(m.captures[0].n, 2);
}

static void a_pattern_has_a_longest_and_captures_are_counted(void **state)
{
	(void)state;
	char pattern[2 * MW_PATTERN_POINTS + 8] = "";
	for (int i = 0; i <= MW_PATTERN_POINTS; i++)
		strcat(pattern, "a?");
	struct mw_pattern m;
	size_t at = 0, end;
	mw_pattern_init(&m, mw_strn(many_a, 20000), mw_str(pattern));
	assert_false(mw_pattern_next(&m, &at, &end));
	assert_string_equal(m.fault, "the pattern is too long");
	pattern[0] = '\0';
	for (int i = 0; i <= MW_PATTERN_CAPTURES; i++)
		strcat(pattern, "()");
	mw_pattern_init(&m, MW_STR("x"), mw_str(pattern));
	assert_false(mw_pattern_next(&m, &at, &end));
	assert_string_equal(m.fault, "too many captures");
}

static void plain_texts_are_told_from_patterns(void **state)
{
	(void)state;
	assert_true(mw_pattern_is_plain(MW_STR("")));
	assert_true(mw_pattern_is_plain(MW_STR("plain text, (no) ]")) == false);
	assert_true(mw_pattern_is_plain(MW_STR("plain text ] )")));
	assert_false(mw_pattern_is_plain(MW_STR("a.b")));
	assert_false(mw_pattern_is_plain(MW_STR("100%")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_patterns_match_as_in_the_stock_library),
	    cmocka_unit_test(a_zero_byte_in_a_pattern_is_a_byte),
	    cmocka_unit_test(random_patterns_match_as_in_the_stock_library),
	    cmocka_unit_test(a_match_that_would_take_for_ever_runs_out_of_steps),
	    cmocka_unit_test(an_ordinary_search_of_a_long_text_does_not),
	    cmocka_unit_test(a_pattern_has_a_longest_and_captures_are_counted),
	    cmocka_unit_test(plain_texts_are_told_from_patterns),
	};
	return cmocka_run_group_tests(tests, open_stock, close_stock);
}
