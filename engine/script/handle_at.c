/* SPDX-License-Identifier: MIT
 *
 * `at`: one attempt. In the hook attempt its body and headers may be changed, for this attempt
 * only.
 */
#include "script/handle.h"

#include "call/target.h"
#include "script/document.h"

static void push_number(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushnumber(L, run->attempt->number);
}

static void push_id(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_str(L, run->attempt->target->id);
}

static void push_provider(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_str(L, run->attempt->target->provider);
}

static void push_model(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_str(L, run->attempt->target->model);
}

static void push_group(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_str(L, run->attempt->target->group);
}

static void push_dialect(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_str(L, run->attempt->target->dialect);
}

static void push_left(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_ms(L, run->attempt->left_us);
}

static const struct mw_field fields[] = {
    {"number", push_number},
    {"id", push_id},
    {"provider", push_provider},
    {"model", push_model},
    {"group", push_group},
    {"dialect", push_dialect},
    {"left_ms", push_left},
    {NULL, NULL},
};

static struct mw_run *self(lua_State *L, const char *method)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_AT);
	mw_handle_only_in(L, run, 1u << MW_HOOK_ATTEMPT, method);
	return run;
}

static int l_get(lua_State *L)
{
	struct mw_run *run = self(L, "at:get");
	return mw_document_get(L, run, mw_document_view(L, run));
}

static void check_change(lua_State *L)
{
	if (lua_type(L, 2) == LUA_TSTRING && mw_str_is(mw_raise_str(L, 2), "stream"))
		mw_raise(L, MW_CODE_EDIT,
		    "'stream' is the client's choice: it waits for that form of answer");
}

static int l_set(lua_State *L)
{
	struct mw_run *run = self(L, "at:set");
	check_change(L);
	return mw_document_set(L, run);
}

static int l_del(lua_State *L)
{
	struct mw_run *run = self(L, "at:del");
	check_change(L);
	return mw_document_del(L, run);
}

static int l_set_header(lua_State *L)
{
	return mw_handle_note_header(L, self(L, "at:set_header"), MW_NOTE_TO_TARGET);
}

static const luaL_Reg methods[] = {
    {"get", l_get},
    {"set", l_set},
    {"del", l_del},
    {"set_header", l_set_header},
    {NULL, NULL},
};

const struct mw_handle_face mw_handle_at = {"attempt", fields, methods};
