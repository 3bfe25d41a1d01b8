/* SPDX-License-Identifier: MIT
 *
 * The life of one connection: bytes are read, become a head and a body, are handed to the handler,
 * and what it answers is sent.
 *
 * The socket is registered once, edge-triggered for everything, and never changed: a request costs one
 * wake, one recv and one send, and one look for a reset if it is not answered at once. Hence the rule
 * that whoever stops reading before the socket is empty sets `unread`, because no event will come for
 * what is left. (Level-triggered with reading switched off would also miss a reset: libevent reports
 * that as readable and writable, never as closed.)
 */
#include "net/http_conn.h"

#include "base/mem.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef MW_UNIT_TEST
enum { READS = 2, DISCARD_MS = 200, LINGER_MS = 300 };
#else
enum {
	READS = 16, /* per connection and turn, so that a fast client does not starve the others */
	DISCARD_MS = 1000, /* for the rest of a body that nobody wants */
	LINGER_MS = 2000,  /* a close while the client still sends would destroy our answer */
};
#endif

#define NEVER UINT64_MAX

/* ---- time ------------------------------------------------------------------ */

static uint64_t now_ms(const struct mw_http_conn *c)
{
	return mw_loop_now(c->in->loop) / 1000;
}

static void arm(struct mw_http_conn *c, uint64_t at, uint64_t now)
{
	if (at >= c->armed)
		return; /* the timer fires before, and looks again */
	uint64_t wait = at > now ? at - now : 0;
	struct timeval tv = {(time_t)(wait / 1000), (suseconds_t)(wait % 1000 * 1000)};
	evtimer_add(&c->timer, &tv);
	c->armed = at;
}

static void set_deadline(struct mw_http_conn *c, uint64_t after_ms)
{
	uint64_t now = now_ms(c);
	c->deadline = now + after_ms;
	arm(c, c->deadline, now);
}

static bool is_busy(enum mw_http_state state)
{
	return state == MW_HTTP_BODY || state == MW_HTTP_RUN || state == MW_HTTP_OVER;
}

static void enter(struct mw_http_conn *c, enum mw_http_state state)
{
	c->in->n_busy += (size_t)is_busy(state) - (size_t)is_busy(c->state);
	c->state = state;
	c->deadline = NEVER;
}

/* ---- the end --------------------------------------------------------------- */

static void give_back(struct mw_http_conn *c)
{
	if (c->req)
		mw_http_req_give(&c->in->spare, c->req);
	c->req = NULL;
}

void mw_http_conn_close(struct mw_http_conn *c)
{
	struct mw_http_in *in = c->in;
	mw_require(c->state != MW_HTTP_DEAD);
	enter(c, MW_HTTP_DEAD);
	event_del(&c->io);
	event_del(&c->timer);
	close(c->fd);
	mw_list_del(&c->turn);
	mw_list_del(&c->link);
	mw_list_add(&in->dead, &c->link);
	in->n_conns--;
	event_active(&in->turn_event, EV_TIMEOUT, 1);
}

void mw_http_conn_free_dead(struct mw_http_in *in)
{
	struct mw_list *node;
	while ((node = mw_list_take(&in->dead))) {
		struct mw_http_conn *c = mw_container_of(node, struct mw_http_conn, link);
		give_back(c);
		mw_mem_free(c);
	}
}

/* Tells the handler, if it has an unfinished request, that there is nobody to answer. */
static void tell_gone(struct mw_http_conn *c)
{
	if (c->state != MW_HTTP_BODY && c->state != MW_HTTP_RUN)
		return;
	enter(c, MW_HTTP_OVER);
	c->in->handler->on_gone(c->req->call);
}

void mw_http_conn_lose(struct mw_http_conn *c)
{
	tell_gone(c);
	mw_http_conn_close(c);
}

/* All that will be sent has been. A client that may still be sending is listened to for a while: if
 * it were met with a reset, it might never read our answer. */
static void hang_up(struct mw_http_conn *c)
{
	const struct mw_http_req *r = c->req;
	bool silent = c->fin || (r->body_done && !r->parse.keep_alive);
	if (silent && !c->unread) {
		mw_http_conn_close(c);
		return;
	}
	shutdown(c->fd, SHUT_WR);
	enter(c, MW_HTTP_LINGER);
	set_deadline(c, LINGER_MS);
	give_back(c);
}

/* The client broke a rule. Its request, if the handler has it, is over. */
static void refuse(struct mw_http_conn *c, const struct mw_err *err)
{
	static const struct mw_header headers[] = {
	    {{"Content-Type", 12}, {"application/json", 16}},
	    {{"Access-Control-Allow-Origin", 27}, {"*", 1}},
	};
	struct mw_http_req *r = c->req;
	if (r->begun) {
		mw_http_conn_lose(c);
		return;
	}
	struct mw_buf body;
	mw_buf_init(&body, MW_MAX_HEAD);
	c->in->handler->on_refused(c->in->arg, r->call, &r->parse.head, err, &body);
	c->keep = false;
	mw_http_reply(r, mw_err_status(err->code), headers, MW_LEN(headers), mw_buf_str(&body));
	mw_buf_deinit(&body);
}

static void refuse_slow(struct mw_http_conn *c, const char *what)
{
	struct mw_err err;
	mw_err_set(&err, MW_ERR_SLOW_CLIENT, "%s", what);
	refuse(c, &err);
}

/* ---- bodies ---------------------------------------------------------------- */

static bool drips(const struct mw_http_conn *c)
{
	const struct mw_http_limits *limits = &c->in->limits;
	uint64_t elapsed = now_ms(c) - c->body_since;
	return elapsed > limits->body_ms &&
	       c->req->body_seen * 1000 < elapsed * limits->body_min_rate;
}

/* More of the body has to come: until when? */
static bool wait_for_body(struct mw_http_conn *c)
{
	if (c->state == MW_HTTP_OVER) {
		if (c->deadline == NEVER)
			set_deadline(c, DISCARD_MS);
		return false;
	}
	if (drips(c)) {
		refuse_slow(c, "the request body comes too slowly");
		return true;
	}
	set_deadline(c, c->in->limits.body_ms);
	return false;
}

static bool broke_body(struct mw_http_conn *c, const struct mw_err *err)
{
	if (c->state == MW_HTTP_OVER)
		c->keep = false;
	else
		refuse(c, err);
	return true;
}

static bool advance_body(struct mw_http_conn *c)
{
	struct mw_http_req *r = c->req;
	struct mw_err err;
	enum mw_http_parsed result = mw_http_req_collect(r, &err);
	if (result == MW_HTTP_MORE)
		return wait_for_body(c);
	if (result == MW_HTTP_BAD)
		return broke_body(c, &err);
	if (c->state == MW_HTTP_OVER)
		return true;
	enter(c, MW_HTTP_RUN);
	if (r->sink == MW_HTTP_STORE)
		c->in->handler->on_body(r->call, mw_http_req_body(r));
	return true;
}

/* ---- heads ----------------------------------------------------------------- */

static void ask_to_continue(struct mw_http_conn *c)
{
	struct mw_http_req *r = c->req;
	if (r->parse.wants_continue && !r->begun && !mw_http_req_has_more(r))
		mw_http_conn_send(c, MW_STR("HTTP/1.1 100 Continue\r\n\r\n"), MW_NOSTR);
}

static bool begin_request(struct mw_http_conn *c)
{
	struct mw_http_req *r = c->req;
	struct mw_err err;
	if (!mw_http_req_expect_body(r, &err)) {
		refuse(c, &err);
		return true;
	}
	c->keep = r->parse.keep_alive;
	enter(c, MW_HTTP_BODY);
	if (r->parse.head.has_body)
		c->body_since = now_ms(c);
	void *call = c->in->handler->on_head(c->in->arg, r, &r->parse.head);
	if (c->state != MW_HTTP_BODY)
		return true;
	r->call = call;
	ask_to_continue(c);
	return true;
}

static bool advance_head(struct mw_http_conn *c)
{
	struct mw_http_req *r = c->req;
	struct mw_err err;
	enum mw_http_parsed result = mw_http_parse_head(&r->parse, mw_buf_str(&r->in), &err);
	if (result == MW_HTTP_DONE)
		return begin_request(c);
	if (result == MW_HTTP_BAD)
		refuse(c, &err);
	else if (c->deadline == NEVER)
		set_deadline(c, c->in->limits.head_ms);
	return result == MW_HTTP_BAD;
}

/* ---- answers --------------------------------------------------------------- */

bool mw_http_conn_keeps(const struct mw_http_conn *c)
{
	const struct mw_http_req *r = c->req;
	if (!c->keep || c->in->draining)
		return false;
	if (r->body_done || !r->parse.head.has_body)
		return true;
	/* told not to send its body, a client may leave it out: nobody knows what the next bytes
	 * are */
	if (r->parse.wants_continue && r->body_seen == 0 && !mw_http_req_has_more(r))
		return false;
	return r->parse.head.body_length <= MW_HTTP_REQ_DISCARD ||
	       r->parse.head.body_length == UINT64_MAX;
}

void mw_http_conn_send(struct mw_http_conn *c, struct mw_str more, struct mw_str tail)
{
	struct mw_http_out *o = &c->req->out;
	bool moved = mw_http_out_send(o, c->fd, more, tail);
	if (mw_http_out_waiting(o) == 0) {
		c->write_by = NEVER;
	} else if (moved || c->write_by == NEVER) {
		uint64_t now = now_ms(c);
		c->write_by = now + c->in->limits.write_ms;
		arm(c, c->write_by, now);
	}
	if (o->broken)
		mw_http_conn_touch(c);
}

void mw_http_conn_touch(struct mw_http_conn *c)
{
	if (c->state == MW_HTTP_DEAD)
		return;
	mw_list_del(&c->turn);
	mw_list_add(&c->in->turn, &c->turn);
	event_active(&c->in->turn_event, EV_TIMEOUT, 1);
}

static void next_request(struct mw_http_conn *c)
{
	mw_http_req_next(&c->in->spare, c->req);
	if (c->req->in.n) {
		enter(c, MW_HTTP_HEAD);
		return;
	}
	give_back(c);
	enter(c, MW_HTTP_IDLE);
	set_deadline(c, c->in->limits.idle_ms);
	if (c->in->draining)
		mw_http_conn_close(c);
}

/* After an answer: false when it waits for the client to take or to send something. */
static bool wind_up(struct mw_http_conn *c)
{
	struct mw_http_req *r = c->req;
	if (r->out.broken) {
		mw_http_conn_close(c);
		return false;
	}
	if (c->keep && !r->body_done)
		return advance_body(c);
	if (mw_http_out_waiting(&r->out))
		return false;
	if (c->keep)
		next_request(c);
	else
		hang_up(c);
	return c->state == MW_HTTP_HEAD;
}

void mw_http_conn_answered(struct mw_http_conn *c)
{
	enter(c, MW_HTTP_OVER);
	c->req->call = NULL;
	c->req->sink = MW_HTTP_DISCARD;
	if (!c->driving)
		mw_http_conn_touch(c);
}

static bool advance(struct mw_http_conn *c)
{
	switch (c->state) {
	case MW_HTTP_HEAD:
		return advance_head(c);
	case MW_HTTP_BODY:
		return advance_body(c);
	case MW_HTTP_OVER:
		return wind_up(c);
	default:
		return false;
	}
}

/* Goes on as far as the bytes that are here allow. Not recursive: an answer that is given from
 * inside on_body only changes the state, and the next request begins here. */
static void drive(struct mw_http_conn *c)
{
	c->driving = true;
	while (advance(c))
		;
	c->driving = false;
}

/* ---- reading --------------------------------------------------------------- */

static bool takes_input(const struct mw_http_conn *c)
{
	switch (c->state) {
	case MW_HTTP_RUN:
	case MW_HTTP_DEAD:
		return false;
	case MW_HTTP_OVER:
		return c->keep && !c->req->body_done;
	default:
		return true;
	}
}

/* n bytes have come. */
static void took(struct mw_http_conn *c, size_t n)
{
	if (c->state == MW_HTTP_LINGER)
		return;
	if (c->state == MW_HTTP_IDLE)
		enter(c, MW_HTTP_HEAD);
	mw_http_req_took(c->req, n);
	drive(c);
}

/* The client will send no more. One that waits for an answer has left. */
static void at_end(struct mw_http_conn *c)
{
	c->fin = true;
	c->unread = false;
	c->keep = false;
	if (c->state == MW_HTTP_OVER)
		drive(c);
	else
		mw_http_conn_lose(c);
}

static void at_error(struct mw_http_conn *c)
{
	if (errno == EINTR)
		return;
	if (errno != EAGAIN) {
		mw_http_conn_lose(c);
		return;
	}
	c->unread = false;
	if (c->state == MW_HTTP_IDLE)
		give_back(c);
}

static struct mw_http_slot next_slot(struct mw_http_conn *c)
{
	struct mw_http_in *in = c->in;
	if (c->state == MW_HTTP_LINGER)
		return (struct mw_http_slot){in->scratch, sizeof(in->scratch)};
	if (!c->req) {
		c->req = mw_http_req_take(&in->spare);
		c->req->conn = c;
	}
	return mw_http_req_slot(c->req, in->scratch, sizeof(in->scratch));
}

static void read_once(struct mw_http_conn *c)
{
	struct mw_http_slot to = next_slot(c);
	if (!to.p) {
		mw_http_conn_lose(c);
		return;
	}
	ssize_t n = recv(c->fd, to.p, to.n, 0);
	if (n == 0)
		at_end(c);
	else if (n < 0)
		at_error(c);
	if (n <= 0)
		return;
	/* A short read has emptied the socket. But a closed one still holds its end; and a reset
	 * that came together with these bytes is told by nothing but the next read. */
	c->unread = (size_t)n == to.n || c->fin;
	took(c, (size_t)n);
	c->unread |= takes_input(c) && c->state != MW_HTTP_IDLE;
}

static void read_on_later(struct mw_http_conn *c)
{
	static const struct timeval at_once = {0, 0};
	mw_list_del(&c->turn);
	mw_list_add(&c->in->later, &c->turn);
	event_add(&c->in->later_event, &at_once);
}

/* While nothing is read, whether the client left has to be asked. */
static void look_for_end(struct mw_http_conn *c)
{
	int error = 0;
	socklen_t n = sizeof(error);
	bool asked = getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0;
	if (!asked || error || (c->fin && c->state == MW_HTTP_RUN))
		mw_http_conn_lose(c);
}

static void read_some(struct mw_http_conn *c)
{
	for (int i = 0; c->unread && takes_input(c); i++) {
		if (i == READS) {
			read_on_later(c);
			return;
		}
		read_once(c);
	}
	if (c->state == MW_HTTP_RUN)
		look_for_end(c);
}

void mw_http_conn_drain(struct mw_http_conn *c)
{
	c->unread = true;
	read_some(c);
	if (c->state == MW_HTTP_IDLE)
		mw_http_conn_close(c);
}

/* ---- events ---------------------------------------------------------------- */

static void push_out(struct mw_http_conn *c)
{
	struct mw_http_req *r = c->req;
	mw_http_conn_send(c, MW_NOSTR, MW_NOSTR);
	if (r->out.broken) {
		mw_http_conn_lose(c);
		return;
	}
	if (!r->full || mw_http_out_waiting(&r->out) > c->in->limits.out_low)
		return;
	r->full = false;
	if (c->state == MW_HTTP_BODY || c->state == MW_HTTP_RUN)
		c->in->handler->on_drain(r->call);
}

static void attend(struct mw_http_conn *c)
{
	if (c->req)
		push_out(c);
	if (c->state == MW_HTTP_OVER || c->state == MW_HTTP_HEAD)
		drive(c);
	if (c->unread && takes_input(c))
		read_some(c);
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	struct mw_http_conn *c = arg;
	c->fin |= (what & EV_CLOSED) != 0;
	c->unread |= (what & (EV_READ | EV_CLOSED)) != 0;
	if (c->req && (what & EV_WRITE))
		c->req->out.blocked = false;
	if (c->unread && !takes_input(c))
		look_for_end(c);
	if (c->state != MW_HTTP_DEAD)
		attend(c);
}

static void expire(struct mw_http_conn *c)
{
	switch (c->state) {
	case MW_HTTP_IDLE:
	case MW_HTTP_LINGER:
		mw_http_conn_close(c);
		return;
	case MW_HTTP_HEAD:
		refuse_slow(c, "the request head comes too slowly");
		break;
	case MW_HTTP_BODY:
		refuse_slow(c, "the request body does not come");
		break;
	default:
		c->keep = false;
	}
	if (c->state == MW_HTTP_OVER)
		drive(c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct mw_http_conn *c = arg;
	uint64_t now = now_ms(c);
	c->armed = NEVER;
	if (c->write_by <= now) {
		mw_http_conn_lose(c);
		return;
	}
	if (c->deadline <= now)
		expire(c);
	uint64_t next = MW_MIN(c->deadline, c->write_by);
	if (c->state != MW_HTTP_DEAD && next != NEVER)
		arm(c, next, now);
}

void mw_http_conn_new(struct mw_http_in *in, int fd)
{
	struct mw_http_conn *c = mw_mem_zalloc(sizeof(*c));
	c->in = in;
	c->fd = fd;
	c->deadline = c->write_by = c->armed = NEVER;
	mw_list_add(&in->conns, &c->link);
	mw_list_init(&c->turn);
	in->n_conns++;
	event_assign(
	    &c->io, in->base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_io, c);
	evtimer_assign(&c->timer, in->base, on_timer, c);
	mw_require(event_add(&c->io, NULL) == 0);
	set_deadline(c, in->limits.idle_ms);
}

void mw_http_conn_on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct mw_http_in *in = arg;
	struct mw_list *node;
	while ((node = mw_list_take(&in->turn)))
		attend(mw_container_of(node, struct mw_http_conn, turn));
	mw_http_conn_free_dead(in);
}

void mw_http_conn_on_later(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct mw_http_in *in = arg;
	struct mw_list now, *node;
	mw_list_init(&now);
	while ((node = mw_list_take(&in->later)))
		mw_list_add(&now, node);
	while ((node = mw_list_take(&now)))
		attend(mw_container_of(node, struct mw_http_conn, turn));
}
