/* SPDX-License-Identifier: MIT
 *
 * mw.json: texts of a limited size to values and back.
 */
#include "script/prim.h"

#include "script/convert.h"
#include "script/document.h"

static int l_decode(lua_State *L)
{
	struct mw_err err;
	size_t n;
	const char *p = luaL_checklstring(L, 1, &n);
	if (n > MW_RUN_TEXT)
		mw_err_set(&err, MW_ERR_BAD_JSON, "a text of %zu bytes; up to %d are allowed", n,
		    MW_RUN_TEXT);
	else if (mw_convert_decode(L, mw_strn(p, n), &err))
		return 1;
	if (err.code == MW_ERR_INTERNAL)
		mw_run_no_memory(L, mw_run_of(L));
	lua_pushnil(L);
	lua_pushstring(L, err.text);
	return 2;
}

static int l_encode(lua_State *L)
{
	luaL_checkany(L, 1);
	struct mw_str text = mw_document_encode(L, mw_run_of(L), 1);
	if (text.n > MW_RUN_TEXT)
		mw_raise(L, MW_CODE_TOO_LARGE, "mw.json.encode: the text is longer than %d bytes",
		    MW_RUN_TEXT);
	lua_pushlstring(L, text.p, text.n);
	return 1;
}

/* null and array are the converter's own. */
static void open_json(lua_State *L, struct mw_run *run)
{
	(void)run;
	lua_pushcfunction(L, luaopen_mwjson);
	lua_call(L, 0, 1);
	mw_convert_limit(L, mw_guard_expired);
	lua_getfield(L, -1, "null");
	lua_setfield(L, -3, "null");
	lua_getfield(L, -1, "array");
	lua_setfield(L, -3, "array");
	lua_pop(L, 1);
}

static const luaL_Reg functions[] = {{"decode", l_decode}, {"encode", l_encode}, {NULL, NULL}};

const struct mw_prim mw_prim_json = {"json", functions, open_json};
