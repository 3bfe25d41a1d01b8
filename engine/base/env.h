/* SPDX-License-Identifier: MIT
 *
 * The environment: everything that the core cannot compute by itself. Clock, randomness, timers and
 * outgoing transport are reached only through a `struct mw_env`, so that the live gateway and a
 * simulator run the same object code. The live instance of a worker is made by gate/worker.
 *
 * Times are microseconds. `now` never goes back and has no meaning outside the process; `wall` is
 * time since 1970.
 */
#ifndef MW_ENV_H
#define MW_ENV_H

#include "base/exchange.h"
#include "base/hash.h"

struct mw_env;

/* A timer lives inside its owner and fires once. Fields are the environment's, but for `fn` and
 * `arg`, which mw_timer_init sets. */
struct mw_timer {
	void (*fn)(void *arg);
	void *arg;
	bool set;
	_Alignas(16) unsigned char space[144]; /* the environment's own bookkeeping */
};

struct mw_env_ops {
	uint64_t (*now)(struct mw_env *env);
	uint64_t (*wall)(struct mw_env *env);
	void (*timer_set)(struct mw_env *env, struct mw_timer *t, uint64_t after_us);
	void (*timer_del)(struct mw_env *env, struct mw_timer *t);
	struct mw_exchange *(*exchange)(struct mw_env *env,
	    const struct mw_exchange_request *request, const struct mw_exchange_events *events,
	    void *arg);
};

struct mw_env {
	const struct mw_env_ops *ops;
	struct mw_rng rng; /* every random draw comes from here */
};

static inline uint64_t mw_env_now(struct mw_env *env)
{
	return env->ops->now(env);
}

static inline uint64_t mw_env_wall(struct mw_env *env)
{
	return env->ops->wall(env);
}

static inline uint64_t mw_env_random(struct mw_env *env)
{
	return mw_rng_next(&env->rng);
}

static inline void mw_timer_init(struct mw_timer *t, void (*fn)(void *arg), void *arg)
{
	t->fn = fn;
	t->arg = arg;
	t->set = false;
}

/* Fires once, no earlier than after_us from now and never before this call returns; a timer that is
 * already set is moved. */
static inline void mw_timer_set(struct mw_env *env, struct mw_timer *t, uint64_t after_us)
{
	env->ops->timer_set(env, t, after_us);
}

/* After this the timer does not fire. Harmless when it is not set. */
static inline void mw_timer_del(struct mw_env *env, struct mw_timer *t)
{
	if (t->set)
		env->ops->timer_del(env, t);
}

/* Starts an exchange; see base/exchange.h. Never NULL: a fault to start comes as on_end. */
static inline struct mw_exchange *mw_env_exchange(struct mw_env *env,
    const struct mw_exchange_request *request, const struct mw_exchange_events *events, void *arg)
{
	return env->ops->exchange(env, request, events, arg);
}

#endif
