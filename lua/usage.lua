-- SPDX-License-Identifier: MIT
-- Tokens by kind, counted as OpenAI does: the prompt holds what was cached, the completion what was reasoned.
-- `of_openai` reads an OpenAI usage object into the flat table that C bills by; `to_openai` writes one.

local json = require "mwjson"

local usage = {}

local function count(value)
	return type(value) == "number" and value > 0 and value < 2 ^ 53 and math.floor(value) or 0
end
usage.count = count

local function details(value)
	return type(value) == "table" and value or {}
end

-- What the total holds beyond prompt and completion belongs to one of them: some servers count audio or cached
-- tokens apart from the prompt, others reasoning apart from the completion, and Google's do not even tell of it.
local function completed(flat, total)
	local rest = total - flat.prompt - flat.completion
	if rest <= 0 then
		return flat
	elseif rest ~= flat.reasoning and (rest == flat.audio_in or rest == flat.cached) then
		flat.prompt = flat.prompt + rest
	else
		flat.completion = flat.completion + rest
	end
	return flat
end

-- A flat table, or nil for what is no usage. Reads the other names under which compatible servers tell of
-- cached tokens.
function usage.of_openai(value)
	if type(value) ~= "table" or json.is_array(value) or (value.prompt_tokens == nil and value.total_tokens == nil) then
		return nil
	end
	local inn, out = details(value.prompt_tokens_details), details(value.completion_tokens_details)
	local cached = count(inn.cached_tokens)
	if cached == 0 then
		cached = count(value.prompt_cache_hit_tokens or value.num_cached_tokens or value.cache_read_input_tokens)
	end
	return completed({
		prompt = count(value.prompt_tokens), cached = cached, cache_write = count(inn.cache_write_tokens),
		cache_write_1h = 0, completion = count(value.completion_tokens), reasoning = count(out.reasoning_tokens),
		audio_in = count(inn.audio_tokens), audio_out = count(out.audio_tokens),
	}, count(value.total_tokens))
end

local TOP = json.order { "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details",
	"completion_tokens_details" }
local IN = json.order { "cached_tokens", "cache_write_tokens", "audio_tokens" }
local OUT = json.order { "reasoning_tokens", "audio_tokens" }

function usage.to_openai(flat)
	local inn = setmetatable({ cached_tokens = flat.cached or 0, audio_tokens = flat.audio_in or 0 }, IN)
	local written = (flat.cache_write or 0) + (flat.cache_write_1h or 0)
	if written > 0 then
		inn.cache_write_tokens = written
	end
	return setmetatable({
		prompt_tokens = flat.prompt or 0,
		completion_tokens = flat.completion or 0,
		total_tokens = (flat.prompt or 0) + (flat.completion or 0),
		prompt_tokens_details = inn,
		completion_tokens_details = setmetatable(
			{ reasoning_tokens = flat.reasoning or 0, audio_tokens = flat.audio_out or 0 }, OUT),
	}, TOP)
end

return usage
