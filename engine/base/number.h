/* SPDX-License-Identifier: MIT
 *
 * Numbers as text: those of JSON as doubles, without losing a digit on the way there or back, and
 * integers. Pure and thread-safe; the process must stay in the C locale.
 */
#ifndef MW_NUMBER_H
#define MW_NUMBER_H

#include "base/str.h"

/* Reads a number of JSON that has been checked. False if a double cannot give it back as it is:
 * an integer beyond 2^53, more digits than a double tells apart, or out of range. `integral`: it
 * has neither fraction nor exponent. */
bool mw_number_read(struct mw_str text, bool integral, double *out) MW_MUSTCHECK;

/* Writes the shortest text that reads as the same double, integers up to 2^53 without fraction and
 * exponent; returns its length. The value must be finite. No NUL is written. */
enum { MW_NUMBER_LONGEST = 32 };
size_t mw_number_write(double value, char out[MW_NUMBER_LONGEST]);

/* Writes digits with a point before the last `places` (at most 15) of them; returns the length. */
size_t mw_number_decimal(uint64_t digits, unsigned places, char out[MW_NUMBER_LONGEST]);

#endif
