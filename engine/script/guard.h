/* SPDX-License-Identifier: MIT
 *
 * The guard: keeps policy code within its time. Policies run interpreted; a watchdog thread looks
 * at every worker each 2 ms, and where one hook has stood longer than its budget, sends that
 * worker's thread a signal. The handler, on that thread, sets a count hook, and the hook raises a
 * value that no pcall of a policy can keep. Entering and leaving cost a few stores each.
 */
#ifndef MW_GUARD_H
#define MW_GUARD_H

#include "base/base.h"

#include <lua.h>

struct mw_watchdog; /* the process's one watchdog thread; it sleeps while no hook runs */
struct mw_guard;    /* one worker as the watchdog sees it */

struct mw_watchdog *mw_watchdog_new(void);
void mw_watchdog_free(struct mw_watchdog *w); /* after all guards are freed */

/* Made and freed on the worker's own thread, which has one at a time. It uses SIGURG. */
struct mw_guard *mw_guard_new(struct mw_watchdog *w);
void mw_guard_free(struct mw_guard *g); /* takes NULL */

/* Around each run of policy code. Not nested. */
void mw_guard_enter(struct mw_guard *g, lua_State *L, uint32_t budget_us);
void mw_guard_leave(struct mw_guard *g);

/* For long work in C on behalf of a script: has the time of this thread's run passed? (Never, where
 * no guard is.) Then the work gives up, and its caller stops the run. */
bool mw_guard_expired(void);
void mw_guard_check(lua_State *L); /* stops the run if its time has passed */

/* Where the last run was stopped: "file:line", or "" if unknown. Good until the next enter. */
const char *mw_guard_where(const struct mw_guard *g);
/* The value that stops a run; pcall in policies re-raises it. */
bool mw_guard_is_stop(lua_State *L, int idx);

#endif
