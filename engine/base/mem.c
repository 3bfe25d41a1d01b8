/* SPDX-License-Identifier: MIT
 *
 * Memory: malloc with the decision of what to do when there is none, and the abort of mw_require.
 */
#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mw_require_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "moonweir: broken invariant at %s:%d: %s\n", file, line, cond);
	abort();
}

void mw_mem_tune(void)
{
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
	mallopt(M_TOP_PAD, 1 << 20);
}

static void *or_die(void *p)
{
	if (!p) {
		fputs("moonweir: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *mw_mem_alloc(size_t n)
{
	return or_die(malloc(n ? n : 1));
}

void *mw_mem_zalloc(size_t n)
{
	return or_die(calloc(1, n ? n : 1));
}

void *mw_mem_realloc(void *p, size_t n)
{
	return or_die(realloc(p, n ? n : 1));
}

void *mw_mem_try(void *p, size_t n)
{
	return realloc(p, n ? n : 1);
}

char *mw_mem_strdup(const char *s)
{
	return or_die(strdup(s));
}

void mw_mem_free(void *p)
{
	free(p);
}
