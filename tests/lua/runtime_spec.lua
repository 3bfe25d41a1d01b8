-- SPDX-License-Identifier: MIT
-- lua/boot.lua and what its answers look like, beyond what the fixtures of tests/conformance show.

local json = require "mwjson"
local lib = require "mwlib"
local faults = require "faults"
local mend = require "mend"
local openai_chat = require "dialects.openai_chat"
local runtime = require "boot"

setup(function()
	runtime.add(1, { model = "anthropic/claude-sonnet-4-5", params = { api_key = "k" } })
	runtime.add(2, { model = "openai_like/m", params = { api_base = "http://h" } })
	runtime.add(3, { model = "gemini/gemini-2.5-flash", params = { api_key = "k" } })
end)

local function open(index, opts)
	opts = opts or {}
	opts.model, opts.client_model = "m", opts.client_model or "asked"
	return runtime.open(index, opts)
end

local START = [[{"type":"message_start","message":{"id":"msg_1","model":"claude","usage":{"input_tokens":3,"output_tokens":1}}}]]
local TEXT = [[{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}]]
local STOP = [[{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}]]

describe("a stream", function()
	it("says nothing before there is content", function()
		local stream = open(1)
		assert.are.same({ "", 0 }, { stream:event("message_start", START) })
		assert.are.equal(1, select(2, stream:event("", TEXT)))
	end)

	it("has one id, time and model in every chunk, and what OpenAI's schema asks for", function()
		local stream = open(1, { include_usage = true })
		stream:event("", START)
		local first = stream:event("", TEXT)
		local second = stream:event("", TEXT)
		local chunk = json.decode(first:match("^data: (.*)\n\n$"))
		assert.are.equal("msg_1", chunk.id)
		assert.are.equal("asked", chunk.model)
		assert.are.equal("chat.completion.chunk", chunk.object)
		assert.are.equal(0, chunk.created % 1)
		assert.are.equal(json.null, chunk.choices[1].finish_reason)
		assert.are.equal(json.null, chunk.usage)
		local head = first:match("^(.-)\"role\"")
		assert.are.equal(head, second:sub(1, #head))
	end)

	it("counts each run where Anthropic ran the model several times", function()
		local stream = open(1)
		for _, event in ipairs { START, TEXT, [[{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{
			"input_tokens":9,"output_tokens":4,"iterations":[{"input_tokens":9,"output_tokens":4},
			{"input_tokens":20,"output_tokens":7,"cache_read_input_tokens":5}]}}]] } do
			assert(stream:event("", event))
		end
		stream:finish()
		assert.are.same({ 34, 5, 11 }, { stream.usage.prompt, stream.usage.cached, stream.usage.completion })
	end)

	it("ends with usage only if the client asked, and [DONE]", function()
		for _, asked in ipairs { true, false } do
			local stream = open(1, { include_usage = asked })
			for _, event in ipairs { START, TEXT, STOP } do
				assert(stream:event("", event))
			end
			assert.are.equal(2, select(2, stream:event("", '{"type":"message_stop"}')))
			local rest = stream:finish()
			assert.are.equal(asked, rest:find('"choices":[],"usage":{', 1, true) ~= nil)
			assert.are.equal("data: [DONE]\n\n", rest:sub(-14))
			assert.are.same({ 3, 2, "stop" }, { stream.usage.prompt, stream.usage.completion, stream.finish_reason })
		end
	end)

	it("tells what is known of its usage while it runs", function()
		local stream = open(1)
		stream:event("", START)
		assert.are.equal(3, stream.usage.prompt)
	end)

	it("escapes the client's model and the text", function()
		local stream = open(1, { client_model = 'a"b' })
		stream:event("", START)
		local text = stream:event("", [[{"type":"content_block_delta","delta":{"type":"text_delta","text":"\"\n\u0000é"}}]])
		local chunk = json.decode(text:match("^data: (.*)\n\n$"))
		assert.are.equal('a"b', chunk.model)
		assert.are.equal('"\n\0é', chunk.choices[1].delta.content)
	end)

	it("that begins where bytes have gone before tells no role or finish again", function()
		local stream = open(2, { sent = { finished = true, calls = 0 } })
		local text = stream:event("", '{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}')
		assert.is_nil(text:find('"role"', 1, true))
		assert.is_true(stream:whole())
		assert.are.equal("data: [DONE]\n\n", stream:finish())
	end)

	it("that begins after calls which passed as bytes goes on with them and counts on", function()
		local function delta(piece)
			return '{"choices":[{"index":0,"delta":{"tool_calls":[' .. piece .. ']}}]}'
		end
		local stream = open(2, { sent = { calls = 2, call_id = "b", bare = true } })
		local text = {
			stream:event("", delta '{"index":0,"function":{"arguments":"x"}}'),
			stream:event("", delta '{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}'),
			stream:event("", delta '{"index":0,"id":"c","function":{"name":"f","arguments":"}"}}'),
			stream:event("", '{"choices":[{"index":0,"delta":{},"finish_reason":""}]}'),
		}
		table.insert(text, (stream:event("", "[DONE]")))
		local found = {}
		for _, data in ipairs(text) do
			for line in tostring(data):gmatch("data: ([^\n]+)") do
				local choice = json.decode(line).choices[1]
				for _, piece in ipairs(choice.delta.tool_calls or {}) do
					table.insert(found, ("%d %s %s"):format(piece.index, piece.id or "-", piece["function"].arguments))
				end
				if choice.finish_reason ~= json.null then
					table.insert(found, choice.finish_reason)
				end
			end
		end
		assert.are.same({ "0 - x", "2 c {", "2 - }", "1 - {}", "tool_calls" }, found)
	end)

	it("that ends without content is no answer", function()
		local stream = open(2)
		local text, fault = stream:event("", "[DONE]")
		assert.is_nil(text)
		assert.are.equal("UPSTREAM_BROKEN", fault.code)
		assert.is_false(open(2):whole())
	end)

	it("that broke off with nothing in it does not end well, with an end mark or without", function()
		local stream = open(2)
		stream:event("", '{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":"error"}]}')
		assert.is_false(stream:whole())
		local text, fault = stream:event("", "[DONE]")
		assert.is_nil(text)
		assert.are.equal("UPSTREAM_BROKEN", fault.code)
	end)
end)

describe("a request to Anthropic", function()
	it("has the results of tools first in the user's turn, whatever the client said before them", function()
		local text = runtime.request(1, "chat", json.encode { messages = json.array {
			{ role = "user", content = "ask" },
			{ role = "assistant", tool_calls = json.array {
				{ id = "c1", type = "function", ["function"] = { name = "f", arguments = "{}" } },
				{ id = "c2", type = "function", ["function"] = { name = "f", arguments = "{}" } } } },
			{ role = "user", content = "hurry" },
			{ role = "tool", tool_call_id = "c1", content = "one" },
			{ role = "tool", tool_call_id = "c2", content = "two" },
		} }, { model = "claude-sonnet-4-5" })
		local turns = json.decode(text).messages
		assert.are.equal(3, #turns)
		local kinds = {}
		for i, block in ipairs(turns[3].content) do
			kinds[i] = block.tool_use_id or block.text
		end
		assert.are.same({ "c1", "c2", "hurry" }, kinds)
	end)
end)

describe("a request to Gemini", function()
	it("asks Pro models before 3.1 for a high level where the client wants a medium one", function()
		local body = json.encode { messages = json.array { { role = "user", content = "hi" } }, reasoning_effort = "medium" }
		for model, level in pairs { ["gemini-3-pro-preview"] = "HIGH", ["gemini-3.1-pro-preview"] = "MEDIUM",
			["gemini-3-flash-preview"] = "MEDIUM" } do
			local text = runtime.request(3, "chat", body, { model = model })
			assert.are.equal(level, json.decode(text).generationConfig.thinkingConfig.thinkingLevel, model)
		end
	end)
end)

describe("a picture", function()
	it("of type image/jpg, which is none, goes out as image/jpeg", function()
		local body = json.encode { messages = json.array { { role = "user", content = json.array {
			{ type = "image_url", image_url = { url = "data:image/jpg;base64,AA==" } } } } } }
		for index, model in pairs { [1] = "claude-sonnet-4-5", [3] = "gemini-2.5-flash" } do
			local text = runtime.request(index, "chat", body, { model = model })
			assert.is_truthy(text:find('"image/jpeg"', 1, true), model)
		end
	end)
end)

describe("an error", function()
	it("says so where a stream was asked for and a whole answer came, and does not give it all back", function()
		local fault = runtime.failure(2, 200, '{"choices":[{"message":{"content":"' .. ("x"):rep(1000) .. '"}}]}')
		assert.are.equal("no stream of events: {", fault.message:sub(1, 22))
		assert.is_true(#fault.message < 300)
	end)

	it("has OpenAI's four members, the code as text", function()
		local body = openai_chat.encode_error { code = "UPSTREAM", status = 529, type = "overloaded_error", message = "Overloaded" }
		assert.are.same({ error = { message = "Overloaded", type = "overloaded_error", param = json.null, code = "529" } }, body)
	end)

	it("without a type has the one of its status", function()
		for status, kind in pairs { [400] = "invalid_request_error", [401] = "authentication_error",
			[403] = "permission_error", [429] = "rate_limit_error", [500] = "api_error", [504] = "timeout_error" } do
			assert.are.equal(kind, openai_chat.encode_error({ status = status, message = "x" }).error.type)
		end
	end)

	it("in a stream is an event, without an end mark", function()
		local text = openai_chat.stream_error(faults.broken("cut"))
		assert.is_truthy(text:find('^data: {"error":{"message":"cut"'))
		assert.is_nil(text:find("[DONE]", 1, true))
	end)
end)

describe("what a compatible server says", function()
	it("of an answer's end is OpenAI's word, in whatever case", function()
		assert.are.same({ "length", "MAX_TOKENS" }, { mend.finish("MAX_TOKENS") })
		assert.are.same({ "stop" }, { mend.finish("stop") })
		assert.are.same({ "stop", "because" }, { mend.finish("because") })
	end)

	it("beside an answer is no error, unless it is called one", function()
		assert.is_nil(mend.error { choices = json.array { {} }, message = "cached", detail = "x" })
		assert.are.equal("x", mend.error({ detail = "x" }).message)
		assert.are.equal("no", mend.error({ choices = json.array { {} }, error = { message = "no" } }).message)
	end)

	it("of a prompt that does not fit has OpenAI's code", function()
		for _, words in ipairs { "This model's maximum context length is 4096 tokens", "The prompt is too long: 9 > 8" } do
			assert.are.equal("context_length_exceeded", mend.error({ error = { message = words } }).native_code)
		end
		assert.are.equal("its_own", mend.error({ error = { message = "prompt is too long", code = "its_own" } }).native_code)
	end)
end)

describe("how long to wait", function()
	it("is read from a message", function()
		for text, ms in pairs { ["Please try again in 3.89s."] = 3890, ["Please try again in 1m30.5s"] = 90500,
			["try again in 120ms"] = 120, ["Please retry after 26 seconds"] = 26000, ["retry in 2 s"] = 2000 } do
			assert.are.equal(ms, faults.wait_in(text), text)
		end
		assert.is_nil(faults.wait_in("try again later"))
	end)
end)

describe("foreign text in a message", function()
	it("is one line, short, and cut between characters", function()
		local text = faults.excerpt((" a\n b"):rep(10) .. ("é"):rep(600))
		assert.is_nil(text:find("\n"))
		assert.is_true(#text < 520)
		assert.are.equal(text, json.decode(json.quote(text)), "still UTF-8")
	end)
end)

describe("embeddings", function()
	local reply = json.encode({ object = "list", model = "m", data = { { object = "embedding", index = 0,
		embedding = { 0.5, -1 } } }, usage = { prompt_tokens = 2, total_tokens = 2 } })
	local packed = lib.base64_encode(lib.floats_encode({ 0.5, -1 }))

	local function embedding(text, base64)
		local out, used = runtime.reply(2, "embeddings", text, { model = "m", client_model = "asked", base64 = base64 })
		out = json.decode(out)
		assert.are.equal("asked", out.model)
		assert.are.equal(2, used.prompt)
		return out.data[1].embedding
	end

	it("come as the client asked, whatever the server gave", function()
		assert.are.same({ 0.5, -1 }, embedding(reply, false))
		assert.are.equal(packed, embedding(reply, true))
		local other = reply:gsub("%[0.5,%-1%]", '"' .. packed .. '"')
		assert.are.same({ 0.5, -1 }, embedding(other, false))
		assert.are.equal(packed, embedding(other, true))
	end)

	it("that are none are a fault", function()
		for _, text in ipairs { '{"data":[]}', '{"data":[{"embedding":["x"]}]}', '{"data":[{"embedding":"é"}]}', "[]" } do
			assert.are.equal("UPSTREAM_BROKEN", select(2, runtime.reply(2, "embeddings", text, { model = "m" })).code, text)
		end
	end)

	it("are asked for with the provider's model", function()
		local text = runtime.request(2, "embeddings", '{"input":["a","b"],"dimensions":3,"model":"asked"}', { model = "m" })
		assert.are.same({ input = { "a", "b" }, dimensions = 3, model = "m" }, json.decode(text))
		local _, fault = runtime.request(2, "embeddings", '{"input":["a",1]}', { model = "m" })
		assert.are.equal("input[1]", fault.param)
		_, fault = runtime.request(2, "embeddings", '{"input":"a","encoding_format":"hex"}', { model = "m" })
		assert.are.equal("encoding_format", fault.param)
	end)
end)

describe("a body that is no JSON", function()
	it("is the client's mistake in a request", function()
		local _, fault = runtime.request(2, "chat", '{"messages":', { model = "m" })
		assert.are.equal("BAD_JSON", fault.code)
	end)
end)

describe("a number with more digits than a double has", function()
	it("is sent on digit by digit where nothing is counted with it", function()
		local text = runtime.request(2, "chat", '{"messages":[{"role":"user","content":"x"}],"seed":1234567890123456789,'
			.. '"foo":0.12345678901234567890}', { model = "m" })
		assert.is_truthy(text:find('"seed":1234567890123456789', 1, true))
		assert.is_truthy(text:find('"foo":0.12345678901234567890', 1, true))
	end)

	it("is a plain number where it is", function()
		local text = runtime.request(1, "chat", '{"messages":[{"role":"user","content":"x"}],'
			.. '"temperature":0.50000000000000000001}', { model = "claude-sonnet-4-5" })
		assert.are.equal(0.5, json.decode(text).temperature)
		local _, fault = runtime.request(1, "chat", '{"messages":[{"role":"user","content":"x"}],"temperature":1e400}',
			{ model = "claude-sonnet-4-5" })
		assert.are.equal("temperature", fault.param)
	end)
end)
