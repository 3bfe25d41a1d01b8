-- SPDX-License-Identifier: MIT
-- The first file of the runtime state: gives the functions that C calls. README.md has the contract.

local json = require "mwjson"
local chat = require "chat"
local faults = require "faults"
local registry = require "registry"

local runtime = {}
local targets = {} -- index -> {provider=, params=, model=, stream_usage=, foreign=, chat=, embeddings=}

-- ---- settings: at load ---------------------------------------------------------------------------------

local function resolved(spec)
	local provider, prefix, model = registry.resolve(spec.model, chat.given(spec.provider))
	if not provider then
		return nil, prefix, model
	end
	spec.params = chat.given(spec.params) or {}
	spec.prefix, spec.model = prefix, model
	return provider
end

runtime.wildcards = registry.wildcards

-- The provider's row. Where there is a mock_response the demo answers instead, in its own form and without a key.
local function row_of(provider, spec)
	local row, message = provider.prepare(spec)
	if row and chat.given(spec.params.mock_response) then
		row.plays, row.passthrough, row.stream_usage, row.warning = true, true, true, nil
		row.dialect = registry.providers.demo.dialect
	end
	return row, message
end

function runtime.prepare(spec)
	local provider, message, later = resolved(spec)
	if not provider then
		return nil, message, later
	end
	local row
	row, message = row_of(provider, spec)
	if not row then
		return nil, message
	end
	row.provider, row.model = spec.prefix, spec.model
	return row
end

function runtime.add(index, spec)
	local provider = assert(resolved(spec))
	local row = assert(row_of(provider, spec))
	targets[index] = {
		provider = provider, params = spec.params, model = spec.model, stream_usage = row.stream_usage, foreign = row.foreign,
		chat = registry.dialects[row.dialect], embeddings = registry.dialects.openai_embeddings,
	}
end

function runtime.drop(index)
	targets[index] = nil
end

-- ---- one call ------------------------------------------------------------------------------------------

local function client_dialect(kind, opts)
	return registry.dialects[kind == "embeddings" and "openai_embeddings" or opts.dialect or "openai_chat"]
end

-- What a dialect is told: what C says of this call, and what the settings say of the target.
local function context(target, opts)
	opts.params = target.params
	opts.provider = target.provider.name
	opts.stream_usage = target.stream_usage
	opts.foreign = target.foreign
	return opts
end

-- Body members that the settings bring, where the client said nothing.
local function with_defaults(body, params)
	local extra = params.extra
	if type(extra) ~= "table" or not chat.is_object(body) then
		return body
	end
	for name, value in pairs(extra) do
		local said = body[name]
		if name == "max_tokens" or name == "max_completion_tokens" then
			said = chat.given(body.max_tokens) or chat.given(body.max_completion_tokens)
		end
		if chat.given(said) == nil then
			body[name] = value
		end
	end
	return body
end

-- The client's text in the inner form, checked.
local function inner(kind, text, opts, params)
	local body, message = json.decode(text)
	if body == nil then
		return nil, faults.new("BAD_JSON", "the body is not JSON: " .. tostring(message))
	end
	return client_dialect(kind, opts).decode_request(with_defaults(body, params))
end

function runtime.request(index, kind, text, opts)
	local target = targets[index]
	local body, fault = inner(kind, text, opts, target.params)
	if not body then
		return nil, fault
	end
	local out
	out, fault = target[kind].encode_request(body, context(target, opts))
	if not out then
		return nil, fault
	end
	return json.encode(out)
end

function runtime.play(index, kind, text, opts)
	local target = targets[index]
	local body, fault = inner(kind, text, opts, target.params)
	if not body then
		return nil, fault
	end
	local player = target.provider.play and target.provider or registry.providers.demo
	return player.play(kind, body, context(target, opts))
end

-- A body that is no JSON is no answer, whatever its status says.
local function decoded(text)
	if text:find("^%s*$") then
		return nil, faults.broken("the reply is empty")
	end
	local body, message = json.decode(text)
	if body ~= nil then
		return body
	elseif text:find("^%s*<") then
		return nil, faults.broken("the reply is " .. faults.of_text(200, text).message)
	end
	return nil, faults.broken(("the reply is no whole JSON (%s): %s"):format(tostring(message),
		faults.excerpt(text:sub(1, 200))))
end

function runtime.reply(index, kind, text, opts)
	local target = targets[index]
	local body, fault = decoded(text)
	if body == nil then
		return nil, fault
	end
	local ctx = context(target, opts)
	local reply, used = target[kind].decode_reply(body, ctx)
	if not reply then
		return nil, used
	end
	local finish = kind == "chat" and reply.choices[1].finish_reason or nil
	return json.encode(client_dialect(kind, opts).encode_reply(reply, ctx)), used, finish
end

function runtime.failure(index, status, text)
	return targets[index].chat.error_of(status, text)
end

-- ---- one streamed call ---------------------------------------------------------------------------------

local EMPTY, CONTENT, WHOLE = 0, 1, 2
local SILENT = { start = true, usage = true, thinking = true, ["end"] = true }

local Stream = {}
Stream.__index = Stream

-- opts.sent: what the client has of the stream already.
function runtime.open(index, opts)
	local target = targets[index]
	local ctx = context(target, opts)
	return setmetatable({
		source = target.chat.decoder(ctx), sink = client_dialect("chat", opts).encoder(ctx),
		state = opts.sent and CONTENT or EMPTY, finished = opts.sent and opts.sent.finished,
	}, Stream)
end

-- The texts of a list of inner events, joined; nil and a fault if one of them is an error.
function Stream:write(events)
	local out = ""
	for i = 1, #events do
		local e = events[i]
		local kind = e.kind
		if kind == "error" then
			return nil, e.fault
		elseif kind == "usage" then
			self.usage = e.usage
		elseif kind == "end" then
			self.state = WHOLE
		elseif kind == "finish" then
			self.finish_reason = self.finish_reason or e.reason
		end
		if not SILENT[kind] and self.state == EMPTY then
			self.state = CONTENT
		end
		local text = self.sink:event(e)
		out = out == "" and text or out .. text
	end
	return out
end

function Stream:event(name, data)
	local events, fault = self.source:event(name, data)
	if not events then
		return nil, fault
	end
	local before = self.state
	local text
	text, fault = self:write(events)
	if not text then
		return nil, fault
	elseif self.state == WHOLE and before == EMPTY and text == "" then
		return nil, faults.broken("the stream ended without any content")
	end
	return text, self.state
end

function Stream:whole()
	return self.finished or self.state == WHOLE or self.source:whole()
end

-- What is left to say after a proper end.
function Stream:finish()
	local text = self:write(self.source:finish()) or ""
	return text .. self.sink:finish()
end

-- For tests.
runtime.registry = registry

return runtime
