-- SPDX-License-Identifier: MIT
--- Long prompts go to the target called "large", all others to "small".
local P = mw.policy {
  name = "by-length", api = 1, kind = "route",
  summary = "Chooses the target by the size of the prompt.",
  params = { long = { type = "number", default = 2000, min = 1, doc = "bytes from which a prompt is long" } },
}

function P.route(req, ups, p)
  local name = req.in_bytes >= p.long and "large" or "small"
  for i = 1, #ups do
    if ups[i].id == name then
      return mw.plan { ups[i] }
    end
  end
end -- not among the candidates (it cools down, say): nil lets the built-in strategy choose

return P
