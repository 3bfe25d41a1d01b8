/* SPDX-License-Identifier: MIT
 *
 * The one shape of a failure: a code from errors.def and a sentence. Functions that can fail return
 * bool (true is good) or a pointer (NULL is bad), are MW_MUSTCHECK, and fill a `struct mw_err *`
 * that is their last parameter; NULL may be given where nobody reads it.
 */
#ifndef MW_ERR_H
#define MW_ERR_H

#include "base/base.h"

enum mw_err_code {
	MW_ERR_NONE,
#define MW_ERR(code, status, openai_type) MW_ERR_##code,
#include "base/errors.def"
#undef MW_ERR
};

struct mw_err {
	enum mw_err_code code;
	char
	    param[64]; /* the request member at fault, as a path ("messages[2].role"); "" if none */
	char text[1024]; /* what was wrong, where and how to mend it; always ended by a NUL */
};

/* Fills err (if not NULL) and returns false, so that a caller can `return mw_err_set(...)`. */
bool mw_err_set(struct mw_err *err, enum mw_err_code code, const char *fmt, ...) MW_PRINTF(3, 4);

/* Puts "prefix: " before the sentence that err already holds; returns false. */
bool mw_err_prefix(struct mw_err *err, const char *fmt, ...) MW_PRINTF(2, 3);

/* Columns of errors.def. */
const char *mw_err_name(enum mw_err_code code); /* "BAD_JSON" */
int mw_err_status(enum mw_err_code code);
const char *mw_err_openai_type(enum mw_err_code code);

#endif
