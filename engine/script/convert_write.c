/* SPDX-License-Identifier: MIT
 *
 * Lua values to JSON text. Access is raw, so that no Lua code runs. Recursion is bounded by
 * MW_MAX_DEPTH, which also ends a table that holds itself, and the text by its buffer's ceiling,
 * which ends tables that are shared so often that their text would never end.
 */
#include "base/json.h"
#include "base/json_scan.h"
#include "base/number.h"
#include "script/convert_in.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct writer {
	lua_State *L;
	struct mw_converter *c;
	struct mw_buf *out;
	int depth;
	char why[160];  /* of a fault; "" while there is none */
	char path[128]; /* the place of a fault, written from the end while the calls return */
	size_t path_at;
};

static bool write_value(struct writer *w, int idx);

static bool stop(struct writer *w, const char *why)
{
	snprintf(w->why, sizeof(w->why), "%s", why);
	return false;
}

/* Puts a step before the path of a fault; a path that is too long loses its head. */
static bool stop_at(struct writer *w, struct mw_str step)
{
	if (step.n > w->path_at || step.n > sizeof(w->path) / 2) {
		step = MW_STR("...");
		w->path_at = MW_MAX(w->path_at, step.n);
	}
	w->path_at -= step.n;
	memcpy(w->path + w->path_at, step.p, step.n);
	return false;
}

static bool stop_at_item(struct writer *w, int i)
{
	char step[24];
	int n = snprintf(step, sizeof(step), "[%d]", i);
	return stop_at(w, mw_strn(step, (size_t)n));
}

static bool stop_at_member(struct writer *w, struct mw_str name)
{
	stop_at(w, name);
	return stop_at(w, MW_STR("."));
}

static inline void put(struct writer *w, char c)
{
	if (mw_buf_reserve(w->out, 1))
		w->out->p[w->out->n++] = c;
}

/* Short and plain is what most strings are. */
static void put_string(struct writer *w, struct mw_str s)
{
	struct mw_buf *b = w->out;
	const char *end = s.p + s.n;
	if (mw_json_scan_plain(s.p, end) != end || !mw_buf_reserve(b, s.n + 2)) {
		mw_json_quote(b, s);
		return;
	}
	char *p = b->p + b->n;
	p[0] = '"';
	memcpy(p + 1, s.p, s.n);
	p[s.n + 1] = '"';
	b->n += s.n + 2;
}

static struct mw_str string_at(lua_State *L, int idx)
{
	struct mw_str s;
	s.p = lua_tolstring(L, idx, &s.n);
	return s;
}

static bool write_number(struct writer *w, double value)
{
	if (!isfinite(value))
		return stop(w, isnan(value) ? "NaN has no JSON form" : "infinity has no JSON form");
	char text[MW_NUMBER_LONGEST];
	mw_buf_add(w->out, mw_strn(text, mw_number_write(value, text)));
	return true;
}

/* ---- arrays ------------------------------------------------------------------------------------
 */

/* Are the keys of the table at idx just 1 to n? Sets *n. */
static bool count_items(struct writer *w, int idx, int *n)
{
	lua_State *L = w->L;
	double highest = 0;
	*n = 0;
	for (lua_pushnil(L); lua_next(L, idx); ++*n) {
		lua_pop(L, 1);
		double key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
		if (!(key >= 1) || key != floor(key)) {
			lua_pop(L, 1);
			return stop(
			    w, "a table with items and other keys too; JSON has arrays or objects");
		}
		highest = MW_MAX(highest, key);
	}
	return highest == *n || stop(w, "an array with holes; fill them with null");
}

/* The i-th item is on top of the stack, at idx; pops it. */
static bool write_item(struct writer *w, int idx, int i)
{
	if (i > 1)
		put(w, ',');
	if (!write_value(w, idx))
		return stop_at_item(w, i);
	lua_settop(w->L, idx - 1);
	return true;
}

/* The items from the i-th on, for a table that does not hold them in order. */
static bool write_scattered_items(struct writer *w, int idx, int i)
{
	int n, top = lua_gettop(w->L);
	if (!count_items(w, idx, &n))
		return false;
	for (; i <= n; i++) {
		lua_rawgeti(w->L, idx, i);
		if (!write_item(w, top + 1, i))
			return false;
	}
	put(w, ']');
	return true;
}

/* Walking the table finds the items in order where they are an array inside Lua too, and sees
 * whatever else the table has. */
static bool write_array(struct writer *w, int idx)
{
	lua_State *L = w->L;
	int i = 1, top = lua_gettop(L);
	put(w, '[');
	for (lua_pushnil(L); lua_next(L, idx); i++) {
		if (lua_type(L, top + 1) != LUA_TNUMBER || lua_tonumber(L, top + 1) != i) {
			lua_pop(L, 2);
			return write_scattered_items(w, idx, i);
		}
		if (!write_item(w, top + 2, i))
			return false;
	}
	put(w, ']');
	return true;
}

/* ---- objects -----------------------------------------------------------------------------------
 */

/* Writes the member whose name is at idx and whose value is above it. */
static bool write_member(struct writer *w, int idx, bool first)
{
	struct mw_str name = string_at(w->L, idx);
	if (!first)
		put(w, ',');
	put_string(w, name);
	put(w, ':');
	return write_value(w, idx + 1) || stop_at_member(w, name);
}

static bool check_name(struct writer *w, int idx)
{
	if (lua_type(w->L, idx) == LUA_TSTRING)
		return true;
	char why[96];
	snprintf(why, sizeof(why), "an object with a %s as a key; names are strings",
	    luaL_typename(w->L, idx));
	return stop(w, why);
}

static int compare_names(const void *a, const void *b)
{
	return mw_str_cmp(*(const struct mw_str *)a, *(const struct mw_str *)b);
}

/* Puts the names of the table at idx onto the stack of names, but for those that the set at
 * `without` (0: there is none) has. */
static bool collect_names(struct writer *w, int idx, int without)
{
	lua_State *L = w->L;
	for (lua_pushnil(L); lua_next(L, idx);) {
		lua_pop(L, 1);
		if (!check_name(w, -1))
			return false;
		bool known = false;
		if (without) {
			lua_pushvalue(L, -1);
			lua_rawget(L, without);
			known = !lua_isnil(L, -1);
			lua_pop(L, 1);
		}
		struct mw_str name = string_at(L, -1);
		if (!known)
			mw_buf_add(&w->c->keys, mw_strn((const char *)&name, sizeof(name)));
	}
	return !w->c->keys.full || stop(w, "an object with too many members");
}

static bool write_sorted_from(struct writer *w, int idx, size_t from, bool first)
{
	lua_State *L = w->L;
	struct mw_buf *keys = &w->c->keys;
	size_t size = sizeof(struct mw_str), n = (keys->n - from) / size;
	int top = lua_gettop(L);
	if (n > 1)
		qsort(keys->p + from, n, size, compare_names);
	for (size_t i = 0; i < n; i++, first = false) {
		struct mw_str name;
		memcpy(&name, keys->p + from + i * size, size);
		lua_pushlstring(L, name.p, name.n);
		lua_pushvalue(L, -1);
		lua_rawget(L, idx);
		if (!write_member(w, top + 1, first))
			return false;
		lua_settop(L, top);
	}
	return true;
}

/* The members that are not in the set at `without`, sorted by name. */
static bool write_sorted(struct writer *w, int idx, int without, bool first)
{
	size_t from = w->c->keys.n;
	bool ok = collect_names(w, idx, without) && write_sorted_from(w, idx, from, first);
	w->c->keys.n = from;
	return ok;
}

/* Replaces the list on top of the stack by the set of its names. */
static void push_set_of(lua_State *L, int n)
{
	lua_createtable(L, 0, n);
	for (int i = 1; i <= n; i++) {
		lua_rawgeti(L, -2, i);
		if (lua_isnil(L, -1)) {
			lua_pop(L, 1);
			continue;
		}
		lua_pushboolean(L, 1);
		lua_rawset(L, -3);
	}
	lua_replace(L, -2);
}

static int count_members(lua_State *L, int idx)
{
	int n = 0, top = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, idx); n++)
		lua_settop(L, top + 1);
	return n;
}

/* The list of names (n of them) is on top of the stack; pops it. */
static bool write_listed_object(struct writer *w, int idx, int n)
{
	lua_State *L = w->L;
	int list = lua_gettop(L), written = 0;
	put(w, '{');
	for (int i = 1; i <= n; i++) {
		lua_rawgeti(L, list, i);
		lua_pushvalue(L, list + 1);
		lua_rawget(L, idx);
		bool there = !lua_isnil(L, list + 2);
		if (there && !write_member(w, list + 1, written == 0))
			return false;
		written += there;
		lua_settop(L, list);
	}
	if (count_members(L, idx) > written) {
		push_set_of(L, n);
		if (!write_sorted(w, idx, list, written == 0))
			return false;
	}
	lua_settop(L, list - 1);
	put(w, '}');
	return true;
}

static bool write_object(struct writer *w, int idx)
{
	put(w, '{');
	if (!write_sorted(w, idx, 0, true))
		return false;
	put(w, '}');
	return true;
}

/* ---- the rest ----------------------------------------------------------------------------------
 */

/* A table that says nothing of its kind. */
static bool write_plain_table(struct writer *w, int idx)
{
	lua_State *L = w->L;
	lua_pushnil(L);
	if (!lua_next(L, idx)) {
		mw_buf_addz(w->out, "{}");
		return true;
	}
	bool array = lua_type(L, -2) == LUA_TNUMBER;
	lua_pop(L, 2);
	return array ? write_array(w, idx) : write_object(w, idx);
}

static bool write_by_kind(struct writer *w, int idx)
{
	switch (mw_convert_kind(w->L, w->c, idx)) {
	case MW_TABLE_ARRAY:
		return write_array(w, idx);
	case MW_TABLE_LISTED:
		return write_listed_object(w, idx, (int)lua_objlen(w->L, -1));
	default:
		return write_plain_table(w, idx);
	}
}

/* Is the table at idx one of those around it? Each of them is somewhere below on the stack. */
static bool is_inside_itself(struct writer *w, int idx)
{
	for (int i = 1; i < idx; i++)
		if (lua_rawequal(w->L, i, idx))
			return true;
	return false;
}

static bool write_table(struct writer *w, int idx)
{
	lua_State *L = w->L;
	if (w->depth == MW_MAX_DEPTH) {
		if (is_inside_itself(w, idx))
			return stop(w, "a table that holds itself has no JSON form");
		snprintf(w->why, sizeof(w->why), "nested deeper than %d levels", MW_MAX_DEPTH);
		return false;
	}
	if (w->out->full)
		return stop(w, "the text grows too long");
	if (w->c->over && w->c->over())
		return stop(w, "it takes too long");
	luaL_checkstack(L, 10, "JSON");
	w->depth++;
	bool ok = write_by_kind(w, idx);
	w->depth--;
	return ok;
}

static bool write_userdata(struct writer *w, int idx)
{
	lua_State *L = w->L;
	if (lua_touserdata(L, idx) == w->c->null) {
		mw_buf_add(w->out, MW_STR("null"));
		return true;
	}
	bool raw = lua_getmetatable(L, idx) && lua_topointer(L, -1) == w->c->raw;
	if (!raw)
		return stop(w, "a userdata has no JSON form");
	lua_pop(L, 1);
	mw_buf_add(w->out, mw_strn(lua_touserdata(L, idx), lua_objlen(L, idx)));
	return true;
}

static bool write_value(struct writer *w, int idx)
{
	lua_State *L = w->L;
	int type = lua_type(L, idx);
	switch (type) {
	case LUA_TSTRING:
		put_string(w, string_at(L, idx));
		return true;
	case LUA_TNUMBER:
		return write_number(w, lua_tonumber(L, idx));
	case LUA_TBOOLEAN:
		mw_buf_add(w->out, lua_toboolean(L, idx) ? MW_STR("true") : MW_STR("false"));
		return true;
	case LUA_TTABLE:
		return write_table(w, idx);
	case LUA_TUSERDATA:
		return write_userdata(w, idx);
	default:
		snprintf(w->why, sizeof(w->why), "a %s has no JSON form%s", lua_typename(L, type),
		    type == LUA_TNIL ? "; use null" : "");
		return false;
	}
}

bool mw_convert_write(lua_State *L, int idx, struct mw_buf *out, struct mw_err *err)
{
	struct mw_converter *c = mw_convert_self(L);
	struct writer w = {.L = L, .c = c, .out = out, .path_at = sizeof(w.path)};
	int top = lua_gettop(L);
	mw_buf_clear(&c->keys);
	bool ok = write_value(&w, idx);
	if (ok && out->full)
		ok = stop(&w, "the text grows too long");
	if (c->keys.cap)
		mw_convert_trim(&c->keys);
	lua_settop(L, top);
	if (ok)
		return true;
	struct mw_str path = {w.path + w.path_at, sizeof(w.path) - w.path_at};
	if (path.n && path.p[0] == '.' && !mw_str_starts(path, MW_STR("...")))
		path.p++, path.n--;
	mw_err_set(err, MW_ERR_SCRIPT, "cannot write %s%.*s as JSON: %s", path.n ? "" : "the value",
	    MW_FMT(path), w.why);
	if (err)
		snprintf(err->param, sizeof(err->param), "%.*s", MW_FMT(path));
	return false;
}
