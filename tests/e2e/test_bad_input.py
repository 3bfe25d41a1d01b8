# SPDX-License-Identifier: MIT
"""What clients send wrongly: they learn what was found, where, and what is allowed; and nobody upstream hears of it."""
import gzip
import json
import os

import pytest

from calls import check_whole, target
from harness import anthropic, gemini, model, openai, patience
from harness.wire import request_bytes

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "hi"}
CHAT = {"model": "m", "messages": [USER]}
TEXT = json.dumps(CHAT)
VENDORS = {"openai": (openai, "openai/o"), "anthropic": (anthropic, "anthropic/claude-sonnet-4-5"),
           "gemini": (gemini, "gemini/gemini-x")}


@pytest.fixture
def up(upstream):
    return upstream(openai.chat_or_stream())


@pytest.fixture
def gw(gateway, up):
    return gateway({"model_list": [model("m", up), model("e", up, "openai/embed")]})


def refused(gw, body, path=PATH, status=400):
    """This body is refused in the form that OpenAI's clients read; the error."""
    answer = gw.post(path, body)
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    error = answer.error
    assert error["type"] == "invalid_request_error" and len(error["message"]) < 1000
    return error


# ------------------------------------------------------------------------------------------------------ not JSON at all

MALFORMED = {
    "empty": "",
    "blank": "  \n ",
    "cut": TEXT[:-3],
    "cut in a string": TEXT[:20],
    "one brace": "{",
    "trailing text": TEXT + " x",
    "trailing object": TEXT + TEXT,
    "trailing comma": TEXT[:-1] + ",}",
    "no quotes": "{model: 'm', messages: []}",
    "single quotes": TEXT.replace('"', "'"),
    "comment": "/* hello */" + TEXT,
    "NaN": TEXT[:-1] + ', "temperature": NaN}',
    "Infinity": TEXT[:-1] + ', "temperature": -Infinity}',
    "hex": TEXT[:-1] + ', "seed": 0x10}',
    "leading zero": TEXT[:-1] + ', "seed": 007}',
    "plus": TEXT[:-1] + ', "seed": +1}',
    "bare point": TEXT[:-1] + ', "temperature": .5}',
    "True": TEXT[:-1] + ', "stream": True}',
    "raw line end in a string": TEXT.replace("hi", "h\ni"),
    "raw NUL in a string": TEXT.replace("hi", "h\0i"),
    "bad escape": TEXT.replace("hi", "h\\xi"),
    "cut escape": TEXT.replace("hi", "h\\u12"),
    "deep arrays": TEXT[:-1] + ', "x": ' + "[" * 100000 + "]" * 100000 + "}",
    "deep objects": TEXT[:-1] + ', "x": ' + '{"a":' * 100000 + "1" + "}" * 100000 + "}",
    "deep and cut": "[" * 1000000,
    "cut UTF-8": TEXT.encode().replace(b"hi", b"h\xe2\x82"),
    "stray UTF-8": TEXT.encode().replace(b"hi", b"h\x80i"),
    "overlong UTF-8": TEXT.encode().replace(b"hi", b"\xc0\xaf"),
    "surrogate UTF-8": TEXT.encode().replace(b"hi", b"\xed\xa0\x80"),
    "latin-1": TEXT.encode().replace(b"hi", b"caf\xe9"),
    "UTF-16": TEXT.encode("utf-16"),
    "a form": "model=m&messages=hi",
    "binary": bytes(range(256)),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_not_json_is_refused(gw, up, case):
    error = refused(gw, MALFORMED[case])
    assert error["message"]
    assert not up.requests
    assert gw.chat().status == 200


@pytest.mark.parametrize("text, found", [("null", "null"), ("[]", "an array"), ('"x"', "a string"), ("5", "a number"),
                                         ("true", "a boolean")])
@pytest.mark.parametrize("path", [PATH, "/v1/embeddings"])
def test_a_body_must_be_an_object(gw, up, path, text, found):
    assert found in refused(gw, text, path)["message"]
    assert not up.requests


@pytest.mark.parametrize("body, told", [
    ("\ufeff" + TEXT, "byte order mark"), (TEXT.encode("utf-16"), "UTF-16"), (gzip.compress(TEXT.encode()), "gzip"),
    (TEXT[:-1] + ', "x": NaN}', "NaN"), (TEXT[:-1] + ', "x": {"a": 1, "a": 2}}', "'a' stands twice"),
    ("[" * 5000, "deeper than"), ("model=m&messages=hi", "double quotes"),
], ids=["BOM", "UTF-16", "gzip", "NaN", "twice", "deep", "form"])
def test_what_the_mistake_is_is_told(gw, body, told):
    assert told in refused(gw, body)["message"]


def test_the_place_of_a_mistake_is_told(gw):
    message = refused(gw, '{\n  "model": "m",\n  "messages": [{"role": "user" "content": "hi"}]\n}')["message"]
    assert "3" in message, "the line: %s" % message


@pytest.mark.parametrize("twice", [
    '{"model": "m", "model": "e", "messages": [{"role": "user", "content": "hi"}]}',
    '{"model": "m", "messages": [{"role": "user", "content": "hi"}], "messages": []}',
    '{"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": false, "stream": true}',
    '{"model": "m", "mod\\u0065l": "e", "messages": [{"role": "user", "content": "hi"}]}',
])
def test_a_member_that_decides_may_not_come_twice(gw, up, twice):
    """Two readers could understand two things: which model is called must not depend on who reads."""
    refused(gw, twice)
    assert not up.requests


def test_names_may_be_written_with_escapes(gw, up):
    answer = gw.post(PATH, '{"mod\\u0065l": "\\u006d", "m\\u0065ssages": [{"role": "user", "content": "hi"}]}')
    assert (answer.status, answer.json["model"]) == (200, "m")
    assert up.request.json["model"] == "up-model"


# ---------------------------------------------------------------------------------------------------------- wrong types

OBJECT, ARRAY, NUMBER, STRING, BOOLEAN = {}, [], 5, "text", True
KINDS = {"an object": OBJECT, "an array": ARRAY, "a number": NUMBER, "a string": STRING, "a boolean": BOOLEAN}
TYPES = {
    "model": "a string", "stream": "a boolean", "messages": "an array", "stream_options": "an object", "user": "a string",
    "max_tokens": "a number", "max_completion_tokens": "a number", "n": "a number", "metadata": "an object",
    "fallbacks": "an array", "num_retries": "a number", "timeout": "a number", "stream_timeout": "a number",
    "disable_fallbacks": "a boolean", "drop_params": "a boolean", "tags": "an array",
}


@pytest.mark.parametrize("member", TYPES)
def test_a_wrong_type_is_told_with_what_was_found(gw, up, member):
    for found, value in KINDS.items():
        if found == TYPES[member]:
            continue
        error = refused(gw, {**CHAT, member: value})
        assert error["param"] == member
        assert "'%s'" % member in error["message"] and found in error["message"] and TYPES[member] in error["message"]
    assert not up.requests


@pytest.mark.parametrize("member", sorted(set(TYPES) - {"model", "messages"}))
def test_null_counts_as_absent(gw, up, member):
    assert gw.post(PATH, {**CHAT, member: None}).status == 200


@pytest.mark.parametrize("body, param", [
    ({"messages": [USER]}, "model"), ({"model": None, "messages": [USER]}, "model"), ({"model": "", "messages": [USER]}, "model"),
    ({"model": "m"}, "messages"), ({"model": "m", "messages": None}, "messages"), ({"model": "m", "messages": []}, "messages"),
    ({"model": "m", "messages": ["hi"]}, "messages"), ({}, None),
])
def test_what_is_missing_is_told(gw, up, body, param):
    error = refused(gw, body)
    assert param is None or error["param"] == param and "'%s'" % param in error["message"]
    assert not up.requests


@pytest.mark.parametrize("body, param", [
    ({"model": "e"}, "input"), ({"model": "e", "input": None}, "input"), ({"model": "e", "input": 5}, "input"),
    ({"model": "e", "input": {}}, "input"), ({"model": "e", "input": "hi", "encoding_format": 5}, "encoding_format"),
    ({"input": "hi"}, "model"),
])
def test_embeddings_too(gw, up, body, param):
    assert refused(gw, body, "/v1/embeddings")["param"] == param
    assert not up.requests


@pytest.mark.parametrize("member, value, param", [
    ("temperature", "hot", "temperature"), ("stop", 5, "stop"), ("tools", {}, "tools"), ("tool_choice", 5, "tool_choice"),
    ("response_format", "json", "response_format"),
    ("messages", [{"content": "hi"}], "messages[0].role"),
    ("messages", [{"role": "user", "content": 5}], "messages[0].content"),
    ("messages", [USER, {"role": "user", "content": [{"type": "text", "text": 5}]}], "messages[1].content[0].text"),
    ("messages", [USER, {"role": "assistant", "tool_calls": [{"type": "function"}]}], "messages[1].tool_calls[0].id"),
])
@pytest.mark.parametrize("vendor", ["anthropic", "gemini"])
def test_what_is_translated_is_checked_to_the_bottom(gateway, upstream, vendor, member, value, param):
    up = upstream(VENDORS[vendor][0].chat("hello"))
    gw = gateway({"model_list": [model("m", up, VENDORS[vendor][1])]})
    error = refused(gw, {**CHAT, member: value})
    assert error["param"] == param and param in error["message"]
    assert not up.requests


def test_the_place_inside_the_messages_is_told(gateway, upstream):
    up = upstream(anthropic.chat("hello"))
    gw = gateway({"model_list": [model("m", up, "anthropic/claude-x")]})
    message = refused(gw, {"model": "m", "messages": [USER] * 41 + [{"role": "user", "content": 5}]})["message"]
    assert "messages[41].content" in message and "5" in message and "string" in message


# ------------------------------------------------------------------------------------------------------- unknown models

@pytest.mark.parametrize("asked, nearest", [("gpt-4o-mimi", "gpt-4o-mini"), ("GPT-4O", "gpt-4o"), ("claude-sonet", "claude-sonnet")])
@pytest.mark.parametrize("path", [PATH, "/v1/embeddings"])
def test_an_unknown_model_is_told_with_the_nearest_names(gateway, up, path, asked, nearest):
    gw = gateway({"model_list": [model(n, up) for n in ("gpt-4o", "gpt-4o-mini", "claude-sonnet", "gemini-pro")]})
    error = refused(gw, {"model": asked, "messages": [USER], "input": "hi"}, path, 404)
    assert asked in error["message"] and "'%s'" % nearest in error["message"]
    assert (error["param"], error["code"]) == ("model", "model_not_found")
    assert not up.requests


@pytest.mark.parametrize("name", ["x" * 1000000, "🌙" * 250000, "\n" * 1000, "\\" * 5000, '"' * 5000],
                         ids=["a megabyte", "moons", "line ends", "backslashes", "quotes"])
def test_a_long_name_is_never_given_back_whole(gw, name):
    answer = gw.chat(model=name)
    assert answer.status == 404 and answer.error
    assert len(answer.body) < 1500


def test_a_long_name_is_cut_between_characters(gw):
    for pad in range(4):
        message = gw.chat(model="x" * pad + "🌙" * 100).error["message"]
        assert "🌙…'" in message and "\ufffd" not in message, message


def test_an_unknown_model_is_no_secret_of_others(gateway, up):
    """Aliases that are hidden are not offered."""
    gw = gateway({"model_list": [model("gpt-4o", up)],
                  "router_settings": {"model_group_alias": {"gpt-secret": {"model": "gpt-4o", "hidden": True}}}})
    assert "gpt-secret" not in refused(gw, {"model": "gpt-secre", "messages": [USER]}, status=404)["message"]


# ------------------------------------------------------------------------------------------------------ large and many

def processor_seconds(gw):
    with open("/proc/%d/stat" % gw.pid) as f:
        user, system = f.read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_many_messages_are_no_matter_of_seconds(gateway, upstream):
    """100,000 messages, translated or not. Measured is the gateway's processor time, whatever else the machine does."""
    ups = {vendor: upstream(replies.chat("hello")) for vendor, (replies, _) in VENDORS.items()}
    gw = gateway({"model_list": [model(v, ups[v], VENDORS[v][1]) for v in VENDORS]})
    messages = [{"role": ("user", "assistant")[i % 2], "content": "message %d" % i} for i in range(99999)]
    body = json.dumps({"model": "MODEL", "messages": messages})
    for vendor, limit in (("openai", 0.2), ("anthropic", 1), ("gemini", 1)):
        before = processor_seconds(gw)
        assert gw.post(PATH, body.replace("MODEL", vendor)).content == "hello"
        assert processor_seconds(gw) - before < patience(limit), vendor
    assert len(ups["openai"].request.json["messages"]) == 99999


def test_a_body_over_the_ceiling_is_refused(gateway, up):
    gw = gateway({"model_list": [model("m", up)], "general_settings": {"max_request_size_mb": 1}})
    big = json.dumps({**CHAT, "x": "y" * (1 << 20)})
    with gw.connect() as wire:
        try:
            wire.send(request_bytes("POST", PATH, big))
        except ConnectionError:
            pass                                          # it need not read what it will not take
        answer = wire.response()
    assert answer.status == 413 and "1" in answer.error["message"]
    assert not up.requests
    assert gw.chat("z" * 900000).status == 200


# --------------------------------------------------------------------------------------------------- unknown parameters

UNKNOWN = {"x_vendor": {"a": [1, None]}, "top_k": 5, "logit_bias": {"50256": -100}, "safety_setting": "low"}


def test_unknown_members_go_through_to_the_same_dialect(gw, up):
    assert gw.chat(**UNKNOWN).status == 200
    assert up.request.json == {**CHAT, "model": "up-model", **UNKNOWN}


@pytest.mark.parametrize("vendor", ["anthropic", "gemini"])
def test_what_a_provider_does_not_have_is_named(gateway, upstream, vendor):
    up = upstream(VENDORS[vendor][0].chat("hello"))
    gw = gateway({"model_list": [model("m", up, VENDORS[vendor][1])]})
    error = refused(gw, {**CHAT, "logit_bias": {"5": 1}, "x_vendor": 1})
    assert "logit_bias" in error["message"] and "x_vendor" in error["message"] and "drop_params" in error["message"]
    assert error["param"] in ("logit_bias", "x_vendor")
    assert not up.requests


@pytest.mark.parametrize("settings, params, body", [
    ({"litellm_settings": {"drop_params": True}}, {}, {}), ({}, {"drop_params": True}, {}), ({}, {}, {"drop_params": True}),
], ids=["settings", "target", "body"])
@pytest.mark.parametrize("vendor", ["anthropic", "gemini"])
def test_what_a_provider_does_not_have_can_be_dropped(gateway, upstream, vendor, settings, params, body):
    up = upstream(VENDORS[vendor][0].chat("hello"))
    gw = gateway({"model_list": [model("m", up, VENDORS[vendor][1], **params)], **settings})
    assert gw.chat(logit_bias={"5": 1}, x_vendor=1, temperature=0.5, **body).status == 200
    sent = up.request.body
    assert b"logit_bias" not in sent and b"x_vendor" not in sent and b"drop_params" not in sent
    assert b"temperature" in sent and b"0.5" in sent


def test_dropping_does_not_touch_the_same_dialect(gateway, up):
    gw = gateway({"model_list": [model("m", up)], "litellm_settings": {"drop_params": True}})
    assert gw.chat(**UNKNOWN).status == 200
    assert up.request.json == {**CHAT, "model": "up-model", **UNKNOWN}


def test_a_refused_parameter_is_no_reason_for_a_retry_or_a_cooldown(gateway, upstream, up):
    other = upstream(anthropic.chat("hello"))
    gw = gateway({"model_list": [target("a", other, provider_model="anthropic/claude-x")],
                  "router_settings": {"allowed_fails": 0, "cooldown_time": 60}})
    for _ in range(3):
        refused(gw, {**CHAT, "logit_bias": {"5": 1}})
    assert gw.chat().content == "hello"


# --------------------------------------------------------------------------------------------- addressed to the gateway

OURS = {
    "metadata": {"tags": ["a"], "session_id": "secret"}, "litellm_metadata": {"x": 1}, "tags": ["a", "b"],
    "fallbacks": ["other"], "context_window_fallbacks": [{"m": ["other"]}], "content_policy_fallbacks": [{"m": ["other"]}],
    "disable_fallbacks": False, "num_retries": 1, "timeout": 30, "stream_timeout": 30, "drop_params": True,
    "additional_drop_params": ["x"], "cache": {"no-cache": True}, "guardrails": ["g"], "no-log": True,
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_said_to_the_gateway_is_not_sent_on(gateway, upstream, vendor, streamed):
    replies, provider_model = VENDORS[vendor]
    up = upstream(replies.stream("hel", "lo") if streamed else replies.chat("hello"))
    gw = gateway({"model_list": [model("m", up, provider_model), model("other", up, provider_model)]})
    if streamed:
        check_whole(gw.stream_events(**OURS))
    else:
        assert gw.chat(**OURS).content == "hello"
    sent = up.request.json
    assert not set(OURS) & set(sent), sent
    assert "secret" not in up.request.body.decode()
    if vendor == "openai":
        assert set(sent) == {"model", "messages"} | ({"stream", "stream_options"} if streamed else set())


def test_the_gateways_own_headers_are_not_sent_on(gw, up):
    sent = {"x-litellm-tags": "a,b", "x-litellm-timeout": "5", "cookie": "a=b", "x-forwarded-for": "10.0.0.1",
            "x-litellm-num-retries": "1", "host": "gateway.example", "user-agent": "probe/1", "authorization": "Bearer sk-client"}
    assert gw.chat(headers=sent).status == 200
    got = up.request.headers
    assert got["authorization"] == "Bearer sk-up"
    assert got["host"].startswith("127.0.0.1")
    for name in set(sent) - {"host", "authorization", "user-agent"}:
        assert name not in got
    assert got["content-type"] == "application/json"
