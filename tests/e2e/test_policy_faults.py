# SPDX-License-Identifier: MIT
"""What a faulty policy costs: nothing but itself. Errors, loops, bombs, misuse, files that are no policies."""
import re
import time

import pytest

from calls import check_memory, check_whole, counts, policy, together
from harness import model, patience, run


def test_a_guard_that_fails_closes_the_door(ruled, good):
    gw = ruled('function P.admit(req)\n  local x = nil\n  return x.y\nend', "guard")
    answer = gw.chat()
    assert answer.status == 503
    assert "x" not in answer.error["message"] or "mine.lua" not in answer.error["message"]
    gw.wait_log(r"mine\.lua:4: ")
    assert not good.requests
    counts(gw, "moonweir_policy_errors_total", 1)


@pytest.mark.parametrize("hook", ["admit(req)", "rewrite(req)", "route(req, ups)", "attempt(req, at)",
                                  "result(req, at, res)", "respond(req, res)", "complete(req, sum)"])
@pytest.mark.parametrize("fault", ['error("on purpose")', "while true do end", "pcall(error)\n  local t = nil + 1"],
                         ids=["error", "loop", "lua"])
def test_a_fault_in_any_other_policy_costs_only_itself(ruled, good, hook, fault):
    gw = ruled("function P.%s\n  %s\nend" % (hook, fault), "observe")
    for _ in range(2):
        assert gw.chat().content == "hello"
        check_whole(gw.stream_events())
    gw.wait_log(r"mine\.lua:[34]")
    counts(gw, "moonweir_policy_errors_total", 4)


LOOPS = {
    "while": "while true do end",
    "goto": "::again:: goto again",
    "repeat": "repeat local x = 1 until false",
    "recursion": "local function f() return f() end f()",
    "pcall in a loop": "while true do pcall(function() while true do end end) end",
    "pcall of itself": "local function f() pcall(f) f() end f()",
    "metamethod": "local t = setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end }) local x = t.a",
    "sort": "local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function(a, b) while true do end end)",
    "pattern": "mw.text.find(('a'):rep(100000), '.-.-.-.-b')",
    "string pattern": "(('a'):rep(100000)):find('.-.-.-.-b')",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_an_endless_hook_is_stopped_and_stops_nobody(ruled, good, loop):
    gw = ruled('function P.admit(req)\n  if req:text(1) == "loop" then %s end\nend' % LOOPS[loop], "guard")
    began = time.monotonic()
    answers = together(lambda i: gw.chat("loop" if i % 2 else "hi").status, 16)
    assert answers == [200, 503] * 8
    assert time.monotonic() - began < patience(1.5)
    gw.wait_log(r"mine\.lua:3: MW11")
    assert gw.chat("hi").status == 200


@pytest.mark.parametrize("bomb", [
    "local s = 'x' while true do s = s .. s end",
    "local t = {} for i = 1, 1e9 do t[i] = { i } end",
    "return ('x'):rep(1e9)",
    "keep = keep or {} keep[#keep + 1] = ('x'):rep(500000) .. #keep",
], ids=["string", "tables", "rep", "kept"])
def test_a_memory_bomb_hurts_only_itself(ruled, good, bomb):
    gw = ruled("local keep\nfunction P.admit(req)\n  if req:text(1) == 'bomb' then %s end\nend" % bomb, "guard")
    assert gw.chat().status == 200
    before = gw.resident_kib()
    statuses = {gw.chat("bomb").status for _ in range(90 if "keep" in bomb else 20)}
    assert 503 in statuses and statuses <= {200, 503}
    check_memory(gw, before, 45)                          # 16 MiB for each of two workers, and some air
    if "keep" not in bomb:
        assert gw.chat().status == 200


MISUSE = {
    "global": ("count = 1", "count"),
    "unknown global": ("local x = kount + 1", "kount"),
    "no io": ("io.open('/etc/passwd')", "io"),
    "no os": ("os.execute('true')", "os"),
    "no load": ("load('return 1')()", "load"),
    "no debug": ("debug.getregistry()", "debug"),
    "no ffi": ("require('ffi')", "require"),
    "unknown function": ("mw.rejct { status = 403 }", "reject"),
    "unknown field": ("local x = req.modle", "model"),
    "unknown option": ("return mw.reject { staus = 403, message = 'x' }", "status"),
    "wrong type": ("return mw.reject { status = 'x', message = 'x' }", "status"),
    "wrong status": ("return mw.reject { status = 200, message = 'x' }", "200"),
    "wrong return": ("return 5", "mw.reject"),
    "wrong decision": ("return mw.retry { after_ms = 1 }", "mw.reject"),
    "wrong hook": ("req:set('temperature', 1)", "rewrite"),
    "bad header": ("req:set_header('content-length', '5')", "content-length"),
    "line end in a header": ("req:set_header('x-a', 'b\\r\\nc: d')", "x-a"),
    "write to the call": ("req.model = 'x'", "req"),
}


@pytest.mark.parametrize("case", MISUSE)
def test_misuse_is_told_with_its_place(ruled, case):
    code, word = MISUSE[case]
    gw = ruled("function P.admit(req)\n  %s\nend" % code, "guard")
    assert gw.chat().status == 503
    line = gw.wait_log(r"mine\.lua:(\d+):? (.*)")
    assert line.group(1) in ("2", "3"), line.group(0)
    assert word in line.group(2), line.group(0)
    assert re.search(r"MW\d{3}", line.group(2)), line.group(0)


def test_the_same_fault_is_told_once(ruled):
    gw = ruled("function P.admit(req)\n  if req:text(1) == 'a' then error('no a') end\n  local x = req.modle\nend")
    for text in "abab" * 20:
        assert gw.chat(text).status == 200
    counts(gw, "moonweir_policy_errors_total", 80)
    told = [line for line in gw.log.splitlines() if "error policy" in line]
    assert 2 <= len(told) <= 4, told                      # once for each of two workers at the most
    assert {re.search(r"mine\.lua:(\d+)", line).group(1) for line in told} == {"3", "4"}


def test_a_fault_in_a_file_far_down_names_its_whole_path(gateway, good):
    path = "a-folder-with-a-long-name/mine.lua"           # below the test's own folder: more than Lua shows
    gw = gateway({"model_list": [model("m", good)], "policies": [{"path": path}]},
                 files={path: policy("function P.admit(req)\n  local x = req:tag('none') + 1\nend", "guard")})
    assert gw.chat().status == 503
    gw.wait_log(re.escape(gw.folder + "/" + path) + ":3: MW100")
    gw.write(path, "local x = = 1")
    gw.wait_log(re.escape(gw.folder + "/" + path) + ":1: MW401")


BROKEN = {
    "syntax": ("function P.admit(req\nend", r"mine\.lua:3: "),
    "no policy": ("do return 5 end", r"mine\.lua.*policy"),
    "unknown hook": ("function P.admitt(req) end", r"mine\.lua:2: .*admit"),
    "error at load": ("error('not today')", r"mine\.lua:2: .*not today"),
    "error in init": ("function P.init(p)\n  error('not today')\nend", r"mine\.lua:3: .*not today"),
    "endless init": ("function P.init(p) while true do end end", r"mine\.lua:2: "),
    "endless load": ("while true do end", r"mine\.lua:2: "),
    "require": ('require "nothing"', r"mine\.lua:2: .*nothing"),
    "bytecode": ("\x1bLJ\x02", r"mine\.lua:1: MW401 this is bytecode"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_policy_is_refused_at_the_start(tmp_path, case):
    text, said = BROKEN[case]
    (tmp_path / "mine.lua").write_text(text if case == "bytecode" else policy(text))
    (tmp_path / "config.yaml").write_text("model_list:\n  - model_name: m\n    litellm_params: {model: demo/echo}\n"
                                          "policies:\n  - path: mine.lua\n")
    code, out, err = run("--check", "--config", str(tmp_path / "config.yaml"))
    assert code == 1
    assert re.search(said, err), err


def test_check_names_the_policies(tmp_path):
    (tmp_path / "mine.lua").write_text(policy(""))
    (tmp_path / "config.yaml").write_text("model_list:\n  - model_name: m\n    litellm_params: {model: demo/echo}\n"
                                          "policies:\n  - path: mine.lua\n")
    code, out, err = run("--check", "--config", str(tmp_path / "config.yaml"))
    assert code == 0, err
    assert re.search(r"1 model, 1 target\. Policies, in order: mine@[0-9a-f]{7}, simple-shuffle@[0-9a-f]{7}\.", out), out


def test_prompts_and_keys_do_not_get_into_the_log_by_a_fault(ruled):
    gw = ruled("function P.admit(req) local x = req:get('messages') + 1 end", "guard")
    gw.chat("my secret prompt", key="sk-secret-key")
    gw.wait_log("mine.lua:2")
    assert "secret" not in gw.log


def test_random_choices_differ_from_call_to_call(ruled):
    gw = ruled("function P.admit(req) return mw.answer { text = tostring(mw.random.unit()) } end")
    assert len({gw.chat().content for _ in range(20)}) == 20
