/* SPDX-License-Identifier: MIT
 *
 * The environment of policies. It is built, not cut down: what is not named here is not there. Libraries
 * are behind empty tables in the same way as the globals.
 *
 *   environment {}  --__index-->  globals: copies of the template, and what the policy declares
 *        |                           |
 *        | __newindex                | __index
 *        v                           v
 *   while loading: into globals    "there is no global 'x'"
 *   in a hook: an error
 */
#include "script/sandbox.h"

#include "script/load.h"
#include "script/prim.h"

#include <lualib.h>

/* From the stock library as they are: pure, or bounded by what they are given. */
static const char *const kept[] = {"assert", "error", "rawequal", "rawget", "select",
    "setmetatable", "tonumber", "type", "unpack", NULL};
static const char *const kept_string[] = {
    "byte", "char", "len", "lower", "reverse", "sub", "upper", NULL};
static const char *const kept_math[] = {"abs", "acos", "asin", "atan", "atan2", "ceil", "cos",
    "cosh", "deg", "exp", "floor", "fmod", "frexp", "huge", "ldexp", "log", "log10", "max", "min",
    "modf", "pi", "pow", "rad", "sin", "sinh", "sqrt", "tan", "tanh", NULL};
static const char *const kept_bit[] = {"arshift", "band", "bnot", "bor", "bswap", "bxor", "lshift",
    "rol", "ror", "rshift", "tobit", "tohex", NULL};

/* Advice for those who look for what is not there. */
static const struct {
	const char *name, *advice;
} absent[] = {
    {"print", "; mw.log.info(…) writes to the log"},
    {"xpcall", "; pcall is there"},
    {"os", "; the time is mw.time.now_ms()"},
    {"io", "; policies have no files"},
    {"load", "; code comes only from the policy's own files"},
    {"loadstring", "; code comes only from the policy's own files"},
    {"dofile", "; use require for the policy's own files"},
    {"coroutine", "; policies do not wait"},
    {"debug", "; policies do not have it"},
    {"ffi", "; policies do not have it"},
    {"jit", "; policies do not have it"},
    {"package", "; use require for the policy's own files"},
    {"_G", "; globals are not in a table"},
    {"rawset", "; policies do not have it"},
    {"collectgarbage", "; memory is looked after"},
};

/* ---- functions that replace Lua's ---- */

static int l_pcall(lua_State *L)
{
	luaL_checkany(L, 1);
	int status = mw_run_pcall(L, mw_run_of(L), lua_gettop(L) - 1);
	lua_pushboolean(L, status == 0);
	lua_insert(L, 1);
	return lua_gettop(L);
}

/* The metatables of decoded JSON are shared by all that has the same shape, and are not for
 * policies: theirs is what they set themselves. One of an object is known by what it has at 0. */
static int l_getmetatable(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_getmetafield(L, 1, "__metatable"))
		return 1;
	if (lua_type(L, 1) != LUA_TTABLE || !lua_getmetatable(L, 1))
		return 0;
	lua_rawgeti(L, -1, 0);
	bool hidden = !lua_isnil(L, -1) || lua_rawequal(L, -2, lua_upvalueindex(2));
	lua_pop(L, 1);
	return hidden ? 0 : 1;
}

/* ---- globals ---- */

static int read_missing(lua_State *L)
{
	struct mw_str name = {"?", 1};
	const char *advice = NULL;
	if (lua_type(L, 2) == LUA_TSTRING)
		name = mw_raise_str(L, 2);
	for (size_t i = 0; i < MW_LEN(absent) && !advice; i++)
		if (mw_str_is(name, absent[i].name))
			advice = absent[i].advice;
	mw_raise(L, MW_CODE_GLOBAL_READ, "there is no global '%.*s'%s", (int)MW_MIN(name.n, 60u),
	    name.p, advice ? advice : mw_raise_nearest_key(L, 1, name).text);
}

/* Upvalue 2: the globals. */
static int write_global(lua_State *L)
{
	if (!mw_run_of(L)->loading)
		mw_raise(L, MW_CODE_GLOBAL_WRITE,
		    "%s is not declared: write 'local' before it, in the function or, if it must "
		    "last, at the "
		    "top of the file",
		    mw_raise_show(L, 2).text);
	lua_rawset(L, lua_upvalueindex(2));
	return 0;
}

static bool is_ours(const char *path)
{
	return strncmp(path, "mw", 2) == 0;
}

/* Upvalue 2: the path of the table, "mw.random". */
static int no_member(lua_State *L)
{
	struct mw_str name = {"?", 1};
	if (lua_type(L, 2) == LUA_TSTRING)
		name = mw_raise_str(L, 2);
	mw_raise(L, MW_CODE_NO_MEMBER, "there is no %s.%.*s%s",
	    lua_tostring(L, lua_upvalueindex(2)), (int)MW_MIN(name.n, 60u), name.p,
	    mw_raise_nearest_key(L, 1, name).text);
}

/* Upvalues: the path of the table, and what is behind it. A file may add to a library of Lua's, as to
 * the globals; mw is ours. */
static int write_member(lua_State *L)
{
	const char *path = lua_tostring(L, lua_upvalueindex(2));
	if (is_ours(path))
		mw_raise(L, MW_CODE_GLOBAL_WRITE, "%s cannot be changed", path);
	if (!mw_run_of(L)->loading)
		mw_raise(L, MW_CODE_GLOBAL_WRITE,
		    "%s cannot be changed in a hook; what one call does is not for the next", path);
	lua_rawset(L, lua_upvalueindex(3));
	return 0;
}

/* Replaces the table on top of the stack by an empty one in front of it. */
static void put_behind(lua_State *L, struct mw_run *run, const char *path)
{
	lua_newtable(L);
	lua_createtable(L, 0, 3);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pushlightuserdata(L, run);
	lua_pushstring(L, path);
	lua_pushvalue(L, -5);
	lua_pushcclosure(L, write_member, 3);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_replace(L, -2);
}

/* Makes the table on top of the stack raise on what it does not have. */
static void make_strict(lua_State *L, struct mw_run *run, const char *path)
{
	lua_createtable(L, 0, 1);
	lua_pushlightuserdata(L, run);
	lua_pushstring(L, path);
	lua_pushcclosure(L, no_member, 2);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}

/* Pushes a copy of the table on top of the stack, and of the tables in it; `path` is its name, empty for
 * that of the globals. */
static void push_copy(lua_State *L, struct mw_run *run, const char *path)
{
	int from = lua_gettop(L);
	luaL_checkstack(L, 8, "for the sandbox");
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) {
		const char *name = lua_tostring(L, -2);
		lua_pushvalue(L, -2);
		if (lua_type(L, -2) == LUA_TTABLE) {
			lua_pushvalue(L, -2);
			lua_pushfstring(L, "%s%s%s", path, path[0] ? "." : "", name);
			lua_insert(L, -2);
			push_copy(L, run, lua_tostring(L, -2));
			lua_replace(L, -3);
			lua_pop(L, 1);
		} else {
			lua_pushvalue(L, -2);
		}
		lua_rawset(L, from + 1);
	}
	if (is_ours(path))
		make_strict(L, run, path);
	if (path[0])
		put_behind(L, run, path);
}

void mw_sandbox_push(lua_State *L, struct mw_run *run)
{
	lua_newtable(L); /* the environment, which stays empty */
	lua_createtable(L, 0, 3);
	lua_rawgeti(L, LUA_REGISTRYINDEX, run->all->sandbox);
	push_copy(L, run, "");
	lua_remove(L, -2);
	lua_createtable(L, 0, 1);
	mw_run_push(L, run, read_missing);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2); /* of the globals */
	lua_pushlightuserdata(L, run);
	lua_pushvalue(L, -2);
	lua_pushcclosure(L, write_global, 2);
	lua_setfield(L, -3, "__newindex");
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
}

/* ---- the template ---- */

/* Pushes a table with the named members of the stock table at `from`. */
static void push_kept(lua_State *L, int from, const char *const *names)
{
	lua_newtable(L);
	for (; *names; names++) {
		lua_getfield(L, from, *names);
		mw_require(!lua_isnil(L, -1));
		lua_setfield(L, -2, *names);
	}
}

static void add(lua_State *L, struct mw_run *run, const luaL_Reg *functions)
{
	for (; functions->name; functions++) {
		mw_run_push(L, run, functions->func);
		lua_setfield(L, -2, functions->name);
	}
}

/* Adds a function that calls the stock one, which is a member of the table at `from`. */
static void add_over(lua_State *L, struct mw_run *run, int from, const char *name, lua_CFunction fn)
{
	lua_pushlightuserdata(L, run);
	lua_getfield(L, from, name);
	lua_pushcclosure(L, fn, 2);
	lua_setfield(L, -2, name);
}

static void open_stock(lua_State *L, lua_CFunction open, const char *name)
{
	lua_pushcfunction(L, open);
	lua_pushstring(L, name);
	lua_call(L, 1, 0);
}

static void push_string(lua_State *L, struct mw_run *run)
{
	static const luaL_Reg own[] = {
	    {"rep", mw_sandbox_rep},
	    {"find", mw_prim_text_find},
	    {"match", mw_prim_text_match},
	    {"gmatch", mw_prim_text_gmatch},
	    {"gsub", mw_prim_text_gsub},
	    {NULL, NULL},
	};
	lua_getglobal(L, "string");
	int stock = lua_gettop(L);
	push_kept(L, stock, kept_string);
	add(L, run, own);
	add_over(L, run, stock, "format", mw_sandbox_format);
	lua_remove(L, stock);
}

static void push_table(lua_State *L, struct mw_run *run)
{
	static const luaL_Reg own[] = {
	    {"insert", mw_sandbox_insert},
	    {"remove", mw_sandbox_remove},
	    {"sort", mw_sandbox_sort},
	    {NULL, NULL},
	};
	lua_getglobal(L, "table");
	int stock = lua_gettop(L);
	lua_newtable(L);
	add(L, run, own);
	add_over(L, run, stock, "concat", mw_sandbox_concat);
	lua_remove(L, stock);
}

static void push_library(lua_State *L, const char *name, const char *const *names)
{
	lua_getglobal(L, name);
	push_kept(L, lua_gettop(L), names);
	lua_remove(L, -2);
}

/* Methods of strings ("x"):rep(3) come from a table that no policy can reach. */
static void lock_strings(lua_State *L, struct mw_run *run)
{
	lua_pushliteral(L, "");
	lua_createtable(L, 0, 2);
	push_string(L, run);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}

/* getmetatable knows the metatable that all JSON arrays share. */
static void add_getmetatable(lua_State *L, struct mw_run *run)
{
	lua_pushlightuserdata(L, run);
	lua_getfield(L, -2, "mw");
	lua_getfield(L, -1, "json");
	lua_getfield(L, -1, "array");
	lua_call(L, 0, 1);
	if (!lua_getmetatable(L, -1))
		lua_pushnil(L);
	lua_replace(L, -4);
	lua_pop(L, 2);
	lua_pushcclosure(L, l_getmetatable, 2);
	lua_setfield(L, -2, "getmetatable");
}

static void push_template(lua_State *L, struct mw_run *run)
{
	static const luaL_Reg own[] = {
	    {"pcall", l_pcall},
	    {"pairs", mw_sandbox_pairs},
	    {"next", mw_sandbox_next},
	    {"tostring", mw_sandbox_tostring},
	    {"require", mw_load_require},
	    {NULL, NULL},
	};
	static const luaL_Reg own_math[] = {{"random", mw_prim_random_math}, {NULL, NULL}};
	static const luaL_Reg own_mw[] = {{"policy", mw_load_policy}, {NULL, NULL}};
	push_kept(L, LUA_GLOBALSINDEX, kept);
	add(L, run, own);
	add_over(L, run, LUA_GLOBALSINDEX, "ipairs", mw_sandbox_ipairs);
	push_string(L, run);
	lua_setfield(L, -2, "string");
	push_table(L, run);
	lua_setfield(L, -2, "table");
	push_library(L, "math", kept_math);
	add(L, run, own_math);
	lua_setfield(L, -2, "math");
	push_library(L, "bit", kept_bit);
	lua_setfield(L, -2, "bit");
	mw_prim_push(L, run);
	add(L, run, own_mw);
	lua_setfield(L, -2, "mw");
	add_getmetatable(L, run);
}

void mw_sandbox_open(lua_State *L, struct mw_run *run)
{
	open_stock(L, luaopen_base, "");
	open_stock(L, luaopen_string, LUA_STRLIBNAME);
	open_stock(L, luaopen_table, LUA_TABLIBNAME);
	open_stock(L, luaopen_math, LUA_MATHLIBNAME);
	open_stock(L, luaopen_bit, LUA_BITLIBNAME);
	push_template(L, run);
	run->all->sandbox = luaL_ref(L, LUA_REGISTRYINDEX);
	lock_strings(L, run);
}
