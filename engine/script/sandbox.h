/* SPDX-License-Identifier: MIT
 *
 * What a policy sees: the globals of Lua 5.1 without those that reach outside, run code, or cannot
 * be stopped; `mw`; and its own globals, which may be written only while its files are being
 * loaded.
 */
#ifndef MW_SANDBOX_H
#define MW_SANDBOX_H

#include "script/run.h"

#include <lauxlib.h>

/* Builds what all environments of this state are copied from; once. May raise. */
void mw_sandbox_open(lua_State *L, struct mw_run *run);

/* Pushes a new environment for the files of one policy. Nothing in it is shared with another
 * policy. */
void mw_sandbox_push(lua_State *L, struct mw_run *run);

/* The functions that replace those of Lua (sandbox_table.c, sandbox_string.c). */
int mw_sandbox_pairs(lua_State *L);
int mw_sandbox_ipairs(lua_State *L);
int mw_sandbox_next(lua_State *L);
int mw_sandbox_insert(lua_State *L);
int mw_sandbox_remove(lua_State *L);
int mw_sandbox_concat(lua_State *L); /* upvalue 2: the stock function */
int mw_sandbox_sort(lua_State *L);
int mw_sandbox_tostring(lua_State *L);
int mw_sandbox_rep(lua_State *L);
int mw_sandbox_format(lua_State *L); /* upvalue 2: the stock function */

#endif
