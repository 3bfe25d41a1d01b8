/* SPDX-License-Identifier: MIT
 *
 * Errors: the columns of errors.def as look-ups, and the writing of sentences.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct row {
	const char *name;
	int status;
	const char *openai_type;
};

static const struct row rows[] = {
    {"none", 200, ""},
#define MW_ERR(code, status, openai_type) {#code, status, openai_type},
#include "base/errors.def"
#undef MW_ERR
};

bool mw_err_set(struct mw_err *err, enum mw_err_code code, const char *fmt, ...)
{
	if (!err)
		return false;
	err->code = code;
	err->param[0] = '\0';
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return false;
}

bool mw_err_prefix(struct mw_err *err, const char *fmt, ...)
{
	if (!err)
		return false;
	char prefix[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(prefix, sizeof(prefix) - 2, fmt, ap);
	va_end(ap);
	strcat(prefix, ": ");
	size_t n = strlen(prefix), rest = MW_MIN(strlen(err->text), sizeof(err->text) - 1 - n);
	memmove(err->text + n, err->text, rest);
	memcpy(err->text, prefix, n);
	err->text[n + rest] = '\0';
	return false;
}

static const struct row *row_of(enum mw_err_code code)
{
	mw_require((size_t)code < MW_LEN(rows));
	return &rows[code];
}

const char *mw_err_name(enum mw_err_code code)
{
	return row_of(code)->name;
}

int mw_err_status(enum mw_err_code code)
{
	return row_of(code)->status;
}

const char *mw_err_openai_type(enum mw_err_code code)
{
	return row_of(code)->openai_type;
}
