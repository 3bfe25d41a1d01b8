/* SPDX-License-Identifier: MIT
 *
 * Tokens of JSON, the rare part: strings that hold more than plain ASCII, and escapes.
 */
#include "base/json_scan.h"

#include "base/mem.h"

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The second byte decides over overlong forms, surrogates and what lies beyond U+10FFFF. */
static bool good_second(unsigned char lead, unsigned char second)
{
	switch (lead) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return is_tail(second);
	}
}

static size_t utf8_length(unsigned char lead)
{
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

size_t mw_json_scan_utf8(const char *at, const char *end)
{
	const unsigned char *p = (const unsigned char *)at;
	size_t n = utf8_length(p[0]);
	if (n == 0 || (size_t)(end - at) < n || !good_second(p[0], p[1]))
		return 0;
	if ((n > 2 && !is_tail(p[2])) || (n > 3 && !is_tail(p[3])))
		return 0;
	return n;
}

/* Is what is left a good beginning of a sequence that the end of the text cuts? */
static bool is_cut_utf8(const char *at, const char *end)
{
	const unsigned char *p = (const unsigned char *)at;
	size_t left = (size_t)(end - at);
	if (left >= utf8_length(p[0]) || (left > 1 && !good_second(p[0], p[1])))
		return false;
	return left < 3 || is_tail(p[2]);
}

/* Steps over all the bytes beyond ASCII that follow each other. */
static const char *scan_foreign(struct mw_json_scan *s, const char *p)
{
	while (p < s->end && (unsigned char)*p >= 0x80) {
		size_t n = mw_json_scan_utf8(p, s->end);
		if (n == 0 && is_cut_utf8(p, s->end))
			return mw_json_scan_stop(s, MW_JSON_FAULT_STRING_CUT, s->end);
		if (n == 0)
			return mw_json_scan_stop(s, MW_JSON_FAULT_UTF8, p);
		p += n;
	}
	return p;
}

static bool is_short_escape(char c)
{
	static const bool known[256] = {['"'] = true,
	    ['\\'] = true,
	    ['/'] = true,
	    ['b'] = true,
	    ['f'] = true,
	    ['n'] = true,
	    ['r'] = true,
	    ['t'] = true};
	return known[(unsigned char)c];
}

static const char *scan_escape(struct mw_json_scan *s, const char *p)
{
	if (s->end - p < 2)
		return mw_json_scan_stop(s, MW_JSON_FAULT_STRING_CUT, s->end);
	if (is_short_escape(p[1]))
		return p + 2;
	if (p[1] != 'u')
		return mw_json_scan_stop(s, MW_JSON_FAULT_ESCAPE, p);
	for (int i = 2; i < 6; i++) {
		if (p + i == s->end)
			return mw_json_scan_stop(s, MW_JSON_FAULT_STRING_CUT, s->end);
		if (mw_str_hex(p[i]) < 0)
			return mw_json_scan_stop(s, MW_JSON_FAULT_ESCAPE, p);
	}
	return p + 6;
}

/* As mw_json_scan_plain, but steps over short escapes too, so that prose with its quotes and line ends costs
 * little more than plain text: all marks of 64 bytes are found at once, which spares the mispredicted
 * jumps of stopping at each. */
static const char *scan_prose(const char *p, const char *end, bool *escaped)
{
#ifdef __SSE2__
	while (end - p > 64) {
		uint64_t marks = mw_json_scan_marks(p) | mw_json_scan_marks(p + 16) << 16 |
		                 mw_json_scan_marks(p + 32) << 32 |
		                 mw_json_scan_marks(p + 48) << 48;
		size_t step = 64;
		for (; marks; marks &= marks - 1) {
			size_t i = (size_t)__builtin_ctzll(marks);
			if (p[i] != '\\' || !is_short_escape(p[i + 1]))
				return p + i;
			*escaped = true;
			if (i == 63)
				step++; /* what is escaped lies in the next block */
			else
				marks &= ~((uint64_t)2 << i);
		}
		p += step;
	}
#endif
	return mw_json_scan_plain(p, end);
}

const char *mw_json_scan_string_rest(struct mw_json_scan *s, const char *p, bool *escaped)
{
	while (p && p < s->end && *p != '"') {
		if (*p == '\\') {
			*escaped = true;
			p = scan_escape(s, p);
		} else if ((unsigned char)*p >= 0x80) {
			p = scan_foreign(s, p);
		} else {
			return mw_json_scan_stop(s, MW_JSON_FAULT_CONTROL, p);
		}
		if (p)
			p = scan_prose(p, s->end, escaped);
	}
	return p == s->end ? mw_json_scan_stop(s, MW_JSON_FAULT_STRING_CUT, p) : p;
}

/* ---- escapes of a checked string ---------------------------------------------------------------
 */

static char *put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (c & 0x3f));
	return out;
}

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++)
		v = v << 4 | (uint32_t)mw_str_hex(p[i]);
	return v;
}

/* *p stands behind "\u" and moves behind the digits, or behind those of a whole pair. */
static uint32_t code_point(const char **p, const char *end)
{
	uint32_t c = hex4(*p);
	*p += 4;
	if (c < 0xd800 || c > 0xdfff)
		return c;
	if (c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
		uint32_t low = hex4(*p + 2);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*p += 6;
			return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	return 0xfffd;
}

static char plain_of_escape(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

/* Copies up to the next backslash, or to the end. Writing whole blocks is safe: what is written
 * never gets ahead of what is read. */
static const char *copy_plain(char **out, const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i slash = _mm_set1_epi8('\\');
	for (; end - p >= 16; p += 16, *out += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		_mm_storeu_si128((__m128i *)(void *)*out, v);
		unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, slash));
		if (mask) {
			int n = __builtin_ctz(mask);
			*out += n;
			return p + n;
		}
	}
#endif
	while (p < end && *p != '\\')
		*(*out)++ = *p++;
	return p;
}

char *mw_json_scan_unescape(char *out, struct mw_str raw)
{
	const char *p = raw.p, *end = p + raw.n;
	while ((p = copy_plain(&out, p, end)) < end) {
		char c = p[1];
		p += 2;
		if (c == 'u')
			out = put_utf8(out, code_point(&p, end));
		else
			*out++ = plain_of_escape(c);
	}
	return out;
}

bool mw_json_scan_same(struct mw_str raw, struct mw_str plain)
{
	if (mw_str_find(raw, '\\') == raw.n)
		return mw_str_eq(raw, plain);
	/* no escape is longer than six bytes for one */
	if (raw.n < plain.n || raw.n / 6 > plain.n)
		return false;
	char few[256], *out = raw.n <= sizeof(few) ? few : mw_mem_alloc(raw.n);
	bool same = mw_str_eq(mw_strn(out, (size_t)(mw_json_scan_unescape(out, raw) - out)), plain);
	if (out != few)
		mw_mem_free(out);
	return same;
}
