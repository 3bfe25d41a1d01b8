/* SPDX-License-Identifier: MIT
 *
 * Bodies by path. Reading works on the bytes; only what is asked for becomes a Lua value.
 */
#include "script/document.h"

#include "script/convert.h"

#include <lauxlib.h>

enum { PATH_MAX_BYTES = 256, SCRATCH_KEPT = 64 * 1024 };

static struct mw_str path_of(lua_State *L)
{
	if (lua_type(L, 2) != LUA_TSTRING)
		mw_raise(L, MW_CODE_ARGUMENT,
		    "a path is a string such as \"messages.1.content\", not %s",
		    mw_raise_show(L, 2).text);
	struct mw_str path = mw_raise_str(L, 2);
	if (path.n == 0 || path.n > PATH_MAX_BYTES)
		mw_raise(L, MW_CODE_ARGUMENT, "a path of %zu bytes; 1 to %d are allowed", path.n,
		    PATH_MAX_BYTES);
	return path;
}

/* ---- finding ---- */

/* Marks the beginning of each item while there is room, then of every second, and so on. */
static void mark_items(struct mw_marks *m)
{
	size_t at = 0, n = 0, used = 0;
	struct mw_str name;
	struct mw_json item;
	m->stride = 1;
	do {
		if (n % m->stride)
			continue;
		if (used == MW_LEN(m->at)) {
			for (used = 0; used < MW_LEN(m->at) / 2; used++)
				m->at[used] = m->at[2 * used];
			m->stride *= 2;
		}
		m->at[used++] = at;
	} while (mw_json_next(m->member, &at, &name, &item) && ++n);
	m->count = n;
}

/* A member of a document: where DECODE has found it, or by a search. */
static struct mw_json find_member(const struct mw_run *run, struct mw_str text, struct mw_str name)
{
	const struct mw_call *call = run->call;
	bool decoded = call && text.p == call->body.p;
	for (size_t i = 0; i < MW_MEMBERS && decoded; i++) {
		struct mw_json v = call->members[i];
		if (v.kind != MW_JSON_NONE && mw_str_eq(mw_call_members[i], name) &&
		    v.raw.p > text.p && v.raw.p < text.p + text.n)
			return v;
	}
	return mw_json_get(mw_json_value(text), name);
}

/* The marks of a member; NULL for a name that has no room in them. */
static const struct mw_marks *marks_of(struct mw_run *run, struct mw_str text, struct mw_str name)
{
	struct mw_marks *m = &run->marks;
	if (m->text == text.p && m->generation == run->generation &&
	    m->changes == run->journal.changes && mw_str_is(name, m->name))
		return m;
	if (name.n >= sizeof(m->name) || memchr(name.p, '\0', name.n))
		return NULL;
	m->text = text.p;
	m->generation = run->generation;
	m->changes = run->journal.changes;
	memcpy(m->name, name.p, name.n);
	m->name[name.n] = '\0';
	m->member = find_member(run, text, name);
	m->count = 0;
	if (m->member.kind == MW_JSON_ARRAY)
		mark_items(m);
	return m;
}

/* The item between two marks that lie side by side. */
static struct mw_json item_between(struct mw_str list, size_t begin, size_t end)
{
	begin = MW_MAX(begin, (size_t)1); /* behind the bracket */
	struct mw_str s = mw_str_trim_all(mw_strn(list.p + begin, end - begin));
	return mw_json_value(s.p[0] == ',' ? mw_strn(s.p + 1, s.n - 1) : s);
}

static struct mw_json item_at(const struct mw_marks *m, size_t i)
{
	struct mw_str name;
	struct mw_json item = {MW_JSON_NONE, MW_NOSTR};
	if (i >= m->count)
		return item;
	if (m->stride == 1)
		return item_between(m->member.raw, m->at[i], m->at[i + 1]);
	size_t at = m->at[i / m->stride];
	for (size_t skip = i % m->stride + 1; skip > 0; skip--)
		if (!mw_json_next(m->member, &at, &name, &item))
			break;
	return item;
}

struct mw_json mw_document_at(struct mw_run *run, struct mw_str text, struct mw_str path)
{
	struct mw_json none = {MW_JSON_NONE, MW_NOSTR};
	struct mw_str rest = path, name, step;
	size_t i;
	if (text.n == 0)
		return none;
	mw_str_cut(&rest, '.', &name);
	bool odd = mw_str_ends(path, MW_STR(".")); /* names nothing, and rest would not show it */
	const struct mw_marks *m = odd ? NULL : marks_of(run, text, name);
	if (!m)
		return mw_json_at(mw_json_value(text), path);
	if (m->member.kind != MW_JSON_ARRAY || name.n == path.n)
		return mw_json_at(m->member, rest);
	bool more = mw_str_cut(&rest, '.', &step);
	if (!mw_json_index(step, m->count, &i))
		return none;
	return more ? mw_json_at(item_at(m, i), rest) : item_at(m, i);
}

size_t mw_document_count(struct mw_run *run, struct mw_str text, struct mw_str name)
{
	const struct mw_marks *m = text.n ? marks_of(run, text, name) : NULL;
	return m ? m->count : 0;
}

/* ---- reading and writing ---- */

void mw_document_push(lua_State *L, struct mw_run *run, struct mw_json v)
{
	struct mw_err err;
	if (v.kind == MW_JSON_NONE || v.kind == MW_JSON_NULL) {
		lua_pushnil(L);
		return;
	}
	if (mw_convert_decode(L, v.raw, &err))
		return;
	if (err.code == MW_ERR_INTERNAL)
		mw_run_no_memory(L, run);
	mw_raise(L, MW_CODE_ARGUMENT, "%s", err.text);
}

int mw_document_get(lua_State *L, struct mw_run *run, struct mw_str text)
{
	mw_document_push(L, run, mw_document_at(run, text, path_of(L)));
	return 1;
}

struct mw_str mw_document_view(lua_State *L, struct mw_run *run)
{
	struct mw_err err;
	struct mw_str view;
	if (!mw_journal_view(&run->journal, &view, &err))
		mw_raise(L, MW_CODE_EDIT, "%s", err.text);
	return view;
}

struct mw_str mw_document_encode(lua_State *L, struct mw_run *run, int idx)
{
	struct mw_buf *scratch = &run->all->scratch;
	struct mw_err err;
	if (scratch->cap > SCRATCH_KEPT)
		mw_buf_deinit(scratch);
	mw_buf_clear(scratch);
	if (mw_convert_encode(L, idx, scratch, &err))
		return mw_buf_str(scratch);
	mw_guard_check(L);
	mw_raise(L, MW_CODE_ARGUMENT, "%s", err.text);
}

static void edit(lua_State *L, struct mw_run *run, struct mw_str path, struct mw_str value)
{
	struct mw_err err;
	if (!run->journal.document)
		mw_raise(L, MW_CODE_NOT_HERE, "there is no whole body here that could be changed");
	if (!mw_journal_edit(&run->journal, path, value, &err))
		mw_raise(L, MW_CODE_EDIT, "'%.*s': %s", MW_FMT(path), err.text);
}

int mw_document_set(lua_State *L, struct mw_run *run)
{
	struct mw_str path = path_of(L);
	if (lua_isnoneornil(L, 3))
		mw_raise(L, MW_CODE_ARGUMENT,
		    "set(\"%.*s\") without a value; use :del(path), or mw.json.null for a null",
		    MW_FMT(path));
	edit(L, run, path, mw_document_encode(L, run, 3));
	return 0;
}

int mw_document_del(lua_State *L, struct mw_run *run)
{
	edit(L, run, path_of(L), MW_NOSTR);
	return 0;
}

/* s without a character that is cut in its middle. */
static struct mw_str clip(struct mw_str s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return mw_strn(s.p, max);
}

/* The text of one part of a message; {NULL, 0} for an image or the like. */
static struct mw_str part_text(struct mw_json part, struct mw_arena *a)
{
	if (part.kind == MW_JSON_STRING)
		return mw_json_text(part, a);
	if (part.kind != MW_JSON_OBJECT)
		return MW_NOSTR;
	struct mw_json text = mw_json_get(part, MW_STR("text"));
	return text.kind == MW_JSON_STRING ? mw_json_text(text, a) : MW_NOSTR;
}

static void push_parts(lua_State *L, struct mw_arena *slate, struct mw_json parts, size_t max)
{
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	size_t at = 0, left = max;
	bool first = true;
	struct mw_str name;
	struct mw_json part;
	while (left > 0 && mw_json_next(parts, &at, &name, &part)) {
		struct mw_str text = part_text(part, slate);
		if (!text.p)
			continue;
		if (!first) {
			luaL_addchar(&b, '\n');
			left--;
		}
		first = false;
		text = clip(text, left);
		luaL_addlstring(&b, text.p, text.n);
		left -= text.n;
	}
	luaL_pushresult(&b);
}

void mw_document_push_text(lua_State *L, struct mw_run *run, struct mw_json content, size_t max)
{
	struct mw_arena *slate = run->all->slate;
	mw_arena_reset(slate);
	if (content.kind == MW_JSON_ARRAY) {
		push_parts(L, slate, content, max);
	} else if (content.kind == MW_JSON_STRING) {
		struct mw_str text = clip(mw_json_text(content, slate), max);
		lua_pushlstring(L, text.p ? text.p : "", text.n);
	} else {
		lua_pushnil(L);
	}
}
