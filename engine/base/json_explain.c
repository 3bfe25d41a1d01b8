/* SPDX-License-Identifier: MIT
 *
 * Why a text is not JSON, in words: looks at what stands where the scan stopped, for the mistakes
 * that people and their tools really make. Runs only for what is refused, so it may look around
 * freely.
 */
#include "base/json_scan.h"

#include <ctype.h>
#include <stdio.h>

enum { SHOWN = 40 }; /* bytes of a text that a message may show */

struct place {
	size_t line, column;
};

static struct place place_of(const struct mw_json_scan *s)
{
	struct place place = {1, 1};
	for (const char *p = s->begin; p < s->at; p++) {
		if (*p == '\n')
			place = (struct place){place.line + 1, 1};
		else if (((unsigned char)*p & 0xc0) != 0x80)
			place.column++;
	}
	return place;
}

/* The last byte before the fault that is no space; 0 if there is none. */
static char byte_before(const struct mw_json_scan *s)
{
	for (const char *p = s->at; p > s->begin; p--)
		if (!strchr(" \t\r\n", p[-1]))
			return p[-1];
	return 0;
}

static bool begins(const struct mw_json_scan *s, const char *word)
{
	return mw_str_starts(mw_strn(s->at, (size_t)(s->end - s->at)), mw_str(word));
}

static bool is_letter(char c)
{
	return isalpha((unsigned char)c) || c == '_' || c == '$';
}

/* Words of other languages, where a value should stand. */
static const char *foreign_word(const struct mw_json_scan *s)
{
	static const char *const words[][2] = {
	    {"NaN", "NaN is not JSON; use null or a number"},
	    {"nan", "NaN is not JSON; use null or a number"},
	    {"Infinity", "Infinity is not JSON; use null or a number"},
	    {"-Infinity", "Infinity is not JSON; use null or a number"},
	    {"inf", "Infinity is not JSON; use null or a number"},
	    {"-inf", "Infinity is not JSON; use null or a number"},
	    {"-NaN", "NaN is not JSON; use null or a number"},
	    {"-nan", "NaN is not JSON; use null or a number"},
	    {"True", "True is not JSON; write true"},
	    {"False", "False is not JSON; write false"},
	    {"None", "None is not JSON; write null"},
	    {"undefined", "undefined is not JSON; write null or leave the member out"},
	    {"\xef\xbb\xbf", "a byte order mark; send UTF-8 without one"},
	    {"\xff\xfe", "this is UTF-16; send UTF-8"},
	    {"\xfe\xff", "this is UTF-16; send UTF-8"},
	    {"\x1f\x8b", "this is gzip; send it uncompressed"},
	    {"\x28\xb5\x2f\xfd", "this is Zstandard; send it uncompressed"},
	    {"//", "JSON has no comments"},
	    {"/*", "JSON has no comments"},
	    {"#", "JSON has no comments"},
	    {"'", "single quotes; JSON strings stand in double quotes"},
	    {"`", "backquotes; JSON strings stand in double quotes"},
	    {"\xe2\x80\x9c", "typographic quotes; JSON strings stand in plain double quotes"},
	    {"+", "a number cannot begin with '+'"},
	    {".", "a number cannot begin with '.'; write 0 before it"},
	};
	for (size_t i = 0; i < MW_LEN(words); i++)
		if (begins(s, words[i][0]))
			return words[i][1];
	return NULL;
}

/* `expected` did not come; say what stands there instead. */
static void unexpected(const struct mw_json_scan *s, const char *expected, char *out, size_t n)
{
	unsigned char c = (unsigned char)*s->at;
	if (c > ' ' && c < 0x7f)
		snprintf(out, n, "'%c' stands where %s is expected", c, expected);
	else
		snprintf(out, n, "byte 0x%02x stands where %s is expected", c, expected);
}

static void explain_value(const struct mw_json_scan *s, char *out, size_t n)
{
	const char *known = foreign_word(s);
	char before = byte_before(s), c = *s->at;
	if (known)
		snprintf(out, n, "%s", known);
	else if (before == ',' && (c == ']' || c == '}'))
		snprintf(out, n, "trailing comma before '%c'", c);
	else if (is_letter(c))
		snprintf(out, n, "an unquoted word; JSON strings stand in double quotes");
	else
		unexpected(s, "a value", out, n);
}

static void explain_name(const struct mw_json_scan *s, char *out, size_t n)
{
	char c = *s->at;
	if (byte_before(s) == ',' && (c == '}' || c == ']'))
		snprintf(out, n, "trailing comma before '%c'", c);
	else if (c == '\'' || c == '/' || c == '#')
		snprintf(out, n, "%s", foreign_word(s) ? foreign_word(s) : "a name is expected");
	else if (is_letter(c))
		snprintf(out, n, "a member name without double quotes");
	else
		unexpected(s, "a member name in double quotes", out, n);
}

static void explain_more(const struct mw_json_scan *s, const char *expected, char *out, size_t n)
{
	char c = *s->at;
	if (c == '/' || c == '#')
		snprintf(out, n, "JSON has no comments");
	else if (c == '"' || c == '{' || c == '[' || isdigit((unsigned char)c) || is_letter(c))
		snprintf(out, n, "%s is expected here; is a comma missing?", expected);
	else
		unexpected(s, expected, out, n);
}

static void explain_number(const struct mw_json_scan *s, char *out, size_t n)
{
	const char *digits = s->at + (*s->at == '-');
	const char *known = foreign_word(s);
	if (known)
		snprintf(out, n, "%s", known);
	else if (s->end - digits > 1 && digits[0] == '0' && isdigit((unsigned char)digits[1]))
		snprintf(out, n, "a number with a leading zero");
	else
		snprintf(out, n, "a number without a digit after its sign, point or exponent");
}

static void explain_escape(const struct mw_json_scan *s, char *out, size_t n)
{
	unsigned char c = (unsigned char)s->at[1];
	if (c == 'u')
		snprintf(out, n, "\\u needs four hexadecimal digits");
	else if (c > ' ' && c < 0x7f)
		snprintf(out, n, "\\%c is no JSON escape; write \\\\ for a backslash", c);
	else
		snprintf(out, n, "a backslash before byte 0x%02x; write \\\\ for a backslash", c);
}

static void explain_control(const struct mw_json_scan *s, char *out, size_t n)
{
	unsigned char c = (unsigned char)*s->at;
	if (c == '\n' || c == '\r' || c == '\t')
		snprintf(out, n, "a raw %s inside a string; write \\%c",
		    c == '\t' ? "tab" : "line end",
		    c == '\n'   ? 'n'
		    : c == '\r' ? 'r'
				: 't');
	else
		snprintf(out, n, "a raw control character inside a string; write \\u%04x", c);
}

/* The name whose quote stands at the fault, raw, clipped, and only as far as it is printable. */
static void explain_twice(const struct mw_json_scan *s, char *out, size_t n)
{
	const char *name = s->at + 1, *p = name;
	while (p < s->end && *p != '"' && (unsigned char)*p >= ' ' && p - name < SHOWN)
		p += *p == '\\' && s->end - p > 1 ? 2 : 1;
	bool whole = p < s->end && *p == '"';
	while (!whole && p > name && ((unsigned char)*p & 0xc0) == 0x80)
		p--;
	snprintf(out, n, "'%.*s%s' stands twice in one object", (int)(p - name), name,
	    whole ? "" : "...");
}

static void explain_end(const struct mw_json_scan *s, char *out, size_t n)
{
	bool empty = mw_json_scan_space(s->begin, s->end) == s->end;
	const char *where = "where a value is expected";
	if (s->fault == MW_JSON_FAULT_MORE_ITEMS)
		where = "inside an array";
	else if (s->fault == MW_JSON_FAULT_STRING_CUT)
		where = "inside a string";
	else if (s->fault != MW_JSON_FAULT_VALUE)
		where = "inside an object";
	if (empty)
		snprintf(out, n, "the text is empty; a JSON value is expected");
	else
		snprintf(out, n, "the text ends %s (the body was cut?)", where);
}

static void explain_here(const struct mw_json_scan *s, char *out, size_t n)
{
	switch (s->fault) {
	case MW_JSON_FAULT_VALUE:
		explain_value(s, out, n);
		break;
	case MW_JSON_FAULT_NAME:
		explain_name(s, out, n);
		break;
	case MW_JSON_FAULT_COLON:
		unexpected(s, "a ':' after the member name", out, n);
		break;
	case MW_JSON_FAULT_MORE_ITEMS:
		explain_more(s, "',' or ']'", out, n);
		break;
	case MW_JSON_FAULT_MORE_MEMBERS:
		explain_more(s, "',' or '}'", out, n);
		break;
	case MW_JSON_FAULT_END:
		snprintf(
		    out, n, "something stands behind the value; one body holds one JSON value");
		break;
	case MW_JSON_FAULT_ESCAPE:
		explain_escape(s, out, n);
		break;
	case MW_JSON_FAULT_CONTROL:
		explain_control(s, out, n);
		break;
	case MW_JSON_FAULT_NUMBER:
		explain_number(s, out, n);
		break;
	default:
		mw_require(false);
	}
}

static void explain(const struct mw_json_scan *s, char *out, size_t n)
{
	switch (s->fault) {
	case MW_JSON_FAULT_UTF8:
		snprintf(out, n, "invalid UTF-8 at byte %zu", (size_t)(s->at - s->begin) + 1);
		break;
	case MW_JSON_FAULT_DEPTH:
		snprintf(out, n, "nested deeper than %d levels", MW_MAX_DEPTH);
		break;
	case MW_JSON_FAULT_TWICE:
		explain_twice(s, out, n);
		break;
	case MW_JSON_FAULT_MEMBERS:
		snprintf(out, n, "an object with more than %d members", MW_MAX_MEMBERS);
		break;
	case MW_JSON_FAULT_MEMORY:
		snprintf(out, n, "not enough memory to read it");
		break;
	default:
		if (s->at == s->end)
			explain_end(s, out, n);
		else
			explain_here(s, out, n);
	}
}

bool mw_json_scan_explain(const struct mw_json_scan *s, struct mw_err *err)
{
	char why[256];
	explain(s, why, sizeof(why));
	struct place place = place_of(s);
	return mw_err_set(err, MW_ERR_BAD_JSON, "invalid JSON at line %zu, column %zu: %s",
	    place.line, place.column, why);
}
