# SPDX-License-Identifier: MIT
"""What is not HTTP, or could be read in two ways, is refused and the connection closed, whatever comes behind it."""
import json
import re

import pytest

from harness import model, openai, until

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
# were this read as a request of its own, it would be answered with 200
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
LENGTH = b"content-length: %d\r\n" % len(BODY)


def with_headers(*lines, body=BODY):
    return POST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(coded):
    return with_headers(b"transfer-encoding: chunked", body=coded)


def get(line=b"GET /v1/models HTTP/1.1", *headers):
    return line + b"\r\n" + b"".join(h + b"\r\n" for h in (headers or (b"host: x",))) + b"\r\n"


WHOLE = b"%x\r\n%s\r\n" % (len(BODY), BODY)

CASES = {
    # two lengths
    "length and chunked": with_headers(LENGTH[:-2], b"transfer-encoding: chunked", body=b"0\r\n\r\n"),
    "chunked and length": with_headers(b"transfer-encoding: chunked", b"content-length: 3", body=b"0\r\n\r\n"),
    "two lengths": with_headers(LENGTH[:-2], b"content-length: 3"),
    "the same length twice": with_headers(LENGTH[:-2], LENGTH[:-2]),
    "a list of lengths": with_headers(b"content-length: %d, %d" % (len(BODY), len(BODY))),
    # what is no length
    "length +5": with_headers(b"content-length: +5"),
    "length -1": with_headers(b"content-length: -1"),
    "length 0x5": with_headers(b"content-length: 0x5"),
    "length 5.0": with_headers(b"content-length: 5.0"),
    "length empty": with_headers(b"content-length:"),
    "length words": with_headers(b"content-length: five"),
    "length 2^64+5": with_headers(b"content-length: 18446744073709551621"),
    "length 5 5": with_headers(b"content-length: 5 5"),
    # codings
    "coding gzip": with_headers(b"transfer-encoding: gzip, chunked", body=WHOLE + b"0\r\n\r\n"),
    "coding identity": with_headers(b"transfer-encoding: identity"),
    "coding chunked twice": with_headers(b"transfer-encoding: chunked, chunked", body=WHOLE + b"0\r\n\r\n"),
    "coding in two lines": with_headers(b"transfer-encoding: chunked", b"transfer-encoding: chunked"),
    "coding xchunked": with_headers(b"transfer-encoding: xchunked"),
    "coding chunked with a tail": with_headers(b"transfer-encoding: chunked;q=1"),
    "coding after a vertical tab": with_headers(b"transfer-encoding: \x0bchunked"),
    "coding in quotes": with_headers(b'transfer-encoding: "chunked"'),
    "coding empty": with_headers(b"transfer-encoding:"),
    "coding in HTTP/1.0": with_headers(b"transfer-encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0"),
    # chunks
    "chunk size 0x5": chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk size -1": chunked(b"-1\r\nhello\r\n0\r\n\r\n"),
    "chunk size +5": chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with a space before": chunked(b" 5\r\nhello\r\n0\r\n\r\n"),
    "chunk size empty": chunked(b"\r\nhello\r\n0\r\n\r\n"),
    "chunk size empty with extension": chunked(b";a\r\nhello\r\n0\r\n\r\n"),
    "chunk size beyond 64 bits": chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "chunk size of no digits": chunked(b"xyz\r\nhello\r\n0\r\n\r\n"),
    "chunk size, lone LF": chunked(b"5\nhello\r\n0\r\n\r\n"),
    "chunk extension, lone LF": chunked(b"5;a\nhello\r\n0\r\n\r\n"),
    "chunk size, lone CR": chunked(b"5\rhello\r\n0\r\n\r\n"),
    "chunk data, lone LF": chunked(b"5\r\nhello\n0\r\n\r\n"),
    "chunk data too long": chunked(b"5\r\nhello!\r\n0\r\n\r\n"),
    "chunk data too short": chunked(b"5\r\nhell\r\n0\r\n\r\n"),
    "last chunk, lone LF": chunked(WHOLE + b"0\n\r\n"),
    "end of trailers, lone LF": chunked(WHOLE + b"0\r\n\n"),
    "trailer without a colon": chunked(WHOLE + b"0\r\nnonsense\r\n\r\n"),
    "trailer with a lone LF": chunked(WHOLE + b"0\r\na: b\n\r\n"),
    # header lines
    "space before the colon": with_headers(b"content-length : %d" % len(BODY)),
    "tab before the colon": with_headers(b"transfer-encoding\t: chunked", body=WHOLE + b"0\r\n\r\n"),
    "a folded line": with_headers(b"x-a: b", b" folded", LENGTH[:-2]),
    "a folded first line": POST + b" host: y\r\n\r\n",
    "a line that begins with a space": b"GET /v1/models HTTP/1.1\r\n host: x\r\n\r\n",
    "no colon": with_headers(b"nonsense", LENGTH[:-2]),
    "no name": with_headers(b": value", LENGTH[:-2]),
    "a space in a name": with_headers(b"x a: b", LENGTH[:-2]),
    "brackets in a name": with_headers(b"x(a): b", LENGTH[:-2]),
    "umlauts in a name": with_headers("x-ä: b".encode(), LENGTH[:-2]),
    "NUL in a name": with_headers(b"x\0a: b", LENGTH[:-2]),
    "NUL in a value": with_headers(b"x-a: b\0c", LENGTH[:-2]),
    "lone CR in a value": with_headers(b"x-a: b\rc: d", LENGTH[:-2]),
    "lone CR ends a line": POST + b"x-a: b\r" + LENGTH + b"\r\n" + BODY,
    "no host": b"GET /v1/models HTTP/1.1\r\nx-a: b\r\n\r\n",
    "two hosts": get(b"GET /v1/models HTTP/1.1", b"host: x", b"host: y"),
    "two equal hosts": get(b"GET /v1/models HTTP/1.1", b"host: x", b"host: x"),
    "a host that is none": get(b"GET /v1/models HTTP/1.1", b"host: x y"),
    # the first line
    "no version": get(b"GET /v1/models"),
    "HTTP/0.9": b"GET /v1/models\r\n",
    "version in small letters": get(b"GET /v1/models http/1.1"),
    "version 1.10": get(b"GET /v1/models HTTP/1.10"),
    "version 11": get(b"GET /v1/models HTTP/11"),
    "version 1.": get(b"GET /v1/models HTTP/1."),
    "two spaces": get(b"GET  /v1/models HTTP/1.1"),
    "two spaces before the version": get(b"GET /v1/models  HTTP/1.1"),
    "a tab for a space": get(b"GET\t/v1/models\tHTTP/1.1"),
    "a space at the end": get(b"GET /v1/models HTTP/1.1 "),
    "a space at the start": get(b" GET /v1/models HTTP/1.1"),
    "a space in the path": get(b"GET /v1/ models HTTP/1.1"),
    "no path": get(b"GET HTTP/1.1"),
    "a path without a slash": get(b"GET v1/models HTTP/1.1"),
    "control characters in the path": get(b"GET /v1/\x01models HTTP/1.1"),
    "bytes above 127 in the path": get(b"GET /v1/\xff HTTP/1.1"),
    "a coded NUL in the path": get(b"GET /v1/%00 HTTP/1.1"),
    "half a percent sign in the path": get(b"GET /v1/%4 HTTP/1.1"),
    "a fragment in the path": get(b"GET /v1/models#top HTTP/1.1"),
    "brackets in the method": get(b"G(T /v1/models HTTP/1.1"),
    "no method": get(b" /v1/models HTTP/1.1"),
    "NUL first": b"\0" * 64 + b"\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100a5010000a10303") + b"\x2a" * 155 + b"\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "only colons": b"::::\r\n\r\n",
}
# HTTP/2 is not malformed, only not spoken here
VERSIONS = {"HTTP/2.0": get(b"GET /v1/models HTTP/2.0"), "HTTP/2 prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "HTTP/3.0": get(b"GET /v1/models HTTP/3.0")}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One gateway for all cases: none of them may harm the next."""
    from harness import Gateway, Upstream
    up = Upstream(openai.chat("hello"))
    gw = Gateway({"model_list": [model("m", up)]}, folder=str(tmp_path_factory.mktemp("gateway")))
    yield gw, up
    gw.stop()
    up.stop()


def first_answer(gw, data):
    """The one answer to these bytes; the connection must be closed behind it."""
    with gw.connect() as wire:
        wire.send(data)
        answer = wire.response()
        assert wire.ended(5), "not closed, or a second answer: %r" % wire.held
    return answer


@pytest.mark.parametrize("name", CASES)
def test_refused(server, name):
    gw, up = server
    before = len(up.requests)
    answer = first_answer(gw, CASES[name] + SMUGGLED)
    assert answer.status in ((400, 501) if name.startswith("coding") else (400,)), answer
    assert answer.headers["connection"] == "close"
    assert answer.error["message"]
    assert len(up.requests) == before


@pytest.mark.parametrize("name", VERSIONS)
def test_another_version_is_505(server, name):
    gw, _ = server
    assert first_answer(gw, VERSIONS[name] + SMUGGLED).status == 505


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.99])
def test_a_client_that_stops_in_the_middle_is_forgotten(server, cut):
    gw, up = server
    whole = with_headers(LENGTH[:-2])
    before = len(up.requests)
    with gw.connect() as wire:
        wire.send(whole[:int(len(whole) * cut)])
        wire.half_close()
        until(lambda: not wire.more(), 5, "the connection ends")
        assert not wire.held or wire.held.startswith(b"HTTP/1.1 400 "), wire.held
    assert len(up.requests) == before


def test_lines_before_a_request_are_skipped(server):
    """RFC 9112 2.2: some old clients send one CRLF too many after a body."""
    gw, _ = server
    with gw.connect() as wire:
        wire.send(b"\r\n" + SMUGGLED)
        assert wire.response().status == 200


def test_it_still_answers_after_all_that(server):
    gw, _ = server
    assert gw.chat().content == "hello"


@pytest.mark.parametrize("data, status, line", [
    (bytes.fromhex("1603010005") + b"\r\n\r\n", 400, "method=- path=- status=400 error=BAD_REQUEST"),
    (get(b"GET /v1/models HTTP/2.0"), 505, "method=GET path=- status=505 error=HTTP_VERSION"),
    (with_headers(b"x a: b", LENGTH[:-2]), 400, "method=POST path=/v1/chat/completions status=400 error=BAD_REQUEST"),
    (with_headers(b"content-length: 999999999"), 413, "path=/v1/chat/completions status=413 error=BODY_TOO_LARGE"),
    (chunked(b"5\nhello"), 400, "model=- target=- status=400 .* error=BAD_REQUEST"),
], ids=["TLS", "HTTP/2", "a bad line", "too large", "a bad chunk"])
def test_a_refusal_has_a_line_with_the_status_that_was_sent(server, data, status, line):
    gw, _ = server
    left = gw.metric("moonweir_calls_total", status="499")
    seen = len(gw.log)
    assert first_answer(gw, data).status == status
    until(lambda: re.search(line, gw.log[seen:]), 5, gw.log[seen:])
    assert gw.metric("moonweir_calls_total", status="499") == left
