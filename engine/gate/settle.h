/* SPDX-License-Identifier: MIT
 *
 * What a call costs so far.
 */
#ifndef MW_SETTLE_H
#define MW_SETTLE_H

#include "gate/walk.h"

/* Fills call->cost from call->usage; -1 where price or usage are unknown. */
void mw_settle_cost(struct mw_walk *walk);

#endif
