/* SPDX-License-Identifier: MIT
 *
 * Memory that is freed all at once: a call's. Allocation is a pointer bump; small allocations abort
 * when there is no memory. What a room lends to a call (a snapshot, a reservation) registers a
 * cleanup and is given back when the arena is reset. Not thread-safe.
 */
#ifndef MW_ARENA_H
#define MW_ARENA_H

#include "base/str.h"

struct mw_arena;

struct mw_arena *mw_arena_new(void);
void mw_arena_free(struct mw_arena *a); /* runs the cleanups; takes NULL */

/* Runs the cleanups, last registered first, and forgets all memory but the first block, so that the
 * next call costs no malloc. */
void mw_arena_reset(struct mw_arena *a);

void *mw_arena_alloc(struct mw_arena *a, size_t n); /* aligned for any type, not zeroed */
void *mw_arena_zalloc(struct mw_arena *a, size_t n);
/* For sizes that a client chooses: NULL when there is no memory. */
void *mw_arena_try(struct mw_arena *a, size_t n) MW_MUSTCHECK;

/* Copies; each is ended by a NUL that is not counted. */
struct mw_str mw_arena_dup(struct mw_arena *a, struct mw_str s);
char *mw_arena_dupz(struct mw_arena *a, struct mw_str s);
struct mw_str mw_arena_printf(struct mw_arena *a, const char *fmt, ...) MW_PRINTF(2, 3);

void mw_arena_on_reset(struct mw_arena *a, void (*fn)(void *arg), void *arg);

#endif
