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

local function vector(row, base64)
	local value = row.embedding
	if type(value) == "string" then
		local bytes = lib.base64_decode(value)
		return bytes and (base64 and value or lib.floats_decode(bytes))
	elseif not chat.is_array(value) then
		return nil
	end
	for _, number in ipairs(value) do
		if type(number) ~= "number" then
			return nil
		end
	end
	return base64 and lib.base64_encode(lib.floats_encode(value)) or value
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
	if flat then
		body.usage = { prompt_tokens = flat.prompt, total_tokens = flat.prompt }
	end
	return body, flat
end

local REPLY = json.order { "object", "data", "model", "usage" }

function dialect.encode_reply(reply, ctx)
	reply.model = ctx.client_model or reply.model
	return setmetatable(reply, REPLY)
end

return dialect
