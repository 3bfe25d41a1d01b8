/* SPDX-License-Identifier: MIT
 *
 * mw.pick: puts candidates in an order. Each function takes `ups` or a list of candidates and returns a
 * list of all of them, the chosen one first, so that what is returned as a plan has somewhere to go on.
 */
#include "script/prim.h"

#include "script/handle.h"
#include "script/order.h"
#include "shared/settings.h"

#include <math.h>

struct choice {
	struct mw_run *run;
	size_t n;
	struct mw_ranked items[MW_RUN_CANDIDATES]; /* index is that of the candidate */
};

static void add(struct choice *c, unsigned index)
{
	c->items[c->n++] =
	    (struct mw_ranked){.index = index, .tie = mw_env_random(c->run->all->env)};
}

static void add_list(lua_State *L, struct choice *c, const char *what)
{
	size_t n = lua_objlen(L, 1);
	if (n > MW_RUN_CANDIDATES)
		mw_raise(L, MW_CODE_TOO_LARGE, "%s takes up to %d candidates, not %zu", what,
		    MW_RUN_CANDIDATES, n);
	for (size_t i = 1; i <= n; i++) {
		unsigned index;
		lua_rawgeti(L, 1, (int)i);
		if (mw_handle_kind(L, c->run, -1, &index) != MW_HANDLE_UP)
			mw_raise(L, MW_CODE_ARGUMENT, "%s: item %zu must be a candidate of this call, not %s",
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
		mw_raise(L, MW_CODE_ARGUMENT, "%s needs the candidates (ups) or a list of some, not %s", what,
		    mw_raise_show(L, 1).text);
	add_list(L, c, what);
}

static int push(lua_State *L, const struct choice *c)
{
	lua_createtable(L, (int)c->n, 0);
	for (size_t i = 0; i < c->n; i++) {
		mw_handle_push(L, c->run, MW_HANDLE_UP, c->items[i].index);
		lua_rawseti(L, -2, (int)i + 1);
	}
	return 1;
}

/* ---- scores: a field's name or a function ---- */

static const struct mw_field *field_at(lua_State *L, int idx, const char *what)
{
	struct mw_str name = mw_raise_str(L, idx);
	const struct mw_field *f = mw_handle_up.fields;
	while (f->name && !mw_str_is(name, f->name))
		f++;
	if (!f->name)
		mw_raise(L, MW_CODE_ARGUMENT, "%s: a candidate has no field '%.*s'%s", what,
		    (int)MW_MIN(name.n, 40u), name.p,
		    mw_raise_nearest(name, &mw_handle_up.fields->name, sizeof(*f)).text);
	return f;
}

/* The score by what is at idx; nil comes as `absent`. */
static double score(lua_State *L, struct choice *c, size_t i, int idx, double absent)
{
	unsigned index = c->items[i].index;
	if (lua_type(L, idx) == LUA_TFUNCTION) {
		lua_pushvalue(L, idx);
		mw_handle_push(L, c->run, MW_HANDLE_UP, index);
		mw_run_call(L, c->run, 1, 1);
	} else {
		field_at(L, idx, "mw.pick")->push(L, c->run, index);
	}
	double v = lua_isnil(L, -1) ? absent : lua_tonumber(L, -1);
	bool number = lua_isnil(L, -1) || lua_type(L, -1) == LUA_TNUMBER;
	if (!number || v != v)
		mw_raise(L, MW_CODE_ARGUMENT,
		    "mw.pick: a score must be a number, not %s; for what may be unknown give a function such as "
		    "function(u) return u.ttft_ms or 0 end",
		    v != v ? "nil" : mw_raise_show(L, -1).text);
	lua_pop(L, 1);
	return v;
}

static void check_scorer(lua_State *L, int idx, const char *what)
{
	int type = lua_type(L, idx);
	if (type != LUA_TSTRING && type != LUA_TFUNCTION)
		mw_raise(L, MW_CODE_ARGUMENT, "%s needs a field's name or a function, not %s", what,
		    mw_raise_show(L, idx).text);
}

/* ---- the functions ---- */

/* Draws by the weight at idx; false if no candidate has one. */
static bool draw(lua_State *L, struct choice *c, int idx)
{
	bool any = false;
	check_scorer(L, idx, "mw.pick.weighted");
	for (size_t i = 0; i < c->n; i++) {
		double weight = score(L, c, i, idx, 0);
		any |= weight > 0;
		c->items[i].rank = mw_order_draw(c->run->all->env, weight);
	}
	return any;
}

static int l_weighted(lua_State *L)
{
	struct choice c;
	int top = lua_gettop(L);
	bool any = false;
	take(L, &c, "mw.pick.weighted");
	for (int idx = 2; idx <= top && !any; idx++)
		any = draw(L, &c, idx);
	for (size_t i = 0; i < c.n && !any; i++)
		c.items[i].rank = 0; /* all alike: by `tie`, which is random */
	mw_order_sort(c.items, c.n);
	return push(L, &c);
}

static int l_min(lua_State *L)
{
	struct choice c;
	check_scorer(L, 2, "mw.pick.min");
	take(L, &c, "mw.pick.min");
	for (size_t i = 0; i < c.n; i++)
		c.items[i].rank = score(L, &c, i, 2, NAN);
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
	check_scorer(L, 2, "mw.pick.p2c");
	take(L, &c, "mw.pick.p2c");
	for (size_t i = 0; i < c.n; i++)
		c.items[i].rank = 0;
	mw_order_sort(c.items, c.n); /* in random order: the first two are the two choices */
	if (c.n > 1 && score(L, &c, 1, 2, NAN) < score(L, &c, 0, 2, NAN)) {
		struct mw_ranked first = c.items[0];
		c.items[0] = c.items[1];
		c.items[1] = first;
	}
	return push(L, &c);
}

/* The next number of this name's round; the counts are upvalue 2. */
static size_t next_turn(lua_State *L, const char *name)
{
	lua_pushstring(L, name);
	lua_rawget(L, lua_upvalueindex(2));
	size_t turn = (size_t)lua_tonumber(L, -1);
	lua_pop(L, 1);
	lua_pushstring(L, name);
	lua_pushnumber(L, (lua_Number)(turn + 1));
	lua_rawset(L, lua_upvalueindex(2));
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
	take(L, &c, "mw.pick.rr");
	push_round(L, c.run);
	size_t turn = next_turn(L, lua_tostring(L, -1));
	for (size_t i = 0; i < c.n; i++) {
		c.items[i].rank = (double)((i + c.n - turn % c.n) % c.n);
		c.items[i].tie = 0;
	}
	mw_order_sort(c.items, c.n);
	return push(L, &c);
}

static void open_rounds(lua_State *L, struct mw_run *run)
{
	lua_pushlightuserdata(L, run);
	lua_newtable(L);
	lua_pushcclosure(L, l_rr, 2);
	lua_setfield(L, -2, "rr");
}

static const luaL_Reg functions[] = {
    {"weighted", l_weighted},
    {"min", l_min},
    {"p2c", l_p2c},
    {NULL, NULL},
};

const struct mw_prim mw_prim_pick = {"pick", functions, open_rounds};
