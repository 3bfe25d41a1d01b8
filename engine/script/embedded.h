/* SPDX-License-Identifier: MIT
 *
 * The files of lua/ and policies/ that were built into the binary, by their path in the source tree.
 */
#ifndef MW_EMBEDDED_H
#define MW_EMBEDDED_H

#include "base/str.h"

struct mw_embedded {
	const char *path;        /* "lua/boot.lua"; NULL ends the table */
	const char *begin, *end; /* a NUL follows the last byte */
};

extern const struct mw_embedded mw_embedded[]; /* made by the Makefile */

/* The text of one of them; {NULL,0} if there is none. Good as long as the process. */
struct mw_str mw_embedded_text(const char *path);

/* What mw_bundle_read asks for: the text of a shipped policy ("simple-shuffle"), {NULL,0} if there is
 * none; for an empty name the names of all, for messages. Main thread. */
struct mw_str mw_embedded_policy(struct mw_str name);

#endif
