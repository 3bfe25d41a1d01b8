/* SPDX-License-Identifier: MIT
 *
 * A map from strings to pointers, for tables that are built once and read often. Keys and values
 * are borrowed and must outlive the map. Reading is thread-safe while nobody writes.
 */
#ifndef MW_MAP_H
#define MW_MAP_H

#include "base/str.h"

struct mw_map;

struct mw_map *mw_map_new(void);
void mw_map_free(struct mw_map *m); /* takes NULL */

void *mw_map_get(const struct mw_map *m, struct mw_str key); /* NULL when absent */
/* Sets, and returns what was there before (NULL if nothing). The value may not be NULL. */
void *mw_map_set(struct mw_map *m, struct mw_str key, void *value);
size_t mw_map_count(const struct mw_map *m);

/* Walks all entries in the order in which they were first set. */
bool mw_map_next(const struct mw_map *m, size_t *at, struct mw_str *key, void **value);

#endif
