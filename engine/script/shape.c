/* SPDX-License-Identifier: MIT
 *
 * The tree of shapes, with one hash table over all its edges.
 */
#include "script/shape.h"

/* A run of slots is never longer, so that names chosen to collide cost nothing but their caching.
 */
enum { PROBES = 16 };

static size_t first_slot(uint16_t parent, struct mw_str name)
{
	uint64_t h = name.n << 16 ^ parent;
	for (size_t i = 0; i < name.n; i += 8) {
		uint64_t w = 0;
		memcpy(&w, name.p + i, MW_MIN(name.n - i, (size_t)8));
		h = (h ^ w) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	return (size_t)(h * 0x9e3779b97f4a7c15u >> 32);
}

void mw_shape_reset(struct mw_shapes *s)
{
	s->n = MW_SHAPE_ROOT;
	s->at[MW_SHAPE_ROOT] = (struct mw_shape){.parent = 0};
	memset(s->slots, 0, sizeof(s->slots));
}

uint16_t mw_shape_find(const struct mw_shapes *s, uint16_t parent, struct mw_str name)
{
	size_t slot = first_slot(parent, name);
	for (size_t i = 0; i < PROBES; i++) {
		uint16_t at = s->slots[(slot + i) % MW_LEN(s->slots)];
		if (!at)
			return 0;
		if (s->at[at].parent == parent && mw_str_eq(s->at[at].name, name))
			return at;
	}
	return 0;
}

bool mw_shape_has(const struct mw_shapes *s, uint16_t shape, struct mw_str name)
{
	for (; shape != MW_SHAPE_ROOT; shape = s->at[shape].parent)
		if (mw_str_eq(s->at[shape].name, name))
			return true;
	return false;
}

uint16_t mw_shape_add(struct mw_shapes *s, uint16_t parent, struct mw_str name)
{
	if (mw_shape_full(s) || s->at[parent].count == MW_SHAPE_NAMES || name.n > MW_SHAPE_LENGTH)
		return 0;
	size_t slot = first_slot(parent, name);
	for (size_t i = 0; i < PROBES; i++) {
		uint16_t *at = &s->slots[(slot + i) % MW_LEN(s->slots)];
		if (*at)
			continue;
		*at = ++s->n;
		s->at[s->n] = (struct mw_shape){
		    .name = name, .parent = parent, .count = (uint16_t)(s->at[parent].count + 1)};
		s->at[parent].likely = s->n;
		return s->n;
	}
	return 0;
}
