/* SPDX-License-Identifier: MIT
 *
 * base/json_scan: what looks at many bytes at once must see what a look at each byte sees. The
 * texts stand at the very end of their memory, so that AddressSanitizer sees a step too far.
 */
#include "base/json_scan.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void check_plain(const char *p, const char *end)
{
	const char *expected = p;
	while (expected < end && mw_json_scan_is_plain(*expected))
		expected++;
	assert_ptr_equal(mw_json_scan_plain(p, end), expected);
	assert_ptr_equal(mw_json_scan_plain_portable(p, end), expected);
}

static void plain_runs_end_where_they_should(void **state)
{
	(void)state;
	for (size_t n = 0; n < 40; n++) {
		char *text = mw_mem_alloc(n);
		for (size_t at = 0; at < n; at++) {
			for (int c = 0; c < 256; c++) {
				memset(text, 'x', n);
				text[at] = (char)c;
				check_plain(text, text + n);
			}
		}
		memset(text, 0x7f, n);
		check_plain(text, text + n);
		mw_mem_free(text);
	}
}

/* Which sequences are UTF-8, by the arithmetic of code points rather than by byte ranges. */
static size_t utf8_by_value(const unsigned char *p, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = p[0] >= 0xf8   ? 0
	                : p[0] >= 0xf0 ? 4
	                : p[0] >= 0xe0 ? 3
	                : p[0] >= 0xc0 ? 2
	                               : 0;
	if (length == 0 || n < length)
		return 0;
	uint32_t value = p[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (p[i] & 0x3f);
	}
	bool surrogate = value >= 0xd800 && value <= 0xdfff;
	return value >= least[length] && value <= 0x10ffff && !surrogate ? length : 0;
}

static void utf8_is_what_the_standard_says(void **state)
{
	(void)state;
	static const unsigned char tails[] = {
	    0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
	for (unsigned lead = 0x80; lead < 256; lead++)
		for (unsigned second = 0; second < 256; second++)
			for (size_t i = 0; i < MW_LEN(tails); i++) {
				unsigned char text[] = {(unsigned char)lead, (unsigned char)second,
				    tails[i], tails[(i + 3) % MW_LEN(tails)]};
				for (size_t n = 1; n <= 4; n++)
					assert_int_equal(
					    mw_json_scan_utf8((char *)text, (char *)text + n),
					    utf8_by_value(text, n));
			}
}

static struct mw_str unescape(const char *raw, char *out)
{
	/* exactly as much memory as is promised to be enough */
	size_t n = strlen(raw);
	char *room = mw_mem_alloc(n);
	size_t length = (size_t)(mw_json_scan_unescape(room, mw_strn(raw, n)) - room);
	memcpy(out, room, length);
	mw_mem_free(room);
	return mw_strn(out, length);
}

static void escapes_are_undone_at_every_place(void **state)
{
	(void)state;
	for (int before = 0; before < 36; before++) {
		for (int after = 0; after < 36; after++) {
			char raw[128], expected[128], out[128];
			snprintf(raw, sizeof(raw), "%.*s\\n\\u20ac%.*s", before,
			    "abcdefghijklmnopqrstuvwxyz0123456789", after,
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
			snprintf(expected, sizeof(expected), "%.*s\n\xe2\x82\xac%.*s", before,
			    "abcdefghijklmnopqrstuvwxyz0123456789", after,
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
			assert_true(mw_str_is(unescape(raw, out), expected));
		}
	}
}

/* A slow twin of mw_json_scan_string: the place of the closing quote, NULL for a fault. */
static const char *string_by_rule(const char *p, const char *end, bool *escaped)
{
	for (; p < end && *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		*escaped = true;
		if (++p == end || !memchr("\"\\/bfnrt", *p, 8))
			return NULL;
	}
	return p < end ? p : NULL;
}

/* Long strings are looked through in blocks; what is escaped may stand at any place of them, also across
 * their border. */
static void long_strings_end_where_they_should(void **state)
{
	(void)state;
	static const char *const marks[] = {"\"", "\\\"", "\\\\", "\\n", "\\x", "\n", "\\"};
	for (size_t first = 0; first < MW_LEN(marks); first++)
		for (size_t second = 0; second < MW_LEN(marks); second++)
			for (int at = 0; at < 140; at++)
				for (int gap = 0; gap < 4; gap++) {
					char text[400];
					int n = snprintf(text, sizeof(text), "\\n%*s%s%*s%s%*s\"",
					    at, "", marks[first], gap, "", marks[second], 70, "");
					struct mw_json_scan s = {.begin = text, .end = text + n};
					bool escaped = false, by_rule = false;
					const char *end = string_by_rule(text, s.end, &by_rule);
					assert_ptr_equal(
					    mw_json_scan_string(&s, text, &escaped), end);
					assert_true(!end || escaped == by_rule);
				}
}

static void surrogates_come_in_pairs_or_become_fffd(void **state)
{
	(void)state;
	char out[64];
	assert_true(mw_str_is(unescape("\\uD83D\\uDE00", out), "\xf0\x9f\x98\x80"));
	assert_true(mw_str_is(unescape("\\ud83d", out), "\xef\xbf\xbd"));
	assert_true(mw_str_is(unescape("\\ude00\\ud83d", out), "\xef\xbf\xbd\xef\xbf\xbd"));
	assert_true(
	    mw_str_is(unescape("\\ud83d\\ud83d\\ude00", out), "\xef\xbf\xbd\xf0\x9f\x98\x80"));
	assert_true(mw_str_is(unescape("\\ud83d\\\\ude00", out), "\xef\xbf\xbd\\ude00"));
	assert_true(mw_str_is(
	    unescape("\\u007f\\u0080\\u07ff\\u0800", out), "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_runs_end_where_they_should),
	    cmocka_unit_test(utf8_is_what_the_standard_says),
	    cmocka_unit_test(escapes_are_undone_at_every_place),
	    cmocka_unit_test(long_strings_end_where_they_should),
	    cmocka_unit_test(surrogates_come_in_pairs_or_become_fffd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
