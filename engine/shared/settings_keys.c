/* SPDX-License-Identifier: MIT
 *
 * The keys of the settings: the table of settings.def, checking a block against it, and values.
 */
#include "base/log.h"
#include "shared/price.h"
#include "shared/settings_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum kind { ANY, TEXT, ADDRESS, SWITCH, WHOLE, NUMBER, SECONDS, LIST, MAP };
enum use { USED, LATER, GUARD, BODY };

struct key {
	enum mw_block block;
	const char *name;
	enum kind kind;
	double least, most;
	enum use use;
};

static const struct key keys[] = {
#define MW_KEY(block, name, kind, least, most) {MW_BLOCK_##block, name, kind, least, most, USED},
#define MW_LATER(block, name)                  {MW_BLOCK_##block, name, ANY, 0, 0, LATER},
#define MW_GUARD(block, name)                  {MW_BLOCK_##block, name, ANY, 0, 0, GUARD},
#define MW_BODY(name)                          {MW_BLOCK_PARAMS, name, ANY, 0, 0, BODY},
#include "shared/settings.def"
};

struct place {
	const char *name, *in;
};

static const struct place blocks[MW_BLOCKS] = {
    [MW_BLOCK_TOP] = {"the top level", "at the top level"},
    [MW_BLOCK_ENTRY] = {"model_list", "in an entry of model_list"},
    [MW_BLOCK_PARAMS] = {"litellm_params", "in litellm_params"},
    [MW_BLOCK_INFO] = {"model_info", "in model_info"},
    [MW_BLOCK_CREDENTIAL] = {"credential_list", "in an entry of credential_list"},
    [MW_BLOCK_POLICY] = {"policies", "in an entry of policies"},
    [MW_BLOCK_OURS] = {"moonweir_settings", "in moonweir_settings"},
    [MW_BLOCK_ROUTER] = {"router_settings", "in router_settings"},
    [MW_BLOCK_LITELLM] = {"litellm_settings", "in litellm_settings"},
    [MW_BLOCK_GENERAL] = {"general_settings", "in general_settings"},
};

/* ---- messages -------------------------------------------------------------------------------- */

static struct mw_str message(struct mw_reading *r, int line, const char *fmt, va_list ap)
{
	char text[512];
	vsnprintf(text, sizeof(text), fmt, ap);
	if (!r->file[0]) /* the embedded defaults, or the command line */
		return mw_arena_dup(r->arena, mw_str(text));
	return line ? mw_arena_printf(r->arena, "%s:%d: %s", r->file, line, text)
	            : mw_arena_printf(r->arena, "%s: %s", r->file, text);
}

/* What a file's text could do to a terminal, or to the lines of a list, it does not do. */
void mw_settings_add_fault(struct mw_reading *r, struct mw_str text)
{
	if (r->n_faults++)
		mw_buf_addc(&r->faults, '\n');
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		mw_buf_addc(&r->faults, c < ' ' || c == 0x7f ? '?' : text.p[i]);
	}
}

void mw_settings_fault(struct mw_reading *r, int line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	mw_settings_add_fault(r, message(r, line, fmt, ap));
	va_end(ap);
}

/* Each is said once: what an anchor holds is looked at wherever it is used. */
void mw_settings_warn(struct mw_reading *r, int line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	struct mw_str text = message(r, line, fmt, ap);
	va_end(ap);
	if (r->world->warn && !mw_map_set(r->said, text, r))
		r->world->warn(r->world->arg, text.p);
}

static void note(struct mw_reading *r, enum mw_block block, struct mw_str key, struct mw_buf *names)
{
	struct mw_str name = block == MW_BLOCK_TOP ? mw_arena_dup(r->arena, key)
	                                           : mw_arena_printf(r->arena, "%s.%.*s",
							 blocks[block].name, MW_FMT(key));
	if (mw_map_set(r->said, name, r))
		return;
	if (names->n)
		mw_buf_addz(names, ", ");
	mw_buf_add(names, name);
}

void mw_settings_tell_later(struct mw_reading *r)
{
	if (r->guards.n)
		mw_log(MW_LOG_WARN, "settings",
		    "%s: these would restrict calls and have no effect yet: %.*s", r->file,
		    MW_FMT(mw_buf_str(&r->guards)));
	if (r->later.n)
		mw_log(MW_LOG_INFO, "settings", "%s: known, without effect yet: %.*s", r->file,
		    MW_FMT(mw_buf_str(&r->later)));
}

/* ---- unknown keys ---------------------------------------------------------------------------- */

/* litellm_settings takes the router's keys too. */
static bool in_block(const struct key *k, enum mw_block block)
{
	return k->block == block || (block == MW_BLOCK_LITELLM && k->block == MW_BLOCK_ROUTER);
}

static const struct key *find(enum mw_block block, struct mw_str name)
{
	for (size_t i = 0; i < MW_LEN(keys); i++)
		if (in_block(&keys[i], block) && mw_str_is(name, keys[i].name))
			return &keys[i];
	return NULL;
}

/* How many typing errors are believed in a word of this length. */
static size_t tolerance(struct mw_str name, bool open)
{
	return name.n <= 4 ? 1 : name.n <= 7 || open ? 2 : 3;
}

/* Typing errors, or (in a closed block) a name that ends too early: "max_body" for "max_body_mb". */
static struct mw_str meant_in(enum mw_block block, struct mw_str name, bool open)
{
	size_t best = tolerance(name, open) + 1;
	struct mw_str meant = MW_NOSTR;
	for (size_t i = 0; i < MW_LEN(keys); i++) {
		struct mw_str known = mw_str(keys[i].name);
		if (!in_block(&keys[i], block))
			continue;
		size_t distance = mw_str_distance(name, known);
		if (!open && mw_str_starts(known, name) && known.p[name.n] == '_')
			distance = MW_MIN(distance, best - 1);
		if (distance < best) {
			best = distance;
			meant = known;
		}
	}
	return meant;
}

/* Another block in which the key would be right. */
static const char *home_of(struct mw_str name)
{
	static const enum mw_block likely[] = {MW_BLOCK_ROUTER, MW_BLOCK_LITELLM, MW_BLOCK_GENERAL,
	    MW_BLOCK_OURS, MW_BLOCK_TOP, MW_BLOCK_PARAMS, MW_BLOCK_INFO};
	for (size_t i = 0; i < MW_LEN(likely); i++)
		if (find(likely[i], name))
			return blocks[likely[i]].in;
	return NULL;
}

/* What is not known in litellm_params goes to the provider, and model_info may hold anything: there
 * only a likely typing error is worth a word. */
static void unknown(struct mw_reading *r, enum mw_block block, const struct mw_yaml_pair *pair)
{
	bool open = block == MW_BLOCK_PARAMS || block == MW_BLOCK_INFO;
	if (block == MW_BLOCK_TOP && mw_str_starts(pair->key, MW_STR("x-")))
		return; /* where people keep what they use by anchor */
	struct mw_str meant = meant_in(block, pair->key, open);
	const char *home = open ? NULL : home_of(pair->key);
	const char *in = blocks[block].in;
	if (meant.n)
		mw_settings_warn(r, pair->line, "unknown key '%.*s' %s; did you mean '%.*s'?",
		    MW_FMT(pair->key), in, MW_FMT(meant));
	else if (home)
		mw_settings_warn(r, pair->line, "unknown key '%.*s' %s; it belongs %s",
		    MW_FMT(pair->key), in, home);
	else if (!open)
		mw_settings_warn(r, pair->line, "unknown key '%.*s' %s", MW_FMT(pair->key), in);
}

/* ---- kinds ----------------------------------------------------------------------------------- */

static bool is_scalar(const struct mw_yaml *node)
{
	return node->kind != MW_YAML_LIST && node->kind != MW_YAML_MAP;
}

/* A number also where it is written as a text, as what comes from the environment is. */
static bool number_of(const struct mw_yaml *node, double *out)
{
	if (node->kind == MW_YAML_STRING)
		return mw_str_double(node->text, out) && isfinite(*out);
	*out = node->number;
	return (node->kind == MW_YAML_INT || node->kind == MW_YAML_FLOAT) && isfinite(*out);
}

static bool switch_of(const struct mw_yaml *node, bool *out)
{
	*out = node->kind == MW_YAML_BOOL ? node->boolean : mw_str_ieq(node->text, MW_STR("true"));
	return node->kind == MW_YAML_BOOL ||
	       (node->kind == MW_YAML_STRING && (*out || mw_str_ieq(node->text, MW_STR("false"))));
}

/* An empty one counts as not given; blanks around it do not count. */
static bool is_address(struct mw_str text)
{
	while (text.n && text.p[0] == ' ')
		text = mw_strn(text.p + 1, text.n - 1);
	return !text.n || (mw_str_istarts(text, MW_STR("http://")) && text.n > 7) ||
	       (mw_str_istarts(text, MW_STR("https://")) && text.n > 8);
}

static bool fits(const struct key *k, const struct mw_yaml *node)
{
	double number;
	bool on;
	switch (k->kind) {
	case ANY:
		return true;
	case TEXT:
		return is_scalar(node);
	case ADDRESS:
		return is_scalar(node) && is_address(node->text);
	case SWITCH:
		return switch_of(node, &on);
	case WHOLE:
		return number_of(node, &number) && number == floor(number) && number >= k->least &&
		       number <= k->most;
	case NUMBER:
	case SECONDS:
		return number_of(node, &number) && number >= k->least && number <= k->most;
	case LIST:
		return node->kind == MW_YAML_LIST;
	case MAP:
		return node->kind == MW_YAML_MAP;
	}
	return false;
}

static struct mw_str allowed(struct mw_reading *r, const struct key *k)
{
	static const char *const words[] = {[ANY] = "anything",
	    [TEXT] = "a string",
	    [ADDRESS] = "an address that begins with http:// or https://",
	    [SWITCH] = "true or false",
	    [WHOLE] = "a whole number",
	    [NUMBER] = "a number",
	    [SECONDS] = "a number of seconds",
	    [LIST] = "a list",
	    [MAP] = "a map"};
	if (k->kind == WHOLE || k->kind == NUMBER || k->kind == SECONDS)
		return mw_arena_printf(
		    r->arena, "%s from %.10g to %.10g", words[k->kind], k->least, k->most);
	return mw_str(words[k->kind]);
}

const char *mw_settings_shown(struct mw_reading *r, const struct mw_yaml *node)
{
	const char *quote = node->kind == MW_YAML_STRING ? "\"" : "";
	if (!is_scalar(node) || node->kind == MW_YAML_NULL)
		return mw_yaml_kind_name(node->kind);
	return mw_arena_printf(
	    r->arena, "%s%.*s%s", quote, (int)MW_MIN(node->text.n, (size_t)40), node->text.p, quote)
	    .p;
}

static bool has(struct mw_str text, char c)
{
	return mw_str_find(text, c) < text.n;
}

/* A string in the place of a map, a list or an address may be a secret too (`extra_headers: Bearer …`),
 * and an address may hold one. */
static bool may_be_secret(const struct key *k, struct mw_str text)
{
	bool looks_like_address = has(text, ':') || (has(text, '.') && has(text, '/'));
	if (k->kind == ADDRESS)
		return !looks_like_address || has(text, '@');
	return k->kind == LIST || k->kind == MAP;
}

static const char *found(struct mw_reading *r, const struct key *k, const struct mw_yaml *node)
{
	bool secret = may_be_secret(k, node->text);
	return secret && node->kind == MW_YAML_STRING ? mw_yaml_kind_name(node->kind)
	                                              : mw_settings_shown(r, node);
}

/* A value out of the environment is not shown: it may be a secret that got into the wrong place. */
static void misfit(struct mw_reading *r, const struct mw_yaml_pair *pair, struct mw_str variable,
    const char *found, const char *what)
{
	if (variable.n)
		mw_settings_fault(r, pair->line,
		    "%.*s is taken from the environment variable %.*s, whose value is not %s",
		    MW_FMT(pair->key), MW_FMT(variable), what);
	else
		mw_settings_fault(
		    r, pair->line, "%.*s is %s, which is not %s", MW_FMT(pair->key), found, what);
	pair->value->kind = MW_YAML_NULL;
}

/* ---- checking a block ------------------------------------------------------------------------ */

static bool is_price(struct mw_str key)
{
	return mw_price_is_rate(key) || mw_str_search(key, MW_STR("_cost")) ||
	       mw_str_is(key, "tiered_pricing");
}

/* Does it hold further blocks with tables of their own? */
static bool is_block(const struct key *k)
{
	return k && (k->block == MW_BLOCK_TOP || k->block == MW_BLOCK_ENTRY) && k->kind != TEXT;
}

static void check_price(struct mw_reading *r, enum mw_block block, const struct mw_yaml_pair *pair)
{
	int64_t pico;
	struct mw_str variable = mw_settings_variable_of(pair->value);
	if (!mw_price_is_rate(pair->key)) {
		note(r, block, pair->key, &r->later);
		return;
	}
	mw_settings_resolve(r, pair->key, pair->value);
	if (pair->value->kind == MW_YAML_NULL)
		return;
	if (!is_scalar(pair->value) || !mw_price_decimal(pair->value->text, false, &pico))
		misfit(r, pair, variable, mw_settings_shown(r, pair->value),
		    "a price of a token in USD, such as 2.5e-06");
}

static void check_pair(struct mw_reading *r, enum mw_block block, const struct mw_yaml_pair *pair)
{
	const struct key *k = find(block, pair->key);
	if (!k && (block == MW_BLOCK_PARAMS || block == MW_BLOCK_INFO) && is_price(pair->key)) {
		check_price(r, block, pair);
		return;
	}
	if (k && (k->use == LATER || k->use == GUARD)) {
		note(r, block, pair->key, k->use == GUARD ? &r->guards : &r->later);
		return;
	}
	if (!k)
		unknown(r, block, pair);
	struct mw_str variable = mw_settings_variable_of(pair->value);
	if (!is_block(k)) /* blocks are checked each for itself */
		mw_settings_resolve(r, pair->key, pair->value);
	if (k && pair->value->kind != MW_YAML_NULL && !fits(k, pair->value))
		misfit(r, pair, variable, found(r, k, pair->value), allowed(r, k).p);
}

void mw_settings_check(struct mw_reading *r, enum mw_block block, const struct mw_yaml *map)
{
	if (!map || map->kind != MW_YAML_MAP)
		return;
	for (size_t i = 0; i < map->n; i++)
		check_pair(r, block, &map->pairs[i]);
}

bool mw_settings_is_body(struct mw_str key)
{
	const struct key *k = find(MW_BLOCK_PARAMS, key);
	return k ? k->use == BODY : !is_price(key);
}

/* ---- values ---------------------------------------------------------------------------------- */

const struct mw_yaml *mw_settings_given(const struct mw_yaml *map, const char *key)
{
	const struct mw_yaml *node = map ? mw_yaml_get(map, key) : NULL;
	return node && node->kind != MW_YAML_NULL ? node : NULL;
}

const struct mw_yaml *mw_settings_value(struct mw_reading *r, const char *block, const char *key)
{
	for (size_t i = r->n_documents; i-- > 0;) {
		const struct mw_yaml *node =
		    mw_settings_given(mw_settings_given(r->documents[i].root, block), key);
		if (node) {
			r->file = r->documents[i].file;
			return node;
		}
	}
	return NULL;
}

const struct mw_yaml *mw_settings_routing(struct mw_reading *r, const char *key)
{
	const struct mw_yaml *node = mw_settings_value(r, "router_settings", key);
	return node ? node : mw_settings_value(r, "litellm_settings", key);
}

struct mw_str mw_settings_text(const struct mw_yaml *node)
{
	return node ? node->text : MW_NOSTR;
}

bool mw_settings_switch(const struct mw_yaml *node, bool otherwise)
{
	bool on = otherwise;
	return node && switch_of(node, &on) ? on : otherwise;
}

double mw_settings_number(const struct mw_yaml *node, double otherwise)
{
	double number;
	return node && number_of(node, &number) ? number : otherwise;
}

uint64_t mw_settings_us(const struct mw_yaml *node, uint64_t otherwise)
{
	return node ? (uint64_t)(mw_settings_number(node, 0) * 1e6 + 0.5) : otherwise;
}

struct mw_str mw_settings_json(struct mw_reading *r, const struct mw_yaml *node)
{
	struct mw_buf b;
	mw_buf_init(&b, SIZE_MAX / 2);
	mw_yaml_to_json(node, &b);
	mw_require(!b.full);
	struct mw_str text = mw_arena_dup(r->arena, mw_buf_str(&b));
	mw_buf_deinit(&b);
	return text;
}
