/* SPDX-License-Identifier: MIT
 *
 * String maps: entries in the order of arrival, found through an open-addressed index of slots.
 * Nothing is ever removed.
 */
#include "base/map.h"

#include "base/hash.h"
#include "base/mem.h"

struct entry {
	struct mw_str key;
	uint64_t hash;
	void *value;
};

struct mw_map {
	struct entry *entries;
	size_t n, cap;
	uint32_t
	    *slots; /* 0 is free, else index of the entry + 1; a power of two, at most half full */
	size_t n_slots;
};

struct mw_map *mw_map_new(void)
{
	return mw_mem_zalloc(sizeof(struct mw_map));
}

void mw_map_free(struct mw_map *m)
{
	if (!m)
		return;
	mw_mem_free(m->entries);
	mw_mem_free(m->slots);
	mw_mem_free(m);
}

/* The slot of the key, or the free slot where it would go. */
static uint32_t *slot_of(const struct mw_map *m, struct mw_str key, uint64_t hash)
{
	size_t i = hash & (m->n_slots - 1);
	while (m->slots[i]) {
		const struct entry *e = &m->entries[m->slots[i] - 1];
		if (e->hash == hash && mw_str_eq(e->key, key))
			break;
		i = (i + 1) & (m->n_slots - 1);
	}
	return &m->slots[i];
}

void *mw_map_get(const struct mw_map *m, struct mw_str key)
{
	if (m->n == 0)
		return NULL;
	uint32_t *slot = slot_of(m, key, mw_hash(key));
	return *slot ? m->entries[*slot - 1].value : NULL;
}

static void grow(struct mw_map *m)
{
	m->cap = MW_MAX(m->cap * 2, (size_t)8);
	m->entries = mw_mem_realloc(m->entries, m->cap * sizeof(*m->entries));
	m->n_slots = m->cap * 2;
	mw_mem_free(m->slots);
	m->slots = mw_mem_zalloc(m->n_slots * sizeof(*m->slots));
	for (size_t i = 0; i < m->n; i++)
		*slot_of(m, m->entries[i].key, m->entries[i].hash) = (uint32_t)i + 1;
}

void *mw_map_set(struct mw_map *m, struct mw_str key, void *value)
{
	mw_require(value);
	if (m->n == m->cap)
		grow(m);
	uint64_t hash = mw_hash(key);
	uint32_t *slot = slot_of(m, key, hash);
	if (*slot) {
		struct entry *e = &m->entries[*slot - 1];
		void *old = e->value;
		e->value = value;
		return old;
	}
	m->entries[m->n] = (struct entry){key, hash, value};
	*slot = (uint32_t)++m->n;
	return NULL;
}

size_t mw_map_count(const struct mw_map *m)
{
	return m->n;
}

bool mw_map_next(const struct mw_map *m, size_t *at, struct mw_str *key, void **value)
{
	if (*at >= m->n)
		return false;
	*key = m->entries[*at].key;
	*value = m->entries[*at].value;
	++*at;
	return true;
}
