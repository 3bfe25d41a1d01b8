/* SPDX-License-Identifier: MIT
 *
 * The converter of a Lua state: its parts, and the calls from C, which keep errors from passing
 * through the caller's frames.
 */
#include "script/convert_in.h"

enum {
	SCRATCH = 64 << 10,    /* what scratch keeps between texts */
	LONGEST = MW_MAX_BODY, /* what scratch may hold at all */
};

/* Keys in the registry; integers, because looking them up needs no memory (even a light userdata
 * may). They begin far beyond those that luaL_ref gives out. */
enum { PARTS_KEY = 0x6d770000, READ_KEY, WRITE_KEY };

static int converter_gc(lua_State *L)
{
	struct mw_converter *c = lua_touserdata(L, 1);
	mw_buf_deinit(&c->text);
	mw_buf_deinit(&c->keys);
	return 0;
}

static int null_tostring(lua_State *L)
{
	lua_pushliteral(L, "null");
	return 1;
}

static int raw_tostring(lua_State *L)
{
	lua_pushlstring(L, lua_touserdata(L, 1), lua_objlen(L, 1));
	return 1;
}

static int raw_eq(lua_State *L)
{
	struct mw_str a = {lua_touserdata(L, 1), lua_objlen(L, 1)};
	struct mw_str b = {lua_touserdata(L, 2), lua_objlen(L, 2)};
	lua_pushboolean(L, mw_str_eq(a, b));
	return 1;
}

static void set_method(lua_State *L, const char *name, lua_CFunction fn)
{
	lua_pushcfunction(L, fn);
	lua_setfield(L, -2, name);
}

/* Pushes a table with the upvalues at 1 to MW_UPS. */
static void make_parts(lua_State *L)
{
	lua_createtable(L, MW_UPS, 0);
	struct mw_converter *c = lua_newuserdata(L, sizeof(*c));
	c->over = NULL;
	mw_buf_init(&c->text, LONGEST);
	mw_buf_init(&c->keys, LONGEST);
	mw_shape_reset(&c->shapes);
	lua_createtable(L, 0, 1);
	set_method(L, "__gc", converter_gc);
	lua_setmetatable(L, -2);
	lua_rawseti(L, -2, 1);
	lua_newtable(L);
	lua_rawseti(L, -2, 2);
	lua_newtable(L);
	lua_rawseti(L, -2, 3);

	c->null = lua_newuserdata(L, 1);
	lua_createtable(L, 0, 1);
	set_method(L, "__tostring", null_tostring);
	lua_setmetatable(L, -2);
	lua_rawseti(L, -2, 4);
	lua_createtable(L, 0, 0);
	c->array = lua_topointer(L, -1);
	lua_rawseti(L, -2, 5);
	lua_createtable(L, 0, 2);
	c->raw = lua_topointer(L, -1);
	set_method(L, "__tostring", raw_tostring);
	set_method(L, "__eq", raw_eq);
	lua_rawseti(L, -2, 6);
}

static void push_parts(lua_State *L)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, PARTS_KEY);
	if (!lua_isnil(L, -1))
		return;
	lua_pop(L, 1);
	make_parts(L);
	lua_pushvalue(L, -1);
	lua_rawseti(L, LUA_REGISTRYINDEX, PARTS_KEY);
}

void mw_convert_limit(lua_State *L, bool (*over)(void))
{
	push_parts(L);
	lua_rawgeti(L, -1, 1);
	struct mw_converter *c = lua_touserdata(L, -1);
	c->over = over;
	lua_pop(L, 2);
}

void mw_convert_push_closure(lua_State *L, lua_CFunction fn)
{
	push_parts(L);
	int parts = lua_gettop(L);
	for (int i = 1; i <= MW_UPS; i++)
		lua_rawgeti(L, parts, i);
	lua_pushcclosure(L, fn, MW_UPS);
	lua_remove(L, parts);
}

struct mw_converter *mw_convert_self(lua_State *L)
{
	return lua_touserdata(L, MW_UP_CONVERTER);
}

void mw_convert_trim(struct mw_buf *scratch)
{
	mw_buf_clear(scratch);
	if (scratch->cap > SCRATCH)
		mw_buf_deinit(scratch);
}

void mw_convert_push_raw(lua_State *L, struct mw_str text)
{
	memcpy(lua_newuserdata(L, text.n), text.p, text.n);
	lua_pushvalue(L, MW_UP_RAW);
	lua_setmetatable(L, -2);
}

void mw_convert_push_list(lua_State *L, struct mw_shapes *shapes, uint16_t shape)
{
	lua_rawgeti(L, MW_UP_LISTS, shape);
	if (shapes->at[shape].used)
		return;
	lua_pop(L, 1);
	int count = shapes->at[shape].count;
	lua_createtable(L, count, 0);
	lua_pushboolean(L, 1);
	lua_rawseti(L, -2, 0);
	for (uint16_t at = shape; count; at = shapes->at[at].parent) {
		lua_rawgeti(L, MW_UP_NAMES, at);
		lua_rawseti(L, -2, count--);
	}
	lua_pushvalue(L, -1);
	lua_rawseti(L, MW_UP_LISTS, shape);
	shapes->at[shape].used = true;
}

enum mw_table_kind mw_convert_kind(lua_State *L, const struct mw_converter *c, int idx)
{
	if (!lua_getmetatable(L, idx))
		return MW_TABLE_PLAIN;
	if (lua_topointer(L, -1) == c->array) {
		lua_pop(L, 1);
		return MW_TABLE_ARRAY;
	}
	lua_rawgeti(L, -1, 0);
	bool listed = lua_toboolean(L, -1);
	lua_pop(L, listed ? 1 : 2);
	return listed ? MW_TABLE_LISTED : MW_TABLE_PLAIN;
}

/* ---- calls from C ------------------------------------------------------------------------------
 */

/* What a call from C hands to the closure that does it. */
struct mw_convert_job {
	struct mw_str text;
	struct mw_buf *out;
	struct mw_err *err;
	bool ok;
};

static int read_job(lua_State *L)
{
	struct mw_convert_job *job = mw_convert_self(L)->job;
	job->ok = mw_convert_read(L, job->text, job->err);
	return job->ok ? 1 : 0;
}

static int write_job(lua_State *L)
{
	struct mw_convert_job *job = mw_convert_self(L)->job;
	job->ok = mw_convert_write(L, 1, job->out, job->err);
	return 0;
}

static int make_jobs(lua_State *L)
{
	mw_convert_push_closure(L, read_job);
	lua_rawseti(L, LUA_REGISTRYINDEX, READ_KEY);
	mw_convert_push_closure(L, write_job);
	lua_rawseti(L, LUA_REGISTRYINDEX, WRITE_KEY);
	return 0;
}

static bool no_memory(lua_State *L, struct mw_err *err)
{
	lua_pop(L, 1);
	return mw_err_set(
	    err, MW_ERR_INTERNAL, "the Lua state has no memory left for a JSON value");
}

/* Pushes the closure under the key, with its job set; false (nothing pushed) if it cannot be made.
 */
static bool push_job(lua_State *L, int key, struct mw_convert_job *job)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, key);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		if (lua_cpcall(L, make_jobs, NULL) != 0)
			return no_memory(L, job->err);
		lua_rawgeti(L, LUA_REGISTRYINDEX, key);
	}
	lua_getupvalue(L, -1, 1);
	struct mw_converter *c = lua_touserdata(L, -1);
	c->job = job;
	lua_pop(L, 1);
	return true;
}

bool mw_convert_decode(lua_State *L, struct mw_str text, struct mw_err *err)
{
	struct mw_convert_job job = {.text = text, .err = err};
	if (!push_job(L, READ_KEY, &job))
		return false;
	if (lua_pcall(L, 0, 1, 0) != 0)
		return no_memory(L, err);
	if (!job.ok)
		lua_pop(L, 1);
	return job.ok;
}

bool mw_convert_encode(lua_State *L, int idx, struct mw_buf *out, struct mw_err *err)
{
	struct mw_convert_job job = {.out = out, .err = err};
	if (idx < 0 && idx > LUA_REGISTRYINDEX)
		idx += lua_gettop(L) + 1;
	if (!push_job(L, WRITE_KEY, &job))
		return false;
	lua_pushvalue(L, idx);
	if (lua_pcall(L, 1, 0, 0) != 0)
		return no_memory(L, err);
	return job.ok;
}
