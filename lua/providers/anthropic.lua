-- SPDX-License-Identifier: MIT
-- Anthropic, and what speaks its API under another api_base.

local address = require "address"

local provider = {
	name = "anthropic",
	dialect = "anthropic_messages",
	prefixes = { "anthropic" },
}

function provider.prepare(spec)
	local base = address.setting(spec, "api_base", { "ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL" })
	local key = address.setting(spec, "api_key", { "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN" })
	local headers = { "anthropic-version", "2023-06-01" }
	if key then
		-- tokens of OAuth go another way than keys
		local is_token = key:find("^sk%-ant%-oat") ~= nil
		headers[3] = is_token and "authorization" or "x-api-key"
		headers[4] = is_token and "Bearer " .. key or key
	end
	local url = address.join(base or "https://api.anthropic.com", "/v1/messages", { "/v1/messages", "/v1" })
	return {
		dialect = provider.dialect,
		api_base = address.shown(address.join(base or "https://api.anthropic.com", "", { "/v1/messages", "/v1" })),
		chat = { url = url, headers = address.headers(headers, spec.params) },
		warning = not key and not base and "no key: set `api_key` or the environment variable ANTHROPIC_API_KEY" or nil,
	}
end

return provider
