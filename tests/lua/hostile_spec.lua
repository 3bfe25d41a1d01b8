-- SPDX-License-Identifier: MIT
-- Whatever JSON comes from clients and providers, lua/ answers with text or a fault and never raises: the
-- fixtures of tests/conformance, changed at random (the seed is fixed), through every function that C calls.

local json = require "mwjson"
local lfs = require "lfs"
local openai_chat = require "dialects.openai_chat"
local runtime = require "boot"

local ROUNDS = tonumber(os.getenv("HOSTILE_ROUNDS")) or 60

-- ---- chance ------------------------------------------------------------------------------------------

local state = tonumber(os.getenv("HOSTILE_SEED")) or 12345
local function chance(n)
	state = (state * 1103515245 + 12345) % 2147483648
	return math.floor(state / 65536) % n + 1
end

local ODD = {
	"null", "true", "false", "0", "-1", "1.5", "1e308", "123456789012345678901234567890", '""', '"x"', '"\\u0000"',
	'"\\ud83d\\ude00"', "[]", "{}", "[[]]", "[null]", '[{}]', '{"type":"text"}', '{"type":7}', '{"role":"user"}',
	'"data:image/png;base64,"', '"data:,"', '"[DONE]"', '{"error":{}}', '{"error":null}', '{"index":-1}', '{"index":1e9}',
	'{"function":{"name":"f"}}', '{"text":{"a":[]}}', '"object"', '{"$ref":"#"}', '[1,"a",null,{}]',
}

local function odd()
	return json.decode(ODD[chance(#ODD)])
end

-- The tables inside a value, itself included.
local function tables_of(value, list)
	if type(value) == "table" then
		list[#list + 1] = value
		for _, inner in pairs(value) do
			tables_of(inner, list)
		end
	end
	return list
end

-- Changes one place of the value: sets, removes or adds a member.
local function mutate(value)
	local tables = tables_of(value, {})
	local place = tables[chance(math.max(#tables, 1))]
	if not place then
		return odd()
	end
	local names = {}
	for name in pairs(place) do
		names[#names + 1] = name
	end
	table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
	local name = names[chance(math.max(#names, 1))]
	if name == nil then
		return value
	elseif type(name) == "number" or chance(3) > 1 then
		place[name] = odd()
	else
		place[name] = nil
	end
	return value
end

-- A text of a changed value; now and then cut, so that it is no JSON any more.
local function hostile(value)
	local copy = json.decode(json.encode(value))
	for _ = 1, chance(3) do
		copy = mutate(copy)
	end
	local text = json.encode(copy)
	return chance(20) == 1 and text:sub(1, chance(#text)) or text
end

-- ---- the cases ---------------------------------------------------------------------------------------

local function fixtures()
	local list = {}
	for _, dialect in ipairs { "anthropic", "gemini", "openai" } do
		local folder = "tests/conformance/" .. dialect
		for name in lfs.dir(folder) do
			if name:find("%.json$") then
				local file = assert(io.open(folder .. "/" .. name))
				for _, case in ipairs(json.decode(file:read("*a"))) do
					list[#list + 1] = case
				end
				file:close()
			end
		end
	end
	table.sort(list, function(a, b) return a.target .. a.about < b.target .. b.about end)
	return list
end

local CASES = fixtures()
local MODELS = { "anthropic/claude-3-opus-20240229", "anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-8",
	"gemini/gemini-2.0-flash", "gemini/gemini-2.5-flash", "gemini/gemini-3-pro-preview", "openai/gpt-4o",
	"openai_like/m", "demo/echo", "demo/tools" }

local function check_fault(fault, text)
	assert(type(fault) == "table" and type(fault.code) == "string" and type(fault.message) == "string",
		"no proper fault for " .. text)
	assert(fault.status == nil or (fault.status >= 400 and fault.status <= 599), "status of a fault for " .. text)
	for _, name in ipairs { "type", "param", "native_code" } do
		assert(fault[name] == nil or type(fault[name]) == "string", name .. " of a fault for " .. text)
	end
	assert(json.decode(json.encode(openai_chat.encode_error(fault))))
	openai_chat.stream_error(fault)
end

local function check_text(out, fault, text)
	if out == nil then
		check_fault(fault, text)
	else
		assert(json.decode(out) ~= nil, "no JSON came of " .. text)
	end
end

-- Runs f on the text; a Lua error names the text that raised it.
local function survives(text, f, ...)
	local ok, message = pcall(f, ...)
	if not ok then
		error(tostring(message) .. "\nraised by " .. text, 0)
	end
end

local function options(i, more)
	local opts = { model = MODELS[i]:match("/(.+)$"), client_model = "asked", include_usage = true,
		drop_params = chance(2) == 1, stream = chance(2) == 1 }
	for name, value in pairs(more or {}) do
		opts[name] = value
	end
	return opts
end

describe("a hostile", function()
	setup(function()
		for i, model in ipairs(MODELS) do
			runtime.add(i, { model = model, params = { api_base = "http://up", extra = { temperature = 1 } } })
		end
	end)

	it("request becomes a request or a fault", function()
		for _ = 1, ROUNDS do
			for _, case in ipairs(CASES) do
				if case.client then
					local text, i = hostile(case.client), chance(#MODELS)
					local play = MODELS[i]:find("^demo/")
					survives(text, function()
						local out, fault = runtime[play and "play" or "request"](i, "chat", text, options(i))
						if play and out then
							assert(type(out.status) == "number" and type(out.pieces) == "table")
						else
							check_text(out, fault, text)
						end
					end)
				end
			end
		end
	end)

	it("wish of the demo becomes a script or a fault", function()
		local wish = { messages = { { role = "user", content = "hi there" } }, stream = true, n = 2, stop = { "x" },
			max_tokens = 5, response_format = { type = "json_schema", json_schema = { schema = { type = "object",
				properties = { a = { type = "array", items = { ["$ref"] = "#/$defs/B" }, minItems = 3 } },
				["$defs"] = { B = { anyOf = { { type = "integer", minimum = 3 }, { ["$ref"] = "#" } } } } } } },
			demo = { words = 5, token_ms = 1, error = { status = 500, after = 1 }, cut_after = 2, finish = "length" } }
		for _ = 1, ROUNDS * 40 do
			local text, i = hostile(wish), #MODELS - chance(2) + 1
			survives(text, function()
				local out, fault = runtime.play(i, "chat", text, options(i))
				return out or check_fault(fault, text)
			end)
		end
	end)

	it("request for embeddings becomes one or a fault", function()
		for _ = 1, ROUNDS * 40 do
			local text = hostile({ input = { "a", "b" }, model = "m", dimensions = 4, encoding_format = "base64" })
			survives(text, function() check_text(select(1, runtime.request(7, "embeddings", text, options(7))),
				select(2, runtime.request(7, "embeddings", text, options(7))), text) end)
			survives(text, function() runtime.play(9, "embeddings", text, { model = "embed" }) end)
			local reply = hostile({ data = { { embedding = { 1, 2 }, index = 0 }, { embedding = "AACAPw==" } },
				usage = { prompt_tokens = 3 } })
			survives(reply, function()
				local out, fault = runtime.reply(7, "embeddings", reply, options(7, { base64 = chance(2) == 1 }))
				check_text(out, fault, reply)
			end)
		end
	end)

	it("reply becomes a reply or a fault", function()
		for _ = 1, ROUNDS do
			for _, case in ipairs(CASES) do
				if case.reply then
					local text, i = hostile(case.reply), chance(8)
					survives(text, function()
						local out, fault = runtime.reply(i, "chat", text, options(i))
						check_text(out, fault, text)
						check_fault(runtime.failure(i, 400 + chance(199), text), text)
					end)
				end
			end
		end
	end)

	it("stream gives chunks or a fault", function()
		for _ = 1, ROUNDS do
			for _, case in ipairs(CASES) do
				if case.stream then
					local i = chance(8)
					local stream = runtime.open(i, options(i))
					for _, event in ipairs(case.stream) do
						local text = chance(3) == 1 and type(event) == "table" and hostile(event)
							or type(event) == "string" and event or json.encode(event)
						survives(text, function()
							local out, now = stream:event("", text)
							assert(out == nil or type(now) == "number")
							return out or check_fault(now, text)
						end)
					end
					survives("the end", function()
						stream:whole()
						for data in stream:finish():gmatch("data: ([^\n]+)\n\n") do
							assert(data == "[DONE]" or json.decode(data) ~= nil, data)
						end
					end)
				end
			end
		end
	end)
end)
