/* SPDX-License-Identifier: MIT
 *
 * Checking tables of named arguments.
 */
#include "script/options.h"

static void check_value(
    lua_State *L, enum mw_code code, const char *what, const struct mw_option *o)
{
	int type = lua_type(L, -1);
	if (type == LUA_TNIL && !o->required)
		return;
	if (type == LUA_TNIL)
		mw_raise(L, code, "%s needs '%s', a %s", what, o->name, lua_typename(L, o->type));
	if (o->type != LUA_TNONE && type != o->type)
		mw_raise(L, code, "%s: '%s' must be a %s, not %s", what, o->name,
		    lua_typename(L, o->type), mw_raise_show(L, -1).text);
	if (o->type != LUA_TNUMBER || (o->min == 0 && o->max == 0))
		return;
	double v = lua_tonumber(L, -1);
	if (!(v >= o->min && v <= o->max))
		mw_raise(L, code, "%s: '%s' is %.14g; allowed is %.14g to %.14g", what, o->name, v,
		    o->min, o->max);
}

static bool known(struct mw_str name, const struct mw_option *options)
{
	for (; options->name; options++)
		if (mw_str_is(name, options->name))
			return true;
	return false;
}

void mw_options_check(
    lua_State *L, int idx, enum mw_code code, const char *what, const struct mw_option *options)
{
	if (lua_type(L, idx) != LUA_TTABLE)
		mw_raise(L, code, "%s needs a table, not %s", what, mw_raise_show(L, idx).text);
	lua_pushvalue(L, idx);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			continue;
		struct mw_str name = mw_raise_str(L, -2);
		if (!known(name, options))
			mw_raise(L, code, "%s has no '%.*s'%s", what, (int)MW_MIN(name.n, 40u),
			    name.p, mw_raise_nearest(name, &options->name, sizeof(*options)).text);
	}
	for (const struct mw_option *o = options; o->name; o++) {
		lua_pushstring(L, o->name);
		lua_rawget(L, -2);
		check_value(L, code, what, o);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

double mw_options_number(lua_State *L, int idx, const char *name, double absent)
{
	lua_pushvalue(L, idx);
	lua_pushstring(L, name);
	lua_rawget(L, -2);
	double v = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : absent;
	lua_pop(L, 2);
	return v;
}

struct mw_str mw_options_str(lua_State *L, int idx, const char *name)
{
	struct mw_str s = MW_NOSTR;
	lua_pushvalue(L, idx);
	lua_pushstring(L, name);
	lua_rawget(L, -2);
	if (lua_type(L, -1) == LUA_TSTRING)
		s = mw_raise_str(L, -1);
	lua_pop(L, 2);
	return s;
}
