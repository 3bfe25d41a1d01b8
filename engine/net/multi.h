/* SPDX-License-Identifier: MIT
 *
 * The inside of a `struct mw_multi`: what net/multi.c (libcurl's sockets and timers on the loop)
 * and net/fetch.c (one exchange) know of each other. Nobody else includes this; net/fetch.h is the
 * contract.
 *
 * The rule that keeps callbacks sane: libcurl is entered only from the loop, never from a callback
 * of ours. Whatever a callback asks for (start, cancel, resume) is put on a list; net/multi.c lets
 * net/fetch.c work the lists off when libcurl has returned.
 */
#ifndef MW_MULTI_H
#define MW_MULTI_H

#include "base/list.h"
#include "net/fetch.h"

#include <curl/curl.h>
#include <event2/event_struct.h>

struct mw_multi_sock;

struct mw_multi {
	struct mw_loop *loop;
	CURLM *curl;
	CURLSH *share; /* TLS sessions, so that a new connection can resume an old one's */

	struct mw_multi_sock **socks; /* by file descriptor; NULL where none was ever watched */
	size_t n_socks;

	struct event kick;    /* activated, never waited for: the end of the present turn */
	struct event timer;   /* libcurl's; may fire early */
	uint64_t timer_wants; /* when libcurl wants to be called, 0 if never */
	uint64_t timer_set;   /* when the event will fire, 0 if it will not */
	bool asap;	      /* libcurl wants to be called at the end of this turn */
	bool in_turn, in_run; /* which half of a kick we are in */

	struct event connect_timer; /* the earliest end of a connect_ms, or earlier */
	uint64_t connect_set;	    /* when it will fire, 0 if it will not */

	/* Exchanges. A callback stands on our stack while depth > 0. */
	unsigned depth;
	struct mw_list queued;	   /* not yet given to libcurl */
	struct mw_list running;	   /* with libcurl */
	struct mw_list cancelled;  /* from inside a callback */
	struct mw_list resuming;   /* by fetch.resume_link */
	struct mw_list connecting; /* by fetch.connect_link */
	struct mw_list spare;	   /* idle, with their libcurl handles */
	size_t n, n_spare;
	struct mw_header head[MW_MAX_HEADERS]; /* of the reply head that is being given */
};

/* -- net/multi.c ------------------------------------------------------------------------------- */

/* Calls mw_fetch_turn before the loop sleeps. */
void mw_multi_wake(struct mw_multi *m);
/* Sets the connect timer to fire at `when` if it would fire later. */
void mw_multi_wake_connecting(struct mw_multi *m, uint64_t when);

/* libcurl's CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION, through which net/multi.c
 * knows which sockets are connections. `plain`: no TLS on it. Negative, and errno, if there is
 * none. */
int mw_multi_open_socket(struct mw_multi *m, const struct curl_sockaddr *address, bool plain);
int mw_multi_close_socket(void *multi, curl_socket_t fd);

/* -- net/fetch.c ------------------------------------------------------------------------------- */

void mw_fetch_turn(struct mw_multi *m);	      /* works off what was queued and resumed */
void mw_fetch_connecting(struct mw_multi *m); /* ends what did not connect in time */
void mw_fetch_settle(struct mw_multi *m); /* libcurl has returned: ends what is done or cancelled */
bool mw_fetch_stopped(CURL *easy);	  /* has libcurl been told to stop reading? */
void mw_fetch_free_all(struct mw_multi *m); /* everything, without callbacks */

#endif
