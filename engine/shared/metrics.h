/* SPDX-License-Identifier: MIT
 *
 * Metrics: one list (metrics.def), cells per worker that only their worker writes, summed when they
 * are read. Series belong to (model, target) pairs, are made when settings are read and are never
 * removed, so that counters survive a reload.
 *
 * Cells lie in segments that are published once and never move; that is why workers need no lock
 * while the main thread makes further series.
 */
#ifndef MW_METRICS_H
#define MW_METRICS_H

#include "base/buf.h"

struct mw_metrics;
struct mw_metric_cells; /* one worker's */

struct mw_metrics *mw_metrics_new(size_t workers);
void mw_metrics_free(struct mw_metrics *m);

/* The series of a pair, made when it is not there. Main thread only. Series 0 is for calls that
 * reached no target. */
size_t mw_metrics_series(
    struct mw_metrics *m, struct mw_str model, struct mw_str target, struct mw_str provider);

/* Rows of metrics.def. */
enum mw_metric {
#define MW_METRIC(id, type, name, help) MW_METRIC_##id,
#include "shared/metrics.def"
#undef MW_METRIC
	MW_METRICS,
};

struct mw_metric_cells *mw_metrics_cells(struct mw_metrics *m, size_t worker);

/* All from the cells' own worker, wait-free: counters and gauges by a delta, histograms by a value,
 * the calls (MW_METRIC_CALLS) by the HTTP status they ended with. */
void mw_metrics_add(struct mw_metric_cells *c, enum mw_metric id, size_t series, double delta);
void mw_metrics_observe(struct mw_metric_cells *c, enum mw_metric id, size_t series, double value);
void mw_metrics_call(struct mw_metric_cells *c, size_t series, int status);

/* The Prometheus text of everything, into b, and figures of the process. Any thread. Series appear
 * in the order in which they were made; a histogram and a status only once there is something to
 * say. */
void mw_metrics_write(struct mw_metrics *m, struct mw_buf *b);

#endif
