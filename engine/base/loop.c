/* SPDX-License-Identifier: MIT
 *
 * The event loop over libevent. The wall clock is the monotonic one plus an offset that is looked
 * at once a second, so that a call reads one clock, not two.
 */
#include "base/loop_event.h"

#include "base/mem.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <time.h>

struct mw_loop {
	struct event_base *base;
	int64_t wall_ahead;      /* wall - monotonic, microseconds */
	uint64_t wall_refreshed; /* monotonic time of the last look at the wall clock */
};

struct mw_watch {
	struct event event;
	void (*fn)(void *arg);
	void (*on_signal)(void *arg, int signal);
	void *arg;
};

_Static_assert(
    sizeof(struct event) <= sizeof(((struct mw_timer *)0)->space), "mw_timer.space is too small");

static uint64_t clock_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

struct mw_loop *mw_loop_new(void)
{
	struct mw_loop *l = mw_mem_zalloc(sizeof(*l));
	struct event_config *config = event_config_new();
	mw_require(config);
	/* one thread owns the loop; others wake it through a mailbox's eventfd */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
#ifndef __SANITIZE_THREAD__
	/* With this list the kernel hears of a closed descriptor when the loop turns, and another thread may
	 * have the number by then. That does no harm (it is none of this loop's set), but
	 * ThreadSanitizer takes it for a race. */
	event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
#endif
	l->base = event_base_new_with_config(config);
	event_config_free(config);
	mw_require(l->base);
	return l;
}

void mw_loop_free(struct mw_loop *l)
{
	if (!l)
		return;
	event_base_free(l->base);
	mw_mem_free(l);
}

void mw_loop_run(struct mw_loop *l)
{
	event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void mw_loop_stop(struct mw_loop *l)
{
	event_base_loopexit(l->base, NULL);
}

struct event_base *mw_loop_base(struct mw_loop *l)
{
	return l->base;
}

uint64_t mw_loop_now(struct mw_loop *l)
{
	(void)l;
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t mw_loop_wall(struct mw_loop *l)
{
	uint64_t now = mw_loop_now(l);
	if (!l->wall_refreshed || now - l->wall_refreshed > 1000000u) {
		l->wall_ahead = (int64_t)clock_us(CLOCK_REALTIME) - (int64_t)now;
		l->wall_refreshed = now;
	}
	return (uint64_t)((int64_t)now + l->wall_ahead);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct mw_timer *t = arg;
	t->set = false;
	t->fn(t->arg);
}

void mw_loop_timer_set(struct mw_loop *l, struct mw_timer *t, uint64_t after_us)
{
	struct event *ev = (struct event *)t->space;
	if (t->set)
		event_del(ev);
	event_assign(ev, l->base, -1, 0, on_timer, t);
	struct timeval tv = {(time_t)(after_us / 1000000u), (suseconds_t)(after_us % 1000000u)};
	event_add(ev, &tv);
	t->set = true;
}

void mw_loop_timer_del(struct mw_loop *l, struct mw_timer *t)
{
	(void)l;
	if (!t->set)
		return;
	event_del((struct event *)t->space);
	t->set = false;
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct mw_watch *w = arg;
	if (w->on_signal)
		w->on_signal(w->arg, (int)fd);
	else
		w->fn(w->arg);
}

static struct mw_watch *watch_new(struct mw_loop *l, int fd, short what)
{
	struct mw_watch *w = mw_mem_zalloc(sizeof(*w));
	event_assign(&w->event, l->base, fd, (short)(what | EV_PERSIST), on_watch, w);
	mw_require(event_add(&w->event, NULL) == 0);
	return w;
}

struct mw_watch *mw_loop_watch(struct mw_loop *l, int fd, void (*fn)(void *arg), void *arg)
{
	struct mw_watch *w = watch_new(l, fd, EV_READ);
	w->fn = fn;
	w->arg = arg;
	return w;
}

struct mw_watch *mw_loop_signal(
    struct mw_loop *l, int signal, void (*fn)(void *arg, int signal), void *arg)
{
	struct mw_watch *w = watch_new(l, signal, EV_SIGNAL);
	w->on_signal = fn;
	w->arg = arg;
	return w;
}

void mw_loop_unwatch(struct mw_watch *w)
{
	if (!w)
		return;
	event_del(&w->event);
	mw_mem_free(w);
}
