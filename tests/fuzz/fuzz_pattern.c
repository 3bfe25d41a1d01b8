/* SPDX-License-Identifier: MIT
 *
 * script/pattern against the stock library: the first byte says how much of the input is the
 * pattern, the rest is the text. What ours does within few steps, the stock one does in the same
 * way.
 */
#include "script/pattern.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

enum { FEW_STEPS = 5000, STOCK_DEPTH = 150 };

static void differ(struct mw_str pattern, struct mw_str text, const char *what)
{
	fprintf(stderr, "find(\"%.*s\", \"%.*s\"): %s\n", MW_FMT(text), MW_FMT(pattern), what);
	abort();
}

/* Calls string.find in the stock state: its results lie from index 1 on; false if it raised. */
static bool find_stock(lua_State *L, struct mw_str text, struct mw_str pattern)
{
	lua_settop(L, 0);
	lua_getglobal(L, "string");
	lua_getfield(L, -1, "find");
	lua_remove(L, 1);
	lua_pushlstring(L, text.p, text.n);
	lua_pushlstring(L, pattern.p, pattern.n);
	return lua_pcall(L, 2, LUA_MULTRET, 0) == 0;
}

static void compare_captures(lua_State *L, const struct mw_pattern *m)
{
	for (size_t i = 0; i < m->n_captures; i++) {
		const struct mw_capture *c = &m->captures[i];
		size_t n;
		if (c->n == MW_CAPTURE_POSITION) {
			if (lua_tonumber(L, (int)i + 3) != (double)c->at + 1)
				differ(m->text, m->subject, "another position");
			continue;
		}
		const char *p = lua_tolstring(L, (int)i + 3, &n);
		if (!p || !mw_str_eq(mw_strn(p, n), mw_strn(m->subject.p + c->at, (size_t)c->n)))
			differ(m->text, m->subject, "another capture");
	}
}

static bool has_open_capture(const struct mw_pattern *m)
{
	for (size_t i = 0; i < m->n_captures; i++)
		if (m->captures[i].n == MW_CAPTURE_OPEN)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static lua_State *L;
	if (!L) {
		L = luaL_newstate();
		luaL_openlibs(L);
	}
	if (size < 2)
		return 0;
	size_t n = MW_MIN((size_t)data[0], size - 1), at = 0, end;
	struct mw_str pattern = {(const char *)data + 1, n},
		      text = {(const char *)data + 1 + n, size - 1 - n};
	struct mw_pattern m;
	/* to the stock library a zero byte ends a pattern, and a plain text is none */
	if (memchr(pattern.p, 0, pattern.n) || mw_pattern_is_plain(pattern) || n > STOCK_DEPTH)
		return 0;
	bool anchored = pattern.p[0] == '^';
	mw_pattern_init(&m, text, anchored ? mw_strn(pattern.p + 1, n - 1) : pattern);
	size_t steps = m.steps;
	bool hit = anchored ? mw_pattern_at(&m, 0, &end) : mw_pattern_next(&m, &at, &end);
	if (m.exhausted || steps - m.steps > FEW_STEPS)
		return 0;
	bool good = !m.fault && !(hit && has_open_capture(&m));
	if (find_stock(L, text, pattern) != good)
		differ(pattern, text,
		    good      ? "the stock library raises"
		    : m.fault ? m.fault
			      : "an open capture");
	if (!good)
		return 0;
	if (hit != !lua_isnil(L, 1))
		differ(pattern, text, hit ? "only ours matches" : "ours does not match");
	if (!hit)
		return 0;
	if (lua_tonumber(L, 1) != (double)at + 1 || lua_tonumber(L, 2) != (double)end)
		differ(pattern, text, "another place");
	compare_captures(L, &m);
	return 0;
}
