-- SPDX-License-Identifier: MIT
-- JSON Schemas as people write them, brought into what a provider takes, or answered with an example. All
-- functions survive any JSON: recursion through $ref is bounded by a budget of nodes.

local json = require "mwjson"
local chat = require "chat"

local schema = {}

local MOST_NODES, MOST_DEPTH = 2000, 48

local given, is_object, is_array = chat.given, chat.is_object, chat.is_array

-- The names of an object's members: as they were written where that is known, else sorted.
local function names_of(object)
	local names, seen = {}, {}
	for _, name in ipairs(getmetatable(object) or {}) do
		if object[name] ~= nil then
			names[#names + 1], seen[name] = name, true
		end
	end
	local rest = {}
	for name in pairs(object) do
		if not seen[name] then
			rest[#rest + 1] = name
		end
	end
	table.sort(rest)
	for _, name in ipairs(rest) do
		names[#names + 1] = name
	end
	return names
end

-- What "#/$defs/x" stands for; nil for what is elsewhere or not there.
local function referred(root, ref)
	if type(ref) ~= "string" or ref:sub(1, 1) ~= "#" then
		return nil
	end
	local node = root
	for step in ref:sub(2):gmatch("[^/]+") do
		step = step:gsub("~1", "/"):gsub("~0", "~")
		node = type(node) == "table" and (node[step] or node[(tonumber(step) or -1) + 1]) or nil
	end
	return is_object(node) and node or nil
end

-- A node without $ref and allOf: their members are put into a copy. What the node says itself wins.
local function flattened(node, root, depth)
	local ref, all = given(node["$ref"]), given(node.allOf)
	if depth > MOST_DEPTH or not (ref or is_array(all)) then
		return node
	end
	local parts, out = { node, referred(root, ref) }, {}
	for _, part in chat.items(all) do
		parts[#parts + 1] = is_object(part) and part or nil
	end
	for i, part in ipairs(parts) do
		part = i > 1 and flattened(part, root, depth + 1) or part
		for name, value in pairs(part) do
			if name == "properties" and is_object(value) and is_object(out.properties) then
				for key, inner in pairs(value) do
					out.properties[key] = out.properties[key] or inner
				end
			elseif name == "required" and is_array(value) and is_array(out.required) then
				for _, key in ipairs(value) do
					out.required[#out.required + 1] = key
				end
			elseif name == "properties" and is_object(value) then
				out.properties = setmetatable({}, getmetatable(value))
				for key, inner in pairs(value) do
					out.properties[key] = inner
				end
			elseif name == "required" and is_array(value) then
				out.required = json.array { unpack(value, 1, math.min(#value, 1000)) }
			elseif out[name] == nil and name ~= "$ref" and name ~= "allOf" then
				out[name] = value
			end
		end
	end
	return out
end

-- The type, "null" apart: a list of types gives its first other one. Also whether null is allowed.
local function type_of(node)
	local kind, nullable = given(node.type), node.nullable == true
	if is_array(kind) then
		local first
		for _, one in ipairs(kind) do
			if one == "null" then
				nullable = true
			else
				first = first or one
			end
		end
		kind = first or "null"
	end
	if type(kind) ~= "string" then
		kind = is_object(given(node.properties)) and "object" or given(node.items) ~= nil and "array" or nil
	end
	return kind and kind:lower(), nullable
end

-- ---- an example ----------------------------------------------------------------------------------------

local FORMATS = {
	date = "2026-01-01", ["date-time"] = "2026-01-01T12:00:00Z", time = "12:00:00Z", email = "ada@example.com",
	uri = "https://example.com/", uuid = "00000000-0000-4000-8000-000000000000", ipv4 = "127.0.0.1", ipv6 = "::1",
	hostname = "example.com", duration = "P1D",
}
local BY_NAME = { city = "Paris", location = "Paris", place = "Paris", country = "France", name = "Ada",
	unit = "celsius", language = "en", currency = "EUR", date = "2026-01-01" }
local MOST_ITEMS, MOST_LETTERS = 100, 10000

local example

local function number_for(node, whole)
	local function limit(name)
		return type(node[name]) == "number" and node[name] or nil
	end
	local low, high = limit("minimum"), limit("maximum")
	local above, below = limit("exclusiveMinimum"), limit("exclusiveMaximum")
	local step = limit("multipleOf") or (whole and 1) or nil
	local value = low or (above and above + (step or 1)) or (high and math.min(high, 1))
		or (below and math.min(below - (step or 1), 1)) or 1
	if step and step > 0 then
		value = math.ceil(value / step) * step
	end
	return value == value and math.abs(value) < 2 ^ 53 and value or 1
end

local function string_for(node, said, name)
	local text = FORMATS[given(node.format) or ""] or (name and BY_NAME[name:lower()])
		or (name and (name == "query" or name == "text" or name == "question") and said ~= "" and said) or "example"
	local least, most = tonumber(given(node.minLength)) or 0, tonumber(given(node.maxLength)) or MOST_LETTERS
	if #text < least then
		text = text .. ("x"):rep(math.min(least, MOST_LETTERS) - #text)
	end
	return #text > most and text:sub(1, math.max(most, 0)) or text
end

local function object_for(node, state, depth)
	local out, required = {}, {}
	local properties = is_object(given(node.properties)) and node.properties or {}
	for _, name in chat.items(given(node.required)) do
		required[name] = true
	end
	local all, order = next(required) == nil and depth < 4, {}
	for _, name in ipairs(names_of(properties)) do
		if required[name] or all then
			order[#order + 1] = name
			out[name] = example(properties[name], state, depth + 1, name)
			required[name] = nil
		end
	end
	for name in pairs(required) do
		if type(name) == "string" then
			out[name] = "example"
		end
	end
	return setmetatable(out, json.order(order))
end

local function array_for(node, state, depth)
	local out = json.array {}
	local most = tonumber(given(node.maxItems)) or MOST_ITEMS
	local count = math.max(math.min(tonumber(given(node.minItems)) or 1, MOST_ITEMS, most), 0)
	local first = is_array(given(node.prefixItems)) and node.prefixItems or {}
	for i = 1, math.max(count, math.min(#first, MOST_ITEMS)) do
		out[i] = example(first[i] or given(node.items) or {}, state, depth + 1)
	end
	return out
end

function example(node, state, depth, name)
	state.left = state.left - 1
	if not is_object(node) then
		return "example"
	elseif state.left < 0 or depth > MOST_DEPTH then
		return json.null
	end
	node = flattened(node, state.root, 0)
	if node.const ~= nil then
		return node.const
	end
	for _, source in ipairs { "enum", "examples" } do
		if is_array(node[source]) and node[source][1] ~= nil then
			return node[source][1]
		end
	end
	local choices = is_array(node.anyOf) and node.anyOf or is_array(node.oneOf) and node.oneOf
	if choices and is_object(choices[1]) and not is_object(given(node.properties)) then
		local first = type_of(choices[1]) == "null" and choices[2] or choices[1]
		return example(first, state, depth + 1, name)
	end
	local kind = type_of(node)
	if kind == "object" then
		return object_for(node, state, depth)
	elseif kind == "array" then
		return array_for(node, state, depth)
	elseif kind == "integer" or kind == "number" then
		return number_for(node, kind == "integer")
	elseif kind == "boolean" then
		return true
	elseif kind == "null" then
		return json.null
	end
	return string_for(node, state.said, name)
end

-- A small value that is valid by the schema (its patterns apart); `said` may serve as text.
function schema.instance(node, said)
	return example(node, { root = node, left = MOST_NODES, said = said or "" }, 0)
end

-- ---- for Anthropic -------------------------------------------------------------------------------------

-- What constrained decoding knows. Anything else goes into the description, for the model to read.
local KNOWN = {}
for name in ([[$ref $defs definitions type title description enum const default anyOf allOf properties required
	additionalProperties items minItems format]]):gmatch("%S+") do
	KNOWN[name] = true
end
local NOTES = { ["$schema"] = true, ["$id"] = true, ["$comment"] = true } -- of no use to a model
local STRING_FORMATS = { ["date-time"] = true, time = true, date = true, duration = true, email = true, hostname = true,
	uri = true, ipv4 = true, ipv6 = true, uuid = true }

local function is_known(name, value)
	if name == "format" then
		return STRING_FORMATS[value] or false
	elseif name == "minItems" then
		return value == 0 or value == 1
	end
	return KNOWN[name] or false
end

local function move_to_description(node)
	local said = {}
	for _, name in ipairs(names_of(node)) do
		local value = node[name]
		if not is_known(name, value) then
			node[name] = nil
			if not NOTES[name] then
				said[#said + 1] = name .. ": " .. (type(value) == "string" and value or json.encode(value))
			end
		end
	end
	if said[1] then
		local before = type(node.description) == "string" and node.description .. "\n" or ""
		node.description = before .. "(" .. table.concat(said, ", ") .. ")"
	end
end

local function close(node, depth)
	if not is_object(node) or depth > MOST_DEPTH then
		return node
	end
	if node.oneOf ~= nil and node.anyOf == nil then
		node.anyOf, node.oneOf = node.oneOf, nil
	end
	move_to_description(node)
	if type_of(node) == "object" then
		node.additionalProperties = false
	end
	for _, name in ipairs { "properties", "$defs", "definitions" } do
		for _, inner in pairs(is_object(given(node[name])) and node[name] or {}) do
			close(inner, depth + 1)
		end
	end
	for _, name in ipairs { "anyOf", "allOf" } do
		for _, inner in chat.items(given(node[name])) do
			close(inner, depth + 1)
		end
	end
	close(given(node.items), depth + 1)
	return node
end

-- Changes the schema into what Anthropic's structured output takes: closed objects, no limits of size.
function schema.close(node)
	return close(node, 0)
end

-- ---- for older Gemini ----------------------------------------------------------------------------------

local KEPT = { "title", "description", "pattern", "minimum", "maximum", "default" }
local COUNTS = { "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties" }

local subset

local function subset_object(out, node, state, depth)
	local properties, order = {}, json.array {}
	for _, name in ipairs(names_of(is_object(given(node.properties)) and node.properties or {})) do
		properties[name] = subset(node.properties[name], state, depth + 1)
		order[#order + 1] = name
	end
	if not order[1] then
		return
	end
	out.properties, out.propertyOrdering = setmetatable(properties, json.order(order)), order
	local required = json.array {}
	for _, name in chat.items(given(node.required)) do
		required[#required + 1] = properties[name] and name or nil
	end
	out.required = required[1] and required or nil
end

local function subset_choices(out, node, state, depth)
	local choices = given(node.anyOf) or given(node.oneOf)
	if not is_array(choices) then
		return
	end
	local list = json.array {}
	for _, choice in ipairs(choices) do
		if is_object(choice) and type_of(choice) == "null" then
			out.nullable = true
		else
			list[#list + 1] = subset(choice, state, depth + 1)
		end
	end
	if #list == 1 then
		for name, value in pairs(list[1]) do
			out[name] = out[name] == nil and value or out[name]
		end
	elseif list[1] then
		out.anyOf, out.type = list, nil
	end
end

-- Of values it takes only words, and no empty one; others leave their type.
local function subset_values(out, node, kind)
	local values = node.const ~= nil and { node.const } or given(node.enum)
	if not is_array(values) then
		return
	end
	local list, other = json.array {}, nil
	for _, value in ipairs(values) do
		if value == json.null then
			out.nullable = true
		elseif type(value) == "string" and value ~= "" then
			list[#list + 1] = value
		elseif type(value) == "number" then
			other = (other == "NUMBER" or value % 1 ~= 0) and "NUMBER" or "INTEGER"
		elseif type(value) == "boolean" then
			other = "BOOLEAN"
		end
	end
	out.type = out.type or other
	if list[1] and (not kind or kind == "string") then
		out.type, out.enum, out.format = "STRING", list, "enum"
	end
end

-- A node of several types, as a choice of nodes; nil where it has one.
local function by_type(node)
	local choices, nulls = json.array {}, 0
	for _, kind in chat.items(given(node.type)) do
		local choice = {}
		for name, value in pairs(node) do
			choice[name] = value
		end
		choice.type, choice.description = kind, nil
		choices[#choices + 1] = choice
		nulls = nulls + (kind == "null" and 1 or 0)
	end
	return #choices - nulls > 1 and { anyOf = choices, description = node.description } or nil
end

local function subset_node(node, state, depth)
	node = flattened(node, state.root, 0)
	node = by_type(node) or node
	local out, kind, nullable = {}, type_of(node)
	out.type = kind and kind:upper() or nil
	out.nullable = nullable or nil
	for _, name in ipairs(KEPT) do
		out[name] = given(node[name])
	end
	for _, name in ipairs(COUNTS) do
		out[name] = type(node[name]) == "number" and ("%d"):format(node[name]) or nil
	end
	if node.format == "date-time" or (kind ~= "string" and type(node.format) == "string") then
		out.format = node.format
	end
	subset_values(out, node, kind)
	subset_choices(out, node, state, depth)
	if kind == "array" then
		out.items = subset(given(node.items) or {}, state, depth + 1)
	elseif kind == "object" then
		subset_object(out, node, state, depth)
	end
	if not out.type and not out.anyOf then
		out.type = "STRING"
	end
	return out
end

-- What refers to itself ends in an object of any kind.
function subset(node, state, depth)
	state.left = state.left - 1
	if not is_object(node) or state.left < 0 or depth > MOST_DEPTH then
		return { type = "STRING" }
	end
	local referent = referred(state.root, given(node["$ref"]))
	if not referent then
		return subset_node(node, state, depth)
	elseif state.within[referent] then
		return { type = "OBJECT", description = given(node.description) or given(referent.description) }
	end
	state.within[referent] = true
	local out = subset_node(node, state, depth)
	state.within[referent] = nil
	return out
end

-- A copy in the part of OpenAPI that every Gemini takes: no $ref, const, oneOf, allOf or lists of types.
function schema.subset(node)
	return subset(node, { root = node, left = MOST_NODES, within = {} }, 0)
end

-- An object schema with something in it? Gemini wants no `parameters` for a function without any.
function schema.has_members(node)
	return is_object(node) and (is_object(given(node.properties)) and next(node.properties) ~= nil
		or node["$ref"] ~= nil or node.anyOf ~= nil or node.allOf ~= nil or node.oneOf ~= nil)
end

return schema
