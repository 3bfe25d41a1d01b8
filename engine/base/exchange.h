/* SPDX-License-Identifier: MIT
 *
 * The shape of one outgoing HTTP exchange, whoever carries it: net/fetch over the network, net/play
 * from a script of timed bytes, a simulator in its own time.
 *
 * Callbacks come in this order: on_head at most once, then on_bytes any number of times, then
 * on_end exactly once, after which the exchange is gone: its pointer is dead when on_end
 * returns. No callback comes before the call that started the exchange has returned. Slices given
 * to a callback live until it returns. Everything happens on the worker's own thread.
 */
#ifndef MW_EXCHANGE_H
#define MW_EXCHANGE_H

#include "base/str.h"

struct mw_header {
	struct mw_str name, value; /* names compare without regard to case */
};

enum { MW_EXCHANGE_PARTS = 3 };

/* All of it is borrowed until the exchange ends or is cancelled. */
struct mw_exchange_request {
	struct mw_str method; /* "POST" */
	struct mw_str url;
	const struct mw_header *headers;
	size_t n_headers;
	struct mw_str body[MW_EXCHANGE_PARTS]; /* sent one behind the other; any may be empty */
	uint32_t connect_ms; /* for name, connection and TLS together */
};

struct mw_exchange_head {
	int status;
	const struct mw_header *headers;
	size_t n_headers;
};

enum mw_exchange_end {
	MW_END_OK,		/* the whole reply came */
	MW_END_UNREACHABLE,	/* name, connection or TLS failed: nothing was sent */
	MW_END_CONNECT_TIMEOUT, /* the same, by the clock */
	MW_END_LOCAL,		/* the same, for want of something here: a socket, a thread, certificates */
	MW_END_NO_REPLY,	/* the connection ended before a whole head came */
	MW_END_CUT,		/* the connection ended inside the body */
	MW_END_MALFORMED,	/* what came is not HTTP */
};

struct mw_exchange_result {
	enum mw_exchange_end end;
	const char *text; /* what went wrong in words, for a person; "" when nothing did */
};

struct mw_exchange_events {
	void (*on_head)(void *arg, const struct mw_exchange_head *head);
	void (*on_bytes)(void *arg, struct mw_str bytes);
	void (*on_end)(void *arg, const struct mw_exchange_result *result);
};

struct mw_exchange;

struct mw_exchange_ops {
	void (*pause)(struct mw_exchange *x);
	void (*resume)(struct mw_exchange *x);
	void (*cancel)(struct mw_exchange *x);
	bool (*sent)(const struct mw_exchange *x);
};

/* Embedded first in whatever carries the exchange. */
struct mw_exchange {
	const struct mw_exchange_ops *ops;
};

/* After pause no on_bytes comes until resume (what is under way may still end the exchange if it
 * was all delivered). Both may be called from inside a callback and may be repeated. */
static inline void mw_exchange_pause(struct mw_exchange *x)
{
	x->ops->pause(x);
}

static inline void mw_exchange_resume(struct mw_exchange *x)
{
	x->ops->resume(x);
}

/* Has the request gone out whole? A server may answer before it has read all; once a part of the reply
 * has come and this is true, the body is not looked at any more. */
static inline bool mw_exchange_sent(const struct mw_exchange *x)
{
	return x->ops->sent(x);
}

/* Ends the exchange without a further callback and closes its connection, unless the reply was
 * already whole. The pointer is dead. May be called from inside on_head and on_bytes, not from
 * on_end. */
static inline void mw_exchange_cancel(struct mw_exchange *x)
{
	x->ops->cancel(x);
}

#endif
