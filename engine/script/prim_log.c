/* SPDX-License-Identifier: MIT
 *
 * mw.log: lines in the gateway's log, so many a second for each policy.
 */
#include "script/prim.h"

#include "base/log.h"

#include <stdlib.h>

enum { FIELDS = 16, LINE = 1024 };

struct line {
	char text[LINE];
	size_t n;
};

static void add(struct line *line, const char *p, size_t n)
{
	n = MW_MIN(n, sizeof(line->text) - 1 - line->n);
	memcpy(line->text + line->n, p, n);
	line->n += n;
	line->text[line->n] = '\0';
}

static void add_value(lua_State *L, struct line *line, int idx)
{
	if (lua_type(L, idx) == LUA_TSTRING) {
		struct mw_str s = mw_raise_str(L, idx);
		add(line, s.p, s.n);
		return;
	}
	struct mw_shown shown = mw_raise_show(L, idx);
	const char *p = shown.text;
	if (lua_type(L, idx) == LUA_TNUMBER)
		p += strlen("number ");
	add(line, p, strlen(p));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* " name=value" for the string keys of the table at idx, sorted; what is beyond FIELDS is left out.
 * */
static void add_fields(lua_State *L, struct line *line, int idx)
{
	const char *names[FIELDS];
	size_t n = 0;
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
		if (lua_type(L, -2) == LUA_TSTRING && n < FIELDS)
			names[n++] = lua_tostring(L, -2);
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		add(line, " ", 1);
		add(line, names[i], strlen(names[i]));
		add(line, "=", 1);
		lua_pushstring(L, names[i]);
		lua_rawget(L, idx);
		add_value(L, line, -1);
		lua_pop(L, 1);
	}
}

static int say(lua_State *L, enum mw_log_level level)
{
	struct mw_run *run = mw_run_of(L);
	struct line line = {.n = 0};
	unsigned held;
	luaL_checkany(L, 1);
	if (!mw_log_on(level) || !mw_run_may_say(run, &run->policy->logs, &held))
		return 0;
	add_value(L, &line, 1);
	if (lua_type(L, 2) == LUA_TTABLE)
		add_fields(L, &line, 2);
	if (held)
		mw_log(MW_LOG_WARN, "policy", "%.*s: %u lines more were not logged",
		    MW_FMT(run->policy->name), held);
	mw_log(level, "policy", "%.*s: %s", MW_FMT(run->policy->name), line.text);
	return 0;
}

static int l_debug(lua_State *L)
{
	return say(L, MW_LOG_DEBUG);
}

static int l_info(lua_State *L)
{
	return say(L, MW_LOG_INFO);
}

static int l_warn(lua_State *L)
{
	return say(L, MW_LOG_WARN);
}

static int l_error(lua_State *L)
{
	return say(L, MW_LOG_ERROR);
}

static const luaL_Reg functions[] = {
    {"debug", l_debug}, {"info", l_info}, {"warn", l_warn}, {"error", l_error}, {NULL, NULL}};

const struct mw_prim mw_prim_log = {"log", functions, NULL};
