/* SPDX-License-Identifier: MIT
 *
 * A scripted HTTP server for tests of clients, on the client's own loop: each whole request is
 * handed to a function of the test, which answers with any bytes, in pieces of any size, and then
 * keeps, closes or resets the connection.
 */
#ifndef MW_SCRIPTED_SERVER_H
#define MW_SCRIPTED_SERVER_H

#include "base/buf.h"
#include "base/loop.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum server_then { SERVER_KEEP, SERVER_CLOSE, SERVER_RESET };

struct server;

struct server_conn {
	struct server *server;
	int fd, number, requests; /* number: from 1, in the order of arrival */
	int reads;		  /* of the present request */
	bool gone;		  /* the client has closed it */
	struct mw_watch *watch;
	struct mw_buf in, out;
	size_t out_at; /* how much of `out` is gone */
	size_t step;   /* bytes a piece; 0 for as much as goes */
	enum server_then then;
	struct mw_timer timer;
};

typedef void (*server_fn)(struct server_conn *c, struct mw_str head, struct mw_str body);

struct server {
	struct mw_loop *loop;
	int fd, port, requests, n;
	struct mw_watch *watch;
	server_fn on_request;
	void *arg;
	size_t sent; /* bytes, over all connections */
	struct server_conn *conns[512];
	int knocking[4]; /* sockets that a test opened; closed at the end where not 0 */
};

static inline void server_close(struct server_conn *c, enum server_then how)
{
	if (c->fd < 0)
		return;
	struct linger now = {1, 0};
	if (how == SERVER_RESET)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	mw_loop_unwatch(c->watch);
	mw_loop_timer_del(c->server->loop, &c->timer);
	close(c->fd);
	c->fd = -1;
}

/* Sends what may be sent now and comes back for the rest: a piece each millisecond. */
static inline void server_flush(void *arg)
{
	struct server_conn *c = arg;
	size_t left = c->out.n - c->out_at;
	size_t want = c->step ? MW_MIN(c->step, left) : left;
	ssize_t n = want ? send(c->fd, c->out.p + c->out_at, want, MSG_NOSIGNAL) : 0;
	if (n < 0 && errno != EAGAIN) {
		server_close(c, SERVER_CLOSE);
		return;
	}
	c->server->sent += n > 0 ? (size_t)n : 0;
	c->out_at += n > 0 ? (size_t)n : 0;
	if (c->out_at < c->out.n) {
		mw_loop_timer_set(c->server->loop, &c->timer, 1000);
		return;
	}
	mw_buf_clear(&c->out);
	c->out_at = 0;
	if (c->then != SERVER_KEEP)
		server_close(c, c->then);
}

static inline void server_send(
    struct server_conn *c, struct mw_str text, size_t step, enum server_then then)
{
	mw_buf_add(&c->out, text);
	c->step = step;
	c->then = then;
	server_flush(c);
}

static inline void server_reply(struct server_conn *c, const char *text)
{
	server_send(c, mw_str(text), 0, SERVER_KEEP);
}

/* The length of the first whole request in c->in, 0 if there is none yet. */
static inline size_t server_whole(struct server_conn *c, struct mw_str *head, struct mw_str *body)
{
	struct mw_str in = mw_buf_str(&c->in);
	const char *end = mw_str_search(in, MW_STR("\r\n\r\n"));
	if (!end)
		return 0;
	*head = mw_strn(in.p, (size_t)(end - in.p) + 4);
	const char *length = mw_str_search(*head, MW_STR("Content-Length: "));
	size_t n = length ? strtoul(length + 16, NULL, 10) : 0;
	if (in.n < head->n + n)
		return 0;
	*body = mw_strn(in.p + head->n, n);
	return head->n + n;
}

static inline void server_on_readable(void *arg)
{
	struct server_conn *c = arg;
	struct mw_str head, body;
	if (!mw_buf_reserve(&c->in, 1 << 20))
		abort();
	ssize_t n = recv(c->fd, c->in.p + c->in.n, 1 << 20, 0);
	if (n <= 0) {
		c->gone = true;
		server_close(c, SERVER_CLOSE);
		return;
	}
	c->in.n += (size_t)n;
	c->reads++;
	size_t whole = server_whole(c, &head, &body);
	if (!whole)
		return;
	c->requests++;
	c->server->requests++;
	c->server->on_request(c, head, body);
	c->reads = 0;
	if (c->fd >= 0)
		mw_buf_drop(&c->in, whole);
}

static inline void server_on_accept(void *arg)
{
	struct server *s = arg;
	int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	mw_require((size_t)s->n < MW_LEN(s->conns));
	struct server_conn *c = mw_mem_zalloc(sizeof(*c));
	s->conns[s->n++] = c;
	c->server = s;
	c->fd = fd;
	c->number = s->n;
	mw_buf_init(&c->in, 256u << 20);
	mw_buf_init(&c->out, 256u << 20);
	mw_timer_init(&c->timer, server_flush, c);
	c->watch = mw_loop_watch(s->loop, fd, server_on_readable, c);
}

/* A listening socket on a free port of 127.0.0.1. */
static inline int server_listen(int *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mw_require(
	    fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 500) == 0);
	mw_require(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static inline void server_init(struct server *s, struct mw_loop *loop, server_fn on_request)
{
	*s = (struct server){.loop = loop, .on_request = on_request};
	s->fd = server_listen(&s->port);
	s->watch = mw_loop_watch(loop, s->fd, server_on_accept, s);
}

static inline void server_deinit(struct server *s)
{
	for (int i = 0; i < s->n; i++) {
		server_close(s->conns[i], SERVER_CLOSE);
		mw_buf_deinit(&s->conns[i]->in);
		mw_buf_deinit(&s->conns[i]->out);
		mw_mem_free(s->conns[i]);
	}
	for (size_t i = 0; i < MW_LEN(s->knocking); i++)
		if (s->knocking[i])
			close(s->knocking[i]);
	mw_loop_unwatch(s->watch);
	close(s->fd);
}

#endif
