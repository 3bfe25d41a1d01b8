/* SPDX-License-Identifier: MIT
 *
 * A JSON body in the hands of a hook: get, set and del by path, as req, at and res all have them.
 */
#ifndef MW_DOCUMENT_H
#define MW_DOCUMENT_H

#include "script/run.h"

/* What is at the path of a whole document, as mw_json_at. The items of the member that was looked into
 * last are found without walking over all of those before. */
struct mw_json mw_document_at(struct mw_run *run, struct mw_str text, struct mw_str path);
/* Items of the array that is its member of this name; 0 if it is none. */
size_t mw_document_count(struct mw_run *run, struct mw_str text, struct mw_str name);

/* Methods, with the path as argument 2 and a value as argument 3. */

/* Pushes what is at the path of `text`; nil when it is absent or null. */
int mw_document_get(lua_State *L, struct mw_run *run, struct mw_str text);
/* Notes the change in the journal. */
int mw_document_set(lua_State *L, struct mw_run *run);
int mw_document_del(lua_State *L, struct mw_run *run);

/* The journal's document as edited so far, or raises. */
struct mw_str mw_document_view(lua_State *L, struct mw_run *run);

/* Pushes a JSON value as a Lua value. */
void mw_document_push(lua_State *L, struct mw_run *run, struct mw_json v);
/* The JSON text of the value at idx, in the state's scratch: good until the next use of it. */
struct mw_str mw_document_encode(lua_State *L, struct mw_run *run, int idx);

/* Pushes the text of a message: a string, or its text parts with line ends between them; at most
 * `max` bytes, never half a character. Nil when there is none. */
void mw_document_push_text(lua_State *L, struct mw_run *run, struct mw_json content, size_t max);

#endif
