/* SPDX-License-Identifier: MIT
 *
 * The journal of one run of a hook: what it sets. All of it takes effect when the hook returns
 * normally (commit), or none of it (begin of the next run). So a hook may be stopped at any
 * instruction and nothing is half done.
 */
#ifndef MW_JOURNAL_H
#define MW_JOURNAL_H

#include "base/json.h"
#include "call/call.h"
#include "shared/stats.h"

enum {
	MW_JOURNAL_EDITS = 64,       /* that wait to be applied together */
	MW_JOURNAL_NOTES = 64,       /* tags and headers */
	MW_JOURNAL_SAMPLES = 64,     /* of mw.stats */
	MW_JOURNAL_BYTES = 32 << 20, /* of values that are set in one run */
};

enum mw_note_kind { MW_NOTE_TAG, MW_NOTE_TO_CLIENT, MW_NOTE_TO_TARGET };

struct mw_note {
	enum mw_note_kind kind;
	struct mw_str name, value;
};

struct mw_sample {
	struct mw_stat *stat;
	double value;
};

struct mw_journal {
	struct mw_arena *values;   /* of edits and notes that wait */
	struct mw_arena *views[2]; /* the edited document, and the one it was made from */
	unsigned turn;
	bool dirty;                /* anything below holds something */
	size_t bytes;
	struct mw_str *document;   /* what may be edited in this run; NULL: nothing */
	struct mw_str view;        /* as it is with the edits applied so far */
	unsigned changes;          /* views so far: a view may lie where an older one lay */
	struct mw_json_edit edits[MW_JOURNAL_EDITS];
	size_t n_edits;
	struct mw_note notes[MW_JOURNAL_NOTES];
	size_t n_notes;
	struct mw_sample samples[MW_JOURNAL_SAMPLES];
	size_t n_samples;
};

void mw_journal_init(struct mw_journal *j);
void mw_journal_deinit(struct mw_journal *j);

/* Forgets what an earlier run left; `document` is what this one may edit. */
void mw_journal_begin(struct mw_journal *j, struct mw_str *document);

/* Each copies what it is given. False with *err (SCRIPT) when the journal is full, or the path
 * leads nowhere. A value of {NULL, 0} deletes. */
bool mw_journal_edit(struct mw_journal *j, struct mw_str path, struct mw_str value,
    struct mw_err *err) MW_MUSTCHECK;
bool mw_journal_note(struct mw_journal *j, enum mw_note_kind kind, struct mw_str name,
    struct mw_str value, struct mw_err *err) MW_MUSTCHECK;
bool mw_journal_sample(struct mw_journal *j, struct mw_stat *stat, double value, struct mw_err *err)
    MW_MUSTCHECK;

/* The document as the hook has edited it so far; good until the next edit. */
bool mw_journal_view(struct mw_journal *j, struct mw_str *out, struct mw_err *err) MW_MUSTCHECK;
/* The value that a note has been given in this run; {NULL, 0}: none. */
struct mw_str mw_journal_noted(const struct mw_journal *j, enum mw_note_kind kind,
    struct mw_str name);

/* Puts all of it into the call (memory from its arena), the target's headers into *to_target (may
 * be NULL if there can be none). `now` is for the samples. */
bool mw_journal_commit(struct mw_journal *j, struct mw_call *call,
    struct mw_extra_header **to_target, uint64_t now, struct mw_err *err) MW_MUSTCHECK;

#endif
