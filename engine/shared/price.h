/* SPDX-License-Identifier: MIT
 *
 * One price and what a call costs by it. Money is integer picodollars (1e-12 USD), so that sums are
 * exact. Each kind of token has its own rate; a tier replaces the rates for the whole call once the
 * prompt is larger than its threshold. Pure functions.
 */
#ifndef MW_PRICE_H
#define MW_PRICE_H

#include "call/usage.h"
#include "base/str.h"

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
	size_t n_tiers;              /* rising thresholds */
	int64_t context, max_output; /* tokens; 0: unknown */
};

/* Nothing is given. */
void mw_price_init(struct mw_price *price);
/* The rate of our own name ("input", "cache_write_1h" …), NULL if there is none. */
int64_t *mw_price_rate(struct mw_price_rates *rates, struct mw_str name);
/* The rates above a threshold, made when they are not there; NULL if there are too many tiers. */
struct mw_price_rates *mw_price_tier(struct mw_price *price, int64_t above);
/* A decimal number of USD per token, or per million of them, as picodollars per token, rounded to
 * whole ones; never by way of a double. False if it is none, negative, or over 1000 USD per token.
 */
bool mw_price_decimal(struct mw_str usd, bool per_million, int64_t *pico) MW_MUSTCHECK;
/* Is this the name of a rate in LiteLLM's words (input_cost_per_token, cache_read_input_token_cost,
 * output_cost_per_token_above_200k_tokens …)? */
bool mw_price_is_rate(struct mw_str key);
/* Gives such a rate, a decimal number of USD per token. False if `usd` is no such number (or it is
 * one tier too many). */
bool mw_price_set(struct mw_price *price, struct mw_str key, struct mw_str usd) MW_MUSTCHECK;

/* Cost in picodollars, by kind and in sum. A rate that the tier does not give is the base's. One
 * that neither gives: cached and cache_write are charged as input, cache_write_1h as cache_write,
 * audio as input and output, reasoning as output; input and output as nothing. */
struct mw_cost {
	int64_t input, cached, cache_write, output, total; /* audio is within input and output */
};
void mw_price_cost(const struct mw_price *price, const struct mw_usage *usage, struct mw_cost *out);

/* Picodollars as LiteLLM writes them in headers: USD, as Python prints a float ("2.7e-06",
 * "0.000123", "0.0", "1.5"). */
enum { MW_PRICE_TEXT = 32 };
struct mw_str mw_price_text(int64_t pico, char to[MW_PRICE_TEXT]); /* a slice of `to` */

#endif
