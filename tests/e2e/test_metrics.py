# SPDX-License-Identifier: MIT
"""/metrics: well-formed by Prometheus's own judge, and true."""
import shutil
import subprocess
import threading

import pytest

from calls import counts, together
from harness import event, in_turn, model, openai, stream, until, wait, wait_for


def test_promtool_is_content(gateway, upstream):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("no promtool: make deps-test unpacks it")
    up = upstream(openai.chat_or_stream())
    odd = 'odd "name"\\ of\nlines, ü€{}='
    gw = gateway({"model_list": [model(odd, up), model("m", up)]})
    gw.chat(model="m")
    gw.stream_events(model="m")
    gw.chat(model=odd)
    gw.chat(model="nope")
    gw.post("/v1/embeddings", {"model": "m", "input": "x"})
    until(lambda: gw.metric("moonweir_calls_total") == 5)
    answer = gw.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert r'moonweir_calls_total{model="odd \"name\"\\ of\nlines, ü€{}=",' in answer.text
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


def test_a_wildcard_is_one_series_whatever_is_asked_for(gateway, upstream):
    gw = gateway({"model_list": [model("openai/*", upstream(openai.chat()), "openai/*")]})
    for i in range(20):
        assert gw.chat(model="openai/made-up-%d" % i).status == 200
    counts(gw, "moonweir_calls_total", 20, model="openai/*", status="200")
    assert "made-up" not in gw.get("/metrics").text


def test_calls_are_counted_by_the_status_that_the_client_got(gateway, upstream):
    up = upstream(in_turn(openai.error(400), openai.error(429), openai.error(503), openai.chat()))
    gw = gateway({"model_list": [model("m", up)], "router_settings": {"num_retries": 0, "disable_cooldowns": True}})
    got = [gw.chat().status for _ in range(4)] + [gw.chat(model="nope").status]
    assert got == [400, 429, 503, 200, 404]
    for status in got:
        counts(gw, "moonweir_calls_total", 1, model="" if status == 404 else "m", status=str(status))
    assert gw.metric("moonweir_attempt_errors_total", model="m") == 2, "the 400 is the caller's"
    assert gw.metric("moonweir_call_seconds_count") == 5


def test_the_first_token_and_the_whole_call_are_timed_apart(gateway, upstream):
    seen = threading.Event()
    up = upstream(stream(event(openai.chunk({"role": "assistant", "content": ""})), wait(150), *openai.events("a")[1:2],
                         wait_for(seen), wait(250), *openai.events("a")[2:]))
    gw = gateway({"model_list": [model("m", up)]})
    with gw.stream() as wire:
        events = wire.events(wire.answer)
        next(events)
        seen.set()                                        # only from here on does the rest take its time
        list(events)
    counts(gw, "moonweir_call_seconds_count", 1, model="m")
    first, whole = (gw.metric("moonweir_%s_seconds_sum" % name, model="m") for name in ("first_token", "call"))
    assert 0.15 <= first <= whole - 0.25
    assert gw.metric("moonweir_overhead_seconds_sum", model="m") < whole - 0.4


def test_what_an_exchange_lasts_beyond_its_stream_is_not_taken_for_the_answer(gateway, upstream):
    gw = gateway({"model_list": [model("m", upstream(stream(*openai.events("a"), wait(600))))]})
    gw.stream_events()
    counts(gw, "moonweir_call_seconds_count", 1, model="m")
    assert gw.metric("moonweir_overhead_seconds_count", model="m") == 1


def test_a_client_that_leaves_is_not_under_way_any_more(gateway, upstream):
    go = threading.Event()
    up = upstream(stream(openai.events("a")[:2], wait_for(go)))
    gw = gateway({"model_list": [model("m", up)]})
    with gw.stream() as wire:
        next(wire.events(wire.answer))
        assert gw.metric("moonweir_in_flight", model="m") == 1
        wire.reset()
    counts(gw, "moonweir_in_flight", 0, model="m")
    counts(gw, "moonweir_call_seconds_count", 1, model="m")
    go.set()


def test_the_numbers_add_up_over_workers_and_reloads(gateway, upstream):
    def answer(request):
        if request.json["model"] == "bad":
            return openai.error(502)
        return openai.chat_or_stream()(request)
    up, clients, rounds = upstream(answer), 12, 15
    gw = gateway({"model_list": [model("good", up), model("bad", up, "openai/bad")],
                  "router_settings": {"num_retries": 0, "disable_cooldowns": True}}, args=["--workers", "4"])
    done = []

    def client(i):
        for n in range(rounds):
            assert gw.chat(model="good").status == 200
            assert len(gw.stream_events(model="good")) > 2
            assert gw.chat(model="bad").status == 502
            assert gw.get("/metrics").status == 200
            done.append(i)
            if i == 0 and n % 4 == 0:
                gw.reload()
    together(client, clients)
    calls = clients * rounds
    assert len(done) == calls
    counts(gw, "moonweir_calls_total", 2 * calls, model="good", status="200")
    counts(gw, "moonweir_calls_total", calls, model="bad", status="502")
    for name, value in (("attempts_total", 3 * calls), ("attempt_errors_total", calls), ("prompt_tokens_total", 10 * calls),
                        ("completion_tokens_total", 14 * calls), ("call_seconds_count", 3 * calls), ("in_flight", 0)):
        counts(gw, "moonweir_" + name, value)
    assert gw.metric("moonweir_call_seconds_bucket", le="+Inf") == 3 * calls
    until(lambda: gw.metric("moonweir_reloads_total") >= 1)
