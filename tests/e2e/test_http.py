# SPDX-License-Identifier: MIT
"""HTTP as clients speak it on purpose: connections, bodies, ceilings, keys, paths, methods, leaving."""
import json
import os
import resource
import time

import pytest

from harness import in_turn, model, openai, patience, silence, stream, until, wait
from harness.wire import request_bytes

KEY = "sk-master-of-all"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"


def post(body, *headers):
    """A chat call's bytes with these header lines."""
    lines = ["POST %s HTTP/1.1" % PATH, "host: x", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@pytest.fixture
def gw(gateway, upstream):
    """One model `m`, no key asked for."""
    return gateway({"model_list": [model("m", upstream(openai.chat_or_stream()))]})


@pytest.fixture
def locked(gateway, upstream):
    """The same with a master key."""
    return gateway({"model_list": [model("m", upstream(openai.chat("hello")))],
                    "general_settings": {"master_key": KEY}})


# ---------------------------------------------------------------------------------------------------- connections

def test_a_connection_is_kept(gw):
    with gw.connect() as wire:
        for _ in range(3):
            wire.request("POST", PATH, CHAT)
            assert wire.response().content == "hello"


def test_a_connection_is_kept_after_a_stream_and_after_an_error(gw):
    with gw.connect() as wire:
        wire.request("POST", PATH, dict(CHAT, stream=True))
        assert list(wire.events())[-1].data == "[DONE]"
        wire.request("POST", PATH, dict(CHAT, model="nope"))
        assert wire.response().status == 404
        wire.request("POST", PATH, CHAT)
        assert wire.response().status == 200


def test_connection_close_is_honoured(gw):
    with gw.connect() as wire:
        wire.request("POST", PATH, CHAT, {"connection": "close"})
        answer = wire.response()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert wire.ended(1)


def test_http_1_0_is_answered_and_closed(gw):
    body = json.dumps(CHAT).encode()
    with gw.connect() as wire:
        wire.send(b"POST %s HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % (PATH.encode(), len(body)) + body)
        answer = wire.response()
        assert answer.status == 200
        assert "transfer-encoding" not in answer.headers
        assert wire.ended(1)


def test_pipelined_calls_are_answered_in_order(gateway, upstream):
    up = upstream(lambda request: [wait(30 if b"first" in request.body else 0),
                                   openai.chat(request.json["messages"][0]["content"])])
    gw = gateway({"model_list": [model("m", up)]})
    said = ["first", "second", "third"]
    calls = [request_bytes("POST", PATH, {"model": "m", "messages": [{"role": "user", "content": s}]}) for s in said]
    with gw.connect() as wire:
        wire.send(b"".join(calls))
        assert [wire.response().content for _ in said] == said


def test_a_pipelined_call_waits_for_the_stream_before_it(gw):
    with gw.connect() as wire:
        wire.send(request_bytes("POST", PATH, dict(CHAT, stream=True)) + request_bytes("GET", "/v1/models"))
        assert list(wire.events())[-1].data == "[DONE]"
        assert wire.response().json["object"] == "list"


def test_a_request_may_come_byte_by_byte(gw):
    with gw.connect() as wire:
        for byte in request_bytes("POST", PATH, CHAT):
            wire.send(bytes([byte]))
        assert wire.response().status == 200


def test_the_absolute_form_of_a_path_is_understood(gw):
    with gw.connect() as wire:
        wire.send("GET http://gateway.example/v1/models HTTP/1.1\r\nhost: gateway.example\r\n\r\n")
        assert wire.response().status == 200


def test_answers_carry_date_and_length(gw):
    answer = gw.get("/v1/models")
    assert answer.headers["date"].endswith("GMT")
    assert int(answer.headers["content-length"]) == len(answer.body)


# --------------------------------------------------------------------------------------------------------- bodies

@pytest.mark.parametrize("coded", [
    b"%x\r\n%s\r\n0\r\n\r\n",
    b"%x;name=value;other=\"a;b\"\r\n%s\r\n0\r\n\r\n",
    b"000%X\r\n%s\r\n000\r\n\r\n",
    b"%x\r\n%s\r\n0\r\ntrailer: kept-out\r\n\r\n",
])
def test_a_chunked_body_is_read(gw, coded):
    body = json.dumps(CHAT).encode()
    with gw.connect() as wire:
        wire.send(post(coded % (len(body), body), "transfer-encoding: chunked"))
        assert wire.response().status == 200
        wire.request("GET", "/v1/models")
        assert wire.response().status == 200


def test_a_chunked_body_may_be_cut_anywhere(gw):
    body = json.dumps(CHAT).encode()
    coded = b"".join(b"1\r\n%c\r\n" % b for b in body) + b"0\r\n\r\n"
    with gw.connect() as wire:
        wire.send(post(b"", "Transfer-Encoding: CHUNKED"))
        for at in range(0, len(coded), 7):
            wire.send(coded[at:at + 7])
        assert wire.response().status == 200


def test_a_body_is_asked_for_where_the_client_waits(gw):
    body = json.dumps(CHAT).encode()
    with gw.connect() as wire:
        wire.send(post(b"", "expect: 100-continue", "content-length: %d" % len(body)))
        assert wire.head().status == 100
        wire.send(body)
        assert wire.response().status == 200


def test_a_body_is_not_asked_for_where_the_answer_is_no(locked):
    with locked.connect() as wire:
        wire.send(post(b"", "expect: 100-continue", "content-length: 1000"))
        assert wire.response().status == 401


def test_an_unknown_expectation_is_refused(gw):
    with gw.connect() as wire:
        wire.send(post(b"", "expect: a-miracle", "content-length: 2"))
        assert wire.response().status == 417


def test_head_has_no_body(gw):
    with gw.connect() as wire:
        wire.request("HEAD", "/v1/models")
        head = wire.response()
        wire.request("GET", "/v1/models")
        whole = wire.response()
    assert head.status == whole.status == 200
    assert (head.body, head.headers["content-length"]) == (b"", str(len(whole.body)))


def test_a_browser_may_call(gw):
    asked = {"origin": "https://app.example", "access-control-request-method": "POST",
             "access-control-request-headers": "authorization, content-type, x-stainless-os"}
    for path in (PATH, "/v1/models", "/v1/embeddings"):
        answer = gw.request("OPTIONS", path, headers=asked)
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert {"GET", "POST"} <= set(answer.headers["access-control-allow-methods"].replace(" ", "").split(","))
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert allowed == "*" or "authorization" in allowed and "x-stainless-os" in allowed
    answer = gw.chat(headers={"origin": "https://app.example"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")


@pytest.mark.parametrize("data, status", [
    (b"GET /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n", 405), (b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n", 404),
    (b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n", 413),
])
def test_a_browser_may_read_errors_too(gw, data, status):
    with gw.connect() as wire:
        wire.send(data)
        answer = wire.response()
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "*")


def test_a_preflight_needs_no_key(locked):
    asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
    assert locked.request("OPTIONS", PATH, headers=asked).status == 200


# ------------------------------------------------------------------------------------------------------- ceilings

def refused(gw, data, status):
    """These bytes get this status, an error that says something, and the end of the connection."""
    with gw.connect() as wire:
        wire.send(data)
        answer = wire.response()
        assert answer.status == status, answer
        assert answer.error["message"]
        assert wire.ended(5)
    return answer


def test_a_head_beyond_64_kib_is_refused(gw):
    refused(gw, post(b"", "x-long: " + "a" * 70000), 431)
    refused(gw, "GET /%s HTTP/1.1\r\nhost: x\r\n\r\n" % ("a" * 70000), 431)


def test_a_head_of_60_kib_is_read(gw):
    assert gw.chat(headers={"x-long": "a" * 60000}).status == 200


def test_a_thousand_headers_are_refused(gw):
    refused(gw, post(b"", *["x-%d: 1" % i for i in range(1000)]), 431)


def test_a_body_beyond_the_default_ceiling_is_refused_before_it_is_sent(gw):
    refused(gw, post(b"", "content-length: %d" % (65 << 20)), 413)
    with gw.connect() as wire:
        wire.send(post(b"", "content-length: %d" % (65 << 20), "expect: 100-continue"))
        assert wire.response().status == 413


def test_the_ceiling_of_bodies_can_be_set(gateway, upstream):
    gw = gateway({"model_list": [model("m", upstream(openai.chat("hello")))],
                  "general_settings": {"max_request_size_mb": 1}})
    assert gw.chat("a" * 900000).status == 200
    assert "1" in refused(gw, post(b"", "content-length: %d" % (2 << 20)), 413).error["message"]
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with gw.connect() as wire:
        try:
            wire.send(post(piece * 32, "transfer-encoding: chunked"))
        except ConnectionError:
            pass                                          # it may close before all is sent
        assert wire.response().status == 413


def test_a_big_body_arrives_whole(gateway, upstream):
    up = upstream(openai.chat("hello"))
    gw = gateway({"model_list": [model("m", up)]})
    text = "".join(chr(65 + i % 26) for i in range(8 << 20))
    assert gw.chat(text).status == 200
    assert up.request.json["messages"][0]["content"] == text


@pytest.mark.slow
def test_slow_clients_are_sent_away(gw):
    """A head that drips, a body that stalls, a connection that says nothing: each has at most 30 s."""
    began = time.monotonic()
    with gw.connect() as head, gw.connect() as body, gw.connect() as idle:
        wires = {"head": head, "body": body, "idle": idle}
        body.send(post(b"{", "content-length: 100"))
        head.send("GET /v1/models HTTP/1.1\r\n")
        ends = {}
        for wire in wires.values():
            wire.sock.settimeout(0.5)
        while len(ends) < len(wires) and time.monotonic() < began + patience(45):
            if "head" not in ends:
                try:
                    head.send("x: y\r\n")                 # a drip: bytes come, the head does not end
                except ConnectionError:
                    pass
            for name, wire in wires.items():
                if name not in ends and gone(wire):
                    ends[name] = time.monotonic() - began
    assert set(ends) == set(wires), ends
    assert all(seconds > 1 for seconds in ends.values()), ends
    for name in ("head", "body"):
        assert not wires[name].held or wires[name].held.startswith(b"HTTP/1.1 408 "), wires[name].held


def gone(wire):
    """Reads what has come; True at the end of the connection."""
    try:
        return not wire.more()
    except TimeoutError:
        return False


# ----------------------------------------------------------------------------------------------------------- keys

@pytest.mark.parametrize("headers", [
    {"authorization": "Bearer " + KEY},
    {"authorization": "bearer " + KEY},
    {"authorization": "Basic " + KEY},
    {"Authorization": "Token  " + KEY},
    {"x-litellm-api-key": KEY},
    {"x-litellm-api-key": "Bearer " + KEY},
    {"x-api-key": KEY},
    {"api-key": KEY},
    {"x-goog-api-key": KEY},
    {"x-litellm-api-key": KEY, "authorization": "AWS4-HMAC-SHA256 Credential=somebody-else"},
], ids=lambda headers: ",".join("%s:%s" % h for h in headers.items()).replace(KEY, "KEY"))
def test_the_key_is_taken_from(locked, headers):
    assert locked.chat(headers=headers).status == 200


@pytest.mark.parametrize("headers", [
    {},
    {"authorization": "Bearer sk-wrong"},
    {"authorization": "Bearer"},
    {"authorization": "Bearer "},
    {"x-api-key": "sk-wrong"},
    {"x-api-key": KEY + "x"},
    {"x-api-key": KEY[:-1]},
    {"x-litellm-api-key": "sk-wrong", "authorization": "Bearer " + KEY},
], ids=lambda headers: ",".join("%s:%s" % h for h in headers.items()).replace(KEY, "KEY") or "none")
def test_a_wrong_or_missing_key_is_401(locked, headers):
    answer = locked.chat(headers=headers)
    assert answer.status == 401
    assert answer.error["code"]
    assert "sk-wrong" not in answer.text and KEY not in answer.text


def test_the_clients_key_never_goes_upstream(gateway, upstream):
    up = upstream(openai.chat("hello"))
    gw = gateway({"model_list": [model("m", up)], "general_settings": {"master_key": KEY}})
    gw.chat(headers={"x-api-key": KEY, "x-litellm-api-key": KEY, "cookie": "session=1"})
    sent = up.request.headers
    assert sent["authorization"] == "Bearer sk-up"
    assert not {"x-api-key", "x-litellm-api-key", "cookie"} & set(sent)
    assert KEY not in gw.log


def test_health_needs_no_key(locked):
    assert locked.get("/health/liveliness").json == "I'm alive!"
    assert locked.get("/health/readiness").json["status"] == "healthy"


# ---------------------------------------------------------------------------------------------- paths and methods

@pytest.mark.parametrize("path", ["/v1/models", "/models"])
def test_models_are_listed(gw, path):
    listed = gw.get(path).json
    assert listed["object"] == "list"
    assert [m["id"] for m in listed["data"]] == ["m"]
    assert {"id", "object", "created", "owned_by"} <= set(listed["data"][0])


@pytest.mark.parametrize("path", ["/v1/models/m", "/models/m"])
def test_one_model_is_described(gw, path):
    described = gw.get(path).json
    assert (described["id"], described["object"]) == ("m", "model")


def test_an_unknown_model_is_404_with_the_nearest_name(gw):
    answer = gw.get("/v1/models/nope")
    assert (answer.status, answer.error["code"], answer.error["param"]) == (404, "model_not_found", "model")
    assert "'nope'" in answer.error["message"] and "'m'" in answer.error["message"]
    assert len(gw.get("/v1/models/" + "x" * 60000).body) < 1000


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/chat/completions", "/v1/chat/completions?beta=true"])
def test_chat_has_two_paths(gw, path):
    assert gw.post(path, CHAT).content == "hello"


@pytest.mark.parametrize("path", ["/v1", "/v1/nothing", "/V1/models", "/v1/../etc/passwd", "/v1/chat", "//v1/models",
                                  "/v1%2fmodels"])
def test_an_unknown_path_is_404(gw, path):
    answer = gw.post(path, CHAT)
    assert answer.status == 404
    assert answer.error["type"] == "invalid_request_error"


@pytest.mark.parametrize("asked, offered", [("gpt-4o-mimi", "gpt-4o-mini"), ("GPT-4o", "gpt-4o"), ("claud", "claude")])
def test_an_unknown_model_names_the_nearest(gateway, upstream, asked, offered):
    up = upstream(openai.chat("hello"))
    gw = gateway({"model_list": [model(n, up) for n in ("gpt-4o-mini", "gpt-4o", "claude", "llama-3-70b")]})
    answer = gw.chat(model=asked)
    assert answer.status == 404
    assert answer.error["code"] == "model_not_found" or answer.error["code"] == "404"
    assert offered in answer.error["message"]
    assert not up.requests


def test_a_long_model_name_is_not_sent_back(gw):
    answer = gw.chat(model="x" * 1000000)
    assert answer.status == 404
    assert len(answer.body) < 2000


@pytest.mark.parametrize("method, path, allowed", [
    ("GET", PATH, "POST"), ("PUT", PATH, "POST"), ("DELETE", "/v1/embeddings", "POST"), ("POST", "/v1/models", "GET, HEAD"),
    ("POST", "/metrics", "GET, HEAD"), ("FROB", PATH, "POST"),
])
def test_a_wrong_method_is_405_and_says_the_right_one(gw, method, path, allowed):
    answer = gw.request(method, path, body=b"{}")
    assert answer.status == 405
    assert allowed in answer.headers["allow"]
    assert allowed in answer.error["message"]


# -------------------------------------------------------------------------------------------------------- leaving

@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_a_whole_answer_ends_the_call_upstream(gateway, upstream, how):
    up = upstream(silence())
    gw = gateway({"model_list": [model("m", up)]})
    wire = gw.connect()
    wire.request("POST", PATH, CHAT)
    up.wait_requests(1)
    getattr(wire, how)()
    left = time.monotonic()
    assert up.request.wait_left(2) - left < patience(0.5)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_a_stream_ends_the_call_upstream(gateway, upstream, how):
    up = upstream(stream(openai.events("a")[:2], silence()))
    gw = gateway({"model_list": [model("m", up)]})
    wire = gw.stream()
    next(wire.events(wire.answer))
    getattr(wire, how)()
    left = time.monotonic()
    assert up.request.wait_left(2) - left < patience(0.5)


def test_a_client_that_leaves_is_no_reason_to_try_again(gateway, upstream):
    up = upstream(silence())
    gw = gateway({"model_list": [model("m", up)], "router_settings": {"num_retries": 3}})
    wire = gw.connect()
    wire.request("POST", PATH, CHAT)
    up.wait_requests(1)
    wire.reset()
    up.request.wait_left(2)
    until(lambda: gw.metric("moonweir_in_flight") == 0)
    assert len(up.requests) == 1


def test_two_hundred_clients_that_reset_in_mid_body_delay_nobody(gw):
    for _ in range(2):                                    # the second time on a server that has seen it before
        wires = [gw.connect() for _ in range(200)]
        for wire in wires:
            wire.send(post(b'{"model":', "content-length: 100000"))
        for wire in wires:
            wire.reset()
        began = time.monotonic()
        assert gw.chat().status == 200
        assert time.monotonic() - began < patience(0.5)


def test_two_hundred_clients_that_reset_their_streams_delay_nobody(gateway, upstream):
    up = upstream(lambda request: openai.chat("hello") if not request.json.get("stream") else
                  stream(openai.events("a")[:2], silence()))
    gw = gateway({"model_list": [model("m", up)]})
    wires = [gw.stream() for _ in range(200)]
    for wire in wires:
        wire.reset()
    began = time.monotonic()
    assert gw.chat().status == 200
    assert time.monotonic() - began < patience(1)
    until(lambda: sum(1 for r in up.requests if r.left_at) == 200, 10, "all upstream calls are closed")


# ----------------------------------------------------------------------------------------------- file descriptors

def test_without_file_descriptors_new_clients_wait_and_old_ones_are_served(gateway):
    gw = gateway(args=["--workers", "1", "--port", "0"])
    _, most = resource.prlimit(gw.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gw.pid, resource.RLIMIT_NOFILE, (len(os.listdir("/proc/%d/fd" % gw.pid)) + 20, most))
    wires = [gw.connect() for _ in range(40)]             # the kernel takes them all
    for wire in wires:
        wire.request("GET", "/v1/models")
    gw.wait_log("cannot accept connections: .*ulimit -n")
    assert [wire.response().status for wire in wires[:20]] == [200] * 20
    until(lambda: at_rest(gw), 10, "it does not ask again and again")
    wires[0].request("GET", "/v1/models")
    assert wires[0].response().status == 200
    for wire in wires[:20]:
        wire.close()
    assert [wire.response().status for wire in wires[20:]] == [200] * 20


# -------------------------------------------------------------------------------------------------- back-pressure

def test_a_client_that_does_not_read_holds_its_stream_back(gateway, upstream):
    """64 MB come from upstream; the gateway does not keep them for a client that takes nothing."""
    count = 64
    events = openai.events(*["x" * (1 << 20)] * count)
    up = upstream(stream(events))
    gw = gateway({"model_list": [model("m", up)]}, args=["--workers", "1", "--port", "0"])
    gw.get("/v1/models")
    before = gw.resident_kib()
    wire = gw.connect(receive_buffer=65536)
    wire.request("POST", PATH, dict(CHAT, stream=True))
    up.wait_requests(1)
    until(lambda: at_rest(gw), 10, "the gateway is at rest")
    assert not up.request.answered.is_set()
    assert gw.resident_kib() - before < 24 << 10
    texts = [e.text for e in wire.events() if e.text]
    assert len(texts) == count and set(map(len, texts)) == {1 << 20}


def at_rest(gw, seconds=0.3):
    """Whether its processor time stands still for a while."""
    def spent():
        with open("/proc/%d/stat" % gw.pid) as f:
            fields = f.read().rpartition(") ")[2].split()
        return int(fields[11]) + int(fields[12])
    before = spent()
    time.sleep(seconds)
    return spent() == before


def test_many_calls_at_once_are_all_answered(gw):
    wires = [gw.connect() for _ in range(100)]
    for wire in wires:
        wire.request("POST", PATH, CHAT)
    assert {wire.response().status for wire in wires} == {200}


def test_upstream_connections_are_reused(gateway, upstream):
    up = upstream(in_turn(openai.chat("a"), openai.chat("b"), openai.chat("c")))
    gw = gateway({"model_list": [model("m", up)]}, args=["--workers", "1", "--port", "0"])
    assert [gw.chat().content for _ in range(3)] == ["a", "b", "c"]
    assert up.connections == 1
