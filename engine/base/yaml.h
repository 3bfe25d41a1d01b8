/* SPDX-License-Identifier: MIT
 *
 * A YAML file as a tree that remembers lines, over libyaml. Anchors, aliases and merge keys ("<<")
 * are resolved. Ceilings: 16 MiB of text, 64 levels, 1,000,000 nodes (aliases counted each time
 * they are used). Nodes live in the arena that was given.
 */
#ifndef MW_YAML_H
#define MW_YAML_H

#include "base/arena.h"
#include "base/err.h"

enum mw_yaml_kind {
	MW_YAML_NULL, /* nothing, ~ or null */
	MW_YAML_BOOL, /* true false yes no on off, in YAML 1.1's spellings as PyYAML reads them */
	MW_YAML_INT,
	MW_YAML_FLOAT,
	MW_YAML_STRING, /* quoted, or plain and none of the above */
	MW_YAML_LIST,
	MW_YAML_MAP,
};

struct mw_yaml_pair;

struct mw_yaml {
	enum mw_yaml_kind kind;
	int line;		    /* from 1 */
	struct mw_str text;	    /* a scalar as it was written, without quotes */
	bool boolean;		    /* BOOL */
	double number;		    /* INT and FLOAT; an INT beyond 2^53 is a STRING */
	struct mw_yaml **items;	    /* LIST */
	struct mw_yaml_pair *pairs; /* MAP, in the order of the file */
	size_t n;		    /* items or pairs */
};

struct mw_yaml_pair {
	struct mw_str key;
	int line; /* of the key */
	struct mw_yaml *value;
};

/* SETTINGS errors read "FILE:LINE: what"; a key that stands twice in one map is one. An empty file
 * is a NULL node. `file` is only for messages. */
struct mw_yaml *mw_yaml_parse(
    struct mw_str text, const char *file, struct mw_arena *a, struct mw_err *err);

struct mw_yaml *mw_yaml_get(
    const struct mw_yaml *map, const char *key); /* NULL if absent or no map */

/* The node as JSON text, into b. */
struct mw_buf;
void mw_yaml_to_json(const struct mw_yaml *node, struct mw_buf *b);

const char *mw_yaml_kind_name(enum mw_yaml_kind kind); /* "a list", "a number" … */

#endif
