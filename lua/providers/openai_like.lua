-- SPDX-License-Identifier: MIT
-- Servers that speak OpenAI's API and have no address of their own: api_base says where. One row each.

local address = require "address"
local openai = require "providers.openai"

-- exact: replies are OpenAI's own form as far as known, and may go through as bytes.
-- knows: it takes what other vendors put into messages, as we do.
local ROWS = {
	openai_like = {},
	custom_openai = {},
	hosted_vllm = { exact = true, base = "HOSTED_VLLM_API_BASE", key = "HOSTED_VLLM_API_KEY" },
	litellm_proxy = { exact = true, knows = true, base = "LITELLM_PROXY_API_BASE", key = "LITELLM_PROXY_API_KEY" },
	lm_studio = { base = "LM_STUDIO_API_BASE", key = "LM_STUDIO_API_KEY" },
	llamafile = { base = "LLAMAFILE_API_BASE" },
	xinference = { base = "XINFERENCE_API_BASE", key = "XINFERENCE_API_KEY" },
}

local provider = { name = "openai_like", dialect = "openai_chat", prefixes = {} }

for prefix in pairs(ROWS) do
	provider.prefixes[#provider.prefixes + 1] = prefix
end
table.sort(provider.prefixes)

function provider.prepare(spec)
	local this = ROWS[spec.prefix]
	local base = address.setting(spec, "api_base", { this.base })
	if not base then
		return nil, ("%s/%s needs `api_base`%s, as in http://127.0.0.1:8000/v1"):format(spec.prefix, spec.model,
			this.base and " or the environment variable " .. this.base or "")
	end
	local row = openai.row(spec, base, address.setting(spec, "api_key", { this.key }))
	row.passthrough = this.exact or false
	row.foreign = not this.knows and row.foreign or nil
	return row
end

return provider
