/* SPDX-License-Identifier: MIT
 *
 * The door through which net/ reaches the event_base of a loop. Nobody else includes this.
 */
#ifndef MW_LOOP_EVENT_H
#define MW_LOOP_EVENT_H

#include "base/loop.h"

struct event_base *mw_loop_base(struct mw_loop *l);

#endif
