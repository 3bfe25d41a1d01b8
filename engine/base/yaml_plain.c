/* SPDX-License-Identifier: MIT
 *
 * Plain scalars by the rules of YAML 1.1 as PyYAML has them. The forms are small, so they are written
 * out as spans of characters instead of as patterns.
 */
#include "base/yaml_plain.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

#define DIGITS "0123456789"

static bool is_one_of(const char *z, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(z, *words) == 0)
			return true;
	return false;
}

static bool is_null(const char *z)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
	return is_one_of(z, words);
}

static bool is_true(const char *z)
{
	static const char *const words[] = {
	    "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
	return is_one_of(z, words);
}

static bool is_false(const char *z)
{
	static const char *const words[] = {
	    "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};
	return is_one_of(z, words);
}

static const char *skip_sign(const char *z)
{
	return z + (*z == '+' || *z == '-');
}

/* At least one character of the set, and nothing else? */
static bool is_all(const char *z, const char *set)
{
	return *z && z[strspn(z, set)] == '\0';
}

/* One or more ":nn" with nn below 60; the place behind them, NULL if there is none. */
static const char *skip_sixties(const char *z)
{
	if (*z != ':')
		return NULL;
	while (*z == ':') {
		size_t n = strspn(z + 1, DIGITS);
		if (n < 1 || n > 2 || (n == 2 && z[1] > '5'))
			return NULL;
		z += 1 + n;
	}
	return z;
}

static bool is_int(const char *z)
{
	z = skip_sign(z);
	if (z[0] == '0' && z[1] == 'b')
		return is_all(z + 2, "01_");
	if (z[0] == '0' && z[1] == 'x')
		return is_all(z + 2, DIGITS "abcdefABCDEF_");
	if (z[0] == '0')
		return z[1] == '\0' || is_all(z + 1, "01234567_");
	if (*z < '1' || *z > '9')
		return false;
	z += strspn(z, DIGITS "_");
	if (*z == ':')
		z = skip_sixties(z);
	return z && *z == '\0';
}

static bool is_infinite_or_nan(const char *z)
{
	static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL};
	static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};
	return is_one_of(skip_sign(z), infinite) || is_one_of(z, nan);
}

/* An exponent has to have a sign. */
static bool is_exponent_or_end(const char *z)
{
	if (*z == '\0')
		return true;
	return (*z == 'e' || *z == 'E') && (z[1] == '-' || z[1] == '+') && is_all(z + 2, DIGITS);
}

static bool is_float(const char *z)
{
	if (z[0] == '.' && z[1] >= '0' && z[1] <= '9')
		return is_exponent_or_end(z + 1 + strspn(z + 1, DIGITS "_"));
	z = skip_sign(z);
	if (*z < '0' || *z > '9')
		return false;
	z += strspn(z, DIGITS "_");
	bool sixties = *z == ':';
	if (sixties)
		z = skip_sixties(z);
	if (!z || *z != '.')
		return false;
	z += 1 + strspn(z + 1, DIGITS "_");
	return sixties ? *z == '\0' : is_exponent_or_end(z);
}

/* ---- values ------------------------------------------------------------------------------------ */

/* The text without underscores and sign. */
static char *bare_copy(struct mw_str text)
{
	char *copy = mw_mem_alloc(text.n + 1), *out = copy;
	for (const char *p = skip_sign(text.p); p < text.p + text.n; p++)
		if (*p != '_')
			*out++ = *p;
	*out = '\0';
	return copy;
}

/* Parts between colons, each worth sixty times the next. */
static double read_sixties(const char *z)
{
	double value = 0;
	for (;;) {
		char *end;
		value = value * 60 + strtod(z, &end);
		if (*end != ':')
			return value;
		z = end + 1;
	}
}

static double read_base(const char *z, double base)
{
	double value = 0;
	for (; *z; z++)
		value = value * base + (*z <= '9' ? *z - '0' : (*z | 0x20) - 'a' + 10);
	return value;
}

/* NAN if the prefix of a base is all there is. */
static double read_int(const char *z)
{
	if (z[0] == '0' && (z[1] == 'b' || z[1] == 'x'))
		return z[2] ? read_base(z + 2, z[1] == 'b' ? 2 : 16) : NAN;
	return z[0] == '0' ? read_base(z, 8) : read_sixties(z);
}

static double read_float(const char *z)
{
	if (is_infinite_or_nan(z))
		return z[1] == 'i' || z[1] == 'I' ? INFINITY : NAN;
	return read_sixties(z);
}

static void resolve_number(struct mw_yaml *scalar, enum mw_yaml_kind kind)
{
	char *bare = bare_copy(scalar->text);
	double size = kind == MW_YAML_INT ? read_int(bare) : read_float(bare);
	mw_mem_free(bare);
	/* an integer that a double may have rounded stays as it was written */
	if (kind == MW_YAML_INT && !(size < 0x1p53))
		return;
	scalar->kind = kind;
	scalar->number = scalar->text.p[0] == '-' ? -size : size;
}

void mw_yaml_plain_resolve(struct mw_yaml *scalar)
{
	const char *z = scalar->text.p;
	scalar->kind = MW_YAML_STRING;
	if (strlen(z) != scalar->text.n)
		return;
	if (is_null(z)) {
		scalar->kind = MW_YAML_NULL;
	} else if (is_true(z) || is_false(z)) {
		scalar->kind = MW_YAML_BOOL;
		scalar->boolean = is_true(z);
	} else if (is_int(z)) {
		resolve_number(scalar, MW_YAML_INT);
	} else if (is_float(z) || is_infinite_or_nan(z)) {
		resolve_number(scalar, MW_YAML_FLOAT);
	}
}
