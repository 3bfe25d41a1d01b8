-- SPDX-License-Identifier: MIT
-- The built-in provider: answers by itself, without a key or a network, at a real model's pace, and
-- misbehaves on request. README.md lists its models and what `demo` in a body (or in litellm_params) sets.
-- Also answers for targets with mock_response.

local json = require "mwjson"
local chat = require "chat"
local faults = require "faults"
local lib = require "mwlib"
local usage = require "usage"
local openai_chat = require "dialects.openai_chat"
local embeddings = require "dialects.openai_embeddings"
local text_model = require "providers.demo_text"

local provider = { name = "demo", dialect = "openai_chat", prefixes = { "demo" } }

local FOREVER_MS = 24 * 3600 * 1000

-- ---- what was asked for ----------------------------------------------------------------------------------

-- name -> least and most, or the kind of value.
local LIMITS = {
	delay_ms = { 0, FOREVER_MS }, first_token_ms = { 0, FOREVER_MS }, token_ms = { 0, FOREVER_MS },
	tokens_per_second = { 0.01, 1e6 }, words = { 0, 100000 }, calls = { 0, 128 }, cut_after = { 0, 1e9 },
	stall_after = { 0, 1e9 }, text = "string", reasoning = "string", finish = "string", error = "table",
	usage = "table", fail = "string",
}
local ERROR_LIMITS = { status = { 400, 599 }, retry_after = { 0, 86400 }, after = { 0, 1e9 }, message = "string",
	type = "string", code = "string" }
local USAGE_LIMITS = {}
for _, kind in ipairs { "prompt", "cached", "cache_write", "completion", "reasoning", "audio_in", "audio_out" } do
	USAGE_LIMITS[kind] = { 0, 1e9 }
end
local INNER_LIMITS = { error = ERROR_LIMITS, usage = USAGE_LIMITS }
local FAILS = { unreachable = true, no_reply = true }

local function names_of(limits)
	local names = {}
	for name in pairs(limits) do
		names[#names + 1] = name
	end
	table.sort(names)
	return table.concat(names, ", ")
end

local function take(into, from, limits, path)
	for name, value in pairs(from) do
		local limit, where = limits[name], path .. tostring(name)
		if value == json.null then
			value = nil
		elseif not limit then
			return faults.new("BAD_REQUEST", ("%s is not known; allowed are %s"):format(where, names_of(limits)), where)
		elseif type(limit) == "string" and type(value) ~= limit then
			local kind = limit == "table" and "an object" or "a string"
			return faults.new("BAD_REQUEST", ("%s: allowed is %s"):format(where, kind), where)
		elseif type(limit) == "table" and not (type(value) == "number" and value >= limit[1] and value <= limit[2]) then
			return faults.new("BAD_REQUEST", ("%s: allowed is a number from %.10g to %.10g"):format(where, limit[1], limit[2]), where)
		end
		into[name] = value
	end
	return nil
end

-- Puts what is wished for over what was; a fault if it cannot be had.
local function hear(wish, from)
	if type(from) ~= "table" then
		return faults.new("BAD_REQUEST", "demo: allowed is an object", "demo")
	end
	local fault = take(wish, from, LIMITS, "demo.")
	for name, limits in pairs(INNER_LIMITS) do
		local inner = {}
		fault = fault or wish[name] and take(inner, wish[name], limits, "demo." .. name .. ".")
		wish[name] = wish[name] and inner
	end
	if not fault and wish.fail and not FAILS[wish.fail] then
		fault = faults.new("BAD_REQUEST", 'demo.fail: allowed are "unreachable" and "no_reply"', "demo.fail")
	end
	return fault
end

-- The settings of the target, with those of the call over them. A mock answers at once.
local function wishes(body, ctx)
	local mock = chat.given(ctx.params.mock_response)
	local wish = { first_token_ms = mock and 0 or 300, token_ms = mock and 0 or 20, delay_ms = 0, mock = mock }
	local extra = type(ctx.params.extra) == "table" and ctx.params.extra or {}
	local settings = chat.given(ctx.params.demo) or chat.given(extra.demo) or {}
	local fault = hear(wish, settings) or hear(wish, chat.given(body.demo) or {})
	if fault then
		return nil, fault
	end
	if wish.tokens_per_second then
		wish.token_ms = 1000 / wish.tokens_per_second
	end
	return wish
end

function provider.prepare(spec)
	if not (text_model.MODELS[spec.model] or spec.model:find("*", 1, true)) then
		return nil, ("demo/%s does not exist; there are demo/echo, demo/words, demo/tools and demo/embed"):format(spec.model)
	end
	local wish, fault = wishes({}, { params = spec.params })
	if not wish then
		return nil, fault.message
	end
	return { dialect = "openai_chat", passthrough = true, stream_usage = true, plays = true, api_base = "" }
end

-- LiteLLM's words for a mock that fails.
local MOCK_ERRORS = {
	["litellm.RateLimitError"] = 429, ["litellm.InternalServerError"] = 500, ["litellm.ContextWindowExceededError"] = 400,
	["litellm.ContentPolicyViolationError"] = 400, ["litellm.AuthenticationError"] = 401,
}

-- ---- scripts -------------------------------------------------------------------------------------------

local JSON_HEAD = { "content-type", "application/json" }
local STREAM_HEAD = { "content-type", "text/event-stream; charset=utf-8" }

local function error_script(wish, err)
	local status = err.status or 500
	local headers = { "content-type", "application/json" }
	if err.retry_after then
		headers[3], headers[4] = "retry-after", ("%g"):format(err.retry_after)
	end
	local fault = { code = "UPSTREAM", status = status, type = err.type, native_code = err.code,
		message = err.message or "the demo was asked for an error" }
	return { head_after_ms = wish.delay_ms, status = status, headers = headers, end_after_ms = 0,
		pieces = { { after_ms = 0, text = json.encode(openai_chat.encode_error(fault)) } } }
end

-- A whole reply comes when all of it has been written; one that stalls never, one that is cut by half.
local function whole_script(wish, reply, tokens)
	local text = json.encode(reply)
	local script = { status = 200, headers = JSON_HEAD, pieces = { { after_ms = 0, text = text } }, end_after_ms = 0,
		head_after_ms = wish.delay_ms + wish.first_token_ms + wish.token_ms * math.max(tokens - 1, 0) }
	if wish.stall_after then
		script.head_after_ms = FOREVER_MS
	elseif wish.cut_after then
		script.pieces[1].text = text:sub(1, math.floor(#text / 2))
		script.cut = true
	end
	return script
end

-- The pieces of a stream, one for each event that says something.
local function stream_script(wish, events, encoder)
	local script = { head_after_ms = wish.delay_ms, status = 200, headers = STREAM_HEAD, pieces = {}, end_after_ms = 0 }
	local pieces, count = script.pieces, 0
	for _, e in ipairs(events) do
		if count == wish.stall_after then
			script.end_after_ms = FOREVER_MS
			return script
		elseif count == wish.cut_after then
			script.cut = true
			return script
		elseif wish.error and count == wish.error.after then
			local fault = { code = "UPSTREAM", status = wish.error.status or 500, type = wish.error.type,
				native_code = wish.error.code, message = wish.error.message or "the demo was asked for an error" }
			pieces[#pieces + 1] = { after_ms = wish.token_ms, text = openai_chat.stream_error(fault) }
			return script
		end
		local text = encoder:event(e)
		if text ~= "" then
			count = count + 1
			pieces[count] = { after_ms = count == 1 and wish.first_token_ms or e.kind == "finish" and 0 or wish.token_ms,
				text = text }
		end
	end
	pieces[count + 1] = { after_ms = 0, text = encoder:finish() }
	return script
end

-- The counts with those that were wished for instead.
local function told(wish, flat)
	for kind, count in pairs(wish.usage or {}) do
		flat[kind] = math.floor(count)
	end
	return flat
end

-- ---- chat ----------------------------------------------------------------------------------------------

-- The events of `n` equal answers, word by word, the answers mixed as a provider mixes them.
local function events_of(answer, n, flat)
	local events = { { kind = "start" } }
	local function add(kind, fields)
		for index = 0, n - 1 do
			local e = { kind = kind, index = index }
			for name, value in pairs(fields) do
				e[name] = value
			end
			events[#events + 1] = e
		end
	end
	for _, piece in ipairs(answer.reasoning_pieces) do
		add("reasoning", { text = piece })
	end
	for _, piece in ipairs(answer.pieces) do
		add("text", { text = piece })
	end
	for slot, call in ipairs(answer.calls) do
		add("tool", { slot = slot - 1, id = call.id, name = call.name, arguments = "" })
		for _, piece in ipairs(text_model.pieces(call.arguments)) do
			add("arguments", { slot = slot - 1, text = piece })
		end
	end
	add("finish", { reason = answer.finish })
	events[#events + 1] = { kind = "usage", usage = flat }
	return events
end

local function reply_of(answer, n, flat, ctx)
	local choices = json.array {}
	for index = 0, n - 1 do
		local calls
		for i, call in ipairs(answer.calls) do
			calls = calls or {}
			calls[i] = { id = call.id, type = "function", ["function"] = { name = call.name, arguments = call.arguments } }
		end
		local text = table.concat(answer.pieces)
		choices[index + 1] = {
			index = index, finish_reason = answer.finish, logprobs = json.null,
			message = {
				role = "assistant", content = (text ~= "" or not calls) and text or json.null, refusal = json.null,
				reasoning_content = answer.reasoning_pieces[1] and table.concat(answer.reasoning_pieces), tool_calls = calls,
			},
		}
	end
	return openai_chat.encode_reply({ choices = choices, usage = usage.to_openai(flat), model = ctx.model }, ctx)
end

local function play_chat(wish, body, ctx)
	local answer = text_model.answer(wish, body, ctx.model)
	local n = math.max(1, math.min(body.n or 1, 128))
	local flat = told(wish, { prompt = text_model.prompt_tokens(body), completion = answer.tokens * n,
		reasoning = #answer.reasoning_pieces * n })
	if not body.stream then
		return whole_script(wish, reply_of(answer, n, flat, ctx), answer.tokens)
	end
	local seen = setmetatable({ include_usage = true }, { __index = ctx })
	return stream_script(wish, events_of(answer, n, flat), openai_chat.encoder(seen))
end

-- ---- embeddings ----------------------------------------------------------------------------------------

local function play_embeddings(wish, body, ctx)
	local inputs = body.input
	if type(inputs) == "string" or type(inputs[1]) == "number" then
		inputs = { inputs }
	end
	local dimensions = body.dimensions or 256
	if dimensions < 1 or dimensions > 4096 then
		return nil, faults.new("BAD_REQUEST", "dimensions: allowed is a whole number from 1 to 4096", "dimensions")
	end
	local data, tokens = json.array {}, 0
	for i, input in ipairs(inputs) do
		local numbers, count = text_model.vector(input, dimensions)
		tokens = tokens + count
		data[i] = { object = "embedding", index = i - 1,
			embedding = body.encoding_format == "base64" and lib.base64_encode(lib.floats_encode(numbers)) or numbers }
	end
	local read = told(wish, { prompt = tokens }).prompt
	local reply = { object = "list", data = data, model = ctx.model,
		usage = { prompt_tokens = read, total_tokens = read } }
	wish.first_token_ms = math.min(wish.first_token_ms, 20)
	return whole_script(wish, embeddings.encode_reply(reply, ctx), 0)
end

-- ---- what the runtime calls ---------------------------------------------------------------------------

function provider.play(kind, body, ctx)
	local wish, fault = wishes(body, ctx)
	if not wish then
		return nil, fault
	end
	local failure = MOCK_ERRORS[wish.mock]
	if failure then
		return error_script(wish, { status = failure, message = wish.mock })
	elseif wish.fail then
		return { cut = wish.fail, head_after_ms = wish.delay_ms, end_after_ms = 0, pieces = {}, headers = {}, status = 0 }
	elseif wish.error and not (wish.error.after and body.stream) then
		return error_script(wish, wish.error)
	elseif not wish.mock and not text_model.MODELS[ctx.model] then
		return error_script(wish, { status = 404, code = "model_not_found",
			message = ("demo has no model %s; it has echo, words, tools and embed"):format(ctx.model) })
	elseif kind == "embeddings" then
		return play_embeddings(wish, body, ctx)
	end
	return play_chat(wish, body, ctx)
end

return provider
