/* SPDX-License-Identifier: MIT
 *
 * Running policy code: the one place where it is entered (mw_run_finish), what holds while it runs,
 * and what is said when it fails.
 *
 * Two values lie for good at the bottom of the state's stack: the message handler, which notes the
 * line where an error came up, and the runner, which calls the hook, checks what it returned and
 * commits what it set. So that all of this may raise, the runner and not the hook is what is called
 * protected. Outside of that call nothing may need memory of the state: there, having none would
 * end the process.
 */
#include "script/run.h"

#include "base/hash.h"
#include "base/log.h"

#include <lauxlib.h>
#include <stdio.h>

enum { FLOOR_HANDLER = 1, FLOOR_RUNNER = 2, FLOOR = 2 };

static const struct {
	const char *name;
	uint32_t budget_us;
} hooks[MW_HOOKS] = {
#define MW_HOOK(id, name, budget_us, on_error) {name, budget_us},
#include "script/hooks.def"
#undef MW_HOOK
};

const char *mw_run_hook_name(enum mw_hook hook)
{
	return hooks[hook].name;
}

void mw_run_push(lua_State *L, struct mw_run *run, lua_CFunction fn)
{
	lua_pushlightuserdata(L, run);
	lua_pushcclosure(L, fn, 1);
}

/* ---- inside ---- */

static int on_error(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	mw_raise_place(L, run->place);
	if (lua_type(L, 1) == LUA_TTABLE) { /* error{message = …} */
		lua_pushliteral(L, "message");
		lua_rawget(L, 1);
	}
	return 1;
}

static int runner(lua_State *L)
{
	struct mw_run *run = mw_run_of(L);
	struct mw_err err;
	lua_call(L, lua_gettop(L) - 1, 1);
	if (run->after)
		run->after(L, run);
	uint64_t now = run->journal.n_samples ? mw_run_now(run) : 0;
	if (!mw_journal_commit(&run->journal, run->call, run->to_target, now, &err))
		mw_raise(L, MW_CODE_EDIT, "%s", err.text);
	return 0;
}

unsigned mw_run_deeper(lua_State *L, struct mw_run *run)
{
	if (run->depth >= MW_RUN_DEPTH)
		mw_raise(L, MW_CODE_TOO_DEEP,
		    "more than %d functions inside each other through pcall, table.sort and the "
		    "like",
		    MW_RUN_DEPTH);
	return run->depth++;
}

void mw_run_call(lua_State *L, struct mw_run *run, int nargs, int nresults)
{
	unsigned depth = mw_run_deeper(L, run);
	lua_call(L, nargs, nresults);
	run->depth = depth;
}

void mw_run_no_memory(lua_State *L, struct mw_run *run)
{
	lua_newuserdata(L, run->all->bundle->settings->policy_memory); /* more than is left */
	lua_error(L);
	mw_require(!"lua_error came back");
	for (;;) {
	}
}

int mw_run_pcall(lua_State *L, struct mw_run *run, int nargs)
{
	unsigned depth = mw_run_deeper(L, run);
	int status = lua_pcall(L, nargs, LUA_MULTRET, 0);
	run->depth = depth;
	if (status != 0 && mw_guard_is_stop(L, -1))
		lua_error(L);
	return status;
}

uint64_t mw_run_now(struct mw_run *run)
{
	if (!run->now_us)
		run->now_us = mw_env_now(run->all->env);
	return run->now_us;
}

uint64_t mw_run_wall(struct mw_run *run)
{
	if (!run->wall_us)
		run->wall_us = mw_env_wall(run->all->env);
	return run->wall_us;
}

/* ---- what is said of a failure ---- */

bool mw_run_may_say(struct mw_run *run, struct mw_throttle *t, unsigned *held)
{
	uint64_t second = mw_run_now(run) / 1000000;
	if (second != t->second) {
		t->second = second;
		t->said = 0;
	}
	if (t->said >= MW_RUN_LOGS) {
		t->held++;
		return false;
	}
	t->said++;
	*held = t->held;
	t->held = 0;
	return true;
}

/* For what has no line of its own: it was wrong only after the hook had returned, or was raised by
 * a tail call. The line where the hook begins; while loading, the file. */
static void place_nearby(struct mw_run *run)
{
	lua_State *L = run->all->L;
	if (run->place[0])
		return;
	if (run->loading) {
		snprintf(run->place, sizeof(run->place), "%.*s",
		    MW_FMT(run->policy->source->files[0].path));
		return;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, run->policy->functions[run->hook]);
	mw_raise_place_of(L, -1, run->place);
	lua_pop(L, 1);
}

/* Lua puts "file:line: " before an error, but shortens a long file to "...its end". */
static bool has_place(const char *text, const char *sentence)
{
	return sentence > text && !mw_str_starts(mw_str(text), MW_STR("..."));
}

static void say_error(struct mw_run *run, const char *text)
{
	const char *sentence = mw_raise_sentence(text);
	bool coded = strncmp(sentence, "MW", 2) == 0 && sentence[2] >= '1' && sentence[2] <= '9';
	int n_place = has_place(text, sentence) ? (int)(sentence - text) : 0;
	if (n_place == 0)
		place_nearby(run);
	snprintf(run->error, sizeof(run->error), "%.*s%s%s%s%s", n_place, text,
	    n_place ? "" : run->place, !n_place && run->place[0] ? ": " : "", coded ? "" : "MW100 ",
	    sentence);
}

static void say_what(struct mw_run *run)
{
	lua_State *L = run->all->L;
	if (lua_type(L, -1) == LUA_TSTRING)
		say_error(run, lua_tostring(L, -1));
	else
		say_error(run, "an error value that is not a string was raised");
}

/* A long body takes its time to look through, whatever is looked for. */
static uint32_t budget_us(const struct mw_run *run)
{
	enum { PER_KIB = 20, MOST = 200000 };
	size_t kib = run->call ? run->call->body.n >> 10 : 0;
	return hooks[run->hook].budget_us + (uint32_t)MW_MIN(kib * PER_KIB, (size_t)MOST);
}

static void say_stopped(struct mw_run *run)
{
	snprintf(run->error, sizeof(run->error),
	    "%s: MW%d stopped here: %s may take %g ms of processor time and took more",
	    mw_guard_where(run->all->guard), MW_CODE_STOPPED,
	    run->loading ? "loading" : mw_run_hook_name(run->hook), budget_us(run) / 1000.0);
}

static void say_memory(struct mw_run *run)
{
	struct mw_policies *all = run->all;
	snprintf(run->error, sizeof(run->error),
	    "%s: MW%d out of memory: the policies of a worker may hold %zu MiB together; keep less "
	    "in "
	    "variables that outlive a call",
	    run->policy->source->files[0].path.p ? run->policy->source->files[0].path.p : "",
	    MW_CODE_MEMORY, all->bundle->settings->policy_memory >> 20);
}

/* "file:line: MWnnn" of the present error. */
static uint64_t fault_of(const struct mw_run *run)
{
	size_t n = (size_t)(mw_raise_sentence(run->error) - run->error) + strlen("MW100");
	return mw_hash_stable(mw_strn(run->error, MW_MIN(n, strlen(run->error))));
}

/* The same fault is told of once in a while: it comes with every call. */
static bool has_been_told(struct mw_run *run)
{
	enum { AGAIN_US = 10000000 };
	struct mw_told *told = run->policy->told, *oldest = told;
	uint64_t what = fault_of(run), now = mw_run_now(run);
	for (size_t i = 0; i < MW_LEN(run->policy->told); i++) {
		if (told[i].what == what && now < told[i].at_us + AGAIN_US)
			return true;
		if (told[i].at_us < oldest->at_us)
			oldest = &told[i];
	}
	*oldest = (struct mw_told){what, now};
	return false;
}

static void report(struct mw_run *run)
{
	unsigned held;
	if (run->loading)
		return;
	if (has_been_told(run)) {
		run->policy->errors.held++;
		return;
	}
	if (!mw_run_may_say(run, &run->policy->errors, &held))
		return;
	if (held)
		mw_log(MW_LOG_WARN, "policy", "%.*s: %u errors more were not logged",
		    MW_FMT(run->policy->name), held);
	mw_log(MW_LOG_ERROR, "policy", "%.*s: %s: %s", MW_FMT(run->policy->name),
	    mw_run_hook_name(run->hook), run->error);
}

static void fail(struct mw_run *run, int status)
{
	struct mw_policies *all = run->all;
	bool stopped = mw_guard_is_stop(all->L, -1);
	all->tally.errors++;
	all->tally.stopped += stopped;
	all->tally.memory += status == LUA_ERRMEM;
	if (stopped)
		say_stopped(run);
	else if (status == LUA_ERRMEM)
		say_memory(run);
	else
		say_what(run);
	report(run);
	lua_settop(all->L, FLOOR);
}

/* ---- entering ---- */

void mw_run_open(lua_State *L, struct mw_run *run)
{
	mw_run_push(L, run, on_error);
	run->all->handler = luaL_ref(L, LUA_REGISTRYINDEX);
	mw_run_push(L, run, runner);
	run->all->runner = luaL_ref(L, LUA_REGISTRYINDEX);
}

void mw_run_settle(lua_State *L, struct mw_run *run)
{
	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, run->all->handler);
	lua_rawgeti(L, LUA_REGISTRYINDEX, run->all->runner);
	mw_require(lua_gettop(L) == FLOOR);
}

void mw_run_begin(
    struct mw_run *run, struct mw_policy *policy, enum mw_hook hook, struct mw_call *call)
{
	run->policy = policy;
	run->hook = hook;
	run->call = call;
	run->generation++;
	run->depth = 0;
	run->attempt = NULL;
	run->to_target = NULL;
	run->n_candidates = 0;
	run->reply = NULL;
	run->now_us = run->wall_us = 0;
	run->decision.verdict = MW_GO;
	run->planned = false;
	run->place[0] = '\0';
	mw_journal_begin(&run->journal, NULL);
	lua_pushvalue(run->all->L, FLOOR_RUNNER);
}

bool mw_run_finish(struct mw_run *run, int nargs, void (*after)(lua_State *L, struct mw_run *run))
{
	struct mw_policies *all = run->all;
	run->after = after;
	mw_guard_enter(all->guard, all->L, budget_us(run));
	int status = lua_pcall(all->L, nargs + 1, 0, FLOOR_HANDLER);
	mw_guard_leave(all->guard);
	run->generation++; /* handles of this run are stale from here on */
	all->tally.runs++;
	if (status != 0)
		fail(run, status);
	mw_vm_rest(all->vm);
	if (mw_vm_is_crowded(all->vm)) /* whether it ran out of memory or of time */
		mw_vm_relieve(all->vm, mw_run_now(run));
	return status == 0;
}
