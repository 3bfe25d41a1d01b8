/* SPDX-License-Identifier: MIT
 *
 * The settings: config.yaml as LiteLLM users write it, read into an immutable snapshot with a
 * reference count. A reload makes a new snapshot; a call keeps the one it started with.
 *
 * Reading is in two parts, because what a provider needs is said in Lua (lua/providers): this file
 * reads and checks the YAML; script/runtime's `prepare` then fills each target's addresses, through
 * the callback given here.
 *
 * Start here to add a setting: a field below, a row in the table of its block in settings_*.c, a
 * case in tests/unit/test_settings.c.
 */
#ifndef MW_SETTINGS_H
#define MW_SETTINGS_H

#include "base/arena.h"
#include "base/err.h"
#include "call/target.h"

struct mw_metrics;
struct mw_healths;
struct mw_prices;

/* A policy as the settings name it. */
struct mw_policy_ref {
	struct mw_str name; /* of a shipped policy; or empty */
	struct mw_str
	    path; /* of a file or folder, absolute or relative to the working directory; or empty */
	struct mw_str params;	     /* JSON object */
	const struct mw_str *models; /* groups it is bound to; n_models 0: all */
	size_t n_models;
	int line; /* in the settings file; 0: built in */
};

/* A model: the group of targets that share a model_name. */
struct mw_model {
	size_t index;
	struct mw_str name;
	bool wildcard;			  /* holds a '*' */
	bool hidden;			  /* not listed by /v1/models */
	const struct mw_target **targets; /* by order, then as in the file */
	size_t n_targets;
	const struct mw_str *fallbacks; /* names of groups, in order */
	size_t n_fallbacks;
	const size_t *policies; /* indices into settings->policies of those bound to it, in order */
	size_t n_policies;
};

struct mw_settings {
	struct mw_arena *arena; /* owns everything here */
	const char *file;	/* "" for the embedded defaults */
	struct mw_model *models;
	size_t n_models;
	struct mw_target *targets;
	size_t n_targets;
	struct mw_policy_ref *policies; /* the settings' own list, then the strategy as the last */
	size_t n_policies;
	struct mw_str strategy; /* name of the shipped policy that routes where no other does */
	struct mw_str strategy_params; /* JSON: routing_strategy_args */
	struct mw_str master_key;      /* empty: no key is asked for */
	struct mw_prices *prices;
	bool drop_params;
	int num_retries;     /* 2 */
	uint64_t timeout_us; /* whole answer: router timeout, else request_timeout, else 600 s */
	uint64_t
	    stream_timeout_us; /* first content of a stream, and between contents; 0: timeout_us */
	uint64_t connect_us;   /* 10 s */
	int allowed_fails;     /* -1: LiteLLM's default logic (shared/health.h) */
	uint64_t cooldown_us;  /* 5 s */
	bool disable_cooldowns;
	uint64_t retry_after_us;	    /* least pause between attempts on the same target */
	unsigned max_fallbacks;		    /* 5 */
	size_t max_body;		    /* bytes */
	uint64_t head_us, body_us, idle_us; /* a client's time for these */
	size_t policy_memory;		    /* bytes a policy state may hold: 16 MiB */
	/* look-ups, built last */
	struct mw_map *by_name; /* model_name, alias, deployment id -> struct mw_model */
	_Atomic int refs;
};

/* What reading needs from outside. */
struct mw_settings_world {
	struct mw_metrics *metrics;
	struct mw_healths *healths;
	/* Fills dialect, api_base, doors, passthrough, stream_usage, plays from target->spec;
	 * strings go into the arena. An error names what is missing, without file and line (added
	 * here). */
	bool (*prepare)(
	    void *arg, struct mw_target *target, struct mw_arena *arena, struct mw_err *err);
	void *arg;
	/* A warning: "config.yaml:12: unknown key …". May be NULL. */
	void (*warn)(void *arg, const char *text);
	/* The embedded price table (lua/prices.json). */
	struct mw_str price_table;
};

/* Reads a file. Errors (SETTINGS) read "FILE:LINE: what was found, what is allowed". The result has
 * one reference. NULL on failure. */
struct mw_settings *mw_settings_read(
    const char *path, const struct mw_settings_world *world, struct mw_err *err);
/* The same from text; `name` stands for the file in messages and gives the folder for relative
 * paths. */
struct mw_settings *mw_settings_parse(struct mw_str yaml, const char *name,
    const struct mw_settings_world *world, struct mw_err *err);
/* One model, key from the environment: what `--model gpt-4o` means. */
struct mw_settings *mw_settings_one_model(
    struct mw_str model, const struct mw_settings_world *world, struct mw_err *err);

struct mw_settings *mw_settings_ref(struct mw_settings *s);
void mw_settings_unref(struct mw_settings *s); /* takes NULL; any thread */

/* The group that a client's model name stands for: exact name, alias, deployment id (then only that
 * target is meant: *only is set), most specific wildcard. NULL if none. */
const struct mw_model *mw_settings_find(
    const struct mw_settings *s, struct mw_str name, const struct mw_target **only);

/* The provider's model name for a call: the target's own, or, for a wildcard, with the asked name's
 * part in the place of '*'. In the arena where it is made. */
struct mw_str mw_settings_target_model(
    const struct mw_target *t, const struct mw_model *m, struct mw_str asked, struct mw_arena *a);

/* Up to max known names nearest to `name`, best first; returns how many. For messages. */
size_t mw_settings_nearest(
    const struct mw_settings *s, struct mw_str name, struct mw_str *out, size_t max);

#endif
