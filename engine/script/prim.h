/* SPDX-License-Identifier: MIT
 *
 * The primitives: what stands under `mw`. One file prim_<group>.c for each group, which holds
 * nothing but the binding; what it binds lives in the room that owns it.
 *
 * Adding a group: its file, a row in the list of prim.c, a part in policies/README.md.
 */
#ifndef MW_PRIM_H
#define MW_PRIM_H

#include "script/run.h"

#include <lauxlib.h>

struct mw_prim {
	const char *group;         /* "random"; NULL: in mw itself */
	const luaL_Reg *functions; /* the run is their first upvalue; a row of NULL ends the list */
	/* Adds to the group's table, which is on top of the stack, what is no function; may be
	 * NULL. */
	void (*open)(lua_State *L, struct mw_run *run);
};

extern const struct mw_prim mw_prim_decision, mw_prim_pick, mw_prim_order, mw_prim_random,
    mw_prim_stats, mw_prim_log, mw_prim_time, mw_prim_json, mw_prim_text;

/* Pushes a new table with all of them. */
void mw_prim_push(lua_State *L, struct mw_run *run);

/* Those that also stand in string and math. */
int mw_prim_text_find(lua_State *L);
int mw_prim_text_match(lua_State *L);
int mw_prim_text_gmatch(lua_State *L);
int mw_prim_text_gsub(lua_State *L);
int mw_prim_random_math(lua_State *L);

/* The names of all groups; NULL ends the list. */
enum { MW_PRIM_GROUPS = 32 };
void mw_prim_groups(const char *out[MW_PRIM_GROUPS]);

#endif
