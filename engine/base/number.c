/* SPDX-License-Identifier: MIT
 *
 * Numbers: what real texts hold (up to 15 digits, which a double always gives back) is read and
 * written with one multiplication or division that is exact; the rest goes through the C library.
 */
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SURE_DIGITS = 15 };

/* Powers of ten that are doubles without rounding; dividing an integer below 2^53 by one of them
 * rounds once, and so gives what strtod would. */
static const double powers[] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* At most 15 digits, perhaps a point, no exponent. */
static bool read_short(struct mw_str text, double *out)
{
	size_t i = text.p[0] == '-', point = text.n;
	if (text.n - i > SURE_DIGITS + 1)
		return false;
	uint64_t digits = 0;
	for (size_t at = i; at < text.n; at++) {
		if (text.p[at] == '.')
			point = at + 1;
		else if (text.p[at] > '9') /* e or E */
			return false;
		else
			digits = digits * 10 + (uint64_t)(text.p[at] - '0');
	}
	if (point == text.n && text.n - i > SURE_DIGITS)
		return false;
	double value = (double)digits / powers[text.n - point];
	*out = i ? -value : value;
	return true;
}

/* A decimal in its one normal form: no zeros at either end of the digits. */
struct decimal {
	uint64_t digits;
	int n; /* digits; TOO_MANY: they do not all fit */
	long exponent;
};
enum { TOO_MANY = 20 };

static void add_digit(struct decimal *d, int digit)
{
	if (d->n < TOO_MANY)
		d->n += d->n || digit;
	d->digits = d->digits * 10 + (uint64_t)digit;
}

static struct decimal decimal_of(const char *z)
{
	struct decimal d = {0};
	long zeros = 0; /* which count only once another digit follows */
	bool fraction = false;
	for (z += *z == '-'; *z && *z != 'e' && *z != 'E'; z++) {
		if (*z == '.') {
			fraction = true;
			continue;
		}
		d.exponent -= fraction;
		if (*z == '0') {
			zeros++;
			continue;
		}
		for (; zeros; zeros--)
			add_digit(&d, 0);
		add_digit(&d, *z - '0');
	}
	d.exponent += zeros;
	if (*z) { /* saturates, and no double has an exponent of more than three digits */
		long written = strtol(z + 1, NULL, 10);
		d.exponent += MW_MAX(MW_MIN(written, 100000L), -100000L);
	}
	return d;
}

static bool same_decimal(const char *a, const char *b)
{
	struct decimal x = decimal_of(a), y = decimal_of(b);
	if (x.n == 0 || y.n == 0)
		return x.n == y.n;
	return x.n < TOO_MANY && x.digits == y.digits && x.exponent == y.exponent;
}

/* With the C library: as few digits as read back the same. `out` gets a NUL. */
static size_t write_long(double value, char out[MW_NUMBER_LONGEST])
{
	int n = 0;
	for (int digits = SURE_DIGITS; digits <= 17; digits++) {
		n = snprintf(out, MW_NUMBER_LONGEST, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			break;
	}
	return (size_t)n;
}

bool mw_number_read(struct mw_str text, bool integral, double *out)
{
	if (read_short(text, out))
		return true;
	char z[64], back[MW_NUMBER_LONGEST];
	if (text.n >= sizeof(z))
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	*out = strtod(z, NULL);
	if (!isfinite(*out) || (integral && fabs(*out) > 0x1p53))
		return false;
	write_long(*out, back);
	return same_decimal(z, back);
}

static size_t write_u64(uint64_t v, char *out)
{
	char digits[20];
	size_t n = 0;
	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	for (size_t i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}

size_t mw_number_decimal(uint64_t digits, unsigned places, char out[MW_NUMBER_LONGEST])
{
	if (places == 0)
		return write_u64(digits, out);
	uint64_t unit = (uint64_t)powers[places];
	size_t n = write_u64(digits / unit, out);
	out[n++] = '.';
	uint64_t rest = digits % unit;
	for (size_t i = places; i-- > 0; rest /= 10)
		out[n + i] = (char)('0' + rest % 10);
	return n + places;
}

/* Is it a decimal of at most 15 digits? Then the fewest places that give it back are the right
 * ones. */
static size_t write_short(double value, char *out)
{
	for (unsigned places = 1; places < MW_LEN(powers); places++) {
		double shifted = rint(value * powers[places]);
		if (shifted >= powers[SURE_DIGITS])
			break;
		if (shifted / powers[places] == value)
			return mw_number_decimal((uint64_t)shifted, places, out);
	}
	return 0;
}

size_t mw_number_write(double value, char out[MW_NUMBER_LONGEST])
{
	mw_require(isfinite(value));
	size_t n = 0;
	double size = fabs(value);
	if (signbit(value))
		out[n++] = '-';
	if (size <= 0x1p53 && size == (double)(uint64_t)size)
		return n + write_u64((uint64_t)size, out + n);
	size_t m = size >= 1e-5 && size < 0x1p53 ? write_short(size, out + n) : 0;
	return m ? n + m : write_long(value, out);
}
