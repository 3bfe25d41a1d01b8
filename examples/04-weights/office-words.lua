-- SPDX-License-Identifier: MIT
--- Refuses calls whose last message holds a word of the list.
local P = mw.policy {
  name = "office-words", api = 1, kind = "guard",
  summary = "Keeps some words out.",
  params = { words = { type = "list", default = { "synergy" }, doc = "what nobody should have to read" } },
}

function P.admit(req, p)
  local text = mw.text.lower(req:text(-1))
  for _, word in ipairs(p.words) do
    if mw.text.contains(text, word) then
      return mw.reject { status = 403, code = "office_words", message = "please say it without '" .. word .. "'" }
    end
  end
end

return P
