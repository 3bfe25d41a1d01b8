/* SPDX-License-Identifier: MIT
 *
 * STREAM: waits for the attempt to end, then judges it: answer, try again, or give up. Hook result
 * may decide otherwise, as long as nothing has gone to the client.
 */
#include "gate/reader.h"
#include "gate/reply.h"
#include "gate/steps.h"

/* What the gate does by itself with a failed attempt. */
enum judgement {
	AGAIN,     /* another attempt may do better, on this target too */
	ELSEWHERE, /* not on this target: its key, its money or its model's name is at fault */
	OVER,      /* the client's own mistake, or ours: nobody could do better */
};

static enum judgement judge(const struct mw_walk *walk)
{
	int status = walk->fault.status ? walk->fault.status : mw_err_status(walk->fault.code);
	if (mw_str_is(walk->fault.native_code, "invalid_api_key"))
		return ELSEWHERE; /* Google says so with 400 */
	switch (status) {
	case 401:
	case 402:
	case 403:
	case 404:
		return ELSEWHERE;
	case 408:
	case 409:
	case 429:
		return mw_str_is(walk->fault.native_code, "insufficient_quota") ? ELSEWHERE : AGAIN;
	default:
		return status >= 500 ? AGAIN : OVER;
	}
}

/* What the provider asked for holds for every step of the plan that leads to the same target. */
static void note_wish(struct mw_walk *walk)
{
	uint64_t wish = walk->attempt.retry_after_us, now = mw_env_now(walk->call.env);
	for (size_t i = 0; wish && i < walk->route.plan.n; i++)
		if (walk->route.plan.steps[i].target == walk->attempt.target)
			walk->route.ready_us[i] = now + wish;
}

static enum mw_next go_on(struct mw_walk *walk)
{
	note_wish(walk);
	mw_reader_close(walk);
	return MW_STEP_BACK;
}

/* A policy does not want this answer, or failure. */
static enum mw_next go_on_without(struct mw_walk *walk)
{
	if (walk->attempt.ok)
		walk->fault = (struct mw_fault){.code = MW_ERR_UPSTREAM,
		    .message = MW_STR(
			"a policy refused the answer, and no further attempt could be made")};
	return go_on(walk);
}

static enum mw_next deliver_whole(struct mw_walk *walk)
{
	struct mw_policies *policies = mw_walk_policies(walk);
	if (mw_policies_want(policies, walk->call.model, MW_HOOK_RESPOND))
		mw_hook_respond(policies, &walk->call, &walk->reply);
	mw_reply_whole(walk);
	return MW_STEP_GO;
}

static enum mw_next give_up(struct mw_walk *walk)
{
	mw_reply_fault(walk);
	return MW_STEP_END;
}

static enum mw_next by_default(struct mw_walk *walk)
{
	if (walk->attempt.ok)
		return deliver_whole(walk);
	switch (judge(walk)) {
	case OVER:
		return give_up(walk);
	case ELSEWHERE:
		mw_walk_bar(walk);
		break;
	case AGAIN:
		break;
	}
	return go_on(walk);
}

/* The same target once more, after the pause that the hook asked for. A hook that never has enough is
 * not heard any more. */
static enum mw_next retry(struct mw_walk *walk, uint64_t wait_us)
{
	enum { MOST_ATTEMPTS = 100 };
	if (walk->call.attempts >= MOST_ATTEMPTS)
		return by_default(walk);
	walk->route.retry_wait_us = MW_MAX(wait_us, (uint64_t)1);
	walk->route.attempts--;
	return go_on_without(walk);
}

static enum mw_next by_hook(struct mw_walk *walk, const struct mw_decision *d)
{
	switch (d->verdict) {
	case MW_ACCEPT:
		return walk->attempt.ok ? deliver_whole(walk) : give_up(walk);
	case MW_NEXT:
		return go_on_without(walk);
	case MW_RETRY:
		return retry(walk, d->wait_us);
	case MW_FAIL:
		mw_reply_set_rejection(walk, d);
		return give_up(walk);
	default:
		return by_default(walk);
	}
}

enum mw_next mw_step_stream(struct mw_walk *walk)
{
	if (walk->exchange)
		return MW_STEP_WAIT;
	struct mw_policies *policies = mw_walk_policies(walk);
	struct mw_decision d = {.verdict = MW_GO};
	if (walk->attempt.ok && !walk->attempt.streamed)
		walk->attempt.reply = walk->reply;
	if (mw_policies_want(policies, walk->call.model, MW_HOOK_RESULT))
		mw_hook_result(policies, &walk->call, &walk->attempt, &d);
	if (walk->attempt.streamed) /* the client has seen it: there is nothing left to decide */
		return walk->attempt.ok ? MW_STEP_GO : give_up(walk);
	return by_hook(walk, &d);
}
