-- SPDX-License-Identifier: MIT
-- Shares calls out at random, by weight. What counts as weight is the first of these that any candidate has in
-- the settings: `weight`, else `rpm`, else `tpm`; where there is none, all candidates are alike.
--
-- The answer is the whole list in the order drawn, so that a retry goes on to another target.

local P = mw.policy {
	name = "simple-shuffle",
	api = 1,
	kind = "route",
	summary = "Weighted random choice.",
}

function P.route(_, ups)
	return mw.order.weighted(ups, "weight", "rpm", "tpm")
end

return P
