/* SPDX-License-Identifier: MIT
 *
 * THE list of the groups of primitives.
 */
#include "script/prim.h"

static const struct mw_prim *const prims[] = {
    &mw_prim_decision,
    &mw_prim_pick,
    &mw_prim_order,
    &mw_prim_random,
    &mw_prim_stats,
    &mw_prim_log,
    &mw_prim_time,
    &mw_prim_json,
    &mw_prim_text,
};

static void add_functions(lua_State *L, struct mw_run *run, const struct mw_prim *prim)
{
	for (const luaL_Reg *f = prim->functions; f->name; f++) {
		mw_run_push(L, run, f->func);
		lua_setfield(L, -2, f->name);
	}
	if (prim->open)
		prim->open(L, run);
}

void mw_prim_push(lua_State *L, struct mw_run *run)
{
	lua_newtable(L);
	for (size_t i = 0; i < MW_LEN(prims); i++) {
		if (!prims[i]->group) {
			add_functions(L, run, prims[i]);
			continue;
		}
		lua_newtable(L);
		add_functions(L, run, prims[i]);
		lua_setfield(L, -2, prims[i]->group);
	}
}

void mw_prim_groups(const char *out[MW_PRIM_GROUPS])
{
	size_t n = 0;
	_Static_assert(MW_LEN(prims) < MW_PRIM_GROUPS, "all groups and a NULL");
	for (size_t i = 0; i < MW_LEN(prims); i++)
		if (prims[i]->group)
			out[n++] = prims[i]->group;
	out[n] = NULL;
}
