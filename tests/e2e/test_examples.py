# SPDX-License-Identifier: MIT
"""Every folder of examples/ starts, passes --check, and answers its request as its README says."""
import json
import os
import re
from collections import Counter

import pytest

from calls import counts
from harness import run, until
from harness.gateway import ROOT

EXAMPLES = os.path.join(ROOT, "examples")
NAMES = sorted(name for name in os.listdir(EXAMPLES) if os.path.isdir(os.path.join(EXAMPLES, name)))


def read(name, file):
    with open(os.path.join(EXAMPLES, name, file)) as f:
        return f.read()


def start(gateway, name):
    return gateway(args=["--config", os.path.join(EXAMPLES, name, "config.yaml")])


def copy(gateway, name):
    """The example in a folder of its own, where the test may change its files."""
    files = {file: read(name, file) for file in os.listdir(os.path.join(EXAMPLES, name)) if file.endswith(".lua")}
    return gateway(read(name, "config.yaml"), files=files)


def ask(gw, name, **members):
    """The example's request, answered without the pauses of a real model."""
    quick = {"demo": {"first_token_ms": 0, "token_ms": 0}}
    return gw.post("/v1/chat/completions", {**json.loads(read(name, "request.json")), **quick, **members})


def test_there_are_examples():
    assert len(NAMES) >= 4
    listed = re.findall(r"^\| `([\w-]+)` \|", read("", "README.md"), re.M)
    assert sorted(listed) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_complete_and_answers(gateway, name):
    assert {"README.md", "config.yaml", "request.json"} <= set(os.listdir(os.path.join(EXAMPLES, name)))
    code, out, err = run("--check", "--config", os.path.join(EXAMPLES, name, "config.yaml"))
    assert code == 0 and "good" in out and "unknown key" not in err, out + err
    answer = ask(start(gateway, name), name)
    assert answer.status == 200, answer


def test_01_answers_word_by_word_or_whole(gateway):
    gw = start(gateway, "01-hello")
    request = json.loads(read("01-hello", "request.json"))
    with gw.connect() as wire:
        wire.request("POST", "/v1/chat/completions", request)
        events = list(wire.events())
    texts = [e.text for e in events if e.text]
    assert "".join(texts) == "Good evening" and len(texts) > 1 and events[-1].data == "[DONE]"
    answer = ask(gw, "01-hello", stream=False)
    assert answer.content == "Good evening"
    assert answer.headers["x-litellm-model-group"] == "hello"


def test_02_falls_back(gateway):
    gw = start(gateway, "02-fallback")
    answer = ask(gw, "02-fallback")
    assert (answer.status, answer.content) == (200, "Still there?")
    assert answer.headers["x-litellm-attempted-retries"] == "2"
    assert answer.headers["x-litellm-attempted-fallbacks"] == "1"
    counts(gw, "moonweir_attempt_errors_total", 2)
    assert "2" in re.search(r"attempted-retries: (\d)", read("02-fallback", "README.md")).group(1)


def test_03_routes_by_length_and_is_changed_while_it_runs(gateway):
    gw = copy(gateway, "03-own-policy")
    long = [{"role": "user", "content": "long " * 100}]
    assert ask(gw, "03-own-policy").headers["x-litellm-model-id"] == "small"
    assert ask(gw, "03-own-policy", messages=long).headers["x-litellm-model-id"] == "large"
    gw.write("config.yaml", read("03-own-policy", "config.yaml").replace("long: 200", "long: 2000"))
    until(lambda: ask(gw, "03-own-policy", messages=long).headers["x-litellm-model-id"] == "small")
    gw.write("by-length.lua", read("03-own-policy", "by-length.lua").replace("\nend", "\n", 1))
    gw.wait_log(r"by-length\.lua:\d+: ")
    assert ask(gw, "03-own-policy").status == 200


def test_04_shares_three_to_one_and_refuses(gateway):
    gw = start(gateway, "04-weights")
    shares = Counter(ask(gw, "04-weights").headers["x-litellm-model-id"] for _ in range(100))
    assert set(shares) == {"three", "one"} and 50 <= shares["three"] <= 97, shares
    answer = ask(gw, "04-weights", messages=[{"role": "user", "content": "More Synergy, please"}])
    assert (answer.status, answer.error["code"]) == (403, "office_words")
    assert "synergy" in answer.error["message"]


def test_the_settings_and_the_policy_of_the_readme_are_good(tmp_path):
    with open(os.path.join(ROOT, "README.md")) as f:
        blocks = dict(re.findall(r"^```(yaml|lua)\n(.*?)^```$", f.read(), re.M | re.S))
    policy = re.search(r"^  - path: (\S+)$", blocks["yaml"], re.M).group(1)
    os.makedirs(os.path.dirname(tmp_path / policy))
    (tmp_path / policy).write_text(blocks["lua"])
    (tmp_path / "config.yaml").write_text(blocks["yaml"])
    keys = {name: "sk-x" for name in re.findall(r"os\.environ/(\w+)", blocks["yaml"])}
    code, out, err = run("--check", "--config", str(tmp_path / "config.yaml"), env=keys)
    assert code == 0 and "good" in out and not err, out + err
