-- SPDX-License-Identifier: MIT
-- Sends each call where answers have come fastest. A streamed call is judged by the time to its first token, any
-- other by its time per token, so that long answers do not count against a target.
--
-- The measures are averages that forget over a minute, and a time-out counts as very slow. A target that has not
-- been measured yet comes first, so that it is. With `lowest_latency_buffer` = 0.5 all targets that are at most
-- half slower than the fastest are alike, and calls spread over them; with 0 the fastest takes everything.

local P = mw.policy {
	name = "latency-based",
	api = 1,
	kind = "route",
	summary = "The fastest target of late.",
	params = {
		lowest_latency_buffer = {
			type = "number",
			default = 0,
			min = 0,
			doc = "share of the fastest one's latency by which others may be slower and still be as good",
		},
	},
}

function P.route(req, ups, p)
	local measure = req.stream and "ttft_ms" or "per_token_ms"

	local fastest = math.huge
	for _, up in ipairs(ups) do
		fastest = math.min(fastest, up[measure] or math.huge)
	end
	local good_enough = fastest * (1 + p.lowest_latency_buffer)

	return mw.order.min(ups, function(up)
		local latency = up[measure]
		if not latency then
			return 0 -- never measured: try it
		elseif latency <= good_enough then
			return 1
		else
			return latency / fastest + 1
		end
	end)
end

return P
