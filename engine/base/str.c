/* SPDX-License-Identifier: MIT
 *
 * Slices: comparing, searching, cutting, reading numbers.
 */
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

bool mw_str_ieq(struct mw_str a, struct mw_str b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

bool mw_str_starts(struct mw_str s, struct mw_str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool mw_str_istarts(struct mw_str s, struct mw_str prefix)
{
	return s.n >= prefix.n && mw_str_ieq(mw_strn(s.p, prefix.n), prefix);
}

bool mw_str_ends(struct mw_str s, struct mw_str suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

int mw_str_cmp(struct mw_str a, struct mw_str b)
{
	size_t n = MW_MIN(a.n, b.n);
	int order = n ? memcmp(a.p, b.p, n) : 0;
	if (order)
		return order;
	return a.n < b.n ? -1 : a.n > b.n;
}

size_t mw_str_find(struct mw_str s, char c)
{
	const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
	return at ? (size_t)(at - s.p) : s.n;
}

const char *mw_str_search(struct mw_str s, struct mw_str needle)
{
	if (needle.n == 0)
		return s.p;
	return s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
}

static struct mw_str trim(struct mw_str s, const char *what)
{
	while (s.n && strchr(what, s.p[0]) && s.p[0])
		s.p++, s.n--;
	while (s.n && strchr(what, s.p[s.n - 1]) && s.p[s.n - 1])
		s.n--;
	return s;
}

struct mw_str mw_str_trim(struct mw_str s)
{
	return trim(s, " \t");
}

struct mw_str mw_str_trim_all(struct mw_str s)
{
	return trim(s, " \t\r\n");
}

bool mw_str_cut(struct mw_str *s, char c, struct mw_str *part)
{
	size_t at = mw_str_find(*s, c);
	bool found = at < s->n;
	*part = mw_strn(s->p, at);
	size_t gone = at + (found ? 1 : 0);
	*s = gone ? mw_strn(s->p + gone, s->n - gone) : *s;
	return found;
}

bool mw_str_u64(struct mw_str s, uint64_t *out)
{
	if (s.n == 0)
		return false;
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned char)s.p[i] - '0';
		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

bool mw_str_double(struct mw_str s, double *out)
{
	char z[64];
	if (s.n == 0 || s.n >= sizeof(z))
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	if (strspn(z, "0123456789+-.eE") != s.n) /* no "inf", "nan", hexadecimal or spaces */
		return false;
	char *end;
	errno = 0;
	*out = strtod(z, &end);
	return end == z + s.n && errno == 0;
}

size_t mw_str_distance(struct mw_str a, struct mw_str b)
{
	enum { LOOK = 64 };
	size_t n = MW_MIN(a.n, (size_t)LOOK), m = MW_MIN(b.n, (size_t)LOOK);
	size_t row[LOOK + 1];
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t change = diagonal + (a.p[i - 1] != b.p[j - 1]);
			diagonal = row[j];
			row[j] = MW_MIN(change, MW_MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[m];
}
