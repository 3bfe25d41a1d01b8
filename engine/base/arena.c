/* SPDX-License-Identifier: MIT
 *
 * Arenas: a chain of blocks, the newest first, and a list of cleanups.
 */
#include "base/arena.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#ifndef MW_ARENA_BLOCK
#define MW_ARENA_BLOCK 8192
#endif

enum { ALIGN = 16 };

struct block {
	struct block *older;
	size_t used, cap;
	_Alignas(ALIGN) char bytes[];
};

struct cleanup {
	struct cleanup *older;
	void (*fn)(void *arg);
	void *arg;
};

struct mw_arena {
	struct block *newest;
	struct cleanup *cleanups;
};

static struct block *block_new(size_t cap)
{
	struct block *b = mw_mem_try(NULL, sizeof(*b) + cap);
	if (b)
		*b = (struct block){.cap = cap};
	return b;
}

struct mw_arena *mw_arena_new(void)
{
	struct mw_arena *a = mw_mem_zalloc(sizeof(*a));
	a->newest = block_new(MW_ARENA_BLOCK);
	mw_require(a->newest);
	return a;
}

static void run_cleanups(struct mw_arena *a)
{
	while (a->cleanups) {
		struct cleanup *c = a->cleanups;
		a->cleanups = c->older;
		c->fn(c->arg);
	}
}

/* Frees all blocks but the first, which is the oldest. */
static void drop_blocks(struct mw_arena *a)
{
	while (a->newest->older) {
		struct block *b = a->newest;
		a->newest = b->older;
		mw_mem_free(b);
	}
}

void mw_arena_reset(struct mw_arena *a)
{
	run_cleanups(a);
	drop_blocks(a);
	a->newest->used = 0;
}

void mw_arena_free(struct mw_arena *a)
{
	if (!a)
		return;
	run_cleanups(a);
	drop_blocks(a);
	mw_mem_free(a->newest);
	mw_mem_free(a);
}

void *mw_arena_try(struct mw_arena *a, size_t n)
{
	if (n > SIZE_MAX - ALIGN)
		return NULL;
	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct block *b = a->newest;
	if (b->cap - b->used < n) {
		b = block_new(MW_MAX(n, (size_t)MW_ARENA_BLOCK));
		if (!b)
			return NULL;
		b->older = a->newest;
		a->newest = b;
	}
	void *p = b->bytes + b->used;
	b->used += n;
	return p;
}

void *mw_arena_alloc(struct mw_arena *a, size_t n)
{
	void *p = mw_arena_try(a, n);
	mw_require(p);
	return p;
}

void *mw_arena_zalloc(struct mw_arena *a, size_t n)
{
	return memset(mw_arena_alloc(a, n), 0, n);
}

struct mw_str mw_arena_dup(struct mw_arena *a, struct mw_str s)
{
	char *p = mw_arena_alloc(a, s.n + 1);
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return mw_strn(p, s.n);
}

char *mw_arena_dupz(struct mw_arena *a, struct mw_str s)
{
	return (char *)mw_arena_dup(a, s).p;
}

struct mw_str mw_arena_printf(struct mw_arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	mw_require(n >= 0);
	char *p = mw_arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return mw_strn(p, (size_t)n);
}

void mw_arena_on_reset(struct mw_arena *a, void (*fn)(void *arg), void *arg)
{
	struct cleanup *c = mw_arena_alloc(a, sizeof(*c));
	*c = (struct cleanup){.older = a->cleanups, .fn = fn, .arg = arg};
	a->cleanups = c;
}
