/* SPDX-License-Identifier: MIT
 *
 * Changing parts of a text. Each object or array on the way is taken apart into a list of members,
 * the list is changed, and the new text is put together from it, in which members that nobody
 * touched and that still stand side by side are one piece with all that stands between them.
 */
#include "base/json.h"
#include "base/json_scan.h"

enum { NEW = -1 };

struct member {
	struct mw_str name; /* raw, with quotes; empty for items of arrays */
	struct mw_str value;
	int64_t place; /* in the old text; NEW when it was changed or added */
};

struct editor {
	struct mw_arena *arena;
	struct mw_err *err;
	struct mw_str path; /* of the edit under way, for messages */
	size_t above;       /* its bytes that belong to the levels above */
	int depth;
};

/* A container taken apart. */
struct list {
	enum mw_json_kind kind;
	struct member *at;
	size_t n, room;
	bool changed;
};

static bool edit_value(struct editor *e, struct mw_json in, const struct mw_json_edit *edits,
    size_t n, struct mw_str *out);

static bool refuse(struct editor *e, const char *why)
{
	struct mw_str path = e->path;
	mw_err_set(e->err, MW_ERR_BAD_REQUEST, "cannot edit '%.*s': %s",
	    (int)MW_MIN(path.n, (size_t)200), path.n ? path.p : "", why);
	if (e->err) {
		size_t n = MW_MIN(path.n, sizeof(e->err->param) - 1);
		memcpy(e->err->param, path.n ? path.p : "", n);
		e->err->param[n] = '\0';
	}
	return false;
}

/* ---- lists of members -------------------------------------------------------------------------- */

static bool no_memory(struct editor *e)
{
	return mw_err_set(e->err, MW_ERR_INTERNAL, "not enough memory to edit a JSON text");
}

/* Room for one more member. */
static bool list_grow(struct editor *e, struct list *list)
{
	if (list->n < list->room)
		return true;
	size_t room = MW_MAX(2 * list->room, (size_t)32);
	struct member *at = mw_arena_try(e->arena, room * sizeof(*at));
	if (!at)
		return no_memory(e);
	if (list->n)
		memcpy(at, list->at, list->n * sizeof(*at));
	list->at = at;
	list->room = room;
	return true;
}

static bool take_apart(struct editor *e, struct mw_json in, struct list *list)
{
	struct mw_json value;
	struct mw_str name;
	*list = (struct list){.kind = in.kind};
	for (size_t at = 0; mw_json_next(in, &at, &name, &value); list->n++) {
		if (!list_grow(e, list))
			return false;
		list->at[list->n] = (struct member){name, value.raw, (int64_t)list->n};
	}
	return true;
}

static struct mw_str quoted(struct editor *e, struct mw_str name)
{
	struct mw_buf b;
	mw_buf_init(&b, SIZE_MAX / 2);
	mw_json_quote(&b, name);
	struct mw_str copy = mw_arena_dup(e->arena, mw_buf_str(&b));
	mw_buf_deinit(&b);
	return copy;
}

/* list->n when there is none. */
static size_t find_name(const struct list *list, struct mw_str name)
{
	for (size_t i = 0; i < list->n; i++) {
		struct mw_str raw = list->at[i].name;
		if (mw_json_scan_same(mw_strn(raw.p + 1, raw.n - 2), name))
			return i;
	}
	return list->n;
}

/* Where the step leads; *at is list->n for a place that is yet to be made, or even beyond. */
static bool find_place(struct editor *e, const struct list *list, struct mw_str step, size_t *at)
{
	if (list->kind == MW_JSON_OBJECT) {
		*at = find_name(list, step);
		return true;
	}
	return mw_json_index(step, list->n, at) ||
	       refuse(
		   e, "no such item; arrays are entered by an index, from 1, or from the end, -1");
}

static bool list_set(
    struct editor *e, struct list *list, size_t at, struct mw_str step, struct mw_str value)
{
	if (at == list->n) {
		if (!list_grow(e, list))
			return false;
		bool named = list->kind == MW_JSON_OBJECT;
		list->at[list->n++].name = named ? quoted(e, step) : MW_NOSTR;
	}
	list->at[at].value = value;
	list->at[at].place = NEW;
	list->changed = true;
	return true;
}

static void list_delete(struct list *list, size_t at)
{
	if (at >= list->n)
		return;
	list->n--;
	memmove(list->at + at, list->at + at + 1, (list->n - at) * sizeof(*list->at));
	list->changed = true;
}

static const char *member_begin(const struct member *m)
{
	return m->name.p ? m->name.p : m->value.p;
}

/* The index behind the members that follow `from` in the old text too. */
static size_t run_end(const struct list *list, size_t from)
{
	const struct member *m = list->at;
	size_t i = from + 1;
	while (i < list->n && m[i].place != NEW && m[i].place == m[i - 1].place + 1)
		i++;
	return i;
}

static char *put(char *out, struct mw_str s)
{
	if (s.n)
		memcpy(out, s.p, s.n);
	return out + s.n;
}

static char *put_member(char *out, const struct member *m)
{
	out = put(out, m->name);
	if (m->name.n)
		*out++ = ':';
	return put(out, m->value);
}

static char *put_run(char *out, const struct member *first, const struct member *last)
{
	const char *begin = member_begin(first);
	return put(out, mw_strn(begin, (size_t)(last->value.p + last->value.n - begin)));
}

static bool put_together(struct editor *e, const struct list *list, size_t old, struct mw_str *text)
{
	size_t room = old + 2;
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].place == NEW)
			room += list->at[i].name.n + list->at[i].value.n + 2;
	char *begin = mw_arena_try(e->arena, room), *out = begin;
	if (!begin)
		return no_memory(e);
	*out++ = list->kind == MW_JSON_OBJECT ? '{' : '[';
	for (size_t i = 0, next; i < list->n; i = next) {
		const struct member *m = &list->at[i];
		if (i)
			*out++ = ',';
		next = m->place == NEW ? i + 1 : run_end(list, i);
		out = m->place == NEW ? put_member(out, m) : put_run(out, m, &list->at[next - 1]);
	}
	*out++ = list->kind == MW_JSON_OBJECT ? '}' : ']';
	*text = mw_strn(begin, (size_t)(out - begin));
	return true;
}

/* ---- edits ------------------------------------------------------------------------------------- */

/* How many of the edits, from the first on, go below the same member. */
static size_t count_below(const struct mw_json_edit *edits, size_t n, struct mw_str step)
{
	size_t i = 0;
	for (; i < n; i++) {
		struct mw_str path = edits[i].path, head;
		if (!mw_str_cut(&path, '.', &head) || !mw_str_eq(head, step))
			break;
	}
	return i;
}

static bool only_deletes(const struct mw_json_edit *edits, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (edits[i].value.p)
			return false;
	return true;
}

/* Edits below the member at `at`, which may be yet to be made. */
static bool edit_below(struct editor *e, struct list *list, size_t at, struct mw_str step,
    const struct mw_json_edit *edits, size_t n)
{
	struct mw_json old = {MW_JSON_NONE, MW_NOSTR};
	if (at < list->n)
		old = mw_json_value(list->at[at].value);
	if (old.kind == MW_JSON_NONE || old.kind == MW_JSON_NULL) {
		if (only_deletes(edits, n))
			return true;
		old = (struct mw_json){MW_JSON_OBJECT, MW_STR("{}")};
	}
	struct mw_json_edit *rest = mw_arena_alloc(e->arena, n * sizeof(*rest));
	size_t gone = step.n + 1;
	for (size_t i = 0; i < n; i++) {
		rest[i].path = mw_strn(edits[i].path.p + gone, edits[i].path.n - gone);
		rest[i].value = edits[i].value;
	}
	struct mw_str text;
	e->above += gone;
	if (!edit_value(e, old, rest, n, &text))
		return false;
	e->above -= gone;
	bool same = text.p == old.raw.p && at < list->n;
	return same || list_set(e, list, at, step, text);
}

/* Applies the first edits that have their first step in common; *done is how many. */
static bool edit_some(
    struct editor *e, struct list *list, const struct mw_json_edit *edits, size_t n, size_t *done)
{
	struct mw_str rest = edits->path, step;
	size_t at;
	e->path = mw_strn(edits->path.p - e->above, edits->path.n + e->above);
	bool below = mw_str_cut(&rest, '.', &step);
	*done = below ? count_below(edits, n, step) : 1;
	bool deletes = only_deletes(edits, *done);
	if (!find_place(e, list, step, &at))
		return false;
	if (at > list->n)
		return deletes || refuse(e, "the index is past the end of the array");
	if (below)
		return edit_below(e, list, at, step, edits, *done);
	if (!deletes)
		return list_set(e, list, at, step, edits->value);
	list_delete(list, at);
	return true;
}

static bool edit_list(struct editor *e, struct mw_json in, const struct mw_json_edit *edits,
    size_t n, struct mw_str *out)
{
	struct list list;
	if (!take_apart(e, in, &list))
		return false;
	for (size_t i = 0, done; i < n; i += done)
		if (!edit_some(e, &list, edits + i, n - i, &done))
			return false;
	*out = in.raw;
	return !list.changed || put_together(e, &list, in.raw.n, out);
}

static bool edit_value(struct editor *e, struct mw_json in, const struct mw_json_edit *edits,
    size_t n, struct mw_str *out)
{
	if (in.kind != MW_JSON_OBJECT && in.kind != MW_JSON_ARRAY)
		return refuse(e, "what it leads through is neither an object nor an array");
	if (e->depth == MW_MAX_DEPTH)
		return refuse(e, "the path is too deep");
	e->depth++;
	bool ok = edit_list(e, in, edits, n, out);
	e->depth--;
	return ok;
}

bool mw_json_edit(struct mw_str text, const struct mw_json_edit *edits, size_t n,
    struct mw_arena *a, struct mw_str *out, struct mw_err *err)
{
	struct editor e = {.arena = a, .err = err};
	*out = text;
	if (n == 0)
		return true;
	struct mw_json root = mw_json_value(text);
	struct mw_str edited;
	e.path = edits->path;
	if (!edit_value(&e, root, edits, n, &edited))
		return false;
	if (edited.p != root.raw.p)
		*out = edited;
	return true;
}
