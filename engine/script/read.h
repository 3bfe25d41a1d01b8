/* SPDX-License-Identifier: MIT
 *
 * Reading what lua/ returns. The trusted side of the room: a table that lacks a field or has another type
 * in it reads as absent. Nothing here raises, unless memory is out.
 */
#ifndef MW_READ_H
#define MW_READ_H

#include "base/arena.h"
#include "call/usage.h"
#include "script/translate.h"

#include <lua.h>

/* A string or number on the stack, copied; {NULL,0} for anything else. */
struct mw_str mw_read_str(lua_State *L, int idx, struct mw_arena *a);

/* Fields of the table at idx. */
struct mw_str mw_read_text(lua_State *L, int idx, const char *name, struct mw_arena *a);
bool mw_read_bool(lua_State *L, int idx, const char *name);
/* Within 0..max; `absent` where there is none. */
double mw_read_number(lua_State *L, int idx, const char *name, double max, double absent);
/* `headers`, a flat list of name, value, name, value … */
const struct mw_header *mw_read_headers(lua_State *L, int idx, struct mw_arena *a, size_t *n);

/* A fault table, and the flat usage table (lua/README.md). */
void mw_read_fault(lua_State *L, int idx, struct mw_arena *a, struct mw_fault *f);
void mw_read_usage(lua_State *L, int idx, struct mw_usage *u);

#endif
