/* SPDX-License-Identifier: MIT
 *
 * The matcher: one loop over the items of the pattern, and a row of points to come back to. An item
 * that could match in another way, and a capture that would have to be undone, leaves a point; a
 * mismatch goes back to the last one. As nothing in a pattern repeats but single characters, there
 * are never more points than items.
 */
#include "script/pattern.h"

enum {
	ASK_EVERY = 4096, /* steps */
};

enum point_kind {
	OPENED, /* undo: the last capture was begun */
	CLOSED, /* undo: capture n was ended */
	LESS,   /* try one repetition less: n of them, no fewer than `least` */
	MORE,   /* try one repetition more of the item at `item` */
};

struct point {
	enum point_kind kind;
	size_t at;    /* LESS: where the repetitions begin; MORE: where the next one would */
	size_t n;     /* LESS: repetitions; CLOSED: the capture */
	size_t least; /* LESS */
	size_t item;  /* MORE: begin of the item */
	size_t then;  /* where the pattern goes on */
	int need;     /* LESS: the byte that must come then; -1: it is not that simple */
};

/* One match under way. */
struct match {
	struct mw_pattern *m;
	size_t at, item; /* present places in subject and pattern */
	size_t n_points;
	struct point points[MW_PATTERN_POINTS];
};

static bool fault(struct mw_pattern *m, const char *words)
{
	m->fault = words;
	return false;
}

static bool exhausted(struct mw_pattern *m)
{
	m->exhausted = true;
	return fault(m, "the pattern needs too many steps on this text");
}

/* Takes one step; false when there are none left. */
static bool step(struct mw_pattern *m)
{
	if (m->steps == 0 || (m->steps % ASK_EVERY == 0 && m->over && m->over()))
		return exhausted(m);
	m->steps--;
	return true;
}

/* The classes, a bit for each byte of 0 to 127; none holds a byte beyond. */
static const uint64_t classes['z' - 'a' + 1][2] = {
    ['a' - 'a'] = {0, 0x07fffffe07fffffe},
    ['c' - 'a'] = {0x00000000ffffffff, 0x8000000000000000},
    ['d' - 'a'] = {0x03ff000000000000, 0},
    ['g' - 'a'] = {0xfffffffe00000000, 0x7fffffffffffffff},
    ['l' - 'a'] = {0, 0x07fffffe00000000},
    ['p' - 'a'] = {0xfc00fffe00000000, 0x78000001f8000001},
    ['s' - 'a'] = {0x0000000100003e00, 0},
    ['u' - 'a'] = {0, 0x0000000007fffffe},
    ['w' - 'a'] = {0x03ff000000000000, 0x07fffffe07fffffe},
    ['x' - 'a'] = {0x03ff000000000000, 0x0000007e0000007e},
    ['z' - 'a'] = {1, 0},
};

/* NULL for what is no class: escaped, it means itself. A capital letter is the class's complement. */
static const uint64_t *class_of(unsigned char letter)
{
	unsigned i = (letter | 32u) - 'a';
	return i < MW_LEN(classes) && (classes[i][0] | classes[i][1]) ? classes[i] : NULL;
}

static bool in_class(unsigned char c, unsigned char letter)
{
	const uint64_t *class = class_of(letter);
	if (!class)
		return letter == c;
	bool in = c < 128 && class[c / 64] >> c % 64 & 1;
	return in == (letter >= 'a');
}

static struct mw_pattern_set *remembered(struct mw_pattern *m, size_t from)
{
	for (size_t i = 0; i < m->n_sets; i++)
		if (m->sets[i].from == from)
			return &m->sets[i];
	return NULL;
}

static void add_bytes(struct mw_pattern_set *set, unsigned low, unsigned high)
{
	for (unsigned c = low; c <= high; c++)
		set->bits[c / 64] |= (uint64_t)1 << c % 64;
}

static void add_class(struct mw_pattern_set *set, unsigned char letter)
{
	const uint64_t *class = class_of(letter);
	if (!class) {
		add_bytes(set, letter, letter);
		return;
	}
	for (size_t i = 0; i < MW_LEN(set->bits); i++) {
		uint64_t bits = i < 2 ? class[i] : 0;
		set->bits[i] |= letter >= 'a' ? bits : ~bits;
	}
}

/* Fills in the bits of the set from its '[' to its ']'. Costs a step for each member. */
static void read_set(struct mw_pattern *m, struct mw_pattern_set *set)
{
	const unsigned char *p = (const unsigned char *)m->text.p;
	size_t i = set->from + 1, close = set->end - 1;
	bool complement = p[i] == '^';
	for (i += complement; i < close && step(m); i++) {
		if (p[i] == '%' && i + 1 < close) {
			add_class(set, p[++i]);
		} else if (i + 2 < close && p[i + 1] == '-') {
			add_bytes(set, p[i], p[i + 2]);
			i += 2;
		} else {
			add_bytes(set, p[i], p[i]);
		}
	}
	for (size_t w = 0; complement && w < MW_LEN(set->bits); w++)
		set->bits[w] = ~set->bits[w];
}

/* Is c in the set text[from..end)? One that is not remembered is read each time. */
static bool in_set(struct mw_pattern *m, unsigned char c, size_t from, size_t end)
{
	struct mw_pattern_set other = {.from = from, .end = end}, *set = remembered(m, from);
	if (!set)
		read_set(m, set = &other);
	return set->bits[c / 64] >> c % 64 & 1;
}

/* Behind the set that begins at `from` with '['; 0 with a fault when it has no end. The first
 * member is a member even if it is ']'. */
static size_t find_set_end(struct mw_pattern *m, size_t from)
{
	size_t i = from + 1, n = m->text.n;
	if (i < n && m->text.p[i] == '^')
		i++;
	for (size_t first = i; i < n; i++) {
		if (m->text.p[i] == ']' && i > first)
			return i + 1;
		if (m->text.p[i] == '%')
			i++;
	}
	fault(m, "malformed pattern: a '[' without its ']'");
	return 0;
}

static size_t set_end(struct mw_pattern *m, size_t from)
{
	const struct mw_pattern_set *set = remembered(m, from);
	if (set)
		return set->end;
	size_t end = find_set_end(m, from);
	if (!end || m->n_sets == MW_PATTERN_SETS)
		return end;
	struct mw_pattern_set *read = &m->sets[m->n_sets++];
	*read = (struct mw_pattern_set){.from = from, .end = end};
	read_set(m, read);
	return end;
}

/* Behind the single-character item at `from`; 0 with a fault. */
static size_t item_end(struct mw_pattern *m, size_t from)
{
	char c = m->text.p[from];
	if (c == '[')
		return set_end(m, from);
	if (c != '%')
		return from + 1;
	if (from + 1 < m->text.n)
		return from + 2;
	fault(m, "malformed pattern: it ends with '%'");
	return 0;
}

/* Does the character at `at` match the item text[item..end)? */
static bool matches(struct mw_pattern *m, size_t at, size_t item, size_t end)
{
	if (at >= m->subject.n || !step(m))
		return false;
	unsigned char c = (unsigned char)m->subject.p[at], p = (unsigned char)m->text.p[item];
	if (p == '.')
		return true;
	if (p == '%')
		return in_class(c, (unsigned char)m->text.p[item + 1]);
	if (p == '[')
		return in_set(m, c, item, end);
	return p == c;
}

static bool leave_point(struct match *x, struct point point)
{
	if (x->n_points == MW_PATTERN_POINTS)
		return fault(x->m, "the pattern is too long");
	x->points[x->n_points++] = point;
	return true;
}

static bool open_capture(struct match *x)
{
	struct mw_pattern *m = x->m;
	if (m->n_captures == MW_PATTERN_CAPTURES)
		return fault(m, "too many captures");
	bool position = x->item + 1 < m->text.n && m->text.p[x->item + 1] == ')';
	m->captures[m->n_captures++] =
	    (struct mw_capture){x->at, position ? MW_CAPTURE_POSITION : MW_CAPTURE_OPEN};
	x->item += position ? 2 : 1;
	return leave_point(x, (struct point){.kind = OPENED});
}

static bool close_capture(struct match *x)
{
	struct mw_pattern *m = x->m;
	size_t i = m->n_captures;
	while (i > 0 && m->captures[i - 1].n != MW_CAPTURE_OPEN)
		i--;
	if (i == 0)
		return fault(m, "malformed pattern: a ')' without its '('");
	m->captures[i - 1].n = (ptrdiff_t)(x->at - m->captures[i - 1].at);
	x->item++;
	return leave_point(x, (struct point){.kind = CLOSED, .n = i - 1});
}

/* "%1": the same text as a capture. */
static bool match_again(struct match *x)
{
	struct mw_pattern *m = x->m;
	size_t i = (size_t)(m->text.p[x->item + 1] - '1');
	if (i >= m->n_captures || m->captures[i].n == MW_CAPTURE_OPEN)
		return fault(m, "malformed pattern: it refers to a capture that is not there");
	/* a position has no text that could come again: as a size it is larger than what is left */
	size_t n = (size_t)m->captures[i].n;
	if (n > m->subject.n - x->at || !step(m))
		return false;
	m->steps -= MW_MIN(m->steps, n / 16); /* memcmp looks at many bytes at a time */
	if (n > 0 && memcmp(m->subject.p + m->captures[i].at, m->subject.p + x->at, n) != 0)
		return false;
	x->at += n;
	x->item += 2;
	return true;
}

/* "%bxy": from an x to the y that balances it. */
static bool match_balance(struct match *x)
{
	struct mw_pattern *m = x->m;
	if (x->item + 3 >= m->text.n)
		return fault(m, "malformed pattern: '%b' needs two characters");
	char open = m->text.p[x->item + 2], close = m->text.p[x->item + 3];
	if (x->at >= m->subject.n || m->subject.p[x->at] != open)
		return false;
	size_t depth = 1;
	for (size_t i = x->at + 1; i < m->subject.n && step(m); i++) {
		char c = m->subject.p[i];
		if (c == close) {
			if (--depth > 0)
				continue;
			x->at = i + 1;
			x->item += 4;
			return true;
		}
		if (c == open)
			depth++;
	}
	return false;
}

/* "%f[set]": between a character outside the set and one in it. */
static bool match_frontier(struct match *x)
{
	struct mw_pattern *m = x->m;
	size_t set = x->item + 2;
	if (set >= m->text.n || m->text.p[set] != '[')
		return fault(m, "malformed pattern: '%f' needs a set");
	size_t end = set_end(m, set);
	if (!end)
		return false;
	unsigned char before = x->at == 0 ? 0 : (unsigned char)m->subject.p[x->at - 1];
	unsigned char behind = x->at < m->subject.n ? (unsigned char)m->subject.p[x->at] : 0;
	if (in_set(m, before, set, end) || !in_set(m, behind, set, end))
		return false;
	x->item = end;
	return !m->fault;
}

/* A plain character at `item` that must be there: no quantifier lets it be absent. Else -1. */
static int need_at(const struct mw_pattern *m, size_t item)
{
	static const bool special[256] = {['^'] = 1,
	    ['$'] = 1,
	    ['*'] = 1,
	    ['+'] = 1,
	    ['?'] = 1,
	    ['.'] = 1,
	    ['('] = 1,
	    ['['] = 1,
	    ['%'] = 1,
	    ['-'] = 1,
	    [')'] = 1};
	const unsigned char *p = (const unsigned char *)m->text.p + item;
	size_t left = m->text.n - item;
	if (left == 0 || special[p[0]])
		return -1;
	if (left > 1 && (p[1] == '*' || p[1] == '?' || p[1] == '-'))
		return -1;
	return p[0];
}

static size_t count_repetitions(
    struct mw_pattern *m, size_t at, size_t item, size_t end, size_t most)
{
	size_t n = 0;
	const struct mw_pattern_set *set = m->text.p[item] == '[' ? remembered(m, item) : NULL;
	if (!set) {
		while (n < most && matches(m, at + n, item, end))
			n++;
		return n;
	}
	const unsigned char *p = (const unsigned char *)m->subject.p + at;
	most = MW_MIN(most, m->subject.n - at);
	while (n < most && step(m) && (set->bits[p[n] / 64] >> p[n] % 64 & 1))
		n++;
	return n;
}

/* "x*" and "x+": as many as there are, then fewer. "x?" is the same with one at most. */
static bool match_many(struct match *x, size_t end, size_t least, size_t most)
{
	size_t n = count_repetitions(x->m, x->at, x->item, end, most);
	if (n < least || x->m->fault)
		return false;
	struct point point = {.kind = LESS, .at = x->at, .n = n, .least = least, .then = end + 1};
	point.need = need_at(x->m, end + 1);
	x->at += n;
	x->item = end + 1;
	return n == least || leave_point(x, point);
}

/* "x-": as few as will do. */
static bool match_few(struct match *x, size_t end)
{
	struct point point = {.kind = MORE, .at = x->at, .item = x->item, .then = end + 1};
	x->item = end + 1;
	return leave_point(x, point);
}

/* An item that stands for one character, with what is behind it. */
static bool match_item(struct match *x)
{
	struct mw_pattern *m = x->m;
	size_t end = item_end(m, x->item);
	if (!end)
		return false;
	switch (end < m->text.n ? m->text.p[end] : '\0') {
	case '?':
		return match_many(x, end, 0, 1);
	case '*':
		return match_many(x, end, 0, SIZE_MAX);
	case '+':
		return match_many(x, end, 1, SIZE_MAX);
	case '-':
		return match_few(x, end);
	}
	if (!matches(m, x->at, x->item, end))
		return false;
	x->at++;
	x->item = end;
	return true;
}

static bool match_escape(struct match *x)
{
	char c = x->item + 1 < x->m->text.n ? x->m->text.p[x->item + 1] : '\0';
	if (c == 'b')
		return match_balance(x);
	if (c == 'f')
		return match_frontier(x);
	if (c >= '0' && c <= '9')
		return match_again(x);
	return match_item(x);
}

/* The next item of the pattern, whatever it is. */
static bool advance(struct match *x)
{
	switch (x->m->text.p[x->item]) {
	case '(':
		return open_capture(x);
	case ')':
		return close_capture(x);
	case '%':
		return match_escape(x);
	case '$':
		if (x->item + 1 == x->m->text.n) {
			x->item++;
			return x->at == x->m->subject.n;
		}
	}
	return match_item(x);
}

/* Fewer repetitions, so that the pattern may go on: false if there are none. */
static bool take_less(struct mw_pattern *m, struct point *point)
{
	while (point->n > point->least && step(m)) {
		point->n--;
		size_t at = point->at + point->n;
		if (point->need < 0 || (unsigned char)m->subject.p[at] == point->need)
			return true;
	}
	return false;
}

/* Takes another way at the last point; false: it has none left. */
static bool take_other_way(struct match *x, struct point *point)
{
	struct mw_pattern *m = x->m;
	switch (point->kind) {
	case OPENED:
		m->n_captures--;
		return false;
	case CLOSED:
		m->captures[point->n].n = MW_CAPTURE_OPEN;
		return false;
	case LESS:
		if (!take_less(m, point))
			return false;
		x->at = point->at + point->n;
		break;
	case MORE:
		if (!matches(m, point->at, point->item, point->then - 1))
			return false;
		x->at = ++point->at;
		break;
	}
	x->item = point->then;
	return true;
}

static bool go_back(struct match *x)
{
	while (x->n_points > 0 && !x->m->fault && step(x->m)) {
		if (take_other_way(x, &x->points[x->n_points - 1]))
			return true;
		x->n_points--;
	}
	return false;
}

void mw_pattern_init(struct mw_pattern *m, struct mw_str subject, struct mw_str text)
{
	m->subject = subject;
	m->text = text;
	m->steps = MW_PATTERN_STEPS + MW_PATTERN_BYTE_STEPS * subject.n;
	m->over = NULL;
	m->exhausted = false;
	m->fault = NULL;
	m->n_captures = 0;
	m->n_sets = 0;
}

bool mw_pattern_at(struct mw_pattern *m, size_t at, size_t *end)
{
	struct match x;
	x.m = m;
	x.at = at;
	x.item = 0;
	x.n_points = 0;
	m->n_captures = 0;
	while (x.item < m->text.n) {
		if (!advance(&x) && (m->fault || !go_back(&x)))
			return false;
	}
	*end = x.at;
	return !m->fault;
}

/* Behind the item that the pattern begins with, if it stands for one character that must be there; else
 * 0. */
static size_t first_item(struct mw_pattern *m)
{
	struct mw_str text = m->text;
	if (text.n == 0 || strchr("()^$", text.p[0]))
		return 0;
	if (text.p[0] == '%' && text.n > 1 && strchr("bf0123456789", text.p[1]))
		return 0;
	size_t end = item_end(m, 0);
	bool may_be_absent = end && end < text.n && strchr("*?-", text.p[end]);
	return may_be_absent ? 0 : end;
}

/* The next place, from `at` on, where the first item (if there is one) matches; beyond the subject if
 * there is none. */
static size_t next_start(struct mw_pattern *m, size_t at, size_t first, int need)
{
	if (!first || at >= m->subject.n)
		return first ? m->subject.n + 1 : at;
	if (need >= 0) {
		const char *p = memchr(m->subject.p + at, need, m->subject.n - at);
		return p ? (size_t)(p - m->subject.p) : m->subject.n + 1;
	}
	while (at < m->subject.n && !matches(m, at, 0, first) && !m->fault)
		at++;
	return at < m->subject.n ? at : m->subject.n + 1;
}

bool mw_pattern_next(struct mw_pattern *m, size_t *at, size_t *end)
{
	size_t first = first_item(m), i = *at;
	int need = need_at(m, 0);
	while (!m->fault && (i = next_start(m, i, first, need)) <= m->subject.n) {
		*at = i;
		if (mw_pattern_at(m, i++, end))
			return true;
	}
	return false;
}

bool mw_pattern_is_plain(struct mw_str text)
{
	for (size_t i = 0; i < text.n; i++)
		if (memchr("^$*+?.([%-", text.p[i], 10))
			return false;
	return true;
}
