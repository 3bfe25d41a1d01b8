-- SPDX-License-Identifier: MIT
-- Settings of luacheck (tests/lint/check-lua).
std = "luajit"
max_line_length = 130
self = false -- a method may ignore its object

-- Policies run in the sandbox: `mw` is theirs, and what could reach outside is not.
files["policies"] = { std = "lua51", read_globals = { "mw" }, not_globals = { "io", "os", "debug", "package", "require" } }
files["examples"] = { std = "lua51", read_globals = { "mw" } }
files["tests/lua"] = { std = "luajit+busted" }
files["tests/conformance"] = { std = "luajit+busted" }
files["tests/bench"] = { globals = { "wrk", "done" } }
