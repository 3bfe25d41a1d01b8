-- SPDX-License-Identifier: MIT
-- lua/prices.json: every entry is in the form that lua/README.md describes, and its figures are plausible.

local json = require "mwjson"

local RATES = { input = true, cached = true, cache_write = true, cache_write_1h = true, audio_in = true, output = true,
	reasoning = true, audio_out = true }
local file = assert(io.open("lua/prices.json"))
local prices = assert(json.decode(file:read("*a")))
file:close()

local function check_rates(name, entry)
	for member, value in pairs(entry) do
		if RATES[member] then
			assert.is_true(type(value) == "number" and value >= 0 and value <= 1000, name .. "." .. member)
		end
	end
	assert.is_true(not entry.cached or entry.cached <= entry.input, name .. ": cached tokens dearer than others")
	assert.is_true(not entry.cache_write or entry.cache_write >= entry.input, name .. ": writes to the cache too cheap")
	assert.is_true(entry.output == 0 or entry.output >= entry.input, name .. ": output cheaper than input")
end

describe("the price table", function()
	it("says of when it is and in which unit", function()
		assert.are.equal("USD per million tokens", prices.unit)
		assert.is_truthy(prices.as_of:find("^%d%d%d%d%-%d%d%-%d%d$"))
	end)

	it("has plausible entries in the known form", function()
		local count = 0
		for name, entry in pairs(prices.models) do
			count = count + 1
			assert.is_truthy(name:find("^%w+/[%w.-]+$"), name)
			for member in pairs(entry) do
				assert.is_true(RATES[member] or member == "context" or member == "max_output" or member == "tiers",
					name .. "." .. member)
			end
			check_rates(name, entry)
			local above = 0
			for _, tier in ipairs(entry.tiers or {}) do
				assert.is_true(tier.above > above, name .. ": tiers must rise")
				above = tier.above
				check_rates(name, tier)
				assert.is_true(tier.input > entry.input, name .. ": a tier that costs no more")
			end
		end
		assert.is_true(count > 80)
	end)

	it("has the models that the vendors sell", function()
		for _, name in ipairs { "openai/gpt-4o-mini", "openai/gpt-6.2-sol", "openai/text-embedding-3-small",
			"anthropic/claude-sonnet-5-5", "anthropic/claude-haiku-4-5", "gemini/gemini-4-neon", "demo/echo" } do
			assert.is_truthy(prices.models[name], name)
		end
	end)
end)
