/* SPDX-License-Identifier: MIT
 *
 * A YAML file as a tree that remembers lines, over libyaml. Anchors, aliases and merge keys ("<<")
 * are resolved; an alias shares the nodes of its anchor, whose lines it has. Ceilings: 16 MiB of
 * text, 64 levels, 1,000,000 nodes (aliases counted each time they are used). Nodes live in the arena
 * that was given.
 *
 * A plain scalar is what PyYAML's safe_load, and so LiteLLM, takes it for (YAML 1.1):
 *
 *   null    nothing, ~ null Null NULL
 *   bool    yes no true false on off; also Yes, YES and so on; not y, n
 *   int     12, -1_000, 0x1F, 0b101, 017 (octal!), 1:30 (90: sixties!); not 0o17, 08, 1e3
 *   float   1.5, .5, 1., 1_000.5, 1.5e+3 (the exponent needs its sign and the number its point),
 *           1:30.5, .inf, -.Inf, .nan
 *   string  all else, dates too (PyYAML has a type for them), and integers from 2^53 on
 *
 * A quoted scalar is a string. The tags !!str !!int !!float !!bool !!null !!seq !!map are known.
 */
#ifndef MW_YAML_H
#define MW_YAML_H

#include "base/arena.h"
#include "base/err.h"

enum mw_yaml_kind {
	MW_YAML_NULL,
	MW_YAML_BOOL,
	MW_YAML_INT,
	MW_YAML_FLOAT,
	MW_YAML_STRING,
	MW_YAML_LIST,
	MW_YAML_MAP,
};

struct mw_yaml_pair;

struct mw_yaml {
	enum mw_yaml_kind kind;
	int line;                   /* from 1 */
	struct mw_str text;         /* a scalar as it was written, without quotes */
	bool boolean;               /* BOOL */
	double number;              /* INT and FLOAT; an INT from 2^53 on is a STRING */
	struct mw_yaml **items;     /* LIST */
	struct mw_yaml_pair *pairs; /* MAP, in the order of the file, merged ones last */
	size_t n;                   /* items or pairs */
};

struct mw_yaml_pair {
	struct mw_str key;
	int line; /* of the key */
	struct mw_yaml *value;
};

/* SETTINGS errors read "FILE:LINE: what", with a hint where one helps; a key that stands twice in one
 * map, and a second document, are such errors. An empty file is a NULL node. `file` is only for
 * messages. */
struct mw_yaml *mw_yaml_parse(
    struct mw_str text, const char *file, struct mw_arena *a, struct mw_err *err);

struct mw_yaml *mw_yaml_get(
    const struct mw_yaml *map, const char *key); /* NULL if absent or no map */

/* The node as JSON text, into b. Numbers come as JSON has them (0x1F as 31); what is infinite or no
 * number, as a string. */
struct mw_buf;
void mw_yaml_to_json(const struct mw_yaml *node, struct mw_buf *b);

const char *mw_yaml_kind_name(enum mw_yaml_kind kind); /* "a list", "a number", "nothing" … */

#endif
