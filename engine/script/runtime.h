/* SPDX-License-Identifier: MIT
 *
 * The runtime: the trusted Lua state that holds lua/ (wire formats and vendors), and what C asks of
 * it. The contract of the Lua side is lua/README.md. One per worker, and one on the main thread for
 * reading settings. Compiled by the JIT; its input is bounded by the ceilings of bodies and events.
 */
#ifndef MW_RUNTIME_H
#define MW_RUNTIME_H

#include "call/call.h"
#include "shared/settings.h"

struct mw_runtime;

struct mw_runtime *mw_runtime_new(struct mw_env *env, struct mw_err *err);
void mw_runtime_free(struct mw_runtime *rt); /* takes NULL */

/* The `prepare` of struct mw_settings_world; arg is the runtime. */
bool mw_runtime_prepare(
    void *rt, struct mw_target *target, struct mw_arena *arena, struct mw_err *err);

/* The `wildcards` of struct mw_settings_world; arg is the runtime. */
size_t mw_runtime_wildcards(
    void *rt, struct mw_arena *arena, const struct mw_wildcard **out);

/* Makes the targets of a snapshot known. Calls of an older version keep theirs through the
 * generation, which is returned (0 on failure) and dropped when the last call of that version is
 * over. */
unsigned mw_runtime_add(
    struct mw_runtime *rt, const struct mw_settings *settings, struct mw_err *err);
void mw_runtime_drop(struct mw_runtime *rt, unsigned generation, size_t n_targets);

#endif
