/* SPDX-License-Identifier: MIT
 *
 * A small live environment for tests: clock and timers of a loop, exchanges over a multi.
 */
#ifndef MW_LIVE_ENV_H
#define MW_LIVE_ENV_H

#include "net/fetch.h"

struct live_env {
	struct mw_env env;
	struct mw_loop *loop;
	struct mw_multi *multi;
};

static inline struct live_env *live_env_of(struct mw_env *env)
{
	return mw_container_of(env, struct live_env, env);
}

static inline uint64_t live_env_now(struct mw_env *env)
{
	return mw_loop_now(live_env_of(env)->loop);
}

static inline uint64_t live_env_wall(struct mw_env *env)
{
	return mw_loop_wall(live_env_of(env)->loop);
}

static inline void live_env_timer_set(struct mw_env *env, struct mw_timer *t, uint64_t after_us)
{
	mw_loop_timer_set(live_env_of(env)->loop, t, after_us);
}

static inline void live_env_timer_del(struct mw_env *env, struct mw_timer *t)
{
	mw_loop_timer_del(live_env_of(env)->loop, t);
}

static inline struct mw_exchange *live_env_exchange(struct mw_env *env,
    const struct mw_exchange_request *request, const struct mw_exchange_events *events, void *arg)
{
	return mw_fetch_start(live_env_of(env)->multi, request, events, arg);
}

/* mw_multi_global_init must have been called. */
static inline void live_env_init(struct live_env *e, uint64_t seed)
{
	static const struct mw_env_ops ops = {
	    live_env_now, live_env_wall, live_env_timer_set, live_env_timer_del, live_env_exchange};
	*e = (struct live_env){.env.ops = &ops};
	mw_rng_seed(&e->env.rng, seed);
	e->loop = mw_loop_new();
	e->multi = mw_multi_new(e->loop);
}

static inline void live_env_deinit(struct live_env *e)
{
	mw_multi_free(e->multi);
	mw_loop_free(e->loop);
}

#endif
