/* SPDX-License-Identifier: MIT
 *
 * SEND: takes the next attempt off the plan, encodes the call for its target and sends it.
 */
#include "base/log.h"
#include "gate/attempt.h"
#include "gate/cost.h"
#include "gate/pass.h"
#include "gate/reply.h"
#include "gate/steps.h"

/* ---- which ---------------------------------------------------------------------------------- */

static unsigned attempts_of(const struct mw_walk *walk)
{
	const struct mw_plan *plan = &walk->route.plan;
	if (plan->attempts)
		return plan->attempts;
	int retries = walk->wish.num_retries;
	if (retries < 0)
		retries = plan->steps[0].target->num_retries;
	if (retries < 0)
		retries = walk->call.settings->num_retries;
	return (unsigned)retries + 1;
}

/* The next step of the plan that is worth an attempt; NULL when all attempts have been made, or nothing
 * is left to make one at. A target that cools, or whose key or name was refused, cannot do better now than
 * it just did. */
static const struct mw_plan_step *next_step(struct mw_walk *walk)
{
	struct mw_route *route = &walk->route;
	uint64_t now = mw_env_now(walk->call.env);
	if (route->attempts >= attempts_of(walk))
		return NULL;
	while (route->passed_over++ < route->plan.n) {
		size_t at = route->at++ % route->plan.n;
		const struct mw_plan_step *step = &route->plan.steps[at];
		if (!(route->barred & 1u << at) && !mw_health_cooling(step->target->health, now))
			return step;
	}
	return NULL;
}

/* ---- how long before ------------------------------------------------------------------------ */

/* How much longer the provider of a step asked to be left alone. */
static uint64_t asked_for(struct mw_walk *walk, const struct mw_plan_step *step)
{
	uint64_t now = mw_env_now(walk->call.env);
	uint64_t ready = walk->route.ready_us[step - walk->route.plan.steps];
	return ready > now ? ready - now : 0;
}

/* What the provider asked for. Without that: none on a target that has not just failed, else an
 * exponential back-off with jitter. */
static uint64_t pause_before(struct mw_walk *walk, const struct mw_plan_step *step)
{
	if (walk->route.retry_wait_us)
		return walk->route.retry_wait_us;
	uint64_t pause = asked_for(walk, step);
	if (walk->call.attempts == 0 || step->target != walk->attempt.target)
		return MW_MAX(pause, step->wait_us);
	if (!walk->attempt.retry_after_us) {
		unsigned before = walk->route.attempts ? walk->route.attempts - 1 : 0;
		pause = 500000u << MW_MIN(before, 4u);
		pause -= (uint64_t)((double)pause * 0.5 * mw_rng_unit(&walk->call.env->rng));
	}
	return MW_MAX(MW_MAX(pause, step->wait_us), walk->call.settings->retry_after_us);
}

/* A pause that nobody should sit through: longer than a minute, past the deadline, or longer than a
 * second where a fallback stands ready. */
static bool too_long(const struct mw_walk *walk, uint64_t pause)
{
	uint64_t now = mw_env_now(walk->call.env);
	bool fallback = walk->route.next_fallback < walk->route.n_fallbacks;
	return pause > 60000000 || (pause > 1000000 && fallback) ||
	       (walk->route.deadline_us && now + pause >= walk->route.deadline_us);
}

static void on_pause_over(void *arg)
{
	struct mw_walk *walk = arg;
	walk->waited_us += mw_env_now(walk->call.env) - walk->route.pause_from_us;
	mw_steps_run(walk);
}

static enum mw_next wait_for(struct mw_walk *walk, const struct mw_plan_step *step, uint64_t pause)
{
	walk->route.waiting = step;
	walk->route.pause_from_us = mw_env_now(walk->call.env);
	mw_timer_init(&walk->timer, on_pause_over, walk);
	mw_timer_set(walk->call.env, &walk->timer, pause);
	return MW_STEP_WAIT;
}

/* ---- what ----------------------------------------------------------------------------------- */

static void describe(struct mw_walk *walk)
{
	struct mw_call *call = &walk->call;
	const struct mw_target *t = walk->attempt.target;
	walk->translation = (struct mw_translation){
	    .rt = mw_worker_runtime(walk->worker),
	    .generation = walk->version->generation,
	    .target = t,
	    .kind = call->kind,
	    .model = mw_settings_target_model(t, call->model, call->wanted, call->arena),
	    .client_model = call->asked,
	    .stream = call->stream,
	    .include_usage = call->include_usage,
	    .base64 = mw_json_is(call->members[MW_M_ENCODING_FORMAT], "base64"),
	    .drop_params = t->drop_params || walk->wish.drop_params,
	    .arena = call->arena,
	};
	walk->pass = t->passthrough && !t->has_defaults && !t->plays && mw_pass_fits(call);
}

static bool wants_attempt(struct mw_walk *walk)
{
	return mw_policies_want(mw_walk_policies(walk), walk->call.model, MW_HOOK_ATTEMPT);
}

/* The client's body without what it says to the gateway; most say nothing, and it is the body
 * itself. */
static bool strip(struct mw_walk *walk, struct mw_err *err)
{
	static const bool ours[MW_MEMBERS] = {
#define THEIRS                           false
#define OURS                             true
#define MW_MEMBER(id, name, kind, whose) whose,
#include "call/members.def"
#undef MW_MEMBER
	};
	struct mw_call *call = &walk->call;
	struct mw_json_edit edits[MW_MEMBERS];
	size_t n = 0;
	for (size_t i = 0; i < MW_MEMBERS; i++)
		if (ours[i] && call->members[i].kind != MW_JSON_NONE)
			edits[n++] = (struct mw_json_edit){mw_call_members[i], MW_NOSTR};
	walk->body = call->body;
	return n == 0 || mw_json_edit(call->body, edits, n, call->arena, &walk->body, err);
}

/* For the hook attempt, which sees the whole of it. */
static bool join(struct mw_walk *walk, struct mw_err *err)
{
	size_t total = 0, at = 0;
	for (size_t i = 0; i < MW_EXCHANGE_PARTS; i++)
		total += walk->parts[i].n;
	char *p = mw_arena_try(walk->call.arena, total + 1);
	if (!p)
		return mw_err_set(err, MW_ERR_INTERNAL, "no memory for a body of %zu bytes", total);
	for (size_t i = 0; i < MW_EXCHANGE_PARTS; at += walk->parts[i++].n)
		if (walk->parts[i].n)
			memcpy(p + at, walk->parts[i].p, walk->parts[i].n);
	walk->attempt.body = mw_strn(p, total);
	return true;
}

static bool pass(struct mw_walk *walk, struct mw_err *err)
{
	const struct mw_call *call = &walk->call;
	return mw_pass_request(call, walk->body, walk->translation.model,
		   walk->attempt.target->stream_usage, walk->parts, err) &&
	       (!wants_attempt(walk) || join(walk, err));
}

/* Leaves the body in the attempt or, where it passes and no hook looks at it, in walk->parts. */
static bool encode(struct mw_walk *walk)
{
	struct mw_err err = {0};
	struct mw_attempt *at = &walk->attempt;
	if (!walk->client_model_json.p)
		walk->client_model_json = mw_json_quoted(walk->call.asked, walk->call.arena);
	bool ok = walk->body.p || strip(walk, &err);
	if (ok && at->target->plays)
		at->body = walk->body;
	else if (ok && !walk->pass)
		return mw_translate_request(
		    &walk->translation, walk->body, &at->body, &walk->fault);
	else
		ok = ok && pass(walk, &err);
	if (!ok)
		mw_reply_set_fault(walk, &err);
	return ok;
}

/* ---- where ---------------------------------------------------------------------------------- */

/* "a/../b": a name that would lead out of the address that the settings give. */
static bool wanders(struct mw_str name)
{
	struct mw_str part;
	for (bool more = true; more;) {
		more = mw_str_cut(&name, '/', &part);
		if (mw_str_is(part, ".") || mw_str_is(part, ".."))
			return true;
	}
	return false;
}

/* Percent-encodes what may not stand in a path. A slash stays, because some providers' names hold one, but
 * not in a name that wanders: the model may be the client's own word. */
static struct mw_str path_text(struct mw_arena *a, struct mw_str s)
{
	static const char hex[] = "0123456789ABCDEF";
	const char *marks = wanders(s) ? "-._~:@" : "-._~/:@";
	char *p = mw_arena_alloc(a, s.n * 3 + 1), *to = p;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		             (c >= '0' && c <= '9') || (c && strchr(marks, c));
		if (plain) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '%';
		*to++ = hex[c >> 4];
		*to++ = hex[c & 15];
	}
	return mw_strn(p, (size_t)(to - p));
}

static struct mw_str url_of(struct mw_walk *walk, const struct mw_address *address)
{
	struct mw_str url = walk->call.stream ? address->stream_url : address->url;
	struct mw_str hole = MW_STR("{model}");
	const char *at = mw_str_search(url, hole);
	if (!at)
		return url;
	struct mw_arena *a = walk->call.arena;
	size_t before = (size_t)(at - url.p);
	struct mw_str name = path_text(a, walk->translation.model);
	return mw_arena_printf(a, "%.*s%.*s%.*s", (int)before, url.p, MW_FMT(name),
	    (int)(url.n - before - hole.n), at + hole.n);
}

static size_t count_extra(const struct mw_attempt *at)
{
	size_t n = 0;
	for (const struct mw_extra_header *h = at->headers; h; h = h->next)
		n++;
	return n;
}

/* Does hook attempt set a header of this name itself? */
static bool is_replaced(const struct mw_attempt *at, struct mw_str name)
{
	for (const struct mw_extra_header *h = at->headers; h; h = h->next)
		if (mw_str_ieq(h->header.name, name))
			return true;
	return false;
}

static void fill_request(struct mw_walk *walk, struct mw_exchange_request *request)
{
	struct mw_call *call = &walk->call;
	const struct mw_address *address = &walk->attempt.target->addresses[call->kind];
	size_t n = 0;
	struct mw_header *headers = mw_arena_alloc(
	    call->arena, (address->n_headers + count_extra(&walk->attempt) + 1) * sizeof(*headers));
	headers[n++] = (struct mw_header){MW_STR("Content-Type"), MW_STR("application/json")};
	for (size_t i = 0; i < address->n_headers; i++)
		if (!is_replaced(&walk->attempt, address->headers[i].name))
			headers[n++] = address->headers[i];
	for (const struct mw_extra_header *h = walk->attempt.headers; h; h = h->next)
		headers[n++] = h->header;
	*request = (struct mw_exchange_request){
	    .method = MW_STR("POST"),
	    .url = url_of(walk, address),
	    .headers = headers,
	    .n_headers = n,
	    .connect_ms = (uint32_t)(call->settings->connect_us / 1000),
	};
	if (walk->attempt.body.p)
		request->body[0] = walk->attempt.body;
	else
		memcpy(request->body, walk->parts, sizeof(request->body));
}

/* ---- the step ------------------------------------------------------------------------------- */

/* Sets up the attempt and encodes its body. False: it cannot be encoded; walk->fault says why. */
static bool prepare(struct mw_walk *walk, const struct mw_plan_step *step)
{
	uint64_t now = mw_env_now(walk->call.env);
	mw_cost_attempt(walk);
	walk->attempt = (struct mw_attempt){
	    .number = walk->call.attempts + 1,
	    .target = step->target,
	    .left_us = walk->route.deadline_us > now ? walk->route.deadline_us - now : 0,
	};
	walk->route.step = step;
	walk->call.usage = (struct mw_usage){0};
	walk->call.finish = MW_NOSTR;
	describe(walk);
	return encode(walk);
}

/* The call asks for something that this target does not have: another may have it. What really failed
 * before is more worth telling than that. */
static void pass_over(struct mw_walk *walk, const struct mw_fault *before)
{
	mw_log(MW_LOG_INFO, "gate", "target %.*s is passed over: it does not take '%.*s'",
	    MW_FMT(walk->attempt.target->id), MW_FMT(walk->fault.param));
	mw_walk_bar(walk);
	if (before->code != MW_ERR_NONE)
		walk->fault = *before;
}

/* False: hook attempt skips this one. */
static bool wanted(struct mw_walk *walk)
{
	struct mw_decision d = {.verdict = MW_GO};
	if (wants_attempt(walk))
		mw_hook_attempt(mw_walk_policies(walk), &walk->call, &walk->attempt, &d);
	return d.verdict != MW_SKIP;
}

static enum mw_next give_up(struct mw_walk *walk)
{
	mw_reply_fault(walk);
	return MW_STEP_END;
}

static enum mw_next send_now(struct mw_walk *walk)
{
	struct mw_arena *a = walk->call.arena;
	walk->route.attempts++;
	walk->route.passed_over = 0;
	if (!walk->attempt.target->plays) {
		struct mw_exchange_request *request = mw_arena_alloc(a, sizeof(*request));
		fill_request(walk, request);
		mw_attempt_start(walk, request);
		return MW_STEP_GO;
	}
	struct mw_play_script *script = mw_arena_alloc(a, sizeof(*script));
	if (!mw_translate_play(&walk->translation, walk->attempt.body, script, &walk->fault))
		return give_up(walk);
	mw_attempt_play(walk, script);
	return MW_STEP_GO;
}

enum mw_next mw_step_send(struct mw_walk *walk)
{
	for (;;) {
		const struct mw_plan_step *step = walk->route.waiting;
		walk->route.waiting = NULL;
		if (!step) {
			/* where a hook wants the same target again, that it cools is its own affair */
			step = walk->route.retry_wait_us ? walk->route.step : next_step(walk);
			uint64_t pause = step ? pause_before(walk, step) : 0;
			walk->route.retry_wait_us = 0;
			if (!step || too_long(walk, pause))
				return MW_STEP_BACK;
			if (pause)
				return wait_for(walk, step, pause);
		}
		struct mw_fault before = walk->fault;
		bool fits = prepare(walk, step);
		if (fits && wanted(walk))
			return send_now(walk);
		walk->skipped |= fits;
		if (!fits && walk->fault.code != MW_ERR_UNSUPPORTED)
			return give_up(walk);
		if (!fits)
			pass_over(walk, &before);
	}
}
