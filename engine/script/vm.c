/* SPDX-License-Identifier: MIT
 *
 * The state of policies: LuaJIT's own allocator behind one that counts.
 */
#include "script/vm.h"

#include "base/mem.h"

#include <lauxlib.h>
#include <luajit.h>

enum {
	/* per cent: collect again when the heap has doubled … */
	PAUSE_SMALL = 200,
	/* … but near the ceiling at once: LuaJIT has no collection in an emergency */
	PAUSE_LARGE = 110,
	/* of what is kept: to look at it all takes a twentieth of the time at most */
	BYTES_PER_US = 16,
};

struct mw_vm {
	lua_State *L;
	lua_Alloc
	    inner; /* LuaJIT's: addresses from malloc do not fit its values on every machine */
	void *inner_arg;
	size_t used, cap;
	int pause;
	uint64_t relieve_from; /* no sooner is all garbage collected again */
};

static void *count(void *arg, void *p, size_t old, size_t size)
{
	struct mw_vm *vm = arg;
	if (size > old && size - old > vm->cap - MW_MIN(vm->used, vm->cap))
		return NULL;
	void *q = vm->inner(vm->inner_arg, p, old, size);
	if (q || size == 0)
		vm->used = vm->used - old + size;
	return q;
}

static int panic(lua_State *L)
{
	(void)L;
	mw_require(!"a Lua error outside of every protected call");
	return 0;
}

static void set_pause(struct mw_vm *vm, int pause)
{
	vm->pause = pause;
	lua_gc(vm->L, LUA_GCSETPAUSE, pause);
}

struct mw_vm *mw_vm_new(size_t cap)
{
	struct mw_vm *vm = mw_mem_zalloc(sizeof(*vm));
	vm->L = luaL_newstate();
	mw_require(vm->L);
	lua_atpanic(vm->L, panic);
	vm->cap = cap;
	vm->used =
	    (size_t)lua_gc(vm->L, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(vm->L, LUA_GCCOUNTB, 0);
	vm->inner = lua_getallocf(vm->L, &vm->inner_arg);
	lua_setallocf(vm->L, count, vm);
	luaJIT_setmode(vm->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	set_pause(vm, PAUSE_LARGE);
	return vm;
}

void mw_vm_free(struct mw_vm *vm)
{
	if (!vm)
		return;
	/* LuaJIT gives its whole heap back at once, but only if the allocator is its own */
	lua_setallocf(vm->L, vm->inner, vm->inner_arg);
	lua_close(vm->L);
	mw_mem_free(vm);
}

lua_State *mw_vm_lua(const struct mw_vm *vm)
{
	return vm->L;
}

size_t mw_vm_used(const struct mw_vm *vm)
{
	return vm->used;
}

void mw_vm_rest(struct mw_vm *vm)
{
	int pause = vm->used > vm->cap / 4 ? PAUSE_LARGE : PAUSE_SMALL;
	if (pause != vm->pause)
		set_pause(vm, pause);
}

bool mw_vm_is_crowded(const struct mw_vm *vm)
{
	return vm->used > vm->cap / 2;
}

void mw_vm_relieve(struct mw_vm *vm, uint64_t now)
{
	if (now < vm->relieve_from)
		return;
	lua_gc(vm->L, LUA_GCCOLLECT, 0);
	vm->relieve_from = now;
	if (vm->used > vm->cap / 4)
		vm->relieve_from += vm->used / BYTES_PER_US;
}
