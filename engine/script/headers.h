/* SPDX-License-Identifier: MIT
 *
 * Which headers policies may read and set. Keys are not for policies; framing is not theirs.
 */
#ifndef MW_HEADERS_H
#define MW_HEADERS_H

#include "base/err.h"
#include "base/str.h"

enum { MW_HEADERS_NAME = 100, MW_HEADERS_VALUE = 4096 };

/* Does the header carry a key, a cookie or the like? Such a one is not there for policies. */
bool mw_headers_secret(struct mw_str name);

/* May a policy set it to this value? Else a SCRIPT error that says why not. */
bool mw_headers_may_set(struct mw_str name, struct mw_str value, struct mw_err *err) MW_MUSTCHECK;

#endif
