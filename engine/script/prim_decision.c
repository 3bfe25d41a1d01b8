/* SPDX-License-Identifier: MIT
 *
 * mw.reject, answer, retry, fail and plan: what hooks return. They decide nothing by themselves.
 */
#include "script/prim.h"

#include "script/decision.h"
#include "script/options.h"

static const struct mw_option refusal[] = {
    {"status", LUA_TNUMBER, false, 400, 599},
    {"code", LUA_TSTRING, false, 0, 0},
    {"message", LUA_TSTRING, true, 0, 0},
    {"retry_after_ms", LUA_TNUMBER, false, 0, 86400000},
    {NULL, 0, false, 0, 0},
};

static const struct mw_option answer[] = {
    {"text", LUA_TSTRING, true, 0, 0},
    {NULL, 0, false, 0, 0},
};

static const struct mw_option retry[] = {
    {"after_ms", LUA_TNUMBER, false, 0, 600000},
    {NULL, 0, false, 0, 0},
};

static uint64_t us_of(lua_State *L, const char *name)
{
	return (uint64_t)(mw_options_number(L, 1, name, 0) * 1000);
}

static int refuse(lua_State *L, const char *what, enum mw_verdict verdict, int status)
{
	mw_options_check(L, 1, MW_CODE_ARGUMENT, what, refusal);
	struct mw_decision d = {
	    .verdict = verdict,
	    .status = (int)mw_options_number(L, 1, "status", status),
	    .code = mw_options_str(L, 1, "code"),
	    .message = mw_options_str(L, 1, "message"),
	    .retry_after_us = us_of(L, "retry_after_ms"),
	};
	mw_decision_push(L, mw_run_of(L), &d);
	return 1;
}

static int l_reject(lua_State *L)
{
	return refuse(L, "mw.reject", MW_REJECT, 403);
}

static int l_fail(lua_State *L)
{
	return refuse(L, "mw.fail", MW_FAIL, 502);
}

static int l_answer(lua_State *L)
{
	mw_options_check(L, 1, MW_CODE_ARGUMENT, "mw.answer", answer);
	struct mw_decision d = {.verdict = MW_ANSWER, .text = mw_options_str(L, 1, "text")};
	mw_decision_push(L, mw_run_of(L), &d);
	return 1;
}

static int l_retry(lua_State *L)
{
	struct mw_decision d = {.verdict = MW_RETRY};
	if (!lua_isnone(L, 1)) {
		mw_options_check(L, 1, MW_CODE_ARGUMENT, "mw.retry", retry);
		d.wait_us = us_of(L, "after_ms");
	}
	mw_decision_push(L, mw_run_of(L), &d);
	return 1;
}

/* Checks the plan where it is made, so that a mistake is the error of that line. */
static int l_plan(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	struct mw_plan plan;
	if (run->loading || run->hook != MW_HOOK_ROUTE)
		mw_raise(L, MW_CODE_NOT_HERE, "mw.plan is for the hook route");
	if (lua_type(L, 1) != LUA_TTABLE)
		mw_raise(L, MW_CODE_PLAN, "mw.plan needs a list of candidates, not %s",
		    mw_raise_show(L, 1).text);
	mw_decision_read_plan(L, run, 1, &plan);
	lua_settop(L, 1);
	return 1;
}

static const luaL_Reg functions[] = {
    {"reject", l_reject},
    {"answer", l_answer},
    {"retry", l_retry},
    {"fail", l_fail},
    {"plan", l_plan},
    {NULL, NULL},
};

const struct mw_prim mw_prim_decision = {NULL, functions, NULL};
