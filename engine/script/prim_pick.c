/* SPDX-License-Identifier: MIT
 *
 * mw.pick and mw.order: choosing among candidates. Both have the same functions and take `ups` or a
 * list of candidates; pick returns the one that is chosen, order all of them, the chosen one first,
 * so that what is returned as a plan has somewhere to go on.
 *
 * Upvalues of each behind the run: whether all are wanted, and the turns of rr by name.
 */
#include "script/prim.h"

#include "script/handle.h"
#include "script/order.h"
#include "shared/settings.h"

#include <math.h>

#define UP_ALL   lua_upvalueindex(2)
#define UP_TURNS lua_upvalueindex(3)

struct choice {
	struct mw_run *run;
	size_t n;
	struct mw_ranked items[MW_RUN_CANDIDATES]; /* index is that of the candidate */
};

/* How messages name the group. */
static const char *group(lua_State *L)
{
	return lua_toboolean(L, UP_ALL) ? "mw.order" : "mw.pick";
}

static void add(struct choice *c, unsigned index)
{
	c->items[c->n++] =
	    (struct mw_ranked){.index = index, .tie = mw_env_random(c->run->all->env)};
}

static void add_list(lua_State *L, struct choice *c, const char *what)
{
	size_t n = lua_objlen(L, 1);
	if (n > MW_RUN_CANDIDATES)
		mw_raise(L, MW_CODE_TOO_LARGE, "%s.%s takes up to %d candidates, not %zu", group(L),
		    what, MW_RUN_CANDIDATES, n);
	for (size_t i = 1; i <= n; i++) {
		unsigned index;
		lua_rawgeti(L, 1, (int)i);
		if (mw_handle_kind(L, c->run, -1, &index) != MW_HANDLE_UP)
			mw_raise(L, MW_CODE_ARGUMENT,
			    "%s.%s: item %zu must be a candidate of this call, not %s", group(L),
			    what, i, mw_raise_show(L, -1).text);
		lua_pop(L, 1);
		add(c, index);
	}
}

/* Reads argument 1. */
static void take(lua_State *L, struct choice *c, const char *what)
{
	unsigned index;
	c->run = mw_run_of(L);
	c->n = 0;
	if (mw_handle_kind(L, c->run, 1, &index) == MW_HANDLE_UPS) {
		for (unsigned i = 0; i < c->run->n_candidates; i++)
			add(c, i);
		return;
	}
	if (lua_type(L, 1) != LUA_TTABLE)
		mw_raise(L, MW_CODE_ARGUMENT,
		    "%s.%s needs the candidates (ups) or a list of some, not %s", group(L), what,
		    mw_raise_show(L, 1).text);
	add_list(L, c, what);
}

static int push(lua_State *L, const struct choice *c)
{
	if (!lua_toboolean(L, UP_ALL)) {
		if (c->n)
			mw_handle_push(L, c->run, MW_HANDLE_UP, c->items[0].index);
		return c->n ? 1 : 0;
	}
	lua_createtable(L, (int)c->n, 0);
	for (size_t i = 0; i < c->n; i++) {
		mw_handle_push(L, c->run, MW_HANDLE_UP, c->items[i].index);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

/* ---- scores: a field's name or a function ---- */

struct scorer {
	int idx; /* of the function; 0: it is a field */
	const struct mw_field *field;
};

static const struct mw_field *field_named(lua_State *L, struct mw_str name, const char *what)
{
	const struct mw_field *f = mw_handle_up.fields;
	while (f->name && !mw_str_is(name, f->name))
		f++;
	if (!f->name)
		mw_raise(L, MW_CODE_ARGUMENT, "%s.%s: a candidate has no field '%.*s'%s", group(L),
		    what, (int)MW_MIN(name.n, 40u), name.p,
		    mw_raise_nearest(name, &mw_handle_up.fields->name, sizeof(*f)).text);
	return f;
}

static struct scorer scorer_at(lua_State *L, int idx, const char *what)
{
	if (lua_type(L, idx) == LUA_TFUNCTION)
		return (struct scorer){.idx = idx};
	if (lua_type(L, idx) != LUA_TSTRING)
		mw_raise(L, MW_CODE_ARGUMENT, "%s.%s needs a field's name or a function, not %s",
		    group(L), what, mw_raise_show(L, idx).text);
	return (struct scorer){.field = field_named(L, mw_raise_str(L, idx), what)};
}

/* The score of an item; nil comes as `absent`. */
static double score(
    lua_State *L, struct choice *c, size_t i, const struct scorer *by, double absent)
{
	unsigned index = c->items[i].index;
	if (by->idx) {
		lua_pushvalue(L, by->idx);
		mw_handle_push(L, c->run, MW_HANDLE_UP, index);
		mw_run_call(L, c->run, 1, 1);
	} else {
		by->field->push(L, c->run, index);
	}
	int type = lua_type(L, -1);
	double v = type == LUA_TNUMBER ? lua_tonumber(L, -1) : absent;
	if ((type != LUA_TNUMBER && type != LUA_TNIL) || v != v)
		mw_raise(L, MW_CODE_ARGUMENT,
		    "%s: a score must be a number, not %s; for what may be unknown give a "
		    "function such as "
		    "function(u) return u.ttft_ms or 0 end",
		    group(L), type == LUA_TNUMBER ? "NaN" : mw_raise_show(L, -1).text);
	lua_pop(L, 1);
	return v;
}

/* ---- the functions ---- */

/* Reads everybody's weight into its rank; false if nobody has any. */
static bool weigh(lua_State *L, struct choice *c, int idx)
{
	bool any = false;
	struct scorer by = scorer_at(L, idx, "weighted");
	for (size_t i = 0; i < c->n; i++) {
		c->items[i].rank = score(L, c, i, &by, 0);
		any |= c->items[i].rank > 0;
	}
	return any;
}

static int l_weighted(lua_State *L)
{
	struct choice c;
	int top = lua_gettop(L);
	bool any = false;
	take(L, &c, "weighted");
	for (int idx = 2; idx <= top && !any; idx++)
		any = weigh(L, &c, idx);
	for (size_t i = 0; i < c.n; i++) /* all alike: by `tie`, which is random */
		c.items[i].rank = any ? mw_order_draw(c.run->all->env, c.items[i].rank) : 0;
	mw_order_sort(c.items, c.n);
	return push(L, &c);
}

static int l_min(lua_State *L)
{
	struct choice c;
	struct scorer by = scorer_at(L, 2, "min");
	take(L, &c, "min");
	for (size_t i = 0; i < c.n; i++)
		c.items[i].rank = score(L, &c, i, &by, NAN);
	mw_order_sort(c.items, c.n);
	return push(L, &c);
}

static int l_p2c(lua_State *L)
{
	struct choice c;
	if (lua_isnoneornil(L, 2)) {
		lua_settop(L, 1);
		lua_pushliteral(L, "inflight");
	}
	struct scorer by = scorer_at(L, 2, "p2c");
	take(L, &c, "p2c");
	for (size_t i = 0; i < c.n; i++)
		c.items[i].rank = 0;
	mw_order_sort(c.items, c.n); /* in random order: the first two are the two choices */
	if (c.n > 1 && score(L, &c, 1, &by, NAN) < score(L, &c, 0, &by, NAN)) {
		struct mw_ranked first = c.items[0];
		c.items[0] = c.items[1];
		c.items[1] = first;
	}
	return push(L, &c);
}

/* The next number of this name's round. */
static size_t next_turn(lua_State *L, const char *name)
{
	lua_pushstring(L, name);
	lua_rawget(L, UP_TURNS);
	size_t turn = (size_t)lua_tonumber(L, -1);
	lua_pop(L, 1);
	lua_pushstring(L, name);
	lua_pushnumber(L, (lua_Number)(turn + 1));
	lua_rawset(L, UP_TURNS);
	return turn;
}

/* Pushes the name of a round: the policy's and the given one, or the model's. */
static void push_round(lua_State *L, const struct mw_run *run)
{
	const struct mw_call *call = run->call;
	lua_pushlstring(L, run->policy->name.p, run->policy->name.n);
	lua_pushliteral(L, "/");
	if (!lua_isnoneornil(L, 2))
		lua_pushstring(L, luaL_checkstring(L, 2));
	else
		mw_handle_push_str(L, call && call->model ? call->model->name : MW_STR("-"));
	lua_concat(L, 3);
}

static int l_rr(lua_State *L)
{
	struct choice c;
	take(L, &c, "rr");
	push_round(L, c.run);
	size_t turn = next_turn(L, lua_tostring(L, -1));
	for (size_t i = 0; i < c.n; i++) {
		c.items[i].rank = (double)((i + c.n - turn % c.n) % c.n);
		c.items[i].tie = 0;
	}
	mw_order_sort(c.items, c.n);
	return push(L, &c);
}

static void add_ways(lua_State *L, struct mw_run *run, bool all)
{
	static const luaL_Reg ways[] = {
	    {"min", l_min},
	    {"weighted", l_weighted},
	    {"p2c", l_p2c},
	    {"rr", l_rr},
	    {NULL, NULL},
	};
	for (const luaL_Reg *way = ways; way->name; way++) {
		lua_pushlightuserdata(L, run);
		lua_pushboolean(L, all);
		lua_newtable(L);
		lua_pushcclosure(L, way->func, 3);
		lua_setfield(L, -2, way->name);
	}
}

static void open_pick(lua_State *L, struct mw_run *run)
{
	add_ways(L, run, false);
}

static void open_order(lua_State *L, struct mw_run *run)
{
	add_ways(L, run, true);
}

static const luaL_Reg none[] = {{NULL, NULL}};

const struct mw_prim mw_prim_pick = {"pick", none, open_pick};
const struct mw_prim mw_prim_order = {"order", none, open_order};
