/* SPDX-License-Identifier: MIT
 *
 * JSON as bytes: checking, finding and replacing parts of a text without building a tree. Whatever
 * passes mw_json_peek is a whole JSON value by RFC 8259: valid UTF-8, nothing behind it, nested no
 * deeper than MW_MAX_DEPTH, and no object with two members of one name. The other functions rely on
 * that: give them only text that has been checked, or cut from checked text. All functions are pure
 * and thread-safe.
 */
#ifndef MW_JSON_H
#define MW_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum mw_json_kind {
	MW_JSON_NONE, /* absent */
	MW_JSON_NULL,
	MW_JSON_BOOL,
	MW_JSON_NUMBER,
	MW_JSON_STRING,
	MW_JSON_ARRAY,
	MW_JSON_OBJECT,
};

/* A value inside a text: its bytes without surrounding space (a string with its quotes). */
struct mw_json {
	enum mw_json_kind kind;
	struct mw_str raw;
};

static inline enum mw_json_kind mw_json_kind_of(char first)
{
	switch (first) {
	case '{':
		return MW_JSON_OBJECT;
	case '[':
		return MW_JSON_ARRAY;
	case '"':
		return MW_JSON_STRING;
	case 't':
	case 'f':
		return MW_JSON_BOOL;
	case 'n':
		return MW_JSON_NULL;
	default:
		return MW_JSON_NUMBER;
	}
}

/* What a check notes on its way. Names are compared after unescaping. */
struct mw_json_look {
	const struct mw_str *names; /* of members of the top level */
	struct mw_json *found;      /* where each of them is; kind NONE if absent */
	size_t n;                   /* entries of both */
	const struct mw_str *deep;  /* names of members below the top level */
	size_t n_deep;
	bool met; /* there is a member, however deep, with one of these */
};

/* Checks the whole text in one pass, and fills in what `look` (or NULL) asks for. `*root` is the whole
 * value; nothing is found unless it is an object. On a fault: MW_ERR_BAD_JSON, with line, column and
 * what was wrong in words a person can act on; look and *root are of no use then. No more than
 * MW_MAX_MEMBERS members in one object. */
bool mw_json_peek(struct mw_str text, struct mw_json_look *look, struct mw_json *root,
    struct mw_err *err) MW_MUSTCHECK;

/* The kind of a value by its first byte, with surrounding space cut off; text must hold one value. */
struct mw_json mw_json_value(struct mw_str text);

/* Walks an object or array: start with *at = 0. `name` is raw, with quotes (empty for arrays). False
 * at the end, and for what is neither. */
bool mw_json_next(struct mw_json in, size_t *at, struct mw_str *name, struct mw_json *value);

/* A member of an object by its plain name, or the i-th item (from 0) of an array; kind NONE if
 * absent. */
struct mw_json mw_json_get(struct mw_json object, struct mw_str name);
struct mw_json mw_json_item(struct mw_json array, size_t i);
size_t mw_json_count(struct mw_json container);

/* By a path of names and 1-based indices, "messages.1.content"; -1 is the last item, an empty path the
 * root itself. NONE if absent. A name with a dot in it has no path. */
struct mw_json mw_json_at(struct mw_json root, struct mw_str path);
/* A step of a path as an index (from 0) into an array of `count` items, or beyond it. */
bool mw_json_index(struct mw_str step, size_t count, size_t *out) MW_MUSTCHECK;

bool mw_json_true(struct mw_json v); /* is it the literal true? */
/* An integral number that fits; 1.0 and 1e3 are integral too. */
bool mw_json_i64(struct mw_json v, int64_t *out) MW_MUSTCHECK;
bool mw_json_double(struct mw_json v, double *out) MW_MUSTCHECK;
/* A string without quotes and escapes: a slice of the text itself where it has no escape, else in the
 * arena. A lone surrogate becomes U+FFFD. Empty for what is not a string. */
struct mw_str mw_json_text(struct mw_json v, struct mw_arena *a);
bool mw_json_is(struct mw_json v, const char *plain); /* a string equal to plain text? */

/* Writes a quoted string, escaping what must be; bytes that are not UTF-8 become U+FFFD. */
void mw_json_quote(struct mw_buf *b, struct mw_str text);
struct mw_str mw_json_quoted(struct mw_str text, struct mw_arena *a); /* the same, in the arena */

/* One change of a text: set a value (raw JSON) at a path, or delete what is there (value {NULL,0}).
 * Objects that are missing on the way, or null, are made; an index may be one past the end (append). */
struct mw_json_edit {
	struct mw_str path;
	struct mw_str value;
};

/* Applies the edits in order and gives the new text (in the arena; the text itself where nothing
 * changed). What is not touched keeps its bytes. BAD_REQUEST, with the path in err->param, if a path
 * leads through a value that is neither object nor array, or past the end of an array, or is deeper
 * than MW_MAX_DEPTH. Top-level edits cost one copy together; neighbouring edits below one member cost
 * one more copy of that member. */
bool mw_json_edit(struct mw_str text, const struct mw_json_edit *edits, size_t n,
    struct mw_arena *a, struct mw_str *out, struct mw_err *err) MW_MUSTCHECK;

#endif
