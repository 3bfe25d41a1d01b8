/* SPDX-License-Identifier: MIT
 *
 * The parts of DECODE that are needed elsewhere: by ADMIT when a policy has changed the body, and by the page
 * of one model.
 */
#ifndef MW_DECODE_H
#define MW_DECODE_H

#include "gate/walk.h"

/* Finds the members of call->body; BAD_JSON if it is not an object. */
bool mw_decode_body(struct mw_call *call, struct mw_err *err) MW_MUSTCHECK;
/* Looks up the model that the body names. */
bool mw_decode_model(struct mw_walk *walk, struct mw_err *err) MW_MUSTCHECK;
/* NO_MODEL, with the nearest names that are known; returns false. */
bool mw_decode_no_model(const struct mw_settings *s, struct mw_str name, struct mw_err *err);

#endif
