/* SPDX-License-Identifier: MIT
 *
 * Prices and cost. Money is integer picodollars (1e-12 USD), so that sums are exact. Each kind of
 * token has its own rate; a tier replaces all rates for the whole call once the prompt is larger
 * than its threshold. Tables are immutable once read.
 */
#ifndef MW_PRICES_H
#define MW_PRICES_H

#include "base/arena.h"
#include "base/err.h"
#include "call/usage.h"

struct mw_price_rates { /* picodollars per token; -1: not given, see mw_price_cost for what stands
			   in */
	int64_t input, cached, cache_write, cache_write_1h, audio_in;
	int64_t output, reasoning, audio_out;
};

enum { MW_PRICE_TIERS = 4 };

struct mw_price {
	struct mw_price_rates base;
	struct {
		int64_t above; /* prompt tokens */
		struct mw_price_rates rates;
	} tiers[MW_PRICE_TIERS];
	size_t n_tiers;		     /* rising thresholds */
	int64_t context, max_output; /* tokens; 0: unknown */
};

struct mw_prices;

/* Two formats are read: our own (lua/prices.json, see lua/README.md) and LiteLLM's price map
 * (input_cost_per_token …, *_above_Nk_tokens). Which one it is shows in the text. */
struct mw_prices *mw_prices_parse(struct mw_str json, const char *file, struct mw_err *err);
void mw_prices_free(struct mw_prices *p); /* takes NULL */
/* Puts the entries of `from` over those of `p`. */
void mw_prices_merge(struct mw_prices *p, const struct mw_prices *from);

/* "provider/model", then "model", then the model without a date suffix; NULL: unknown. */
const struct mw_price *mw_prices_find(
    const struct mw_prices *p, struct mw_str provider, struct mw_str model);

/* Cost in picodollars, by kind and in sum. Cached falls back on input; cache_write on input;
 * cache_write_1h on cache_write; audio on input/output; reasoning on output. */
struct mw_cost {
	int64_t input, cached, cache_write, output, total;
};
void mw_price_cost(const struct mw_price *price, const struct mw_usage *usage, struct mw_cost *out);

/* Picodollars as LiteLLM writes them in headers: USD, shortest decimal or exponent form ("2.7e-06",
 * "0.0"). */
struct mw_str mw_price_text(int64_t pico, char buf[32]);

#endif
