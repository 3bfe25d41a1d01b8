/* SPDX-License-Identifier: MIT
 *
 * script/lib: time and randomness come from the environment. The rest is tested in
 * tests/lua/lib_spec.lua.
 */
#include "script/lib.h"

#include <lauxlib.h>
#include <lualib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static uint64_t wall(struct mw_env *env)
{
	(void)env;
	return 1234567890999999u;
}

static void eval(lua_State *L, const char *code)
{
	if (luaL_dostring(L, code))
		fail_msg("%s", lua_tostring(L, -1));
}

static void now_and_random_hex_ask_the_environment(void **state)
{
	(void)state;
	const struct mw_env_ops ops = {.wall = wall};
	struct mw_env env = {.ops = &ops};
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	lua_pushcfunction(L, luaopen_mwlib);
	lua_call(L, 0, 1);
	lua_setglobal(L, "lib");
	eval(L, "assert(lib.now() > 1700000000)");
	mw_lib_set_env(L, &env);
	eval(L, "assert(lib.now() == 1234567890)");
	mw_rng_seed(&env.rng, 7);
	eval(L, "first = lib.random_hex(40)");
	mw_rng_seed(&env.rng, 7);
	eval(L, "assert(lib.random_hex(40) == first)");
	eval(L, "assert(lib.random_hex(40) ~= first)");
	lua_close(L);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(now_and_random_hex_ask_the_environment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
