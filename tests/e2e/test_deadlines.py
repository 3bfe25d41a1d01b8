# SPDX-License-Identifier: MIT
"""Every time that was set is kept: first content, between contents, the whole answer, whatever drips
meanwhile: then 504 (LiteLLM: 408), and not much later."""
import json
import socket
import time

import pytest

from calls import alone, check_broken, check_whole
from harness import chunk, close, drip, event, head, in_turn, model, openai, patience, send, silence, stream, until, wait


@pytest.fixture
def good(upstream):
    """A provider that answers "good", whole or streamed."""
    return upstream(openai.chat_or_stream("go", "od"))


class Deaf:
    """A port that takes no more connections: its backlog is full."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(0)
        self.url = "http://127.0.0.1:%d" % self.sock.getsockname()[1]
        self.fill = []
        for _ in range(8):
            self.fill.append(socket.socket())
            self.fill[-1].setblocking(False)
            self.fill[-1].connect_ex(self.sock.getsockname())

    def close(self):
        for sock in [self.sock, *self.fill]:
            sock.close()


@pytest.fixture
def deaf():
    port = Deaf()
    yield port
    port.close()


def beat(line):
    """Comments for ever."""
    while True:
        chunk(": still here\n\n")(line)
        wait(30)(line)


STALLS = {
    "no head": [silence()],
    "half a head": [send("HTTP/1.1 200 OK\r\ncontent-ty"), silence()],
    "a head that drips": drip("HTTP/1.1 200 OK\r\n" + "x: " + "y" * 4000, every_ms=20),
    "headers, then silence": [head(200, {"content-type": "application/json", "content-length": "1000"}), silence()],
    "white space that drips": [head(200, {"content-type": "application/json", "transfer-encoding": "chunked"}),
                               drip(b"1\r\n \r\n" * 1000, every_ms=30, size=6)],
    "half an answer": [head(200, {"content-type": "application/json", "content-length": "1000"}),
                       send('{"id": "chatcmpl-1", "object"'), silence()],
}
STREAM_STALLS = {
    **STALLS,
    "headers of a stream, then silence": stream(silence()),
    "a role, then silence": stream(openai.events()[:1], silence()),
    "comments for ever": stream(beat),
    "a role and comments for ever": stream(openai.events()[:1], beat),
    "an event that drips": stream(*[[wait(30), chunk("d")] for _ in range(500)]),
    "empty pieces for ever": stream(*[[event(openai.chunk({"content": ""})), wait(30)] for _ in range(500)]),
}


def check_time(began, seconds):
    took = time.monotonic() - began
    assert seconds * 0.95 <= took <= patience(seconds + 0.7), took


@pytest.mark.parametrize("stall", STALLS)
def test_a_whole_answer_has_its_time(gateway, upstream, good, stall):
    up = upstream(STALLS[stall])
    gw = gateway({"model_list": [model("m", up), model("spare", good)],
                  "router_settings": {"num_retries": 0, "timeout": 0.25}})
    began = time.monotonic()
    answer = gw.chat()
    check_time(began, 0.25)
    assert answer.status in (408, 504) and answer.error["type"] == "timeout_error"
    assert up.request.wait_left(1)
    assert gw.chat(fallbacks=["spare"]).content == "good"


@pytest.mark.parametrize("stall", STREAM_STALLS)
def test_the_first_content_of_a_stream_has_its_time(gateway, upstream, good, stall):
    up = upstream(STREAM_STALLS[stall])
    gw = gateway({"model_list": [model("m", up), model("spare", good)],
                  "router_settings": {"num_retries": 0, "timeout": 30, "stream_timeout": 0.25}})
    began = time.monotonic()
    answer = gw.chat(stream=True)
    check_time(began, 0.25)
    assert answer.status in (408, 504) and answer.error["type"] == "timeout_error"
    assert up.request.wait_left(1)
    check_whole(gw.stream_events(fallbacks=["spare"]), "good")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("stall", ["no head", "half a head", "a head that drips"])
def test_the_first_byte_has_its_time(gateway, upstream, good, stall, streamed):
    up = upstream(STALLS[stall])
    gw = gateway({"model_list": [model("m", up), model("spare", good)],
                  "moonweir_settings": {"first_byte_timeout": 0.25}, "router_settings": {"num_retries": 0}})
    began = time.monotonic()
    answer = gw.chat(stream=streamed)
    check_time(began, 0.25)
    assert answer.status == 504 and "began" in answer.error["message"]
    assert up.request.wait_left(1)
    assert gw.chat(fallbacks=["spare"]).content == "good"


def test_the_first_byte_is_no_content(gateway, upstream):
    """Who has begun to answer in time may go on."""
    up = upstream(lambda request: stream(wait(400), openai.events("go", "od", usage=False)) if request.json.get("stream")
                  else [head(200, {"content-type": "application/json", "connection": "close"}), wait(400),
                        send(json.dumps(openai.message("good"))), close()])
    gw = gateway({"model_list": [model("m", up)], "moonweir_settings": {"first_byte_timeout": 0.2},
                  "router_settings": {"num_retries": 0}})
    assert gw.chat().content == "good"
    check_whole(gw.stream_events(), "good")


def test_a_connection_that_is_not_taken_counts_as_time(gateway, deaf, good):
    gw = gateway({"model_list": [model("m", deaf), model("spare", good)],
                  "router_settings": {"num_retries": 0, "timeout": 0.4, "stream_timeout": 0.4}})
    began = time.monotonic()
    assert gw.chat().status in (408, 504)
    check_time(began, 0.4)
    assert gw.chat(fallbacks=["spare"]).content == "good"
    check_whole(gw.stream_events(fallbacks=["spare"]), "good")


@pytest.mark.parametrize("where, settings, params, body", [
    ("router", {"router_settings": {"timeout": 0.3}}, {}, {}),
    ("litellm", {"litellm_settings": {"request_timeout": 0.3}}, {}, {}),
    ("target", {"router_settings": {"timeout": 30}}, {"timeout": 0.3}, {}),
    ("body", {"router_settings": {"timeout": 30}}, {}, {"timeout": 0.3}),
    ("stream: router", {"router_settings": {"stream_timeout": 0.3}}, {}, {"stream": True}),
    ("stream: target", {"router_settings": {"stream_timeout": 30}}, {"stream_timeout": 0.3}, {"stream": True}),
    ("stream: body", {"router_settings": {"stream_timeout": 30}}, {}, {"stream": True, "stream_timeout": 0.3}),
    ("stream: the whole answer's", {"router_settings": {"timeout": 0.3}}, {}, {"stream": True}),
])
def test_the_time_is_set_by(gateway, upstream, where, settings, params, body):
    gw = gateway({"model_list": [model("m", upstream([silence()]), num_retries=0, **params)], **settings})
    began = time.monotonic()
    assert gw.chat(**body).status in (408, 504)
    check_time(began, 0.3)


def test_the_time_of_the_whole_answer_counts_for_a_stream_too(gateway, upstream):
    up = upstream(openai.stream(*["a"] * 500, pace=40))
    gw = alone(gateway, up, timeout=0.5)
    began = time.monotonic()
    events = gw.stream_events()
    check_time(began, 0.5)
    check_broken(events, "a" * (len(events) - 2))
    assert up.request.wait_left(1)


@pytest.mark.parametrize("settings, params", [({"stream_timeout": 0.4}, {}), ({}, {"stream_timeout": 0.4})],
                         ids=["router", "target"])
@pytest.mark.parametrize("rest", [silence(), beat], ids=["silence", "comments"])
def test_a_stream_that_falls_silent_ends_in_time(gateway, upstream, settings, params, rest):
    up = upstream(stream(openai.events("a", "b")[:3], rest))
    gw = gateway({"model_list": [model("m", up, **params)],
                  "router_settings": {"num_retries": 2, "timeout": 30, **settings}})
    began = time.monotonic()
    assert check_broken(gw.stream_events(), "ab")["type"] == "timeout_error"
    check_time(began, 0.4)
    assert up.request.wait_left(1)


def test_a_slow_but_steady_stream_is_let_live(gateway, upstream):
    up = upstream(openai.stream(*"steady", pace=120))
    gw = alone(gateway, up, timeout=30, stream_timeout=patience(0.4))
    check_whole(gw.stream_events(), "steady")


def test_a_slow_client_does_not_use_up_the_streams_time(gateway, upstream):
    """While the client takes nothing, the provider is not the one that is silent."""
    up = upstream(stream([event(openai.chunk({"content": "x" * 60000})) for _ in range(300)],
                         openai.events(usage=False)[1:]))
    gw = alone(gateway, up, timeout=30, stream_timeout=patience(0.3))
    wire = gw.connect(receive_buffer=8192)
    wire.request("POST", "/v1/chat/completions",
                 {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True})
    events = wire.events()
    next(events)
    began = time.monotonic()
    until(lambda: time.monotonic() - began > patience(0.8))   # nothing to wait for: the time itself is the condition
    assert list(events)[-1].data == "[DONE]"
    wire.close()


def test_each_attempt_has_the_whole_time(gateway, upstream):
    up = upstream(in_turn([wait(5000)], openai.chat("good")))
    gw = alone(gateway, up, timeout=patience(0.3))
    answer = gw.chat()
    assert (answer.status, answer.content) == (200, "good")
    assert len(up.requests) == 2
