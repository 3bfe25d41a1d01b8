# SPDX-License-Identifier: MIT
"""What the tests of a call's walk share: targets with ids, who answered, and what a whole or a broken stream is."""
import threading
from collections import Counter

import pytest

from harness import model, until
from harness.waiting import SLOWNESS


def target(ident, up, name="m", provider_model="openai/up-model", **params):
    """An entry of model_list whose answers are known by their x-litellm-model-id."""
    return {**model(name, up, provider_model, **params), "model_info": {"id": ident}}


def answered_by(gw, calls, **chat):
    """Who answers so many calls: {target id: how often}."""
    return Counter(gw.chat(**chat).headers["x-litellm-model-id"] for _ in range(calls))


def counts(gw, name, value, **labels):
    """Waits until a metric has this value: a call is counted when its answer has been handed over."""
    until(lambda: gw.metric(name, **labels) == pytest.approx(value, rel=1e-6), 5,
          "%s%r is %r (it is %r)" % (name, labels, value, gw.metric(name, **labels)))


def check_memory(gw, before, mib):
    """The gateway's resident memory has grown by no more than this. A sanitized binary keeps what is freed: its memory
    says nothing."""
    grown = gw.resident_kib() - before
    assert grown <= mib << 10 or SLOWNESS > 1, "%d KiB more" % grown


def stands_still(seen, value, looks=150):
    """Has a value been the same at the last so many looks (of `until`, one each 2 ms)?"""
    seen.append(value)
    return len(seen) > looks and len(set(seen[-looks:])) == 1


def seconds_between(requests):
    """The time between the first two requests that an upstream got."""
    return requests[1].at - requests[0].at


def together(function, n):
    """Runs function(i) for i in 0..n-1, each on a thread of its own; their results in order."""
    results, faults = [None] * n, []

    def one(i):
        try:
            results[i] = function(i)
        except BaseException as e:                        # shown by the test, not by the thread
            faults.append(e)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return results


# -------------------------------------------------------------------------------------------------------- streams

def chunks(events):
    """The JSON of all events but [DONE]."""
    return [e.json for e in events if e.data != "[DONE]"]


def text_of(events):
    return "".join(e.text for e in events)


def finishes(events):
    """The finish reasons of a stream, as they came."""
    return [c["finish_reason"] for e in chunks(events) for c in e.get("choices", []) if c.get("finish_reason")]


def check_whole(events, text="hello", finish="stop"):
    """A stream that is whole: this text, one finish reason, no error, [DONE] at the end and nowhere else."""
    assert [e.data for e in events].index("[DONE]") == len(events) - 1, events[-3:]
    assert not [c for c in chunks(events) if "error" in c]
    assert text_of(events) == text
    assert finishes(events) == [finish]


def check_broken(events, text):
    """A stream that failed in the middle: what had come, then one error event, no finish, no [DONE]. The error."""
    assert "[DONE]" not in [e.data for e in events]
    *before, last = chunks(events)
    assert not [c for c in before if "error" in c]
    assert text_of(events[:-1]) == text
    assert not finishes(events[:-1])
    error = last["error"]
    assert set(last) == {"error"} and {"message", "type", "param", "code"} <= set(error), last
    assert error["message"] and isinstance(error["code"], str), error
    return error


def alone(gateway, up, retries=1, provider_model="openai/up-model", **settings):
    """One model `m` with one target."""
    return gateway({"model_list": [model("m", up, provider_model)],
                    "router_settings": {"num_retries": retries, **settings}})


def policy(hooks, kind="rewrite", name="mine", params=""):
    """The text of a policy; its hooks begin in line 2."""
    manifest = '{ name = "%s", api = 1, kind = "%s", summary = "For a test.", params = { %s } }' % (name, kind, params)
    return "local P = mw.policy %s\n%s\nreturn P\n" % (manifest, hooks.strip("\n"))


def call(text, **members):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **members}


def one(gateway, up, env=None, **settings):
    """One model with one target, tried once, by one worker: connections can be counted."""
    return gateway({"model_list": [target("a", up)],
                    "router_settings": {"num_retries": 0, "disable_cooldowns": True, **settings}},
                   args=["--workers", "1"], env=env)
