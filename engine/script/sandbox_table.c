/* SPDX-License-Identifier: MIT
 *
 * Lua's functions for tables as policies have them: the same answers, but in an order that does not
 * depend on chance, and never long at work without the interpreter being asked.
 */
#include "script/sandbox.h"

#include "script/handle.h"

#include <stdlib.h>

/* ---- pairs ---- */

struct key {
	int rank; /* numbers, then strings, then booleans, then the rest */
	double number;
	const char *p;
	size_t n;
	int place; /* in the list of keys */
};

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	if (x->rank != y->rank)
		return x->rank - y->rank;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	int order = x->rank == 1 ? mw_str_cmp(mw_strn(x->p, x->n), mw_strn(y->p, y->n)) : 0;
	return order ? order : x->place - y->place;
}

/* Is the value at idx one of the list's keys, 1 to n? */
static bool in_list(lua_State *L, int idx, size_t n)
{
	if (lua_type(L, idx) != LUA_TNUMBER)
		return false;
	double v = lua_tonumber(L, idx);
	return v >= 1 && v <= (double)n && v == (double)(size_t)v;
}

static size_t count_others(lua_State *L, size_t n)
{
	size_t others = 0;
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
		others += !in_list(L, -2, n);
	return others;
}

static struct key key_at(lua_State *L, int idx, int place)
{
	struct key key = {.rank = 3, .place = place};
	switch (lua_type(L, idx)) {
	case LUA_TNUMBER:
		key.rank = 0;
		key.number = lua_tonumber(L, idx);
		break;
	case LUA_TSTRING:
		key.rank = 1;
		key.p = lua_tolstring(L, idx, &key.n);
		break;
	case LUA_TBOOLEAN:
		key.rank = 2;
		key.number = lua_toboolean(L, idx);
		break;
	}
	return key;
}

/* Pushes a list of the keys of table 1 that are not in 1 to n, in order. */
static void push_others(lua_State *L, size_t n, size_t others)
{
	struct key *keys = lua_newuserdata(L, others * sizeof(*keys));
	int place = 0;
	lua_createtable(L, (int)others, 0);
	int unsorted = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
		if (in_list(L, -2, n))
			continue;
		keys[place] = key_at(L, -2, place + 1);
		lua_pushvalue(L, -2);
		lua_rawseti(L, unsorted, ++place);
	}
	qsort(keys, others, sizeof(*keys), compare_keys);
	lua_createtable(L, (int)others, 0);
	for (size_t i = 0; i < others; i++) {
		lua_rawgeti(L, unsorted, keys[i].place);
		lua_rawseti(L, -2, (int)i + 1);
	}
	lua_replace(L, unsorted - 1);
	lua_settop(L, unsorted - 1);
}

/* Upvalues: the run, the other keys (or nil), the length of the list, how far it has come. */
static int next_pair(lua_State *L)
{
	int n = (int)lua_tonumber(L, lua_upvalueindex(3)),
	    i = (int)lua_tonumber(L, lua_upvalueindex(4));
	lua_settop(L, 1);
	for (;;) {
		if (++i <= n) {
			lua_pushnumber(L, i);
		} else {
			if (lua_isnil(L, lua_upvalueindex(2)))
				return 0;
			lua_rawgeti(L, lua_upvalueindex(2), i - n);
			if (lua_isnil(L, -1))
				return 0;
		}
		lua_pushvalue(L, -1);
		lua_rawget(L, 1);
		if (!lua_isnil(L, -1))
			break; /* what has been removed meanwhile is left out */
		lua_settop(L, 1);
	}
	lua_pushnumber(L, i);
	lua_replace(L, lua_upvalueindex(4));
	return 2;
}

/* ups: the candidates by number. */
static int next_candidate(lua_State *L)
{
	lua_Integer i = lua_tointeger(L, 2) + 1;
	lua_pushinteger(L, i);
	lua_pushinteger(L, i);
	lua_gettable(L, 1);
	return lua_isnil(L, -1) ? 1 : 2;
}

static bool push_walk_of_candidates(lua_State *L)
{
	unsigned index;
	struct mw_run *run = mw_run_of(L);
	if (mw_handle_kind(L, run, 1, &index) != MW_HANDLE_UPS)
		return false;
	mw_run_push(L, run, next_candidate);
	lua_pushvalue(L, 1);
	lua_pushinteger(L, 0);
	return true;
}

int mw_sandbox_pairs(lua_State *L)
{
	if (push_walk_of_candidates(L))
		return 3;
	luaL_checktype(L, 1, LUA_TTABLE);
	size_t n = lua_objlen(L, 1), others = count_others(L, n);
	if (others > MW_RUN_ITEMS)
		mw_raise(L, MW_CODE_TOO_LARGE,
		    "pairs walks over up to %d keys beside a list, in order; this table has %zu",
		    MW_RUN_ITEMS, others);
	lua_pushlightuserdata(L, mw_run_of(L));
	if (others)
		push_others(L, n, others);
	else
		lua_pushnil(L);
	lua_pushnumber(L, (lua_Number)n);
	lua_pushnumber(L, 0);
	lua_pushcclosure(L, next_pair, 4);
	lua_pushvalue(L, 1);
	return 2;
}

int mw_sandbox_ipairs(lua_State *L)
{
	if (push_walk_of_candidates(L))
		return 3;
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_insert(L, 1);
	lua_call(L, 1, 3);
	return 3;
}

/* next(t) asks whether a table is empty; with a key it would walk in an order of chance. */
int mw_sandbox_next(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	if (!lua_isnoneornil(L, 2))
		mw_raise(L, MW_CODE_ARGUMENT, "next(t, key) is not offered; walk with pairs(t)");
	lua_settop(L, 1);
	mw_sandbox_pairs(L);
	lua_pushnil(L);
	lua_call(L, 2, 2);
	return 2;
}

/* ---- insert, remove ---- */

/* A place in a list of n: from 1 to n + 1. Lua itself would count up from any number. */
static int place_in(lua_State *L, int idx, size_t n, const char *what)
{
	lua_Number at = luaL_checknumber(L, idx);
	if (!(at >= 1 && at <= (lua_Number)n + 1))
		mw_raise(
		    L, MW_CODE_ARGUMENT, "%s: place %.14g is not in a list of %zu", what, at, n);
	return (int)at;
}

int mw_sandbox_insert(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	size_t n = lua_objlen(L, 1);
	int at = (int)n + 1;
	switch (lua_gettop(L)) {
	case 2:
		break;
	case 3:
		at = place_in(L, 2, n, "table.insert");
		break;
	default:
		mw_raise(L, MW_CODE_ARGUMENT,
		    "table.insert takes a list, a place if you like, and a value");
	}
	for (int i = (int)n; i >= at; i--) {
		lua_rawgeti(L, 1, i);
		lua_rawseti(L, 1, i + 1);
	}
	lua_pushvalue(L, -1);
	lua_rawseti(L, 1, at);
	return 0;
}

int mw_sandbox_remove(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	size_t n = lua_objlen(L, 1);
	if (n == 0)
		return 0;
	int at = lua_isnoneornil(L, 2) ? (int)n : place_in(L, 2, n, "table.remove");
	lua_rawgeti(L, 1, at);
	for (int i = at; i <= (int)n; i++) {
		lua_rawgeti(L, 1, i + 1);
		lua_rawseti(L, 1, i);
	}
	return 1;
}

/* ---- concat ---- */

/* Bytes of items i to j and what is between them, as far as they are texts. */
static double length_of(lua_State *L, double i, double j, size_t between)
{
	double sum = 0;
	for (; i <= j && sum <= MW_RUN_TEXT; i++) {
		lua_pushnumber(L, i);
		lua_rawget(L, 1);
		bool text = lua_isstring(L, -1);
		sum += text ? (double)lua_objlen(L, -1) + (double)between : 0;
		lua_pop(L, 1);
		if (!text)
			break; /* the stock function says what is wrong */
	}
	return sum;
}

int mw_sandbox_concat(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	size_t between = 0;
	luaL_optlstring(L, 2, "", &between);
	double i = luaL_optnumber(L, 3, 1), j = luaL_optnumber(L, 4, (lua_Number)lua_objlen(L, 1));
	if (length_of(L, i, j, between) > MW_RUN_TEXT)
		mw_raise(L, MW_CODE_TOO_LARGE, "table.concat: the text is longer than %d bytes",
		    MW_RUN_TEXT);
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

/* ---- sort ---- */

/* A merge sort: equals keep their order, the number of comparisons is bounded whatever the list,
 * and a comparison that raises leaves the list as it was. Stack: 1 the list, 2 the comparison or
 * nil, 3 and 4 working copies. */
static bool is_less(lua_State *L, struct mw_run *run, int from, size_t a, size_t b)
{
	bool own = !lua_isnil(L, 2);
	if (own)
		lua_pushvalue(L, 2);
	lua_rawgeti(L, from, (int)a);
	lua_rawgeti(L, from, (int)b);
	bool less;
	if (own) {
		mw_run_call(L, run, 2, 1);
		less = lua_toboolean(L, -1);
		lua_pop(L, 1);
	} else {
		unsigned depth = mw_run_deeper(L, run);
		less = lua_lessthan(L, -2, -1);
		run->depth = depth;
		lua_pop(L, 2);
	}
	return less;
}

static void merge(lua_State *L, struct mw_run *run, int from, int to, const size_t part[3])
{
	size_t a = part[0], b = part[1];
	for (size_t i = part[0]; i < part[2]; i++) {
		bool second = a >= part[1] || (b < part[2] && is_less(L, run, from, b, a));
		lua_rawgeti(L, from, (int)(second ? b++ : a++));
		lua_rawseti(L, to, (int)i);
	}
}

static void copy(lua_State *L, int from, int to, size_t n)
{
	for (size_t i = 1; i <= n; i++) {
		lua_rawgeti(L, from, (int)i);
		lua_rawseti(L, to, (int)i);
	}
}

int mw_sandbox_sort(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	luaL_checktype(L, 1, LUA_TTABLE);
	if (!lua_isnoneornil(L, 2))
		luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	size_t n = lua_objlen(L, 1);
	if (n > MW_RUN_ITEMS)
		mw_raise(L, MW_CODE_TOO_LARGE, "table.sort takes up to %d items, not %zu",
		    MW_RUN_ITEMS, n);
	lua_createtable(L, (int)n, 0);
	lua_createtable(L, (int)n, 0);
	int from = 3, to = 4;
	copy(L, 1, from, n);
	for (size_t width = 1; width < n; width *= 2) {
		for (size_t i = 1; i <= n; i += 2 * width) {
			size_t part[3] = {
			    i, MW_MIN(i + width, n + 1), MW_MIN(i + 2 * width, n + 1)};
			merge(L, run, from, to, part);
		}
		from = 7 - from;
		to = 7 - to;
	}
	copy(L, from, 1, n);
	return 0;
}
