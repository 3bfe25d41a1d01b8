/* SPDX-License-Identifier: MIT
 *
 * The files of lua/ and policies/ that were built into the binary, by their path in the source tree.
 */
#ifndef MW_EMBEDDED_H
#define MW_EMBEDDED_H

struct mw_embedded {
	const char *path;        /* "lua/boot.lua"; NULL ends the table */
	const char *begin, *end; /* a NUL follows the last byte */
};

extern const struct mw_embedded mw_embedded[];

#endif
