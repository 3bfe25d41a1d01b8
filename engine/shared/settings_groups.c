/* SPDX-License-Identifier: MIT
 *
 * Groups: targets of one model_name, their aliases and fallbacks, and finding them by name.
 */
#include "shared/settings_parts.h"

#include <stdlib.h>

/* ---- finding --------------------------------------------------------------------------------- */

/* The part of name in the place of the pattern's '*'. */
static bool match(struct mw_str pattern, struct mw_str name, struct mw_str *part)
{
	size_t star = mw_str_find(pattern, '*'), behind = pattern.n - star - 1;
	if (star == pattern.n || name.n < pattern.n - 1 ||
	    !mw_str_starts(name, mw_strn(pattern.p, star)) ||
	    !mw_str_ends(name, mw_strn(pattern.p + star + 1, behind)))
		return false;
	*part = mw_strn(name.p + star, name.n - star - behind);
	return true;
}

bool mw_settings_matches(struct mw_str pattern, struct mw_str name)
{
	struct mw_str part;
	return mw_str_eq(pattern, name) || match(pattern, name, &part);
}

/* The group itself, where an alias may have taken its name. */
static const struct mw_model *group_of(const struct mw_settings *s, const struct mw_target *t)
{
	const struct mw_model *m = mw_map_get(s->by_name, t->group);
	for (size_t i = 0; m->means.n && i < s->n_models; i++)
		if (mw_str_eq(s->models[i].name, t->group) && !s->models[i].means.n)
			m = &s->models[i];
	return m;
}

/* Also a model without targets. */
static const struct mw_model *find_any(
    const struct mw_settings *s, struct mw_str name, const struct mw_target **only)
{
	struct mw_str part;
	const struct mw_model *m = mw_map_get(s->by_name, name);
	*only = m ? NULL : mw_map_get(s->by_id, name);
	if (*only)
		return group_of(s, *only);
	for (size_t i = 0; !m && i < s->n_wildcards; i++)
		if (match(s->wildcards[i]->name, name, &part))
			m = s->wildcards[i];
	return m;
}

const struct mw_model *mw_settings_find(
    const struct mw_settings *s, struct mw_str name, const struct mw_target **only)
{
	const struct mw_target *target;
	const struct mw_model *m = find_any(s, name, &target);
	if (only)
		*only = target;
	return m && m->n_targets ? m : NULL;
}

bool mw_settings_is_known(const struct mw_settings *s, struct mw_str name)
{
	const struct mw_target *target;
	return find_any(s, name, &target);
}

struct mw_str mw_settings_target_model(
    const struct mw_target *t, const struct mw_model *m, struct mw_str asked, struct mw_arena *a)
{
	struct mw_str part = asked, name = m->means.n ? m->means : asked;
	size_t star = mw_str_find(t->model, '*');
	if (!t->wildcard || star == t->model.n)
		return t->model;
	if (!match(t->group, name, &part))
		part = name; /* asked for by its id */
	/* "*" serves "openai/gpt-4o" by openai: the provider does not know its own name as a part
	 */
	if (part.n > t->provider.n + 1 && mw_str_starts(part, t->provider) &&
	    part.p[t->provider.n] == '/' && mw_str_is(t->group, "*"))
		part = mw_strn(part.p + t->provider.n + 1, part.n - t->provider.n - 1);
	return mw_arena_printf(a, "%.*s%.*s%.*s", (int)star, t->model.p, MW_FMT(part),
	    (int)(t->model.n - star - 1), t->model.p + star + 1);
}

size_t mw_settings_nearest(
    const struct mw_settings *s, struct mw_str name, struct mw_str *out, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_models; i++) {
		if (s->models[i].hidden)
			continue;
		size_t distance = mw_str_distance(name, s->models[i].name), at = n;
		while (at > 0 && mw_str_distance(name, out[at - 1]) > distance)
			at--;
		if (at == max)
			continue;
		n = MW_MIN(n + 1, max);
		for (size_t k = n - 1; k > at; k--)
			out[k] = out[k - 1];
		out[at] = s->models[i].name;
	}
	return n;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static struct mw_model *add_model(struct mw_reading *r, struct mw_str name)
{
	struct mw_settings *s = r->s;
	struct mw_model *m = &s->models[s->n_models];
	*m = (struct mw_model){.index = s->n_models++, .name = name};
	m->wildcard = mw_str_find(name, '*') < name.n;
	mw_map_set(s->by_name, name, m);
	return m;
}

/* A name that is taken and has no target: no wildcard may serve it in place of what was left out. */
static void add_empty(struct mw_reading *r, struct mw_str name)
{
	add_model(r, name)->hidden = true;
}

/* A name of its own for what another name finds; `means` decides where that is a wildcard. */
static struct mw_model *add_alias(
    struct mw_reading *r, struct mw_str name, struct mw_str means, const struct mw_model *of)
{
	struct mw_model *m = add_model(r, name);
	struct mw_model copy = *of;
	copy.index = m->index;
	copy.name = name;
	copy.means = of->means.n ? of->means : mw_arena_dup(r->arena, means);
	copy.wildcard = false;
	copy.hidden = false;
	*m = copy;
	return m;
}

/* Targets lie in the order of the file, so their places decide between equals. */
static int by_order(const void *a, const void *b)
{
	const struct mw_target *x = *(const struct mw_target *const *)a;
	const struct mw_target *y = *(const struct mw_target *const *)b;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static void fill_groups(struct mw_reading *r)
{
	struct mw_settings *s = r->s;
	for (size_t i = 0; i < s->n_targets; i++) {
		struct mw_model *m = mw_map_get(s->by_name, s->targets[i].group);
		if (!m)
			m = add_model(r, s->targets[i].group);
		m->n_targets++;
	}
	for (size_t i = 0; i < s->n_models; i++) {
		struct mw_model *m = &s->models[i];
		m->targets = mw_arena_alloc(s->arena, m->n_targets * sizeof(*m->targets));
		m->n_targets = 0;
	}
	for (size_t i = 0; i < s->n_targets; i++) {
		struct mw_model *m = mw_map_get(s->by_name, s->targets[i].group);
		m->targets[m->n_targets++] = &s->targets[i];
	}
	for (size_t i = 0; i < s->n_models; i++)
		qsort(s->models[i].targets, s->models[i].n_targets, sizeof(*s->models[i].targets),
		    by_order);
	struct mw_str name;
	void *entry;
	for (size_t at = 0; mw_map_next(r->named, &at, &name, &entry);)
		if (!mw_map_get(s->by_name, name))
			add_empty(r, name);
}

/* Longest first: all but the star of a pattern is literal. */
static int by_length(const void *a, const void *b)
{
	const struct mw_model *x = *(const struct mw_model *const *)a;
	const struct mw_model *y = *(const struct mw_model *const *)b;
	if (x->name.n != y->name.n)
		return x->name.n > y->name.n ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static void fill_wildcards(struct mw_reading *r)
{
	struct mw_settings *s = r->s;
	s->wildcards = mw_arena_alloc(s->arena, s->n_models * sizeof(*s->wildcards));
	for (size_t i = 0; i < s->n_models; i++)
		if (s->models[i].wildcard)
			s->wildcards[s->n_wildcards++] = &s->models[i];
	qsort(s->wildcards, s->n_wildcards, sizeof(*s->wildcards), by_length);
}

/* ---- aliases
 * ------------------------------------------------------------------------------------- */

/* "alias: name" or "alias: {model: name, hidden: true}". */
static void read_alias(struct mw_reading *r, const struct mw_yaml_pair *pair)
{
	const struct mw_yaml *value = pair->value;
	bool map = value->kind == MW_YAML_MAP;
	struct mw_str name = mw_settings_text(map ? mw_settings_given(value, "model") : value);
	if (!name.n || value->kind == MW_YAML_LIST) {
		mw_settings_fault(r, pair->line,
		    "model_group_alias: %.*s is %s; it must be a model's name, or a map with "
		    "`model` and `hidden`",
		    MW_FMT(pair->key), mw_yaml_kind_name(value->kind));
		return;
	}
	const struct mw_model *of = mw_settings_find(r->s, name, NULL);
	if (!of && !mw_settings_is_known(r->s, name)) {
		mw_settings_warn(r, pair->line,
		    "model_group_alias: '%.*s' stands for '%.*s', which is no known model",
		    MW_FMT(pair->key), MW_FMT(name));
		return;
	}
	struct mw_model *hidden = mw_map_get(r->s->by_name, pair->key);
	if (hidden) {
		mw_settings_warn(r, pair->line,
		    "model_group_alias: '%.*s' hides the model of that name", MW_FMT(pair->key));
		hidden->hidden = true;
	}
	if (!of) {
		add_empty(r, pair->key);
		return;
	}
	struct mw_model *m = add_alias(r, pair->key, name, of);
	m->hidden = map && mw_settings_switch(mw_settings_given(value, "hidden"), false);
}

static const struct mw_yaml *aliases_of(struct mw_reading *r)
{
	const struct mw_yaml *map = mw_settings_routing(r, "model_group_alias");
	return map && map->kind == MW_YAML_MAP ? map : NULL;
}

/* ---- fallbacks
 * ----------------------------------------------------------------------------------- */

struct fallbacks {
	struct mw_str of; /* "*": of all others */
	struct mw_str *names;
	size_t n;
};

struct lists {
	struct fallbacks *list;
	size_t n;
};

static void read_names(
    struct mw_reading *r, struct mw_str of, const struct mw_yaml *names, struct lists *out)
{
	struct fallbacks *f = &out->list[out->n++];
	*f = (struct fallbacks){.of = of};
	f->names = mw_arena_alloc(r->arena, names->n * sizeof(*f->names));
	for (size_t i = 0; i < names->n; i++) {
		const struct mw_yaml *name = names->items[i];
		if (name->kind == MW_YAML_LIST || name->kind == MW_YAML_MAP || !name->text.n) {
			mw_settings_fault(r, name->line,
			    "a fallback of '%.*s' is %s, which is not a model's name", MW_FMT(of),
			    mw_yaml_kind_name(name->kind));
			continue;
		}
		if (!mw_settings_is_known(r->s, name->text))
			mw_settings_warn(r, name->line,
			    "fallback '%.*s' of '%.*s' is no known model", MW_FMT(name->text),
			    MW_FMT(of));
		f->names[f->n++] = name->text;
	}
}

/* [{model: [names]}, …]; several models in one map are taken too. */
static void read_maps(struct mw_reading *r, const struct mw_yaml *list, struct lists *out)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct mw_yaml *map = list->items[i];
		bool good = map->kind == MW_YAML_MAP;
		for (size_t k = 0; good && k < map->n; k++) {
			good = map->pairs[k].value->kind == MW_YAML_LIST;
			if (good)
				read_names(r, map->pairs[k].key, map->pairs[k].value, out);
		}
		if (!good)
			mw_settings_fault(r, map->line,
			    "an entry of fallbacks is not a map of a model to a list, such as "
			    "{gpt-4o: [claude]}");
	}
}

static size_t count_lists(const struct mw_yaml *list)
{
	size_t n = 1; /* default_fallbacks */
	for (size_t i = 0; list && i < list->n; i++)
		n += list->items[i]->kind == MW_YAML_MAP ? list->items[i]->n : 0;
	return n;
}

static const struct fallbacks *list_of(const struct lists *lists, struct mw_str name)
{
	for (size_t i = 0; i < lists->n; i++)
		if (mw_str_eq(lists->list[i].of, name))
			return &lists->list[i];
	return NULL;
}

/* Fallbacks of a name that only a wildcard serves need a model of that name to hang on. */
static void add_named(struct mw_reading *r, const struct mw_yaml *list)
{
	for (size_t i = 0; list && i < list->n; i++)
		for (size_t k = 0; list->items[i]->kind == MW_YAML_MAP && k < list->items[i]->n;
		     k++) {
			const struct mw_yaml_pair *pair = &list->items[i]->pairs[k];
			if (mw_map_get(r->s->by_name, pair->key) || mw_str_is(pair->key, "*"))
				continue;
			const struct mw_model *of = mw_settings_find(r->s, pair->key, NULL);
			if (of)
				add_alias(r, pair->key, pair->key, of)->hidden = true;
			else if (!mw_settings_is_known(r->s, pair->key))
				mw_settings_warn(r, pair->line,
				    "fallbacks are given for '%.*s', which is no known model",
				    MW_FMT(pair->key));
		}
}

/* A model's own list, else that of what it stands for, else everybody's; never itself. */
static void set_fallbacks(struct mw_reading *r, struct mw_model *m, const struct lists *lists)
{
	const struct fallbacks *f = list_of(lists, m->name);
	if (!f && m->means.n)
		f = list_of(lists, m->means);
	if (!f && m->n_targets)
		f = list_of(lists, m->targets[0]->group);
	if (!f)
		f = list_of(lists, MW_STR("*"));
	if (!f)
		return;
	struct mw_str *names = mw_arena_alloc(r->arena, f->n * sizeof(*names));
	for (size_t i = 0; i < f->n; i++)
		if (!mw_str_eq(f->names[i], m->name))
			names[m->n_fallbacks++] = f->names[i];
	m->fallbacks = names;
}

static void read_fallbacks(struct mw_reading *r, const struct mw_yaml *list)
{
	struct lists lists = {
	    .list = mw_arena_alloc(r->arena, count_lists(list) * sizeof(*lists.list))};
	if (list)
		read_maps(r, list, &lists);
	const struct mw_yaml *defaults = mw_settings_routing(r, "default_fallbacks");
	if (defaults)
		read_names(r, MW_STR("*"), defaults, &lists);
	for (size_t i = 0; i < r->s->n_models; i++)
		set_fallbacks(r, &r->s->models[i], &lists);
}

void mw_settings_read_groups(struct mw_reading *r)
{
	struct mw_settings *s = r->s;
	const struct mw_yaml *aliases = aliases_of(r), *list = mw_settings_routing(r, "fallbacks");
	size_t most =
	    s->n_targets + mw_map_count(r->named) + (aliases ? aliases->n : 0) + count_lists(list);
	s->models = mw_arena_alloc(s->arena, most * sizeof(*s->models)); /* they never move */
	fill_groups(r);
	fill_wildcards(r);
	aliases = aliases_of(r); /* again: it sets the file for messages */
	for (size_t i = 0; aliases && i < aliases->n; i++)
		read_alias(r, &aliases->pairs[i]);
	list = mw_settings_routing(r, "fallbacks");
	add_named(r, list);
	read_fallbacks(r, list);
}
