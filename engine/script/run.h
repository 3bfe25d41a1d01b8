/* SPDX-License-Identifier: MIT
 *
 * What the files of script/ that serve policies share: the policies of one state, and the run of
 * one hook, which is what a primitive called by it may see and change. Only script/ includes this.
 *
 * Each C function that Lua sees is a closure with the run as its first upvalue (mw_run_of).
 */
#ifndef MW_RUN_H
#define MW_RUN_H

#include "script/hook.h"
#include "script/journal.h"
#include "script/raise.h"
#include "script/vm.h"

enum {
	MW_RUN_DEPTH = 100,           /* calls from Lua through C into Lua again */
	MW_RUN_TEXT = 1 << 20,        /* bytes of a text that a library function makes */
	MW_RUN_ITEMS = 10000,         /* of a table that is sorted, or whose keys are */
	MW_RUN_CANDIDATES = 1023,     /* that a policy gets to see */
	MW_RUN_LOGS = 10,             /* lines a second and policy, errors apart */
};

enum mw_policy_kind { MW_POLICY_GUARD, MW_POLICY_REWRITE, MW_POLICY_ROUTE, MW_POLICY_OBSERVE };

/* So many lines a second, and how many were held back. */
struct mw_throttle {
	uint64_t second;
	unsigned said, held;
};

/* Faults that were told of lately, by place and code. */
struct mw_told {
	uint64_t what, at_us;
};

struct mw_policy {
	const struct mw_bundle_policy *source;
	struct mw_str name; /* from the manifest; until that is read, the settings' */
	char name_text[64];
	enum mw_policy_kind kind;
	unsigned hooks;     /* bit 1 << MW_HOOK_… for each that it has */
	int functions[MW_HOOKS]; /* registry references */
	int params;         /* the table that hooks get as p */
	int environment;    /* the globals that its files see */
	int modules;        /* require's results by name */
	int made;           /* what mw.policy returned; LUA_NOREF: not called yet */
	int declared;       /* the manifest's params */
	struct mw_throttle errors, logs;
	struct mw_told told[8];
};

/* One member of a document that hooks walk over, such as its messages: where every so manieth item of
 * it begins, so that a look at the next one need not begin with the first (document.c). */
struct mw_marks {
	const char *text; /* the document; NULL: no marks */
	char name[24];    /* the member's */
	uint32_t generation;
	unsigned changes;
	struct mw_json member;
	size_t count, stride;
	size_t at[1024];
};

struct mw_run {
	struct mw_policies *all;
	struct mw_policy *policy; /* whose code runs */
	enum mw_hook hook;
	bool loading;        /* its files are being run, not a hook */
	uint32_t generation; /* of handles: those of another run are stale */
	unsigned depth;
	/* what the hook was called for; NULL and 0 where it has no such thing */
	struct mw_call *call;
	const struct mw_attempt *attempt;
	struct mw_extra_header **to_target; /* where its own headers go */
	const struct mw_candidate *candidates;
	size_t n_candidates;
	struct mw_str *reply;
	/* the two clocks, read once in a run; 0: not yet */
	uint64_t now_us, wall_us;
	void (*after)(lua_State *L, struct mw_run *run);
	struct mw_journal journal;
	struct mw_marks marks;
	/* what it decided, if it returned normally */
	struct mw_decision decision;
	struct mw_plan *plan;
	bool planned;
	/* what went wrong, if it did not */
	char place[MW_RAISE_PLACE];
	char error[1024];
};

struct mw_policies {
	struct mw_vm *vm;
	lua_State *L;
	struct mw_env *env;
	struct mw_guard *guard;
	struct mw_stats *stats;
	const struct mw_bundle *bundle;
	struct mw_policy *list;
	size_t n;
	unsigned *wants;    /* by index of model: which hooks any of its policies has */
	unsigned wants_any; /* the same over all policies */
	struct mw_policy_tally tally;
	struct mw_buf scratch;  /* for JSON text */
	struct mw_arena *slate; /* for strings without their escapes; each user wipes it first */
	int handler, runner; /* registry references: what lies at the bottom of the stack */
	int loader;     /* the same: the function that loads a policy */
	int sandbox;    /* registry reference: what each policy's environment is copied from */
	int decisions;  /* the same: the metatable of what mw.reject and its kin return */
	struct mw_run run;
};

/* The run, from inside a C function that Lua called. */
static inline struct mw_run *mw_run_of(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* Pushes a C function that knows the run. May raise (memory). */
void mw_run_push(lua_State *L, struct mw_run *run, lua_CFunction fn);

/* Prepares the state for runs; once. May raise. Afterwards mw_run_settle, outside of protected
 * calls. */
void mw_run_open(lua_State *L, struct mw_run *run);
void mw_run_settle(lua_State *L, struct mw_run *run);

/* THE place where policy code is entered. Begin pushes what must lie below the function and forgets
 * the last run; then the caller sets what the hook is called for (fields of run), pushes the
 * function and its arguments, and calls mw_run_finish. `after`, if not NULL, runs in the same
 * protection and finds the function's one result at index 1: it checks it, and may raise. What the
 * hook has set is then put into the call. False: it failed; it has been counted and logged, nothing
 * of what it set remains, and run->error says why. */
void mw_run_begin(struct mw_run *run, struct mw_policy *policy, enum mw_hook hook,
    struct mw_call *call);
bool mw_run_finish(struct mw_run *run, int nargs, void (*after)(lua_State *L, struct mw_run *run));

/* Calls the function below its arguments, from inside a C function that Lua called. Raises what it
 * raises, and TOO_DEEP. Memory that the caller owns would leak. */
void mw_run_call(lua_State *L, struct mw_run *run, int nargs, int nresults);
/* For what else may call Lua (metamethods): raises TOO_DEEP, or counts one level more and returns
 * the level to put back into run->depth afterwards. */
unsigned mw_run_deeper(lua_State *L, struct mw_run *run);
/* Raises Lua's own error for want of memory, where the want was met in C. */
MW_NORETURN void mw_run_no_memory(lua_State *L, struct mw_run *run);
/* pcall as policies have it: status and results as of lua_pcall; raises only the guard's stop. */
int mw_run_pcall(lua_State *L, struct mw_run *run, int nargs);

uint64_t mw_run_now(struct mw_run *run);
uint64_t mw_run_wall(struct mw_run *run);

/* May one more line be written in this second? *held: how many were not since the last one. */
bool mw_run_may_say(struct mw_run *run, struct mw_throttle *t, unsigned *held);

const char *mw_run_hook_name(enum mw_hook hook);

#endif
