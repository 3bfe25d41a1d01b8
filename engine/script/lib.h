/* SPDX-License-Identifier: MIT
 *
 * The Lua module mwlib: small tools for the trusted runtime that Lua itself is slow at.
 *
 *   base64_encode(s)        standard alphabet, padded
 *   base64_decode(s)        bytes, or nil if s is no base64; takes the URL-safe alphabet and missing
 *                           padding too
 *   floats_encode(numbers)  an array of numbers as float32, little-endian
 *   floats_decode(bytes)    the array again; nil if the length is no multiple of 4
 *   now()                   whole seconds since 1970
 *   random_hex(n)           n hexadecimal digits (n up to 1024), for ids
 */
#ifndef MW_LIB_H
#define MW_LIB_H

#include "base/env.h"

#include <lua.h>

int luaopen_mwlib(lua_State *L);

/* From here on now and random_hex of this state ask the environment, which must outlive the state.
 * Without one they ask the system. May raise when memory is out. */
void mw_lib_set_env(lua_State *L, struct mw_env *env);

#endif
