/* SPDX-License-Identifier: MIT
 *
 * policies: which Lua decides for which models, in order; the routing strategy is the last of them.
 */
#include "shared/settings_parts.h"

/* ---- one policy ------------------------------------------------------------------------------ */

/* A text is a path if it looks like one, else the name of a shipped policy. */
static void read_short(struct mw_reading *r, struct mw_str text, struct mw_policy_ref *ref)
{
	bool path = mw_str_find(text, '/') < text.n || mw_str_ends(text, MW_STR(".lua"));
	if (path)
		ref->path = mw_settings_path(r, text);
	else
		ref->name = text;
}

/* A policy that guards nothing for a slip of the pen is no small thing: an error. A pattern may be
 * ahead of the models that it is for. */
static void check_model(struct mw_reading *r, int line, struct mw_str name)
{
	struct mw_str near = MW_NOSTR;
	if (mw_map_get(r->s->by_name, name))
		return;
	if (mw_str_find(name, '*') < name.n) {
		for (size_t i = 0; i < r->s->n_models; i++)
			if (mw_settings_matches(name, r->s->models[i].name))
				return;
		mw_settings_warn(r, line, "models names '%.*s', which fits no model", MW_FMT(name));
	} else if (mw_settings_nearest(r->s, name, &near, 1)) {
		mw_settings_fault(r, line,
		    "models names '%.*s', which is no model_name; the nearest is '%.*s'",
		    MW_FMT(name), MW_FMT(near));
	} else {
		mw_settings_fault(
		    r, line, "models names '%.*s', which is no model_name", MW_FMT(name));
	}
}

static void read_models(
    struct mw_reading *r, const struct mw_yaml *models, struct mw_policy_ref *ref)
{
	bool list = models->kind == MW_YAML_LIST;
	size_t n = list ? models->n : 1;
	struct mw_str *names = mw_arena_alloc(r->arena, n * sizeof(*names));
	for (size_t i = 0; i < n; i++) {
		const struct mw_yaml *name = list ? models->items[i] : models;
		if (name->kind == MW_YAML_LIST || name->kind == MW_YAML_MAP || !name->text.n)
			mw_settings_fault(r, name->line,
			    "models holds %s, which is not a model's name",
			    mw_yaml_kind_name(name->kind));
		else
			check_model(r, name->line, name->text);
		names[i] = name->text;
	}
	if (list && n == 0)
		mw_settings_fault(r, models->line,
		    "models is an empty list; leave it out to bind the policy to all models");
	ref->models = names;
	ref->n_models = n;
}

static void read_long(struct mw_reading *r, const struct mw_yaml *item, struct mw_policy_ref *ref)
{
	mw_settings_check(r, MW_BLOCK_POLICY, item);
	const struct mw_yaml *path = mw_settings_given(item, "path"),
			     *name = mw_settings_given(item, "name");
	const struct mw_yaml *params = mw_settings_given(item, "params");
	const struct mw_yaml *models = mw_settings_given(item, "models");
	if (!path == !name) {
		mw_settings_fault(r, item->line,
		    "a policy needs either `path:` (a file or folder) or `name:` "
		    "(one that is built in), %s",
		    path ? "not both" : "and has neither");
		return;
	}
	if (path)
		ref->path = mw_settings_path(r, path->text);
	else
		ref->name = name->text;
	if (params)
		ref->params = mw_settings_json(r, params);
	if (models)
		read_models(r, models, ref);
}

static void read_policy(struct mw_reading *r, const struct mw_yaml *item, struct mw_policy_ref *ref)
{
	*ref = (struct mw_policy_ref){.params = MW_STR("{}"), .file = r->file, .line = item->line};
	if (item->kind == MW_YAML_MAP)
		read_long(r, item, ref);
	else if (item->kind == MW_YAML_STRING && item->text.n)
		read_short(r, item->text, ref);
	else
		mw_settings_fault(r, item->line,
		    "an entry of policies is %s, which is neither a map nor a string",
		    mw_settings_shown(r, item));
}

/* ---- the strategy
 * -------------------------------------------------------------------------------- */

static void read_strategy(struct mw_reading *r, struct mw_policy_ref *ref)
{
	static const struct {
		const char *litellm, *ours; /* NULL: not there yet */
	} strategies[] = {
	    {"simple-shuffle", "simple-shuffle"},
	    {"least-busy", "least-busy"},
	    {"latency-based-routing", "latency-based"},
	    {"usage-based-routing", NULL},
	    {"usage-based-routing-v2", NULL},
	    {"cost-based-routing", NULL},
	};
	const struct mw_yaml *node = mw_settings_routing(r, "routing_strategy");
	struct mw_str wanted = node ? node->text : MW_STR("simple-shuffle");
	size_t i = 0;
	while (i < MW_LEN(strategies) && !mw_str_is(wanted, strategies[i].litellm) &&
	       !(strategies[i].ours && mw_str_is(wanted, strategies[i].ours)))
		i++;
	if (i == MW_LEN(strategies)) {
		mw_settings_fault(r, node->line,
		    "routing_strategy is %s, which is none of simple-shuffle, least-busy, "
		    "latency-based-routing; a strategy of your own goes into `policies:`",
		    mw_settings_shown(r, node));
		return;
	}
	const char *ours = strategies[i].ours;
	if (!ours)
		mw_settings_warn(r, node->line,
		    "routing_strategy '%.*s' is not there yet; simple-shuffle is used in its place",
		    MW_FMT(wanted));
	r->s->strategy = ours ? mw_str(ours) : MW_STR("simple-shuffle");
	*ref =
	    (struct mw_policy_ref){.name = r->s->strategy, .params = MW_STR("{}"), .file = r->file};
	ref->line = node ? node->line : 0;
}

/* Only latency-based takes the arguments that LiteLLM knows. Its ttl has no counterpart: the averages
 * here forget by themselves. */
static void read_strategy_args(struct mw_reading *r, struct mw_policy_ref *ref)
{
	const struct mw_yaml *args = mw_settings_routing(r, "routing_strategy_args");
	r->s->strategy_params = args ? mw_settings_json(r, args) : MW_STR("{}");
	if (!args || !mw_str_is(ref->name, "latency-based"))
		return;
	struct mw_yaml ours = *args;
	ours.pairs = mw_arena_alloc(r->arena, args->n * sizeof(*ours.pairs));
	ours.n = 0;
	for (size_t i = 0; i < args->n; i++)
		if (!mw_str_is(args->pairs[i].key, "ttl"))
			ours.pairs[ours.n++] = args->pairs[i];
	ref->params = mw_settings_json(r, &ours);
}

/* ---- binding --------------------------------------------------------------------------------- */

/* A policy that is bound to a group is bound to its aliases too. */
static bool is_bound(const struct mw_policy_ref *ref, const struct mw_model *m)
{
	for (size_t i = 0; i < ref->n_models; i++)
		if (mw_settings_matches(ref->models[i], m->name) ||
		    mw_settings_matches(ref->models[i], m->means) ||
		    (m->n_targets && mw_settings_matches(ref->models[i], m->targets[0]->group)))
			return true;
	return ref->n_models == 0;
}

static void bind(struct mw_settings *s, struct mw_model *m)
{
	size_t *list = mw_arena_alloc(s->arena, s->n_policies * sizeof(*list));
	for (size_t i = 0; i < s->n_policies; i++)
		if (is_bound(&s->policies[i], m))
			list[m->n_policies++] = i;
	m->policies = list;
}

void mw_settings_read_policies(struct mw_reading *r)
{
	struct mw_settings *s = r->s;
	size_t most = 1;
	for (size_t i = 0; i < r->n_documents; i++) {
		const struct mw_yaml *list = mw_settings_given(r->documents[i].root, "policies");
		most += list ? list->n : 0;
	}
	s->policies = mw_arena_alloc(s->arena, most * sizeof(*s->policies));
	for (size_t i = 0; i < r->n_documents; i++) {
		const struct mw_yaml *list = mw_settings_given(r->documents[i].root, "policies");
		r->file = r->documents[i].file;
		for (size_t k = 0; list && k < list->n; k++)
			read_policy(r, list->items[k], &s->policies[s->n_policies++]);
	}
	struct mw_policy_ref *strategy = &s->policies[s->n_policies++];
	*strategy =
	    (struct mw_policy_ref){.name = MW_STR("simple-shuffle"), .params = MW_STR("{}")};
	r->file = r->documents[0].file;
	read_strategy(r, strategy);
	read_strategy_args(r, strategy);
	for (size_t i = 0; i < s->n_models; i++)
		bind(s, &s->models[i]);
}
