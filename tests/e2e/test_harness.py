# SPDX-License-Identifier: MIT
"""The harness itself: what it says of a reply, a cut and a client that leaves must be true."""
import threading

import pytest

from harness import (Wire, close, drip, event, in_turn, openai, reply, reset, send, silence, stream, until, wait,
                     wait_for)
from harness.wire import Closed

CALL = {"model": "m", "messages": []}


def call(up, **options):
    wire = Wire(up.port)
    wire.request("POST", "/v1/chat/completions", CALL, **options)
    return wire


def test_a_reply_arrives_whole_and_the_request_is_kept(upstream):
    up = upstream(openai.chat("hello"))
    with call(up, key="sk-1") as wire:
        answer = wire.response()
    assert (answer.status, answer.content) == (200, "hello")
    assert up.request.json == CALL
    assert up.request.headers["authorization"] == "Bearer sk-1"


def test_a_single_step_is_a_reply_too(upstream):
    up = upstream(send("HTTP/1.1 204 No Content\r\n\r\n"))
    with call(up) as wire:
        assert wire.response().status == 204


def test_connections_are_kept_and_counted(upstream):
    up = upstream(in_turn(reply("one"), reply("two", status=503)))
    with call(up) as wire:
        assert wire.response().text == "one"
        wire.request("POST", "/", "x")
        assert wire.response().status == 503
    assert [r.connection for r in up.requests] == [0, 0]


def test_events_come_one_by_one_with_their_time(upstream):
    go = threading.Event()
    up = upstream(stream(event({"n": 1}), wait_for(go), event({"n": 2}, "named"), wait(20), event("[DONE]")))
    with call(up) as wire:
        events = wire.events()
        assert next(events).json == {"n": 1}
        go.set()
        second, third = events
    assert (second.name, second.json, third.data) == ("named", {"n": 2}, "[DONE]")
    assert third.at - second.at > 0.01


def test_a_chunked_request_is_put_together(upstream):
    up = upstream(reply("ok"))
    with Wire(up.port) as wire:
        wire.send("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")
        assert wire.response().text == "ok"
    assert up.request.body == b"abcde"


@pytest.mark.parametrize("cut", [close, reset])
def test_a_cut_is_seen_as_one(upstream, cut):
    up = upstream(stream(openai.events("a")[:1], wait(10), cut()))
    with call(up) as wire:
        events = wire.events()
        next(events)
        with pytest.raises(Closed):
            next(events)


def test_a_drip_is_slow(upstream):
    up = upstream(drip("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", every_ms=1, size=8))
    with call(up) as wire:
        assert wire.response().status == 200


@pytest.mark.parametrize("leave", [Wire.close, Wire.reset])
def test_a_client_that_leaves_is_noticed(upstream, leave):
    up = upstream([send("HTTP/1.1 200 OK\r\n"), silence()])
    wire = call(up)
    up.wait_requests(1)
    leave(wire)
    assert up.request.wait_left(1)
    until(lambda: not up.open)


def test_nobody_refuses(nobody):
    with pytest.raises(ConnectionRefusedError):
        Wire(nobody.port)


def test_a_stopped_upstream_refuses(upstream):
    up = upstream(reply("ok"))
    up.stop()
    with pytest.raises(ConnectionRefusedError):
        Wire(up.port)
