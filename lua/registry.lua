-- SPDX-License-Identifier: MIT
-- Names to modules: every dialect and every provider is listed here. A module of a wrong shape is refused
-- when the state starts, not when a call needs it. To add one: write the module, add its row.

local registry = {}

local DIALECTS = { "openai_chat", "openai_embeddings", "anthropic_messages", "gemini" }
local PROVIDERS = { "openai", "openai_like", "anthropic", "gemini", "demo" }

-- What a dialect must have; one for clients also `decode_request encode_reply encode_error`.
local DIALECT_NEEDS = { "encode_request", "decode_reply", "error_of" }
local PROVIDER_NEEDS = { "prepare" }

registry.dialects, registry.providers = {}, {}
local by_prefix, prefixes = {}, {}

local function load_module(folder, name, needs)
	local module = require(folder .. "." .. name)
	assert(type(module) == "table" and module.name == name, ("%s/%s.lua: `name` must be %q"):format(folder, name, name))
	for _, member in ipairs(needs) do
		assert(type(module[member]) == "function", ("%s/%s.lua: function `%s` is missing"):format(folder, name, member))
	end
	return module
end

for _, name in ipairs(DIALECTS) do
	registry.dialects[name] = load_module("dialects", name, DIALECT_NEEDS)
end
for _, name in ipairs(PROVIDERS) do
	local provider = load_module("providers", name, PROVIDER_NEEDS)
	assert(registry.dialects[provider.dialect], ("providers/%s.lua: no dialect %q"):format(name, tostring(provider.dialect)))
	registry.providers[name] = provider
	for _, prefix in ipairs(provider.prefixes) do
		assert(not by_prefix[prefix], ("providers/%s.lua: prefix %q is taken"):format(name, prefix))
		by_prefix[prefix] = provider
		prefixes[#prefixes + 1] = prefix
	end
end
table.sort(prefixes)

-- A name without a prefix belongs to who makes such models. As Lua's patterns, and as the settings' wildcards.
local FAMILIES = {
	{ "^gpt%-", "gpt-*", "openai" }, { "^o%d", "o*", "openai" }, { "^chatgpt%-", "chatgpt-*", "openai" },
	{ "^text%-embedding%-", "text-embedding-*", "openai" }, { "^ft:", "ft:*", "openai" },
	{ "^claude%-", "claude-*", "anthropic" }, { "^gemini%-", "gemini-*", "gemini" }, { "^gemma%-", "gemma-*", "gemini" },
}

-- What "*" stands for: {pattern of clients' names, litellm_params.model}.
function registry.wildcards()
	local list = {}
	for _, name in ipairs { "openai", "anthropic", "gemini", "demo" } do
		list[#list + 1] = { pattern = name .. "/*", model = name .. "/*" }
	end
	for _, family in ipairs(FAMILIES) do
		list[#list + 1] = { pattern = family[2], model = family[3] .. "/" .. family[2] }
	end
	return list
end

-- "openai/gpt-4o" -> its provider, "openai", "gpt-4o"; "gpt-4o" likewise. nil and why for what is unknown.
-- A slash in the name of a model ("openai/org/model") is kept.
function registry.resolve(name, forced)
	if forced then
		local provider = by_prefix[forced]
		if not provider then
			return nil, ("custom_llm_provider: %q is unknown; known are %s"):format(forced, table.concat(prefixes, ", "))
		end
		local own = forced .. "/"
		return provider, forced, name:sub(1, #own) == own and name:sub(#own + 1) or name
	end
	local prefix, rest = name:match("^([%w_.-]+)/(.+)$")
	if prefix and by_prefix[prefix] then
		return by_prefix[prefix], prefix, rest
	end
	for _, family in ipairs(FAMILIES) do
		if name:find(family[1]) and by_prefix[family[3]] then
			return by_prefix[family[3]], family[3], name
		end
	end
	return nil, ("model %q names no known provider; write it as PROVIDER/MODEL with one of %s"):format(
		name, table.concat(prefixes, ", "))
end

return registry
