/* SPDX-License-Identifier: MIT
 *
 * The journal. Edits of top-level members wait until somebody looks, because together they cost one
 * copy of the document; an edit with a longer path is applied at once, so that a path that leads
 * nowhere is the error of the line that wrote it.
 */
#include "script/journal.h"

void mw_journal_init(struct mw_journal *j)
{
	*j = (struct mw_journal){.values = mw_arena_new()};
	j->views[0] = mw_arena_new();
	j->views[1] = mw_arena_new();
}

void mw_journal_deinit(struct mw_journal *j)
{
	mw_arena_free(j->values);
	mw_arena_free(j->views[0]);
	mw_arena_free(j->views[1]);
}

void mw_journal_begin(struct mw_journal *j, struct mw_str *document)
{
	j->document = document;
	j->view = document ? *document : MW_NOSTR;
	if (!j->dirty)
		return;
	j->dirty = false;
	j->bytes = 0;
	j->n_edits = j->n_notes = j->n_samples = 0;
	mw_arena_reset(j->values);
	mw_arena_reset(j->views[0]);
	mw_arena_reset(j->views[1]);
}

/* Copies s into the journal; false when this run has set too much. */
static bool keep(struct mw_journal *j, struct mw_str *s, struct mw_err *err)
{
	j->dirty = true;
	char *p = s->n <= MW_JOURNAL_BYTES - j->bytes ? mw_arena_try(j->values, s->n) : NULL;
	if (!p)
		return mw_err_set(err, MW_ERR_SCRIPT, "one run may set no more than %d MiB",
		    MW_JOURNAL_BYTES >> 20);
	j->bytes += s->n;
	if (s->n)
		memcpy(p, s->p, s->n);
	*s = mw_strn(p, s->n);
	return true;
}

/* Applies what waits; the new view is in the arena, unless nothing has changed. */
static bool apply(struct mw_journal *j, struct mw_arena *arena, struct mw_err *err)
{
	size_t n = j->n_edits;
	j->n_edits = 0;
	j->changes++;
	return mw_json_edit(j->view, j->edits, n, arena, &j->view, err);
}

/* The next view is made in the arena where the present one is not. */
static bool apply_waiting(struct mw_journal *j, struct mw_err *err)
{
	if (j->n_edits == 0)
		return true;
	const char *before = j->view.p;
	struct mw_arena *arena = j->views[j->turn ^ 1];
	mw_arena_reset(arena);
	if (!apply(j, arena, err))
		return false;
	if (j->view.p != before)
		j->turn ^= 1;
	return true;
}

bool mw_journal_edit(
    struct mw_journal *j, struct mw_str path, struct mw_str value, struct mw_err *err)
{
	if (j->n_edits == MW_JOURNAL_EDITS && !apply_waiting(j, err))
		return false;
	if (!keep(j, &path, err) || (value.p && !keep(j, &value, err)))
		return false;
	bool deep = mw_str_find(path, '.') < path.n;
	if (deep && !apply_waiting(j, err))
		return false;
	j->edits[j->n_edits++] = (struct mw_json_edit){path, value};
	return !deep || apply_waiting(j, err);
}

bool mw_journal_view(struct mw_journal *j, struct mw_str *out, struct mw_err *err)
{
	if (!apply_waiting(j, err))
		return false;
	*out = j->view;
	return true;
}

static struct mw_note *find_note(
    const struct mw_journal *j, enum mw_note_kind kind, struct mw_str name)
{
	for (size_t i = 0; i < j->n_notes; i++) {
		const struct mw_note *n = &j->notes[i];
		bool same =
		    kind == MW_NOTE_TAG ? mw_str_eq(n->name, name) : mw_str_ieq(n->name, name);
		if (n->kind == kind && same)
			return (struct mw_note *)n;
	}
	return NULL;
}

struct mw_str mw_journal_noted(
    const struct mw_journal *j, enum mw_note_kind kind, struct mw_str name)
{
	const struct mw_note *note = find_note(j, kind, name);
	return note ? note->value : MW_NOSTR;
}

bool mw_journal_note(struct mw_journal *j, enum mw_note_kind kind, struct mw_str name,
    struct mw_str value, struct mw_err *err)
{
	struct mw_note *note = find_note(j, kind, name);
	if (!note && j->n_notes == MW_JOURNAL_NOTES)
		return mw_err_set(err, MW_ERR_SCRIPT,
		    "one run may set no more than %d tags and headers", MW_JOURNAL_NOTES);
	if (!keep(j, &name, err) || !keep(j, &value, err))
		return false;
	if (!note)
		note = &j->notes[j->n_notes++];
	*note = (struct mw_note){kind, name, value};
	return true;
}

bool mw_journal_sample(struct mw_journal *j, struct mw_stat *stat, double value, struct mw_err *err)
{
	if (j->n_samples == MW_JOURNAL_SAMPLES)
		return mw_err_set(err, MW_ERR_SCRIPT, "one run may add no more than %d samples",
		    MW_JOURNAL_SAMPLES);
	j->dirty = true;
	j->samples[j->n_samples++] = (struct mw_sample){stat, value};
	return true;
}

static void put_tag(struct mw_call *call, const struct mw_note *note)
{
	struct mw_tag **at = &call->tags;
	while (*at && !mw_str_eq((*at)->key, note->name))
		at = &(*at)->next;
	if (!*at) {
		*at = mw_arena_zalloc(call->arena, sizeof(**at));
		(*at)->key = mw_arena_dup(call->arena, note->name);
	}
	(*at)->value = mw_arena_dup(call->arena, note->value);
}

static void put_header(struct mw_arena *a, struct mw_extra_header **at, const struct mw_note *note)
{
	while (*at && !mw_str_ieq((*at)->header.name, note->name))
		at = &(*at)->next;
	if (!*at)
		*at = mw_arena_zalloc(a, sizeof(**at));
	(*at)->header.name = mw_arena_dup(a, note->name);
	(*at)->header.value = mw_arena_dup(a, note->value);
}

static bool commit_document(struct mw_journal *j, struct mw_call *call, struct mw_err *err)
{
	if (j->n_edits > 0) {
		if (!apply(j, call->arena, err))
			return false;
	} else if (j->view.p != j->document->p) {
		char *p = mw_arena_try(call->arena, j->view.n + 1);
		if (!p)
			return mw_err_set(err, MW_ERR_SCRIPT, "no memory for the edited body");
		memcpy(p, j->view.p, j->view.n);
		p[j->view.n] = '\0';
		j->view.p = p;
	}
	*j->document = j->view;
	return true;
}

bool mw_journal_commit(struct mw_journal *j, struct mw_call *call,
    struct mw_extra_header **to_target, uint64_t now, struct mw_err *err)
{
	if (!j->dirty)
		return true;
	if (j->document && !commit_document(j, call, err))
		return false;
	for (size_t i = 0; i < j->n_notes; i++) {
		const struct mw_note *note = &j->notes[i];
		if (note->kind == MW_NOTE_TAG)
			put_tag(call, note);
		else
			put_header(call->arena,
			    note->kind == MW_NOTE_TO_CLIENT ? &call->to_client : to_target, note);
	}
	for (size_t i = 0; i < j->n_samples; i++)
		mw_stat_add(j->samples[i].stat, j->samples[i].value, now);
	return true;
}
