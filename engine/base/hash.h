/* SPDX-License-Identifier: MIT
 *
 * Hashing and random numbers. mw_hash is keyed once per process from the system, so that nobody
 * outside can choose colliding names. The generator is for routing, jitter and ids, not for
 * secrets.
 */
#ifndef MW_HASH_H
#define MW_HASH_H

#include "base/str.h"

uint64_t mw_hash(struct mw_str s); /* SipHash-1-3 with the process's key; thread-safe */

/* FNV-1a, the same in every process: for ids and version names that must not change. */
uint64_t mw_hash_stable(struct mw_str s);

struct mw_rng {
	uint64_t s[4];
};

void mw_rng_seed(struct mw_rng *r, uint64_t seed);
uint64_t mw_rng_next(struct mw_rng *r);
double mw_rng_unit(struct mw_rng *r); /* [0, 1) */

uint64_t mw_system_random(void); /* from the kernel; for seeds */

/* Equal in content, in a time that depends only on the lengths: for comparing keys. */
bool mw_equal_secret(struct mw_str a, struct mw_str b);

#endif
