/* SPDX-License-Identifier: MIT
 *
 * Asking the runtime to translate: bodies, replies, events, and the scripts of played answers.
 */
#include "script/translate.h"

#include "base/log.h"
#include "base/mem.h"
#include "script/read.h"
#include "script/runtime_in.h"

#include <lauxlib.h>

struct mw_stream {
	struct mw_runtime *rt;
	int object; /* registry reference */
};

/* ---- arguments ------------------------------------------------------------------------------ */

static void push_str(lua_State *L, struct mw_str s)
{
	lua_pushlstring(L, s.p ? s.p : "", s.n);
}

static const char *kind_name(enum mw_kind kind)
{
	return kind == MW_KIND_CHAT ? "chat" : "embeddings";
}

static void set_bool(lua_State *L, const char *name, bool v)
{
	lua_pushboolean(L, v);
	lua_setfield(L, -2, name);
}

static void set_str(lua_State *L, const char *name, struct mw_str v)
{
	push_str(L, v);
	lua_setfield(L, -2, name);
}

static void push_options(lua_State *L, const struct mw_translation *t)
{
	lua_createtable(L, 0, 8);
	set_str(L, "dialect", MW_STR("openai_chat"));
	set_str(L, "model", t->model);
	set_str(L, "client_model", t->client_model);
	set_bool(L, "stream", t->stream);
	set_bool(L, "include_usage", t->include_usage);
	set_bool(L, "drop_params", t->drop_params);
	set_bool(L, "base64", t->base64);
}

/* Pushes a function of boot.lua and its first argument, the target. */
static void push_entry(const struct mw_translation *t, enum mw_entry which)
{
	lua_State *L = t->rt->L;
	lua_rawgeti(L, LUA_REGISTRYINDEX, t->rt->entries[which]);
	lua_pushnumber(L, t->generation + (unsigned)t->target->index);
}

/* A fault of ours: an error inside lua/. Its words go to the log, not to the client. */
static bool broken(const struct mw_translation *t, const struct mw_err *err, struct mw_fault *f)
{
	mw_log(MW_LOG_ERROR, "runtime", "target %.*s: %s", MW_FMT(t->target->id), err->text);
	*f = (struct mw_fault){.code = MW_ERR_INTERNAL,
	    .message =
		MW_STR("an internal error of the gateway while translating; it is in its log")};
	return false;
}

/* Calls function(index, kind, text, options) with `nresults`, of which the first is nil on a fault,
 * which is then the second. On true the results are on the stack. */
static bool translate(const struct mw_translation *t, enum mw_entry which, struct mw_str text,
    int nresults, struct mw_fault *fault)
{
	lua_State *L = t->rt->L;
	struct mw_err err;
	push_entry(t, which);
	lua_pushstring(L, kind_name(t->kind));
	push_str(L, text);
	push_options(L, t);
	if (!mw_runtime_call(t->rt, 4, nresults, &err))
		return broken(t, &err, fault);
	if (!lua_isnil(L, -nresults))
		return true;
	mw_read_fault(L, lua_gettop(L) - nresults + 2, t->arena, fault);
	lua_pop(L, nresults);
	return false;
}

bool mw_translate_request(
    const struct mw_translation *t, struct mw_str body, struct mw_str *out, struct mw_fault *fault)
{
	if (!translate(t, MW_ENTRY_REQUEST, body, 2, fault))
		return false;
	*out = mw_read_str(t->rt->L, -2, t->arena);
	lua_pop(t->rt->L, 2);
	return true;
}

bool mw_translate_reply(const struct mw_translation *t, struct mw_str reply, struct mw_str *out,
    struct mw_usage *usage, struct mw_str *finish, struct mw_fault *fault)
{
	if (!translate(t, MW_ENTRY_REPLY, reply, 3, fault))
		return false;
	lua_State *L = t->rt->L;
	*out = mw_read_str(L, -3, t->arena);
	mw_read_usage(L, lua_gettop(L) - 1, usage);
	*finish = mw_read_str(L, -1, t->arena);
	lua_pop(L, 3);
	return true;
}

void mw_translate_failure(
    const struct mw_translation *t, int status, struct mw_str reply, struct mw_fault *fault)
{
	lua_State *L = t->rt->L;
	struct mw_err err;
	push_entry(t, MW_ENTRY_FAILURE);
	lua_pushnumber(L, status);
	push_str(L, reply);
	if (!mw_runtime_call(t->rt, 3, 1, &err)) {
		(void)broken(t, &err, fault);
		return;
	}
	mw_read_fault(L, lua_gettop(L), t->arena, fault);
	lua_pop(L, 1);
}

/* ---- played answers ------------------------------------------------------------------------ */

static uint32_t field_us(lua_State *L, int idx, const char *name)
{
	return (uint32_t)(mw_read_number(L, idx, name, 4e6, 0) * 1e3);
}

static const struct mw_play_piece *read_pieces(lua_State *L, int idx, struct mw_arena *a, size_t *n)
{
	lua_getfield(L, idx, "pieces");
	*n = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
	struct mw_play_piece *pieces = mw_arena_alloc(a, *n * sizeof(*pieces));
	for (size_t i = 0; i < *n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		int at = lua_gettop(L);
		pieces[i] = (struct mw_play_piece){
		    field_us(L, at, "after_ms"), mw_read_text(L, at, "text", a)};
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return pieces;
}

/* How a script ends: `cut` is false, true (inside the body), "no_reply" or "unreachable". */
static enum mw_exchange_end read_cut(lua_State *L, int idx)
{
	lua_getfield(L, idx, "cut");
	bool cut = lua_toboolean(L, -1);
	const char *how = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
	enum mw_exchange_end end = !cut                              ? MW_END_OK
	                           : strcmp(how, "no_reply") == 0    ? MW_END_NO_REPLY
	                           : strcmp(how, "unreachable") == 0 ? MW_END_UNREACHABLE
	                                                             : MW_END_CUT;
	lua_pop(L, 1);
	return end;
}

bool mw_translate_play(const struct mw_translation *t, struct mw_str body,
    struct mw_play_script *out, struct mw_fault *fault)
{
	if (!translate(t, MW_ENTRY_PLAY, body, 2, fault))
		return false;
	lua_State *L = t->rt->L;
	int at = lua_gettop(L) - 1;
	*out = (struct mw_play_script){
	    .head_after_us = field_us(L, at, "head_after_ms"),
	    .status = (int)mw_read_number(L, at, "status", 599, 200),
	    .end_after_us = field_us(L, at, "end_after_ms"),
	    .end = read_cut(L, at),
	};
	out->headers = mw_read_headers(L, at, t->arena, &out->n_headers);
	out->pieces = read_pieces(L, at, t->arena, &out->n_pieces);
	lua_pop(L, 2);
	return true;
}

/* ---- streams ------------------------------------------------------------------------------- */

static void push_sent(lua_State *L, const struct mw_stream_sent *sent)
{
	lua_createtable(L, 0, 4);
	set_bool(L, "finished", sent->finished);
	lua_pushnumber(L, sent->calls);
	lua_setfield(L, -2, "calls");
	set_str(L, "call_id", sent->call_id);
	set_bool(L, "bare", sent->bare);
}

struct mw_stream *mw_stream_open(const struct mw_translation *t, const struct mw_stream_sent *sent)
{
	lua_State *L = t->rt->L;
	struct mw_err err;
	push_entry(t, MW_ENTRY_OPEN);
	push_options(L, t);
	if (sent->begun) {
		push_sent(L, sent);
		lua_setfield(L, -2, "sent");
	}
	if (!mw_runtime_call(t->rt, 2, 1, &err)) {
		struct mw_fault fault;
		(void)broken(t, &err, &fault);
		return NULL;
	}
	struct mw_stream *s = mw_mem_alloc(sizeof(*s));
	*s = (struct mw_stream){t->rt, luaL_ref(L, LUA_REGISTRYINDEX)};
	return s;
}

void mw_stream_close(struct mw_stream *s)
{
	if (!s)
		return;
	luaL_unref(s->rt->L, LUA_REGISTRYINDEX, s->object);
	mw_mem_free(s);
}

/* Pushes method and object. */
static void push_method(struct mw_stream *s, const char *name)
{
	lua_State *L = s->rt->L;
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->object);
	lua_getfield(L, -1, name);
	lua_insert(L, -2);
}

bool mw_stream_event(struct mw_stream *s, const struct mw_translation *t, struct mw_str name,
    struct mw_str data, struct mw_buf *out, enum mw_stream_state *state, struct mw_fault *fault)
{
	lua_State *L = s->rt->L;
	struct mw_err err;
	push_method(s, "event");
	push_str(L, name);
	push_str(L, data);
	if (!mw_runtime_call(s->rt, 3, 2, &err))
		return broken(t, &err, fault);
	bool ok = lua_type(L, -2) == LUA_TSTRING;
	if (ok) {
		size_t n;
		const char *p = lua_tolstring(L, -2, &n);
		mw_buf_add(out, mw_strn(p, n));
		*state = (enum mw_stream_state)lua_tointeger(L, -1);
	} else {
		mw_read_fault(L, lua_gettop(L), t->arena, fault);
	}
	lua_pop(L, 2);
	return ok;
}

bool mw_stream_may_end(struct mw_stream *s)
{
	push_method(s, "whole");
	if (!mw_runtime_call(s->rt, 1, 1, NULL))
		return false;
	bool v = lua_toboolean(s->rt->L, -1);
	lua_pop(s->rt->L, 1);
	return v;
}

void mw_stream_finish(struct mw_stream *s, struct mw_buf *out)
{
	lua_State *L = s->rt->L;
	struct mw_err err;
	push_method(s, "finish");
	if (!mw_runtime_call(s->rt, 1, 1, &err)) {
		mw_log(MW_LOG_ERROR, "runtime", "%s", err.text);
		return;
	}
	size_t n;
	const char *p = lua_tolstring(L, -1, &n);
	if (p)
		mw_buf_add(out, mw_strn(p, n));
	lua_pop(L, 1);
}

void mw_stream_usage(
    struct mw_stream *s, struct mw_usage *usage, struct mw_str *finish, struct mw_arena *arena)
{
	lua_State *L = s->rt->L;
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->object);
	int at = lua_gettop(L);
	lua_getfield(L, at, "usage");
	mw_read_usage(L, at + 1, usage);
	*finish = mw_read_text(L, at, "finish_reason", arena);
	lua_pop(L, 2);
}
