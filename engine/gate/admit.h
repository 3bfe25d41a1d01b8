/* SPDX-License-Identifier: MIT
 *
 * What ADMIT does, for ROUTE to do again when a call falls back to another group.
 */
#ifndef MW_ADMIT_H
#define MW_ADMIT_H

#include "gate/walk.h"

/* Asks the policies of the call's group that it has not been before, and if one of them rewrites the
 * model, those of that group. False: it does not go on. d->verdict is ANSWER, or REJECT and walk->fault
 * says why. */
bool mw_admit_group(struct mw_walk *walk, struct mw_decision *d) MW_MUSTCHECK;

#endif
