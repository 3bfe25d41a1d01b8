-- SPDX-License-Identifier: MIT
-- lua/providers/demo.lua: an answer of its own for everything that can be tried.

local json = require "mwjson"
local lib = require "mwlib"
local runtime = require "boot"

local count = 0

-- Plays a request against a demo model: the script, or nil and a fault.
local function play(model, body, params, kind)
	count = count + 1
	runtime.add(count, { model = "demo/" .. model, params = params or {} })
	body.messages = body.messages or (not body.input and { { role = "user", content = "Hello, moon!" } }) or nil
	return runtime.play(count, kind or "chat", json.encode(body), { model = model, client_model = "asked" })
end

local function whole(script)
	assert.are.equal(1, #script.pieces)
	return json.decode(script.pieces[1].text)
end

local function chunks(script)
	local list = {}
	for _, piece in ipairs(script.pieces) do
		for data in piece.text:gmatch("data: ({.-)\n\n") do
			list[#list + 1] = json.decode(data)
		end
	end
	return list
end

local function text_of(script)
	local out = {}
	for _, chunk in ipairs(chunks(script)) do
		for _, choice in ipairs(chunk.choices) do
			if choice.index == 0 and type(choice.delta.content) == "string" then
				out[#out + 1] = choice.delta.content
			end
		end
	end
	return table.concat(out)
end

local WEATHER = { type = "function", ["function"] = { name = "weather", parameters = { type = "object",
	properties = { city = { type = "string" }, unit = { type = "string", enum = { "celsius", "kelvin" } } },
	required = { "city", "unit" } } } }

describe("demo/echo", function()
	it("answers with the last text of the user, whole", function()
		local reply = whole(play("echo", {}))
		assert.are.equal("Hello, moon!", reply.choices[1].message.content)
		assert.are.equal("stop", reply.choices[1].finish_reason)
		assert.are.equal("asked", reply.model)
		assert.are.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens)
	end)

	it("streams it word by word at a model's pace", function()
		local script = play("echo", { stream = true, messages = { { role = "user", content = "one two three" } } })
		assert.are.equal("one two three", text_of(script))
		assert.are.equal(0, script.head_after_ms)
		assert.are.equal(300, script.pieces[1].after_ms)
		assert.are.equal(20, script.pieces[2].after_ms)
		assert.are.equal("data: [DONE]\n\n", script.pieces[#script.pieces].text:sub(-14))
	end)

	it("lets a whole answer take as long as its stream would", function()
		assert.are.equal(300 + 20 * 2, play("echo", { messages = { { role = "user", content = "one two three" } } })
			.head_after_ms)
	end)

	it("cuts words between characters only", function()
		local text = ("日本語のとても長い文章です"):rep(5) .. " ü"
		local script = play("echo", { stream = true, messages = { { role = "user", content = text } } })
		assert.are.equal(text, text_of(script))
		-- a character that was cut would have become two of these
		assert.is_nil(text_of(script):find("\239\191\189", 1, true))
	end)

	it("obeys stop, max_tokens and n", function()
		local reply = whole(play("echo", { stop = { "moon" }, n = 2 }))
		assert.are.equal("Hello, ", reply.choices[2].message.content)
		reply = whole(play("echo", { max_tokens = 2 }))
		assert.are.equal("Hello,", reply.choices[1].message.content)
		assert.are.equal("length", reply.choices[1].finish_reason)
		assert.are.equal(2, reply.usage.completion_tokens)
		local seen = {}
		for _, chunk in ipairs(chunks(play("echo", { stream = true, n = 2 }))) do
			for _, choice in ipairs(chunk.choices) do
				seen[choice.index] = choice.finish_reason ~= json.null and choice.finish_reason or seen[choice.index]
			end
		end
		assert.are.same({ [0] = "stop", [1] = "stop" }, seen)
	end)

	it("ends a stream with its usage", function()
		local list = chunks(play("echo", { stream = true }))
		assert.are.equal(0, #list[#list].choices)
		assert.are.equal(4, list[#list].usage.completion_tokens)
	end)
end)

describe("demo/tools", function()
	it("calls the first tool with arguments by its schema", function()
		local message = whole(play("tools", { tools = { WEATHER } })).choices[1].message
		assert.are.equal(json.null, message.content)
		assert.are.equal("weather", message.tool_calls[1]["function"].name)
		assert.are.same({ city = "Paris", unit = "celsius" }, json.decode(message.tool_calls[1]["function"].arguments))
	end)

	it("streams a call in pieces", function()
		local arguments, names, finish = "", {}, nil
		for _, chunk in ipairs(chunks(play("tools", { stream = true, tools = { WEATHER } }))) do
			local choice = chunk.choices[1]
			for _, call in ipairs(choice and choice.delta.tool_calls or {}) do
				arguments = arguments .. call["function"].arguments
				names[#names + 1] = call["function"].name
			end
			finish = choice and choice.finish_reason ~= json.null and choice.finish_reason or finish
		end
		assert.are.same({ "weather" }, names)
		assert.are.equal("Paris", json.decode(arguments).city)
		assert.are.equal("tool_calls", finish)
	end)

	it("tells the result when it is there", function()
		local reply = whole(play("tools", { tools = { WEATHER }, messages = { { role = "user", content = "x" },
			{ role = "assistant", tool_calls = { { id = "a", ["function"] = { name = "weather", arguments = "{}" } } } },
			{ role = "tool", tool_call_id = "a", content = "sunny" } } }))
		assert.is_truthy(reply.choices[1].message.content:find("sunny", 1, true))
		assert.are.equal("stop", reply.choices[1].finish_reason)
	end)

	it("obeys tool_choice, and any model does when it is forced", function()
		assert.is_nil(whole(play("tools", { tools = { WEATHER }, tool_choice = "none" })).choices[1].message.tool_calls)
		local named = { type = "function", ["function"] = { name = "now" } }
		local now = { type = "function", ["function"] = { name = "now" } }
		local message = whole(play("echo", { tools = { WEATHER, now }, tool_choice = named })).choices[1].message
		assert.are.equal("now", message.tool_calls[1]["function"].name)
		assert.are.equal(2, #whole(play("echo", { tools = { WEATHER, now }, demo = { calls = 2 } })).choices[1].message.tool_calls)
	end)
end)

describe("a wish", function()
	it("in the body wins over one of the target", function()
		local params = { demo = { text = "from the settings", token_ms = 1 } }
		assert.are.equal("from the settings", whole(play("echo", {}, params)).choices[1].message.content)
		local script = play("echo", { demo = { text = "a b" } }, params)
		assert.are.equal("a b", whole(script).choices[1].message.content)
		assert.are.equal(301, script.head_after_ms)
		-- as C gives what it does not know of litellm_params
		script = play("echo", { demo = { text = "a b" } }, { extra = { demo = { token_ms = 1 } } })
		assert.are.equal(301, script.head_after_ms)
	end)

	it("sets the pace", function()
		local script = play("echo", { stream = true, demo = { delay_ms = 7, first_token_ms = 5, tokens_per_second = 100 } })
		assert.are.equal(7, script.head_after_ms)
		assert.are.same({ 5, 10 }, { script.pieces[1].after_ms, script.pieces[2].after_ms })
	end)

	it("for an error answers with it", function()
		local script = play("echo", { stream = true, demo = { error = { status = 429, message = "slow", retry_after = 2 } } })
		assert.are.equal(429, script.status)
		assert.are.same({ "content-type", "application/json", "retry-after", "2" }, script.headers)
		assert.are.equal("slow", whole(script).error.message)
		assert.are.equal("rate_limit_error", whole(script).error.type)
	end)

	it("for an error in the stream comes after so many pieces", function()
		local script = play("echo", { stream = true, demo = { error = { after = 1, message = "boom" } } })
		assert.are.equal(200, script.status)
		assert.are.equal(2, #script.pieces)
		assert.is_truthy(script.pieces[2].text:find('"boom"', 1, true))
	end)

	it("for a cut, a stall or no connection", function()
		local script = play("echo", { stream = true, demo = { cut_after = 2 } })
		assert.is_true(script.cut)
		assert.are.equal(2, #script.pieces)
		script = play("echo", { stream = true, demo = { stall_after = 1 } })
		assert.is_nil(script.cut)
		assert.are.equal(1, #script.pieces)
		assert.is_true(script.end_after_ms > 3600000)
		script = play("echo", { demo = { cut_after = 1 } })
		assert.is_true(script.cut)
		assert.is_nil((json.decode(script.pieces[1].text)))
		assert.is_true(play("echo", { demo = { stall_after = 0 } }).head_after_ms > 3600000)
		assert.are.equal("unreachable", play("echo", { demo = { fail = "unreachable" } }).cut)
	end)

	it("for words, thoughts and a finish", function()
		local reply = whole(play("echo", { demo = { words = 12, reasoning = "Hm, well.", finish = "length" } }))
		assert.are.equal(12, select(2, reply.choices[1].message.content:gsub("%S+", "")))
		assert.are.equal("Hm, well.", reply.choices[1].message.reasoning_content)
		assert.are.equal("length", reply.choices[1].finish_reason)
		assert.are.equal(4, reply.usage.completion_tokens_details.reasoning_tokens)
	end)

	it("for a usage tells it, whole, streamed and of embeddings", function()
		local demo = { usage = { prompt = 250000, cached = 1000.5, cache_write = 7, completion = 20, reasoning = 5 } }
		local usage = whole(play("echo", { demo = demo })).usage
		assert.are.equal(250020, usage.total_tokens)
		assert.are.equal(1000, usage.prompt_tokens_details.cached_tokens)
		assert.are.equal(7, usage.prompt_tokens_details.cache_write_tokens)
		assert.are.equal(5, usage.completion_tokens_details.reasoning_tokens)
		local list = chunks(play("echo", { stream = true, demo = demo }))
		assert.are.same(usage, list[#list].usage)
		local vectors = whole(play("embed", { input = "x", demo = { usage = { prompt = 9 } } }, nil, "embeddings"))
		assert.are.equal(9, vectors.usage.prompt_tokens)
	end)

	it("of the settings is looked at when they are read", function()
		local row, message = runtime.prepare({ model = "demo/echo", params = { extra = { demo = { error = { after = "x" } } } } })
		assert.is_nil(row)
		assert.is_truthy(message:find("demo.error.after", 1, true))
	end)

	it("that is none is refused, with what is allowed", function()
		local _, fault = play("echo", { demo = { token_ms = "fast" } })
		assert.are.equal("demo.token_ms", fault.param)
		_, fault = play("echo", { demo = { colour = 1 } })
		assert.are.equal("demo.colour", fault.param)
		assert.is_truthy(fault.message:find("tokens_per_second", 1, true))
		_, fault = play("echo", { demo = { error = { status = 200 } } })
		assert.are.equal("demo.error.status", fault.param)
		_, fault = play("echo", { demo = { usage = { total = 1 } } })
		assert.are.equal("demo.usage.total", fault.param)
		_, fault = play("echo", { demo = { fail = "often" } })
		assert.are.equal("demo.fail", fault.param)
	end)
end)

describe("demo/embed", function()
	local function vectors(body)
		local reply = whole(play("embed", body, nil, "embeddings"))
		return reply.data, reply
	end

	local function dot(a, b)
		local sum = 0
		for i = 1, #a do
			sum = sum + a[i] * b[i]
		end
		return sum
	end

	it("gives unit vectors, the same for the same text, close for the same words", function()
		local data, reply = vectors({ input = { "the moon rises", "rises the moon", "a quite different thing" } })
		local a, b, c = data[1].embedding, data[2].embedding, data[3].embedding
		assert.are.equal(256, #a)
		assert.is_true(math.abs(dot(a, a) - 1) < 1e-9)
		assert.is_true(math.abs(dot(a, b) - 1) < 1e-9)
		assert.is_true(dot(a, c) < 0.5)
		assert.are.equal(10, reply.usage.prompt_tokens)
	end)

	it("as floats or base64, of so many dimensions, also of token numbers", function()
		local floats = vectors({ input = "moon", dimensions = 8 })[1].embedding
		local packed = vectors({ input = "moon", dimensions = 8, encoding_format = "base64" })[1].embedding
		local again = lib.floats_decode(lib.base64_decode(packed))
		for i = 1, 8 do
			assert.is_true(math.abs(floats[i] - again[i]) < 1e-6)
		end
		assert.are.equal(2, #vectors({ input = { { 1, 2 }, { 3 } }, dimensions = 4 }))
		assert.are.equal(1, #vectors({ input = { 1, 2, 3 }, dimensions = 4 }))
	end)
end)

describe("mock_response", function()
	it("answers at once, for any provider", function()
		runtime.add(900, { model = "openai/gpt-4o", params = { mock_response = "canned" } })
		local body = json.encode({ messages = { { role = "user", content = "x" } } })
		local script = runtime.play(900, "chat", body, { model = "gpt-4o", client_model = "m" })
		assert.are.equal(0, script.head_after_ms)
		assert.are.equal("canned", whole(script).choices[1].message.content)
	end)

	it("fails with LiteLLM's words", function()
		runtime.add(901, { model = "gpt-4o", params = { mock_response = "litellm.RateLimitError" } })
		local script = runtime.play(901, "chat", '{"messages":[{"role":"user","content":"x"}]}', { model = "gpt-4o" })
		assert.are.equal(429, script.status)
	end)
end)
