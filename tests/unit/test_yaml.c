/* SPDX-License-Identifier: MIT
 *
 * base/yaml: files as trees, plain scalars as PyYAML reads them, and errors with lines.
 */
#include "base/buf.h"
#include "base/yaml.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct mw_arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = mw_arena_new();
	return 0;
}

static int free_arena(void **state)
{
	(void)state;
	mw_arena_free(arena);
	return 0;
}

static struct mw_yaml *load(const char *text)
{
	struct mw_err err;
	struct mw_yaml *root = mw_yaml_parse(mw_str(text), "config.yaml", arena, &err);
	if (!root)
		fail_msg("%s: %s", text, err.text);
	return root;
}

static void assert_json(const struct mw_yaml *node, const char *expected)
{
	struct mw_buf b;
	mw_buf_init(&b, 1 << 20);
	mw_yaml_to_json(node, &b);
	if (!mw_str_is(mw_buf_str(&b), expected))
		fail_msg("got %.*s, not %s", MW_FMT(mw_buf_str(&b)), expected);
	mw_buf_deinit(&b);
}

static void a_settings_file_becomes_a_tree_with_lines(void **state)
{
	(void)state;
	struct mw_yaml *root = load("# comment\n"
				    "model_list:\n"
				    "  - model_name: gpt-4o\n"
				    "    litellm_params:\n"
				    "      model: openai/gpt-4o\n"
				    "      api_key: os.environ/OPENAI_API_KEY\n"
				    "      rpm: 60\n"
				    "  - {model_name: \"x\", tags: [a, 'b']}\n"
				    "general_settings:\n");
	assert_json(root,
	    "{\"model_list\":[{\"model_name\":\"gpt-4o\",\"litellm_params\":{\"model\":"
	    "\"openai/gpt-4o\",\"api_key\":\"os.environ/OPENAI_API_KEY\",\"rpm\":60}},"
	    "{\"model_name\":\"x\",\"tags\":[\"a\",\"b\"]}],\"general_settings\":null}");
	struct mw_yaml *list = mw_yaml_get(root, "model_list");
	assert_int_equal(list->kind, MW_YAML_LIST);
	assert_int_equal(list->line, 3);
	struct mw_yaml *params = mw_yaml_get(list->items[0], "litellm_params");
	assert_int_equal(params->line, 5);
	assert_int_equal(mw_yaml_get(params, "rpm")->line, 7);
	assert_int_equal(root->pairs[1].line, 9);
	assert_int_equal(list->items[1]->line, 8);
	assert_null(mw_yaml_get(params, "tpm"));
	assert_null(mw_yaml_get(list, "x"));
	assert_null(mw_yaml_get(NULL, "x"));
	assert_string_equal(mw_yaml_kind_name(list->kind), "a list");
}

static void an_empty_file_is_null(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "\n", "# only a comment\n", "---\n", "---\n...\n"};
	for (size_t i = 0; i < MW_LEN(texts); i++) {
		struct mw_yaml *root = load(texts[i]);
		assert_int_equal(root->kind, MW_YAML_NULL);
		assert_true(root->line >= 1);
	}
	struct mw_err err;
	assert_non_null(mw_yaml_parse(MW_NOSTR, "f", arena, &err));
}

static const struct {
	const char *text;
	enum mw_yaml_kind kind;
	double number; /* or the boolean */
} plain_cases[] = {
    {"~", MW_YAML_NULL, 0},
    {"null", MW_YAML_NULL, 0},
    {"NULL", MW_YAML_NULL, 0},
    {"nUll", MW_YAML_STRING, 0},
    {"yes", MW_YAML_BOOL, 1},
    {"Yes", MW_YAML_BOOL, 1},
    {"ON", MW_YAML_BOOL, 1},
    {"true", MW_YAML_BOOL, 1},
    {"no", MW_YAML_BOOL, 0},
    {"Off", MW_YAML_BOOL, 0},
    {"FALSE", MW_YAML_BOOL, 0},
    {"y", MW_YAML_STRING, 0},
    {"tRue", MW_YAML_STRING, 0},
    {"0", MW_YAML_INT, 0},
    {"-12", MW_YAML_INT, -12},
    {"+7", MW_YAML_INT, 7},
    {"1_000", MW_YAML_INT, 1000},
    {"0x1F", MW_YAML_INT, 31},
    {"-0xff", MW_YAML_INT, -255},
    {"0b101", MW_YAML_INT, 5},
    {"017", MW_YAML_INT, 15},
    {"0_", MW_YAML_INT, 0},
    {"1:30", MW_YAML_INT, 90},
    {"12:30:45", MW_YAML_INT, 45045},
    {"9007199254740991", MW_YAML_INT, 9007199254740991},
    {"9007199254740993", MW_YAML_STRING, 0},
    {"08", MW_YAML_STRING, 0},
    {"0o17", MW_YAML_STRING, 0},
    {"0x", MW_YAML_STRING, 0},
    {"0b_", MW_YAML_STRING, 0},
    {"1:60", MW_YAML_STRING, 0},
    {"4000:4000", MW_YAML_STRING, 0},
    {"1:2:x", MW_YAML_STRING, 0},
    {"1.5", MW_YAML_FLOAT, 1.5},
    {"1.", MW_YAML_FLOAT, 1},
    {".5", MW_YAML_FLOAT, .5},
    {"-1.5", MW_YAML_FLOAT, -1.5},
    {"1.5e+3", MW_YAML_FLOAT, 1500},
    {"1_0.2_5", MW_YAML_FLOAT, 10.25},
    {"1:30.5", MW_YAML_FLOAT, 90.5},
    {".inf", MW_YAML_FLOAT, INFINITY},
    {"-.Inf", MW_YAML_FLOAT, -INFINITY},
    {"1e3", MW_YAML_STRING, 0},
    {"1.5e3", MW_YAML_STRING, 0},
    {"-.5", MW_YAML_STRING, 0},
    {"-.nan", MW_YAML_STRING, 0},
    {".", MW_YAML_STRING, 0},
    {"1.2.3", MW_YAML_STRING, 0},
    {"2024-02-01", MW_YAML_STRING, 0},
    {"gpt-4o", MW_YAML_STRING, 0},
    {"1,000", MW_YAML_STRING, 0},
};

static void plain_scalars_are_what_pyyaml_takes_them_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < MW_LEN(plain_cases); i++) {
		struct mw_yaml *v = load(plain_cases[i].text);
		double number = v->kind == MW_YAML_BOOL ? v->boolean : v->number;
		if (v->kind != plain_cases[i].kind || number != plain_cases[i].number)
			fail_msg(
			    "%s: %s %g", plain_cases[i].text, mw_yaml_kind_name(v->kind), number);
		assert_true(mw_str_is(v->text, plain_cases[i].text));
	}
	assert_true(isnan(load(".NaN")->number));
}

static void quotes_and_blocks_make_strings(void **state)
{
	(void)state;
	assert_json(load("[\"yes\", '12', \"\", 'it''s', \"a\\n\\u00e4\", a b]"),
	    "[\"yes\",\"12\",\"\",\"it's\",\"a\\n\xc3\xa4\",\"a b\"]");
	assert_json(
	    load("a: |\n  1\n  2\nb: >-\n  x\n  y\n"), "{\"a\":\"1\\n2\\n\",\"b\":\"x y\"}");
}

static void tags_of_the_core_are_known(void **state)
{
	(void)state;
	assert_json(
	    load("[!!str 12, !!int '12', !!float 3, !!bool 'no', !!null ~, !!seq [], !!map {}]"),
	    "[\"12\",12,3,false,null,[],{}]");
}

static void json_is_written_from_every_kind(void **state)
{
	(void)state;
	assert_json(load("{a: [1, 2.50, 0x10, -1_0], b: {~: .inf, 1: yes}, c: 'q\"'}"),
	    "{\"a\":[1,2.5,16,-10],\"b\":{\"~\":\".inf\",\"1\":true},\"c\":\"q\\\"\"}");
	struct mw_buf b;
	mw_buf_init(&b, 5);
	mw_yaml_to_json(load("[1, 2, 3, 4, 5]"), &b);
	assert_true(b.full);
	mw_buf_deinit(&b);
}

/* ---- anchors and merges ------------------------------------------------------------------------ */

static void aliases_stand_for_their_anchors(void **state)
{
	(void)state;
	struct mw_yaml *root = load("a: &x {k: [1]}\nb: *x\nc: [*x, &x 7, *x]\n");
	assert_json(root, "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":[{\"k\":[1]},7,7]}");
	assert_int_equal(mw_yaml_get(root, "b")->line, 1);
	assert_json(load("&k key: 1\nother: {*k : 2, k: *k}\n"),
	    "{\"key\":1,\"other\":{\"key\":2,\"k\":\"key\"}}");
}

static void merges_add_what_the_map_does_not_have(void **state)
{
	(void)state;
	assert_json(load("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n  z: 4\n"),
	    "{\"base\":{\"x\":1,\"y\":2},\"use\":{\"y\":3,\"z\":4,\"x\":1}}");
	assert_json(load("{<<: [{a: 1, b: 1}, {b: 2, c: 2}], c: 3}"), "{\"c\":3,\"a\":1,\"b\":1}");
	assert_json(load("{<<: {a: 1}, <<: {a: 2}}"), "{\"a\":2}");
	assert_json(load("{'<<': 1}"), "{\"<<\":1}");
	assert_json(load("a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, z: 3}\n"),
	    "{\"a\":{\"x\":1},\"b\":{\"y\":2,\"x\":1},\"c\":{\"z\":3,\"y\":2,\"x\":1}}");
}

/* ---- what is refused --------------------------------------------------------------------------- */

static void faults_name_the_line_and_the_remedy(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"a: 1\n\tb: 2\n", "config.yaml:2: "},
	    {"a:\n\t- 1\n", "by spaces, not by tabs"},
	    {"a: 1\nb: 2\na: 3\n", "config.yaml:3: 'a' stands twice in one map, first in line 1"},
	    {"a: @x\n", "config.yaml:1: while scanning for the next token, found character that "
			"cannot start any token; put the value in quotes"},
	    {"a: b: c\n", "mapping values are not allowed"},
	    {"a: b: c\n", "need quotes?"},
	    {"a: 1\n  b: 2\n", "config.yaml:2: "},
	    {"- a\nb: 1\n", "config.yaml:2: "},
	    {"a: 'x\n\n", "is a closing quote missing?"},
	    {"a: [1, 2\nb: 3\n", "config.yaml:"},
	    {"a: {b: 1\n", "config.yaml:"},
	    {"a: \"\\q\"\n", "unknown escape character"},
	    {"a\nb: 1\n", "config.yaml:"},
	    {"a: 1\n---\nb: 2\n", "config.yaml:2: a second document begins here"},
	    {"a: *x\n", "config.yaml:1: an alias that has no anchor before it; a value that begins "
			"with '*' "
			"needs quotes"},
	    {"a: &x [1, *x]\n", "an alias that stands inside its own anchor"},
	    {"a: &x {b: {c: *x}}\n", "an alias that stands inside its own anchor"},
	    {"[1, 2]: 3\n", "a list or map as a key"},
	    {"a: {{b}}\n",
		"config.yaml:1: a list or map as a key; is a value in braces without quotes?"},
	    {"<<: 1\n", "'<<' takes a map or a list of maps"},
	    {"<<: [{}, 1]\n", "'<<' takes a map or a list of maps"},
	    {"a: !secret x\n", "a tag that is not known"},
	    {"a: !!int x\n", "!!str"},
	    {"a: !!set {b}\n", "is not known here"},
	    {"a: 1\nb: \xff\n", "config.yaml:2: "},
	    {"a: 1\nb: \x01\n", "config.yaml:2: "},
	    {"%x\n", "config.yaml:1: "},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_err err = {0};
		if (mw_yaml_parse(mw_str(cases[i][0]), "config.yaml", arena, &err))
			fail_msg("%s passes", cases[i][0]);
		if (!strstr(err.text, cases[i][1]) || strncmp(err.text, "config.yaml:", 12) != 0)
			fail_msg("%s: %s", cases[i][0], err.text);
		assert_int_equal(err.code, MW_ERR_SETTINGS);
	}
}

static void a_key_that_stands_twice_is_found_in_maps_of_any_size(void **state)
{
	(void)state;
	for (int n = 1; n < 60; n++) {
		struct mw_buf b;
		struct mw_err err;
		mw_buf_init(&b, 1 << 16);
		for (int i = 0; i < n; i++)
			mw_buf_addf(&b, "key%d: %d\n", i, i);
		assert_non_null(mw_yaml_parse(mw_buf_str(&b), "f", arena, &err));
		mw_buf_addf(&b, "key%d: 0\n", n / 2);
		assert_null(mw_yaml_parse(mw_buf_str(&b), "f", arena, &err));
		char expected[80];
		snprintf(expected, sizeof(expected),
		    "f:%d: 'key%d' stands twice in one map, first in line %d", n + 1, n / 2,
		    n / 2 + 1);
		assert_string_equal(err.text, expected);
		mw_buf_deinit(&b);
	}
}

static void levels_are_limited_also_through_aliases(void **state)
{
	(void)state;
	char text[200] = "";
	struct mw_err err;
	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	assert_non_null(mw_yaml_parse(mw_str(text), "f", arena, &err));
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	assert_null(mw_yaml_parse(mw_str(text), "f", arena, &err));
	assert_string_equal(err.text, "f:1: nested deeper than 64 levels");
	/* each line is one level around the line before */
	struct mw_buf b;
	mw_buf_init(&b, 1 << 16);
	mw_buf_addz(&b, "a0: &a0 []\n");
	for (int i = 1; i < 80; i++)
		mw_buf_addf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	assert_null(mw_yaml_parse(mw_buf_str(&b), "f", arena, &err));
	assert_string_equal(err.text, "f:64: nested deeper than 64 levels");
	mw_buf_deinit(&b);
}

static void laughs_are_counted(void **state)
{
	(void)state;
	struct mw_err err;
	const char *lists = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
			    "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
			    "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
			    "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
			    "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n"
			    "f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n";
	assert_null(mw_yaml_parse(mw_str(lists), "f", arena, &err));
	assert_non_null(strstr(err.text, "f:6: the file holds more than 1000000 values"));
	const char *merges =
	    "a: &a {x: &l [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}\n"
	    "b: &b {x: &m [*l, *l, *l, *l, *l, *l, *l, *l, *l, *l]}\n"
	    "c: &c {x: &n [*m, *m, *m, *m, *m, *m, *m, *m, *m, *m]}\n"
	    "d: &d {x: &o [*n, *n, *n, *n, *n, *n, *n, *n, *n, *n]}\n"
	    "e: &e {x: &p [*o, *o, *o, *o, *o, *o, *o, *o]}\n"
	    "f: [{<<: *e}, {<<: *e}, {<<: *e}, {<<: *e}, {<<: *e}, {<<: *e}, {<<: *e}]\n";
	assert_null(mw_yaml_parse(mw_str(merges), "f", arena, &err));
	assert_non_null(strstr(err.text, "more than 1000000 values"));
}

static void a_file_has_a_largest_size(void **state)
{
	(void)state;
	struct mw_err err;
	assert_null(mw_yaml_parse(mw_strn("", (16 << 20) + 1), "f", arena, &err));
	assert_string_equal(err.text, "f:1: the file is larger than 16 MiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_settings_file_becomes_a_tree_with_lines),
	    cmocka_unit_test(an_empty_file_is_null),
	    cmocka_unit_test(plain_scalars_are_what_pyyaml_takes_them_for),
	    cmocka_unit_test(quotes_and_blocks_make_strings),
	    cmocka_unit_test(tags_of_the_core_are_known),
	    cmocka_unit_test(json_is_written_from_every_kind),
	    cmocka_unit_test(aliases_stand_for_their_anchors),
	    cmocka_unit_test(merges_add_what_the_map_does_not_have),
	    cmocka_unit_test(faults_name_the_line_and_the_remedy),
	    cmocka_unit_test(a_key_that_stands_twice_is_found_in_maps_of_any_size),
	    cmocka_unit_test(levels_are_limited_also_through_aliases),
	    cmocka_unit_test(laughs_are_counted),
	    cmocka_unit_test(a_file_has_a_largest_size),
	};
	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
