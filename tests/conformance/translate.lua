-- SPDX-License-Identifier: MIT
-- Puts recorded or made-up traffic through the runtime of lua/, without a server: JSON lines in, JSON lines out.
--
--   {"do": "reply", "target": "anthropic/claude-x", "status": 200, "body": "…", "opts": {}}   a whole answer
--   {"do": "stream", …}                       the same as SSE; gives every chunk that a client would get
--   {"do": "request", "target": …, "body": {…}, "opts": {}}    what goes to the provider
--   {"do": "play", …}                         the script of a demo model
--
-- Each answer is {"out": …} or {"fault": {…}}; a Lua error is {"raised": "…"}. Run in the project's folder with
-- LUA_CPATH showing to build/lua (make lua-modules).

package.path = "lua/?.lua;" .. package.path

local json = require "mwjson"
local runtime = require "boot"

local targets, count = {}, 0

-- `more`: litellm_params beside the usual.
local function target(name, more)
	local key = name .. json.encode(more or {})
	if not targets[key] then
		count = count + 1
		local params = { api_key = "k", api_base = "http://up/v1" }
		for member, value in pairs(more or {}) do
			params[member] = value
		end
		runtime.add(count, { model = name, params = params })
		targets[key] = count
	end
	return targets[key]
end

local function options(job, model)
	local opts = {}
	for name, value in pairs(job.opts or {}) do
		opts[name] = value
	end
	opts.model = opts.model or model
	opts.client_model = opts.client_model or "asked"
	return opts
end

-- The data and names of the events of an SSE text, as net/sse.c would give them.
local function events_of(text)
	local list = {}
	text = text:gsub("\r\n", "\n"):gsub("\r", "\n")
	local name, data = "", {}
	for line in (text .. "\n\n"):gmatch("(.-)\n") do
		if line == "" then
			if data[1] then
				list[#list + 1] = { name = name, data = table.concat(data, "\n") }
			end
			name, data = "", {}
		elseif line:sub(1, 5) == "data:" then
			data[#data + 1] = line:sub(6):gsub("^ ", "")
		elseif line:sub(1, 6) == "event:" then
			name = line:sub(7):gsub("^ ", "")
		end
	end
	return list
end

local jobs = {}

function jobs.request(job, index, opts)
	local text, fault = runtime.request(index, "chat", json.encode(job.body), opts)
	return { out = text and json.decode(text) or nil, fault = fault }
end

function jobs.play(job, index, opts)
	local script, fault = runtime.play(index, "chat", json.encode(job.body), opts)
	return { out = script, fault = fault }
end

function jobs.reply(job, index, opts)
	if job.status >= 300 then
		return { fault = runtime.failure(index, job.status, job.body) }
	end
	local text, used, finish = runtime.reply(index, "chat", job.body, opts)
	if not text then
		return { fault = used }
	end
	return { out = json.decode(text), usage = used, finish = finish }
end

-- whole_at: after which event the stream first said that a clean close would be its end.
function jobs.stream(job, index, opts)
	if job.status >= 300 then
		return { fault = runtime.failure(index, job.status, job.body) }
	end
	local stream = runtime.open(index, opts)
	local out, whole_at, state = json.array {}, nil, 0
	local list = events_of(job.body)
	for i, event in ipairs(list) do
		if state == 2 then
			break
		end
		local text, now = stream:event(event.name, event.data)
		if not text then
			return { fault = now, text = table.concat(out) }
		end
		assert(now > 0 or text == "", "text came before content")
		state = now
		out[#out + 1] = text
		whole_at = whole_at or (stream:whole() and i) or nil
	end
	if state == 2 or stream:whole() then
		out[#out + 1] = stream:finish()
	end
	return { text = table.concat(out), usage = stream.usage, finish = stream.finish_reason, whole = stream:whole(),
		whole_at = whole_at, events = #list, state = state }
end

for line in io.lines() do
	local job = assert(json.decode(line))
	local ok, answer = pcall(function()
		local index = target(job.target, job.params)
		return jobs[job["do"]](job, index, options(job, job.target:match("/(.+)$")))
	end)
	print(json.encode(ok and answer or { raised = tostring(answer) }))
end
