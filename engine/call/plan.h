/* SPDX-License-Identifier: MIT
 *
 * A plan: what routing decided, as data. The gate walks it: targets in order, from the first again
 * when the list is at its end, until `attempts` have been made or the deadline has passed.
 */
#ifndef MW_PLAN_H
#define MW_PLAN_H

#include "call/target.h"

enum { MW_PLAN_MAX = 32 };

struct mw_plan_step {
	const struct mw_target *target;
	uint64_t first_us; /* until the first content; 0: as the settings say */
	uint64_t total_us; /* until the end; 0: as the settings say */
	uint64_t wait_us;  /* pause before this attempt */
};

struct mw_plan {
	struct mw_plan_step steps[MW_PLAN_MAX];
	size_t n;
	unsigned attempts;    /* 0: as the settings say (num_retries + 1) */
	uint64_t deadline_us; /* for all attempts together, since the plan was made; 0: none */
};

#endif
