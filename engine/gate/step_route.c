/* SPDX-License-Identifier: MIT
 *
 * ROUTE: a plan for the group that is asked for; when that has been walked to its end, for the next
 * tier of `order` in it, then for each fallback group in turn.
 */
#include "base/log.h"
#include "gate/admit.h"
#include "gate/answer.h"
#include "gate/decode.h"
#include "gate/reply.h"
#include "gate/steps.h"

#include <limits.h>

/* ---- candidates ---------------------------------------------------------------------------- */

static bool serves(const struct mw_walk *walk, const struct mw_target *t)
{
	return (!walk->route.only || walk->route.only == t) &&
	       (t->plays || t->addresses[walk->call.kind].url.p);
}

/* The lowest order above `above` among the targets that may be used now. */
static bool next_tier(struct mw_walk *walk, uint64_t now, long above, int *tier)
{
	bool found = false;
	const struct mw_model *m = walk->call.model;
	for (size_t i = 0; i < m->n_targets; i++) {
		const struct mw_target *t = m->targets[i];
		if (!serves(walk, t) || t->order <= above || mw_health_cooling(t->health, now))
			continue;
		if (!found || t->order < *tier)
			*tier = t->order;
		found = true;
	}
	return found;
}

static size_t collect(struct mw_walk *walk, uint64_t now, struct mw_candidate **out)
{
	const struct mw_model *m = walk->call.model;
	struct mw_candidate *list = mw_arena_alloc(walk->call.arena, m->n_targets * sizeof(*list));
	size_t n = 0;
	for (size_t i = 0; i < m->n_targets; i++) {
		const struct mw_target *t = m->targets[i];
		if (!serves(walk, t) || t->order != walk->route.tier ||
		    mw_health_cooling(t->health, now))
			continue;
		list[n].target = t;
		mw_health_view(t->health, now, &list[n].live);
		n++;
	}
	*out = list;
	return n;
}

/* ---- groups -------------------------------------------------------------------------------- */

/* The client's own list of names, if it gave one, else the group's. */
static void begin_fallbacks(struct mw_walk *walk)
{
	struct mw_call *call = &walk->call;
	struct mw_json list = call->members[MW_M_FALLBACKS];
	if (walk->wish.no_fallbacks)
		return;
	size_t n = list.kind == MW_JSON_ARRAY ? mw_json_count(list) : 0;
	n = MW_MIN(n, (size_t)call->settings->max_fallbacks);
	if (!n) {
		n = MW_MIN(call->model->n_fallbacks, (size_t)call->settings->max_fallbacks);
		walk->route.fallbacks = call->model->fallbacks;
		walk->route.n_fallbacks = n;
		return;
	}
	struct mw_str *names = mw_arena_alloc(call->arena, n * sizeof(*names));
	for (size_t i = 0; i < n; i++) {
		struct mw_json item = mw_json_item(list, i);
		if (item.kind == MW_JSON_OBJECT)
			item = mw_json_get(item, MW_STR("model"));
		names[i] = mw_json_text(item, call->arena);
	}
	walk->route.fallbacks = names;
	walk->route.n_fallbacks = n;
}

/* Hooks write into tags and headers that are there: from now on into copies of them. */
static void copy_notes(struct mw_call *call)
{
	for (struct mw_tag **at = &call->tags; *at; at = &(*at)->next) {
		struct mw_tag *copy = mw_arena_alloc(call->arena, sizeof(*copy));
		*copy = **at;
		*at = copy;
	}
	for (struct mw_extra_header **at = &call->to_client; *at; at = &(*at)->next) {
		struct mw_extra_header *copy = mw_arena_alloc(call->arena, sizeof(*copy));
		*copy = **at;
		*at = copy;
	}
}

static void note_fallback(struct mw_walk *walk)
{
	const struct mw_target *last = walk->call.target;
	mw_metrics_add(
	    mw_worker_cells(walk->worker), MW_METRIC_FALLBACKS, last ? last->series : 0, 1);
	walk->call.fallbacks++;
}

/* The policies of the fallback group are asked too. What failed before is more worth telling than that
 * they refuse. False: the call stays with the group before, or (walk->req is NULL) has been answered. */
static bool enter(struct mw_walk *walk, const struct mw_model *m, const struct mw_target *only,
    struct mw_str name)
{
	struct mw_decision d;
	struct mw_call before = walk->call;
	struct mw_fault fault = walk->fault;
	struct mw_str named = walk->route.named;
	const struct mw_target *only_before = walk->route.only;
	copy_notes(&walk->call);
	walk->call.model = m;
	walk->call.wanted = name;
	walk->route.only = only;
	if (mw_admit_group(walk, &d))
		return true;
	if (d.verdict == MW_ANSWER) {
		note_fallback(walk);
		mw_answer_text(walk, &d);
		return false;
	}
	mw_log(MW_LOG_INFO, "gate", "the fallback to %.*s is passed over: %.*s", MW_FMT(name),
	    MW_FMT(walk->fault.message));
	walk->call = before; /* nothing of what they set remains */
	walk->route.named = named;
	walk->route.only = only_before;
	struct mw_err err;
	mw_require(mw_decode_call(walk, &err));
	walk->fault = fault;
	return false;
}

/* On to the next fallback group that exists, is not the present one, and lets the call in. */
static bool next_group(struct mw_walk *walk)
{
	struct mw_call *call = &walk->call;
	while (walk->req && walk->route.next_fallback < walk->route.n_fallbacks) {
		struct mw_str name = walk->route.fallbacks[walk->route.next_fallback++];
		const struct mw_target *only = NULL;
		const struct mw_model *m = mw_settings_find(call->settings, name, &only);
		if (!m || (m == call->model && only == walk->route.only))
			continue;
		if (!enter(walk, m, only, name))
			continue;
		note_fallback(walk);
		walk->route.planned = false;
		return true;
	}
	return false;
}

/* ---- the step ------------------------------------------------------------------------------ */

static void no_target(struct mw_walk *walk, uint64_t now)
{
	const struct mw_model *m = walk->call.model;
	uint64_t soonest = UINT64_MAX;
	bool any = false;
	for (size_t i = 0; i < m->n_targets; i++)
		if (serves(walk, m->targets[i])) {
			soonest = MW_MIN(soonest, mw_health_cooling(m->targets[i]->health, now));
			any = true;
		}
	if (!any) {
		walk->fault = (struct mw_fault){
		    .code = MW_ERR_UNSUPPORTED,
		    .param = MW_STR("model"),
		    .message = mw_arena_printf(walk->call.arena, "the model '%.*s' does not do %s",
			MW_FMT(walk->call.wanted),
			walk->call.kind == MW_KIND_CHAT ? "chat completions" : "embeddings"),
		};
		return;
	}
	unsigned seconds = (unsigned)((soonest + 999999) / 1000000);
	walk->fault = (struct mw_fault){
	    .code = MW_ERR_NO_TARGET,
	    .retry_after_us = soonest,
	    .message = mw_arena_printf(walk->call.arena,
		"No deployments available for selected model, Try again in %u seconds. All targets "
		"of '%.*s' are cooling "
		"down after failures.",
		seconds, MW_FMT(walk->call.wanted)),
	};
}

/* Plans were made and walked, but no attempt was: hook attempt skipped them, or their targets began to
 * cool meanwhile, by calls of other workers. */
static void nobody_was_asked(struct mw_walk *walk, uint64_t now)
{
	if (!walk->skipped) {
		no_target(walk, now);
		return;
	}
	walk->fault = (struct mw_fault){
	    .code = MW_ERR_POLICY,
	    .message = mw_arena_printf(walk->call.arena,
		"the policies of '%.*s' skipped every target", MW_FMT(walk->call.wanted)),
	};
}

/* False: since the tier was chosen, other workers have made all of it cool. */
static bool make_plan(struct mw_walk *walk, uint64_t now)
{
	struct mw_candidate *candidates;
	size_t n = collect(walk, now, &candidates);
	if (n == 0)
		return false;
	struct mw_route *route = &walk->route;
	route->plan = (struct mw_plan){0};
	mw_hook_route(mw_walk_policies(walk), &walk->call, candidates, n, &route->plan);
	route->at = route->passed_over = route->attempts = 0;
	memset(route->ready_us, 0, sizeof(route->ready_us));
	route->barred = 0;
	route->planned = true;
	route->deadline_us = route->plan.deadline_us ? now + route->plan.deadline_us : 0;
	walk->call.deadline_us = route->deadline_us;
	return true;
}

enum mw_next mw_step_route(struct mw_walk *walk)
{
	uint64_t now = mw_env_now(walk->call.env);
	if (!walk->call.attempts && !walk->route.fallbacks)
		begin_fallbacks(walk);
	for (;;) {
		long above = walk->route.planned ? walk->route.tier : (long)INT_MIN - 1;
		int tier = 0;
		if (next_tier(walk, now, above, &tier)) {
			walk->route.tier = tier;
			if (make_plan(walk, now))
				return MW_STEP_GO;
			continue;
		}
		if (!walk->route.planned && walk->fault.code == MW_ERR_NONE)
			no_target(walk, now);
		if (!next_group(walk))
			break;
	}
	if (!walk->req)
		return MW_STEP_END;
	if (walk->fault.code == MW_ERR_NONE)
		nobody_was_asked(walk, now);
	mw_reply_fault(walk);
	return MW_STEP_END;
}
