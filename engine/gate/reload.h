/* SPDX-License-Identifier: MIT
 *
 * Changing settings and policies while calls run. The main thread reads everything anew, every
 * worker builds its part of the new version beside the old one, and only if all could is it put in
 * place, on each worker between two turns of its loop. A call keeps the version it began with. A
 * fault anywhere changes nothing and is logged with file and line.
 *
 * The main thread's own.
 */
#ifndef MW_RELOAD_H
#define MW_RELOAD_H

#include "gate/worker.h"

struct mw_reload;

/* Where settings come from: called at each reload; NULL and err when they are bad. */
typedef struct mw_settings *(*mw_reload_read_fn)(void *arg, struct mw_err *err);

/* Looks twice a second whether a file of `bundle`, or of what was read since, has changed. */
struct mw_reload *mw_reload_new(struct mw_loop *loop, struct mw_gateway *gateway,
    struct mw_bundle *bundle, mw_reload_read_fn read, void *arg);
void mw_reload_free(struct mw_reload *r); /* takes NULL; when no worker runs any more */

/* Reloads now, whether or not a file has changed. */
void mw_reload_now(struct mw_reload *r);

#endif
