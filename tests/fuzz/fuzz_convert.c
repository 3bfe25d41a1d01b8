/* SPDX-License-Identifier: MIT
 *
 * script/convert: what can be decoded can be encoded, the text that comes out means the same (it
 * decodes to what encodes the same), and the stack is as it was. The same state is used for all
 * inputs, as a worker uses it for all calls.
 */
#include "script/convert.h"

#include <lauxlib.h>

#include <stdlib.h>

static lua_State *the_state;

static void close_state(void)
{
	lua_close(the_state);
}

static lua_State *state(void)
{
	if (!the_state) {
		the_state = luaL_newstate();
		atexit(close_state);
	}
	return the_state;
}

static void encode(lua_State *L, struct mw_buf *out)
{
	struct mw_err err;
	mw_buf_init(out, 16 << 20);
	mw_require(mw_convert_encode(L, -1, out, &err));
	lua_pop(L, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	lua_State *L = state();
	struct mw_err err = {0};
	struct mw_buf once, twice;
	if (!mw_convert_decode(L, mw_strn((const char *)data, n), &err)) {
		mw_require(err.code == MW_ERR_BAD_JSON && err.text[0] && lua_gettop(L) == 0);
		return 0;
	}
	encode(L, &once);
	mw_require(mw_convert_decode(L, mw_buf_str(&once), &err));
	encode(L, &twice);
	mw_require(mw_str_eq(mw_buf_str(&once), mw_buf_str(&twice)) && lua_gettop(L) == 0);
	mw_buf_deinit(&once);
	mw_buf_deinit(&twice);
	return 0;
}
