/* SPDX-License-Identifier: MIT
 *
 * Environment variables in the settings: os.environ/NAME, the block environment_variables (which
 * stays within the snapshot: setenv is not safe once there are threads), and those that lua/ gets
 * to see.
 */
#include "base/json.h"
#include "shared/settings_parts.h"

#include <stdlib.h>
#include <unistd.h>

#define PREFIX MW_STR("os.environ/")

struct mw_str mw_settings_variable_of(const struct mw_yaml *node)
{
	if (!node || node->kind != MW_YAML_STRING || !mw_str_starts(node->text, PREFIX))
		return MW_NOSTR;
	return mw_strn(node->text.p + PREFIX.n, node->text.n - PREFIX.n);
}

struct mw_str mw_settings_variable(struct mw_reading *r, struct mw_str name)
{
	const struct mw_str *own = mw_map_get(r->variables, name);
	if (own)
		return *own;
	const char *value = getenv(mw_arena_dupz(r->arena, name));
	return value ? mw_arena_dup(r->arena, mw_str(value)) : MW_NOSTR;
}

static void resolve_text(struct mw_reading *r, struct mw_str key, struct mw_yaml *node)
{
	struct mw_str name = mw_settings_variable_of(node);
	if (!name.p)
		return;
	struct mw_str value = mw_settings_variable(r, name);
	if (value.p) {
		node->text = value;
		return;
	}
	mw_settings_warn(r, node->line,
	    "%.*s is taken from the environment variable %.*s, which is not set: it counts as not "
	    "given",
	    MW_FMT(key), MW_FMT(name));
	node->kind = MW_YAML_NULL;
}

void mw_settings_resolve(struct mw_reading *r, struct mw_str key, struct mw_yaml *node)
{
	resolve_text(r, key, node);
	for (size_t i = 0; node->kind == MW_YAML_LIST && i < node->n; i++)
		mw_settings_resolve(r, key, node->items[i]);
	for (size_t i = 0; node->kind == MW_YAML_MAP && i < node->n; i++)
		mw_settings_resolve(r, node->pairs[i].key, node->pairs[i].value);
}

static void read_variable(struct mw_reading *r, const struct mw_yaml_pair *pair)
{
	struct mw_yaml *node = pair->value;
	mw_settings_resolve(r, pair->key, node);
	if (node->kind == MW_YAML_LIST || node->kind == MW_YAML_MAP) {
		mw_settings_fault(r, pair->line,
		    "the environment variable %.*s is %s, which is not a string", MW_FMT(pair->key),
		    mw_yaml_kind_name(node->kind));
		return;
	}
	if (node->kind == MW_YAML_NULL)
		return;
	struct mw_str *value = mw_arena_alloc(r->arena, sizeof(*value));
	*value = node->text.p ? node->text : MW_STR("");
	mw_map_set(r->variables, pair->key, value);
}

/* ---- what lua/ gets to see ------------------------------------------------------------------- */

static bool is_provider_variable(struct mw_str name)
{
	static const char *const starts[] = {
	    "OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "AZURE_"};
	static const char *const ends[] = {
	    "_API_KEY", "_API_BASE", "_BASE_URL", "_ORGANIZATION", "_ORG_ID"};
	for (size_t i = 0; i < name.n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", name.p[i]))
			return false;
	for (size_t i = 0; i < MW_LEN(starts); i++)
		if (mw_str_starts(name, mw_str(starts[i])))
			return true;
	for (size_t i = 0; i < MW_LEN(ends); i++)
		if (mw_str_ends(name, mw_str(ends[i])))
			return true;
	return false;
}

static void put_variable(struct mw_buf *b, struct mw_str name, struct mw_str value)
{
	mw_buf_addc(b, b->n > 1 ? ',' : ' ');
	mw_json_quote(b, name);
	mw_buf_addc(b, ':');
	mw_json_quote(b, value);
}

/* The process's variables, then the settings' own: none twice. */
static struct mw_str spec_env(struct mw_reading *r)
{
	struct mw_buf b;
	mw_buf_init(&b, SIZE_MAX / 2);
	mw_buf_addc(&b, '{');
	for (char **e = environ; *e; e++) {
		struct mw_str value = mw_str(*e), name;
		if (mw_str_cut(&value, '=', &name) && is_provider_variable(name) &&
		    !mw_map_get(r->variables, name))
			put_variable(&b, name, value);
	}
	struct mw_str name;
	void *value;
	for (size_t at = 0; mw_map_next(r->variables, &at, &name, &value);)
		if (is_provider_variable(name))
			put_variable(&b, name, *(struct mw_str *)value);
	mw_buf_addc(&b, '}');
	struct mw_str text = mw_arena_dup(r->arena, mw_buf_str(&b));
	mw_buf_deinit(&b);
	return text;
}

void mw_settings_read_environment(struct mw_reading *r)
{
	for (size_t d = 0; d < r->n_documents; d++) {
		const struct mw_yaml *block =
		    mw_settings_given(r->documents[d].root, "environment_variables");
		r->file = r->documents[d].file;
		for (size_t i = 0; block && block->kind == MW_YAML_MAP && i < block->n; i++)
			read_variable(r, &block->pairs[i]);
	}
	r->spec_env = spec_env(r);
}
