/* SPDX-License-Identifier: MIT
 *
 * The server as its users see it: all connections together, and the writing of answers. How one
 * connection lives is in http_conn.c.
 */
#include "net/http_conn.h"

#include "base/loop_event.h"
#include "base/mem.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
	SEND_AT =
	    16 * 1024, /* waiting bytes that are sent without waiting for the end of the turn */
	COPY = 4096,   /* up to here a write is copied and may leave together with others */
};

const struct mw_http_limits mw_http_default_limits = {
    .head = MW_MAX_HEAD,
    .headers = MW_MAX_HEADERS,
    .body = MW_MAX_BODY,
    .head_ms = 30000,
    .body_ms = 30000,
    .body_min_rate = 1024,
    .idle_ms = 30000,
    .write_ms = 30000,
    .out_high = 256 * 1024,
    .out_low = 64 * 1024,
    .connections = 100000,
};

/* ---- the server ------------------------------------------------------------ */

struct mw_http_in *mw_http_in_new(struct mw_loop *loop, const struct mw_http_limits *limits,
    const struct mw_http_handler *handler, void *arg)
{
	struct mw_http_in *in = mw_mem_zalloc(sizeof(*in));
	in->loop = loop;
	in->base = mw_loop_base(loop);
	in->limits = *limits;
	in->spare.limits = &in->limits;
	in->handler = handler;
	in->arg = arg;
	mw_list_init(&in->conns);
	mw_list_init(&in->dead);
	mw_list_init(&in->turn);
	mw_list_init(&in->later);
	event_assign(&in->turn_event, in->base, -1, 0, mw_http_conn_on_turn, in);
	event_assign(&in->later_event, in->base, -1, 0, mw_http_conn_on_later, in);
	return in;
}

void mw_http_in_free(struct mw_http_in *in)
{
	if (!in)
		return;
	while (!mw_list_empty(&in->conns))
		mw_http_conn_lose(mw_container_of(in->conns.next, struct mw_http_conn, link));
	mw_http_conn_free_dead(in);
	mw_http_req_pool_deinit(&in->spare);
	event_del(&in->turn_event);
	event_del(&in->later_event);
	mw_mem_free(in);
}

void mw_http_in_set_limits(struct mw_http_in *in, const struct mw_http_limits *limits)
{
	mw_require(limits->head == in->limits.head && limits->headers == in->limits.headers);
	in->limits = *limits;
}

void mw_http_in_accept(struct mw_http_in *in, int fd)
{
	if (in->n_conns >= in->limits.connections)
		close(fd);
	else
		mw_http_conn_new(in, fd);
}

void mw_http_in_drain(struct mw_http_in *in)
{
	in->draining = true;
	MW_LIST_EACH_SAFE(it, &in->conns)
	{
		struct mw_http_conn *c = mw_container_of(it, struct mw_http_conn, link);
		if (c->state == MW_HTTP_IDLE)
			mw_http_conn_drain(c);
	}
}

size_t mw_http_in_connections(const struct mw_http_in *in)
{
	return in->n_conns;
}

size_t mw_http_in_busy(const struct mw_http_in *in)
{
	return in->n_busy;
}

/* ---- requests -------------------------------------------------------------- */

struct mw_str mw_http_header(const struct mw_http_head *head, const char *name)
{
	struct mw_str wanted = mw_str(name);
	for (size_t i = 0; i < head->n_headers; i++)
		if (mw_str_ieq(head->headers[i].name, wanted))
			return head->headers[i].value;
	return MW_NOSTR;
}

const struct mw_http_head *mw_http_req_head(const struct mw_http_req *req)
{
	return &req->parse.head;
}

bool mw_http_began(const struct mw_http_req *req)
{
	return req->begun;
}

bool mw_http_full(const struct mw_http_req *req)
{
	return req->full;
}

/* ---- answers --------------------------------------------------------------- */

static struct mw_str date_line(struct mw_http_in *in)
{
	uint64_t second = mw_loop_wall(in->loop) / 1000000;
	if (second != in->date_second) {
		in->date_second = second;
		mw_http_out_date(in->date, second);
	}
	return mw_strn(in->date, sizeof(in->date) - 1);
}

/* Starts an answer of `length` bytes (UINT64_MAX: not known) by adding its head to what waits. */
static void begin(
    struct mw_http_req *req, int status, const struct mw_header *headers, size_t n, uint64_t length)
{
	struct mw_http_conn *c = req->conn;
	mw_require(
	    c && !req->begun &&
	    (c->state == MW_HTTP_HEAD || c->state == MW_HTTP_BODY || c->state == MW_HTTP_RUN));
	bool never_a_body = status == 204 || status == 304;
	req->begun = true;
	req->sink = MW_HTTP_IGNORE;
	req->bare = never_a_body || req->parse.head.is_head;
	req->framed = length == UINT64_MAX && !never_a_body && req->parse.http11;
	c->keep = mw_http_conn_keeps(c) && (length != UINT64_MAX || req->framed || req->bare);

	struct mw_http_out *o = &req->out;
	mw_http_out_status(o, status);
	mw_http_out_add(o, date_line(c->in));
	if (length != UINT64_MAX && !never_a_body)
		mw_http_out_length(o, length);
	else if (req->framed)
		mw_http_out_add(o, MW_STR("Transfer-Encoding: chunked\r\n"));
	if (!c->keep)
		mw_http_out_add(o, MW_STR("Connection: close\r\n"));
	else if (!req->parse.http11)
		mw_http_out_add(o, MW_STR("Connection: keep-alive\r\n"));
	mw_http_out_fields(o, headers, n);
	mw_http_out_head_end(o);
}

void mw_http_reply(struct mw_http_req *req, int status, const struct mw_header *headers, size_t n,
    struct mw_str body)
{
	begin(req, status, headers, n, body.n);
	mw_http_conn_send(req->conn, req->bare ? MW_NOSTR : body, MW_NOSTR);
	mw_http_conn_answered(req->conn);
}

void mw_http_begin(struct mw_http_req *req, int status, const struct mw_header *headers, size_t n)
{
	begin(req, status, headers, n, UINT64_MAX);
	mw_http_conn_touch(req->conn);
}

void mw_http_write(struct mw_http_req *req, struct mw_str bytes)
{
	struct mw_http_conn *c = req->conn;
	mw_require(req->begun);
	if (bytes.n == 0 || req->bare)
		return;
	struct mw_str tail = req->framed ? MW_STR("\r\n") : MW_NOSTR;
	if (req->framed)
		mw_http_out_chunk_size(&req->out, bytes.n);
	if (bytes.n > COPY || mw_http_out_waiting(&req->out) > SEND_AT) {
		mw_http_conn_send(c, bytes, tail);
	} else {
		mw_http_out_add(&req->out, bytes);
		mw_http_out_add(&req->out, tail);
	}
	if (mw_http_out_waiting(&req->out) >= c->in->limits.out_high)
		req->full = true;
	mw_http_conn_touch(c);
}

void mw_http_end(struct mw_http_req *req)
{
	mw_require(req->begun);
	bool last_chunk = req->framed && !req->bare;
	mw_http_conn_send(req->conn, last_chunk ? MW_STR("0\r\n\r\n") : MW_NOSTR, MW_NOSTR);
	mw_http_conn_answered(req->conn);
}

void mw_http_abort(struct mw_http_req *req)
{
	struct mw_http_conn *c = req->conn;
	if (req->begun)
		mw_http_conn_send(c, MW_NOSTR, MW_NOSTR);
	/* an answer that ends with the connection looks whole, unless the connection is reset */
	struct linger reset = {.l_onoff = 1};
	if (req->begun && !req->framed)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	mw_http_conn_close(c);
}
