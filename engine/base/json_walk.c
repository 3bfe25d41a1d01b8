/* SPDX-License-Identifier: MIT
 *
 * Finding things in a text that has been checked: no fault can come, so values are only stepped over.
 */
#include "base/json.h"
#include "base/json_scan.h"

#include <math.h>

/* ---- stepping over values ---------------------------------------------------------------------- */

/* The first quote or backslash. */
static const char *find_quote(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned mask = (unsigned)_mm_movemask_epi8(
		    _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* From an opening quote to behind the closing one. */
static const char *skip_string(const char *p, const char *end)
{
	p = find_quote(p + 1, end);
	while (p < end && *p == '\\')
		p = find_quote(p + 2, end);
	return p + 1;
}

/* The first quote, brace or bracket. */
static const char *find_structure(const char *p, const char *end)
{
#ifdef __SSE2__
	/* with that bit set, brackets are braces; no other byte that can stand here becomes one */
	const __m128i bit = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"'),
		      open = _mm_set1_epi8('{'), shut = _mm_set1_epi8('}');
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_or_si128(_mm_loadu_si128((const __m128i *)(const void *)p), bit);
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote),
		    _mm_or_si128(_mm_cmpeq_epi8(v, open), _mm_cmpeq_epi8(v, shut)));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);
		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (p < end && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}')
		p++;
	return p;
}

/* From an opening brace or bracket to behind the one that closes it. */
static const char *skip_nested(const char *p, const char *end)
{
	int depth = 0;
	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end);
		} else {
			depth += (*p | 0x20) == '{' ? 1 : -1;
			p++;
			if (depth == 0)
				return p;
		}
		/* what mostly follows is one of these and a quote */
		p += p < end && (*p == ':' || *p == ',');
		if (p < end && *p != '"')
			p = find_structure(p, end);
	}
	return end;
}

static const char *skip_value(const char *p, const char *end)
{
	switch (*p) {
	case '"':
		return skip_string(p, end);
	case '{':
	case '[':
		return skip_nested(p, end);
	default:
		while (p < end && !strchr(" \t\r\n,]}", *p))
			p++;
		return p;
	}
}

/* ---- walking ----------------------------------------------------------------------------------- */

struct mw_json mw_json_value(struct mw_str text)
{
	text = mw_str_trim_all(text);
	return (struct mw_json){text.n ? mw_json_kind_of(text.p[0]) : MW_JSON_NONE, text};
}

bool mw_json_next(struct mw_json in, size_t *at, struct mw_str *name, struct mw_json *value)
{
	if (in.kind != MW_JSON_OBJECT && in.kind != MW_JSON_ARRAY)
		return false;
	const char *end = in.raw.p + in.raw.n, *p = in.raw.p + (*at ? *at : 1);
	p = mw_json_scan_space(p, end);
	if (p < end && *p == ',')
		p = mw_json_scan_space(p + 1, end);
	if (p >= end || *p == ']' || *p == '}')
		return false;
	*name = MW_NOSTR;
	if (in.kind == MW_JSON_OBJECT) {
		const char *quote = p;
		p = skip_string(p, end);
		*name = mw_strn(quote, (size_t)(p - quote));
		p = mw_json_scan_space(p, end);
		p = mw_json_scan_space(p + 1, end); /* behind the colon */
	}
	const char *behind = skip_value(p, end);
	*value = (struct mw_json){mw_json_kind_of(*p), {p, (size_t)(behind - p)}};
	*at = (size_t)(behind - in.raw.p);
	return true;
}

static struct mw_str inside(struct mw_str quoted)
{
	return mw_strn(quoted.p + 1, quoted.n - 2);
}

struct mw_json mw_json_get(struct mw_json object, struct mw_str name)
{
	struct mw_json value;
	struct mw_str raw;
	for (size_t at = 0;
	     object.kind == MW_JSON_OBJECT && mw_json_next(object, &at, &raw, &value);)
		if (mw_json_scan_same(inside(raw), name))
			return value;
	return (struct mw_json){MW_JSON_NONE, MW_NOSTR};
}

struct mw_json mw_json_item(struct mw_json array, size_t i)
{
	struct mw_json value;
	struct mw_str none;
	for (size_t at = 0; array.kind == MW_JSON_ARRAY && mw_json_next(array, &at, &none, &value);
	     i--)
		if (i == 0)
			return value;
	return (struct mw_json){MW_JSON_NONE, MW_NOSTR};
}

size_t mw_json_count(struct mw_json container)
{
	struct mw_json value;
	struct mw_str name;
	size_t n = 0;
	for (size_t at = 0; mw_json_next(container, &at, &name, &value);)
		n++;
	return n;
}

bool mw_json_index(struct mw_str step, size_t count, size_t *out)
{
	uint64_t i;
	bool from_end = mw_str_starts(step, MW_STR("-"));
	if (!mw_str_u64(from_end ? mw_strn(step.p + 1, step.n - 1) : step, &i) || i == 0)
		return false;
	if (from_end && i > count)
		return false;
	*out = from_end ? count - (size_t)i : (size_t)i - 1;
	return true;
}

struct mw_json mw_json_at(struct mw_json root, struct mw_str path)
{
	struct mw_json at = root;
	for (bool more = path.n > 0; more && at.kind != MW_JSON_NONE;) {
		struct mw_str step;
		more = mw_str_cut(&path, '.', &step);
		size_t i;
		if (at.kind == MW_JSON_OBJECT)
			at = mw_json_get(at, step);
		else if (mw_json_index(step, mw_json_count(at), &i))
			at = mw_json_item(at, i);
		else
			at = (struct mw_json){MW_JSON_NONE, MW_NOSTR};
	}
	return at;
}

/* ---- scalars ----------------------------------------------------------------------------------- */

bool mw_json_true(struct mw_json v)
{
	return v.kind == MW_JSON_BOOL && v.raw.p[0] == 't';
}

bool mw_json_double(struct mw_json v, double *out)
{
	return v.kind == MW_JSON_NUMBER && mw_str_double(v.raw, out);
}

/* Digits alone are read as they are; 1.0 and 1e3 are integral too, as far as a double can tell. */
bool mw_json_i64(struct mw_json v, int64_t *out)
{
	if (v.kind != MW_JSON_NUMBER)
		return false;
	bool negative = v.raw.p[0] == '-';
	uint64_t size;
	if (mw_str_u64(mw_strn(v.raw.p + negative, v.raw.n - negative), &size)) {
		if (size > (uint64_t)INT64_MAX + negative)
			return false;
		*out = (int64_t)(negative ? 0 - size : size);
		return true;
	}
	double d;
	if (!mw_str_double(v.raw, &d) || fabs(d) > 0x1p53 || d != trunc(d))
		return false;
	*out = (int64_t)d;
	return true;
}

struct mw_str mw_json_text(struct mw_json v, struct mw_arena *a)
{
	if (v.kind != MW_JSON_STRING)
		return MW_STR("");
	struct mw_str raw = inside(v.raw);
	if (mw_str_find(raw, '\\') == raw.n)
		return raw;
	char *out = mw_arena_alloc(a, raw.n);
	return mw_strn(out, (size_t)(mw_json_scan_unescape(out, raw) - out));
}

struct mw_str mw_json_quoted(struct mw_str text, struct mw_arena *a)
{
	struct mw_buf b;
	mw_buf_init(&b, MW_MAX_BODY);
	mw_json_quote(&b, text);
	struct mw_str quoted = mw_arena_dup(a, mw_buf_str(&b));
	mw_buf_deinit(&b);
	return quoted;
}

bool mw_json_is(struct mw_json v, const char *plain)
{
	return v.kind == MW_JSON_STRING && mw_json_scan_same(inside(v.raw), mw_str(plain));
}
