/* SPDX-License-Identifier: MIT
 *
 * Parameters. A declaration is a table in the manifest's `params`; a value is JSON from the
 * settings.
 */
#include "script/param.h"

#include "base/log.h"
#include "script/document.h"
#include "script/options.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>

static const struct mw_option declaration[] = {
    {"type", LUA_TSTRING, true, 0, 0},
    {"default", LUA_TNONE, false, 0, 0},
    {"min", LUA_TNUMBER, false, 0, 0},
    {"max", LUA_TNUMBER, false, 0, 0},
    {"enum", LUA_TTABLE, false, 0, 0},
    {"doc", LUA_TSTRING, false, 0, 0},
    {NULL, 0, false, 0, 0},
};

static const struct {
	const char *name;
	int lua;
} types[] = {
    {"number", LUA_TNUMBER},
    {"integer", LUA_TNUMBER},
    {"string", LUA_TSTRING},
    {"boolean", LUA_TBOOLEAN},
    {"list", LUA_TTABLE},
};

struct wrong {
	char text[256];
};

/* ---- a value against its declaration (at decl) ---- */

static int lua_type_of(struct mw_str type)
{
	for (size_t i = 0; i < MW_LEN(types); i++)
		if (mw_str_is(type, types[i].name))
			return types[i].lua;
	return LUA_TNONE;
}

static bool in_enum(lua_State *L, int decl, struct wrong *wrong)
{
	struct mw_str shown;
	size_t n = 0;
	int top = lua_gettop(L);
	lua_getfield(L, decl, "enum");
	if (lua_isnil(L, -1)) {
		lua_settop(L, top);
		return true;
	}
	n = (size_t)snprintf(wrong->text, sizeof(wrong->text), "; allowed are ");
	for (int i = 1; i <= (int)lua_objlen(L, top + 1); i++) {
		lua_rawgeti(L, top + 1, i);
		bool same = lua_rawequal(L, -1, top);
		shown = lua_isstring(L, -1) ? mw_raise_str(L, -1) : MW_STR("?");
		if (n < sizeof(wrong->text))
			n += (size_t)snprintf(wrong->text + n, sizeof(wrong->text) - n, "%s%.*s",
			    i > 1 ? ", " : "", MW_FMT(shown));
		lua_settop(L, top + 1);
		if (!same)
			continue;
		lua_settop(L, top);
		return true;
	}
	lua_settop(L, top);
	return false;
}

static bool in_range(lua_State *L, int decl, double v, struct wrong *wrong)
{
	double min = mw_options_number(L, decl, "min", -INFINITY);
	double max = mw_options_number(L, decl, "max", INFINITY);
	if (v >= min && v <= max)
		return true;
	if (isinf(max))
		snprintf(wrong->text, sizeof(wrong->text), "; allowed is %.14g or more", min);
	else if (isinf(min))
		snprintf(wrong->text, sizeof(wrong->text), "; allowed is %.14g or less", max);
	else
		snprintf(wrong->text, sizeof(wrong->text), "; allowed is %.14g to %.14g", min, max);
	return false;
}

/* Is the value on top of the stack what the declaration asks for? */
static bool fits(lua_State *L, int decl, struct wrong *wrong)
{
	struct mw_str type = mw_options_str(L, decl, "type");
	bool whole = mw_str_is(type, "integer"), right = lua_type(L, -1) == lua_type_of(type);
	if (right && whole)
		right = lua_tonumber(L, -1) == floor(lua_tonumber(L, -1));
	if (!right) {
		snprintf(wrong->text, sizeof(wrong->text), "; it must be %s %.*s",
		    whole ? "an" : "a", MW_FMT(type));
		return false;
	}
	if (lua_type(L, -1) == LUA_TNUMBER && !in_range(L, decl, lua_tonumber(L, -1), wrong))
		return false;
	return in_enum(L, decl, wrong);
}

/* ---- declarations ---- */

/* The declaration on top of the stack. */
static void check_declaration(lua_State *L, const char *name)
{
	struct wrong wrong;
	char what[96];
	int decl = lua_gettop(L);
	snprintf(what, sizeof(what), "the parameter '%.60s'", name);
	mw_options_check(L, decl, MW_CODE_PARAM_TYPE, what, declaration);
	struct mw_str type = mw_options_str(L, decl, "type");
	int lua = lua_type_of(type);
	if (lua == LUA_TNONE)
		mw_raise(L, MW_CODE_PARAM_TYPE,
		    "%s has the type '%.*s'; allowed are number, integer, string, boolean and list",
		    what, (int)MW_MIN(type.n, 40u), type.p);
	bool range = !isnan(mw_options_number(L, decl, "min", NAN)) ||
	             !isnan(mw_options_number(L, decl, "max", NAN));
	if (range && lua != LUA_TNUMBER)
		mw_raise(L, MW_CODE_PARAM_TYPE, "%s has min or max, which are for numbers", what);
	lua_getfield(L, decl, "default");
	if (!lua_isnil(L, -1) && !fits(L, decl, &wrong))
		mw_raise(L, MW_CODE_PARAM_TYPE, "%s has the default %s%s", what,
		    mw_raise_show(L, -1).text, wrong.text);
	lua_pop(L, 1);
}

void mw_param_declare(lua_State *L, int idx)
{
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TTABLE)
			mw_raise(L, MW_CODE_PARAM_TYPE,
			    "params are written as params = { name = { type = \"number\", default "
			    "= 1 } }");
		check_declaration(L, lua_tostring(L, -2));
	}
}

/* ---- values ---- */

static void place_in_settings(const struct mw_run *run, char place[MW_RAISE_PLACE])
{
	const struct mw_policy_ref *ref = run->policy->source->ref;
	place[0] = '\0';
	if (ref->file && ref->file[0])
		snprintf(place, MW_RAISE_PLACE, "%.140s:%d", ref->file, MW_MAX(ref->line, 1));
}

/* The settings' strategy may be given arguments that are for another one. */
static bool is_strategy(const struct mw_run *run)
{
	const struct mw_settings *s = run->all->bundle->settings;
	return s->n_policies > 0 && run->policy->source->ref == &s->policies[s->n_policies - 1];
}

/* Pushes the declaration of the parameter; false (nothing pushed) if there is none and that is no
 * harm. */
static bool push_declaration(
    lua_State *L, const struct mw_run *run, int declared, struct mw_str name)
{
	char place[MW_RAISE_PLACE];
	lua_pushlstring(L, name.p, name.n);
	lua_rawget(L, declared);
	if (!lua_isnil(L, -1))
		return true;
	lua_pop(L, 1);
	place_in_settings(run, place);
	struct mw_shown nearest = mw_raise_nearest_key(L, declared, name);
	if (!is_strategy(run))
		mw_raise_at(L, place, MW_CODE_PARAM, "the policy '%.*s' has no parameter '%.*s'%s",
		    MW_FMT(run->policy->name), (int)MW_MIN(name.n, 60u), name.p, nearest.text);
	mw_log(MW_LOG_WARN, "policy",
	    "%s: the strategy '%.*s' has no parameter '%.*s'%s: it is ignored", place,
	    MW_FMT(run->policy->name), (int)MW_MIN(name.n, 60u), name.p, nearest.text);
	return false;
}

/* Checks one member of the settings' object and puts it into the table at p. */
static void take_value(
    lua_State *L, struct mw_run *run, int p, struct mw_str name, struct mw_json value)
{
	char place[MW_RAISE_PLACE];
	struct wrong wrong;
	int declared = p - 1;
	if (!push_declaration(L, run, declared, name))
		return;
	mw_document_push(L, run, value);
	/* a table of names and a list are both Lua tables; a string that should be none may be a
	 * secret, out of the environment */
	if (!fits(L, p + 1, &wrong) || value.kind == MW_JSON_OBJECT) {
		bool misplaced = value.kind == MW_JSON_STRING &&
		                 !mw_str_is(mw_options_str(L, p + 1, "type"), "string");
		place_in_settings(run, place);
		mw_raise_at(L, place, MW_CODE_PARAM,
		    "the policy '%.*s': the parameter '%.*s' is %s%s", MW_FMT(run->policy->name),
		    MW_FMT(name),
		    value.kind == MW_JSON_OBJECT ? "a mapping"
		    : misplaced                  ? "a string"
						 : mw_raise_show(L, -1).text,
		    value.kind == MW_JSON_OBJECT ? "" : wrong.text);
	}
	lua_pushlstring(L, name.p, name.n);
	lua_insert(L, -2);
	lua_rawset(L, p);
	lua_pop(L, 1);
}

static void take_values(lua_State *L, struct mw_run *run, int p)
{
	struct mw_str text = run->policy->source->ref->params, name;
	struct mw_json value;
	size_t at = 0;
	if (text.n == 0)
		return;
	mw_arena_reset(run->all->slate);
	while (mw_json_next(mw_json_value(text), &at, &name, &value)) {
		struct mw_json quoted = {MW_JSON_STRING, name};
		take_value(L, run, p, mw_json_text(quoted, run->all->slate), value);
	}
}

/* What the settings do not give. */
static void take_defaults(lua_State *L, int declared, int p)
{
	for (lua_pushnil(L); lua_next(L, declared); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		lua_rawget(L, p);
		bool given = !lua_isnil(L, -1);
		lua_pop(L, 1);
		if (given)
			continue;
		lua_pushvalue(L, -2);
		lua_getfield(L, -2, "default");
		lua_rawset(L, p);
	}
}

/* Upvalue 2: the declarations. A declared parameter without a value is nil; any other name a
 * mistake. */
static int read_missing(lua_State *L)
{
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(2));
	if (!lua_isnil(L, -1)) {
		lua_pushnil(L);
		return 1;
	}
	struct mw_str name = {"?", 1};
	if (lua_type(L, 2) == LUA_TSTRING)
		name = mw_raise_str(L, 2);
	mw_raise(L, MW_CODE_NO_MEMBER, "the policy has no parameter '%.*s'%s",
	    (int)MW_MIN(name.n, 60u), name.p,
	    mw_raise_nearest_key(L, lua_upvalueindex(2), name).text);
}

static int write_param(lua_State *L)
{
	mw_raise(
	    L, MW_CODE_GLOBAL_WRITE, "parameters come from the settings; keep values in a local");
}

void mw_param_push(lua_State *L, struct mw_run *run)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, run->policy->declared);
	lua_newtable(L);
	int p = lua_gettop(L);
	take_values(L, run, p);
	take_defaults(L, p - 1, p);
	lua_createtable(L, 0, 1);
	lua_pushlightuserdata(L, run);
	lua_pushvalue(L, p - 1);
	lua_pushcclosure(L, read_missing, 2);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, p);
	/* hooks get an empty table in front of the values, so that they cannot overwrite one */
	lua_newtable(L);
	lua_createtable(L, 0, 3);
	lua_pushvalue(L, p);
	lua_setfield(L, -2, "__index");
	mw_run_push(L, run, write_param);
	lua_setfield(L, -2, "__newindex");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_replace(L, p - 1);
	lua_settop(L, p - 1);
}
