/* SPDX-License-Identifier: MIT
 *
 * `res`: what came of an attempt (hook result), the answer that is about to leave (respond), or the
 * whole call when it is over (complete). What is not known, or not yet, is nil.
 */
#include "script/handle.h"

#include "script/document.h"

static void push_status(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	int status = run->attempt ? run->attempt->status : run->call->status;
	if (status)
		lua_pushinteger(L, status);
	else
		lua_pushnil(L);
}

static void push_ok(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	int status = run->call->status;
	if (run->attempt)
		lua_pushboolean(L, run->attempt->ok);
	else /* what is about to leave is an answer: errors do not come this way */
		lua_pushboolean(L, run->hook == MW_HOOK_RESPOND || (status >= 200 && status < 300));
}

/* Error names are upper case in C, lower case in Lua. */
static void push_error(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	char name[32];
	size_t n = 0;
	if (!run->attempt || run->attempt->error == MW_ERR_NONE) {
		lua_pushnil(L);
		return;
	}
	for (const char *p = mw_err_name(run->attempt->error); *p && n < sizeof(name); p++)
		name[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p | 32) : *p;
	lua_pushlstring(L, name, n);
}

static void push_message(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_str(L, run->attempt ? run->attempt->error_text : MW_NOSTR);
}

static void push_retry_after(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_ms(L, run->attempt ? run->attempt->retry_after_us : 0);
}

static void push_ttft(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	const struct mw_call *call = run->call;
	if (run->attempt)
		mw_handle_push_ms(L, run->attempt->ttft_us);
	else
		mw_handle_push_ms(L, call->first_us ? call->first_us - call->started_us : 0);
}

static void push_total(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	if (run->attempt)
		mw_handle_push_ms(L, run->attempt->total_us);
	else
		mw_handle_push_ms(L, mw_run_now(run) - run->call->started_us);
}

static void push_streamed(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushboolean(L, run->attempt ? run->attempt->streamed : run->call->stream);
}

static void put_count(lua_State *L, const char *name, int64_t n)
{
	lua_pushnumber(L, (lua_Number)n);
	lua_setfield(L, -2, name);
}

static void push_usage(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	const struct mw_usage *u = &run->call->usage;
	if (!u->reported) {
		lua_pushnil(L);
		return;
	}
	lua_createtable(L, 0, 5);
	put_count(L, "prompt", u->prompt);
	put_count(L, "cached", u->cached);
	put_count(L, "cache_write", u->cache_write + u->cache_write_1h);
	put_count(L, "completion", u->completion);
	put_count(L, "reasoning", u->reasoning);
}

static void push_cost(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	if (run->call->cost < 0)
		lua_pushnil(L);
	else
		lua_pushnumber(L, (lua_Number)run->call->cost * 1e-12);
}

static void push_finish(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_str(L, run->call->finish);
}

static void push_attempts(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushnumber(L, run->call->attempts);
}

static void push_fallbacks(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushnumber(L, run->call->fallbacks);
}

static void push_target(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	const struct mw_target *t = run->attempt ? run->attempt->target : run->call->target;
	mw_handle_push_str(L, t ? t->id : MW_NOSTR);
}

/* The whole answer; {NULL, 0} where there is none. */
static struct mw_str body(lua_State *L, struct mw_run *run)
{
	if (run->journal.document)
		return mw_document_view(L, run);
	return run->reply ? *run->reply : MW_NOSTR;
}

static void push_text(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	struct mw_str text = body(L, run);
	if (text.n == 0) {
		lua_pushnil(L);
		return;
	}
	struct mw_json content =
	    mw_json_at(mw_json_value(text), MW_STR("choices.1.message.content"));
	mw_document_push_text(L, run, content, MW_RUN_TEXT);
}

static const struct mw_field fields[] = {
    {"ok", push_ok},
    {"status", push_status},
    {"error", push_error},
    {"message", push_message},
    {"retry_after_ms", push_retry_after},
    {"ttft_ms", push_ttft},
    {"total_ms", push_total},
    {"streamed", push_streamed},
    {"text", push_text},
    {"usage", push_usage},
    {"cost", push_cost},
    {"finish", push_finish},
    {"attempts", push_attempts},
    {"fallbacks", push_fallbacks},
    {"target", push_target},
    {NULL, NULL},
};

static int l_get(lua_State *L)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_RES);
	return mw_document_get(L, run, body(L, run));
}

static int l_set(lua_State *L)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_RES);
	mw_handle_only_in(L, run, 1u << MW_HOOK_RESPOND, "res:set");
	return mw_document_set(L, run);
}

static int l_del(lua_State *L)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_RES);
	mw_handle_only_in(L, run, 1u << MW_HOOK_RESPOND, "res:del");
	return mw_document_del(L, run);
}

static const luaL_Reg methods[] = {
    {"get", l_get},
    {"set", l_set},
    {"del", l_del},
    {NULL, NULL},
};

const struct mw_handle_face mw_handle_res = {"result", fields, methods};
