/* SPDX-License-Identifier: MIT
 *
 * The tokens of JSON (RFC 8259), shared by the checker (base/json.c) and the converter to Lua
 * values (script/convert): spaces, strings, numbers, words, and what to say when a text is not
 * JSON. The functions step over one token: they take the place where it begins and give the place
 * behind it, or NULL with the fault noted in the scan. Inline where a call per token would show.
 */
#ifndef MW_JSON_SCAN_H
#define MW_JSON_SCAN_H

#include "base/err.h"
#include "base/str.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum mw_json_fault {
	MW_JSON_FAULT_NONE,
	/* what should have stood there */
	MW_JSON_FAULT_VALUE,
	MW_JSON_FAULT_NAME, /* of a member, in quotes */
	MW_JSON_FAULT_COLON,
	MW_JSON_FAULT_MORE_ITEMS,   /* a comma or ']' */
	MW_JSON_FAULT_MORE_MEMBERS, /* a comma or '}' */
	MW_JSON_FAULT_END,          /* nothing */
	/* what is wrong with what stands there */
	MW_JSON_FAULT_STRING_CUT,
	MW_JSON_FAULT_ESCAPE,
	MW_JSON_FAULT_CONTROL,
	MW_JSON_FAULT_UTF8,
	MW_JSON_FAULT_NUMBER,
	MW_JSON_FAULT_DEPTH,
	MW_JSON_FAULT_TWICE,   /* `at` is the second name's quote */
	MW_JSON_FAULT_MEMBERS, /* too many in one object */
	MW_JSON_FAULT_MEMORY,
};

struct mw_json_scan {
	const char *begin, *end;
	const char *at; /* of the fault */
	enum mw_json_fault fault;
};

/* Notes a fault; returns NULL, for `return mw_json_scan_stop(...)`. */
static inline const char *mw_json_scan_stop(
    struct mw_json_scan *s, enum mw_json_fault fault, const char *at)
{
	s->fault = fault;
	s->at = at;
	return NULL;
}

/* Puts the noted fault into words, with line and column (of characters, from 1); returns false. */
MW_COLD bool mw_json_scan_explain(const struct mw_json_scan *s, struct mw_err *err);

static inline const char *mw_json_scan_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

static inline bool mw_json_scan_is_plain(char c)
{
	return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

/* Are all eight bytes plain? */
static inline bool mw_json_scan_plain8(const char *p)
{
	const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
	uint64_t w;
	memcpy(&w, p, 8);
	uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
	uint64_t zero = ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
	return (((w - ones * ' ') | w | zero) & highs) == 0;
}

#ifdef __SSE2__
/* Which of 16 bytes are not plain: a bit each. */
static inline uint64_t mw_json_scan_marks(const char *p)
{
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'),
		      space = _mm_set1_epi8(' ');
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	/* signed: bytes beyond ASCII count as less than a space */
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmplt_epi8(v, space),
	    _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash))));
}
#endif

/* As mw_json_scan_plain, on any machine. */
static inline const char *mw_json_scan_plain_portable(const char *p, const char *end)
{
	while (end - p >= 8 && mw_json_scan_plain8(p))
		p += 8;
	while (p < end && mw_json_scan_is_plain(*p))
		p++;
	return p;
}

/* The first byte of a string's inside that needs a look: quote, backslash, control or not ASCII. */
static inline const char *mw_json_scan_plain(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		uint64_t marks = mw_json_scan_marks(p);
		if (marks)
			return p + __builtin_ctzll(marks);
	}
#endif
	return mw_json_scan_plain_portable(p, end);
}

/* The length of the UTF-8 sequence (of two to four bytes) at p; 0 if it is none. */
size_t mw_json_scan_utf8(const char *p, const char *end);

/* The rest of a string from the first byte that is not plain. */
const char *mw_json_scan_string_rest(struct mw_json_scan *s, const char *p, bool *escaped);

/* From behind the opening quote to the closing one. `escaped` becomes true if it has a backslash. */
static inline const char *mw_json_scan_string(struct mw_json_scan *s, const char *p, bool *escaped)
{
	p = mw_json_scan_plain(p, s->end);
	if (p < s->end && *p == '"')
		return p;
	return mw_json_scan_string_rest(s, p, escaped);
}

static inline const char *mw_json_scan_digits(const char *p, const char *end)
{
	while (p < end && (unsigned char)(*p - '0') < 10)
		p++;
	return p;
}

/* `integral`: has it neither fraction nor exponent? */
static inline const char *mw_json_scan_number(struct mw_json_scan *s, const char *p, bool *integral)
{
	const char *begin = p, *end = s->end;
	p += *p == '-';
	const char *digits = p;
	p = mw_json_scan_digits(p, end);
	if (p == digits || (*digits == '0' && p > digits + 1))
		return mw_json_scan_stop(s, MW_JSON_FAULT_NUMBER, begin);
	*integral = true;
	if (p < end && *p == '.') {
		*integral = false;
		digits = ++p;
		p = mw_json_scan_digits(p, end);
		if (p == digits)
			return mw_json_scan_stop(s, MW_JSON_FAULT_NUMBER, begin);
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		*integral = false;
		p += 1 + (end - p > 1 && (p[1] == '+' || p[1] == '-'));
		digits = p;
		p = mw_json_scan_digits(p, end);
		if (p == digits)
			return mw_json_scan_stop(s, MW_JSON_FAULT_NUMBER, begin);
	}
	return p;
}

/* One of the words true, false, null. */
static inline const char *mw_json_scan_word(
    struct mw_json_scan *s, const char *p, struct mw_str word)
{
	if ((size_t)(s->end - p) < word.n || memcmp(p, word.p, word.n) != 0)
		return mw_json_scan_stop(s, MW_JSON_FAULT_VALUE, p);
	return p + word.n;
}

/* Writes the inside of a checked string without its escapes to `out`, which has room for raw.n
 * bytes, and returns the end of what was written. A lone surrogate becomes U+FFFD. */
char *mw_json_scan_unescape(char *out, struct mw_str raw);

/* Is the inside of a checked string, without its escapes, equal to `plain`? */
bool mw_json_scan_same(struct mw_str raw, struct mw_str plain);

#endif
