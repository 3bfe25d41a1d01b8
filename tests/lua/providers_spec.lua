-- SPDX-License-Identifier: MIT
-- lua/providers and lua/registry.lua: what the settings say becomes addresses, headers and a dialect.

local runtime = require "boot"
local registry = require "registry"

local function prepare(model, params, provider)
	return runtime.prepare({ model = model, provider = provider, params = params or {} })
end

local function chat_url(model, base)
	return prepare(model, { api_base = base, api_key = "k" }).chat.url
end

local function header(row, name)
	for i = 1, #row.chat.headers, 2 do
		if row.chat.headers[i] == name then
			return row.chat.headers[i + 1]
		end
	end
end

describe("a model's name", function()
	it("tells provider and model, and keeps further slashes", function()
		local row = prepare("openai/org/model", { api_key = "k" })
		assert.are.same({ "openai", "org/model", "openai_chat" }, { row.provider, row.model, row.dialect })
	end)

	it("without a prefix belongs to who makes such models", function()
		for model, provider in pairs { ["gpt-4o"] = "openai", ["o3-mini"] = "openai", ["chatgpt-4o-latest"] = "openai",
			["text-embedding-3-small"] = "openai", ["claude-sonnet-4-5"] = "anthropic", ["gemini-2.5-pro"] = "gemini" } do
			assert.are.equal(provider, prepare(model, { api_key = "k" }).provider, model)
		end
	end)

	it("of nobody's is refused with the known prefixes", function()
		local row, message = prepare("llama-3", {})
		assert.is_nil(row)
		assert.is_truthy(message:find('"llama-3"', 1, true))
		assert.is_truthy(message:find("anthropic, custom_openai, demo, gemini, hosted_vllm", 1, true))
	end)

	it("may be given to a provider outright", function()
		local row = prepare("claude-x", { api_key = "k" }, "openai")
		assert.are.same({ "openai", "claude-x" }, { row.provider, row.model })
		assert.is_truthy(select(2, prepare("x", {}, "nobody")):find("nobody", 1, true))
	end)

	it("of LiteLLM's other providers is for later, and no mistake", function()
		for _, name in ipairs { "azure/gpt-4o", "azure/", "bedrock/anthropic.claude-v2", "ollama/llama3:8b", "groq/*" } do
			local row, message, later = prepare(name)
			assert.is_nil(row)
			assert.is_true(later, name)
			assert.is_truthy(message:find(name:match("%w+"), 1, true))
		end
		assert.is_true(select(3, prepare("x", {}, "vertex_ai")))
		assert.is_falsy(select(3, prepare("nobody/x")))
		assert.is_falsy(select(3, prepare("x", {}, "nobody")))
	end)

	it("for everything stands for the known families", function()
		local found = {}
		for _, row in ipairs(runtime.wildcards()) do
			found[row.pattern] = row.model
			assert.is_truthy(prepare(row.model, { api_key = "k" }))
		end
		assert.are.equal("anthropic/claude-*", found["claude-*"])
		assert.are.equal("gemini/*", found["gemini/*"])
	end)
end)

describe("an api_base", function()
	it("of openai gets /chat/completions, once", function()
		assert.are.equal("https://api.openai.com/v1/chat/completions", prepare("openai/x", { api_key = "k" }).chat.url)
		for _, base in ipairs { "http://h/v1", "http://h/v1/", " http://h/v1// ", "http://h/v1/chat/completions" } do
			assert.are.equal("http://h/v1/chat/completions", chat_url("openai/x", base))
		end
		assert.are.equal("http://h/v1/embeddings", prepare("openai/x", { api_base = "http://h/v1" }).embeddings.url)
		assert.are.equal("http://h/v1/chat/completions?a=b", chat_url("openai/x", "http://h/v1?a=b"))
	end)

	it("of anthropic gets /v1/messages, once", function()
		assert.are.equal("https://api.anthropic.com/v1/messages", prepare("anthropic/x", { api_key = "k" }).chat.url)
		for _, base in ipairs { "http://h", "http://h/", "http://h/v1", "http://h/v1/", "http://h/v1/messages" } do
			assert.are.equal("http://h/v1/messages", chat_url("anthropic/x", base))
		end
		assert.are.equal("http://h/anthropic/v1/messages", chat_url("anthropic/x", "http://h/anthropic"))
	end)

	it("of gemini gets the model and the verb", function()
		local row = prepare("gemini/models/gemini-x", { api_base = "http://h/v1beta/", api_key = "k" })
		assert.are.equal("http://h/v1beta/models/{model}:generateContent", row.chat.url)
		assert.are.equal("http://h/v1beta/models/{model}:streamGenerateContent?alt=sse", row.chat.stream_url)
		assert.are.equal("gemini-x", row.model)
	end)

	it("is shown without credentials and query", function()
		local row = prepare("openai/x", { api_base = "http://user:secret@h/v1?key=secret" })
		assert.are.equal("http://h/v1", row.api_base)
		assert.are.equal("http://user:secret@h/v1/chat/completions?key=secret", row.chat.url)
	end)

	it("is needed by the generic prefixes", function()
		local row, message = prepare("hosted_vllm/x", {})
		assert.is_nil(row)
		assert.is_truthy(message:find("HOSTED_VLLM_API_BASE", 1, true))
		row = prepare("hosted_vllm/x", { env = { HOSTED_VLLM_API_BASE = "http://h/v1" } })
		assert.are.equal("http://h/v1/chat/completions", row.chat.url)
		assert.is_true(row.passthrough)
		assert.is_false(prepare("openai_like/x", { api_base = "http://h" }).passthrough)
	end)
end)

describe("a key", function()
	it("goes where the provider looks for it", function()
		assert.are.equal("Bearer k", header(prepare("openai/x", { api_key = "k" }), "authorization"))
		assert.are.equal("k", header(prepare("anthropic/x", { api_key = "k" }), "x-api-key"))
		assert.are.equal("2023-06-01", header(prepare("anthropic/x", { api_key = "k" }), "anthropic-version"))
		assert.are.equal("k", header(prepare("gemini/x", { api_key = "k" }), "x-goog-api-key"))
	end)

	it("of OAuth goes to Anthropic as a bearer's", function()
		local row = prepare("anthropic/x", { api_key = "sk-ant-oat01-abc" })
		assert.are.equal("Bearer sk-ant-oat01-abc", header(row, "authorization"))
		assert.is_nil(header(row, "x-api-key"))
	end)

	it("comes from the environment", function()
		local row = prepare("openai/x", { env = { OPENAI_API_KEY = "e", OPENAI_ORGANIZATION = "o" } })
		assert.are.equal("Bearer e", header(row, "authorization"))
		assert.are.equal("o", header(row, "openai-organization"))
		row = prepare("hosted_vllm/x", { env = { HOSTED_VLLM_API_BASE = "http://h/v1", HOSTED_VLLM_API_KEY = "e" } })
		assert.are.equal("http://h/v1/chat/completions", row.chat.url)
		assert.are.equal("Bearer e", header(row, "authorization"))
	end)

	it("that is missing is a warning, but not where the api_base is one's own", function()
		assert.is_truthy(prepare("openai/x", {}).warning:find("OPENAI_API_KEY", 1, true))
		assert.is_truthy(prepare("anthropic/x", { api_key = "" }).warning:find("ANTHROPIC_API_KEY", 1, true))
		assert.is_nil(prepare("openai/x", { api_base = "http://h" }).warning)
	end)

	it("gives way to extra_headers of the same name", function()
		local row = prepare("anthropic/x", { api_key = "k", extra_headers = { ["X-Api-Key"] = "mine", ["anthropic-beta"] = "b" } })
		assert.are.equal("mine", header(row, "x-api-key"))
		assert.are.equal("b", header(row, "anthropic-beta"))
	end)
end)

describe("a row", function()
	it("of mock_response plays, whatever the provider", function()
		assert.is_true(prepare("gpt-4o", { api_key = "k", mock_response = "hi" }).plays)
		assert.is_nil(prepare("gpt-4o", { api_key = "k", mock_response = require("mwjson").null }).plays)
	end)

	it("of a demo model that does not exist is refused", function()
		assert.is_truthy(select(2, prepare("demo/nope", {})):find("demo/echo", 1, true))
		assert.is_true(prepare("demo/*", {}).plays)
	end)

	it("names a dialect that is known", function()
		for _, model in ipairs { "openai/x", "anthropic/x", "gemini/x", "demo/echo" } do
			assert.is_truthy(registry.dialects[prepare(model, { api_key = "k" }).dialect])
		end
	end)
end)
