/* SPDX-License-Identifier: MIT
 *
 * The check of a whole JSON text in one pass, without building anything. Recursion is bounded by
 * MW_MAX_DEPTH.
 *
 * Names are checked for duplicates by hashes: those of all objects that are open stand in one stack.
 * In a small object each new name is compared with those before it. The names of a big one are put
 * into a set when it ends, by a hash that is keyed per process, so that nobody can choose names that
 * collide there.
 */
#include "base/json.h"

#include "base/hash.h"
#include "base/json_scan.h"
#include "base/mem.h"

enum {
	SMALL = 16,  /* members of an object that are compared one by one */
	NAMES = 128, /* room in the stack of names before it needs memory */
};

struct name {
	const char *quote; /* where it begins in the text */
	uint32_t n;        /* bytes between its quotes */
	uint32_t hash;
};

struct checker {
	struct mw_json_scan scan;
	int depth;
	struct name *names;
	size_t n_names, room;
	uint32_t *slots; /* the set of a big object's names */
	size_t n_slots;
	struct mw_buf plain; /* a name without its escapes */
	struct mw_json_look *look;
	struct name few[NAMES];
};

static const char *check_value(struct checker *c, const char *p);

/* ---- names ------------------------------------------------------------------------------------- */

/* Of up to 16 bytes all, of longer names both ends: it only has to be quick, for a few names at a
 * time. */
static inline uint32_t quick_hash(struct mw_str s)
{
	uint64_t a = 0, b = 0;
	if (s.n >= 8) {
		memcpy(&a, s.p, 8);
		memcpy(&b, s.p + s.n - 8, 8);
	} else if (s.n >= 4) {
		memcpy(&a, s.p, 4);
		memcpy(&b, s.p + s.n - 4, 4);
	} else if (s.n) {
		a = (unsigned char)s.p[0] | (uint64_t)(unsigned char)s.p[s.n / 2] << 8;
		b = (unsigned char)s.p[s.n - 1];
	}
	uint64_t h = (a ^ s.n) * 0x9e3779b97f4a7c15u ^ b;
	return (uint32_t)(h * 0xbf58476d1ce4e5b9u >> 32);
}

static const char *stop(struct checker *c, enum mw_json_fault fault, const char *at)
{
	return mw_json_scan_stop(&c->scan, fault, at);
}

/* The name without escapes, in scratch that the next call overwrites; false when memory is out. */
static bool unescape_name(struct checker *c, struct mw_str raw, struct mw_str *out)
{
	c->plain.n = 0;
	if (!mw_buf_reserve(&c->plain, raw.n))
		return false;
	*out = mw_strn(c->plain.p, (size_t)(mw_json_scan_unescape(c->plain.p, raw) - c->plain.p));
	return true;
}

static struct mw_str raw_name(const struct name *name)
{
	return mw_strn(name->quote + 1, name->n);
}

static bool has_escape(struct mw_str raw)
{
	return mw_str_find(raw, '\\') < raw.n;
}

/* Are two names with equal hashes the same? When memory is out they pass for that. */
static bool same_name(struct checker *c, const struct name *a, const struct name *b)
{
	struct mw_str x = raw_name(a), y = raw_name(b);
	if (has_escape(y)) {
		struct mw_str swap = x;
		x = y;
		y = swap;
	}
	if (!has_escape(x))
		return mw_str_eq(x, y);
	struct mw_str plain;
	if (!unescape_name(c, x, &plain))
		return true;
	if (!has_escape(y))
		return mw_str_eq(plain, y);
	/* both have escapes, which is so rare that it may cost an allocation */
	char *copy = mw_mem_try(NULL, y.n);
	bool same = !copy || mw_str_eq(plain,
				 mw_strn(copy, (size_t)(mw_json_scan_unescape(copy, y) - copy)));
	mw_mem_free(copy);
	return same;
}

static bool grow_names(struct checker *c)
{
	bool first = c->names == c->few;
	struct name *more = mw_mem_try(first ? NULL : c->names, 2 * c->room * sizeof(*more));
	if (!more)
		return false;
	if (first)
		memcpy(more, c->few, sizeof(c->few));
	c->names = more;
	c->room *= 2;
	return true;
}

/* Adds a name to the object whose names begin at `base`. Returns false with the fault noted. */
static bool add_name(struct checker *c, size_t base, struct name name)
{
	if (c->n_names == c->room && !grow_names(c))
		return stop(c, MW_JSON_FAULT_MEMORY, name.quote);
	size_t count = c->n_names - base;
	for (size_t i = base; count < SMALL && i < c->n_names; i++)
		if (c->names[i].hash == name.hash && same_name(c, &c->names[i], &name))
			return stop(c, MW_JSON_FAULT_TWICE, name.quote);
	if (count == MW_MAX_MEMBERS)
		return stop(c, MW_JSON_FAULT_MEMBERS, name.quote);
	c->names[c->n_names++] = name;
	return true;
}

/* Room for a set of n names, empty; false when memory is out. */
static bool clear_slots(struct checker *c, size_t n)
{
	size_t want = 64;
	while (want < 2 * n)
		want *= 2;
	uint32_t *slots = mw_mem_try(c->slots, want * sizeof(*slots));
	if (!slots)
		return false;
	memset(slots, 0, want * sizeof(*slots));
	c->slots = slots;
	c->n_slots = want;
	return true;
}

/* The hash that nobody outside can foresee. False when memory is out. */
static bool rehash(struct checker *c, struct name *name)
{
	struct mw_str plain = raw_name(name);
	if (has_escape(plain) && !unescape_name(c, plain, &plain))
		return false;
	name->hash = (uint32_t)mw_hash(plain);
	return true;
}

/* Do all the names of a big object differ? */
static bool check_set(struct checker *c, size_t base)
{
	size_t n = c->n_names - base;
	struct name *names = c->names + base;
	if (!clear_slots(c, n))
		return stop(c, MW_JSON_FAULT_MEMORY, names[n - 1].quote);
	for (size_t i = 0; i < n; i++) {
		if (!rehash(c, &names[i]))
			return stop(c, MW_JSON_FAULT_MEMORY, names[i].quote);
		size_t at = names[i].hash % c->n_slots;
		for (; c->slots[at]; at = (at + 1) % c->n_slots) {
			struct name *other = &names[c->slots[at] - 1];
			if (other->hash == names[i].hash && same_name(c, other, &names[i]))
				return stop(c, MW_JSON_FAULT_TWICE, names[i].quote);
		}
		c->slots[at] = (uint32_t)i + 1;
	}
	return true;
}

/* ---- values ------------------------------------------------------------------------------------ */

static struct mw_json *find_wanted(struct mw_json_look *look, struct mw_str name)
{
	for (size_t i = 0; i < look->n; i++)
		if (mw_str_eq(look->names[i], name))
			return &look->found[i];
	return NULL;
}

static void meet(struct mw_json_look *look, struct mw_str name)
{
	for (size_t i = 0; i < look->n_deep; i++)
		look->met |= mw_str_eq(look->deep[i], name);
}

/* A name and its colon. `slot`: where the value is wanted, or NULL. */
static const char *check_name(struct checker *c, const char *p, size_t base, struct mw_json **slot)
{
	const char *end = c->scan.end, *quote = p;
	if (p == end || *p != '"')
		return stop(c, MW_JSON_FAULT_NAME, p);
	bool escaped = false;
	p = mw_json_scan_string(&c->scan, p + 1, &escaped);
	if (!p)
		return NULL;
	struct mw_str plain = {quote + 1, (size_t)(p - quote - 1)};
	struct name name = {.quote = quote, .n = (uint32_t)plain.n};
	if (escaped && !unescape_name(c, plain, &plain))
		return stop(c, MW_JSON_FAULT_MEMORY, quote);
	name.hash = quick_hash(plain);
	*slot = NULL;
	if (c->depth == 1)
		*slot = find_wanted(c->look, plain);
	else
		meet(c->look, plain);
	if (!add_name(c, base, name))
		return NULL;
	p = mw_json_scan_space(p + 1, end);
	if (p == end || *p != ':')
		return stop(c, MW_JSON_FAULT_COLON, p);
	return mw_json_scan_space(p + 1, end);
}

static const char *check_member(struct checker *c, const char *p, size_t base)
{
	struct mw_json *slot;
	p = check_name(c, p, base, &slot);
	if (!p)
		return NULL;
	const char *begin = p;
	p = check_value(c, p);
	if (p && slot)
		*slot = (struct mw_json){mw_json_kind_of(*begin), {begin, (size_t)(p - begin)}};
	return p;
}

/* p stands behind the brace. */
static const char *check_object(struct checker *c, const char *p)
{
	const char *end = c->scan.end;
	size_t base = c->n_names;
	p = mw_json_scan_space(p, end);
	bool more = p == end || *p != '}';
	while (more) {
		p = check_member(c, p, base);
		if (!p)
			return NULL;
		p = mw_json_scan_space(p, end);
		more = p < end && *p == ',';
		if (more)
			p = mw_json_scan_space(p + 1, end);
		else if (p == end || *p != '}')
			return stop(c, MW_JSON_FAULT_MORE_MEMBERS, p);
	}
	if (c->n_names - base > SMALL && !check_set(c, base))
		return NULL;
	c->n_names = base;
	return p + 1;
}

static const char *check_array(struct checker *c, const char *p)
{
	const char *end = c->scan.end;
	p = mw_json_scan_space(p, end);
	bool more = p == end || *p != ']';
	while (more) {
		p = check_value(c, p);
		if (!p)
			return NULL;
		p = mw_json_scan_space(p, end);
		more = p < end && *p == ',';
		if (more)
			p = mw_json_scan_space(p + 1, end);
		else if (p == end || *p != ']')
			return stop(c, MW_JSON_FAULT_MORE_ITEMS, p);
	}
	return p + 1;
}

static const char *check_nested(struct checker *c, const char *p)
{
	if (c->depth == MW_MAX_DEPTH)
		return stop(c, MW_JSON_FAULT_DEPTH, p);
	c->depth++;
	p = *p == '{' ? check_object(c, p + 1) : check_array(c, p + 1);
	c->depth--;
	return p;
}

/* p is no space. */
static const char *check_value(struct checker *c, const char *p)
{
	bool whatever;
	if (p == c->scan.end)
		return stop(c, MW_JSON_FAULT_VALUE, p);
	switch (*p) {
	case '"':
		p = mw_json_scan_string(&c->scan, p + 1, &whatever);
		return p ? p + 1 : NULL;
	case '{':
	case '[':
		return check_nested(c, p);
	case 't':
		return mw_json_scan_word(&c->scan, p, MW_STR("true"));
	case 'f':
		return mw_json_scan_word(&c->scan, p, MW_STR("false"));
	case 'n':
		return mw_json_scan_word(&c->scan, p, MW_STR("null"));
	default:
		if (*p == '-' || (*p >= '0' && *p <= '9'))
			return mw_json_scan_number(&c->scan, p, &whatever);
		return stop(c, MW_JSON_FAULT_VALUE, p);
	}
}

static bool check_text(struct checker *c, struct mw_json *root)
{
	const char *end = c->scan.end;
	const char *begin = mw_json_scan_space(c->scan.begin, end);
	const char *p = check_value(c, begin);
	if (!p)
		return false;
	*root = (struct mw_json){mw_json_kind_of(*begin), {begin, (size_t)(p - begin)}};
	p = mw_json_scan_space(p, end);
	return p == end || stop(c, MW_JSON_FAULT_END, p);
}

bool mw_json_peek(
    struct mw_str text, struct mw_json_look *look, struct mw_json *root, struct mw_err *err)
{
	struct mw_json_look nothing = {0};
	const char *begin = text.p ? text.p : "";
	struct checker c;
	c.scan = (struct mw_json_scan){.begin = begin, .end = begin + text.n};
	c.depth = 0;
	c.names = c.few;
	c.n_names = 0;
	c.room = NAMES;
	c.slots = NULL;
	c.look = look ? look : &nothing;
	c.look->met = false;
	mw_buf_init(&c.plain, text.n);
	for (size_t i = 0; i < c.look->n; i++)
		c.look->found[i] = (struct mw_json){MW_JSON_NONE, MW_NOSTR};
	bool ok = text.n <= UINT32_MAX ? check_text(&c, root)
	                               : (bool)stop(&c, MW_JSON_FAULT_MEMORY, begin);
	if (c.names != c.few)
		mw_mem_free(c.names);
	mw_mem_free(c.slots);
	mw_buf_deinit(&c.plain);
	return ok || mw_json_scan_explain(&c.scan, err);
}
