/* SPDX-License-Identifier: MIT
 *
 * The trusted Lua state: loads lua/ out of the binary, and tells it of targets.
 */
#include "script/runtime_in.h"

#include "base/log.h"
#include "base/mem.h"
#include "script/convert.h"
#include "script/embedded.h"
#include "script/lib.h"
#include "script/read.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

static const char *const entry_names[MW_ENTRIES] = {
    "prepare", "wildcards", "add", "drop", "request", "play", "reply", "failure", "open"};

/* ---- loading lua/ -------------------------------------------------------------------------- */

/* The one searcher of `require`: "dialects.gemini" is lua/dialects/gemini.lua. */
static int l_searcher(lua_State *L)
{
	char chunk[128]; /* "@path": Lua's way to name a file */
	snprintf(
	    chunk, sizeof(chunk), "@lua/%s.lua", luaL_gsub(L, luaL_checkstring(L, 1), ".", "/"));
	struct mw_str text = mw_embedded_text(chunk + 1);
	if (!text.p)
		return lua_pushfstring(L, "\n\tno file '%s' in the binary", chunk + 1), 1;
	if (luaL_loadbufferx(L, text.p, text.n, chunk, "t") != 0)
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

bool mw_runtime_call(struct mw_runtime *rt, int nargs, int nresults, struct mw_err *err)
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
	if (!mw_runtime_call(rt, 0, 1, err)) {
		mw_runtime_free(rt);
		return NULL;
	}
	for (int i = 0; i < MW_ENTRIES; i++) {
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

/* ---- targets ------------------------------------------------------------------------------- */

/* Pushes the spec of a target as a table. */
static bool push_spec(lua_State *L, const struct mw_target *t, struct mw_err *err)
{
	return mw_convert_decode(L, t->spec, err);
}

static void read_address(
    lua_State *L, const char *name, struct mw_arena *a, struct mw_address *address)
{
	*address = (struct mw_address){0};
	lua_getfield(L, -1, name);
	if (lua_istable(L, -1)) {
		int at = lua_gettop(L);
		address->url = mw_read_text(L, at, "url", a);
		address->stream_url = mw_read_text(L, at, "stream_url", a);
		if (!address->stream_url.p)
			address->stream_url = address->url;
		address->headers = mw_read_headers(L, at, a, &address->n_headers);
	}
	lua_pop(L, 1);
}

static void read_row(lua_State *L, struct mw_target *t, struct mw_arena *a)
{
	int at = lua_gettop(L);
	struct mw_str provider = mw_read_text(L, at, "provider", a),
		      model = mw_read_text(L, at, "model", a);
	t->provider = provider.p ? provider : t->provider;
	t->model = model.p ? model : t->model;
	t->dialect = mw_read_text(L, at, "dialect", a);
	t->api_base = mw_read_text(L, at, "api_base", a);
	t->passthrough = mw_read_bool(L, at, "passthrough");
	t->stream_usage = mw_read_bool(L, at, "stream_usage");
	t->plays = mw_read_bool(L, at, "plays");
	t->warning = mw_read_text(L, at, "warning", a);
	read_address(L, "chat", a, &t->addresses[MW_KIND_CHAT]);
	read_address(L, "embeddings", a, &t->addresses[MW_KIND_EMBEDDINGS]);
}

bool mw_runtime_prepare(void *arg, struct mw_target *t, struct mw_arena *arena, struct mw_err *err)
{
	struct mw_runtime *rt = arg;
	lua_State *L = rt->L;
	lua_rawgeti(L, LUA_REGISTRYINDEX, rt->entries[MW_ENTRY_PREPARE]);
	if (!push_spec(L, t, err)) {
		lua_pop(L, 1);
		return false;
	}
	if (!mw_runtime_call(rt, 1, 3, err)) /* the row; or nil, why, and whether it comes later */
		return false;
	bool ok = lua_istable(L, -3);
	const char *why = lua_tostring(L, -2);
	if (!ok)
		mw_err_set(err, lua_toboolean(L, -1) ? MW_ERR_UNSUPPORTED : MW_ERR_SETTINGS, "%s",
		    why ? why : "the provider gave no reason");
	lua_pop(L, 2);
	if (ok)
		read_row(L, t, arena);
	lua_pop(L, 1);
	return ok;
}

size_t mw_runtime_wildcards(void *arg, struct mw_arena *arena, const struct mw_wildcard **out)
{
	struct mw_runtime *rt = arg;
	lua_State *L = rt->L;
	struct mw_err err = {0};
	lua_rawgeti(L, LUA_REGISTRYINDEX, rt->entries[MW_ENTRY_WILDCARDS]);
	if (!mw_runtime_call(rt, 0, 1, &err)) {
		mw_log(MW_LOG_ERROR, "runtime", "%s", err.text);
		return 0;
	}
	size_t n = lua_objlen(L, -1);
	struct mw_wildcard *list = mw_arena_alloc(arena, n * sizeof(*list));
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		int at = lua_gettop(L);
		list[i].pattern = mw_read_text(L, at, "pattern", arena);
		list[i].model = mw_read_text(L, at, "model", arena);
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
	lua_rawgeti(L, LUA_REGISTRYINDEX, rt->entries[MW_ENTRY_ADD]);
	lua_pushnumber(L, index);
	if (push_spec(L, t, err))
		return mw_runtime_call(rt, 2, 0, err);
	lua_pop(L, 2);
	return false;
}

static void drop_target(struct mw_runtime *rt, unsigned index)
{
	lua_rawgeti(rt->L, LUA_REGISTRYINDEX, rt->entries[MW_ENTRY_DROP]);
	lua_pushnumber(rt->L, index);
	mw_require(mw_runtime_call(rt, 1, 0, NULL));
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
