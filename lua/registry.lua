-- SPDX-License-Identifier: MIT
-- Names to modules: every dialect and every provider is listed here. A module of a wrong shape is refused
-- when the state starts, not when a call needs it. To add one: write the module, add its row.

local registry = {}

local DIALECTS = { "openai_chat", "openai_embeddings", "anthropic_messages", "gemini" }
local PROVIDERS = { "openai", "openai_like", "anthropic", "gemini", "demo" }

-- What a dialect must have; one for clients also `decode_request encode_reply encoder`.
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
	assert(registry.dialects[provider.dialect], ("providers/%s.lua: its dialect is not known"):format(name))
	registry.providers[name] = provider
	for _, prefix in ipairs(provider.prefixes) do
		assert(not by_prefix[prefix], ("providers/%s.lua: prefix %q is taken"):format(name, prefix))
		by_prefix[prefix] = provider
		prefixes[#prefixes + 1] = prefix
	end
end
table.sort(prefixes)

-- LiteLLM's other prefixes. A deployment of theirs is no mistake in the settings: it is left out until a module
-- comes, and what is beside it serves.
local LATER = {}
for prefix in ([[
	abliteration ai21 ai21_chat aihubmix aiml aleph_alpha amazon_nova anthropic_text anyscale apertis assemblyai aws_polly
	azure azure_ai azure_text baseten bedrock bedrock_converse bedrock_mantle black_forest_labs bytez cerebras charity_engine
	chatgpt chutes clarifai cloudflare codestral cognition cohere cohere_chat cometapi compactifai crusoe dashscope
	databricks datarobot deepgram deepinfra deepseek docker_model_runner edenai elevenlabs empower fal_ai featherless_ai
	fireworks_ai friendliai galadriel gdc gigachat github github_copilot gmi gradient_ai groq helicone heroku huggingface
	hyperbolic inception infinity jina_ai lambda_ai langflow langgraph lemonade llamagate manus maritalk meta_llama minimax
	mistral modelscope moonshot morph nano-gpt nebius nlp_cloud novita nscale nvidia_nim nvidia_riva oci ollama ollama_chat
	oobabooga openrouter ovhcloud palm perplexity petals poe predibase publicai qwen_ai_platform qwencloud ragflow recraft
	replicate reducto runwayml sagemaker sagemaker_chat sagemaker_nova salad_cloud sambanova sap sarvam scaleway scx snowflake
	soniox stability synthetic tencent text-completion-codestral text-completion-openai together_ai topaz triton v0 veniceai
	vercel_ai_gateway vertex_ai vertex_ai_beta vllm volcengine voyage wandb watsonx watsonx_text xai xiaomi_mimo zai zerogpu
]]):gmatch("%S+") do
	assert(not by_prefix[prefix], prefix)
	LATER[prefix] = true
end

-- A name without a prefix belongs to who makes such models. As Lua's patterns, and as the settings' wildcards.
local FAMILIES = {
	{ "^gpt%-", "gpt-*", "openai" }, { "^o%d", "o*", "openai" }, { "^chatgpt%-", "chatgpt-*", "openai" },
	{ "^text%-embedding%-", "text-embedding-*", "openai" }, { "^ft:", "ft:*", "openai" },
	{ "^dall%-e%-", "dall-e-*", "openai" }, { "^whisper%-", "whisper-*", "openai" }, { "^tts%-", "tts-*", "openai" },
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

local function not_yet(prefix)
	return nil, ("the provider %q is not there yet"):format(prefix), true
end

-- "openai/gpt-4o" -> its provider, "openai", "gpt-4o"; "gpt-4o" likewise. For what is unknown nil, why, and
-- whether it will be known. A slash in the name of a model ("openai/org/model") is kept.
function registry.resolve(name, forced)
	if forced then
		local provider = by_prefix[forced]
		if LATER[forced] then
			return not_yet(forced)
		elseif not provider then
			return nil, ("custom_llm_provider: %q is unknown; known are %s"):format(forced, table.concat(prefixes, ", "))
		end
		local own = forced .. "/"
		return provider, forced, name:sub(1, #own) == own and name:sub(#own + 1) or name
	end
	local prefix, rest = name:match("^([%w_.-]+)/(.*)$")
	if LATER[prefix] then
		return not_yet(prefix)
	elseif by_prefix[prefix] and rest ~= "" then
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
