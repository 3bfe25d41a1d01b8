/* SPDX-License-Identifier: MIT
 *
 * What hooks may return: the values that mw.reject and its kin make, and plans. Each
 * `mw_decision_after_*` is the check of a hook's result (index 1 of the stack) and fills
 * run->decision or *run->plan; it raises on what the hook may not return.
 */
#ifndef MW_DECISION_H
#define MW_DECISION_H

#include "script/run.h"

/* Makes the metatable by which decisions are known; once. May raise. */
void mw_decision_open(lua_State *L, struct mw_run *run);

/* Pushes the value that stands for the decision. */
void mw_decision_push(lua_State *L, struct mw_run *run, const struct mw_decision *d);

void mw_decision_after_admit(lua_State *L, struct mw_run *run);
void mw_decision_after_rewrite(lua_State *L, struct mw_run *run);
void mw_decision_after_route(lua_State *L, struct mw_run *run);
void mw_decision_after_attempt(lua_State *L, struct mw_run *run);
void mw_decision_after_result(lua_State *L, struct mw_run *run);
void mw_decision_after_nothing(lua_State *L, struct mw_run *run); /* only nil will do */

/* Reads the list of candidates at idx, with the options of mw.plan if it has any; raises PLAN. */
void mw_decision_read_plan(lua_State *L, struct mw_run *run, int idx, struct mw_plan *out);

#endif
