/* SPDX-License-Identifier: MIT
 *
 * Health of targets. What is read on every call (in flight, cooling) is atomic; the averages and
 * the window of the last minute are guarded by a leaf lock of their record.
 */
#include "shared/health.h"

#include "base/map.h"
#include "base/mem.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
	SLOTS = 12,      /* of SLOT_US each: the window of the last minute */
	LEAST_CALLS = 5, /* fewer attempts in the window say nothing about a share */
};
#define SLOT_US UINT64_C(5000000)
#define TAU_US  60e6
/* e^-5: about five minutes after its last sample a latency is unknown again, so that a target which
 * was slow once is tried again one day. */
#define FORGOTTEN 0.0067
/* Per token: LiteLLM's penalty of 1000 s. */
#define TIMED_OUT_US 1e9
/* A provider may ask for an hour of peace, not for more; what is shorter than a second is about the
 * next attempt, not about a cooldown. */
#define LONGEST_WISH  UINT64_C(3600000000)
#define SHORTEST_WISH UINT64_C(1000000)

enum average { TTFT, TOTAL, PER_TOKEN, AVERAGES };

struct slot {
	uint64_t period; /* now / SLOT_US when it was written */
	uint32_t calls, failed;
};

struct mw_health {
	struct mw_health *next;
	struct mw_str id;
	_Atomic int64_t inflight;
	_Atomic uint64_t cooling_until;         /* 0: never cooled */
	pthread_mutex_t lock;                   /* guards what follows */
	double sum[AVERAGES], weight[AVERAGES]; /* as they were at `decayed` */
	uint64_t decayed;
	struct slot slots[SLOTS];
	uint64_t fails_since; /* start of the counting logic's window */
	int fails;
};

struct mw_healths {
	pthread_mutex_t lock; /* guards both */
	struct mw_map *by_id;
	struct mw_health *first;
};

struct mw_healths *mw_healths_new(void)
{
	struct mw_healths *all = mw_mem_zalloc(sizeof(*all));
	pthread_mutex_init(&all->lock, NULL);
	all->by_id = mw_map_new();
	return all;
}

void mw_healths_free(struct mw_healths *all)
{
	if (!all)
		return;
	for (struct mw_health *h = all->first, *next; h; h = next) {
		next = h->next;
		pthread_mutex_destroy(&h->lock);
		mw_mem_free(h);
	}
	mw_map_free(all->by_id);
	pthread_mutex_destroy(&all->lock);
	mw_mem_free(all);
}

/* The id is kept behind the record. */
static struct mw_health *health_new(struct mw_str id)
{
	struct mw_health *h = mw_mem_zalloc(sizeof(*h) + id.n + 1);
	char *copy = (char *)(h + 1);
	if (id.n)
		memcpy(copy, id.p, id.n);
	h->id = mw_strn(copy, id.n);
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

struct mw_health *mw_healths_of(struct mw_healths *all, struct mw_str target_id)
{
	pthread_mutex_lock(&all->lock);
	struct mw_health *h = mw_map_get(all->by_id, target_id);
	if (!h) {
		h = health_new(target_id);
		mw_map_set(all->by_id, h->id, h);
		h->next = all->first;
		all->first = h;
	}
	pthread_mutex_unlock(&all->lock);
	return h;
}

/* Brings the averages to `now`. A clock that another thread read a little earlier changes nothing.
 */
static void decay(struct mw_health *h, uint64_t now)
{
	if (now <= h->decayed)
		return;
	double keep = exp(-(double)(now - h->decayed) / TAU_US);
	for (int i = 0; i < AVERAGES; i++) {
		h->sum[i] *= keep;
		h->weight[i] *= keep;
	}
	h->decayed = now;
}

static void add_sample(struct mw_health *h, enum average which, double us)
{
	h->sum[which] += us;
	h->weight[which] += 1;
}

static double mean(const struct mw_health *h, enum average which)
{
	return h->weight[which] > FORGOTTEN ? h->sum[which] / h->weight[which] : 0;
}

static void count(struct mw_health *h, uint64_t now, bool failed)
{
	uint64_t period = now / SLOT_US;
	struct slot *s = &h->slots[period % SLOTS];
	if (s->period != period)
		*s = (struct slot){.period = period};
	s->calls++;
	s->failed += failed;
}

static struct slot last_minute(const struct mw_health *h, uint64_t now)
{
	uint64_t period = now / SLOT_US;
	struct slot sum = {0};
	for (int i = 0; i < SLOTS; i++)
		if (h->slots[i].period + SLOTS > period) {
			sum.calls += h->slots[i].calls;
			sum.failed += h->slots[i].failed;
		}
	return sum;
}

void mw_health_view(struct mw_health *h, uint64_t now, struct mw_health_view *out)
{
	*out = (struct mw_health_view){
	    .inflight = atomic_load_explicit(&h->inflight, memory_order_relaxed),
	    .cooling_us = mw_health_cooling(h, now),
	};
	pthread_mutex_lock(&h->lock);
	decay(h, now);
	out->ttft_us = mean(h, TTFT);
	out->total_us = mean(h, TOTAL);
	out->per_token_us = mean(h, PER_TOKEN);
	struct slot minute = last_minute(h, now);
	pthread_mutex_unlock(&h->lock);
	out->calls = minute.calls;
	out->error_rate = minute.calls ? (double)minute.failed / minute.calls : 0;
}

uint64_t mw_health_cooling(struct mw_health *h, uint64_t now)
{
	uint64_t until = atomic_load_explicit(&h->cooling_until, memory_order_relaxed);
	return until > now ? until - now : 0;
}

void mw_health_start(struct mw_health *h)
{
	atomic_fetch_add_explicit(&h->inflight, 1, memory_order_relaxed);
}

static void note_latency(struct mw_health *h, const struct mw_health_sample *s)
{
	if (s->outcome == MW_HEALTH_TIMED_OUT) {
		/* no content for so long: the wait is a lower bound */
		add_sample(h, TTFT, (double)(s->ttft_us ? s->ttft_us : s->total_us));
		add_sample(h, PER_TOKEN, TIMED_OUT_US);
		return;
	}
	if (s->ttft_us)
		add_sample(h, TTFT, (double)s->ttft_us);
	if (s->outcome != MW_HEALTH_OK)
		return;
	add_sample(h, TOTAL, (double)s->total_us);
	if (s->tokens > 0)
		add_sample(h, PER_TOKEN, (double)s->total_us / (double)s->tokens);
}

/* A number of one's own in allowed_fails: more failures than that within one cooldown's time. */
static bool too_many(struct mw_health *h, uint64_t now, const struct mw_cooldown_rule *rule)
{
	if (h->fails == 0 || now > h->fails_since + rule->cooldown_us) {
		h->fails = 0;
		h->fails_since = now;
	}
	if (++h->fails <= rule->allowed_fails)
		return false;
	h->fails = 0;
	return true;
}

static bool retry_cannot_mend(int status)
{
	return status == 401 || status == 403 || status == 404;
}

static bool must_cool(
    struct mw_health *h, uint64_t now, int status, const struct mw_cooldown_rule *rule)
{
	if (rule->disabled || rule->cooldown_us == 0)
		return false;
	if (rule->allowed_fails >= 0)
		return too_many(h, now, rule);
	if (rule->only_target)
		return false;
	if (status == 429 || retry_cannot_mend(status))
		return true;
	struct slot minute = last_minute(h, now);
	return minute.calls >= LEAST_CALLS && minute.failed > minute.calls - minute.failed;
}

/* Under the lock. A cooldown under way may be made longer, never shorter. */
static bool cool(struct mw_health *h, uint64_t now, uint64_t for_us)
{
	uint64_t old = atomic_load_explicit(&h->cooling_until, memory_order_relaxed);
	if (now + for_us > old)
		atomic_store_explicit(&h->cooling_until, now + for_us, memory_order_relaxed);
	return old <= now;
}

bool mw_health_end(struct mw_health *h, uint64_t now, const struct mw_health_sample *sample,
    const struct mw_cooldown_rule *rule)
{
	mw_require(atomic_fetch_sub_explicit(&h->inflight, 1, memory_order_relaxed) > 0);
	if (sample->outcome == MW_HEALTH_NEUTRAL)
		return false;
	bool failed = sample->outcome != MW_HEALTH_OK, began = false;
	uint64_t wish = MW_MIN(sample->retry_after_us, LONGEST_WISH);
	pthread_mutex_lock(&h->lock);
	decay(h, now);
	note_latency(h, sample);
	count(h, now, failed);
	if (failed && must_cool(h, now, sample->status, rule))
		began = cool(h, now, wish >= SHORTEST_WISH ? wish : rule->cooldown_us);
	pthread_mutex_unlock(&h->lock);
	return began;
}
