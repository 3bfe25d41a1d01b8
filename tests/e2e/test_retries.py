# SPDX-License-Identifier: MIT
"""What is tried again, when, and where: retries, Retry-After, fallbacks, cooldowns."""
import time
from email.utils import formatdate

import pytest

from calls import alone, answered_by, check_whole, counts, seconds_between, target, together
from harness import (anthropic, close, event, gemini, head, in_turn, model, openai, patience, reply, reset, send,
                     silence, stream, until)
from harness.wire import request_bytes

VENDORS = {"openai": (openai, "openai/o"), "anthropic": (anthropic, "anthropic/claude-x"),
           "gemini": (gemini, "gemini/gemini-x")}
AT_ONCE = {"retry-after-ms": "1"}                         # without it the gateway backs off for a quarter of a second


@pytest.fixture
def good(upstream):
    """A provider that answers "good", whole or streamed."""
    return upstream(openai.chat_or_stream("go", "od"))


# ---------------------------------------------------------------------------------------------------- what is tried

@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
@pytest.mark.parametrize("vendor", VENDORS)
def test_is_tried_again(gateway, upstream, vendor, status):
    replies, provider_model = VENDORS[vendor]
    up = upstream(in_turn(replies.error(status, headers=AT_ONCE), replies.chat("good")))
    answer = alone(gateway, up, provider_model=provider_model).chat()
    assert (answer.status, answer.content, len(up.requests)) == (200, "good", 2)
    assert answer.headers["x-litellm-attempted-retries"] == "1"
    assert answer.headers["x-litellm-attempted-fallbacks"] == "0"


@pytest.mark.parametrize("status", [400, 413, 415, 422])
@pytest.mark.parametrize("vendor", ["anthropic", "gemini"])
def test_the_clients_own_mistake_is_not_tried_again_in_other_dialects(gateway, upstream, good, vendor, status):
    replies, provider_model = VENDORS[vendor]
    up = upstream(replies.error(status, "your own fault"))
    gw = gateway({"model_list": [target("a", up, provider_model=provider_model, order=1), target("b", good, order=2)]})
    answer = gw.chat()
    assert (answer.status, len(up.requests), len(good.requests)) == (status, 1, 0)
    assert "your own fault" in answer.error["message"]


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_the_clients_own_mistake_is_not_tried_again(gateway, upstream, good, status):
    up = upstream(openai.error(status, "your own fault", "invalid_request_error", "some_code"))
    gw = gateway({"model_list": [target("a", up, order=1), target("b", good, order=2)]})
    answer = gw.chat()
    assert (answer.status, len(up.requests), len(good.requests)) == (status, 1, 0)
    assert answer.error["code"] == "some_code" and "your own fault" in answer.error["message"]
    assert answer.headers["x-litellm-attempted-retries"] == "0"


@pytest.mark.parametrize("status, code", [(401, None), (402, None), (403, None), (404, None), (429, "insufficient_quota")])
def test_is_tried_elsewhere_but_not_again(gateway, upstream, good, status, code):
    bad = upstream(openai.error(status, code=code))
    gw = gateway({"model_list": [target("a", bad), target("b", good), target("x", bad, name="lonely")],
                  "router_settings": {"disable_cooldowns": True, "num_retries": 3}})
    answer = gw.chat(model="lonely")
    assert (answer.status, len(bad.requests)) == (status, 1)
    for n in range(1, 21):
        answer = gw.chat()
        assert (answer.status, answer.content) == (200, "good")
        assert len(good.requests) == n
    assert len(bad.requests) > 1


def test_a_key_that_google_refuses_is_tried_elsewhere(gateway, upstream, good):
    """It says so with 400; whoever is alone gets its words and its status."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    bad = upstream(reply({"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT",
                                    "details": details}}, 400))
    gw = gateway({"model_list": [model("m", bad, "gemini/gemini-2.5-flash"), model("spare", good)],
                  "router_settings": {"num_retries": 2, "fallbacks": [{"m": ["spare"]}]}})
    assert gw.chat(model="m").content == "good" and len(bad.requests) == 1
    alone_again = gw.chat(model="m", disable_fallbacks=True)
    assert (alone_again.status, alone_again.error["message"]) == (400, "API key not valid.")
    assert (alone_again.error["type"], alone_again.error["code"]) == ("INVALID_ARGUMENT", "invalid_api_key")


def test_a_refused_connection_is_tried_again(gateway, nobody):
    answer = alone(gateway, nobody).chat()
    assert answer.status == 502 and answer.error
    assert answer.headers["x-litellm-attempted-retries"] == "1"


@pytest.mark.parametrize("fault", [reset(), close(), [send("HTTP/1.1 200 OK\r\ncontent-"), reset()]],
                         ids=["reset", "closed", "cut in the head"])
def test_a_connection_lost_before_the_answer_is_tried_again(gateway, upstream, fault):
    up = upstream(in_turn([fault], openai.chat("good")))
    answer = alone(gateway, up).chat()
    assert (answer.status, answer.content) == (200, "good")
    assert len(up.requests) == 2


def test_another_target_is_tried_at_once(gateway, upstream, nobody, good):
    """No pause where the next target is not the one that failed."""
    gw = gateway({"model_list": [target("refuses", nobody), target("fails", upstream(openai.error(500))),
                                 target("good", good)],
                  "router_settings": {"num_retries": 2, "disable_cooldowns": True}})
    began = time.monotonic()
    assert answered_by(gw, 10) == {"good": 10}
    assert time.monotonic() - began < patience(1.5)


def test_a_pause_grows_where_the_provider_asks_for_none(gateway, upstream):
    up = upstream(in_turn(openai.error(500), openai.error(500), openai.chat("good")))
    assert alone(gateway, up, retries=2).chat().status == 200
    assert 0.24 <= seconds_between(up.requests) <= patience(1), "half a second, or up to half of it less"
    assert 0.49 <= seconds_between(up.requests[1:]) <= patience(2), "twice that"


def test_a_connection_that_the_provider_had_closed_is_no_failed_attempt(gateway, upstream):
    """A kept connection may be closed at any time: the call goes to a fresh one."""
    up = upstream(openai.chat("good"))
    gw = alone(gateway, up, retries=0)
    for _ in range(3):
        assert gw.chat().status == 200
        up.hang_up()
    assert gw.chat().status == 200


# -------------------------------------------------------------------------------------------------------- how often

@pytest.mark.parametrize("settings, params, body, sent", [
    ({"router_settings": {"num_retries": 0}}, {}, {}, 1),
    ({"router_settings": {"num_retries": 3}}, {}, {}, 4),
    ({"litellm_settings": {"num_retries": 1}}, {}, {}, 2),
    ({"router_settings": {"num_retries": 1}, "litellm_settings": {"num_retries": 5}}, {}, {}, 2),
    ({}, {}, {}, 3),
    ({"router_settings": {"num_retries": 5}}, {"num_retries": 1}, {}, 2),
    ({"router_settings": {"num_retries": 5}}, {}, {"num_retries": 0}, 1),
    ({"router_settings": {"num_retries": 0}}, {}, {"num_retries": 2}, 3),
], ids=["none", "router", "litellm", "router-wins", "default", "target", "body-none", "body"])
def test_so_many_attempts_are_made(gateway, upstream, settings, params, body, sent):
    up = upstream(openai.error(503, headers=AT_ONCE))
    gw = gateway({"model_list": [model("m", up, **params)], **settings})
    answer = gw.chat(**body)
    assert (answer.status, len(up.requests)) == (503, sent)
    assert answer.headers["x-litellm-attempted-retries"] == str(sent - 1)


# ------------------------------------------------------------------------------------------------------ Retry-After

@pytest.mark.parametrize("headers, least, most", [
    ({"retry-after": "1"}, 0.98, 1.5),
    ({"retry-after": "0.1"}, 0.09, 0.24),
    ({"Retry-After-Ms": "120"}, 0.11, 0.24),
    ({"retry-after": "30", "retry-after-ms": "100"}, 0.09, 0.24),
], ids=["seconds", "fraction", "ms", "ms-wins"])
def test_the_pause_that_the_provider_asks_for_is_kept(gateway, upstream, headers, least, most):
    up = upstream(in_turn(openai.error(429, headers=headers), openai.chat("good")))
    assert alone(gateway, up).chat().status == 200
    assert least <= seconds_between(up.requests) <= patience(most)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_pause_may_be_given_as_a_date(gateway, upstream, vendor):
    replies, provider_model = VENDORS[vendor]

    def busy(request):
        return replies.error(503, headers={"retry-after": formatdate(time.time() + 2, usegmt=True)})
    up = upstream(in_turn(busy, replies.chat("good")))
    assert alone(gateway, up, provider_model=provider_model).chat().status == 200
    assert 0.9 <= seconds_between(up.requests) <= patience(2.3)


@pytest.mark.parametrize("vendor, provider_model, answer", [
    (openai, "openai/o", openai.error(429, "Rate limit reached. Please try again in 110ms. Visit us.")),
    (gemini, "gemini/gemini-x", reply({"error": {
        "code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.11s"}]}}, 429)),
], ids=["in the message", "RetryInfo"])
def test_the_pause_may_be_in_the_body(gateway, upstream, vendor, provider_model, answer):
    up = upstream(in_turn(answer, vendor.chat("good")))
    gw = gateway({"model_list": [model("m", up, provider_model)], "router_settings": {"num_retries": 1}})
    assert gw.chat().content == "good"
    assert 0.1 <= seconds_between(up.requests) <= patience(0.24)


def test_a_stream_that_begins_with_an_error_is_tried_again(gateway, upstream):
    up = upstream(in_turn(stream(openai.events()[:1], event({"error": {"message": "overloaded", "code": 503}})),
                          openai.stream("go", "od")))
    check_whole(alone(gateway, up).stream_events(), "good")
    assert len(up.requests) == 2


def test_embeddings_are_tried_again_and_elsewhere(gateway, upstream, good):
    bad = upstream(in_turn(openai.error(503, headers=AT_ONCE)))
    up = upstream(openai.embeddings([1.0, 0.5]))
    gw = gateway({"model_list": [model("e", bad, "openai/e1"), model("spare", up, "openai/e2"),
                                 model("claude", good, "anthropic/claude-x")],
                  "router_settings": {"num_retries": 1, "fallbacks": [{"e": ["claude", "spare"]}]}})
    answer = gw.post("/v1/embeddings", {"model": "e", "input": ["a"]})
    assert (answer.status, answer.json["model"]) == (200, "e")
    assert answer.json["data"][0]["embedding"] == [1.0, 0.5]
    assert (len(bad.requests), len(good.requests)) == (2, 0), "a provider without embeddings is left out"
    answer = gw.post("/v1/embeddings", {"model": "claude", "input": ["a"]})
    assert answer.status == 400 and "embeddings" in answer.error["message"]


def test_a_pause_of_the_settings_is_the_least(gateway, upstream):
    up = upstream(in_turn(openai.error(500, headers=AT_ONCE), openai.chat("good")))
    assert alone(gateway, up, retry_after=0.3).chat().status == 200
    assert 0.29 <= seconds_between(up.requests) <= patience(0.8)


def test_nobody_waits_for_minutes(gateway, upstream):
    up = upstream(openai.error(429, headers={"retry-after": "3600"}))
    began = time.monotonic()
    answer = alone(gateway, up).chat()
    assert time.monotonic() - began < patience(1)
    assert (answer.status, answer.headers["retry-after"], len(up.requests)) == (429, "3600", 1)


@pytest.mark.parametrize("where", ["group", "tier", "fallback"])
def test_no_pause_where_somebody_else_stands_ready(gateway, upstream, good, where):
    busy = upstream(openai.error(429, headers={"retry-after": "20"}))
    second = {"group": target("b", good), "tier": target("b", good, order=2),
              "fallback": target("b", good, name="spare")}[where]
    first = target("a", busy, weight=1000, **({"order": 1} if where == "tier" else {}))
    gw = gateway({"model_list": [first, second],
                  "router_settings": {"fallbacks": [{"m": ["spare"]}] if where == "fallback" else []}})
    began = time.monotonic()
    for _ in range(6):
        assert gw.chat().content == "good"
    assert time.monotonic() - began < patience(2)
    assert busy.requests


def test_a_part_of_a_second_is_told_to_the_client_as_a_whole_one(gateway, upstream):
    up = upstream(openai.error(429, headers={"retry-after": "1.2"}))
    assert alone(gateway, up, retries=0).chat().headers["retry-after"] == "2"


def test_the_last_error_reaches_the_client(gateway, upstream):
    up = upstream(in_turn(openai.error(500, "the first words", headers=AT_ONCE),
                          openai.error(503, "the last words", "overloaded_error", "busy", {"retry-after": "7"})))
    answer = alone(gateway, up).chat()
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert "the last words" in answer.error["message"] and "first" not in answer.error["message"]
    assert (answer.error["type"], answer.error["code"]) == ("overloaded_error", "busy")
    assert answer.headers["x-litellm-attempted-retries"] == "1"


@pytest.mark.parametrize("vendor, provider_model, status, kind", [
    (anthropic, "anthropic/claude-x", 529, "overloaded_error"), (gemini, "gemini/gemini-x", 503, "UNAVAILABLE"),
], ids=["anthropic", "gemini"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_errors_of_other_dialects_keep_status_and_words(gateway, upstream, vendor, provider_model, status, kind, streamed):
    up = upstream(vendor.error(status, "come back later", kind, {"retry-after": "9"}))
    gw = gateway({"model_list": [model("m", up, provider_model)], "router_settings": {"num_retries": 0}})
    answer = gw.chat(stream=streamed)
    assert (answer.status, answer.headers["retry-after"]) == (status, "9")
    assert "come back later" in answer.error["message"]


# -------------------------------------------------------------------------------------------------------- fallbacks

FORMS = {
    "router_settings": ({"router_settings": {"fallbacks": [{"m": ["spare"]}]}}, {}),
    "litellm_settings": ({"litellm_settings": {"fallbacks": [{"m": ["spare"]}]}}, {}),
    "star": ({"router_settings": {"fallbacks": [{"*": ["spare"]}]}}, {}),
    "default_fallbacks": ({"router_settings": {"default_fallbacks": ["spare"]}}, {}),
    "litellm default_fallbacks": ({"litellm_settings": {"default_fallbacks": ["spare"]}}, {}),
    "chain": ({"router_settings": {"fallbacks": [{"m": ["other", "spare"]}]}}, {}),
    "unknown is skipped": ({}, {"fallbacks": ["nowhere", "spare"]}),
    "by id": ({}, {"fallbacks": ["the-spare"]}),
    "body": ({}, {"fallbacks": ["spare"]}),
    "body objects": ({}, {"fallbacks": [{"model": "spare"}]}),
    "body wins": ({"router_settings": {"fallbacks": [{"m": ["other"]}]}}, {"fallbacks": ["spare"]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_fallback_answers(gateway, upstream, good, form):
    settings, body = FORMS[form]
    bad = upstream(openai.error(500))
    gw = gateway({"model_list": [model("m", bad), model("other", bad), target("the-spare", good, name="spare")],
                  "litellm_settings": {"num_retries": 0, **settings.get("litellm_settings", {})},
                  "router_settings": settings.get("router_settings", {})})
    answer = gw.chat(**body)
    assert (answer.status, answer.content, answer.json["model"]) == (200, "good", "m")
    assert answer.headers["x-litellm-model-id"] == "the-spare"
    tried = len(bad.requests)
    assert answer.headers["x-litellm-attempted-retries"] == str(tried)
    assert answer.headers["x-litellm-attempted-fallbacks"] == str(tried)
    check_whole(gw.stream_events(**body), "good")


@pytest.mark.parametrize("where", ["settings", "body"])
def test_fallbacks_are_tried_in_their_order(gateway, upstream, good, where):
    rows = [model("m", upstream(openai.error(500))), target("first", good, name="f1"), target("second", good, name="f2")]
    settings = {"fallbacks": [{"m": ["f1", "f2"]}]} if where == "settings" else {}
    gw = gateway({"model_list": rows, "router_settings": {"num_retries": 0, **settings}})
    answer = gw.chat(**({"fallbacks": ["f1", "f2"]} if where == "body" else {}))
    assert (answer.status, answer.headers["x-litellm-model-id"]) == (200, "first")


def test_a_fallback_has_retries_of_its_own(gateway, upstream, good):
    bad = upstream(openai.error(500, headers=AT_ONCE))
    shaky = upstream(in_turn(openai.error(502, headers=AT_ONCE), openai.chat("good")))
    gw = gateway({"model_list": [model("m", bad), model("spare", shaky)],
                  "router_settings": {"num_retries": 1, "fallbacks": [{"m": ["spare"]}]}})
    answer = gw.chat()
    assert (answer.status, len(bad.requests), len(shaky.requests)) == (200, 2, 2)
    assert answer.headers["x-litellm-attempted-retries"] == "3"
    assert answer.headers["x-litellm-attempted-fallbacks"] == "1"


def test_fallbacks_can_be_switched_off(gateway, upstream, good):
    gw = gateway({"model_list": [model("m", upstream(openai.error(500, "mine"))), model("spare", good)],
                  "router_settings": {"num_retries": 0, "default_fallbacks": ["spare"]}})
    answer = gw.chat(disable_fallbacks=True)
    assert answer.status == 500 and "mine" in answer.error["message"]
    assert not good.requests


def test_fallbacks_end(gateway, upstream):
    """A circle of fallbacks, and a long chain: each group is tried at most once, and no more than max_fallbacks."""
    bad = upstream(openai.error(500, "the end"))
    names = ["g%d" % i for i in range(9)]
    gw = gateway({"model_list": [model(name, bad) for name in names],
                  "router_settings": {"num_retries": 0, "max_fallbacks": 3,
                                      "fallbacks": [{"g0": names[1:]}, {"g1": ["g0"]}]}})
    assert gw.chat(model="g1").status == 500
    assert len(bad.requests) == 2
    for model_name, wish, sent in (("g0", {}, 6), ("g8", {"fallbacks": names}, 10)):
        answer = gw.chat(model=model_name, **wish)
        assert (answer.status, len(bad.requests)) == (500, sent)
        assert answer.headers["x-litellm-attempted-fallbacks"] == "3"


VENDORS = {"openai": (openai, "openai/o"), "anthropic": (anthropic, "anthropic/claude-x"),
           "gemini": (gemini, "gemini/gemini-x")}


@pytest.mark.parametrize("first, second", [
    ("openai", "anthropic"), ("openai", "gemini"), ("anthropic", "gemini"), ("anthropic", "openai"), ("gemini", "openai"),
    ("gemini", "anthropic"),
])
def test_a_fallback_may_speak_another_dialect(gateway, upstream, first, second):
    (a, a_model), (b, b_model) = VENDORS[first], VENDORS[second]
    bad = upstream(a.error(500))
    whole, streamed = upstream(b.chat("good")), upstream(b.stream("go", "od"))
    gw = gateway({"model_list": [model("m", bad, a_model), model("whole", whole, b_model),
                                 model("streamed", streamed, b_model)],
                  "router_settings": {"num_retries": 0}})
    answer = gw.chat("what now?", fallbacks=["whole"], max_tokens=50)
    assert (answer.status, answer.content, answer.json["model"]) == (200, "good", "m")
    check_whole(gw.stream_events("what now?", fallbacks=["streamed"]), "good")
    for up in (whole, streamed):
        assert "what now?" in up.request.body.decode()
        assert "fallbacks" not in up.request.json


def test_a_fallback_that_cannot_take_the_call_is_passed_over(gateway, upstream, good):
    """`logit_bias` is OpenAI's alone. Where nobody else is left, what really failed is told."""
    bad, claude = upstream(openai.error(500, "the first is down")), upstream(anthropic.chat("no"))
    gw = gateway({"model_list": [model("m", bad), model("claude", claude, "anthropic/claude-x"), model("spare", good)],
                  "router_settings": {"num_retries": 0}})
    assert gw.chat(fallbacks=["claude", "spare"], logit_bias={"1": 1}).content == "good"
    answer = gw.chat(fallbacks=["claude"], logit_bias={"1": 1})
    assert answer.status == 500 and "the first is down" in answer.error["message"]
    assert gw.chat(model="claude", fallbacks=["spare"], logit_bias={"1": 1}).content == "good"
    assert not claude.requests


def test_a_wish_holds_for_its_target_also_when_another_was_asked_between(gateway, upstream):
    ups = {name: upstream(openai.error(429, headers={"retry-after": "1"})) for name in "ab"}
    gw = gateway({"model_list": [target(name, up) for name, up in ups.items()],
                  "router_settings": {"num_retries": 2, "disable_cooldowns": True}})
    assert gw.chat().headers["x-litellm-attempted-retries"] == "2"
    first = max((up.requests for up in ups.values()), key=len)
    assert len(first) == 2 and seconds_between(first) >= 0.99


@pytest.mark.slow
def test_the_words_of_a_failure_are_not_waited_for_long(gateway, upstream, good):
    """A provider that says 503 and then stalls has failed; the client's time is for those that answer."""
    stalls = upstream([head(503, {"content-length": "500", "content-type": "text/plain"}), send("overl"), silence()])
    gw = gateway({"model_list": [target("stalls", stalls), target("x", stalls, name="lonely"),
                                 target("good", good, name="spare")],
                  "router_settings": {"num_retries": 0, "fallbacks": [{"m": ["spare"]}]}})
    began = time.monotonic()
    both = together(lambda i: gw.chat(model=["m", "lonely"][i]), 2)
    assert time.monotonic() - began < patience(8)
    assert both[0].content == "good"
    assert both[1].status == 503 and "overl" in both[1].error["message"]


def test_a_target_that_lacks_a_parameter_costs_no_attempt(gateway, upstream, good):
    """Without retries the other target of the group answers nevertheless."""
    lacks = upstream(anthropic.chat("never"))
    gw = gateway({"model_list": [target("lacks", lacks, provider_model="anthropic/claude-x"), target("has", good)],
                  "router_settings": {"num_retries": 0}})
    assert [gw.chat(logit_bias={"1": 1}).content for _ in range(12)] == ["good"] * 12
    assert not lacks.requests


# -------------------------------------------------------------------------------------------------------- cooldowns

def test_a_429_cools_a_target_that_is_not_alone(gateway, upstream, good):
    busy = upstream(openai.error(429))
    gw = gateway({"model_list": [target("busy", busy), target("good", good)], "router_settings": {"cooldown_time": 60}})
    assert answered_by(gw, 25) == {"good": 25}
    assert len(busy.requests) == 1
    counts(gw, "moonweir_cooldowns_total", 1)


def test_a_429_does_not_cool_the_only_target(gateway, upstream):
    up = upstream(openai.error(429))
    gw = alone(gateway, up, retries=0, cooldown_time=60)
    for n in range(1, 5):
        assert gw.chat().status == 429
        assert len(up.requests) == n


def test_targets_may_cool_while_another_worker_chooses_among_them(gateway):
    """Between the look whether any is left and the list of those that are, other threads let them cool."""
    busy = [{"model_name": "m", "litellm_params": {"model": name, "mock_response": "litellm.RateLimitError"}}
            for name in ("demo/echo", "demo/words")]
    gw = gateway({"model_list": busy, "router_settings": {"num_retries": 0, "cooldown_time": 0.001}},
                 args=["--workers", "8", "--log-level", "off"])
    call = request_bytes("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]})

    def ask(_):
        with gw.connect() as wire:
            for _ in range(100):
                wire.send(call * 50)
                assert {wire.response().status for _ in range(50)} == {429}
    together(ask, 8)


def test_a_target_that_fails_more_than_half_of_its_calls_cools(gateway, upstream, good):
    bad = upstream(openai.error(500))
    gw = gateway({"model_list": [target("bad", bad), target("good", good)], "router_settings": {"cooldown_time": 60}})
    answered_by(gw, 40)
    assert len(bad.requests) == 5


def test_a_count_of_allowed_fails_cools_even_the_only_target(gateway, upstream):
    up = upstream(openai.error(500))
    gw = alone(gateway, up, retries=0, allowed_fails=1, cooldown_time=50)
    assert [gw.chat().status for _ in range(2)] == [500, 500]
    answer = gw.chat()
    assert (answer.status, len(up.requests)) == (429, 2)
    assert answer.error["message"].startswith("No deployments available for selected model, Try again in ")
    assert 40 <= int(answer.headers["retry-after"]) <= 50
    assert answer.error["type"] == "rate_limit_error"


def test_three_allowed_fails_are_litellms_word_for_its_default_logic(gateway, upstream):
    up = upstream(openai.error(500))
    gw = alone(gateway, up, retries=0, allowed_fails=3, cooldown_time=60)
    for n in range(1, 9):
        assert gw.chat().status == 500
        assert len(up.requests) == n


def test_a_cooldown_ends(gateway, upstream):
    up = upstream(in_turn(openai.error(500), openai.chat("good")))
    gw = alone(gateway, up, retries=0, allowed_fails=0, cooldown_time=0.4)
    assert gw.chat().status == 500
    assert gw.chat().status == 429
    began = time.monotonic()
    until(lambda: gw.chat().status == 200, 3)
    assert time.monotonic() - began < patience(1)


def test_while_all_cool_the_client_hears_of_the_first_to_be_back(gateway, upstream):
    bad = upstream(openai.error(500))
    gw = gateway({"model_list": [target("a", bad, cooldown_time=50), target("b", bad, cooldown_time=20)],
                  "router_settings": {"num_retries": 1, "allowed_fails": 0}})
    assert gw.chat().status == 500
    answer = gw.chat()
    assert (answer.status, len(bad.requests)) == (429, 2)
    assert 15 <= int(answer.headers["retry-after"]) <= 20


def test_a_cooldown_of_the_target_wins(gateway, upstream):
    up = upstream(in_turn(openai.error(500), openai.chat("good")))
    gw = gateway({"model_list": [model("m", up, cooldown_time=0.2)],
                  "router_settings": {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 60}})
    assert [gw.chat().status for _ in range(2)] == [500, 429]
    until(lambda: gw.chat().status == 200, 2)


def test_a_provider_says_how_long_it_cools(gateway, upstream):
    up = upstream(in_turn(openai.error(429, headers={"retry-after": "40"})))
    gw = alone(gateway, up, retries=0, allowed_fails=0, cooldown_time=1)
    assert gw.chat().headers["retry-after"] == "40"
    assert 35 <= int(gw.chat().headers["retry-after"]) <= 40
    assert len(up.requests) == 1


def test_while_all_cool_the_fallback_answers_at_once(gateway, upstream, good):
    bad = upstream(openai.error(500))
    gw = gateway({"model_list": [model("m", bad), model("spare", good)],
                  "router_settings": {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 60,
                                      "fallbacks": [{"m": ["spare"]}]}})
    for _ in range(4):
        assert gw.chat().content == "good"
    assert len(bad.requests) == 1


@pytest.mark.parametrize("settings, name", [
    ({"disable_cooldowns": True}, "m"), ({"cooldown_time": 0}, "m"), ({}, "openai/*"), ({"allowed_fails": 100}, "m"),
], ids=["disabled", "no time", "wildcard", "many allowed"])
def test_never_cools(gateway, upstream, settings, name):
    up = upstream(openai.error(429))
    provider_model = "openai/*" if name == "openai/*" else "openai/x"
    gw = gateway({"model_list": [target("a", up, name, provider_model), target("b", up, name, provider_model)],
                  "router_settings": {"num_retries": 0, "allowed_fails": 0, "cooldown_time": 60, **settings}})
    for n in range(1, 7):
        assert gw.chat(model="openai/x" if name == "openai/*" else "m").status == 429
        assert len(up.requests) == n


@pytest.mark.parametrize("status", [400, 413, 422])
def test_the_clients_own_mistakes_cool_nobody(gateway, upstream, status):
    up = upstream(openai.error(status))
    gw = alone(gateway, up, retries=0, allowed_fails=0, cooldown_time=60)
    for n in range(1, 5):
        assert gw.chat().status == status
        assert len(up.requests) == n
