/* SPDX-License-Identifier: MIT
 *
 * Outgoing HTTP over libcurl: HTTP/1.1 and, over TLS where the server speaks it, HTTP/2;
 * connections reused; certificates verified; names resolved off the thread; proxy variables
 * honoured; redirects never followed (a prompt goes only where the settings send it). Implements
 * base/exchange.h.
 *
 * A `struct mw_multi` is one worker's: its connection pool and its tie to the loop.
 */
#ifndef MW_FETCH_H
#define MW_FETCH_H

#include "base/exchange.h"
#include "base/loop.h"

struct mw_multi;

/* Once per process, before any thread is made. */
void mw_multi_global_init(void);
void mw_multi_global_deinit(void);

struct mw_multi *mw_multi_new(struct mw_loop *loop);
/* Cancels what is under way, without callbacks. Not from inside a callback. Takes NULL. */
void mw_multi_free(struct mw_multi *m);

/* Starts an exchange. What is added: Host and Content-Length. Content-Length, Transfer-Encoding,
 * Connection, Expect and Accept-Encoding among `headers` are left out: they are the transport's. Expect
 * and Accept-Encoding are never sent; a reply that is coded all the same is decoded.
 *
 * - connect_ms counts from here until the request can be sent, waiting for a shared HTTP/2
 *   connection included; 0 means 300 s. All other clocks are the caller's.
 * - A pooled or shared connection that ends before a byte of the reply has come is replaced and the
 *   request sent again without a word, within a second: later it may have arrived, and that is
 *   NO_REPLY. What an HTTP/2 server refuses on a new connection is sent again at any time.
 * - A pause holds an HTTP/1.1 server back when the sockets' buffers are full; an HTTP/2 server may
 *   send 32 MiB into our memory first.
 * - A head beyond MW_MAX_HEAD or MW_MAX_HEADERS, or a change of protocol, is MALFORMED. Trailers
 *   and interim answers (1xx) are not given.
 * - What fails for want of a socket, a thread or the certificates' file is LOCAL.
 * - A request that cannot be sent as it is (no http or https URL, a line break in a header) ends as
 *   UNREACHABLE. The text of an end names the host, nothing else of the request.
 * - Certificates are checked against the system's list, or the file that SSL_CERT_FILE names. */
struct mw_exchange *mw_fetch_start(struct mw_multi *m, const struct mw_exchange_request *request,
    const struct mw_exchange_events *events, void *arg);

size_t mw_multi_running(const struct mw_multi *m);

#endif
