# SPDX-License-Identifier: MIT
"""Providers that speak HTTP/2: shared connections, streams that end in every way, who leaves, back-pressure."""
import contextlib
import select
import signal
import socket
import struct
import threading
import time

import pytest

from calls import call, check_broken, check_memory, check_whole, counts, one, stands_still, target
from harness import Http2Upstream, close, h2, openai, patience, silence, until, wait, wait_for
from harness.upstream import Step

PATH = "/v1/chat/completions"
ANSWER = h2.reply(openai.message("hello"))
SAID = [openai.chunk({"role": "assistant", "content": ""}), openai.chunk({"content": "some text"})]
STREAM = h2.stream(*SAID, openai.chunk({}, "stop"), "[DONE]")
BEGUN = [h2.head(kind="text/event-stream"), *[h2.event(data) for data in SAID]]


def as_asked(request):
    """Whole or streamed; nothing at all to who says "wait"."""
    if b"wait" in request.body:
        return [silence()]
    return STREAM if request.json.get("stream") else ANSWER


@pytest.fixture
def http2(upstream, certificate):
    """http2(handler): a provider that speaks HTTP/2."""
    return lambda handler: upstream(handler, kind=Http2Upstream, tls=certificate)


@pytest.fixture
def trusting(gateway, certificate):
    """A gateway that trusts it."""
    return lambda up, **settings: one(gateway, up, {"SSL_CERT_FILE": certificate[0]}, **settings)


def test_http2_is_spoken_where_the_provider_speaks_it(http2, trusting):
    up = http2(as_asked)
    gw = trusting(up)
    for _ in range(3):
        assert gw.chat().content == "hello"
        check_whole(gw.stream_events(), "some text")
    assert up.connections == 1
    assert up.requests[0].json["model"] == "up-model"


def test_calls_share_an_http2_connection(http2, trusting):
    up = http2(as_asked)
    gw = trusting(up)
    wires = []
    assert gw.chat().content == "hello"
    for n in range(10):
        wires.append(gw.connect())
        wires[-1].request("POST", PATH, call("wait"))
        up.wait_requests(2 + n)
    assert gw.chat().content == "hello"
    assert up.connections == 1
    for wire in wires:
        wire.close()


@pytest.mark.parametrize("others", [0, 3], ids=["alone", "among others"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_who_leaves_ends_his_http2_stream_at_once_and_no_other(http2, trusting, others, streamed):
    """Libcurl would tell the server when it next has something to say on the connection."""
    up = http2(lambda request: [*BEGUN, silence()] if request.json.get("stream") else [silence()])
    gw = trusting(up)
    wires = []
    for n in range(others + 1):
        wires.append(gw.connect())
        wires[-1].request("POST", PATH, call("wait", stream=streamed))
        if streamed:
            next(wires[-1].events())
        up.wait_requests(n + 1)
    wires[0].reset()
    assert up.requests[0].wait_left(1)
    assert not [request for request in up.requests[1:] if request.left_at]
    assert up.connections == 1
    for wire in wires[1:]:
        wire.close()
    until(lambda: all(request.left_at for request in up.requests), 1, "all have left")


def test_who_leaves_disturbs_nobody_whose_answer_comes_in_the_same_moment(http2, trusting):
    turn = [threading.Event() for _ in range(6)]
    up = http2(lambda request: [silence()] if b"wait" in request.body else
               [wait_for(turn[int(request.json["seed"])]), *ANSWER])
    gw = trusting(up)
    for n, answer_now in enumerate(turn):
        with gw.connect() as leaving, gw.connect() as staying, gw.connect() as third:
            leaving.request("POST", PATH, call("wait"))
            up.wait_requests(3 * n + 1)
            staying.request("POST", PATH, call("hi", seed=n))
            up.wait_requests(3 * n + 2)
            third.request("POST", PATH, call("wait"))     # reads the connection for all
            up.wait_requests(3 * n + 3)
            gw.process.send_signal(signal.SIGSTOP)
            leaving.reset()
            answer_now.set()
            assert up.requests[-2].answered.wait(patience(5))
            gw.process.send_signal(signal.SIGCONT)
            assert staying.response().content == "hello"
    until(lambda: all(request.left_at or request.answered.is_set() for request in up.requests), 5, "all have left")


def test_an_http2_stream_that_takes_too_long_is_ended(http2, trusting):
    up = http2(as_asked)
    assert trusting(up, timeout=0.3).chat("wait").status == 504
    assert up.request.wait_left(1)


H2_FAULTS = {
    "a connection that is closed": [close()],
    "GOAWAY": [h2.goaway(0), close()],
    "an internal error": [h2.refuse(2)],
    "a cancelled stream": [h2.refuse(8)],
    "an end without an answer": [h2.refuse(0)],
    "refusals for ever": [h2.refuse(7)],
    "HTTP/1.1 that it does not speak": [h2.refuse(13)],
    "a head and an error": [h2.head(), h2.refuse(2)],
    "half an answer": [h2.head(), h2.data('{"id": "chatc'), h2.refuse(2)],
    "half an answer, in good order": [h2.head(), h2.data('{"id": "chatc', last=True)],
    "less than it says": [h2.head(headers={"content-length": "500"}), h2.data("{}", last=True)],
    "more than it says": [h2.head(headers={"content-length": "1"}), *ANSWER[1:]],
    "an empty answer": [h2.head(last=True)],
    "a body without a head": [h2.data("{}", last=True)],
    "a head that is none": [h2.frame(1, 4, b"\xff\xff\xff\xff\xff")],
    "a frame that is none": [h2.frame(6, 0, b"x")],
    "silence": [silence()],
    "a head, then silence": [h2.head(), silence()],
}


@pytest.mark.parametrize("fault", H2_FAULTS)
@pytest.mark.parametrize("warm", [False, True], ids=["at first", "later"])
def test_another_answers_where_an_http2_provider_sends(gateway, upstream, http2, certificate, fault, warm):
    up = http2(lambda request: ANSWER if b"first" in request.body else H2_FAULTS[fault])
    spare = upstream(openai.chat("spare"))
    gw = gateway({"model_list": [target("a", up), target("b", up, "backed", order=1), target("c", spare, "backed", order=2)],
                  "router_settings": {"num_retries": 0, "disable_cooldowns": True, "timeout": patience(0.3)}},
                 args=["--workers", "1"], env={"SSL_CERT_FILE": certificate[0]})
    if warm:
        assert gw.chat("first").content == "hello"
    assert gw.chat(model="backed").content == "spare"
    answer = gw.chat()
    assert answer.status in (502, 504) and answer.error["message"]


@pytest.mark.parametrize("fault", [[close()], [h2.refuse(2)], [h2.refuse(0)], [h2.goaway(1), close()], [h2.data(b"", last=True)],
                                   [silence()], [h2.data('data: {"x'), h2.refuse(8)]],
                         ids=["close", "error", "end", "goaway", "order", "silence", "half an event"])
def test_an_http2_stream_that_breaks_becomes_an_error_event(http2, trusting, fault):
    gw = trusting(http2([*BEGUN, *fault]), stream_timeout=patience(0.3))
    check_broken(gw.stream_events(), "some text")


@pytest.mark.parametrize("fault", [[close()], [h2.goaway(1), close()], [h2.refuse(7)]], ids=["closed", "GOAWAY", "refused"])
def test_a_shared_connection_that_the_provider_ends_is_no_failed_attempt(http2, trusting, fault):
    """What it has not begun to answer is sent once more."""
    broken = []

    def handler(request):
        if len(up.requests) == 1 or broken:
            return ANSWER
        broken.append(request)
        return fault
    up = http2(handler)
    gw = trusting(up)
    for _ in range(3):
        assert gw.chat().content == "hello"
    assert (len(up.requests), up.connections) == (4, 2)
    counts(gw, "moonweir_attempt_errors_total", 0)


def test_a_shared_connection_that_breaks_late_is_a_failed_attempt(http2, trusting):
    """By then the provider may have done the work, and is to be paid for it once."""
    up = http2(lambda request: ANSWER if len(up.requests) == 1 else [wait(1500), close()])
    gw = trusting(up)
    assert gw.chat().content == "hello"
    answer = gw.chat()
    assert answer.status == 502 and "closed the connection" in answer.error["message"]
    assert len(up.requests) == 2
    counts(gw, "moonweir_attempt_errors_total", 1)


class Relay:
    """A network between the gateway and a provider, which can reset what goes through it."""

    def __init__(self, up):
        self.up, self.over = up, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "https://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):                # the listener is closed
            while True:
                near = self.listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self.up.port))
                threading.Thread(target=self.pump, args=({near: far, far: near}, self.over), daemon=True).start()

    @staticmethod
    def pump(ends, over):
        while not over.is_set():
            for ready in select.select(list(ends), [], [], 0.01)[0]:
                ends[ready].sendall(ready.recv(65536))
        for sock in ends:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

    def reset(self):
        """What is connected now; later connections live."""
        over, self.over = self.over, threading.Event()
        over.set()


def test_a_connection_that_two_share_and_that_breaks_late_brings_nothing_twice(http2, trusting):
    """Also not for the one that opened it. Which of them hears of the break is libcurl's choice: some gateways are asked."""
    up = http2([silence()])
    relay = Relay(up)
    wires = []
    for gw in [trusting(relay) for _ in range(6)]:
        for wire in (gw.connect(), gw.connect()):
            wire.request("POST", PATH, call("hi"))
            wires.append(wire)
            up.wait_requests(len(wires))
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 1.2)         # the time itself is the condition
    relay.reset()
    assert [wire.response().status for wire in wires] == [502] * len(wires)
    assert (up.connections, len(up.requests)) == (6, 12)
    for wire in wires:
        wire.close()
    relay.listener.close()


@pytest.mark.parametrize("pooled, after_ms", [(False, 0), (False, 1500), (True, 0)],
                         ids=["on its own connection", "there and late", "on a shared one"])
def test_what_an_http2_provider_did_not_take_is_sent_again(http2, trusting, pooled, after_ms):
    up = http2(lambda request: [wait(after_ms), h2.refuse(7)] if len(up.requests) == 1 + pooled else ANSWER)
    gw = trusting(up)
    for _ in range(1 + pooled):
        assert gw.chat().content == "hello"
    assert len(up.requests) == 2 + pooled
    counts(gw, "moonweir_attempt_errors_total", 0)


def test_a_provider_that_says_goaway_after_each_answer_gets_a_connection_each(http2, trusting):
    up = http2(lambda request: [*ANSWER, h2.goaway(1)])
    gw = trusting(up)
    for _ in range(3):
        assert gw.chat().content == "hello"
    # one that crosses with the GOAWAY comes twice, the second time on the next connection
    assert len({request.connection for request in up.requests}) == 3


def test_interim_heads_and_trailers_are_skipped_in_http2(http2, trusting):
    up = http2([h2.head(103), h2.head(), h2.data(openai.message("hello")), h2.trailers({"x-done": "1"})])
    assert trusting(up).chat().content == "hello"


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "among others"])
def test_a_client_that_does_not_read_stops_an_http2_provider(http2, trusting, others):
    """60 MB for a client that takes nothing: at most the 32 MiB of HTTP/2's window come, if the connection must be read
    for others; then all arrives, in order."""
    sent, size, count = [], 16000, 4000
    numbers = ["<%06d>%s" % (n, "x" * size) for n in range(count)]

    def flow(request):
        if b"wait" in request.body:
            return [silence()]
        pieces = [[h2.event(openai.chunk({"content": text})), Step(lambda stream: sent.append(stream))] for text in numbers]
        return [*BEGUN, *pieces, h2.event(openai.chunk({}, "stop")), h2.event("[DONE]", last=True)]
    up = http2(flow)
    gw = trusting(up, timeout=300)
    resident = gw.resident_kib()
    wires = [gw.connect(receive_buffer=8192) for _ in range(1 + others)]
    wires[0].sock.settimeout(patience(60))
    wires[0].request("POST", PATH, call("hi", stream=True))
    if others:
        up.wait_requests(1)
        wires[1].request("POST", PATH, call("wait"))
    seen = []
    until(lambda: sent and stands_still(seen, len(sent)), 20, "the provider stops sending")
    assert len(sent) < count * 3 / 4
    check_memory(gw, resident, 48)
    check_whole(list(wires[0].events()), "some text" + "".join(numbers))
    assert up.connections == 1
    for wire in wires:
        wire.close()
