/* SPDX-License-Identifier: MIT
 *
 * Cost: the price of what was used.
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
