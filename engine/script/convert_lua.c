/* SPDX-License-Identifier: MIT
 *
 * The Lua module mwjson.
 */
#include "base/json.h"
#include "script/convert_in.h"

static struct mw_str check_string(lua_State *L, int idx)
{
	struct mw_str s;
	s.p = luaL_checklstring(L, idx, &s.n);
	return s;
}

/* Pushes the sentence. */
static int push_err(lua_State *L, const struct mw_err *err)
{
	lua_pushstring(L, err->text);
	return 1;
}

static int l_json_decode(lua_State *L)
{
	struct mw_err err;
	if (mw_convert_read(L, check_string(L, 1), &err))
		return 1;
	lua_pushnil(L);
	return 1 + push_err(L, &err);
}

/* Scratch is empty here unless memory ran out in the middle of the last text. */
static struct mw_buf *scratch(lua_State *L)
{
	struct mw_buf *b = &mw_convert_self(L)->text;
	mw_buf_clear(b);
	return b;
}

static int push_scratch(lua_State *L, struct mw_buf *b)
{
	lua_pushlstring(L, b->p, b->n);
	mw_convert_trim(b);
	return 1;
}

static int l_json_encode(lua_State *L)
{
	struct mw_err err;
	struct mw_buf *out = scratch(L);
	luaL_checkany(L, 1);
	if (mw_convert_write(L, 1, out, &err))
		return push_scratch(L, out);
	mw_convert_trim(out);
	luaL_where(L, 1);
	push_err(L, &err);
	lua_concat(L, 2);
	return lua_error(L);
}

static int l_json_quote(lua_State *L)
{
	struct mw_buf *out = scratch(L);
	mw_json_quote(out, check_string(L, 1));
	if (out->full)
		return luaL_error(L, "the string is too long to be quoted");
	return push_scratch(L, out);
}

/* The table at 1, or a new one. */
static void want_table(lua_State *L)
{
	lua_settop(L, 1);
	if (lua_isnil(L, 1)) {
		lua_newtable(L);
		lua_replace(L, 1);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
}

static int l_json_array(lua_State *L)
{
	want_table(L);
	lua_pushvalue(L, MW_UP_ARRAY);
	lua_setmetatable(L, 1);
	return 1;
}

static int l_json_object(lua_State *L)
{
	want_table(L);
	mw_convert_push_list(L, &mw_convert_self(L)->shapes, MW_SHAPE_ROOT);
	lua_setmetatable(L, 1);
	return 1;
}

static int l_json_is_array(lua_State *L)
{
	bool array = false;
	if (lua_istable(L, 1)) {
		enum mw_table_kind kind = mw_convert_kind(L, mw_convert_self(L), 1);
		array = kind == MW_TABLE_ARRAY || (kind == MW_TABLE_PLAIN && lua_objlen(L, 1) > 0);
	}
	lua_pushboolean(L, array);
	return 1;
}

/* Copies the list, so that nobody changes it behind our back, and refuses a name that comes twice.
 */
static int l_json_order(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	int n = (int)lua_objlen(L, 1);
	lua_createtable(L, n, 0);
	lua_createtable(L, 0, n);
	for (int i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "names are strings");
		lua_pushvalue(L, -1);
		lua_rawget(L, 3);
		luaL_argcheck(L, lua_isnil(L, -1), 1, "a name stands twice");
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		lua_rawseti(L, 2, i);
		lua_pushboolean(L, 1);
		lua_rawset(L, 3);
	}
	lua_pushboolean(L, 1);
	lua_rawseti(L, 2, 0);
	lua_settop(L, 2);
	return 1;
}

static int l_json_null(lua_State *L)
{
	lua_pushvalue(L, MW_UP_NULL);
	return 1;
}

int luaopen_mwjson(lua_State *L)
{
	static const luaL_Reg functions[] = {{"decode", l_json_decode}, {"encode", l_json_encode},
	    {"quote", l_json_quote}, {"array", l_json_array}, {"object", l_json_object},
	    {"is_array", l_json_is_array}, {"order", l_json_order}};
	lua_createtable(L, 0, (int)MW_LEN(functions) + 1);
	for (size_t i = 0; i < MW_LEN(functions); i++) {
		mw_convert_push_closure(L, functions[i].func);
		lua_setfield(L, -2, functions[i].name);
	}
	mw_convert_push_closure(L, l_json_null);
	lua_call(L, 0, 1);
	lua_setfield(L, -2, "null");
	return 1;
}
