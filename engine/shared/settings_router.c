/* SPDX-License-Identifier: MIT
 *
 * The blocks of plain values: router_settings and litellm_settings (the former wins),
 * general_settings, moonweir_settings; and the price tables.
 */
#include "base/file.h"
#include "shared/prices.h"
#include "shared/settings_parts.h"

#define SECOND UINT64_C(1000000)

static void check_blocks(struct mw_reading *r)
{
	static const struct {
		const char *name;
		enum mw_block block;
	} blocks[] = {
	    {"router_settings", MW_BLOCK_ROUTER},
	    {"litellm_settings", MW_BLOCK_LITELLM},
	    {"general_settings", MW_BLOCK_GENERAL},
	    {"moonweir_settings", MW_BLOCK_OURS},
	};
	for (size_t d = 0; d < r->n_documents; d++) {
		r->file = r->documents[d].file;
		mw_settings_check(r, MW_BLOCK_TOP, r->documents[d].root);
		for (size_t i = 0; i < MW_LEN(blocks); i++)
			mw_settings_check(r, blocks[i].block,
			    mw_settings_given(r->documents[d].root, blocks[i].name));
	}
}

static void read_routing(struct mw_reading *r)
{
	struct mw_settings *s = r->s;
	s->num_retries = (int)mw_settings_number(mw_settings_routing(r, "num_retries"), 2);
	s->max_fallbacks = (unsigned)mw_settings_number(mw_settings_routing(r, "max_fallbacks"), 5);
	const struct mw_yaml *timeout = mw_settings_routing(r, "timeout");
	if (!timeout)
		timeout = mw_settings_value(r, "litellm_settings", "request_timeout");
	s->timeout_us = mw_settings_us(timeout, 600 * SECOND);
	s->stream_timeout_us = mw_settings_us(mw_settings_routing(r, "stream_timeout"), 0);
	s->cooldown_us = mw_settings_us(mw_settings_routing(r, "cooldown_time"), 5 * SECOND);
	s->retry_after_us = mw_settings_us(mw_settings_routing(r, "retry_after"), 0);
	s->disable_cooldowns =
	    mw_settings_switch(mw_settings_routing(r, "disable_cooldowns"), false);
	/* LiteLLM's default of 3 means its default logic, not a count of three */
	int fails = (int)mw_settings_number(mw_settings_routing(r, "allowed_fails"), 3);
	s->allowed_fails = fails == 3 ? -1 : fails;
}

static bool is_on(struct mw_str text)
{
	return mw_str_ieq(text, MW_STR("true")) || mw_str_is(text, "1");
}

static void read_drop_params(struct mw_reading *r)
{
	r->s->drop_params =
	    mw_settings_switch(mw_settings_value(r, "litellm_settings", "drop_params"),
		is_on(mw_settings_variable(r, MW_STR("LITELLM_DROP_PARAMS"))));
}

/* Where the file speaks of a master key, an empty one would open the door that it was meant to
 * close. Looked at before the variable is put in. */
static void check_master_key(struct mw_reading *r)
{
	bool env = mw_settings_variable(r, MW_STR("LITELLM_MASTER_KEY")).n > 0;
	const struct mw_yaml *node = mw_settings_value(r, "general_settings", "master_key");
	if (!node || env)
		return;
	struct mw_str variable = mw_settings_variable_of(node);
	if (variable.n && !mw_settings_variable(r, variable).n)
		mw_settings_fault(r, node->line,
		    "master_key is taken from the environment variable %.*s, which is not set or "
		    "empty; set it, or leave master_key out to ask for no key",
		    MW_FMT(variable));
	else if (!node->text.n && node->kind == MW_YAML_STRING)
		mw_settings_fault(
		    r, node->line, "master_key is empty; leave it out to ask for no key");
}

static void read_master_key(struct mw_reading *r)
{
	const struct mw_yaml *node = mw_settings_value(r, "general_settings", "master_key");
	r->s->master_key = node && node->text.n
	                       ? node->text
	                       : mw_settings_variable(r, MW_STR("LITELLM_MASTER_KEY"));
	if (mw_str_is(r->s->master_key, "sk-1234"))
		mw_settings_warn(r, node ? node->line : 0,
		    "the master key is sk-1234, which everybody knows from LiteLLM's "
		    "documentation: choose another");
}

static void read_ours(struct mw_reading *r)
{
	static const char *const block = "moonweir_settings";
	struct mw_settings *s = r->s;
	const struct mw_yaml *body = mw_settings_value(r, block, "max_body_mb");
	if (!body)
		body = mw_settings_value(r, "general_settings", "max_request_size_mb");
	s->max_body = body ? (size_t)(mw_settings_number(body, 0) * 1048576) : MW_MAX_BODY;
	s->policy_memory =
	    (size_t)(mw_settings_number(mw_settings_value(r, block, "policy_memory_mb"), 16) *
		     1048576);
	s->head_us = mw_settings_us(mw_settings_value(r, block, "head_timeout"), 30 * SECOND);
	s->body_us = mw_settings_us(mw_settings_value(r, block, "body_timeout"), 30 * SECOND);
	s->idle_us = mw_settings_us(mw_settings_value(r, block, "idle_timeout"), 30 * SECOND);
	s->connect_us = mw_settings_us(mw_settings_value(r, block, "connect_timeout"), 10 * SECOND);
	s->first_byte_us = mw_settings_us(mw_settings_value(r, block, "first_byte_timeout"), 0);
}

void mw_settings_read_router(struct mw_reading *r)
{
	check_master_key(r);
	check_blocks(r);
	read_routing(r);
	read_drop_params(r);
	read_master_key(r);
	read_ours(r);
	r->file = r->documents[0].file;
}

/* ---- prices ---------------------------------------------------------------------------------- */

static void free_prices(void *prices)
{
	mw_prices_free(prices);
}

static struct mw_prices *read_map(struct mw_reading *r, const char *path, struct mw_err *err)
{
	enum { MAX_MAP = 64 << 20 };
	struct mw_str text;
	struct mw_arena *scratch = mw_arena_new();
	struct mw_prices *prices = mw_file_read(path, MAX_MAP, scratch, &text, err)
	                               ? mw_prices_parse(text, path, err)
	                               : NULL;
	mw_arena_free(scratch);
	mw_settings_add_file(r, path);
	return prices;
}

/* A price map of LiteLLM's variable counts where it is a file: nothing is fetched. */
static struct mw_str map_variable(struct mw_reading *r)
{
	struct mw_str place = mw_settings_variable(r, MW_STR("LITELLM_MODEL_COST_MAP_URL"));
	if (mw_str_starts(place, MW_STR("file://")))
		return mw_strn(place.p + 7, place.n - 7);
	return mw_str_search(place, MW_STR("://")) ? MW_NOSTR : place;
}

static void merge_map(struct mw_reading *r)
{
	const struct mw_yaml *node = mw_settings_value(r, "moonweir_settings", "price_map");
	struct mw_str path = node ? mw_settings_path(r, node->text) : map_variable(r);
	struct mw_err err = {0};
	if (!path.n)
		return;
	struct mw_prices *map = read_map(r, path.p, &err);
	if (map)
		mw_prices_merge(r->s->prices, map);
	else
		mw_settings_fault(r, node ? node->line : 0, "%s: %s",
		    node ? "price_map" : "LITELLM_MODEL_COST_MAP_URL", err.text);
	mw_prices_free(map);
}

void mw_settings_read_prices(struct mw_reading *r)
{
	struct mw_err err = {0};
	struct mw_str table = r->world->price_table.n ? r->world->price_table : MW_STR("{}");
	r->s->prices = mw_prices_parse(table, "lua/prices.json", &err);
	if (!r->s->prices) {
		mw_settings_fault(r, 0, "%s", err.text);
		r->s->prices = mw_prices_parse(MW_STR("{}"), "", NULL);
	}
	mw_arena_on_reset(r->s->arena, free_prices, r->s->prices);
	merge_map(r);
	r->file = r->documents[0].file;
}
