/* SPDX-License-Identifier: MIT
 *
 * One attempt at a target. All timeouts are deadlines on one timer: until the first byte, until the
 * first content, between contents, for the whole answer, for the whole call. Only content counts as progress:
 * heartbeats and comments do not move a deadline, and neither does the time in which the client
 * takes nothing.
 */
#include "gate/attempt.h"

#include "base/log.h"
#include "gate/reader.h"
#include "gate/reply.h"
#include "gate/retry_after.h"
#include "gate/steps.h"

static uint64_t now_of(struct mw_walk *walk)
{
	return mw_env_now(walk->call.env);
}

/* ---- deadlines ----------------------------------------------------------------------------- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a ? b : !b ? a : MW_MIN(a, b);
}

/* A span from now on as a point in time; 0 stays none. */
static uint64_t after(uint64_t now, uint64_t span)
{
	return span ? now + span : 0;
}

/* The next deadline, 0 for none. While the client is what is slow, only the whole answer's counts.
 */
static uint64_t next_deadline(const struct mw_walk *walk)
{
	uint64_t at = sooner(walk->total_by_us, walk->route.deadline_us);
	at = sooner(at, walk->begin_by_us);
	return walk->paused ? at : sooner(at, walk->first_by_us);
}

static void arm(struct mw_walk *walk)
{
	uint64_t at = next_deadline(walk), now = now_of(walk);
	if (at)
		mw_timer_set(walk->call.env, &walk->timer, at > now ? at - now : 0);
	else
		mw_timer_del(walk->call.env, &walk->timer);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void record_health(struct mw_walk *walk, enum mw_health_outcome outcome)
{
	const struct mw_call *call = &walk->call;
	const struct mw_attempt *at = &walk->attempt;
	const struct mw_settings *settings = call->settings;
	struct mw_health_sample sample = {
	    .outcome = outcome,
	    .status = at->status,
	    .ttft_us = at->ttft_us,
	    .total_us = at->total_us,
	    .tokens = call->usage.completion,
	    .retry_after_us = at->retry_after_us,
	};
	struct mw_cooldown_rule rule = {
	    .disabled = settings->disable_cooldowns || at->target->wildcard,
	    .only_target = call->model->n_targets == 1,
	    .allowed_fails = settings->allowed_fails,
	    .cooldown_us = at->target->cooldown_us >= 0 ? (uint64_t)at->target->cooldown_us
	                                                : settings->cooldown_us,
	};
	if (!mw_health_end(at->target->health, now_of(walk), &sample, &rule))
		return;
	mw_metrics_add(mw_worker_cells(walk->worker), MW_METRIC_COOLDOWNS, at->target->series, 1);
	mw_log(MW_LOG_WARN, "gate", "target %.*s of %.*s cools down after status %d",
	    MW_FMT(at->target->id), MW_FMT(at->target->group), at->status);
}

static enum mw_health_outcome outcome_of(const struct mw_walk *walk)
{
	const struct mw_attempt *at = &walk->attempt;
	if (at->ok)
		return MW_HEALTH_OK;
	if (walk->fault.code == MW_ERR_UPSTREAM_TIMEOUT)
		return MW_HEALTH_TIMED_OUT;
	if (walk->fault.code == MW_ERR_LOCAL)
		return MW_HEALTH_NEUTRAL;
	bool callers = at->status == 400 || at->status == 413 || at->status == 422;
	return callers ? MW_HEALTH_NEUTRAL : MW_HEALTH_FAILED;
}

/* Takes down what the attempt held. */
static void close_attempt(struct mw_walk *walk, enum mw_health_outcome outcome)
{
	struct mw_metric_cells *cells = mw_worker_cells(walk->worker);
	size_t series = walk->attempt.target->series;
	uint64_t now = now_of(walk);
	walk->exchange = NULL;
	walk->paused = false;
	mw_timer_del(walk->call.env, &walk->timer);
	/* what an exchange lasts beyond the answer (end_stream) is no time of the answer's */
	walk->attempt.total_us = (walk->answered_us ? walk->answered_us : now) - walk->sent_us;
	walk->waited_us += walk->attempt.total_us;
	record_health(walk, outcome);
	mw_metrics_add(cells, MW_METRIC_IN_FLIGHT, series, -1);
	if (outcome == MW_HEALTH_FAILED || outcome == MW_HEALTH_TIMED_OUT)
		mw_metrics_add(cells, MW_METRIC_ATTEMPT_ERRORS, series, 1);
}

/* The attempt is over: fills in what became of it and wakes the driver. */
static void conclude(struct mw_walk *walk, bool ok)
{
	struct mw_attempt *at = &walk->attempt;
	at->ok = ok;
	at->streamed = walk->call.first_us && walk->call.stream;
	if (!ok) {
		at->error = walk->fault.code;
		at->error_text = walk->fault.message;
		walk->fault.retry_after_us = at->retry_after_us =
		    MW_MAX(at->retry_after_us, walk->fault.retry_after_us);
		if (walk->fault.status <
		    400) /* a 200 or 302 that is no answer is no answer's status */
			walk->fault.status = at->status >= 400 ? at->status : 0;
	}
	close_attempt(walk, outcome_of(walk));
	mw_steps_run(walk);
}

static void fail(struct mw_walk *walk, enum mw_err_code code, struct mw_str message)
{
	walk->fault = (struct mw_fault){.code = code, .message = message};
	conclude(walk, false);
}

/* Gives up an exchange that still runs. */
static void drop(struct mw_walk *walk)
{
	struct mw_exchange *x = walk->exchange;
	walk->exchange = NULL;
	if (x)
		mw_exchange_cancel(x);
}

static bool passed(uint64_t deadline, uint64_t now)
{
	return deadline && deadline <= now;
}

/* Which deadline it was, in words. */
static const char *missed(const struct mw_walk *walk, uint64_t now)
{
	if (passed(walk->begin_by_us, now))
		return "no answer began in time";
	if (walk->paused || !passed(walk->first_by_us, now))
		return "the answer was not whole in time";
	return walk->reader.progress ? "the stream fell silent" : "nothing was answered in time";
}

static void on_timer(void *arg)
{
	struct mw_walk *walk = arg;
	uint64_t now = now_of(walk), at = next_deadline(walk);
	if (!at || now < at) {
		arm(walk);
		return;
	}
	drop(walk);
	if (walk->reader.whole || walk->reader.status >= 400) {
		/* of a failure, the words that have come must do */
		conclude(walk, walk->reader.whole || mw_reader_end(walk));
		return;
	}
	fail(walk, MW_ERR_UPSTREAM_TIMEOUT,
	    mw_arena_printf(walk->call.arena, "%.*s: %s (after %.1f s)",
		MW_FMT(walk->attempt.target->provider), missed(walk, now),
		(double)(now - walk->sent_us) / 1e6));
}

/* ---- what comes ---------------------------------------------------------------------------- */

static void on_head(void *arg, const struct mw_exchange_head *head)
{
	enum { FAILURE_US = 5000000 }; /* for the words of a failure: the attempt is lost anyway */
	struct mw_walk *walk = arg;
	walk->attempt.status = head->status;
	walk->begin_by_us = 0;
	mw_reader_head(walk, head);
	if (head->status < 400)
		return;
	walk->attempt.retry_after_us = mw_retry_after(head, mw_env_wall(walk->call.env));
	walk->total_by_us = sooner(walk->total_by_us, now_of(walk) + FAILURE_US);
	arm(walk);
}

/* Hands what is ready to the client, if there is content in it. */
static void deliver(struct mw_walk *walk)
{
	struct mw_reader *r = &walk->reader;
	struct mw_call *call = &walk->call;
	if (!r->progress && !r->whole)
		return;
	if (!call->first_us) {
		call->first_us = now_of(walk);
		walk->attempt.ttft_us = call->first_us - walk->sent_us;
		mw_reply_begin_stream(walk);
	}
	size_t ready = r->out.n - r->held;
	if (ready) {
		mw_http_write(walk->req, mw_strn(r->out.p, ready));
		mw_buf_drop(&r->out, ready);
	}
	if (mw_http_full(walk->req) && !walk->paused && walk->exchange) {
		walk->paused = true;
		mw_exchange_pause(walk->exchange);
	}
}

/* Content has come: the next has its own time. The timer looks when it fires; it is set anew only
 * where it would fire too late, because the first content was given longer. */
static void extend(struct mw_walk *walk)
{
	uint64_t before = walk->first_by_us;
	if (!before)
		return;
	walk->first_by_us = after(now_of(walk), walk->gap_us);
	if (walk->first_by_us && walk->first_by_us < before)
		arm(walk);
}

/* The stream's proper end has come, and the client gets it now. The exchange stays a moment longer:
 * its last, empty chunk is on its way, and then the connection can be used again. It cannot stay where
 * the target has not yet read all of the body, which may lie in the client's request: that ends here. */
static void end_stream(struct mw_walk *walk)
{
	enum { LINGER_US = 1000000 };
	mw_reader_finish(walk);
	deliver(walk);
	if (walk->exchange && !mw_exchange_sent(walk->exchange))
		drop(walk);
	mw_reply_end_stream(walk);
	if (!walk->exchange)
		return;
	walk->first_by_us = 0;
	walk->total_by_us = now_of(walk) + LINGER_US;
	if (walk->paused) {
		walk->paused = false;
		mw_exchange_resume(walk->exchange);
	}
	arm(walk);
}

static void on_bytes(void *arg, struct mw_str bytes)
{
	struct mw_walk *walk = arg;
	struct mw_reader *r = &walk->reader;
	if (r->whole)
		return;
	unsigned before = r->progress;
	bool good = mw_reader_bytes(walk, bytes);
	if (r->events)
		deliver(walk);
	if (!good) {
		drop(walk);
		conclude(walk, false);
		return;
	}
	if (r->progress != before)
		extend(walk);
	if (!r->whole)
		return;
	end_stream(walk);
	if (!walk->exchange)
		conclude(walk, true);
}

static enum mw_err_code code_of(enum mw_exchange_end end)
{
	switch (end) {
	case MW_END_UNREACHABLE:
	case MW_END_NO_REPLY:
		return MW_ERR_UPSTREAM_UNREACHABLE;
	case MW_END_CONNECT_TIMEOUT:
		return MW_ERR_UPSTREAM_TIMEOUT;
	case MW_END_LOCAL:
		return MW_ERR_LOCAL;
	default:
		return MW_ERR_UPSTREAM_BROKEN;
	}
}

static void on_end(void *arg, const struct mw_exchange_result *result)
{
	struct mw_walk *walk = arg;
	struct mw_reader *r = &walk->reader;
	walk->exchange = NULL;
	bool good_status = r->status >= 200 && r->status < 300;
	if (r->whole) {
		conclude(walk, true);
		return;
	}
	if (result->end != MW_END_OK && (r->status == 0 || good_status)) {
		fail(walk, code_of(result->end),
		    mw_arena_printf(walk->call.arena, "%.*s: %s",
			MW_FMT(walk->attempt.target->provider), result->text));
		return;
	}
	bool ok = mw_reader_end(walk);
	if (ok && r->events)
		end_stream(walk);
	conclude(walk, ok);
}

static const struct mw_exchange_events events = {on_head, on_bytes, on_end};

/* ---- starting ------------------------------------------------------------------------------ */

/* The first that is given; 0: none is. */
static uint64_t given(uint64_t a, uint64_t b, uint64_t c)
{
	return a ? a : b ? b : c;
}

static void begin(struct mw_walk *walk)
{
	struct mw_call *call = &walk->call;
	const struct mw_settings *s = call->settings;
	const struct mw_target *t = walk->attempt.target;
	const struct mw_plan_step *step = walk->route.step;
	uint64_t now = now_of(walk);
	uint64_t total = given(walk->wish.timeout_us, t->timeout_us, s->timeout_us);
	uint64_t gap =
	    given(walk->wish.stream_timeout_us, t->stream_timeout_us, s->stream_timeout_us);
	walk->sent_us = now;
	walk->begin_by_us = after(now, s->first_byte_us);
	walk->total_by_us = after(now, step->total_us ? step->total_us : total);
	walk->first_by_us = call->stream ? after(now, step->first_us ? step->first_us : gap) : 0;
	walk->gap_us = gap;
	call->attempts++;
	call->target = t;
	mw_reader_open(walk);
	mw_health_start(t->health);
	mw_metrics_add(mw_worker_cells(walk->worker), MW_METRIC_IN_FLIGHT, t->series, 1);
	mw_metrics_add(mw_worker_cells(walk->worker), MW_METRIC_ATTEMPTS, t->series, 1);
	mw_timer_init(&walk->timer, on_timer, walk);
	arm(walk);
}

void mw_attempt_start(struct mw_walk *walk, const struct mw_exchange_request *request)
{
	begin(walk);
	walk->exchange = mw_env_exchange(walk->call.env, request, &events, walk);
}

void mw_attempt_play(struct mw_walk *walk, const struct mw_play_script *script)
{
	begin(walk);
	walk->exchange = mw_play_start(walk->call.env, script, &events, walk);
}

void mw_attempt_cancel(struct mw_walk *walk)
{
	mw_timer_del(walk->call.env, &walk->timer);
	if (!walk->exchange)
		return;
	drop(walk);
	close_attempt(walk, MW_HEALTH_NEUTRAL);
}

void mw_attempt_drained(struct mw_walk *walk)
{
	if (!walk->paused)
		return;
	walk->paused = false;
	extend(walk);
	arm(walk);
	mw_exchange_resume(walk->exchange);
}
