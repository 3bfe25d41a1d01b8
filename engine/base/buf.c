/* SPDX-License-Identifier: MIT
 *
 * Growing byte buffers.
 */
#include "base/buf.h"

#include "base/mem.h"
#include "base/number.h"

#include <stdarg.h>
#include <stdio.h>

#ifndef MW_BUF_FIRST
#define MW_BUF_FIRST 512
#endif

void mw_buf_init(struct mw_buf *b, size_t max)
{
	*b = (struct mw_buf){.max = max};
}

void mw_buf_deinit(struct mw_buf *b)
{
	mw_mem_free(b->p);
	*b = (struct mw_buf){.max = b->max};
}

bool mw_buf_grow(struct mw_buf *b, size_t n)
{
	if (n > b->max || b->n > b->max - n) {
		b->full = true;
		return false;
	}
	size_t cap = MW_MAX(b->cap * 2, (size_t)MW_BUF_FIRST);
	while (cap < b->n + n)
		cap *= 2;
	cap = MW_MIN(cap, b->max);
	char *p = mw_mem_try(b->p, cap + 1); /* one byte more than is told: vsnprintf's NUL */
	if (!p) {
		b->full = true;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void mw_buf_addz(struct mw_buf *b, const char *z)
{
	mw_buf_add(b, mw_str(z));
}

void mw_buf_addc(struct mw_buf *b, char c)
{
	mw_buf_add(b, mw_strn(&c, 1));
}

void mw_buf_addf(struct mw_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0 && mw_buf_reserve(b, (size_t)n)) {
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void mw_buf_addu(struct mw_buf *b, uint64_t v, unsigned places)
{
	char text[MW_NUMBER_LONGEST];
	mw_buf_add(b, mw_strn(text, mw_number_decimal(v, places, text)));
}

void mw_buf_drop(struct mw_buf *b, size_t n)
{
	mw_require(n <= b->n);
	b->n -= n;
	if (n && b->n)
		memmove(b->p, b->p + n, b->n);
}

void mw_buf_clear(struct mw_buf *b)
{
	b->n = 0;
	b->full = false;
}
