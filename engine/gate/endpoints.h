/* SPDX-License-Identifier: MIT
 *
 * From a request's head to what answers it: path, method, key; then a page at once, or a walk.
 */
#ifndef MW_ENDPOINTS_H
#define MW_ENDPOINTS_H

#include "net/http_in.h"

/* The handler of a worker's http_in; its arg is the struct mw_worker. */
extern const struct mw_http_handler mw_endpoints_handler;

#endif
