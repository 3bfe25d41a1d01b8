/* SPDX-License-Identifier: MIT
 *
 * How a walk is made and freed. It lies in the arena of its call.
 */
#include "gate/walk.h"

/* A random UUID: version 4, variant 10. */
static void make_id(struct mw_env *env, char id[37])
{
	static const char pattern[] = "xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx",
			  hex[] = "0123456789abcdef";
	uint64_t bits[2] = {mw_env_random(env), mw_env_random(env)};
	for (size_t i = 0; i < sizeof(pattern); i++) {
		uint64_t *from = &bits[i >= 18];
		id[i] = pattern[i];
		if (pattern[i] == 'x')
			id[i] = hex[*from & 15];
		else if (pattern[i] == 'v')
			id[i] = hex[8 + (*from & 3)];
		else
			continue;
		*from >>= 4;
	}
}

struct mw_walk *mw_walk_new(struct mw_worker *w, struct mw_http_req *req,
    const struct mw_http_head *head, enum mw_kind kind)
{
	struct mw_arena *arena = mw_worker_take_arena(w);
	struct mw_walk *walk = mw_arena_zalloc(arena, sizeof(*walk));
	struct mw_call *call = &walk->call;
	walk->worker = w;
	mw_list_add(mw_worker_walks(w), &walk->node);
	walk->req = req;
	walk->version = mw_version_ref(mw_worker_version(w));
	call->arena = arena;
	call->env = mw_worker_env(w);
	call->settings = walk->version->settings;
	call->started_us = mw_env_now(call->env);
	call->kind = kind;
	call->headers = head->headers;
	call->n_headers = head->n_headers;
	call->key = call->settings->master_key.n ? MW_STR("master") : MW_STR("");
	call->cost = -1;
	make_id(call->env, call->id);
	return walk;
}

void mw_walk_end(struct mw_walk *walk)
{
	struct mw_worker *w = walk->worker;
	struct mw_version *version = walk->version;
	mw_timer_del(walk->call.env, &walk->timer);
	mw_list_del(&walk->node);
	mw_worker_give_arena(w, walk->call.arena); /* the walk itself lies in it */
	mw_version_unref(version);
}
