/* SPDX-License-Identifier: MIT
 *
 * A listening socket of one worker. With SO_REUSEPORT each worker has its own and the kernel deals
 * connections out; accepted sockets are non-blocking, close-on-exec, and have TCP_NODELAY.
 */
#ifndef MW_LISTENER_H
#define MW_LISTENER_H

#include "base/err.h"
#include "base/loop.h"

struct mw_listener;

/* Is that address free? To be asked once, before the first listener: with SO_REUSEPORT a second gateway
 * of the same user would get half of the connections without anybody noticing. Errors as below. */
bool mw_listener_check(const char *host, uint16_t port, struct mw_err *err) MW_MUSTCHECK;

/* `host` is a name or an address, "*" for all addresses; port 0 takes a free one. A name that has
 * several addresses listens on one of them, IPv4 first. Errors (SETTINGS) say which address and what to
 * do ("port 4000 is taken: another program listens there; choose another with --port"). on_accept owns
 * the socket. */
struct mw_listener *mw_listener_new(struct mw_loop *loop, const char *host, uint16_t port,
    void (*on_accept)(void *arg, int fd), void *arg, struct mw_err *err);
/* Stops accepting. Who is connected already is handed over first: to close on them would reset them.
 * Takes NULL. */
void mw_listener_free(struct mw_listener *l);

uint16_t mw_listener_port(const struct mw_listener *l);

#endif
