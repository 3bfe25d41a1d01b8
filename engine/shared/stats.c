/* SPDX-License-Identifier: MIT
 *
 * Named numbers. One lock for the registry, one for each stat; both are held for a few lines.
 */
#include "shared/stats.h"

#include "base/map.h"
#include "base/mem.h"

#include <math.h>
#include <pthread.h>

enum { SLOTS = 16 };

struct slot {
	uint64_t turn; /* which slot of all time this is: time / width */
	uint64_t count;
	double sum;
};

struct mw_stat {
	pthread_mutex_t lock;
	enum mw_stat_kind kind;
	uint64_t span_us;
	/* EWMA */
	uint64_t count, at;
	double sum, weight, mean;
	/* WINDOW */
	struct slot slots[SLOTS];
	size_t name_n;
	char name[]; /* the map's key */
};

struct mw_stats {
	pthread_mutex_t lock;
	struct mw_map *by_name;
};

struct mw_stats *mw_stats_new(void)
{
	struct mw_stats *all = mw_mem_zalloc(sizeof(*all));
	pthread_mutex_init(&all->lock, NULL);
	all->by_name = mw_map_new();
	return all;
}

void mw_stats_free(struct mw_stats *all)
{
	if (!all)
		return;
	size_t at = 0;
	struct mw_str name;
	void *value;
	while (mw_map_next(all->by_name, &at, &name, &value)) {
		struct mw_stat *s = value;
		pthread_mutex_destroy(&s->lock);
		mw_mem_free(s);
	}
	mw_map_free(all->by_name);
	pthread_mutex_destroy(&all->lock);
	mw_mem_free(all);
}

static struct mw_stat *make(struct mw_stats *all, struct mw_str name, enum mw_stat_kind kind)
{
	struct mw_stat *s = mw_mem_zalloc(sizeof(*s) + name.n);
	pthread_mutex_init(&s->lock, NULL);
	s->kind = kind;
	s->name_n = name.n;
	memcpy(s->name, name.p, name.n);
	mw_map_set(all->by_name, mw_strn(s->name, s->name_n), s);
	return s;
}

static struct mw_stat *find_or_make(
    struct mw_stats *all, struct mw_str name, enum mw_stat_kind kind, struct mw_err *err)
{
	struct mw_stat *s = mw_map_get(all->by_name, name);
	if (s && s->kind != kind) {
		mw_err_set(err, MW_ERR_SCRIPT, "'%.*s' is already the name of %s", MW_FMT(name),
		    s->kind == MW_STAT_EWMA ? "an ewma" : "a window");
		return NULL;
	}
	if (s)
		return s;
	if (mw_map_count(all->by_name) >= MW_STATS_MAX) {
		mw_err_set(err, MW_ERR_SCRIPT,
		    "there are already %d names; use names of which there are few, such as targets",
		    MW_STATS_MAX);
		return NULL;
	}
	return make(all, name, kind);
}

struct mw_stat *mw_stats_get(struct mw_stats *all, struct mw_str name, enum mw_stat_kind kind,
    uint64_t span_us, struct mw_err *err)
{
	if (name.n == 0 || name.n > MW_STATS_NAME) {
		mw_err_set(err, MW_ERR_SCRIPT, "a name of %zu bytes; 1 to %d are allowed", name.n,
		    MW_STATS_NAME);
		return NULL;
	}
	pthread_mutex_lock(&all->lock);
	struct mw_stat *s = find_or_make(all, name, kind, err);
	pthread_mutex_unlock(&all->lock);
	if (!s)
		return NULL;
	pthread_mutex_lock(&s->lock);
	s->span_us = MW_MAX(span_us, (uint64_t)SLOTS);
	pthread_mutex_unlock(&s->lock);
	return s;
}

/* Sum and weight of all samples both decay; their quotient is the mean. */
static void decay_to(struct mw_stat *s, uint64_t now)
{
	if (now <= s->at)
		return;
	double left = exp(-(double)(now - s->at) / (double)s->span_us);
	s->sum *= left;
	s->weight *= left;
	s->at = now;
}

static void add_ewma(struct mw_stat *s, double value, uint64_t now)
{
	decay_to(s, now);
	s->count++;
	s->sum += value;
	s->weight += 1;
	s->mean = s->sum / s->weight;
}

static uint64_t turn_of(const struct mw_stat *s, uint64_t now)
{
	return now / (s->span_us / SLOTS) + 1; /* 0 stands for a slot that was never used */
}

static void add_window(struct mw_stat *s, double value, uint64_t now)
{
	uint64_t turn = turn_of(s, now);
	struct slot *slot = &s->slots[turn % SLOTS];
	if (slot->turn != turn)
		*slot = (struct slot){.turn = turn};
	slot->count++;
	slot->sum += value;
}

void mw_stat_add(struct mw_stat *s, double value, uint64_t now)
{
	pthread_mutex_lock(&s->lock);
	if (s->kind == MW_STAT_EWMA)
		add_ewma(s, value, now);
	else
		add_window(s, value, now);
	pthread_mutex_unlock(&s->lock);
}

static void view_window(const struct mw_stat *s, uint64_t now, struct mw_stat_view *out)
{
	uint64_t turn = turn_of(s, now);
	for (size_t i = 0; i < SLOTS; i++) {
		const struct slot *slot = &s->slots[i];
		if (slot->turn == 0 || slot->turn > turn || turn - slot->turn >= SLOTS)
			continue;
		out->count += slot->count;
		out->sum += slot->sum;
	}
	out->mean = out->count ? out->sum / (double)out->count : 0;
}

void mw_stat_view(struct mw_stat *s, uint64_t now, struct mw_stat_view *out)
{
	pthread_mutex_lock(&s->lock);
	*out = (struct mw_stat_view){.span_us = s->span_us};
	if (s->kind == MW_STAT_EWMA) {
		out->count = s->count;
		out->mean = s->mean;
	} else {
		view_window(s, now, out);
	}
	pthread_mutex_unlock(&s->lock);
}
