/* SPDX-License-Identifier: MIT
 *
 * How long a provider asks to be left alone, from the headers of its answer.
 */
#ifndef MW_RETRY_AFTER_H
#define MW_RETRY_AFTER_H

#include "base/exchange.h"

/* Microseconds; 0: it does not say. Reads retry-after-ms, then retry-after as seconds (a fraction
 * is allowed) or as an HTTP date, which is compared with `wall` (microseconds since 1970). */
uint64_t mw_retry_after(const struct mw_exchange_head *head, uint64_t wall);

#endif
