/* SPDX-License-Identifier: MIT
 *
 * How each target is doing: calls in flight, latency, failures, cooldown. A health record belongs to a
 * target id, is made once and lives as long as the process, so that a reload forgets nothing. All
 * functions are thread-safe; times are env's now in microseconds.
 */
#ifndef MW_HEALTH_H
#define MW_HEALTH_H

#include "base/str.h"

struct mw_healths; /* all of them */
struct mw_health;

struct mw_healths *mw_healths_new(void);
void mw_healths_free(struct mw_healths *all);
/* The record of a target id; made when it is not there. Never NULL, never moved, never freed before `all`. */
struct mw_health *mw_healths_of(struct mw_healths *all, struct mw_str target_id);

/* The numbers at one moment. A latency of 0 means that none is known: no sample yet, or none for about
 * five minutes. */
struct mw_health_view {
	int64_t inflight;
	double ttft_us;      /* time to first content, decaying average (tau 60 s) */
	double total_us;     /* time to the end of good answers */
	double per_token_us; /* total time over completion tokens (LiteLLM's latency measure) */
	double error_rate;   /* failed share of the attempts of the last minute, 0..1 */
	uint64_t calls;      /* attempts of the last minute, neutral ones left out */
	uint64_t cooling_us; /* how long it still cools; 0: it does not */
};
void mw_health_view(struct mw_health *h, uint64_t now, struct mw_health_view *out);

uint64_t mw_health_cooling(struct mw_health *h, uint64_t now); /* remaining, 0: not cooling */

/* An attempt begins and ends. */
void mw_health_start(struct mw_health *h);

enum mw_health_outcome {
	MW_HEALTH_OK,
	MW_HEALTH_FAILED,    /* counts against the target */
	MW_HEALTH_TIMED_OUT, /* the same, and counts as very slow */
	MW_HEALTH_NEUTRAL, /* the client's fault, or the client left: says nothing about the target */
};
struct mw_health_sample {
	enum mw_health_outcome outcome;
	int status;       /* of the reply; 0: none came */
	uint64_t ttft_us; /* 0: no content came */
	uint64_t total_us;
	int64_t tokens;          /* completion tokens, 0: unknown */
	uint64_t retry_after_us; /* the provider's own wish; 0: none */
};
/* What decides about cooling (facts of the settings). */
struct mw_cooldown_rule {
	bool disabled;
	bool only_target; /* the group has no other */
	int allowed_fails; /* -1: default logic: 429 cools at once unless only_target; more than half failed
	                        * of at least 5 in this minute cools unless only_target; statuses that a retry
	                        * cannot mend (401, 403, 404) cool unless only_target. Else: more than so many
	                        * failures within cooldown_us (counted from the first) cool, only_target or not. */
	uint64_t
	    cooldown_us; /* 0: never cools. A sample's retry_after wins, from one second to an hour */
};
/* Returns true if this sample began a cooldown (not if it made one longer that was under way). */
bool mw_health_end(struct mw_health *h, uint64_t now, const struct mw_health_sample *sample,
    const struct mw_cooldown_rule *rule);

#endif
