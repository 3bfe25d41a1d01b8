/* SPDX-License-Identifier: MIT
 *
 * mw.text, and the functions of `string` that take a pattern: they are the same, on the matcher of
 * script/pattern. What they return is what the stock library returns.
 */
#include "script/prim.h"

#include "script/pattern.h"

static struct mw_str check_str(lua_State *L, int idx)
{
	size_t n;
	const char *p = luaL_checklstring(L, idx, &n);
	return mw_strn(p, n);
}

static void init(struct mw_pattern *m, struct mw_str subject, struct mw_str pattern)
{
	mw_pattern_init(m, subject, pattern);
	m->over = mw_guard_expired;
}

/* ---- captures ---- */

MW_NORETURN static void raise_fault(lua_State *L, const struct mw_pattern *m)
{
	mw_guard_check(L);
	mw_raise(L, m->exhausted ? MW_CODE_PATTERN_STEPS : MW_CODE_PATTERN, "%s: \"%.*s\"%s",
	    m->fault, (int)MW_MIN(m->text.n, 60u), m->text.p,
	    m->exhausted ? "; mw.text.contains(s, words) is quick on any text" : "");
}

/* Pushes capture i (from 0), or the whole match if the pattern has none. */
static void push_capture(lua_State *L, const struct mw_pattern *m, size_t i, size_t at, size_t end)
{
	if (i == 0 && m->n_captures == 0) {
		lua_pushlstring(L, m->subject.p + at, end - at);
		return;
	}
	if (i >= m->n_captures)
		mw_raise(L, MW_CODE_PATTERN, "there is no capture %zu", i + 1);
	const struct mw_capture *c = &m->captures[i];
	if (c->n == MW_CAPTURE_OPEN)
		mw_raise(L, MW_CODE_PATTERN, "malformed pattern: a '(' without its ')'");
	if (c->n == MW_CAPTURE_POSITION)
		lua_pushnumber(L, (lua_Number)c->at + 1);
	else
		lua_pushlstring(L, m->subject.p + c->at, (size_t)c->n);
}

/* Pushes all captures; with none, the whole match if `whole`. */
static int push_captures(
    lua_State *L, const struct mw_pattern *m, size_t at, size_t end, bool whole)
{
	size_t n = m->n_captures == 0 && whole ? 1 : m->n_captures;
	luaL_checkstack(L, (int)n, "too many captures");
	for (size_t i = 0; i < n; i++)
		push_capture(L, m, i, at, end);
	return (int)n;
}

/* ---- find, match ---- */

/* Where to begin, from 0, by the argument at idx: negative counts from the end. */
static size_t start_at(lua_State *L, int idx, size_t n)
{
	lua_Number init = luaL_optnumber(L, idx, 1);
	if (init < 0)
		init += (lua_Number)n + 1;
	if (!(init >= 1))
		return 0;
	return init - 1 < (lua_Number)n ? (size_t)(init - 1) : n;
}

static int find_plain(lua_State *L, struct mw_str s, struct mw_str what, size_t at)
{
	struct mw_str rest = {s.p + at, s.n - at};
	const char *p = mw_str_search(rest, what);
	if (!p) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushnumber(L, (lua_Number)(p - s.p + 1));
	lua_pushnumber(L, (lua_Number)(p - s.p) + (lua_Number)what.n);
	return 2;
}

/* A '^' ties the pattern to where the search begins. */
static bool take_anchor(struct mw_str *pattern)
{
	if (pattern->n == 0 || pattern->p[0] != '^')
		return false;
	*pattern = mw_strn(pattern->p + 1, pattern->n - 1);
	return true;
}

static int search(lua_State *L, bool find)
{
	struct mw_str s = check_str(L, 1), pattern = check_str(L, 2);
	size_t at = start_at(L, 3, s.n), end;
	if (find && (lua_toboolean(L, 4) || mw_pattern_is_plain(pattern)))
		return find_plain(L, s, pattern, at);
	struct mw_pattern m;
	bool anchored = take_anchor(&pattern);
	init(&m, s, pattern);
	if (!(anchored ? mw_pattern_at(&m, at, &end) : mw_pattern_next(&m, &at, &end))) {
		if (m.fault)
			raise_fault(L, &m);
		lua_pushnil(L);
		return 1;
	}
	if (!find)
		return push_captures(L, &m, at, end, true);
	lua_pushnumber(L, (lua_Number)at + 1);
	lua_pushnumber(L, (lua_Number)end);
	return 2 + push_captures(L, &m, at, end, false);
}

int mw_prim_text_find(lua_State *L)
{
	return search(L, true);
}

int mw_prim_text_match(lua_State *L)
{
	return search(L, false);
}

/* ---- gmatch ---- */

/* Upvalues: the run, the subject, the pattern, where to go on. */
static int next_match(lua_State *L)
{
	struct mw_str s = mw_raise_str(L, lua_upvalueindex(2)),
		      text = mw_raise_str(L, lua_upvalueindex(3));
	size_t at = (size_t)lua_tonumber(L, lua_upvalueindex(4)), end;
	struct mw_pattern m;
	init(&m, s, text);
	if (at > s.n || !mw_pattern_next(&m, &at, &end)) {
		if (at <= s.n && m.fault)
			raise_fault(L, &m);
		return 0;
	}
	lua_pushnumber(L, (lua_Number)(end == at ? end + 1 : end));
	lua_replace(L, lua_upvalueindex(4));
	return push_captures(L, &m, at, end, true);
}

int mw_prim_text_gmatch(lua_State *L)
{
	check_str(L, 1);
	check_str(L, 2);
	lua_settop(L, 2);
	lua_pushlightuserdata(L, mw_run_of(L));
	lua_insert(L, 1);
	lua_pushnumber(L, 0);
	lua_pushcclosure(L, next_match, 4);
	return 1;
}

/* ---- gsub ---- */

struct substitution {
	struct mw_run *run;
	struct mw_pattern m;
	luaL_Buffer out;
	size_t made, ceiling; /* bytes of the result */
};

static void add(lua_State *L, struct substitution *sub, const char *p, size_t n)
{
	sub->made += n;
	if (sub->made > sub->ceiling)
		mw_raise(L, MW_CODE_TOO_LARGE, "gsub: the result is longer than %zu bytes",
		    sub->ceiling);
	luaL_addlstring(&sub->out, p, n);
}

/* Adds the string on top of the stack and pops it. */
static void add_top(lua_State *L, struct substitution *sub)
{
	size_t n;
	lua_tolstring(L, -1, &n);
	sub->made += n;
	if (sub->made > sub->ceiling)
		mw_raise(L, MW_CODE_TOO_LARGE, "gsub: the result is longer than %zu bytes",
		    sub->ceiling);
	luaL_addvalue(&sub->out);
}

/* A replacement text: %1 stands for a capture, %0 for the whole match. */
static void add_template(lua_State *L, struct substitution *sub, size_t at, size_t end)
{
	struct mw_str t = mw_raise_str(L, 3);
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] != '%') {
			add(L, sub, t.p + i, 1);
			continue;
		}
		i++;
		char c = i < t.n ? t.p[i] : '\0';
		if (c == '0') {
			add(L, sub, sub->m.subject.p + at, end - at);
		} else if (c >= '1' && c <= '9') {
			push_capture(L, &sub->m, (size_t)(c - '1'), at, end);
			add_top(L, sub);
		} else {
			add(L, sub, &c, 1);
		}
	}
}

/* Pushes what a function or a table makes of the match. */
static void push_replacement(lua_State *L, struct substitution *sub, size_t at, size_t end)
{
	if (lua_type(L, 3) == LUA_TTABLE) {
		push_capture(L, &sub->m, 0, at, end);
		unsigned depth = mw_run_deeper(L, sub->run);
		lua_gettable(L, 3);
		sub->run->depth = depth;
		return;
	}
	lua_pushvalue(L, 3);
	int n = push_captures(L, &sub->m, at, end, true);
	mw_run_call(L, sub->run, n, 1);
}

static void add_replacement(lua_State *L, struct substitution *sub, size_t at, size_t end)
{
	int type = lua_type(L, 3);
	if (type == LUA_TSTRING || type == LUA_TNUMBER) {
		add_template(L, sub, at, end);
		return;
	}
	push_replacement(L, sub, at, end);
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		add(L, sub, sub->m.subject.p + at, end - at);
	} else if (lua_isstring(L, -1)) {
		add_top(L, sub);
	} else {
		mw_raise(L, MW_CODE_ARGUMENT,
		    "gsub: the replacement is %s; it must be a string, or false",
		    mw_raise_show(L, -1).text);
	}
}

/* Replaces up to `most` matches; returns how many. */
static size_t substitute(lua_State *L, struct substitution *sub, size_t most, bool anchored)
{
	struct mw_str s = sub->m.subject;
	size_t done = 0, at = 0, end, n = 0;
	while (n < most && at <= s.n && !(anchored && n)) {
		bool hit = anchored ? mw_pattern_at(&sub->m, at, &end)
		                    : mw_pattern_next(&sub->m, &at, &end);
		if (!hit)
			break;
		n++;
		add(L, sub, s.p + done, at - done);
		add_replacement(L, sub, at, end);
		done = end;
		at = end > at ? end : end + 1;
	}
	if (sub->m.fault)
		raise_fault(L, &sub->m);
	add(L, sub, s.p + done, s.n - done);
	return n;
}

int mw_prim_text_gsub(lua_State *L)
{
	struct mw_str s = check_str(L, 1), pattern = check_str(L, 2);
	int type = lua_type(L, 3);
	if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TTABLE &&
	    type != LUA_TFUNCTION)
		mw_raise(L, MW_CODE_ARGUMENT,
		    "gsub replaces by a string, a table or a function, not %s",
		    mw_raise_show(L, 3).text);
	lua_Number most = luaL_optnumber(L, 4, (lua_Number)s.n + 1);
	lua_settop(L, 3);
	struct substitution sub = {.run = mw_run_of(L), .ceiling = MW_RUN_TEXT + s.n};
	bool anchored = take_anchor(&pattern);
	init(&sub.m, s, pattern);
	luaL_buffinit(L, &sub.out);
	size_t n = substitute(L, &sub, most > 0 ? (size_t)MW_MIN(most, 1e15) : 0, anchored);
	luaL_pushresult(&sub.out);
	lua_pushnumber(L, (lua_Number)n);
	return 2;
}

/* ---- without patterns ---- */

static int l_contains(lua_State *L)
{
	lua_pushboolean(L, mw_str_search(check_str(L, 1), check_str(L, 2)) != NULL);
	return 1;
}

static int l_starts(lua_State *L)
{
	lua_pushboolean(L, mw_str_starts(check_str(L, 1), check_str(L, 2)));
	return 1;
}

static int l_ends(lua_State *L)
{
	lua_pushboolean(L, mw_str_ends(check_str(L, 1), check_str(L, 2)));
	return 1;
}

static int l_trim(lua_State *L)
{
	struct mw_str s = mw_str_trim_all(check_str(L, 1));
	lua_pushlstring(L, s.n ? s.p : "", s.n);
	return 1;
}

/* ASCII letters only: other bytes stay as they are. */
static int l_lower(lua_State *L)
{
	struct mw_str s = check_str(L, 1);
	char *p = lua_newuserdata(L, s.n + 1); /* not malloc: pushing the result may raise */
	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 32) : s.p[i];
	lua_pushlstring(L, p, s.n);
	return 1;
}

/* Characters of UTF-8: all bytes but those that continue one. */
static int l_len(lua_State *L)
{
	struct mw_str s = check_str(L, 1);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	lua_pushnumber(L, (lua_Number)n);
	return 1;
}

static const luaL_Reg functions[] = {
    {"find", mw_prim_text_find},
    {"match", mw_prim_text_match},
    {"gmatch", mw_prim_text_gmatch},
    {"gsub", mw_prim_text_gsub},
    {"contains", l_contains},
    {"starts", l_starts},
    {"ends", l_ends},
    {"lower", l_lower},
    {"trim", l_trim},
    {"len", l_len},
    {NULL, NULL},
};

const struct mw_prim mw_prim_text = {"text", functions, NULL};
