/* SPDX-License-Identifier: MIT
 *
 * Borrowed slices of bytes. A slice owns nothing and is not ended by a NUL; it lives as long as
 * what it was cut from. {NULL, 0} is "absent" and also reads as empty.
 */
#ifndef MW_STR_H
#define MW_STR_H

#include "base/base.h"

#include <string.h>

struct mw_str {
	const char *p;
	size_t n;
};

#define MW_STR(literal) ((struct mw_str){(literal), sizeof(literal) - 1})
#define MW_NOSTR	((struct mw_str){NULL, 0})
/* For printf's "%.*s". */
#define MW_FMT(s) (int)MW_MIN((s).n, (size_t)65536), (s).p ? (s).p : ""

static inline struct mw_str mw_str(const char *z)
{
	return (struct mw_str){z, z ? strlen(z) : 0};
}

static inline struct mw_str mw_strn(const char *p, size_t n)
{
	return (struct mw_str){p, n};
}

static inline bool mw_str_eq(struct mw_str a, struct mw_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool mw_str_is(struct mw_str a, const char *z)
{
	return mw_str_eq(a, mw_str(z));
}

bool mw_str_ieq(struct mw_str a, struct mw_str b); /* ASCII letters without regard to case */
bool mw_str_starts(struct mw_str s, struct mw_str prefix);
bool mw_str_istarts(struct mw_str s, struct mw_str prefix); /* likewise */
bool mw_str_ends(struct mw_str s, struct mw_str suffix);
int mw_str_cmp(struct mw_str a, struct mw_str b); /* as memcmp, shorter first */

/* Index of the first c, or s.n. */
size_t mw_str_find(struct mw_str s, char c);
/* Start of the first needle in s, or NULL. */
const char *mw_str_search(struct mw_str s, struct mw_str needle);

/* Without spaces and tabs (and, for mw_str_trim_all, line ends) at both ends. */
struct mw_str mw_str_trim(struct mw_str s);
struct mw_str mw_str_trim_all(struct mw_str s);

/* Takes the part before the first c off *s; false (and *part = all of it) when there is no c. */
bool mw_str_cut(struct mw_str *s, char c, struct mw_str *part);

/* The value of a hexadecimal digit, -1 for any other byte. */
static inline int mw_str_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The whole of s as a decimal number; false if it is anything else or does not fit. */
bool mw_str_u64(struct mw_str s, uint64_t *out) MW_MUSTCHECK;
bool mw_str_double(struct mw_str s, double *out) MW_MUSTCHECK;

/* How many single-character edits lie between a and b; for "did you mean". Looks at no more than
 * 64 bytes of either. */
size_t mw_str_distance(struct mw_str a, struct mw_str b);

#endif
