/* SPDX-License-Identifier: MIT
 *
 * The watchdog thread and the guards it looks at.
 *
 *   worker                      watchdog                     the same worker, in the signal handler
 *   run = odd number
 *   ... Lua ...                 sees the same odd run for
 *                               longer than its budget:
 *                               condemned = run, signal ---> run == condemned? set the count hook
 *   ... the count hook raises the stop value
 *   run = even number
 *
 * The number is what makes a late signal harmless: it condemns one run, never the next. Only the
 * worker's own processor time counts, so that on a busy machine nobody is stopped for having
 * waited.
 */
#include "script/guard.h"

#include "base/list.h"
#include "base/mem.h"
#include "script/raise.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	TICK_US = 2000,
	IDLE_TICKS = 50, /* so long without a hook: sleep until one runs */
	SHORTEST_US = 100,
	AGAIN_US = 20000,       /* a run that still stands after its signal is sent another */
	BLIND_SLEEP_US = 20000, /* longest sleep where the kernel has no membarrier */
	SIGNAL = SIGURG, /* ignored by default, so that one that comes too late does nothing */
};

/* A sanitizer's: a budget allows as much work with it as without. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOWNESS = 12 };
#else
enum { SLOWNESS = 1 };
#endif

struct mw_guard {
	/* written by the worker at each run, read by the watchdog */
	_Atomic uint32_t run; /* odd while a run is under way */
	_Atomic uint32_t budget_us;
	_Atomic uint32_t condemned; /* the run that is to be stopped; written by the watchdog */
	/* the worker's own, its signal handler included */
	lua_State *volatile L;
	volatile sig_atomic_t hooked; /* the count hook is set */
	bool stopped;
	char where[MW_RAISE_PLACE];
	struct mw_watchdog *watchdog;
	/* the watchdog's, under its lock */
	struct mw_list link;
	pthread_t thread;
	clockid_t clock; /* of the thread's processor time */
	uint32_t seen;
	uint64_t seen_at, signal_at; /* by the clock on the wall */
	uint64_t spent_before;       /* processor time when the run was first seen */
};

struct mw_watchdog {
	pthread_t thread;
	pthread_mutex_t lock; /* guards */
	struct mw_list guards;
	_Atomic uint32_t asleep; /* a futex */
	_Atomic bool quit;
	bool barriers; /* the kernel has membarrier */
};

static _Thread_local struct mw_guard *own_guard;
static const char stop_value;

static uint64_t read_us(clockid_t clock)
{
	struct timespec t = {0};
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- on the worker's thread ---- */

bool mw_guard_expired(void)
{
	const struct mw_guard *g = own_guard;
	if (!g)
		return false;
	uint32_t run = atomic_load_explicit(&g->run, memory_order_relaxed);
	return run % 2 && atomic_load_explicit(&g->condemned, memory_order_relaxed) == run;
}

/* The count hook. It stays set until the run is left, so that whatever the script does with the
 * error, the next instruction raises it again. */
static void stop(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	struct mw_guard *g = own_guard;
	if (!g->stopped)
		mw_raise_place(L, g->where);
	g->stopped = true;
	lua_pushlightuserdata(L, (void *)&stop_value);
	lua_error(L);
}

void mw_guard_check(lua_State *L)
{
	if (mw_guard_expired())
		stop(L, NULL);
}

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer keeps signals back until the thread calls the C library, which a loop in Lua
 * never does: there a hook looks at the number now and then. */
static void look(lua_State *L, lua_Debug *ar)
{
	if (mw_guard_expired())
		stop(L, ar);
}
enum { LOOK_EVERY = 1000 };
#endif

static void on_signal(int number)
{
	(void)number;
	struct mw_guard *g = own_guard;
	if (!mw_guard_expired())
		return;
	g->hooked = 1;
	/* LuaJIT allows this in a signal handler; the hook runs at the next bytecode instruction */
	lua_sethook(g->L, stop, LUA_MASKCOUNT, 1);
}

static void wake(struct mw_watchdog *w)
{
	atomic_store(&w->asleep, 0);
	syscall(SYS_futex, &w->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void mw_guard_enter(struct mw_guard *g, lua_State *L, uint32_t budget_us)
{
	g->L = L;
	g->stopped = false;
	atomic_store_explicit(&g->budget_us, budget_us * SLOWNESS, memory_order_relaxed);
	uint32_t run = atomic_load_explicit(&g->run, memory_order_relaxed);
	atomic_store_explicit(&g->run, run + 1, memory_order_release);
#ifdef __SANITIZE_THREAD__
	g->hooked = 1;
	lua_sethook(L, look, LUA_MASKCOUNT, LOOK_EVERY);
#endif
	/* The watchdog's membarrier stands between its store of `asleep` and its look at `run`, and
	 * makes up for the fence that is missing here: one of the two sees the other. */
	atomic_signal_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&g->watchdog->asleep, memory_order_relaxed))
		wake(g->watchdog);
}

void mw_guard_leave(struct mw_guard *g)
{
	uint32_t run = atomic_load_explicit(&g->run, memory_order_relaxed);
	atomic_store_explicit(&g->run, run + 1, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst); /* from here on the handler does nothing */
	if (g->hooked) {
		g->hooked = 0;
		lua_sethook(g->L, NULL, 0, 0);
	}
}

const char *mw_guard_where(const struct mw_guard *g)
{
	return g->where;
}

bool mw_guard_is_stop(lua_State *L, int idx)
{
	return lua_touserdata(L, idx) == &stop_value;
}

struct mw_guard *mw_guard_new(struct mw_watchdog *w)
{
	mw_require(!own_guard);
	struct mw_guard *g = mw_mem_zalloc(sizeof(*g));
	g->watchdog = w;
	g->thread = pthread_self();
	mw_require(pthread_getcpuclockid(g->thread, &g->clock) == 0);
	own_guard = g;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_mutex_lock(&w->lock);
	mw_list_add(&w->guards, &g->link);
	pthread_mutex_unlock(&w->lock);
	return g;
}

void mw_guard_free(struct mw_guard *g)
{
	if (!g)
		return;
	mw_require(g == own_guard);
	pthread_mutex_lock(&g->watchdog->lock);
	mw_list_del(&g->link);
	pthread_mutex_unlock(&g->watchdog->lock);
	own_guard = NULL;
	mw_mem_free(g);
}

/* ---- on the watchdog's thread ---- */

static void condemn(struct mw_guard *g, uint32_t run, uint64_t now)
{
	g->signal_at = now;
	atomic_store(&g->condemned, run);
	pthread_kill(g->thread, SIGNAL);
}

/* How long from now until the run must be looked at again; 0: its time is up. */
static uint64_t time_left(const struct mw_guard *g, uint64_t now)
{
	uint64_t budget = atomic_load_explicit(&g->budget_us, memory_order_relaxed);
	if (g->signal_at)
		return now < g->signal_at + AGAIN_US ? g->signal_at + AGAIN_US - now : 0;
	if (now < g->seen_at + budget)
		return g->seen_at + budget - now;
	uint64_t spent = read_us(g->clock) - g->spent_before;
	return spent < budget ? MW_MAX(budget - spent, (uint64_t)SHORTEST_US) : 0;
}

/* Looks at one guard: true if something has happened to it since the last look. Shortens *wait to
 * when it must be looked at again. */
static bool look_at(struct mw_guard *g, uint64_t now, uint64_t *wait)
{
	uint32_t run = atomic_load_explicit(&g->run, memory_order_acquire);
	bool changed = run != g->seen, running = run % 2;
	if (changed) {
		g->seen = run;
		g->seen_at = now;
		g->signal_at = 0;
		g->spent_before = running ? read_us(g->clock) : 0;
	}
	if (!running)
		return changed;
	uint64_t left = time_left(g, now);
	if (left)
		*wait = MW_MIN(*wait, left);
	else
		condemn(g, run, now);
	return true;
}

static bool look_at_all(struct mw_watchdog *w, uint64_t *wait)
{
	bool busy = false;
	uint64_t now = read_us(CLOCK_MONOTONIC);
	pthread_mutex_lock(&w->lock);
	MW_LIST_EACH(it, &w->guards)
	busy |= look_at(mw_container_of(it, struct mw_guard, link), now, wait);
	pthread_mutex_unlock(&w->lock);
	return busy;
}

static void pause_us(uint64_t us)
{
	struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
	nanosleep(&t, NULL);
}

/* Sleeps until a hook runs. */
static void doze(struct mw_watchdog *w)
{
	uint64_t wait = TICK_US;
	atomic_store(&w->asleep, 1);
	if (w->barriers)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	if (look_at_all(w, &wait) || atomic_load(&w->quit)) {
		atomic_store(&w->asleep, 0);
		return;
	}
	struct timespec blind = {0, BLIND_SLEEP_US * 1000};
	syscall(SYS_futex, &w->asleep, FUTEX_WAIT_PRIVATE, 1, w->barriers ? NULL : &blind, NULL, 0);
}

static void *watch(void *arg)
{
	struct mw_watchdog *w = arg;
	unsigned idle = 0;
	while (!atomic_load(&w->quit)) {
		uint64_t wait = TICK_US;
		idle = look_at_all(w, &wait) ? 0 : idle + 1;
		if (idle < IDLE_TICKS) {
			pause_us(wait);
		} else {
			doze(w);
			idle = 0;
		}
	}
	return NULL;
}

static void start_thread(struct mw_watchdog *w)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); /* the thread inherits: signals are for others */
	mw_require(pthread_create(&w->thread, NULL, watch, w) == 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_setname_np(w->thread, "watchdog");
}

struct mw_watchdog *mw_watchdog_new(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	mw_require(sigaction(SIGNAL, &action, NULL) == 0);
	struct mw_watchdog *w = mw_mem_zalloc(sizeof(*w));
	pthread_mutex_init(&w->lock, NULL);
	mw_list_init(&w->guards);
	w->barriers = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
	start_thread(w);
	return w;
}

void mw_watchdog_free(struct mw_watchdog *w)
{
	mw_require(mw_list_empty(&w->guards));
	atomic_store(&w->quit, true);
	wake(w);
	pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	mw_mem_free(w);
}
