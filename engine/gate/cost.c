/* SPDX-License-Identifier: MIT
 *
 * Cost: the price of what was used, and the metrics of tokens and cost.
 */
#include "gate/cost.h"

#include "shared/prices.h"

void mw_cost_fill(struct mw_walk *walk)
{
	struct mw_call *call = &walk->call;
	struct mw_cost cost;
	call->cost = -1;
	if (!call->target || !call->usage.reported)
		return;
	const struct mw_price *price =
	    mw_settings_price(call->settings, call->target, walk->translation.model);
	if (!price)
		return;
	mw_price_cost(price, &call->usage, &cost);
	call->cost = cost.total;
}

void mw_cost_attempt(struct mw_walk *walk)
{
	const struct mw_usage *u = &walk->call.usage;
	mw_cost_fill(walk);
	if (!walk->call.target || !u->reported)
		return;
	struct mw_metric_cells *c = mw_worker_cells(walk->worker);
	size_t series = walk->call.target->series;
	mw_metrics_add(c, MW_METRIC_TOKENS_PROMPT, series, (double)u->prompt);
	mw_metrics_add(c, MW_METRIC_TOKENS_CACHED, series, (double)u->cached);
	mw_metrics_add(c, MW_METRIC_TOKENS_COMPLETION, series, (double)u->completion);
	mw_metrics_add(c, MW_METRIC_TOKENS_REASONING, series, (double)u->reasoning);
	if (walk->call.cost > 0)
		mw_metrics_add(c, MW_METRIC_COST, series, (double)walk->call.cost / 1e12);
}
