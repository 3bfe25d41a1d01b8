/* SPDX-License-Identifier: MIT
 *
 * script/prim_*: each function that policies call, and the fields of `req` and of candidates.
 */
#include "script_world.h"
#include "shared/prices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static int open_world(void **state)
{
	*state = world_new();
	return 0;
}

static int close_world(void **state)
{
	world_free(*state);
	return 0;
}

static void is(struct world *w, const char *expression, const char *value)
{
	const char *got = world_eval(w, expression);
	if (strcmp(got, value) != 0)
		fail_msg("%s is %s, not %s", expression, got, value);
}

static void raises(struct world *w, const char *expression, const char *part)
{
	const char *got = world_eval(w, expression);
	if (!strstr(got, part))
		fail_msg("%s: %s does not hold %s", expression, got, part);
}

/* ---- req ---- */

static void a_request_has_these_fields(void **state)
{
	struct world *w = *state;
	world_call(w,
	    "{\"model\":\"gpt\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"
	    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"one\"},{\"type\":"
	    "\"image_url\"},"
	    "{\"type\":\"text\",\"text\":\"tw\\u00f6\"}]},{\"role\":\"assistant\",\"content\":null}"
	    "]}");
	is(w, "req.id", "11111111-2222-3333-4444-555555555555");
	is(w, "req.model", "gpt");
	is(w, "req.group", "gpt");
	is(w, "req.stream", "false");
	is(w, "req.kind", "chat");
	is(w, "req.key", "master");
	is(w, "req.n_messages", "3");
	is(w, "req.in_bytes > 100", "true");
	is(w, "mw.time.mono_ms() - req.started_ms", "5");
	is(w, "req.left_ms", "nil");
	is(w, "req.attempts", "0");
	is(w, "next(req.tags)", "nil");
	w->call.deadline_us = w->now + 2500;
	is(w, "req.left_ms", "2.5");
	w->call.deadline_us = w->now - 1;
	is(w, "req.left_ms", "0");
}

static void text_joins_the_parts_of_a_message(void **state)
{
	struct world *w = *state;
	world_call(w, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"system\",\"content\":\"be "
		      "\\\"brief\\\"\"},"
		      "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"one\"},{"
		      "\"type\":\"image_url\"},"
		      "{\"type\":\"text\",\"text\":\"tw\\u00f6\"}]},{\"role\":\"assistant\","
		      "\"content\":null}]}");
	is(w, "req:text(1)", "be \"brief\"");
	is(w, "req:text(2)", "one\ntw\xc3\xb6");
	is(w, "req:text(-2)", "one\ntw\xc3\xb6");
	is(w, "req:text(3)", "nil");
	is(w, "req:text(4)", "nil");
	is(w, "req:text(0)", "nil");
	is(w, "req:text(-4)", "nil");
	is(w, "req:text(1, 5)", "be \"b");
	is(w, "req:text(2, 7)", "one\ntw"); /* no half characters */
	is(w, "req:text(2, 4)", "one\n");
	is(w, "req:text(2, 0)", "");
}

static void get_reads_by_path(void **state)
{
	struct world *w = *state;
	world_call(w, "{\"model\":\"gpt\",\"messages\":[],\"a\":{\"b\":[10,{\"c\":\"x\"}],\"n\":"
		      "null,\"t\":true},"
		      "\"big\":12345678901234567890}");
	is(w, "req:get('a.b.1')", "10");
	is(w, "req:get('a.b.2.c')", "x");
	is(w, "req:get('a.b.-1.c')", "x");
	is(w, "#req:get('a.b')", "2");
	is(w, "req:get('a.b.3')", "nil");
	is(w, "req:get('a.n')", "nil");
	is(w, "req:get('a.t')", "true");
	is(w, "req:get('nothing.at.all')", "nil");
	is(w, "tostring(req:get('big'))", "12345678901234567890");
	is(w, "req:get('a').n == mw.json.null", "true");
}

static void header_reads_what_is_no_secret(void **state)
{
	struct world *w = *state;
	is(w, "req:header('x-team')", "blue");
	is(w, "req:header('X-TEAM')", "blue");
	is(w, "req:header('empty') == ''", "true");
	is(w, "req:header('absent')", "nil");
	is(w, "req:header('authorization')", "nil");
	is(w, "req:header('Authorization')", "nil");
	is(w, "req:header('x-api-key')", "nil");
}

static void tags_are_set_and_read(void **state)
{
	struct world *w = *state;
	static const char *const set =
	    "local function set(req) req:tag('a', 'x') req:tag('a', 'y') req:tag('n', 5) end";
	assert_string_equal(
	    world_eval_in(w, set, "(set(req) or '') .. req:tag('a') .. req.tags.n"), "y5");
}

/* ---- candidates ---- */

static void run_route(struct world *w, const char *body, struct mw_plan *plan)
{
	char source[2048];
	struct mw_policy_tally tally;
	snprintf(source, sizeof(source),
	    WORLD_HEAD("route") "function P.route(req, ups, p) %s end" WORLD_TAIL, body);
	mw_policies_free(w->policies);
	w->policies = NULL;
	w->bundle.n_policies = w->model.n_policies = w->sources[0].n_files = 0;
	world_add(w, source);
	if (!world_load(w))
		fail_msg("%s", w->err.text);
	mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, plan);
	mw_policies_tally(w->policies, &tally);
	if (tally.errors)
		fail_msg("raises: %s", body);
}

static void a_candidate_has_these_fields(void **state)
{
	struct world *w = *state;
	struct mw_plan plan;
	struct mw_price price = {.base = {.input = 2500000, .output = 10000000}};
	w->targets[0].weight = 2.5;
	w->targets[0].rpm = 60;
	w->targets[0].tpm = 1000;
	w->targets[0].order = 1;
	w->targets[0].price = &price;
	w->candidates[0].live = (struct mw_health_view){.inflight = 4,
	    .ttft_us = 250000,
	    .total_us = 1500000,
	    .per_token_us = 20500,
	    .error_rate = 0.25,
	    .calls = 8};
	run_route(w,
	    "local u, v = ups[1], ups[2] assert(#ups == 3 and ups[4] == nil and ups[0] == nil and "
	    "ups[1.5] == nil) "
	    "assert(u.id == 'a' and u.provider == 'openai' and u.model == 'gpt-x' and u.group == "
	    "'gpt') "
	    "assert(u.weight == 2.5 and u.rpm == 60 and u.tpm == 1000 and u.order == 1) "
	    "assert(u.inflight == 4 and u.ttft_ms == 250 and u.total_ms == 1500 and u.per_token_ms "
	    "== 20.5) "
	    "assert(u.error_rate == 0.25 and u.calls == 8) "
	    "assert(math.abs(u.price_in - 2.5) < 1e-9 and math.abs(u.price_out - 10) < 1e-9) "
	    "for _, f in ipairs{ 'weight', 'rpm', 'tpm', 'order', 'ttft_ms', 'total_ms', "
	    "'per_token_ms', 'price_in', "
	    "'price_out' } do assert(v[f] == nil, f) end assert(v.inflight == 0 and v.calls == 0 "
	    "and v.error_rate == 0) "
	    "assert(ups[1] == u and ups[1] ~= ups[2])",
	    &plan);
}

/* ---- pick ---- */

static void order(struct world *w, const char *body, const char *ids)
{
	struct mw_plan plan;
	char got[64] = "";
	run_route(w, body, &plan);
	for (size_t i = 0; i < plan.n; i++)
		strncat(got, plan.steps[i].target->id.p, 1);
	if (strcmp(got, ids) != 0)
		fail_msg("%s: %s, not %s", body, got, ids);
}

static void min_puts_the_lowest_first(void **state)
{
	struct world *w = *state;
	w->candidates[0].live.inflight = 2;
	w->candidates[1].live.inflight = 1;
	w->candidates[2].live.inflight = 3;
	order(w, "return mw.order.min(ups, 'inflight')", "bac");
	order(w, "return mw.order.min(ups, function(u) return -u.inflight end)", "cab");
	order(w, "return mw.order.min({ ups[3], ups[1] }, 'inflight')", "ac");
	order(w, "return mw.pick.min(ups, 'inflight')", "b");
}

static void min_decides_between_equals_at_random(void **state)
{
	struct world *w = *state;
	struct mw_plan plan;
	unsigned first[WORLD_TARGETS] = {0};
	run_route(w, "return mw.order.min(ups, 'inflight')", &plan);
	for (int i = 0; i < 3000; i++) {
		mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
		first[plan.steps[0].target->index]++;
	}
	for (size_t i = 0; i < WORLD_TARGETS; i++)
		assert_in_range(first[i], 850, 1150);
}

static void weighted_draws_by_weight(void **state)
{
	struct world *w = *state;
	struct mw_plan plan;
	unsigned first[WORLD_TARGETS] = {0}, second[WORLD_TARGETS] = {0};
	w->targets[0].rpm = 10;
	w->targets[1].rpm = 20;
	w->targets[2].rpm = 70;
	run_route(w, "return mw.order.weighted(ups, 'weight', 'rpm')", &plan);
	for (int i = 0; i < 10000; i++) {
		mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
		assert_int_equal(plan.n, 3);
		first[plan.steps[0].target->index]++;
		if (plan.steps[0].target->index == 2)
			second[plan.steps[1].target->index]++;
	}
	assert_in_range(first[0], 850, 1150);
	assert_in_range(first[1], 1800, 2200);
	assert_in_range(first[2], 6750, 7250);
	/* and among what is left by what is left: 1 to 2 */
	assert_in_range(second[0] * 3, first[2] * 9 / 10, first[2] * 11 / 10);
	order(
	    w, "return mw.pick.weighted(ups, function(u) return u.id == 'b' and 1 or 0 end)", "b");
}

static void p2c_takes_the_better_of_two(void **state)
{
	struct world *w = *state;
	struct mw_plan plan;
	unsigned first[WORLD_TARGETS] = {0};
	w->candidates[0].live.inflight = 9;
	w->candidates[1].live.inflight = 5;
	run_route(w, "return mw.order.p2c(ups)", &plan);
	for (int i = 0; i < 3000; i++) {
		mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
		assert_int_equal(plan.n, 3);
		first[plan.steps[0].target->index]++;
	}
	assert_int_equal(first[0], 0); /* the worst loses every pair */
	assert_in_range(first[1], 850, 1150);
	assert_in_range(first[2], 1850, 2150);
	order(w, "return mw.order.p2c({ ups[1] })", "a");
}

static void rr_takes_turns(void **state)
{
	struct world *w = *state;
	struct mw_plan plan;
	run_route(w, "return mw.order.rr(ups)", &plan);
	for (size_t i = 1; i < 7; i++) {
		mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
		assert_int_equal(plan.steps[0].target->index, i % 3);
		assert_int_equal(plan.steps[1].target->index, (i + 1) % 3);
	}
}

static void pick_says_what_it_cannot_take(void **state)
{
	struct world *w = *state;
	is(w, "mw.pick.min({}, 'inflight')", "nil");
	is(w, "#mw.order.min({}, 'inflight')", "0");
	raises(w, "mw.order.min({}, 5)", "MW501 mw.order.min needs a field's name or a function");
	raises(w, "mw.pick.min({}, 5)",
	    "MW501 mw.pick.min needs a field's name or a function, not number 5");
	raises(w, "mw.pick.min(5, 'inflight')",
	    "MW501 mw.pick.min needs the candidates (ups) or a list of some");
	raises(w, "mw.pick.rr({ 1 })", "MW501 mw.pick.rr: item 1 must be a candidate");
	struct mw_plan plan;
	run_route(w,
	    "local ok, e = pcall(mw.pick.min, ups, 'ttft_ms') assert(not ok and e:find('a score "
	    "must be a number, not nil', 1, "
	    "true), e) ok, e = pcall(mw.pick.min, ups, 'inflght') assert(e:find(\"did you mean "
	    "'inflight'\", 1, true), e) "
	    "ok, e = pcall(mw.pick.min, ups, function() return 'x' end) assert(e:find('not string "
	    "\"x\"', 1, true), e) "
	    "ok, e = pcall(mw.pick.min, ups, function() return 0/0 end) assert(e:find('MW501', 1, "
	    "true), e)",
	    &plan);
}

/* ---- random, time ---- */

static void random_numbers_come_from_the_environment(void **state)
{
	struct world *w = *state;
	static const char *const draw =
	    "table.concat({ mw.random.unit(), mw.random.int(100), mw.random.int(5, 6), "
	    "mw.random.exp(3), "
	    "mw.random.normal(0, 1), math.random(), math.random(10), math.random(3, 4) }, ' ')";
	char first[256];
	mw_rng_seed(&w->env.rng, 7);
	snprintf(first, sizeof(first), "%s", world_eval(w, draw));
	assert_string_not_equal(first, world_eval(w, draw));
	mw_rng_seed(&w->env.rng, 7);
	is(w, draw, first);
}

static void random_numbers_lie_where_they_should(void **state)
{
	struct world *w = *state;
	const char *said = world_eval_in(w,
	    "local sum, sum_exp, sum_normal = 0, 0, 0 for i = 1, 2000 do local u = "
	    "mw.random.unit() "
	    "assert(u >= 0 and u < 1) sum = sum + u local n = mw.random.int(3) assert(n >= 1 and n "
	    "<= 3 and n % 1 == 0) "
	    "local a, b = mw.random.pair(3) assert(a ~= b and a >= 1 and a <= 3 and b >= 1 and b "
	    "<= 3) "
	    "sum_exp = sum_exp + mw.random.exp(10) sum_normal = sum_normal + mw.random.normal(5, "
	    "2) end "
	    "local one, other = mw.random.pair(1) assert(one == 1 and other == 1) "
	    "assert(math.abs(sum / 2000 - 0.5) < 0.05, sum) assert(math.abs(sum_exp / 2000 - 10) < "
	    "1.5, sum_exp) "
	    "assert(math.abs(sum_normal / 2000 - 5) < 0.3, sum_normal) local t = { 1, 2, 3, 4, 5 } "
	    "mw.random.shuffle(t) table.sort(t) assert(table.concat(t) == '12345')",
	    "'good'");
	assert_string_equal(said, "good");
	raises(w, "mw.random.int(0)", "MW501 mw.random.int: nothing lies between 1 and 0");
	raises(w, "mw.random.int(1.5)", "1.5 is no whole number");
	raises(w, "mw.random.pair(0)", "MW501");
}

static void clocks_are_those_of_the_environment(void **state)
{
	struct world *w = *state;
	is(w, "string.format('%.0f', mw.time.now_ms())", "1700000000000");
	is(w, "mw.time.mono_ms()", "1000000");
}

/* ---- json, text ---- */

static void json_goes_both_ways(void **state)
{
	struct world *w = *state;
	is(w, "mw.json.encode({ a = 1, b = { 'x', true } })", "{\"a\":1,\"b\":[\"x\",true]}");
	is(w, "mw.json.encode(mw.json.decode('{\"z\":1,\"a\":[],\"n\":null}'))",
	    "{\"z\":1,\"a\":[],\"n\":null}");
	is(w, "mw.json.encode(mw.json.array{})", "[]");
	assert_contains(
	    world_eval_early(w, "local s = ('x'):rep(600000)", "mw.json.encode({ s, s })"),
	    "MW113 mw.json.encode");
	is(w, "mw.json.decode('[1,2]')[2]", "2");
	is(w, "(mw.json.decode('{'))", "nil");
	is(w, "select('#', mw.json.decode('{'))", "2");
	raises(w, "mw.json.encode(pcall)", "MW501");
	assert_contains(world_eval_in(w, "local s = ('[1]'):rep(300000) s = s .. s",
			    "select(2, mw.json.decode(s))"),
	    "a text of 1800000 bytes; up to 1048576 are allowed");
}

static void text_functions_work_on_bytes_and_characters(void **state)
{
	struct world *w = *state;
	is(w, "mw.text.contains('hello', 'ell')", "true");
	is(w, "mw.text.contains('hello', '.')", "false");
	is(w, "mw.text.contains('x', '')", "true");
	is(w, "mw.text.starts('hello', 'he')", "true");
	is(w, "mw.text.starts('hello', 'lo')", "false");
	is(w, "mw.text.ends('hello', 'lo')", "true");
	is(w, "mw.text.ends('hello', 'hello there')", "false");
	is(w, "mw.text.lower('\xc3\x84 HeLLo')", "\xc3\x84 hello");
	is(w, "mw.text.trim('  x y\\n')", "x y");
	is(w, "mw.text.trim('  ') == ''", "true");
	is(w, "mw.text.len('t\xc3\xb6n')", "3");
	is(w, "mw.text.find('a1b22', '%d+', 3)", "4");
	is(w, "mw.text.gsub('a-b', '%-', '+')", "a+b");
	is(w, "mw.text.match('k=v', '=(.*)')", "v");
	is(w, "mw.text.find == string.find or type(mw.text.find)", "function");
	raises(w, "mw.text.contains('x')", "string expected");
}

/* ---- stats, log ---- */

static const char *stats_text(struct world *w, const char *code)
{
	struct mw_decision d;
	mw_hook_admit(w->policies, &w->call, &d);
	(void)code;
	snprintf(
	    w->text, sizeof(w->text), "%.*s", MW_FMT(d.verdict == MW_ANSWER ? d.text : d.message));
	return w->text;
}

static void stats_outlive_the_version_that_made_them(void **state)
{
	struct world *w = *state;
	static const char *const source = WORLD_HEAD(
	    "guard") "local mean, seen = mw.stats.ewma('mean', { tau_s = 10 }), "
		     "mw.stats.window('seen', { s = 60 }) "
		     "function P.admit() local t = table.concat({ tostring(mean:get()), "
		     "seen:count(), seen:sum(), "
		     "tostring(seen:mean()), seen:rate() }, ' ') mean:add(4) seen:add(6) "
		     "return mw.answer{ text = t } end" WORLD_TAIL;
	world_add(w, source);
	assert_true(world_load(w));
	assert_string_equal(stats_text(w, source), "nil 0 0 nil 0");
	assert_string_equal(stats_text(w, source), "4 1 6 6 0.1");
	mw_policies_free(w->policies);
	assert_true(world_load(w)); /* a reload */
	assert_string_equal(stats_text(w, source), "4 2 12 6 0.2");
	w->now += 61000000;
	assert_string_equal(stats_text(w, source), "4 0 0 nil 0");
}

static void samples_of_a_failed_hook_are_dropped(void **state)
{
	struct world *w = *state;
	world_add(w,
	    WORLD_HEAD(
		"guard") "local n, fail = mw.stats.window('n'), true "
			 "function P.admit() n:add(1) if fail then fail = false error('x') end "
			 "return mw.answer{ text = tostring(n:count()) } end" WORLD_TAIL);
	assert_true(world_load(w));
	stats_text(w, "");
	assert_string_equal(stats_text(w, ""), "0");
	assert_string_equal(stats_text(w, ""), "1");
}

static void policies_do_not_share_names_of_stats(void **state)
{
	struct world *w = *state;
	world_add(w, WORLD_HEAD("observe") "local n = mw.stats.window('n') function P.admit() "
					   "n:add(1) end" WORLD_TAIL);
	world_add(w,
	    "local P = mw.policy{ name = 'other', api = 1, kind = 'guard' } local n = "
	    "mw.stats.window('n') "
	    "function P.admit() return mw.answer{ text = tostring(n:count()) } end return P");
	assert_true(world_load(w));
	assert_string_equal(stats_text(w, ""), "0");
	assert_string_equal(stats_text(w, ""), "0");
}

static void stats_say_what_they_cannot_take(void **state)
{
	struct world *w = *state;
	raises(w, "mw.stats.ewma('x', { tau = 5 })",
	    "MW501 mw.stats.ewma has no 'tau' (did you mean 'tau_s'?)");
	raises(w, "mw.stats.window()", "string expected");
	raises(w, "mw.stats.window(('x'):rep(500))", "MW501 mw.stats: a name of 505 bytes");
	raises(w, "mw.stats.ewma('y') and mw.stats.window('y')", "already the name of an ewma");
	raises(w, "mw.stats.ewma('z'):add(0/0)", "no finite number");
	raises(w, "mw.stats.ewma('z').add({}, 1)", "mw.stat expected");
}

static void lines_go_to_the_log_so_many_a_second(void **state)
{
	struct world *w = *state;
	world_add(w,
	    WORLD_HEAD(
		"observe") "function P.admit(req) for i = 1, 30 do mw.log.warn('over\\nlimit', "
			   "{ n = i, who = 'me', ok = true, z = {} }) end end" WORLD_TAIL);
	assert_true(world_load(w));
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	struct mw_decision d;
	dup2(fileno(file), STDERR_FILENO);
	mw_log_set_level(MW_LOG_INFO);
	mw_hook_admit(w->policies, &w->call, &d);
	mw_log_set_level(MW_LOG_OFF);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	w->text[fread(w->text, 1, sizeof(w->text) - 1, file)] = '\0';
	fclose(file);
	assert_contains(
	    w->text, "warn  policy mine: over\\x0alimit n=1 ok=true who=me z=a table\n");
	assert_contains(w->text, "n=10 ");
	assert_null(strstr(w->text, "n=11 "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_request_has_these_fields),
	    TEST(text_joins_the_parts_of_a_message),
	    TEST(get_reads_by_path),
	    TEST(header_reads_what_is_no_secret),
	    TEST(tags_are_set_and_read),
	    TEST(a_candidate_has_these_fields),
	    TEST(min_puts_the_lowest_first),
	    TEST(min_decides_between_equals_at_random),
	    TEST(weighted_draws_by_weight),
	    TEST(p2c_takes_the_better_of_two),
	    TEST(rr_takes_turns),
	    TEST(pick_says_what_it_cannot_take),
	    TEST(random_numbers_come_from_the_environment),
	    TEST(random_numbers_lie_where_they_should),
	    TEST(clocks_are_those_of_the_environment),
	    TEST(json_goes_both_ways),
	    TEST(text_functions_work_on_bytes_and_characters),
	    TEST(stats_outlive_the_version_that_made_them),
	    TEST(samples_of_a_failed_hook_are_dropped),
	    TEST(policies_do_not_share_names_of_stats),
	    TEST(stats_say_what_they_cannot_take),
	    TEST(lines_go_to_the_log_so_many_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
