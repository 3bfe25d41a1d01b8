/* SPDX-License-Identifier: MIT
 *
 * Lua 5.1 patterns with a budget. Matching means the same as string.find and its kin in the stock
 * library, but each comparison is a step, and when the steps are used up the match ends with a
 * fault; nothing recurses. Pure C on bytes, no Lua: script/prim_text.c gives it to policies.
 */
#ifndef MW_PATTERN_H
#define MW_PATTERN_H

#include "base/str.h"

enum {
	MW_PATTERN_CAPTURES = 32,
	MW_PATTERN_SETS = 8,      /* that are remembered */
	MW_PATTERN_POINTS = 256,  /* places to come back to: a quantifier or a capture each */
	MW_PATTERN_STEPS = 200000, /* a call's budget … */
	MW_PATTERN_BYTE_STEPS = 100 /* … and what each byte of the subject adds to it */
};

enum {
	MW_CAPTURE_OPEN = -1,    /* begun, not ended */
	MW_CAPTURE_POSITION = -2 /* "()": the place itself */
};

struct mw_capture {
	size_t at;   /* from 0 */
	ptrdiff_t n; /* length, or one of the two above */
};

/* A set of the pattern: a bit for each byte. */
struct mw_pattern_set {
	size_t from, end; /* in the pattern */
	uint64_t bits[4];
};

struct mw_pattern {
	struct mw_str subject, text;
	size_t steps;      /* left */
	bool (*over)(void); /* asked now and then: must it end now, as if no steps were left? Or NULL */
	bool exhausted;    /* the fault is that the steps are used up */
	const char *fault; /* what is wrong, in words; NULL: nothing */
	size_t n_captures;
	struct mw_capture captures[MW_PATTERN_CAPTURES];
	size_t n_sets;
	struct mw_pattern_set sets[MW_PATTERN_SETS];
};

/* Both are borrowed as long as m is used. */
void mw_pattern_init(struct mw_pattern *m, struct mw_str subject, struct mw_str text);

/* Does the pattern match at exactly this place? Then *end is where the match ends. After false look
 * at m->fault. A '^' is an ordinary character here. */
bool mw_pattern_at(struct mw_pattern *m, size_t at, size_t *end) MW_MUSTCHECK;

/* The first match that begins at `*at` or later; moves *at there. */
bool mw_pattern_next(struct mw_pattern *m, size_t *at, size_t *end) MW_MUSTCHECK;

/* Has the text no character with a meaning? Then plain search will do. */
bool mw_pattern_is_plain(struct mw_str text);

#endif
