/* SPDX-License-Identifier: MIT
 *
 * Memory. Small allocations abort when there is none left, which removes half of all error
 * branches; whatever a client can size goes through a ceiling first and then through mw_mem_try.
 */
#ifndef MW_MEM_H
#define MW_MEM_H

#include "base/base.h"

/* Once, first thing: keeps freed memory of a few MiB at hand instead of giving it back to the system and
 * asking again for every large body. */
void mw_mem_tune(void);

void *mw_mem_alloc(size_t n);			  /* n bytes, not zeroed; never NULL */
void *mw_mem_zalloc(size_t n);			  /* n zero bytes; never NULL */
void *mw_mem_realloc(void *p, size_t n);	  /* never NULL */
void *mw_mem_try(void *p, size_t n) MW_MUSTCHECK; /* like realloc; NULL when there is none left */
char *mw_mem_strdup(const char *s);		  /* owned by the caller */
void mw_mem_free(void *p);			  /* takes NULL */

#endif
