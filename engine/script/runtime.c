/* SPDX-License-Identifier: MIT
 *
 * The trusted Lua state: loads lua/ out of the binary and calls the functions of lua/boot.lua. All
 * that knows how tables of the Lua side look like is in this file. Called by gate/ and by the
 * reading of settings.
 */
#include "script/runtime.h"

#include "base/log.h"
#include "base/mem.h"
#include "script/convert.h"
#include "script/embedded.h"
#include "script/lib.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

/* The functions of lua/boot.lua that are called here; their names are in `entry_names`. */
enum entry { PREPARE, WILDCARDS, ADD, DROP, REQUEST, PLAY, REPLY, FAILURE, OPEN, ENTRIES };
static const char *const entry_names[ENTRIES] = {
    "prepare", "wildcards", "add", "drop", "request", "play", "reply", "failure", "open"};

struct mw_runtime {
	lua_State *L;
	struct mw_env *env;
	int entries[ENTRIES]; /* registry references */
	int traceback;
	unsigned next_index; /* of the first target of the next generation */
};

struct mw_stream {
	struct mw_runtime *rt;
	int object; /* registry reference */
};

/* ---- loading lua/ -------------------------------------------------------------------------- */

static const struct mw_embedded *embedded_find(const char *path)
{
	for (const struct mw_embedded *e = mw_embedded; e->path; e++)
		if (strcmp(e->path, path) == 0)
			return e;
	return NULL;
}

static bool load_embedded(lua_State *L, const struct mw_embedded *e)
{
	char chunk[128];
	snprintf(chunk, sizeof(chunk), "@%s", e->path);
	return luaL_loadbufferx(L, e->begin, (size_t)(e->end - e->begin), chunk, "t") == 0;
}

/* The one searcher of `require`: "dialects.gemini" is lua/dialects/gemini.lua. */
static int l_searcher(lua_State *L)
{
	char path[128];
	snprintf(path, sizeof(path), "lua/%s.lua", luaL_gsub(L, luaL_checkstring(L, 1), ".", "/"));
	const struct mw_embedded *e = embedded_find(path);
	if (!e)
		return lua_pushfstring(L, "\n\tno file '%s' in the binary", path), 1;
	if (!load_embedded(L, e))
		return lua_error(L);
	return 1;
}

static void preload(lua_State *L, const char *name, lua_CFunction open)
{
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "preload");
	lua_pushcfunction(L, open);
	lua_setfield(L, -2, name);
	lua_pop(L, 2);
}

static int l_open(lua_State *L)
{
	luaL_openlibs(L);
	preload(L, "mwjson", luaopen_mwjson);
	preload(L, "mwlib", luaopen_mwlib);
	lua_getglobal(L, "package");
	lua_createtable(L, 2, 0);
	lua_getfield(L, -2, "loaders");
	lua_rawgeti(L, -1, 1); /* package.preload's */
	lua_rawseti(L, -3, 1);
	lua_pop(L, 1);
	lua_pushcfunction(L, l_searcher);
	lua_rawseti(L, -2, 2);
	lua_setfield(L, -2, "loaders");
	lua_getglobal(L, "require");
	lua_pushliteral(L, "boot");
	lua_call(L, 1, 1);
	return 1;
}

/* Calls what is on the stack with a traceback; on failure leaves nothing and says what happened. */
static bool call(struct mw_runtime *rt, int nargs, int nresults, struct mw_err *err)
{
	lua_State *L = rt->L;
	int handler = lua_gettop(L) - nargs;
	lua_rawgeti(L, LUA_REGISTRYINDEX, rt->traceback);
	lua_insert(L, handler);
	int rc = lua_pcall(L, nargs, nresults, handler);
	lua_remove(L, handler);
	if (rc == 0)
		return true;
	const char *text = lua_tostring(L, -1);
	mw_err_set(err, MW_ERR_INTERNAL, "%s", text ? text : "an error without words");
	lua_pop(L, 1);
	return false;
}

struct mw_runtime *mw_runtime_new(struct mw_env *env, struct mw_err *err)
{
	struct mw_runtime *rt = mw_mem_zalloc(sizeof(*rt));
	rt->env = env;
	rt->L = luaL_newstate();
	mw_require(rt->L);
	lua_State *L = rt->L;
	mw_lib_set_env(L, env);
	luaL_openlibs(L);
	lua_getglobal(L, "debug");
	lua_getfield(L, -1, "traceback");
	rt->traceback = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pop(L, 1);
	lua_pushcfunction(L, l_open);
	if (!call(rt, 0, 1, err)) {
		mw_runtime_free(rt);
		return NULL;
	}
	for (int i = 0; i < ENTRIES; i++) {
		lua_getfield(L, -1, entry_names[i]);
		mw_require(lua_isfunction(L, -1));
		rt->entries[i] = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	lua_pop(L, 1);
	return rt;
}

void mw_runtime_free(struct mw_runtime *rt)
{
	if (!rt)
		return;
	lua_close(rt->L);
	mw_mem_free(rt);
}

/* ---- reading tables ------------------------------------------------------------------------ */

static void push_str(lua_State *L, struct mw_str s)
{
	lua_pushlstring(L, s.p ? s.p : "", s.n);
}

/* A string (or number) on the stack, copied into the arena; {NULL,0} for anything else. */
static struct mw_str copy_str(lua_State *L, int idx, struct mw_arena *a)
{
	if (!lua_isstring(L, idx))
		return MW_NOSTR;
	size_t n;
	const char *p = lua_tolstring(L, idx, &n);
	return mw_arena_dup(a, mw_strn(p, n));
}

static struct mw_str field_str(lua_State *L, int idx, const char *name, struct mw_arena *a)
{
	lua_getfield(L, idx, name);
	struct mw_str s = copy_str(L, -1, a);
	lua_pop(L, 1);
	return s;
}

static bool field_bool(lua_State *L, int idx, const char *name)
{
	lua_getfield(L, idx, name);
	bool v = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return v;
}

/* A number of a table, forced into 0..max; `absent` where there is none. */
static double field_number(lua_State *L, int idx, const char *name, double max, double absent)
{
	lua_getfield(L, idx, name);
	double v = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : absent;
	lua_pop(L, 1);
	return v >= 0 ? MW_MIN(v, max) : absent; /* false for NaN too */
}

/* Headers as a flat list of name, value, name, value … */
static const struct mw_header *field_headers(lua_State *L, int idx, struct mw_arena *a, size_t *n)
{
	lua_getfield(L, idx, "headers");
	struct mw_header *headers = NULL;
	*n = lua_istable(L, -1) ? lua_objlen(L, -1) / 2 : 0;
	if (*n)
		headers = mw_arena_alloc(a, *n * sizeof(*headers));
	for (size_t i = 0; i < *n; i++) {
		lua_rawgeti(L, -1, (int)(2 * i + 1));
		lua_rawgeti(L, -2, (int)(2 * i + 2));
		headers[i] = (struct mw_header){copy_str(L, -2, a), copy_str(L, -1, a)};
		lua_pop(L, 2);
	}
	lua_pop(L, 1);
	return headers;
}

static enum mw_err_code code_by_name(const char *name)
{
	static const char *const names[] = {
#define MW_ERR(code, status, openai, anthropic, google, retryable) #code,
#include "base/errors.def"
#undef MW_ERR
	};
	for (size_t i = 0; name && i < MW_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return (enum mw_err_code)(i + 1);
	return MW_ERR_UPSTREAM;
}

/* The fault table at idx (lua/README.md). */
static void read_fault(lua_State *L, int idx, struct mw_arena *a, struct mw_fault *f)
{
	*f = (struct mw_fault){.code = MW_ERR_INTERNAL};
	if (!lua_istable(L, idx)) {
		f->message = copy_str(L, idx, a);
		return;
	}
	lua_getfield(L, idx, "code");
	f->code = code_by_name(lua_tostring(L, -1));
	lua_pop(L, 1);
	f->status = (int)field_number(L, idx, "status", 599, 0);
	f->status =
	    f->status < 400 ? 0 : f->status; /* an error inside a 200 has no status of its own */
	f->type = field_str(L, idx, "type", a);
	f->param = field_str(L, idx, "param", a);
	f->message = field_str(L, idx, "message", a);
	f->native_code = field_str(L, idx, "native_code", a);
	f->retry_after_us = (uint64_t)(field_number(L, idx, "retry_after_ms", 86400e3, 0) * 1e3);
}

static void read_usage(lua_State *L, int idx, struct mw_usage *u)
{
	*u = (struct mw_usage){0};
	if (!lua_istable(L, idx))
		return;
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
	    {"prompt", offsetof(struct mw_usage, prompt)},
	    {"cached", offsetof(struct mw_usage, cached)},
	    {"cache_write", offsetof(struct mw_usage, cache_write)},
	    {"cache_write_1h", offsetof(struct mw_usage, cache_write_1h)},
	    {"audio_in", offsetof(struct mw_usage, audio_in)},
	    {"completion", offsetof(struct mw_usage, completion)},
	    {"reasoning", offsetof(struct mw_usage, reasoning)},
	    {"audio_out", offsetof(struct mw_usage, audio_out)},
	};
	for (size_t i = 0; i < MW_LEN(fields); i++) {
		int64_t v = (int64_t)field_number(L, idx, fields[i].name, 0x1p53, 0);
		memcpy((char *)u + fields[i].offset, &v, sizeof(v));
	}
	u->reported = true;
}

/* ---- targets ------------------------------------------------------------------------------- */

/* Pushes the spec of a target as a table. */
static bool push_spec(lua_State *L, const struct mw_target *t, struct mw_err *err)
{
	return mw_convert_decode(L, t->spec, err);
}

static void read_door(lua_State *L, const char *name, struct mw_arena *a, struct mw_door *door)
{
	*door = (struct mw_door){0};
	lua_getfield(L, -1, name);
	if (lua_istable(L, -1)) {
		int at = lua_gettop(L);
		door->url = field_str(L, at, "url", a);
		door->stream_url = field_str(L, at, "stream_url", a);
		if (!door->stream_url.p)
			door->stream_url = door->url;
		door->headers = field_headers(L, at, a, &door->n_headers);
	}
	lua_pop(L, 1);
}

static void read_row(lua_State *L, struct mw_target *t, struct mw_arena *a)
{
	int at = lua_gettop(L);
	struct mw_str provider = field_str(L, at, "provider", a),
		      model = field_str(L, at, "model", a);
	t->provider = provider.p ? provider : t->provider;
	t->model = model.p ? model : t->model;
	t->dialect = field_str(L, at, "dialect", a);
	t->api_base = field_str(L, at, "api_base", a);
	t->passthrough = field_bool(L, at, "passthrough");
	t->stream_usage = field_bool(L, at, "stream_usage");
	t->plays = field_bool(L, at, "plays");
	t->warning = field_str(L, at, "warning", a);
	read_door(L, "chat", a, &t->doors[MW_KIND_CHAT]);
	read_door(L, "embeddings", a, &t->doors[MW_KIND_EMBEDDINGS]);
}

bool mw_runtime_prepare(void *arg, struct mw_target *t, struct mw_arena *arena, struct mw_err *err)
{
	struct mw_runtime *rt = arg;
	lua_State *L = rt->L;
	lua_rawgeti(L, LUA_REGISTRYINDEX, rt->entries[PREPARE]);
	if (!push_spec(L, t, err)) {
		lua_pop(L, 1);
		return false;
	}
	if (!call(rt, 1, 2, err))
		return false;
	bool ok = lua_istable(L, -2);
	if (ok) {
		lua_pop(L, 1);
		read_row(L, t, arena);
		lua_pop(L, 1);
		return true;
	}
	const char *why = lua_tostring(L, -1);
	mw_err_set(err, MW_ERR_SETTINGS, "%s", why ? why : "the provider gave no reason");
	lua_pop(L, 2);
	return false;
}

size_t mw_runtime_wildcards(void *arg, struct mw_arena *arena, const struct mw_wildcard **out)
{
	struct mw_runtime *rt = arg;
	lua_State *L = rt->L;
	struct mw_err err = {0};
	lua_rawgeti(L, LUA_REGISTRYINDEX, rt->entries[WILDCARDS]);
	if (!call(rt, 0, 1, &err)) {
		mw_log(MW_LOG_ERROR, "runtime", "%s", err.text);
		return 0;
	}
	size_t n = lua_objlen(L, -1);
	struct mw_wildcard *list = mw_arena_alloc(arena, n * sizeof(*list));
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		int at = lua_gettop(L);
		list[i].pattern = field_str(L, at, "pattern", arena);
		list[i].model = field_str(L, at, "model", arena);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	*out = list;
	return n;
}

static bool add_target(
    struct mw_runtime *rt, unsigned index, const struct mw_target *t, struct mw_err *err)
{
	lua_State *L = rt->L;
	lua_rawgeti(L, LUA_REGISTRYINDEX, rt->entries[ADD]);
	lua_pushnumber(L, index);
	if (push_spec(L, t, err))
		return call(rt, 2, 0, err);
	lua_pop(L, 2);
	return false;
}

static void drop_target(struct mw_runtime *rt, unsigned index)
{
	lua_rawgeti(rt->L, LUA_REGISTRYINDEX, rt->entries[DROP]);
	lua_pushnumber(rt->L, index);
	mw_require(call(rt, 1, 0, NULL));
}

unsigned mw_runtime_add(
    struct mw_runtime *rt, const struct mw_settings *settings, struct mw_err *err)
{
	unsigned first = rt->next_index + 1;
	for (size_t i = 0; i < settings->n_targets; i++)
		if (!add_target(rt, first + (unsigned)i, &settings->targets[i], err))
			return 0;
	rt->next_index += (unsigned)settings->n_targets;
	return first;
}

void mw_runtime_drop(struct mw_runtime *rt, unsigned generation, size_t n_targets)
{
	for (size_t i = 0; i < n_targets; i++)
		drop_target(rt, generation + (unsigned)i);
}

/* ---- translations -------------------------------------------------------------------------- */

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
static void push_entry(const struct mw_translation *t, enum entry which)
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
static bool translate(const struct mw_translation *t, enum entry which, struct mw_str text,
    int nresults, struct mw_fault *fault)
{
	lua_State *L = t->rt->L;
	struct mw_err err;
	push_entry(t, which);
	lua_pushstring(L, kind_name(t->kind));
	push_str(L, text);
	push_options(L, t);
	if (!call(t->rt, 4, nresults, &err))
		return broken(t, &err, fault);
	if (!lua_isnil(L, -nresults))
		return true;
	read_fault(L, lua_gettop(L) - nresults + 2, t->arena, fault);
	lua_pop(L, nresults);
	return false;
}

bool mw_runtime_request(
    const struct mw_translation *t, struct mw_str body, struct mw_str *out, struct mw_fault *fault)
{
	if (!translate(t, REQUEST, body, 2, fault))
		return false;
	*out = copy_str(t->rt->L, -2, t->arena);
	lua_pop(t->rt->L, 2);
	return true;
}

bool mw_runtime_reply(const struct mw_translation *t, struct mw_str reply, struct mw_str *out,
    struct mw_usage *usage, struct mw_str *finish, struct mw_fault *fault)
{
	if (!translate(t, REPLY, reply, 3, fault))
		return false;
	lua_State *L = t->rt->L;
	*out = copy_str(L, -3, t->arena);
	read_usage(L, lua_gettop(L) - 1, usage);
	*finish = copy_str(L, -1, t->arena);
	lua_pop(L, 3);
	return true;
}

void mw_runtime_failure(
    const struct mw_translation *t, int status, struct mw_str reply, struct mw_fault *fault)
{
	lua_State *L = t->rt->L;
	struct mw_err err;
	push_entry(t, FAILURE);
	lua_pushnumber(L, status);
	push_str(L, reply);
	if (!call(t->rt, 3, 1, &err)) {
		(void)broken(t, &err, fault);
		return;
	}
	read_fault(L, lua_gettop(L), t->arena, fault);
	lua_pop(L, 1);
}

/* ---- played answers ------------------------------------------------------------------------ */

static uint32_t field_us(lua_State *L, int idx, const char *name)
{
	return (uint32_t)(field_number(L, idx, name, 4e6, 0) * 1e3);
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
		    field_us(L, at, "after_ms"), field_str(L, at, "text", a)};
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

bool mw_runtime_play(const struct mw_translation *t, struct mw_str body, struct mw_play_script *out,
    struct mw_fault *fault)
{
	if (!translate(t, PLAY, body, 2, fault))
		return false;
	lua_State *L = t->rt->L;
	int at = lua_gettop(L) - 1;
	*out = (struct mw_play_script){
	    .head_after_us = field_us(L, at, "head_after_ms"),
	    .status = (int)field_number(L, at, "status", 599, 200),
	    .end_after_us = field_us(L, at, "end_after_ms"),
	    .end = read_cut(L, at),
	};
	out->headers = field_headers(L, at, t->arena, &out->n_headers);
	out->pieces = read_pieces(L, at, t->arena, &out->n_pieces);
	lua_pop(L, 2);
	return true;
}

/* ---- streams ------------------------------------------------------------------------------- */

struct mw_stream *mw_stream_open(const struct mw_translation *t, bool resumed, bool finished)
{
	lua_State *L = t->rt->L;
	struct mw_err err;
	push_entry(t, OPEN);
	push_options(L, t);
	set_bool(L, "resumed", resumed);
	set_bool(L, "finished", finished);
	if (!call(t->rt, 2, 1, &err)) {
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
	if (!call(s->rt, 3, 2, &err))
		return broken(t, &err, fault);
	bool ok = lua_type(L, -2) == LUA_TSTRING;
	if (ok) {
		size_t n;
		const char *p = lua_tolstring(L, -2, &n);
		mw_buf_add(out, mw_strn(p, n));
		*state = (enum mw_stream_state)lua_tointeger(L, -1);
	} else {
		read_fault(L, lua_gettop(L), t->arena, fault);
	}
	lua_pop(L, 2);
	return ok;
}

bool mw_stream_may_end(struct mw_stream *s)
{
	push_method(s, "whole");
	if (!call(s->rt, 1, 1, NULL))
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
	if (!call(s->rt, 1, 1, &err)) {
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
	read_usage(L, at + 1, usage);
	*finish = field_str(L, at, "finish_reason", arena);
	lua_pop(L, 2);
}
