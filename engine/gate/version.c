/* SPDX-License-Identifier: MIT
 *
 * Making and closing a worker's version.
 */
#include "gate/version.h"

#include "base/mem.h"

static void close_version(struct mw_version *v)
{
	mw_policies_free(v->policies);
	if (v->generation)
		mw_runtime_drop(v->runtime, v->generation, v->settings->n_targets);
	mw_bundle_unref(v->bundle);
	mw_mem_free(v);
}

struct mw_version *mw_version_new(struct mw_env *env, struct mw_guard *guard,
    struct mw_stats *stats, struct mw_runtime *runtime, struct mw_bundle *bundle,
    struct mw_err *err)
{
	struct mw_version *v = mw_mem_zalloc(sizeof(*v));
	v->bundle = mw_bundle_ref(bundle);
	v->settings = bundle->settings;
	v->runtime = runtime;
	v->refs = 1;
	v->policies = mw_policies_new(env, guard, stats, bundle, err);
	if (v->policies)
		v->generation = mw_runtime_add(runtime, v->settings, err);
	if (v->generation)
		return v;
	close_version(v);
	return NULL;
}

struct mw_version *mw_version_ref(struct mw_version *v)
{
	v->refs++;
	return v;
}

void mw_version_unref(struct mw_version *v)
{
	if (v && --v->refs == 0)
		close_version(v);
}
