/* SPDX-License-Identifier: MIT
 *
 * Parameters of policies: how a manifest declares them, and the settings' values checked against
 * that.
 */
#ifndef MW_PARAM_H
#define MW_PARAM_H

#include "script/run.h"

/* Checks the declarations in the table at idx; raises PARAM_TYPE. */
void mw_param_declare(lua_State *L, int idx);

/* Pushes the table that run->policy's hooks get as `p`: the settings' values and the defaults.
 * Raises PARAM with the settings' file and line. */
void mw_param_push(lua_State *L, struct mw_run *run);

#endif
