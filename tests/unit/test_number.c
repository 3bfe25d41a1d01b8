/* SPDX-License-Identifier: MIT
 *
 * base/number: doubles to text and back.
 */
#include "base/hash.h"
#include "base/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool read(const char *text, double *out)
{
	bool integral = strcspn(text, ".eE") == strlen(text);
	return mw_number_read(mw_str(text), integral, out);
}

static const char *write(double value)
{
	static char out[MW_NUMBER_LONGEST + 1];
	out[mw_number_write(value, out)] = '\0';
	return out;
}

static void reads_what_strtod_reads(void **state)
{
	(void)state;
	static const char *const texts[] = {"0", "-0", "7", "-12", "0.1", "-0.7", "123456789012345",
	    "0.00001", "12345678.9012345", "1234567890123456", "9007199254740992", "1e5", "1.5E-7",
	    "1E+300", "0.30000000000000004", "1.7976931348623157e308", "0e0",
	    "0e99999999999999999999", "0.000", "2.2250738585072014e-308", "100000000000000.0",
	    "0.0000000000000000000000000001"};
	for (size_t i = 0; i < MW_LEN(texts); i++) {
		double value;
		if (!read(texts[i], &value) || value != strtod(texts[i], NULL))
			fail_msg("%s", texts[i]);
	}
	double zero;
	assert_true(read("-0", &zero) && signbit(zero));
}

static void refuses_what_a_double_would_change(void **state)
{
	(void)state;
	static const char *const texts[] = {"9007199254740993", "9007199254740994",
	    "123456789012345678901234567890", "0.12345678901234567890", "5e-324", "1e400", "-1e400",
	    "1e-400", "3.14159265358979323846", "1.00000000000000000001", "1e99999999999999999999",
	    "0.3000000000000000400000000000000000000000000000000000000000000000000"};
	for (size_t i = 0; i < MW_LEN(texts); i++) {
		double value;
		if (read(texts[i], &value))
			fail_msg("%s", texts[i]);
	}
}

static void writes_integers_without_a_fraction(void **state)
{
	(void)state;
	assert_string_equal(write(0), "0");
	assert_string_equal(write(-0.0), "-0");
	assert_string_equal(write(-1), "-1");
	assert_string_equal(write(1e15), "1000000000000000");
	assert_string_equal(write(0x1p53), "9007199254740992");
	assert_string_equal(write(-0x1p53), "-9007199254740992");
	assert_string_equal(write(1e20), "1e+20");
}

static void writes_the_shortest_text(void **state)
{
	(void)state;
	assert_string_equal(write(0.1), "0.1");
	assert_string_equal(write(-0.7), "-0.7");
	assert_string_equal(write(0.1 + 0.2), "0.30000000000000004");
	assert_string_equal(write(1.05), "1.05");
	assert_string_equal(write(0.00001), "0.00001");
	assert_string_equal(write(1e-7), "1e-07");
	assert_string_equal(write(123456.000001), "123456.000001");
	assert_string_equal(write(5e-324), "4.94065645841247e-324");
	assert_string_equal(write(1.7976931348623157e308), "1.7976931348623157e+308");
}

static void writes_digits_with_a_point_in_their_midst(void **state)
{
	static const struct {
		uint64_t digits;
		unsigned places;
		const char *text;
	} cases[] = {
	    {0, 0, "0"},
	    {0, 1, "0.0"},
	    {5, 3, "0.005"},
	    {1234, 3, "1.234"},
	    {1000, 3, "1.000"},
	    {UINT64_MAX, 0, "18446744073709551615"},
	    {UINT64_MAX, 15, "18446.744073709551615"},
	};
	(void)state;
	for (size_t i = 0; i < MW_LEN(cases); i++) {
		char out[MW_NUMBER_LONGEST + 1];
		out[mw_number_decimal(cases[i].digits, cases[i].places, out)] = '\0';
		assert_string_equal(out, cases[i].text);
	}
}

static void random_doubles_survive(void **state)
{
	(void)state;
	struct mw_rng rng;
	mw_rng_seed(&rng, 1);
	for (int i = 0; i < 100000; i++) {
		uint64_t bits = mw_rng_next(&rng);
		double value, back;
		memcpy(&value, &bits, sizeof(value));
		if (i % 2)
			value = (double)(int64_t)(bits >> 20) / pow(10, (int)(bits % 14));
		if (!isfinite(value))
			continue;
		const char *text = write(value);
		if (strtod(text, NULL) != value || !read(text, &back) || back != value)
			assert_true(fabs(value) > 0x1p53 && value == floor(value));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_strtod_reads),
	    cmocka_unit_test(refuses_what_a_double_would_change),
	    cmocka_unit_test(writes_integers_without_a_fraction),
	    cmocka_unit_test(writes_digits_with_a_point_in_their_midst),
	    cmocka_unit_test(writes_the_shortest_text),
	    cmocka_unit_test(random_doubles_survive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
