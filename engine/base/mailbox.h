/* SPDX-License-Identifier: MIT
 *
 * How threads talk: anybody posts, the loop's own thread runs. Messages are run in the order of
 * posting.
 */
#ifndef MW_MAILBOX_H
#define MW_MAILBOX_H

#include "base/loop.h"

struct mw_mailbox;

/* Made and freed by the thread of the loop, or while it does not run. Messages that are still there when
 * it is freed are run then, so that what they carry is not lost; nobody may post any more. */
struct mw_mailbox *mw_mailbox_new(struct mw_loop *l);
void mw_mailbox_free(struct mw_mailbox *m); /* takes NULL */

/* Any thread: fn(arg) will run on the loop's thread. */
void mw_mailbox_post(struct mw_mailbox *m, void (*fn)(void *arg), void *arg);

#endif
