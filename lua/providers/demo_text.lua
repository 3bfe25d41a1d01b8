-- SPDX-License-Identifier: MIT
-- What the demo provider says: text, tool calls and vectors, made from the request by rule.

local bit = require "bit"
local json = require "mwjson"
local faults = require "faults"
local chat = require "chat"
local lib = require "mwlib"
local schema = require "schema"

local demo_text = {}

demo_text.MODELS = { echo = true, words = true, tools = true, embed = true }

local MOST_BYTES = 1024 * 1024 -- of an answer

local CANNED = "A weir is a low dam across a river. It does not stop the water: it measures it, shares it out, and "
	.. "lets through only what may pass. When the moon is up you can watch the level rise behind the boards, then "
	.. "spill over in an even sheet, and hear by its sound how much is going down. Whoever keeps a weir learns to "
	.. "read the river by small signs, and to move one board at a time."

-- Pieces of about a token: a word with the space before it, cut at most every 12 bytes between characters.
function demo_text.pieces(text)
	local out, at = {}, 1
	while at <= #text do
		local last = select(2, text:find("^%s*[^%s%p]+", at)) or select(2, text:find("^%s*%p?", at))
		if last < at or last - at >= 12 then
			last = math.min(at + math.max(11, 0), #text)
			while last < #text and text:byte(last + 1) >= 0x80 and text:byte(last + 1) < 0xC0 do
				last = last + 1
			end
		end
		out[#out + 1] = text:sub(at, last)
		at = last + 1
	end
	return out
end

function demo_text.prompt_tokens(body)
	local count = 3
	for _, message in ipairs(body.messages) do
		count = count + 4 + #demo_text.pieces(chat.text_of(message.content))
		for _, part in chat.items(message.content) do
			count = count + (part.type == "image_url" and 85 or 0)
		end
	end
	if body.tools then
		count = count + math.ceil(#json.encode(body.tools) / 4)
	end
	return count
end

local function last_text(body, role)
	for i = #body.messages, 1, -1 do
		if body.messages[i].role == role then
			return chat.text_of(body.messages[i].content)
		end
	end
	return ""
end

-- `count` words of the canned text, begun again as often as needed.
local function words(count)
	local all = {}
	for word in CANNED:gmatch("%S+") do
		all[#all + 1] = word
	end
	local out = {}
	for i = 1, count do
		out[i] = all[(i - 1) % #all + 1]
	end
	return table.concat(out, " ")
end

-- The tools that this answer calls: none after a tool's result, and none where the choice says so.
local function calls_of(wish, body, model)
	local tools, how, name = chat.tool_choice(body)
	local forced = how == "required" or how == "named"
	if #tools == 0 or how == "none" or not (model == "tools" or forced or wish.calls)
		or body.messages[#body.messages].role == "tool" then
		return {}
	end
	local calls, said = {}, last_text(body, "user")
	for _, tool in ipairs(tools) do
		local called = tool["function"]
		if called and #calls < (wish.calls or 1) and (not name or called.name == name) then
			local arguments = schema.instance(called.parameters or { type = "object" }, said)
			calls[#calls + 1] = { id = "call_" .. lib.random_hex(24), name = called.name,
				arguments = json.encode(chat.is_object(arguments) and arguments or {}) }
		end
	end
	return calls
end

local function text_for(wish, body, model)
	local format, wanted = chat.format_of(body)
	if wish.text then
		return wish.text
	elseif wish.mock then
		return type(wish.mock) == "string" and wish.mock or "This is a mock response"
	elseif format == "json_schema" then
		return json.encode(schema.instance(wanted, last_text(body, "user")))
	elseif format == "json_object" then
		return json.encode({ answer = last_text(body, "user") })
	elseif wish.words then
		return words(wish.words)
	elseif model == "words" then
		return CANNED
	end
	local last = body.messages[#body.messages]
	return last.role == "tool" and "The tool says: " .. chat.text_of(last.content) or last_text(body, "user")
end

local function stopped(text, stop)
	local first
	for _, words_of_stop in ipairs(type(stop) == "string" and { stop } or stop or {}) do
		local at = words_of_stop ~= "" and text:find(words_of_stop, 1, true)
		first = at and math.min(at, first or at) or first
	end
	return first and text:sub(1, first - 1) or text
end

-- What is answered: {pieces=, reasoning_pieces=, calls=, finish=, tokens=}.
function demo_text.answer(wish, body, model)
	local answer = { calls = calls_of(wish, body, model), pieces = {}, finish = "stop",
		reasoning_pieces = demo_text.pieces(wish.reasoning or "") }
	answer.tokens = #answer.reasoning_pieces
	if answer.calls[1] then
		answer.finish = "tool_calls"
		for _, call in ipairs(answer.calls) do
			answer.tokens = answer.tokens + 4 + #demo_text.pieces(call.arguments)
		end
	else
		answer.pieces = demo_text.pieces(faults.cut(stopped(text_for(wish, body, model), body.stop), MOST_BYTES))
		local most = chat.max_tokens(body)
		if most and #answer.pieces > most then
			for i = #answer.pieces, math.max(most, 0) + 1, -1 do
				answer.pieces[i] = nil
			end
			answer.finish = "length"
		end
		answer.tokens = answer.tokens + #answer.pieces
	end
	answer.finish = wish.finish or answer.finish
	return answer
end

-- ---- vectors -------------------------------------------------------------------------------------------

local MOST_WORDS = 1000

local function hash(word)
	local h = 5381
	for i = 1, #word do
		h = bit.bxor(bit.tobit(h * 33), word:byte(i))
	end
	return h
end

-- Adds a pseudo-random direction that belongs to the word.
local function add_word(sum, word)
	local state = hash(word)
	if state == 0 then
		state = 1
	end
	for i = 1, #sum do
		state = bit.bxor(state, bit.lshift(state, 13))
		state = bit.bxor(state, bit.rshift(state, 17))
		state = bit.bxor(state, bit.lshift(state, 5))
		sum[i] = sum[i] + state / 2147483648
	end
end

-- A unit vector: the sum of its words' directions, so that texts with the same words lie close together.
-- Also gives the number of words. An input may be a list of token numbers.
function demo_text.vector(input, dimensions)
	local sum, count = json.array {}, 0
	for i = 1, dimensions do
		sum[i] = 0
	end
	local function add(word)
		count = count + 1
		if count <= MOST_WORDS then
			add_word(sum, word)
		end
	end
	if type(input) == "string" then
		for word in input:lower():gmatch("[^%s%p]+") do
			add(word)
		end
	else
		for _, token in ipairs(input) do
			add(tostring(token))
		end
	end
	if count == 0 then
		add("")
	end
	local square = 0
	for i = 1, dimensions do
		square = square + sum[i] * sum[i]
	end
	local length = square > 0 and math.sqrt(square) or 1
	for i = 1, dimensions do
		sum[i] = sum[i] / length
	end
	return sum, count
end

return demo_text
