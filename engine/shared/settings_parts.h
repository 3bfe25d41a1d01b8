/* SPDX-License-Identifier: MIT
 *
 * What the files settings*.c share while one settings file is being read. Nobody else includes
 * this.
 */
#ifndef MW_SETTINGS_PARTS_H
#define MW_SETTINGS_PARTS_H

#include "base/buf.h"
#include "base/map.h"
#include "base/yaml.h"
#include "shared/settings.h"

enum { MW_SETTINGS_DOCUMENTS = 32 };

struct mw_document { /* the settings file, or one that it includes */
	const char *file;
	const struct mw_yaml *root;
};

struct mw_reading {
	struct mw_settings *s;
	struct mw_arena *arena; /* the snapshot's */
	const struct mw_settings_world *world;
	struct mw_document documents[MW_SETTINGS_DOCUMENTS];
	size_t n_documents;
	const char *file;         /* that messages name: of what is being read now */
	struct mw_map *variables; /* environment_variables: name -> struct mw_str */
	struct mw_str spec_env;   /* JSON: the variables that lua/ may want */
	struct mw_str *labels;    /* of the targets, in metrics */
	struct mw_map *named;     /* every model_name of model_list */
	struct mw_buf faults;     /* one a line */
	size_t n_faults;
	struct mw_buf later, guards; /* names of keys without effect */
	struct mw_map *said;         /* those names, and all warnings: each once */
};

/* ---- settings_keys.c: what may be said, and what was said */

enum mw_block {
	MW_BLOCK_TOP,
	MW_BLOCK_ENTRY,
	MW_BLOCK_PARAMS,
	MW_BLOCK_INFO,
	MW_BLOCK_CREDENTIAL,
	MW_BLOCK_POLICY,
	MW_BLOCK_OURS,
	MW_BLOCK_ROUTER,
	MW_BLOCK_LITELLM,
	MW_BLOCK_GENERAL,
	MW_BLOCKS,
};

/* Line 0: of the file as a whole. */
void mw_settings_fault(struct mw_reading *r, int line, const char *fmt, ...) MW_PRINTF(3, 4);
void mw_settings_add_fault(struct mw_reading *r, struct mw_str text); /* that names its place */
void mw_settings_warn(struct mw_reading *r, int line, const char *fmt, ...) MW_PRINTF(3, 4);
/* One line about the keys that have no effect yet. */
void mw_settings_tell_later(struct mw_reading *r);

/* Looks at every key of a map: warns of unknown ones, puts environment variables in, notes faults.
 * A value that is not of its key's kind is null afterwards, so that reading can go on. */
void mw_settings_check(struct mw_reading *r, enum mw_block block, const struct mw_yaml *map);
/* Is this key a member of the body, among litellm_params? */
bool mw_settings_is_body(struct mw_str key);

/* A value that is there and not null; NULL otherwise. */
const struct mw_yaml *mw_settings_given(const struct mw_yaml *map, const char *key);
/* The same from a block of the documents, the last one that has it (it becomes r->file). */
const struct mw_yaml *mw_settings_value(struct mw_reading *r, const char *block, const char *key);
/* From router_settings, else litellm_settings. */
const struct mw_yaml *mw_settings_routing(struct mw_reading *r, const char *key);

/* A value for a message: as it is written if it is short, else what it is ("a list"). */
const char *mw_settings_shown(struct mw_reading *r, const struct mw_yaml *node);

/* Values that were checked; `otherwise` where node is NULL. */
struct mw_str mw_settings_text(const struct mw_yaml *node);
bool mw_settings_switch(const struct mw_yaml *node, bool otherwise);
double mw_settings_number(const struct mw_yaml *node, double otherwise);
uint64_t mw_settings_us(const struct mw_yaml *node, uint64_t otherwise);
struct mw_str mw_settings_json(struct mw_reading *r, const struct mw_yaml *node);

/* ---- settings_env.c: environment variables */

void mw_settings_read_environment(
    struct mw_reading *r); /* the block environment_variables; first of all */
/* With the settings' own variables over the process's. {NULL,0}: not set. */
struct mw_str mw_settings_variable(struct mw_reading *r, struct mw_str name);
/* NAME of "os.environ/NAME"; {NULL,0} for any other value. */
struct mw_str mw_settings_variable_of(const struct mw_yaml *node);
/* Puts the variables' values into a node and all below; `key` for the warning of one that is not
 * set. */
void mw_settings_resolve(struct mw_reading *r, struct mw_str key, struct mw_yaml *node);

/* ---- the blocks, in the order in which they are read */

void mw_settings_read_router(
    struct mw_reading *r); /* router_, litellm_, general_, moonweir_settings */
void mw_settings_read_prices(struct mw_reading *r);
void mw_settings_read_models(struct mw_reading *r); /* model_list: targets */
void mw_settings_register(struct mw_reading *r); /* once all is good: health records and series */
void mw_settings_read_groups(struct mw_reading *r); /* models, aliases, fallbacks, look-ups */
bool mw_settings_matches(struct mw_str pattern, struct mw_str name); /* one '*', or none: equal */
/* Is it named at all: also what was left out or is at fault, of which has been spoken already? */
bool mw_settings_is_known(const struct mw_settings *s, struct mw_str name);
void mw_settings_read_policies(struct mw_reading *r);

/* ---- settings_spec.c: one target's description for lua/ */

struct mw_deployment {
	const char *file;
	int line; /* of litellm_params.model, or where that is missing */
	struct mw_str group;
	struct mw_str model; /* litellm_params.model */
	struct mw_str organization;
	bool expanded;                                    /* out of a "*" */
	const struct mw_yaml *params, *info, *credential; /* NULL where there is none */
};
/* From litellm_params, else the credential; NULL if neither has it. */
const struct mw_yaml *mw_settings_param(const struct mw_deployment *d, const char *key);
struct mw_str mw_settings_spec(
    struct mw_reading *r, const struct mw_deployment *d, bool *has_defaults);
/* 64 hexadecimal digits that follow from everything but the keys; `nth` keeps equal ones apart. */
struct mw_str mw_settings_target_id(
    struct mw_reading *r, const struct mw_deployment *d, unsigned nth);

/* A path as written in r->file, seen from the working directory; ended by a NUL. */
struct mw_str mw_settings_path(struct mw_reading *r, struct mw_str path);
void mw_settings_add_file(struct mw_reading *r, const char *path); /* to s->files */

#endif
