/* SPDX-License-Identifier: MIT
 *
 * Reading the tables of lua/: strings into an arena, numbers within bounds, faults, usage.
 */
#include "script/read.h"

/* A string (or number) on the stack, copied into the arena; {NULL,0} for anything else. */
struct mw_str mw_read_str(lua_State *L, int idx, struct mw_arena *a)
{
	if (!lua_isstring(L, idx))
		return MW_NOSTR;
	size_t n;
	const char *p = lua_tolstring(L, idx, &n);
	return mw_arena_dup(a, mw_strn(p, n));
}

struct mw_str mw_read_text(lua_State *L, int idx, const char *name, struct mw_arena *a)
{
	lua_getfield(L, idx, name);
	struct mw_str s = mw_read_str(L, -1, a);
	lua_pop(L, 1);
	return s;
}

bool mw_read_bool(lua_State *L, int idx, const char *name)
{
	lua_getfield(L, idx, name);
	bool v = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return v;
}

/* A number of a table, forced into 0..max; `absent` where there is none. */
double mw_read_number(lua_State *L, int idx, const char *name, double max, double absent)
{
	lua_getfield(L, idx, name);
	double v = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : absent;
	lua_pop(L, 1);
	return v >= 0 ? MW_MIN(v, max) : absent; /* false for NaN too */
}

/* Headers as a flat list of name, value, name, value … */
const struct mw_header *mw_read_headers(lua_State *L, int idx, struct mw_arena *a, size_t *n)
{
	lua_getfield(L, idx, "headers");
	struct mw_header *headers = NULL;
	*n = lua_istable(L, -1) ? lua_objlen(L, -1) / 2 : 0;
	if (*n)
		headers = mw_arena_alloc(a, *n * sizeof(*headers));
	for (size_t i = 0; i < *n; i++) {
		lua_rawgeti(L, -1, (int)(2 * i + 1));
		lua_rawgeti(L, -2, (int)(2 * i + 2));
		headers[i] = (struct mw_header){mw_read_str(L, -2, a), mw_read_str(L, -1, a)};
		lua_pop(L, 2);
	}
	lua_pop(L, 1);
	return headers;
}

static enum mw_err_code code_by_name(const char *name)
{
	static const char *const names[] = {
#define MW_ERR(code, status, openai_type) #code,
#include "base/errors.def"
#undef MW_ERR
	};
	for (size_t i = 0; name && i < MW_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return (enum mw_err_code)(i + 1);
	return MW_ERR_UPSTREAM;
}

/* The fault table at idx (lua/README.md). */
void mw_read_fault(lua_State *L, int idx, struct mw_arena *a, struct mw_fault *f)
{
	*f = (struct mw_fault){.code = MW_ERR_INTERNAL};
	if (!lua_istable(L, idx)) {
		f->message = mw_read_str(L, idx, a);
		return;
	}
	lua_getfield(L, idx, "code");
	f->code = code_by_name(lua_tostring(L, -1));
	lua_pop(L, 1);
	f->status = (int)mw_read_number(L, idx, "status", 599, 0);
	f->status =
	    f->status < 400 ? 0 : f->status; /* an error inside a 200 has no status of its own */
	f->type = mw_read_text(L, idx, "type", a);
	f->param = mw_read_text(L, idx, "param", a);
	f->message = mw_read_text(L, idx, "message", a);
	f->native_code = mw_read_text(L, idx, "native_code", a);
	f->retry_after_us = (uint64_t)(mw_read_number(L, idx, "retry_after_ms", 86400e3, 0) * 1e3);
}

void mw_read_usage(lua_State *L, int idx, struct mw_usage *u)
{
	*u = (struct mw_usage){0};
	if (!lua_istable(L, idx))
		return;
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
	    {"prompt", offsetof(struct mw_usage, prompt)},
	    {"cached", offsetof(struct mw_usage, cached)},
	    {"cache_write", offsetof(struct mw_usage, cache_write)},
	    {"cache_write_1h", offsetof(struct mw_usage, cache_write_1h)},
	    {"audio_in", offsetof(struct mw_usage, audio_in)},
	    {"completion", offsetof(struct mw_usage, completion)},
	    {"reasoning", offsetof(struct mw_usage, reasoning)},
	    {"audio_out", offsetof(struct mw_usage, audio_out)},
	};
	for (size_t i = 0; i < MW_LEN(fields); i++) {
		int64_t v = (int64_t)mw_read_number(L, idx, fields[i].name, 0x1p53, 0);
		memcpy((char *)u + fields[i].offset, &v, sizeof(v));
	}
	u->reported = true;
}
