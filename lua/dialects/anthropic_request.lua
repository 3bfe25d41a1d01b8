-- SPDX-License-Identifier: MIT
-- A chat call as Anthropic's messages want it. What differs from OpenAI and is settled here:
--
-- - System messages at the beginning become `system`; later ones become text of the user's turn, so that
--   they keep their place. Turns of one role are merged; results of tools stand first in the user's turn.
-- - Ids of calls that Anthropic would not take are rewritten, always to the same id.
-- - max_tokens must be there: without one, what the model can write at most (models.lua).
-- - reasoning_effort becomes a budget of thinking tokens or, on newer models, an effort. Where Anthropic
--   does not allow thinking (a forced tool; a turn of calls whose signed thoughts are lost), there is none.
-- - response_format json_schema becomes output_config.format; on older models a forced tool, whose input is
--   the answer (anthropic_messages.lua unwraps it). json_object: on newer models a line of instruction.
-- - temperature above 1 counts as 1; stop sequences of white space only are refused or dropped.
-- - What the model at hand does not take (models.lua: a forced tool, sampling parameters, temperature beside
--   top_p) is refused or dropped like what Anthropic does not have at all.
-- - Anthropic's own top-level members are taken as they are, and its own typed tools. Members that neither
--   knows are refused, or dropped under drop_params: Anthropic would answer 400.

local bit = require "bit"
local json = require "mwjson"
local lib = require "mwlib"
local chat = require "chat"
local faults = require "faults"
local models = require "models"
local schema = require "schema"

local request = {}

-- The forced tool by which older models give JSON. Its name tells the reply's decoder what it is.
request.JSON_TOOL = "moonweir_json_answer"

local KNOWN = {}
for name in ([[model messages stream max_tokens max_completion_tokens temperature top_p top_k stop stop_sequences tools
	tool_choice parallel_tool_calls response_format reasoning_effort thinking service_tier container mcp_servers
	context_management inference_geo speed cache_control output_config]]):gmatch("%S+") do
	KNOWN[name] = true
end
local NATIVE = { "top_k", "container", "mcp_servers", "context_management", "inference_geo", "speed", "cache_control",
	"output_config" }

local ORDER = json.order { "model", "max_tokens", "system", "messages", "tools", "tool_choice", "thinking",
	"output_config", "stop_sequences", "stream" }

local BLOCK = json.order { "type", "text", "id", "tool_use_id", "name", "input", "source", "title", "content",
	"cache_control" }
local TURN = json.order { "role", "content" }
local TOOL = json.order { "name", "description", "input_schema", "strict", "cache_control" }

-- The first fault wins; the rest of the work is then thrown away.
local function fail(state, fault)
	state.fault = state.fault or fault
end

-- A parameter that will not be sent: a fault in the end, unless it may be dropped.
local function refuse(state, name, why)
	if not state.why[name] then
		state.unsupported[#state.unsupported + 1] = name
		state.why[name] = why
	end
end

-- ---- content -------------------------------------------------------------------------------------------

local function at(state, i)
	return ("messages[%d].content[%d]"):format(state.message - 1, i - 1)
end

local function source_of(url)
	local mime, data = chat.data_url(url)
	if mime then
		return { type = "base64", media_type = mime == "image/jpg" and "image/jpeg" or mime, data = data }
	end
	return { type = "url", url = url }
end

local DOCUMENTS = { pdf = "application/pdf", txt = "text/plain", md = "text/plain", csv = "text/plain",
	json = "text/plain" }

local function document_source(state, i, file)
	if file.file_id then
		local is_url = file.file_id:find("^https?://")
		return is_url and { type = "url", url = file.file_id } or { type = "file", file_id = file.file_id }
	elseif not file.file_data then
		fail(state, faults.missing(at(state, i) .. ".file.file_data"))
		return nil
	end
	local mime, data = chat.data_url(file.file_data)
	mime = mime or DOCUMENTS[(file.filename or ""):lower():match("%.(%w+)$") or "pdf"]
	data = data or file.file_data
	if mime == "application/pdf" then
		return { type = "base64", media_type = mime, data = data }
	elseif mime and mime:find("^text/") then
		return { type = "text", media_type = "text/plain", data = lib.base64_decode(data) or "" }
	elseif mime and mime:find("^image/") then
		return { type = "base64", media_type = mime, data = data }
	end
	fail(state, faults.unsupported_value(at(state, i) .. ".file",
		("%s.file: anthropic takes PDF and text documents, found %s"):format(at(state, i), mime or file.filename)))
	return nil
end

local block_of = {}

function block_of.text(_, _, part)
	local text = part.text or ""
	return not chat.is_blank(text) and setmetatable({ type = "text", text = text }, BLOCK) or nil
end

function block_of.refusal(_, _, part)
	return part.refusal and not chat.is_blank(part.refusal) and { type = "text", text = part.refusal } or nil
end

function block_of.image_url(state, i, part)
	local url = type(part.image_url) == "table" and part.image_url.url or part.image_url
	if not url then
		fail(state, faults.missing(at(state, i) .. ".image_url"))
		return nil
	end
	return setmetatable({ type = "image", source = source_of(url) }, BLOCK)
end

function block_of.file(state, i, part)
	local source = document_source(state, i, part.file or {})
	local name = part.file and part.file.filename
	if source and (source.media_type or ""):find("^image/") then
		return { type = "image", source = source }
	end
	local document = { type = "document", source = source, title = name ~= "" and name or nil }
	return source and setmetatable(document, BLOCK)
end

-- Anthropic's own blocks, from clients that know where they go.
local function native(_, _, part)
	return part
end
block_of.image, block_of.document, block_of.search_result = native, native, native

local function blocks_of(state, content)
	local out = {}
	if type(content) == "string" then
		content = { { type = "text", text = content } }
	end
	for i, part in chat.items(content) do
		local make = block_of[part.type]
		if not make then
			fail(state, faults.unsupported_value(at(state, i) .. ".type",
				("%s.type: anthropic has no content of type %s"):format(at(state, i), json.quote(part.type))))
			return out
		end
		local block = make(state, i, part)
		if block then
			block.cache_control = part.cache_control
			out[#out + 1] = block
		end
	end
	return out
end

-- ---- turns ---------------------------------------------------------------------------------------------

-- An id that Anthropic takes: other characters become "_", and a hash of the whole keeps ids apart.
local function call_id(id)
	if id:find("^[%w_-]+$") then
		return id
	end
	local hash = -2128831035
	for i = 1, #id do
		hash = bit.tobit(bit.bxor(hash, id:byte(i)) * 403 + bit.lshift(hash, 24))
	end
	return ("%s_%s"):format(id:gsub("[^%w_-]", "_"), bit.tohex(hash))
end

local function is_result(block)
	return block.type == "tool_result"
end

-- Adds blocks to the conversation: to the last turn if it is of the same role.
local function push(state, role, blocks)
	local turns = state.turns
	local turn = turns[#turns]
	if not blocks[1] then
		return
	elseif not turn or turn.role ~= role then
		turns[#turns + 1] = setmetatable({ role = role, content = blocks }, TURN)
		return
	end
	local place = #turn.content + 1
	if is_result(blocks[1]) then
		place = 1
		while turn.content[place] and is_result(turn.content[place]) do
			place = place + 1
		end
	end
	for i, block in ipairs(blocks) do
		table.insert(turn.content, place + i - 1, block)
	end
end

local function input_of(call)
	local text = call["function"] and call["function"].arguments or ""
	if chat.is_blank(text) then
		return json.object()
	end
	local value = json.decode(text)
	return chat.is_object(value) and value or { arguments = text }
end

local function thoughts_of(message)
	local out = {}
	for _, block in chat.items(message.thinking_blocks) do
		if block.type == "thinking" and type(block.signature) == "string" and block.signature ~= "" then
			local text = type(block.thinking) == "string" and block.thinking or ""
			out[#out + 1] = { type = "thinking", thinking = text, signature = block.signature }
		elseif block.type == "redacted_thinking" and type(block.data) == "string" then
			out[#out + 1] = { type = "redacted_thinking", data = block.data }
		end
	end
	return out
end

local role_of = {}

function role_of.user(state, message)
	local blocks = blocks_of(state, message.content)
	if message.cache_control and blocks[1] then
		blocks[#blocks].cache_control = message.cache_control
	end
	push(state, "user", blocks)
end

-- Before any turn: the system prompt. Later: text in its place.
function role_of.system(state, message)
	local blocks = blocks_of(state, message.content)
	if message.cache_control and blocks[1] then
		blocks[#blocks].cache_control = message.cache_control
	end
	if state.turns[1] then
		push(state, "user", blocks)
		return
	end
	for _, block in ipairs(blocks) do
		state.system[#state.system + 1] = block
	end
end
role_of.developer = role_of.system

function role_of.assistant(state, message)
	local blocks = thoughts_of(message)
	local thought = blocks[1] ~= nil
	for _, block in ipairs(blocks_of(state, message.content)) do
		blocks[#blocks + 1] = block
	end
	if message.refusal and not chat.is_blank(message.refusal) then
		blocks[#blocks + 1] = { type = "text", text = message.refusal }
	end
	for _, call in chat.items(message.tool_calls) do
		if call["function"] then
			blocks[#blocks + 1] = setmetatable({ type = "tool_use", id = call_id(call.id),
				name = call["function"].name, input = input_of(call), cache_control = call.cache_control }, BLOCK)
			state.unsigned = not thought
		end
	end
	if message.cache_control and blocks[1] then
		blocks[#blocks].cache_control = message.cache_control
	end
	push(state, "assistant", blocks)
end

function role_of.tool(state, message)
	if not message.tool_call_id then
		fail(state, faults.missing(("messages[%d].tool_call_id"):format(state.message - 1)))
		return
	end
	local blocks = blocks_of(state, message.content)
	local content = blocks
	if #blocks == 1 and blocks[1].type == "text" and not blocks[1].cache_control then
		content = blocks[1].text
	end
	local result = setmetatable({ type = "tool_result", tool_use_id = call_id(message.tool_call_id) }, BLOCK)
	result.content = blocks[1] and content or nil
	result.cache_control = message.cache_control or (blocks[1] and blocks[#blocks].cache_control)
	if type(content) == "table" and blocks[1] then
		blocks[#blocks].cache_control = nil
	end
	push(state, "user", { result })
end

local function converse(state, messages)
	for i, message in ipairs(messages) do
		state.message = i
		local add = role_of[message.role]
		if not add then
			fail(state, chat.role_fault(i, message.role))
			return
		end
		if message.role == "user" then
			state.unsigned = false
		end
		add(state, message)
	end
	local turns = state.turns
	if not turns[1] and state.system[1] then
		push(state, "user", { table.remove(state.system) })
	elseif not turns[1] then
		fail(state, faults.new("BAD_REQUEST", "messages: there is no text in them, and anthropic needs some", "messages"))
		return
	elseif turns[1].role == "assistant" then
		table.insert(turns, 1, { role = "user", content = { { type = "text", text = "." } } })
	end
	local last = turns[#turns]
	local block = last.content[#last.content]
	if last.role == "assistant" and block.type == "text" then
		block.text = block.text:gsub("%s+$", "")
	end
end

-- ---- tools ---------------------------------------------------------------------------------------------

local function tool_of(state, tool, i)
	local called = tool["function"]
	if not called then
		if type(tool.type) == "string" and tool.type:find("_%d%d%d%d%d%d%d%d$") or chat.is_object(tool.input_schema) then
			return tool
		end
		local param = ("tools[%d].type"):format(i - 1)
		fail(state, faults.unsupported_value(param, ("%s: anthropic takes functions and its own typed tools, found %s")
			:format(param, json.quote(faults.excerpt(tostring(tool.type))))))
		return nil
	end
	local input = called.parameters or { properties = json.object() }
	if input.type ~= "object" then
		input.type = "object"
	end
	local strict = called.strict and state.traits.schema or nil
	return setmetatable({
		name = called.name, description = called.description, input_schema = strict and schema.close(input) or input,
		strict = strict, cache_control = tool.cache_control or called.cache_control,
	}, TOOL)
end

local CHOICES = { auto = "auto", none = "none", required = "any" }

local function tool_choice_of(state, how, name)
	if how ~= "named" then
		return CHOICES[how] and { type = CHOICES[how] } or fail(state, chat.choice_fault(how))
	end
	return name and { type = "tool", name = name } or fail(state, faults.missing("tool_choice.function.name"))
end

local function is_forced(choice)
	return choice ~= nil and (choice.type == "any" or choice.type == "tool")
end

local function add_tools(state, body, out)
	local tools, how, name = chat.tool_choice(body)
	local list = json.array {}
	for i, tool in ipairs(tools) do
		list[#list + 1] = tool_of(state, tool, i)
	end
	if not list[1] then
		return
	end
	out.tools = list
	local choice = tool_choice_of(state, how, name)
	if is_forced(choice) and not state.traits.forced then
		refuse(state, "tool_choice", "this model cannot be forced to call a tool")
		choice = { type = "auto" }
	end
	if choice and body.parallel_tool_calls == false and choice.type ~= "none" then
		choice.disable_parallel_tool_use = true
	elseif choice and choice.type == "auto" then
		choice = nil
	end
	out.tool_choice = choice
end

-- ---- the form of the answer ----------------------------------------------------------------------------

local JSON_ONLY = "Answer with one JSON object and nothing else: no text before or after it, no code fence."

local function force_json(out, wanted, description)
	out.tools = out.tools or json.array {}
	if wanted.type ~= "object" then
		wanted.type = "object"
	end
	out.tools[#out.tools + 1] = { name = request.JSON_TOOL, input_schema = wanted,
		description = description or "Gives the answer, which is this tool's input." }
	if #out.tools == 1 then
		out.tool_choice = { type = "tool", name = request.JSON_TOOL }
	else
		out.tool_choice = { type = "any" }
	end
end

local function add_format(state, body, out)
	local format, wanted = chat.format_of(body)
	if not format then
		return wanted and fail(state, wanted)
	end
	local newer = state.traits.schema
	if wanted and newer then
		out.output_config = out.output_config or {}
		out.output_config.format = { type = "json_schema", schema = schema.close(wanted) }
	elseif wanted then
		force_json(out, wanted, faults.text(chat.given(body.response_format.json_schema.description)))
	elseif newer then
		state.system[#state.system + 1] = { type = "text", text = JSON_ONLY }
	else
		force_json(out, { additionalProperties = true })
	end
end

-- ---- thinking ------------------------------------------------------------------------------------------

local BUDGET = { minimal = 1024, low = 1024, medium = 4096, high = 16384, xhigh = 32000, max = 32000 }
local LEAST = 1024 -- tokens of thinking

local function effort_of_budget(budget)
	return budget < 2048 and "low" or budget < 8192 and "medium" or "high"
end

-- {effort=, budget=, exact=}: what the client asked for; exact when it named the budget itself. nil: nothing.
local function asked_thinking(state, body)
	local thinking, effort = body.thinking, body.reasoning_effort
	local fault = chat.effort_fault(effort)
	if fault then
		fail(state, fault)
		return nil
	elseif thinking then
		local budget = math.max(thinking.budget_tokens or BUDGET.medium, LEAST)
		if thinking.type == "disabled" or thinking.type == "between_tools" then
			return { effort = "none" }
		elseif thinking.type == "enabled" then
			return { effort = effort or effort_of_budget(budget), budget = budget, exact = true }
		elseif thinking.type == "adaptive" then
			return { effort = effort, budget = BUDGET[effort] or BUDGET.high, display = thinking.display }
		end
		fail(state, faults.not_allowed("thinking.type", thinking.type, '"enabled", "adaptive" or "disabled"'))
		return nil
	elseif not effort then
		return nil
	end
	return { effort = effort, budget = BUDGET[effort] }
end

local function adaptive(state, asked, out)
	local effort = asked.effort
	if effort == "none" and state.traits.off then
		out.thinking = { type = state.traits.off }
		return
	elseif effort == "none" or effort == "minimal" then
		effort = "low"
	elseif effort == "xhigh" then
		effort = state.traits.effort
	end
	out.thinking = { type = "adaptive", display = asked.display or (state.traits.summarized and "summarized") or nil }
	if effort then
		out.output_config = out.output_config or {}
		out.output_config.effort = out.output_config.effort or effort
	end
end

-- The budget must be less than max_tokens, which counts thoughts too: what the client named is kept, and
-- max_tokens raised as far as the model goes.
local function budgeted(state, asked, out)
	local budget, most = asked.budget, state.traits.max_tokens
	if out.max_tokens <= budget and not asked.exact then
		budget = math.max(out.max_tokens - 1, LEAST)
		budget = budget > out.max_tokens / 2 and math.max(math.floor(out.max_tokens / 2), LEAST) or budget
	end
	if out.max_tokens <= budget then
		local both = budget + out.max_tokens
		out.max_tokens = budget < most and math.min(both, most) or both
	end
	out.thinking = { type = "enabled", budget_tokens = budget }
end

local function add_thinking(state, body, out)
	local asked = asked_thinking(state, body)
	local kind = state.traits.thinking
	if not asked then
		return
	elseif kind == "adaptive" then
		adaptive(state, asked, out)
	elseif asked.effort == "none" then
		return
	elseif kind == "none" then
		refuse(state, body.thinking and "thinking" or "reasoning_effort", "this model does not think")
	elseif not state.unsigned and not is_forced(out.tool_choice) then
		budgeted(state, asked, out)
	end
end

-- ---- numbers -------------------------------------------------------------------------------------------

-- Where the model does not take them, only what differs from the default is worth a refusal.
local function refuse_sampling(state, body, out, why)
	if body.temperature and body.temperature ~= 1 then
		refuse(state, "temperature", why)
	end
	if body.top_p and body.top_p >= 0.95 and body.top_p < 1 and state.traits.sampling then
		out.top_p = body.top_p -- so much is allowed beside thoughts
	elseif body.top_p and body.top_p ~= 1 then
		refuse(state, "top_p", why)
	end
	if body.top_k then
		refuse(state, "top_k", why)
	end
end

local function add_sampling(state, body, out)
	local traits = state.traits
	if not traits.sampling then
		return refuse_sampling(state, body, out, "not with this model")
	elseif out.thinking and out.thinking.type ~= "disabled" then
		return refuse_sampling(state, body, out, "not while it thinks")
	end
	local temperature = body.temperature
	if temperature and traits.version > 0 then
		temperature = math.min(temperature, 1)
	end
	local top_p = body.top_p ~= 1 and body.top_p or nil
	if temperature and top_p and traits.either then
		if temperature == 1 then
			temperature = nil
		else
			refuse(state, "top_p", "not beside temperature with this model")
			top_p = nil
		end
	end
	out.temperature, out.top_p, out.top_k = temperature, top_p, body.top_k
end

local function add_stop(state, body, out)
	local stop = body.stop or body.stop_sequences
	if type(stop) == "string" then
		stop = { stop }
	end
	local list = json.array {}
	for _, words in chat.items(stop) do
		if type(words) == "string" and not chat.is_blank(words) then
			list[#list + 1] = words
		else
			refuse(state, "stop", "white space only")
		end
	end
	out.stop_sequences = list[1] and list or nil
end

local TIERS = { auto = "auto", default = "standard_only", standard_only = "standard_only", priority = "auto" }

local function add_rest(state, body, out)
	for _, name in ipairs(NATIVE) do
		if name ~= "top_k" then
			out[name] = chat.given(body[name])
		end
	end
	if out.output_config and not chat.is_object(out.output_config) then
		out.output_config = nil
	end
	local user = body.safety_identifier or body.user
	out.metadata = user and user ~= "" and { user_id = user } or nil
	if body.service_tier then
		out.service_tier = TIERS[body.service_tier] or refuse(state, "service_tier")
	end
end

-- ---- the whole -----------------------------------------------------------------------------------------

function request.encode(body, ctx)
	local traits = models.claude(ctx.model)
	local state = { traits = traits, turns = {}, system = {}, unsupported = chat.unknown(body, KNOWN), why = {} }
	local limit = chat.max_tokens(body)
	local out = { model = ctx.model, max_tokens = limit or traits.max_tokens, stream = ctx.stream or nil }
	converse(state, body.messages)
	add_rest(state, body, out)
	add_tools(state, body, out)
	add_format(state, body, out)
	add_thinking(state, body, out)
	add_sampling(state, body, out)
	add_stop(state, body, out)
	if state.fault then
		return nil, state.fault
	elseif state.unsupported[1] and not ctx.drop_params then
		return nil, faults.unsupported("anthropic", state.unsupported, state.why)
	end
	out.system = state.system[1] and state.system or nil
	out.messages = state.turns
	return setmetatable(out, ORDER)
end

return request
