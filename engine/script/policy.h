/* SPDX-License-Identifier: MIT
 *
 * The policies of one version on one worker: one sandboxed Lua state with its memory cap, the policies
 * of a bundle loaded into it in order, and the hooks that they declare. All of it is the worker's own
 * thread's, but mw_policy_check, which any thread may call.
 */
#ifndef MW_POLICY_H
#define MW_POLICY_H

#include "base/env.h"
#include "script/guard.h"
#include "shared/bundle.h"

struct mw_policies;

enum mw_hook {
#define MW_HOOK(id, name, budget_us, on_error) MW_HOOK_##id,
#include "script/hooks.def"
#undef MW_HOOK
	MW_HOOKS,
};

/* Loads every policy, checks its parameters and runs its `init`. An error reads "FILE:LINE: why" and how
 * to mend it. NULL on failure, and nothing has changed. */
struct mw_policies *mw_policies_new(struct mw_env *env, struct mw_guard *guard, struct mw_bundle *bundle,
    struct mw_err *err);
void mw_policies_free(struct mw_policies *p); /* takes NULL */

/* Does any policy that is bound to the model (NULL: any model) have the hook? Then calling it is worth
 * while; a hook that nobody declares costs this look. */
bool mw_policies_want(const struct mw_policies *p, const struct mw_model *model, enum mw_hook hook);

/* Names and versions for people: "simple-shuffle@1f0c…, mine@…". */
void mw_policies_describe(const struct mw_policies *p, struct mw_buf *out);

#endif
