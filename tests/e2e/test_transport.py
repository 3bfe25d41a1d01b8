# SPDX-License-Identifier: MIT
"""The way to a provider: names, addresses, proxies, TLS, connections that are used again, coded bodies; and that
whoever is called hears at once when the client has left."""
import contextlib
import gzip
import json
import select
import socket
import struct
import threading

import pytest

from calls import call, check_memory, check_whole, counts, one, target
from harness import (Http2Upstream, Upstream, anthropic, chunk, close, end, gemini, head, model, openai, patience, reply, send,
                     until)
from harness.upstream import Left, Line, Request, Step

VENDORS = {"openai": (openai, "openai/o"), "anthropic": (anthropic, "anthropic/claude-x"),
           "gemini": (gemini, "gemini/gemini-x")}
PATH = "/v1/chat/completions"


class Silent:
    """A port that takes connections and says nothing, not even TLS."""

    def __init__(self, scheme):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.url = "%s://127.0.0.1:%d" % (scheme, self.sock.getsockname()[1])

    def accept(self):
        sock, _ = self.sock.accept()
        sock.settimeout(patience(2))
        return sock


@pytest.fixture
def silent():
    ports = []

    def start(scheme):
        ports.append(Silent(scheme))
        return ports[-1]
    yield start
    for port in ports:
        port.sock.close()


# ------------------------------------------------------------------------------------------------ names and addresses

@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
@pytest.mark.parametrize("named", [False, True], ids=["by address", "by name"])
def test_a_provider_is_found(gateway, upstream, host, named):
    try:
        up = upstream(openai.chat("hello"), host=host)
    except OSError:
        pytest.skip("no %s on this machine" % host)
    if named:
        up.url = "http://localhost:%d" % up.port
    assert one(gateway, up).chat().content == "hello"


def test_a_name_that_does_not_exist_is_said_and_the_next_target_asked(gateway, upstream):
    class Unknown:
        url = "http://no-such-host.invalid"
    good = upstream(openai.chat("good"))
    gw = gateway({"model_list": [target("a", Unknown, order=1), target("b", good, order=2), target("c", Unknown, "alone")],
                  "router_settings": {"num_retries": 0, "disable_cooldowns": True}})
    answer = gw.chat(model="alone")
    assert answer.status == 502 and "no-such-host.invalid" in answer.error["message"]
    assert gw.chat().content == "good"


# ------------------------------------------------------------------------------------------------------------ proxies

def tunnel_to(up):
    """A step of a proxy: takes the bytes of both sides to the other."""
    def pump(line):
        line.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        ends = {line.sock: socket.create_connection(("127.0.0.1", up.port))}
        ends[ends[line.sock]] = line.sock
        while True:
            for ready in select.select(list(ends), [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    raise Left
                ends[ready].sendall(data)
    return pump


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used(gateway, upstream, name):
    proxy = upstream(openai.chat("by proxy"))

    class Elsewhere:
        url = "http://elsewhere.invalid:81"
    answer = one(gateway, Elsewhere, env={name: "http://me:secret@127.0.0.1:%d" % proxy.port}).chat()
    assert answer.content == "by proxy"
    assert proxy.request.path == "http://elsewhere.invalid:81/v1/chat/completions"
    assert proxy.request.headers["proxy-authorization"].startswith("Basic ")


def test_a_proxy_is_passed_by_for_names_that_need_none(gateway, upstream, nobody):
    up = upstream(openai.chat("direct"))
    env = {"http_proxy": nobody.url, "no_proxy": "localhost,127.0.0.1"}
    assert one(gateway, up, env=env).chat().content == "direct"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
def test_a_tunnel_through_a_proxy_ends_at_the_provider(gateway, upstream, certificate, name):
    up = upstream(openai.chat("hello"), tls=certificate)
    proxy = upstream([tunnel_to(up)])
    env = {name: proxy.url, "SSL_CERT_FILE": certificate[0]}
    assert one(gateway, up, env=env).chat().content == "hello"
    assert (proxy.request.method, proxy.request.path) == ("CONNECT", "127.0.0.1:%d" % up.port)
    assert "authorization" not in proxy.request.headers, "the provider's key is not the proxy's business"


@pytest.mark.parametrize("refusal", [reply("no", 403), reply("no", 407), [close()], [send("garbage\r\n\r\n"), close()]],
                         ids=["403", "407", "closed", "garbage"])
def test_a_proxy_that_refuses_is_a_fault_and_no_secret_is_told(gateway, upstream, certificate, refusal):
    up = upstream(openai.chat("hello"), tls=certificate)
    proxy = upstream(refusal)
    env = {"https_proxy": "http://me:secret@127.0.0.1:%d" % proxy.port, "SSL_CERT_FILE": certificate[0]}
    gw = one(gateway, up, env=env)
    answer = gw.chat()
    assert answer.status == 502 and answer.error["type"] == "api_error"
    assert b"secret" not in answer.body and "secret" not in gw.log
    assert not up.requests


# ---------------------------------------------------------------------------------------------------------------- TLS

@pytest.mark.parametrize("whom, expired, trusted", [
    ("IP:127.0.0.1", False, False), ("DNS:elsewhere.test", False, True), ("IP:127.0.0.1", True, True),
], ids=["that nobody we know has signed", "for somebody else", "that has expired"])
@pytest.mark.parametrize("kind", [Upstream, Http2Upstream])
def test_no_prompt_is_sent_for_a_certificate(gateway, upstream, certified, kind, whom, expired, trusted):
    files = certified(whom, expired)
    up = upstream([], kind=kind, tls=files)
    spare = upstream(openai.chat("spare"))
    gw = gateway({"model_list": [target("a", up), target("b", up, "backed", order=1), target("c", spare, "backed", order=2)],
                  "router_settings": {"num_retries": 0}}, env={"SSL_CERT_FILE": files[0]} if trusted else {})
    answer = gw.chat()
    assert answer.status == 502 and "certificate" in answer.error["message"]
    assert gw.chat(model="backed").content == "spare"
    assert not up.requests


def test_the_system_list_of_certificates_is_replaced_by_that_of_the_environment(gateway, upstream, certificate):
    up = upstream(openai.chat("hello"), tls=certificate)
    assert one(gateway, up, env={"SSL_CERT_FILE": certificate[0]}).chat().content == "hello"


def test_a_server_without_tls_gets_no_prompt_where_tls_is_asked_for(gateway, silent):
    port = silent("https")
    wire = one(gateway, port).connect()
    wire.request("POST", PATH, call("hi"))
    with port.accept() as provider:
        assert provider.recv(65536)[:1] == b"\x16", "a ClientHello"
        provider.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert wire.response().status == 502
        with contextlib.suppress(ConnectionResetError):
            assert not provider.recv(65536)


# ------------------------------------------------------------------------------------------ connections that are kept

class Impatient(Line):
    """Resets its connection inside the body of a second call."""
    calls = 0

    def read_request(self):
        self.calls += 1
        if self.calls == 1:
            return super().read_request()
        self.take(100000)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Left


class ImpatientUpstream(Upstream):
    Line = Impatient


@pytest.mark.parametrize("size", [200000, 20 << 20], ids=["200 KB", "20 MB"])
def test_a_kept_connection_that_breaks_inside_a_large_body_is_no_failed_attempt(gateway, upstream, size):
    up = upstream(openai.chat("hello"), kind=ImpatientUpstream)
    gw = one(gateway, up)
    for n in range(1, 4):
        assert gw.chat("x" * size).content == "hello"
        assert (len(up.requests), up.connections) == (n, n)
        assert len(up.requests[-1].body) > size
    counts(gw, "moonweir_attempt_errors_total", 0)


def test_what_breaks_each_time_is_not_sent_for_ever(gateway, upstream):
    up = upstream(lambda request: openai.chat("hello") if b"first" in request.body else [close()])
    gw = one(gateway, up)
    assert gw.chat("first").status == 200
    assert gw.chat().status == 502
    assert len(up.requests) == 3


class Hasty(Line):
    """Takes a head for a whole request."""

    def read_request(self):
        return Request("POST", "", {}, self.until(b"\r\n\r\n"), self.number)


class HastyUpstream(Upstream):
    Line = Hasty


def test_a_body_that_nobody_waits_for_is_not_sent_on(gateway, upstream):
    """It lies in the client's request, which is over when its stream has ended."""
    size, got, ended = 20 << 20, [], threading.Event()

    def read_on(line):
        ended.wait(patience(10))
        got.append(len(line.held))
        with contextlib.suppress(ConnectionResetError):
            while data := line.sock.recv(1 << 20):
                got.append(len(data))
        raise Left
    up = upstream([openai.stream("hel", "lo"), Step(read_on)], kind=HastyUpstream)
    gw = one(gateway, up)
    for _ in range(3):
        check_whole(gw.stream_events("x" * size, stream_options={"include_usage": True}))
        ended.set()
        until(lambda: not up.open)
        assert sum(got) < size
        assert gw.get("/health/liveliness").status == 200
        got.clear()
        ended.clear()
    counts(gw, "moonweir_attempt_errors_total", 0)


# -------------------------------------------------------------------------------------------------------- coded bodies

def whole_body(replies):
    return json.dumps(replies.message("hello")).encode()


def stream_body(replies):
    """The bytes of a stream's events, out of their HTTP chunks."""
    class Paper:
        text = b""

        def send(self, data):
            self.text += data.split(b"\r\n", 1)[1][:-2]
    paper = Paper()
    for step in replies.events("hel", "lo"):
        step(paper)
    return paper.text


@pytest.mark.parametrize("coding", ["content-encoding", "transfer-encoding"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_reply_that_is_coded_unasked_is_understood(gateway, upstream, vendor, coding):
    replies, provider_model = VENDORS[vendor]
    codes = {"content-encoding": "gzip", "transfer-encoding": "chunked"} if coding == "content-encoding" else \
        {"transfer-encoding": "gzip, chunked"}

    def coded(kind, body):
        packed = gzip.compress(body)
        return [head(200, {"content-type": kind, **codes}), *[chunk(packed[i:i + 10]) for i in range(0, len(packed), 10)], end()]

    def answer(request):
        if "stream" in request.path or b'"stream":true' in request.body.replace(b" ", b""):
            return coded("text/event-stream", stream_body(replies))
        return coded("application/json", whole_body(replies))
    up = upstream(answer)
    gw = gateway({"model_list": [model("m", up, provider_model)], "router_settings": {"num_retries": 0}})
    assert gw.chat().content == "hello"
    check_whole(gw.stream_events())
    assert "accept-encoding" not in up.requests[0].headers


@pytest.mark.parametrize("coding", ["content-encoding", "transfer-encoding"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_bomb_bursts_at_the_ceiling(gateway, upstream, coding, streamed):
    """300 KB that unfold to 300 MB."""
    bomb = gzip.compress(b" " * (300 << 20))
    codes = {"content-encoding": "gzip", "content-length": len(bomb)}
    if coding == "transfer-encoding":
        codes = {"transfer-encoding": "gzip, chunked"}
    kind = "text/event-stream" if streamed else "application/json"
    up = upstream([head(200, {"content-type": kind, **codes}),
                   send(bomb) if coding == "content-encoding" else [chunk(bomb), end()]])
    gw = one(gateway, up, timeout=60)
    before = gw.resident_kib()
    answer = gw.chat(stream=streamed)
    assert answer.status == 502 and "MiB" in answer.error["message"]
    check_memory(gw, before, 80)


# ---------------------------------------------------------------------------------------------- leaving, at any moment

@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_may_leave_during_the_handshake_with_a_provider(gateway, silent, how):
    port = silent("https")
    gw = one(gateway, port)
    wire = gw.connect()
    wire.request("POST", PATH, call("hi"))
    with port.accept() as provider:
        assert provider.recv(1) == b"\x16", "a ClientHello"
        getattr(wire, how)()
        while provider.recv(65536):
            pass
    counts(gw, "moonweir_in_flight", 0)
    counts(gw, "moonweir_attempt_errors_total", 0)


def test_a_client_may_leave_while_its_body_is_sent_on(gateway, silent):
    port = silent("http")
    gw = one(gateway, port)
    wire = gw.connect()
    wire.request("POST", PATH, call("x" * (30 << 20)))
    size = 0
    with port.accept() as provider:
        assert provider.recv(1) == b"P"
        wire.reset()
        counts(gw, "moonweir_in_flight", 0)
        with contextlib.suppress(ConnectionResetError):
            while data := provider.recv(1 << 20):
                size += len(data)
    assert size < 30 << 20


def test_the_handshake_has_its_time(gateway, upstream, silent):
    spare = upstream(openai.chat("spare"))
    gw = gateway({"model_list": [target("a", silent("https"), order=1), target("b", spare, order=2)],
                  "moonweir_settings": {"connect_timeout": 0.2}, "router_settings": {"num_retries": 0}})
    assert gw.chat().content == "spare"
