/* SPDX-License-Identifier: MIT
 *
 * What the files of script/convert share: the converter of one Lua state. Nobody else includes
 * this.
 */
#ifndef MW_CONVERT_IN_H
#define MW_CONVERT_IN_H

#include "script/convert.h"
#include "script/shape.h"

#include <lauxlib.h>

struct mw_convert_job;

struct mw_converter {
	const void *null, *array,
	    *raw;           /* identities: null, the metatables of arrays and of raw values */
	struct mw_buf text; /* scratch: a string without its escapes; an encoded text */
	struct mw_buf keys; /* scratch: names to be sorted, a stack of struct mw_str */
	struct mw_convert_job *job; /* of a call from C, while it runs */
	bool (*over)(void);         /* must encoding end now? NULL: it may take its time */
	struct mw_shapes shapes;
};

/* Each C function that converts is a closure with the same upvalues, so that what it needs is at
 * hand without a look into the registry. */
#define MW_UP_CONVERTER lua_upvalueindex(1) /* struct mw_converter, a userdata */
#define MW_UP_NAMES     lua_upvalueindex(2) /* shape -> its last name, which keeps the string alive */
#define MW_UP_LISTS     lua_upvalueindex(3) /* shape -> the metatable of its objects */
#define MW_UP_NULL      lua_upvalueindex(4)
#define MW_UP_ARRAY     lua_upvalueindex(5) /* the metatable of arrays */
#define MW_UP_RAW       lua_upvalueindex(6) /* the metatable of raw values */
enum { MW_UPS = 6 };

/* Pushes fn with the upvalues of this state's converter, which is made when it is not there yet. */
void mw_convert_push_closure(lua_State *L, lua_CFunction fn);

/* The rest is for inside such closures. */
struct mw_converter *mw_convert_self(lua_State *L);

/* May raise when memory is out; else as mw_convert_decode and mw_convert_encode. */
bool mw_convert_read(lua_State *L, struct mw_str text, struct mw_err *err) MW_MUSTCHECK;
bool mw_convert_write(lua_State *L, int idx, struct mw_buf *out, struct mw_err *err) MW_MUSTCHECK;

/* What a table's metatable says of it. Pushes the list of its names when it is MW_TABLE_LISTED. */
enum mw_table_kind { MW_TABLE_PLAIN, MW_TABLE_ARRAY, MW_TABLE_LISTED };
enum mw_table_kind mw_convert_kind(lua_State *L, const struct mw_converter *c, int idx);

/* Pushes the list of names, which is the metatable, of the objects of a shape. */
void mw_convert_push_list(lua_State *L, struct mw_shapes *shapes, uint16_t shape);
void mw_convert_push_raw(lua_State *L, struct mw_str text);

/* Empties scratch, and gives it back when one big text has made it big. */
void mw_convert_trim(struct mw_buf *scratch);

#endif
