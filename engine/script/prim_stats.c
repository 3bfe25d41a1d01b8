/* SPDX-License-Identifier: MIT
 *
 * mw.stats: numbers by name that all workers share and that survive a reload (shared/stats). A
 * policy has names of its own: another's are not in reach.
 */
#include "script/prim.h"

#include "script/options.h"

#define STAT_TYPE "mw.stat"

static const struct mw_option ewma_options[] = {
    {"tau_s", LUA_TNUMBER, false, 0.001, 1e6},
    {NULL, 0, false, 0, 0},
};
static const struct mw_option window_options[] = {
    {"s", LUA_TNUMBER, false, 0.001, 1e6},
    {NULL, 0, false, 0, 0},
};

static struct mw_stat *self(lua_State *L)
{
	return *(struct mw_stat **)luaL_checkudata(L, 1, STAT_TYPE);
}

static int open_stat(lua_State *L, enum mw_stat_kind kind, double span_s)
{
	struct mw_run *run = mw_run_of(L);
	struct mw_err err;
	luaL_checkstring(L, 1);
	lua_pushlstring(L, run->policy->name.p, run->policy->name.n);
	lua_pushliteral(L, "/");
	lua_pushvalue(L, 1);
	lua_concat(L, 3);
	struct mw_stat *s = mw_stats_get(
	    run->all->stats, mw_raise_str(L, -1), kind, (uint64_t)(span_s * 1e6), &err);
	if (!s)
		mw_raise(L, MW_CODE_ARGUMENT, "mw.stats: %s", err.text);
	*(struct mw_stat **)lua_newuserdata(L, sizeof(s)) = s;
	luaL_getmetatable(L, STAT_TYPE);
	lua_setmetatable(L, -2);
	return 1;
}

static int l_ewma(lua_State *L)
{
	double tau = 60;
	if (!lua_isnoneornil(L, 2)) {
		mw_options_check(L, 2, MW_CODE_ARGUMENT, "mw.stats.ewma", ewma_options);
		tau = mw_options_number(L, 2, "tau_s", tau);
	}
	return open_stat(L, MW_STAT_EWMA, tau);
}

static int l_window(lua_State *L)
{
	double s = 60;
	if (!lua_isnoneornil(L, 2)) {
		mw_options_check(L, 2, MW_CODE_ARGUMENT, "mw.stats.window", window_options);
		s = mw_options_number(L, 2, "s", s);
	}
	return open_stat(L, MW_STAT_WINDOW, s);
}

/* ---- methods ---- */

static int l_add(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	struct mw_err err;
	double v = luaL_checknumber(L, 2);
	if (v - v != 0)
		mw_raise(L, MW_CODE_ARGUMENT, "stat:add got %.14g, which is no finite number", v);
	if (!mw_journal_sample(&run->journal, self(L), v, &err))
		mw_raise(L, MW_CODE_TOO_MANY, "%s", err.text);
	return 0;
}

static struct mw_stat_view view(lua_State *L)
{
	struct mw_stat_view v;
	mw_stat_view(self(L), mw_run_now(mw_run_of(L)), &v);
	return v;
}

/* The mean; nil without samples. */
static int l_get(lua_State *L)
{
	struct mw_stat_view v = view(L);
	if (v.count)
		lua_pushnumber(L, v.mean);
	else
		lua_pushnil(L);
	return 1;
}

static int l_count(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)view(L).count);
	return 1;
}

static int l_sum(lua_State *L)
{
	lua_pushnumber(L, view(L).sum);
	return 1;
}

static int l_rate(lua_State *L)
{
	struct mw_stat_view v = view(L);
	lua_pushnumber(L, v.sum / ((lua_Number)v.span_us / 1e6));
	return 1;
}

static const luaL_Reg methods[] = {
    {"add", l_add},
    {"get", l_get},
    {"mean", l_get},
    {"count", l_count},
    {"sum", l_sum},
    {"rate", l_rate},
    {NULL, NULL},
};

static void open_methods(lua_State *L, struct mw_run *run)
{
	luaL_newmetatable(L, STAT_TYPE);
	lua_newtable(L);
	for (const luaL_Reg *m = methods; m->name; m++) {
		mw_run_push(L, run, m->func);
		lua_setfield(L, -2, m->name);
	}
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}

static const luaL_Reg functions[] = {{"ewma", l_ewma}, {"window", l_window}, {NULL, NULL}};

const struct mw_prim mw_prim_stats = {"stats", functions, open_methods};
