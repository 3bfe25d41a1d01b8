/* SPDX-License-Identifier: MIT
 *
 * Raising errors that a policy's author can act on: "FILE:LINE: MWnnn sentence". The place is the
 * innermost line of Lua that was running.
 */
#ifndef MW_RAISE_H
#define MW_RAISE_H

#include "base/str.h"

#include <lua.h>

enum mw_code {
#define MW_CODE(id, number, text) MW_CODE_##id = number,
#include "script/codes.def"
#undef MW_CODE
};

enum { MW_RAISE_PLACE = 160 };

/* Never returns; owned memory of the caller would leak. */
MW_NORETURN void mw_raise(lua_State *L, enum mw_code code, const char *fmt, ...) MW_PRINTF(3, 4);
/* The same for a place that is not being run ("" for none). */
MW_NORETURN void mw_raise_at(lua_State *L, const char *place, enum mw_code code, const char *fmt,
    ...) MW_PRINTF(4, 5);

/* Writes "FILE:LINE" of the innermost running line of Lua, or "". */
void mw_raise_place(lua_State *L, char place[MW_RAISE_PLACE]);
/* Writes "FILE:LINE" of where the function at idx begins. */
void mw_raise_place_of(lua_State *L, int idx, char place[MW_RAISE_PLACE]);

/* Where the sentence begins in "FILE:LINE: sentence"; the whole text where it has no place. */
const char *mw_raise_sentence(const char *text);

/* What a value is, for messages: "nil", "number 5", "string \"abc\"", "a table". */
struct mw_shown {
	char text[80];
};
struct mw_shown mw_raise_show(lua_State *L, int idx);

/* " (did you mean 'x'?)" for the nearest of the names, or "". `stride` is the distance between two
 * names in bytes; the names are C strings, and a NULL ends them. */
struct mw_shown mw_raise_nearest(struct mw_str name, const char *const *names, size_t stride);
/* The same over the string keys of the table at idx. */
struct mw_shown mw_raise_nearest_key(lua_State *L, int idx, struct mw_str name);

/* The string at idx, which must be one. */
struct mw_str mw_raise_str(lua_State *L, int idx);

#endif
