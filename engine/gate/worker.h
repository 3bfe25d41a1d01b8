/* SPDX-License-Identifier: MIT
 *
 * A worker: one thread with everything that a call needs: loop, listener, server side, outgoing
 * connections, Lua states, metric cells. A call is born, lives and dies on one worker. The main
 * thread talks to it by mailbox only.
 */
#ifndef MW_WORKER_H
#define MW_WORKER_H

#include "base/list.h"
#include "base/mailbox.h"
#include "gate/version.h"
#include "net/http_in.h"
#include "shared/metrics.h"

struct mw_worker;

/* What all workers share; made by main, outlives them. */
struct mw_gateway {
	struct mw_metrics *metrics;
	struct mw_watchdog *watchdog;
	struct mw_stats *stats; /* what policies remember */
	const char *host;
	_Atomic int port;     /* the first worker's listener replaces 0 by the port it got */
	_Atomic bool draining;
	size_t n_workers;
	struct mw_worker **workers;
};

/* Starts the thread and waits until it listens with the first version; NULL and err if it cannot.
 */
struct mw_worker *mw_worker_start(
    struct mw_gateway *gateway, size_t number, struct mw_bundle *bundle, struct mw_err *err);

/* Reload, in two parts so that all workers change or none. Any thread; the answers come on the
 * worker's thread. `prepare` builds the next version and calls done(arg, NULL or a message);
 * `commit` puts it in place, `discard` throws it away. */
void mw_worker_prepare(struct mw_worker *w, struct mw_bundle *bundle,
    void (*done)(void *arg, const char *message), void *arg);
void mw_worker_commit(struct mw_worker *w);
void mw_worker_discard(struct mw_worker *w);

/* Stops accepting and lets calls end, for as long as the settings give an answer; the thread then
 * ends. No message may be sent to the worker after this one. Any thread. */
void mw_worker_drain(struct mw_worker *w);
/* Waits for the thread to end and frees the worker. */
void mw_worker_join(struct mw_worker *w);

/* ---- for the steps, on the worker's own thread ---- */

struct mw_env *mw_worker_env(struct mw_worker *w);
struct mw_gateway *mw_worker_gateway(struct mw_worker *w);
struct mw_version *mw_worker_version(struct mw_worker *w); /* the newest; borrowed */
struct mw_runtime *mw_worker_runtime(struct mw_worker *w);
struct mw_metric_cells *mw_worker_cells(struct mw_worker *w);
struct mw_list *mw_worker_walks(struct mw_worker *w); /* every walk stands on this list */
/* An arena from the worker's pool, and back to it. */
struct mw_arena *mw_worker_take_arena(struct mw_worker *w);
void mw_worker_give_arena(struct mw_worker *w, struct mw_arena *a);
/* mw_log_call was called: its line is written out soon, together with others. */
void mw_worker_logged(struct mw_worker *w);

#endif
