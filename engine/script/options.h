/* SPDX-License-Identifier: MIT
 *
 * Tables of named arguments, `mw.reject{status = 429, message = "…"}`: checked against a list, so
 * that a misspelt name is an error and not silence.
 */
#ifndef MW_OPTIONS_H
#define MW_OPTIONS_H

#include "script/raise.h"

struct mw_option {
	const char *name; /* first member: mw_raise_nearest walks over it; NULL ends the list */
	int type;         /* LUA_T…; LUA_TNONE: any */
	bool required;
	double min, max;  /* of a number; both 0: any */
};

/* Raises with `code` if what is at idx is no table, has a string key that is not listed, lacks one
 * that is required, or has a value of another type or out of range. `what`
 * is the function's name. */
void mw_options_check(lua_State *L, int idx, enum mw_code code, const char *what,
    const struct mw_option *options);

/* After the check: */
double mw_options_number(lua_State *L, int idx, const char *name, double absent);
/* Borrowed while the table lives; {NULL, 0} when absent. */
struct mw_str mw_options_str(lua_State *L, int idx, const char *name);

#endif
