# SPDX-License-Identifier: MIT
"""The official openai client (npm) in front of the gateway: what it returns, raises and closes."""
import json
import os
import shutil
import subprocess
import time

import pytest

from harness import anthropic, event, in_turn, model, openai, patience, reply, reset, silence, stream

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "npm", "node_modules")
pytestmark = [pytest.mark.real, pytest.mark.skipif(
    not (shutil.which("node") and os.path.isdir(os.path.join(MODULES, "openai"))),
    reason="the openai client is not installed: make build/npm/installed")]


def start(gw, case):
    return subprocess.Popen(["node", os.path.join(HERE, "npm", "client.cjs"), gw.url, case], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "NODE_PATH": MODULES})


@pytest.fixture
def client(gateway, upstream):
    """client(case, *replies): what the client made of a gateway whose provider sends these; `client.up` is that one."""
    def play(case, *replies, **params):
        play.up = upstream(in_turn(*replies))
        params.setdefault("max_retries", 0)
        gw = gateway({"model_list": [model("m", play.up, **params)], "router_settings": {"num_retries": 0}})
        out, err = start(gw, case).communicate(timeout=patience(20))
        assert out, err
        return json.loads(out)
    return play


def test_chat(client):
    got = client("chat", openai.chat("hello there"))
    assert (got["text"], got["finish"], got["model"]) == ("hello there", "stop", "m")
    assert got["usage"]["total_tokens"] == 12
    assert got["call"]


def test_a_stream(client):
    got = client("stream", openai.stream("hel", "lo"))
    assert (got["text"], got["finish"], got["ids"]) == ("hello", "stop", 1)


def test_a_stream_with_usage(client):
    got = client("usage", openai.chat_or_stream("hel", "lo"))
    assert got["text"] == "hello"
    assert got["usage"]["prompt_tokens"] == 5


CALLS = [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}},
         {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}]


def test_tools(client):
    got = client("tools", openai.chat(None, tool_calls=CALLS))
    assert got["finish"] == "tool_calls"
    assert got["calls"] == CALLS
    assert client.up.request.json["tools"][0]["function"]["name"] == "weather"


def test_streamed_tools(client):
    deltas = [{"role": "assistant", "content": None}]
    for i, call in enumerate(CALLS):
        text = call["function"]["arguments"]
        deltas.append({"tool_calls": [{"index": i, **call, "function": {"name": "weather", "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": i, "function": {"arguments": piece}}]} for piece in (text[:4], text[4:])]
    chunks = [openai.chunk(d) for d in deltas] + [openai.chunk({}, "tool_calls")]
    got = client("streamed_tools", stream([event(c) for c in chunks], event("[DONE]")))
    assert got["finish"] == "tool_calls"
    assert [(c["id"], json.loads(c["function"]["arguments"])["city"]) for c in got["calls"]] == \
        [("call_1", "Paris"), ("call_2", "Oslo")]


def test_structured_output(client):
    assert client("structured", openai.chat('{"name":"Ada","age":36}')) == {"name": "Ada", "age": 36}
    assert client.up.request.json["response_format"]["json_schema"]["strict"] is True


CLAUDE = {"provider_model": "anthropic/claude-sonnet-4-5"}
THOUGHTS = [{"type": "thinking", "thinking": "Hm.", "signature": "SIG"}, {"type": "redacted_thinking", "data": "DATA"}]
USES = [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
        {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Oslo"}}]


def test_claudes_thoughts_are_whole_when_the_client_has_joined_the_stream(client):
    said = THOUGHTS + [{"type": "text", "text": "Yes."}]
    got = client("streamed_message", anthropic.stream(content=said), **CLAUDE)
    assert (got["content"], got["reasoning_content"], got["thinking_blocks"]) == ("Yes.", "Hm.", THOUGHTS)


@pytest.mark.parametrize("case", ["run_tools", "run_streamed_tools"])
def test_tools_that_the_client_runs_answer_claude(client, case):
    answer = {"run_tools": anthropic.chat, "run_streamed_tools": anthropic.stream}[case]
    text = {"type": "text", "text": "Warm."}
    got = client(case, answer(content=THOUGHTS + USES, stop_reason="tool_use"), answer(content=[text]), **CLAUDE)
    assert got == {"text": "Warm.", "asked": ["Paris", "Oslo"]}
    *_, called, results = client.up.requests[1].json["messages"]
    assert [b for b in called["content"] if b["type"] == "tool_use"] == USES
    assert results["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "21 degrees in Paris"},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": "21 degrees in Oslo"}]


def test_structured_output_of_claude(client):
    text = {"type": "text", "text": '{"name":"Ada","age":36}'}
    assert client("structured", anthropic.chat(content=[text]), **CLAUDE) == {"name": "Ada", "age": 36}
    assert client.up.request.json["output_config"]["format"]["schema"]["required"] == ["name", "age"]


def test_structured_output_of_an_older_claude(client):
    use = {"type": "tool_use", "id": "toolu_1", "name": "moonweir_json_answer", "input": {"name": "Ada", "age": 36}}
    got = client("structured", anthropic.chat(content=[use], stop_reason="tool_use"),
                 provider_model="anthropic/claude-3-haiku-20240307")
    assert got == {"name": "Ada", "age": 36}


def test_claudes_error_in_a_stream_is_raised_after_its_text(client):
    overloaded = event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")
    got = client("streamed_error", stream(anthropic.events("hel")[:4], overloaded), **CLAUDE)
    assert (got["text"], got["class"], got["message"]) == ("hel", "APIError", "Overloaded")


def test_embeddings_arrive_as_numbers(client):
    got = client("embeddings", openai.embeddings([0.5, -1.0, 0.25], [0.0, 2.0, 4.0]))
    assert got == [[0.5, -1.0, 0.25], [0.0, 2.0, 4.0]]


def test_models(client):
    assert client("models", openai.chat()) == ["m"]


@pytest.mark.parametrize("status, raised", [
    (400, "BadRequestError"), (401, "AuthenticationError"), (403, "PermissionDeniedError"), (404, "NotFoundError"),
    (409, "ConflictError"), (422, "UnprocessableEntityError"), (429, "RateLimitError"), (500, "InternalServerError"),
    (503, "InternalServerError"), (529, "InternalServerError"),
])
def test_a_providers_error_is_raised_as_what_it_is(client, status, raised):
    got = client("error", openai.error(status, "too much of a good thing", "some_type", "some_code",
                                       headers={"retry-after": "7"}))
    assert (got["class"], got["status"]) == (raised, status)
    assert "too much of a good thing" in got["message"]
    assert got["type"] and got["code"]
    if status in (429, 503):
        assert got["retry_after"] == "7"


def test_an_error_in_a_stream_is_raised_after_its_text(client):
    got = client("streamed_error", stream(openai.events("hel")[:2], event({"error": {
        "message": "the machine fell over", "type": "server_error", "param": None, "code": None}})))
    assert got["text"] == "hel"
    assert "the machine fell over" in got["message"]


def test_a_stream_that_is_cut_is_raised_too(client):
    got = client("streamed_error", stream(openai.events("hel")[:2], reset()))
    assert got["text"] == "hel"
    assert got["class"] == "APIError"


def test_a_page_of_html_is_an_error(client):
    got = client("error", reply("<html><h1>502 Bad Gateway</h1></html>", content_type="text/html"))
    assert (got["class"], got["status"]) == ("InternalServerError", 502)


@pytest.mark.parametrize("case, steps", [
    ("abort", stream(openai.events("a")[:2], silence())),
    ("abort_whole", [silence()]),
    ("timeout", [silence()]),
])
def test_an_abort_closes_the_call_upstream_at_once(gateway, upstream, case, steps):
    up = upstream(steps)
    gw = gateway({"model_list": [model("m", up)]})
    node = start(gw, case)
    try:
        line = node.stdout.readline()
        aborted = time.monotonic()
        assert json.loads(line), node.stderr.read()
        # the client may close a moment before it says so
        assert up.request.wait_left(2) - aborted < patience(0.5)
    finally:
        node.kill()
        node.communicate()
