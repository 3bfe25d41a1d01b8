-- SPDX-License-Identifier: MIT
-- What Claude and Gemini models can do, by name: what a dialect has to know to send only what will be taken.
-- A name that tells no version is taken for a new model of its family.

local models = {}

-- The answers of `find`, kept: names come from the settings, or from clients where those have wildcards.
local MOST_NAMES = 500

local function remembered(find)
	local known, count = {}, 0
	return function(name)
		local traits = known[name]
		if not traits then
			if count == MOST_NAMES then
				known, count = {}, 0
			end
			traits = find(name:lower())
			known[name], count = traits, count + 1
		end
		return traits
	end
end

-- "claude-opus-4-8", "claude-3-7-sonnet-20250219", "claude-sonnet-4@20250514" -> 4.8, 3.7, 4.0
local function claude_version(name)
	local numbers = {}
	for number in name:gmatch("[-_](%d+)%f[%D]") do
		if #number <= 2 then
			numbers[#numbers + 1] = tonumber(number)
		end
	end
	return numbers[1] and numbers[1] + (numbers[2] or 0) / 10
end

-- Other vendors' models behind Anthropic's API.
local FOREIGN = { version = 0, max_tokens = 8192, thinking = "budget", off = "disabled", forced = true, sampling = true }

local function claude_max_tokens(name, version)
	if version >= 4.6 then
		return 128000
	elseif version >= 4.5 or version == 3.7 or (version >= 4 and name:find("sonnet", 1, true)) then
		return 64000
	elseif version >= 4 then
		return 32000
	end
	return version >= 3.5 and 8192 or 4096
end

-- The type of `thinking` that says not to think, or to think least: the newest models always think.
local function claude_off(name, version)
	if name:find("fable", 1, true) or name:find("mythos", 1, true) then
		return nil
	elseif version < 5.5 or name:find("haiku", 1, true) then
		return "disabled"
	end
	return name:find("sonnet", 1, true) and "between_tools" or nil
end

local function claude_forced(name, version)
	local largest = name:find("fable", 1, true) or name:find("mythos", 1, true)
	return version < (largest and 5.1 or 5.5) or name:find("haiku", 1, true) ~= nil
end

-- max_tokens  the most that the model writes, which is what is asked for when a client names no limit
-- thinking    "none", "budget" (thinking.budget_tokens) or "adaptive" (output_config.effort)
-- off         the type of `thinking` that says not to think; nil where nothing does
-- effort      the most below "max" that it knows of low, medium, high, xhigh
-- forced      it takes a tool_choice that leaves it no choice
-- schema      it takes output_config.format
-- sampling    it takes temperature, top_p and top_k
-- either      it takes temperature or top_p, not both
-- summarized  thoughts are shown only if asked for
models.claude = remembered(function(name)
	if not name:find("claude", 1, true) then
		return FOREIGN
	end
	local version = claude_version(name) or (name:find("preview", 1, true) and 5) or 5.5
	local adaptive = version >= 4.6
	return {
		version = version,
		max_tokens = claude_max_tokens(name, version),
		thinking = adaptive and "adaptive" or version >= 3.7 and "budget" or "none",
		off = claude_off(name, version),
		effort = version >= 4.7 and "xhigh" or "high",
		forced = claude_forced(name, version),
		schema = version >= 4.5,
		sampling = version < 4.7,
		either = version >= 4.1,
		summarized = version >= 4.7,
	}
end)

-- thinking     "none", "budget" (thinkingBudget) or "level" (thinkingLevel)
-- json_schema  it takes real JSON Schema; else the part of OpenAPI that is left by schema.subset
-- system       it takes a systemInstruction
-- signatures   calls of the present turn must come back with their signature
models.gemini = remembered(function(name)
	local version = tonumber(name:match("gemini%-(%d+%.?%d*)")) or (name:find("gemini", 1, true) and 3.5) or 0
	if name == "gemini-pro" or name == "gemini-pro-vision" then
		version = 1
	end
	local pro = name:find("pro", 1, true) ~= nil
	return {
		version = version,
		pro = pro,
		thinking = version >= 3 and "level" or version >= 2.5 and "budget" or "none",
		json_schema = version >= 2.5,
		system = version >= 1.5,
		signatures = version >= 3,
	}
end)

return models
