/* SPDX-License-Identifier: MIT
 *
 * base/json against a checker written another way: byte by byte, UTF-8 by value, names compared one by
 * one. Both must agree on what is JSON, and script/convert with them. What passes is walked, unquoted,
 * quoted and edited; what comes out must pass again and hold what was put in.
 *
 * The input is PATH NUL VALUE NUL TEXT, or just a text.
 */
#include "base/json.h"
#include "base/mem.h"
#include "script/convert.h"

#include <lauxlib.h>

#include <stdlib.h>

/* ---- the other checker ------------------------------------------------------------------------- */

struct plain {
	const unsigned char *p, *end;
	int depth;
};

static bool other_value(struct plain *t);

static bool take(struct plain *t, unsigned char c)
{
	if (t->p == t->end || *t->p != c)
		return false;
	t->p++;
	return true;
}

static void space(struct plain *t)
{
	while (take(t, ' ') || take(t, '\t') || take(t, '\n') || take(t, '\r'))
		;
}

static bool word(struct plain *t, const char *w)
{
	for (; *w; w++)
		if (!take(t, (unsigned char)*w))
			return false;
	return true;
}

static int hex(struct plain *t)
{
	int value = 0;
	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef", *at;
		if (t->p == t->end || !*t->p ||
		    !(at = strchr(digits, *t->p >= 'A' && *t->p <= 'F' ? *t->p + 32 : *t->p)))
			return -1;
		value = value * 16 + (int)(at - digits);
		t->p++;
	}
	return value;
}

static bool utf8(struct plain *t, uint32_t *out)
{
	unsigned char lead = *t->p++;
	int tails = lead >= 0xf8   ? -1
	            : lead >= 0xf0 ? 3
	            : lead >= 0xe0 ? 2
	            : lead >= 0xc0 ? 1
	            : lead >= 0x80 ? -1
	                           : 0;
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	if (tails < 0)
		return false;
	uint32_t value = tails ? lead & (0x3fu >> tails) : lead;
	for (int i = 0; i < tails; i++) {
		if (t->p == t->end || (*t->p & 0xc0) != 0x80)
			return false;
		value = value << 6 | (*t->p++ & 0x3f);
	}
	*out = value;
	return value >= least[tails] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

/* One character of a string; a lone surrogate is U+FFFD. */
static bool character(struct plain *t, uint32_t *out)
{
	if (!take(t, '\\'))
		return *t->p >= 0x20 && utf8(t, out);
	for (const char *e = "\"\"\\\\//b\bf\fn\nr\rt\t"; *e; e += 2)
		if (take(t, (unsigned char)e[0])) {
			*out = (unsigned char)e[1];
			return true;
		}
	int high = take(t, 'u') ? hex(t) : -1, low;
	if (high < 0)
		return false;
	*out = (uint32_t)high;
	if (high < 0xd800 || high > 0xdfff)
		return true;
	struct plain saved = *t;
	*out = 0xfffd;
	if (high < 0xdc00 && take(t, '\\') && take(t, 'u') && (low = hex(t)) >= 0xdc00 &&
	    low <= 0xdfff)
		*out = 0x10000u + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
	else
		*t = saved;
	return true;
}

/* Into out (of 32 bit characters), if that is not NULL. */
static bool other_string(struct plain *t, struct mw_buf *out)
{
	if (!take(t, '"'))
		return false;
	while (!take(t, '"')) {
		uint32_t c;
		if (t->p == t->end || !character(t, &c))
			return false;
		if (out)
			mw_buf_add(out, mw_strn((const char *)&c, 4));
	}
	return true;
}

static bool digits(struct plain *t)
{
	const unsigned char *begin = t->p;
	while (t->p < t->end && *t->p >= '0' && *t->p <= '9')
		t->p++;
	return t->p > begin;
}

static bool other_number(struct plain *t)
{
	take(t, '-');
	if (!take(t, '0') && !digits(t))
		return false;
	if (take(t, '.') && !digits(t))
		return false;
	if (take(t, 'e') || take(t, 'E')) {
		if (!take(t, '+'))
			take(t, '-');
		return digits(t);
	}
	return true;
}

struct names {
	struct mw_buf text;
	struct names *older;
};

static bool is_new(const struct names *name)
{
	for (const struct names *o = name->older; o; o = o->older)
		if (mw_str_eq(mw_buf_str(&o->text), mw_buf_str(&name->text)))
			return false;
	return true;
}

static bool member(struct plain *t, struct names **newest)
{
	struct names *name = mw_mem_zalloc(sizeof(*name));
	name->older = *newest;
	*newest = name;
	mw_buf_init(&name->text, 1 << 24);
	space(t);
	if (!other_string(t, &name->text) || !is_new(name))
		return false;
	space(t);
	return take(t, ':') && other_value(t);
}

static bool other_object(struct plain *t)
{
	struct names *names = NULL;
	bool ok = take(t, '{'), empty;
	space(t);
	empty = take(t, '}');
	while (ok && !empty) {
		ok = member(t, &names);
		if (!ok || take(t, '}'))
			break;
		ok = take(t, ',');
	}
	while (names) {
		struct names *name = names;
		names = name->older;
		mw_buf_deinit(&name->text);
		mw_mem_free(name);
	}
	return ok;
}

static bool other_array(struct plain *t)
{
	take(t, '[');
	space(t);
	if (take(t, ']'))
		return true;
	while (other_value(t)) {
		if (take(t, ']'))
			return true;
		if (!take(t, ','))
			return false;
	}
	return false;
}

/* With the space on both sides. */
static bool other_value(struct plain *t)
{
	bool ok;
	space(t);
	if (t->p == t->end)
		return false;
	if (*t->p == '{' || *t->p == '[') {
		if (t->depth == MW_MAX_DEPTH)
			return false;
		t->depth++;
		ok = *t->p == '{' ? other_object(t) : other_array(t);
		t->depth--;
	} else if (*t->p == '"') {
		ok = other_string(t, NULL);
	} else if (*t->p == 't') {
		ok = word(t, "true");
	} else if (*t->p == 'f') {
		ok = word(t, "false");
	} else if (*t->p == 'n') {
		ok = word(t, "null");
	} else {
		ok = other_number(t);
	}
	space(t);
	return ok;
}

static bool other_check(struct mw_str text)
{
	const unsigned char *p = (const unsigned char *)text.p;
	struct plain t = {p, p + text.n, 0};
	return other_value(&t) && t.p == t.end;
}

/* ---- what must hold ---------------------------------------------------------------------------- */

static lua_State *lua;

static void close_lua(void)
{
	lua_close(lua);
}

static void converter_agrees(struct mw_str text, bool good, const struct mw_err *err)
{
	struct mw_err other = {0};
	if (!lua) {
		lua = luaL_newstate();
		atexit(close_lua);
	}
	mw_require(mw_convert_decode(lua, text, &other) == good);
	mw_require(good || strcmp(other.text, err->text) == 0 || strstr(other.text, "twice") ||
		   strstr(err->text, "twice"));
	lua_settop(lua, 0);
}

static bool peek(struct mw_str text, struct mw_json *root)
{
	struct mw_err err = {0};
	bool good = mw_json_peek(text, NULL, root, &err);
	mw_require(good || err.text[0]);
	mw_require(good == other_check(text));
	converter_agrees(text, good, &err);
	return good;
}

static bool passes(struct mw_str text)
{
	struct mw_json root;
	return mw_json_peek(text, NULL, &root, NULL);
}

static void check_string(struct mw_json v, struct mw_arena *a)
{
	struct mw_buf b;
	struct mw_str plain = mw_json_text(v, a);
	mw_buf_init(&b, 1 << 24);
	mw_json_quote(&b, plain);
	mw_require(passes(mw_buf_str(&b)));
	mw_require(mw_str_eq(mw_json_text(mw_json_value(mw_buf_str(&b)), a), plain));
	mw_buf_deinit(&b);
}

/* All that is inside must be found, and be JSON by itself. */
static void walk(struct mw_json v, struct mw_arena *a, int *left)
{
	if (v.kind == MW_JSON_STRING)
		check_string(v, a);
	struct mw_json part;
	struct mw_str name;
	size_t n = 0;
	for (size_t at = 0; mw_json_next(v, &at, &name, &part); n++) {
		if (--*left < 0)
			return;
		mw_require(passes(part.raw));
		if (name.p) {
			struct mw_str plain = mw_json_text(mw_json_value(name), a);
			mw_require(mw_json_get(v, plain).raw.p == part.raw.p);
		} else {
			mw_require(mw_json_item(v, n).raw.p == part.raw.p);
		}
		walk(part, a, left);
	}
	mw_require(mw_json_count(v) == n);
}

static void edit(struct mw_str text, struct mw_str path, struct mw_str value, struct mw_arena *a)
{
	struct mw_json_edit set = {path, value}, gone = {path, MW_NOSTR};
	struct mw_str out, less;
	if (!mw_json_edit(text, &set, 1, a, &out, NULL))
		return;
	struct mw_err err;
	struct mw_json root;
	if (!mw_json_peek(out, NULL, &root, &err)) { /* one deep value inside another */
		mw_require(strstr(err.text, "nested deeper"));
		return;
	}
	/* the path of a name that is no UTF-8 is mended, and so is another */
	bool found = path.n && mw_str_eq(mw_json_value(mw_json_at(root, path).raw).raw,
				   mw_json_value(value).raw);
	struct mw_buf b;
	mw_buf_init(&b, 1 << 24);
	mw_json_quote(&b, path);
	struct mw_str mended = mw_json_text(mw_json_value(mw_buf_str(&b)), a);
	mw_require(found || path.n == 0 || !mw_str_eq(mended, path));
	mw_buf_deinit(&b);
	mw_require(mw_json_edit(out, &gone, 1, a, &less, NULL) && passes(less));
	struct mw_json_edit both[] = {set, gone};
	mw_require(mw_json_edit(text, both, 2, a, &out, NULL) && passes(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mw_str text = {(const char *)data, n}, path, value;
	struct mw_json root, ignored;
	bool edits = mw_str_cut(&text, '\0', &path) && mw_str_cut(&text, '\0', &value);
	if (!edits)
		text = mw_strn((const char *)data, n);
	if (!peek(text, &root))
		return 0;
	struct mw_arena *a = mw_arena_new();
	int left = 200;
	walk(root, a, &left);
	if (edits && peek(value, &ignored))
		edit(text, path, value, a);
	mw_arena_free(a);
	return 0;
}
