/* SPDX-License-Identifier: MIT
 *
 * Doubly linked lists whose links live inside the things they hold. A node that is on no list
 * points at itself, so that removing it twice is harmless.
 */
#ifndef MW_LIST_H
#define MW_LIST_H

#include "base/base.h"

struct mw_list {
	struct mw_list *next, *prev;
};

static inline void mw_list_init(struct mw_list *l)
{
	l->next = l->prev = l;
}

static inline bool mw_list_empty(const struct mw_list *l)
{
	return l->next == l;
}

/* Adds at the end of the list; the node must be on no list. */
static inline void mw_list_add(struct mw_list *list, struct mw_list *node)
{
	node->prev = list->prev;
	node->next = list;
	list->prev->next = node;
	list->prev = node;
}

static inline void mw_list_del(struct mw_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	mw_list_init(node);
}

/* Takes the first node off; NULL when the list is empty. */
static inline struct mw_list *mw_list_take(struct mw_list *list)
{
	struct mw_list *node = list->next;
	if (node == list)
		return NULL;
	mw_list_del(node);
	return node;
}

/* Moves all nodes of a list to another, whatever that held. */
static inline void mw_list_move(struct mw_list *from, struct mw_list *to)
{
	struct mw_list *node;
	mw_list_init(to);
	while ((node = mw_list_take(from)))
		mw_list_add(to, node);
}

/* The body may not remove any node but the one it stands on, and only with MW_LIST_EACH_SAFE. */
#define MW_LIST_EACH(it, list) for (struct mw_list *it = (list)->next; it != (list); it = it->next)
#define MW_LIST_EACH_SAFE(it, list)                                                                \
	for (struct mw_list *it = (list)->next, *it##_next = it->next; it != (list);               \
	     it = it##_next, it##_next = it->next)

#endif
