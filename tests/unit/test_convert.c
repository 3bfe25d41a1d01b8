/* SPDX-License-Identifier: MIT
 *
 * script/convert as C sees it. What the values are is tested in tests/lua/json_spec.lua.
 */
#include "base/mem.h"
#include "script/convert.h"

#include <lauxlib.h>
#include <lualib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char text[] =
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\\nb\"},"
    "{\"role\":\"assistant\",\"content\":null}],\"n\":12345678901234567890,"
    "\"stop\":[],\"metadata\":{}}";

static bool encodes_as(lua_State *L, int idx, const char *expected)
{
	struct mw_buf out;
	mw_buf_init(&out, 1 << 20);
	bool same = mw_convert_encode(L, idx, &out, NULL) && mw_str_is(mw_buf_str(&out), expected);
	mw_buf_deinit(&out);
	return same;
}

static void a_text_goes_in_and_out(void **state)
{
	(void)state;
	lua_State *L = luaL_newstate();
	assert_true(mw_convert_decode(L, mw_str(text), NULL));
	assert_int_equal(lua_gettop(L), 1);
	assert_true(encodes_as(L, 1, text));
	assert_true(encodes_as(L, -1, text));
	lua_getfield(L, 1, "model");
	assert_string_equal(lua_tostring(L, -1), "m");
	assert_true(encodes_as(L, -1, "\"m\""));
	assert_int_equal(lua_gettop(L), 2);
	lua_close(L);
}

static void a_fault_leaves_nothing_on_the_stack(void **state)
{
	(void)state;
	lua_State *L = luaL_newstate();
	struct mw_err err;
	assert_false(mw_convert_decode(L, MW_STR("{\"a\":[1,{\"b\":"), &err));
	assert_int_equal(err.code, MW_ERR_BAD_JSON);
	assert_int_equal(lua_gettop(L), 0);
	assert_false(mw_convert_decode(L, MW_NOSTR, &err));
	assert_non_null(strstr(err.text, "empty"));
	lua_newtable(L);
	lua_pushcfunction(L, luaopen_mwjson);
	lua_setfield(L, -2, "f");
	struct mw_buf out;
	mw_buf_init(&out, 100);
	assert_false(mw_convert_encode(L, -1, &out, &err));
	assert_int_equal(err.code, MW_ERR_SCRIPT);
	assert_string_equal(err.param, "f");
	assert_int_equal(lua_gettop(L), 1);
	mw_buf_deinit(&out);
	lua_close(L);
}

static void a_text_that_does_not_fit_is_an_error(void **state)
{
	(void)state;
	lua_State *L = luaL_newstate();
	assert_true(mw_convert_decode(L, MW_STR("[\"0123456789\"]"), NULL));
	for (size_t room = 0; room <= 14; room++) {
		struct mw_buf out;
		struct mw_err err;
		mw_buf_init(&out, room);
		assert_int_equal(mw_convert_encode(L, 1, &out, &err), room == 14);
		if (room < 14)
			assert_non_null(strstr(err.text, "too long"));
		mw_buf_deinit(&out);
	}
	lua_close(L);
}

static void text_is_appended(void **state)
{
	(void)state;
	lua_State *L = luaL_newstate();
	struct mw_buf out;
	mw_buf_init(&out, 100);
	mw_buf_addz(&out, "data: ");
	lua_pushboolean(L, 1);
	assert_true(mw_convert_encode(L, 1, &out, NULL));
	assert_true(mw_str_is(mw_buf_str(&out), "data: true"));
	mw_buf_deinit(&out);
	lua_close(L);
}

/* Whoever comes first makes the values that both use. */
static void the_module_and_c_share_their_values(void **state)
{
	(void)state;
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	assert_true(mw_convert_decode(L, MW_STR("[null]"), NULL));
	lua_setglobal(L, "decoded");
	lua_pushcfunction(L, luaopen_mwjson);
	lua_call(L, 0, 1);
	lua_setglobal(L, "json");
	assert_int_equal(
	    luaL_dostring(L, "assert(decoded[1] == json.null and json.is_array(decoded))"
			     "return json.array()"),
	    0);
	assert_true(encodes_as(L, -1, "[]"));
	lua_close(L);
}

struct purse {
	size_t left;
};

static void *spend(void *arg, void *p, size_t had, size_t wants)
{
	struct purse *purse = arg;
	if (wants > had && wants - had > purse->left)
		return NULL;
	purse->left += had;
	purse->left -= wants;
	if (wants)
		return mw_mem_realloc(p, wants);
	mw_mem_free(p);
	return NULL;
}

/* Whatever the moment at which memory runs out: an error, nothing raised, and the state still
 * works. */
static void memory_may_run_out_at_any_moment(void **state)
{
	(void)state;
	struct purse purse = {1 << 24};
	lua_State *L = lua_newstate(spend, &purse);
	assert_non_null(L);
	size_t failed = 0;
	for (size_t allowance = 0; allowance < 60000; allowance += allowance < 3000 ? 8 : 500) {
		struct mw_err err;
		lua_gc(L, LUA_GCCOLLECT, 0);
		purse.left = allowance;
		bool ok = mw_convert_decode(L, mw_str(text), &err);
		purse.left = 1 << 24;
		assert_true(ok || err.code == MW_ERR_INTERNAL);
		assert_int_equal(lua_gettop(L), ok);
		if (ok)
			assert_true(encodes_as(L, 1, text));
		failed += !ok;
		lua_settop(L, 0);
	}
	assert_true(failed > 10);
	assert_true(mw_convert_decode(L, mw_str(text), NULL));
	assert_true(encodes_as(L, 1, text));
	lua_close(L);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_text_goes_in_and_out),
	    cmocka_unit_test(a_fault_leaves_nothing_on_the_stack),
	    cmocka_unit_test(a_text_that_does_not_fit_is_an_error),
	    cmocka_unit_test(text_is_appended),
	    cmocka_unit_test(the_module_and_c_share_their_values),
	    cmocka_unit_test(memory_may_run_out_at_any_moment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
