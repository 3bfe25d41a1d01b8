/* SPDX-License-Identifier: MIT
 *
 * Tools for the runtime: base64, rows of floats, time, ids.
 */
#include "script/lib.h"

#include "base/hash.h"

#include <lauxlib.h>
#include <time.h>

enum { MAX_HEX = 1024 };

static const char env_key; /* its address is a key in the registry */

static struct mw_str check_string(lua_State *L, int idx)
{
	struct mw_str s;
	s.p = luaL_checklstring(L, idx, &s.n);
	return s;
}

/* Memory for a result, which Lua frees, also when something raises. */
static char *scratch(lua_State *L, size_t n)
{
	return lua_newuserdata(L, MW_MAX(n, (size_t)1));
}

static int push_nil(lua_State *L)
{
	lua_pushnil(L);
	return 1;
}

/* ---- base64 ------------------------------------------------------------------------------------
 */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int l_base64_encode(lua_State *L)
{
	struct mw_str s = check_string(L, 1);
	const unsigned char *p = (const unsigned char *)s.p;
	char *out = scratch(L, (s.n + 2) / 3 * 4);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i += 3) {
		size_t left = s.n - i;
		uint32_t w = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
		             (left > 2 ? p[i + 2] : 0);
		out[n++] = base64_digits[w >> 18];
		out[n++] = base64_digits[w >> 12 & 63];
		out[n++] = left > 1 ? base64_digits[w >> 6 & 63] : '=';
		out[n++] = left > 2 ? base64_digits[w & 63] : '=';
	}
	lua_pushlstring(L, out, n);
	return 1;
}

/* 64: no digit. */
static unsigned char base64_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned char)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned char)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (unsigned char)(c - '0' + 52);
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : 64;
}

/* Cuts the padding off; false if there is too much of it, or a length that no bytes have. */
static bool base64_trim(struct mw_str *s)
{
	size_t whole = s->n;
	while (s->n && whole - s->n < 2 && s->p[s->n - 1] == '=')
		s->n--;
	return s->n % 4 != 1 && (whole == s->n || whole % 4 == 0);
}

static int l_base64_decode(lua_State *L)
{
	struct mw_str s = check_string(L, 1);
	if (!base64_trim(&s))
		return push_nil(L);
	unsigned char table[256];
	for (unsigned c = 0; c < 256; c++)
		table[c] = base64_value((unsigned char)c);
	char *out = scratch(L, s.n / 4 * 3 + 3);
	size_t n = 0;
	uint32_t bits = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char value = table[(unsigned char)s.p[i]];
		if (value == 64)
			return push_nil(L);
		bits = bits << 6 | value;
		/* each digit but the first of four completes a byte */
		if (i % 4)
			out[n++] = (char)(bits >> (6 - 2 * (i % 4)));
	}
	lua_pushlstring(L, out, n);
	return 1;
}

/* ---- floats ------------------------------------------------------------------------------------
 */

static int l_floats_encode(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	size_t n = lua_objlen(L, 1);
	unsigned char *out = (unsigned char *)scratch(L, n * 4);
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, 1, (int)i + 1);
		if (lua_type(L, -1) != LUA_TNUMBER)
			return luaL_error(
			    L, "item %d is a %s, not a number", (int)i + 1, luaL_typename(L, -1));
		float f = (float)lua_tonumber(L, -1);
		uint32_t w;
		memcpy(&w, &f, 4);
		for (int k = 0; k < 4; k++)
			out[4 * i + (size_t)k] = (unsigned char)(w >> 8 * k);
		lua_pop(L, 1);
	}
	lua_pushlstring(L, (const char *)out, n * 4);
	return 1;
}

static int l_floats_decode(lua_State *L)
{
	struct mw_str s = check_string(L, 1);
	const unsigned char *p = (const unsigned char *)s.p;
	if (s.n % 4)
		return push_nil(L);
	lua_createtable(L, (int)(s.n / 4), 0);
	for (size_t i = 0; i < s.n; i += 4) {
		uint32_t w = p[i] | (uint32_t)p[i + 1] << 8 | (uint32_t)p[i + 2] << 16 |
		             (uint32_t)p[i + 3] << 24;
		float f;
		memcpy(&f, &w, 4);
		lua_pushnumber(L, (double)f);
		lua_rawseti(L, -2, (int)(i / 4) + 1);
	}
	return 1;
}

/* ---- time and ids ------------------------------------------------------------------------------
 */

void mw_lib_set_env(lua_State *L, struct mw_env *env)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)&env_key);
	lua_pushlightuserdata(L, env);
	lua_rawset(L, LUA_REGISTRYINDEX);
}

/* NULL: the system is to be asked. */
static struct mw_env *env_of(lua_State *L)
{
	lua_pushlightuserdata(L, (void *)(uintptr_t)&env_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	struct mw_env *env = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return env;
}

static int l_now(lua_State *L)
{
	struct mw_env *env = env_of(L);
	lua_pushnumber(L, env ? (double)(mw_env_wall(env) / 1000000) : (double)time(NULL));
	return 1;
}

static int l_random_hex(lua_State *L)
{
	struct mw_env *env = env_of(L);
	lua_Integer n = luaL_checkinteger(L, 1);
	luaL_argcheck(L, n >= 0 && n <= MAX_HEX, 1, "0 to 1024 digits");
	char out[MAX_HEX];
	uint64_t bits = 0;
	for (lua_Integer i = 0; i < n; i++, bits >>= 4) {
		if (i % 16 == 0)
			bits = env ? mw_env_random(env) : mw_system_random();
		out[i] = "0123456789abcdef"[bits & 15];
	}
	lua_pushlstring(L, out, (size_t)n);
	return 1;
}

/* ---- text --------------------------------------------------------------------------------------
 */

int luaopen_mwlib(lua_State *L)
{
	static const luaL_Reg functions[] = {{"base64_encode", l_base64_encode},
	    {"base64_decode", l_base64_decode}, {"floats_encode", l_floats_encode},
	    {"floats_decode", l_floats_decode}, {"now", l_now}, {"random_hex", l_random_hex},
	    {NULL, NULL}};
	lua_createtable(L, 0, (int)MW_LEN(functions) - 1);
	luaL_setfuncs(L, functions, 0);
	return 1;
}
