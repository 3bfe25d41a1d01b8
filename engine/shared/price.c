/* SPDX-License-Identifier: MIT
 *
 * Prices: decimals to picodollars, rates by name, tiers, and the cost of a call.
 */
#include "shared/price.h"

#include "base/number.h"

#include <stdlib.h>

#define MOST_PICO INT64_C(1000000000000000) /* 1000 USD per token */
#define TINY_PICO INT64_C(100000000)        /* 0.0001 USD */

enum { PICO_DIGITS = 12 };

struct rate {
	const char *ours, *litellm;
	size_t at; /* in struct mw_price_rates */
};

static const struct rate rates[] = {
    {"input", "input_cost_per_token", offsetof(struct mw_price_rates, input)},
    {"cached", "cache_read_input_token_cost", offsetof(struct mw_price_rates, cached)},
    {"cache_write", "cache_creation_input_token_cost",
	offsetof(struct mw_price_rates, cache_write)},
    {"cache_write_1h", "cache_creation_input_token_cost_above_1hr",
	offsetof(struct mw_price_rates, cache_write_1h)},
    {"audio_in", "input_cost_per_audio_token", offsetof(struct mw_price_rates, audio_in)},
    {"output", "output_cost_per_token", offsetof(struct mw_price_rates, output)},
    {"reasoning", "output_cost_per_reasoning_token", offsetof(struct mw_price_rates, reasoning)},
    {"audio_out", "output_cost_per_audio_token", offsetof(struct mw_price_rates, audio_out)},
};

static int64_t *rate_in(struct mw_price_rates *in, const struct rate *r)
{
	return (int64_t *)((char *)in + r->at);
}

static void rates_init(struct mw_price_rates *r)
{
	for (size_t i = 0; i < MW_LEN(rates); i++)
		*rate_in(r, &rates[i]) = -1;
}

void mw_price_init(struct mw_price *price)
{
	*price = (struct mw_price){0};
	rates_init(&price->base);
}

int64_t *mw_price_rate(struct mw_price_rates *in, struct mw_str name)
{
	for (size_t i = 0; i < MW_LEN(rates); i++)
		if (mw_str_is(name, rates[i].ours))
			return rate_in(in, &rates[i]);
	return NULL;
}

struct mw_price_rates *mw_price_tier(struct mw_price *price, int64_t above)
{
	size_t at = 0;
	while (at < price->n_tiers && price->tiers[at].above < above)
		at++;
	if (at < price->n_tiers && price->tiers[at].above == above)
		return &price->tiers[at].rates;
	if (price->n_tiers == MW_PRICE_TIERS)
		return NULL;
	for (size_t i = price->n_tiers++; i > at; i--)
		price->tiers[i] = price->tiers[i - 1];
	price->tiers[at].above = above;
	rates_init(&price->tiers[at].rates);
	return &price->tiers[at].rates;
}

/* ---- decimals -------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits with at most one point between them; *exponent counts those behind it. 18 digits are kept.
 */
static size_t read_mantissa(struct mw_str s, int64_t *mantissa, long *exponent)
{
	size_t i = 0, digits = 0;
	bool point = false;
	*mantissa = 0;
	*exponent = 0;
	for (; i < s.n && (is_digit(s.p[i]) || (s.p[i] == '.' && !point)); i++) {
		if (s.p[i] == '.') {
			point = true;
			continue;
		}
		digits++;
		bool kept = *mantissa < INT64_C(100000000000000000);
		if (kept)
			*mantissa = *mantissa * 10 + (s.p[i] - '0');
		*exponent += (kept ? 0 : 1) - (point ? 1 : 0);
	}
	return digits ? i : 0;
}

/* mantissa * 10^exponent, rounded half up. */
static bool scale(int64_t mantissa, long exponent, int64_t *out)
{
	for (; exponent > 0 && mantissa; exponent--)
		if (__builtin_mul_overflow(mantissa, 10, &mantissa))
			return false;
	for (; exponent < -1 && mantissa; exponent++)
		mantissa /= 10;
	if (exponent == -1)
		mantissa = (mantissa + 5) / 10;
	*out = mantissa;
	return mantissa <= MOST_PICO;
}

bool mw_price_decimal(struct mw_str usd, bool per_million, int64_t *pico)
{
	int64_t mantissa;
	long exponent, power = 0;
	size_t n = read_mantissa(usd, &mantissa, &exponent);
	if (n == 0)
		return false;
	if (n < usd.n) {
		char word[16]; /* "e-06" */
		if ((usd.p[n] != 'e' && usd.p[n] != 'E') || usd.n - n - 1 >= sizeof(word))
			return false;
		memcpy(word, usd.p + n + 1, usd.n - n - 1);
		word[usd.n - n - 1] = '\0';
		char *end;
		power = strtol(word, &end, 10);
		if (end == word || *end || (unsigned char)word[0] <= ' ' || labs(power) > 1000)
			return false;
	}
	return scale(mantissa, exponent + power + (per_million ? 6 : 12), pico);
}

/* ---- LiteLLM's names ------------------------------------------------------------------------- */

/* "x_above_200k_tokens" is rate x of the tier above 200,000; *above is 0 where there is no such
 * end. */
static const struct rate *find_litellm(struct mw_str key, int64_t *above)
{
	*above = 0;
	if (mw_str_ends(key, MW_STR("k_tokens"))) {
		size_t end = key.n - (sizeof("k_tokens") - 1), at = end;
		while (at > 0 && is_digit(key.p[at - 1]))
			at--;
		uint64_t thousands;
		struct mw_str name = mw_strn(key.p, at);
		if (!mw_str_ends(name, MW_STR("_above_")) || end - at > 9 ||
		    !mw_str_u64(mw_strn(key.p + at, end - at), &thousands))
			return NULL;
		*above = (int64_t)thousands * 1000;
		key = mw_strn(name.p, name.n - (sizeof("_above_") - 1));
	}
	for (size_t i = 0; i < MW_LEN(rates); i++)
		if (mw_str_is(key, rates[i].litellm))
			return &rates[i];
	return NULL;
}

bool mw_price_is_rate(struct mw_str key)
{
	int64_t above;
	return find_litellm(key, &above) != NULL;
}

bool mw_price_set(struct mw_price *price, struct mw_str key, struct mw_str usd)
{
	int64_t above, pico;
	const struct rate *r = find_litellm(key, &above);
	if (!r || !mw_price_decimal(usd, false, &pico))
		return false;
	struct mw_price_rates *in = above ? mw_price_tier(price, above) : &price->base;
	if (!in)
		return false;
	*rate_in(in, r) = pico;
	return true;
}

/* ---- cost ------------------------------------------------------------------------------------ */

static int64_t instead(int64_t rate, int64_t other)
{
	return rate >= 0 ? rate : other;
}

/* The rates of a prompt of this size, with what stands in for those that are not given. */
static struct mw_price_rates rates_for(const struct mw_price *price, int64_t prompt)
{
	struct mw_price_rates r = price->base;
	size_t tier = price->n_tiers;
	while (tier > 0 && prompt <= price->tiers[tier - 1].above)
		tier--;
	struct mw_price_rates over = tier ? price->tiers[tier - 1].rates : r;
	for (size_t i = 0; i < MW_LEN(rates); i++)
		*rate_in(&r, &rates[i]) =
		    instead(*rate_in(&over, &rates[i]), *rate_in(&r, &rates[i]));
	r.input = instead(r.input, 0);
	r.output = instead(r.output, 0);
	r.cached = instead(r.cached, r.input);
	r.cache_write = instead(r.cache_write, r.input);
	r.cache_write_1h = instead(r.cache_write_1h, r.cache_write);
	r.audio_in = instead(r.audio_in, r.input);
	r.reasoning = instead(r.reasoning, r.output);
	r.audio_out = instead(r.audio_out, r.output);
	return r;
}

/* A provider may report anything: sums stop at the largest number instead of wrapping round. */
static int64_t plus(int64_t a, int64_t b)
{
	int64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t times(int64_t tokens, int64_t rate)
{
	int64_t product;
	if (tokens <= 0)
		return 0;
	return __builtin_mul_overflow(tokens, rate, &product) ? INT64_MAX : product;
}

/* What is left of a count without its parts; parts that are larger than the whole leave nothing. */
static int64_t rest(int64_t whole, int64_t parts)
{
	return MW_MAX(whole, 0) - MW_MIN(MW_MAX(parts, 0), MW_MAX(whole, 0));
}

void mw_price_cost(const struct mw_price *price, const struct mw_usage *u, struct mw_cost *out)
{
	struct mw_price_rates r = rates_for(price, u->prompt);
	int64_t written = plus(MW_MAX(u->cache_write, 0), MW_MAX(u->cache_write_1h, 0));
	int64_t fresh = rest(u->prompt, plus(MW_MAX(u->cached, 0), written));
	int64_t heard = MW_MIN(u->audio_in, fresh); /* some count cached audio as both */
	int64_t thought = plus(MW_MAX(u->reasoning, 0), MW_MAX(u->audio_out, 0));
	out->input = plus(times(rest(fresh, heard), r.input), times(heard, r.audio_in));
	out->cached = times(u->cached, r.cached);
	out->cache_write =
	    plus(times(u->cache_write, r.cache_write), times(u->cache_write_1h, r.cache_write_1h));
	out->output = plus(
	    plus(times(rest(u->completion, thought), r.output), times(u->reasoning, r.reasoning)),
	    times(u->audio_out, r.audio_out));
	out->total = plus(plus(out->input, out->cached), plus(out->cache_write, out->output));
}

static size_t write_tiny(uint64_t pico, char to[MW_PRICE_TEXT])
{
	char digits[MW_NUMBER_LONGEST];
	size_t all = mw_number_decimal(pico, 0, digits), n = all, at = 0;
	while (digits[n - 1] == '0')
		n--;
	to[at++] = digits[0];
	if (n > 1)
		to[at++] = '.';
	memcpy(to + at, digits + 1, n - 1);
	at += n - 1;
	memcpy(to + at, "e-", 2);
	size_t exponent = PICO_DIGITS + 1 - all;
	to[at + 2] = (char)('0' + exponent / 10);
	to[at + 3] = (char)('0' + exponent % 10);
	return at + 4;
}

/* Python's repr: as a decimal from 0.0001 on, below that with an exponent of two digits. */
struct mw_str mw_price_text(int64_t pico, char to[MW_PRICE_TEXT])
{
	mw_require(pico >= 0);
	if (pico && pico < TINY_PICO)
		return mw_strn(to, write_tiny((uint64_t)pico, to));
	size_t n = mw_number_decimal((uint64_t)pico, PICO_DIGITS, to);
	while (to[n - 1] == '0' && to[n - 2] != '.')
		n--;
	return mw_strn(to, n);
}
