/* SPDX-License-Identifier: MIT
 *
 * A growing row of bytes with a ceiling that is given when it is made. Appending past the ceiling (or past the
 * machine's memory) changes nothing and is remembered in `full`, so that a writer may append many
 * times and look once. Not thread-safe.
 */
#ifndef MW_BUF_H
#define MW_BUF_H

#include "base/str.h"

struct mw_buf {
	char *p;
	size_t n, cap, max;
	bool full; /* an append did not fit; what is in the buffer is then not the whole text */
};

void mw_buf_init(struct mw_buf *b, size_t max); /* holds no memory until the first append */
void mw_buf_deinit(struct mw_buf *b);

bool mw_buf_grow(struct mw_buf *b, size_t n) MW_MUSTCHECK; /* for mw_buf_reserve */

/* Room for n more bytes behind b->p + b->n; false (and full) if that cannot be. */
static inline bool MW_MUSTCHECK mw_buf_reserve(struct mw_buf *b, size_t n)
{
	return b->cap - b->n >= n || mw_buf_grow(b, n);
}

static inline void mw_buf_add(struct mw_buf *b, struct mw_str s)
{
	if (s.n == 0 || !mw_buf_reserve(b, s.n))
		return;
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}

void mw_buf_addz(struct mw_buf *b, const char *z);
void mw_buf_addc(struct mw_buf *b, char c);
void mw_buf_addf(struct mw_buf *b, const char *fmt, ...) MW_PRINTF(2, 3);
/* In decimal, with a point before the last `places` digits: 1234 with 3 places is "1.234". */
void mw_buf_addu(struct mw_buf *b, uint64_t v, unsigned places);

void mw_buf_drop(struct mw_buf *b, size_t n); /* removes the first n bytes; n <= b->n */
void mw_buf_clear(struct mw_buf *b);	      /* keeps the memory */

static inline struct mw_str mw_buf_str(const struct mw_buf *b)
{
	return (struct mw_str){b->p, b->n};
}

#endif
