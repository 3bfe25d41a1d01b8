/* SPDX-License-Identifier: MIT
 *
 * Putting candidates in an order: by weight drawn at random, or by score. No Lua.
 */
#ifndef MW_ORDER_H
#define MW_ORDER_H

#include "base/env.h"
#include "script/hook.h"

struct mw_ranked {
	double rank; /* lower comes first */
	uint64_t tie; /* decides between equals */
	unsigned index;
};

void mw_order_sort(struct mw_ranked *items, size_t n);

/* The rank of an item in a weighted random order: sorted by it, the chance of each to come first
 * among those that are left is its share of their weights. Weight 0: after all others. */
double mw_order_draw(struct mw_env *env, double weight);

/* The order that routing falls back on: weight, else rpm, else tpm, else all alike. */
void mw_order_shuffle(struct mw_env *env, const struct mw_candidate *candidates,
    struct mw_ranked *items, size_t n);

#endif
