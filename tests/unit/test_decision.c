/* SPDX-License-Identifier: MIT
 *
 * script/decision and prim_decision: what each hook may decide, and what is said of what it may
 * not.
 */
#include "script_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static struct mw_decision admit(const char *body)
{
	static struct world *w;
	static char kept[3][200];
	struct mw_decision d;
	char source[2048];
	if (w)
		world_free(w);
	snprintf(source, sizeof(source),
	    WORLD_HEAD("guard") "function P.admit(req, p) %s end" WORLD_TAIL, body);
	w = world_with(source);
	mw_hook_admit(w->policies, &w->call, &d);
	struct mw_str *texts[3] = {&d.message, &d.code, &d.text};
	for (int i = 0; i < 3; i++) {
		snprintf(kept[i], sizeof(kept[i]), "%.*s", MW_FMT(*texts[i]));
		*texts[i] = mw_str(kept[i]);
	}
	world_free(w);
	w = NULL;
	return d;
}

/* ---- decisions ---- */

static void admit_lets_go_on_rejects_or_answers(void **state)
{
	(void)state;
	assert_int_equal(admit("").verdict, MW_GO);
	assert_int_equal(admit("return nil").verdict, MW_GO);
	struct mw_decision d = admit("return mw.reject{ status = 429, code = 'slow', message = "
				     "'wait', retry_after_ms = 1500 }");
	assert_int_equal(d.verdict, MW_REJECT);
	assert_int_equal(d.status, 429);
	assert_true(mw_str_is(d.code, "slow"));
	assert_true(mw_str_is(d.message, "wait"));
	assert_int_equal(d.retry_after_us, 1500000);
	d = admit("return mw.reject{ message = 'no' }");
	assert_int_equal(d.status, 403);
	d = admit("return mw.answer{ text = 'cached' }");
	assert_int_equal(d.verdict, MW_ANSWER);
	assert_true(mw_str_is(d.text, "cached"));
}

static void a_decision_may_be_made_once_and_returned_often(void **state)
{
	(void)state;
	struct world *w =
	    world_with(WORLD_HEAD("guard") "local no = mw.reject{ message = 'no' } "
					   "function P.admit() return no end" WORLD_TAIL);
	struct mw_decision d;
	for (int i = 0; i < 3; i++) {
		mw_hook_admit(w->policies, &w->call, &d);
		assert_int_equal(d.verdict, MW_REJECT);
		assert_true(mw_str_is(d.policy, "mine"));
	}
	world_free(w);
}

static void a_spoilt_decision_does_no_harm(void **state)
{
	(void)state;
	static const char *const spoils[] = {"d[1] = 99", "d[1] = 'x'", "d[1] = -1", "d[1] = 0/0",
	    "d[2] = 1e300", "d[3] = {}", "d[4] = nil", "d[5] = -5", "d[5] = 0/0",
	    "for i = 1, 5 do d[i] = nil end", "d.x = 1"};
	for (size_t i = 0; i < MW_LEN(spoils); i++) {
		char body[256];
		snprintf(body, sizeof(body),
		    "local d = mw.reject{ message = 'm' } pcall(function() %s end) return d",
		    spoils[i]);
		struct mw_decision d = admit(body);
		assert_true(d.verdict == MW_REJECT);
		assert_true(d.status >= 400 && d.status <= 599);
	}
}

/* ---- what is refused ---- */

/* A log line is what people see of an error; tests read it from standard error. */
static const char *error_of(struct world *w, void (*run)(struct world *w))
{
	fflush(stderr);
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	mw_log_set_level(MW_LOG_INFO);
	run(w);
	mw_log_set_level(MW_LOG_OFF);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	w->text[fread(w->text, 1, sizeof(w->text) - 1, file)] = '\0';
	fclose(file);
	return w->text;
}

static void run_route(struct world *w)
{
	struct mw_plan plan;
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	assert_true(plan.n >= 1);
}

static void run_admit(struct world *w)
{
	struct mw_decision d;
	mw_hook_admit(w->policies, &w->call, &d);
}

static void run_rewrite(struct world *w)
{
	struct mw_decision d;
	mw_hook_rewrite(w->policies, &w->call, &d);
}

static void run_attempt(struct world *w)
{
	struct mw_decision d;
	struct mw_attempt at = {.number = 1, .target = &w->targets[0], .body = MW_STR("{\"a\":1}")};
	mw_hook_attempt(w->policies, &w->call, &at, &d);
}

static void run_result(struct world *w)
{
	struct mw_decision d;
	struct mw_attempt at = {
	    .number = 1, .target = &w->targets[0], .error = MW_ERR_UPSTREAM, .status = 500};
	mw_hook_result(w->policies, &w->call, &at, &d);
}

static void run_respond(struct world *w)
{
	struct mw_str body = MW_STR("{\"choices\":[]}");
	mw_hook_respond(w->policies, &w->call, &body);
}

static void run_complete(struct world *w)
{
	mw_hook_complete(w->policies, &w->call);
}

struct mistake {
	const char *hook, *body, *said;
};

static const struct mistake mistakes[] = {
    /* returns */
    {"admit", "return 5",
	"mine: admit: mine.lua:2: MW201 the hook admit returned number 5; it may return nil, "
	"mw.reject{…} or mw.answer{…}"},
    {"admit", "return 'no'", "MW201 the hook admit returned string \"no\""},
    {"admit", "return false", "MW201 the hook admit returned false"},
    {"admit", "return {}", "MW201 the hook admit returned a table"},
    {"admit", "return req", "MW201 the hook admit returned a request"},
    {"admit", "return mw.retry()",
	"MW202 the hook admit returned mw.retry; it may return nil, mw.reject"},
    {"admit", "return mw.fail{ message = 'x' }", "MW202 the hook admit returned mw.fail"},
    {"rewrite", "return mw.answer{ text = 'x' }",
	"MW202 the hook rewrite returned mw.answer; it may return nil or mw.reject"},
    {"rewrite", "return true", "MW201"},
    {"route", "return 7",
	"MW201 the hook route returned number 7; it may return nil, a candidate, a list"},
    {"route", "return req", "MW201 the hook route returned a request"},
    {"route", "return mw.reject{ message = 'x' }", "MW202 the hook route returned mw.reject"},
    {"route", "return {}", "MW203 the plan is empty"},
    {"route", "return { 'a' }",
	"mine.lua:2: MW203 item 1 of a plan must be a candidate of this call, not string \"a\""},
    {"route", "return { b[1], b }",
	"MW203 item 2 of a plan must be a candidate of this call, not a list of candidates"},
    {"route", "return { b[1], attemts = 2 }",
	"MW203 a plan has no 'attemts' (did you mean 'attempts'?)"},
    {"route", "return mw.plan{ b[1], attempts = 0 }",
	"MW203 a plan: 'attempts' is 0; allowed is 1 to 100"},
    {"route", "return mw.plan{ { up = b[1], ttft = 5 } }",
	"MW203 a step of a plan has no 'ttft' (did you mean 'ttft_ms'?)"},
    {"route", "return mw.plan{ { ttft_ms = 5 } }", "MW203 a step of a plan needs 'up'"},
    {"route", "local x = mw.plan(5) return x",
	"mine.lua:2: MW203 mw.plan needs a list of candidates, not number 5"},
    {"attempt", "return 'skipp'",
	"MW201 the hook attempt returned string \"skipp\"; it may return nil or \"skip\""},
    {"attempt", "return mw.reject{ message = 'x' }", "MW202"},
    {"result", "return 'retry'",
	"MW201 the hook result returned string \"retry\"; it may return nil, \"accept\", \"next\""},
    {"result", "return mw.reject{ message = 'x' }", "MW202 the hook result returned mw.reject"},
    {"respond", "return 1", "MW201 the hook respond returned number 1; it may return nothing"},
    {"complete", "return true", "MW201 the hook complete returned true"},
    /* arguments of what makes decisions */
    {"admit", "local d = mw.reject{ mesage = 'x' }",
	"mine.lua:2: MW501 mw.reject has no 'mesage' (did you mean 'message'?)"},
    {"admit", "local d = mw.reject{ status = 200, message = 'x' }",
	"MW501 mw.reject: 'status' is 200; allowed is 400 to 599"},
    {"admit", "local d = mw.reject{ status = 429 }", "MW501 mw.reject needs 'message', a string"},
    {"admit", "local d = mw.reject('x')", "MW501 mw.reject needs a table, not string \"x\""},
    {"admit", "local d = mw.answer{}", "MW501 mw.answer needs 'text'"},
    {"result", "local d = mw.retry{ after_ms = -1 }", "MW501 mw.retry: 'after_ms' is -1"},
    {"admit", "local d = mw.plan{}", "MW303 mw.plan is for the hook route"},
    /* handles */
    {"admit", "local x = req.modle",
	"mine.lua:2: MW302 a request has no field 'modle' (did you mean 'model'?)"},
    {"admit", "local x = req[1]", "MW302 a request has no field number 1"},
    {"admit", "req.model = 'x'", "MW302 string \"model\" of a request cannot be assigned"},
    {"admit", "local x = #req", "MW302 a request has no length"},
    {"admit", "req.header('x-team')",
	"MW501 a method of the request was called on string \"x-team\"; call it with a colon"},
    {"route", "local x = b[1].wieght",
	"MW302 a candidate has no field 'wieght' (did you mean 'weight'?)"},
    {"route", "local x = b.foo", "MW302 a list of candidates has no field 'foo'"},
    /* not in this hook */
    {"admit", "req:set('user', 'x')",
	"mine.lua:2: MW303 req:set is for the hook rewrite, this is admit"},
    {"route", "req:del('user')", "MW303 req:del is for the hook rewrite, this is route"},
    {"complete", "req:set_header('x-a', 'b')",
	"MW303 req:set_header is for the hooks admit, rewrite, route, attempt, result, respond, "
	"this is complete"},
    {"result", "b:set('x', 1)", "MW303 at:set is for the hook attempt, this is result"},
    {"result", "c:set('x', 1)", "MW303 res:set is for the hook respond, this is result"},
    {"result", "b:get('x')", "MW303 at:get is for the hook attempt"},
    /* edits */
    {"rewrite", "req:set('stream', true)", "mine.lua:2: MW304 'stream' is the client's choice"},
    {"attempt", "b:set('stream', true)", "MW304 'stream' is the client's choice"},
    {"attempt", "b:del('stream')", "MW304 'stream' is the client's choice"},
    {"rewrite", "req:set('model', 5)", "MW304 'model' must be a name, not number 5"},
    {"rewrite", "req:del('model')", "MW304 'model' cannot be deleted"},
    {"rewrite", "req:set('user')", "MW501 set(\"user\") without a value; use :del(path)"},
    {"rewrite", "req:set('', 1)", "MW501 a path of 0 bytes"},
    {"rewrite", "req:set(5, 1)", "MW501 a path is a string"},
    {"rewrite", "req:set('user', pcall)", "MW501"},
    {"rewrite", "req:set('user', 0/0)", "MW501"},
    {"rewrite", "req:set('model.name', 1)", "mine.lua:2: MW304 'model.name'"},
    {"rewrite", "req:set('messages.9.role', 'x')", "mine.lua:2: MW304 'messages.9.role'"},
    /* headers and tags */
    {"admit", "req:set_header('content-length', '5')",
	"MW305 'content-length' belongs to the connection"},
    {"admit", "req:set_header('Transfer-Encoding', 'x')", "MW305 'Transfer-Encoding' belongs"},
    {"admit", "req:set_header('x-a', 'b\\r\\nx-c: d')",
	"MW305 the value for 'x-a' holds a line end"},
    {"admit", "req:set_header('x a', 'b')", "MW305 'x a' is no header name"},
    {"admit", "req:set_header('', 'b')", "MW305"},
    {"admit", "req:set_header('x', ('v'):rep(5000))", "MW305"},
    {"admit", "for i = 1, 100 do req:set_header('x' .. i, 'b') end",
	"MW306 one run may set no more than 64"},
    {"admit", "req:tag('', 'v')", "MW501 a tag has a name"},
    {"admit", "for i = 1, 100 do req:tag('t' .. i, 'b') end", "MW306"},
    /* Lua's own */
    {"admit", "local x = nil + 1",
	"mine: admit: mine.lua:2: MW100 attempt to perform arithmetic on a nil value"},
    {"admit", "error('mine alone', 0)", "mine.lua:2: MW100 mine alone"},
    {"admit", "error{ code = 5 }", "mine.lua:2: MW100 an error value that is not a string"},
    {"admit", "local x = undefined", "mine.lua:2: MW102"},
};

static void run_hook(struct world *w)
{
	static const struct {
		enum mw_hook hook;
		void (*run)(struct world *w);
	} runs[] = {{MW_HOOK_ADMIT, run_admit}, {MW_HOOK_REWRITE, run_rewrite},
	    {MW_HOOK_ROUTE, run_route}, {MW_HOOK_ATTEMPT, run_attempt},
	    {MW_HOOK_RESULT, run_result}, {MW_HOOK_RESPOND, run_respond},
	    {MW_HOOK_COMPLETE, run_complete}};
	for (size_t i = 0; i < MW_LEN(runs); i++)
		if (mw_policies_want(w->policies, &w->model, runs[i].hook))
			runs[i].run(w);
}

static void mistakes_are_told_with_place_and_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < MW_LEN(mistakes); i++) {
		const struct mistake *m = &mistakes[i];
		struct world *w = world_of_hook("observe", m->hook, m->body);
		const char *said = error_of(w, run_hook);
		if (!strstr(said, m->said))
			fail_msg("%s: %s\n  says: %s\n  not:  %s", m->hook, m->body, said, m->said);
		struct mw_policy_tally tally;
		mw_policies_tally(w->policies, &tally);
		assert_int_equal(tally.errors, 1);
		assert_int_equal(tally.runs, 1);
		world_free(w);
	}
}

static void run_many(struct world *w)
{
	for (int i = 0; i < 50; i++)
		run_admit(w);
	w->now += 1000000;
	run_admit(w);
}

static int count(const char *text, const char *part)
{
	int n = 0;
	while ((text = strstr(text, part)))
		text++, n++;
	return n;
}

static void errors_are_logged_so_many_a_second(void **state)
{
	(void)state;
	/* each at a place of its own */
	struct world *w =
	    world_of_hook("observe", "admit", "error('f' .. mw.random.int(1e9) .. ':1: again', 0)");
	const char *said = error_of(w, run_many);
	assert_int_equal(count(said, "again"), 11);
	assert_contains(said, "mine: 40 errors more were not logged");
	world_free(w);
}

static void run_for_long(struct world *w)
{
	run_many(w);
	w->now += 10000000;
	run_admit(w);
}

static void the_same_error_is_logged_once_in_ten_seconds(void **state)
{
	(void)state;
	struct world *w = world_of_hook("observe", "admit", "error('again')");
	const char *said = error_of(w, run_for_long);
	assert_int_equal(count(said, "again"), 2);
	assert_contains(said, "mine: 50 errors more were not logged");
	world_free(w);
}

/* ---- route ---- */

static void assert_plan(const char *body, const char *ids)
{
	struct world *w = world_of_hook("route", "route", body);
	struct mw_plan plan;
	char got[64] = "";
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	for (size_t i = 0; i < plan.n; i++)
		strncat(got, plan.steps[i].target->id.p, 1);
	if (strcmp(got, ids) != 0)
		fail_msg("%s: %s, not %s", body, got, ids);
	world_free(w);
}

static void route_gives_a_candidate_a_list_or_a_plan(void **state)
{
	(void)state;
	assert_plan("return b[2]", "b");
	assert_plan("return { b[3], b[1] }", "ca");
	assert_plan("return b", "abc");
	assert_plan("return { b[1], b[1] }", "aa");
	assert_plan("return mw.plan{ b[2], { up = b[1] } }", "ba");
	assert_plan(
	    "local list = {} for i, u in ipairs(b) do list[#list + 1] = u end return list", "abc");
	assert_plan(
	    "local list = {} for i = #b, 1, -1 do list[#list + 1] = b[i] end return list", "cba");
}

static void a_plan_carries_its_numbers(void **state)
{
	(void)state;
	struct world *w = world_of_hook("route", "route",
	    "return mw.plan{ { up = b[1], ttft_ms = 500, total_ms = 2000, wait_ms = 10 }, b[2], "
	    "attempts = 5, "
	    "deadline_ms = 30000 }");
	struct mw_plan plan;
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	assert_int_equal(plan.n, 2);
	assert_int_equal(plan.attempts, 5);
	assert_int_equal(plan.deadline_us, 30000000);
	assert_int_equal(plan.steps[0].first_us, 500000);
	assert_int_equal(plan.steps[0].total_us, 2000000);
	assert_int_equal(plan.steps[0].wait_us, 10000);
	assert_int_equal(plan.steps[1].first_us, 0);
	world_free(w);
}

static void nil_asks_the_next_policy(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct mw_plan plan;
	world_add(w, WORLD_HEAD("route") "function P.route() end" WORLD_TAIL);
	world_add(w, WORLD_HEAD("route") "function P.route() error('x') end" WORLD_TAIL);
	world_add(w, WORLD_HEAD("route") "function P.route(req, ups) return ups[3] end" WORLD_TAIL);
	assert_true(world_load(w));
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	assert_int_equal(plan.n, 1);
	assert_ptr_equal(plan.steps[0].target, &w->targets[2]);
	world_free(w);
}

static void when_all_fail_c_draws_by_weight(void **state)
{
	(void)state;
	struct world *w = world_of_hook("route", "route", "return b[1], error('x')");
	struct mw_plan plan;
	unsigned first[WORLD_TARGETS] = {0};
	w->targets[0].weight = 1;
	w->targets[1].weight = 3;
	for (int i = 0; i < 4000; i++) {
		mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
		assert_int_equal(plan.n, 3);
		first[plan.steps[0].target->index]++;
		assert_ptr_equal(plan.steps[2].target, &w->targets[2]); /* no weight: last */
	}
	assert_in_range(first[0], 850, 1150);
	assert_in_range(first[1], 2850, 3150);
	world_free(w);
}

static void a_plan_has_no_more_steps_than_fit(void **state)
{
	(void)state;
	struct world *w = world_of_hook(
	    "route", "route", "local l = {} for i = 1, 100 do l[i] = b[1] end return l");
	struct mw_plan plan;
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
	assert_int_equal(plan.n, MW_PLAN_MAX);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(admit_lets_go_on_rejects_or_answers),
	    cmocka_unit_test(a_decision_may_be_made_once_and_returned_often),
	    cmocka_unit_test(a_spoilt_decision_does_no_harm),
	    cmocka_unit_test(mistakes_are_told_with_place_and_code),
	    cmocka_unit_test(errors_are_logged_so_many_a_second),
	    cmocka_unit_test(the_same_error_is_logged_once_in_ten_seconds),
	    cmocka_unit_test(route_gives_a_candidate_a_list_or_a_plan),
	    cmocka_unit_test(a_plan_carries_its_numbers),
	    cmocka_unit_test(nil_asks_the_next_policy),
	    cmocka_unit_test(when_all_fail_c_draws_by_weight),
	    cmocka_unit_test(a_plan_has_no_more_steps_than_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
