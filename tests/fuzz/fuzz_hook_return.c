/* SPDX-License-Identifier: MIT
 *
 * What hooks return, however odd: the input is JSON, of which a policy makes the values that its
 * hooks return (tables, candidates, plans, decisions). Whatever it is, the plan is one that can be
 * walked, and the decision one that the hook may give.
 */
#include "../unit/script_world.h"

#include <stdlib.h>

static const char *const source =
    "local P = mw.policy{ name = 'odd', api = 1, kind = 'observe' } "
    "local function make(v, ups) "
    "  if type(v) == 'string' and v:sub(1, 1) == '@' then return ups and ups[tonumber(v:sub(2))] "
    "or ups end "
    "  if v == mw.json.null then return nil end "
    "  if type(v) ~= 'table' then return v end "
    "  local t = {} for k, x in pairs(v) do t[k] = make(x, ups) end "
    "  local maker = t.make t.make = nil "
    "  if type(maker) ~= 'string' then return t end "
    "  if maker == 'nan' then return 0 / 0 end "
    "  local ok, made = pcall(function() return mw[maker](t) end) "
    "  if not ok then return t end "
    "  if t.spoil then pcall(function() made[t.spoil] = t.with end) end "
    "  return made end "
    "function P.admit(req) return make(req:get('v')) end "
    "function P.route(req, ups) return make(req:get('v'), ups) end "
    "function P.result(req) return make(req:get('v')) end "
    "return P";

static struct world *w;

/* The leak checker does not see what lies in Lua's memory. */
static void leave(void)
{
	world_free(w);
}

static void check_route(void)
{
	struct mw_plan plan;
	memset(&plan, 0xee, sizeof(plan));
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	mw_require(plan.n >= 1 && plan.n <= MW_PLAN_MAX && plan.attempts <= 100);
	for (size_t i = 0; i < plan.n; i++)
		mw_require(plan.steps[i].target >= w->targets &&
			   plan.steps[i].target < w->targets + WORLD_TARGETS);
}

static void check_decision(const struct mw_decision *d, unsigned allowed)
{
	mw_require(allowed & 1u << d->verdict);
	if (d->verdict == MW_REJECT || d->verdict == MW_FAIL)
		mw_require(d->status >= 400 && d->status <= 599);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char body[5000];
	struct mw_decision d;
	struct mw_json root;
	if (!w) {
		w = world_with(source);
		atexit(leave);
	}
	int n = snprintf(
	    body, sizeof(body), "{\"v\":%.*s}", (int)MW_MIN(size, 4000u), (const char *)data);
	if (n < 0 || !mw_json_peek(mw_strn(body, (size_t)n), NULL, &root, NULL))
		return 0;
	world_call(w, body);
	struct mw_attempt at = {
	    .number = 1, .target = &w->targets[0], .status = 500, .error = MW_ERR_UPSTREAM};
	check_route();
	mw_hook_admit(w->policies, &w->call, &d);
	check_decision(&d, 1 << MW_GO | 1 << MW_REJECT | 1 << MW_ANSWER);
	mw_hook_result(w->policies, &w->call, &at, &d);
	check_decision(
	    &d, 1 << MW_GO | 1 << MW_ACCEPT | 1 << MW_NEXT | 1 << MW_RETRY | 1 << MW_FAIL);
	return 0;
}
