/* SPDX-License-Identifier: MIT
 *
 * mw.time: both clocks stand still within one run of a hook.
 */
#include "script/prim.h"

static int l_now(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)mw_run_wall(mw_run_of(L)) / 1000);
	return 1;
}

static int l_mono(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)mw_run_now(mw_run_of(L)) / 1000);
	return 1;
}

static const luaL_Reg functions[] = {{"now_ms", l_now}, {"mono_ms", l_mono}, {NULL, NULL}};

const struct mw_prim mw_prim_time = {"time", functions, NULL};
