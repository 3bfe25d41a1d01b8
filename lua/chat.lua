-- SPDX-License-Identifier: MIT
-- The one inner form of a chat call, which is OpenAI's: checks that a request has the right types, and helps
-- to take it apart. After chat.check no known member is null but a message's content, so that whoever reads
-- on may write `if body.stop then`.

local json = require "mwjson"
local faults = require "faults"

local chat = {}

local null = json.null

-- The value, or nil for what is absent or null.
function chat.given(value)
	if value == null then
		return nil
	end
	return value
end

function chat.is_array(value)
	return type(value) == "table" and (value[1] ~= nil or json.is_array(value))
end

function chat.is_object(value)
	return type(value) == "table" and value[1] == nil and not json.is_array(value)
end

-- The members of an array that may be absent, null or something else altogether.
function chat.items(value)
	return ipairs(type(value) == "table" and value or {})
end

-- ---- the check ---------------------------------------------------------------------------------------

-- A rule says which kinds of JSON a value may have; for arrays and objects also what is inside: a rule for
-- all items, or a list of {name, rule, required}.
local STRING, NUMBER, BOOLEAN = { string = true }, { number = true }, { boolean = true }
local WHOLE = { whole = true }
local BIG = { whole = true, raw = true } -- kept digit by digit where it is beyond what a double holds
local OBJECT = { object = true }

local function list_of(rule)
	return { array = rule }
end

local function object_of(members)
	return { object = members }
end

local function text_or(rule)
	return { string = true, array = rule.array, object = rule.object }
end

local FUNCTION = object_of {
	{ "name", STRING, true }, { "description", STRING }, { "parameters", OBJECT }, { "strict", BOOLEAN },
}
local PART = object_of {
	{ "type", STRING, true }, { "text", STRING }, { "refusal", STRING },
	{ "image_url", text_or(object_of { { "url", STRING, true }, { "detail", STRING } }) },
	{ "input_audio", object_of { { "data", STRING, true }, { "format", STRING } } },
	{ "file", object_of { { "file_data", STRING }, { "file_id", STRING }, { "filename", STRING } } },
	{ "cache_control", OBJECT },
}
local CALL = object_of {
	{ "id", STRING, true }, { "type", STRING },
	{ "function", object_of { { "name", STRING, true }, { "arguments", STRING } } },
	{ "custom", OBJECT }, { "provider_specific_fields", OBJECT },
	{ "extra_content", object_of { { "google", OBJECT } } },
}
local MESSAGE = object_of {
	{ "role", STRING, true }, { "content", { string = true, array = PART, null = true } }, { "name", STRING },
	{ "tool_calls", list_of(CALL) }, { "tool_call_id", STRING }, { "refusal", STRING },
	{ "reasoning_content", STRING }, { "thinking_blocks", list_of(object_of { { "type", STRING, true } }) },
	{ "provider_specific_fields", OBJECT }, { "cache_control", OBJECT },
}
local NAMED = object_of {
	{ "type", STRING, true }, { "function", object_of { { "name", STRING, true } } },
	{ "allowed_tools", object_of { { "mode", STRING, true }, { "tools", list_of(OBJECT), true } } },
}
local REQUEST = object_of {
	{ "messages", list_of(MESSAGE), true },
	{ "model", STRING }, { "stream", BOOLEAN }, { "stream_options", object_of { { "include_usage", BOOLEAN } } },
	{ "max_tokens", WHOLE }, { "max_completion_tokens", WHOLE }, { "n", WHOLE }, { "seed", BIG },
	{ "temperature", NUMBER }, { "top_p", NUMBER }, { "top_k", WHOLE },
	{ "presence_penalty", NUMBER }, { "frequency_penalty", NUMBER }, { "logit_bias", OBJECT },
	{ "logprobs", BOOLEAN }, { "top_logprobs", WHOLE }, { "stop", text_or(list_of(STRING)) },
	{ "tools", list_of(object_of { { "type", STRING }, { "function", FUNCTION }, { "cache_control", OBJECT } }) },
	{ "tool_choice", text_or(NAMED) }, { "parallel_tool_calls", BOOLEAN },
	{ "response_format", object_of { { "type", STRING, true }, { "json_schema", OBJECT } } },
	{ "reasoning_effort", STRING }, { "verbosity", STRING }, { "user", STRING }, { "safety_identifier", STRING },
	{ "thinking", object_of { { "type", STRING, true }, { "budget_tokens", WHOLE } } },
	{ "metadata", OBJECT }, { "service_tier", STRING }, { "store", BOOLEAN }, { "modalities", list_of(STRING) },
	{ "audio", OBJECT }, { "prediction", OBJECT }, { "web_search_options", OBJECT },
	{ "prompt_cache_key", STRING }, { "cache_control", OBJECT },
}
local EMBEDDINGS = object_of {
	{ "input", { string = true, array = { string = true, whole = true, array = WHOLE } }, true },
	{ "model", STRING }, { "dimensions", WHOLE }, { "encoding_format", STRING }, { "user", STRING },
}

local function kind_of(value)
	local kind = type(value)
	if value == null then
		return "null"
	elseif kind == "table" then
		return (value[1] ~= nil or json.is_array(value)) and "array" or "object"
	elseif kind == "number" then
		return value % 1 == 0 and "whole" or "number"
	elseif kind == "userdata" then
		return "raw" -- a number with more digits than a double has
	end
	return kind
end

local WORDS = {
	{ "string", "a string" }, { "number", "a number" }, { "whole", "a whole number" },
	{ "boolean", "true or false" }, { "array", "an array" }, { "object", "an object" }, { "null", "null" },
}
local FOUND = { number = "the number %s", whole = "the number %s", raw = "the number %s", boolean = "%s" }

local function found(value, kind)
	if FOUND[kind] then
		return FOUND[kind]:format(tostring(value))
	elseif kind == "string" then
		return "the string " .. json.quote(faults.excerpt(value:sub(1, 40)))
	end
	for _, row in ipairs(WORDS) do
		if row[1] == kind then
			return row[2]
		end
	end
end

-- {"messages", 3, "content", 1} -> messages[2].content[0]: counted from 0, as OpenAI's messages do.
local function path_text(path, depth)
	local out = {}
	for i = 1, depth do
		local step = path[i]
		out[i] = type(step) == "number" and ("[%d]"):format(step - 1) or (i > 1 and "." or "") .. step
	end
	return table.concat(out)
end

local function wrong(path, depth, rule, value, kind)
	local allowed = {}
	for _, row in ipairs(WORDS) do
		if rule[row[1]] then
			allowed[#allowed + 1] = row[2]
		end
	end
	local where = depth == 0 and "the body" or path_text(path, depth)
	local param = depth > 0 and where or nil
	return faults.new("BAD_REQUEST",
		("%s: found %s, allowed: %s"):format(where, found(value, kind), table.concat(allowed, " or ")), param)
end

local check

local function check_members(members, object, path, depth)
	for _, member in ipairs(members) do
		local name, rule, required = member[1], member[2], member[3]
		local value = object[name]
		path[depth + 1] = name
		if value == null and not rule.null then
			object[name] = nil
			value = nil
		end
		if type(value) == "userdata" and (rule.number or rule.whole) and not rule.raw then
			local near = tonumber(tostring(value))
			if near > -math.huge and near < math.huge then
				value = near
				object[name] = near
			end
		end
		if value ~= nil then
			local fault = check(rule, value, path, depth + 1)
			if fault then
				return fault
			end
		elseif required then
			return faults.missing(path_text(path, depth + 1))
		end
	end
	return nil
end

function check(rule, value, path, depth)
	local kind = kind_of(value)
	local inside = rule[kind] or (kind == "whole" and rule.number)
	if not inside then
		return wrong(path, depth, rule, value, kind)
	elseif inside == true then
		return nil
	elseif kind == "object" then
		return check_members(inside, value, path, depth)
	end
	for i = 1, #value do
		path[depth + 1] = i
		local fault = check(inside, value[i], path, depth + 1)
		if fault then
			return fault
		end
	end
	return nil
end

-- Checks the types of what is known of a chat request (unknown members, roles and kinds of part are left to
-- whoever encodes it) and removes nulls. Gives the body, or nil and a fault.
function chat.check(body)
	local fault = check(REQUEST, body, {}, 0)
	if fault then
		return nil, fault
	elseif #body.messages == 0 then
		return nil, faults.new("BAD_REQUEST", "messages: found an empty list, needed: at least one message", "messages")
	end
	return body
end

function chat.check_embeddings(body)
	local fault = check(EMBEDDINGS, body, {}, 0)
	if fault then
		return nil, fault
	elseif body.input == "" or #body.input == 0 then
		return nil, faults.new("BAD_REQUEST", "input: found nothing in it, needed: some text", "input")
	end
	for i, item in chat.items(body.input) do
		if type(item) ~= type(body.input[1]) then
			local where = ("input[%d]"):format(i - 1)
			return nil, faults.new("BAD_REQUEST", where .. ": found another kind of item than before", where)
		end
	end
	return body
end

-- ---- taking it apart ---------------------------------------------------------------------------------

-- The text of a content, whatever its form: parts are joined without a separator.
function chat.text_of(content)
	if type(content) == "string" then
		return content
	elseif type(content) ~= "table" then
		return ""
	end
	local out = {}
	for _, part in ipairs(content) do
		local text = type(part) == "string" and part or type(part) == "table" and (part.text or part.refusal)
		if type(text) == "string" then
			out[#out + 1] = text
		end
	end
	return table.concat(out)
end

function chat.is_blank(text)
	return not text:find("%S")
end

-- "data:image/png;base64,…" -> "image/png", "…"; nil for any other address.
function chat.data_url(url)
	if url:sub(1, 5) ~= "data:" then
		return nil
	end
	local comma = url:find(",", 1, true)
	if not comma then
		return nil
	end
	local head = url:sub(6, comma - 1)
	if not head:find(";base64", 1, true) then
		return nil
	end
	return head:match("^([^;]+)") or "application/octet-stream", url:sub(comma + 1)
end

-- The arguments of a call as a table: "" and what is no JSON object give an empty one.
function chat.arguments_of(call)
	local text = call["function"] and call["function"].arguments
	local value = text and text ~= "" and json.decode(text)
	return chat.is_object(value) and value or {}
end

-- The tools that may be called, by tool_choice: what of {type="allowed_tools"} is left, the word for how
-- ("auto", "none", "required" or "named"), and the name where it is one.
function chat.tool_choice(body)
	local choice, tools = body.tool_choice, body.tools or {}
	if type(choice) ~= "table" then
		return tools, choice or "auto"
	elseif choice.type == "allowed_tools" and choice.allowed_tools then
		local allowed, kept = {}, {}
		for _, tool in ipairs(choice.allowed_tools.tools) do
			local name = type(tool["function"]) == "table" and tool["function"].name or tool.name
			allowed[name or false] = true
		end
		for _, tool in ipairs(tools) do
			if tool["function"] and allowed[tool["function"].name] then
				kept[#kept + 1] = tool
			end
		end
		return kept, choice.allowed_tools.mode
	end
	return tools, "named", choice["function"] and choice["function"].name
end

-- ---- words, checked ----------------------------------------------------------------------------------

function chat.role_fault(position, role)
	return faults.not_allowed(("messages[%d].role"):format(position - 1), role,
		'"system", "developer", "user", "assistant" or "tool"')
end

-- "json_object" or "json_schema" with its schema; nil where text is asked for; nil and a fault.
function chat.format_of(body)
	local format = body.response_format
	if not format or format.type == "text" then
		return nil
	elseif format.type ~= "json_schema" and format.type ~= "json_object" then
		return nil, faults.not_allowed("response_format.type", format.type, '"text", "json_object" or "json_schema"')
	end
	local wanted = format.json_schema and chat.given(format.json_schema.schema)
	if format.type == "json_schema" and chat.is_object(wanted) then
		return "json_schema", wanted
	end
	return "json_object"
end

local EFFORTS = { none = true, minimal = true, low = true, medium = true, high = true, xhigh = true, max = true }

-- A fault where reasoning_effort is no known word.
function chat.effort_fault(effort)
	if not effort or EFFORTS[effort] then
		return nil
	end
	return faults.not_allowed("reasoning_effort", effort,
		'"none", "minimal", "low", "medium", "high", "xhigh" or "max"')
end

function chat.choice_fault(word)
	if word == "named" then
		return faults.missing("tool_choice.function")
	end
	return faults.not_allowed("tool_choice", word, '"auto", "none", "required" or a function')
end

-- The most tokens of an answer, by its new or its old name.
function chat.max_tokens(body)
	return body.max_completion_tokens or body.max_tokens
end

-- ---- names of parameters -------------------------------------------------------------------------------

-- What speaks to the gateway and not to a provider: never sent on, never refused.
chat.GATEWAY = {
	metadata = true, tags = true, litellm_metadata = true, litellm_call_id = true, litellm_trace_id = true,
	litellm_session_id = true, fallbacks = true, context_window_fallbacks = true, content_policy_fallbacks = true,
	disable_fallbacks = true, num_retries = true, timeout = true, stream_timeout = true, cache = true, caching = true,
	guardrails = true, mock_response = true, mock_testing_fallbacks = true, priority = true, drop_params = true,
	additional_drop_params = true, allowed_openai_params = true, ["no-log"] = true, demo = true,
}

-- Hints of OpenAI's that change no answer where they are unknown.
chat.HINTS = {
	store = true, prompt_cache_key = true, prompt_cache_retention = true, prediction = true, safety_identifier = true,
	user = true, stream_options = true,
}

-- Values that ask for nothing: what is the default anyway may be sent to anyone.
local function is_default(name, value)
	if name == "n" then
		return value == 1
	elseif name == "logprobs" or name == "store" then
		return value == false
	elseif name == "top_logprobs" or name == "presence_penalty" or name == "frequency_penalty" then
		return value == 0
	elseif name == "logit_bias" then
		return next(value) == nil
	elseif name == "modalities" then
		return #value == 1 and value[1] == "text"
	elseif name == "parallel_tool_calls" then
		return value == true
	elseif name == "service_tier" then
		return value == "auto" or value == "default"
	elseif name == "verbosity" then
		return value == "medium"
	end
	return false
end

-- The members of `body` that are in none of what is known: all their names, as a list (maybe empty).
function chat.unknown(body, known)
	local names = {}
	for name, value in pairs(body) do
		if not known[name] and not chat.GATEWAY[name] and not chat.HINTS[name] and value ~= null
			and not is_default(name, value) then
			names[#names + 1] = name
		end
	end
	return names
end

return chat
