/* SPDX-License-Identifier: MIT
 *
 * mw.random, and math.random by the way: every draw comes from the environment, so that a simulator
 * repeats it.
 */
#include "script/prim.h"

#include <math.h>

static double unit(const struct mw_run *run)
{
	return mw_rng_unit(&run->all->env->rng);
}

static double whole(lua_State *L, int idx, const char *what)
{
	double v = luaL_checknumber(L, idx);
	if (!(v == floor(v) && fabs(v) <= 0x1p53))
		mw_raise(L, MW_CODE_ARGUMENT, "%s: %.14g is no whole number", what, v);
	return v;
}

/* A whole number from low to high. */
static double between(const struct mw_run *run, double low, double high)
{
	return low + floor(unit(run) * (high - low + 1));
}

static int l_unit(lua_State *L)
{
	lua_pushnumber(L, unit(mw_run_of(L)));
	return 1;
}

static int l_int(lua_State *L)
{
	double low = 1, high = whole(L, 1, "mw.random.int");
	if (!lua_isnoneornil(L, 2)) {
		low = high;
		high = whole(L, 2, "mw.random.int");
	}
	if (high < low)
		mw_raise(L, MW_CODE_ARGUMENT, "mw.random.int: nothing lies between %.14g and %.14g",
		    low, high);
	lua_pushnumber(L, between(mw_run_of(L), low, high));
	return 1;
}

/* Two different numbers from 1 to n; both 1 if n is 1. */
static int l_pair(lua_State *L)
{
	double n = whole(L, 1, "mw.random.pair");
	if (n < 1)
		mw_raise(L, MW_CODE_ARGUMENT, "mw.random.pair: of %.14g there is no pair", n);
	double a = between(mw_run_of(L), 1, n), b = a;
	if (n > 1) {
		b = between(mw_run_of(L), 1, n - 1);
		b += b >= a;
	}
	lua_pushnumber(L, a);
	lua_pushnumber(L, b);
	return 2;
}

static int l_exp(lua_State *L)
{
	lua_pushnumber(L, -log1p(-unit(mw_run_of(L))) * luaL_checknumber(L, 1));
	return 1;
}

static int l_normal(lua_State *L)
{
	double mean = luaL_checknumber(L, 1), deviation = luaL_checknumber(L, 2);
	struct mw_run *run = mw_run_of(L);
	double radius = sqrt(-2 * log1p(-unit(run))),
	       angle = 2 * 3.14159265358979323846 * unit(run);
	lua_pushnumber(L, mean + deviation * radius * cos(angle));
	return 1;
}

static int l_shuffle(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	size_t n = lua_objlen(L, 1);
	if (n > MW_RUN_ITEMS)
		mw_raise(L, MW_CODE_TOO_LARGE,
		    "mw.random.shuffle takes a list of up to %d items, not %zu", MW_RUN_ITEMS, n);
	for (size_t i = n; i > 1; i--) {
		int j = (int)between(mw_run_of(L), 1, (double)i);
		lua_rawgeti(L, 1, (int)i);
		lua_rawgeti(L, 1, j);
		lua_rawseti(L, 1, (int)i);
		lua_rawseti(L, 1, j);
	}
	lua_settop(L, 1);
	return 1;
}

int mw_prim_random_math(lua_State *L)
{
	return lua_isnone(L, 1) ? l_unit(L) : l_int(L);
}

static const luaL_Reg functions[] = {
    {"unit", l_unit},
    {"int", l_int},
    {"pair", l_pair},
    {"exp", l_exp},
    {"normal", l_normal},
    {"shuffle", l_shuffle},
    {NULL, NULL},
};

const struct mw_prim mw_prim_random = {"random", functions, NULL};
