/* SPDX-License-Identifier: MIT
 *
 * Outgoing HTTP over libcurl: HTTP/1.1 and, over TLS where the server speaks it, HTTP/2; connections
 * reused; certificates verified; names resolved off the thread; proxy variables honoured; redirects
 * never followed (a prompt goes only where the settings send it). Implements base/exchange.h.
 *
 * A `struct mw_multi` is one worker's: its connection pool and its tie to the loop.
 */
#ifndef MW_FETCH_H
#define MW_FETCH_H

#include "base/exchange.h"
#include "base/loop.h"

struct mw_multi;

/* Once per process, before any thread is made. */
void mw_fetch_global_init(void);
void mw_fetch_global_deinit(void);

struct mw_multi *mw_multi_new(struct mw_loop *loop);
void mw_multi_free(struct mw_multi *m); /* cancels what is under way, without callbacks; takes NULL */

/* Starts an exchange. A Content-Length is added; Accept-Encoding is not sent and a coded reply is not
 * decoded. `Expect` is never sent. */
struct mw_exchange *mw_fetch_start(struct mw_multi *m, const struct mw_exchange_request *request,
    const struct mw_exchange_events *events, void *arg);

size_t mw_multi_running(const struct mw_multi *m);

#endif
