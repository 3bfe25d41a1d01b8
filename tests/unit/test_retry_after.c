/* SPDX-License-Identifier: MIT
 *
 * Retry-After in its forms.
 */
#include "gate/retry_after.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define THEN 784111777ull

static uint64_t of(const char *name, const char *value)
{
	struct mw_header h = {mw_str(name), mw_str(value)};
	struct mw_exchange_head head = {.status = 429, .headers = &h, .n_headers = 1};
	return mw_retry_after(&head, THEN * 1000000);
}

static void reads_every_form(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value;
		uint64_t us;
	} cases[] = {
	    {"retry-after", "2", 2000000},
	    {"Retry-After", " 2 ", 2000000},
	    {"retry-after", "0.5", 500000},
	    {"retry-after-ms", "1500", 1500000},
	    {"retry-after", "0", 0},
	    {"retry-after", "-3", 0},
	    {"retry-after", "soon", 0},
	    {"retry-after", "", 0},
	    {"retry-after", "inf", 0},
	    {"retry-after", "1e300", 86400000000ull},
	    {"retry-after", "999999999", 86400000000ull},
	    {"retry-after", "Sun, 06 Nov 1994 08:49:47 GMT", 10000000},
	    {"retry-after", "Sunday, 06-Nov-94 08:49:47 GMT", 10000000},
	    {"retry-after", "Sun Nov  6 08:49:47 1994", 10000000},
	    {"retry-after", "Sun, 06 Nov 1994 08:49:30 GMT", 0}, /* gone by */
	    {"retry-after", "Sun, 06 Nov 1994 08:49:47 GMT and more", 0},
	    {"x-other", "5", 0},
	};
	for (size_t i = 0; i < MW_LEN(cases); i++)
		assert_int_equal(of(cases[i].name, cases[i].value), cases[i].us);
}

static void milliseconds_win_over_seconds(void **state)
{
	(void)state;
	struct mw_header h[] = {
	    {MW_STR("retry-after"), MW_STR("7")}, {MW_STR("retry-after-ms"), MW_STR("250")}};
	struct mw_exchange_head head = {.status = 429, .headers = h, .n_headers = 2};
	assert_int_equal(mw_retry_after(&head, 0), 250000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_every_form),
	    cmocka_unit_test(milliseconds_win_over_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
