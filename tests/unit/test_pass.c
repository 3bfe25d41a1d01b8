/* SPDX-License-Identifier: MIT
 *
 * The same-dialect fast path: what may go through as bytes, what is changed in it, what is read off
 * it.
 */
#include "gate/pass.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

static struct mw_call call_with(const char *body)
{
	struct mw_call call = {.arena = arena, .kind = MW_KIND_CHAT, .body = mw_str(body)};
	struct mw_json root;
	assert_true(mw_call_find_members(&call, &root, NULL));
	call.stream = mw_json_true(call.members[MW_M_STREAM]);
	call.include_usage =
	    mw_json_true(mw_json_get(call.members[MW_M_STREAM_OPTIONS], MW_STR("include_usage")));
	return call;
}

static void assert_text(struct mw_str got, const char *want)
{
	assert_string_equal(mw_arena_dupz(arena, got), want);
}

/* ---- requests ------------------------------------------------------------------------------ */

/* The parts of it, put together. */
static struct mw_str request(const struct mw_call *call, const char *model, bool ask_usage)
{
	struct mw_str parts[MW_EXCHANGE_PARTS];
	assert_true(mw_pass_request(call, call->body, mw_str(model), ask_usage, parts, NULL));
	return mw_arena_printf(
	    arena, "%.*s%.*s%.*s", MW_FMT(parts[0]), MW_FMT(parts[1]), MW_FMT(parts[2]));
}

static void a_request_gets_only_its_model_replaced(void **state)
{
	(void)state;
	struct mw_call call = call_with("{ \"a\" : 1e400, \"model\":\"x\" ,\"z\":\"\\u00e9\"}");
	struct mw_str out = request(&call, "gpt\"4", true);
	assert_text(out, "{ \"a\" : 1e400, \"model\":\"gpt\\\"4\" ,\"z\":\"\\u00e9\"}");
}

static void a_stream_is_asked_for_its_usage(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		const char *options; /* what stands in stream_options afterwards */
	} cases[] = {
	    {"{\"model\":\"x\",\"stream\":true}", "{\"include_usage\":true}"},
	    {"{\"model\":\"x\",\"stream\":true,\"stream_options\":null}",
		"{\"include_usage\":true}"},
	    {"{\"model\":\"x\",\"stream\":true,\"stream_options\":{}}", "{\"include_usage\":true}"},
	    {"{\"model\":\"x\",\"stream\":true,\"stream_options\":{\"include_usage\":false}}",
		"{\"include_usage\":true}"},
	    {"{\"model\":\"x\",\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}}",
		"{\"include_obfuscation\":false,\"include_usage\":true}"},
	    {"{\"model\":\"x\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
		"{\"include_usage\":true}"},
	    {"{\"model\":\"x\",\"stream\":false}", NULL},
	    {"{\"model\":\"x\"}", NULL},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_call call = call_with(cases[i].body);
		struct mw_str out = request(&call, "y", true);
		struct mw_json options = mw_json_get(mw_json_value(out), MW_STR("stream_options"));
		assert_true(mw_json_is(mw_json_get(mw_json_value(out), MW_STR("model")), "y"));
		if (cases[i].options)
			assert_text(options.raw, cases[i].options);
		else
			assert_int_equal(options.kind, MW_JSON_NONE);
	}
}

static void usage_is_not_asked_for_where_the_provider_has_no_such_option(void **state)
{
	(void)state;
	struct mw_call call = call_with("{\"model\":\"x\",\"stream\":true}");
	struct mw_str out = request(&call, "y", false);
	assert_text(out, "{\"model\":\"y\",\"stream\":true}");
}

/* ---- whole replies ------------------------------------------------------------------------- */

#define HEAD          "\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"gpt\","
#define TURN(members) "\"logprobs\":null,\"message\":{\"refusal\":null," members "}"
#define MESSAGE       TURN("\"role\":\"assistant\",\"content\":\"hi\"")

static enum mw_pass pass_reply(const char *text, struct mw_call *call, struct mw_str *out)
{
	*call = (struct mw_call){.arena = arena, .kind = MW_KIND_CHAT};
	return mw_pass_reply(call, mw_str(text), MW_STR("\"mine\""), out);
}

static void a_good_reply_goes_through_with_the_clients_model(void **state)
{
	(void)state;
	struct mw_call call;
	struct mw_str out;
	assert_int_equal(
	    pass_reply("{" HEAD "\"choices\":[{\"index\":0," MESSAGE
		       ",\"finish_reason\":\"length\"}],"
		       "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5,\"total_tokens\":14,"
		       "\"prompt_tokens_details\":{\"cached_tokens\":4},"
		       "\"completion_tokens_details\":{\"reasoning_tokens\":3}},\"extra\":[1]}",
		&call, &out),
	    MW_PASS_OK);
	assert_text(mw_json_get(mw_json_value(out), MW_STR("model")).raw, "\"mine\"");
	assert_text(mw_json_get(mw_json_value(out), MW_STR("extra")).raw, "[1]");
	assert_text(call.finish, "length");
	assert_true(call.usage.reported);
	assert_int_equal(call.usage.prompt, 9);
	assert_int_equal(call.usage.cached, 4);
	assert_int_equal(call.usage.completion, 5);
	assert_int_equal(call.usage.reasoning, 3);
}

static void a_reply_of_another_shape_is_left_to_lua(void **state)
{
	(void)state;
#define ONE(choice) "{" HEAD "\"choices\":[{" choice "}]}"
#define CALLS(call)                                                                                \
	ONE("\"index\":0," TURN("\"role\":\"assistant\",\"content\":null,\"tool_calls\":["         \
				"{" call "}]") ",\"finish_reason\":\"tool_calls\"")
	static const char *const cases[] = {
	    "{\"error\":{\"message\":\"no\"}}",
	    "{" HEAD "\"error\":{},\"choices\":[{\"index\":0," MESSAGE
	    ",\"finish_reason\":\"stop\"}]}",
	    "[]",
	    "{" HEAD "\"choices\":[]}",
	    "{" HEAD "\"choices\":null}",
	    ONE("\"index\":0," MESSAGE),
	    ONE("\"index\":0," MESSAGE ",\"finish_reason\":null"),
	    ONE("\"index\":0," MESSAGE ",\"finish_reason\":\"\""),
	    ONE("\"index\":0," MESSAGE ",\"finish_reason\":\"eos\""),
	    ONE(MESSAGE ",\"finish_reason\":\"stop\""),
	    ONE("\"index\":0,\"logprobs\":null,\"finish_reason\":\"stop\""),
	    ONE("\"index\":0," TURN("\"content\":\"hi\"") ",\"finish_reason\":\"stop\""),
	    ONE("\"index\":0," TURN("\"role\":\"assistant\"") ",\"finish_reason\":\"stop\""),
	    ONE("\"index\":0," TURN(
		"\"role\":\"assistant\",\"content\":[]") ",\"finish_reason\":\"stop\""),
	    ONE("\"index\":0," TURN("\"role\":\"assistant\",\"content\":\"\",\"reasoning\":"
				    "\"hm\"") ",\"finish_reason\":\"stop\""),
	    ONE("\"index\":0,\"logprobs\":null,\"message\":{\"role\":\"assistant\",\"content\":"
		"\"no refusal\"},\"finish_reason\":\"stop\""),
	    ONE("\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"no logprobs\","
		"\"refusal\":null},\"finish_reason\":\"stop\""),
	    CALLS("\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}"),
	    CALLS("\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":{}"
		  "}"),
	    CALLS("\"id\":\"a\",\"type\":\"function\","
		  "\"function\":{\"name\":\"f\",\"arguments\":\"\"}"),
	    CALLS("\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}"),
	    "{\"object\":\"chat.completion\",\"created\":1,\"model\":\"gpt\",\"choices\":[{"
	    "\"index\":0," MESSAGE ",\"finish_reason\":\"stop\"}]}",
	};
#undef CALLS
#undef ONE
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_call call;
		struct mw_str out;
		assert_int_equal(pass_reply(cases[i], &call, &out), MW_PASS_DEVIATES);
	}
}

static void what_is_not_json_is_broken(void **state)
{
	(void)state;
	static const char *const cases[] = {
	    "", "<html>", "{" HEAD "\"choices\":[{\"index\":0,", "{} {}"};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_call call;
		struct mw_str out;
		assert_int_equal(pass_reply(cases[i], &call, &out), MW_PASS_BROKEN);
	}
}

/* ---- chunks -------------------------------------------------------------------------------- */

#define CHUNK "\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt\","

static enum mw_pass pass_event(
    const char *text, struct mw_buf *out, struct mw_usage *usage, struct mw_pass_chunk *chunk)
{
	static const struct mw_stream_sent begun = {.begun = true};
	mw_buf_clear(out);
	return mw_pass_event(mw_str(text), MW_STR("\"mine\""), &begun, out, usage, chunk);
}

static void chunks_say_what_they_bring(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool content;
		const char *finish;
	} cases[] = {
	    {"{" CHUNK
	     "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}",
		true, NULL},
	    {"{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"content\":null,\"reasoning_"
	     "content\":\"a\"},\"finish_reason\":null}]}",
		true, NULL},
	    {"{" CHUNK
	     "\"choices\":[{\"index\":0,\"delta\":{\"refusal\":\"no\"},\"finish_reason\":null}]}",
		true, NULL},
	    {"{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":"
	     "\"t\",\"type\":\"function\","
	     "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]},\"finish_reason\":null}]}",
		true, NULL},
	    {"{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
		false, "stop"},
	};
	struct mw_buf out;
	mw_buf_init(&out, 65536);
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_usage usage = {0};
		struct mw_pass_chunk chunk;
		assert_int_equal(pass_event(cases[i].text, &out, &usage, &chunk), MW_PASS_OK);
		assert_int_equal(chunk.content, cases[i].content);
		assert_false(chunk.only_usage);
		assert_true(
		    cases[i].finish ? mw_str_is(chunk.finish, cases[i].finish) : !chunk.finish.p);
		assert_true(mw_str_starts(mw_buf_str(&out), MW_STR("data: {\"id\":\"c1\"")));
		assert_true(mw_str_ends(mw_buf_str(&out), MW_STR("}\n\n")));
		assert_non_null(mw_str_search(mw_buf_str(&out), MW_STR("\"model\":\"mine\"")));
	}
	mw_buf_deinit(&out);
}

static void a_chunk_of_usage_alone_is_told_apart(void **state)
{
	(void)state;
	struct mw_buf out;
	struct mw_usage usage = {0};
	struct mw_pass_chunk chunk;
	mw_buf_init(&out, 65536);
	assert_int_equal(
	    pass_event("{" CHUNK
		       "\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,"
		       "\"total_tokens\":5}}",
		&out, &usage, &chunk),
	    MW_PASS_OK);
	assert_true(chunk.only_usage);
	assert_int_equal(usage.prompt, 3);
	assert_int_equal(usage.completion, 2);
	mw_buf_deinit(&out);
}

static void the_role_comes_once_and_first(void **state)
{
	(void)state;
	static const char with[] = "{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"role\":"
				   "\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}";
	static const char without[] =
	    "{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"role\":null,"
	    "\"content\":\"a\"},\"finish_reason\":null}]}";
	struct mw_buf out;
	struct mw_usage usage = {0};
	struct mw_pass_chunk chunk;
	mw_buf_init(&out, 65536);
	for (int begun = 0; begun < 2; begun++) {
		struct mw_stream_sent sent = {.begun = begun};
		enum mw_pass with_role =
		    mw_pass_event(mw_str(with), MW_STR("\"m\""), &sent, &out, &usage, &chunk);
		enum mw_pass without_role =
		    mw_pass_event(mw_str(without), MW_STR("\"m\""), &sent, &out, &usage, &chunk);
		assert_int_equal(with_role, begun ? MW_PASS_DEVIATES : MW_PASS_OK);
		assert_int_equal(without_role, begun ? MW_PASS_OK : MW_PASS_DEVIATES);
	}
	mw_buf_deinit(&out);
}

/* A chunk with this one piece of a tool call, after what has been sent. */
static bool piece_passes(
    const char *piece, const struct mw_stream_sent *sent, struct mw_pass_chunk *chunk)
{
	static char text[512]; /* the chunk's slices are of it */
	struct mw_buf out;
	struct mw_usage usage = {0};
	snprintf(text, sizeof(text),
	    "{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{%s}]},"
	    "\"finish_reason\":null}]}",
	    piece);
	mw_buf_init(&out, 65536);
	enum mw_pass passed =
	    mw_pass_event(mw_str(text), MW_STR("\"mine\""), sent, &out, &usage, chunk);
	mw_buf_deinit(&out);
	return passed == MW_PASS_OK;
}

#define BEGIN(index, id, arguments)                                                                \
	"\"index\":" index ",\"id\":\"" id "\",\"type\":\"function\",\"function\":"                \
	"{\"name\":\"f\",\"arguments\":\"" arguments "\"}"
#define GO_ON(index, arguments) "\"index\":" index ",\"function\":{\"arguments\":\"" arguments "\"}"

static void a_tool_call_begins_in_the_next_place(void **state)
{
	(void)state;
	static const struct mw_stream_sent none = {.begun = true},
					   one = {.begun = true, .calls = 1},
					   bare = {.begun = true, .calls = 1, .bare = true};
	static const struct {
		const char *piece;
		const struct mw_stream_sent *sent;
		bool passes;
	} cases[] = {
	    {BEGIN("0", "a", ""), &none, true},
	    {BEGIN("1", "a", ""), &none, false},
	    {BEGIN("1", "b", "{}"), &one, true},
	    {BEGIN("0", "b", "{}"), &one, false},
	    {BEGIN("1", "b", "{}"), &bare, false},
	    {BEGIN("0", "", ""), &none, false},
	    {"\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}", &none, false},
	    {GO_ON("0", "{"), &none, false},
	    {GO_ON("0", "{"), &one, true},
	    {GO_ON("1", "{"), &one, false},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_pass_chunk chunk;
		assert_int_equal(
		    piece_passes(cases[i].piece, cases[i].sent, &chunk), cases[i].passes);
	}
}

static void a_tool_call_without_arguments_is_told(void **state)
{
	(void)state;
	struct mw_stream_sent sent = {.begun = true};
	struct mw_pass_chunk chunk;
	assert_true(piece_passes(BEGIN("0", "a", ""), &sent, &chunk));
	assert_true(chunk.bare);
	assert_int_equal(chunk.calls, 1);
	assert_true(mw_str_is(chunk.call_id, "a"));
	sent = (struct mw_stream_sent){.begun = true, .calls = 1, .bare = true};
	assert_true(piece_passes(GO_ON("0", ""), &sent, &chunk));
	assert_true(chunk.bare);
	assert_true(piece_passes(GO_ON("0", "{"), &sent, &chunk));
	assert_false(chunk.bare);
	assert_int_equal(chunk.calls, 0);
}

static void a_finish_passes_when_the_last_call_has_its_arguments(void **state)
{
	(void)state;
	static const char finish[] = "{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{},"
				     "\"finish_reason\":\"tool_calls\"}]}";
	struct mw_stream_sent sent = {.begun = true, .calls = 1};
	struct mw_buf out;
	struct mw_usage usage = {0};
	struct mw_pass_chunk chunk;
	mw_buf_init(&out, 65536);
	assert_int_equal(
	    mw_pass_event(mw_str(finish), MW_STR("\"m\""), &sent, &out, &usage, &chunk),
	    MW_PASS_OK);
	sent.bare = true;
	assert_int_equal(
	    mw_pass_event(mw_str(finish), MW_STR("\"m\""), &sent, &out, &usage, &chunk),
	    MW_PASS_DEVIATES);
	mw_buf_deinit(&out);
}

static void usage_passes_when_it_adds_up(void **state)
{
	(void)state;
	static const struct {
		const char *usage;
		enum mw_pass passed;
	} cases[] = {
	    {"null", MW_PASS_OK},
	    {"{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}", MW_PASS_OK},
	    {"{\"prompt_tokens\":3,\"completion_tokens\":2}", MW_PASS_DEVIATES},
	    {"{\"prompt_tokens\":3,\"completion_tokens\":null,\"total_tokens\":null}",
		MW_PASS_DEVIATES},
	    {"{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":25,"
	     "\"completion_tokens_details\":{\"reasoning_tokens\":20}}",
		MW_PASS_DEVIATES},
	    {"{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5,"
	     "\"num_cached_tokens\":2}",
		MW_PASS_DEVIATES},
	    {"{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5,"
	     "\"prompt_cache_hit_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":2}}",
		MW_PASS_OK},
	    {"{\"prompt_tokens\":9007199254740992,\"completion_tokens\":0,"
	     "\"total_tokens\":9007199254740992}",
		MW_PASS_DEVIATES},
	    {"7", MW_PASS_DEVIATES},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		char text[1024];
		struct mw_call call;
		struct mw_str out;
		snprintf(text, sizeof(text),
		    "{" HEAD "\"choices\":[{\"index\":0," MESSAGE
		    ",\"finish_reason\":\"stop\"}],\"usage\":%s}",
		    cases[i].usage);
		assert_int_equal(pass_reply(text, &call, &out), cases[i].passed);
		assert_true(call.usage.reported == (cases[i].passed == MW_PASS_OK && i > 0));
	}
}

static void a_chunk_of_another_shape_is_left_to_lua(void **state)
{
	(void)state;
	static const char *const cases[] = {
	    "{\"error\":{\"message\":\"no\"}}",
	    "{" CHUNK "\"error\":{},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},"
	    "\"finish_reason\":null}]}",
	    "{" CHUNK "\"choices\":[]}",
	    "{" CHUNK "\"service_tier\":\"on_demand\",\"choices\":[{\"index\":0,\"delta\":{"
	    "\"content\":\"a\"},\"finish_reason\":null}]}",
	    "{" CHUNK
	    "\"choices\":[{\"index\":1,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}",
	    "{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":"
	    "\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
	    "\"finish_reason\":\"tool_calls\"}]}",
	    "{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}",
	    "{" CHUNK "\"choices\":[{\"index\":0,\"finish_reason\":null}]}",
	    "{" CHUNK "\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}",
	    "{" CHUNK
	    "\"choices\":[{\"index\":0,\"delta\":{\"content\":[{}]},\"finish_reason\":null}]}",
	    "{" CHUNK
	    "\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"a\"},\"finish_reason\":null}]}",
	    "{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"id\":\"a\","
	    "\"function\":{\"arguments\":\"\"}}]},"
	    "\"finish_reason\":null}]}",
	    "{" CHUNK "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"\"}]}",
	    "{\"id\":\"\",\"object\":\"\",\"created\":0,\"model\":\"\",\"choices\":[],\"prompt_"
	    "filter_results\":[]}",
	};
	struct mw_buf out;
	mw_buf_init(&out, 65536);
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		struct mw_usage usage = {0};
		struct mw_pass_chunk chunk;
		assert_int_equal(pass_event(cases[i], &out, &usage, &chunk), MW_PASS_DEVIATES);
		assert_int_equal(out.n, 0);
	}
	mw_buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_request_gets_only_its_model_replaced, make_arena, free_arena),
	    cmocka_unit_test_setup_teardown(
		a_stream_is_asked_for_its_usage, make_arena, free_arena),
	    cmocka_unit_test_setup_teardown(
		usage_is_not_asked_for_where_the_provider_has_no_such_option, make_arena,
		free_arena),
	    cmocka_unit_test_setup_teardown(
		a_good_reply_goes_through_with_the_clients_model, make_arena, free_arena),
	    cmocka_unit_test_setup_teardown(
		a_reply_of_another_shape_is_left_to_lua, make_arena, free_arena),
	    cmocka_unit_test_setup_teardown(what_is_not_json_is_broken, make_arena, free_arena),
	    cmocka_unit_test(chunks_say_what_they_bring),
	    cmocka_unit_test(a_chunk_of_usage_alone_is_told_apart),
	    cmocka_unit_test(the_role_comes_once_and_first),
	    cmocka_unit_test(a_tool_call_begins_in_the_next_place),
	    cmocka_unit_test(a_tool_call_without_arguments_is_told),
	    cmocka_unit_test(a_finish_passes_when_the_last_call_has_its_arguments),
	    cmocka_unit_test_setup_teardown(usage_passes_when_it_adds_up, make_arena, free_arena),
	    cmocka_unit_test(a_chunk_of_another_shape_is_left_to_lua),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
