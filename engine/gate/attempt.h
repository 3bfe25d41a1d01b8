/* SPDX-License-Identifier: MIT
 *
 * One attempt: sends what has been encoded, watches its deadlines, feeds the reader, and wakes the
 * driver when it has ended. How it ended stands in walk->attempt and walk->fault.
 */
#ifndef MW_ATTEMPT_H
#define MW_ATTEMPT_H

#include "gate/walk.h"

/* Starts the exchange (or the play) for walk->attempt. The driver is woken later, never from
 * inside. */
void mw_attempt_start(struct mw_walk *walk, const struct mw_exchange_request *request);
void mw_attempt_play(struct mw_walk *walk, const struct mw_play_script *script);

/* Ends what is under way without waking anybody: the client left. Harmless when nothing is. */
void mw_attempt_cancel(struct mw_walk *walk);

/* The client takes bytes again. */
void mw_attempt_drained(struct mw_walk *walk);

#endif
