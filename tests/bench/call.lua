-- SPDX-License-Identifier: MIT
-- wrk's side of the bench: posts the body of the file that BODY names, and at the end says in one line what it saw.
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk-bench"
file:close()

function done(summary, latency)
	local e = summary.errors
	io.write(string.format("calls=%d seconds=%.6f p50=%.1f p99=%.1f failed=%d\n", summary.requests,
		summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
		e.connect + e.read + e.write + e.status + e.timeout))
end
