/* SPDX-License-Identifier: MIT
 *
 * JSON text to Lua values in one pass, and back. A text that is decoded and encoded again keeps its
 * meaning to the last digit, and its members their order:
 *
 *   object   table with a metatable that lists the member names in order: mt[1..n], with true at
 *            mt[0]. Objects with the same names in the same order share it; it is read-only by
 *            convention. Encoding writes members in that order, then those that came later, sorted
 *            by name. A table without such a metatable is written with sorted names.
 *   array    table with the one metatable of arrays, so that an empty one stays an array. A table
 *            without metatable is an array if its keys are numbers, an object if it is empty.
 *   null     the value mwjson.null, so that members and items that are null are there
 *   number   number; what a double cannot hold (integers beyond 2^53, too many digits, 1e400) is a
 *            raw value: a userdata that prints, and is encoded, as the text had it. For arithmetic:
 *            tonumber(tostring(v)).
 *   string   string, always valid UTF-8; a lone surrogate becomes U+FFFD. Encoding writes U+FFFD
 *            for bytes that are no UTF-8.
 *
 * Accepted is what mw_json_peek accepts: RFC 8259 strictly, nested no deeper than MW_MAX_DEPTH,
 * member names unique. One thread at a time per state; no Lua code is called back. Nothing leaks
 * when the state runs out of memory. Calls from C need four free slots on the Lua stack.
 */
#ifndef MW_CONVERT_H
#define MW_CONVERT_H

#include "base/buf.h"
#include "base/err.h"

#include <lua.h>

/* Pushes the value of a whole text. On a fault nothing is pushed: MW_ERR_BAD_JSON with line, column
 * and what was wrong, or MW_ERR_INTERNAL when the state has no memory left. Never raises. */
bool mw_convert_decode(lua_State *L, struct mw_str text, struct mw_err *err) MW_MUSTCHECK;

/* Appends the text of the value at idx. MW_ERR_SCRIPT for what has no JSON form (a function, a
 * coroutine, a foreign userdata, NaN, infinity, keys of two kinds, a table inside itself) or does
 * not fit into out: the sentence names the place, which is also in err->param. Never raises. */
bool mw_convert_encode(lua_State *L, int idx, struct mw_buf *out, struct mw_err *err) MW_MUSTCHECK;

/* From now on, encoding in this state ends as a fault once `over` says so: tables that hold each other
 * many times over make a short value a long text. (Decoding makes as many values as there is text, and
 * ends with the state's memory.) May raise. */
void mw_convert_limit(lua_State *L, bool (*over)(void));

/* The Lua module:
 *
 *   decode(text)    value, or nil and a message
 *   encode(value)   text; raises for what has no JSON form
 *   null            null
 *   array(t)        t (a new table when there is none), marked as an array
 *   object(t)       t (a new table when there is none), marked as an object, its order forgotten
 *   is_array(t)     would t be written as an array?
 *   quote(s)        s as a JSON string, with its quotes
 *   order(names)    a metatable: encode tables that have it in this order
 */
int luaopen_mwjson(lua_State *L);

#endif
