# SPDX-License-Identifier: MIT
"""Our own fixtures: a file per feature and provider dialect, each a list of cases.

    about         what the case shows
    target        litellm_params.model; `params`: more litellm_params; `opts`: drop_params and the like
    client        what the client sends, and `upstream`: exactly what goes to the provider, or `fault`: what is answered
    reply         what the provider answers (with `status`), and `answer`: what the client gets; members that are not
                  named may be there
    stream        the data of the provider's events, and `chunks`: the choices of each chunk that the client gets, in
                  the short form of `short` below; `usage` and `fault` as they are

To add a case: write it down without what comes out, run with FIXTURES=show, check every word of what is shown.
"""
import glob
import json
import os

import expect
import pytest
import recorded

HERE = os.path.dirname(os.path.abspath(__file__))


def load():
    for path in sorted(glob.glob(os.path.join(HERE, "*", "*.json"))):
        with open(path) as f:
            for case in json.load(f):
                yield os.path.relpath(path, HERE)[:-len(".json")] + ": " + case["about"], case


CASES = list(load())


def job(case):
    made = {"target": case["target"], "params": case.get("params", {}), "opts": dict(case.get("opts", {}))}
    if "client" in case:
        return dict(made, do="request", body=case["client"])
    if "stream" in case:
        text = "".join("data: %s\n\n" % (e if isinstance(e, str) else json.dumps(e)) for e in case["stream"])
        made["opts"].setdefault("include_usage", True)
        return dict(made, do="stream", status=case.get("status", 200), body=text)
    body = case["reply"]
    return dict(made, do="reply", status=case.get("status", 200), body=body if isinstance(body, str) else json.dumps(body))


@pytest.fixture(scope="module")
def answers():
    return dict(zip([name for name, _ in CASES], recorded.translate([job(case) for _, case in CASES])))


def short(text):
    """[index, delta, finish reason] of every choice of every chunk; other members of a choice follow."""
    chunks = []
    for _, data in expect.sse(text):
        if data == "[DONE]":
            chunks.append(data)
            continue
        for choice in json.loads(data)["choices"]:
            rest = {k: v for k, v in choice.items() if k not in ("index", "delta", "finish_reason")}
            chunks.append([choice["index"], choice["delta"], choice["finish_reason"]] + ([rest] if rest else []))
    return chunks


def includes(got, want, path=""):
    """Is everything that is wanted there? "*" stands for any text."""
    if want == "*":
        assert isinstance(got, str) and got, path
    elif isinstance(want, dict):
        assert isinstance(got, dict), path
        for name, value in want.items():
            assert name in got or value is None, "%s.%s is missing in %s" % (path, name, got)
            includes(got.get(name), value, path + "." + name)
    elif isinstance(want, list):
        assert isinstance(got, list) and len(got) == len(want), "%s: %s" % (path, got)
        for i, value in enumerate(want):
            includes(got[i], value, "%s[%d]" % (path, i))
    else:
        assert got == want, path


def shown(case, answer):
    result = {k: v for k, v in answer.items() if k in ("out", "fault", "raised", "usage")}
    if "text" in answer:
        result["chunks"] = short(answer["text"])
    return "\n%s\n%s" % (case["about"], json.dumps(result, indent=1, ensure_ascii=False))


@pytest.mark.parametrize("name,case", CASES, ids=[name for name, _ in CASES])
def test_fixture(name, case, answers):
    answer = answers[name]
    if os.environ.get("FIXTURES") == "show":
        print(shown(case, answer))
    assert "raised" not in answer, answer
    if "fault" in case:
        assert "fault" in answer, answer
        includes(answer["fault"], {k: v for k, v in case["fault"].items() if k != "says"})
        for words in case["fault"].get("says", []):
            assert words in answer["fault"]["message"]
        return
    assert "fault" not in answer, answer
    if "client" in case:
        assert answer["out"] == case["upstream"]
    elif "stream" in case:
        assert answer["whole"] == case.get("whole", True)
        includes(short(answer["text"]), case["chunks"] + (["[DONE]"] if answer["whole"] else []))
    else:
        includes(answer["out"], case["answer"])
    if "usage" in case:
        includes(answer["usage"], case["usage"])
