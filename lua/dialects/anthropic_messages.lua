-- SPDX-License-Identifier: MIT
-- Anthropic's messages, as an upstream: requests are made in anthropic_request.lua, replies and streams are
-- read here. Text of server tools is kept, their calls are the provider's own business. Thoughts come out
-- twice: as reasoning_content to read, and as signed thinking_blocks to send back.

local json = require "mwjson"
local chat = require "chat"
local faults = require "faults"
local mend = require "mend"
local request = require "dialects.anthropic_request"
local usage = require "usage"

local dialect = { name = "anthropic_messages", encode_request = request.encode }

local given, count = chat.given, usage.count

-- ---- what replies and streams share --------------------------------------------------------------------

local REASONS = {
	end_turn = "stop", stop_sequence = "stop", tool_use = "tool_calls", max_tokens = "length",
	model_context_window_exceeded = "length", refusal = "content_filter",
}

-- `called`: is there a call that is for the client to make? Tools that ran at the provider are none.
local function finish_of(word, called)
	local reason = REASONS[word]
	if word == "tool_use" and not called then
		return "stop"
	end
	return reason or "stop", not reason and word or nil
end

local function add_counts(flat, counts)
	local read, written = count(counts.cache_read_input_tokens), count(counts.cache_creation_input_tokens)
	local by_time = type(counts.cache_creation) == "table" and counts.cache_creation or {}
	local hour = math.min(count(by_time.ephemeral_1h_input_tokens), written)
	local details = type(counts.output_tokens_details) == "table" and counts.output_tokens_details or {}
	flat.prompt = flat.prompt + count(counts.input_tokens) + read + written
	flat.cached = flat.cached + read
	flat.cache_write = flat.cache_write + written - hour
	flat.cache_write_1h = flat.cache_write_1h + hour
	flat.completion = flat.completion + count(counts.output_tokens)
	flat.reasoning = flat.reasoning + count(details.thinking_tokens)
end

-- Anthropic counts what was cached beside input_tokens, OpenAI in it. Where the service ran a model several
-- times (`iterations`), each run is paid for.
local function flat_usage(counts)
	local flat = { prompt = 0, cached = 0, cache_write = 0, cache_write_1h = 0, completion = 0, reasoning = 0,
		audio_in = 0, audio_out = 0 }
	local runs = counts.iterations
	if not chat.is_array(runs) or #runs == 0 then
		runs = { counts }
	end
	for _, run in ipairs(runs) do
		if type(run) == "table" then
			add_counts(flat, run)
		end
	end
	return flat
end

local STATUS = {
	invalid_request_error = 400, authentication_error = 401, billing_error = 402, permission_error = 403,
	not_found_error = 404, request_too_large = 413, rate_limit_error = 429, api_error = 500, timeout_error = 504,
	overloaded_error = 529,
}

local function fault_of(body)
	local err = type(body) == "table" and given(body.error)
	if type(err) ~= "table" then
		return nil
	end
	local message, kind = faults.text(err.message), faults.text(err.type)
	return {
		code = "UPSTREAM", type = kind, status = STATUS[kind], message = message or kind or "an error without words",
		native_code = message and faults.is_overflow(message) and "context_length_exceeded" or nil,
		retry_after_ms = message and faults.wait_in(message),
	}
end

function dialect.error_of(status, text)
	local body = json.decode(text)
	local fault = body ~= nil and (fault_of(body) or mend.error(body)) or faults.of_text(status, text)
	fault.status = status >= 400 and status or fault.status
	return fault
end

-- ---- whole replies -------------------------------------------------------------------------------------

local function text_part(value)
	return type(value) == "string" and value or ""
end

local take = {}

function take.text(said, block)
	said.text[#said.text + 1] = text_part(block.text)
	for _, citation in chat.items(given(block.citations)) do
		said.citations[#said.citations + 1] = citation
	end
end

function take.thinking(said, block)
	said.reasoning[#said.reasoning + 1] = text_part(block.thinking)
	said.blocks[#said.blocks + 1] = { type = "thinking", thinking = text_part(block.thinking),
		signature = text_part(block.signature) }
end

function take.redacted_thinking(said, block)
	said.blocks[#said.blocks + 1] = { type = "redacted_thinking", data = block.data }
end

function take.tool_use(said, block)
	local input = type(block.input) == "table" and block.input or json.object()
	if block.name == request.JSON_TOOL then
		said.json = json.encode(input)
		return
	end
	said.calls[#said.calls + 1] = { id = mend.call_id(block.id), type = "function",
		["function"] = { name = text_part(block.name), arguments = json.encode(input) } }
end

local function message_of(said)
	local text = said.json or table.concat(said.text)
	local reasoning = table.concat(said.reasoning)
	return {
		role = "assistant", refusal = json.null,
		content = (said.json or said.text[1]) and text or json.null,
		reasoning_content = reasoning ~= "" and reasoning or nil,
		thinking_blocks = said.blocks[1] and said.blocks or nil,
		tool_calls = said.calls[1] and said.calls or nil,
		provider_specific_fields = said.citations[1] and { citations = said.citations } or nil,
	}
end

function dialect.decode_reply(body)
	local fault = fault_of(body)
	if fault then
		return nil, fault
	elseif not chat.is_object(body) or type(body.content) ~= "table" or body.content == json.null then
		return nil, mend.error(body) or faults.broken("the reply has no content")
	end
	local said = { text = {}, reasoning = {}, blocks = {}, calls = {}, citations = {} }
	for _, block in chat.items(body.content) do
		local add = type(block) == "table" and take[block.type]
		if add then
			add(said, block)
		end
	end
	local reason, native = finish_of(given(body.stop_reason), said.calls[1])
	local flat = type(body.usage) == "table" and flat_usage(body.usage) or nil
	return {
		id = faults.text(body.id), model = faults.text(body.model),
		choices = { { index = 0, message = message_of(said), logprobs = json.null, finish_reason = reason,
			native_finish_reason = native } },
		usage = flat and usage.to_openai(flat),
	}, flat
end

-- ---- streams -------------------------------------------------------------------------------------------

local Decoder = {}
Decoder.__index = Decoder

local NOTHING = {}

function dialect.decoder()
	local text = { kind = "text", index = 0, text = "" }
	local reasoning = { kind = "reasoning", index = 0, text = "" }
	local arguments = { kind = "arguments", index = 0, slot = 0, text = "" }
	return setmetatable({
		text = text, text_only = { text }, -- these are given again and again
		reasoning = reasoning, reasoning_only = { reasoning },
		arguments = arguments, arguments_only = { arguments },
		calls = 0, counts = {}, finished = false,
	}, Decoder)
end

function Decoder:add_usage(counts)
	if type(counts) ~= "table" then
		return nil
	end
	for name, value in pairs(counts) do
		if value ~= json.null then
			self.counts[name] = value
		end
	end
	return { kind = "usage", usage = flat_usage(self.counts) }
end

local on = {}

function on.message_start(self, event)
	local message = type(event.message) == "table" and event.message or NOTHING
	return { { kind = "start", id = faults.text(message.id), model = faults.text(message.model) },
		self:add_usage(message.usage) }
end

local start = {}

function start.text(self, block)
	local text = text_part(block.text)
	if text == "" then
		return NOTHING
	end
	self.text.text = text
	return self.text_only
end

function start.thinking(self, block)
	self.block = { type = "thinking", thinking = { text_part(block.thinking) }, signature = text_part(block.signature) }
	if self.block.thinking[1] == "" then
		return NOTHING
	end
	self.reasoning.text = self.block.thinking[1]
	return self.reasoning_only
end

function start.redacted_thinking(_, block)
	return { { kind = "thinking", index = 0, block = { type = "redacted_thinking", data = block.data } } }
end

function start.tool_use(self, block)
	local whole = type(block.input) == "table" and next(block.input) ~= nil and json.encode(block.input) or ""
	self.block = { type = "tool_use", empty = whole == "", json = block.name == request.JSON_TOOL }
	if self.block.json then
		self.text.text = whole
		return whole ~= "" and self.text_only or NOTHING
	end
	self.block.slot = self.calls
	self.calls = self.calls + 1
	return { { kind = "tool", index = 0, slot = self.block.slot, id = mend.call_id(block.id), name = text_part(block.name),
		arguments = whole } }
end

function on.content_block_start(self, event)
	local block = type(event.content_block) == "table" and event.content_block or NOTHING
	local begin = start[block.type]
	self.block = nil
	return begin and begin(self, block) or NOTHING
end

local delta = {}

function delta.text_delta(self, piece)
	self.text.text = piece.text
	return type(piece.text) == "string" and piece.text ~= "" and self.text_only or NOTHING
end

function delta.thinking_delta(self, piece)
	local text, block = piece.thinking, self.block
	if type(text) ~= "string" or text == "" then
		return NOTHING
	end
	if block and block.type == "thinking" then
		block.thinking[#block.thinking + 1] = text
	end
	self.reasoning.text = text
	return self.reasoning_only
end

function delta.signature_delta(self, piece)
	if self.block and self.block.type == "thinking" then
		self.block.signature = self.block.signature .. text_part(piece.signature)
	end
	return NOTHING
end

function delta.input_json_delta(self, piece)
	local text, block = piece.partial_json, self.block
	if type(text) ~= "string" or text == "" or not block or block.type ~= "tool_use" then
		return NOTHING
	end
	block.empty = false
	if block.json then
		self.text.text = text
		return self.text_only
	end
	self.arguments.slot, self.arguments.text = block.slot, text
	return self.arguments_only
end

function delta.citations_delta(_, piece)
	return { { kind = "extra", index = 0, fields = { provider_specific_fields = { citation = piece.citation } } } }
end

function on.content_block_delta(self, event)
	local piece = event.delta
	local add = type(piece) == "table" and delta[piece.type]
	return add and add(self, piece) or NOTHING
end

function on.content_block_stop(self)
	local block = self.block
	self.block = nil
	if not block then
		return NOTHING
	elseif block.type == "thinking" then
		return { { kind = "thinking", index = 0,
			block = { type = "thinking", thinking = table.concat(block.thinking), signature = block.signature } } }
	elseif not block.empty then
		return NOTHING
	elseif block.json then
		self.text.text = "{}"
		return self.text_only
	end
	self.arguments.slot, self.arguments.text = block.slot, "{}"
	return self.arguments_only
end

function on.message_delta(self, event)
	local out = { self:add_usage(event.usage) }
	local word = type(event.delta) == "table" and given(event.delta.stop_reason)
	if type(word) == "string" then
		self.finished = true
		local reason, native = finish_of(word, self.calls > 0)
		out[#out + 1] = { kind = "finish", index = 0, reason = reason, native = native }
	end
	return out
end

function on.message_stop()
	return { { kind = "end" } }
end

function on.error(_, event)
	return { { kind = "error", fault = fault_of(event) or mend.error(event)
		or faults.broken("the provider reported an error without words") } }
end

function Decoder:event(name, data)
	local event = json.decode(data)
	if not chat.is_object(event) then
		return nil, faults.broken("an event of the stream is no JSON object: " .. faults.excerpt(data:sub(1, 200)))
	end
	local handle = on[event.type or name]
	if handle then
		return handle(self, event)
	elseif event.error ~= nil then
		return on.error(self, event)
	end
	return NOTHING
end

function Decoder:whole()
	return self.finished
end

function Decoder:finish()
	return NOTHING
end

return dialect
