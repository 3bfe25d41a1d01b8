/* SPDX-License-Identifier: MIT
 *
 * Calling hooks: for each, which policies have it, what they get, and what their answer means.
 */
#include "script/hook.h"

#include "script/decision.h"
#include "script/handle.h"
#include "script/order.h"

enum on_error { CLOSED, OPEN };

static const enum on_error on_error[MW_HOOKS] = {
#define MW_HOOK(id, name, budget_us, then) then,
#include "script/hooks.def"
#undef MW_HOOK
};

/* The walk over the policies that are bound to a call's model and have the hook. */
struct walk {
	struct mw_policies *p;
	struct mw_call *call;
	enum mw_hook hook;
	size_t at;
};

static bool next_bound(struct walk *w, size_t *index)
{
	const struct mw_model *model = w->call->model;
	if (model) {
		if (w->at == model->n_policies)
			return false;
		*index = model->policies[w->at++];
		return true;
	}
	for (; w->at < w->p->n; w->at++) /* no model yet: those that are bound to all */
		if (w->p->list[w->at].source->ref->n_models == 0) {
			*index = w->at++;
			return true;
		}
	return false;
}

static bool is_bound(const struct mw_model *model, size_t index)
{
	for (size_t i = 0; i < model->n_policies; i++)
		if (model->policies[i] == index)
			return true;
	return false;
}

/* A call that comes to another group has been before the policies that both groups share. */
static bool has_been_asked(const struct walk *w, size_t index)
{
	if (w->hook != MW_HOOK_ADMIT && w->hook != MW_HOOK_REWRITE)
		return false;
	for (const struct mw_admission *a = w->call->admissions; a; a = a->next)
		if (is_bound(a->model, index))
			return true;
	return false;
}

static struct mw_policy *next_policy(struct walk *w)
{
	size_t i;
	while (next_bound(w, &i))
		if (w->p->list[i].hooks & 1u << w->hook && !has_been_asked(w, i))
			return &w->p->list[i];
	return NULL;
}

/* Begins a run: the function and the request are on the stack. */
static struct mw_run *begin(const struct walk *w, struct mw_policy *policy)
{
	struct mw_run *run = &w->p->run;
	mw_run_begin(run, policy, w->hook, w->call);
	lua_rawgeti(w->p->L, LUA_REGISTRYINDEX, policy->functions[w->hook]);
	mw_handle_push(w->p->L, run, MW_HANDLE_REQ, 0);
	return run;
}

/* The parameters are every hook's last argument. */
static bool finish(struct mw_run *run, int nargs, void (*after)(lua_State *L, struct mw_run *run))
{
	lua_rawgeti(run->all->L, LUA_REGISTRYINDEX, run->policy->params);
	return mw_run_finish(run, nargs + 1, after);
}

/* A guard that fails lets nothing pass. */
static void fail_closed(const struct mw_policy *policy, enum mw_hook hook, struct mw_decision *out)
{
	if (policy->kind != MW_POLICY_GUARD || on_error[hook] != CLOSED)
		return;
	*out = (struct mw_decision){
	    .verdict = MW_REJECT,
	    .status = mw_err_status(MW_ERR_POLICY),
	    .code = MW_STR("policy_error"),
	    .message =
		MW_STR("A policy that guards this model failed, so that the call cannot be let "
		       "through. The gateway's log says why."),
	    .policy = policy->name,
	};
}

static void look(struct mw_policies *p, struct mw_call *call, enum mw_hook hook,
    struct mw_str *document, struct mw_decision *out)
{
	struct walk w = {p, call, hook, 0};
	struct mw_policy *policy;
	*out = (struct mw_decision){.verdict = MW_GO};
	while ((policy = next_policy(&w))) {
		struct mw_run *run = begin(&w, policy);
		mw_journal_begin(&run->journal, document);
		bool good = finish(run, 1,
		    hook == MW_HOOK_ADMIT ? mw_decision_after_admit : mw_decision_after_rewrite);
		if (good)
			*out = run->decision;
		else
			fail_closed(policy, hook, out);
		if (out->verdict != MW_GO)
			return;
	}
}

void mw_hook_admit(struct mw_policies *p, struct mw_call *call, struct mw_decision *out)
{
	look(p, call, MW_HOOK_ADMIT, NULL, out);
}

void mw_hook_rewrite(struct mw_policies *p, struct mw_call *call, struct mw_decision *out)
{
	look(p, call, MW_HOOK_REWRITE, &call->body, out);
}

/* ---- route ---- */

static void plan_shuffled(
    struct mw_env *env, const struct mw_candidate *candidates, size_t n, struct mw_plan *plan)
{
	struct mw_ranked items[MW_RUN_CANDIDATES];
	mw_order_shuffle(env, candidates, items, n);
	plan->n = MW_MIN(n, (size_t)MW_PLAN_MAX);
	plan->attempts = 0;
	plan->deadline_us = 0;
	for (size_t i = 0; i < plan->n; i++)
		plan->steps[i] = (struct mw_plan_step){.target = candidates[items[i].index].target};
}

void mw_hook_route(struct mw_policies *p, struct mw_call *call,
    const struct mw_candidate *candidates, size_t n, struct mw_plan *plan)
{
	struct walk w = {p, call, MW_HOOK_ROUTE, 0};
	struct mw_policy *policy;
	n = MW_MIN(n, (size_t)MW_RUN_CANDIDATES);
	while ((policy = next_policy(&w))) {
		struct mw_run *run = begin(&w, policy);
		run->candidates = candidates;
		run->n_candidates = n;
		run->plan = plan;
		mw_handle_push(p->L, run, MW_HANDLE_UPS, 0);
		if (finish(run, 2, mw_decision_after_route) && run->planned)
			return;
	}
	plan_shuffled(p->env, candidates, n, plan);
}

/* ---- attempt, result ---- */

void mw_hook_attempt(
    struct mw_policies *p, struct mw_call *call, struct mw_attempt *at, struct mw_decision *out)
{
	struct walk w = {p, call, MW_HOOK_ATTEMPT, 0};
	struct mw_policy *policy;
	*out = (struct mw_decision){.verdict = MW_GO};
	while ((policy = next_policy(&w))) {
		struct mw_run *run = begin(&w, policy);
		run->attempt = at;
		run->to_target = &at->headers;
		mw_journal_begin(&run->journal, &at->body);
		mw_handle_push(p->L, run, MW_HANDLE_AT, 0);
		if (!finish(run, 2, mw_decision_after_attempt) || run->decision.verdict == MW_GO)
			continue;
		*out = run->decision;
		return;
	}
}

void mw_hook_result(struct mw_policies *p, struct mw_call *call, const struct mw_attempt *at,
    struct mw_decision *out)
{
	struct walk w = {p, call, MW_HOOK_RESULT, 0};
	struct mw_policy *policy;
	struct mw_str reply = at->reply;
	*out = (struct mw_decision){.verdict = MW_GO};
	while ((policy = next_policy(&w))) {
		struct mw_run *run = begin(&w, policy);
		run->attempt = at;
		run->reply = &reply;
		mw_handle_push(p->L, run, MW_HANDLE_AT, 0);
		mw_handle_push(p->L, run, MW_HANDLE_RES, 0);
		/* once content has gone to the client there is nothing left to decide */
		if (!finish(run, 3, mw_decision_after_result) || at->streamed ||
		    run->decision.verdict == MW_GO)
			continue;
		*out = run->decision;
		return;
	}
}

/* ---- respond, complete ---- */

static void tell(
    struct mw_policies *p, struct mw_call *call, enum mw_hook hook, struct mw_str *reply)
{
	struct walk w = {p, call, hook, 0};
	struct mw_policy *policy;
	while ((policy = next_policy(&w))) {
		struct mw_run *run = begin(&w, policy);
		run->reply = reply;
		mw_journal_begin(&run->journal, reply);
		mw_handle_push(p->L, run, MW_HANDLE_RES, 0);
		finish(run, 2, mw_decision_after_nothing);
	}
}

void mw_hook_respond(struct mw_policies *p, struct mw_call *call, struct mw_str *body)
{
	tell(p, call, MW_HOOK_RESPOND, body);
}

void mw_hook_complete(struct mw_policies *p, struct mw_call *call)
{
	tell(p, call, MW_HOOK_COMPLETE, NULL);
}
