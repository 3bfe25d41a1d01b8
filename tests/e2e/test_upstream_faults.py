# SPDX-License-Identifier: MIT
"""What providers send that is no answer. Each fault is played whole and streamed, to a model with a second target
(whose good answer the client must get) and to one without (a proper error, never an empty 200); and faults after the
first content of a stream, of which the client must hear. One gateway lives through all of them.

A call says which fault it wants in its prompt: "fault:html".
"""
import json
import re

import pytest

from calls import check_broken, check_memory, check_whole, counts, target, together
from conftest import started
from harness import (Gateway, Upstream, anthropic, chunk, close, event, gemini, head, openai, patience, reply, reset, send,
                     silence, stream, until, wait)

JSON = {"content-type": "application/json"}
VENDORS = {"openai": (openai, "openai/o"), "anthropic": (anthropic, "anthropic/claude-x"),
           "gemini": (gemini, "gemini/gemini-x")}


def sized(body, length, *rest):
    """A reply that announces so many bytes."""
    return [head(200, {**JSON, "content-length": str(length)}), send(body), *rest]


def coded(*steps):
    """A chunked reply of JSON."""
    return [head(200, {**JSON, "transfer-encoding": "chunked"}), *steps]


def flood(line):
    """A head that never ends: more than anybody should read."""
    line.send(b"HTTP/1.1 200 OK\r\n")
    for i in range(4000):
        line.send(b"x-%d: " % i + b"y" * 1000 + b"\r\n")


def huge_event(line):
    """An event of 17 MiB."""
    for _ in range(17):
        chunk(b"data: " + b"x" * (1 << 20))(line)


ANSWER = json.dumps(openai.message("stale")).encode()
ERROR = {"error": {"message": "out of order", "type": "server_error", "param": None, "code": None}}
ROLE = openai.events()[:1]

# What no provider of any dialect should send, whatever was asked for.
ANY = {
    "html": reply("<html><head><title>Sorry</title></head><body>down</body></html>", content_type="text/html"),
    "html-502": reply("<html><head><title>Bad gateway</title></head></html>", 502, content_type="text/html"),
    "text-500": reply("upstream connect error", 500),
    "empty-500": reply("", 500),
    "empty": reply("", headers=JSON),
    "empty-without-length": [head(200, {**JSON, "connection": "close"}), close()],
    "blank": reply(" \n \n", content_type="application/json"),
    "cut-json": reply(ANSWER[:60], content_type="application/json"),
    "json-error": reply(ERROR),
    "json-error-text": reply({"error": "out of order"}),
    "json-error-detail": reply({"detail": "out of order"}),
    "array": reply([]),
    "null": reply("null", content_type="application/json"),
    "number": reply("42", content_type="application/json"),
    "string": reply('"hello"', content_type="application/json"),
    "other-object": reply({"hello": "world"}),
    "status-204": [head(204)],
    "status-302": [head(302, {"location": "http://127.0.0.1:1/v1/chat/completions", "content-length": "0"})],
    "status-304": [head(304)],
    "garbage": [send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not HTTP at all\r\n\r\n"), close()],
    "http-0.9": [send("hello there\n"), close()],
    "half-a-head": [send("HTTP/1.1 200 OK\r\ncontent-type: appl"), close()],
    "half-a-head-reset": [send("HTTP/1.1 200 OK\r\ncontent-type: appl"), reset()],
    "closed": [close()],
    "reset": [reset()],
    "head-flood": [flood, close()],
    "length-too-large": sized(ANSWER[:100], len(ANSWER), close()),
    "length-reset": sized(ANSWER[:100], len(ANSWER), reset()),
    "length-not-a-number": [head(200, {**JSON, "content-length": "many"}), send(ANSWER), close()],
    "chunked-cut": coded(chunk(ANSWER[:100]), close()),
    "chunked-reset": coded(chunk(ANSWER[:100]), reset()),
    "chunked-nonsense": coded(send(b"zz\r\n" + ANSWER), close()),
    "silence": [silence()],
    "headers-then-silence": [head(200, {**JSON, "content-length": "1000"}), silence()],
    "binary": reply(bytes(range(256)) * 20, content_type="application/json"),
    "gzip-nonsense": reply(b"\x1f\x8b not gzip", headers={"content-encoding": "gzip"}, content_type="application/json"),
}
# What is an answer, but not the one that was asked for.
WHOLE = {
    "no-choices": reply({**openai.message(), "choices": []}),
    "choices-null": reply({**openai.message(), "choices": None}),
    "choices-of-numbers": reply({**openai.message(), "choices": [1]}),
    "a-stream": openai.stream("sta", "le"),
    "broken-off": reply({**openai.message(""), "choices": [
        {"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": "error"}]}),
}
STREAMED = {
    "a-whole-answer": reply(openai.message("stale")),
    "no-events": stream(),
    "no-bytes": [head(200, {"content-type": "text/event-stream", "content-length": "0"})],
    "only-done": stream(event("[DONE]")),
    "only-role": stream(ROLE),
    "only-role-reset": stream(ROLE, reset()),
    "role-then-done": stream(ROLE, event("[DONE]")),
    "only-comments": stream(chunk(": still here\n\n"), chunk(": still here\n\n")),
    "only-usage": stream(event(dict(openai.chunk({}), choices=[], usage={"prompt_tokens": 1, "total_tokens": 1}))),
    "error-first": stream(event(ERROR)),
    "error-first-done": stream(event(ERROR), event("[DONE]")),
    "error-first-text": stream(event({"error": "out of order"})),
    "error-first-named": stream(event(ERROR["error"], "error")),
    "error-first-object": stream(event({"object": "error", "message": "out of order", "code": 500})),
    "error-after-role": stream(ROLE, event(ERROR)),
    "error-with-choices": stream(ROLE, event({**openai.chunk({}), **ERROR})),
    "not-json": stream(event("hello")),
    "not-an-object": stream(event("[1]")),
    "cut-event": stream(chunk('data: {"id": "chatcmpl-1", "obj'), close()),
    "cut-event-reset": stream(chunk('data: {"id": "chatcmpl-1", "obj'), reset()),
    "cut-event-end": stream(chunk('data: {"id": "chatcmpl-1", "obj')),
    "headers-then-reset": stream(reset()),
    "huge-event": stream(huge_event),
    "role-then-silence": stream(ROLE, silence()),
    "finish-without-answer": stream(ROLE, event(openai.chunk({}, "error")), event("[DONE]")),
}
ANTHROPIC = {
    "empty-object": reply({}),
    "anthropic-error": reply({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    "openai-answer": reply(openai.message("stale")),
}
ANTHROPIC_STREAMED = {
    "anthropic-whole": anthropic.chat("stale"),
    "only-start": stream(anthropic.events()[:1]),
    "only-ping": stream(event({"type": "ping"}, "ping")),
    "only-stop": stream(event({"type": "message_stop"}, "message_stop")),
    "anthropic-error-first": stream(event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
                                          "error")),
    "anthropic-error-after-start": stream(anthropic.events()[:2], event(
        {"type": "error", "error": {"type": "api_error", "message": "out of order"}}, "error")),
    "start-reset": stream(anthropic.events()[:3], reset()),
    "no-events": STREAMED["no-events"], "only-done": STREAMED["only-done"], "only-comments": STREAMED["only-comments"],
    "not-json": STREAMED["not-json"], "cut-event": STREAMED["cut-event"], "huge-event": STREAMED["huge-event"],
}
GEMINI = {
    "empty-object": reply({}),
    "gemini-error": reply({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}),
    "error-in-array": reply([{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}]),
    "openai-answer": reply(openai.message("stale")),
}
GEMINI_STREAMED = {
    "gemini-whole": gemini.chat("stale"),
    "gemini-error-first": stream(event({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}})),
    "only-gemini-usage": stream(event({"usageMetadata": {"promptTokenCount": 5}})),
    "no-events": STREAMED["no-events"], "only-done": STREAMED["only-done"], "only-comments": STREAMED["only-comments"],
    "not-json": STREAMED["not-json"], "cut-event": STREAMED["cut-event"], "huge-event": STREAMED["huge-event"],
}


def said(vendor):
    """The events that bring the text "some text" of a vendor's stream, without its end."""
    if vendor == "anthropic":
        return anthropic.events("some ", "text")[:5]
    if vendor == "gemini":
        return [event(gemini.message(text, None)) for text in ("some ", "text")]
    return openai.events("some ", "text")[:3]


def error_event(vendor):
    return {"openai": event(ERROR), "gemini": event({"error": {"code": 500, "message": "out of order"}}),
            "anthropic": event({"type": "error", **ERROR}, "error")}[vendor]


# After the first content: (what comes then)
AFTER = {
    "end": [],
    "close": [close()],
    "reset": [reset()],
    "chunked-nonsense": [send("zz\r\n"), close()],
    "half-an-event": [chunk('data: {"id": "chat')],
    "half-an-event-reset": [chunk('data: {"id": "chat'), reset()],
    "not-json": [event("hello")],
    "silence": [silence()],
    "huge-event": [huge_event],
    "comments-then-end": [chunk(": still here\n\n")],
}
AFTER_OPENAI = {"done-without-finish": [event("[DONE]")],
                "error-and-done": [event(ERROR), event("[DONE]")]}


def after(vendor):
    return {**AFTER, "error": [error_event(vendor)], **(AFTER_OPENAI if vendor == "openai" else {})}


# A broken connection is the same to every dialect; what a body holds is not.
BODIES = ("html", "html-502", "empty-500", "empty", "blank", "cut-json", "array", "null", "number", "string",
          "other-object", "status-204", "half-a-head", "reset", "length-too-large", "chunked-cut", "binary")


def faults_of(vendor, streamed):
    own = {("openai", False): WHOLE, ("openai", True): STREAMED,
           ("anthropic", False): ANTHROPIC, ("anthropic", True): {**ANTHROPIC, **ANTHROPIC_STREAMED},
           ("gemini", False): GEMINI, ("gemini", True): {**GEMINI, **GEMINI_STREAMED}}[vendor, streamed]
    return {**(ANY if vendor == "openai" else {name: ANY[name] for name in BODIES}), **own}


CELLS = [(vendor, streamed, fault) for vendor in VENDORS for streamed in (False, True)
         for fault in faults_of(vendor, streamed)]
CELL_IDS = ["%s-%s-%s" % (vendor, "streamed" if streamed else "whole", fault) for vendor, streamed, fault in CELLS]
AFTER_CELLS = [(vendor, fault) for vendor in VENDORS for fault in after(vendor)]


def wanted(request):
    return re.search(rb"fault:([\w.-]+)", request.body).group(1).decode()


class House:
    """One gateway before a faulty provider of each vendor; models VENDOR-alone and VENDOR-backed."""

    def __init__(self, folder):
        self.good = Upstream(openai.chat_or_stream("go", "od"))
        self.bad = {vendor: Upstream(lambda request, vendor=vendor: self.play(vendor, request)) for vendor in VENDORS}
        rows = []
        for vendor, (_, provider_model) in VENDORS.items():
            rows += [target(vendor, self.bad[vendor], vendor + "-alone", provider_model),
                     target(vendor + "-1", self.bad[vendor], vendor + "-backed", provider_model, order=1),
                     target(vendor + "-2", self.good, vendor + "-backed", order=2)]
        self.gateway = Gateway({
            "model_list": rows,
            "router_settings": {"num_retries": 0, "disable_cooldowns": True, "timeout": patience(0.4),
                                "stream_timeout": patience(0.3)},
        }, folder=folder)

    @staticmethod
    def play(vendor, request):
        fault = wanted(request)
        if fault.startswith("after."):
            return stream(said(vendor), after(vendor)[fault[6:]])
        streamed = "stream" in request.path or bool(re.search(rb'"stream": ?true', request.body))
        return faults_of(vendor, streamed)[fault]

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            for up in [self.good, *self.bad.values()]:
                up.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(str(tmp_path_factory.mktemp("faults")))
    yield house
    house.stop()


class Since:
    """What a gateway has said since now: a test that fails shows its own part of the log."""

    def __init__(self, gw):
        self.gw, self.pid, self.stdout, self.told = gw, gw.pid, "", len(gw.log)

    @property
    def log(self):
        return self.gw.log[self.told:]


@pytest.fixture
def gw(house, request):
    """The gateway; with counts of what came to the upstreams, from now on."""
    request.node.stash.setdefault(started, []).append(Since(house.gateway))
    house.good.requests.clear()
    for up in house.bad.values():
        up.requests.clear()
    return house.gateway


def sent_once(up, fault):
    """A connection that was kept and breaks before the answer is no attempt: a fresh one gets the call."""
    return len(up.requests) == 1 or fault in ("reset", "closed") and len(up.requests) == 2


@pytest.mark.parametrize("vendor, streamed, fault", CELLS, ids=CELL_IDS)
def test_a_second_target_answers_where_the_first_sends(house, gw, vendor, streamed, fault):
    call = {"text": "fault:" + fault, "model": vendor + "-backed"}
    if streamed:
        check_whole(gw.stream_events(**call), "good")
    else:
        answer = gw.chat(**call)
        assert (answer.status, answer.content) == (200, "good")
        assert answer.headers["x-litellm-attempted-retries"] == "1"
    assert sent_once(house.bad[vendor], fault) and len(house.good.requests) == 1


@pytest.mark.parametrize("vendor, streamed, fault", CELLS, ids=CELL_IDS)
def test_without_a_second_target_it_is_an_error_where_the_provider_sends(house, gw, vendor, streamed, fault):
    answer = gw.chat("fault:" + fault, vendor + "-alone", stream=streamed)
    assert 500 <= answer.status <= 599, answer
    assert answer.headers["content-type"].startswith("application/json")
    assert len(answer.error["message"]) < 1000
    assert "<html" not in answer.error["message"] and "\x16" not in answer.error["message"]
    assert sent_once(house.bad[vendor], fault)


@pytest.mark.parametrize("vendor, fault", AFTER_CELLS, ids=["%s-%s" % cell for cell in AFTER_CELLS])
@pytest.mark.parametrize("second", ["alone", "backed"])
def test_after_the_first_content_the_client_hears_of(house, gw, vendor, fault, second):
    events = gw.stream_events("fault:after." + fault, "%s-%s" % (vendor, second))
    error = check_broken(events, "some text")
    if fault.startswith("error"):
        assert "out of order" in error["message"]
    assert not house.good.requests, "never a second answer"


def one_of_many(gw, number):
    """A client's call of some kind, by its number: well answered, faulty, or left."""
    kind = "openai anthropic gemini".split()[number % 3]
    faults = ("html", "reset", "cut-json", "status-204", "chunked-cut", "after.reset", "after.error", "after.half-an-event")
    fault, way = faults[number // 3 % len(faults)], number // 24 % 4
    if way == 0 and not fault.startswith("after."):
        assert gw.chat("fault:" + fault, kind + "-backed").content == "good"
    elif way == 1 and not fault.startswith("after."):
        assert gw.chat("fault:" + fault, kind + "-alone").status == 502
    elif way == 2:
        with gw.stream("fault:after.silence", kind + "-alone") as wire:
            next(wire.events(wire.answer))
            wire.reset()
    else:
        check_broken(gw.stream_events("fault:after.end", kind + "-backed"), "some text")


def test_all_of_it_at_once(house, gw):
    """Hundreds of calls on 24 connections, good and bad and left, mixed."""
    together(lambda i: [one_of_many(gw, i * 12 + n) for n in range(12)], 24)
    counts(gw, "moonweir_in_flight", 0)


def test_it_is_none_the_worse_for_it(house, gw):
    """After all of the above: nothing is in flight, and good calls are answered."""
    counts(gw, "moonweir_in_flight", 0)
    check_whole(gw.stream_events("fault:silence", "openai-backed"), "good")


# ---------------------------------------------------------------------------------------- what only looks like a fault

PROPER = openai.chat("hello")


@pytest.mark.parametrize("before", [
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n",
    "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
], ids=["100", "103", "two"])
def test_interim_answers_are_skipped(gateway, upstream, before):
    up = upstream([send(before), wait(20), PROPER])
    gw = gateway({"model_list": [target("a", up)], "router_settings": {"num_retries": 0}})
    assert gw.chat().content == "hello"


def test_white_space_around_an_answer_is_none_of_it(gateway, upstream):
    up = upstream(reply(b"\n \n\n" + json.dumps(openai.message("hello")).encode() + b"\n\n",
                        content_type="application/json"))
    gw = gateway({"model_list": [target("a", up)], "router_settings": {"num_retries": 0}})
    assert gw.chat().content == "hello"


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", ""])
def test_a_wrong_content_type_of_a_good_answer_is_overlooked(gateway, upstream, kind):
    up = upstream(reply(json.dumps(openai.message("hello")), content_type=kind))
    gw = gateway({"model_list": [target("a", up)], "router_settings": {"num_retries": 0}})
    assert gw.chat().content == "hello"


def test_an_answer_that_ends_with_its_connection_is_whole(gateway, upstream):
    up = upstream([head(200, {"content-type": "application/json", "connection": "close"}),
                   send(json.dumps(openai.message("hello"))), close()])
    gw = gateway({"model_list": [target("a", up)], "router_settings": {"num_retries": 0}})
    assert gw.chat().content == "hello"


def test_a_stream_without_its_end_mark_is_whole_after_a_finish_reason(gateway, upstream):
    up = upstream(openai.stream("hel", "lo", done=False))
    gw = gateway({"model_list": [target("a", up)], "router_settings": {"num_retries": 0}})
    check_whole(gw.stream_events())


def test_an_answer_may_be_empty_if_the_provider_says_that_it_is_whole(gateway, upstream):
    """A model may say nothing: with a finish reason that is an answer, not a fault."""
    up = upstream(lambda request: openai.stream("") if request.json.get("stream") else openai.chat(""))
    gw = gateway({"model_list": [target("a", up)], "router_settings": {"num_retries": 0}})
    assert gw.chat().content == ""
    check_whole(gw.stream_events(), "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_redirect_is_not_followed(gateway, upstream, status, streamed):
    elsewhere = upstream(openai.chat_or_stream("sto", "len"))
    good = upstream(openai.chat_or_stream("go", "od"))
    up = upstream(reply("", status, {"location": elsewhere.base + "/chat/completions"}))
    gw = gateway({"model_list": [target("a", up, order=1), target("b", good, order=2), target("c", up, name="alone")],
                  "router_settings": {"num_retries": 0}})
    answer = gw.chat(model="alone", stream=streamed)
    assert answer.status == 502 and str(status) in answer.error["message"], answer
    if streamed:
        check_whole(gw.stream_events(), "good")
    else:
        assert gw.chat().content == "good"
    assert not elsewhere.requests


def test_an_error_page_of_any_size_is_cut_short(gateway, upstream):
    up = upstream(reply("no " * (3 << 20), 500))
    gw = gateway({"model_list": [target("a", up)], "router_settings": {"num_retries": 0}})
    answer = gw.chat()
    assert answer.status == 500
    assert len(answer.body) < 20000


def test_an_answer_that_never_ends_is_cut_off(gateway, upstream):
    def endless(line):
        for _ in range(200):
            chunk(b" " * (1 << 20))(line)
    up = upstream(coded(endless))
    gw = gateway({"model_list": [target("a", up)], "router_settings": {"num_retries": 0, "timeout": 60}})
    before = gw.resident_kib()
    answer = gw.chat()
    assert answer.status == 502 and answer.error
    check_memory(gw, before, 100)
    assert up.request.wait_left(2)
