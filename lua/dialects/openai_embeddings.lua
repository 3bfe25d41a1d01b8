-- SPDX-License-Identifier: MIT
-- OpenAI's embeddings, from both sides: floats or base64 as the client asked, whatever the server gave.

local json = require "mwjson"
local lib = require "mwlib"
local chat = require "chat"
local faults = require "faults"
local mend = require "mend"
local usage = require "usage"
local openai_chat = require "dialects.openai_chat"

local dialect = { name = "openai_embeddings", error_of = openai_chat.error_of }

function dialect.decode_request(body)
	local checked, fault = chat.check_embeddings(body)
	if not checked then
		return nil, fault
	end
	local format = body.encoding_format
	if format and format ~= "float" and format ~= "base64" then
		return nil, faults.new("BAD_REQUEST",
			('encoding_format: found %s, allowed: "float" or "base64"'):format(json.quote(faults.excerpt(format))),
			"encoding_format")
	end
	return body
end

function dialect.encode_request(body, ctx)
	body.model = ctx.model
	return body
end

-- Numbers as they are, those with more digits than a double has as the nearest; nil for what is none.
local function plain(list)
	for i, value in ipairs(list) do
		if type(value) == "userdata" and value ~= json.null then
			value = tonumber(tostring(value))
			list[i] = value
		end
		if type(value) ~= "number" or value - value ~= 0 then
			return nil
		end
	end
	return list
end

-- An embedding as numbers or in base64; nil where there is none.
local function vector(row, base64)
	local value = row.embedding
	local bytes = type(value) == "string" and lib.base64_decode(value)
	local numbers = bytes and lib.floats_decode(bytes) or chat.is_array(value) and value
	numbers = numbers and numbers[1] ~= nil and plain(numbers)
	if not numbers then
		return nil
	end
	return base64 and (bytes and value or lib.base64_encode(lib.floats_encode(numbers))) or numbers
end

-- ctx.base64: the client asked for base64.
function dialect.decode_reply(body, ctx)
	local fault = mend.error(body)
	if fault then
		return nil, fault
	elseif not chat.is_object(body) or not chat.is_array(body.data) or #body.data == 0 then
		return nil, faults.broken("the reply has no embeddings")
	end
	for i, row in ipairs(body.data) do
		local numbers = chat.is_object(row) and vector(row, ctx.base64)
		if not numbers then
			return nil, faults.broken(("embedding %d of the reply cannot be read"):format(i - 1))
		end
		row.object, row.embedding = "embedding", numbers
		row.index = type(row.index) == "number" and row.index or i - 1
	end
	body.object = "list"
	local flat = usage.of_openai(body.usage)
	body.usage = flat and { prompt_tokens = flat.prompt, total_tokens = flat.prompt }
	return body, flat
end

local REPLY = json.order { "object", "data", "model", "usage" }

function dialect.encode_reply(reply, ctx)
	reply.model = ctx.client_model or reply.model
	return setmetatable(reply, REPLY)
end

return dialect
