/* SPDX-License-Identifier: MIT
 *
 * What a call costs so far, and what its attempts have used.
 */
#ifndef MW_COST_H
#define MW_COST_H

#include "gate/walk.h"

/* Fills call->cost from call->usage; -1 where price or usage are unknown. */
void mw_cost_fill(struct mw_walk *walk);
/* The same, and counts tokens and cost of the attempt that has ended. To be called once for each: what a
 * policy throws away, or what breaks off, was paid for too. */
void mw_cost_attempt(struct mw_walk *walk);

#endif
