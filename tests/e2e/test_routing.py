# SPDX-License-Identifier: MIT
"""Who answers a call: weights, tiers, strategies, wildcards, aliases; and the name that the client sees."""
import threading

import pytest

from calls import answered_by, chunks, target, together
from harness import anthropic, gemini, model, openai, stream, until, wait, wait_for


@pytest.fixture
def up(upstream):
    """A provider that answers at once, whole or streamed."""
    return upstream(openai.chat_or_stream())


# -------------------------------------------------------------------------------------------------- simple-shuffle
# Bounds are more than five standard deviations wide: a right gateway fails them once in millions of runs.

@pytest.mark.parametrize("first, second, least, most", [
    ({"weight": 3}, {"weight": 1}, 115, 185),
    ({"weight": 0.3}, {"weight": 0.1}, 115, 185),
    ({"rpm": 400}, {"rpm": 100}, 130, 190),
    ({"tpm": 40000}, {"tpm": 10000}, 130, 190),
    ({"weight": 1, "rpm": 10}, {"weight": 4, "rpm": 1000000}, 10, 70),
    ({"rpm": 100, "tpm": 10}, {"rpm": 400, "tpm": 1000000}, 10, 70),
    ({}, {}, 65, 135),
], ids=["weight", "fractions", "rpm", "tpm", "weight-before-rpm", "rpm-before-tpm", "uniform"])
def test_calls_are_shared_by(gateway, up, first, second, least, most):
    gw = gateway({"model_list": [target("first", up, **first), target("second", up, **second)]})
    shares = answered_by(gw, 200)
    assert sum(shares.values()) == 200
    assert least <= shares["first"] <= most, shares


@pytest.mark.parametrize("asked, path", [
    ("tunedModels/mine-1.5", "/v1beta/models/tunedModels/mine-1.5:generateContent"),
    ("../../admin/x", "/v1beta/models/..%2F..%2Fadmin%2Fx:generateContent"),
    ("a/./b", "/v1beta/models/a%2F.%2Fb:generateContent"),
    ("a?key=b#c", "/v1beta/models/a%3Fkey%3Db%23c:generateContent"),
])
def test_a_clients_model_name_does_not_lead_out_of_the_address(gateway, upstream, asked, path):
    up = upstream(gemini.chat())
    gw = gateway({"model_list": [model("gemini/*", up, "gemini/*")]})
    assert gw.chat(model="gemini/" + asked).status == 200
    assert up.request.path == path


def test_a_weight_of_zero_is_never_chosen(gateway, up):
    gw = gateway({"model_list": [target("some", up, weight=1), target("none", up, weight=0)]})
    assert answered_by(gw, 60) == {"some": 60}


def test_all_targets_of_a_group_get_calls(gateway, up):
    gw = gateway({"model_list": [target("t%d" % i, up) for i in range(5)]})
    assert len(answered_by(gw, 150)) == 5


# ----------------------------------------------------------------------------------------------------------- tiers

def test_a_higher_order_waits_while_a_lower_one_answers(gateway, up):
    gw = gateway({"model_list": [target("late", up, order=2), target("first", up, order=1), target("last", up)]})
    assert answered_by(gw, 30) == {"first": 30}


def test_tiers_are_tried_in_order_and_before_fallbacks(gateway, upstream, up):
    bad = upstream(openai.error(500))
    gw = gateway({"model_list": [target("a", bad, order=1), target("b", bad, order=2), target("c", up, order=3),
                                 target("f", up, name="spare")],
                  "router_settings": {"num_retries": 0, "fallbacks": [{"m": ["spare"]}]}})
    answer = gw.chat()
    assert (answer.status, answer.headers["x-litellm-model-id"]) == (200, "c")
    assert answer.headers["x-litellm-attempted-retries"] == "2"
    assert answer.headers["x-litellm-attempted-fallbacks"] == "0"


def test_within_a_tier_weights_count(gateway, up):
    gw = gateway({"model_list": [target("a", up, order=1, weight=1), target("b", up, order=1, weight=0),
                                 target("c", up, order=2, weight=100)]})
    assert answered_by(gw, 30) == {"a": 30}


# ------------------------------------------------------------------------------------------------------ strategies

def holding(go):
    """Answers at once, but a call that says "hold" only when the test lets it go."""
    return lambda request: [wait_for(go) if b"hold" in request.body else wait(0), openai.chat("hello")]


@pytest.mark.parametrize("settings", [
    {"router_settings": {"routing_strategy": "least-busy"}},
    {"policies": [{"name": "least-busy"}]},
    {"policies": [{"name": "least-busy", "models": ["m"]}]},
], ids=["router_settings", "policies", "policies-bound"])
def test_least_busy_avoids_who_is_working(gateway, upstream, settings):
    go = threading.Event()
    ups = {name: upstream(holding(go)) for name in "ab"}
    gw = gateway({"model_list": [target(name, up) for name, up in ups.items()], **settings})
    held = gw.connect()
    held.request("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hold"}]})
    until(lambda: ups["a"].requests or ups["b"].requests)
    busy, idle = ("a", "b") if ups["a"].requests else ("b", "a")
    assert answered_by(gw, 15) == {idle: 15}
    go.set()
    assert held.response().headers["x-litellm-model-id"] == busy


def test_least_busy_spreads_what_comes_together(gateway, upstream):
    go = threading.Event()
    ups = [upstream(holding(go)) for _ in range(3)]
    gw = gateway({"model_list": [target("t%d" % i, up) for i, up in enumerate(ups)],
                  "router_settings": {"routing_strategy": "least-busy"}})
    wires = []
    for n in range(1, 7):
        wires.append(gw.connect())
        wires[-1].request("POST", "/v1/chat/completions",
                          {"model": "m", "messages": [{"role": "user", "content": "hold"}]})
        until(lambda: sum(len(up.requests) for up in ups) == n)
    assert [len(up.requests) for up in ups] == [2, 2, 2]
    go.set()
    assert all(wire.response().status == 200 for wire in wires)


@pytest.mark.parametrize("settings", [
    {"router_settings": {"routing_strategy": "latency-based-routing"}},
    {"policies": [{"name": "latency-based"}]},
], ids=["router_settings", "policies"])
def test_latency_based_prefers_who_answers_sooner(gateway, upstream, settings):
    slow = upstream([wait(80), openai.chat("hello")])
    fast = upstream(openai.chat("hello"))
    gw = gateway({"model_list": [target("slow", slow), target("fast", fast)], **settings})
    answered_by(gw, 4)                                    # whom nobody knows is tried first
    assert slow.requests and fast.requests
    assert answered_by(gw, 20) == {"fast": 20}


def test_latency_based_measures_streams_too(gateway, upstream):
    slow = upstream(stream(wait(80), openai.events("a", "b")))
    fast = upstream(stream(openai.events("a", "b")))
    gw = gateway({"model_list": [target("slow", slow), target("fast", fast)],
                  "router_settings": {"routing_strategy": "latency-based-routing"}})
    for _ in range(4):
        gw.stream_events()
    assert slow.requests and fast.requests
    known = len(slow.requests)
    for _ in range(15):
        gw.stream_events()
    assert len(slow.requests) == known


def test_a_strategy_may_be_bound_to_some_models(gateway, upstream):
    go = threading.Event()
    ups = {name: upstream(holding(go)) for name in "abcd"}
    gw = gateway({"model_list": [target("a", ups["a"], name="calm"), target("b", ups["b"], name="calm"),
                                 target("c", ups["c"], name="wild", weight=0),
                                 target("d", ups["d"], name="wild", weight=1)],
                  "policies": [{"name": "least-busy", "models": ["calm"]}]})
    calm, wild = gw.connect(), gw.connect()
    for wire, name in ((calm, "calm"), (wild, "wild")):
        wire.request("POST", "/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": "hold"}]})
    until(lambda: ups["d"].requests and (ups["a"].requests or ups["b"].requests))
    assert len(answered_by(gw, 10, model="calm")) == 1
    assert answered_by(gw, 10, model="wild") == {"d": 10}, "still by weight, however busy"
    go.set()
    assert calm.response().status == wild.response().status == 200


# ------------------------------------------------------------------------------------------------------- wildcards

@pytest.mark.parametrize("name, provider_model, asked, sent", [
    ("openai/*", "openai/*", "openai/gpt-4o", "gpt-4o"),
    ("openai/*", "openai/*", "openai/ft:gpt-4o:acme::id", "ft:gpt-4o:acme::id"),
    ("*", "openai/*", "gpt-4o-mini", "gpt-4o-mini"),
    ("*", "openai/*", "some/other", "some/other"),
    ("team-a/*", "openai/team-*", "team-a/x", "team-x"),
    ("my-*-model", "openai/gpt-*", "my-4o-model", "gpt-4o"),
    ("any/*", "openai/always-this", "any/thing", "always-this"),
    ("claude-*", "anthropic/claude-*", "claude-next", "claude-next"),
])
def test_a_wildcard_copies_what_it_stands_for(gateway, upstream, name, provider_model, asked, sent):
    ours = anthropic.chat("hello") if provider_model.startswith("anthropic") else openai.chat("hello")
    up = upstream(ours)
    gw = gateway({"model_list": [model(name, up, provider_model)]})
    answer = gw.chat(model=asked)
    assert (answer.status, answer.json["model"]) == (200, asked)
    assert up.request.json["model"] == sent


def test_a_wildcard_of_gemini_goes_into_the_path(gateway, upstream):
    up = upstream(gemini.chat("hello"))
    gw = gateway({"model_list": [model("gemini/*", up, "gemini/*")]})
    assert gw.chat(model="gemini/gemini-2.5 pro?x").content == "hello"
    assert up.request.path == "/v1beta/models/gemini-2.5%20pro%3Fx:generateContent"


def test_the_most_specific_name_wins(gateway, up):
    rows = ["*", "openai/*", "openai/gpt-*", "openai/gpt-4o*", "openai/gpt-4o", "*-mini"]
    gw = gateway({"model_list": [target(row, up, name=row, provider_model="openai/*" if "*" in row else "openai/exact")
                                 for row in rows]})
    who = {asked: gw.chat(model=asked).headers["x-litellm-model-id"]
           for asked in ("openai/gpt-4o", "openai/gpt-4o-mini", "openai/gpt-5", "openai/o3", "claude", "small-mini")}
    assert who == {"openai/gpt-4o": "openai/gpt-4o", "openai/gpt-4o-mini": "openai/gpt-4o*",
                   "openai/gpt-5": "openai/gpt-*", "openai/o3": "openai/*", "claude": "*", "small-mini": "*-mini"}


def test_a_wildcard_does_not_stand_for_other_names(gateway, up):
    gw = gateway({"model_list": [model("openai/*", up, "openai/*")]})
    for asked in ("anthropic/claude", "gpt-4o", "openai", "xopenai/gpt"):
        assert gw.chat(model=asked).status == 404, asked


# --------------------------------------------------------------------------------------------------- other names

def test_an_alias_stands_for_a_group(gateway, up):
    gw = gateway({"model_list": [target("one", up), target("two", up)],
                  "router_settings": {"model_group_alias": {"gpt-4": "m", "secret": {"model": "m", "hidden": True}}}})
    for asked in ("gpt-4", "secret"):
        answer = gw.chat(model=asked)
        assert (answer.status, answer.json["model"]) == (200, asked)
    listed = [row["id"] for row in gw.get("/v1/models").json["data"]]
    assert "gpt-4" in listed and "m" in listed and "secret" not in listed


def test_a_target_can_be_called_by_its_id(gateway, up):
    gw = gateway({"model_list": [target("one", up), target("two", up), target("three", up)]})
    for ident in ("one", "two", "three"):
        answer = gw.chat(model=ident)
        assert answer.headers["x-litellm-model-id"] == answer.json["model"] == ident


def test_a_target_called_by_its_id_has_no_stand_in(gateway, upstream, up):
    gw = gateway({"model_list": [target("bad", upstream(openai.error(500))), target("good", up)],
                  "router_settings": {"num_retries": 0}})
    assert gw.chat(model="bad").status == 500
    assert not up.requests


def test_names_are_told_apart_by_case(gateway, up):
    gw = gateway({"model_list": [target("low", up, name="m"), target("high", up, name="M")]})
    assert gw.chat(model="M").headers["x-litellm-model-id"] == "high"
    assert gw.chat(model="m").headers["x-litellm-model-id"] == "low"


NAME = 'a "quoted" näme/with \\ and 🌙'


@pytest.mark.parametrize("vendor, provider_model", [
    (openai, "openai/up-model"), (anthropic, "anthropic/claude-x"), (gemini, "gemini/gemini-x"),
], ids=["openai", "anthropic", "gemini"])
def test_answers_carry_the_name_that_the_client_used(gateway, upstream, vendor, provider_model):
    whole = upstream(vendor.chat("hello"))
    streamed = upstream(vendor.stream("hel", "lo"))
    gw = gateway({"model_list": [model(NAME, whole, provider_model), model("s" + NAME, streamed, provider_model)]})
    assert gw.chat(model=NAME).json["model"] == NAME
    said = chunks(gw.stream_events(model="s" + NAME))
    assert said and {c["model"] for c in said} == {"s" + NAME}


def test_embeddings_carry_the_name_that_the_client_used(gateway, upstream):
    up = upstream(openai.embeddings([0.5, -0.25]))
    gw = gateway({"model_list": [model("e", up, "openai/text-embedding-3-small")]})
    answer = gw.post("/v1/embeddings", {"model": "e", "input": "hi"})
    assert (answer.status, answer.json["model"]) == (200, "e")
    assert answer.json["data"][0]["embedding"] == [0.5, -0.25]
    assert up.request.path == "/v1/embeddings"
    assert up.request.json == {"model": "text-embedding-3-small", "input": "hi"}


def test_only_the_model_is_changed_on_the_way_to_the_same_dialect(gateway, up):
    gw = gateway({"model_list": [model("m", up, "openai/gpt-x")]})
    body = ('{ "messages" :[{"role":"user","content":"caf\\u00e9 \\ud83c\\udf19"}],"seed":12345678901234567890,'
            '"model": "m" , "x_unknown":{"model":"m","a":[1.50,-0e0,1E+2]}, "temperature":1.0}')
    assert gw.post("/v1/chat/completions", body).status == 200
    assert up.request.body.decode() == body.replace('"model": "m"', '"model": "gpt-x"')


# What Claude and Gemini answered comes back in the next turn, and may then go to another vendor.
CONVERSATION = [
    {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]},
    {"role": "assistant", "content": "hello", "reasoning_content": "hm",
     "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
     "provider_specific_fields": {"thought_signature": "s"},
     "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"},
                     "extra_content": {"google": {"thought_signature": "s"}}}]},
    {"role": "tool", "tool_call_id": "c", "content": "done", "cache_control": {"type": "ephemeral"}},
]
TOOLS = [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}]


def test_what_other_vendors_add_to_a_conversation_does_not_go_to_openai(gateway, up):
    gw = gateway({"model_list": [{"model_name": "m", "litellm_params": {
        "model": "openai/x", "api_base": "http://api.openai.com/v1", "api_key": "sk-up"}}]}, env={"http_proxy": up.url})
    assert gw.post("/v1/chat/completions", {"model": "m", "messages": CONVERSATION, "tools": TOOLS}).status == 200
    assert up.request.json["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": "hello", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "done"}]
    assert up.request.json["tools"] == [{"type": "function", "function": {"name": "f"}}]


def test_calls_under_way_together_are_not_mixed_up(gateway, upstream):
    up = upstream(lambda request: [wait(len(request.body) % 7), openai.chat(request.json["messages"][0]["content"])])
    gw = gateway({"model_list": [target("one", up), target("two", up)]})
    assert together(lambda i: [gw.chat("%d-%d" % (i, n)).content for n in range(5)], 16) == \
        [["%d-%d" % (i, n) for n in range(5)] for i in range(16)]
