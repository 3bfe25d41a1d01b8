-- SPDX-License-Identifier: MIT
-- A chat call as Gemini's generateContent wants it. What differs from OpenAI and is settled here:
--
-- - System messages at the beginning become systemInstruction (text of the first turn where a model takes
--   none); later ones text of the user's turn. Results of tools make a turn of their own.
-- - The result of a tool needs the function's name, which is looked up from the call; text is wrapped as
--   {"result": text}, an object of JSON goes as it is. Results go in the order of their calls: older models
--   know them by nothing else.
-- - Addresses of images and files are left to Google to fetch, with the type that their name tells.
-- - Signatures of calls go back where they were. Newer models refuse a call without one: where a client has
--   lost it, the placeholder that Google documents stands in.
-- - JSON Schemas go as they are to models that take them (2.5 and later), else cut down to OpenAPI's part.
-- - reasoning_effort becomes a budget (2.5) or a level (3 and later), with thoughts shown.
-- - Gemini's own top-level members and tools are taken as they are, in both spellings. Members that neither
--   knows are refused, or dropped under drop_params: Gemini would answer 400.

local json = require "mwjson"
local chat = require "chat"
local faults = require "faults"
local models = require "models"
local schema = require "schema"

local request = {}

local KNOWN = {}
for name in ([[model messages stream max_tokens max_completion_tokens temperature top_p top_k topK n seed stop tools
	tool_choice response_format reasoning_effort thinking service_tier logprobs top_logprobs presence_penalty
	frequency_penalty modalities audio safety_settings safetySettings cachedContent cached_content generationConfig
	generation_config toolConfig tool_config web_search_options]]):gmatch("%S+") do
	KNOWN[name] = true
end

-- What Google's own documentation names for calls whose signature is not known.
local LOST_SIGNATURE = "skip_thought_signature_validator"

local TURN = json.order { "role", "parts" }
local DECLARATION = json.order { "name", "description", "parametersJsonSchema", "parameters" }

local function fail(state, fault)
	state.fault = state.fault or fault
end

-- ---- parts ---------------------------------------------------------------------------------------------

local MIME = {
	jpg = "image/jpeg", jpeg = "image/jpeg", png = "image/png", gif = "image/gif", webp = "image/webp",
	heic = "image/heic", heif = "image/heif", bmp = "image/bmp", pdf = "application/pdf", txt = "text/plain",
	md = "text/plain", csv = "text/csv", html = "text/html", json = "application/json", mp3 = "audio/mp3",
	wav = "audio/wav", ogg = "audio/ogg", flac = "audio/flac", aac = "audio/aac", m4a = "audio/m4a",
	mp4 = "video/mp4", mov = "video/quicktime", webm = "video/webm", mpeg = "video/mpeg", mpg = "video/mpeg",
}

local function mime_of(name)
	return MIME[(name:gsub("[?#].*$", ""):match("%.(%w+)$") or ""):lower()]
end

-- Google knows the type of what lies with it.
local OWN = { "^https?://[%w.]*youtube%.com/", "^https?://youtu%.be/", "^files/",
	"^https://generativelanguage%.googleapis%.com/.*files/" }

local function is_own(url)
	for _, pattern in ipairs(OWN) do
		if url:find(pattern) then
			return true
		end
	end
	return false
end

local function at(state, i)
	return ("messages[%d].content[%d]"):format(state.message - 1, i - 1)
end

local function missing(state, i, name)
	fail(state, faults.missing(at(state, i) .. "." .. name))
end

local UNTYPED = "application/octet-stream"

-- Bytes that came inline, or an address for Google to fetch.
local function media(state, i, url, mime, guess)
	local found, data = chat.data_url(url)
	if found then
		found = found == UNTYPED and (mime or guess) or found
		return { inlineData = { mimeType = found == "image/jpg" and "image/jpeg" or found, data = data } }
	elseif url:find("^data:") then
		fail(state, faults.new("BAD_REQUEST", at(state, i) .. ": a data URL must be data:TYPE;base64,…", at(state, i)))
	end
	return { fileData = { fileUri = url, mimeType = mime or (not is_own(url) and (mime_of(url) or guess) or nil) } }
end

local part_of = {}

function part_of.text(_, _, part)
	return part.text and part.text ~= "" and { text = part.text } or nil
end

function part_of.refusal(_, _, part)
	return part.refusal and part.refusal ~= "" and { text = part.refusal } or nil
end

local function image(name, guess)
	return function(state, i, part)
		local value = part[name]
		local url = type(value) == "table" and value.url or value
		if type(url) ~= "string" then
			missing(state, i, name)
			return nil
		end
		local mime = type(value) == "table" and type(value.format) == "string" and value.format or nil
		return media(state, i, url, mime, guess)
	end
end
part_of.image_url = image("image_url", "image/jpeg")
part_of.video_url = image("video_url", "video/mp4")

function part_of.input_audio(state, i, part)
	local audio = part.input_audio
	if not audio then
		missing(state, i, "input_audio")
		return nil
	end
	return { inlineData = { mimeType = "audio/" .. (audio.format or "wav"), data = audio.data } }
end

function part_of.file(state, i, part)
	local file = part.file or {}
	local mime = type(file.format) == "string" and file.format or file.filename and mime_of(file.filename)
	if file.file_data then
		if file.file_data:find("^%a+:") then
			return media(state, i, file.file_data, mime or nil, "application/pdf")
		end
		return { inlineData = { mimeType = mime or "application/pdf", data = file.file_data } }
	elseif file.file_id then
		return media(state, i, file.file_id, mime or nil, "application/pdf")
	end
	missing(state, i, "file.file_data")
	return nil
end

local function parts_of(state, content)
	local out = {}
	if type(content) == "string" then
		content = { { type = "text", text = content } }
	end
	for i, part in chat.items(content) do
		local make = part_of[part.type]
		if not make then
			fail(state, faults.unsupported_value(at(state, i) .. ".type",
				("%s.type: gemini has no content of type %s"):format(at(state, i), json.quote(faults.excerpt(part.type)))))
			return out
		end
		out[#out + 1] = make(state, i, part)
	end
	return out
end

-- ---- turns ---------------------------------------------------------------------------------------------

-- Adds parts to the conversation. Turns of one role are merged, but results of tools stay by themselves.
local function push(state, role, parts, kind)
	local last = state.contents[#state.contents]
	if not parts[1] then
		return
	elseif last and last.role == role and state.kind == kind then
		for _, part in ipairs(parts) do
			last.parts[#last.parts + 1] = part
		end
		return
	end
	state.kind = kind
	state.contents[#state.contents + 1] = setmetatable({ role = role, parts = parts }, TURN)
end

local function signature_of(call)
	local ours = call.provider_specific_fields and call.provider_specific_fields.thought_signature
	local google = call.extra_content and call.extra_content.google and call.extra_content.google.thought_signature
	local signature = type(ours) == "string" and ours or google
	return type(signature) == "string" and signature ~= "" and signature or nil
end

local role_of = {}

function role_of.user(state, message)
	push(state, "user", parts_of(state, message.content), "text")
end

function role_of.system(state, message)
	local parts = parts_of(state, message.content)
	if state.contents[1] or not state.traits.system then
		push(state, "user", parts, "text")
		return
	end
	for _, part in ipairs(parts) do
		state.system[#state.system + 1] = part
	end
end
role_of.developer = role_of.system

function role_of.assistant(state, message)
	local parts = parts_of(state, message.content)
	local own = message.provider_specific_fields
	if parts[1] and own and type(own.thought_signature) == "string" then
		parts[#parts].thoughtSignature = own.thought_signature
	end
	if message.refusal and message.refusal ~= "" then
		parts[#parts + 1] = { text = message.refusal }
	end
	local signed = not state.traits.signatures -- only the first call of a turn needs one
	for _, call in chat.items(message.tool_calls) do
		local called = call["function"]
		if called then
			state.names[call.id] = called.name
			state.n_calls = state.n_calls + 1
			state.places[call.id] = state.n_calls
			local id = state.traits.signatures and call.id or nil
			parts[#parts + 1] = {
				functionCall = { name = called.name, args = chat.arguments_of(call), id = id },
				thoughtSignature = signature_of(call) or (not signed and LOST_SIGNATURE) or nil,
			}
			signed = true
		end
	end
	push(state, "model", parts, "model")
end

-- What a tool answered: an object of JSON as it is, anything else as text.
local function response_of(text)
	local value = text:find("^%s*{") and json.decode(text)
	return chat.is_object(value) and value or { result = text }
end

function role_of.tool(state, message)
	local where = ("messages[%d].tool_call_id"):format(state.message - 1)
	local id = message.tool_call_id
	local name = id and (state.names[id] or message.name)
	if not name then
		fail(state, id and faults.new("BAD_REQUEST", ("%s: no call with the id %s comes before"):format(where,
			json.quote(faults.excerpt(id))), where) or faults.missing(where))
		return
	end
	local text, files = {}, {}
	for _, part in ipairs(parts_of(state, message.content)) do
		if part.text then
			text[#text + 1] = part.text
		else
			files[#files + 1] = part
		end
	end
	local result = { name = name, response = response_of(table.concat(text)), id = state.traits.signatures and id or nil }
	local parts = { { functionResponse = result } }
	for _, file in ipairs(files) do
		if state.traits.signatures and file.inlineData then
			result.parts = result.parts or {}
			result.parts[#result.parts + 1] = file
		else
			parts[#parts + 1] = file
		end
	end
	push(state, "user", parts, "results")
end

local function add_message(state, i, message)
	state.message = i
	local add = role_of[message.role]
	if add then
		add(state, message)
	else
		fail(state, chat.role_fault(i, message.role))
	end
end

-- The results from message `first` on, as their calls came. Gives the last one's position.
local function add_results(state, messages, first)
	local order, i = {}, first
	while messages[i] and messages[i].role == "tool" do
		order[#order + 1] = { i = i, place = state.places[messages[i].tool_call_id or ""] or 0 }
		i = i + 1
	end
	table.sort(order, function(a, b)
		if a.place ~= b.place then
			return a.place < b.place
		end
		return a.i < b.i
	end)
	for _, result in ipairs(order) do
		add_message(state, result.i, messages[result.i])
	end
	return i - 1
end

local function converse(state, messages)
	local i = 1
	while messages[i] and not state.fault do
		if messages[i].role == "tool" then
			i = add_results(state, messages, i)
		else
			add_message(state, i, messages[i])
		end
		i = i + 1
	end
	if state.fault then
		return
	end
	if not state.contents[1] then
		push(state, "user", state.system, "text")
		state.system = {}
	end
	if not state.contents[1] then
		fail(state, faults.new("BAD_REQUEST", "messages: there is nothing in them, and gemini needs some text", "messages"))
	end
end

-- ---- tools ---------------------------------------------------------------------------------------------

-- Gemini's own tools, by the names that clients use.
local NATIVE_TOOLS = {
	googleSearch = "googleSearch", google_search = "googleSearch", googleSearchRetrieval = "googleSearchRetrieval",
	google_search_retrieval = "googleSearchRetrieval", codeExecution = "codeExecution", code_execution = "codeExecution",
	urlContext = "urlContext", url_context = "urlContext", googleMaps = "googleMaps", google_maps = "googleMaps",
	fileSearch = "fileSearch", file_search = "fileSearch", computerUse = "computerUse", computer_use = "computerUse",
}

local function native_tool(tool)
	for name, value in pairs(tool) do
		if NATIVE_TOOLS[name] and chat.is_object(value) then
			return { [NATIVE_TOOLS[name]] = value }
		end
	end
	if NATIVE_TOOLS[tool.type] then
		return { [NATIVE_TOOLS[tool.type]] = json.object() }
	end
	return nil
end

local function declaration_of(state, called)
	local out = setmetatable({ name = called.name, description = called.description }, DECLARATION)
	local parameters = called.parameters
	if parameters and schema.has_members(parameters) then
		if state.traits.json_schema then
			out.parametersJsonSchema = parameters
		else
			out.parameters = schema.subset(parameters)
		end
	end
	return out
end

local MODES = { none = "NONE", auto = "AUTO", required = "ANY", any = "ANY" }

local function add_choice(state, how, name, out)
	local mode = how == "named" and name and "ANY" or MODES[how]
	if not mode then
		fail(state, chat.choice_fault(how))
	elseif mode ~= "AUTO" then
		out.toolConfig = out.toolConfig or {}
		out.toolConfig.functionCallingConfig = { mode = mode, allowedFunctionNames = name and json.array { name } }
	end
end

local function add_tools(state, body, out)
	local tools, how, name = chat.tool_choice(body)
	local declarations, list = json.array {}, json.array {}
	for i, tool in ipairs(tools) do
		if tool["function"] then
			declarations[#declarations + 1] = declaration_of(state, tool["function"])
		else
			list[#list + 1] = native_tool(tool)
			if #list == 0 or #list + #declarations < i then
				local param = ("tools[%d].type"):format(i - 1)
				fail(state, faults.unsupported_value(param, ("%s: gemini takes functions and its own tools, found %s")
					:format(param, json.quote(faults.excerpt(tostring(tool.type))))))
				return
			end
		end
	end
	if body.web_search_options then
		list[#list + 1] = { googleSearch = json.object() }
	end
	local own = chat.given(body.toolConfig) or chat.given(body.tool_config)
	out.toolConfig = chat.is_object(own) and own or nil
	if declarations[1] then
		table.insert(list, 1, { functionDeclarations = declarations })
		add_choice(state, how, name, out)
	end
	out.tools = list[1] and list or nil
end

-- ---- generationConfig ----------------------------------------------------------------------------------

local BUDGET = { minimal = 1024, low = 1024, medium = 8192, high = 24576, xhigh = 24576, max = 24576 }
local LEVEL = { none = "MINIMAL", minimal = "MINIMAL", low = "LOW", medium = "MEDIUM", high = "HIGH", xhigh = "HIGH",
	max = "HIGH" }
local PRO_LEVEL = { none = "LOW", minimal = "LOW" } -- Pro cannot go below
local PRO_LEAST = 128

-- The effort that was asked for, and the budget where one was named; nil: nothing.
local function asked_thinking(state, body)
	local thinking, effort = body.thinking, body.reasoning_effort
	local fault = chat.effort_fault(effort)
	if fault then
		fail(state, fault)
		return nil
	elseif thinking then
		local budget = thinking.budget_tokens
		if thinking.type == "disabled" or budget == 0 then
			return "none"
		elseif budget then
			return effort or (budget < 2048 and "low" or budget < 8192 and "medium" or "high"), budget
		end
		return effort or "high", -1
	end
	return effort
end

local function level_of(traits, effort)
	if traits.pro and traits.version < 3.1 and effort == "medium" then
		return "HIGH"
	end
	return traits.pro and PRO_LEVEL[effort] or LEVEL[effort] or "HIGH"
end

local function add_thinking(state, body, config, unsupported)
	local traits = state.traits
	local effort, budget = asked_thinking(state, body)
	if not effort then
		return
	elseif traits.thinking == "none" then
		if effort ~= "none" then
			unsupported[#unsupported + 1] = body.thinking and "thinking" or "reasoning_effort"
		end
	elseif traits.thinking == "level" then
		config.thinkingConfig = { thinkingLevel = level_of(traits, effort), includeThoughts = effort ~= "none" or nil }
	elseif effort == "none" then
		config.thinkingConfig = { thinkingBudget = traits.pro and PRO_LEAST or 0 }
	else
		config.thinkingConfig = { thinkingBudget = budget or BUDGET[effort], includeThoughts = true }
	end
end

local function add_format(state, body, config)
	local format, wanted = chat.format_of(body)
	if not format then
		return wanted and fail(state, wanted)
	end
	config.responseMimeType = "application/json"
	if not wanted then
		return
	elseif state.traits.json_schema then
		config.responseJsonSchema = wanted
	else
		config.responseSchema = schema.subset(wanted)
	end
end

local MODALITIES = { text = "TEXT", image = "IMAGE", audio = "AUDIO" }

local function add_modalities(body, config, unsupported)
	local list = json.array {}
	for _, name in chat.items(body.modalities) do
		list[#list + 1] = MODALITIES[name:lower()]
		if not MODALITIES[name:lower()] then
			unsupported[#unsupported + 1] = "modalities"
			return
		end
	end
	if list[1] and not (list[1] == "TEXT" and #list == 1) then
		config.responseModalities = list
	end
	local audio = body.audio or {}
	if type(audio.voice) == "string" then
		config.speechConfig = { voiceConfig = { prebuiltVoiceConfig = { voiceName = audio.voice } } }
	end
	if chat.given(audio.format) and audio.format ~= "pcm16" then
		unsupported[#unsupported + 1] = "audio.format" -- it speaks nothing else
	end
end

-- OpenAI's name -> Gemini's, for what is the same otherwise.
local NUMBERS = {
	{ "temperature", "temperature" }, { "top_p", "topP" }, { "top_k", "topK" }, { "topK", "topK" }, { "seed", "seed" },
}
-- Models that have no penalties refuse one of 0 too, which asks for nothing.
local PENALTIES = { { "presence_penalty", "presencePenalty" }, { "frequency_penalty", "frequencyPenalty" } }

local function add_config(state, body, out, unsupported)
	local own = chat.given(body.generationConfig) or chat.given(body.generation_config)
	local config = chat.is_object(own) and own or {}
	for _, pair in ipairs(NUMBERS) do
		config[pair[2]] = chat.given(body[pair[1]]) or config[pair[2]]
	end
	for _, pair in ipairs(PENALTIES) do
		local value = body[pair[1]]
		config[pair[2]] = value and value ~= 0 and value or config[pair[2]]
	end
	config.maxOutputTokens = chat.max_tokens(body) or config.maxOutputTokens
	config.candidateCount = body.n and body.n > 1 and body.n or config.candidateCount
	local stop = type(body.stop) == "string" and json.array { body.stop } or body.stop
	config.stopSequences = stop and stop[1] and stop or config.stopSequences
	if body.logprobs then
		config.responseLogprobs = true
		config.logprobs = body.top_logprobs and body.top_logprobs > 0 and body.top_logprobs or nil
	end
	add_format(state, body, config)
	add_thinking(state, body, config, unsupported)
	add_modalities(body, config, unsupported)
	out.generationConfig = next(config) ~= nil and config or nil
end

-- ---- the whole -----------------------------------------------------------------------------------------

local TIERS = { flex = "flex", priority = "priority", standard = "standard" }

local function add_rest(body, out, unsupported)
	out.safetySettings = chat.given(body.safetySettings) or chat.given(body.safety_settings)
	out.cachedContent = chat.given(body.cachedContent) or chat.given(body.cached_content)
	local tier = body.service_tier
	if tier and tier ~= "auto" and tier ~= "default" then
		out.serviceTier = TIERS[tier]
		if not TIERS[tier] then
			unsupported[#unsupported + 1] = "service_tier"
		end
	end
end

local ORDER = json.order { "systemInstruction", "contents", "tools", "toolConfig", "generationConfig" }

function request.encode(body, ctx)
	local state = { traits = models.gemini(ctx.model), contents = {}, system = {}, names = {}, places = {}, n_calls = 0 }
	local unsupported = chat.unknown(body, KNOWN)
	local out = {}
	converse(state, body.messages)
	add_tools(state, body, out)
	add_config(state, body, out, unsupported)
	add_rest(body, out, unsupported)
	if state.fault then
		return nil, state.fault
	elseif unsupported[1] and not ctx.drop_params then
		return nil, faults.unsupported("gemini", unsupported)
	end
	out.systemInstruction = state.system[1] and { parts = state.system } or nil
	out.contents = state.contents
	return setmetatable(out, ORDER)
end

return request
