/* SPDX-License-Identifier: MIT
 *
 * base/yaml: whatever is read is a tree within the ceilings, with lines of the file, and can be written
 * as JSON that passes the check; what is refused says file and line.
 */
#include "base/json.h"
#include "base/yaml.h"

#include <stdlib.h>

enum { MOST = 1000000, LEVELS = 64, MAX_JSON = 1 << 20 };

struct count {
	size_t nodes;
	int lines;
};

static void walk(const struct mw_yaml *node, struct count *c, int level)
{
	mw_require(++c->nodes <= MOST && level <= LEVELS);
	mw_require(node->line >= 1 && node->line <= c->lines);
	for (size_t i = 0; node->kind == MW_YAML_LIST && i < node->n; i++)
		walk(node->items[i], c, level + 1);
	for (size_t i = 0; node->kind == MW_YAML_MAP && i < node->n; i++) {
		const struct mw_yaml_pair *pair = &node->pairs[i];
		mw_require(pair->key.p && pair->line >= 1 && pair->line <= c->lines);
		walk(pair->value, c, level + 1);
	}
}

/* libyaml also ends lines at CR, NEL, LS and PS. */
static int most_lines(const uint8_t *data, size_t n)
{
	int lines = 2;
	for (size_t i = 0; i < n; i++)
		lines += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80;
	return lines;
}

static void check_json(const struct mw_yaml *root)
{
	struct mw_buf b;
	struct mw_json value;
	mw_buf_init(&b, MAX_JSON);
	mw_yaml_to_json(root, &b);
	mw_require(b.full || mw_json_peek(mw_buf_str(&b), NULL, &value, NULL));
	mw_buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mw_err err = {0};
	struct mw_arena *a = mw_arena_new();
	struct mw_yaml *root = mw_yaml_parse(mw_strn((const char *)data, n), "file", a, &err);
	if (root) {
		struct count c = {.lines = most_lines(data, n)};
		walk(root, &c, 0);
		check_json(root);
	} else {
		mw_require(err.code == MW_ERR_SETTINGS);
		mw_require(strncmp(err.text, "file:", 5) == 0 && atoi(err.text + 5) >= 1);
	}
	mw_arena_free(a);
	return 0;
}
