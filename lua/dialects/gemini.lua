-- SPDX-License-Identifier: MIT
-- Google's generateContent, as an upstream: requests are made in gemini_request.lua, replies and streams are
-- read here. Each event of a stream has the form of a whole reply. Gemini has no end mark: a clean close
-- after a finish reason is the end, so the finish is held back until then (older models send it with every
-- event).

local json = require "mwjson"
local lib = require "mwlib"
local chat = require "chat"
local faults = require "faults"
local mend = require "mend"
local request = require "dialects.gemini_request"
local usage = require "usage"

local dialect = { name = "gemini", encode_request = request.encode }

local given, count = chat.given, usage.count

-- ---- what replies and streams share --------------------------------------------------------------------

local REASONS = { STOP = "stop", MAX_TOKENS = "length" }
for word in ([[SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT
	IMAGE_RECITATION MODEL_ARMOR JAILBREAK]]):gmatch("%S+") do
	REASONS[word] = "content_filter"
end
-- Some endpoints tell the first few by number.
local NUMBERED = { "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER" }

local function word_of(reason)
	reason = given(reason)
	return reason ~= "FINISH_REASON_UNSPECIFIED" and faults.text(NUMBERED[reason] or reason) or nil
end

-- A word that is none of Gemini's two good ones is kept as native_finish_reason.
local function finish_of(word, called)
	local reason = REASONS[word] or "stop"
	if reason == "stop" and called then
		reason = "tool_calls"
	end
	return reason, word ~= "STOP" and word ~= "MAX_TOKENS" and word or nil
end

-- An answer went wrong that says nothing and ends for none of the known reasons (MALFORMED_FUNCTION_CALL, OTHER,
-- NO_IMAGE …): it is none.
local function broken_off(word, message)
	local words = faults.text(given(message))
	words = words and ": " .. faults.excerpt(words) or ""
	return faults.broken(("the provider broke the answer off (%s)%s"):format(word or "no reason", words))
end

local function audio_tokens(details)
	local sum = 0
	for _, row in chat.items(given(details)) do
		if type(row) == "table" and row.modality == "AUDIO" then
			sum = sum + count(row.tokenCount)
		end
	end
	return sum
end

-- Gemini counts thoughts beside the candidates, OpenAI in the completion. Audio that came from the cache costs as
-- what is cached, not as audio.
local function fill_usage(flat, counts)
	local written, thought = count(counts.candidatesTokenCount), count(counts.thoughtsTokenCount)
	flat.prompt = count(counts.promptTokenCount) + count(counts.toolUsePromptTokenCount)
	flat.cached = count(counts.cachedContentTokenCount)
	flat.completion = written + thought
	flat.reasoning = thought
	flat.audio_in, flat.audio_out = 0, 0
	if counts.promptTokensDetails or counts.candidatesTokensDetails then
		flat.audio_in = math.max(0, audio_tokens(counts.promptTokensDetails) - audio_tokens(counts.cacheTokensDetails))
		flat.audio_out = audio_tokens(counts.candidatesTokensDetails)
	end
	return flat
end

local function new_usage()
	return { prompt = 0, cached = 0, cache_write = 0, cache_write_1h = 0, completion = 0, reasoning = 0, audio_in = 0,
		audio_out = 0 }
end

-- Seconds of google.rpc.RetryInfo ("48s", "1.5s"), in ms.
local function retry_of(err)
	for _, detail in chat.items(given(err.details)) do
		local delay = type(detail) == "table" and detail.retryDelay
		local seconds = type(delay) == "string" and tonumber(delay:match("^(%d+%.?%d*)s$"))
		if seconds then
			return math.ceil(seconds * 1000)
		end
	end
	return nil
end

-- OpenAI's code for what Google tells with status 400 and in the details.
local function code_of(err, message)
	for _, detail in chat.items(given(err.details)) do
		if type(detail) == "table" and detail.reason == "API_KEY_INVALID" then
			return "invalid_api_key"
		end
	end
	return message and faults.is_overflow(message) and "context_length_exceeded" or nil
end

local function fault_of(body)
	if chat.is_array(body) then
		body = body[1] -- streams that are not asked for as SSE fail with an array
	end
	local err = type(body) == "table" and given(body.error)
	if type(err) ~= "table" then
		return nil
	end
	local message, kind = faults.text(err.message), faults.text(err.status)
	local status = tonumber(given(err.code))
	return {
		code = "UPSTREAM", type = kind, message = message or kind or "an error without words",
		status = status and status >= 400 and status <= 599 and status or nil,
		native_code = code_of(err, message),
		retry_after_ms = retry_of(err) or (message and faults.wait_in(message)) or nil,
	}
end

function dialect.error_of(status, text)
	local body = json.decode(text)
	local fault = body ~= nil and (fault_of(body) or mend.error(body)) or faults.of_text(status, text)
	fault.status = status >= 400 and status or fault.status
	return fault
end

local function bytes_of(token)
	local out = json.array {}
	for i = 1, math.min(#token, 100) do
		out[i] = token:byte(i)
	end
	return out
end

local function token_of(row)
	local token = type(row) == "table" and type(row.token) == "string" and row.token or ""
	return { token = token, bytes = bytes_of(token),
		logprob = type(row) == "table" and type(row.logProbability) == "number" and row.logProbability or -9999 }
end

local function logprobs_of(result)
	if type(result) ~= "table" or type(result.chosenCandidates) ~= "table" then
		return nil
	end
	local tops, content = type(result.topCandidates) == "table" and result.topCandidates or {}, json.array {}
	for i, chosen in chat.items(result.chosenCandidates) do
		local row, list = token_of(chosen), json.array {}
		for _, other in chat.items(type(tops[i]) == "table" and given(tops[i].candidates)) do
			list[#list + 1] = token_of(other)
		end
		row.top_logprobs = list
		content[#content + 1] = row
	end
	return { content = content, refusal = json.null }
end

local function arguments_of(called)
	return type(called.args) == "table" and next(called.args) ~= nil and json.encode(called.args) or "{}"
end

local function name_of(called)
	return type(called.name) == "string" and called.name or ""
end

-- Signatures of what Google's own tools did are of no use without those parts, which no client keeps.
local function signature_of(part)
	if part.toolCall ~= nil or part.toolResponse ~= nil or part.executableCode ~= nil then
		return nil
	end
	return type(part.thoughtSignature) == "string" and part.thoughtSignature ~= "" and part.thoughtSignature or nil
end

-- Bytes that a part holds inline, as text in base64, and their type.
local function blob_of(part)
	local blob = part.inlineData
	return type(blob.data) == "string" and blob.data or "",
		type(blob.mimeType) == "string" and blob.mimeType or "application/octet-stream"
end

local function image_of(data, mime)
	return { type = "image_url", image_url = { url = ("data:%s;base64,%s"):format(mime, data) } }
end

-- Sound in OpenAI's form. Google keeps none, so nobody can ask for it again.
local function audio_of(data)
	return { id = "audio_" .. lib.random_hex(24), data = data, expires_at = lib.now(), transcript = "" }
end

local function is_sound(mime)
	return mime:find("^audio/") ~= nil
end

local function parts_of(candidate)
	local content = candidate.content
	local parts = type(content) == "table" and content.parts
	return type(parts) == "table" and parts or {}
end

-- What else a candidate tells, and what Google's own tools did, under names that LiteLLM's users know.
local NOTES = { groundingMetadata = "grounding_metadata", citationMetadata = "citation_metadata",
	urlContextMetadata = "url_context_metadata" }
local DEEDS = { executableCode = "code_execution", codeExecutionResult = "code_execution",
	toolCall = "server_side_tool_invocations", toolResponse = "server_side_tool_invocations" }

local function has_notes(candidate)
	return candidate.groundingMetadata ~= nil or candidate.citationMetadata ~= nil
		or candidate.urlContextMetadata ~= nil
end

local function notes_of(candidate)
	local notes = {}
	for name, key in pairs(NOTES) do
		if type(candidate[name]) == "table" and next(candidate[name]) ~= nil then
			notes[key] = candidate[name]
		end
	end
	for _, part in ipairs(parts_of(candidate)) do
		for name, key in pairs(DEEDS) do
			if type(part) == "table" and type(part[name]) == "table" then
				notes[key] = notes[key] or json.array {}
				table.insert(notes[key], part)
			end
		end
	end
	return next(notes) ~= nil and notes or nil
end

local function block_reason(body)
	local feedback = given(body.promptFeedback)
	return type(feedback) == "table" and faults.text(given(feedback.blockReason)) or nil
end

-- ---- whole replies -------------------------------------------------------------------------------------

local function add_call(said, part)
	local called, signature = part.functionCall, signature_of(part)
	local call = { id = mend.call_id(called.id), type = "function",
		["function"] = { name = name_of(called), arguments = arguments_of(called) } }
	if signature then
		call.provider_specific_fields = { thought_signature = signature }
		call.extra_content = { google = { thought_signature = signature } }
	end
	said.calls[#said.calls + 1] = call
end

local function add_part(said, part)
	if type(part.functionCall) == "table" then
		add_call(said, part)
		return
	end
	said.signature = signature_of(part) or said.signature
	if type(part.text) == "string" then
		local list = part.thought == true and said.reasoning or said.text
		list[#list + 1] = part.text
	elseif type(part.inlineData) == "table" then
		local data, mime = blob_of(part)
		if is_sound(mime) then
			said.sound[#said.sound + 1] = lib.base64_decode(data)
		else
			said.images[#said.images + 1] = image_of(data, mime)
		end
	end
end

local function choice_of(candidate, position)
	local said = { text = {}, reasoning = {}, calls = {}, images = {}, sound = {} }
	for _, part in ipairs(parts_of(candidate)) do
		if type(part) == "table" then
			add_part(said, part)
		end
	end
	local text, reasoning = table.concat(said.text), table.concat(said.reasoning)
	local word = word_of(candidate.finishReason)
	local other = said.calls[1] or said.images[1] or said.sound[1]
	if not REASONS[word] and text == "" and not other then
		return nil, broken_off(word, candidate.finishMessage)
	end
	local reason, native = finish_of(word, said.calls[1])
	local fields = notes_of(candidate)
	if said.signature then
		fields = fields or {}
		fields.thought_signature = said.signature
	end
	return {
		index = type(candidate.index) == "number" and candidate.index or position - 1,
		finish_reason = reason, native_finish_reason = native,
		logprobs = logprobs_of(given(candidate.logprobsResult)) or json.null,
		message = {
			role = "assistant", refusal = json.null, provider_specific_fields = fields,
			content = (text ~= "" or not other) and text or json.null,
			reasoning_content = reasoning ~= "" and reasoning or nil,
			tool_calls = said.calls[1] and said.calls or nil, images = said.images[1] and said.images or nil,
			audio = said.sound[1] and audio_of(lib.base64_encode(table.concat(said.sound))) or nil,
		},
	}
end

local function blocked_choice(word)
	return { index = 0, finish_reason = "content_filter", native_finish_reason = word, logprobs = json.null,
		message = { role = "assistant", content = "", refusal = json.null } }
end

-- A stream that came as one array of JSON (not as events) is one reply: the parts in order, the last word
-- on everything else.
local function merged(list)
	local out = { candidates = json.array {} }
	for _, reply in ipairs(list) do
		for name, value in pairs(chat.is_object(reply) and reply or {}) do
			if name ~= "candidates" then
				out[name] = value
			end
		end
		for i, candidate in chat.items(chat.is_object(reply) and given(reply.candidates)) do
			if type(candidate) == "table" then
				local index = type(candidate.index) == "number" and candidate.index + 1 or i
				local sum = out.candidates[index] or { index = index - 1, content = { parts = json.array {} } }
				for _, part in ipairs(parts_of(candidate)) do
					sum.content.parts[#sum.content.parts + 1] = part
				end
				sum.finishReason = given(candidate.finishReason) or sum.finishReason
				sum.finishMessage = given(candidate.finishMessage) or sum.finishMessage
				out.candidates[index] = sum
			end
		end
	end
	return out
end

function dialect.decode_reply(body)
	local fault = fault_of(body)
	if not fault and chat.is_array(body) then
		body = merged(body)
	end
	if fault then
		return nil, fault
	elseif not chat.is_object(body) then
		return nil, mend.error(body) or faults.broken("the reply is no JSON object")
	end
	local choices = {}
	for i, candidate in chat.items(given(body.candidates)) do
		if type(candidate) == "table" then
			local choice, broken = choice_of(candidate, i)
			if not choice then
				return nil, broken
			end
			choices[#choices + 1] = choice
		end
	end
	if not choices[1] then
		local word = block_reason(body)
		if not word then
			return nil, mend.error(body) or faults.broken("the reply has no candidates")
		end
		choices[1] = blocked_choice(word)
	end
	local counts = given(body.usageMetadata)
	local flat = type(counts) == "table" and fill_usage(new_usage(), counts) or nil
	return { id = faults.text(given(body.responseId)), model = faults.text(given(body.modelVersion)), choices = choices,
		usage = flat and usage.to_openai(flat) }, flat
end

-- ---- streams -------------------------------------------------------------------------------------------

local Decoder = {}
Decoder.__index = Decoder

function dialect.decoder()
	local text = { kind = "text", index = 0, text = "" }
	local counts = { kind = "usage", usage = new_usage() }
	return setmetatable({
		text = text, counts = counts, usual = { text, counts }, -- given again and again
		candidates = {}, order = {}, started = false,
	}, Decoder)
end

function Decoder:candidate(index)
	local known = self.candidates[index]
	if not known then
		known = { index = index, calls = 0, content = false }
		self.candidates[index] = known
		self.order[#self.order + 1] = known
	end
	return known
end

-- The usual event: one candidate that says one piece of text, and the counts. True if `self.usual` holds it.
function Decoder:is_usual(reply)
	local candidate = type(reply.candidates) == "table" and reply.candidates[1]
	if not self.started or type(candidate) ~= "table" or reply.candidates[2] ~= nil
		or given(candidate.finishReason) ~= nil or candidate.logprobsResult ~= nil or has_notes(candidate) then
		return false
	end
	local parts = parts_of(candidate)
	local part = parts[1]
	if type(part) ~= "table" or parts[2] ~= nil or type(part.text) ~= "string" or part.text == ""
		or part.thought == true or part.thoughtSignature ~= nil or type(reply.usageMetadata) ~= "table" then
		return false
	end
	local index = type(candidate.index) == "number" and candidate.index or 0
	self:candidate(index).content = true
	self.text.index, self.text.text = index, part.text
	fill_usage(self.counts.usage, reply.usageMetadata)
	return true
end

local function tool_event(known, part)
	known.calls = known.calls + 1
	return { kind = "tool", index = known.index, slot = known.calls - 1, id = mend.call_id(part.functionCall.id),
		name = name_of(part.functionCall), arguments = arguments_of(part.functionCall), signature = signature_of(part) }
end

local function extra_event(known, fields)
	return { kind = "extra", index = known.index, fields = fields }
end

-- A piece of audio is a part of the one sound of its choice.
local function blob_event(known, part)
	local data, mime = blob_of(part)
	if not is_sound(mime) then
		return extra_event(known, { images = json.array { image_of(data, mime) } })
	end
	local sound = audio_of(data)
	known.sound = known.sound or sound.id
	sound.id = known.sound
	return extra_event(known, { audio = sound })
end

local function part_events(out, known, part)
	if type(part.functionCall) == "table" then
		out[#out + 1], known.content = tool_event(known, part), true
		return
	elseif type(part.text) == "string" and part.text ~= "" then
		local thought = part.thought == true
		out[#out + 1] = { kind = thought and "reasoning" or "text", index = known.index, text = part.text }
		known.content = known.content or not thought
	elseif type(part.inlineData) == "table" then
		out[#out + 1], known.content = blob_event(known, part), true
	end
	local signature = signature_of(part)
	if signature then
		out[#out + 1] = extra_event(known, { provider_specific_fields = { thought_signature = signature } })
	end
end

-- The candidate's text carries the log probabilities; where there is none, an empty one does.
local function add_logprobs(out, first, index, logprobs)
	for i = first, #out do
		if out[i].kind == "text" then
			out[i].logprobs = logprobs
			return
		end
	end
	out[#out + 1] = { kind = "text", index = index, text = "", logprobs = logprobs }
end

local function candidate_events(out, known, candidate)
	local first = #out + 1
	for _, part in ipairs(parts_of(candidate)) do
		if type(part) == "table" then
			part_events(out, known, part)
		end
	end
	local logprobs = logprobs_of(given(candidate.logprobsResult))
	if logprobs then
		add_logprobs(out, first, known.index, logprobs)
	end
	local notes = notes_of(candidate)
	if notes then
		out[#out + 1] = extra_event(known, { provider_specific_fields = notes })
	end
	known.reason = word_of(candidate.finishReason) or known.reason
	if known.reason and not REASONS[known.reason] and not known.content then
		out[#out + 1] = { kind = "error", fault = broken_off(known.reason, candidate.finishMessage) }
	end
end

function Decoder:event(_, data)
	local reply = json.decode(data)
	if type(reply) == "table" and self:is_usual(reply) then
		return self.usual
	end
	local fault = fault_of(reply) or (type(reply) == "table" and reply.candidates == nil and mend.error(reply))
	if fault then
		return { { kind = "error", fault = fault } }
	elseif not chat.is_object(reply) then
		return nil, faults.broken("an event of the stream is no JSON object: " .. faults.excerpt(data:sub(1, 200)))
	end
	local out = {}
	if not self.started then
		self.started = true
		out[1] = { kind = "start", id = faults.text(given(reply.responseId)), model = faults.text(given(reply.modelVersion)) }
	end
	for i, candidate in chat.items(given(reply.candidates)) do
		if type(candidate) == "table" then
			local index = type(candidate.index) == "number" and candidate.index or i - 1
			candidate_events(out, self:candidate(index), candidate)
		end
	end
	local word = block_reason(reply)
	if word then
		self:candidate(0).blocked = word
	end
	if type(reply.usageMetadata) == "table" then
		fill_usage(self.counts.usage, reply.usageMetadata)
		out[#out + 1] = self.counts
	end
	return out
end

function Decoder:whole()
	if self.done then
		return true
	end
	for _, known in ipairs(self.order) do
		if not (known.reason or known.blocked) then
			return false
		end
	end
	return self.order[1] ~= nil
end

function Decoder:finish()
	local out = {}
	for _, known in ipairs(self.order) do
		if known.blocked and not known.reason then
			out[#out + 1] = { kind = "finish", index = known.index, reason = "content_filter", native = known.blocked }
		else
			local reason, native = finish_of(known.reason, known.calls > 0)
			out[#out + 1] = { kind = "finish", index = known.index, reason = reason, native = native }
		end
	end
	self.order, self.done = {}, true
	return out
end

return dialect
