/* SPDX-License-Identifier: MIT
 *
 * SETTLE: the call is over for the client. Cost, metrics, hook complete and the log's line.
 */
#include "base/log.h"
#include "gate/cost.h"
#include "gate/reader.h"
#include "gate/steps.h"

enum { SHOWN = 100 }; /* bytes of a model's name */

static double seconds(uint64_t us)
{
	return (double)us / 1e6;
}

static void count(struct mw_walk *walk, uint64_t ended)
{
	const struct mw_call *call = &walk->call;
	struct mw_metric_cells *c = mw_worker_cells(walk->worker);
	size_t series = call->target ? call->target->series : 0;
	mw_metrics_call(c, series, call->status);
	mw_metrics_observe(c, MW_METRIC_LATENCY, series, seconds(ended - call->started_us));
	if (!call->target)
		return;
	if (walk->attempt.ttft_us)
		mw_metrics_observe(
		    c, MW_METRIC_FIRST_TOKEN, series, seconds(walk->attempt.ttft_us));
	uint64_t all = ended - call->started_us;
	if (all > walk->waited_us)
		mw_metrics_observe(c, MW_METRIC_OVERHEAD, series, seconds(all - walk->waited_us));
}

static void write_log(const struct mw_walk *walk, uint64_t ended)
{
	const struct mw_call *call = &walk->call;
	const struct mw_target *t = call->target;
	struct mw_str asked = call->asked.n ? call->asked : MW_STR("-");
	asked.n = MW_MIN(asked.n, (size_t)SHOWN); /* a client may have asked for anything */
	bool unfinished = call->kind == MW_KIND_CHAT && call->status == 200 && !call->finish.n;
	bool failed = walk->fault.code != MW_ERR_NONE && !walk->attempt.ok;
	mw_log_call("id=%s model=%.*s target=%.*s status=%d%s%s attempts=%u fallbacks=%u "
		    "tokens=%lld+%lld ms=%.1f%s%s",
	    call->id, MW_FMT(asked), MW_FMT(t ? t->name : MW_STR("-")), call->status,
	    call->stream ? " stream" : "", unfinished ? " unfinished" : "", call->attempts,
	    call->fallbacks, (long long)call->usage.prompt, (long long)call->usage.completion,
	    seconds(ended - call->started_us) * 1e3, failed ? " error=" : "",
	    failed ? mw_err_name(walk->fault.code) : "");
	mw_worker_logged(walk->worker);
}

/* What went wrong in hooks since a call of this version was settled last. Whose hooks they were is in
 * the log. */
static void count_policy_errors(struct mw_walk *walk)
{
	struct mw_policy_tally tally;
	mw_policies_tally(mw_walk_policies(walk), &tally);
	uint64_t *counted = &walk->version->policy_errors;
	if (tally.errors == *counted)
		return;
	mw_metrics_add(mw_worker_cells(walk->worker), MW_METRIC_POLICY_ERRORS, 0,
	    (double)(tally.errors - *counted));
	*counted = tally.errors;
}

enum mw_next mw_step_settle(struct mw_walk *walk)
{
	struct mw_policies *policies = mw_walk_policies(walk);
	uint64_t ended = walk->answered_us ? walk->answered_us : mw_env_now(walk->call.env);
	mw_reader_close(walk);
	mw_cost_attempt(walk);
	count(walk, ended);
	if (mw_policies_want(policies, walk->call.model, MW_HOOK_COMPLETE))
		mw_hook_complete(policies, &walk->call);
	count_policy_errors(walk);
	write_log(walk, ended);
	return MW_STEP_GO;
}
