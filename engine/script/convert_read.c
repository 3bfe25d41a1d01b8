/* SPDX-License-Identifier: MIT
 *
 * JSON text to Lua values. Members and items wait on the Lua stack until their table ends and its
 * size is known: growing a table bit by bit would cost more than all the rest. Recursion is bounded
 * by MW_MAX_DEPTH, and what waits by HOARD.
 */
#include "base/json_scan.h"
#include "base/number.h"
#include "script/convert_in.h"

enum {
	HOARD = 4000, /* stack slots that may be in use before tables are filled early */
	AHEAD = 64,   /* slots asked for at a time */
};

struct reader {
	lua_State *L;
	struct mw_converter *c;
	struct mw_json_scan scan;
	int depth;
	int room; /* the stack is known to reach this far */
};

/* An array or object that is being read. */
struct table {
	int slot;    /* the table's, nil until it is made */
	int waiting; /* values above it that belong in: items, or names and values */
	int count;   /* items or names so far */
	bool made;
	uint16_t shape; /* of an object; 0: it has a list of its own */
};

static const char *read_value(struct reader *r, const char *p);

static void want_room(struct reader *r, int top)
{
	if (top + 8 <= r->room)
		return;
	luaL_checkstack(r->L, AHEAD, "JSON");
	r->room = top + AHEAD;
}

static void table_begin(struct reader *r, struct table *t, uint16_t shape)
{
	*t = (struct table){.slot = lua_gettop(r->L) + 1, .shape = shape};
	want_room(r, t->slot);
	lua_pushnil(r->L);
}

static void table_make(struct reader *r, struct table *t, int items, int members)
{
	if (t->made)
		return;
	lua_createtable(r->L, items, members);
	lua_replace(r->L, t->slot);
	t->made = true;
}

/* After each value: is it time to empty the stack? */
static bool table_is_full(struct reader *r, const struct table *t)
{
	int top = t->slot + t->waiting;
	want_room(r, top);
	return top >= HOARD;
}

static struct mw_str unescaped(struct reader *r, struct mw_str raw)
{
	struct mw_buf *b = &r->c->text;
	b->n = 0;
	if (!mw_buf_reserve(b, raw.n))
		luaL_error(r->L, "not enough memory");
	return mw_strn(b->p, (size_t)(mw_json_scan_unescape(b->p, raw) - b->p));
}

/* From a string's opening quote to behind its closing one. */
static const char *scan_string(struct reader *r, const char *p, struct mw_str *out)
{
	bool escaped = false;
	const char *end = mw_json_scan_string(&r->scan, p + 1, &escaped);
	if (!end)
		return NULL;
	*out = mw_strn(p + 1, (size_t)(end - p - 1));
	if (escaped)
		*out = unescaped(r, *out);
	return end + 1;
}

/* ---- objects -----------------------------------------------------------------------------------
 */

static void object_fill(struct reader *r, struct table *t)
{
	table_make(r, t, 0, t->waiting / 2);
	for (; t->waiting; t->waiting -= 2)
		lua_rawset(r->L, t->slot);
}

/* From here on the object keeps its own list of names. */
static void object_leave_shapes(struct reader *r, struct table *t)
{
	lua_State *L = r->L;
	object_fill(r, t);
	lua_createtable(L, 2 * t->count, 0);
	lua_pushboolean(L, 1);
	lua_rawseti(L, -2, 0);
	for (uint16_t at = t->shape; at != MW_SHAPE_ROOT; at = r->c->shapes.at[at].parent) {
		lua_rawgeti(L, MW_UP_NAMES, at);
		lua_rawseti(L, -2, r->c->shapes.at[at].count);
	}
	lua_setmetatable(L, t->slot);
	t->shape = 0;
}

/* Pushes the name and adds it to the object's own list; false if it is there already. */
static bool push_own_name(struct reader *r, struct table *t, struct mw_str name)
{
	lua_State *L = r->L;
	lua_pushlstring(L, name.p, name.n);
	lua_pushvalue(L, -1);
	lua_rawget(L, t->slot);
	bool fresh = lua_isnil(L, -1);
	lua_getmetatable(L, t->slot);
	lua_pushvalue(L, -3);
	lua_rawseti(L, -2, t->count + 1);
	lua_pop(L, 2);
	return fresh;
}

/* Pushes the name of a shape that was not known; false (nothing pushed) if it cannot become one. */
static bool push_new_shape(struct reader *r, struct table *t, struct mw_str name)
{
	struct mw_shapes *shapes = &r->c->shapes;
	if (mw_shape_full(shapes) || name.n > MW_SHAPE_LENGTH)
		return false;
	lua_pushlstring(r->L, name.p, name.n);
	lua_pushvalue(r->L, -1);
	lua_rawseti(r->L, MW_UP_NAMES, shapes->n + 1);
	uint16_t shape = mw_shape_add(shapes, t->shape, mw_strn(lua_tostring(r->L, -1), name.n));
	if (!shape) {
		lua_pop(r->L, 1);
		return false;
	}
	t->shape = shape;
	return true;
}

static bool push_unknown_name(struct reader *r, struct table *t, struct mw_str name)
{
	if (t->shape) {
		if (mw_shape_has(&r->c->shapes, t->shape, name))
			return false;
		if (push_new_shape(r, t, name))
			return true;
		object_leave_shapes(r, t);
	}
	return push_own_name(r, t, name);
}

/* Pushes the next name; false if the object has it already. */
static bool push_name(struct reader *r, struct table *t, struct mw_str name)
{
	uint16_t next = t->shape ? mw_shape_next(&r->c->shapes, t->shape, name) : 0;
	if (!next)
		return push_unknown_name(r, t, name);
	lua_rawgeti(r->L, MW_UP_NAMES, next);
	t->shape = next;
	return true;
}

static const char *read_name(struct reader *r, struct table *t, const char *p)
{
	const char *begin = p, *end = r->scan.end;
	struct mw_str name;
	if (p == end || *p != '"')
		return mw_json_scan_stop(&r->scan, MW_JSON_FAULT_NAME, p);
	p = scan_string(r, p, &name);
	if (!p)
		return NULL;
	if (!push_name(r, t, name))
		return mw_json_scan_stop(&r->scan, MW_JSON_FAULT_TWICE, begin);
	if (++t->count > MW_MAX_MEMBERS)
		return mw_json_scan_stop(&r->scan, MW_JSON_FAULT_MEMBERS, begin);
	p = mw_json_scan_space(p, end);
	if (p == end || *p != ':')
		return mw_json_scan_stop(&r->scan, MW_JSON_FAULT_COLON, p);
	return mw_json_scan_space(p + 1, end);
}

static void object_end(struct reader *r, struct table *t)
{
	lua_State *L = r->L;
	object_fill(r, t);
	if (t->shape) {
		mw_convert_push_list(L, &r->c->shapes, t->shape);
		lua_setmetatable(L, t->slot);
	}
}

/* p stands behind the brace. */
static const char *read_object(struct reader *r, const char *p)
{
	struct table t;
	const char *end = r->scan.end;
	table_begin(r, &t, MW_SHAPE_ROOT);
	p = mw_json_scan_space(p, end);
	bool more = p == end || *p != '}';
	while (more) {
		p = read_name(r, &t, p);
		if (p)
			p = read_value(r, p);
		if (!p)
			return NULL;
		t.waiting += 2;
		if (table_is_full(r, &t) || !t.shape)
			object_fill(r, &t);
		p = mw_json_scan_space(p, end);
		more = p < end && *p == ',';
		if (more)
			p = mw_json_scan_space(p + 1, end);
		else if (p == end || *p != '}')
			return mw_json_scan_stop(&r->scan, MW_JSON_FAULT_MORE_MEMBERS, p);
	}
	object_end(r, &t);
	return p + 1;
}

/* ---- arrays ------------------------------------------------------------------------------------
 */

static void array_fill(struct reader *r, struct table *t)
{
	table_make(r, t, t->waiting, 0);
	for (int i = t->count; t->waiting; t->waiting--)
		lua_rawseti(r->L, t->slot, i--);
}

static const char *read_array(struct reader *r, const char *p)
{
	struct table t;
	const char *end = r->scan.end;
	table_begin(r, &t, 0);
	p = mw_json_scan_space(p, end);
	bool more = p == end || *p != ']';
	while (more) {
		p = read_value(r, p);
		if (!p)
			return NULL;
		t.waiting++;
		t.count++;
		if (table_is_full(r, &t))
			array_fill(r, &t);
		p = mw_json_scan_space(p, end);
		more = p < end && *p == ',';
		if (more)
			p = mw_json_scan_space(p + 1, end);
		else if (p == end || *p != ']')
			return mw_json_scan_stop(&r->scan, MW_JSON_FAULT_MORE_ITEMS, p);
	}
	array_fill(r, &t);
	lua_pushvalue(r->L, MW_UP_ARRAY);
	lua_setmetatable(r->L, t.slot);
	return p + 1;
}

/* ---- the rest ----------------------------------------------------------------------------------
 */

static const char *read_number(struct reader *r, const char *p)
{
	bool integral;
	const char *end = mw_json_scan_number(&r->scan, p, &integral);
	if (!end)
		return NULL;
	struct mw_str text = {p, (size_t)(end - p)};
	double value;
	if (mw_number_read(text, integral, &value))
		lua_pushnumber(r->L, value);
	else
		mw_convert_push_raw(r->L, text);
	return end;
}

static const char *read_string(struct reader *r, const char *p)
{
	struct mw_str text;
	p = scan_string(r, p, &text);
	if (p)
		lua_pushlstring(r->L, text.p, text.n);
	return p;
}

static const char *read_word(struct reader *r, const char *p)
{
	lua_State *L = r->L;
	switch (*p) {
	case 't':
		lua_pushboolean(L, 1);
		return mw_json_scan_word(&r->scan, p, MW_STR("true"));
	case 'f':
		lua_pushboolean(L, 0);
		return mw_json_scan_word(&r->scan, p, MW_STR("false"));
	default:
		lua_pushvalue(L, MW_UP_NULL);
		return mw_json_scan_word(&r->scan, p, MW_STR("null"));
	}
}

static const char *read_nested(struct reader *r, const char *p)
{
	if (r->depth == MW_MAX_DEPTH)
		return mw_json_scan_stop(&r->scan, MW_JSON_FAULT_DEPTH, p);
	r->depth++;
	p = *p == '{' ? read_object(r, p + 1) : read_array(r, p + 1);
	r->depth--;
	return p;
}

/* Pushes one value, unless there is a fault; p is no space. */
static const char *read_value(struct reader *r, const char *p)
{
	if (p == r->scan.end)
		return mw_json_scan_stop(&r->scan, MW_JSON_FAULT_VALUE, p);
	switch (*p) {
	case '"':
		return read_string(r, p);
	case '{':
	case '[':
		return read_nested(r, p);
	case 't':
	case 'f':
	case 'n':
		return read_word(r, p);
	default:
		if (*p == '-' || (*p >= '0' && *p <= '9'))
			return read_number(r, p);
		return mw_json_scan_stop(&r->scan, MW_JSON_FAULT_VALUE, p);
	}
}

static const char *read_text(struct reader *r)
{
	const char *end = r->scan.end;
	const char *p = read_value(r, mw_json_scan_space(r->scan.begin, end));
	if (!p)
		return NULL;
	p = mw_json_scan_space(p, end);
	return p == end ? p : mw_json_scan_stop(&r->scan, MW_JSON_FAULT_END, p);
}

/* Begins the tree of shapes anew when it is full. Only between texts: objects that are being read
 * hold on to their shapes. Metatables live on with the tables that have them. */
static void renew_shapes(lua_State *L, struct mw_shapes *shapes)
{
	if (!mw_shape_full(shapes))
		return;
	for (int i = 1; i <= shapes->n; i++) {
		lua_pushnil(L);
		lua_rawseti(L, MW_UP_NAMES, i);
		lua_pushnil(L);
		lua_rawseti(L, MW_UP_LISTS, i);
	}
	mw_shape_reset(shapes);
}

bool mw_convert_read(lua_State *L, struct mw_str text, struct mw_err *err)
{
	struct mw_converter *c = mw_convert_self(L);
	const char *begin = text.p ? text.p : "";
	struct reader r = {.L = L, .c = c, .scan = {.begin = begin, .end = begin + text.n}};
	int top = lua_gettop(L);
	renew_shapes(L, &c->shapes);
	bool ok = read_text(&r) != NULL;
	if (c->text.cap)
		mw_convert_trim(&c->text);
	if (ok)
		return true;
	lua_settop(L, top);
	return mw_json_scan_explain(&r.scan, err);
}
