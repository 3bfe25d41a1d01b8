/* SPDX-License-Identifier: MIT
 *
 * YAML files as trees, from libyaml's events. Recursion is bounded by the ceiling on levels. An alias
 * shares the nodes of its anchor, so each node knows its weight and height: an alias counts as much
 * as what it stands for, and a file of nested aliases cannot blow up whoever walks the tree.
 */
#include "base/yaml.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "base/number.h"
#include "base/yaml_plain.h"

#include <math.h>
#include <stdio.h>
#include <yaml.h>

enum {
	MAX_TEXT = 16 << 20,
	MAX_LEVELS = 64,
	MAX_NODES = 1000000,
	FEW = 16, /* keys of a map that are compared one by one */
};

struct node {
	struct mw_yaml yaml;
	size_t weight; /* nodes in it, itself included */
	int height;    /* levels in it: 0 for a scalar */
	bool open;     /* its end has not come yet */
};

struct loader {
	yaml_parser_t parser;
	yaml_event_t event; /* the one that is looked at */
	struct mw_str text;
	const char *file;
	struct mw_arena *arena;
	struct mw_err *err;
	struct mw_map *anchors;
	size_t nodes;
	int levels;
};

static struct node *load_node(struct loader *l);

/* ---- errors ------------------------------------------------------------------------------------ */

/* Nothing of a value is told, nor an alias or a tag: "*x" and "!x" without quotes may be a password. */
static void *fail(struct loader *l, size_t line, const char *what)
{
	mw_err_set(l->err, MW_ERR_SETTINGS, "%s:%zu: %s", l->file, line, what);
	return NULL;
}

static size_t line_of_offset(const struct loader *l, size_t offset)
{
	size_t line = 1;
	for (size_t i = 0; i < offset && i < l->text.n; i++)
		line += l->text.p[i] == '\n';
	return line;
}

/* How to mend what libyaml found, by its own words and by what stands there. */
static const char *hint(const struct loader *l)
{
	static const char *const hints[][2] = {
	    {"tab character", "YAML is indented by spaces, not by tabs"},
	    {"did not find expected alphabetic or numeric character",
		"a value that begins with '*' or '&' needs quotes"},
	    {"mapping values are not allowed",
		"is the line indented too far, or does a value with ': ' in it need quotes?"},
	    {"did not find expected key", "is it indented like the lines above it?"},
	    {"did not find expected '-' indicator", "is it indented like the items above it?"},
	    {"could not find expected ':'", "is a ':' missing after the key?"},
	    {"found unexpected end of stream", "is a closing quote missing?"},
	    {"did not find expected ',' or '}'", "is a closing brace missing?"},
	    {"did not find expected ',' or ']'", "is a closing bracket missing?"},
	    {"found unknown escape character", "write \\\\ for a backslash, or use single quotes"},
	    {"block sequence entries are not allowed",
		"a list begins on its own line, below its key"},
	};
	size_t at = l->parser.problem_mark.index;
	char c = at < l->text.n ? l->text.p[at] : '\0';
	if (strstr(l->parser.problem, "cannot start any token"))
		return c == '\t' ? "YAML is indented by spaces, not by tabs"
		                 : "put the value in quotes";
	for (size_t i = 0; i < MW_LEN(hints); i++)
		if (strstr(l->parser.problem, hints[i][0]))
			return hints[i][1];
	return NULL;
}

static void *fail_parser(struct loader *l)
{
	const yaml_parser_t *p = &l->parser;
	char what[400];
	if (p->error == YAML_MEMORY_ERROR)
		return fail(l, 1, "not enough memory");
	if (p->error == YAML_READER_ERROR) {
		snprintf(what, sizeof(what), "%s; the file must be UTF-8", p->problem);
		return fail(l, line_of_offset(l, p->problem_offset), what);
	}
	char begun[160] = "";
	if (p->context && p->context_mark.line == p->problem_mark.line)
		snprintf(begun, sizeof(begun), "%s, ", p->context);
	else if (p->context)
		snprintf(begun, sizeof(begun), "%s that begins in line %zu, ", p->context,
		    p->context_mark.line + 1);
	const char *how = hint(l);
	snprintf(
	    what, sizeof(what), "%s%s%s%s", begun, p->problem, how ? "; " : "", how ? how : "");
	return fail(l, p->problem_mark.line + 1, what);
}

/* ---- events ------------------------------------------------------------------------------------ */

static bool next_event(struct loader *l)
{
	yaml_event_delete(&l->event);
	return yaml_parser_parse(&l->parser, &l->event) || fail_parser(l);
}

static size_t event_line(const struct loader *l)
{
	return l->event.start_mark.line + 1;
}

static struct node *new_node(struct loader *l, enum mw_yaml_kind kind)
{
	if (++l->nodes > MAX_NODES)
		return fail(l, event_line(l), "the file holds more than 1000000 values");
	struct node *node = mw_arena_zalloc(l->arena, sizeof(*node));
	node->yaml.kind = kind;
	node->yaml.line = (int)event_line(l);
	node->weight = 1;
	return node;
}

static void set_anchor(struct loader *l, const yaml_char_t *name, struct node *node)
{
	if (name)
		mw_map_set(l->anchors, mw_arena_dup(l->arena, mw_str((const char *)name)), node);
}

static struct node *load_alias(struct loader *l)
{
	struct mw_str name = mw_str((const char *)l->event.data.alias.anchor);
	struct node *node = mw_map_get(l->anchors, name);
	if (!node)
		return fail(l, event_line(l),
		    "an alias that has no anchor before it; a value that begins with '*' needs "
		    "quotes");
	if (node->open)
		return fail(l, event_line(l), "an alias that stands inside its own anchor");
	if (l->levels + node->height > MAX_LEVELS)
		return fail(l, event_line(l), "nested deeper than 64 levels");
	l->nodes += node->weight;
	if (l->nodes > MAX_NODES)
		return fail(
		    l, event_line(l), "the file holds more than 1000000 values, aliases unfolded");
	return node;
}

/* ---- scalars ----------------------------------------------------------------------------------- */

static const char *const core = "tag:yaml.org,2002:";

/* The name behind "!!", or NULL for any other tag. */
static const char *core_tag(const yaml_char_t *tag)
{
	const char *z = (const char *)tag;
	return strncmp(z, core, strlen(core)) == 0 ? z + strlen(core) : NULL;
}

static bool tag_fits(const char *tag, enum mw_yaml_kind kind)
{
	static const struct {
		const char *tag;
		enum mw_yaml_kind kind;
	} fits[] = {{"null", MW_YAML_NULL}, {"bool", MW_YAML_BOOL}, {"int", MW_YAML_INT},
	    {"float", MW_YAML_FLOAT}, {"float", MW_YAML_INT}};
	for (size_t i = 0; i < MW_LEN(fits); i++)
		if (fits[i].kind == kind && strcmp(tag, fits[i].tag) == 0)
			return true;
	return false;
}

static struct node *resolve_tag(struct loader *l, struct node *node, const yaml_char_t *tag)
{
	const char *name = core_tag(tag);
	node->yaml.kind = MW_YAML_STRING;
	if (name && strcmp(name, "str") == 0)
		return node;
	mw_yaml_plain_resolve(&node->yaml);
	if (name && tag_fits(name, node->yaml.kind))
		return node;
	return fail(l, event_line(l),
	    "a tag that is not known or not true; known are !!str !!int !!float !!bool !!null; a "
	    "value that begins with '!' needs quotes");
}

static struct node *load_scalar(struct loader *l)
{
	struct node *node = new_node(l, MW_YAML_STRING);
	if (!node)
		return NULL;
	const yaml_char_t *tag = l->event.data.scalar.tag;
	struct mw_str text = {
	    (const char *)l->event.data.scalar.value, l->event.data.scalar.length};
	node->yaml.text = mw_arena_dup(l->arena, text);
	set_anchor(l, l->event.data.scalar.anchor, node);
	if (l->event.data.scalar.plain_implicit)
		mw_yaml_plain_resolve(&node->yaml);
	else if (tag)
		return resolve_tag(l, node, tag);
	return node;
}

/* ---- lists and maps ---------------------------------------------------------------------------- */

static struct node *open_node(
    struct loader *l, enum mw_yaml_kind kind, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	const char *name = tag ? core_tag(tag) : NULL;
	if (tag && (!name || strcmp(name, kind == MW_YAML_LIST ? "seq" : "map") != 0))
		return fail(l, event_line(l), "a tag that is not known here");
	if (l->levels == MAX_LEVELS)
		return fail(l, event_line(l), "nested deeper than 64 levels");
	struct node *node = new_node(l, kind);
	if (!node)
		return NULL;
	node->open = true;
	node->height = 1;
	set_anchor(l, anchor, node);
	l->levels++;
	return node;
}

static void close_node(struct loader *l, struct node *node)
{
	node->open = false;
	l->levels--;
}

static void adopt(struct node *parent, const struct node *child)
{
	parent->weight += child->weight;
	parent->height = MW_MAX(parent->height, child->height + 1);
}

/* A row of `size` bytes each that has n of them, with room for one more. */
static void *grow(struct loader *l, void *row, size_t n, size_t size)
{
	if (n & (n - 1)) /* room is the next power of two */
		return row;
	void *more = mw_arena_alloc(l->arena, MW_MAX(2 * n, (size_t)1) * size);
	if (n)
		memcpy(more, row, n * size);
	return more;
}

static struct node *load_list(struct loader *l)
{
	struct node *list = open_node(
	    l, MW_YAML_LIST, l->event.data.sequence_start.anchor, l->event.data.sequence_start.tag);
	if (!list)
		return NULL;
	struct mw_yaml *y = &list->yaml;
	for (;;) {
		if (!next_event(l))
			return NULL;
		if (l->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		struct node *item = load_node(l);
		if (!item)
			return NULL;
		y->items = grow(l, y->items, y->n, sizeof(struct mw_yaml *));
		y->items[y->n++] = &item->yaml;
		adopt(list, item);
	}
	close_node(l, list);
	return list;
}

/* A map that is being read, with what finds its keys once they are many. */
struct keys {
	struct mw_yaml *map;
	struct mw_map *index; /* key -> pair's number + 1 */
};

static struct mw_yaml_pair *find_pair(const struct keys *k, struct mw_str key)
{
	if (k->index) {
		size_t at = (size_t)(uintptr_t)mw_map_get(k->index, key);
		return at ? &k->map->pairs[at - 1] : NULL;
	}
	for (size_t i = 0; i < k->map->n; i++)
		if (mw_str_eq(k->map->pairs[i].key, key))
			return &k->map->pairs[i];
	return NULL;
}

static void index_pair(struct keys *k, size_t at)
{
	mw_map_set(k->index, k->map->pairs[at].key, (void *)(uintptr_t)(at + 1));
}

static void add_pair(struct loader *l, struct keys *k, struct mw_yaml_pair pair)
{
	struct mw_yaml *map = k->map;
	map->pairs = grow(l, map->pairs, map->n, sizeof(pair));
	map->pairs[map->n++] = pair;
	if (k->index) {
		index_pair(k, map->n - 1);
	} else if (map->n > FEW) {
		k->index = mw_map_new();
		for (size_t i = 0; i < map->n; i++)
			index_pair(k, i);
	}
}

/* The members of a map that the present one does not have. */
static struct node *merge_map(
    struct loader *l, struct node *map, struct keys *k, const struct mw_yaml *from)
{
	for (size_t i = 0; i < from->n; i++) {
		if (find_pair(k, from->pairs[i].key))
			continue;
		struct node *value = mw_container_of(from->pairs[i].value, struct node, yaml);
		if (l->levels + value->height > MAX_LEVELS)
			return fail(l, event_line(l), "nested deeper than 64 levels");
		l->nodes += value->weight;
		if (l->nodes > MAX_NODES)
			return fail(l, event_line(l),
			    "the file holds more than 1000000 values, merged ones included");
		add_pair(l, k, from->pairs[i]);
		adopt(map, value);
	}
	return map;
}

static bool is_mergeable(const struct mw_yaml *value)
{
	bool maps = value->kind == MW_YAML_LIST;
	for (size_t i = 0; maps && i < value->n; i++)
		maps = value->items[i]->kind == MW_YAML_MAP;
	return maps || value->kind == MW_YAML_MAP;
}

/* What a "<<" has is added when the map's own keys are all known, because those win. Of several "<<" the
 * last wins, inside the list of one the first, as with PyYAML. */
static struct node *merge_all(
    struct loader *l, struct node *map, struct keys *k, const struct mw_yaml *merges)
{
	for (size_t i = merges->n; i-- > 0;) {
		const struct mw_yaml *from = merges->items[i];
		if (!is_mergeable(from))
			return fail(l, (size_t)from->line, "'<<' takes a map or a list of maps");
		if (from->kind == MW_YAML_MAP && !merge_map(l, map, k, from))
			return NULL;
		for (size_t j = 0; from->kind == MW_YAML_LIST && j < from->n; j++)
			if (!merge_map(l, map, k, from->items[j]))
				return NULL;
	}
	return map;
}

static bool is_merge_key(const yaml_event_t *e)
{
	return e->type == YAML_SCALAR_EVENT && e->data.scalar.plain_implicit &&
	       strcmp((const char *)e->data.scalar.value, "<<") == 0;
}

/* One key, which the event is, and its value. `merges` collects the values of "<<". */
static struct node *load_pair(
    struct loader *l, struct node *map, struct keys *k, struct mw_yaml *merges)
{
	bool merge = is_merge_key(&l->event);
	int line = (int)event_line(l);
	struct node *key = load_node(l);
	if (!key)
		return NULL;
	if (key->yaml.kind == MW_YAML_LIST || key->yaml.kind == MW_YAML_MAP)
		return fail(l, (size_t)line,
		    "a list or map as a key; is a value in braces without quotes?");
	struct mw_yaml_pair pair = {.key = key->yaml.text, .line = line};
	const struct mw_yaml_pair *first = merge ? NULL : find_pair(k, pair.key);
	if (first) {
		char what[128];
		snprintf(what, sizeof(what), "'%.*s' stands twice in one map, first in line %d",
		    (int)MW_MIN(pair.key.n, (size_t)60), pair.key.p, first->line);
		return fail(l, (size_t)line, what);
	}
	struct node *value = next_event(l) ? load_node(l) : NULL;
	if (!value)
		return NULL;
	pair.value = &value->yaml;
	if (merge) {
		merges->items = grow(l, merges->items, merges->n, sizeof(struct mw_yaml *));
		merges->items[merges->n++] = &value->yaml;
		return value;
	}
	add_pair(l, k, pair);
	adopt(map, value);
	return value;
}

static struct node *load_pairs(struct loader *l, struct node *map, struct keys *k)
{
	struct mw_yaml merges = {.kind = MW_YAML_LIST};
	for (;;) {
		if (!next_event(l))
			return NULL;
		if (l->event.type == YAML_MAPPING_END_EVENT)
			return merge_all(l, map, k, &merges);
		if (!load_pair(l, map, k, &merges))
			return NULL;
	}
}

static struct node *load_map(struct loader *l)
{
	struct node *map = open_node(
	    l, MW_YAML_MAP, l->event.data.mapping_start.anchor, l->event.data.mapping_start.tag);
	if (!map)
		return NULL;
	struct keys keys = {.map = &map->yaml};
	struct node *done = load_pairs(l, map, &keys);
	mw_map_free(keys.index);
	close_node(l, map);
	return done;
}

/* The node that the present event begins. */
static struct node *load_node(struct loader *l)
{
	switch (l->event.type) {
	case YAML_ALIAS_EVENT:
		return load_alias(l);
	case YAML_SCALAR_EVENT:
		return load_scalar(l);
	case YAML_SEQUENCE_START_EVENT:
		return load_list(l);
	default:
		mw_require(l->event.type == YAML_MAPPING_START_EVENT);
		return load_map(l);
	}
}

/* ---- the file ---------------------------------------------------------------------------------- */

static struct node *load_file(struct loader *l)
{
	if (!next_event(l) || !next_event(l)) /* the stream begins, then a document or the end */
		return NULL;
	if (l->event.type == YAML_STREAM_END_EVENT)
		return new_node(l, MW_YAML_NULL);
	if (!next_event(l))
		return NULL;
	struct node *root = load_node(l);
	if (!root || !next_event(l) || !next_event(l)) /* the document ends, then the stream */
		return NULL;
	if (l->event.type != YAML_STREAM_END_EVENT)
		return fail(l, event_line(l), "a second document begins here; one file holds one");
	return root;
}

struct mw_yaml *mw_yaml_parse(
    struct mw_str text, const char *file, struct mw_arena *a, struct mw_err *err)
{
	struct loader l = {.text = text, .file = file, .arena = a, .err = err};
	if (text.n > MAX_TEXT)
		return fail(&l, 1, "the file is larger than 16 MiB");
	if (!yaml_parser_initialize(&l.parser))
		return fail(&l, 1, "not enough memory");
	l.anchors = mw_map_new();
	yaml_parser_set_input_string(
	    &l.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
	struct node *root = load_file(&l);
	yaml_event_delete(&l.event);
	yaml_parser_delete(&l.parser);
	mw_map_free(l.anchors);
	return root ? &root->yaml : NULL;
}

struct mw_yaml *mw_yaml_get(const struct mw_yaml *map, const char *key)
{
	for (size_t i = 0; map && map->kind == MW_YAML_MAP && i < map->n; i++)
		if (mw_str_is(map->pairs[i].key, key))
			return map->pairs[i].value;
	return NULL;
}

const char *mw_yaml_kind_name(enum mw_yaml_kind kind)
{
	static const char *const names[] = {
	    "nothing", "a boolean", "an integer", "a number", "a string", "a list", "a map"};
	return names[kind];
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void number_to_json(const struct mw_yaml *node, struct mw_buf *b)
{
	char text[MW_NUMBER_LONGEST];
	if (isfinite(node->number))
		mw_buf_add(b, mw_strn(text, mw_number_write(node->number, text)));
	else
		mw_json_quote(b, node->text);
}

static void list_to_json(const struct mw_yaml *list, struct mw_buf *b)
{
	mw_buf_addc(b, '[');
	for (size_t i = 0; i < list->n && !b->full; i++) {
		if (i)
			mw_buf_addc(b, ',');
		mw_yaml_to_json(list->items[i], b);
	}
	mw_buf_addc(b, ']');
}

static void map_to_json(const struct mw_yaml *map, struct mw_buf *b)
{
	mw_buf_addc(b, '{');
	for (size_t i = 0; i < map->n && !b->full; i++) {
		if (i)
			mw_buf_addc(b, ',');
		mw_json_quote(b, map->pairs[i].key);
		mw_buf_addc(b, ':');
		mw_yaml_to_json(map->pairs[i].value, b);
	}
	mw_buf_addc(b, '}');
}

void mw_yaml_to_json(const struct mw_yaml *node, struct mw_buf *b)
{
	switch (node->kind) {
	case MW_YAML_NULL:
		mw_buf_addz(b, "null");
		break;
	case MW_YAML_BOOL:
		mw_buf_addz(b, node->boolean ? "true" : "false");
		break;
	case MW_YAML_INT:
	case MW_YAML_FLOAT:
		number_to_json(node, b);
		break;
	case MW_YAML_STRING:
		mw_json_quote(b, node->text);
		break;
	case MW_YAML_LIST:
		list_to_json(node, b);
		break;
	case MW_YAML_MAP:
		map_to_json(node, b);
		break;
	}
}
