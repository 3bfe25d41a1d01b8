/* SPDX-License-Identifier: MIT
 *
 * Loading one policy. What mw.policy returns is an empty table: hooks that are assigned to it go
 * into a table behind it, past a look at their names.
 */
#include "script/load.h"

#include "script/options.h"
#include "script/param.h"
#include "script/prim.h"
#include "script/sandbox.h"

#include <stdlib.h>

enum { API = 1 };

static const char *const kinds[] = {
    [MW_POLICY_GUARD] = "guard",
    [MW_POLICY_REWRITE] = "rewrite",
    [MW_POLICY_ROUTE] = "route",
    [MW_POLICY_OBSERVE] = "observe",
};

static const struct mw_option manifest[] = {
    {"name", LUA_TSTRING, true, 0, 0},
    {"api", LUA_TNUMBER, true, 0, 0},
    {"kind", LUA_TSTRING, true, 0, 0},
    {"summary", LUA_TSTRING, false, 0, 0},
    {"params", LUA_TTABLE, false, 0, 0},
    {"needs", LUA_TTABLE, false, 0, 0},
    {NULL, 0, false, 0, 0},
};

/* ---- hooks ---- */

static void hook_names(const char *out[MW_HOOKS + 1])
{
	for (int i = 0; i < MW_HOOKS; i++)
		out[i] = mw_run_hook_name((enum mw_hook)i);
	out[MW_HOOKS] = NULL;
}

static enum mw_hook hook_at(lua_State *L, int idx)
{
	const char *names[MW_HOOKS + 1];
	struct mw_str name = {"?", 1};
	hook_names(names);
	if (lua_type(L, idx) == LUA_TSTRING)
		name = mw_raise_str(L, idx);
	for (int i = 0; i < MW_HOOKS; i++)
		if (mw_str_is(name, names[i]))
			return (enum mw_hook)i;
	mw_raise(L, MW_CODE_HOOK_NAME,
	    "there is no hook '%.*s'%s; helper functions are written as local functions",
	    (int)MW_MIN(name.n, 40u), name.p, mw_raise_nearest(name, names, sizeof(*names)).text);
}

/* Upvalue 2: the table behind the policy's. */
static int set_hook(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	enum mw_hook hook = hook_at(L, 2);
	if (!run->loading)
		mw_raise(
		    L, MW_CODE_NOT_HERE, "hooks are set while the file is loaded, not in a hook");
	if (lua_type(L, 3) != LUA_TFUNCTION)
		mw_raise(L, MW_CODE_HOOK_NAME, "the hook %s must be a function, not %s",
		    mw_run_hook_name(hook), mw_raise_show(L, 3).text);
	luaL_unref(L, LUA_REGISTRYINDEX, run->policy->functions[hook]);
	lua_pushvalue(L, 3);
	run->policy->functions[hook] = luaL_ref(L, LUA_REGISTRYINDEX);
	run->policy->hooks |= 1u << hook;
	lua_settop(L, 3);
	lua_rawset(L, lua_upvalueindex(2));
	return 0;
}

/* Pushes the table that the policy's file returns. */
static void push_policy(lua_State *L, struct mw_run *run)
{
	lua_newtable(L);
	lua_createtable(L, 0, 3);
	lua_newtable(L);
	lua_pushlightuserdata(L, run);
	lua_pushvalue(L, -2);
	lua_pushcclosure(L, set_hook, 2);
	lua_setfield(L, -3, "__newindex");
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
}

/* ---- the manifest ---- */

static void take_name(lua_State *L, struct mw_policy *policy)
{
	struct mw_str name = mw_options_str(L, 1, "name");
	bool good = name.n > 0 && name.n < sizeof(policy->name_text);
	for (size_t i = 0; i < name.n && good; i++) {
		char c = name.p[i];
		good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
		       c == '.';
	}
	if (!good)
		mw_raise(L, MW_CODE_MANIFEST,
		    "mw.policy: the name '%.*s' must be 1 to %zu small letters, digits, '-', '_' "
		    "or '.'",
		    (int)MW_MIN(name.n, 80u), name.p, sizeof(policy->name_text) - 1);
	memcpy(policy->name_text, name.p, name.n);
	policy->name = mw_strn(policy->name_text, name.n);
}

static void take_kind(lua_State *L, struct mw_policy *policy)
{
	struct mw_str kind = mw_options_str(L, 1, "kind");
	for (size_t i = 0; i < MW_LEN(kinds); i++)
		if (mw_str_is(kind, kinds[i])) {
			policy->kind = (enum mw_policy_kind)i;
			return;
		}
	mw_raise(L, MW_CODE_MANIFEST,
	    "mw.policy: kind is '%.*s'; allowed are guard, rewrite, route and observe",
	    (int)MW_MIN(kind.n, 40u), kind.p);
}

/* needs = {"stats", …}: a policy that needs what this Moonweir does not have is not loaded. */
static void check_needs(lua_State *L)
{
	const char *groups[MW_PRIM_GROUPS];
	mw_prim_groups(groups);
	lua_getfield(L, 1, "needs");
	for (int i = 1; lua_istable(L, -1) && i <= (int)lua_objlen(L, -1); i++) {
		lua_rawgeti(L, -1, i);
		struct mw_str need = {"?", 1};
		if (lua_type(L, -1) == LUA_TSTRING)
			need = mw_raise_str(L, -1);
		size_t g = 0;
		while (groups[g] && !mw_str_is(need, groups[g]))
			g++;
		if (!groups[g])
			mw_raise(L, MW_CODE_MANIFEST,
			    "mw.policy: needs '%.*s', which this version does not have%s",
			    (int)MW_MIN(need.n, 40u), need.p,
			    mw_raise_nearest(need, groups, sizeof(*groups)).text);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

int mw_load_policy(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	struct mw_policy *policy = run->policy;
	if (!run->loading)
		mw_raise(L, MW_CODE_NOT_HERE,
		    "mw.policy is called when the file is loaded, not in a hook");
	if (policy->made != LUA_NOREF)
		mw_raise(L, MW_CODE_MANIFEST,
		    "mw.policy is called a second time; a policy has one manifest");
	mw_options_check(L, 1, MW_CODE_MANIFEST, "mw.policy", manifest);
	double api = mw_options_number(L, 1, "api", 0);
	if (api != API)
		mw_raise(L, MW_CODE_MANIFEST,
		    "mw.policy: api is %.14g; this version of Moonweir knows api = %d", api, API);
	take_name(L, policy);
	take_kind(L, policy);
	check_needs(L);
	lua_getfield(L, 1, "params");
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_newtable(L);
	}
	mw_param_declare(L, lua_gettop(L));
	policy->declared = luaL_ref(L, LUA_REGISTRYINDEX);
	push_policy(L, run);
	lua_pushvalue(L, -1);
	policy->made = luaL_ref(L, LUA_REGISTRYINDEX);
	return 1;
}

/* ---- files ---- */

/* Raises what Lua says of a file, which is "file:line: why" with the end of a long file's path. */
MW_NORETURN static void not_lua(lua_State *L, const struct mw_bundle_file *file)
{
	char place[MW_RAISE_PLACE];
	const char *text = lua_tostring(L, -1), *sentence = mw_raise_sentence(text);
	const char *line = sentence - MW_MIN(sentence - text, 2); /* at the ": " behind it */
	while (line > text && line[-1] >= '0' && line[-1] <= '9')
		line--;
	snprintf(place, sizeof(place), "%.*s:%d", (int)MW_MIN(file->path.n, 140u), file->path.p,
	    MW_MAX(atoi(line), 1));
	mw_raise_at(L, place, MW_CODE_SYNTAX, "%s", sentence);
}

/* Pushes the file as a function in the policy's environment. */
static void push_file(lua_State *L, struct mw_run *run, const struct mw_bundle_file *file)
{
	char place[MW_RAISE_PLACE];
	struct mw_str text = file->text;
	if (text.n && text.p[0] == '\033') {
		/* crafted bytecode could do anything */
		snprintf(
		    place, sizeof(place), "%.*s:1", (int)MW_MIN(file->path.n, 140u), file->path.p);
		mw_raise_at(
		    L, place, MW_CODE_SYNTAX, "this is bytecode; a policy is loaded from its text");
	}
	lua_pushliteral(L, "@");
	lua_pushlstring(L, file->path.p, file->path.n);
	lua_concat(L, 2);
	int status = luaL_loadbufferx(L, text.p ? text.p : "", text.n, lua_tostring(L, -1), "t");
	if (status == LUA_ERRMEM)
		lua_error(L);
	if (status != 0)
		not_lua(L, file);
	lua_remove(L, -2);
	lua_rawgeti(L, LUA_REGISTRYINDEX, run->policy->environment);
	lua_setfenv(L, -2);
}

/* "a.b" is a/b.lua or a/b/init.lua of the policy's folder. */
static const struct mw_bundle_file *find_file(const struct mw_policy *policy, const char *module)
{
	char names[2][128];
	int n = (int)MW_MIN(strlen(module), (size_t)100);
	snprintf(names[0], sizeof(names[0]), "%.*s.lua", n, module);
	snprintf(names[1], sizeof(names[1]), "%.*s/init.lua", n, module);
	for (size_t k = 0; k < 2; k++) {
		for (int i = 0; i < n; i++)
			if (names[k][i] == '.')
				names[k][i] = '/';
		for (size_t i = 0; i < policy->source->n_files; i++)
			if (mw_str_is(policy->source->files[i].name, names[k]))
				return &policy->source->files[i];
	}
	return NULL;
}

static const struct mw_bundle_file *need_file(
    lua_State *L, const struct mw_policy *policy, const char *module)
{
	const struct mw_bundle_file *file = find_file(policy, module);
	if (file)
		return file;
	char list[256] = "";
	size_t n = 0;
	for (size_t i = 0; i < policy->source->n_files && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%.*s", i ? ", " : "",
		    MW_FMT(policy->source->files[i].name));
	mw_raise(L, MW_CODE_REQUIRE, "require finds no '%.60s' among this policy's files: %s",
	    module, list);
}

int mw_load_require(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	const char *module = luaL_checkstring(L, 1);
	if (!run->loading)
		mw_raise(L, MW_CODE_NOT_HERE, "require is for the top of a file, not for hooks");
	lua_settop(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, run->policy->modules);
	lua_getfield(L, 2, module);
	if (lua_toboolean(L, 3))
		return 1;
	if (lua_type(L, 3) == LUA_TBOOLEAN)
		mw_raise(
		    L, MW_CODE_REQUIRE, "'%.60s' requires itself, by way of other files", module);
	const struct mw_bundle_file *file = need_file(L, run->policy, module);
	lua_pushboolean(L, 0);
	lua_setfield(L, 2, module);
	push_file(L, run, file);
	mw_run_call(L, run, 0, 1);
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		lua_pushboolean(L, 1);
	}
	lua_pushvalue(L, -1);
	lua_setfield(L, 2, module);
	return 1;
}

static void prepare(lua_State *L, struct mw_run *run)
{
	struct mw_policy *policy = run->policy;
	lua_newtable(L);
	policy->modules = luaL_ref(L, LUA_REGISTRYINDEX);
	mw_sandbox_push(L, run);
	policy->environment = luaL_ref(L, LUA_REGISTRYINDEX);
}

int mw_load_run(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	struct mw_policy *policy = run->policy;
	char place[MW_RAISE_PLACE];
	prepare(L, run);
	push_file(L, run, &policy->source->files[0]);
	mw_run_call(L, run, 0, 1);
	snprintf(place, sizeof(place), "%.*s:1", MW_FMT(policy->source->files[0].path));
	if (policy->made == LUA_NOREF)
		mw_raise_at(L, place, MW_CODE_NO_POLICY,
		    "the file declares no policy: it begins with local P = mw.policy{…} and ends "
		    "with return P");
	lua_rawgeti(L, LUA_REGISTRYINDEX, policy->made);
	if (!lua_rawequal(L, -1, -2))
		mw_raise_at(L, place, MW_CODE_NO_POLICY,
		    "the file returns %s; it must return what mw.policy gave it",
		    mw_raise_show(L, -2).text);
	mw_param_push(L, run);
	policy->params = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushnil(L);
	return 1;
}
