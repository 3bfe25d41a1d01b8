/* SPDX-License-Identifier: MIT
 *
 * The policies of one version on one worker: making and freeing the state, loading the bundle into
 * it, and who has which hook.
 */
#include "script/policy.h"

#include "base/mem.h"
#include "script/decision.h"
#include "script/handle.h"
#include "script/load.h"
#include "script/sandbox.h"

enum { SCRATCH_MAX = 16 << 20 };

/* ---- making ---- */

/* Everything that the policies of this state share. */
static int open_all(lua_State *L)
{
	struct mw_policies *p = lua_touserdata(L, 1);
	mw_run_open(L, &p->run);
	mw_handle_open(L, &p->run);
	mw_decision_open(L, &p->run);
	mw_sandbox_open(L, &p->run);
	mw_run_push(L, &p->run, mw_load_run);
	p->loader = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static struct mw_policies *make(struct mw_env *env, struct mw_guard *guard, struct mw_stats *stats,
    const struct mw_bundle *bundle)
{
	struct mw_policies *p = mw_mem_zalloc(sizeof(*p));
	p->env = env;
	p->guard = guard;
	p->stats = stats;
	p->bundle = bundle;
	p->vm = mw_vm_new(bundle->settings->policy_memory);
	p->L = mw_vm_lua(p->vm);
	p->n = bundle->n_policies;
	p->list = mw_mem_zalloc(MW_MAX(p->n, 1u) * sizeof(*p->list));
	p->wants = mw_mem_zalloc(MW_MAX(bundle->settings->n_models, 1u) * sizeof(*p->wants));
	p->slate = mw_arena_new();
	mw_buf_init(&p->scratch, SCRATCH_MAX);
	p->run.all = p;
	mw_journal_init(&p->run.journal);
	return p;
}

static void init_policy(struct mw_policy *policy, const struct mw_bundle_policy *source)
{
	*policy = (struct mw_policy){
	    .source = source,
	    .name = source->ref->name.n ? source->ref->name : source->ref->path,
	    .made = LUA_NOREF,
	};
	for (size_t i = 0; i < MW_HOOKS; i++)
		policy->functions[i] = LUA_NOREF;
}

static bool load(struct mw_policies *p, struct mw_policy *policy, struct mw_err *err)
{
	struct mw_run *run = &p->run;
	run->loading = true;
	mw_run_begin(run, policy, MW_HOOK_INIT, NULL);
	lua_rawgeti(p->L, LUA_REGISTRYINDEX, p->loader);
	bool good = mw_run_finish(run, 0, NULL);
	run->loading = false;
	return good || mw_err_set(err, MW_ERR_SCRIPT, "%s", run->error);
}

static bool init(struct mw_policies *p, struct mw_policy *policy, struct mw_err *err)
{
	if (!(policy->hooks & 1u << MW_HOOK_INIT))
		return true;
	mw_run_begin(&p->run, policy, MW_HOOK_INIT, NULL);
	lua_rawgeti(p->L, LUA_REGISTRYINDEX, policy->functions[MW_HOOK_INIT]);
	lua_rawgeti(p->L, LUA_REGISTRYINDEX, policy->params);
	if (mw_run_finish(&p->run, 1, mw_decision_after_nothing))
		return true;
	return mw_err_set(err, MW_ERR_SCRIPT, "%s", p->run.error);
}

static bool load_all(struct mw_policies *p, struct mw_err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		struct mw_policy *policy = &p->list[i];
		init_policy(policy, &p->bundle->policies[i]);
		if (!load(p, policy, err) || !init(p, policy, err))
			return false;
		p->wants_any |= policy->hooks;
	}
	return true;
}

static void note_wants(struct mw_policies *p)
{
	const struct mw_settings *s = p->bundle->settings;
	for (size_t m = 0; m < s->n_models; m++)
		for (size_t i = 0; i < s->models[m].n_policies; i++)
			p->wants[m] |= p->list[s->models[m].policies[i]].hooks;
}

struct mw_policies *mw_policies_new(struct mw_env *env, struct mw_guard *guard,
    struct mw_stats *stats, const struct mw_bundle *bundle, struct mw_err *err)
{
	struct mw_policies *p = make(env, guard, stats, bundle);
	if (lua_cpcall(p->L, open_all, p) != 0) {
		mw_err_set(err, MW_ERR_SCRIPT,
		    "policies need more than %zu KiB of memory to begin with: %s",
		    bundle->settings->policy_memory >> 10, lua_tostring(p->L, -1));
		mw_policies_free(p);
		return NULL;
	}
	mw_run_settle(p->L, &p->run);
	if (!load_all(p, err)) {
		mw_policies_free(p);
		return NULL;
	}
	note_wants(p);
	p->tally = (struct mw_policy_tally){0};
	lua_gc(p->L, LUA_GCCOLLECT, 0);
	mw_vm_rest(p->vm);
	return p;
}

void mw_policies_free(struct mw_policies *p)
{
	if (!p)
		return;
	mw_vm_free(p->vm);
	mw_journal_deinit(&p->run.journal);
	mw_buf_deinit(&p->scratch);
	mw_arena_free(p->slate);
	mw_mem_free(p->wants);
	mw_mem_free(p->list);
	mw_mem_free(p);
}

/* ---- asking ---- */

bool mw_policies_want(const struct mw_policies *p, const struct mw_model *model, enum mw_hook hook)
{
	return (model ? p->wants[model->index] : p->wants_any) & 1u << hook;
}

void mw_policies_tally(const struct mw_policies *p, struct mw_policy_tally *out)
{
	*out = p->tally;
}

size_t mw_policies_memory(const struct mw_policies *p)
{
	return mw_vm_used(p->vm);
}

void mw_policies_describe(const struct mw_policies *p, struct mw_buf *out)
{
	for (size_t i = 0; i < p->n; i++)
		mw_buf_addf(out, "%s%.*s@%.7s", i ? ", " : "", MW_FMT(p->list[i].name),
		    p->list[i].source->version);
}
