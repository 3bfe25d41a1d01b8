/* SPDX-License-Identifier: MIT
 *
 * A Lua state for policies: without the JIT (a compiled loop cannot be stopped) and with a ceiling
 * on its memory. What is above the ceiling is Lua's own "not enough memory", which fails one hook
 * and leaves the state healthy.
 */
#ifndef MW_VM_H
#define MW_VM_H

#include "base/base.h"

#include <lua.h>

struct mw_vm;

struct mw_vm *mw_vm_new(size_t cap); /* cap in bytes, for all that the state holds */
void mw_vm_free(struct mw_vm *vm);   /* takes NULL */

lua_State *mw_vm_lua(const struct mw_vm *vm);
size_t mw_vm_used(const struct mw_vm *vm); /* bytes held now, garbage included */

/* After each run: keeps the collector ahead of the ceiling. Cheap. */
void mw_vm_rest(struct mw_vm *vm);

/* Is less than half of the ceiling free for the next run, perhaps because of garbage? */
bool mw_vm_is_crowded(const struct mw_vm *vm);

/* Collects all garbage. `now` in microseconds: the more is kept, and has to be looked at each time, the
 * seldomer. */
void mw_vm_relieve(struct mw_vm *vm, uint64_t now);

#endif
