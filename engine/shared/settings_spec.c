/* SPDX-License-Identifier: MIT
 *
 * One deployment as lua/ is told of it (its spec), and the id that follows from it.
 */
#include "base/hash.h"
#include "base/json.h"
#include "shared/settings_parts.h"

const struct mw_yaml *mw_settings_param(const struct mw_deployment *d, const char *key)
{
	const struct mw_yaml *node = mw_settings_given(d->params, key);
	return node ? node : mw_settings_given(d->credential, key);
}

/* ---- spec ------------------------------------------------------------------------------------ */

static void put_name(struct mw_buf *b, struct mw_str name)
{
	if (b->n && b->p[b->n - 1] != '{')
		mw_buf_addc(b, ',');
	mw_json_quote(b, name);
	mw_buf_addc(b, ':');
}

static void put_text(struct mw_buf *b, const char *name, struct mw_str text)
{
	if (!text.p)
		return;
	put_name(b, mw_str(name));
	mw_json_quote(b, text);
}

static void put_node(struct mw_buf *b, struct mw_str name, const struct mw_yaml *node)
{
	if (!node)
		return;
	put_name(b, name);
	mw_yaml_to_json(node, b);
}

static void put_switch(struct mw_buf *b, const char *name, bool on)
{
	put_name(b, mw_str(name));
	mw_buf_addz(b, on ? "true" : "false");
}

static bool holds(const struct mw_yaml *map, struct mw_str key)
{
	for (size_t i = 0; map && i < map->n; i++)
		if (mw_str_eq(map->pairs[i].key, key))
			return true;
	return false;
}

/* What litellm_params brings for the body; extra_body wins. What is null counts as not given. */
static bool put_extra(struct mw_buf *b, const struct mw_deployment *d)
{
	const struct mw_yaml *over = mw_settings_given(d->params, "extra_body");
	bool any = over && over->n;
	put_name(b, MW_STR("extra"));
	mw_buf_addc(b, '{');
	for (size_t i = 0; over && i < over->n; i++)
		put_node(b, over->pairs[i].key, over->pairs[i].value);
	for (size_t i = 0; i < d->params->n; i++) {
		const struct mw_yaml_pair *pair = &d->params->pairs[i];
		if (pair->value->kind == MW_YAML_NULL || !mw_settings_is_body(pair->key) ||
		    holds(over, pair->key))
			continue;
		put_node(b, pair->key, pair->value);
		any = true;
	}
	mw_buf_addc(b, '}');
	return any;
}

static void put_params(
    struct mw_reading *r, struct mw_buf *b, const struct mw_deployment *d, bool *has_defaults)
{
	static const char *const texts[] = {"api_key", "api_version"};
	const struct mw_yaml *base = mw_settings_param(d, "api_base");
	put_text(b, "api_base", mw_settings_text(base ? base : mw_settings_param(d, "base_url")));
	for (size_t i = 0; i < MW_LEN(texts); i++)
		put_text(b, texts[i], mw_settings_text(mw_settings_param(d, texts[i])));
	put_text(b, "organization", d->organization);
	put_switch(b, "drop_params",
	    mw_settings_switch(mw_settings_given(d->params, "drop_params"), r->s->drop_params));
	put_node(b, MW_STR("mock_response"), mw_settings_given(d->params, "mock_response"));
	put_node(b, MW_STR("extra_headers"), mw_settings_given(d->params, "extra_headers"));
	*has_defaults = put_extra(b, d);
	put_name(b, MW_STR("env"));
	mw_buf_add(b, r->spec_env);
}

struct mw_str mw_settings_spec(
    struct mw_reading *r, const struct mw_deployment *d, bool *has_defaults)
{
	struct mw_buf b;
	mw_buf_init(&b, SIZE_MAX / 2);
	mw_buf_addc(&b, '{');
	put_text(&b, "model", d->model);
	put_text(&b, "provider", mw_settings_text(mw_settings_param(d, "custom_llm_provider")));
	put_switch(&b, "wildcard", mw_str_find(d->model, '*') < d->model.n);
	put_name(&b, MW_STR("params"));
	mw_buf_addc(&b, '{');
	put_params(r, &b, d, has_defaults);
	mw_buf_addz(&b, "}}");
	mw_require(!b.full);
	struct mw_str text = mw_arena_dup(r->arena, mw_buf_str(&b));
	mw_buf_deinit(&b);
	return text;
}

/* ---- id -------------------------------------------------------------------------------------- */

static bool is_secret(struct mw_str key)
{
	return mw_str_search(key, MW_STR("key")) || mw_str_search(key, MW_STR("secret")) ||
	       mw_str_search(key, MW_STR("token")) || mw_str_search(key, MW_STR("credential"));
}

/* Does not depend on the order of the keys. */
static uint64_t hash_params(struct mw_reading *r, const struct mw_yaml *params, char salt)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < params->n; i++) {
		const struct mw_yaml_pair *pair = &params->pairs[i];
		if (is_secret(pair->key) && !mw_settings_is_body(pair->key))
			continue;
		struct mw_str value = mw_settings_json(r, pair->value);
		sum += mw_hash_stable(mw_arena_printf(
		    r->arena, "%c%.*s=%.*s", salt, MW_FMT(pair->key), MW_FMT(value)));
	}
	return sum;
}

struct mw_str mw_settings_target_id(
    struct mw_reading *r, const struct mw_deployment *d, unsigned nth)
{
	unsigned long long parts[4];
	for (int i = 0; i < 4; i++) {
		char salt = (char)('a' + i);
		struct mw_str facts = mw_arena_printf(r->arena, "%c%.*s|%.*s|%.*s|%u|%016llx", salt,
		    MW_FMT(d->group), MW_FMT(d->model), MW_FMT(d->organization), nth,
		    (unsigned long long)hash_params(r, d->params, salt));
		parts[i] = mw_hash_stable(facts);
	}
	return mw_arena_printf(
	    r->arena, "%016llx%016llx%016llx%016llx", parts[0], parts[1], parts[2], parts[3]);
}
