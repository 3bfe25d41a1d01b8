/* SPDX-License-Identifier: MIT
 *
 * Numbers that policies remember by name: decaying averages and sums over a sliding window. A stat
 * is made once and lives as long as the registry, so that it is one for all workers and survives
 * reloads. All functions are thread-safe; times are env's now in microseconds.
 */
#ifndef MW_STATS_H
#define MW_STATS_H

#include "base/err.h"
#include "base/str.h"

enum { MW_STATS_MAX = 10000, MW_STATS_NAME = 200 };

enum mw_stat_kind {
	MW_STAT_EWMA,  /* a mean in which a sample's weight falls to 1/e in `span_us` */
	MW_STAT_WINDOW /* the samples of the last `span_us`, in slots of a sixteenth of it */
};

struct mw_stats; /* the registry */
struct mw_stat;

struct mw_stats *mw_stats_new(void);
void mw_stats_free(struct mw_stats *all); /* takes NULL */

/* The stat of this name, made when it is not there; a stat that exists takes the new span and keeps
 * what it has. NULL (SCRIPT): the name is taken by one of the other kind, or is too long, or there
 * are too many. Never moved, never freed before `all`. */
struct mw_stat *mw_stats_get(struct mw_stats *all, struct mw_str name, enum mw_stat_kind kind,
    uint64_t span_us, struct mw_err *err);

void mw_stat_add(struct mw_stat *s, double value, uint64_t now);

struct mw_stat_view {
	uint64_t count; /* samples; of a window: in it */
	double mean;    /* 0 without samples */
	double sum;     /* of a window */
	uint64_t span_us;
};
void mw_stat_view(struct mw_stat *s, uint64_t now, struct mw_stat_view *out);

#endif
