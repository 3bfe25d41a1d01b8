# SPDX-License-Identifier: MIT
"""Embeddings: numbers or base64 as the client asked, whatever the server gave; anything that is none is no answer."""
import base64
import itertools
import struct

import pytest

from harness import model, openai, reply, until

VECTOR = [0.5, -0.25, 3.0]
PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()


def answer(*embeddings, **members):
    rows = [{"object": "embedding", "index": i, "embedding": e} for i, e in enumerate(embeddings)]
    return {"object": "list", "data": rows, "model": "up", "usage": {"prompt_tokens": 3, "total_tokens": 3}, **members}


def ask(gw, **members):
    return gw.post("/v1/embeddings", {"model": "e", "input": "hi", **members})


@pytest.fixture
def serve(gateway, upstream):
    """A gateway before one compatible server that always answers so."""
    def start(body):
        up = upstream(reply(body))
        return gateway({"model_list": [model("e", up)], "router_settings": {"num_retries": 0, "disable_cooldowns": True}}), up
    return start


@pytest.mark.parametrize("given, asked", itertools.product((VECTOR, PACKED), (None, "float", "base64")))
def test_the_client_gets_the_coding_that_it_asked_for(serve, given, asked):
    gw, up = serve(answer(given, given))
    got = ask(gw, **({"encoding_format": asked} if asked else {}))
    assert [row["embedding"] for row in got.json["data"]] == [PACKED if asked == "base64" else VECTOR] * 2
    assert [row["index"] for row in got.json["data"]] == [0, 1] and got.json["model"] == "e"
    assert up.request.json.get("encoding_format") == asked


@pytest.mark.parametrize("text", ["hi", ["a", "b"], [1, 2, 3], [[1, 2], [3]]], ids=["text", "texts", "tokens", "token lists"])
@pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings"])
def test_every_kind_of_input_goes_as_it_is(serve, path, text):
    gw, up = serve(answer(VECTOR))
    assert gw.post(path, {"model": "e", "input": text, "dimensions": 3, "user": "ada"}).status == 200
    assert up.request.json == {"model": "up-model", "input": text, "dimensions": 3, "user": "ada"}
    until(lambda: gw.metric("moonweir_prompt_tokens_total", model="e") == 3)


@pytest.mark.parametrize("asked", ["float", "base64"])
def test_more_digits_than_a_number_holds_are_a_number_still(serve, asked):
    gw, _ = serve(b'{"data":[{"embedding":[0.500000000000000000001,-0.25,3]}]}')
    assert ask(gw, encoding_format=asked).json["data"][0]["embedding"] == (PACKED if asked == "base64" else VECTOR)


def test_what_is_missing_beside_the_numbers_is_filled_in(serve):
    gw, _ = serve({"data": [{"embedding": VECTOR}], "usage": None})
    row = {"object": "embedding", "index": 0, "embedding": VECTOR}
    assert ask(gw).json == {"object": "list", "data": [row], "model": "e"}


NOT_A_NUMBER = base64.b64encode(struct.pack("<f", float("nan"))).decode()


@pytest.mark.parametrize("asked", ["float", "base64"])
@pytest.mark.parametrize("embedding", [[], "", [None, None], ["a"], None, {"a": 1}, 5], ids=str)
def test_what_is_no_vector_is_no_answer(serve, embedding, asked):
    gw, _ = serve(answer(embedding))
    got = ask(gw, encoding_format=asked)
    assert got.status == 502 and "embedding 0" in got.error["message"], got


@pytest.mark.parametrize("embedding, asked", [("!", "float"), ("AAAA", "float"), (NOT_A_NUMBER, "float"),
                                              ([1, "a"], "base64"), ([1, None], "base64")])
def test_what_cannot_be_brought_into_the_other_coding_is_no_answer(serve, embedding, asked):
    gw, _ = serve(answer(embedding))
    got = ask(gw, encoding_format=asked)
    assert got.status == 502 and "embedding 0" in got.error["message"], got


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": None}, [VECTOR], {"data": [None]}], ids=str)
def test_a_reply_without_embeddings_is_no_answer(serve, body):
    gw, _ = serve(body)
    assert ask(gw).status == 502


def test_an_error_keeps_the_providers_words(gateway, upstream):
    up = upstream(openai.error(400, "too many inputs", kind="invalid_request_error", code="too_many"))
    got = ask(gateway({"model_list": [model("e", up)]}))
    assert (got.status, got.error["message"], got.error["code"]) == (400, "too many inputs", "too_many")
