# SPDX-License-Identifier: MIT
"""A call that falls back to another group has to pass the policies of that group too."""
import pytest

from calls import check_whole, policy
from harness import model, openai


@pytest.fixture
def falling_back(gateway, upstream):
    """falling_back(hooks, bound): `m` fails and falls back to `other`; a guard is bound to some of them."""
    def start(hooks, bound, answer=openai.chat("hello"), fallbacks=("other",)):
        bad, other = upstream(openai.error(500, headers={"retry-after-ms": "1"})), upstream(answer)
        gw = gateway({"model_list": [model("m", bad), model("other", other), model("third", other)],
                      "router_settings": {"num_retries": 0, "fallbacks": [{"m": list(fallbacks)}]},
                      "policies": [{"path": "guard.lua", "models": bound}]}, files={"guard.lua": policy(hooks, "guard")})
        return gw, other
    return start


@pytest.mark.parametrize("asked", [{}, {"fallbacks": ["other"]}], ids=["by the settings", "by the client"])
def test_a_guard_of_the_fallback_is_asked(falling_back, asked):
    gw, other = falling_back('function P.admit(req) return mw.reject { status = 403, message = "no" } end', ["other"])
    answer = gw.chat(**asked)
    assert answer.status == 500, "what failed first is told"
    assert answer.headers["x-litellm-attempted-fallbacks"] == "0" and not other.requests
    gw.wait_log("fallback to other is passed over: no")


def test_a_fallback_gets_what_its_policies_rewrite(falling_back):
    gw, other = falling_back('function P.rewrite(req) req:set("messages.1.content", "redacted") end', ["other"])
    answer = gw.chat("secret")
    assert answer.content == "hello" and answer.headers["x-litellm-attempted-fallbacks"] == "1"
    assert other.request.json == {"model": "up-model", "messages": [{"role": "user", "content": "redacted"}]}


def test_nothing_remains_of_a_fallback_that_is_passed_over(falling_back):
    gw, other = falling_back("""
        function P.rewrite(req)
          req:set("messages.1.content", "changed")
          req:set("model", "nowhere")
        end""", ["other"], fallbacks=("other", "third"))
    answer = gw.chat("as it was")
    assert answer.content == "hello" and answer.headers["x-litellm-model-group"] == "third"
    assert other.request.json["messages"][0]["content"] == "as it was"


def test_no_tag_or_header_remains_of_a_fallback_that_is_passed_over(gateway, upstream):
    bad, other = upstream(openai.error(500)), upstream(openai.chat("hello"))
    mine = """
        function P.admit(req) req:tag("team", "own") req:set_header("x-team", "own") end
        function P.complete(req) mw.log.info("done", { team = req:tag("team"), guard = tostring(req:tag("guard")) }) end"""
    guard = """
        function P.admit(req)
          for _, name in ipairs { "team", "guard" } do
            req:tag(name, "other")
            req:set_header("x-" .. name, "other")
          end
        end
        function P.rewrite() return mw.reject { status = 403 } end"""
    gw = gateway({"model_list": [model("m", bad), model("other", other)],
                  "router_settings": {"num_retries": 0, "fallbacks": [{"m": ["other"]}]},
                  "policies": [{"path": "mine.lua"}, {"path": "guard.lua", "models": ["other"]}]},
                 files={"mine.lua": policy(mine, "guard"), "guard.lua": policy(guard, "guard")})
    answer = gw.chat()
    assert answer.status == 500 and answer.headers["x-team"] == "own" and "x-guard" not in answer.headers
    line = gw.wait_log("done.*").group()
    assert "team=own" in line and "guard=nil" in line


def test_a_policy_of_both_groups_is_asked_once(falling_back):
    gw, other = falling_back('function P.rewrite(req) req:set("messages.1.content", req:text(1) .. "!") end', ["m", "other"])
    assert gw.chat("hi").status == 200
    assert other.request.json["messages"][0]["content"] == "hi!"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_policy_of_the_fallback_may_answer(falling_back, streamed):
    gw, other = falling_back('function P.admit(req) return mw.answer { text = "from " .. req.group } end', ["other"])
    if streamed:
        check_whole(gw.stream_events(), "from other")
    else:
        assert gw.chat().content == "from other"
    assert not other.requests
    line = gw.wait_log("id=.* status=200.*").group()
    assert "fallbacks=1" in line
    assert gw.metric("moonweir_fallbacks_total") == 1
    assert "error=" not in line, "what failed before is not the call's end"
