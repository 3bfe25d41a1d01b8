/* SPDX-License-Identifier: MIT
 *
 * The world in which the tests of shared/settings read: providers are played by a `prepare` of this
 * file, so that no Lua is needed; warnings are kept. Included once by each test_settings*.c.
 */
#ifndef SETTINGS_WORLD_H
#define SETTINGS_WORLD_H

#include "shared/health.h"
#include "shared/metrics.h"
#include "shared/prices.h"
#include "shared/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

struct fixture {
	struct mw_settings_world world;
	char warnings[8192]; /* one a line */
	struct mw_err err;
};

/* As lua/ does it: "provider/model", refusing a provider that is called "nobody"; "later" is not there
 * yet, "keyless" has no key. */
static MW_UNUSED bool prepare(
    void *arg, struct mw_target *t, struct mw_arena *arena, struct mw_err *err)
{
	(void)arg, (void)arena;
	struct mw_str rest = t->model, provider;
	if (t->provider.n == 0) {
		if (mw_str_cut(&rest, '/', &provider)) {
			t->provider = provider;
			t->model = rest;
		} else {
			t->provider = MW_STR("openai");
		}
	}
	if (mw_str_is(t->provider, "later"))
		return mw_err_set(err, MW_ERR_UNSUPPORTED, "it is not there yet");
	if (mw_str_is(t->provider, "nobody"))
		return mw_err_set(err, MW_ERR_SETTINGS, "nobody is no provider");
	if (mw_str_is(t->provider, "keyless"))
		t->warning = MW_STR("there is no key");
	t->dialect = MW_STR("openai_chat");
	return true;
}

static MW_UNUSED size_t wildcards(void *arg, struct mw_arena *arena, const struct mw_wildcard **out)
{
	(void)arg, (void)arena;
	static const struct mw_wildcard list[] = {
	    {{"openai/*", 8}, {"openai/*", 8}},
	    {{"claude-*", 8}, {"anthropic/claude-*", 18}},
	    {{"nobody/*", 8}, {"nobody/*", 8}},
	    {{"keyless/*", 9}, {"keyless/*", 9}},
	};
	*out = list;
	return MW_LEN(list);
}

static MW_UNUSED void warn(void *arg, const char *text)
{
	struct fixture *f = arg;
	size_t n = strlen(f->warnings);
	snprintf(f->warnings + n, sizeof(f->warnings) - n, "%s\n", text);
}

static MW_UNUSED int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	f->world = (struct mw_settings_world){
	    .metrics = mw_metrics_new(1),
	    .healths = mw_healths_new(),
	    .prepare = prepare,
	    .wildcards = wildcards,
	    .arg = f,
	    .warn = warn,
	    .price_table =
		MW_STR("{\"unit\": \"USD per million tokens\", \"models\": {"
		       "\"openai/gpt-4o\": {\"input\": 2.5, \"cached\": 1.25, \"output\": 10},"
		       "\"anthropic/claude-x\": {\"input\": 3, \"output\": 15}}}"),
	};
	*state = f;
	return 0;
}

static MW_UNUSED int tear_down(void **state)
{
	struct fixture *f = *state;
	mw_metrics_free(f->world.metrics);
	mw_healths_free(f->world.healths);
	free(f);
	return 0;
}

static MW_UNUSED struct mw_settings *parse(struct fixture *f, const char *yaml)
{
	f->warnings[0] = '\0';
	f->err = (struct mw_err){0};
	return mw_settings_parse(mw_str(yaml), "config.yaml", &f->world, &f->err);
}

/* Good, and without a warning. */
static MW_UNUSED struct mw_settings *good(struct fixture *f, const char *yaml)
{
	struct mw_settings *s = parse(f, yaml);
	if (!s)
		fail_msg("refused: %s", f->err.text);
	if (f->warnings[0])
		fail_msg("warned: %s", f->warnings);
	return s;
}

static MW_UNUSED const struct mw_model *find(const struct mw_settings *s, const char *name)
{
	const struct mw_target *only;
	const struct mw_model *m = mw_settings_find(s, mw_str(name), &only);
	if (!m)
		fail_msg("'%s' is not found", name);
	return m;
}

#define ONE "model_list: [{model_name: m, litellm_params: {model: openai/gpt-4o}}]\n"
#define AB                                                                                         \
	"model_list:\n"                                                                            \
	"- {model_name: a, litellm_params: {model: openai/a}}\n"                                   \
	"- {model_name: b, litellm_params: {model: openai/b}}\n"

#define assert_str(s, z)                                                                           \
	do {                                                                                       \
		struct mw_str got_ = (s);                                                          \
		if (!mw_str_is(got_, z))                                                           \
			fail_msg("'%.*s' is not '%s'", MW_FMT(got_), z);                           \
	} while (0)

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
