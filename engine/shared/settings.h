/* SPDX-License-Identifier: MIT
 *
 * The settings: config.yaml as LiteLLM users write it, read into an immutable snapshot with a
 * reference count. A reload makes a new snapshot; a call keeps the one it started with.
 *
 * Reading is in two parts, because what a provider needs is said in Lua (lua/providers): this file
 * reads and checks the YAML; script/runtime's `prepare` then fills each target's addresses, through
 * the callback given here.
 *
 * Start here to add a setting: a row in settings.def, a field below, a line where its block is read
 * (settings_router.c, settings_models.c …), a case in tests/unit/test_settings.c.
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
	struct mw_str params;        /* JSON object; "{}" where none are given */
	const struct mw_str *models; /* groups it is bound to; n_models 0: all */
	size_t n_models;
	const char *file; /* where it is named, for messages */
	int line;         /* 0: built in */
};

/* A model: the group of targets that share a model_name. An alias is a model of its own that shares
 * the targets of what it stands for. */
struct mw_model {
	size_t index;
	struct mw_str name;
	struct mw_str means; /* an alias: the name it stands for, which decides for a wildcard; else
				empty */
	bool wildcard;       /* its name holds a '*' */
	bool hidden;         /* not listed by /v1/models */
	const struct mw_target **targets; /* by order, then as in the file */
	size_t n_targets;                 /* 0: all were left out; it cannot be found */
	const struct mw_str *fallbacks; /* names of groups, in order */
	size_t n_fallbacks;
	const size_t *policies; /* indices into settings->policies of those bound to it, in order */
	size_t n_policies;
};

struct mw_settings {
	struct mw_arena *arena; /* owns everything here */
	const char *file;       /* "" for the embedded defaults */
	const char *const
	    *files; /* every file that was read: the settings, what they include, price map */
	size_t n_files;
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
	uint64_t first_byte_us; /* until a provider begins to answer; 0: none of its own */
	int allowed_fails;     /* -1: LiteLLM's default logic (shared/health.h) */
	uint64_t cooldown_us;  /* 5 s */
	bool disable_cooldowns;
	uint64_t retry_after_us;            /* least pause between attempts on the same target */
	unsigned max_fallbacks;             /* 5 */
	size_t max_body;                    /* bytes */
	uint64_t head_us, body_us, idle_us; /* a client's time for these */
	size_t policy_memory;               /* bytes a policy state may hold: 16 MiB */
	/* look-ups, built last */
	struct mw_map *by_name;            /* model_name, alias -> struct mw_model */
	struct mw_map *by_id;              /* deployment id -> struct mw_target */
	const struct mw_model **wildcards; /* the most specific first */
	size_t n_wildcards;
	_Atomic int refs;
};

struct mw_wildcard {
	struct mw_str pattern; /* of clients' names: "claude-*" */
	struct mw_str model;   /* litellm_params.model: "anthropic/claude-*" */
};

/* What reading needs from outside. */
struct mw_settings_world {
	struct mw_metrics *metrics;
	struct mw_healths *healths;
	/* Fills provider, model, dialect, api_base, addresses, passthrough, stream_usage, plays and
	 * warning from target->spec; strings go into the arena. An error names what is missing,
	 * without file and line (added here). With the code UNSUPPORTED it is no fault of the
	 * settings: the provider is LiteLLM's and not there yet; the deployment is left out. */
	bool (*prepare)(
	    void *arg, struct mw_target *target, struct mw_arena *arena, struct mw_err *err);
	/* What a deployment stands for whose model is "*" alone, in the arena; returns how many.
	 * May be NULL: then there is none. */
	size_t (*wildcards)(void *arg, struct mw_arena *arena, const struct mw_wildcard **out);
	void *arg;
	/* A warning: "config.yaml:12: unknown key …". May be NULL. */
	void (*warn)(void *arg, const char *text);
	/* The embedded price table (lua/prices.json). */
	struct mw_str price_table;
};

/* Reads a file and what it includes. Errors (SETTINGS) read "FILE:LINE: what was found, what is
 * allowed"; all are told together, one a line, in the log where there are too many for err. The
 * result has one reference. NULL on failure. */
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

/* The group that a client's model name stands for: alias, exact name, deployment id (then only that
 * target is meant: *only is set, else NULL), most specific wildcard. NULL if none. Any thread. */
const struct mw_model *mw_settings_find(
    const struct mw_settings *s, struct mw_str name, const struct mw_target **only);

/* The provider's model name for a call: the target's own, or, for a wildcard, with the asked name's
 * part in the place of '*'. In the arena where it is made. */
struct mw_str mw_settings_target_model(
    const struct mw_target *t, const struct mw_model *m, struct mw_str asked, struct mw_arena *a);

/* The price of the provider's model `model` (as mw_settings_target_model gives it) at a target;
 * NULL: unknown. For a target that is no wildcard that is target->price. */
const struct mw_price *mw_settings_price(
    const struct mw_settings *s, const struct mw_target *t, struct mw_str model);

/* Up to max known names nearest to `name`, best first; returns how many. For messages. */
size_t mw_settings_nearest(
    const struct mw_settings *s, struct mw_str name, struct mw_str *out, size_t max);

#endif
