/* SPDX-License-Identifier: MIT
 *
 * Figures of the process itself, as Prometheus text under the names that every client library uses.
 */
#ifndef MW_PROCESS_H
#define MW_PROCESS_H

#include "base/buf.h"

/* Version, start time, processor time, resident memory and open files. What /proc does not tell is
 * left out. Any thread. */
void mw_process_write(struct mw_buf *b);

#endif
