# SPDX-License-Identifier: MIT
"""/metrics: well-formed by Prometheus's own judge, and true."""
import shutil
import subprocess
import threading

import pytest

from harness import in_turn, model, openai, until, wait_for


def test_promtool_is_content(gateway, upstream):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("no promtool: make deps-test unpacks it")
    up = upstream(openai.chat_or_stream())
    gw = gateway({"model_list": [model('odd "name"\\', up), model("m", up)]})
    gw.chat(model="m")
    gw.stream_events(model="m")
    gw.chat(model='odd "name"\\')
    gw.chat(model="nope")
    answer = gw.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    judged = subprocess.run([promtool, "check", "metrics"], input=answer.body, capture_output=True, timeout=20)
    assert (judged.returncode, judged.stdout + judged.stderr) == (0, b"")


def test_calls_attempts_and_tokens_are_counted(gateway, upstream):
    up = upstream(in_turn(openai.error(500), openai.chat("hello")))
    gw = gateway({"model_list": [model("m", up)], "router_settings": {"num_retries": 1, "disable_cooldowns": True}})
    assert gw.chat().status == 200
    until(lambda: gw.metric("moonweir_calls_total", model="m") == 1)
    assert gw.metric("moonweir_attempts_total", model="m") == 2
    assert gw.metric("moonweir_attempt_errors_total", model="m") == 1
    assert gw.metric("moonweir_prompt_tokens_total", model="m") == 5
    assert gw.metric("moonweir_completion_tokens_total", model="m") == 7
    assert gw.metric("moonweir_call_seconds_count", model="m") == 1


def test_a_streams_tokens_are_counted_though_the_client_did_not_ask(gateway, upstream):
    up = upstream(openai.chat_or_stream())
    gw = gateway({"model_list": [model("m", up)]})
    events = gw.stream_events()
    assert not any(e.data != "[DONE]" and e.json.get("usage") for e in events)
    until(lambda: gw.metric("moonweir_completion_tokens_total", model="m") == 7)
    assert gw.metric("moonweir_first_token_seconds_count", model="m") == 1


def test_what_is_under_way_is_shown(gateway, upstream):
    go = threading.Event()
    up = upstream([wait_for(go), openai.chat("late")])
    gw = gateway({"model_list": [model("m", up)]})
    with gw.connect() as wire:
        wire.request("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]})
        up.wait_requests(1)
        assert gw.metric("moonweir_in_flight", model="m") == 1
        go.set()
        assert wire.response().status == 200
    until(lambda: gw.metric("moonweir_in_flight", model="m") == 0)


def test_an_unknown_model_makes_no_series_of_its_own(gateway, upstream):
    """Else anybody could fill the memory with names."""
    gw = gateway({"model_list": [model("m", upstream(openai.chat()))]})
    for i in range(20):
        assert gw.chat(model="made-up-%d" % i).status == 404
    assert "made-up" not in gw.get("/metrics").text
