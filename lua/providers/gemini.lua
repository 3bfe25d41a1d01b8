-- SPDX-License-Identifier: MIT
-- Google's Gemini API (AI Studio). api_base includes the version: https://…/v1beta.

local address = require "address"

local provider = {
	name = "gemini",
	dialect = "gemini",
	prefixes = { "gemini" },
}

function provider.prepare(spec)
	local base = address.setting(spec, "api_base", { "GEMINI_API_BASE" })
	local key = address.setting(spec, "api_key", { "GEMINI_API_KEY", "GOOGLE_API_KEY" })
	local root = base or "https://generativelanguage.googleapis.com/v1beta"
	local stream = address.join(root, "/models/{model}:streamGenerateContent", { "/models" })
	spec.model = spec.model:gsub("^models/", "")
	return {
		dialect = provider.dialect,
		api_base = address.shown(address.join(root, "", { "/models" })),
		chat = {
			url = address.join(root, "/models/{model}:generateContent", { "/models" }),
			stream_url = stream .. (stream:find("?", 1, true) and "&alt=sse" or "?alt=sse"),
			headers = address.headers(key and { "x-goog-api-key", key } or {}, spec.params),
		},
		warning = not key and not base and "no key: set `api_key` or the environment variable GEMINI_API_KEY" or nil,
	}
end

return provider
