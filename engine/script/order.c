/* SPDX-License-Identifier: MIT
 *
 * Orders of candidates.
 */
#include "script/order.h"

#include <math.h>
#include <stdlib.h>

enum { FEW = 16 };

static int compare(const void *a, const void *b)
{
	const struct mw_ranked *x = a, *y = b;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->tie < y->tie ? -1 : x->tie > y->tie;
}

void mw_order_sort(struct mw_ranked *items, size_t n)
{
	if (n > FEW) {
		qsort(items, n, sizeof(*items), compare);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct mw_ranked item = items[i];
		size_t at = i;
		for (; at > 0 && compare(&item, &items[at - 1]) < 0; at--)
			items[at] = items[at - 1];
		items[at] = item;
	}
}

/* The first of a race in which each runs at the speed of its weight, and the next, and so on. */
double mw_order_draw(struct mw_env *env, double weight)
{
	double u = mw_rng_unit(&env->rng);
	if (!(weight > 0))
		return INFINITY;
	return -log1p(-u) / weight;
}

static double weight_of(const struct mw_target *t, int by)
{
	switch (by) {
	case 0:
		return t->weight;
	case 1:
		return t->rpm;
	case 2:
		return t->tpm;
	}
	return 1;
}

/* The first measure that any candidate has. */
static int measure(const struct mw_candidate *candidates, size_t n)
{
	for (int by = 0; by < 3; by++)
		for (size_t i = 0; i < n; i++)
			if (weight_of(candidates[i].target, by) > 0)
				return by;
	return 3;
}

void mw_order_shuffle(
    struct mw_env *env, const struct mw_candidate *candidates, struct mw_ranked *items, size_t n)
{
	int by = measure(candidates, n);
	for (size_t i = 0; i < n; i++)
		items[i] = (struct mw_ranked){
		    .rank = mw_order_draw(env, weight_of(candidates[i].target, by)),
		    .tie = mw_env_random(env),
		    .index = (unsigned)i,
		};
	mw_order_sort(items, n);
}
