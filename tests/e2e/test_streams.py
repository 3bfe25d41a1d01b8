# SPDX-License-Identifier: MIT
"""Streams under way: each piece at once, each chunk complete, back-pressure both ways, clients that leave."""
import json
import re
import threading

import pytest

from calls import check_memory, check_whole, chunks, counts, finishes, stands_still, target, text_of, together
from harness import (anthropic, chunk, close, drip, end, event, gemini, head, model, openai, patience, reply, send, silence,
                     stream, until, wait, wait_for)

VENDORS = {"openai": (openai, "openai/o"), "anthropic": (anthropic, "anthropic/claude-x"),
           "gemini": (gemini, "gemini/gemini-x")}
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"
# What OpenAI's schema requires of a chunk; some clients insist on `finish_reason: null`.
TOP = {"id", "object", "created", "model", "choices"}
CHOICE = {"index", "delta", "finish_reason"}


def one(gateway, up, provider_model="openai/o", **settings):
    return gateway({"model_list": [model("m", up, provider_model)], "router_settings": {"num_retries": 0, **settings}})


# -------------------------------------------------------------------------------------------------- piece by piece

@pytest.mark.parametrize("vendor", VENDORS)
def test_each_piece_arrives_before_the_next_is_sent(gateway, upstream, vendor):
    """Nothing is held back: the provider sends a piece only when the client has the one before."""
    replies, provider_model = VENDORS[vendor]
    pieces = ["piece%d " % i for i in range(20)]
    arrived = [threading.Event() for _ in pieces]
    steps = list(replies.events(*pieces))
    first = {"openai": 1, "anthropic": 3, "gemini": 0}[vendor]
    held = [[step, wait_for(arrived[i - first])] if first <= i < first + len(pieces) - 1 else step
            for i, step in enumerate(steps)]
    gw = one(gateway, upstream(stream(held)), provider_model)
    events = []
    with gw.stream() as wire:
        for e in wire.events(wire.answer):
            events.append(e)
            if e.text:
                arrived[pieces.index(e.text)].set()
    check_whole(events, "".join(pieces))


def test_pieces_that_come_together_are_handed_on_together(gateway, upstream):
    """As fast as they come: 5,000 pieces without a pause are no matter of seconds."""
    pieces = ["%d " % i for i in range(5000)]
    body = b"".join(b"data: %s\n\n" % json.dumps(openai.chunk({"content": p})).encode() for p in pieces)
    up = upstream(stream(openai.events()[:1], chunk(body), openai.events()[1:]))
    check_whole(one(gateway, up).stream_events(), "".join(pieces))


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("include_usage", [True, False, None])
def test_every_chunk_has_all_that_the_schema_requires(gateway, upstream, vendor, include_usage):
    replies, provider_model = VENDORS[vendor]
    gw = one(gateway, upstream(replies.stream("hel", "lo")), provider_model)
    options = {} if include_usage is None else {"stream_options": {"include_usage": include_usage}}
    events = gw.stream_events(**options)
    check_whole(events)
    said = chunks(events)
    for c in said:
        assert TOP <= set(c), c
        assert c["object"] == "chat.completion.chunk" and isinstance(c["created"], int) and c["id"]
        for choice in c["choices"]:
            assert CHOICE <= set(choice), c
            assert isinstance(choice["index"], int) and isinstance(choice["delta"], dict)
    assert len({(c["id"], c["created"], c["model"]) for c in said}) == 1
    assert [c for c in said if c["choices"]][0]["choices"][0]["delta"]["role"] == "assistant"
    usage = [c for c in said if c.get("usage")]
    if include_usage:
        assert usage == said[-1:] and said[-1]["choices"] == []
        counts = said[-1]["usage"]
        assert (counts["prompt_tokens"], counts["completion_tokens"], counts["total_tokens"]) == (5, 7, 12)
        assert all(c.get("usage", "none" if vendor != "openai" else None) is None for c in said[:-1])
    else:
        assert not usage and all(c["choices"] for c in said)


def test_usage_is_asked_for_whatever_the_client_says(gateway, upstream):
    up = upstream(openai.stream("hel", "lo"))
    gw = one(gateway, up)
    for options in ({}, {"stream_options": {}}, {"stream_options": None},
                    {"stream_options": {"include_usage": False, "include_obfuscation": False}},
                    {"stream_options": {"include_usage": True}}):
        check_whole(gw.stream_events(**options))
        assert up.requests[-1].json["stream_options"]["include_usage"] is True
    assert up.requests[3].json["stream_options"]["include_obfuscation"] is False
    counts(gw, "moonweir_completion_tokens_total", 35)


def test_whole_calls_are_not_asked_for_stream_options(gateway, upstream):
    up = upstream(openai.chat("hello"))
    one(gateway, up).chat(stream=False)
    assert "stream_options" not in up.request.json


def test_several_choices_are_told_apart(gateway, upstream):
    def choice(index, delta, finish=None):
        return event({**openai.chunk({}), "choices": [{"index": index, "delta": delta, "finish_reason": finish}]})
    up = upstream(stream(choice(0, {"role": "assistant", "content": ""}), choice(1, {"role": "assistant", "content": ""}),
                         choice(1, {"content": "b1"}), choice(0, {"content": "a1"}), choice(0, {"content": "a2"}),
                         choice(0, {}, "stop"), choice(1, {"content": "b2"}), choice(1, {}, "length"), event("[DONE]")))
    events = one(gateway, up).stream_events(n=2)
    texts, ends = {0: "", 1: ""}, {}
    for c in chunks(events):
        for choice in c["choices"]:
            texts[choice["index"]] += choice["delta"].get("content") or ""
            if choice["finish_reason"]:
                ends[choice["index"]] = choice["finish_reason"]
    assert (texts, ends) == ({0: "a1a2", 1: "b1b2"}, {0: "stop", 1: "length"})
    assert up.request.json["n"] == 2


def calls_in(events):
    """The tool calls of a stream, put together as clients do: [(id, name, arguments), …]."""
    calls = {}
    for c in chunks(events):
        for choice in c["choices"]:
            for piece in choice["delta"].get("tool_calls") or []:
                call = calls.setdefault(piece["index"], ["", "", ""])
                call[0] += piece.get("id") or ""
                call[1] += piece.get("function", {}).get("name") or ""
                call[2] += piece.get("function", {}).get("arguments") or ""
    return [tuple(calls[i]) for i in sorted(calls)]


def openai_calls():
    def begin(index, ident, name, arguments):
        return openai.chunk({"tool_calls": [{"index": index, "id": ident, "type": "function",
                                             "function": {"name": name, "arguments": arguments}}]})

    def more(index, arguments):
        return openai.chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
    said = [openai.chunk({"role": "assistant", "content": None}), begin(0, "call_a", "weather", ""),
            more(0, '{"ci'), more(0, 'ty": "Par'), more(0, 'is"}'), begin(1, "call_b", "time", "{}"),
            openai.chunk({}, "tool_calls")]
    return [event(c) for c in said] + [event("[DONE]")]


def anthropic_calls():
    start = anthropic.events()[0]
    said = [{"type": "content_block_start", "index": 0,
             "content_block": {"type": "tool_use", "id": "call_a", "name": "weather", "input": {}}}]
    said += [{"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}}
             for text in ('{"ci', 'ty": "Par', 'is"}')]
    said += [{"type": "content_block_stop", "index": 0},
             {"type": "content_block_start", "index": 1,
              "content_block": {"type": "tool_use", "id": "call_b", "name": "time", "input": {}}},
             {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ""}},
             {"type": "content_block_stop", "index": 1},
             {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
             {"type": "message_stop"}]
    return [start] + [event(e, e["type"]) for e in said]


def gemini_calls():
    parts = [{"functionCall": {"id": "call_a", "name": "weather", "args": {"city": "Paris"}}},
             {"functionCall": {"id": "call_b", "name": "time", "args": {}}}]
    return [event(gemini.message(parts=parts, finish="STOP"))]


@pytest.mark.parametrize("vendor, steps", [("openai", openai_calls()), ("anthropic", anthropic_calls()),
                                           ("gemini", gemini_calls())], ids=["openai", "anthropic", "gemini"])
def test_tool_calls_come_together(gateway, upstream, vendor, steps):
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
             for name in ("weather", "time")]
    events = one(gateway, upstream(stream(steps)), VENDORS[vendor][1]).stream_events(tools=tools)
    calls = calls_in(events)
    assert [(i, name) for i, name, _ in calls] == [("call_a", "weather"), ("call_b", "time")]
    assert [json.loads(arguments) for _, _, arguments in calls] == [{"city": "Paris"}, {}]
    assert finishes(events) == ["tool_calls"]


# ------------------------------------------------------------------------------------------------ oddities upstream

def wire_text(line_end="\n", bom="", between="", field="data: "):
    """openai.events("hel", "lo") as text, with these oddities."""
    said = [openai.chunk({"role": "assistant", "content": ""}), openai.chunk({"content": "hel"}),
            openai.chunk({"content": "lo"}), openai.chunk({}, "stop")]
    lines = [field + json.dumps(c) for c in said] + [field + "[DONE]"]
    return bom + "".join(line + line_end + line_end + between for line in lines)


ODD = {
    "crlf": wire_text("\r\n"),
    "cr": wire_text("\r"),
    "comments": wire_text(between=": keep-alive\n\n"),
    "comments-crlf": wire_text("\r\n", between=": OPENROUTER PROCESSING\r\n\r\n"),
    "bom": wire_text(bom="\ufeff"),
    "no space": wire_text(field="data:"),
    "other fields": wire_text(field="id: 7\nretry: 100\nunknown: x\nevent: message\ndata: "),
    "blank lines": wire_text(between="\n\n\n"),
    "no last blank line": wire_text()[:-1],
    "lines of json": wire_text().replace('", "', '",\ndata: "').replace('{"id', '{\ndata: "id'),
    "done with spaces": wire_text().replace("[DONE]", " [DONE] "),
    "after the end": wire_text() + wire_text(),
}


@pytest.mark.parametrize("odd", ODD)
def test_oddities_of_event_streams_are_understood(gateway, upstream, odd):
    text = ODD[odd].encode()
    whole = upstream(stream(chunk(text)))
    bytewise = upstream(stream([chunk(text[i:i + 1]) for i in range(len(text))]))
    gw = gateway({"model_list": [model("whole", whole), model("bytewise", bytewise)]})
    for name in ("whole", "bytewise"):
        check_whole(gw.stream_events(model=name))


@pytest.mark.parametrize("include_usage", [True, False])
@pytest.mark.parametrize("odd", range(5), ids=["role", "first text", "second text", "finish", "usage"])
def test_one_odd_chunk_does_not_spoil_a_stream(gateway, upstream, odd, include_usage):
    """A server that leaves `object` and `id` out of one chunk: that one and what follows are mended."""
    said = [openai.chunk({"role": "assistant", "content": ""}), openai.chunk({"content": "hel"}),
            openai.chunk({"content": "lo"}), openai.chunk({}, "stop"),
            dict(openai.chunk({}), choices=[], usage={"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12})]
    said[odd] = {k: v for k, v in said[odd].items() if k not in ("id", "object")}
    for end_mark in ([event("[DONE]")], []):
        up = upstream(stream([event(c) for c in said], end_mark))
        gw = one(gateway, up)
        events = gw.stream_events(stream_options={"include_usage": include_usage})
        check_whole(events)
        assert all(TOP <= set(c) for c in chunks(events))
        usage = [c["usage"]["total_tokens"] for c in chunks(events) if c.get("usage")]
        assert usage == ([12] if include_usage else [])
        counts(gw, "moonweir_completion_tokens_total", 7)


def piece(index, ident=None, name=None, arguments=None):
    """A chunk with a piece of a tool call."""
    called = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    call = {"index": index, **({"id": ident, "type": "function"} if ident else {}), "function": called}
    return openai.chunk({"tool_calls": [call]})


BEGUN = [openai.chunk({"role": "assistant", "content": None}), piece(0, "call_a", "weather", ""), piece(0, None, None, '{"ci'),
         piece(0, None, None, 'ty": "Paris"}')]
ODD_CALLS = {
    "a chunk of another shape amid the arguments": [*BEGUN[:3], {k: v for k, v in BEGUN[3].items() if k != "id"},
                                                    piece(1, "call_b", "time", "{}"), openai.chunk({}, "tool_calls")],
    "the same place for all": [*BEGUN, piece(0, "call_b", "time", "{}"), openai.chunk({}, "tool_calls")],
    "the same place, and arguments in pieces": [*BEGUN, piece(0, "call_b", "time", ""), piece(0, None, None, "{}"),
                                                openai.chunk({}, "tool_calls")],
    "the id in every piece": [BEGUN[0], *(piece(0, "call_a", "weather", a) for a in ('{"ci', 'ty": "Paris"', "}")),
                              piece(1, "call_b", "time", "{}"), openai.chunk({}, "tool_calls")],
    "no arguments": [*BEGUN, piece(1, "call_b", "time", ""), openai.chunk({}, "tool_calls")],
    "no arguments, before another": [BEGUN[0], piece(0, "call_b", "time", ""), piece(1, "call_a", "weather", '{"city": "Paris"}'),
                                     openai.chunk({}, "tool_calls")],
    "the finish in the last piece": [*BEGUN, {**piece(1, "call_b", "time", "{}"), "choices": [
        {**piece(1, "call_b", "time", "{}")["choices"][0], "finish_reason": "tool_calls"}]}],
    "another word for the finish": [*BEGUN, piece(1, "call_b", "time", "{}"), openai.chunk({}, "eos")],
}


@pytest.mark.parametrize("odd", ODD_CALLS)
def test_odd_tool_calls_are_mended(gateway, upstream, odd):
    events = one(gateway, upstream(stream([event(c) for c in ODD_CALLS[odd]], event("[DONE]")))).stream_events()
    calls = {ident: (name, json.loads(arguments)) for ident, name, arguments in calls_in(events)}
    assert calls == {"call_a": ("weather", {"city": "Paris"}), "call_b": ("time", {})}
    assert finishes(events) == ["tool_calls"]


AFTER_FINISH = {
    "the finish again": [openai.chunk({"content": ""}, "stop")],
    "usage with an empty choice": [{**openai.chunk({"role": "assistant", "content": ""}), "usage": openai.message()["usage"]}],
    "usage, and once more without an id": [
        dict(openai.chunk({}), choices=[], usage=openai.message()["usage"]), {"choices": [], "usage": openai.message()["usage"]}],
    "text": [openai.chunk({"content": "!"})],
    "nothing": [],
}


@pytest.mark.parametrize("end_mark", [True, False])
@pytest.mark.parametrize("after", AFTER_FINISH)
def test_nothing_of_a_choice_comes_after_its_finish(gateway, upstream, after, end_mark):
    said = [openai.chunk({"role": "assistant", "content": ""}), openai.chunk({"content": "hello"}), openai.chunk({}, "stop")]
    up = upstream(stream([event(c) for c in said + AFTER_FINISH[after]], [event("[DONE]")] * end_mark))
    events = one(gateway, up).stream_events(stream_options={"include_usage": True})
    check_whole(events, "hello!" if after == "text" else "hello")
    *before, last = [c for c in chunks(events) if c["choices"]]
    assert last["choices"][0]["finish_reason"] == "stop" and not any(c.get("usage") for c in before)
    assert any(c.get("usage") for c in chunks(events)) == ("usage" in after)


def test_a_choice_may_end_before_another_begins(gateway, upstream):
    def choice(index, delta, finish=None):
        return event({**openai.chunk({}), "choices": [{"index": index, "delta": delta, "finish_reason": finish}]})
    up = upstream(stream([[choice(i, {"role": "assistant", "content": ""}), choice(i, {"content": "abc"[i]}),
                           choice(i, {}, "stop")] for i in range(3)], event("[DONE]")))
    choices = [c["choices"][0] for c in chunks(one(gateway, up).stream_events(n=3))]
    for i in range(3):
        mine = [c for c in choices if c["index"] == i]
        assert mine[0]["delta"]["role"] == "assistant" and not any("role" in c["delta"] for c in mine[1:])
        assert "".join(c["delta"].get("content") or "" for c in mine) == "abc"[i]
        assert [c["finish_reason"] for c in mine if c["finish_reason"]] == ["stop"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_stream_may_be_cut_anywhere(gateway, upstream, vendor):
    """The same bytes in pieces of 1 to 7: cut inside UTF-8, escapes, names, line ends."""
    texts = ["naïve 🌙 ", "\\ud83c\\udf19 \" \n", "end"]
    replies, provider_model = VENDORS[vendor]
    sent = []
    for step in replies.events(*texts):
        step(type("Tape", (), {"send": lambda self, data: sent.append(data)})())
    body = b"".join(re.sub(rb"^[0-9a-f]+\r\n|\r\n$", b"", piece) for piece in sent).replace(b"\n", b"\r\n")
    sizes = [1 + (i * 7919) % 7 for i in range(len(body))]
    cuts, at = [], 0
    for size in sizes:
        cuts.append(chunk(body[at:at + size]))
        at += size
        if at >= len(body):
            break
    check_whole(one(gateway, upstream(stream(cuts)), provider_model).stream_events(), "".join(texts))


def test_a_stream_without_chunked_coding_is_read(gateway, upstream):
    text = wire_text().encode()
    closed = upstream([head(200, {"content-type": "text/event-stream", "connection": "close"}), send(text), close()])
    sized = upstream(reply(text, content_type="text/event-stream; charset=utf-8"))
    gw = gateway({"model_list": [model("closed", closed), model("sized", sized)]})
    check_whole(gw.stream_events(model="closed"))
    check_whole(gw.stream_events(model="sized"))


def test_an_event_of_8_mb_passes(gateway, upstream):
    text = "".join(chr(65 + i % 26) for i in range(8 << 20))
    up = upstream(stream(openai.events(text)))
    with one(gateway, up).connect() as wire:
        wire.request("POST", PATH, {**BODY, "stream": True})
        events = [json.loads(e[6:]) for e in wire.response().text.split("\n\n") if e.startswith("data: {")]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in events) == text


def test_a_slow_head_and_a_slow_body_are_no_fault(gateway, upstream):
    up = upstream([drip("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n", 1, 9),
                   wait(50), openai.events("hel", "lo"), wait(50), end()])
    check_whole(one(gateway, up).stream_events())


# ---------------------------------------------------------------------------------------------------- back-pressure

def test_a_client_that_does_not_read_stops_the_provider(gateway, upstream):
    """200 MB for a client that takes nothing: they stay with the provider; then they all arrive, in order."""
    size, count = 64 << 10, 3200
    sent = [0]
    before, after = json.dumps(openai.chunk({"content": "<NUMBER>" + "x" * size})).encode().split(b"NUMBER")

    def flow(request):
        yield from stream(openai.events()[:1])[:-1]
        for i in range(count):
            yield chunk(b"data: %s%06d%s\n\n" % (before, i, after))
            sent[0] = i + 1
        yield from openai.events()[1:]
        yield end()

    gw = one(gateway, upstream(flow), timeout=300, stream_timeout=300)
    resident = gw.resident_kib()
    wire = gw.connect(receive_buffer=1 << 18)
    wire.sock.settimeout(patience(60))
    wire.request("POST", PATH, {**BODY, "stream": True})
    seen = []
    until(lambda: sent[0] and stands_still(seen, sent[0]), 20, "the provider stops sending")
    assert sent[0] < count / 4
    check_memory(gw, resident, 24)
    numbers, tail = [], b""
    for piece in wire.pieces(wire.head()):
        tail += piece
        numbers += [int(n) for n in re.findall(rb"<(\d{6})>", tail)]
        tail = tail[-7:] if b"[DONE]" not in tail else tail[-20:]
    wire.close()
    assert numbers == list(range(count))
    assert b"[DONE]" in tail
    check_memory(gw, resident, 32)


def test_a_client_that_does_not_read_hinders_nobody(gateway, upstream):
    def reply_to(request):
        if b"flood" in request.body:
            return stream([event(openai.chunk({"content": "x" * 65536}))] * 400)
        return openai.chat_or_stream()(request)
    gw = one(gateway, upstream(reply_to), timeout=300)
    wires = []
    for _ in range(8):
        wires.append(gw.connect(receive_buffer=8192))
        wires[-1].request("POST", PATH, {**BODY, "messages": [{"role": "user", "content": "flood"}], "stream": True})
    counts(gw, "moonweir_in_flight", 8)
    for _ in range(10):
        check_whole(gw.stream_events())
        assert gw.chat().content == "hello"
    for wire in wires:
        wire.reset()
    counts(gw, "moonweir_in_flight", 0)


# ---------------------------------------------------------------------------------------------- clients that leave

@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_fifty_clients_that_leave_leave_nothing_behind(gateway, upstream, streamed, how):
    up = upstream(stream(openai.events("a")[:2], silence()) if streamed else [silence()])
    gw = one(gateway, up, timeout=300)
    wires = []
    for _ in range(50):
        wires.append(gw.connect())
        wires[-1].request("POST", PATH, {**BODY, "stream": streamed})
    up.wait_requests(50)
    if streamed:
        for wire in wires:
            next(wire.events())
    for wire in wires:
        getattr(wire, how)()
    until(lambda: not up.open, 1, "every connection to the provider is closed")
    counts(gw, "moonweir_in_flight", 0)
    counts(gw, "moonweir_calls_total", 50, model="m")


def test_a_client_that_leaves_during_a_pause_is_not_called_for_again(gateway, upstream):
    up = upstream(openai.error(500, headers={"retry-after": "1"}))
    gw = gateway({"model_list": [model("m", up)], "router_settings": {"num_retries": 3}})
    wire = gw.connect()
    wire.request("POST", PATH, BODY)
    up.wait_requests(1)[0].answered.wait()
    wire.reset()
    counts(gw, "moonweir_calls_total", 1, model="m")
    assert len(up.requests) == 1


def test_a_client_that_leaves_does_not_count_against_the_target(gateway, upstream):
    up = upstream(lambda request: [silence()] if b"wait" in request.body else openai.chat("hello"))
    gw = gateway({"model_list": [target("a", up)],
                  "router_settings": {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 60}})
    for n in range(1, 6):
        wire = gw.connect()
        wire.request("POST", PATH, {**BODY, "messages": [{"role": "user", "content": "wait"}]})
        up.wait_requests(n)
        wire.reset()
    until(lambda: not up.open)
    assert gw.chat().status == 200
    counts(gw, "moonweir_attempt_errors_total", 0)


def test_the_others_do_not_notice_who_leaves(gateway, upstream):
    up = upstream(openai.stream(*"undisturbed", pace=20))
    gw = one(gateway, up)

    def client(i):
        if i % 2:
            return gw.stream_events()
        with gw.stream() as wire:
            next(wire.events(wire.answer))
            wire.reset()
        return None
    for events in filter(None, together(client, 20)):
        check_whole(events, "undisturbed")


# ------------------------------------------------------------------------------------------------ connections upstream

def test_connections_to_the_provider_are_used_again(gateway, upstream):
    up = upstream(openai.chat_or_stream())
    gw = gateway({"model_list": [model("m", up)]}, args=["--workers", "1"])
    for _ in range(10):
        assert gw.chat().content == "hello"
    assert up.connections == 1
    for _ in range(10):
        check_whole(gw.stream_events())
    assert up.connections <= 3, "a stream's last chunk may still be on its way when the next call is sent"


def test_connections_are_used_again_after_errors(gateway, upstream):
    up = upstream(lambda request: openai.error(400))
    gw = gateway({"model_list": [model("m", up)]}, args=["--workers", "1"])
    for _ in range(5):
        assert gw.chat().status == 400
    assert up.connections == 1


def test_a_connection_that_broke_is_not_used_again(gateway, upstream):
    up = upstream(lambda request: stream(openai.events("a")[:2], close()) if b"break" in request.body
                  else openai.chat("hello"))
    gw = gateway({"model_list": [model("m", up)], "router_settings": {"num_retries": 0}}, args=["--workers", "1"])
    for _ in range(3):
        gw.stream_events("break")
        assert gw.chat().content == "hello"
    assert len({r.connection for r in up.requests}) >= 3
