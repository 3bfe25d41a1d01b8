-- SPDX-License-Identifier: MIT
-- What OpenAI-compatible servers do badly, put right: each function takes a piece of a reply or of a streamed
-- delta as it came and gives what OpenAI itself would have sent.

local json = require "mwjson"
local lib = require "mwlib"
local chat = require "chat"
local faults = require "faults"

local mend = {}

local given = chat.given

-- Words for why an answer ended, beside OpenAI's own five.
local FINISH = {
	stop = "stop", length = "length", tool_calls = "tool_calls", content_filter = "content_filter",
	function_call = "function_call",
	eos = "stop", eos_token = "stop", stop_sequence = "stop", end_turn = "stop", complete = "stop", completed = "stop",
	model_length = "length", max_tokens = "length", max_length = "length", tool_use = "tool_calls",
	tool_call = "tool_calls", sensitive = "content_filter", refusal = "content_filter", safety = "content_filter",
}
-- The answer broke off: with nothing in it, it is none.
local BROKEN = { error = true, network_error = true, insufficient_system_resource = true, abort = true }

-- OpenAI's word, and the server's where that is another; nil for null, "" and what is no text.
function mend.finish(word)
	if type(word) ~= "string" or word == "" then
		return nil
	end
	local known = FINISH[word] or FINISH[word:lower()]
	return known or "stop", known ~= word and word or nil
end

function mend.is_broken(word)
	return BROKEN[word] or false
end

-- Text of a list of summaries or thoughts: {{text=…}, …} or plain text.
local function inner_text(value)
	return chat.text_of(given(value))
end

-- Content that came as a list of parts: the text of the answer, and what was thought.
function mend.parts(list)
	local text, thought = {}, {}
	for _, part in ipairs(list) do
		if type(part) == "string" then
			text[#text + 1] = part
		elseif type(part) == "table" then
			if part.type == "thinking" or part.type == "reasoning" then
				thought[#thought + 1] = inner_text(part.thinking or part.summary or part.text)
			elseif type(part.text) == "string" then
				text[#text + 1] = part.text
			end
		end
	end
	return table.concat(text), table.concat(thought)
end

-- What a message or delta says: content and reasoning as text, each nil where there is none.
function mend.texts(message)
	local content, reasoning = given(message.content), given(message.reasoning_content)
	if type(content) == "table" then
		local text, thought = mend.parts(content)
		content = text
		reasoning = reasoning or (thought ~= "" and thought) or nil
	end
	if reasoning == nil then
		reasoning = given(message.reasoning)
	end
	if type(reasoning) == "table" then
		reasoning = chat.text_of(reasoning)
	end
	return type(content) == "string" and content or nil, type(reasoning) == "string" and reasoning or nil
end

function mend.arguments(value)
	if type(value) == "string" then
		return value
	elseif value == nil or value == json.null then
		return ""
	end
	return json.encode(value)
end

function mend.call_id(id)
	if type(id) == "string" and id ~= "" then
		return id
	end
	return "call_" .. lib.random_hex(24)
end

-- The calls of a whole message, or nil where there are none.
function mend.calls(list)
	local out = {}
	for _, call in chat.items(list) do
		if chat.is_object(call) then
			local called = call["function"]
			call.id = mend.call_id(call.id)
			call.index = nil
			if chat.is_object(called) then
				local text = mend.arguments(called.arguments)
				called.arguments = chat.is_blank(text) and "{}" or text
				called.name = type(called.name) == "string" and called.name or ""
				call.type = "function"
			end
			out[#out + 1] = call
		end
	end
	return out[1] and out or nil
end

-- OpenAI's service tiers; servers have others, which typed clients do not take.
local TIERS = { auto = true, default = true, flex = true, scale = true, priority = true, fast = true }

function mend.service_tier(value)
	return TIERS[value] and value or nil
end

-- A usage object as it came, with the three sums that OpenAI promises and the counts as OpenAI has them.
function mend.usage(value, flat)
	value.prompt_tokens, value.completion_tokens = flat.prompt, flat.completion
	value.total_tokens = flat.prompt + flat.completion
	if flat.cached > 0 then
		if not chat.is_object(value.prompt_tokens_details) then
			value.prompt_tokens_details = {}
		end
		value.prompt_tokens_details.cached_tokens = flat.cached
	end
	return value
end

-- The error inside a body, if it says one, as a fault: {"error": {…} | "text" | […]}, and the shapes of
-- Mistral, Cloudflare and older vLLM. nil where there is none.
local function of_object(err)
	local fault = {
		code = "UPSTREAM",
		message = faults.text(err.message) or faults.text(err.detail) or faults.text(err.error) or faults.text(err.msg),
		type = type(err.type) == "string" and err.type or nil,
		param = type(err.param) == "string" and err.param or nil,
	}
	local code = given(err.code)
	local status = tonumber(code) or tonumber(given(err.status)) or tonumber(given(err.raw_status_code))
	if status and status >= 400 and status <= 599 then
		fault.status = status
	end
	if type(code) == "string" or (type(code) == "number" and not fault.status) then
		fault.native_code = tostring(code)
	end
	return fault
end

local function first_error(body)
	local err = given(body.error)
	if err ~= nil and err ~= false and err ~= "" then
		return err
	elseif body.choices ~= nil then
		return nil
	end
	err = given(body.errors) or given(body.detail)
	if err then
		return err
	elseif body.object == "error" or type(body.message) == "string" then
		return body
	end
	return nil
end

function mend.error(body)
	local err = type(body) == "table" and body or nil
	if chat.is_array(err) then
		err = err[1]
	end
	err = type(err) == "table" and first_error(err)
	if not err then
		return nil
	end
	if chat.is_array(err) then
		local words = {}
		for _, one in ipairs(err) do
			words[#words + 1] = faults.text(type(one) == "table" and (one.message or one.msg) or one)
		end
		err = #err == 1 and err[1] or table.concat(words, "; ")
	end
	local fault
	if type(err) == "table" then
		fault = of_object(err)
		fault.message = fault.message or faults.excerpt(json.encode(err))
	else
		-- xAI: {"code": "…", "error": "text"}
		local code = body.code
		fault = { code = "UPSTREAM", message = faults.text(err) or "an error without words",
			native_code = type(code) == "string" and code or nil }
	end
	fault.retry_after_ms = faults.wait_in(fault.message)
	if not fault.native_code and faults.is_overflow(fault.message) then
		fault.native_code = "context_length_exceeded"
	end
	return fault
end

return mend
