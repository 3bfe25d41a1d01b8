/* SPDX-License-Identifier: MIT
 *
 * Server-sent events. Two passes: the first finds where events end and remembers its place in a few
 * flags, so that a large event may drip in byte by byte; the second takes a whole event apart.
 */
#include "net/sse.h"

enum {
	PAST_BOM = 4,
	KEEP_HELD = 64 * 1024, /* a buffer that one huge event has blown up is given back */
};

static const char bom[] = "\xef\xbb\xbf";

/* A place in the bytes of one feed. `lf` is the first LF at or behind `at`: looking for it anew at
 * each CR would make a text without LFs quadratic. */
struct cursor {
	const char *at, *end, *lf;
};

void mw_sse_init(struct mw_sse *s, size_t max_event)
{
	*s = (struct mw_sse){.max = max_event};
	mw_buf_init(&s->held, max_event);
	mw_buf_init(&s->data, max_event);
}

void mw_sse_deinit(struct mw_sse *s)
{
	mw_buf_deinit(&s->held);
	mw_buf_deinit(&s->data);
}

static const char *find(const char *from, const char *end, char c)
{
	const char *p = from < end ? memchr(from, c, (size_t)(end - from)) : NULL;
	return p ? p : end;
}

static struct cursor cursor(struct mw_str text)
{
	const char *end = text.n ? text.p + text.n : text.p;
	return (struct cursor){text.p, end, find(text.p, end, '\n')};
}

/* The first CR or LF at or behind c->at, or c->end. */
static const char *line_end(struct cursor *c)
{
	if (c->lf < c->at)
		c->lf = find(c->at, c->end, '\n');
	return find(c->at, c->lf, '\r');
}

/* The byte behind a CR: is it the LF of a CRLF? True when the event that was ending is now over. */
static bool after_cr(struct mw_sse *s, struct cursor *c)
{
	s->after_cr = false;
	s->crlf = *c->at == '\n';
	if (s->crlf)
		c->at++;
	bool over = s->ending;
	s->ending = false;
	return over;
}

/* Moves over a line end; true when that line was empty and the event is over. A CR that may be half
 * of a CRLF is waited for only in a stream that writes CRLF: whoever ends lines with a bare CR
 * would otherwise get each event one event late. */
static bool take_line_end(struct mw_sse *s, struct cursor *c)
{
	bool empty = !s->in_line;
	s->in_line = false;
	if (*c->at++ == '\n') {
		s->crlf = false;
		return empty;
	}
	s->after_cr = true;
	s->ending = empty && s->crlf;
	return empty && !s->ending;
}

/* Moves the cursor behind the end of the present event (true) or to the end of the bytes. */
static bool find_event_end(struct mw_sse *s, struct cursor *c)
{
	while (c->at < c->end) {
		if (s->after_cr) {
			if (after_cr(s, c))
				return true;
			continue;
		}
		const char *p = line_end(c);
		s->in_line |= p > c->at;
		c->at = p;
		if (p < c->end && take_line_end(s, c))
			return true;
	}
	return false;
}

/* Moves over a line and its end; gives it without the end. */
static struct mw_str take_line(struct cursor *c)
{
	const char *start = c->at;
	const char *p = line_end(c);
	c->at = p;
	if (p < c->end)
		c->at += p[0] == '\r' && p + 1 < c->end && p[1] == '\n' ? 2 : 1;
	return mw_strn(start, (size_t)(p - start));
}

/* Cuts a line into field name and value; one space behind the colon is not part of the value. */
static struct mw_str field(struct mw_str line, struct mw_str *value)
{
	struct mw_str name;
	*value = line;
	if (!mw_str_cut(value, ':', &name)) {
		*value = MW_STR("");
		return line;
	}
	if (value->n && value->p[0] == ' ')
		*value = mw_strn(value->p + 1, value->n - 1);
	return name;
}

/* Fills name and data of an event from its raw bytes. */
static void take_apart(struct mw_sse *s, struct mw_sse_event *ev)
{
	struct cursor c = cursor(ev->raw);
	size_t lines = 0;
	mw_buf_clear(&s->data);
	while (c.at < c.end) {
		struct mw_str value, name = field(take_line(&c), &value);
		if (mw_str_is(name, "event"))
			ev->name = value;
		if (!mw_str_is(name, "data"))
			continue;
		if (++lines == 2)
			mw_buf_add(&s->data, ev->data);
		if (lines >= 2) {
			mw_buf_addc(&s->data, '\n');
			mw_buf_add(&s->data, value);
		}
		ev->data = lines >= 2 ? mw_buf_str(&s->data) : value;
	}
}

static enum mw_sse_result give(struct mw_sse *s, struct mw_str raw, mw_sse_fn fn, void *arg)
{
	struct mw_sse_event ev = {.name = MW_STR(""), .data = MW_STR(""), .raw = raw};
	if (raw.n > s->max)
		return MW_SSE_TOO_LARGE;
	take_apart(s, &ev);
	if (s->data.full)
		return MW_SSE_TOO_LARGE;
	if (ev.data.n == 0)
		return MW_SSE_OK;
	return fn(arg, &ev) ? MW_SSE_OK : MW_SSE_STOPPED;
}

static void drop_held(struct mw_sse *s)
{
	if (s->held.cap > KEEP_HELD)
		mw_buf_deinit(&s->held);
	mw_buf_clear(&s->held);
}

/* Keeps the bytes of an event that is not over. */
static enum mw_sse_result hold(struct mw_sse *s, struct mw_str bytes)
{
	mw_buf_add(&s->held, bytes);
	return s->held.full ? MW_SSE_TOO_LARGE : MW_SSE_OK;
}

/* Moves over a BOM at the very start, which may come in pieces. What only began like one is
 * content. */
static enum mw_sse_result skip_bom(struct mw_sse *s, struct mw_str *bytes)
{
	while (s->bom < PAST_BOM && bytes->n) {
		if (s->bom < 3 && bytes->p[0] == bom[s->bom]) {
			s->bom++;
			*bytes = mw_strn(bytes->p + 1, bytes->n - 1);
			continue;
		}
		size_t like = s->bom < 3 ? s->bom : 0;
		s->bom = PAST_BOM;
		s->in_line = like > 0;
		return hold(s, mw_strn(bom, like));
	}
	return MW_SSE_OK;
}

enum mw_sse_result mw_sse_feed(struct mw_sse *s, struct mw_str bytes, mw_sse_fn fn, void *arg)
{
	enum mw_sse_result r = s->bom < PAST_BOM ? skip_bom(s, &bytes) : MW_SSE_OK;
	if (bytes.n == 0 || r != MW_SSE_OK)
		return r;
	struct cursor c = cursor(bytes);
	const char *start = c.at;
	while (find_event_end(s, &c)) {
		struct mw_str raw = mw_strn(start, (size_t)(c.at - start));
		bool joined = s->held.n > 0;
		if (joined && (r = hold(s, raw)) != MW_SSE_OK)
			return r;
		r = give(s, joined ? mw_buf_str(&s->held) : raw, fn, arg);
		if (r != MW_SSE_OK)
			return r;
		if (joined)
			drop_held(s);
		start = c.at;
	}
	return hold(s, mw_strn(start, (size_t)(c.end - start)));
}

enum mw_sse_result mw_sse_finish(struct mw_sse *s, mw_sse_fn fn, void *arg)
{
	if (s->held.n == 0)
		return MW_SSE_OK;
	enum mw_sse_result r = give(s, mw_buf_str(&s->held), fn, arg);
	if (r == MW_SSE_OK)
		drop_held(s);
	return r;
}
