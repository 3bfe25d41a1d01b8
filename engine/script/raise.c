/* SPDX-License-Identifier: MIT
 *
 * Messages: where, which code, what was found, and the nearest name to what was written.
 */
#include "script/raise.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>

/* A name is offered if at most this many characters differ, and less than half of it. */
enum { NEAR = 3 };

static void put_place(char place[MW_RAISE_PLACE], const lua_Debug *ar, int line)
{
	/* a chunk's name is its path behind a '@' */
	const char *file = ar->source[0] == '@' ? ar->source + 1 : ar->short_src;
	snprintf(place, MW_RAISE_PLACE, "%.140s:%d", file, line);
}

void mw_raise_place(lua_State *L, char place[MW_RAISE_PLACE])
{
	lua_Debug ar;
	place[0] = '\0';
	for (int level = 0; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline <= 0)
			continue;
		put_place(place, &ar, ar.currentline);
		return;
	}
}

void mw_raise_place_of(lua_State *L, int idx, char place[MW_RAISE_PLACE])
{
	lua_Debug ar;
	lua_pushvalue(L, idx);
	lua_getinfo(L, ">S", &ar);
	place[0] = '\0';
	if (ar.linedefined > 0)
		put_place(place, &ar, ar.linedefined);
}

MW_NORETURN static void throw(lua_State * L, const char *place, enum mw_code code, const char *text)
{
	lua_pushfstring(L, "%s%sMW%d %s", place, place[0] ? ": " : "", (int)code, text);
	lua_error(L);
	mw_require(!"lua_error came back");
	for (;;) {
	}
}

void mw_raise_at(lua_State *L, const char *place, enum mw_code code, const char *fmt, ...)
{
	char text[768];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	throw(L, place, code, text);
}

void mw_raise(lua_State *L, enum mw_code code, const char *fmt, ...)
{
	char place[MW_RAISE_PLACE], text[768];
	mw_raise_place(L, place);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	throw(L, place, code, text);
}

const char *mw_raise_sentence(const char *text)
{
	for (const char *p = strchr(text, ':'); p; p = strchr(p + 1, ':')) {
		const char *q = p + 1;
		while (isdigit((unsigned char)*q))
			q++;
		if (q > p + 1 && q[0] == ':' && q[1] == ' ')
			return q + 2;
	}
	return text;
}

struct mw_str mw_raise_str(lua_State *L, int idx)
{
	size_t n;
	const char *p = lua_tolstring(L, idx, &n);
	return mw_strn(p, n);
}

struct mw_shown mw_raise_show(lua_State *L, int idx)
{
	struct mw_shown shown;
	switch (lua_type(L, idx)) {
	case LUA_TNONE:
	case LUA_TNIL:
		return (struct mw_shown){"nil"};
	case LUA_TBOOLEAN:
		return lua_toboolean(L, idx) ? (struct mw_shown){"true"}
		                             : (struct mw_shown){"false"};
	case LUA_TNUMBER:
		snprintf(shown.text, sizeof(shown.text), "number %.14g", lua_tonumber(L, idx));
		return shown;
	case LUA_TSTRING: {
		struct mw_str s = mw_raise_str(L, idx);
		snprintf(shown.text, sizeof(shown.text), "string \"%.*s\"%s", (int)MW_MIN(s.n, 40u),
		    s.p, s.n > 40 ? "…" : "");
		return shown;
	}
	}
	/* handles know what they are */
	bool named = lua_islightuserdata(L, idx) && luaL_callmeta(L, idx, "__tostring");
	snprintf(shown.text, sizeof(shown.text), "a %s",
	    named ? lua_tostring(L, -1) : luaL_typename(L, idx));
	if (named)
		lua_pop(L, 1);
	return shown;
}

struct nearest {
	struct mw_str name, best;
	size_t distance;
};

static void consider(struct nearest *n, struct mw_str candidate)
{
	size_t d = mw_str_distance(n->name, candidate);
	if (d > NEAR || 2 * d > candidate.n || d > n->distance)
		return;
	if (d == n->distance && mw_str_cmp(candidate, n->best) > 0)
		return; /* of two as near, always the same one */
	n->distance = d;
	n->best = candidate;
}

static struct mw_shown advice(const struct nearest *n)
{
	struct mw_shown shown = {""};
	if (n->best.p)
		snprintf(shown.text, sizeof(shown.text), " (did you mean '%.*s'?)",
		    (int)MW_MIN(n->best.n, 50u), n->best.p);
	return shown;
}

struct mw_shown mw_raise_nearest(struct mw_str name, const char *const *names, size_t stride)
{
	struct nearest n = {.name = name, .distance = SIZE_MAX};
	for (const char *p = (const char *)names; *(const char *const *)(const void *)p;
	     p += stride)
		consider(&n, mw_str(*(const char *const *)(const void *)p));
	return advice(&n);
}

struct mw_shown mw_raise_nearest_key(lua_State *L, int idx, struct mw_str name)
{
	struct nearest n = {.name = name, .distance = SIZE_MAX};
	lua_pushvalue(L, idx);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TSTRING)
			consider(&n, mw_raise_str(L, -2));
	struct mw_shown shown = advice(&n);
	lua_pop(L, 1);
	return shown;
}
