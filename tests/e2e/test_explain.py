# SPDX-License-Identifier: MIT
"""What a call tells of itself: headers, metrics, the line in the log; and what none of them may tell."""
import json
import re
import shutil
import subprocess
import time

import pytest

from calls import alone, answered_by, check_whole, counts, target
from harness import anthropic, event, gemini, in_turn, model, openai, patience, reply, reset, stream, until, wait

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def with_usage(prompt, completion, cached=0, reasoning=0):
    """A whole reply of OpenAI's with these counts."""
    return reply({**openai.message("hello"), "usage": {
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached}, "completion_tokens_details": {"reasoning_tokens": reasoning}}})


# --------------------------------------------------------------------------------------------------------- headers

def test_headers_say_who_answered(gateway, upstream):
    up = upstream(openai.chat_or_stream())
    base = "http://user:pass@127.0.0.1:%d/v1?api-version=7#x" % up.port
    gw = gateway({"model_list": [{**target("the-id", up), "litellm_params": {
        "model": "openai/up-model", "api_base": base, "api_key": "sk-up"}}]})
    ids = set()
    for answer in (gw.chat(), gw.stream().answer, gw.chat()):
        headers = answer.headers
        assert answer.status == 200
        assert re.fullmatch(UUID, headers["x-litellm-call-id"])
        ids.add(headers["x-litellm-call-id"])
        assert headers["x-litellm-model-id"] == "the-id"
        assert headers["x-litellm-model-group"] == "m"
        assert headers["x-litellm-model-api-base"] == "http://127.0.0.1:%d/v1" % up.port
        assert (headers["x-litellm-attempted-retries"], headers["x-litellm-attempted-fallbacks"]) == ("0", "0")
        assert float(headers["x-litellm-overhead-duration-ms"]) >= 0
    assert len(ids) == 3


def test_a_target_without_an_id_has_one_that_stays(gateway, upstream):
    up = upstream(openai.chat())
    rows = [model("m", up), model("m", up, "openai/other"), model("n", up)]
    ids = [set(answered_by(gateway({"model_list": rows}), 30)) for _ in range(2)]
    assert ids[0] == ids[1] and len(ids[0]) == 2
    assert all(re.fullmatch(r"[0-9a-f]{16,64}", i) for i in ids[0])


def test_errors_explain_themselves_too(gateway, upstream):
    up = upstream(openai.error(500, headers={"retry-after-ms": "1"}))
    gw = gateway({"model_list": [target("a", up), target("b", up, name="spare")],
                  "router_settings": {"num_retries": 1, "fallbacks": [{"m": ["spare"]}]}})
    headers = gw.chat().headers
    assert re.fullmatch(UUID, headers["x-litellm-call-id"])
    assert headers["x-litellm-model-id"] == "b"
    assert (headers["x-litellm-attempted-retries"], headers["x-litellm-attempted-fallbacks"]) == ("3", "1")


PRICES = {"input_cost_per_token": 2.5e-06, "cache_read_input_token_cost": 1.25e-06, "output_cost_per_token": 1e-05}


@pytest.mark.parametrize("provider_model, answer, params, cost", [
    ("openai/gpt-4o", with_usage(1000, 100, cached=400), {}, 600 * 2.5e-6 + 400 * 1.25e-6 + 100 * 10e-6),
    ("openai/gpt-4o-mini", with_usage(18, 0), {}, 18 * 0.15e-6),
    ("openai/*", with_usage(18, 0), {}, 18 * 0.15e-6),
    ("openai/nobody-knows-it", with_usage(1000, 100), {}, None),
    ("openai/nobody-knows-it", with_usage(1000, 100, cached=400), PRICES, 0.003),
    ("openai/gpt-4o", with_usage(1000, 100), {"input_cost_per_token": 0, "output_cost_per_token": 0}, 0),
    ("openai/gpt-4o", reply({**openai.message("hello"), "usage": None}), {}, None),
    ("anthropic/claude-sonnet-4-5", reply({**anthropic.message(), "usage": {
        "input_tokens": 100, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 1000, "output_tokens": 50}}), {},
     100 * 3e-6 + 200 * 3.75e-6 + 1000 * 0.3e-6 + 50 * 15e-6),
    ("gemini/gemini-2.5-flash", reply({**gemini.message(), "usageMetadata": {
        "promptTokenCount": 1000, "cachedContentTokenCount": 0, "candidatesTokenCount": 10, "thoughtsTokenCount": 90,
        "totalTokenCount": 1100}}), {}, 1000 * 0.3e-6 + 100 * 2.5e-6),
], ids=["cached", "small", "wildcard", "unknown", "of the settings", "free", "no usage", "anthropic", "gemini"])
def test_the_cost_of_an_answer(gateway, upstream, provider_model, answer, params, cost):
    name = "*" if provider_model == "openai/*" else "m"
    gw = gateway({"model_list": [model(name, upstream(answer), provider_model, **params)]})
    headers = gw.chat(model="gpt-4o-mini" if name == "*" else "m").headers
    if cost is None:
        assert "x-litellm-response-cost" not in headers, "an unknown price is never a silent zero"
    else:
        assert float(headers["x-litellm-response-cost"]) == pytest.approx(cost, rel=1e-9)
        counts(gw, "moonweir_cost_dollars_total", cost)


KINDS = {"input_cost_per_token": 1e-6, "cache_read_input_token_cost": 1e-7, "cache_creation_input_token_cost": 2e-6,
         "cache_creation_input_token_cost_above_1hr": 3e-6, "input_cost_per_audio_token": 4e-5,
         "output_cost_per_token": 5e-6, "output_cost_per_reasoning_token": 7e-6, "output_cost_per_audio_token": 8e-5,
         "input_cost_per_token_above_200k_tokens": 2e-6, "output_cost_per_token_above_200k_tokens": 6e-6}
OPENAI_USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100,
                "prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 200, "audio_tokens": 100},
                "completion_tokens_details": {"reasoning_tokens": 40, "audio_tokens": 10}}
ANTHROPIC_USAGE = {"input_tokens": 400, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 300,
                   "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
                   "output_tokens": 100}
GEMINI_USAGE = {"promptTokenCount": 300000, "cachedContentTokenCount": 1000, "candidatesTokenCount": 60,
                "thoughtsTokenCount": 40, "totalTokenCount": 300100,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 299000}, {"modality": "AUDIO", "tokenCount": 1000}],
                "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 400}, {"modality": "AUDIO", "tokenCount": 600}]}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("vendor, counted, cost", [
    ("openai", OPENAI_USAGE, 400 * 1e-6 + 300 * 1e-7 + 200 * 2e-6 + 100 * 4e-5 + 50 * 5e-6 + 40 * 7e-6 + 10 * 8e-5),
    ("anthropic", ANTHROPIC_USAGE, 400 * 1e-6 + 300 * 1e-7 + 200 * 2e-6 + 100 * 3e-6 + 100 * 5e-6),
    ("gemini", GEMINI_USAGE, 298600 * 2e-6 + 1000 * 1e-7 + 400 * 4e-5 + 60 * 6e-6 + 40 * 7e-6),
], ids=["openai", "anthropic", "gemini"])
def test_every_kind_of_token_has_its_own_rate(gateway, upstream, vendor, counted, cost, streamed):
    gw = gateway({"model_list": [model("m", upstream(counting(vendor, counted, streamed)), vendor + "/x", **KINDS)]})
    if streamed:
        with gw.stream() as wire:
            assert "x-litellm-response-cost" not in wire.answer.headers, "nobody knows it yet"
            list(wire.events(wire.answer))
    else:
        assert float(gw.chat().headers["x-litellm-response-cost"]) == pytest.approx(cost, rel=1e-9)
    counts(gw, "moonweir_cost_dollars_total", cost)


def counting(vendor, counted, streamed):
    """An answer of the vendor's, whole or streamed, that ends with these counts."""
    if vendor == "openai" and streamed:
        last = dict(openai.chunk({}), choices=[], usage=counted)
        return stream(openai.events("hello", usage=False, done=False), event(last), event("[DONE]"))
    if vendor == "anthropic" and streamed:
        steps = anthropic.events("hello")
        delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": counted}
        return stream(steps[:-2], event(delta, "message_delta"), steps[-1])
    if vendor == "gemini":
        whole = {**gemini.message("hello"), "usageMetadata": counted}
        return stream(event(whole)) if streamed else reply(whole)
    return reply({**{"openai": openai, "anthropic": anthropic}[vendor].message("hello"), "usage": counted})


def test_embeddings_explain_themselves(gateway, upstream):
    gw = gateway({"model_list": [target("the-id", upstream(openai.embeddings([1.0])), provider_model="openai/text-embedding-3-small")]})
    headers = gw.post("/v1/embeddings", {"model": "m", "input": "x"}).headers
    assert re.fullmatch(UUID, headers["x-litellm-call-id"])
    assert headers["x-litellm-model-id"] == "the-id"
    assert float(headers["x-litellm-response-cost"]) == pytest.approx(3 * 0.02e-6)


def test_prices_may_come_from_a_file_in_litellms_format(gateway, upstream):
    prices = {"gpt-4o": {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "litellm_provider": "openai"}}
    gw = gateway({"model_list": [model("m", upstream(with_usage(1000, 100)), "openai/gpt-4o")],
                  "moonweir_settings": {"price_map": "prices.json"}}, files={"prices.json": json.dumps(prices)})
    assert float(gw.chat().headers["x-litellm-response-cost"]) == pytest.approx(0.0012)


def test_the_overhead_is_the_gateways_own_time(gateway, upstream):
    up = upstream(in_turn([wait(120), openai.error(503, headers={"retry-after-ms": "150"})], [wait(120), openai.chat()]))
    gw = gateway({"model_list": [model("m", up)], "router_settings": {"num_retries": 1}})
    headers = gw.chat().headers
    overhead = float(headers["x-litellm-overhead-duration-ms"])
    assert 0 < overhead < patience(25), "neither the attempts nor the pause between them"
    assert 380 < float(headers["x-litellm-response-duration-ms"]) < patience(700)


def test_a_slow_upload_is_no_overhead(gateway, upstream):
    gw = gateway({"model_list": [model("m", upstream(openai.chat()))]})
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
    with gw.connect() as wire:
        wire.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body[:9])
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 0.3)
        wire.send(body[9:])
        headers = wire.response().headers
    overhead, whole = (float(headers["x-litellm-%s-duration-ms" % name]) for name in ("overhead", "response"))
    assert whole > 250 and whole - overhead > 250


def test_the_overhead_of_a_stream_leaves_out_the_wait_for_its_first_content(gateway, upstream):
    up = upstream(stream(wait(150), openai.events("a")))
    with alone(gateway, up).stream() as wire:
        assert 0 < float(wire.answer.headers["x-litellm-overhead-duration-ms"]) < patience(30)


# --------------------------------------------------------------------------------------------------------- metrics

def test_promtool_is_content(gateway, upstream):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("no promtool to check the metrics with (make deps-test)")
    up = upstream(openai.chat_or_stream())
    gw = gateway({"model_list": [model('a "quoted" näme\\', up), model("m", up)]})
    gw.chat()
    gw.stream_events(model='a "quoted" näme\\')
    gw.chat(model="unknown")
    text = gw.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    done = subprocess.run([promtool, "check", "metrics"], input=text.body, capture_output=True)
    assert done.returncode == 0 and not done.stderr, (done.stderr + done.stdout).decode()


def test_metrics_count_calls_by_model_target_and_status(gateway, upstream):
    up = upstream(in_turn(openai.chat(), openai.chat(), openai.error(400), openai.error(503)))
    gw = gateway({"model_list": [target("the-id", up)], "router_settings": {"num_retries": 0}})
    assert [gw.chat().status for _ in range(4)] == [200, 200, 400, 503]
    assert gw.chat(model="nope").status == 404
    where = {"model": "m", "target": "the-id", "provider": "openai"}
    for status, n in (("200", 2), ("400", 1), ("503", 1)):
        counts(gw, "moonweir_calls_total", n, status=status, **where)
    counts(gw, "moonweir_calls_total", 1, status="404")
    counts(gw, "moonweir_attempts_total", 4, **where)
    counts(gw, "moonweir_attempt_errors_total", 1, **where)
    counts(gw, "moonweir_in_flight", 0, **where)
    counts(gw, "moonweir_call_seconds_count", 4, **where)


def test_metrics_count_tokens_of_every_kind(gateway, upstream):
    gw = gateway({"model_list": [model("m", upstream(with_usage(1000, 100, cached=400, reasoning=60)))]})
    gw.chat()
    gw.chat()
    for name, n in (("prompt", 2000), ("cached", 800), ("completion", 200), ("reasoning", 120)):
        counts(gw, "moonweir_%s_tokens_total" % name, n, model="m")


AGAIN = """\
local P = mw.policy { name = "again", api = 1, kind = "route" }
function P.result(req, at, res, p)
  if at.number == 1 then return mw.retry { after_ms = 1 } end
end
return P
"""


def test_an_answer_that_a_policy_throws_away_has_used_tokens(gateway, upstream):
    gw = gateway({"model_list": [model("m", upstream(with_usage(1000, 100, cached=400)), "openai/gpt-4o")],
                  "policies": [{"path": "again.lua"}]}, files={"again.lua": AGAIN})
    headers = gw.chat().headers
    assert headers["x-litellm-attempted-retries"] == "1"
    assert float(headers["x-litellm-response-cost"]) == pytest.approx(0.003), "that of the answer alone"
    counts(gw, "moonweir_prompt_tokens_total", 2000, model="m")
    counts(gw, "moonweir_cost_dollars_total", 0.006)


def test_a_stream_that_breaks_has_used_tokens(gateway, upstream):
    up = upstream(stream(anthropic.events("some ", "text")[:5]))
    gw = gateway({"model_list": [model("m", up, "anthropic/claude-sonnet-4-5")]})
    gw.stream_events()
    counts(gw, "moonweir_prompt_tokens_total", 5, model="m")


def test_metrics_time_the_first_token(gateway, upstream):
    up = upstream(stream(wait(60), openai.events("a")[:2], wait(200), openai.events("a")[2:]))
    gw = gateway({"model_list": [model("m", up)]})
    check_whole(gw.stream_events(), "a")
    counts(gw, "moonweir_first_token_seconds_count", 1, model="m")
    first, whole = (gw.metric("moonweir_%s_seconds_sum" % name, model="m") for name in ("first_token", "call"))
    assert 0.05 < first < patience(0.2) and 0.25 < whole < patience(0.6)
    buckets = [(float(labels["le"]), n) for labels, n in gw.metrics()["moonweir_first_token_seconds_bucket"]
               if labels["model"] == "m"]
    assert buckets == sorted(buckets) and buckets[-1] == (float("inf"), 1)
    assert all(n == (le >= first) for le, n in buckets)


def test_metrics_show_what_is_under_way(gateway, upstream):
    up = upstream(stream(openai.events("a")[:2], wait(30000)))
    gw = gateway({"model_list": [model("m", up)]})
    wires = [gw.stream() for _ in range(3)]
    counts(gw, "moonweir_in_flight", 3, model="m")
    wires[0].close()
    counts(gw, "moonweir_in_flight", 2, model="m")
    for wire in wires[1:]:
        wire.reset()
    counts(gw, "moonweir_in_flight", 0, model="m")


def test_metrics_are_there_before_the_first_call(gateway, upstream):
    gw = gateway({"model_list": [model("m", upstream(openai.chat()))]})
    assert gw.get("/metrics").status == 200
    counts(gw, "moonweir_calls_total", 0)
    counts(gw, "moonweir_in_flight", 0)


def test_metrics_ask_for_the_key(gateway, upstream):
    gw = gateway({"model_list": [model("m", upstream(openai.chat()))], "general_settings": {"master_key": "sk-master"}})
    assert gw.get("/metrics").status == 401
    assert gw.get("/metrics", key="sk-master").status == 200


# ---------------------------------------------------------------------------------------------- the log, and secrets

def test_each_call_has_one_line_in_the_log(gateway, upstream):
    up = upstream(in_turn(openai.error(503, headers={"retry-after-ms": "1"}), openai.chat(), openai.error(400)))
    gw = gateway({"model_list": [target("the-id", up)]})
    good, bad = gw.chat(), gw.chat()
    for answer, parts in ((good, ("model=m", "status=200", "attempts=2", "tokens=5+7")), (bad, ("status=400", "error="))):
        ident = answer.headers["x-litellm-call-id"]
        until(lambda: ident in gw.log)
        lines = [line for line in gw.log.splitlines() if ident in line]
        assert len(lines) == 1
        for part in parts:
            assert part in lines[0]


def test_a_request_that_becomes_no_call_has_a_line_too(gateway, upstream):
    gw = gateway({"model_list": [model("m", upstream(openai.chat()))], "general_settings": {"master_key": "sk-master"}})
    assert gw.chat(key="sk-wrong").status == 401
    gw.wait_log(r"method=POST path=/v1/chat/completions status=401 error=NO_KEY")
    assert gw.get("/v1/chat?key=sk-wrong").status == 404
    gw.wait_log(r"method=GET path=/v1/chat status=404 error=NOT_FOUND")
    assert gw.get("/v1/embeddings").status == 405
    gw.wait_log(r"method=GET path=/v1/embeddings status=405 error=METHOD")
    assert "sk-wrong" not in gw.log


def test_unfinished_is_said_of_broken_answers_only(gateway, upstream):
    up = upstream(in_turn(openai.embeddings([1.0]), openai.error(400), stream(openai.events("a")[:2], reset())))
    gw = gateway({"model_list": [model("m", up)], "router_settings": {"num_retries": 0}})
    assert gw.post("/v1/embeddings", {"model": "m", "input": "x"}).status == 200
    gw.wait_log(r"status=200 attempts")
    assert gw.chat().status == 400
    gw.wait_log(r"status=400 attempts")
    gw.stream_events()
    gw.wait_log(r"status=200 stream unfinished")


def test_a_names_line_ends_do_not_get_into_the_log(gateway, upstream):
    gw = gateway({"model_list": [model("*", upstream(openai.chat()), "openai/*")]})
    ident = gw.chat(model="m\nid=forged status=200\x1b[2J").headers["x-litellm-call-id"]
    until(lambda: ident in gw.log)
    assert not re.search(r"^\s*id=forged", gw.log, re.M) and "\x1b[2J" not in gw.log


SECRETS = ("sk-up-secret", "sk-master-secret", "sk-client-secret", "the secret prompt", "query-secret", "extra-secret",
           "pass-secret", "answer-secret")


@pytest.mark.parametrize("fault", ["good", "error", "refused", "garbage", "cut"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_neither_log_nor_errors_hold_secrets(gateway, upstream, nobody, fault, streamed):
    up = upstream({"good": openai.chat_or_stream("answer-secret"), "error": openai.error(500), "refused": None,
                   "garbage": reply("<html>", content_type="text/html"),
                   "cut": stream(openai.events("answer-secret")[:2])}[fault])
    port = nobody.port if fault == "refused" else up.port
    gw = gateway({"model_list": [{"model_name": "m", "litellm_params": {
        "model": "openai/x", "api_base": "http://user:pass-secret@127.0.0.1:%d/v1?key=query-secret" % port,
        "api_key": "sk-up-secret", "extra_headers": {"x-extra": "extra-secret"}}}],
        "general_settings": {"master_key": "sk-master-secret"}, "router_settings": {"num_retries": 0}},
        args=["--log-level", "debug"])
    texts = [gw.chat("the secret prompt", key="sk-master-secret", stream=streamed)]
    texts.append(gw.chat("the secret prompt", key="sk-client-secret"))
    until(lambda: "status=" in gw.log)
    for secret in SECRETS:
        assert secret not in gw.log + gw.stdout, secret
        for answer in texts:
            told = answer.text if answer.status != 200 else ""
            assert secret not in str(answer.headers), secret
            assert secret not in told or secret == "answer-secret" and streamed, secret


# ------------------------------------------------------------------------------------------------- models and health

def test_models_are_listed_as_litellm_lists_them(gateway, upstream):
    up = upstream(openai.chat())
    gw = gateway({"model_list": [model("b", up), model("a/with/slashes", up), model("b", up), model("openai/*", up, "openai/*")],
                  "router_settings": {"model_group_alias": {"alias": "b", "hid": {"model": "b", "hidden": True}}}})
    listed = gw.get("/v1/models").json
    assert listed["object"] == "list"
    ids = [row["id"] for row in listed["data"]]
    assert len(ids) == len(set(ids)) and {"b", "a/with/slashes", "alias"} <= set(ids) and "hid" not in ids
    for row in listed["data"]:
        assert (row["object"], row["created"], row["owned_by"]) == ("model", 1677610602, "openai")
    assert gw.get("/models").json == listed


@pytest.mark.parametrize("path, ident", [
    ("/v1/models/b", "b"), ("/models/b", "b"), ("/v1/models/a/with/slashes", "a/with/slashes"),
    ("/v1/models/a%2Fwith%2Fslashes", "a/with/slashes"), ("/v1/models/openai/gpt-x", "openai/gpt-x"),
    ("/v1/models/alias", "alias"),
])
def test_one_model_is_described(gateway, upstream, path, ident):
    up = upstream(openai.chat())
    gw = gateway({"model_list": [model("b", up), model("a/with/slashes", up), model("openai/*", up, "openai/*")],
                  "router_settings": {"model_group_alias": {"alias": "b"}}})
    row = gw.get(path).json
    assert (row["id"], row["object"], row["created"], row["owned_by"]) == (ident, "model", 1677610602, "openai")


def test_an_unknown_model_is_not_described(gateway, upstream):
    gw = gateway({"model_list": [model("b", upstream(openai.chat()))]})
    for path, status in (("nope", 404), ("x" * 5000, 404), ("a/b", 404), ("b%20", 404), ("%00", 400), ("b%2", 400)):
        answer = gw.get("/v1/models/" + path)
        assert answer.status == status and answer.error and len(answer.body) < 1000
        assert status == 400 or "nearest known: 'b'" in answer.error["message"]


def test_health_is_answered_as_litellm_does(gateway, upstream):
    gw = gateway({"model_list": [model("m", upstream(openai.chat()))], "general_settings": {"master_key": "sk-master"}})
    assert gw.get("/health/liveliness").text == gw.get("/health/liveness").text == '"I\'m alive!"'
    assert gw.get("/health/readiness").json == {"status": "healthy", "db": "Not connected"}
