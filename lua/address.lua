-- SPDX-License-Identifier: MIT
-- Joins a base address with a path as LiteLLM's users expect it, and makes header lists.

local address = {}

function address.trim(base)
	return (base:gsub("[%s/]+$", ""):gsub("^%s+", ""))
end

-- The base without query and credentials: what may be shown to clients.
function address.shown(base)
	return (base:gsub("[?#].*$", ""):gsub("^(%a[%w+.-]*://)[^/@]*@", "%1"))
end

-- base .. path. What people write at the end of a base beyond what is meant (`endings`, longest first) is
-- cut off before; a query stays at the end.
function address.join(base, path, endings)
	local query = base:match("%?.*$") or ""
	base = address.trim(base:sub(1, #base - #query))
	for _, ending in ipairs(endings or {}) do
		if base:sub(-#ending) == ending then
			base = address.trim(base:sub(1, #base - #ending))
			break
		end
	end
	return base .. path .. query
end

-- A list {name, value, …} with litellm_params.extra_headers put over it. Names are compared in lower case.
function address.headers(list, params)
	local extra, names = {}, {}
	for name, value in pairs(type(params.extra_headers) == "table" and params.extra_headers or {}) do
		if type(name) == "string" and (type(value) == "string" or type(value) == "number") then
			extra[name:lower()] = tostring(value)
		end
	end
	local out = {}
	for i = 1, #list, 2 do
		if not extra[list[i]] then
			out[#out + 1], out[#out + 2] = list[i], list[i + 1]
		end
	end
	for name in pairs(extra) do
		names[#names + 1] = name
	end
	table.sort(names)
	for _, name in ipairs(names) do
		out[#out + 1], out[#out + 2] = name, extra[name]
	end
	return out
end

-- A parameter of the target, or the first environment variable of a list that is set. "" counts as absent.
function address.setting(spec, name, variables)
	local value = spec.params[name]
	if type(value) == "string" and value ~= "" then
		return value
	end
	local env = type(spec.params.env) == "table" and spec.params.env or {}
	for _, variable in ipairs(variables or {}) do
		value = env[variable]
		if type(value) == "string" and value ~= "" then
			return value
		end
	end
	return nil
end

return address
