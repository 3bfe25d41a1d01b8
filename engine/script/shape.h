/* SPDX-License-Identifier: MIT
 *
 * Shapes: the lists of member names that JSON objects have, as a tree in which a node is its
 * parent's list and one name more. Texts of one kind have the same few shapes, so that most names
 * are found by comparing them with the one that came next the last time: no hashing, no interning,
 * and no check for duplicates, because nobody adds a name that is on the way already. Belongs to
 * one Lua state.
 */
#ifndef MW_SHAPE_H
#define MW_SHAPE_H

#include "base/str.h"

enum {
	MW_SHAPES = 1024,  /* nodes; when they are used up the tree is begun anew */
	MW_SHAPE_ROOT = 1, /* the empty list */
	/* an object that goes beyond these keeps a list of its own: */
	MW_SHAPE_NAMES = 64,  /* names in one list */
	MW_SHAPE_LENGTH = 64, /* bytes of one name */
};

struct mw_shape {
	struct mw_str name; /* the last one of the list */
	uint16_t parent;
	uint16_t likely; /* the child that was taken last; 0: none */
	uint16_t count;  /* names in the list */
	bool used;       /* for the owner: is there something that belongs to this shape? */
};

struct mw_shapes {
	uint16_t n; /* nodes are at[1] to at[n] */
	struct mw_shape at[MW_SHAPES];
	uint16_t slots[4 * MW_SHAPES]; /* hash table (parent, name) -> child */
};

void mw_shape_reset(struct mw_shapes *s); /* leaves the root only; also the first initialisation */

/* The list of `parent` and `name`; 0: there is none. */
uint16_t mw_shape_find(const struct mw_shapes *s, uint16_t parent, struct mw_str name);
/* Is the name in the list? */
bool mw_shape_has(const struct mw_shapes *s, uint16_t shape, struct mw_str name);

/* Adds the list of `parent` and `name`, which is not in it and must outlive the tree; 0 when there
 * is no room. The new node's number is s->n. */
uint16_t mw_shape_add(struct mw_shapes *s, uint16_t parent, struct mw_str name);

static inline bool mw_shape_full(const struct mw_shapes *s)
{
	return s->n == MW_SHAPES - 1;
}

/* The list that follows `shape` by this name; 0: none is known. */
static inline uint16_t mw_shape_next(struct mw_shapes *s, uint16_t shape, struct mw_str name)
{
	uint16_t next = s->at[shape].likely;
	if (next && mw_str_eq(s->at[next].name, name))
		return next;
	next = mw_shape_find(s, shape, name);
	if (next)
		s->at[shape].likely = next;
	return next;
}

#endif
