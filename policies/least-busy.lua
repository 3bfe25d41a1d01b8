-- SPDX-License-Identifier: MIT
-- Sends each call where the fewest calls are under way; of equals, any. Calls that are in flight on the other
-- workers count too, and those of policies that were loaded before this one.

local P = mw.policy {
	name = "least-busy",
	api = 1,
	kind = "route",
	summary = "The target with the fewest calls in flight.",
}

function P.route(_, ups)
	return mw.order.min(ups, "inflight")
end

return P
