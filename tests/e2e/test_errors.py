# SPDX-License-Identifier: MIT
"""Every error of engine/base/errors.def that can reach a client, provoked from outside: status, type, code and words."""
import os
import re
import resource

import pytest

from calls import counts, target
from harness import anthropic, model, openai, reply, silence
from harness.gateway import ROOT
from harness.wire import request_bytes

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"
KEY = "sk-master"

# What is said in the process itself: of scripts and settings to who runs it, of broken parts to the log.
INWARD = {"SCRIPT", "SETTINGS", "INTERNAL"}


def head(*lines):
    return "\r\n".join(lines) + "\r\n\r\n"


# code of the list: (bytes that provoke it, type, error.code, a word of the message)
CASES = {
    "BAD_REQUEST": (request_bytes("POST", PATH, {**CHAT, "n": "x"}, key=KEY), "invalid_request_error", "400", "'n'"),
    "BAD_JSON": (request_bytes("POST", PATH, "{", key=KEY), "invalid_request_error", "400", "line 1"),
    "UNSUPPORTED": (request_bytes("POST", PATH, {**CHAT, "model": "claude", "logit_bias": {}, "x": 1}, key=KEY),
                    "invalid_request_error", "unsupported_parameter", "x"),
    "NO_KEY": (request_bytes("POST", PATH, CHAT), "authentication_error", "invalid_api_key", "Authorization"),
    "NOT_FOUND": (request_bytes("GET", "/nowhere"), "invalid_request_error", "404", "/nowhere"),
    "NO_MODEL": (request_bytes("POST", PATH, {**CHAT, "model": "mm"}, key=KEY), "invalid_request_error", "model_not_found",
                 "'m'"),
    "METHOD": (request_bytes("GET", PATH, key=KEY), "invalid_request_error", "405", "POST"),
    "SLOW_CLIENT": ("GET /v1/models HTTP/1.1\r\n", "invalid_request_error", "408", "head"),
    "BODY_TOO_LARGE": (head("POST " + PATH + " HTTP/1.1", "host: x", "authorization: Bearer " + KEY,
                            "content-length: 10000000000"), "invalid_request_error", "413", "10000000000"),
    "EXPECTATION": (head("POST " + PATH + " HTTP/1.1", "host: x", "expect: wonders", "content-length: 1"),
                    "invalid_request_error", "417", "100-continue"),
    "HEAD_TOO_LARGE": (head("GET / HTTP/1.1", "host: x", "x: " + "y" * 70000), "invalid_request_error", "431", "65536"),
    "HTTP_VERSION": (head("GET / HTTP/3.0", "host: x"), "invalid_request_error", "505", "1.1"),
    "REJECTED": (request_bytes("POST", PATH, {**CHAT, "model": "rejects"}, key=KEY), "permission_error", "403", "not you"),
    "NO_TARGET": (request_bytes("POST", PATH, {**CHAT, "model": "cools"}, key=KEY), "rate_limit_error", "429",
                  "No deployments available"),
    "POLICY": (request_bytes("POST", PATH, {**CHAT, "model": "fails"}, key=KEY), "api_error", "policy_error", "policy"),
    "UPSTREAM": (request_bytes("POST", PATH, {**CHAT, "model": "error"}, key=KEY), "server_error", "500", "own words"),
    "UPSTREAM_UNREACHABLE": (request_bytes("POST", PATH, {**CHAT, "model": "nobody"}, key=KEY), "api_error", "502", "127.0.0.1"),
    "UPSTREAM_TIMEOUT": (request_bytes("POST", PATH, {**CHAT, "model": "silent"}, key=KEY), "timeout_error", "504", "0.2"),
    "UPSTREAM_BROKEN": (request_bytes("POST", PATH, {**CHAT, "model": "html"}, key=KEY), "api_error", "502", "HTML"),
}

RULES = """\
local P = mw.policy { name = "rules", api = 1, kind = "guard", summary = "For a test." }
function P.admit(req)
  if req.model == "rejects" then return mw.reject { status = 403, message = "not you" } end
  if req.model == "fails" then error("on purpose") end
end
return P
"""


@pytest.fixture
def gw(gateway, upstream, nobody):
    """One model for each error."""
    bad = upstream(openai.error(500))
    rows = [model("m", upstream(openai.chat())), model("claude", upstream(anthropic.chat()), "anthropic/claude-x"),
            model("rejects", bad), model("fails", bad), model("error", bad, cooldown_time=0), target("cold", bad, "cools"),
            model("nobody", nobody), model("silent", upstream([silence()]), timeout=0.2),
            model("html", upstream(reply("<html>", content_type="text/html")))]
    gw = gateway({"model_list": rows, "general_settings": {"master_key": KEY}, "moonweir_settings": {"head_timeout": 0.2},
                  "router_settings": {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 60},
                  "policies": [{"path": "rules.lua"}]}, files={"rules.lua": RULES})
    assert gw.chat(model="cools", key=KEY).status == 500
    return gw


def listed():
    """{code: status} of errors.def."""
    with open(os.path.join(ROOT, "engine", "base", "errors.def")) as f:
        return {code: int(status) for code, status in re.findall(r"^MW_ERR\((\w+), (\d+),", f.read(), re.M)}


def test_every_error_of_the_list_is_here():
    assert set(CASES) | INWARD | {"LOCAL"} == set(listed())


@pytest.mark.parametrize("code", CASES)
def test_an_error_has_its_status_type_and_words(gw, code):
    request, kind, word, told = CASES[code]
    status = 500 if code == "UPSTREAM" else listed()[code]    # that one has the provider's own
    with gw.connect() as wire:
        wire.send(request)
        answer = wire.response()
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    assert (answer.error["type"], answer.error["code"]) == (kind, word)
    assert told in answer.error["message"]


def lowest_unused(pid):
    used = {int(fd) for fd in os.listdir("/proc/%d/fd" % pid)}
    return next(fd for fd in range(len(used) + 1) if fd not in used)


@pytest.mark.parametrize("where, spare", [("http://127.0.0.1:%d", 0), ("http://elsewhere.test:%d", 0), ("https://127.0.0.1:%d", 1)],
                         ids=["no socket", "no look-up", "no certificates"])
def test_what_this_machine_lacks_is_no_failure_of_the_target(gateway, upstream, certificate, where, spare):
    up = upstream(openai.chat("hello"), tls=certificate if "https" in where else None)

    class Target:
        url = where % up.port
    gw = gateway({"model_list": [model("m", Target)],
                  "router_settings": {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 60}},
                 args=["--workers", "1", "--port", "0"], env={"SSL_CERT_FILE": certificate[0]})
    with gw.connect() as wire:
        wire.request("GET", "/v1/models")
        assert wire.response().status == 200
        limits = resource.prlimit(gw.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(gw.pid, resource.RLIMIT_NOFILE, (lowest_unused(gw.pid) + spare, limits[1]))
        wire.request("POST", PATH, CHAT)
        answer = wire.response()
        assert (answer.status, answer.error["type"]) == (listed()["LOCAL"], "api_error")
        resource.prlimit(gw.pid, resource.RLIMIT_NOFILE, limits)
        counts(gw, "moonweir_attempt_errors_total", 0)
        counts(gw, "moonweir_cooldowns_total", 0)
        if "127" not in where:                            # a test asks no name server
            return
        wire.request("POST", PATH, CHAT)
        assert wire.response().content == "hello"
