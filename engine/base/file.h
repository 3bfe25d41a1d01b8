/* SPDX-License-Identifier: MIT
 *
 * Reading files whole, and noticing that they have changed. May block, for ten seconds where a pipe
 * stays silent: for the main thread.
 */
#ifndef MW_FILE_H
#define MW_FILE_H

#include "base/arena.h"
#include "base/err.h"

/* The text, in the arena, ended by a NUL that is not counted. A fault (SETTINGS) reads "PATH: why".
 */
bool mw_file_read(const char *path, size_t max, struct mw_arena *a, struct mw_str *out,
    struct mw_err *err) MW_MUSTCHECK;

/* A number that changes when the file is written, replaced, removed or made. */
uint64_t mw_file_stamp(const char *path);

#endif
