/* SPDX-License-Identifier: MIT
 *
 * The policies of one version on one worker: one sandboxed Lua state with its memory cap, the
 * policies of a bundle loaded into it in order, and the hooks that they declare. All of it is the
 * thread's that made it, which is the guard's. To check a bundle, make it and free it again.
 */
#ifndef MW_POLICY_H
#define MW_POLICY_H

#include "base/buf.h"
#include "base/env.h"
#include "script/guard.h"
#include "shared/bundle.h"
#include "shared/stats.h"

struct mw_policies;

enum mw_hook {
#define MW_HOOK(id, name, budget_us, on_error) MW_HOOK_##id,
#include "script/hooks.def"
#undef MW_HOOK
	MW_HOOKS,
};

/* Loads every policy, checks its parameters and runs its `init`. An error (SCRIPT) reads
 * "FILE:LINE: MWnnn why" and how to mend it; for a wrong parameter FILE is the settings'. NULL on
 * failure, and nothing has changed. All that is given is borrowed and must outlive what comes back,
 * the bundle included. */
struct mw_policies *mw_policies_new(struct mw_env *env, struct mw_guard *guard,
    struct mw_stats *stats, const struct mw_bundle *bundle, struct mw_err *err);
void mw_policies_free(struct mw_policies *p); /* takes NULL */

/* Does any policy that is bound to the model (NULL: any model) have the hook? Then calling it is
 * worth while; a hook that nobody declares costs this look. */
bool mw_policies_want(const struct mw_policies *p, const struct mw_model *model, enum mw_hook hook);

/* What has gone wrong so far, for metrics. */
struct mw_policy_tally {
	uint64_t runs;
	uint64_t errors;  /* runs that failed, for whatever reason */
	uint64_t stopped; /* of these: by the guard */
	uint64_t memory;  /* of these: for want of memory */
};
void mw_policies_tally(const struct mw_policies *p, struct mw_policy_tally *out);
size_t mw_policies_memory(const struct mw_policies *p); /* bytes that the Lua state holds */

/* Names and versions for people: "simple-shuffle@1f0c…, mine@…". */
void mw_policies_describe(const struct mw_policies *p, struct mw_buf *out);

#endif
