/* SPDX-License-Identifier: MIT
 *
 * Reading a target's reply into the client's form: whole or event by event, as bytes where both
 * speak the same dialect and the reply has the shape it should (pass.c), else through lua/. Nothing
 * is handed to the client here: what is ready waits in reader.out (streams) or walk->reply (whole).
 */
#ifndef MW_READER_H
#define MW_READER_H

#include "gate/walk.h"

void mw_reader_open(struct mw_walk *walk);
void mw_reader_close(struct mw_walk *walk); /* gives back memory; may be repeated */

void mw_reader_head(struct mw_walk *walk, const struct mw_exchange_head *head);
/* False: the reply is no answer; walk->fault says why. */
bool mw_reader_bytes(struct mw_walk *walk, struct mw_str bytes) MW_MUSTCHECK;
/* The reply came to a clean end. True: it was an answer and is ready. */
bool mw_reader_end(struct mw_walk *walk) MW_MUSTCHECK;

/* Appends what ends a stream for the client (usage, end mark) to reader.out, and reads the usage.
 */
void mw_reader_finish(struct mw_walk *walk);

#endif
