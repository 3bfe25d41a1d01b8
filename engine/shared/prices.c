/* SPDX-License-Identifier: MIT
 *
 * Price tables: reading both formats, and finding a model's entry.
 */
#include "shared/prices.h"

#include "base/json.h"
#include "base/map.h"

struct mw_prices {
	struct mw_arena *arena;
	struct mw_map *by_name; /* -> struct mw_price */
	struct mw_map *over;    /* what was merged: looked at first */
};

static void free_map(void *map)
{
	mw_map_free(map);
}

static struct mw_prices *prices_new(void)
{
	struct mw_arena *arena = mw_arena_new();
	struct mw_prices *p = mw_arena_zalloc(arena, sizeof(*p));
	p->arena = arena;
	p->by_name = mw_map_new();
	p->over = mw_map_new();
	mw_arena_on_reset(arena, free_map, p->by_name);
	mw_arena_on_reset(arena, free_map, p->over);
	return p;
}

void mw_prices_free(struct mw_prices *p)
{
	if (p)
		mw_arena_free(p->arena);
}

/* A later entry of one name replaces the earlier. */
static void put(
    struct mw_prices *p, struct mw_map *map, struct mw_str name, const struct mw_price *price)
{
	struct mw_price *known = mw_map_get(map, name);
	if (known) {
		*known = *price;
		return;
	}
	known = mw_arena_alloc(p->arena, sizeof(*known));
	*known = *price;
	mw_map_set(map, mw_arena_dup(p->arena, name), known);
}

void mw_prices_merge(struct mw_prices *p, const struct mw_prices *from)
{
	struct mw_str name;
	void *price;
	for (size_t at = 0; mw_map_next(from->by_name, &at, &name, &price);)
		put(p, p->over, name, price);
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reading {
	struct mw_prices *prices;
	const char *file;
	struct mw_str model; /* whose entry is being read */
	struct mw_err *err;
};

static bool wrong(
    struct reading *r, struct mw_str member, struct mw_json value, const char *allowed)
{
	return mw_err_set(r->err, MW_ERR_SETTINGS, "%s: %.*s: '%.*s' is %.*s, which is not %s",
	    r->file, MW_FMT(r->model), MW_FMT(member), (int)MW_MIN(value.raw.n, (size_t)40),
	    value.raw.p, allowed);
}

/* A member's name as it stands between its quotes: a name with an escape is none of ours. */
static struct mw_str bare(struct mw_str quoted)
{
	return mw_strn(quoted.p + 1, quoted.n - 2);
}

static bool read_count(struct mw_json value, int64_t *out)
{
	int64_t n;
	if (!mw_json_i64(value, &n) || n <= 0)
		return false;
	*out = n;
	return true;
}

static bool has_price(const struct mw_price *p)
{
	return p->base.input >= 0 || p->base.output >= 0;
}

/* LiteLLM's map holds much that is no price of a token, and notes in the place of numbers. */
static bool read_litellm(struct reading *r, struct mw_json entry, struct mw_price *price)
{
	struct mw_str name;
	struct mw_json value;
	for (size_t at = 0; mw_json_next(entry, &at, &name, &value);) {
		struct mw_str key = bare(name);
		if (mw_str_is(key, "max_input_tokens"))
			(void)!read_count(value, &price->context);
		else if (mw_str_is(key, "max_output_tokens"))
			(void)!read_count(value, &price->max_output);
		else if (value.kind == MW_JSON_NUMBER && mw_price_is_rate(key) &&
			 !mw_price_set(price, key, value.raw))
			return wrong(r, key, value, "a price of a token in USD");
	}
	return true;
}

static bool unknown(struct reading *r, struct mw_str member)
{
	return mw_err_set(r->err, MW_ERR_SETTINGS, "%s: %.*s: nothing is known of a member '%.*s'",
	    r->file, MW_FMT(r->model), MW_FMT(member));
}

static bool read_rate(
    struct reading *r, struct mw_str key, struct mw_json value, struct mw_price_rates *in)
{
	int64_t *rate = mw_price_rate(in, key);
	if (!rate)
		return unknown(r, key);
	return (value.kind == MW_JSON_NUMBER && mw_price_decimal(value.raw, true, rate)) ||
	       wrong(r, key, value, "a price of a million tokens in USD");
}

static bool read_tier(struct reading *r, struct mw_json tier, struct mw_price *price)
{
	int64_t above;
	struct mw_json threshold = mw_json_get(tier, MW_STR("above"));
	if (!read_count(threshold, &above))
		return wrong(r, MW_STR("tiers"), tier,
		    "an object with 'above', a number of tokens, and rates");
	struct mw_price_rates *rates = mw_price_tier(price, above);
	if (!rates)
		return wrong(r, MW_STR("tiers"), tier, "one of the first four");
	struct mw_str name;
	struct mw_json value;
	for (size_t at = 0; mw_json_next(tier, &at, &name, &value);)
		if (!mw_str_is(bare(name), "above") && !read_rate(r, bare(name), value, rates))
			return false;
	return true;
}

static bool read_tiers(struct reading *r, struct mw_json list, struct mw_price *price)
{
	if (list.kind != MW_JSON_ARRAY)
		return wrong(r, MW_STR("tiers"), list, "a list");
	struct mw_str none;
	struct mw_json tier;
	for (size_t at = 0; mw_json_next(list, &at, &none, &tier);)
		if (!read_tier(r, tier, price))
			return false;
	return true;
}

static bool read_own_member(
    struct reading *r, struct mw_str key, struct mw_json value, struct mw_price *price)
{
	if (mw_str_is(key, "tiers"))
		return read_tiers(r, value, price);
	bool context = mw_str_is(key, "context");
	if (context || mw_str_is(key, "max_output"))
		return read_count(value, context ? &price->context : &price->max_output) ||
		       wrong(r, key, value, "a number of tokens");
	return read_rate(r, key, value, &price->base);
}

static bool read_own(struct reading *r, struct mw_json entry, struct mw_price *price)
{
	struct mw_str name;
	struct mw_json value;
	for (size_t at = 0; mw_json_next(entry, &at, &name, &value);)
		if (!read_own_member(r, bare(name), value, price))
			return false;
	return has_price(price) ||
	       wrong(r, MW_STR("it"), entry, "an entry with 'input' or 'output'");
}

/* Every member of `models` is an entry. */
static bool read_models(struct reading *r, struct mw_json models, bool ours)
{
	struct mw_str name;
	struct mw_json entry;
	for (size_t at = 0; mw_json_next(models, &at, &name, &entry);) {
		struct mw_price price;
		mw_price_init(&price);
		r->model = mw_json_text(mw_json_value(name), r->prices->arena);
		if (entry.kind != MW_JSON_OBJECT)
			return wrong(r, MW_STR("it"), entry, "an object with prices");
		if (!(ours ? read_own(r, entry, &price) : read_litellm(r, entry, &price)))
			return false;
		if (has_price(&price))
			put(r->prices, r->prices->by_name, r->model, &price);
	}
	return true;
}

static bool read_table(struct reading *r, struct mw_str text)
{
	static const struct mw_str names[] = {{"unit", 4}, {"models", 6}};
	struct mw_json found[MW_LEN(names)], root;
	struct mw_json_look look = {.names = names, .found = found, .n = MW_LEN(names)};
	if (!mw_json_peek(text, &look, &root, r->err)) {
		if (r->err)
			r->err->code = MW_ERR_SETTINGS;
		return mw_err_prefix(r->err, "%s", r->file);
	}
	if (root.kind != MW_JSON_OBJECT)
		return mw_err_set(
		    r->err, MW_ERR_SETTINGS, "%s: a price table is an object", r->file);
	if (found[0].kind == MW_JSON_NONE)
		return read_models(r, root, false);
	if (!mw_json_is(found[0], "USD per million tokens"))
		return wrong(
		    r, MW_STR("unit"), found[0], "\"USD per million tokens\", the only one known");
	if (found[1].kind != MW_JSON_OBJECT)
		return mw_err_set(
		    r->err, MW_ERR_SETTINGS, "%s: the object 'models' is missing", r->file);
	return read_models(r, found[1], true);
}

struct mw_prices *mw_prices_parse(struct mw_str json, const char *file, struct mw_err *err)
{
	struct reading r = {
	    .prices = prices_new(), .file = file, .err = err, .model = MW_STR("the table")};
	if (read_table(&r, json))
		return r.prices;
	mw_prices_free(r.prices);
	return NULL;
}

/* ---- finding --------------------------------------------------------------------------------- */

static const struct mw_price *find_in(
    const struct mw_map *map, struct mw_str provider, struct mw_str model)
{
	char name[256];
	if (provider.n && provider.n + 1 + model.n <= sizeof(name)) {
		memcpy(name, provider.p, provider.n);
		name[provider.n] = '/';
		if (model.n)
			memcpy(name + provider.n + 1, model.p, model.n);
		struct mw_price *price = mw_map_get(map, mw_strn(name, provider.n + 1 + model.n));
		if (price)
			return price;
	}
	return mw_map_get(map, model);
}

/* What was merged wins by whatever name it knows the model. */
static const struct mw_price *find_exact(
    const struct mw_prices *p, struct mw_str provider, struct mw_str model)
{
	const struct mw_price *price = find_in(p->over, provider, model);
	return price ? price : find_in(p->by_name, provider, model);
}

/* Does s end like the pattern, in which 0 stands for any digit? */
static bool ends_like(struct mw_str s, const char *pattern)
{
	size_t n = strlen(pattern);
	if (s.n <= n)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = s.p[s.n - n + i];
		bool digit = c >= '0' && c <= '9';
		if (pattern[i] == '0' ? !digit : c != pattern[i])
			return false;
	}
	return true;
}

static struct mw_str without_date(struct mw_str model)
{
	static const char *const dates[] = {"-0000-00-00", "-00000000", "@00000000"};
	for (size_t i = 0; i < MW_LEN(dates); i++)
		if (ends_like(model, dates[i]))
			return mw_strn(model.p, model.n - strlen(dates[i]));
	return model;
}

const struct mw_price *mw_prices_find(
    const struct mw_prices *p, struct mw_str provider, struct mw_str model)
{
	const struct mw_price *price = find_exact(p, provider, model);
	struct mw_str shorter = without_date(model);
	if (!price && shorter.n < model.n)
		price = find_exact(p, provider, shorter);
	return price;
}
