/* SPDX-License-Identifier: MIT
 *
 * One connection of http_in, and what it shares with the others. For http_in.c and http_conn.c
 * only.
 */
#ifndef MW_HTTP_CONN_H
#define MW_HTTP_CONN_H

#include "base/list.h"
#include "net/http_req.h"

#include <event2/event.h>
#include <event2/event_struct.h>

enum mw_http_state {
	MW_HTTP_IDLE,   /* between requests */
	MW_HTTP_HEAD,   /* a part of a head is here */
	MW_HTTP_BODY,   /* the handler has the head; the body is coming */
	MW_HTTP_RUN,    /* the handler has it all; what the client sends now waits in the kernel */
	MW_HTTP_OVER,   /* the answer is complete: to be sent, and perhaps a body to be thrown away */
	MW_HTTP_LINGER, /* no more will be sent; the client may still be sending */
	MW_HTTP_DEAD,   /* closed; freed at the end of the turn: callers may still look at it */
};

struct mw_http_conn {
	struct mw_list link; /* in->conns or in->dead */
	struct mw_list turn; /* in->turn, in->later or none */
	struct mw_http_in *in;
	struct mw_http_req *req; /* NULL when IDLE or LINGER */
	struct event io, timer;
	uint64_t deadline, write_by; /* ms; UINT64_MAX: none */
	uint64_t body_since;
	uint64_t armed; /* when `timer` fires; deadlines move often, it seldom does */
	int fd;
	enum mw_http_state state;
	bool driving; /* drive() is at work further up the stack */
	bool unread;  /* the socket may hold bytes that no event will tell of again */
	bool fin;     /* the client has closed its side */
	bool keep;    /* another request may follow */
};

struct mw_http_in {
	struct mw_loop *loop;
	struct event_base *base;
	struct mw_http_limits limits;
	const struct mw_http_handler *handler;
	void *arg;
	struct mw_list conns, dead;
	struct mw_list turn;  /* to be attended to before the loop sleeps */
	struct mw_list later; /* to be read on in the next turn, so that others come first */
	struct event turn_event, later_event;
	struct mw_http_req_pool spare;
	size_t n_conns, n_busy;
	bool draining;
	uint64_t date_second;
	char date[MW_HTTP_OUT_DATE];
	char scratch[16384]; /* where bytes go that nobody wants */
};

void mw_http_conn_new(struct mw_http_in *in, int fd);
void mw_http_conn_close(struct mw_http_conn *c);
/* Reads what has come on a connection that rests, and closes it if that is nothing. */
void mw_http_conn_drain(struct mw_http_conn *c);
/* The client is gone: tells the handler if it has a request, and closes. */
void mw_http_conn_lose(struct mw_http_conn *c);
/* Sends what waits and these two; never calls the handler (a lost client is told at the turn's
 * end). */
void mw_http_conn_send(struct mw_http_conn *c, struct mw_str more, struct mw_str tail);
/* The request's answer is complete, or will be with what waits. */
void mw_http_conn_answered(struct mw_http_conn *c);
/* Attends to it before the loop sleeps. */
void mw_http_conn_touch(struct mw_http_conn *c);
/* May another request follow this one? To be asked when its answer begins. */
bool mw_http_conn_keeps(const struct mw_http_conn *c);

/* The events of a server. */
void mw_http_conn_on_turn(evutil_socket_t fd, short what, void *arg);
void mw_http_conn_on_later(evutil_socket_t fd, short what, void *arg);
void mw_http_conn_free_dead(struct mw_http_in *in);

#endif
