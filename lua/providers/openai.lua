-- SPDX-License-Identifier: MIT
-- OpenAI itself, and whatever speaks its API under another api_base.

local address = require "address"

local provider = {
	name = "openai",
	dialect = "openai_chat",
	prefixes = { "openai" },
}

-- Members of messages and tools that are not OpenAI's (README.md, the inner form). OpenAI refuses what it does not
-- know; others who speak its API may know those that are not our own.
local OURS = { thinking_blocks = true, provider_specific_fields = true }
local FOREIGN = { thinking_blocks = true, provider_specific_fields = true, cache_control = true,
	reasoning_content = true, extra_content = true }

local function is_openai(base)
	local host = base:match("^%a+://([^/:]+)") or ""
	return host:find("api%.openai%.com$") ~= nil or host:find("%.openai%.azure%.com$") ~= nil
end

local ENDINGS = { "/chat/completions", "/embeddings" }

-- The row of anything that speaks OpenAI's API at `base`. Also for providers/openai_like.lua.
function provider.row(spec, base, key)
	local headers = {}
	if key then
		headers = { "authorization", "Bearer " .. key }
	end
	local organization = address.setting(spec, "organization", { "OPENAI_ORGANIZATION" })
	if organization then
		headers[#headers + 1], headers[#headers + 2] = "openai-organization", organization
	end
	headers = address.headers(headers, spec.params)
	return {
		dialect = provider.dialect,
		passthrough = true,
		stream_usage = true,
		foreign = is_openai(base) and FOREIGN or OURS,
		api_base = address.shown(address.join(base, "", ENDINGS)),
		chat = { url = address.join(base, "/chat/completions", ENDINGS), headers = headers },
		embeddings = { url = address.join(base, "/embeddings", ENDINGS), headers = headers },
	}
end

function provider.prepare(spec)
	local base = address.setting(spec, "api_base", { "OPENAI_API_BASE", "OPENAI_BASE_URL" })
	local key = address.setting(spec, "api_key", { "OPENAI_API_KEY" })
	local row = provider.row(spec, base or "https://api.openai.com/v1", key)
	if not key and not base then
		row.warning = "no key: set `api_key` or the environment variable OPENAI_API_KEY"
	end
	return row
end

return provider
