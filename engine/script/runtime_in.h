/* SPDX-License-Identifier: MIT
 *
 * The runtime from inside: for runtime.c and translate.c only.
 */
#ifndef MW_RUNTIME_IN_H
#define MW_RUNTIME_IN_H

#include "script/runtime.h"

#include <lua.h>

/* The functions of lua/boot.lua that C calls; their names are in runtime.c. */
enum mw_entry {
	MW_ENTRY_PREPARE,
	MW_ENTRY_WILDCARDS,
	MW_ENTRY_ADD,
	MW_ENTRY_DROP,
	MW_ENTRY_REQUEST,
	MW_ENTRY_PLAY,
	MW_ENTRY_REPLY,
	MW_ENTRY_FAILURE,
	MW_ENTRY_OPEN,
	MW_ENTRIES,
};

struct mw_runtime {
	lua_State *L;
	struct mw_env *env;
	int entries[MW_ENTRIES]; /* registry references */
	int traceback;
	unsigned next_index; /* of the first target of the next generation */
};

/* Calls what is on the stack, with a traceback; on failure leaves nothing there and says what happened. */
bool mw_runtime_call(struct mw_runtime *rt, int nargs, int nresults, struct mw_err *err);

#endif
