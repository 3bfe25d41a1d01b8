/* SPDX-License-Identifier: MIT
 *
 * The driver of the steps, and the steps themselves.
 */
#ifndef MW_STEPS_H
#define MW_STEPS_H

#include "gate/walk.h"

/* Runs steps until one waits or the walk is over; the walk may be dead when it returns. */
void mw_steps_run(struct mw_walk *walk);

/* The client has gone: ends what is under way, settles, and frees the walk. */
void mw_steps_gone(struct mw_walk *walk);
/* The same where the request itself was at fault, and has been answered. */
void mw_steps_refused(struct mw_walk *walk, const struct mw_err *err);

#define MW_STEP(id, fn) enum mw_next fn(struct mw_walk *walk);
#include "gate/steps.def"
#undef MW_STEP

#endif
