/* SPDX-License-Identifier: MIT
 *
 * Metric cells and their Prometheus text. Segment k of a worker holds 16 * 2^k rows, so that a
 * handful of pointers, each set once, covers any number of series.
 */
#include "shared/metrics.h"

#include "base/map.h"
#include "base/mem.h"
#include "shared/process.h"

#include <stdatomic.h>

enum type { COUNTER, GAUGE, HISTOGRAM, STATUS, PROCESS };

struct metric {
	enum type type;
	const char *name, *help;
};

static const struct metric metrics[MW_METRICS] = {
#define MW_METRIC(id, type, name, help) {type, name, help},
#include "shared/metrics.def"
#undef MW_METRIC
};

/* The histograms are numbered apart, so that other metrics hold no buckets. */
#define IF_COUNTER(id)
#define IF_GAUGE(id)
#define IF_STATUS(id)
#define IF_PROCESS(id)
#define IF_HISTOGRAM(id) NTH_##id,
enum {
#define MW_METRIC(id, type, name, help) IF_##type(id)
#include "shared/metrics.def"
#undef MW_METRIC
	HISTOGRAMS,
};
#undef IF_HISTOGRAM
#define IF_HISTOGRAM(id) [MW_METRIC_##id] = NTH_##id,
static const unsigned char nth_histogram[MW_METRICS] = {
#define MW_METRIC(id, type, name, help) IF_##type(id)
#include "shared/metrics.def"
#undef MW_METRIC
};

/* Seconds: below a millisecond for the gateway's own share, to ten minutes for what a model thinks
 * over. */
static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600};

enum {
	FIRST = 16, /* rows of segment 0 */
	SEGMENTS = 28,
	STATUSES = 16, /* kinds of status of one series; what comes later is counted as "other" */
};

struct histogram {
	_Atomic uint64_t buckets[MW_LEN(bounds) + 1]; /* not cumulative; the last is +Inf */
	_Atomic double sum;
};

struct status {
	_Atomic int code; /* 0: free, -1: other */
	_Atomic uint64_t count;
};

struct row { /* one series of one worker */
	_Atomic double values[MW_METRICS];
	struct histogram histograms[HISTOGRAMS];
	struct status statuses[STATUSES];
};

struct mw_metric_cells {
	_Atomic(struct row *) segments[SEGMENTS];
};

struct mw_metrics {
	struct mw_metric_cells **workers;
	size_t n_workers;
	_Atomic(struct mw_str *)
	    labels[SEGMENTS]; /* "model=\"…\",target=\"…\",provider=\"…\"", as segments */
	_Atomic size_t n_series;
	struct mw_map *by_labels; /* -> series + 1; main thread only */
};

static unsigned segment_of(size_t series, size_t *at)
{
	size_t s = series + FIRST;
	unsigned k = 63 - (unsigned)__builtin_clzll(s / FIRST);
	*at = s - ((size_t)FIRST << k);
	return k;
}

static struct row *row_of(struct mw_metric_cells *c, size_t series)
{
	size_t at;
	unsigned k = segment_of(series, &at);
	struct row *rows = atomic_load_explicit(&c->segments[k], memory_order_acquire);
	mw_require(rows);
	return rows + at;
}

static struct mw_str labels_of(struct mw_metrics *m, size_t series)
{
	size_t at;
	unsigned k = segment_of(series, &at);
	return atomic_load_explicit(&m->labels[k], memory_order_acquire)[at];
}

struct mw_metrics *mw_metrics_new(size_t workers)
{
	struct mw_metrics *m = mw_mem_zalloc(sizeof(*m));
	m->by_labels = mw_map_new();
	m->n_workers = workers;
	m->workers = mw_mem_alloc(workers * sizeof(m->workers[0]));
	for (size_t i = 0; i < workers; i++)
		m->workers[i] = mw_mem_zalloc(sizeof(*m->workers[i]));
	mw_metrics_series(m, MW_NOSTR, MW_NOSTR, MW_NOSTR);
	return m;
}

static void free_cells(struct mw_metric_cells *c)
{
	for (unsigned k = 0; k < SEGMENTS; k++)
		mw_mem_free(c->segments[k]);
	mw_mem_free(c);
}

void mw_metrics_free(struct mw_metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_series; i++)
		mw_mem_free((char *)labels_of(m, i).p);
	for (unsigned k = 0; k < SEGMENTS; k++)
		mw_mem_free(m->labels[k]);
	for (size_t i = 0; i < m->n_workers; i++)
		free_cells(m->workers[i]);
	mw_mem_free(m->workers);
	mw_map_free(m->by_labels);
	mw_mem_free(m);
}

struct mw_metric_cells *mw_metrics_cells(struct mw_metrics *m, size_t worker)
{
	mw_require(worker < m->n_workers);
	return m->workers[worker];
}

/* ---- series ---------------------------------------------------------------------------------- */

static void put_label(struct mw_buf *b, const char *name, struct mw_str value)
{
	mw_buf_addf(b, "%s=\"", name);
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		if (c == '\\' || c == '"')
			mw_buf_addc(b, '\\');
		if (c == '\n')
			mw_buf_addz(b, "\\n");
		else
			mw_buf_addc(b, c);
	}
	mw_buf_addc(b, '"');
}

static struct mw_str labels_text(struct mw_str model, struct mw_str target, struct mw_str provider)
{
	struct mw_buf b;
	mw_buf_init(&b, SIZE_MAX / 2);
	put_label(&b, "model", model);
	mw_buf_addc(&b, ',');
	put_label(&b, "target", target);
	mw_buf_addc(&b, ',');
	put_label(&b, "provider", provider);
	mw_require(!b.full);
	return mw_buf_str(&b); /* the memory changes hands */
}

/* Makes the segment of a series, in every worker, if this is its first series. */
static void make_room(struct mw_metrics *m, unsigned k)
{
	if (atomic_load_explicit(&m->labels[k], memory_order_relaxed))
		return;
	size_t n = (size_t)FIRST << k;
	for (size_t i = 0; i < m->n_workers; i++)
		atomic_store_explicit(&m->workers[i]->segments[k],
		    mw_mem_zalloc(n * sizeof(struct row)), memory_order_release);
	atomic_store_explicit(
	    &m->labels[k], mw_mem_zalloc(n * sizeof(struct mw_str)), memory_order_release);
}

size_t mw_metrics_series(
    struct mw_metrics *m, struct mw_str model, struct mw_str target, struct mw_str provider)
{
	struct mw_str labels = labels_text(model, target, provider);
	uintptr_t known = (uintptr_t)mw_map_get(m->by_labels, labels);
	if (known) {
		mw_mem_free((char *)labels.p);
		return known - 1;
	}
	size_t series = atomic_load_explicit(&m->n_series, memory_order_relaxed), at;
	unsigned k = segment_of(series, &at);
	mw_require(k < SEGMENTS);
	make_room(m, k);
	atomic_load_explicit(&m->labels[k], memory_order_relaxed)[at] = labels;
	mw_map_set(m->by_labels, labels, (void *)(series + 1));
	atomic_store_explicit(&m->n_series, series + 1, memory_order_release);
	return series;
}

/* ---- writing: plain loads and stores, as nobody else writes these cells ---------------------- */

static void bump(_Atomic uint64_t *cell)
{
	uint64_t v = atomic_load_explicit(cell, memory_order_relaxed);
	atomic_store_explicit(cell, v + 1, memory_order_relaxed);
}

static void grow(_Atomic double *cell, double delta)
{
	double v = atomic_load_explicit(cell, memory_order_relaxed);
	atomic_store_explicit(cell, v + delta, memory_order_relaxed);
}

void mw_metrics_add(struct mw_metric_cells *c, enum mw_metric id, size_t series, double delta)
{
	grow(&row_of(c, series)->values[id], delta);
}

void mw_metrics_observe(struct mw_metric_cells *c, enum mw_metric id, size_t series, double value)
{
	mw_require(metrics[id].type == HISTOGRAM);
	struct histogram *h = &row_of(c, series)->histograms[nth_histogram[id]];
	size_t i = 0;
	while (i < MW_LEN(bounds) && value > bounds[i])
		i++;
	bump(&h->buckets[i]);
	grow(&h->sum, value);
}

void mw_metrics_call(struct mw_metric_cells *c, size_t series, int status)
{
	struct status *statuses = row_of(c, series)->statuses;
	int i = 0;
	while (i < STATUSES - 1) {
		int code = atomic_load_explicit(&statuses[i].code, memory_order_relaxed);
		if (code == status || code == 0)
			break;
		i++;
	}
	bump(&statuses[i].count);
	/* after the count, so that a reader who sees the code sees the count */
	atomic_store_explicit(
	    &statuses[i].code, i < STATUSES - 1 ? status : -1, memory_order_release);
}

/* ---- reading --------------------------------------------------------------------------------- */

static double sum_value(struct mw_metrics *m, enum mw_metric id, size_t series)
{
	double sum = 0;
	for (size_t w = 0; w < m->n_workers; w++)
		sum += atomic_load_explicit(
		    &row_of(m->workers[w], series)->values[id], memory_order_relaxed);
	return sum;
}

static void write_value(struct mw_metrics *m, struct mw_buf *b, enum mw_metric id, size_t series)
{
	double value = sum_value(m, id, series);
	if (metrics[id].type == PROCESS) {
		if (series == 0)
			mw_buf_addf(b, "%s %.17g\n", metrics[id].name, value);
		return;
	}
	if (series == 0 && value == 0)
		return;
	struct mw_str labels = labels_of(m, series);
	mw_buf_addf(b, "%s{%.*s} %.17g\n", metrics[id].name, MW_FMT(labels), value);
}

static void write_histogram(
    struct mw_metrics *m, struct mw_buf *b, enum mw_metric id, size_t series)
{
	uint64_t counts[MW_LEN(bounds) + 1] = {0}, below = 0, all = 0;
	double sum = 0;
	for (size_t w = 0; w < m->n_workers; w++) {
		struct histogram *h = &row_of(m->workers[w], series)->histograms[nth_histogram[id]];
		for (size_t i = 0; i < MW_LEN(counts); i++)
			counts[i] += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
		sum += atomic_load_explicit(&h->sum, memory_order_relaxed);
	}
	for (size_t i = 0; i < MW_LEN(counts); i++)
		all += counts[i];
	if (all == 0)
		return;
	const char *name = metrics[id].name;
	struct mw_str labels = labels_of(m, series);
	for (size_t i = 0; i < MW_LEN(bounds); i++) {
		below += counts[i];
		mw_buf_addf(b, "%s_bucket{%.*s,le=\"%g\"} %llu\n", name, MW_FMT(labels), bounds[i],
		    (unsigned long long)below);
	}
	mw_buf_addf(
	    b, "%s_bucket{%.*s,le=\"+Inf\"} %llu\n", name, MW_FMT(labels), (unsigned long long)all);
	mw_buf_addf(b, "%s_sum{%.*s} %.17g\n", name, MW_FMT(labels), sum);
	mw_buf_addf(b, "%s_count{%.*s} %llu\n", name, MW_FMT(labels), (unsigned long long)all);
}

struct status_sum {
	int code;
	uint64_t count;
};

/* Adds a worker's statuses to the sums, which stay sorted by code. */
static size_t add_statuses(struct row *row, struct status_sum *sums, size_t n)
{
	for (int i = 0; i < STATUSES; i++) {
		int code = atomic_load_explicit(&row->statuses[i].code, memory_order_acquire);
		if (code == 0)
			continue;
		size_t at = 0;
		while (at < n && sums[at].code < code)
			at++;
		if (at == n || sums[at].code != code) {
			for (size_t k = n++; k > at; k--)
				sums[k] = sums[k - 1];
			sums[at] = (struct status_sum){.code = code};
		}
		sums[at].count +=
		    atomic_load_explicit(&row->statuses[i].count, memory_order_relaxed);
	}
	return n;
}

static void write_statuses(struct mw_metrics *m, struct mw_buf *b, enum mw_metric id, size_t series)
{
	struct status_sum *sums = mw_mem_alloc(m->n_workers * STATUSES * sizeof(*sums));
	size_t n = 0;
	for (size_t w = 0; w < m->n_workers; w++)
		n = add_statuses(row_of(m->workers[w], series), sums, n);
	struct mw_str labels = labels_of(m, series);
	for (size_t i = 0; i < n; i++) {
		mw_buf_addf(b, "%s{%.*s,status=\"", metrics[id].name, MW_FMT(labels));
		if (sums[i].code > 0)
			mw_buf_addu(b, (uint64_t)sums[i].code, 0);
		else
			mw_buf_addz(b, "other");
		mw_buf_addf(b, "\"} %llu\n", (unsigned long long)sums[i].count);
	}
	mw_mem_free(sums);
}

static void write_metric(struct mw_metrics *m, struct mw_buf *b, enum mw_metric id, size_t n_series)
{
	static const char *const words[] = {"counter", "gauge", "histogram", "counter", "counter"};
	const struct metric *metric = &metrics[id];
	mw_buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
	    words[metric->type]);
	for (size_t series = 0; series < n_series; series++) {
		if (metric->type == HISTOGRAM)
			write_histogram(m, b, id, series);
		else if (metric->type == STATUS)
			write_statuses(m, b, id, series);
		else
			write_value(m, b, id, series);
	}
}

void mw_metrics_write(struct mw_metrics *m, struct mw_buf *b)
{
	size_t n_series = atomic_load_explicit(&m->n_series, memory_order_acquire);
	for (int id = 0; id < MW_METRICS; id++)
		write_metric(m, b, (enum mw_metric)id, n_series);
	mw_process_write(b);
}
