/* SPDX-License-Identifier: MIT
 *
 * Checking what hooks return.
 */
#include "script/decision.h"

#include "script/handle.h"
#include "script/options.h"

enum { SLOT_VERDICT = 1, SLOT_STATUS, SLOT_CODE, SLOT_TEXT, SLOT_MS };

/* What each hook may return, as a message says it. */
static const char *const expected[MW_HOOKS] = {
    [MW_HOOK_INIT] = "nothing",
    [MW_HOOK_ADMIT] = "nil, mw.reject{…} or mw.answer{…}",
    [MW_HOOK_REWRITE] = "nil or mw.reject{…}",
    [MW_HOOK_ROUTE] = "nil, a candidate, a list of candidates or mw.plan{…}",
    [MW_HOOK_ATTEMPT] = "nil or \"skip\"",
    [MW_HOOK_RESULT] = "nil, \"accept\", \"next\", mw.retry{…} or mw.fail{…}",
    [MW_HOOK_RESPOND] = "nothing",
    [MW_HOOK_COMPLETE] = "nothing",
};

MW_NORETURN static void wrong_return(lua_State *L, const struct mw_run *run)
{
	mw_raise(L, MW_CODE_RETURN, "the hook %s returned %s; it may return %s",
	    mw_run_hook_name(run->hook), mw_raise_show(L, 1).text, expected[run->hook]);
}

/* ---- mw.reject and its kin ---- */

static bool is_decision(lua_State *L, const struct mw_run *run, int idx)
{
	if (lua_type(L, idx) != LUA_TTABLE || !lua_getmetatable(L, idx))
		return false;
	lua_rawgeti(L, LUA_REGISTRYINDEX, run->all->decisions);
	bool is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is;
}

static void put_str(lua_State *L, int slot, struct mw_str s)
{
	lua_pushlstring(L, s.p ? s.p : "", s.n);
	lua_rawseti(L, -2, slot);
}

static void put_number(lua_State *L, int slot, double v)
{
	lua_pushnumber(L, v);
	lua_rawseti(L, -2, slot);
}

void mw_decision_push(lua_State *L, struct mw_run *run, const struct mw_decision *d)
{
	lua_createtable(L, SLOT_MS, 0);
	put_number(L, SLOT_VERDICT, d->verdict);
	put_number(L, SLOT_STATUS, d->status);
	put_str(L, SLOT_CODE, d->code);
	put_str(L, SLOT_TEXT, d->verdict == MW_ANSWER ? d->text : d->message);
	put_number(L, SLOT_MS, (double)(d->retry_after_us + d->wait_us) / 1000);
	lua_rawgeti(L, LUA_REGISTRYINDEX, run->all->decisions);
	lua_setmetatable(L, -2);
}

static double number_at(lua_State *L, int slot)
{
	lua_rawgeti(L, 1, slot);
	double v = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return v;
}

static struct mw_str str_at(lua_State *L, int slot, struct mw_arena *a)
{
	lua_rawgeti(L, 1, slot);
	struct mw_str s = MW_NOSTR;
	if (lua_type(L, -1) == LUA_TSTRING)
		s = mw_arena_dup(a, mw_raise_str(L, -1));
	lua_pop(L, 1);
	return s;
}

/* Reads the decision at index 1. A policy can write into the table, so nothing in it is believed.
 * */
static void read_decision(lua_State *L, struct mw_run *run)
{
	struct mw_arena *a = run->call->arena;
	double verdict = number_at(L, SLOT_VERDICT), status = number_at(L, SLOT_STATUS);
	double ms = number_at(L, SLOT_MS);
	struct mw_str text = str_at(L, SLOT_TEXT, a);
	uint64_t us = ms > 0 && ms < 1e12 ? (uint64_t)(ms * 1000) : 0;
	run->decision = (struct mw_decision){
	    .verdict = verdict >= MW_GO && verdict <= MW_FAIL ? (enum mw_verdict)verdict : MW_GO,
	    .status = status >= 400 && status <= 599 ? (int)status : 500,
	    .code = str_at(L, SLOT_CODE, a),
	    .policy = run->policy->name,
	};
	if (run->decision.verdict == MW_ANSWER)
		run->decision.text = text;
	else
		run->decision.message = text;
	if (run->decision.verdict == MW_RETRY)
		run->decision.wait_us = us;
	else
		run->decision.retry_after_us = us;
}

/* Reads the result if it is a decision: one of `allowed` (bits 1 << verdict), or raises. */
static bool take_decision(lua_State *L, struct mw_run *run, unsigned allowed)
{
	static const char *const makers[] = {[MW_REJECT] = "mw.reject",
	    [MW_ANSWER] = "mw.answer",
	    [MW_RETRY] = "mw.retry",
	    [MW_FAIL] = "mw.fail"};
	if (!is_decision(L, run, 1))
		return false;
	double verdict = number_at(L, SLOT_VERDICT);
	size_t v = verdict >= 0 && verdict <= MW_FAIL ? (size_t)verdict : 0;
	if (!(allowed & 1u << v))
		mw_raise(L, MW_CODE_DECISION, "the hook %s returned %s; it may return %s",
		    mw_run_hook_name(run->hook), makers[v] ? makers[v] : "a spoilt decision",
		    expected[run->hook]);
	read_decision(L, run);
	return true;
}

static void decide(struct mw_run *run, enum mw_verdict verdict)
{
	run->decision = (struct mw_decision){.verdict = verdict, .policy = run->policy->name};
}

static bool is_word(lua_State *L, const char *word)
{
	return lua_type(L, 1) == LUA_TSTRING && mw_str_is(mw_raise_str(L, 1), word);
}

void mw_decision_after_nothing(lua_State *L, struct mw_run *run)
{
	if (!lua_isnil(L, 1))
		wrong_return(L, run);
}

void mw_decision_after_admit(lua_State *L, struct mw_run *run)
{
	if (!lua_isnil(L, 1) && !take_decision(L, run, 1 << MW_REJECT | 1 << MW_ANSWER))
		wrong_return(L, run);
}

void mw_decision_after_rewrite(lua_State *L, struct mw_run *run)
{
	if (!lua_isnil(L, 1) && !take_decision(L, run, 1 << MW_REJECT))
		wrong_return(L, run);
}

void mw_decision_after_attempt(lua_State *L, struct mw_run *run)
{
	if (is_word(L, "skip"))
		decide(run, MW_SKIP);
	else if (!lua_isnil(L, 1) && !take_decision(L, run, 0))
		wrong_return(L, run);
}

void mw_decision_after_result(lua_State *L, struct mw_run *run)
{
	if (is_word(L, "accept"))
		decide(run, MW_ACCEPT);
	else if (is_word(L, "next"))
		decide(run, MW_NEXT);
	else if (!lua_isnil(L, 1) && !take_decision(L, run, 1 << MW_RETRY | 1 << MW_FAIL))
		wrong_return(L, run);
}

/* ---- plans ---- */

static const struct mw_option plan_options[] = {
    {"attempts", LUA_TNUMBER, false, 1, 100},
    {"deadline_ms", LUA_TNUMBER, false, 1, 86400000},
    {NULL, 0, false, 0, 0},
};

static const struct mw_option step_options[] = {
    {"up", LUA_TNONE, true, 0, 0},
    {"ttft_ms", LUA_TNUMBER, false, 1, 86400000},
    {"total_ms", LUA_TNUMBER, false, 1, 86400000},
    {"wait_ms", LUA_TNUMBER, false, 0, 600000},
    {NULL, 0, false, 0, 0},
};

/* The candidate at the top of the stack, or raises. */
static const struct mw_target *candidate(lua_State *L, const struct mw_run *run, size_t i)
{
	unsigned index;
	if (mw_handle_kind(L, run, -1, &index) != MW_HANDLE_UP)
		mw_raise(L, MW_CODE_PLAN,
		    "item %zu of a plan must be a candidate of this call, not %s", i,
		    mw_raise_show(L, -1).text);
	return run->candidates[index].target;
}

static uint64_t us_of(lua_State *L, const char *name)
{
	return (uint64_t)(mw_options_number(L, -1, name, 0) * 1000);
}

/* The step at the top of the stack: a candidate, or a table with one. */
static void read_step(lua_State *L, const struct mw_run *run, size_t i, struct mw_plan_step *step)
{
	*step = (struct mw_plan_step){0};
	if (lua_type(L, -1) != LUA_TTABLE) {
		step->target = candidate(L, run, i);
		return;
	}
	mw_options_check(L, -1, MW_CODE_PLAN, "a step of a plan", step_options);
	step->first_us = us_of(L, "ttft_ms");
	step->total_us = us_of(L, "total_ms");
	step->wait_us = us_of(L, "wait_ms");
	lua_pushliteral(L, "up");
	lua_rawget(L, -2);
	step->target = candidate(L, run, i);
	lua_pop(L, 1);
}

/* Whatever is not in the list part is an option. */
static void read_plan_options(lua_State *L, int idx, struct mw_plan *out)
{
	mw_options_check(L, idx, MW_CODE_PLAN, "a plan", plan_options);
	out->attempts = (unsigned)mw_options_number(L, idx, "attempts", 0);
	out->deadline_us = (uint64_t)(mw_options_number(L, idx, "deadline_ms", 0) * 1000);
}

/* Has the table anything but its list? */
static bool has_names(lua_State *L, int idx)
{
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		if (lua_type(L, -2) == LUA_TNUMBER)
			continue;
		lua_pop(L, 2);
		return true;
	}
	return false;
}

/* The candidates as they are given. */
static void plan_of_all(const struct mw_run *run, struct mw_plan *out)
{
	out->n = MW_MIN(run->n_candidates, (size_t)MW_PLAN_MAX);
	for (size_t i = 0; i < out->n; i++)
		out->steps[i] = (struct mw_plan_step){.target = run->candidates[i].target};
}

void mw_decision_read_plan(lua_State *L, struct mw_run *run, int idx, struct mw_plan *out)
{
	size_t n = lua_objlen(L, idx);
	out->n = 0;
	if (n == 0)
		mw_raise(L, MW_CODE_PLAN,
		    "the plan is empty; return nil to leave the choice to the next policy");
	for (size_t i = 1; i <= n && out->n < MW_PLAN_MAX; i++) {
		lua_rawgeti(L, idx, (int)i);
		read_step(L, run, i, &out->steps[out->n++]);
		lua_pop(L, 1);
	}
	if (has_names(L, idx))
		read_plan_options(L, idx, out);
}

void mw_decision_after_route(lua_State *L, struct mw_run *run)
{
	unsigned index = 0;
	struct mw_plan *plan = run->plan;
	if (lua_isnil(L, 1))
		return;
	plan->attempts = 0;
	plan->deadline_us = 0;
	if (lua_type(L, 1) == LUA_TTABLE && !is_decision(L, run, 1)) {
		mw_decision_read_plan(L, run, 1, plan);
	} else if (mw_handle_kind(L, run, 1, &index) == MW_HANDLE_UP) {
		plan->steps[0] = (struct mw_plan_step){.target = run->candidates[index].target};
		plan->n = 1;
	} else if (mw_handle_kind(L, run, 1, &index) == MW_HANDLE_UPS) {
		plan_of_all(run, plan);
	} else if (!take_decision(L, run, 0)) {
		wrong_return(L, run);
	}
	run->planned = true;
}

static int read_only(lua_State *L)
{
	mw_raise(L, MW_CODE_DECISION, "a decision cannot be changed; make another");
}

void mw_decision_open(lua_State *L, struct mw_run *run)
{
	lua_newtable(L);
	mw_run_push(L, run, read_only);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	run->all->decisions = luaL_ref(L, LUA_REGISTRYINDEX);
}
