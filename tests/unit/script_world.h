/* SPDX-License-Identifier: MIT
 *
 * A small world for tests of policies: a clock that stands still, one model with three targets, a
 * call, and policies whose text the test gives.
 */
#ifndef SCRIPT_WORLD_H
#define SCRIPT_WORLD_H

#include "base/log.h"
#include "base/mem.h"
#include "script/hook.h"
#include "shared/settings.h"

#include <limits.h>
#include <stdio.h>

enum { WORLD_POLICIES = 4, WORLD_FILES = 4, WORLD_TARGETS = 3 };

struct world {
	struct mw_env env;
	uint64_t now, wall;
	struct mw_watchdog *watchdog;
	bool own_watchdog;
	struct mw_guard *guard;
	struct mw_stats *stats;
	struct mw_settings settings;
	struct mw_model model;
	size_t bound[WORLD_POLICIES];
	struct mw_policy_ref refs[WORLD_POLICIES + 1]; /* the last stands for the strategy */
	struct mw_bundle bundle;
	struct mw_bundle_policy sources[WORLD_POLICIES];
	struct mw_bundle_file files[WORLD_POLICIES][WORLD_FILES];
	struct mw_target targets[WORLD_TARGETS];
	struct mw_candidate candidates[WORLD_TARGETS];
	struct mw_header headers[4];
	struct mw_arena *arena;
	struct mw_call call;
	struct mw_policies *policies;
	struct mw_err err;
	char text[4096];
};

static uint64_t world_now(struct mw_env *env)
{
	return mw_container_of(env, struct world, env)->now;
}

static uint64_t world_wall(struct mw_env *env)
{
	return mw_container_of(env, struct world, env)->wall;
}

static const struct mw_env_ops world_ops = {.now = world_now, .wall = world_wall};

/* A new call with this body; what an earlier one left is gone. */
static MW_UNUSED void world_call(struct world *w, const char *body)
{
	struct mw_json root;
	mw_arena_reset(w->arena);
	w->call = (struct mw_call){
	    .arena = w->arena,
	    .env = &w->env,
	    .settings = &w->settings,
	    .id = "11111111-2222-3333-4444-555555555555",
	    .started_us = w->now - 5000,
	    .headers = w->headers,
	    .n_headers = MW_LEN(w->headers),
	    .body = mw_arena_dup(w->arena, mw_str(body)),
	    .asked = MW_STR("gpt"),
	    .model = &w->model,
	    .key = MW_STR("master"),
	    .cost = -1,
	};
	mw_require(mw_call_find_members(&w->call, &root, NULL));
}

static MW_UNUSED void world_make_targets(struct world *w)
{
	static const char *const ids[] = {"a", "b", "c"};
	for (size_t i = 0; i < WORLD_TARGETS; i++) {
		w->targets[i] = (struct mw_target){
		    .index = i,
		    .id = mw_str(ids[i]),
		    .group = MW_STR("gpt"),
		    .name = MW_STR("openai/gpt-x"),
		    .provider = MW_STR("openai"),
		    .model = MW_STR("gpt-x"),
		    .dialect = MW_STR("openai_chat"),
		    .order = INT_MAX,
		    .num_retries = -1,
		};
		w->candidates[i] = (struct mw_candidate){.target = &w->targets[i]};
	}
}

/* A world without policies under this watchdog; add some, then world_load. */
static MW_UNUSED struct world *world_under(struct mw_watchdog *watchdog)
{
	struct world *w = mw_mem_zalloc(sizeof(*w));
	mw_log_set_level(MW_LOG_OFF);
	w->env.ops = &world_ops;
	mw_rng_seed(&w->env.rng, 42);
	w->now = 1000000000;
	w->wall = 1700000000000000;
	w->watchdog = watchdog;
	w->guard = mw_guard_new(w->watchdog);
	w->stats = mw_stats_new();
	w->arena = mw_arena_new();
	w->model = (struct mw_model){.name = MW_STR("gpt"), .policies = w->bound};
	w->settings.file = "config.yaml";
	w->settings.models = &w->model;
	w->settings.n_models = 1;
	w->settings.policies = w->refs;
	w->settings.n_policies = WORLD_POLICIES + 1;
	w->settings.policy_memory = 16 << 20;
	w->bundle.settings = &w->settings;
	w->bundle.policies = w->sources;
	w->headers[0] = (struct mw_header){MW_STR("X-Team"), MW_STR("blue")};
	w->headers[1] = (struct mw_header){MW_STR("Authorization"), MW_STR("Bearer sk-secret")};
	w->headers[2] = (struct mw_header){MW_STR("X-Api-Key"), MW_STR("sk-secret")};
	w->headers[3] = (struct mw_header){MW_STR("Empty"), MW_STR("")};
	world_make_targets(w);
	world_call(w, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
	return w;
}

static MW_UNUSED struct world *world_new(void)
{
	struct world *w = world_under(mw_watchdog_new());
	w->own_watchdog = true;
	return w;
}

/* Adds a file to the last policy, or a policy with its first file. */
static MW_UNUSED void world_add_file(
    struct world *w, const char *name, const char *path, const char *text)
{
	size_t i = w->bundle.n_policies - 1;
	struct mw_bundle_policy *p = &w->sources[i];
	w->files[i][p->n_files++] =
	    (struct mw_bundle_file){mw_str(name), mw_str(path), mw_str(text)};
}

static MW_UNUSED struct mw_policy_ref *world_add(struct world *w, const char *text)
{
	size_t i = w->bundle.n_policies++;
	w->refs[i] =
	    (struct mw_policy_ref){.path = MW_STR("mine.lua"), .file = "config.yaml", .line = 7};
	w->sources[i] = (struct mw_bundle_policy){
	    .ref = &w->refs[i], .files = w->files[i], .version = "0123456789abcdef"};
	w->bound[i] = i;
	w->model.n_policies = i + 1;
	world_add_file(w, "policy.lua", "mine.lua", text);
	return &w->refs[i];
}

static MW_UNUSED bool world_load(struct world *w)
{
	w->policies = mw_policies_new(&w->env, w->guard, w->stats, &w->bundle, &w->err);
	return w->policies;
}

static MW_UNUSED void world_free(struct world *w)
{
	mw_policies_free(w->policies);
	mw_arena_free(w->arena);
	mw_stats_free(w->stats);
	mw_guard_free(w->guard);
	if (w->own_watchdog)
		mw_watchdog_free(w->watchdog);
	mw_mem_free(w);
}

#define WORLD_HEAD(kind) "local P = mw.policy{ name = 'mine', api = 1, kind = '" kind "' } "
#define WORLD_TAIL       " return P"

/* A world with one policy, which must load. */
static MW_UNUSED struct world *world_with(const char *text)
{
	struct world *w = world_new();
	world_add(w, text);
	if (!world_load(w))
		fprintf(stderr, "does not load: %s\n", w->err.text);
	mw_require(w->policies);
	return w;
}

/* A world with one policy that has this hook; its arguments are req, b, c and so on. */
static MW_UNUSED struct world *world_of_hook(const char *kind, const char *hook, const char *body)
{
	char source[2048];
	struct world *w = world_new();
	snprintf(source, sizeof(source),
	    "local P = mw.policy{ name = 'mine', api = 1, kind = '%s' }\nfunction P.%s(req, b, c) "
	    "%s end return P",
	    kind, hook, body);
	world_add(w, source);
	if (!world_load(w))
		fprintf(stderr, "%s: %s\n", body, w->err.text);
	mw_require(w->policies);
	return w;
}

/* What loading this policy is refused with. */
static MW_UNUSED const char *world_refusal(struct world *w)
{
	mw_require(!world_load(w));
	return w->err.text;
}

/* The value of an expression inside the sandbox, as a text; or the error that it raises. */
static MW_UNUSED const char *world_eval_in(
    struct world *w, const char *before, const char *expression)
{
	char source[8192];
	struct mw_decision d;
	snprintf(source, sizeof(source),
	    WORLD_HEAD("guard") "%s\nfunction P.admit(req, p)\nlocal ok, e = pcall(function() "
				"return %s end)\n"
				"return mw.answer{ text = tostring(e) } end" WORLD_TAIL,
	    before, expression);
	mw_policies_free(w->policies);
	w->policies = NULL;
	w->bundle.n_policies = w->model.n_policies = 0;
	w->sources[0].n_files = 0;
	world_add(w, source);
	if (!world_load(w))
		return w->err.text;
	mw_hook_admit(w->policies, &w->call, &d);
	snprintf(
	    w->text, sizeof(w->text), "%.*s", MW_FMT(d.verdict == MW_ANSWER ? d.text : d.message));
	return w->text;
}

/* The same while the file is loaded, where more time is allowed than in a hook. */
static MW_UNUSED const char *world_eval_early(
    struct world *w, const char *before, const char *expression)
{
	char source[8192];
	snprintf(source, sizeof(source), "%s local ok, early = pcall(function() return %s end)",
	    before, expression);
	return world_eval_in(w, source, "early");
}

static MW_UNUSED const char *world_eval(struct world *w, const char *expression)
{
	return world_eval_in(w, "", expression);
}

/* For tests that have cmocka. */
#define assert_contains(text, part)                                                                \
	do {                                                                                       \
		const char *in_ = (text);                                                          \
		if (!strstr(in_, (part)))                                                          \
			fail_msg("\"%s\" does not hold \"%s\"", in_, (part));                      \
	} while (0)

#endif
