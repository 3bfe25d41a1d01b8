/* SPDX-License-Identifier: MIT
 *
 * model_list: every deployment becomes a target.
 */
#include "shared/health.h"
#include "shared/metrics.h"
#include "shared/prices.h"
#include "shared/settings_parts.h"

#include <limits.h>

struct made {
	struct mw_target *target;
	struct mw_str label; /* in metrics */
};

struct growing { /* targets, until their number is known */
	struct made *list;
	size_t n, cap;
};

struct models {
	struct mw_reading *r;
	bool lenient; /* a deployment that cannot be prepared is left out */
	struct growing targets;
	struct mw_map *series;       /* labels that are in use: "group\ntarget" */
	struct mw_deployment **open; /* deployments of "*": expanded when all others are there */
	size_t n_open;
};

/* ---- what a target costs --------------------------------------------------------------------- */

/* Returns whether a rate of input or output was among them. */
static bool set_rates(struct mw_price *price, const struct mw_yaml *map)
{
	bool whole = false;
	for (size_t i = 0; map && i < map->n; i++) {
		struct mw_str key = map->pairs[i].key;
		if (map->pairs[i].value->kind == MW_YAML_NULL || !mw_price_is_rate(key))
			continue;
		bool good = mw_price_set(price, key, map->pairs[i].value->text);
		whole = whole || (good && (mw_str_is(key, "input_cost_per_token") ||
					      mw_str_is(key, "output_cost_per_token")));
	}
	return whole;
}

static bool any_rate(const struct mw_yaml *map)
{
	for (size_t i = 0; map && i < map->n; i++)
		if (mw_price_is_rate(map->pairs[i].key) &&
		    map->pairs[i].value->kind != MW_YAML_NULL)
			return true;
	return false;
}

/* A deployment's own prices. With a rate for input or output they stand alone; other rates change
 * those of the table. */
static const struct mw_price *own_price(
    struct mw_reading *r, const struct mw_deployment *d, const struct mw_price *table)
{
	struct mw_price *own = mw_arena_alloc(r->arena, sizeof(*own));
	mw_price_init(own);
	bool whole = set_rates(own, d->info);
	whole = set_rates(own, d->params) || whole;
	if (whole || !table)
		return own;
	*own = *table;
	set_rates(own, d->info);
	set_rates(own, d->params);
	return own;
}

static const struct mw_price *price_of(
    struct mw_reading *r, const struct mw_deployment *d, const struct mw_target *t)
{
	const struct mw_yaml *base = mw_settings_given(d->info, "base_model");
	if (!base)
		base = mw_settings_given(d->params, "base_model");
	const struct mw_price *table = NULL;
	if (base) {
		/* written with or without the provider's name */
		table = mw_prices_find(r->s->prices, MW_NOSTR, base->text);
		table = table ? table : mw_prices_find(r->s->prices, t->provider, base->text);
	} else if (!t->wildcard) {
		table = mw_prices_find(r->s->prices, t->provider, t->model);
	}
	return any_rate(d->params) || any_rate(d->info) ? own_price(r, d, table) : table;
}

const struct mw_price *mw_settings_price(
    const struct mw_settings *s, const struct mw_target *t, struct mw_str model)
{
	return t->price || !t->wildcard ? t->price : mw_prices_find(s->prices, t->provider, model);
}

/* ---- one target ------------------------------------------------------------------------------ */

static void fill_limits(struct mw_target *t, const struct mw_yaml *params)
{
	t->weight = mw_settings_number(mw_settings_given(params, "weight"), 0);
	t->rpm = (uint32_t)mw_settings_number(mw_settings_given(params, "rpm"), 0);
	t->tpm = (uint32_t)mw_settings_number(mw_settings_given(params, "tpm"), 0);
	t->order = (int)mw_settings_number(mw_settings_given(params, "order"), INT_MAX);
	const struct mw_yaml *timeout = mw_settings_given(params, "timeout");
	if (!timeout)
		timeout = mw_settings_given(params, "request_timeout");
	t->timeout_us = mw_settings_us(timeout, 0);
	t->stream_timeout_us = mw_settings_us(mw_settings_given(params, "stream_timeout"), 0);
	const struct mw_yaml *retries = mw_settings_given(params, "num_retries");
	if (!retries)
		retries = mw_settings_given(params, "max_retries");
	t->num_retries = (int)mw_settings_number(retries, -1);
	const struct mw_yaml *cooldown = mw_settings_given(params, "cooldown_time");
	t->cooldown_us = cooldown ? (int64_t)mw_settings_us(cooldown, 0) : -1;
}

/* The id that the settings give, unless another deployment has it, or one of our own making. */
static struct mw_str id_of(struct mw_reading *r, const struct mw_deployment *d)
{
	const struct mw_yaml *given = mw_settings_given(d->info, "id");
	if (given && given->text.n) {
		if (!mw_map_get(r->s->by_id, given->text))
			return given->text;
		mw_settings_warn(r, given->line,
		    "model_info.id '%.*s' is the id of another deployment too; this one gets an id "
		    "made for it",
		    MW_FMT(given->text));
	}
	struct mw_str id;
	unsigned nth = 0;
	do
		id = mw_settings_target_id(r, d, nth++);
	while (mw_map_get(r->s->by_id, id));
	return id;
}

/* In metrics a target is called by the id that a person gave it, else by its model; deployments of
 * one group that would look alike are numbered. */
static struct mw_str label_of(
    struct models *m, const struct mw_deployment *d, const struct mw_target *t)
{
	struct mw_arena *a = m->r->arena;
	bool named = mw_str_eq(mw_settings_text(mw_settings_given(d->info, "id")), t->id);
	struct mw_str base = named ? t->id : t->name, label = base;
	for (unsigned nth = 2;; nth++) {
		struct mw_str both =
		    mw_arena_printf(a, "%.*s\n%.*s", MW_FMT(t->group), MW_FMT(label));
		if (!mw_map_set(m->series, both, m))
			return label;
		label = mw_arena_printf(a, "%.*s#%u", MW_FMT(base), nth);
	}
}

static void add(struct models *m, struct mw_target *t, struct mw_str label)
{
	struct growing *g = &m->targets;
	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 16;
		struct made *list = mw_arena_alloc(m->r->arena, cap * sizeof(*list));
		if (g->n)
			memcpy(list, g->list, g->n * sizeof(*list));
		g->list = list;
		g->cap = cap;
	}
	t->index = g->n;
	g->list[g->n++] = (struct made){t, label};
	mw_map_set(m->r->s->by_id, t->id, t); /* an id is taken from here on */
}

static bool prepare(struct mw_reading *r, struct mw_target *t, struct mw_err *err)
{
	const struct mw_settings_world *world = r->world;
	return world->prepare(world->arg, t, r->arena, err);
}

/* Nobody asked for a provider of "*" by name: one that has no key is left out without a word. */
static bool is_wanted(struct mw_reading *r, const struct mw_deployment *d,
    const struct mw_target *t, struct mw_err *err)
{
	if (!t->warning.n)
		return true;
	if (d->expanded)
		return mw_err_set(err, MW_ERR_SETTINGS, "%.*s", MW_FMT(t->warning));
	mw_settings_warn(r, d->line, "model_name %.*s: %.*s", MW_FMT(d->group), MW_FMT(t->warning));
	return true;
}

static bool add_target(struct models *m, const struct mw_deployment *d, struct mw_err *err)
{
	struct mw_reading *r = m->r;
	struct mw_target *t = mw_arena_zalloc(r->arena, sizeof(*t));
	t->group = d->group;
	t->name = t->model = d->model;
	t->provider = mw_settings_text(mw_settings_param(d, "custom_llm_provider"));
	t->wildcard = mw_str_find(d->model, '*') < d->model.n;
	t->drop_params =
	    mw_settings_switch(mw_settings_given(d->params, "drop_params"), r->s->drop_params);
	t->spec = mw_settings_spec(r, d, &t->has_defaults);
	fill_limits(t, d->params);
	if (!prepare(r, t, err) || !is_wanted(r, d, t, err))
		return false;
	t->id = id_of(r, d);
	t->price = price_of(r, d, t);
	add(m, t, label_of(m, d, t));
	return true;
}

static void add_or_fault(struct models *m, const struct mw_deployment *d)
{
	struct mw_err err = {0};
	if (add_target(m, d, &err))
		return;
	if (m->lenient || err.code == MW_ERR_UNSUPPORTED)
		mw_settings_warn(
		    m->r, d->line, "model_name %.*s is left out: %s", MW_FMT(d->group), err.text);
	else
		mw_settings_fault(m->r, d->line, "model_name %.*s: %s", MW_FMT(d->group), err.text);
}

/* ---- one entry ------------------------------------------------------------------------------- */

static size_t count_stars(struct mw_str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '*';
	return n;
}

static bool check_names(struct mw_reading *r, const struct mw_deployment *d, int line)
{
	if (!d->group.n)
		mw_settings_fault(r, line, "this entry of model_list has no model_name");
	else if (!d->model.n)
		mw_settings_fault(r, d->line,
		    "model_name %.*s: litellm_params.model is missing, such as %s",
		    MW_FMT(d->group), "openai/gpt-4o");
	else if (count_stars(d->group) > 1 || count_stars(d->model) > 1)
		mw_settings_fault(r, line, "model_name %.*s: a name can hold one '*', not more",
		    MW_FMT(d->group));
	else if (mw_str_is(d->model, "*") && !mw_str_ends(d->group, d->model))
		mw_settings_fault(r, d->line,
		    "model_name %.*s: litellm_params.model is '*', so model_name must end with '*'",
		    MW_FMT(d->group));
	else if (count_stars(d->model) > count_stars(d->group))
		mw_settings_fault(r, d->line,
		    "model_name %.*s: litellm_params.model is '%.*s', but there is no '*' in "
		    "model_name to fill it from",
		    MW_FMT(d->group), MW_FMT(d->model));
	else
		return true;
	return false;
}

static const struct mw_yaml *find_credential(struct mw_reading *r, const struct mw_yaml *wanted)
{
	const char *file = r->file;
	const struct mw_yaml *found = NULL;
	for (size_t i = 0; i < r->n_documents; i++) {
		const struct mw_yaml *list =
		    mw_settings_given(r->documents[i].root, "credential_list");
		for (size_t k = 0; list && k < list->n; k++) {
			const struct mw_yaml *name =
			    mw_settings_given(list->items[k], "credential_name");
			if (name && mw_str_eq(name->text, wanted->text))
				found = mw_settings_given(list->items[k], "credential_values");
		}
	}
	r->file = file;
	if (!found)
		mw_settings_fault(r, wanted->line,
		    "litellm_credential_name is '%.*s', which no entry of credential_list has",
		    MW_FMT(wanted->text));
	return found;
}

/* `organization` as a list makes a deployment of each. */
static void add_each(struct models *m, struct mw_deployment *d)
{
	const struct mw_yaml *organization = mw_settings_given(d->params, "organization");
	if (!organization || organization->kind != MW_YAML_LIST) {
		d->organization = mw_settings_text(organization);
		add_or_fault(m, d);
		return;
	}
	for (size_t i = 0; i < organization->n; i++) {
		d->organization = organization->items[i]->text;
		add_or_fault(m, d);
	}
}

static void read_entry(struct models *m, const struct mw_yaml *item)
{
	struct mw_reading *r = m->r;
	if (item->kind != MW_YAML_MAP) {
		mw_settings_fault(r, item->line, "an entry of model_list is %s, which is not a map",
		    mw_yaml_kind_name(item->kind));
		return;
	}
	struct mw_deployment *d = mw_arena_zalloc(r->arena, sizeof(*d));
	mw_settings_check(r, MW_BLOCK_ENTRY, item);
	d->file = r->file;
	d->params = mw_settings_given(item, "litellm_params");
	d->info = mw_settings_given(item, "model_info");
	mw_settings_check(r, MW_BLOCK_PARAMS, d->params);
	mw_settings_check(r, MW_BLOCK_INFO, d->info);
	d->group = mw_settings_text(mw_settings_given(item, "model_name"));
	if (d->group.n)
		mw_map_set(r->named, d->group, d);
	const struct mw_yaml *model = mw_settings_given(d->params, "model");
	d->model = mw_settings_text(model);
	d->line = model ? model->line : d->params ? d->params->line : item->line;
	const struct mw_yaml *credential = mw_settings_given(d->params, "litellm_credential_name");
	if (credential)
		d->credential = find_credential(r, credential);
	if (!check_names(r, d, item->line))
		return;
	if (mw_str_is(d->model, "*") && !mw_settings_param(d, "custom_llm_provider"))
		m->open[m->n_open++] = d;
	else
		add_each(m, d);
}

/* ---- "*" ------------------------------------------------------------------------------------- */

static bool has_group(const struct models *m, struct mw_str name)
{
	for (size_t i = 0; i < m->targets.n; i++)
		if (mw_str_eq(m->targets.list[i].target->group, name))
			return true;
	return false;
}

/* A deployment of "*" alone: one of every pattern that the providers know and the settings do not
 * name themselves. */
static void expand(struct models *m, struct mw_deployment *d)
{
	const struct mw_settings_world *world = m->r->world;
	const struct mw_wildcard *list = NULL;
	size_t n = world->wildcards ? world->wildcards(world->arg, m->r->arena, &list) : 0,
	       before = m->targets.n;
	struct mw_err err = {0};
	struct mw_str prefix = d->group;
	prefix.n--; /* what stands before its star stands before every pattern's */
	m->r->file = d->file;
	mw_err_set(&err, MW_ERR_SETTINGS, "no provider is known that '*' could stand for");
	for (size_t i = 0; i < n; i++) {
		struct mw_deployment one = *d;
		one.group = mw_arena_printf(
		    m->r->arena, "%.*s%.*s", MW_FMT(prefix), MW_FMT(list[i].pattern));
		one.model = list[i].model;
		one.expanded = true;
		if (!has_group(m, one.group))
			(void)!add_target(m, &one, &err);
	}
	if (m->targets.n == before)
		mw_settings_fault(m->r, d->line, "model_name %.*s: %s", MW_FMT(d->group), err.text);
}

/* ---- all ------------------------------------------------------------------------------------- */

static void finish(struct models *m)
{
	struct mw_settings *s = m->r->s;
	s->n_targets = m->targets.n;
	s->targets = mw_arena_alloc(s->arena, s->n_targets * sizeof(*s->targets));
	m->r->labels = mw_arena_alloc(s->arena, s->n_targets * sizeof(*m->r->labels));
	for (size_t i = 0; i < s->n_targets; i++) {
		s->targets[i] = *m->targets.list[i].target;
		m->r->labels[i] = m->targets.list[i].label;
		mw_map_set(s->by_id, s->targets[i].id, &s->targets[i]);
	}
}

void mw_settings_register(struct mw_reading *r)
{
	for (size_t i = 0; i < r->s->n_targets; i++) {
		struct mw_target *t = &r->s->targets[i];
		t->health = mw_healths_of(r->world->healths, t->id);
		t->series =
		    mw_metrics_series(r->world->metrics, t->group, r->labels[i], t->provider);
	}
}

static size_t count_entries(const struct mw_reading *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->n_documents; i++) {
		const struct mw_yaml *list = mw_settings_given(r->documents[i].root, "model_list");
		n += list ? list->n : 0;
	}
	return n;
}

static void check_credentials(struct mw_reading *r, const struct mw_yaml *list)
{
	for (size_t i = 0; list && i < list->n; i++) {
		mw_settings_check(r, MW_BLOCK_CREDENTIAL, list->items[i]);
		mw_settings_check(
		    r, MW_BLOCK_PARAMS, mw_settings_given(list->items[i], "credential_values"));
	}
}

void mw_settings_read_models(struct mw_reading *r)
{
	struct models m = {.r = r, .series = mw_map_new()};
	m.lenient = mw_settings_switch(mw_settings_routing(r, "ignore_invalid_deployments"), false);
	m.open = mw_arena_alloc(r->arena, count_entries(r) * sizeof(*m.open));
	for (size_t i = 0; i < r->n_documents; i++) {
		r->file = r->documents[i].file;
		check_credentials(r, mw_settings_given(r->documents[i].root, "credential_list"));
	}
	for (size_t i = 0; i < r->n_documents; i++) {
		const struct mw_yaml *list = mw_settings_given(r->documents[i].root, "model_list");
		r->file = r->documents[i].file;
		for (size_t k = 0; list && k < list->n; k++)
			read_entry(&m, list->items[k]);
	}
	for (size_t i = 0; i < m.n_open; i++)
		expand(&m, m.open[i]);
	mw_map_free(m.series);
	finish(&m);
	r->file = r->documents[0].file;
	if (!r->s->n_targets && !r->n_faults)
		mw_settings_warn(r, 0, "model_list is empty: there is no model to ask for");
}
