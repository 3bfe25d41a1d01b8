/* SPDX-License-Identifier: MIT
 *
 * What a call costs so far.
 */
#ifndef MW_COST_H
#define MW_COST_H

#include "gate/walk.h"

/* Fills call->cost from call->usage; -1 where price or usage are unknown. */
void mw_cost_fill(struct mw_walk *walk);

#endif
