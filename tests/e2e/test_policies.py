# SPDX-License-Identifier: MIT
"""Policies seen from outside: what each hook may decide, in which order, and what its faults cost (nothing but itself)."""
import json
import re
import threading
import time

import pytest

from calls import answered_by, check_whole, chunks, counts, policy, seconds_between, target, text_of
from harness import anthropic, in_turn, model, openai, patience, silence, stream, wait, wait_for


# ----------------------------------------------------------------------------------------------------------- admit

@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_admit_rejects(ruled, good, streamed):
    gw = ruled("""
        function P.admit(req)
          if req:text(-1) == "no" then
            return mw.reject { status = 451, code = "not_here", message = 'not "here"', retry_after_ms = 2500 }
          end
        end""", "guard")
    answer = gw.chat("no", stream=streamed)
    assert (answer.status, answer.headers["retry-after"]) == (451, "3")
    assert (answer.error["message"], answer.error["code"]) == ('not "here"', "not_here")
    assert not good.requests
    assert gw.chat("yes").content == "hello"


def test_admit_answers(ruled, good):
    gw = ruled('function P.admit(req) return mw.answer { text = "I know: " .. req:text(1) } end')
    answer = gw.chat('"2"')
    assert (answer.status, answer.content, answer.json["model"]) == (200, 'I know: "2"', "m")
    assert answer.json["choices"][0]["finish_reason"] == "stop"
    assert answer.json["usage"]["total_tokens"] == 0
    events = gw.stream_events("x", stream_options={"include_usage": True})
    check_whole(events, "I know: x")
    assert chunks(events)[-1]["choices"] == [] and chunks(events)[-1]["usage"]["total_tokens"] == 0
    assert not good.requests


def test_hooks_see_embeddings_too(ruled, upstream):
    up = upstream(openai.embeddings([1.0]))
    gw = ruled("""
        function P.admit(req)
          if req.kind ~= "embeddings" then return end
          local input = req:get("input")
          if input == "no" then return mw.reject { status = 403, message = "not this" } end
          if input == "text" then return mw.answer { text = "no vector" } end
        end
        function P.rewrite(req) req:set("input", req:get("input") .. "!") end""", models=[model("e", up, "openai/e")])
    ask = lambda text: gw.post("/v1/embeddings", {"model": "e", "input": text})
    assert ask("yes").json["data"][0]["embedding"] == [1.0] and up.request.json["input"] == "yes!"
    assert ask("no").status == 403
    answer = ask("text")
    assert answer.status == 503 and "embeddings" in answer.error["message"], "a text is no answer to this"


def test_a_policy_sees_the_call(ruled):
    gw = ruled("""
        function P.admit(req)
          req:tag("seen", "yes")
          return mw.answer { text = mw.json.encode {
            model = req.model, group = req.group, stream = req.stream, kind = req.kind, n = req.n_messages,
            size = req.in_bytes, id = #req.id, header = req:header("X-Team"), none = tostring(req:header("x-none")),
            secret = tostring(req:header("authorization")), first = req:text(1), last = req:text(-1, 3),
            get = req:get("x.list.2"), role = req:get("messages.1.role"), missing = tostring(req:get("no.such")),
            tag = req:tag("seen"),
          } }
        end""")
    answer = gw.chat("über", key="sk-client", headers={"x-team": "blue"}, x={"list": [1, 2.5]})
    seen = json.loads(answer.content)
    assert seen.pop("size") > 50 and seen.pop("id") == 36
    assert seen == {"model": "m", "group": "m", "stream": False, "kind": "chat", "n": 1, "header": "blue",
                    "none": "nil", "secret": "nil", "first": "über", "last": "üb", "get": 2.5, "role": "user",
                    "missing": "nil", "tag": "yes"}


# --------------------------------------------------------------------------------------------------------- rewrite

def test_rewrite_changes_what_is_sent(ruled, good):
    gw = ruled("""
        function P.rewrite(req)
          req:set("temperature", 0.25)
          req:set("messages.2", { role = "user", content = 'and "this"' })
          req:set("messages.1.content", req:text(1):upper())
          req:set("x_new.deep", true)
          req:del("seed")
          req:set_header("x-rewritten", "yes")
        end""")
    answer = gw.chat("hi", seed=7, top_p=1)
    assert (answer.status, answer.headers["x-rewritten"]) == (200, "yes")
    assert good.request.json == {
        "model": "up-model", "messages": [{"role": "user", "content": "HI"}, {"role": "user", "content": 'and "this"'}],
        "temperature": 0.25, "x_new": {"deep": True}, "top_p": 1}


def test_rewrite_chooses_another_model(ruled, good, upstream):
    other = upstream(anthropic.chat("from elsewhere"))
    gw = ruled('function P.rewrite(req) req:set("model", "other") end',
               models=[model("m", good), model("other", other, "anthropic/claude-x")])
    answer = gw.chat()
    assert (answer.content, answer.json["model"]) == ("from elsewhere", "m")
    assert other.request.json["model"] == "claude-x"
    assert not good.requests


def test_a_rewrite_to_another_model_has_to_pass_its_guards(gateway, good):
    gw = gateway({"model_list": [model("m", good), model("other", good)],
                  "policies": [{"path": "to-other.lua", "models": ["m"]}, {"path": "no.lua", "models": ["other"]}]},
                 files={"to-other.lua": policy('function P.rewrite(req) req:set("model", "other") end', name="to-other"),
                        "no.lua": policy('function P.admit(req) return mw.reject { message = "not " .. req.group } end',
                                         "guard", "no")})
    answer = gw.chat()
    assert answer.status == 403 and answer.error["message"] == "not other"
    assert not good.requests


def test_what_rewrite_wishes_of_the_gateway_is_heard(ruled, upstream):
    up = upstream(in_turn(openai.error(500, headers={"retry-after-ms": "1"}), openai.chat("hello")))
    gw = ruled('function P.rewrite(req) req:set("num_retries", 1) end', models=[model("m", up)])
    assert gw.chat().content == "hello"


def test_a_body_that_rewrite_spoils_is_not_sent(ruled, good):
    gw = ruled('function P.rewrite(req) req:set("messages", "none") end')
    answer = gw.chat()
    assert answer.status == 400 and "'messages' must be an array" in answer.error["message"]
    assert "policy" in answer.error["message"] and not good.requests


@pytest.mark.parametrize("body", [
    [{"role": "user", "content": "some words, " * 8}] * 300,
    [{"role": "user", "content": "The quick brown fox, joe@example.com, jumps over 12 lazy dogs. " * 400}],
    [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * int(8e6)}},
                                  {"type": "text", "text": "what is it?"}]}],
], ids=["300 messages", "a long prompt", "a large image"])
def test_a_guard_can_look_through_a_long_call(ruled, good, body):
    gw = ruled("""
        function P.admit(req)
          for i = 1, req.n_messages do
            if mw.text.contains(req:text(i), "forbidden") then return mw.reject { message = "no" } end
          end
        end
        function P.rewrite(req)
          local all = req:get("messages")
          for _, message in ipairs(all) do
            if type(message.content) == "string" then
              message.content = message.content:gsub("[%w%.%-_%+]+@[%w%-]+%.[%w%.%-]+", "[mail]")
            end
          end
          req:set("messages", all)
        end""", "guard")
    assert gw.post("/v1/chat/completions", {"model": "m", "messages": body}).status == 200, gw.log
    assert "joe@example.com" not in json.dumps(good.request.json)
    assert len(good.request.json["messages"]) == len(body)


def test_a_model_that_rewrite_makes_up_is_404(ruled, good):
    gw = ruled('function P.rewrite(req) req:set("model", "nowhere") end')
    answer = gw.chat()
    assert answer.status == 404 and "policy" in answer.error["message"] and "nowhere" in answer.error["message"]


def test_rewrite_may_reject(ruled, good):
    gw = ruled('function P.rewrite(req) return mw.reject { status = 400, message = "no such words" } end')
    answer = gw.chat()
    assert answer.status == 400 and answer.error["message"] == "no such words"
    assert not good.requests


def test_what_a_failed_rewrite_had_set_is_dropped(ruled, good):
    gw = ruled("""
        function P.rewrite(req)
          req:set("temperature", 0.25)
          req:set_header("x-half-done", "yes")
          error("stop here")
        end""")
    answer = gw.chat("hi", temperature=1)
    assert answer.status == 200 and "x-half-done" not in answer.headers
    assert good.request.json["temperature"] == 1
    gw.wait_log(r"mine\.lua:5: .*stop here")


# ----------------------------------------------------------------------------------------------------------- route

def three(ups):
    return [target(name, up) for name, up in zip("abc", ups)]


def test_route_chooses(ruled, good):
    gw = ruled("""
        function P.route(req, ups)
          local want = req:text(-1)
          for i = 1, #ups do
            if ups[i].id == want then return ups[i] end
          end
        end""", "route", models=three([good] * 3))
    for want in "abcba":
        assert gw.chat(want).headers["x-litellm-model-id"] == want
    assert len(answered_by(gw, 60, text="anybody")) == 3, "nil leaves it to the strategy"


def test_a_plan_is_walked_in_order(ruled, upstream, good):
    bad = upstream(openai.error(500))
    gw = ruled("""
        function P.route(req, ups)
          return mw.plan { ups[2], ups[3], ups[1], attempts = tonumber(req:text(-1)) }
        end""", "route", models=three([good, bad, bad]))
    answer = gw.chat("3")
    assert answer.headers["x-litellm-model-id"] == "a" and answer.headers["x-litellm-attempted-retries"] == "2"
    answer = gw.chat("2")
    assert answer.status == 500 and answer.headers["x-litellm-model-id"] == "c"


def test_a_plan_sets_the_time_of_each_attempt(ruled, upstream, good):
    deaf = upstream([silence()])
    gw = ruled("""
        function P.route(req, ups)
          return mw.plan { { up = ups[1], ttft_ms = 150 }, { up = ups[2], total_ms = 200 }, { up = ups[3], wait_ms = 100 },
                           attempts = 3 }
        end""", "route", models=three([deaf, deaf, good]), timeout=1, stream_timeout=1)
    began = time.monotonic()
    check_whole(gw.stream_events())
    assert 0.44 <= time.monotonic() - began <= patience(0.9)
    assert 0.14 <= seconds_between(deaf.requests) <= patience(0.4)


def test_a_wish_holds_for_every_step_that_leads_to_its_target(ruled, upstream):
    busy = upstream(in_turn(openai.error(429, headers={"retry-after-ms": "600"}), openai.chat("good")))
    bad = upstream(openai.error(500))
    gw = ruled("function P.route(req, ups) return mw.plan { ups[1], ups[2], ups[1], attempts = 3 } end", "route",
               models=three([busy, bad, bad]), disable_cooldowns=True)
    assert gw.chat().content == "good"
    assert (len(busy.requests), len(bad.requests)) == (2, 1)
    assert 0.59 <= seconds_between(busy.requests) <= patience(1.5)


def test_a_plan_has_a_deadline(ruled, upstream):
    up = upstream(lambda request: [wait(150), openai.error(500, headers={"retry-after-ms": "1"})])
    gw = ruled("function P.route(req, ups) return mw.plan { ups[1], attempts = 100, deadline_ms = 500 } end", "route",
               models=[model("m", up)])
    began = time.monotonic()
    assert gw.chat().status in (500, 504)
    assert time.monotonic() - began <= patience(0.8)
    assert 3 <= len(up.requests) <= 4


def test_the_deadline_of_a_plan_ends_the_attempt_under_way(ruled, upstream):
    deaf = upstream([silence()])
    gw = ruled("function P.route(req, ups) return mw.plan { ups[1], deadline_ms = 200 } end", "route",
               models=[model("m", deaf)], timeout=30)
    began = time.monotonic()
    assert gw.chat().status == 504
    assert 0.19 <= time.monotonic() - began <= patience(1)
    assert deaf.request.wait_left(1)


def test_a_policy_sees_the_candidates(ruled, upstream, good):
    go = threading.Event()
    up = upstream(lambda request: [wait_for(go) if b"hold" in request.body else wait(0), openai.chat("hello")])
    gw = ruled("""
        function P.route(req, ups)
          local u = ups[1]
          mw.log.info("seen", { n = #ups, id = u.id, provider = u.provider, model = u.model, group = u.group,
                                weight = u.weight, inflight = u.inflight, order = tostring(u.order) })
        end""", "route", models=[target("a", up, weight=2)])
    held = gw.connect()
    held.request("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hold"}]})
    up.wait_requests(1)
    assert gw.chat().status == 200
    go.set()
    assert held.response().status == 200
    lines = [line for line in gw.log.splitlines() if "seen" in line]
    assert len(lines) == 2 and "inflight=0" in lines[0] and "inflight=1" in lines[1]
    for part in ("n=1", "id=a", "provider=openai", "model=up-model", "group=m", "weight=2"):
        assert part in lines[0]


def test_a_bad_plan_falls_back_to_the_strategy(ruled, good):
    for wrong in ('return mw.plan {}', 'return "a"', 'return { 5 }', 'return mw.plan { ups[1], attempts = 0 }',
                  'return mw.plan { ups[9] }', 'error("no idea")', 'while true do end'):
        gw = ruled("function P.route(req, ups)\n  %s\nend" % wrong, "route", models=three([good] * 3))
        assert set(answered_by(gw, 12)) <= set("abc")
        gw.wait_log(r"mine\.lua:[23]")
        counts(gw, "moonweir_policy_errors_total", 12)


def test_the_strategies_in_c_and_in_policies_agree(gateway, good):
    """A policy that returns all candidates as they are gives the tiers and the order of the file."""
    gw = gateway({"model_list": [target("c", good, order=2), target("b", good, order=1), target("a", good, order=1)],
                  "policies": [{"path": "mine.lua"}]},
                 files={"mine.lua": policy("function P.route(req, ups) return ups end", "route")})
    assert answered_by(gw, 10) == {"b": 10}


# --------------------------------------------------------------------------------------------------------- attempt

def test_attempt_changes_this_attempt_only(ruled, upstream):
    up = upstream(in_turn(openai.error(500, headers={"retry-after-ms": "1"}), openai.chat("hello")))
    gw = ruled("""
        function P.attempt(req, at)
          if at.number == 1 then
            at:set_header("x-first", at.id)
            at:set("temperature", 0.5)
            at:del("seed")
          end
        end""", models=[target("a", up)], num_retries=1)
    assert gw.chat(seed=1).status == 200
    first, second = up.requests
    assert first.headers["x-first"] == "a" and first.json["temperature"] == 0.5 and "seed" not in first.json
    assert "x-first" not in second.headers and "temperature" not in second.json and second.json["seed"] == 1


def test_a_header_that_attempt_sets_takes_the_place_of_ours(ruled, good):
    gw = ruled('function P.attempt(req, at) at:set_header("Authorization", "Bearer mine") end')
    assert gw.chat().status == 200
    assert good.request.headers["authorization"] == "Bearer mine"


def test_attempt_sees_the_body_of_the_provider(ruled, upstream):
    up = upstream(anthropic.chat("hello"))
    gw = ruled('function P.attempt(req, at) at:set("metadata", { user_id = at.dialect .. at:get("max_tokens") }) end',
               models=[model("m", up, "anthropic/claude-x")])
    assert gw.chat(max_tokens=9).status == 200
    assert up.request.json["metadata"] == {"user_id": "anthropic_messages9"}


def test_attempt_may_skip(ruled, good):
    gw = ruled('function P.attempt(req, at) if at.id ~= "b" then return "skip" end end', models=three([good] * 3),
               num_retries=2)
    assert answered_by(gw, 20) == {"b": 20}


def test_what_is_skipped_costs_no_attempt(ruled, good):
    gw = ruled('function P.attempt(req, at) if at.id ~= "b" then return "skip" end end', models=three([good] * 3),
               num_retries=0)
    assert answered_by(gw, 12) == {"b": 12}


def test_when_all_is_skipped_the_client_hears_of_it(ruled, good):
    gw = ruled('function P.attempt(req, at) return "skip" end', models=three([good] * 3), num_retries=5)
    answer = gw.chat()
    assert answer.status in (429, 503) and "skip" in answer.error["message"]
    assert not good.requests


# ---------------------------------------------------------------------------------------------------------- result

def test_result_retries_what_the_gateway_would_not(ruled, upstream):
    up = upstream(in_turn(openai.error(400, "too long"), openai.chat("hello")))
    gw = ruled("""
        function P.result(req, at, res, p)
          if res.status == 400 and res.message:lower():find("too long") then return mw.retry { after_ms = 120 } end
        end""", models=[model("m", up)])
    assert gw.chat().content == "hello"
    assert 0.11 <= seconds_between(up.requests) <= patience(0.4)


def test_a_retry_goes_to_the_same_target_though_it_cools(ruled, upstream, good):
    up = upstream(in_turn(openai.error(429), openai.chat("after all")))
    gw = ruled("""
        function P.route(req, ups) return ups end
        function P.result(req, at, res) if res.status == 429 then return mw.retry { after_ms = 10 } end end""",
               models=[target("a", up), target("b", good)])
    answer = gw.chat()
    assert (answer.content, answer.headers["x-litellm-model-id"]) == ("after all", "a")


def test_a_retry_that_would_take_too_long_is_none(ruled, good):
    gw = ruled("function P.result(req, at, res) return mw.retry { after_ms = 120000 } end")
    answer = gw.chat()
    assert answer.status == 502 and "a policy refused the answer" in answer.error["message"]
    assert len(good.requests) == 1


def test_result_cannot_retry_for_ever(ruled, upstream):
    up = upstream(openai.error(500))
    gw = ruled("function P.result(req, at, res) return mw.retry { after_ms = 0 } end", models=[model("m", up)])
    assert gw.chat().status == 500
    assert len(up.requests) == 100


def test_result_goes_on_where_the_gateway_would_not(ruled, upstream, good):
    up = upstream(openai.error(400))
    gw = ruled('function P.result(req, at, res) if not res.ok then return "next" end end',
               models=[target("a", up, order=1), target("b", good, order=2)])
    assert gw.chat().headers["x-litellm-model-id"] == "b"


def test_result_may_refuse_a_good_answer(ruled, upstream, good):
    up = upstream(openai.chat("I cannot help with that"))
    gw = ruled('function P.result(req, at, res) if res.ok and res.text and mw.text.contains(res.text, "cannot") then '
               'return "next" end end', models=[target("a", up, order=1), target("b", good, order=2),
                                                target("c", up, name="lonely")])
    assert gw.chat().content == "hello"
    answer = gw.chat(model="lonely")
    assert answer.status == 502 and "policy" in answer.error["message"]


def test_result_may_fail_the_call(ruled, upstream, good):
    up = upstream(openai.error(500, headers={"retry-after-ms": "1"}))
    gw = ruled('function P.result(req, at, res) return mw.fail { status = 418, code = "teapot", message = res.error } end',
               models=[target("a", up, order=1), target("b", good, order=2)], num_retries=3)
    answer = gw.chat()
    assert (answer.status, answer.error["code"], answer.error["message"]) == (418, "teapot", "upstream")
    assert len(up.requests) == 1 and not good.requests


def test_result_may_accept_an_error(ruled, upstream, good):
    up = upstream(openai.error(503, "as it is"))
    gw = ruled('function P.result(req, at, res) return "accept" end',
               models=[target("a", up, order=1), target("b", good, order=2)], num_retries=3)
    answer = gw.chat()
    assert answer.status == 503 and "as it is" in answer.error["message"]
    assert len(up.requests) == 1 and not good.requests


def test_result_sees_how_it_went(ruled, upstream):
    up = upstream(in_turn(openai.error(429, "slow down", headers={"retry-after-ms": "30"}), [wait(40), openai.chat("hello")]))
    gw = ruled("""
        function P.result(req, at, res)
          mw.log.info("went", { n = at.number, ok = tostring(res.ok), status = res.status, error = tostring(res.error),
            wait = tostring(res.retry_after_ms), slow = tostring(res.total_ms >= 40), streamed = tostring(res.streamed),
            tokens = res.usage and res.usage.completion or 0 })
        end""", models=[model("m", up)], num_retries=1)
    assert gw.chat().status == 200
    first, second = [line for line in gw.log.splitlines() if "went" in line]
    for part in ("n=1", "ok=false", "status=429", "error=upstream", "wait=30", "streamed=false"):
        assert part in first
    for part in ("n=2", "ok=true", "status=200", "error=nil", "slow=true", "tokens=7"):
        assert part in second


def test_result_cannot_undo_what_the_client_has_seen(ruled, upstream, good):
    up = upstream(stream(openai.events("a", "b")[:3]))
    gw = ruled('function P.result(req, at, res) if res.streamed then return "next" end end',
               models=[target("a", up, order=1), target("b", good, order=2)])
    events = gw.stream_events()
    assert text_of(events[:-1]) == "ab" and "error" in events[-1].json
    assert not good.requests


# ------------------------------------------------------------------------------------------- respond and complete

def test_respond_changes_head_and_body(ruled):
    gw = ruled("""
        function P.respond(req, res)
          req:set_header("x-finish", tostring(res.finish))
          if not res.streamed then
            res:set("choices.1.message.content", res.text .. "!")
            res:set("x_extra", { 1, 2 })
            res:del("system_fingerprint")
          end
        end""")
    answer = gw.chat()
    assert (answer.content, answer.headers["x-finish"], answer.json["x_extra"]) == ("hello!", "stop", [1, 2])
    assert "system_fingerprint" not in answer.json
    with gw.stream() as wire:
        assert "x-finish" in wire.answer.headers
        check_whole(list(wire.events(wire.answer)))


def test_no_header_of_a_policy_is_lost(ruled):
    gw = ruled('function P.respond(req, res) for i = 1, 60 do req:set_header("x-mine-" .. i, "v" .. i) end end')
    for answer in (gw.chat(), gw.stream().answer):
        assert [answer.headers.get("x-mine-%d" % i) for i in range(1, 61)] == ["v%d" % i for i in range(1, 61)]


def test_a_failed_respond_changes_nothing(ruled):
    gw = ruled('function P.respond(req, res) res:set("choices.1.message.content", "half") error("no") end')
    assert gw.chat().content == "hello"


def test_complete_comes_last_and_sees_all(ruled, upstream, good):
    gw = ruled("""
        function P.admit(req) req:tag("team", "blue") end
        function P.complete(req, sum)
          mw.log.info("done", { team = req:tag("team"), status = sum.status, attempts = sum.attempts,
            target = tostring(sum.target), finish = tostring(sum.finish), tokens = sum.usage and sum.usage.completion or 0 })
        end""", "observe", models=[target("a", good)])
    assert gw.chat().status == 200
    gw.wait_log(r"done.*")
    for part in ("team=blue", "status=200", "attempts=1", "target=a", "finish=stop", "tokens=7"):
        assert re.search("done.*" + part, gw.log), part
    gw.stream_events()
    gw.wait_log(r"(?s)done.*done.*status=200")


@pytest.mark.parametrize("hook", ["complete", "result"])
def test_what_the_client_sent_is_gone_with_its_answer(ruled, upstream, hook):
    """What runs after a stream's end must not read a body whose memory serves other clients by then."""
    go = threading.Event()
    up = upstream([stream(openai.events("hello"), wait_for(go))])
    gw = ruled("function P.%s(req) mw.log.info('looked', { n = req.n_messages, text = tostring(req:text(-1)) }) end" % hook,
               "observe", models=[model("m", up)])
    with gw.stream("mine " * 100000) as wire:
        check_whole(list(wire.events(wire.answer)))
    for _ in range(8):                                    # one of them at least on the same worker
        assert gw.chat("theirs " * 100000, model="unknown").status == 404
    go.set()
    gw.wait_log("status=200")
    looks = [line for line in gw.log.splitlines() if "looked" in line]
    assert looks and all("n=0 text=nil" in line for line in looks), looks


# --------------------------------------------------------------------------------- parameters, binding, several, folders

def test_parameters_come_from_the_settings(ruled):
    declared = 'word = { type = "string", default = "none", doc = "said" }, n = { type = "number", default = 2, doc = "so often" }'
    hook = "function P.admit(req, p) return mw.answer { text = p.word:rep(p.n) } end"
    assert ruled(hook, params=declared, given={"word": "ab"}).chat().content == "abab"
    assert ruled(hook, params=declared).chat().content == "nonenone"


def test_a_policy_may_be_bound_to_some_models(ruled, good):
    gw = ruled('function P.admit(req) return mw.answer { text = "bound" } end', bound=["b", "c/*"],
               models=[model("a", good), model("b", good), model("c/*", good, "openai/*")])
    assert [gw.chat(model=name).content for name in ("a", "b", "c/x")] == ["hello", "bound", "bound"]


def test_policies_run_in_the_order_of_the_settings(gateway, good):
    add = 'function P.rewrite(req) req:set("messages.1.content", req:text(1) .. "%s") end'
    files = {"%s.lua" % c: policy(add % c, name=c) for c in "abc"}
    gw = gateway({"model_list": [model("m", good)], "policies": [{"path": "%s.lua" % c} for c in "cab"]}, files=files)
    gw.chat("-")
    assert good.request.json["messages"][0]["content"] == "-cab"


def test_the_first_that_rejects_wins(gateway, good):
    files = {"%s.lua" % c: policy('function P.admit(req) if mw.text.contains(req:text(1), "%s") then '
                                  'return mw.reject { status = 403, message = "%s" } end end' % (c, c), "guard", c)
             for c in "ab"}
    gw = gateway({"model_list": [model("m", good)], "policies": [{"path": "a.lua"}, {"path": "b.lua"}]}, files=files)
    assert [gw.chat(text).error["message"] for text in ("ba", "b")] == ["a", "b"]
    assert gw.chat("c").status == 200


def test_the_first_that_returns_a_plan_routes(gateway, good):
    pick = 'function P.route(req, ups) if req:text(1) ~= "%s" then return ups[%d] end end'
    files = {"a.lua": policy(pick % ("pass", 1), "route", "a"), "b.lua": policy(pick % ("-", 2), "route", "b")}
    gw = gateway({"model_list": three([good] * 3), "policies": [{"path": "a.lua"}, {"path": "b.lua"}]}, files=files)
    assert answered_by(gw, 5, text="first") == {"a": 5}
    assert answered_by(gw, 5, text="pass") == {"b": 5}


def test_one_policy_may_come_twice_with_other_parameters(gateway, good):
    text = policy('function P.rewrite(req, p) req:set("messages.1.content", req:text(1) .. p.c) end',
                  params='c = { type = "string", default = "?", doc = "what" }')
    gw = gateway({"model_list": [model("m", good)],
                  "policies": [{"path": "mine.lua", "params": {"c": c}} for c in "xy"]}, files={"mine.lua": text})
    gw.chat("-")
    assert good.request.json["messages"][0]["content"] == "-xy"


def test_a_policy_may_be_a_folder(gateway, good):
    files = {"rules/policy.lua": 'local words = require "words"\n' +
             policy("function P.admit(req) return mw.answer { text = words.hello() } end"),
             "rules/words.lua": 'return { hello = function() return "from words" end }'}
    gw = gateway({"model_list": [model("m", good)], "policies": [{"path": "rules"}]}, files=files)
    assert gw.chat().content == "from words"
