-- SPDX-License-Identifier: MIT
-- OpenAI chat completions, from both sides: what clients send and get, and what OpenAI-compatible servers
-- want and answer (mend.lua puts their habits right). As this is the inner form too, there is little to
-- translate; unknown members go through in both directions.

local json = require "mwjson"
local lib = require "mwlib"
local chat = require "chat"
local faults = require "faults"
local mend = require "mend"
local usage = require "usage"

local dialect = { name = "openai_chat" }

local given, quote = chat.given, json.quote

-- ---- requests ------------------------------------------------------------------------------------------

function dialect.decode_request(body)
	return chat.check(body)
end

local function drop(object, names)
	for name in pairs(names) do
		object[name] = nil
	end
end

-- Takes out of messages and tools what other vendors have put there.
local function drop_foreign(body, names)
	for _, message in ipairs(body.messages) do
		drop(message, names)
		for _, part in chat.items(message.content) do
			drop(part, names)
		end
		for _, call in chat.items(message.tool_calls) do
			drop(call, names)
		end
	end
	for _, tool in chat.items(body.tools) do
		drop(tool, names)
		drop(tool["function"] or {}, names)
	end
end

function dialect.encode_request(body, ctx)
	body.model = ctx.model
	drop_foreign(body, ctx.foreign or {})
	if not ctx.stream then
		body.stream, body.stream_options = nil, nil
		return body
	end
	body.stream = true
	if ctx.stream_usage then
		body.stream_options = body.stream_options or {}
		body.stream_options.include_usage = true
	end
	return body
end

-- ---- whole replies -------------------------------------------------------------------------------------

local REPLY = json.order { "id", "object", "created", "model", "choices", "usage" }
local CHOICE = json.order { "index", "message", "logprobs", "finish_reason" }
local MESSAGE = json.order { "role", "content", "reasoning_content", "refusal", "tool_calls" }

local function mended_message(message)
	local content, reasoning = mend.texts(message)
	message.role = "assistant"
	message.content = content or json.null
	message.reasoning_content, message.reasoning = reasoning, nil
	message.tool_calls = mend.calls(message.tool_calls)
	if message.refusal == nil then
		message.refusal = json.null
	end
	return message
end

local function is_empty(message)
	return (message.content == json.null or message.content == "") and not message.tool_calls
		and not message.reasoning_content
end

local function mended_choice(choice, position)
	local message = mended_message(chat.is_object(choice.message) and choice.message or {})
	local word = choice.finish_reason
	if mend.is_broken(word) and is_empty(message) then
		return nil, faults.broken(("the provider broke the answer off (%s)"):format(word))
	end
	local reason, native = mend.finish(word)
	choice.message = message
	choice.index = type(choice.index) == "number" and choice.index or position - 1
	choice.finish_reason = (not reason or native) and message.tool_calls and "tool_calls" or reason or "stop"
	choice.native_finish_reason = choice.native_finish_reason or native
	if choice.logprobs == nil then
		choice.logprobs = json.null
	end
	choice.delta = nil
	return choice
end

function dialect.decode_reply(body, ctx)
	local fault = mend.error(body)
	if fault then
		return nil, fault
	elseif not chat.is_object(body) then
		return nil, faults.broken("the reply is no JSON object")
	elseif not chat.is_array(body.choices) or #body.choices == 0 then
		return nil, faults.broken("the reply has no choices")
	end
	for i, choice in ipairs(body.choices) do
		if not chat.is_object(choice) then
			return nil, faults.broken("a choice of the reply is no object")
		end
		local _, broken = mended_choice(choice, i)
		if broken then
			return nil, broken
		end
	end
	local flat = usage.of_openai(body.usage)
	body.usage = flat and mend.usage(body.usage, flat) or nil
	body.object = "chat.completion"
	body.service_tier = mend.service_tier(body.service_tier)
	body.created = math.floor(tonumber(given(body.created)) or ctx.created or lib.now())
	body.id = type(body.id) == "string" and body.id ~= "" and body.id or nil
	return body, flat
end

function dialect.encode_reply(reply, ctx)
	reply.id = reply.id or ctx.id or "chatcmpl-" .. lib.random_hex(24)
	reply.object = "chat.completion"
	reply.created = reply.created or ctx.created or lib.now()
	reply.model = ctx.client_model or reply.model
	for _, choice in ipairs(reply.choices) do
		setmetatable(setmetatable(choice, CHOICE).message, MESSAGE)
	end
	return setmetatable(reply, REPLY)
end

-- ---- errors --------------------------------------------------------------------------------------------

function dialect.error_of(status, text)
	local body = json.decode(text)
	local fault = body ~= nil and mend.error(body) or faults.of_text(status, text)
	fault.status = status >= 400 and status or fault.status
	return fault
end

local ERROR = json.order { "message", "type", "param", "code" }

-- The error object that OpenAI's clients read; `code` is a string always.
function dialect.encode_error(fault)
	return { error = setmetatable({
		message = fault.message,
		type = faults.type(fault),
		param = fault.param or json.null,
		code = fault.native_code or tostring(faults.status(fault)),
	}, ERROR) }
end

-- No [DONE] after it: nothing has come to its proper end.
function dialect.stream_error(fault)
	return "data: " .. json.encode(dialect.encode_error(fault)) .. "\n\n"
end

-- ---- streams: events in --------------------------------------------------------------------------------

local Decoder = {}
Decoder.__index = Decoder

function dialect.decoder(ctx)
	local text = { kind = "text", index = 0, text = "" }
	local self = setmetatable({
		text = text, text_only = { text }, -- given again and again: one piece of text is the usual event
		choices = {}, order = {}, started = false, ended = false,
	}, Decoder)
	if ctx.sent then
		self:take_over(ctx.sent)
	end
	return self
end

-- The calls that have passed as bytes: their pieces may go on, and the next one has the next place.
function Decoder:take_over(sent)
	local choice = self:choice(0)
	choice.ended = sent.finished
	for i = 1, sent.calls do
		local last = i == sent.calls
		choice.calls[i] = { slot = i - 1, id = last and sent.call_id or "", told = true, empty = last and sent.bare }
		choice.slots[i - 1] = choice.calls[i]
	end
end

function Decoder:choice(index)
	local choice = self.choices[index]
	if not choice then
		choice = { index = index, slots = {}, calls = {}, content = false }
		self.choices[index] = choice
		self.order[#self.order + 1] = choice
	end
	return choice
end

function Decoder:start(out, chunk)
	if self.started then
		return
	end
	self.started = true
	local fields = {
		service_tier = mend.service_tier(chunk.service_tier),
		system_fingerprint = type(chunk.system_fingerprint) == "string" and chunk.system_fingerprint or nil,
	}
	out[#out + 1] = {
		kind = "start", model = type(chunk.model) == "string" and chunk.model or nil, fields = next(fields) and fields or nil,
		id = type(chunk.id) == "string" and chunk.id ~= "" and chunk.id or nil,
		created = tonumber(given(chunk.created)),
	}
end

-- Which call a piece belongs to: by index; where that is missing, or is the same for all, by id; else the last.
local function call_of(choice, piece, called)
	local index, id = piece.index, given(piece.id)
	if id == "" then
		id = nil
	end
	local call
	if type(index) == "number" then
		call = choice.slots[index]
	elseif id then
		call = choice.slots[id]
	elseif given(called.name) == nil then
		call = choice.calls[#choice.calls]
	end
	if call and not (id and call.id and call.id ~= id and given(called.name) ~= nil) then
		return call
	end
	call = { slot = #choice.calls, id = id, empty = true }
	choice.calls[#choice.calls + 1] = call
	choice.slots[type(index) == "number" and index or id or {}] = call
	return call
end

local function tool_piece(out, choice, piece)
	local called = piece["function"]
	if type(called) ~= "table" then
		out[#out + 1] = { kind = "extra", index = choice.index, fields = { tool_calls = json.array { piece } } }
		return
	end
	local call = call_of(choice, piece, called)
	local arguments = mend.arguments(called.arguments)
	call.empty = call.empty and chat.is_blank(arguments)
	if call.told then
		if arguments ~= "" then
			out[#out + 1] = { kind = "arguments", index = choice.index, slot = call.slot, text = arguments }
		end
		return
	end
	call.held = (call.held or "") .. arguments
	if type(called.name) == "string" and called.name ~= "" then
		call.told = true
		out[#out + 1] = { kind = "tool", index = choice.index, slot = call.slot, id = mend.call_id(call.id),
			name = called.name, arguments = call.held }
	end
end

local KNOWN = { role = true, content = true, refusal = true, tool_calls = true, reasoning = true,
	reasoning_content = true, obfuscation = true }

local function extras(out, index, delta)
	local fields
	for name, value in pairs(delta) do
		if not KNOWN[name] and value ~= json.null then
			fields = fields or {}
			fields[name] = value
		end
	end
	if fields then
		out[#out + 1] = { kind = "extra", index = index, fields = fields }
	end
end

local function delta_events(out, choice, delta, logprobs)
	local index, before = choice.index, #out
	local text, reasoning = mend.texts(delta)
	if reasoning and reasoning ~= "" then
		out[#out + 1] = { kind = "reasoning", index = index, text = reasoning }
	end
	if (text and text ~= "") or logprobs then
		out[#out + 1] = { kind = "text", index = index, text = text or "", logprobs = logprobs }
	end
	local refusal = given(delta.refusal)
	if type(refusal) == "string" and refusal ~= "" then
		out[#out + 1] = { kind = "refusal", index = index, text = refusal }
	end
	for _, piece in chat.items(delta.tool_calls) do
		if type(piece) == "table" then
			tool_piece(out, choice, piece)
		end
	end
	extras(out, index, delta)
	choice.content = choice.content or #out > before
end

function Decoder:choice_events(out, given_choice)
	local index = given_choice.index
	local choice = self:choice(type(index) == "number" and index or 0)
	local delta = given_choice.delta
	if chat.is_object(delta) then
		delta_events(out, choice, delta, given(given_choice.logprobs))
	end
	local word = given_choice.finish_reason
	if type(word) == "string" and word ~= "" then
		choice.reason = choice.reason or word
	end
	choice.ended = choice.ended or word == "" -- some servers end a choice so
end

-- The usual chunk: one choice whose delta has nothing but text. True if `self.text` was filled.
function Decoder:only_text(chunk, choices)
	local choice = choices[1]
	local delta = self.started and choices[2] == nil and type(choice) == "table" and choice.delta
	if type(delta) ~= "table" or given(choice.finish_reason) ~= nil or given(choice.logprobs) ~= nil
		or given(chunk.usage) ~= nil or type(choice.index) ~= "number" then
		return false
	end
	local text = delta.content
	if type(text) ~= "string" or text == "" then
		return false
	end
	for name, value in pairs(delta) do
		if name ~= "content" and name ~= "role" and value ~= json.null then
			return false
		end
	end
	self.text.index, self.text.text = choice.index, text
	self:choice(choice.index).content = true
	return true
end

function Decoder:event(name, data)
	if data == "[DONE]" then
		if not self:complete() then
			return nil, faults.broken("the stream says [DONE] but held no finished answer")
		end
		local out = self:finish()
		out[#out + 1] = { kind = "end" }
		return out
	end
	local chunk = json.decode(data)
	if not chat.is_object(chunk) then
		return nil, faults.broken("an event of the stream is no JSON object: " .. faults.excerpt(data:sub(1, 200)))
	end
	local choices = chunk.choices
	if chat.is_array(choices) and self:only_text(chunk, choices) then
		return self.text_only
	end
	local fault = (chunk.error ~= nil or name == "error" or choices == nil) and mend.error(chunk)
	if fault then
		return { { kind = "error", fault = fault } }
	end
	local out = {}
	for _, choice in chat.items(choices) do
		if type(choice) == "table" then
			self:start(out, chunk)
			self:choice_events(out, choice)
		end
	end
	local flat = usage.of_openai(chunk.usage)
	if flat then
		out[#out + 1] = { kind = "usage", usage = flat, raw = mend.usage(chunk.usage, flat) }
	end
	return out
end

-- The answer broke off with nothing in it.
local function is_broken_off(choice)
	return mend.is_broken(choice.reason) and not choice.content
end

function Decoder:whole()
	if self.ended then
		return true
	end
	for _, choice in ipairs(self.order) do
		if not choice.reason or is_broken_off(choice) then
			return false
		end
	end
	return self.order[1] ~= nil
end

local function finish_events(out, choice)
	for _, call in ipairs(choice.calls) do
		if not call.told then
			out[#out + 1] = { kind = "tool", index = choice.index, slot = call.slot, id = mend.call_id(call.id),
				name = "", arguments = call.held or "" }
		end
		if call.empty then
			out[#out + 1] = { kind = "arguments", index = choice.index, slot = call.slot, text = "{}" }
		end
	end
	if is_broken_off(choice) then
		local words = ("the provider broke the answer off (%s)"):format(choice.reason)
		out[#out + 1] = { kind = "error", fault = faults.broken(words) }
		return
	end
	local reason, native = mend.finish(choice.reason)
	if (not reason or native) and choice.calls[1] then
		reason = "tool_calls"
	end
	out[#out + 1] = { kind = "finish", index = choice.index, reason = reason or "stop", native = native }
end

-- At the end mark: has every choice been ended in some way? Servers that were cut short send the mark too.
function Decoder:complete()
	for _, choice in ipairs(self.order) do
		if not choice.reason and not choice.ended then
			return false
		end
	end
	return self.ended or self.order[1] ~= nil
end

-- What was held back until the end is known: the finish of each choice, as servers tell it more than once.
function Decoder:finish()
	local out = {}
	for _, choice in ipairs(self.order) do
		finish_events(out, choice)
	end
	self.order, self.ended = {}, true
	return out
end

-- ---- streams: events out -------------------------------------------------------------------------------

local Encoder = {}
Encoder.__index = Encoder

function dialect.encoder(ctx)
	return setmetatable({
		ctx = ctx, choices = {},
		usage_null = ctx.include_usage and ',"usage":null}\n\n' or "}\n\n",
		tail = '},"finish_reason":null}]' .. (ctx.include_usage and ',"usage":null}\n\n' or "}\n\n"),
	}, Encoder)
end

-- What every chunk of the stream begins with, made once.
function Encoder:begin(e)
	local ctx = self.ctx
	local id = e.id or ctx.id or "chatcmpl-" .. lib.random_hex(24)
	local created = math.floor(e.created or ctx.created or lib.now())
	local model = ctx.client_model or e.model or ctx.model or ""
	local fields = e.fields and json.encode(e.fields):sub(2, -2) .. "," or ""
	self.head = ('data: {"id":%s,"object":"chat.completion.chunk","created":%d,"model":%s,%s"choices":['):format(
		quote(id), created, quote(model), fields)
end

function Encoder:choice(index)
	local choice = self.choices[index]
	if not choice then
		if not self.head then
			self:begin({})
		end
		local head = ('%s{"index":%d,"delta":{'):format(self.head, index)
		-- what passed as bytes was of the first choice
		local sent = index == 0 and self.ctx.sent
		choice = { head = head, text_head = head .. '"content":', started = sent and true or false,
			finished = sent and sent.finished or false }
		self.choices[index] = choice
	end
	return choice
end

function Encoder:delta(index, members, tail)
	local choice = self:choice(index)
	if not choice.started then
		choice.started = true
		members = '"role":"assistant"' .. (members ~= "" and "," or ',"content":""') .. members
	end
	return choice.head .. members .. (tail or self.tail)
end

local emit = {}

function emit.start(self, e)
	if not self.head then
		self:begin(e)
	end
	return ""
end

function emit.text(self, e)
	local choice = self.choices[e.index]
	if choice and choice.started and not e.logprobs then
		return choice.text_head .. quote(e.text) .. self.tail
	end
	local tail
	if e.logprobs then
		tail = '},"logprobs":' .. json.encode(e.logprobs) .. ',"finish_reason":null}]' .. self.usage_null
	end
	return self:delta(e.index, '"content":' .. quote(e.text), tail)
end

function emit.reasoning(self, e)
	return self:delta(e.index, '"reasoning_content":' .. quote(e.text))
end

-- Held until the finish: the official clients join lists in later chunks wrongly, or not at all.
function emit.thinking(self, e)
	local choice = self:choice(e.index)
	choice.blocks = choice.blocks or json.array {}
	choice.blocks[#choice.blocks + 1] = e.block
	return ""
end

function emit.refusal(self, e)
	return self:delta(e.index, '"refusal":' .. quote(e.text))
end

function emit.extra(self, e)
	return self:delta(e.index, json.encode(e.fields):sub(2, -2))
end

-- A signature goes out under both names by which clients know it.
local function signed(signature)
	local text = quote(signature)
	return (',"provider_specific_fields":{"thought_signature":%s},"extra_content":{"google":{"thought_signature":%s}}')
		:format(text, text)
end

function emit.tool(self, e)
	local call = ('{"index":%d,"id":%s,"type":"function","function":{"name":%s,"arguments":%s}%s}'):format(
		e.slot, quote(e.id), quote(e.name), quote(e.arguments or ""), e.signature and signed(e.signature) or "")
	local content = self:choice(e.index).started and "" or '"content":null,'
	return self:delta(e.index, content .. '"tool_calls":[' .. call .. "]")
end

function emit.arguments(self, e)
	return self:delta(e.index,
		('"tool_calls":[{"index":%d,"function":{"arguments":'):format(e.slot) .. quote(e.text) .. "}}]")
end

function emit.finish(self, e)
	local choice = self:choice(e.index)
	if choice.finished then
		return ""
	end
	choice.finished = true
	local native = e.native and ',"native_finish_reason":' .. quote(e.native) or ""
	local thoughts = choice.blocks and self:delta(e.index, '"thinking_blocks":' .. json.encode(choice.blocks)) or ""
	return thoughts .. self:delta(e.index, "", ('},"finish_reason":%s%s}]'):format(quote(e.reason), native) .. self.usage_null)
end

function emit.usage(self, e)
	self.usage = e
	return ""
end

emit["end"] = function() return "" end

function Encoder:event(e)
	return emit[e.kind](self, e)
end

-- After the last event: the usage, if the client asked for it, and the end mark.
function Encoder:finish()
	local last = self.usage
	if not (self.ctx.include_usage and last) then
		return "data: [DONE]\n\n"
	end
	if not self.head then
		self:begin({})
	end
	return self.head .. '],"usage":' .. json.encode(last.raw or usage.to_openai(last.usage)) .. "}\n\ndata: [DONE]\n\n"
end

return dialect
