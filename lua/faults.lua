-- SPDX-License-Identifier: MIT
-- Faults: what went wrong, as data. The codes are those of engine/base/errors.def; C adds status and type
-- where a fault has none of its own.

local json = require "mwjson"

local faults = {}

-- The statuses of the codes that lua/ itself uses; anything else here is a fault of the gateway.
local STATUS = { BAD_REQUEST = 400, BAD_JSON = 400, UNSUPPORTED = 400, UPSTREAM = 502, UPSTREAM_BROKEN = 502 }

function faults.new(code, message, param)
	return { code = code, message = message, param = param }
end

-- What came is no answer to what was asked: another attempt may do better.
function faults.broken(message)
	return { code = "UPSTREAM_BROKEN", message = message }
end

-- Parameters that a provider does not have; all of them are named at once. `why` may say of some what of
-- them it does not have.
function faults.unsupported(provider, names, why)
	table.sort(names)
	local said = {}
	for i, name in ipairs(names) do
		said[i] = why and why[name] and ("%s (%s)"):format(name, why[name]) or name
	end
	return {
		code = "UNSUPPORTED",
		param = names[1],
		message = ("%s has no parameter %s. Leave out what it does not have, or set drop_params: true "
			.. "to have it dropped"):format(provider, table.concat(said, ", ")),
	}
end

-- The same for one parameter whose value is the trouble.
function faults.unsupported_value(param, message)
	return { code = "UNSUPPORTED", param = param, message = message }
end

-- A word that is none of those that are known: `allowed` is a list, as text.
function faults.not_allowed(param, word, allowed)
	return faults.new("BAD_REQUEST",
		("%s: found %s, allowed: %s"):format(param, json.quote(faults.excerpt(word)), allowed), param)
end

function faults.missing(param)
	return faults.new("BAD_REQUEST", param .. " is missing", param)
end

function faults.status(fault)
	local status = fault.status or STATUS[fault.code]
	return status and status >= 400 and status <= 599 and status or 500
end

local TYPE = {
	[401] = "authentication_error",
	[403] = "permission_error",
	[408] = "timeout_error",
	[429] = "rate_limit_error",
	[504] = "timeout_error",
}

-- The fault's type in OpenAI's words: the provider's own where there is one.
function faults.type(fault)
	if fault.type then
		return fault.type
	end
	local status = faults.status(fault)
	return TYPE[status] or (status < 500 and "invalid_request_error" or "api_error")
end

-- How the vendors say that the prompt does not fit; clients look for OpenAI's code.
local OVERFLOW = {
	"prompt is too long", "maximum context length", "exceeds the maximum number of tokens",
	"exceed context limit", "context_length_exceeded", "exceed_context_size", "exceeds the context window",
}

function faults.is_overflow(message)
	local text = message:sub(1, 2000):lower()
	for _, words in ipairs(OVERFLOW) do
		if text:find(words, 1, true) then
			return true
		end
	end
	return false
end

local WAIT = { "again in ", "retry in ", "retry after " }

-- How long a message asks to wait ("Please try again in 1m3.8s", "retry after 26 seconds"): ms, or nil.
function faults.wait_in(message)
	local text = message:sub(1, 2000):lower()
	for _, words in ipairs(WAIT) do
		local _, last = text:find(words, 1, true)
		local rest = last and text:sub(last + 1)
		local minutes, tail = (rest or ""):match("^(%d+)m(%d.*)")
		local number, unit = (tail or rest or ""):match("^(%d+%.?%d*)%s*(m?s)")
		if number then
			return math.ceil((minutes or 0) * 60000 + number * (unit == "ms" and 1 or 1000))
		end
	end
	return nil
end

-- At most `most` bytes of a text, cut between characters.
function faults.cut(text, most)
	if #text <= most then
		return text
	end
	local last = most
	while last > most - 4 and last > 0 and text:byte(last + 1) >= 0x80 and text:byte(last + 1) < 0xC0 do
		last = last - 1
	end
	return text:sub(1, last)
end

-- Foreign text on one line, for messages.
function faults.excerpt(text)
	local line = faults.cut(text, 2000):gsub("[%s%c]+", " "):match("^ ?(.-) ?$")
	return #line <= 500 and line or faults.cut(line, 500) .. " …"
end

-- A body that holds no error of a known shape.
function faults.of_text(status, text)
	local words
	if text:find("^%s*$") then
		words = "an empty body"
	elseif text:find("^%s*<") then
		local title = text:match("<[tT][iI][tT][lL][eE]>%s*(.-)%s*</")
		words = "a page of HTML" .. (title and (": " .. faults.excerpt(title)) or "")
	elseif status < 400 then
		words = "no stream of events: " .. faults.excerpt(faults.cut(text, 200))
	else
		words = faults.excerpt(text)
	end
	return { code = "UPSTREAM", status = status, message = words }
end

-- A member that should be text, as text; nil for anything else that is not a plain value.
function faults.text(value)
	local kind = type(value)
	if kind == "string" then
		return value ~= "" and value or nil
	elseif kind == "number" or kind == "boolean" then
		return tostring(value)
	elseif kind == "table" then
		return faults.excerpt(json.encode(value))
	end
	return nil
end

return faults
