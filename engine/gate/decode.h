/* SPDX-License-Identifier: MIT
 *
 * What DECODE does, for ADMIT to do again when a policy has changed the body; and a part of it, for the
 * page of one model.
 */
#ifndef MW_DECODE_H
#define MW_DECODE_H

#include "gate/walk.h"

/* Checks call->body, finds its members, the model that it names, and what it wishes of the gateway. */
bool mw_decode_call(struct mw_walk *walk, struct mw_err *err) MW_MUSTCHECK;
/* NO_MODEL, with the nearest names that are known; returns false. */
bool mw_decode_no_model(const struct mw_settings *s, struct mw_str name, struct mw_err *err);

#endif
