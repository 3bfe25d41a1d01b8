# SPDX-License-Identifier: MIT
"""Each setting of README's table that no other file tries: the effect that it has on calls."""
import json
import socket
import time

import pytest

from harness import anthropic, model, openai, patience, run, silence


def test_an_organization_goes_along_and_a_list_makes_a_target_of_each(gateway, upstream):
    up = upstream(openai.chat("hello"))
    gw = gateway({"model_list": [model("one", up, organization="org-a"), model("each", up, organization=["org-b", "org-c"])]})
    assert gw.chat(model="one").status == 200
    assert up.requests[-1].headers["openai-organization"] == "org-a"
    seen = set()
    for _ in range(60):
        gw.chat(model="each")
        seen.add(up.requests[-1].headers["openai-organization"])
    assert seen == {"org-b", "org-c"}


def test_custom_llm_provider_says_whose_model_it_is(gateway, upstream):
    up = upstream(anthropic.chat("hello"))
    entry = {"model": "my-own-name", "custom_llm_provider": "anthropic", "api_base": up.url, "api_key": "sk-up"}
    gw = gateway({"model_list": [{"model_name": "m", "litellm_params": entry}]})
    assert gw.chat().content == "hello"
    assert up.request.path == "/v1/messages" and up.request.json["model"] == "my-own-name"


def test_credentials_are_taken_by_name(gateway, upstream):
    up = upstream(openai.chat("hello"))
    gw = gateway("""
        model_list:
          - model_name: m
            litellm_params: {model: openai/x, litellm_credential_name: shared}
          - model_name: own
            litellm_params: {model: openai/x, litellm_credential_name: shared, api_key: sk-own}
        credential_list:
          - credential_name: shared
            credential_values: {api_key: os.environ/SHARED_KEY, api_base: os.environ/SHARED_BASE}
            credential_info: {description: the shared one}
        environment_variables:
          SHARED_KEY: sk-shared
        """, env={"SHARED_BASE": up.base})
    for name, key in (("m", "sk-shared"), ("own", "sk-own")):
        assert gw.chat(model=name).status == 200
        assert up.requests[-1].headers["authorization"] == "Bearer " + key
    assert "sk-shared" not in gw.log


def test_variables_of_the_settings_win_over_the_environment(gateway, upstream):
    up = upstream(openai.chat("hello"))
    gw = gateway("""
        model_list:
          - model_name: m
            litellm_params: {model: openai/x}
        environment_variables:
          OPENAI_API_KEY: os.environ/ANOTHER
          OPENAI_API_BASE: %s
        """ % up.base, env={"OPENAI_API_KEY": "sk-process", "ANOTHER": "sk-another"})
    assert gw.chat().status == 200
    assert up.request.headers["authorization"] == "Bearer sk-another"


def test_a_body_over_max_body_mb_is_refused(gateway, upstream):
    up = upstream(openai.chat("hello"))
    gw = gateway({"model_list": [model("m", up)], "moonweir_settings": {"max_body_mb": 0.01},
                  "general_settings": {"max_request_size_mb": 5}})
    assert gw.chat("x" * 2000).status == 200
    assert gw.chat("x" * 20000).status == 413


@pytest.mark.parametrize("setting, sent", [
    ("body_timeout", b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"),
    ("head_timeout", b"POST /v1/chat/completions HTTP/1.1\r\nHo"),
    ("idle_timeout", b"GET /health/liveliness HTTP/1.1\r\nHost: x\r\n\r\n"),
])
def test_a_clients_time_is_limited(gateway, setting, sent):
    gw = gateway({"model_list": [], "moonweir_settings": {setting: 0.3}})
    with gw.connect() as wire:
        began = time.monotonic()
        wire.send(sent)
        answer = wire.response()
        assert answer.status == (200 if setting == "idle_timeout" else 408)
        assert wire.ended() and time.monotonic() - began < patience(5)


def test_connecting_has_its_own_deadline(gateway):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        entry = {"model": "openai/x", "api_key": "k", "api_base": "http://127.0.0.1:%d/v1" % full.getsockname()[1]}
        gw = gateway({"model_list": [{"model_name": "m", "litellm_params": entry}],
                      "router_settings": {"num_retries": 0}, "moonweir_settings": {"connect_timeout": 0.3}})
        began = time.monotonic()
        answer = gw.chat()
        assert answer.status == 504 and time.monotonic() - began < patience(5), answer.json
        for filler in fillers:
            filler.close()


def test_a_policys_memory_is_what_the_settings_say(tmp_path):
    big = ('local P = mw.policy { name = "big", api = 1, kind = "route", summary = "x" }\n'
           "local t = {}\nfor i = 1, 400000 do t[i] = i end\nreturn P\n")
    (tmp_path / "big.lua").write_text(big)
    for megabytes, expected in ((1, 1), (64, 0)):
        (tmp_path / "config.yaml").write_text(json.dumps({
            "policies": [{"path": "big.lua"}], "moonweir_settings": {"policy_memory_mb": megabytes}}))
        code, _, err = run("--check", "--config", str(tmp_path / "config.yaml"))
        assert code == expected, err


@pytest.mark.parametrize("where", ["settings", "target", "variable"])
def test_parameters_are_dropped_where_the_settings_say_so(gateway, upstream, where):
    up = upstream(anthropic.chat("hello"))
    params = {"drop_params": True} if where == "target" else {}
    config = {"model_list": [model("m", up, "anthropic/claude-x", **params)]}
    if where == "settings":
        config["litellm_settings"] = {"drop_params": True}
    gw = gateway(config, env={"LITELLM_DROP_PARAMS": "True"} if where == "variable" else {})
    assert gw.chat(logit_bias={"1": 1}).status == 200


def test_drop_params_of_a_target_wins(gateway, upstream):
    up = upstream(anthropic.chat("hello"))
    gw = gateway({"model_list": [model("m", up, "anthropic/claude-x", drop_params=False)], "litellm_settings": {"drop_params": True}})
    assert gw.chat(logit_bias={"1": 1}).status == 400


@pytest.mark.parametrize("name", ["timeout", "request_timeout"])
def test_a_target_has_its_own_timeout(gateway, upstream, name):
    up = upstream(silence())
    gw = gateway({"model_list": [model("m", up, **{name: 0.3})], "router_settings": {"num_retries": 0, "timeout": 20}})
    began = time.monotonic()
    assert gw.chat().status == 504
    assert time.monotonic() - began < patience(5)


@pytest.mark.parametrize("params, attempts", [({"num_retries": 0}, 1), ({"max_retries": 2}, 3), ({"num_retries": 1, "max_retries": 4}, 2), ({}, 4)])
def test_a_target_has_its_own_retries(gateway, upstream, params, attempts):
    up = upstream(openai.error(500, headers={"retry-after-ms": "1"}))
    gw = gateway({"model_list": [model("m", up, **params)], "litellm_settings": {"num_retries": 3}})
    assert gw.chat().status == 500
    assert len(up.requests) == attempts


def test_router_settings_win_over_litellm_settings(gateway, upstream):
    up = upstream(openai.error(500, headers={"retry-after-ms": "1"}))
    gw = gateway({"model_list": [model("m", up)], "litellm_settings": {"num_retries": 3}, "router_settings": {"num_retries": 0}})
    assert gw.chat().status == 500
    assert len(up.requests) == 1


def test_streaming_is_the_clients_to_ask_for(gateway, upstream):
    up = upstream(openai.chat_or_stream("hello"))
    gw = gateway({"model_list": [model("m", up, stream=True)]})
    assert gw.chat().content == "hello"


def test_a_key_with_a_line_end_goes_nowhere(gateway, upstream):
    up = upstream(openai.chat("hello"))
    gw = gateway({"model_list": [model("m", up, api_key="sk-a\r\nx-evil: 1")], "router_settings": {"num_retries": 0}})
    assert gw.chat().status >= 400
    assert not up.requests


@pytest.mark.parametrize("base, path", [
    ("", "/chat/completions"), ("/", "/chat/completions"), ("/v1/", "/v1/chat/completions"),
    ("/v1/chat/completions", "/v1/chat/completions"), ("/v1?a=b", "/v1/chat/completions?a=b"),
])
def test_an_api_base_is_joined_with_the_path_once(gateway, upstream, base, path):
    up = upstream(openai.chat("hello"))
    assert gateway({"model_list": [model("m", up, api_base=up.url + base)]}).chat().status == 200
    assert up.request.path == path


def test_a_call_for_what_was_left_out_goes_to_nobody_else(gateway, upstream):
    up = upstream(openai.chat("hello"))
    gw = gateway({"model_list": [model("*", up, "openai/*"), {"model_name": "mine", "litellm_params": {"model": "azure/x"}}]})
    assert gw.chat(model="mine").status == 404
    assert not up.requests
    assert gw.chat(model="other").content == "hello"
    assert [row["id"] for row in gw.get("/v1/models").json["data"] if row["id"] == "mine"] == []


def test_what_cannot_be_served_is_left_out_where_the_settings_say_so(gateway, upstream):
    up = upstream(openai.chat("hello"))
    bad = {"model_name": "bad", "litellm_params": {"model": "nobody/x"}}
    gw = gateway({"model_list": [bad, model("m", up)], "router_settings": {"ignore_invalid_deployments": True}})
    assert gw.chat().content == "hello" and gw.chat(model="bad").status == 404


@pytest.mark.parametrize("args, code, word", [
    ({"lowest_latency_buffer": 0.5, "ttl": 60}, 0, "good"), ({"lowest_latency_bufer": 1}, 0, "'lowest_latency_buffer'?"),
    ({"lowest_latency_buffer": "wide"}, 1, "it must be a number"),
])
def test_arguments_of_the_strategy_are_its_parameters(tmp_path, args, code, word):
    (tmp_path / "config.yaml").write_text(json.dumps({"router_settings": {
        "routing_strategy": "latency-based-routing", "routing_strategy_args": args}}))
    got, out, err = run("--check", "--config", str(tmp_path / "config.yaml"))
    assert got == code and word in out + err, err
