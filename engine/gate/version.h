/* SPDX-License-Identifier: MIT
 *
 * A version on one worker: a settings snapshot, its policies loaded into a state of this worker,
 * and the worker's runtime told of its targets. Calls hold the version they began with; it is
 * closed when the last of them is over and a newer one is in its place. The worker's own thread
 * only.
 */
#ifndef MW_VERSION_H
#define MW_VERSION_H

#include "script/policy.h"
#include "script/runtime.h"

struct mw_version {
	struct mw_bundle *bundle; /* holds the settings */
	struct mw_settings *settings;
	struct mw_policies *policies;
	struct mw_runtime *runtime; /* the worker's */
	unsigned generation;	    /* of the runtime's targets */
	unsigned refs;		    /* calls, and the worker itself while it is the newest */
	uint64_t policy_errors;     /* of its policies, as far as they have been counted */
};

/* Loads everything; nothing has changed when it fails. Holds one reference of its own. */
struct mw_version *mw_version_new(struct mw_env *env, struct mw_guard *guard,
    struct mw_stats *stats, struct mw_runtime *runtime, struct mw_bundle *bundle, struct mw_err *err);
struct mw_version *mw_version_ref(struct mw_version *v);
void mw_version_unref(struct mw_version *v); /* takes NULL */

#endif
