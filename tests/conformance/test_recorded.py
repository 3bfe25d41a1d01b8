# SPDX-License-Identifier: MIT
"""Every recorded chat exchange through the runtime of lua/: what comes out must say what the provider said, in the form
that OpenAI's schema describes; and requests that we translate must be what the providers' schemas describe."""
import copy
import json

import expect
import pytest
import recorded

pytestmark = pytest.mark.skipif(not recorded.present(), reason=recorded.NEEDED)
ALL = recorded.exchanges()
SCHEMAS = recorded.Schemas()


def job_for(exchange):
    response = exchange["response"]
    streamed = response.get("stream_format") == "sse"
    return {"do": "stream" if streamed else "reply", "target": recorded.target(exchange), "status": response["status"],
            "body": response["body"], "opts": {"include_usage": True, "stream": streamed}}


@pytest.fixture(scope="module")
def answers():
    """name -> what the runtime made of the recorded answer."""
    return dict(zip([name for name, _ in ALL], recorded.translate([job_for(e) for _, e in ALL])))


@pytest.mark.parametrize("name,exchange", ALL, ids=[name for name, _ in ALL])
def test_an_answer_says_what_the_provider_said(name, exchange, answers):
    want, answer = expect.of(exchange), answers[name]
    assert "raised" not in answer, answer["raised"]
    if "error" in want:
        fault = answer["fault"]
        if "status" in want["error"]:
            assert fault["status"] == want["error"]["status"]
        words = want["error"].get("message") if isinstance(want["error"], dict) else want["error"]
        assert words in fault["message"]
        return
    assert "fault" not in answer, answer.get("fault")
    if "out" in answer:
        got = expect.of_client_reply(answer["out"])
        errors = SCHEMAS.errors("openai", "POST /chat/completions", "response", answer["out"])
        assert not [e for e in errors if "annotations" not in e], errors  # OpenRouter's have more kinds
    else:
        assert answer["whole"], "the stream is not whole"
        got = expect.of_client_stream(answer["text"])
        for _, data in expect.sse(answer["text"])[:-1]:
            errors = SCHEMAS.errors("openai", "POST /chat/completions", "stream_event", json.loads(data))
            assert not errors, (errors, data)
    expect.check_same(want, got)
    if want["usage"]:
        flat = answer["usage"]
        expect.check_usage(want["usage"], dict(flat, written=flat["cache_write"] + flat["cache_write_1h"]))


STREAMS = [(n, e) for n, e in ALL if e["response"].get("stream_format") == "sse" and e["response"]["status"] < 300]


@pytest.mark.parametrize("name,exchange", STREAMS, ids=[name for name, _ in STREAMS])
def test_a_stream_that_is_cut_is_not_whole_before_its_finish(name, exchange):
    """Without its last events a stream must not pass as ended, unless the finish has been told."""
    events = expect.sse(exchange["response"]["body"])
    jobs = []
    for n in range(len(events)):
        text = "".join("event: %s\ndata: %s\n\n" % e if e[0] else "data: %s\n\n" % e[1] for e in events[:n])
        jobs.append(dict(job_for(exchange), body=text))
    for n, answer in enumerate(recorded.translate(jobs)):
        told = any(finish_told(data) for _, data in events[:n])
        assert "raised" not in answer
        assert "fault" in answer or bool(answer["whole"]) == told or not answer["whole"], "after %d events" % n
        if not told and "fault" not in answer:
            assert "[DONE]" not in answer["text"]


def finish_told(data):
    if data == "[DONE]":
        return True
    event = json.loads(data)
    rows = (event.get("choices") or []) + (event.get("candidates") or []) + [event.get("delta") or {}]
    return bool(event.get("promptFeedback", {}).get("blockReason")) or any(
        row.get(k) for row in rows if isinstance(row, dict) for k in ("finish_reason", "finishReason", "stop_reason"))


# ------------------------------------------------------------------------------------------------- requests

OUR_CLIENTS = [(n, e) for n, e in ALL if expect.family(e) == "openai" and not e["request"].get("not_recorded")
               and isinstance(e["request"].get("body"), dict) and e["request"]["body"].get("messages")]
UPSTREAMS = [("anthropic/claude-3-5-sonnet-20241022", "anthropic", "POST /v1/messages"),
             ("anthropic/claude-sonnet-4-5", "anthropic", "POST /v1/messages"),
             ("anthropic/claude-sonnet-4-6", "anthropic", "POST /v1/messages"),
             ("anthropic/claude-opus-4-8", "anthropic", "POST /v1/messages"),
             ("anthropic/claude-opus-5-5", "anthropic", "POST /v1/messages"),
             ("gemini/gemini-2.0-flash", "gemini", "POST /models/{modelsId}:generateContent"),
             ("gemini/gemini-2.5-flash", "gemini", "POST /models/{modelsId}:generateContent"),
             ("gemini/gemini-3-pro-preview", "gemini", "POST /models/{modelsId}:generateContent"),
             ("openai/gpt-4o", "openai", "POST /chat/completions")]


@pytest.mark.parametrize("model,provider,operation", UPSTREAMS, ids=[row[0] for row in UPSTREAMS])
def test_a_translated_request_is_what_the_schema_describes(model, provider, operation):
    jobs = [{"do": "request", "target": model, "body": e["request"]["body"], "opts": {"drop_params": True}}
            for _, e in OUR_CLIENTS]
    made = 0
    for (name, exchange), answer in zip(OUR_CLIENTS, recorded.translate(jobs)):
        assert "raised" not in answer, (name, answer)
        if "fault" in answer:
            assert answer["fault"]["code"] in ("UNSUPPORTED", "BAD_REQUEST"), (name, answer)
            continue
        sent, asked = answer["out"], exchange["request"]["body"]
        if provider == "openai" and SCHEMAS.errors(provider, operation, "request", asked):
            continue  # a compatible server's own form: it goes through
        errors = SCHEMAS.errors(provider, operation, "request", sent)
        assert not errors, (name, errors, json.dumps(sent)[:1500])
        made += 1
    assert made > len(OUR_CLIENTS) * 0.6, "only %d of %d could be translated" % (made, len(OUR_CLIENTS))


SECOND_TURN = [(n, e) for n, e in ALL if expect.family(e) in ("anthropic", "gemini") and e["response"]["status"] < 300]


def test_an_answer_goes_back_as_the_next_turn_with_its_signatures(answers):
    """What a client got, sent back with the results of its calls: valid, and every signature in its place."""
    jobs, kept = [], []
    for name, exchange in SECOND_TURN:
        answer = answers[name]
        if "out" not in answer or "fault" in answer:
            continue
        message = copy.deepcopy(answer["out"]["choices"][0]["message"])
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "done"} for call in message.get("tool_calls", [])]
        turns = [{"role": "user", "content": "hi"}, message] + results + [{"role": "user", "content": "and now?"}]
        jobs.append({"do": "request", "target": recorded.target(exchange), "body": {"messages": turns}})
        kept.append((name, exchange))
    for (name, exchange), job, answer in zip(kept, jobs, recorded.translate(jobs)):
        provider = expect.family(exchange)
        operation = "POST /v1/messages" if provider == "anthropic" else "POST /models/{modelsId}:generateContent"
        assert "out" in answer, (name, answer)
        errors = SCHEMAS.errors(provider, operation, "request", answer["out"])
        assert not errors, (name, errors, answer["out"])
        text = json.dumps(answer["out"])
        for signature in filter(None, expect.of(exchange)["choices"][0]["signatures"]):
            assert json.dumps(signature) in text, name
    assert len(kept) > 20


def test_what_our_own_fixtures_send_is_what_the_schemas_describe():
    from test_fixtures import CASES
    checked = 0
    for name, case in CASES:
        provider = case["target"].split("/")[0]
        if "upstream" not in case or provider not in ("anthropic", "gemini"):
            continue
        operation = "POST /v1/messages" if provider == "anthropic" else "POST /models/{modelsId}:generateContent"
        errors = SCHEMAS.errors(provider, operation, "request", case["upstream"])
        # Anthropic's plain API does not list what its betas add, and the schema is older than "between_tools"
        newer = case["upstream"].get("thinking") == {"type": "between_tools"}
        errors = [e for e in errors if "context_management" not in e and not (newer and e.startswith("thinking:"))]
        assert not errors, (name, errors)
        checked += 1
    assert checked > 80
