/* SPDX-License-Identifier: MIT
 *
 * Answers that a policy gives in a target's place.
 */
#ifndef MW_ANSWER_H
#define MW_ANSWER_H

#include "gate/walk.h"

/* Answers the client with d->text, whole or as a stream; the walk is at its end. A call that asks for no
 * text gets an error. */
void mw_answer_text(struct mw_walk *walk, const struct mw_decision *d);

#endif
