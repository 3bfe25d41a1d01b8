/* SPDX-License-Identifier: MIT
 *
 * script/hook and journal: what a hook that fails means, what hooks see and set, and that one that
 * fails leaves nothing behind.
 */
#include "script_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- what an error means ---- */

static void a_guard_that_fails_lets_nothing_pass(void **state)
{
	(void)state;
	static const char *const ends[] = {"error('x')", "return 5", "while true do end"};
	struct mw_decision d;
	for (size_t i = 0; i < MW_LEN(ends); i++) {
		struct world *w = world_of_hook("guard", "admit", ends[i]);
		mw_hook_admit(w->policies, &w->call, &d);
		assert_int_equal(d.verdict, MW_REJECT);
		assert_int_equal(d.status, 503);
		assert_true(mw_str_is(d.code, "policy_error"));
		world_free(w);
	}
	struct world *w = world_of_hook("guard", "rewrite", "error('x')");
	mw_hook_rewrite(w->policies, &w->call, &d);
	assert_int_equal(d.verdict, MW_REJECT);
	world_free(w);
}

static void any_other_policy_that_fails_is_passed_over(void **state)
{
	(void)state;
	static const char *const kinds[] = {"rewrite", "route", "observe"};
	for (size_t i = 0; i < MW_LEN(kinds); i++) {
		struct mw_decision d;
		struct world *w = world_of_hook(kinds[i], "admit", "error('x')");
		mw_hook_admit(w->policies, &w->call, &d);
		assert_int_equal(d.verdict, MW_GO);
		world_free(w);
	}
}

static void the_first_that_decides_wins(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct mw_decision d;
	world_add(
	    w, WORLD_HEAD("guard") "function P.admit(req) req:tag('first', 'ran') end" WORLD_TAIL);
	world_add(w,
	    WORLD_HEAD(
		"guard") "function P.admit() return mw.reject{ message = 'two' } end" WORLD_TAIL);
	world_add(
	    w, WORLD_HEAD("guard") "function P.admit(req) req:tag('third', 'ran') end" WORLD_TAIL);
	assert_true(world_load(w));
	mw_hook_admit(w->policies, &w->call, &d);
	assert_true(mw_str_is(d.message, "two"));
	assert_true(mw_str_is(w->call.tags->key, "first"));
	assert_null(w->call.tags->next);
	world_free(w);
}

static void a_policy_that_is_bound_elsewhere_is_not_asked(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct mw_decision d;
	struct mw_str only = MW_STR("other");
	world_add(
	    w, WORLD_HEAD(
		   "guard") "function P.admit() return mw.reject{ message = 'x' } end" WORLD_TAIL);
	w->model.n_policies = 0;
	w->refs[0].models = &only;
	w->refs[0].n_models = 1;
	assert_true(world_load(w));
	mw_hook_admit(w->policies, &w->call, &d);
	assert_int_equal(d.verdict, MW_GO);
	w->call.model = NULL; /* nor where no model is known yet */
	mw_hook_admit(w->policies, &w->call, &d);
	assert_int_equal(d.verdict, MW_GO);
	w->refs[0].n_models = 0; /* bound to all: then it is */
	mw_hook_admit(w->policies, &w->call, &d);
	assert_int_equal(d.verdict, MW_REJECT);
	world_free(w);
}

/* ---- walking over a body ---- */

enum { TURNS = 10 }; /* one hook would have no time for all of it where a sanitizer slows it down */

/* More messages than there are marks for; each says its own number. `turn` (from 1) says which of them to
 * look at. */
static struct mw_str many_messages(struct world *w, unsigned n, unsigned turn)
{
	struct mw_buf b;
	mw_buf_init(&b, 1 << 20);
	mw_buf_addf(&b, "{\"model\":\"gpt\",\"turn\":%u,\"tools\":[ 7 , 8 ],\"messages\":[", turn);
	for (unsigned i = 1; i <= n; i++)
		mw_buf_addf(&b, "%s {\"role\":\"user\",\"content\":\"%u\"}", i > 1 ? " ," : "", i);
	mw_buf_addz(&b, " ] }");
	struct mw_str text = mw_arena_dup(w->call.arena, mw_buf_str(&b));
	mw_buf_deinit(&b);
	return text;
}

static void every_message_is_found_whatever_was_asked_before(void **state)
{
	(void)state;
	static const unsigned counts[] = {1, 2, 1023, 1024, 1025, 2049};
	struct mw_decision d;
	struct world *w = world_of_hook("guard", "rewrite",
	    "local n, last = req.n_messages, math.min(req.n_messages, 1100) "
	    "local turn = req:get('turn') "
	    "for i = turn, last, 10 do assert(req:text(i) == tostring(i)) end "
	    "for i = last - turn + 1, 1, -70 do assert(req:get('messages.' .. i .. '.content') == "
	    "tostring(i)) "
	    "end "
	    "assert(req:text(-1) == tostring(n) and req:text(-n) == '1' and req:text(n) == "
	    "tostring(n)) "
	    "assert(not req:text(n + 1) and not req:text(-n - 1) and not req:text(0)) "
	    "assert(req:get('tools.2') == 8 and req:get('tools.-1') == 8 and not "
	    "req:get('tools.3')) "
	    "assert(n > 99 or #req:get('messages') == n) "
	    "assert(not req:get('messages.x') and not "
	    "req:get('a.1')) "
	    "for i = 1, n < 9 and 5 or 0 do " /* each change is seen, though its text may lie where an older one lay */
	    "req:set('messages.1.content', 'new' .. i) assert(req:text(1) == 'new' .. i) "
	    "req:set('messages.' .. n + i, { role = 'user', content = 'more' }) "
	    "assert(req.n_messages == n + i and req:text(-1) == 'more' and #req:get('tools') == 2) "
	    "end");
	for (size_t i = 0; i < MW_LEN(counts) * TURNS; i++) {
		unsigned n = counts[i / TURNS];
		w->call.body = many_messages(w, n, i % TURNS + 1);
		mw_hook_rewrite(w->policies, &w->call, &d);
		if (d.verdict != MW_GO)
			fail_msg("%u messages: the log says why", n);
	}
	world_free(w);
}

/* ---- what a hook sets ---- */

static void edits_take_effect_when_the_hook_returns(void **state)
{
	(void)state;
	struct mw_decision d;
	struct world *w = world_of_hook("rewrite", "rewrite",
	    "req:set('temperature', 0.5) req:set('user', 'u') req:set('metadata.team.name', "
	    "'blue') "
	    "req:set('messages.1.content', 'changed') req:set('messages.-1.name', 'n') "
	    "req:del('top_p') "
	    "assert(req:get('temperature') == 0.5) assert(req:get('messages.1.content') == "
	    "'changed') "
	    "assert(req:get('top_p') == nil) assert(req:text(1) == 'changed') "
	    "assert(req.n_messages == 1)");
	world_call(w, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],"
		      "\"top_p\":1,\"x\":1.0}");
	mw_hook_rewrite(w->policies, &w->call, &d);
	struct mw_policy_tally tally;
	mw_policies_tally(w->policies, &tally);
	assert_int_equal(tally.errors, 0);
	struct mw_json root = mw_json_value(w->call.body), v;
	assert_true(mw_json_is(mw_json_at(root, MW_STR("messages.1.content")), "changed"));
	assert_true(mw_json_is(mw_json_at(root, MW_STR("messages.1.name")), "n"));
	assert_true(mw_json_is(mw_json_at(root, MW_STR("metadata.team.name")), "blue"));
	v = mw_json_get(root, MW_STR("temperature"));
	assert_true(mw_str_is(v.raw, "0.5"));
	v = mw_json_get(root, MW_STR("x"));
	assert_true(mw_str_is(v.raw, "1.0")); /* what was not touched keeps its bytes */
	assert_int_equal(mw_json_get(root, MW_STR("top_p")).kind, MW_JSON_NONE);
	world_free(w);
}

static void a_hook_that_fails_leaves_nothing_behind(void **state)
{
	(void)state;
	static const char *const ends[] = {
	    "error('x')", "return 5", "while true do end", "req:nothing()"};
	static const char *const body = "{\"model\":\"gpt\",\"messages\":[]}";
	for (size_t i = 0; i < MW_LEN(ends); i++) {
		char source[512];
		struct mw_decision d;
		snprintf(source, sizeof(source),
		    "req:set('temperature', 1) req:set('messages.1', {role = 'user'}) req:tag('t', "
		    "'v') "
		    "req:set_header('x-a', 'b') %s",
		    ends[i]);
		struct world *w = world_of_hook("rewrite", "rewrite", source);
		world_call(w, body);
		mw_hook_rewrite(w->policies, &w->call, &d);
		assert_true(mw_str_is(w->call.body, body));
		assert_null(w->call.tags);
		assert_null(w->call.to_client);
		world_free(w);
	}
}

static void each_policy_sees_what_the_one_before_it_set(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct mw_decision d;
	world_add(w, WORLD_HEAD("rewrite") "function P.rewrite(req) req:set('user', 'one') "
					   "req:tag('n', '1') end" WORLD_TAIL);
	world_add(w, WORLD_HEAD("rewrite") "function P.rewrite(req) req:set('user', 'lost') "
					   "error('x') end" WORLD_TAIL);
	world_add(w,
	    WORLD_HEAD(
		"rewrite") "function P.rewrite(req) req:set('user', req:get('user') .. '+two') "
			   "req:tag('n', req:tag('n') .. '2') end" WORLD_TAIL);
	assert_true(world_load(w));
	mw_hook_rewrite(w->policies, &w->call, &d);
	assert_true(mw_json_is(mw_json_at(mw_json_value(w->call.body), MW_STR("user")), "one+two"));
	assert_true(mw_str_is(w->call.tags->value, "12"));
	world_free(w);
}

static void headers_are_replaced_not_repeated(void **state)
{
	(void)state;
	struct world *w = world_of_hook("observe", "admit",
	    "req:set_header('X-A', '1') req:set_header('x-a', '2') req:set_header('x-b', '3')");
	struct mw_decision d;
	mw_hook_admit(w->policies, &w->call, &d);
	mw_hook_admit(w->policies, &w->call, &d);
	const struct mw_extra_header *h = w->call.to_client;
	assert_true(mw_str_is(h->header.value, "2"));
	assert_true(mw_str_is(h->next->header.value, "3"));
	assert_null(h->next->next);
	world_free(w);
}

static void attempt_changes_this_attempt_only(void **state)
{
	(void)state;
	struct world *w = world_of_hook("rewrite", "attempt",
	    "b:set('n', b.number) b:set_header('x-try', tostring(b.number)) b:del('gone') "
	    "assert(b:get('n') == b.number) "
	    "assert(b.id == 'a' and b.provider == 'openai' and b.model == 'gpt-x' and b.group == "
	    "'gpt') "
	    "assert(b.dialect == 'openai_chat' and b.left_ms == 1500)");
	struct mw_decision d;
	for (unsigned i = 1; i <= 2; i++) {
		struct mw_attempt at = {.number = i,
		    .target = &w->targets[0],
		    .body = MW_STR("{\"gone\":1,\"kept\":2}"),
		    .left_us = 1500000};
		mw_hook_attempt(w->policies, &w->call, &at, &d);
		assert_int_equal(d.verdict, MW_GO);
		char n[2] = {(char)('0' + i), 0};
		assert_non_null(at.headers);
		assert_true(mw_str_is(at.headers->header.value, n));
		assert_null(at.headers->next);
		assert_true(mw_str_is(mw_json_get(mw_json_value(at.body), MW_STR("n")).raw, n));
		assert_int_equal(
		    mw_json_get(mw_json_value(at.body), MW_STR("gone")).kind, MW_JSON_NONE);
	}
	assert_null(w->call.to_client);
	world_free(w);
}

static void attempt_may_skip(void **state)
{
	(void)state;
	struct world *w =
	    world_of_hook("route", "attempt", "if b.number == 1 then return 'skip' end");
	struct mw_decision d;
	struct mw_attempt at = {.number = 1, .target = &w->targets[0], .body = MW_STR("{}")};
	mw_hook_attempt(w->policies, &w->call, &at, &d);
	assert_int_equal(d.verdict, MW_SKIP);
	at.number = 2;
	mw_hook_attempt(w->policies, &w->call, &at, &d);
	assert_int_equal(d.verdict, MW_GO);
	world_free(w);
}

static enum mw_verdict result(const char *body, const struct mw_attempt *at, struct mw_decision *d)
{
	struct world *w = world_of_hook("route", "result", body);
	struct mw_attempt a = *at;
	a.target = &w->targets[0];
	mw_hook_result(w->policies, &w->call, &a, d);
	world_free(w);
	return d->verdict;
}

static void result_accepts_goes_on_retries_or_fails(void **state)
{
	(void)state;
	struct mw_decision d;
	struct mw_attempt bad = {.number = 1, .status = 500, .error = MW_ERR_UPSTREAM};
	assert_int_equal(result("", &bad, &d), MW_GO);
	assert_int_equal(result("return 'accept'", &bad, &d), MW_ACCEPT);
	assert_int_equal(result("return 'next'", &bad, &d), MW_NEXT);
	assert_int_equal(result("return mw.retry{ after_ms = 250 }", &bad, &d), MW_RETRY);
	assert_int_equal(d.wait_us, 250000);
	assert_int_equal(result("return mw.retry()", &bad, &d), MW_RETRY);
	assert_int_equal(d.wait_us, 0);
	assert_int_equal(
	    result("return mw.fail{ status = 418, message = 'teapot' }", &bad, &d), MW_FAIL);
	assert_int_equal(d.status, 418);
	bad.streamed = true; /* what the client has seen cannot be taken back */
	assert_int_equal(result("return mw.retry()", &bad, &d), MW_GO);
}

static void result_sees_what_came_of_an_attempt(void **state)
{
	(void)state;
	struct mw_decision d;
	struct mw_attempt at = {.number = 2,
	    .status = 429,
	    .error = MW_ERR_UPSTREAM,
	    .error_text = MW_STR("slow down"),
	    .retry_after_us = 3000000,
	    .ttft_us = 0,
	    .total_us = 120500};
	assert_int_equal(
	    result("assert(not c.ok and c.status == 429 and c.error == 'upstream' and c.message == "
		   "'slow down') "
		   "assert(c.retry_after_ms == 3000 and c.ttft_ms == nil and c.total_ms == 120.5 "
		   "and c.text == nil) "
		   "assert(b.number == 2 and c.target == 'a' and not c.streamed) return 'next'",
		&at, &d),
	    MW_NEXT);
	at = (struct mw_attempt){.number = 1,
	    .ok = true,
	    .status = 200,
	    .reply = MW_STR("{\"choices\":[{\"message\":{\"content\":\"I cannot help\"}}]}")};
	assert_int_equal(
	    result(
		"if c.ok and mw.text.starts(c.text, 'I cannot') then return 'next' end", &at, &d),
	    MW_NEXT);
	assert_int_equal(result("assert(c:get('choices.1.message.content') == 'I cannot help' and "
				"c.error == nil) return 'accept'",
			     &at, &d),
	    MW_ACCEPT);
}

static void respond_changes_a_whole_answer(void **state)
{
	(void)state;
	struct world *w = world_of_hook("rewrite", "respond",
	    "assert(b.ok and b.text == 'secret word') b:set('choices.1.message.content', "
	    "(b.text:gsub('secret', '***'))) "
	    "b:del('system_fingerprint') req:set_header('x-checked', 'yes')");
	struct mw_str body = MW_STR("{\"choices\":[{\"message\":{\"content\":\"secret "
				    "word\"}}],\"system_fingerprint\":\"f\"}");
	mw_hook_respond(w->policies, &w->call, &body);
	assert_true(mw_str_is(body, "{\"choices\":[{\"message\":{\"content\":\"*** word\"}}]}"));
	assert_true(mw_str_is(w->call.to_client->header.name, "x-checked"));
	world_free(w);
}

static void respond_to_a_stream_has_no_body(void **state)
{
	(void)state;
	struct world *w = world_of_hook("rewrite", "respond",
	    "assert(b.text == nil and b:get('choices') == nil) req:set_header('x-a', '1') "
	    "local ok, e = pcall(b.set, b, 'x', 1) assert(not ok and e:find('MW303')) ");
	mw_hook_respond(w->policies, &w->call, NULL);
	assert_non_null(w->call.to_client);
	world_free(w);
}

static void complete_sees_the_whole_call(void **state)
{
	(void)state;
	struct world *w = world_of_hook("observe", "complete",
	    "assert(b.ok and b.status == 200 and b.attempts == 2 and b.fallbacks == 1 and b.finish "
	    "== 'stop') "
	    "assert(b.usage.prompt == 10 and b.usage.completion == 5 and b.usage.cached == 3) "
	    "assert(math.abs(b.cost - 0.0025) < 1e-12 and b.ttft_ms == 2 and b.total_ms == 5 and "
	    "b.target == 'b') "
	    "req:tag('done', 'yes')");
	w->call.status = 200;
	w->call.attempts = 2;
	w->call.fallbacks = 1;
	w->call.finish = MW_STR("stop");
	w->call.usage =
	    (struct mw_usage){.prompt = 10, .completion = 5, .cached = 3, .reported = true};
	w->call.cost = 2500000000;
	w->call.first_us = w->call.started_us + 2000;
	w->call.target = &w->targets[1];
	mw_hook_complete(w->policies, &w->call);
	assert_non_null(w->call.tags);
	world_free(w);
}

/* ---- handles after their time ---- */

static void a_handle_kept_beyond_its_hook_raises(void **state)
{
	(void)state;
	struct world *w = world_with(
	    WORLD_HEAD("route") "local req0, ups0, up0, header "
				"function P.route(req, ups) if req0 then "
				"for _, f in ipairs{ function() return req0.model end, function() "
				"return req0:get('model') end, "
				"function() return ups0[1] end, function() return #ups0 end, "
				"function() return up0.id end, "
				"function() return header(req0, 'x-team') end, function() return "
				"mw.pick.rr({ up0 }) end } do "
				"local ok, e = pcall(f) assert(not ok and (e:find('this call is "
				"over') or e:find('candidate of this call')), e) end "
				"return ups[2] end "
				"req0, ups0, up0, header = req, ups, ups[1], req.header return "
				"ups[1] end" WORLD_TAIL);
	struct mw_plan plan;
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	assert_ptr_equal(plan.steps[0].target, &w->targets[0]);
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	assert_ptr_equal(plan.steps[0].target, &w->targets[1]);
	world_free(w);
}

static void a_kept_candidate_cannot_be_returned(void **state)
{
	(void)state;
	struct world *w = world_with(
	    WORLD_HEAD("route") "local kept function P.route(req, ups) kept = kept or ups[1] "
				"return { kept } end" WORLD_TAIL);
	struct mw_plan plan;
	struct mw_policy_tally tally;
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	assert_int_equal(plan.n, 1);
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	assert_int_equal(plan.n, 3); /* by the fallback in C */
	mw_policies_tally(w->policies, &tally);
	assert_int_equal(tally.errors, 1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_guard_that_fails_lets_nothing_pass),
	    cmocka_unit_test(any_other_policy_that_fails_is_passed_over),
	    cmocka_unit_test(the_first_that_decides_wins),
	    cmocka_unit_test(a_policy_that_is_bound_elsewhere_is_not_asked),
	    cmocka_unit_test(every_message_is_found_whatever_was_asked_before),
	    cmocka_unit_test(edits_take_effect_when_the_hook_returns),
	    cmocka_unit_test(a_hook_that_fails_leaves_nothing_behind),
	    cmocka_unit_test(each_policy_sees_what_the_one_before_it_set),
	    cmocka_unit_test(headers_are_replaced_not_repeated),
	    cmocka_unit_test(attempt_changes_this_attempt_only),
	    cmocka_unit_test(attempt_may_skip),
	    cmocka_unit_test(result_accepts_goes_on_retries_or_fails),
	    cmocka_unit_test(result_sees_what_came_of_an_attempt),
	    cmocka_unit_test(respond_changes_a_whole_answer),
	    cmocka_unit_test(respond_to_a_stream_has_no_body),
	    cmocka_unit_test(complete_sees_the_whole_call),
	    cmocka_unit_test(a_handle_kept_beyond_its_hook_raises),
	    cmocka_unit_test(a_kept_candidate_cannot_be_returned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
