/* SPDX-License-Identifier: MIT
 *
 * Handles: what a hook gets for the call, an attempt, a result and the candidates. A handle is a
 * light userdata that says what it stands for, which one of them, and in which run it was made. It
 * costs no memory, and one that a policy has kept raises when it is used later, because runs have
 * numbers.
 *
 * Adding a field: a row in the table of its file (handle_req.c, handle_up.c, handle_at.c,
 * handle_res.c), a line in policies/README.md.
 */
#ifndef MW_HANDLE_H
#define MW_HANDLE_H

#include "script/run.h"

#include <lauxlib.h>

enum mw_handle {
	MW_HANDLE_NONE,
	MW_HANDLE_REQ,
	MW_HANDLE_UPS, /* all candidates */
	MW_HANDLE_UP,  /* one of them, by index from 0 */
	MW_HANDLE_AT,
	MW_HANDLE_RES,
	MW_HANDLES,
};

/* Pushes one value. */
struct mw_field {
	const char *name;
	void (*push)(lua_State *L, struct mw_run *run, unsigned index);
};

/* What a kind of handle has; each table ends with a row of NULL. */
struct mw_handle_face {
	const char *word; /* "candidate" */
	const struct mw_field *fields;
	const luaL_Reg *methods;
};
extern const struct mw_handle_face mw_handle_req, mw_handle_ups, mw_handle_up, mw_handle_at,
    mw_handle_res;

/* Makes this state's handles known; once, before the first is pushed. May raise. */
void mw_handle_open(lua_State *L, struct mw_run *run);

void mw_handle_push(lua_State *L, const struct mw_run *run, enum mw_handle kind, unsigned index);
/* The kind of the value at idx, *index too if it is a handle; stale ones are MW_HANDLE_NONE. */
enum mw_handle mw_handle_kind(lua_State *L, const struct mw_run *run, int idx, unsigned *index);

/* The run, from inside a method; raises when argument 1 is not such a handle, or is stale. */
struct mw_run *mw_handle_self(lua_State *L, enum mw_handle kind);
/* Raises if the present hook is not one of `hooks` (bits 1 << MW_HOOK_…). */
void mw_handle_only_in(lua_State *L, const struct mw_run *run, unsigned hooks, const char *what);

/* set_header(name, value) of req and at: checks both and notes them. */
int mw_handle_note_header(lua_State *L, struct mw_run *run, enum mw_note_kind kind);

/* What handles and primitives push. */
void mw_handle_push_str(lua_State *L, struct mw_str s);     /* nil when empty */
void mw_handle_push_ms(lua_State *L, uint64_t us);          /* nil when 0 */

#endif
