/* SPDX-License-Identifier: MIT
 *
 * Listening sockets: resolving the address, binding, accepting.
 */
#include "net/listener.h"

#include "base/log.h"
#include "base/loop_event.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BACKLOG = 4096,
	ACCEPTS =
	    64, /* per turn, so that a flood of connections does not starve those that are open */
	REST_MS = 100, /* when there are no file descriptors left */
};

struct mw_listener {
	struct event event, rested;
	int fd;
	uint16_t port;
	bool warned;
	void (*on_accept)(void *arg, int fd);
	void *arg;
};

/* ---- addresses ---------------------------------------------------------------------------- */

struct address {
	struct sockaddr_storage to;
	socklen_t n;
	const char *host; /* as asked for, for messages */
	uint16_t port;
	bool all; /* every address of the machine */
};

static void take_all(struct address *a, bool ipv6)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(a->port)};
	a->n = ipv6 ? sizeof(six) : sizeof(four);
	if (ipv6)
		memcpy(&a->to, &six, sizeof(six));
	else
		memcpy(&a->to, &four, sizeof(four));
}

static void take_first(struct address *a, const struct addrinfo *list)
{
	const struct addrinfo *best = list;
	for (const struct addrinfo *it = list; it; it = it->ai_next)
		if (it->ai_family == AF_INET && best->ai_family != AF_INET)
			best = it;
	memcpy(&a->to, best->ai_addr, best->ai_addrlen);
	a->n = best->ai_addrlen;
}

static bool resolve(struct address *a, const char *host, uint16_t port, struct mw_err *err)
{
	*a = (struct address){.host = host, .port = port};
	a->all = strcmp(host, "*") == 0;
	if (a->all) {
		take_all(a, true);
		return true;
	}
	char name[256], service[8];
	struct mw_str plain = mw_str(host);
	if (plain.p[0] == '[' && plain.p[plain.n - 1] == ']')
		plain = mw_strn(plain.p + 1, plain.n - 2);
	snprintf(name, sizeof(name), "%.*s", MW_FMT(plain));
	snprintf(service, sizeof(service), "%u", port);
	struct addrinfo want = {.ai_socktype = SOCK_STREAM,
			    .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
			*list;
	int fault = getaddrinfo(name, service, &want, &list);
	if (fault)
		return mw_err_set(err, MW_ERR_SETTINGS,
		    "cannot listen on \"%s\": %s; give an address of this machine, or * for all of "
		    "them",
		    host, gai_strerror(fault));
	take_first(a, list);
	freeaddrinfo(list);
	return true;
}

/* ---- sockets ------------------------------------------------------------------------------ */

static bool explain(const struct address *a, int fault, struct mw_err *err)
{
	const char *on = a->all ? "all addresses" : a->host;
	if (fault == EADDRINUSE)
		return mw_err_set(err, MW_ERR_SETTINGS,
		    "port %u on %s is taken: another program listens there; choose another with "
		    "--port",
		    a->port, on);
	if (fault == EACCES)
		return mw_err_set(err, MW_ERR_SETTINGS,
		    "port %u is not allowed to this user; choose one above 1023 with --port",
		    a->port);
	if (fault == EADDRNOTAVAIL)
		return mw_err_set(err, MW_ERR_SETTINGS,
		    "this machine has no address %s; give one that it has with --host, or * for "
		    "all",
		    on);
	return mw_err_set(
	    err, MW_ERR_SETTINGS, "cannot listen on %s, port %u: %s", on, a->port, strerror(fault));
}

static void switch_on(int fd, int level, int option)
{
	int on = 1;
	(void)setsockopt(
	    fd, level, option, &on, sizeof(on)); /* none of them is worth not starting */
}

/* A bound socket, or -1 and errno. Accepted sockets inherit TCP_NODELAY. */
static int open_socket(const struct address *a, bool shared)
{
	int fd = socket(a->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	switch_on(fd, SOL_SOCKET, SO_REUSEADDR);
	if (shared)
		switch_on(fd, SOL_SOCKET, SO_REUSEPORT);
	switch_on(fd, IPPROTO_TCP, TCP_NODELAY);
	int off = 0;
	if (a->all && a->to.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (const struct sockaddr *)&a->to, a->n) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int fault = errno;
	close(fd);
	errno = fault;
	return -1;
}

static int open_listening(const char *host, uint16_t port, bool shared, struct mw_err *err)
{
	struct address a;
	if (!resolve(&a, host, port, err))
		return -1;
	int fd = open_socket(&a, shared);
	if (fd < 0 && a.all && errno != EADDRINUSE && errno != EACCES) {
		take_all(&a, false); /* a machine without IPv6 */
		fd = open_socket(&a, shared);
	}
	if (fd < 0)
		explain(&a, errno, err);
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage to = {0};
	socklen_t n = sizeof(to);
	if (getsockname(fd, (struct sockaddr *)&to, &n) != 0)
		return 0;
	if (to.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&to)->sin6_port);
	return ntohs(((struct sockaddr_in *)&to)->sin_port);
}

bool mw_listener_check(const char *host, uint16_t port, struct mw_err *err)
{
	int fd = open_listening(host, port, false, err);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* ---- accepting ---------------------------------------------------------------------------- */

/* Without a free file descriptor the waiting connection cannot even be refused; to be told of it
 * again and again would only burn the processor. */
static void rest(struct mw_listener *l)
{
	if (!l->warned)
		mw_log(MW_LOG_WARN, "listener",
		    "cannot accept connections: %s; raise the limit (ulimit -n)", strerror(errno));
	l->warned = true;
	struct timeval tv = {0, REST_MS * 1000};
	event_del(&l->event);
	evtimer_add(&l->rested, &tv);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct mw_listener *l = arg;
	event_add(&l->event, NULL);
}

static void accept_some(struct mw_listener *l, int most)
{
	for (int i = 0; i < most; i++) {
		int client = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client >= 0) {
			l->on_accept(l->arg, client);
			continue;
		}
		bool exhausted =
		    errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
		if (exhausted)
			rest(l);
		if (exhausted || errno == EAGAIN)
			return;
		/* anything else is the fault of that one connection, which is gone */
	}
}

static void on_waiting(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	accept_some(arg, ACCEPTS);
}

struct mw_listener *mw_listener_new(struct mw_loop *loop, const char *host, uint16_t port,
    void (*on_accept)(void *arg, int fd), void *arg, struct mw_err *err)
{
	int fd = open_listening(host, port, true, err);
	if (fd < 0)
		return NULL;
	struct mw_listener *l = mw_mem_zalloc(sizeof(*l));
	l->fd = fd;
	l->port = port_of(fd);
	l->on_accept = on_accept;
	l->arg = arg;
	event_assign(&l->event, mw_loop_base(loop), fd, EV_READ | EV_PERSIST, on_waiting, l);
	evtimer_assign(&l->rested, mw_loop_base(loop), on_rested, l);
	mw_require(event_add(&l->event, NULL) == 0);
	return l;
}

void mw_listener_free(struct mw_listener *l)
{
	if (!l)
		return;
	accept_some(l, BACKLOG);
	event_del(&l->event);
	event_del(&l->rested);
	close(l->fd);
	mw_mem_free(l);
}

uint16_t mw_listener_port(const struct mw_listener *l)
{
	return l->port;
}
