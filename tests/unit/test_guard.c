/* SPDX-License-Identifier: MIT
 *
 * script/guard: scripts that would run for ever, or take all memory, are stopped soon, whatever
 * they try, and everything else in the same state works on.
 */
#include "script_world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static double ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Far above what is expected (budget and 2 ms), for slow machines and sanitizers. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const double BOUND_MS = 1000;
#else
static const double BOUND_MS = 100;
#endif

struct script {
	const char *name, *before, *hook;
};

static const struct script scripts[] = {
    {"an endless loop", "", "while true do end"},
    {"an endless loop with work", "", "local x = 0 while true do x = x + math.sin(x) end"},
    {"goto", "", "::again:: goto again"},
    {"repeat", "", "repeat until false"},
    {"a for loop without end", "", "for i = 1, math.huge do end"},
    {"tail calls", "local function f() return f() end", "f()"},
    {"two functions that tail-call each other",
	"local g local function f() return g() end g = function() return f() end", "f()"},
    {"recursion, caught and begun again", "local function f() return 1 + f() end",
	"while true do pcall(f) end"},
    {"a loop inside pcall", "", "pcall(function() while true do end end)"},
    {"pcall around a loop, in a loop", "",
	"while true do pcall(function() while true do end end) end"},
    {"pcall calling itself", "local function f() pcall(f) pcall(f) end", "f()"},
    {"pcall calling itself, in a loop", "local function f() pcall(f) while true do end end",
	"while true do f() end"},
    {"pcall as the function of pcall", "", "while true do pcall(pcall, pcall, error) end"},
    {"errors thrown and caught", "", "while true do pcall(error, 'x') end"},
    {"an error value with __tostring", "",
	"local e = setmetatable({}, {__tostring = function() while true do end end}) while true do "
	"pcall(error, e) end"},
    {"__index that recurses",
	"local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k + 1] "
	"end",
	"while true do pcall(function() return t[1] end) end"},
    {"__index that loops", "",
	"local t = setmetatable({}, {__index = function() while true do end end}) local x = t.x"},
    {"__add that loops", "",
	"local t = setmetatable({}, {__add = function() while true do end end}) local x = t + 1"},
    {"__eq that loops", "",
	"local m = {__eq = function() while true do end end} local x = setmetatable({}, m) == "
	"setmetatable({}, m)"},
    {"__concat that loops", "",
	"local t = setmetatable({}, {__concat = function() while true do end end}) local x = t .. "
	"''"},
    {"__call that loops", "", "setmetatable({}, {__call = function() while true do end end})()"},
    {"__tostring that loops", "",
	"tostring(setmetatable({}, {__tostring = function() while true do end end}))"},
    {"__newindex that loops", "",
	"setmetatable({}, {__newindex = function() while true do end end}).x = 1"},
    {"__lt inside sort", "",
	"local m = {} m.__lt = function() while true do end end table.sort{setmetatable({}, m), "
	"setmetatable({}, m)}"},
    {"a comparison that loops", "", "table.sort({1, 2, 3}, function() while true do end end)"},
    {"sorting again and again", "local t = {} for i = 1, 10000 do t[i] = (i * 7919) % 10007 end",
	"while true do table.sort(t, function(a, b) return a > b end) table.sort(t) end"},
    {"a gsub callback that loops", "", "('xxx'):gsub('x', function() while true do end end)"},
    {"gsub on a long text, again and again", "local s = ('a'):rep(200000)",
	"while true do pcall(string.gsub, s, 'a', 'b') end"},
    {"a pattern that would take hours", "local s = ('a'):rep(3000)",
	"while true do pcall(string.find, s, '.-.-.-.-b') end"},
    {"gmatch without end", "local s = ('a '):rep(100000)",
	"while true do for w in s:gmatch('.-%s') do end end"},
    {"string.rep again and again", "", "while true do local s = ('x'):rep(1000000) end"},
    {"concatenation that doubles", "",
	"while true do pcall(function() local s = 'x' while true do s = s .. s end end) end"},
    {"table.concat again and again", "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1000) end",
	"while true do table.concat(t) end"},
    {"string.format again and again", "local s = ('x'):rep(500000)",
	"while true do string.format('%s', s) end"},
    {"pairs over many keys", "local t = {} for i = 1, 9000 do t['k' .. i] = i end",
	"while true do for k in pairs(t) do end end"},
    {"unpack", "local t = {} for i = 1, 5000 do t[i] = i end",
	"while true do select('#', unpack(t)) end"},
    {"JSON back and forth", "local t = {} for i = 1, 2000 do t[i] = { a = i } end",
	"while true do mw.json.decode(mw.json.encode(t)) end"},
    {"JSON of tables that hold each other", "local t = {1} for i = 1, 40 do t = {t, t} end",
	"mw.json.encode(t)"},
    {"the same, caught", "local t = {1} for i = 1, 40 do t = {t, t} end",
	"while true do pcall(mw.json.encode, t) end"},
    {"a pattern on a long text", "local s = ('a '):rep(250000)", "s:find('.-.-.-.-b')"},
    {"the body read again and again", "",
	"while true do req:get('messages.1.content') req:text(1) end"},
    {"errors of ours, caught", "",
	"while true do pcall(function() return req.nothing end) pcall(req.get, req) end"},
    {"logging without end", "", "while true do mw.log.info('x', {a = 1}) end"},
    {"a score function that loops", "",
	"mw.pick.min({}, function() end) while true do mw.random.unit() end"},
    {"tags without end", "", "while true do pcall(req.tag, req, 'k', ('v'):rep(900)) end"},
    {"tables without end", "", "local t = {} while true do t[#t + 1] = {} end"},
    {"tables without end, caught", "",
	"while true do pcall(function() local t = {} while true do t[#t + 1] = {} end end) end"},
    {"strings without end", "",
	"local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end"},
    {"one huge table", "", "local t = {} for i = 1, 1e9 do t[i] = i end"},
    {"closures without end", "",
	"local f while true do local g = f f = function() return g end end"},
};

static const char *const healthy = WORLD_HEAD(
    "observe") "function P.complete(req, res) req:tag('seen', tostring(1 + 1)) end" WORLD_TAIL;

static void assert_healthy(struct world *w, const char *after)
{
	world_call(w, "{\"model\":\"gpt\",\"messages\":[]}");
	mw_hook_complete(w->policies, &w->call);
	if (!w->call.tags || !mw_str_is(w->call.tags->value, "2"))
		fail_msg("after %s the other policy does not work", after);
}

static void contain(const struct script *s)
{
	char source[2048];
	struct mw_decision d;
	struct mw_policy_tally tally;
	struct world *w = world_new();
	snprintf(source, sizeof(source),
	    WORLD_HEAD("guard") "%s function P.admit(req, p) %s end" WORLD_TAIL, s->before,
	    s->hook);
	world_add(w, source);
	world_add(w, healthy);
	if (!world_load(w))
		fail_msg("%s: does not load: %s", s->name, w->err.text);
	for (unsigned i = 0; i < 2; i++) {
		double begin = ms();
		mw_hook_admit(w->policies, &w->call, &d);
		double took = ms() - begin;
		mw_policies_tally(w->policies, &tally);
		if (took > BOUND_MS || d.verdict != MW_REJECT || d.status != 503)
			fail_msg("%s: %.1f ms, verdict %d", s->name, took, (int)d.verdict);
		if (tally.stopped + tally.memory != i + 1)
			fail_msg("%s: was not stopped", s->name);
		assert_healthy(w, s->name);
	}
	assert_true(mw_policies_memory(w->policies) <= w->settings.policy_memory);
	world_free(w);
}

static void scripts_that_never_end_are_stopped(void **state)
{
	(void)state;
	for (size_t i = 0; i < MW_LEN(scripts); i++)
		contain(&scripts[i]);
}

static void the_place_is_named(void **state)
{
	(void)state;
	struct world *w = world_new();
	world_add(w, WORLD_HEAD("observe") "\nfunction P.init()\n  local x = 0\n  while true do x "
					   "= x + 1 end\nend" WORLD_TAIL);
	const char *why = world_refusal(w);
	assert_contains(why, "mine.lua:4: MW110 stopped here: init may take 50 ms");
	world_free(w);
}

static void a_file_that_does_not_come_to_its_end_is_refused(void **state)
{
	(void)state;
	struct world *w = world_new();
	world_add(w, "while true do end");
	assert_contains(world_refusal(w), "mine.lua:1: MW110 stopped here: loading may take 50 ms");
	world_free(w);
}

static void a_policy_that_takes_all_memory_is_refused(void **state)
{
	(void)state;
	static const char *const bombs[] = {
	    "local t = {} while true do t[#t + 1] = {} end",
	    "local s = 'x' while true do s = s .. s end",
	    "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end",
	    "local f while true do local g = f f = function() return g end end",
	    "local s = '[' .. ('[1],'):rep(200000) .. '1]' local t = {} while true do t[#t + 1] = "
	    "mw.json.decode(s) end",
	};
	for (size_t i = 0; i < MW_LEN(bombs); i++) {
		struct world *w = world_new();
		char source[512];
		w->settings.policy_memory = 2 << 20;
		snprintf(source, sizeof(source),
		    WORLD_HEAD("observe") "function P.init() %s end" WORLD_TAIL, bombs[i]);
		world_add(w, source);
		assert_contains(world_refusal(w), "mine.lua: MW111 out of memory");
		world_free(w);
	}
}

static void a_ceiling_too_low_to_begin_with_is_an_error(void **state)
{
	(void)state;
	struct world *w = world_new();
	w->settings.policy_memory = 20 << 10;
	world_add(w, healthy);
	assert_contains(world_refusal(w), "need more than 20 KiB");
	world_free(w);
}

/* ThreadSanitizer takes a hundred times as long for each state, and finds nothing in the number of them. */
#ifdef __SANITIZE_THREAD__
enum { CAP_STEP = 4001 };
#else
enum { CAP_STEP = 61 };
#endif

/* Memory may run out at any allocation: loading or a hook fails then, and nothing else happens. */
static void no_ceiling_ends_the_process(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* it keeps a record of every frame that an error leaves behind, tens of thousands here */
#endif
	struct world *w = world_new();
	struct mw_decision d;
	struct mw_plan plan;
	unsigned loaded = 0;
	world_add(w,
	    WORLD_HEAD(
		"guard") "local kept = {} "
			 "function P.admit(req) kept[#kept + 1] = req.id .. #kept .. "
			 "('x'):rep(300) "
			 "req:tag('a', kept[#kept]) pcall(error, { message = 'm' .. #kept }) "
			 "if #kept % 3 == 0 then error({ message = 'm' .. #kept }) end "
			 "return mw.reject{ message = 'n' .. #kept, code = 'c' .. #kept } end "
			 "function P.rewrite(req) req:set('messages.1.x', { a = { 1, 2, 3 }, b = "
			 "req:text(1) }) end "
			 "function P.route(req, ups) return mw.plan(mw.order.min(ups, 'inflight')) "
			 "end" WORLD_TAIL);
	for (size_t cap = 50000; cap < 130000; cap += CAP_STEP) {
		w->settings.policy_memory = cap;
		loaded += world_load(w);
		for (int i = 0; w->policies && i < 30; i++) {
			world_call(w, "{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\","
				      "\"content\":\"h\\n\"}]}");
			mw_hook_admit(w->policies, &w->call, &d);
			assert_int_equal(d.verdict, MW_REJECT);
			mw_hook_rewrite(w->policies, &w->call, &d);
			mw_hook_route(w->policies, &w->call, w->candidates, WORLD_TARGETS, &plan);
			assert_int_equal(plan.n, WORLD_TARGETS);
			w->now += 700000;
		}
		mw_policies_free(w->policies);
		w->policies = NULL;
	}
	/* some ceilings were too low, some were not */
	assert_in_range(loaded * CAP_STEP, 100 * 61, 1200 * 61);
	world_free(w);
}

static void work_within_the_budget_is_left_alone(void **state)
{
	(void)state;
	struct world *w = world_with(
	    WORLD_HEAD("guard") "function P.admit() for i = 1, 1000 do end end" WORLD_TAIL);
	struct mw_decision d;
	for (int i = 0; i < 3000; i++) {
		mw_hook_admit(w->policies, &w->call, &d);
		assert_int_equal(d.verdict, MW_GO);
	}
	world_free(w);
}

/* The watchdog of a process at rest sleeps; the first loop after that is stopped all the same. */
static void a_watchdog_that_slept_wakes_up(void **state)
{
	(void)state;
	struct world *w =
	    world_with(WORLD_HEAD("guard") "function P.admit() while true do end end" WORLD_TAIL);
	struct mw_decision d;
	for (int i = 0; i < 3; i++) {
		usleep(250000); /* longer than it stays awake */
		double begin = ms();
		mw_hook_admit(w->policies, &w->call, &d);
		assert_int_equal(d.verdict, MW_REJECT);
		assert_true(ms() - begin < BOUND_MS);
	}
	world_free(w);
}

struct worker {
	struct mw_watchdog *watchdog;
	const char *source;
	int rounds, rejected;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct mw_decision d;
	struct world *w = world_under(worker->watchdog);
	world_add(w, worker->source);
	mw_require(world_load(w));
	for (int i = 0; i < worker->rounds; i++) {
		mw_hook_admit(w->policies, &w->call, &d);
		worker->rejected += d.verdict == MW_REJECT;
	}
	world_free(w);
	return NULL;
}

static void each_worker_is_stopped_for_itself(void **state)
{
	(void)state;
	struct worker loops = {
	    .source = WORLD_HEAD("guard") "function P.admit() while true do end end" WORLD_TAIL,
	    .rounds = 20};
	struct worker works = {
	    .source = WORLD_HEAD("guard") "function P.admit() for i = 1, 100 do end end" WORLD_TAIL,
	    .rounds = 20000};
	struct mw_watchdog *watchdog = mw_watchdog_new();
	loops.watchdog = works.watchdog = watchdog;
	pthread_t threads[2];
	mw_log_set_level(MW_LOG_OFF);
	pthread_create(&threads[0], NULL, work, &loops);
	pthread_create(&threads[1], NULL, work, &works);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	mw_watchdog_free(watchdog);
	assert_int_equal(loops.rejected, 20);
	assert_int_equal(works.rejected, 0);
}

static void memory_that_a_failed_hook_took_is_free_again(void **state)
{
	(void)state;
	struct world *w = world_with(
	    WORLD_HEAD("observe") "function P.complete(req) if req:get('bomb') then local t = {} "
				  "while true do t[#t + 1] = {} end end "
				  "local s = {} for i = 1, 100 do s[i] = ('x'):rep(1000) end "
				  "req:tag('fine', 'yes') end" WORLD_TAIL);
	for (int i = 0; i < 3; i++) {
		world_call(w, "{\"model\":\"gpt\",\"bomb\":1}");
		mw_hook_complete(w->policies, &w->call);
		assert_null(w->call.tags);
		world_call(w, "{\"model\":\"gpt\"}");
		mw_hook_complete(w->policies, &w->call);
		assert_non_null(w->call.tags);
	}
	world_free(w);
}

/* … and so is what a hook that did nothing wrong has let lie. */
static void garbage_of_one_hook_is_no_lack_of_memory_for_the_next(void **state)
{
	(void)state;
	struct world *w =
	    world_with(WORLD_HEAD("observe") "function P.complete(req) local s = {} "
					     "for i = 1, 100 do s[i] = ('x'):rep(100000) .. i end "
					     "req:tag('fine', 'yes') end" WORLD_TAIL);
	/* 10 MB each of the 16 that are allowed; a long body, so that there is time for them */
	enum { BODY = 4 << 20 };
	char *body = mw_mem_zalloc(BODY + 1);
	memset(body, ' ', BODY);
	memcpy(body, "{\"model\":\"gpt\"}", strlen("{\"model\":\"gpt\"}"));
	for (int i = 0; i < 3; i++) {
		world_call(w, body);
		mw_hook_complete(w->policies, &w->call);
		assert_non_null(w->call.tags);
	}
	mw_mem_free(body);
	world_free(w);
}

static void a_policy_that_hoards_fails_and_the_others_work(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct mw_policy_tally tally;
	struct mw_decision d;
	w->settings.policy_memory = 4 << 20;
	world_add(w,
	    WORLD_HEAD("observe") "local kept = {} function P.admit() for i = 1, 50 do "
				  "kept[#kept + 1] = ('x'):rep(1000) .. #kept end end" WORLD_TAIL);
	world_add(w, healthy);
	assert_true(world_load(w));
	for (int i = 0; i < 400; i++) {
		mw_hook_admit(w->policies, &w->call, &d);
		assert_int_equal(d.verdict, MW_GO); /* it is no guard */
		w->now += 1000;
	}
	mw_policies_tally(w->policies, &tally);
	assert_true(tally.memory > 0);
	assert_true(mw_policies_memory(w->policies) <= w->settings.policy_memory);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(scripts_that_never_end_are_stopped),
	    cmocka_unit_test(the_place_is_named),
	    cmocka_unit_test(a_file_that_does_not_come_to_its_end_is_refused),
	    cmocka_unit_test(a_policy_that_takes_all_memory_is_refused),
	    cmocka_unit_test(a_ceiling_too_low_to_begin_with_is_an_error),
	    cmocka_unit_test(no_ceiling_ends_the_process),
	    cmocka_unit_test(work_within_the_budget_is_left_alone),
	    cmocka_unit_test(a_watchdog_that_slept_wakes_up),
	    cmocka_unit_test(each_worker_is_stopped_for_itself),
	    cmocka_unit_test(memory_that_a_failed_hook_took_is_free_again),
	    cmocka_unit_test(garbage_of_one_hook_is_no_lack_of_memory_for_the_next),
	    cmocka_unit_test(a_policy_that_hoards_fails_and_the_others_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
