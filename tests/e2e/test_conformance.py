# SPDX-License-Identifier: MIT
"""What providers answer, played back to the real binary: an OpenAI client must get the right OpenAI reply. One gateway,
one upstream behind it; a call's model is the name of what is played. Every answer comes whole and in odd pieces, each
piece in a write of its own.

What a recorded answer means is said by tests/conformance/expect.py, without any of Moonweir's code. Compatible servers
are reached as `openai/` with another api_base, as people configure them: what is not OpenAI's form must come out mended,
though the rest passes as bytes.
"""
import itertools
import json
import math
import random
import re

import pytest

import expect
import recorded
from conftest import started
from harness import Gateway, Upstream, chunk, close, end, head, patience, send, until
from test_fixtures import CASES, includes, job, short

# ------------------------------------------------------------------------------------------------------- both ends

CUTS = ("whole", "1", "7", "64", "random")


def pieces(body, cut):
    """The body in pieces of so many bytes."""
    rng, at = random.Random(7), 0
    while at < len(body):
        size = {"whole": len(body), "random": rng.choice((1, 2, 3, 5, 17, 100, 1000))}.get(cut) or int(cut)
        yield body[at:at + size]
        at += size


def answering(status, headers, body, cut):
    """The answer as steps. The cut says how the end is told, too: by a length, a last chunk, or a closed connection."""
    kept = {name: value for name, value in headers.items() if name not in ("content-length", "transfer-encoding")}
    parts = list(pieces(body, cut))
    if cut in ("whole", "64"):
        return [head(status, {**kept, "content-length": len(body)}), [send(part) for part in parts]]
    if cut == "random":
        return [head(status, {**kept, "connection": "close"}), [send(part) for part in parts], close()]
    return [head(status, {**kept, "transfer-encoding": "chunked"}), [chunk(part) for part in parts], end()]


class House:
    """The gateway, and behind it an upstream that plays `replies[name]` to a call for the model VENDOR/name."""

    def __init__(self, folder):
        self.replies, self.requests = {}, {}
        self.upstream = Upstream(self.play)
        bases = {"openai": "/v1", "openai_like": "/v1", "anthropic": "", "gemini": "/v1beta"}
        rows = [{"model_name": vendor + "/*",
                 "litellm_params": {"model": vendor + "/*", "api_key": "sk-up", "api_base": self.upstream.url + base}}
                for vendor, base in bases.items()]
        self.gateway = Gateway({
            "model_list": rows,
            "router_settings": {"num_retries": 0, "disable_cooldowns": True, "timeout": patience(20)},
        }, folder=folder)

    def play(self, request):
        in_path = re.search(r"/models/([^/]+):", request.path)
        name = in_path.group(1) if in_path else request.json["model"]
        self.requests[name] = request
        return self.replies[name]

    def call(self, model, steps, body):
        """Plays the steps to a call with this body: the answer, and the body that the upstream got."""
        name = model.split("/")[1]
        self.replies[name] = steps
        answer = self.gateway.post("/v1/chat/completions", dict(body, model=model))
        return answer, self.requests.pop(name).json

    def tokens(self):
        """Those counted so far, by kind."""
        metrics = self.gateway.metrics()
        return {kind: sum(n for _, n in metrics.get("moonweir_%s_tokens_total" % kind, []))
                for kind in ("prompt", "cached", "completion", "reasoning")}

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.upstream.stop()


@pytest.fixture(scope="module")
def one_house(tmp_path_factory):
    house = House(str(tmp_path_factory.mktemp("conformance")))
    yield house
    house.stop()


@pytest.fixture
def house(one_house, request):
    request.node.stash.setdefault(started, []).append(one_house.gateway)
    return one_house


def call_body(streamed):
    body = {"messages": [{"role": "user", "content": "hi"}]}
    return dict(body, stream=True, stream_options={"include_usage": True}) if streamed else body


def events_of(answer):
    assert answer.headers["content-type"].startswith("text/event-stream"), answer
    return expect.sse(answer.text)


def broken_off(answer):
    """The error with which a stream ends. There is no end mark then."""
    *before, (_, last) = events_of(answer)
    assert set(json.loads(last)) == {"error"} and "[DONE]" not in [data for _, data in before]
    return json.loads(last)["error"]


# ------------------------------------------------------------------------------------------------ recorded traffic

ALL = recorded.exchanges()
SCHEMAS = recorded.Schemas()


def asked(exchange, streamed):
    """The client's body: what was recorded, where it was in our client's dialect."""
    said, body = exchange["request"].get("body"), call_body(streamed)
    if expect.family(exchange) == "openai" and isinstance(said, dict) and said.get("messages"):
        kept = {name: value for name, value in said.items() if name not in ("stream", "stream_options")}
        return {**body, **kept}
    return body


def check_reply(want, answer, model):
    assert answer.json["model"] == model
    errors = SCHEMAS.errors("openai", "POST /chat/completions", "response", answer.json)
    assert not [e for e in errors if "annotations" not in e], errors  # OpenRouter's have more kinds
    expect.check_same(want, expect.of_client_reply(answer.json))


def check_stream(want, answer, model):
    for _, data in events_of(answer)[:-1]:
        errors = SCHEMAS.errors("openai", "POST /chat/completions", "stream_event", json.loads(data))
        assert not errors, (errors, data)
        assert json.loads(data)["model"] == model
    expect.check_same(want, expect.of_client_stream(answer.text))


def check_error(want, answer):
    """The provider's status, its own words, type and code."""
    assert answer.status == want["status"], answer
    assert answer.error["message"] == want["message"]
    for member in ("type", "code"):
        assert want[member] in (None, answer.error[member]), member


def check_broken(want, answer):
    """What the provider said before its error, then its error."""
    assert broken_off(answer)["message"] == want["error"]["message"]
    said = [[(c["index"], c["content"], c["reasoning"], c["calls"]) for c in choices]
            for choices in (want["choices"], expect.openai_stream(answer.text)["choices"])]
    assert said[0] == said[1]


def check_answer(want, status, answer, model):
    if status >= 300:
        check_error(want["error"], answer)
    elif "error" not in want:
        (check_stream if answer.headers["content-type"].startswith("text/event-stream") else check_reply)(want, answer, model)
    elif want.get("choices"):
        check_broken(want, answer)
    else:
        assert answer.status >= 500 and want["error"]["message"] in answer.error["message"], answer


@pytest.mark.skipif(not recorded.present(), reason=recorded.NEEDED)
@pytest.mark.parametrize("name, exchange", ALL, ids=[name for name, _ in ALL])
def test_a_recorded_answer_reaches_the_client(house, name, exchange):
    want, response = expect.of(exchange), exchange["response"]
    status, streamed = response["status"], response.get("stream_format") == "sse"
    # of some recordings the type was not kept
    headers = {"content-type": "text/event-stream" if streamed else "application/json", **response["headers"]}
    model = "%s/%s" % (expect.family(exchange), name.split("/")[1])
    bodies = [asked(exchange, yes) for yes in ([False, True] if status >= 300 else [streamed])]
    before = house.tokens()
    for cut, body in itertools.product(CUTS, bodies):
        print("cut:", cut)
        answer, sent = house.call(model, answering(status, headers, response["body"].encode(), cut), body)
        if model.startswith("openai/"):
            assert sent == dict(body, model=model.split("/")[1])
        check_answer(want, status, answer, model)
    if "error" not in want:
        counted = {kind: before[kind] + len(CUTS) * (want["usage"] or {}).get(kind, 0) for kind in before}
        until(lambda: house.tokens() == counted, 5, "tokens: %s, not %s" % (house.tokens(), counted))


# -------------------------------------------------------------------------------------------------- our own fixtures

ANSWERS = [(name, case) for name, case in CASES if "client" not in case]
STATUS = {"UPSTREAM": 502, "UPSTREAM_BROKEN": 502}


def play_case(house, model, case, cut):
    made = job(case)
    kind = "text/event-stream" if "stream" in case else "application/json"
    steps = answering(made["status"], {"content-type": kind}, made["body"].encode(), cut)
    return house.call(model, steps, call_body("stream" in case))[0]


def check_fault(want, answer):
    """The fault, as an error answer or as the end of a stream that had begun."""
    error = broken_off(answer) if answer.status == 200 else answer.error
    if answer.status != 200:
        assert answer.status == want.get("status", STATUS[want["code"]]), answer
        if want.get("retry_after_ms"):
            assert int(answer.headers["retry-after"]) == math.ceil(want["retry_after_ms"] / 1000)
    assert want.get("message", "") in error["message"]
    for words in want.get("says", []):
        assert words in error["message"]
    for member, ours in (("type", "type"), ("param", "param"), ("native_code", "code")):
        assert want.get(member) in (None, error[ours]), member


def check_case(case, answer, model):
    if "fault" in case:
        check_fault(case["fault"], answer)
    elif "answer" in case:
        includes(answer.json, dict(case["answer"], model=model))
    elif case.get("whole", True):
        includes(short(answer.text), case["chunks"] + ["[DONE]"])
    else:
        assert broken_off(answer)
        includes(short(answer.text[:answer.text.rindex("data: ")]), case["chunks"])


@pytest.mark.parametrize("number, name, case", [(i, *row) for i, row in enumerate(ANSWERS)], ids=[n for n, _ in ANSWERS])
def test_a_fixture_comes_through_the_binary(house, number, name, case):
    model = "%s/fixture%d" % (case["target"].split("/")[0], number)
    for cut in CUTS:
        print("cut:", cut)
        check_case(case, play_case(house, model, case, cut), model)


COMPATIBLE = [(i, *row) for i, row in enumerate(ANSWERS) if row[1]["target"].startswith("openai_like/")]


@pytest.mark.parametrize("number, name, case", COMPATIBLE, ids=[row[1] for row in COMPATIBLE])
def test_a_compatible_servers_fixture_means_the_same_where_its_bytes_may_pass(house, number, name, case):
    model, text = "openai/fixture%d" % number, job(case)["body"]
    for cut in CUTS:
        print("cut:", cut)
        answer = play_case(house, model, case, cut)
        if "fault" in case:
            ours = case["fault"]["code"] == "UPSTREAM_BROKEN"  # and may be said in other words
            check_fault(dict(case["fault"], message="") if ours else case["fault"], answer)
        elif "answer" in case:
            expect.check_same(expect.openai(json.loads(text)), expect.of_client_reply(answer.json))
        elif case.get("whole", True):
            expect.check_same(expect.openai_stream(text), expect.of_client_stream(answer.text))
        else:
            assert broken_off(answer)
