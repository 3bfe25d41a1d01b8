/* SPDX-License-Identifier: MIT
 *
 * base/json: checking, walking and editing JSON as bytes.
 */
#include "base/json.h"
#include "base/mem.h"

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

/* Checks a copy that ends where its memory ends. */
static bool peek(struct mw_str text, struct mw_err *err)
{
	struct mw_json root;
	char *copy = mw_mem_alloc(text.n);
	if (text.n)
		memcpy(copy, text.p, text.n);
	bool ok = mw_json_peek(mw_strn(copy, text.n), NULL, &root, err);
	mw_mem_free(copy);
	return ok;
}

static struct mw_json value(const char *text)
{
	struct mw_json root;
	struct mw_err err;
	if (!mw_json_peek(mw_str(text), NULL, &root, &err))
		fail_msg("%s: %s", text, err.text);
	return root;
}

#define ASSERT_STR(s, expected)                                                                    \
	do {                                                                                       \
		struct mw_str got = (s);                                                           \
		if (!mw_str_is(got, expected))                                                     \
			fail_msg("got %.*s, not %s", MW_FMT(got), expected);                       \
	} while (0)

/* ---- peek -------------------------------------------------------------------------------------- */

static void peek_finds_the_members_that_are_wanted(void **state)
{
	(void)state;
	static const struct mw_str names[] = {{"model", 5}, {"stream", 6}, {"user", 4}, {"", 0}};
	struct mw_json found[4], root;
	struct mw_json_look look = {.names = names, .found = found, .n = 4};
	struct mw_str text =
	    MW_STR(" {\"stream\" : true , "
		   "\"nested\":{\"model\":1},\"mo\\u0064el\":\"a\\nb\",\"\":[ 1, 2 ]} ");
	assert_true(mw_json_peek(text, &look, &root, NULL));
	assert_int_equal(root.kind, MW_JSON_OBJECT);
	assert_int_equal(root.raw.n, text.n - 2);
	assert_int_equal(found[0].kind, MW_JSON_STRING);
	ASSERT_STR(found[0].raw, "\"a\\nb\"");
	assert_true(mw_json_true(found[1]));
	assert_int_equal(found[2].kind, MW_JSON_NONE);
	ASSERT_STR(found[3].raw, "[ 1, 2 ]");
	assert_true(mw_json_peek(MW_STR("[{\"model\":1}]"), &look, &root, NULL));
	assert_int_equal(found[0].kind, MW_JSON_NONE);
	assert_true(mw_json_peek(MW_STR("\"model\""), &look, &root, NULL));
	assert_int_equal(root.kind, MW_JSON_STRING);
}

static bool meets(const char *text)
{
	static const struct mw_str deep[] = {{"cache", 5}, {"mark", 4}};
	struct mw_json_look look = {.deep = deep, .n_deep = MW_LEN(deep), .met = true};
	struct mw_json root;
	assert_true(mw_json_peek(mw_str(text), &look, &root, NULL));
	return look.met;
}

static void peek_meets_names_below_the_top_level(void **state)
{
	(void)state;
	assert_true(meets("{\"a\":{\"mark\":1}}"));
	assert_true(meets("[[{\"x\":0,\"c\\u0061che\":1,\"y\":2}],{\"z\":3}]"));
	assert_false(meets("{\"cache\":1,\"a\":\"mark\",\"b\":[\"cache\",{\"marks\":1}]}"));
	assert_false(meets("\"mark\""));
}

static void good_texts_pass(void **state)
{
	(void)state;
	static const char *const texts[] = {"0", "-0.5e+10", "null", "true", "false", "\"\"", "[]",
	    "{}", " \t\r\n[ 1 , [ ] , { } ]\n", "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}",
	    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uD800\"",
	    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"", "{\"\":1,\" \":2}",
	    "123456789012345678901234567890", "1E400", "[1e1,1E-1]"};
	for (size_t i = 0; i < MW_LEN(texts); i++) {
		struct mw_err err;
		if (!peek(mw_str(texts[i]), &err))
			fail_msg("%s: %s", texts[i], err.text);
	}
}

static void bad_texts_are_explained(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
	    {"", "line 1, column 1: the text is empty"},
	    {" \n ", "line 2, column 2: the text is empty"},
	    {"{\"model\":\"gpt-4o\",\"messages\":[{\"role",
		"column 37: the text ends inside a string (the body was cut?)"},
	    {"{\"a\":1,\"b\":[1,2", "the text ends inside an array (the body was cut?)"},
	    {"{\"a\":1", "the text ends inside an object (the body was cut?)"},
	    {"{\"a\":1,", "the text ends inside an object"},
	    {"{\"a\":", "the text ends where a value is expected"},
	    {"\"\\u00", "the text ends inside a string"},
	    {"\"\xe2\x82", "the text ends inside a string"},
	    {"{\"t\":NaN}", "column 6: NaN is not JSON; use null or a number"},
	    {"[-Infinity]", "Infinity is not JSON; use null or a number"},
	    {"{\"a\":True}", "True is not JSON; write true"},
	    {"{\"a\":None}", "None is not JSON; write null"},
	    {"{\"model\":\"a\",\"model\":\"b\"}", "column 14: 'model' stands twice in one object"},
	    {"{\"model\":\"a\",\"\\u006dodel\":\"b\"}", "stands twice in one object"},
	    {"{\"\\u0061b\":\"a\",\"a\\u0062\":\"b\"}", "stands twice in one object"},
	    {"[{\"a\":{\"b\":1,\"c\":2,\"b\":3}}]", "'b' stands twice in one object"},
	    {"\"\xff\"", "invalid UTF-8 at byte 2"},
	    {"{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8 at byte 7"},
	    {"[1,2,]", "column 6: trailing comma before ']'"},
	    {"{\"a\":1,}", "column 8: trailing comma before '}'"},
	    {"{'a':1}", "single quotes; JSON strings stand in double quotes"},
	    {"{\"a\":'b'}", "single quotes; JSON strings stand in double quotes"},
	    {"{a:1}", "a member name without double quotes"},
	    {"{\"a\":1 \"b\":2}", "is a comma missing?"},
	    {"{} x", "column 4: something stands behind the value"},
	    {"\xef\xbb\xbf{}", "byte order mark"},
	    {"\"a\nb\"", "column 3: a raw line end inside a string; write \\n"},
	    {"\"\\'\"", "\\' is no JSON escape"},
	    {"01", "leading zero"},
	    {"{1:2}", "'1' stands where a member name in double quotes is expected"},
	    {"\x01", "byte 0x01 stands where a value is expected"},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_err err = {0};
		if (peek(mw_str(cases[i][0]), &err) || !strstr(err.text, cases[i][1]))
			fail_msg("%s: %s", cases[i][0], err.text);
		assert_int_equal(err.code, MW_ERR_BAD_JSON);
	}
}

static void no_message_shows_much_of_the_text(void **state)
{
	(void)state;
	struct mw_buf b;
	struct mw_err err;
	mw_buf_init(&b, 100000);
	mw_buf_addz(&b, "{\"");
	for (int twice = 0; twice < 2; twice++) {
		for (int i = 0; i < 5000; i++)
			mw_buf_addz(&b, "\xc3\xa4");
		mw_buf_addz(&b, twice ? "\":1}" : "\":1,\"");
	}
	assert_false(peek(mw_buf_str(&b), &err));
	assert_non_null(strstr(err.text, "\xc3\xa4...' stands twice"));
	assert_true(strlen(err.text) < 200);
	mw_buf_deinit(&b);
}

static void nesting_has_a_limit(void **state)
{
	(void)state;
	char text[2 * (MW_MAX_DEPTH + 1)];
	struct mw_err err;
	memset(text, '[', MW_MAX_DEPTH);
	memset(text + MW_MAX_DEPTH, ']', MW_MAX_DEPTH);
	assert_true(peek(mw_strn(text, sizeof(text) - 2), &err));
	memset(text, '[', MW_MAX_DEPTH + 1);
	memset(text + MW_MAX_DEPTH + 1, ']', MW_MAX_DEPTH + 1);
	assert_false(peek(mw_strn(text, sizeof(text)), &err));
	assert_non_null(strstr(err.text, "nested deeper than"));
}

/* {"m0":0,...} with n members, of which the last is named as the given one. */
static bool peek_object(int n, int again, struct mw_err *err)
{
	struct mw_buf b;
	mw_buf_init(&b, 4 << 20);
	for (int i = 0; i < n; i++)
		mw_buf_addf(&b, "%s\"m%d\":{\"m0\":[]}", i ? "," : "{",
		    i == n - 1 && again >= 0 ? again : i);
	mw_buf_addc(&b, '}');
	bool ok = peek(mw_buf_str(&b), err);
	mw_buf_deinit(&b);
	return ok;
}

static void names_may_not_stand_twice_in_objects_of_any_size(void **state)
{
	(void)state;
	static const int sizes[] = {2, 15, 16, 17, 18, 100, 127, 128, 129, 300, 5000};
	for (size_t i = 0; i < MW_LEN(sizes); i++) {
		int n = sizes[i], agains[] = {0, n / 2, n - 2};
		struct mw_err err;
		assert_true(peek_object(n, -1, &err));
		for (size_t k = 0; k < MW_LEN(agains); k++) {
			char expected[64];
			snprintf(expected, sizeof(expected), "'m%d' stands twice",
			    MW_MIN(agains[k], n - 2));
			assert_false(peek_object(n, MW_MIN(agains[k], n - 2), &err));
			assert_non_null(strstr(err.text, expected));
		}
	}
	struct mw_err err;
	assert_true(peek_object(MW_MAX_MEMBERS, -1, &err));
	assert_false(peek_object(MW_MAX_MEMBERS + 1, -1, &err));
	assert_non_null(strstr(err.text, "an object with more than"));
}

/* Names that the quick hash cannot tell apart: equal at both ends, of equal length. */
static void names_with_equal_ends_are_told_apart(void **state)
{
	(void)state;
	for (int n = 2; n < 60; n++) {
		struct mw_buf b;
		mw_buf_init(&b, 1 << 20);
		for (int i = 0; i < n; i++)
			mw_buf_addf(&b, "%s\"beginning%06dbehindit\":1", i ? "," : "{", i);
		mw_buf_addz(&b, "}");
		struct mw_err err;
		assert_true(peek(mw_buf_str(&b), &err));
		b.n--;
		mw_buf_addf(&b, ",\"beginning%06d\\u0062ehindit\":1}", n / 2);
		assert_false(peek(mw_buf_str(&b), &err));
		assert_non_null(strstr(err.text, "stands twice"));
		mw_buf_deinit(&b);
	}
}

/* ---- walking ----------------------------------------------------------------------------------- */

static void walking_gives_members_and_items(void **state)
{
	(void)state;
	struct mw_json root = value(" { \"a\\\"\" : [ 1 , \"}\\\"]\" ] , \"b\":{},\"c\":-1.5e3 } "),
		       v;
	struct mw_str name;
	size_t at = 0;
	assert_true(mw_json_next(root, &at, &name, &v));
	ASSERT_STR(name, "\"a\\\"\"");
	ASSERT_STR(v.raw, "[ 1 , \"}\\\"]\" ]");
	assert_true(mw_json_next(root, &at, &name, &v));
	ASSERT_STR(name, "\"b\"");
	assert_int_equal(v.kind, MW_JSON_OBJECT);
	assert_true(mw_json_next(root, &at, &name, &v));
	ASSERT_STR(v.raw, "-1.5e3");
	assert_false(mw_json_next(root, &at, &name, &v));
	assert_int_equal(mw_json_count(root), 3);
	struct mw_json list = mw_json_get(root, MW_STR("a\""));
	assert_int_equal(mw_json_count(list), 2);
	ASSERT_STR(mw_json_item(list, 1).raw, "\"}\\\"]\"");
	assert_int_equal(mw_json_item(list, 2).kind, MW_JSON_NONE);
	assert_int_equal(mw_json_get(root, MW_STR("A\"")).kind, MW_JSON_NONE);
	assert_int_equal(mw_json_get(list, MW_STR("a")).kind, MW_JSON_NONE);
	assert_int_equal(mw_json_item(root, 0).kind, MW_JSON_NONE);
	assert_int_equal(mw_json_count(value("{ }")), 0);
	assert_int_equal(mw_json_count(value("7")), 0);
	assert_int_equal(mw_json_value(MW_STR(" \n")).kind, MW_JSON_NONE);
	ASSERT_STR(mw_json_value(MW_STR(" null\n")).raw, "null");
}

static void long_values_are_stepped_over(void **state)
{
	(void)state;
	for (int n = 0; n < 50; n++) {
		struct mw_buf b;
		mw_buf_init(&b, 4096);
		mw_buf_addf(&b, "[\"%.*s\\\\\\\"\\\\\",{\"%.*s\":[[%.*s1],{}]},2]", n,
		    "{[abcdefghijk}lmnopqrstuvwxyz0123456789]ABCDEFGHIJKLMNO", n,
		    "{[abcdefghijk}lmnopqrstuvwxyz0123456789]ABCDEFGHIJKLMNO", n,
		    "                                                            ");
		struct mw_json root;
		assert_true(mw_json_peek(mw_buf_str(&b), NULL, &root, NULL));
		assert_int_equal(mw_json_count(root), 3);
		ASSERT_STR(mw_json_item(root, 2).raw, "2");
		mw_buf_deinit(&b);
	}
}

static void paths_lead_to_values(void **state)
{
	(void)state;
	struct mw_json root =
	    value("{\"messages\":[{\"role\":\"system\"},{\"role\":\"user\"}],\"1\":{\"-1\":true}}");
	ASSERT_STR(mw_json_at(root, MW_STR("messages.1.role")).raw, "\"system\"");
	ASSERT_STR(mw_json_at(root, MW_STR("messages.-1.role")).raw, "\"user\"");
	ASSERT_STR(mw_json_at(root, MW_STR("messages.-2.role")).raw, "\"system\"");
	assert_true(mw_json_true(mw_json_at(root, MW_STR("1.-1"))));
	assert_int_equal(mw_json_at(root, MW_STR("")).kind, MW_JSON_OBJECT);
	static const char *const absent[] = {"x", "messages.0", "messages.3", "messages.-3",
	    "messages.x", "messages.1.role.x", "messages.", "messages..", ".", "messages.1.",
	    "messages.-"};
	for (size_t i = 0; i < MW_LEN(absent); i++)
		if (mw_json_at(root, mw_str(absent[i])).kind != MW_JSON_NONE)
			fail_msg("%s", absent[i]);
}

static void scalars_are_read(void **state)
{
	(void)state;
	int64_t i;
	double d;
	assert_true(mw_json_i64(value("-9223372036854775808"), &i) && i == INT64_MIN);
	assert_true(mw_json_i64(value("9223372036854775807"), &i) && i == INT64_MAX);
	assert_true(mw_json_i64(value("1e3"), &i) && i == 1000);
	assert_true(mw_json_i64(value("-2.0"), &i) && i == -2);
	assert_true(mw_json_i64(value("-0"), &i) && i == 0);
	static const char *const not_integers[] = {"9223372036854775808", "-9223372036854775809",
	    "1.5", "1e30", "\"1\"", "null", "99999999999999999999999"};
	for (size_t k = 0; k < MW_LEN(not_integers); k++)
		assert_false(mw_json_i64(value(not_integers[k]), &i));
	assert_true(mw_json_double(value("0.25"), &d) && d == 0.25);
	assert_false(mw_json_double(value("1e999"), &d));
	assert_false(mw_json_double(value("\"1\""), &d));
	assert_true(mw_json_true(value("true")));
	assert_false(mw_json_true(value("\"true\"")));
	assert_false(mw_json_true(mw_json_at(value("{}"), MW_STR("x"))));
}

static void strings_are_unquoted(void **state)
{
	(void)state;
	struct mw_json plain = value("\"plain\"");
	assert_ptr_equal(mw_json_text(plain, arena).p, plain.raw.p + 1);
	ASSERT_STR(mw_json_text(value("\"a\\n\\u00e4\\ud83d\\ude00\\ud83d\""), arena),
	    "a\n\xc3\xa4\xf0\x9f\x98\x80\xef\xbf\xbd");
	assert_int_equal(mw_json_text(value("\"\\u0000\""), arena).n, 1);
	ASSERT_STR(mw_json_text(value("12"), arena), "");
	assert_true(mw_json_is(value("\"stop\""), "stop"));
	assert_true(mw_json_is(value("\"\\u0073to\\u0070\""), "stop"));
	assert_false(mw_json_is(value("\"stop\\u0000\""), "stop"));
	assert_false(mw_json_is(value("\"sto\""), "stop"));
	assert_false(mw_json_is(value("null"), "null"));
}

static void text_is_quoted(void **state)
{
	(void)state;
	struct mw_buf b;
	mw_buf_init(&b, 1000);
	mw_json_quote(&b, mw_strn("a\"\\\b\f\n\r\t\0\x1f\x7f/\xc3\xa4", 14));
	ASSERT_STR(mw_buf_str(&b), "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\x7f/\xc3\xa4\"");
	mw_buf_clear(&b);
	mw_json_quote(&b, MW_STR("\xff-\xe2\x82-\xc3"));
	ASSERT_STR(mw_buf_str(&b), "\"\xef\xbf\xbd-\xef\xbf\xbd\xef\xbf\xbd-\xef\xbf\xbd\"");
	mw_buf_clear(&b);
	mw_json_quote(&b, MW_NOSTR);
	ASSERT_STR(mw_buf_str(&b), "\"\"");
	mw_buf_deinit(&b);
}

/* ---- editing ----------------------------------------------------------------------------------- */

#define SET(path, value)                                                                           \
	{                                                                                          \
		{path, sizeof(path) - 1},                                                          \
		{                                                                                  \
			value, sizeof(value) - 1                                                   \
		}                                                                                  \
	}
#define DELETE(path)                                                                               \
	{                                                                                          \
		{path, sizeof(path) - 1},                                                          \
		{                                                                                  \
			NULL, 0                                                                    \
		}                                                                                  \
	}

struct edit_case {
	const char *text;
	struct mw_json_edit edits[4];
	const char *expected;
};

static void edits_give(const struct edit_case *c)
{
	size_t n = 0;
	while (n < MW_LEN(c->edits) && c->edits[n].path.p)
		n++;
	struct mw_str out;
	struct mw_err err;
	if (!mw_json_edit(mw_str(c->text), c->edits, n, arena, &out, &err))
		fail_msg("%s: %s", c->text, err.text);
	ASSERT_STR(out, c->expected);
	assert_true(peek(out, NULL));
}

static void edits_change_only_what_they_name(void **state)
{
	(void)state;
	static const struct edit_case cases[] = {
	    {"{\"model\":\"a\",\"n\":1}", {SET("model", "\"b\"")}, "{\"model\":\"b\",\"n\":1}"},
	    {"{ \"x\": 1, \"model\": \"a\", \"y\" : [1, 2], \"z\":3 }", {SET("model", "\"b\"")},
		"{\"x\": 1,\"model\":\"b\",\"y\" : [1, 2], \"z\":3}"},
	    {"{}", {SET("a", "1"), SET("b", "2")}, "{\"a\":1,\"b\":2}"},
	    {"{\"a\":1}", {SET("b", "2"), SET("a", "3"), DELETE("b")}, "{\"a\":3}"},
	    {"{\"a\":1}", {SET("b", "1"), SET("b", "2")}, "{\"a\":1,\"b\":2}"},
	    {"{\"a\":1,\"b\":2,\"c\":3}", {DELETE("a")}, "{\"b\":2,\"c\":3}"},
	    {"{\"a\":1,\"b\":2,\"c\":3}", {DELETE("b")}, "{\"a\":1,\"c\":3}"},
	    {"{\"a\":1,\"b\":2,\"c\":3}", {DELETE("c")}, "{\"a\":1,\"b\":2}"},
	    {"{\"a\":1,\"b\":2,\"c\":3}", {DELETE("c"), DELETE("a"), DELETE("b")}, "{}"},
	    {"{\"a\":1,\"b\":2}", {DELETE("a"), SET("a", "9")}, "{\"b\":2,\"a\":9}"},
	    {"{\"\\u0061\":1}", {SET("a", "2")}, "{\"\\u0061\":2}"},
	    {"{}", {SET("a\"b", "1")}, "{\"a\\\"b\":1}"},
	    /* below */
	    {"{}", {SET("stream_options.include_usage", "true")},
		"{\"stream_options\":{\"include_usage\":true}}"},
	    {"{\"o\":{\"x\":1}}", {SET("o.y", "2"), SET("o.z.w", "3")},
		"{\"o\":{\"x\":1,\"y\":2,\"z\":{\"w\":3}}}"},
	    {"{\"o\":null}", {SET("o.y", "2")}, "{\"o\":{\"y\":2}}"},
	    {"{\"o\":{\"x\":1}}", {SET("o", "{}"), SET("o.y", "2")}, "{\"o\":{\"y\":2}}"},
	    {"{\"o\":{\"x\":{\"y\":1}}}", {DELETE("o.x.y")}, "{\"o\":{\"x\":{}}}"},
	    {"{}", {SET("logit_bias.50256", "-100")}, "{\"logit_bias\":{\"50256\":-100}}"},
	    /* arrays */
	    {"{\"m\":[1, 2, 3]}", {SET("m.2", "\"x\"")}, "{\"m\":[1,\"x\",3]}"},
	    {"{\"m\":[1,2,3]}", {SET("m.-1", "4"), SET("m.4", "5")}, "{\"m\":[1,2,4,5]}"},
	    {"{\"m\":[1,2,3]}", {DELETE("m.1"), DELETE("m.1")}, "{\"m\":[3]}"},
	    {"{\"m\":[]}", {SET("m.1", "1"), SET("m.2", "2")}, "{\"m\":[1,2]}"},
	    {"{\"m\":[]}", {SET("m.1.role", "\"user\"")}, "{\"m\":[{\"role\":\"user\"}]}"},
	    {"[1,2]", {SET("1", "{}"), SET("1.a.b", "[]")}, "[{\"a\":{\"b\":[]}},2]"},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++)
		edits_give(&cases[i]);
}

static void edits_that_change_nothing_give_the_text_itself(void **state)
{
	(void)state;
	struct mw_str text = MW_STR(" {\"a\":{\"b\":[1]},\"n\":null} "), out;
	const struct mw_json_edit edits[] = {
	    DELETE("x"), DELETE("a.x"), DELETE("a.b.2"), DELETE("x.y"), DELETE("n.y")};
	assert_true(mw_json_edit(text, edits, MW_LEN(edits), arena, &out, NULL));
	assert_ptr_equal(out.p, text.p);
	assert_true(mw_json_edit(text, NULL, 0, arena, &out, NULL));
	assert_ptr_equal(out.p, text.p);
}

static void edits_that_lead_nowhere_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		struct mw_json_edit edit;
		const char *expected;
	} cases[] = {
	    {"{\"a\":1}", SET("a.b", "1"), "cannot edit 'a.b': what it leads through is neither"},
	    {"{\"a\":{\"b\":\"x\"}}", SET("a.b.c", "1"), "'a.b.c'"},
	    {"7", SET("a", "1"), "'a'"},
	    {"[1]", SET("3", "1"), "past the end"},
	    {"{\"m\":[1]}", SET("m.3.x", "1"), "'m.3.x': the index is past the end"},
	    {"{\"m\":[1]}", SET("m.0", "1"), "'m.0': no such item"},
	    {"{\"m\":[1]}", SET("m.-2", "1"), "no such item"},
	    {"{\"m\":[1]}", SET("m.x", "1"), "no such item"},
	    {"{\"m\":[1]}", SET("m.", "1"), "no such item"},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_str out;
		struct mw_err err;
		if (mw_json_edit(mw_str(cases[i].text), &cases[i].edit, 1, arena, &out, &err))
			fail_msg("%s gives %.*s", cases[i].text, MW_FMT(out));
		if (!strstr(err.text, cases[i].expected))
			fail_msg("%s", err.text);
		assert_int_equal(err.code, MW_ERR_BAD_REQUEST);
		ASSERT_STR(mw_str(err.param), cases[i].edit.path.p);
	}
}

static void paths_of_edits_have_a_depth(void **state)
{
	(void)state;
	char path[4 * MW_MAX_DEPTH];
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 2 ? '.' : 'a';
	struct mw_json_edit edit = {{path, sizeof(path) - 1}, {"1", 1}};
	struct mw_str out;
	struct mw_err err;
	assert_false(mw_json_edit(MW_STR("{}"), &edit, 1, arena, &out, &err));
	assert_non_null(strstr(err.text, "too deep"));
	assert_int_equal(strlen(err.param), sizeof(err.param) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(peek_finds_the_members_that_are_wanted),
	    cmocka_unit_test(peek_meets_names_below_the_top_level),
	    cmocka_unit_test(good_texts_pass),
	    cmocka_unit_test(bad_texts_are_explained),
	    cmocka_unit_test(no_message_shows_much_of_the_text),
	    cmocka_unit_test(nesting_has_a_limit),
	    cmocka_unit_test(names_may_not_stand_twice_in_objects_of_any_size),
	    cmocka_unit_test(names_with_equal_ends_are_told_apart),
	    cmocka_unit_test(walking_gives_members_and_items),
	    cmocka_unit_test(long_values_are_stepped_over),
	    cmocka_unit_test(paths_lead_to_values),
	    cmocka_unit_test(scalars_are_read),
	    cmocka_unit_test(strings_are_unquoted),
	    cmocka_unit_test(text_is_quoted),
	    cmocka_unit_test(edits_change_only_what_they_name),
	    cmocka_unit_test(edits_that_change_nothing_give_the_text_itself),
	    cmocka_unit_test(edits_that_lead_nowhere_are_refused),
	    cmocka_unit_test(paths_of_edits_have_a_depth),
	};
	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
