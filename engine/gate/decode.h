/* SPDX-License-Identifier: MIT
 *
 * The parts of DECODE that ADMIT needs again when a policy has changed the body.
 */
#ifndef MW_DECODE_H
#define MW_DECODE_H

#include "gate/walk.h"

/* Finds the members of call->body; BAD_JSON if it is not an object. */
bool mw_decode_body(struct mw_call *call, struct mw_err *err) MW_MUSTCHECK;
/* Looks up the model that the body names. */
bool mw_decode_model(struct mw_walk *walk, struct mw_err *err) MW_MUSTCHECK;

#endif
