/* SPDX-License-Identifier: MIT
 *
 * Functions for strings as policies have them: nothing prints an address, and no text grows without
 * bound.
 */
#include "script/sandbox.h"

int mw_sandbox_tostring(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	luaL_checkany(L, 1);
	unsigned depth = mw_run_deeper(L, run);
	bool called = luaL_callmeta(L, 1, "__tostring");
	run->depth = depth;
	if (called)
		return 1;
	switch (lua_type(L, 1)) {
	case LUA_TNUMBER:
	case LUA_TSTRING:
		lua_settop(L, 1);
		lua_tostring(L, 1);
		break;
	case LUA_TBOOLEAN:
		lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false");
		break;
	default:
		lua_pushstring(L, luaL_typename(L, 1));
	}
	return 1;
}

int mw_sandbox_rep(lua_State *L)
{
	size_t n, n_between = 0;
	const char *s = luaL_checklstring(L, 1, &n);
	lua_Number times = luaL_checknumber(L, 2);
	const char *between = luaL_optlstring(L, 3, "", &n_between);
	if (!(times >= 1) || n + n_between == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	if (times * (lua_Number)(n + n_between) > MW_RUN_TEXT)
		mw_raise(L, MW_CODE_TOO_LARGE, "string.rep: the text would be longer than %d bytes",
		    MW_RUN_TEXT);
	size_t one = n + n_between, all = (size_t)times * one, made = one;
	char *p = lua_newuserdata(L, all);
	memcpy(p, s, n);
	memcpy(p + n, between, n_between);
	for (; made < all; made *= 2)
		memcpy(p + made, p, MW_MIN(made, all - made));
	lua_pushlstring(L, p, all - n_between);
	return 1;
}

/* "%p" prints an address. */
static void check_directives(lua_State *L, const char *format, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (format[i] != '%')
			continue;
		i++;
		while (i < n && format[i] && strchr("-+ #0123456789.", format[i]))
			i++;
		if (i < n && format[i] == 'p')
			mw_raise(L, MW_CODE_ARGUMENT, "string.format: '%%p' is not offered");
	}
}

int mw_sandbox_format(lua_State *L)
{
	size_t n, sum;
	const char *format = luaL_checklstring(L, 1, &n);
	int top = lua_gettop(L);
	check_directives(L, format, n);
	sum = n;
	for (int i = 2; i <= top; i++) {
		int type = lua_type(L, i);
		if (type == LUA_TSTRING)
			sum += lua_objlen(L, i);
		if (type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TNIL)
			continue;
		mw_run_push(L, mw_run_of(L), mw_sandbox_tostring);
		lua_pushvalue(L, i);
		lua_call(L, 1, 1);
		lua_replace(L, i);
	}
	if (sum > MW_RUN_TEXT)
		mw_raise(L, MW_CODE_TOO_LARGE,
		    "string.format: the text would be longer than %d bytes", MW_RUN_TEXT);
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_insert(L, 1);
	lua_call(L, top, 1);
	return 1;
}
