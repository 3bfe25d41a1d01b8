/* SPDX-License-Identifier: MIT
 *
 * Libcurl's sockets and timers on the loop. Libcurl takes a socket out of the watch after each
 * transfer and asks for it again at the next one, and asks for timers of 0 ms; done to the letter,
 * that is four to five epoll_ctl calls a request. So a pooled connection stays watched for reading
 * between transfers, timers that have become useless are left to fire into the void, and "now" is
 * the end of the present turn of the loop.
 */
#include "net/multi.h"

#include "base/loop_event.h"
#include "base/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECTIONS = 4096, /* that are kept, in use or idle */
	/* of one HTTP/2 connection: libcurl visits all of them whenever one has news */
	STREAMS = 16,
};

/* A socket that libcurl waits for. It lives as long as the multi: file descriptors come again. */
struct mw_multi_sock {
	struct mw_multi *m;
	struct event readable, writable;
	bool reading, writing; /* which of them is with the loop */
	bool wants_read;       /* what libcurl asked for last */
	bool connection;       /* opened by mw_multi_open_socket, so that we see it being closed */
	bool plain;            /* … for HTTP without TLS */
	bool idle;             /* no exchange has to do with it now */
};

static uint64_t now(struct mw_multi *m)
{
	return mw_loop_now(m->loop);
}

static void set_event(struct event *e, uint64_t after_us)
{
	struct timeval tv = {(time_t)(after_us / 1000000u), (suseconds_t)(after_us % 1000000u)};
	event_add(e, &tv);
}

/* The only place where libcurl may call us back. */
static void run(struct mw_multi *m, curl_socket_t fd, int what)
{
	int running;
	m->depth++;
	curl_multi_socket_action(m->curl, fd, what, &running);
	m->depth--;
	mw_fetch_settle(m);
}

/* -- sockets ----------------------------------------------------------------------------------- */

static void stop_reading(struct mw_multi_sock *s)
{
	if (s->reading)
		event_del(&s->readable);
	s->reading = false;
}

static void set_writing(struct mw_multi_sock *s, bool on)
{
	if (s->writing == on)
		return;
	s->writing = on;
	if (on)
		event_add(&s->writable, NULL);
	else
		event_del(&s->writable);
}

/* A pooled connection has something to read: its end, as a rule. Bytes that nobody asked for must
 * not be taken for the answer to the next request, so the connection is spoilt; libcurl looks
 * whether it is alive before it uses it again. (On TLS they may be session tickets, and libcurl
 * knows.) */
static void on_idle_readable(struct mw_multi_sock *s, evutil_socket_t fd)
{
	char bytes[4096];
	ssize_t n = 0;
	if (s->idle && s->plain)
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return; /* old news: libcurl has read it in this same turn */
	stop_reading(s);
	if (!s->idle || !s->plain)
		return;
	while (n > 0)
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	shutdown(fd, SHUT_RDWR);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct mw_multi_sock *s = arg;
	if (s->wants_read)
		run(s->m, fd, CURL_CSELECT_IN);
	else
		on_idle_readable(s, fd);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct mw_multi_sock *s = arg;
	run(s->m, fd, CURL_CSELECT_OUT);
}

static struct mw_multi_sock *sock_of(struct mw_multi *m, curl_socket_t fd)
{
	size_t i = (size_t)fd;
	if (i >= m->n_socks) {
		size_t n = MW_MAX(i + 1, m->n_socks * 2);
		m->socks = mw_mem_realloc(m->socks, n * sizeof(struct mw_multi_sock *));
		memset(m->socks + m->n_socks, 0, (n - m->n_socks) * sizeof(struct mw_multi_sock *));
		m->n_socks = n;
	}
	struct mw_multi_sock *s = m->socks[i];
	if (s)
		return s;
	s = m->socks[i] = mw_mem_zalloc(sizeof(*s));
	s->m = m;
	struct event_base *base = mw_loop_base(m->loop);
	event_assign(&s->readable, base, fd, EV_READ | EV_PERSIST, on_readable, s);
	event_assign(&s->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, s);
	return s;
}

int mw_multi_open_socket(struct mw_multi *m, const struct curl_sockaddr *address, bool plain)
{
	int type = address->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = socket(address->family, type, address->protocol);
	if (fd < 0)
		return fd;
	struct mw_multi_sock *s = sock_of(m, fd);
	s->connection = true;
	s->plain = plain;
	return fd;
}

int mw_multi_close_socket(void *multi, curl_socket_t fd)
{
	struct mw_multi *m = multi;
	struct mw_multi_sock *s = sock_of(m, fd);
	stop_reading(s);
	set_writing(s, false);
	s->connection = s->plain = false;
	return close(fd);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	(void)unused;
	struct mw_multi_sock *s = sock_of(arg, fd);
	s->wants_read = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
	s->idle = what == CURL_POLL_REMOVE && !mw_fetch_stopped(easy);
	set_writing(s, what == CURL_POLL_OUT || what == CURL_POLL_INOUT);
	if (s->wants_read && !s->reading) {
		s->reading = true;
		event_add(&s->readable, NULL);
	}
	/* what is not a connection (the resolver's pipe) libcurl closes without telling us */
	if (what == CURL_POLL_REMOVE && !s->connection)
		stop_reading(s);
	return 0;
}

/* -- timers ------------------------------------------------------------------------------------ */

void mw_multi_wake(struct mw_multi *m)
{
	event_active(&m->kick, EV_TIMEOUT, 1);
}

static void set_timer(struct mw_multi *m, uint64_t when)
{
	if (m->timer_set && m->timer_set <= when)
		return;
	uint64_t t = now(m);
	m->timer_set = when;
	set_event(&m->timer, when > t ? when - t : 0);
}

static int on_timer_wanted(CURLM *curl, long after_ms, void *arg)
{
	(void)curl;
	struct mw_multi *m = arg;
	m->timer_wants = 0;
	if (after_ms < 0)
		return 0;
	/* once more within the run of a kick would keep the loop from its sockets */
	if (after_ms == 0 && !m->in_run) {
		m->asap = true;
		if (!m->in_turn)
			mw_multi_wake(m);
		return 0;
	}
	m->timer_wants = now(m) + (uint64_t)after_ms * 1000u;
	set_timer(m, m->timer_wants);
	return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct mw_multi *m = arg;
	m->timer_set = 0;
	if (!m->timer_wants)
		return;
	if (m->timer_wants > now(m)) {
		set_timer(m, m->timer_wants);
		return;
	}
	m->timer_wants = 0;
	run(m, CURL_SOCKET_TIMEOUT, 0);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct mw_multi *m = arg;
	m->in_turn = true;
	mw_fetch_turn(m);
	m->in_turn = false;
	if (!m->asap)
		return;
	m->asap = false;
	m->in_run = true;
	run(m, CURL_SOCKET_TIMEOUT, 0);
	m->in_run = false;
}

void mw_multi_wake_connecting(struct mw_multi *m, uint64_t when)
{
	if (m->connect_set && m->connect_set <= when)
		return;
	uint64_t t = now(m);
	m->connect_set = when;
	set_event(&m->connect_timer, when > t ? when - t : 0);
}

static void on_connect_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct mw_multi *m = arg;
	m->connect_set = 0;
	mw_fetch_connecting(m);
}

/* -- the multi --------------------------------------------------------------------------------- */

static void set_options(struct mw_multi *m)
{
	curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
	curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
	curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
	curl_multi_setopt(m->curl, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS);
	curl_share_setopt(m->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
}

static void init_lists(struct mw_multi *m)
{
	mw_list_init(&m->queued);
	mw_list_init(&m->running);
	mw_list_init(&m->cancelled);
	mw_list_init(&m->resuming);
	mw_list_init(&m->connecting);
	mw_list_init(&m->spare);
}

struct mw_multi *mw_multi_new(struct mw_loop *loop)
{
	struct mw_multi *m = mw_mem_zalloc(sizeof(*m));
	struct event_base *base = mw_loop_base(loop);
	m->loop = loop;
	m->curl = curl_multi_init();
	m->share = curl_share_init();
	mw_require(m->curl && m->share);
	event_assign(&m->kick, base, -1, 0, on_kick, m);
	event_assign(&m->timer, base, -1, 0, on_timer, m);
	event_assign(&m->connect_timer, base, -1, 0, on_connect_timer, m);
	init_lists(m);
	set_options(m);
	return m;
}

void mw_multi_free(struct mw_multi *m)
{
	if (!m)
		return;
	mw_require(m->depth == 0);
	mw_fetch_free_all(m);
	curl_multi_cleanup(m->curl);
	curl_share_cleanup(m->share);
	event_del(&m->kick);
	event_del(&m->timer);
	event_del(&m->connect_timer);
	for (size_t i = 0; i < m->n_socks; i++)
		mw_mem_free(m->socks[i]);
	mw_mem_free(m->socks);
	mw_mem_free(m);
}

size_t mw_multi_running(const struct mw_multi *m)
{
	return m->n;
}

void mw_multi_global_init(void)
{
	mw_require(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

void mw_multi_global_deinit(void)
{
	curl_global_cleanup();
}
