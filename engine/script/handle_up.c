/* SPDX-License-Identifier: MIT
 *
 * Candidates as the hook route sees them: `ups`, and each `ups[i]`. What is not known is nil.
 */
#include "script/handle.h"

#include "call/target.h"
#include "shared/prices.h"

#include <limits.h>

static const struct mw_target *target(const struct mw_run *run, unsigned i)
{
	return run->candidates[i].target;
}

static const struct mw_health_view *live(const struct mw_run *run, unsigned i)
{
	return &run->candidates[i].live;
}

/* Numbers for which 0 stands for "not known". */
static void push_known(lua_State *L, double v)
{
	if (v > 0)
		lua_pushnumber(L, v);
	else
		lua_pushnil(L);
}

static void push_id(lua_State *L, struct mw_run *run, unsigned i)
{
	mw_handle_push_str(L, target(run, i)->id);
}

static void push_provider(lua_State *L, struct mw_run *run, unsigned i)
{
	mw_handle_push_str(L, target(run, i)->provider);
}

static void push_model(lua_State *L, struct mw_run *run, unsigned i)
{
	mw_handle_push_str(L, target(run, i)->model);
}

static void push_group(lua_State *L, struct mw_run *run, unsigned i)
{
	mw_handle_push_str(L, target(run, i)->group);
}

static void push_weight(lua_State *L, struct mw_run *run, unsigned i)
{
	push_known(L, target(run, i)->weight);
}

static void push_rpm(lua_State *L, struct mw_run *run, unsigned i)
{
	push_known(L, target(run, i)->rpm);
}

static void push_tpm(lua_State *L, struct mw_run *run, unsigned i)
{
	push_known(L, target(run, i)->tpm);
}

static void push_order(lua_State *L, struct mw_run *run, unsigned i)
{
	if (target(run, i)->order == INT_MAX)
		lua_pushnil(L);
	else
		lua_pushinteger(L, target(run, i)->order);
}

static void push_inflight(lua_State *L, struct mw_run *run, unsigned i)
{
	lua_pushnumber(L, (lua_Number)live(run, i)->inflight);
}

static void push_ttft(lua_State *L, struct mw_run *run, unsigned i)
{
	push_known(L, live(run, i)->ttft_us / 1000);
}

static void push_total(lua_State *L, struct mw_run *run, unsigned i)
{
	push_known(L, live(run, i)->total_us / 1000);
}

static void push_per_token(lua_State *L, struct mw_run *run, unsigned i)
{
	push_known(L, live(run, i)->per_token_us / 1000);
}

static void push_error_rate(lua_State *L, struct mw_run *run, unsigned i)
{
	lua_pushnumber(L, live(run, i)->error_rate);
}

static void push_calls(lua_State *L, struct mw_run *run, unsigned i)
{
	lua_pushnumber(L, (lua_Number)live(run, i)->calls);
}

/* Picodollars per token are millionths of a dollar per million tokens. */
static void push_price(lua_State *L, int64_t per_token)
{
	if (per_token < 0)
		lua_pushnil(L);
	else
		lua_pushnumber(L, (lua_Number)per_token * 1e-6);
}

static void push_price_in(lua_State *L, struct mw_run *run, unsigned i)
{
	const struct mw_price *price = target(run, i)->price;
	push_price(L, price ? price->base.input : -1);
}

static void push_price_out(lua_State *L, struct mw_run *run, unsigned i)
{
	const struct mw_price *price = target(run, i)->price;
	push_price(L, price ? price->base.output : -1);
}

static const struct mw_field fields[] = {
    {"id", push_id},
    {"provider", push_provider},
    {"model", push_model},
    {"group", push_group},
    {"weight", push_weight},
    {"rpm", push_rpm},
    {"tpm", push_tpm},
    {"order", push_order},
    {"inflight", push_inflight},
    {"ttft_ms", push_ttft},
    {"total_ms", push_total},
    {"per_token_ms", push_per_token},
    {"error_rate", push_error_rate},
    {"calls", push_calls},
    {"price_in", push_price_in},
    {"price_out", push_price_out},
    {NULL, NULL},
};

static const struct mw_field no_fields[] = {{NULL, NULL}};
static const luaL_Reg no_methods[] = {{NULL, NULL}};

const struct mw_handle_face mw_handle_up = {"candidate", fields, no_methods};
const struct mw_handle_face mw_handle_ups = {"list of candidates", no_fields, no_methods};
