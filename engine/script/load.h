/* SPDX-License-Identifier: MIT
 *
 * Loading one policy: its files, its manifest (mw.policy), its hooks.
 */
#ifndef MW_LOAD_H
#define MW_LOAD_H

#include "script/run.h"

/* For mw_run_finish: runs the first file of run->policy, checks what it returns and the parameters
 * of the settings. Raises on whatever is wrong. */
int mw_load_run(lua_State *L);

/* In the sandbox: mw.policy and require. */
int mw_load_policy(lua_State *L);
int mw_load_require(lua_State *L);

#endif
