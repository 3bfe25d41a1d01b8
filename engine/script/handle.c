/* SPDX-License-Identifier: MIT
 *
 * The encoding of handles in a light userdata, and the one metatable of all of them: fields,
 * methods, length, and clear words for what is not there.
 *
 *   38   36 35                      10 9          0
 *   [ kind ][      generation        ][   index   ]
 *
 * LuaJIT keeps light userdata of up to 39 bits without a table of its own.
 */
#include "script/handle.h"

#include "script/headers.h"

#include <stdio.h>

enum { INDEX_BITS = 10, GENERATION_BITS = 26 };

_Static_assert(MW_RUN_CANDIDATES < 1 << INDEX_BITS, "every candidate has an index");
_Static_assert(MW_HANDLES <= 8, "a kind has three bits");

static const struct mw_field no_fields[] = {{NULL, NULL}};
static const luaL_Reg no_methods[] = {{NULL, NULL}};
static const struct mw_handle_face none = {"value", no_fields, no_methods};

static const struct mw_handle_face *const faces[MW_HANDLES] = {
    [MW_HANDLE_NONE] = &none,
    [MW_HANDLE_REQ] = &mw_handle_req,
    [MW_HANDLE_UPS] = &mw_handle_ups,
    [MW_HANDLE_UP] = &mw_handle_up,
    [MW_HANDLE_AT] = &mw_handle_at,
    [MW_HANDLE_RES] = &mw_handle_res,
};

/* Upvalues of the metamethods behind the run: a table for each kind. A method is there by its name
 * as a function, a field as its place in the face's list. */
#define UP_FACE(kind) lua_upvalueindex(2 + (int)(kind))

struct parts {
	enum mw_handle kind;
	uint32_t generation;
	unsigned index;
};

static uint32_t short_generation(const struct mw_run *run)
{
	return run->generation & ((1u << GENERATION_BITS) - 1);
}

void mw_handle_push(lua_State *L, const struct mw_run *run, enum mw_handle kind, unsigned index)
{
	uint64_t v = (uint64_t)kind << (INDEX_BITS + GENERATION_BITS) |
	             (uint64_t)short_generation(run) << INDEX_BITS | index;
	lua_pushlightuserdata(L, (void *)(uintptr_t)v);
}

static struct parts take_apart(lua_State *L, int idx)
{
	if (lua_type(L, idx) != LUA_TLIGHTUSERDATA)
		return (struct parts){MW_HANDLE_NONE, 0, 0};
	uint64_t v = (uint64_t)(uintptr_t)lua_touserdata(L, idx);
	uint64_t kind = v >> (INDEX_BITS + GENERATION_BITS);
	return (struct parts){
	    .kind = kind < MW_HANDLES ? (enum mw_handle)kind : MW_HANDLE_NONE,
	    .generation = (uint32_t)(v >> INDEX_BITS) & ((1u << GENERATION_BITS) - 1),
	    .index = (unsigned)v & ((1u << INDEX_BITS) - 1),
	};
}

enum mw_handle mw_handle_kind(lua_State *L, const struct mw_run *run, int idx, unsigned *index)
{
	struct parts h = take_apart(L, idx);
	if (h.generation != short_generation(run))
		return MW_HANDLE_NONE;
	*index = h.index;
	return h.kind;
}

static void check_fresh(lua_State *L, const struct mw_run *run, struct parts h)
{
	if (h.kind != MW_HANDLE_NONE && h.generation != short_generation(run))
		mw_raise(L, MW_CODE_OVER,
		    "this call is over: a %s may be used only until its hook returns; keep the "
		    "values "
		    "that you need instead",
		    faces[h.kind]->word);
}

struct mw_run *mw_handle_self(lua_State *L, enum mw_handle kind)
{
	struct mw_run *run = mw_run_of(L);
	struct parts h = take_apart(L, 1);
	if (h.kind != kind)
		mw_raise(L, MW_CODE_ARGUMENT,
		    "a method of the %s was called on %s; call it with a colon", faces[kind]->word,
		    mw_raise_show(L, 1).text);
	check_fresh(L, run, h);
	return run;
}

void mw_handle_only_in(lua_State *L, const struct mw_run *run, unsigned hooks, const char *what)
{
	static const char *const names[] = {
#define MW_HOOK(id, name, budget_us, on_error) name,
#include "script/hooks.def"
#undef MW_HOOK
	};
	if (hooks & 1u << run->hook)
		return;
	char list[128];
	size_t n = 0;
	list[0] = '\0';
	for (size_t i = 0; i < MW_HOOKS && n < sizeof(list); i++)
		if (hooks & 1u << i)
			n += (size_t)snprintf(
			    list + n, sizeof(list) - n, "%s%s", n ? ", " : "", names[i]);
	mw_raise(L, MW_CODE_NOT_HERE, "%s is for the hook%s %s, this is %s", what,
	    hooks & (hooks - 1) ? "s" : "", list, names[run->hook]);
}

MW_NORETURN static void no_field(lua_State *L, enum mw_handle kind)
{
	if (lua_type(L, 2) != LUA_TSTRING)
		mw_raise(L, MW_CODE_FIELD, "a %s has no field %s", faces[kind]->word,
		    mw_raise_show(L, 2).text);
	struct mw_str name = mw_raise_str(L, 2);
	mw_raise(L, MW_CODE_FIELD, "a %s has no field '%.*s'%s", faces[kind]->word,
	    (int)MW_MIN(name.n, 40u), name.p, mw_raise_nearest_key(L, UP_FACE(kind), name).text);
}

/* ups[i]; nil beyond the ends, as in a table. */
static int push_candidate(lua_State *L, const struct mw_run *run)
{
	double i = lua_tonumber(L, 2);
	if (i >= 1 && i <= (double)run->n_candidates && i == (double)(unsigned)i)
		mw_handle_push(L, run, MW_HANDLE_UP, (unsigned)i - 1);
	else
		lua_pushnil(L);
	return 1;
}

static int meta_index(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	struct parts h = take_apart(L, 1);
	check_fresh(L, run, h);
	if (h.kind == MW_HANDLE_UPS && lua_type(L, 2) == LUA_TNUMBER)
		return push_candidate(L, run);
	lua_pushvalue(L, 2);
	lua_rawget(L, UP_FACE(h.kind));
	switch (lua_type(L, -1)) {
	case LUA_TFUNCTION:
		return 1;
	case LUA_TNUMBER:
		faces[h.kind]->fields[lua_tointeger(L, -1)].push(L, run, h.index);
		return 1;
	}
	no_field(L, h.kind);
}

static int meta_newindex(lua_State *L)
{
	struct parts h = take_apart(L, 1);
	mw_raise(L, MW_CODE_FIELD,
	    "%s of a %s cannot be assigned; a body is changed with :set(path, value)",
	    mw_raise_show(L, 2).text, faces[h.kind]->word);
}

static int meta_len(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	struct parts h = take_apart(L, 1);
	check_fresh(L, run, h);
	if (h.kind != MW_HANDLE_UPS)
		mw_raise(L, MW_CODE_FIELD, "a %s has no length", faces[h.kind]->word);
	lua_pushinteger(L, (lua_Integer)run->n_candidates);
	return 1;
}

static int meta_tostring(lua_State *L)
{
	struct parts h = take_apart(L, 1);
	lua_pushstring(L, faces[h.kind]->word);
	return 1;
}

static void push_face(lua_State *L, struct mw_run *run, const struct mw_handle_face *face)
{
	lua_newtable(L);
	for (int i = 0; face->fields[i].name; i++) {
		lua_pushinteger(L, i);
		lua_setfield(L, -2, face->fields[i].name);
	}
	for (const luaL_Reg *m = face->methods; m->name; m++) {
		mw_run_push(L, run, m->func);
		lua_setfield(L, -2, m->name);
	}
}

void mw_handle_open(lua_State *L, struct mw_run *run)
{
	static const luaL_Reg metamethods[] = {
	    {"__newindex", meta_newindex},
	    {"__len", meta_len},
	    {"__tostring", meta_tostring},
	    {NULL, NULL},
	};
	lua_pushlightuserdata(L, NULL);
	lua_newtable(L);
	lua_pushlightuserdata(L, run);
	for (enum mw_handle kind = MW_HANDLE_NONE; kind < MW_HANDLES; kind++)
		push_face(L, run, faces[kind]);
	lua_pushcclosure(L, meta_index, 1 + MW_HANDLES);
	lua_setfield(L, -2, "__index");
	for (const luaL_Reg *m = metamethods; m->name; m++) {
		mw_run_push(L, run, m->func);
		lua_setfield(L, -2, m->name);
	}
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2); /* all light userdata of a state share it */
	lua_pop(L, 1);
}

int mw_handle_note_header(lua_State *L, struct mw_run *run, enum mw_note_kind kind)
{
	struct mw_err err;
	size_t n_name, n_value;
	const char *name = luaL_checklstring(L, 2, &n_name),
		   *value = luaL_checklstring(L, 3, &n_value);
	struct mw_str n = mw_strn(name, n_name), v = mw_strn(value, n_value);
	if (!mw_headers_may_set(n, v, &err))
		mw_raise(L, MW_CODE_HEADER, "%s", err.text);
	if (!mw_journal_note(&run->journal, kind, n, v, &err))
		mw_raise(L, MW_CODE_TOO_MANY, "%s", err.text);
	return 0;
}

void mw_handle_push_str(lua_State *L, struct mw_str s)
{
	if (s.n)
		lua_pushlstring(L, s.p, s.n);
	else
		lua_pushnil(L);
}

void mw_handle_push_ms(lua_State *L, uint64_t us)
{
	if (us)
		lua_pushnumber(L, (lua_Number)us / 1000);
	else
		lua_pushnil(L);
}
