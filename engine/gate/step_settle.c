/* SPDX-License-Identifier: MIT
 *
 * SETTLE: the call is over for the client. Cost, metrics, hook complete and the log's line.
 */
#include "base/log.h"
#include "gate/cost.h"
#include "gate/reader.h"
#include "gate/steps.h"

enum {
	SHOWN = 100, /* bytes of a model's name */
	LOG_LINE = 2048,
};

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

static void add(struct mw_buf *line, const char *name, struct mw_str value)
{
	mw_buf_addz(line, name);
	mw_buf_add(line, value);
}

static void add_number(struct mw_buf *line, const char *name, uint64_t value)
{
	mw_buf_addz(line, name);
	mw_buf_addu(line, value, 0);
}

static void add_names(struct mw_buf *line, const struct mw_call *call)
{
	struct mw_str asked = call->asked.n ? call->asked : MW_STR("-");
	asked.n = MW_MIN(asked.n, (size_t)SHOWN); /* a client may have asked for anything */
	add(line, "id=", mw_str(call->id));
	add(line, " model=", asked);
	add(line, " target=", call->target ? call->target->name : MW_STR("-"));
}

static void add_outcome(struct mw_buf *line, const struct mw_call *call)
{
	add_number(line, " status=", (uint64_t)call->status);
	if (call->stream)
		mw_buf_addz(line, " stream");
	if (call->kind == MW_KIND_CHAT && call->status == 200 && !call->finish.n)
		mw_buf_addz(line, " unfinished");
	add_number(line, " attempts=", call->attempts);
	add_number(line, " fallbacks=", call->fallbacks);
	add_number(line, " tokens=", (uint64_t)call->usage.prompt);
	add_number(line, "+", (uint64_t)call->usage.completion);
}

/* Not printf: with its doubles it took a twelfth of a call's time. */
static void write_log(const struct mw_walk *walk, uint64_t ended)
{
	struct mw_buf line;
	mw_buf_init(&line, LOG_LINE);
	add_names(&line, &walk->call);
	add_outcome(&line, &walk->call);
	mw_buf_addz(&line, " ms=");
	mw_buf_addu(&line, (ended - walk->call.started_us + 50) / 100, 1);
	if (walk->fault.code != MW_ERR_NONE && !walk->attempt.ok)
		add(&line, " error=", mw_str(mw_err_name(walk->fault.code)));
	mw_log_call(mw_buf_str(&line));
	mw_buf_deinit(&line);
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
