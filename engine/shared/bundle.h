/* SPDX-License-Identifier: MIT
 *
 * A bundle: the policy sources of one version, read once, immutable, with a reference count. Each
 * entry answers one of the settings' policy references, in the same order.
 */
#ifndef MW_BUNDLE_H
#define MW_BUNDLE_H

#include "base/arena.h"
#include "base/err.h"
#include "shared/settings.h"

struct mw_bundle_file {
	struct mw_str name; /* "policy.lua", or the path below a policy's folder */
	struct mw_str path; /* as shown in messages: "policies/my.lua" */
	struct mw_str text;
};

struct mw_bundle_policy {
	const struct mw_policy_ref *ref;    /* of the settings that the bundle belongs to */
	const struct mw_bundle_file *files; /* the first is the one that returns the policy */
	size_t n_files;
	char version[17]; /* hash of files, as hex */
};

struct mw_bundle {
	struct mw_arena *arena;
	struct mw_settings *settings; /* referenced */
	struct mw_bundle_policy *policies;
	size_t n_policies;
	_Atomic int refs;
};

/* Reads what the settings name: shipped policies through `shipped` (NULL text: no such policy; for an empty name: the names of all, for messages),
 * files and folders (policy.lua or init.lua and every other .lua below it) from the disk; at most 1
 * MiB a file, 100 files a policy. Errors name the settings line, the path and what is there
 * instead; several are told together, one a line. */
struct mw_bundle *mw_bundle_read(
    struct mw_settings *settings, struct mw_str (*shipped)(struct mw_str name), struct mw_err *err);
struct mw_bundle *mw_bundle_ref(struct mw_bundle *b);
void mw_bundle_unref(struct mw_bundle *b); /* takes NULL; any thread */

/* A number that changes when a file that the settings were read from, or one of a policy that they
 * name, comes, goes or changes (size, time or inode), for the watcher. Main thread. */
uint64_t mw_bundle_stamp(const struct mw_settings *s);

#endif
