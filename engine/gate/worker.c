/* SPDX-License-Identifier: MIT
 *
 * A worker's thread: it builds all that a worker has (loop, listener, Lua states …), tells the
 * starting thread whether it could, and runs its loop until it is drained.
 */
#include "gate/worker.h"

#include "base/log.h"
#include "base/mem.h"
#include "gate/endpoints.h"
#include "gate/steps.h"
#include "net/fetch.h"
#include "net/listener.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { POOLED_ARENAS = 64, FLUSH_LOG_US = 50000, DRAIN_LOOK_US = 10000 };

struct mw_worker {
	struct mw_env env; /* first: the env's functions cast back */
	struct mw_gateway *gateway;
	size_t number;
	pthread_t thread;
	struct mw_loop *loop;
	struct mw_mailbox *mailbox;
	struct mw_listener *listener;
	struct mw_http_in *http;
	struct mw_multi *multi;
	struct mw_guard *guard;
	struct mw_runtime *runtime;
	struct mw_version *version;
	struct mw_version *next; /* prepared, not yet in place */
	struct mw_metric_cells *cells;
	struct mw_list walks;
	struct mw_arena *arenas[POOLED_ARENAS];
	size_t n_arenas;
	struct mw_timer log_timer, drain_timer;
	uint64_t drain_by_us;
};

/* ---- the live environment ------------------------------------------------------------------ */

static struct mw_worker *of(struct mw_env *env)
{
	return (struct mw_worker *)env;
}

static uint64_t live_now(struct mw_env *env)
{
	return mw_loop_now(of(env)->loop);
}

static uint64_t live_wall(struct mw_env *env)
{
	return mw_loop_wall(of(env)->loop);
}

static void live_timer_set(struct mw_env *env, struct mw_timer *t, uint64_t after_us)
{
	mw_loop_timer_set(of(env)->loop, t, after_us);
}

static void live_timer_del(struct mw_env *env, struct mw_timer *t)
{
	mw_loop_timer_del(of(env)->loop, t);
}

static struct mw_exchange *live_exchange(struct mw_env *env,
    const struct mw_exchange_request *request, const struct mw_exchange_events *events, void *arg)
{
	return mw_fetch_start(of(env)->multi, request, events, arg);
}

static const struct mw_env_ops live = {
    live_now, live_wall, live_timer_set, live_timer_del, live_exchange};

/* ---- what the steps ask for ---------------------------------------------------------------- */

struct mw_env *mw_worker_env(struct mw_worker *w)
{
	return &w->env;
}

struct mw_gateway *mw_worker_gateway(struct mw_worker *w)
{
	return w->gateway;
}

struct mw_version *mw_worker_version(struct mw_worker *w)
{
	return w->version;
}

struct mw_runtime *mw_worker_runtime(struct mw_worker *w)
{
	return w->runtime;
}

struct mw_metric_cells *mw_worker_cells(struct mw_worker *w)
{
	return w->cells;
}

struct mw_list *mw_worker_walks(struct mw_worker *w)
{
	return &w->walks;
}

struct mw_arena *mw_worker_take_arena(struct mw_worker *w)
{
	return w->n_arenas ? w->arenas[--w->n_arenas] : mw_arena_new();
}

void mw_worker_give_arena(struct mw_worker *w, struct mw_arena *a)
{
	mw_arena_reset(a);
	if (w->n_arenas < POOLED_ARENAS)
		w->arenas[w->n_arenas++] = a;
	else
		mw_arena_free(a);
}

void mw_worker_logged(struct mw_worker *w)
{
	if (!w->log_timer.set)
		mw_timer_set(&w->env, &w->log_timer, FLUSH_LOG_US);
}

static void flush_log(void *arg)
{
	(void)arg;
	mw_log_flush();
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void on_accept(void *arg, int fd)
{
	struct mw_worker *w = arg;
	mw_http_in_accept(w->http, fd);
}

static bool listen_here(struct mw_worker *w, struct mw_err *err)
{
	struct mw_gateway *gateway = w->gateway;
	uint16_t port = (uint16_t)atomic_load(&gateway->port);
	w->listener = mw_listener_new(w->loop, gateway->host, port, on_accept, w, err);
	if (!w->listener)
		return false;
	atomic_store(&gateway->port, mw_listener_port(w->listener));
	return true;
}

static struct mw_http_limits limits_of(const struct mw_settings *s)
{
	struct mw_http_limits limits = mw_http_default_limits;
	limits.body = s->max_body;
	limits.head_ms = (uint32_t)(s->head_us / 1000);
	limits.body_ms = (uint32_t)(s->body_us / 1000);
	limits.idle_ms = (uint32_t)(s->idle_us / 1000);
	return limits;
}

static bool build(struct mw_worker *w, struct mw_bundle *bundle, struct mw_err *err)
{
	w->loop = mw_loop_new();
	w->mailbox = mw_mailbox_new(w->loop);
	w->multi = mw_multi_new(w->loop);
	w->guard = mw_guard_new(w->gateway->watchdog);
	w->cells = mw_metrics_cells(w->gateway->metrics, w->number);
	mw_timer_init(&w->log_timer, flush_log, w);
	w->runtime = mw_runtime_new(&w->env, err);
	if (!w->runtime)
		return false;
	w->version = mw_version_new(&w->env, w->guard, w->gateway->stats, w->runtime, bundle, err);
	if (!w->version)
		return false;
	struct mw_http_limits limits = limits_of(bundle->settings);
	w->http = mw_http_in_new(w->loop, &limits, &mw_endpoints_handler, w);
	return listen_here(w, err);
}

static void tear_down(struct mw_worker *w)
{
	mw_mailbox_free(w->mailbox); /* first: its last messages still find everything */
	mw_listener_free(w->listener);
	if (w->http)
		mw_http_in_free(w->http); /* ends the calls that still run */
	while (!mw_list_empty(&w->walks)) /* answered, but their exchange had not ended */
		mw_steps_gone(mw_container_of(w->walks.next, struct mw_walk, node));
	mw_version_unref(w->next);
	mw_version_unref(w->version);
	mw_runtime_free(w->runtime);
	if (w->guard)
		mw_guard_free(w->guard);
	mw_multi_free(w->multi);
	mw_timer_del(&w->env, &w->log_timer);
	mw_timer_del(&w->env, &w->drain_timer);
	mw_loop_free(w->loop);
	while (w->n_arenas)
		mw_arena_free(w->arenas[--w->n_arenas]);
	mw_log_flush();
}

/* What the starting thread waits on: the new thread says once whether it could build its worker. */
struct startup {
	struct mw_worker *worker;
	struct mw_bundle *bundle;
	struct mw_err *err;
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool done, ok;
};

static void tell(struct startup *startup, bool ok)
{
	pthread_mutex_lock(&startup->lock);
	startup->done = true;
	startup->ok = ok;
	pthread_cond_signal(&startup->told);
	pthread_mutex_unlock(&startup->lock);
}

static void *run(void *arg)
{
	struct startup *startup = arg;
	struct mw_worker *w = startup->worker;
	bool ok = build(w, startup->bundle, startup->err);
	tell(startup, ok);
	if (ok)
		mw_loop_run(w->loop);
	tear_down(w);
	return NULL;
}

/* Signals that the process handles are the main thread's; workers take none of them. */
static int create(struct mw_worker *w, struct startup *startup)
{
	sigset_t block, before;
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &block, &before);
	int rc = pthread_create(&w->thread, NULL, run, startup);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

struct mw_worker *mw_worker_start(
    struct mw_gateway *gateway, size_t number, struct mw_bundle *bundle, struct mw_err *err)
{
	struct mw_worker *w = mw_mem_zalloc(sizeof(*w));
	w->env.ops = &live;
	mw_list_init(&w->walks);
	mw_rng_seed(&w->env.rng, mw_system_random());
	w->gateway = gateway;
	w->number = number;
	struct startup startup = {.worker = w,
	    .bundle = bundle,
	    .err = err,
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .told = PTHREAD_COND_INITIALIZER};
	if (create(w, &startup) != 0) {
		mw_err_set(
		    err, MW_ERR_INTERNAL, "the system gives no thread for worker %zu", number);
		mw_mem_free(w);
		return NULL;
	}
	pthread_mutex_lock(&startup.lock);
	while (!startup.done)
		pthread_cond_wait(&startup.told, &startup.lock);
	pthread_mutex_unlock(&startup.lock);
	if (startup.ok)
		return w;
	mw_worker_join(w);
	return NULL;
}

void mw_worker_join(struct mw_worker *w)
{
	pthread_join(w->thread, NULL);
	mw_mem_free(w);
}

/* ---- messages from the main thread ---------------------------------------------------------- */

struct order {
	struct mw_worker *worker;
	struct mw_bundle *bundle;
	void (*done)(void *arg, const char *message);
	void *arg;
};

static void post(struct mw_worker *w, void (*fn)(void *), struct order order)
{
	struct order *o = mw_mem_alloc(sizeof(*o));
	*o = order;
	o->worker = w;
	mw_mailbox_post(w->mailbox, fn, o);
}

static void do_prepare(void *arg)
{
	struct order *o = arg;
	struct mw_worker *w = o->worker;
	struct mw_err err = {0};
	mw_require(!w->next);
	w->next = mw_version_new(&w->env, w->guard, w->gateway->stats, w->runtime, o->bundle, &err);
	o->done(o->arg, w->next ? NULL : err.text);
	mw_bundle_unref(o->bundle);
	mw_mem_free(o);
}

static void do_commit(void *arg)
{
	struct order *o = arg;
	struct mw_worker *w = o->worker;
	mw_require(w->next);
	mw_version_unref(w->version);
	w->version = w->next;
	w->next = NULL;
	struct mw_http_limits limits = limits_of(w->version->settings);
	mw_http_in_set_limits(w->http, &limits);
	mw_mem_free(o);
}

static void do_discard(void *arg)
{
	struct order *o = arg;
	mw_version_unref(o->worker->next);
	o->worker->next = NULL;
	mw_mem_free(o);
}

void mw_worker_prepare(struct mw_worker *w, struct mw_bundle *bundle,
    void (*done)(void *arg, const char *message), void *arg)
{
	post(w, do_prepare,
	    (struct order){.bundle = mw_bundle_ref(bundle), .done = done, .arg = arg});
}

void mw_worker_commit(struct mw_worker *w)
{
	post(w, do_commit, (struct order){0});
}

void mw_worker_discard(struct mw_worker *w)
{
	post(w, do_discard, (struct order){0});
}

/* ---- drain --------------------------------------------------------------------------------- */

static void look_whether_done(void *arg)
{
	struct mw_worker *w = arg;
	size_t busy = mw_http_in_busy(w->http);
	bool late = mw_env_now(&w->env) >= w->drain_by_us;
	if (busy && late)
		mw_log(
		    MW_LOG_WARN, "worker", "calls that were still running are cut off: %zu", busy);
	if (!busy || late)
		mw_loop_stop(w->loop);
	else
		mw_timer_set(&w->env, &w->drain_timer, DRAIN_LOOK_US);
}

static void do_drain(void *arg)
{
	struct order *o = arg;
	struct mw_worker *w = o->worker;
	mw_listener_free(w->listener);
	w->listener = NULL;
	mw_http_in_drain(w->http);
	uint64_t most = w->version->settings->timeout_us;
	w->drain_by_us = mw_env_now(&w->env) + most;
	if (mw_http_in_busy(w->http))
		mw_log(MW_LOG_INFO, "worker",
		    "calls that still run: %zu, for %g s at most; a second signal ends them now",
		    mw_http_in_busy(w->http), (double)most / 1e6);
	mw_mem_free(o);
	mw_timer_init(&w->drain_timer, look_whether_done, w);
	look_whether_done(w);
}

void mw_worker_drain(struct mw_worker *w)
{
	post(w, do_drain, (struct order){0});
}
