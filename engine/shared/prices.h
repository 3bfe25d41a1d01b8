/* SPDX-License-Identifier: MIT
 *
 * Price tables: the prices of models by name. Immutable once read, but for mw_prices_merge.
 */
#ifndef MW_PRICES_H
#define MW_PRICES_H

#include "base/arena.h"
#include "base/err.h"
#include "shared/price.h"

struct mw_prices;

/* Two formats are read; which one it is shows in the text. LiteLLM's price map:
 *
 *   {"gpt-4o": {"input_cost_per_token": 2.5e-06, …_above_200k_tokens, …}, …}
 *
 * where what is no price of a token is passed over, and a model without one too. And our own
 * (lua/prices.json), where a member that is not known is an error:
 *
 *   {"unit": "USD per million tokens",
 *    "models": {"openai/gpt-4o": {"input": 2.5, "cached": 1.25, "output": 10,
 *                                 "context": 128000, "max_output": 16384,
 *                                 "tiers": [{"above": 200000, "input": 5, …}]}, …}}
 *
 * Rates are named as in struct mw_price_rates. Prices are read as decimals, never through a double.
 * Errors (SETTINGS) read "FILE: what". */
struct mw_prices *mw_prices_parse(struct mw_str json, const char *file, struct mw_err *err);
void mw_prices_free(struct mw_prices *p); /* takes NULL */
/* Puts the entries of `from` over those of `p`: "gpt-4o" there wins over "openai/gpt-4o" here. */
void mw_prices_merge(struct mw_prices *p, const struct mw_prices *from);

/* "provider/model", then "model", then both without a date at the end ("-2024-08-06", "-20240806",
 * "@20240806"); NULL: unknown. */
const struct mw_price *mw_prices_find(
    const struct mw_prices *p, struct mw_str provider, struct mw_str model);

#endif
