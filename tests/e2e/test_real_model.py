# SPDX-License-Identifier: MIT
"""A real small language model behind the gateway: real tokens, real streams, real usage."""
import json
import os
import re
import subprocess
import time

import pytest

from harness import Wire, patience, until
from harness.gateway import BINARY, ROOT

PYTHON = os.path.join(ROOT, "build", "venv", "bin", "python")
pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("real model"),                # its server is started once
    pytest.mark.skipif(not os.path.exists(os.path.join(ROOT, "build", "venv", "llm")),
                       reason="the small model is not installed: make build/venv/llm"),
]


class Model:
    """The model's server; it ends when its standard input does."""

    def __init__(self, log):
        self.log_path = log
        with open(log, "wb") as f:
            self.process = subprocess.Popen([PYTHON, os.path.join(ROOT, "tests", "support", "llm_server.py")],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=f)
        self.base = self.process.stdout.readline().decode().strip() + "/v1"

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    server = Model(str(tmp_path_factory.mktemp("llm") / "log"))
    assert server.base.startswith("http://"), server.log()
    yield server
    server.stop()


@pytest.fixture
def gw(gateway, llm):
    return gateway({"model_list": [{"model_name": "m", "litellm_params": {
        "model": "openai/smollm2", "api_base": llm.base, "api_key": "sk-smollm2"}}]})


def test_make_run_llm_chats_and_takes_its_server_with_it(request):
    """Also where http calls go by way of a proxy, as they do on many a newcomer's machine."""
    command = [PYTHON, os.path.join(ROOT, "tests", "support", "run_llm.py"), BINARY, "--port", "0"]
    gone = {**os.environ, "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    process = subprocess.Popen(command, cwd=ROOT, env=gone, stdout=subprocess.PIPE, text=True)
    request.addfinalizer(process.kill)
    said = ""
    while "Hello, moon!" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    server, gateway = (int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)[;\n]", said)[:2])
    with Wire(gateway) as wire:
        wire.request("POST", "/v1/chat/completions", {
            "model": "smollm2", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello, moon!"}]})
        assert wire.response().content
    process.terminate()
    assert process.wait(patience(5)) == 0
    until(lambda: refuses(server), 5, "the model's server ends with the gateway")


def refuses(port):
    try:
        Wire(port).close()
    except OSError:
        return True
    return False


def test_it_chats(gw):
    answer = gw.chat("Count from one to five.", max_tokens=24, temperature=0)
    assert answer.status == 200
    assert "5" in answer.content                          # it is a very small model
    usage = answer.json["usage"]
    assert usage["prompt_tokens"] > 5 and 0 < usage["completion_tokens"] <= 24
    assert answer.json["model"] == "m"


def test_the_same_question_gets_the_same_answer(gw):
    def ask():
        return gw.chat("Count to five.", max_tokens=16, temperature=0).content
    assert ask() == ask()


def test_it_streams_with_usage(gw):
    whole = gw.chat("Count to five.", max_tokens=16, temperature=0)
    events = gw.stream_events("Count to five.", max_tokens=16, temperature=0, stream_options={"include_usage": True})
    assert events[-1].data == "[DONE]"
    chunks = [e.json for e in events[:-1]]
    assert "".join(e.text for e in events) == whole.content
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"] == whole.json["usage"]
    assert all("finish_reason" in c["choices"][0] for c in chunks[:-1])
    assert events[-1].at - events[0].at > 0.02            # it came as it was made, not at the end


def test_a_schema_is_kept_to(gw):
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
              "required": ["name", "age"], "additionalProperties": False}
    answer = gw.chat("Invent a person.", max_tokens=60, temperature=0, response_format={
        "type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}})
    person = json.loads(answer.content)
    assert set(person) == {"name", "age"} and isinstance(person["age"], int)


def test_its_own_errors_come_through(gw):
    answer = gw.chat("word " * 5000, max_tokens=1)
    assert answer.status == 400
    assert "context" in answer.error["message"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_leaves_stops_the_model(gw, llm, streamed):
    cancelled = llm.log().count("cancel task")
    with gw.connect() as wire:
        wire.request("POST", "/v1/chat/completions", {
            "model": "m", "stream": streamed, "max_tokens": 1500,
            "messages": [{"role": "user", "content": "Tell a very long story about the sea."}]})
        if streamed:
            next(wire.events())
        else:
            until(lambda: gw.metric("moonweir_in_flight") == 1)
            time.sleep(0.2)                               # the model is at work; leaving earlier would prove less
        wire.reset()
    until(lambda: llm.log().count("cancel task") > cancelled, patience(3), "the model's server cancels the task")
