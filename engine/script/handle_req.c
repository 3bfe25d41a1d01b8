/* SPDX-License-Identifier: MIT
 *
 * `req`: the client's call as hooks see it, and what they may change of it.
 */
#include "script/handle.h"

#include "script/document.h"
#include "script/headers.h"
#include "shared/settings.h"

#include <stdio.h>

enum {
	TAG_NAME = 100,
	TAG_VALUE = 1000,
	BEFORE_THE_ANSWER = 1 << MW_HOOK_ADMIT | 1 << MW_HOOK_REWRITE | 1 << MW_HOOK_ROUTE |
	                    1 << MW_HOOK_ATTEMPT | 1 << MW_HOOK_RESULT | 1 << MW_HOOK_RESPOND,
};

/* ---- fields ---- */

static void push_id(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushstring(L, run->call->id);
}

static void push_model(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_str(L, run->call->asked);
}

static void push_group(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_str(L, run->call->model ? run->call->model->name : MW_NOSTR);
}

static void push_stream(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushboolean(L, run->call->stream);
}

static void push_kind(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushstring(L, run->call->kind == MW_KIND_CHAT ? "chat" : "embeddings");
}

static void push_key(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	mw_handle_push_str(L, run->call->key);
}

static void push_in_bytes(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushnumber(L, (lua_Number)run->call->body.n);
}

static void push_started(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushnumber(L, (lua_Number)run->call->started_us / 1000);
}

static void push_left(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	uint64_t deadline = run->call->deadline_us, now = mw_run_now(run);
	if (deadline == 0)
		lua_pushnil(L);
	else
		lua_pushnumber(L, deadline > now ? (lua_Number)(deadline - now) / 1000 : 0);
}

static void push_attempts(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushnumber(L, run->call->attempts);
}

/* The client's body: as this hook has edited it, where it may. */
static struct mw_str body(lua_State *L, struct mw_run *run)
{
	if (run->journal.document == &run->call->body)
		return mw_document_view(L, run);
	return run->call->body;
}

static void push_n_messages(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_pushnumber(L, (lua_Number)mw_document_count(run, body(L, run), MW_STR("messages")));
}

static void push_tags(lua_State *L, struct mw_run *run, unsigned i)
{
	(void)i;
	lua_newtable(L);
	for (const struct mw_tag *t = run->call->tags; t; t = t->next) {
		lua_pushlstring(L, t->key.p, t->key.n);
		lua_pushlstring(L, t->value.p, t->value.n);
		lua_rawset(L, -3);
	}
	for (size_t n = 0; n < run->journal.n_notes; n++) {
		const struct mw_note *note = &run->journal.notes[n];
		if (note->kind != MW_NOTE_TAG)
			continue;
		lua_pushlstring(L, note->name.p, note->name.n);
		lua_pushlstring(L, note->value.p, note->value.n);
		lua_rawset(L, -3);
	}
}

static const struct mw_field fields[] = {
    {"id", push_id},
    {"model", push_model},
    {"group", push_group},
    {"stream", push_stream},
    {"kind", push_kind},
    {"key", push_key},
    {"in_bytes", push_in_bytes},
    {"n_messages", push_n_messages},
    {"started_ms", push_started},
    {"left_ms", push_left},
    {"attempts", push_attempts},
    {"tags", push_tags},
    {NULL, NULL},
};

/* ---- methods ---- */

static int l_header(lua_State *L)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_REQ);
	size_t n;
	const char *p = luaL_checklstring(L, 2, &n);
	struct mw_str name = mw_strn(p, n);
	lua_pushnil(L);
	if (mw_headers_secret(name))
		return 1;
	for (size_t i = 0; i < run->call->n_headers; i++) {
		const struct mw_header *h = &run->call->headers[i];
		if (!mw_str_ieq(h->name, name))
			continue;
		lua_pushlstring(L, h->value.p ? h->value.p : "", h->value.n);
		break;
	}
	return 1;
}

static int l_get(lua_State *L)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_REQ);
	return mw_document_get(L, run, body(L, run));
}

/* What the gateway has already acted upon cannot be changed any more. */
static void check_change(lua_State *L, struct mw_run *run, const char *method)
{
	mw_handle_only_in(L, run, 1u << MW_HOOK_REWRITE, method);
	if (lua_type(L, 2) != LUA_TSTRING || !mw_str_is(mw_raise_str(L, 2), "stream"))
		return;
	mw_raise(
	    L, MW_CODE_EDIT, "'stream' is the client's choice: it waits for that form of answer");
}

static int l_set(lua_State *L)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_REQ);
	check_change(L, run, "req:set");
	bool model = lua_type(L, 2) == LUA_TSTRING && mw_str_is(mw_raise_str(L, 2), "model");
	if (model && (lua_type(L, 3) != LUA_TSTRING || lua_objlen(L, 3) == 0))
		mw_raise(
		    L, MW_CODE_EDIT, "'model' must be a name, not %s", mw_raise_show(L, 3).text);
	return mw_document_set(L, run);
}

static int l_del(lua_State *L)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_REQ);
	check_change(L, run, "req:del");
	if (lua_type(L, 2) == LUA_TSTRING && mw_str_is(mw_raise_str(L, 2), "model"))
		mw_raise(L, MW_CODE_EDIT, "'model' cannot be deleted: the call needs one");
	return mw_document_del(L, run);
}

static int l_text(lua_State *L)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_REQ);
	lua_Number max = luaL_optnumber(L, 3, MW_RUN_TEXT);
	char path[64];
	snprintf(path, sizeof(path), "messages.%td.content", luaL_checkinteger(L, 2));
	struct mw_json content = mw_document_at(run, body(L, run), mw_str(path));
	mw_document_push_text(L, run, content, max >= 0 ? (size_t)MW_MIN(max, 1e9) : 0);
	return 1;
}

/* A tag's value as set in this run or before. */
static int push_tag(lua_State *L, struct mw_run *run, struct mw_str key)
{
	struct mw_str value = mw_journal_noted(&run->journal, MW_NOTE_TAG, key);
	for (const struct mw_tag *t = run->call->tags; !value.p && t; t = t->next)
		if (mw_str_eq(t->key, key))
			value = t->value;
	if (value.p)
		lua_pushlstring(L, value.p, value.n);
	else
		lua_pushnil(L);
	return 1;
}

static int l_tag(lua_State *L)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_REQ);
	struct mw_err err;
	size_t n;
	const char *p = luaL_checklstring(L, 2, &n);
	struct mw_str key = mw_strn(p, n);
	if (lua_isnoneornil(L, 3))
		return push_tag(L, run, key);
	p = luaL_checklstring(L, 3, &n);
	if (key.n == 0 || key.n > TAG_NAME || n > TAG_VALUE)
		mw_raise(L, MW_CODE_ARGUMENT,
		    "a tag has a name of 1 to %d bytes and a value of up to %d", TAG_NAME,
		    TAG_VALUE);
	if (!mw_journal_note(&run->journal, MW_NOTE_TAG, key, mw_strn(p, n), &err))
		mw_raise(L, MW_CODE_TOO_MANY, "%s", err.text);
	return 0;
}

static int l_set_header(lua_State *L)
{
	struct mw_run *run = mw_handle_self(L, MW_HANDLE_REQ);
	mw_handle_only_in(L, run, BEFORE_THE_ANSWER, "req:set_header");
	return mw_handle_note_header(L, run, MW_NOTE_TO_CLIENT);
}

static const luaL_Reg methods[] = {
    {"header", l_header},
    {"get", l_get},
    {"set", l_set},
    {"del", l_del},
    {"text", l_text},
    {"tag", l_tag},
    {"set_header", l_set_header},
    {NULL, NULL},
};

const struct mw_handle_face mw_handle_req = {"request", fields, methods};
