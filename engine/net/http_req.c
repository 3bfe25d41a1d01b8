/* SPDX-License-Identifier: MIT
 *
 * A request's bytes. Head and body share one buffer when the body is short, which is nearly always;
 * a longer one is read straight into a buffer of its own, which grows as bytes arrive, whatever
 * length was declared.
 */
#include "net/http_req.h"

#include "base/mem.h"

#ifdef MW_UNIT_TEST
enum { BLOCK = 64, FIRST_BODY = 16, MAX_SPARE = 2 };
#else
enum {
	BLOCK = 8192,            /* of an input buffer: a head and most bodies */
	FIRST_BODY = 256 * 1024, /* a long body's first reservation, if so much was declared */
	MAX_SPARE = 256,
};
#endif

enum {
	CHUNK_ROOM = 32,    /* behind the head, to read the framing of a chunked body */
	KEEP_MEMORY = 8192, /* per buffer of a spare request */
};

/* ---- memory ---------------------------------------------------------------- */

static struct mw_http_req *req_new(const struct mw_http_limits *limits)
{
	struct mw_http_req *r = mw_mem_zalloc(sizeof(*r));
	mw_http_parse_init(&r->parse, limits->head, limits->headers);
	mw_buf_init(&r->in, limits->head + BLOCK);
	mw_buf_init(&r->body, limits->body);
	mw_http_out_init(&r->out);
	return r;
}

static void req_free(struct mw_http_req *r)
{
	mw_http_parse_deinit(&r->parse);
	mw_buf_deinit(&r->in);
	mw_buf_deinit(&r->body);
	mw_http_out_deinit(&r->out);
	mw_mem_free(r);
}

static void empty(struct mw_buf *b)
{
	if (b->cap > KEEP_MEMORY)
		mw_buf_deinit(b);
	mw_buf_clear(b);
}

/* Forgets the request, but neither what is in `in` nor what is in `out`. */
static void forget(struct mw_http_req *r)
{
	mw_http_parse_reset(&r->parse);
	empty(&r->body);
	r->call = NULL;
	r->chunked = (struct mw_http_chunked){0};
	r->left = r->body_seen = 0;
	r->sink = MW_HTTP_STORE;
	r->in_place = r->body_done = r->begun = r->bare = r->framed = r->full = false;
}

/* From now on the present ceiling holds. */
static void set_ceiling(struct mw_http_req *r, const struct mw_http_req_pool *pool)
{
	r->body.max = r->body_max = pool->limits->body;
}

struct mw_http_req *mw_http_req_take(struct mw_http_req_pool *pool)
{
	struct mw_http_req *r = pool->first;
	if (r) {
		pool->first = r->next;
		pool->n--;
	} else {
		r = req_new(pool->limits);
	}
	set_ceiling(r, pool);
	return r;
}

void mw_http_req_give(struct mw_http_req_pool *pool, struct mw_http_req *r)
{
	if (pool->n == MAX_SPARE) {
		req_free(r);
		return;
	}
	forget(r);
	empty(&r->in);
	mw_http_out_reset(&r->out, KEEP_MEMORY);
	r->conn = NULL;
	r->next = pool->first;
	pool->first = r;
	pool->n++;
}

void mw_http_req_pool_deinit(struct mw_http_req_pool *pool)
{
	while (pool->first) {
		struct mw_http_req *r = pool->first;
		pool->first = r->next;
		req_free(r);
	}
	pool->n = 0;
}

void mw_http_req_next(const struct mw_http_req_pool *pool, struct mw_http_req *r)
{
	size_t used = r->parse.length;
	if (r->in_place)
		used += (size_t)r->parse.head.body_length;
	mw_buf_drop(&r->in, used);
	forget(r);
	set_ceiling(r, pool);
}

/* ---- bodies ---------------------------------------------------------------- */

static bool is_chunked(const struct mw_http_req *r)
{
	return r->parse.head.body_length == UINT64_MAX;
}

/* From on_head on the bytes of the head may not move, so room for framing has to be made before. */
static bool make_room(struct mw_http_req *r, struct mw_err *err)
{
	if (r->in.cap - r->parse.length >= CHUNK_ROOM)
		return true;
	size_t missing = CHUNK_ROOM - MW_MIN(r->in.n - r->parse.length, (size_t)CHUNK_ROOM);
	if (!mw_buf_reserve(&r->in, missing))
		return mw_err_set(err, MW_ERR_INTERNAL, "there is no memory for this request");
	mw_http_parse_reset(&r->parse);
	return mw_http_parse_head(&r->parse, mw_buf_str(&r->in), err) == MW_HTTP_DONE;
}

bool mw_http_req_expect_body(struct mw_http_req *r, struct mw_err *err)
{
	if (is_chunked(r))
		return make_room(r, err);
	uint64_t length = r->parse.head.body_length;
	r->in_place = length <= r->in.cap - r->parse.length;
	r->left = r->in_place ? 0 : length;
	return length <= r->body_max || mw_err_set(err, MW_ERR_BODY_TOO_LARGE,
					    "the body has %llu bytes; no more than %zu are taken",
					    (unsigned long long)length, r->body_max);
}

/* How much may go straight from the socket to where it will stay. */
static uint64_t direct_left(const struct mw_http_req *r)
{
	return is_chunked(r) ? mw_http_chunked_left(&r->chunked) : r->left;
}

/* Room for n bytes (at least one) and, as the body proves to be long, for more of those announced.
 */
static bool body_room(struct mw_http_req *r, size_t n)
{
	struct mw_buf *b = &r->body;
	if (b->cap - b->n >= MW_MAX(n, (size_t)1))
		return true;
	size_t pace = MW_MAX(b->n, (size_t)FIRST_BODY);
	return mw_buf_reserve(b, n + (size_t)MW_MIN(direct_left(r), (uint64_t)pace));
}

static bool within_ceiling(const struct mw_http_req *r, struct mw_err *err)
{
	uint64_t left = direct_left(r);
	if (r->sink == MW_HTTP_DISCARD)
		return r->body_seen <= MW_HTTP_REQ_DISCARD ||
		       mw_err_set(err, MW_ERR_BODY_TOO_LARGE, "not read to its end");
	if (r->body_seen <= r->body_max && left <= r->body_max - r->body_seen)
		return true;
	return mw_err_set(err, MW_ERR_BODY_TOO_LARGE,
	    "the body is larger than the %zu bytes that are taken", r->body_max);
}

static bool take_data(struct mw_http_req *r, struct mw_str data, struct mw_err *err)
{
	r->body_seen += data.n;
	if (!within_ceiling(r, err))
		return false;
	if (r->sink != MW_HTTP_STORE || data.n == 0)
		return true;
	if (!body_room(r, data.n))
		return mw_err_set(err, MW_ERR_INTERNAL, "there is no memory for this request");
	mw_buf_add(&r->body, data);
	return true;
}

static struct mw_str behind_head(const struct mw_http_req *r)
{
	return mw_strn(r->in.p + r->parse.length, r->in.n - r->parse.length);
}

/* Takes the first n bytes behind the head out of `in`. */
static void use_up(struct mw_http_req *r, size_t n)
{
	struct mw_str rest = behind_head(r);
	r->in.n -= n;
	if (n && n < rest.n)
		memmove(r->in.p + r->parse.length, rest.p + n, rest.n - n);
}

static enum mw_http_parsed collect_plain(struct mw_http_req *r, struct mw_err *err)
{
	struct mw_str data = behind_head(r);
	data.n = (size_t)MW_MIN((uint64_t)data.n, r->left);
	r->left -= data.n;
	if (!take_data(r, data, err))
		return MW_HTTP_BAD;
	use_up(r, data.n);
	return r->left ? MW_HTTP_MORE : MW_HTTP_DONE;
}

static enum mw_http_parsed collect_chunked(struct mw_http_req *r, struct mw_err *err)
{
	struct mw_str raw = behind_head(r), data;
	enum mw_http_parsed result = MW_HTTP_MORE;
	while (raw.n && result == MW_HTTP_MORE) {
		result = mw_http_chunked_feed(&r->chunked, &raw, &data, err);
		if (result != MW_HTTP_BAD && !take_data(r, data, err))
			result = MW_HTTP_BAD;
	}
	use_up(r, behind_head(r).n - raw.n);
	return result;
}

enum mw_http_parsed mw_http_req_collect(struct mw_http_req *r, struct mw_err *err)
{
	enum mw_http_parsed result;
	if (is_chunked(r)) {
		result = collect_chunked(r, err);
	} else if (!r->in_place) {
		result = collect_plain(r, err);
	} else {
		r->body_seen = behind_head(r).n;
		result = r->body_seen < r->parse.head.body_length ? MW_HTTP_MORE : MW_HTTP_DONE;
	}
	r->body_done = result == MW_HTTP_DONE;
	return result;
}

struct mw_str mw_http_req_body(const struct mw_http_req *r)
{
	if (r->in_place)
		return mw_strn(r->in.p + r->parse.length, (size_t)r->parse.head.body_length);
	return mw_buf_str(&r->body);
}

/* ---- reading --------------------------------------------------------------- */

static struct mw_http_slot direct_slot(struct mw_http_req *r, char *scratch, size_t scratch_size)
{
	uint64_t left = direct_left(r);
	if (r->sink != MW_HTTP_STORE)
		return (struct mw_http_slot){scratch, (size_t)MW_MIN(left, (uint64_t)scratch_size)};
	if (!body_room(r, 0))
		return (struct mw_http_slot){0};
	size_t room = r->body.cap - r->body.n;
	return (struct mw_http_slot){r->body.p + r->body.n, (size_t)MW_MIN(left, (uint64_t)room)};
}

struct mw_http_slot mw_http_req_slot(struct mw_http_req *r, char *scratch, size_t scratch_size)
{
	if (direct_left(r))
		return direct_slot(r, scratch, scratch_size);
	if (r->in.n == r->in.cap) {
		if (!mw_buf_reserve(&r->in, r->in.n ? 1 : BLOCK))
			return (struct mw_http_slot){0};
		mw_http_parse_reset(&r->parse); /* its slices pointed to where the bytes were */
	}
	return (struct mw_http_slot){r->in.p + r->in.n, r->in.cap - r->in.n};
}

void mw_http_req_took(struct mw_http_req *r, size_t n)
{
	if (direct_left(r) == 0) {
		r->in.n += n;
		return;
	}
	r->body_seen += n;
	r->body.n += r->sink == MW_HTTP_STORE ? n : 0;
	if (is_chunked(r))
		mw_http_chunked_skip(&r->chunked, n);
	else
		r->left -= n;
}
