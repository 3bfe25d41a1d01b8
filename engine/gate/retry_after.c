/* SPDX-License-Identifier: MIT
 *
 * Reading Retry-After in its forms.
 */
#include "gate/retry_after.h"

#include <time.h>

#define MAX_SECONDS 86400.0

static uint64_t seconds(double s)
{
	return s > 0 ? (uint64_t)(MW_MIN(s, MAX_SECONDS) * 1e6) : 0;
}

/* The three date forms of RFC 9110, 5.6.7. */
static bool http_date(struct mw_str text, double *out)
{
	static const char *const forms[] = {
	    "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"};
	char z[64];
	if (text.n >= sizeof(z))
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	for (size_t i = 0; i < MW_LEN(forms); i++) {
		struct tm tm = {0};
		const char *end = strptime(z, forms[i], &tm);
		if (end && !*end) {
			*out = (double)timegm(&tm);
			return true;
		}
	}
	return false;
}

uint64_t mw_retry_after(const struct mw_exchange_head *head, uint64_t wall)
{
	uint64_t after = 0;
	for (size_t i = 0; i < head->n_headers; i++) {
		const struct mw_header *h = &head->headers[i];
		struct mw_str value = mw_str_trim(h->value);
		double n;
		if (mw_str_ieq(h->name, MW_STR("retry-after-ms")) && mw_str_double(value, &n))
			return seconds(n / 1e3);
		if (!mw_str_ieq(h->name, MW_STR("retry-after")))
			continue;
		if (mw_str_double(value, &n))
			after = seconds(n);
		else if (http_date(value, &n))
			after = seconds(n - (double)wall / 1e6);
	}
	return after;
}
