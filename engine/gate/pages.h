/* SPDX-License-Identifier: MIT
 *
 * Answers that are no calls: lists, health, metrics. Each answers at once.
 */
#ifndef MW_PAGES_H
#define MW_PAGES_H

#include "gate/worker.h"

/* `rest` is what follows the row's path in the request's path, still percent-coded. */
typedef void mw_page_fn(struct mw_worker *w, struct mw_http_req *req, struct mw_str rest);

mw_page_fn mw_page_models, mw_page_model, mw_page_alive, mw_page_ready, mw_page_metrics,
    mw_page_home;

#endif
