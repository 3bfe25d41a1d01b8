/* SPDX-License-Identifier: MIT
 *
 * One event loop: a thread's. The only file besides net/ that knows libevent; base/loop_event.h
 * gives net/ the event_base itself. All functions belong to the loop's thread unless they say
 * otherwise.
 */
#ifndef MW_LOOP_H
#define MW_LOOP_H

#include "base/env.h"

struct mw_loop;

struct mw_loop *mw_loop_new(void);
void mw_loop_free(struct mw_loop *l); /* takes NULL */

/* Runs until mw_loop_stop. */
void mw_loop_run(struct mw_loop *l);
void mw_loop_stop(struct mw_loop *l); /* after the present turn */

/* Microseconds, monotonic and since 1970. */
uint64_t mw_loop_now(struct mw_loop *l);
uint64_t mw_loop_wall(struct mw_loop *l);

void mw_loop_timer_set(struct mw_loop *l, struct mw_timer *t, uint64_t after_us);
void mw_loop_timer_del(struct mw_loop *l, struct mw_timer *t);

/* Watches a file descriptor for reading until mw_loop_unwatch. */
struct mw_watch;
struct mw_watch *mw_loop_watch(struct mw_loop *l, int fd, void (*fn)(void *arg), void *arg);
void mw_loop_unwatch(struct mw_watch *w); /* takes NULL */

/* Calls fn(arg, signal) on this loop's thread when the process gets the signal. */
struct mw_watch *mw_loop_signal(
    struct mw_loop *l, int signal, void (*fn)(void *arg, int signal), void *arg);

#endif
