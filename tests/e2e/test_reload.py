# SPDX-License-Identifier: MIT
"""Settings and policies change while calls run: nothing is dropped, nothing is cut, a broken file changes nothing."""
import contextlib
import json
import os
import signal
import threading
import time

import pytest

from calls import check_memory, check_whole, counts
from harness import in_turn, model, openai, patience, stream, until, wait, wait_for

IN_PLACE = "new settings and policies are in place"
UNCHANGED = "nothing has changed"


def answering(text, extra=""):
    """A policy that answers each call with this text."""
    return ('local P = mw.policy { name = "mine", api = 1, kind = "rewrite", summary = "For a test." }\n'
            'function P.admit(req) %s return mw.answer { text = "%s" } end\nreturn P\n' % (extra, text))


def marking(text):
    """A policy that puts a header on every answer and lets the call go on."""
    return ('local P = mw.policy { name = "mine", api = 1, kind = "rewrite", summary = "For a test." }\n'
            'function P.rewrite(req) req:set_header("x-version", "%s") end\nreturn P\n' % text)


def reloaded(gw, action, times=1):
    """Does something that makes the gateway read again, and waits until that has happened."""
    before = gw.log.count(IN_PLACE)
    action()
    until(lambda: gw.log.count(IN_PLACE) >= before + times, 5, "a reload:\n" + gw.log)


def refused(gw, action):
    """The same for a change that it must not take."""
    before = gw.log.count(UNCHANGED)
    action()
    until(lambda: gw.log.count(UNCHANGED) > before, 5, "a refusal:\n" + gw.log)
    return gw.log[gw.log.rindex(UNCHANGED):]


@contextlib.contextmanager
def looping(function, n):
    """Runs function() over and over on n threads; gives the list that its results go to."""
    results, over, faults = [], threading.Event(), []

    def loop():
        try:
            while not over.is_set():
                results.append(function())
        except BaseException as e:
            faults.append(e)
    threads = [threading.Thread(target=loop) for _ in range(n)]
    for thread in threads:
        thread.start()
    try:
        yield results
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not faults, faults


def settings(*rows, **blocks):
    return {"model_list": list(rows), **blocks}


def test_a_changed_policy_is_noticed_by_itself(gateway, upstream):
    gw = gateway(settings(model("m", upstream(openai.chat())), policies=[{"path": "mine.lua"}]),
                 files={"mine.lua": answering("one")})
    assert gw.chat().content == "one"
    reloaded(gw, lambda: gw.write("mine.lua", answering("two")))
    assert {gw.chat().content for _ in range(10)} == {"two"}
    counts(gw, "moonweir_reloads_total", 1)


def test_a_change_under_load_fails_no_call(gateway, upstream):
    up = upstream(openai.chat_or_stream("a", "b", "c", pace=5))
    gw = gateway(settings(model("m", up), policies=[{"path": "mine.lua"}]), files={"mine.lua": marking("0")})

    def whole():
        answer = gw.chat()
        assert (answer.status, answer.content) == (200, "abc")
        return int(answer.headers["x-version"])

    def streamed():
        with gw.stream() as wire:
            check_whole(list(wire.events(wire.answer)), "abc")
            return int(wire.answer.headers["x-version"])

    with looping(whole, 3) as seen, looping(streamed, 3) as seen_in_streams:
        for version in range(1, 5):
            gw.write("mine.lua", marking(str(version)))
            reloaded(gw, gw.reload)
            for results in (seen, seen_in_streams):
                done = len(results)
                until(lambda: version in results[done:])
    assert sorted(set(seen)) == sorted(set(seen_in_streams)) == [0, 1, 2, 3, 4]
    until(lambda: gw.metric("moonweir_in_flight") == 0)
    counts(gw, "moonweir_calls_total", len(seen) + len(seen_in_streams), status="200")
    counts(gw, "moonweir_calls_total", len(seen) + len(seen_in_streams))


def test_an_open_stream_goes_on_over_reloads_and_keeps_its_version(gateway, upstream):
    go = threading.Event()
    up = upstream(lambda request: stream(openai.events("a", "b")[:2], wait_for(go), openai.events("a", "b")[2:])
                  if request.json.get("stream") else openai.chat("hello"))
    finish = ('local P = mw.policy { name = "mine", api = 1, kind = "observe", summary = "For a test." }\n'
              'function P.complete(req, sum) mw.log.info("ended", { under = "%s" }) end\nreturn P\n')
    gw = gateway(settings(model("m", up), policies=[{"path": "mine.lua"}]), files={"mine.lua": finish % "old"})
    with gw.stream() as wire:
        events = wire.events(wire.answer)
        first = [next(events), next(events)]
        for n in range(3):
            gw.write("mine.lua", finish % ("new%d" % n))
            reloaded(gw, gw.reload)
        assert gw.chat().status == 200
        gw.wait_log("ended.*under=new2")
        go.set()
        check_whole(first + list(events), "ab")
    gw.wait_log("ended.*under=old")


@pytest.mark.parametrize("broken, said", [
    ("return {", r"mine\.lua:\d"),
    ("local P = mw.policy { name = 'mine', api = 1, kind = 'rewrite', summary = '' }\nfunction P.admitt() end\nreturn P",
     r"mine\.lua:2: .*admitt"),
    ("local P = mw.policy { name = 'mine', api = 1, kind = 'rewrite', summary = '' }\nfunction P.init() error('no') end\n"
     "return P", r"mine\.lua:2: .*no"),
    ("", r"mine\.lua"),
], ids=["syntax", "hook", "init", "empty"])
def test_a_broken_policy_changes_nothing(gateway, upstream, broken, said):
    gw = gateway(settings(model("m", upstream(openai.chat())), policies=[{"path": "mine.lua"}]),
                 files={"mine.lua": answering("one")})
    gw.write("mine.lua", broken)
    told = refused(gw, gw.reload)
    gw.wait_log(said)
    assert "mine.lua" in told
    assert gw.chat().content == "one"
    counts(gw, "moonweir_reload_errors_total", 1)
    gw.write("mine.lua", answering("mended"))
    reloaded(gw, gw.reload)
    assert gw.chat().content == "mended"


def test_a_broken_file_is_complained_about_once(gateway, upstream):
    """The watcher does not repeat itself while nothing changes."""
    gw = gateway(settings(model("m", upstream(openai.chat())), policies=[{"path": "mine.lua"}]),
                 files={"mine.lua": answering("one"), "other.lua": ""})
    refused(gw, lambda: gw.write("mine.lua", "return {"))
    reloaded(gw, lambda: gw.write("mine.lua", answering("two")))
    assert gw.log.count(UNCHANGED) == 1


def test_a_new_policy_that_was_refused_is_taken_once_it_is_mended(gateway, upstream):
    """The settings name a policy that is broken; then only the policy's own file changes."""
    up = upstream(openai.chat("plain"))
    gw = gateway(settings(model("m", up)), files={"new.lua": "return {"})
    refused(gw, lambda: gw.write("config.yaml", json.dumps(settings(model("m", up), policies=[{"path": "new.lua"}]))))
    assert gw.chat().content == "plain"
    reloaded(gw, lambda: gw.write("new.lua", answering("mended")))
    assert gw.chat().content == "mended"


@pytest.mark.parametrize("path", ["new.lua", "new"], ids=["file", "folder"])
def test_a_policy_that_comes_after_the_settings_that_name_it_is_taken(gateway, upstream, path):
    up = upstream(openai.chat("plain"))
    gw = gateway(settings(model("m", up)))
    refused(gw, lambda: gw.write("config.yaml", json.dumps(settings(model("m", up), policies=[{"path": path}]))))
    reloaded(gw, lambda: gw.write(path if path.endswith(".lua") else path + "/policy.lua", answering("there")))
    assert gw.chat().content == "there"


def test_a_folder_that_is_swapped_as_kubernetes_does_it_is_noticed(gateway, upstream):
    gw = gateway(settings(model("m", upstream(openai.chat())), policies=[{"path": "mounted"}]),
                 files={"mounted/..one/policy.lua": answering("one"), "mounted/..two/policy.lua": answering("two"),
                        "mounted/policy.lua": answering("none")})
    link = lambda to, name: os.symlink(to, os.path.join(gw.folder, "mounted", name))

    def mount():
        link("..one", "..data")
        link("..data/policy.lua", "new")
        os.replace(os.path.join(gw.folder, "mounted/new"), os.path.join(gw.folder, "mounted/policy.lua"))

    def swap():
        link("..two", "..data_tmp")
        os.replace(os.path.join(gw.folder, "mounted/..data_tmp"), os.path.join(gw.folder, "mounted/..data"))
    reloaded(gw, mount)
    assert gw.chat().content == "one"
    reloaded(gw, swap)
    assert gw.chat().content == "two"


def test_settings_with_another_set_of_files_are_read_once(gateway, upstream):
    up = upstream(openai.chat())
    gw = gateway(settings(model("m", up)), files={"mine.lua": answering("one")})
    reloaded(gw, lambda: gw.write("config.yaml", json.dumps(settings(model("m", up), policies=[{"path": "mine.lua"}]))))
    time.sleep(1.2)                                       # two more looks of the watcher
    counts(gw, "moonweir_reloads_total", 1)
    reloaded(gw, lambda: gw.write("mine.lua", answering("two")))
    assert gw.chat().content == "two"


def test_a_new_ceiling_for_bodies_is_taken(gateway, upstream):
    rows = [model("m", upstream(openai.chat()))]
    gw = gateway(settings(*rows, general_settings={"max_request_size_mb": 1}), args=["--workers", "1"])
    for mib, status in ((4, 200), (1, 413)):
        gw.write("config.yaml", json.dumps(settings(*rows, general_settings={"max_request_size_mb": mib})))
        reloaded(gw, gw.reload)
        for _ in range(3):
            assert gw.chat("a" * 2000000).status == status


def test_a_policy_that_vanishes_changes_nothing(gateway, upstream):
    gw = gateway(settings(model("m", upstream(openai.chat())), policies=[{"path": "mine.lua"}]),
                 files={"mine.lua": answering("one")})
    os.remove(os.path.join(gw.folder, "mine.lua"))
    assert "mine.lua" in refused(gw, gw.reload)
    assert gw.chat().content == "one"


def test_new_settings_are_taken_on_a_signal(gateway, upstream):
    old, new = upstream(openai.chat("old")), upstream(openai.chat("new"))
    gw = gateway(settings(model("m", old)))
    assert gw.chat(model="second").status == 404
    gw.write("config.yaml", json.dumps(settings(model("m", new), model("second", new))))
    reloaded(gw, gw.reload)
    assert gw.chat().content == "new"
    assert gw.chat(model="second").content == "new"
    assert sorted(row["id"] for row in gw.get("/v1/models").json["data"]) == ["m", "second"]


def test_changed_settings_are_noticed_by_themselves(gateway, upstream):
    gw = gateway(settings(model("m", upstream(openai.chat("old")))))
    new = upstream(openai.chat("new"))
    reloaded(gw, lambda: gw.write("config.yaml", json.dumps(settings(model("m", new)))))
    assert gw.chat().content == "new"


def test_a_model_that_goes_finishes_its_calls(gateway, upstream):
    go = threading.Event()
    up = upstream([wait_for(go), openai.chat("late but whole")])
    gw = gateway(settings(model("m", up), model("other", up)))
    with gw.connect() as wire:
        wire.request("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]})
        up.wait_requests(1)
        gw.write("config.yaml", json.dumps(settings(model("other", up))))
        reloaded(gw, gw.reload)
        assert gw.chat().status == 404
        go.set()
        assert wire.response().content == "late but whole"


def test_a_call_between_its_attempts_keeps_its_version(gateway, upstream):
    """Its retry happens after the reload, still by the settings that it started with."""
    up = upstream(in_turn([wait(50), openai.error(500, headers={"retry-after": "0.6"})], openai.chat("kept")))
    gw = gateway(settings(model("m", up), router_settings={"num_retries": 1}))
    with gw.connect() as wire:
        wire.request("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]})
        up.wait_requests(1)
        gw.write("config.yaml", json.dumps(settings(model("other", up), router_settings={"num_retries": 0})))
        reloaded(gw, gw.reload)
        assert wire.response().content == "kept"


@pytest.mark.parametrize("broken, said", [
    ("model_list: [", r"config\.yaml:\d"),
    ("model_list:\n  - model_name: m\n    litellm_params:\n      model: openai/x\n      rpm: many\n", r"config\.yaml:5: .*rpm"),
    ("model_list:\n  - model_name: m\n    litellm_params: {model: nobody-knows/x}\n", r"config\.yaml:[123]: .*nobody-knows"),
    ("policies:\n  - path: gone.lua\n", r"gone\.lua"),
], ids=["yaml", "value", "provider", "policy"])
def test_broken_settings_change_nothing(gateway, upstream, broken, said):
    gw = gateway(settings(model("m", upstream(openai.chat("still here")))))
    gw.write("config.yaml", broken)
    refused(gw, gw.reload)
    gw.wait_log(said)
    assert gw.chat().content == "still here"


def test_a_new_key_counts_from_the_next_call(gateway, upstream):
    rows = model("m", upstream(openai.chat()))
    gw = gateway(settings(rows, general_settings={"master_key": "sk-old"}))
    assert gw.chat(key="sk-old").status == 200
    gw.write("config.yaml", json.dumps(settings(rows, general_settings={"master_key": "sk-new"})))
    reloaded(gw, gw.reload)
    assert gw.chat(key="sk-old").status == 401
    assert gw.chat(key="sk-new").status == 200


def test_numbers_and_cooldowns_survive_a_reload(gateway, upstream):
    up = upstream(openai.error(500))
    gw = gateway(settings(model("m", up), router_settings={"num_retries": 0, "allowed_fails": 0, "cooldown_time": 60}))
    assert [gw.chat().status for _ in range(2)] == [500, 429]
    reloaded(gw, gw.reload)
    assert gw.chat().status == 429
    counts(gw, "moonweir_calls_total", 3)
    assert len(up.requests) == 1


def test_reloads_under_way_together_are_all_heard(gateway, upstream):
    """Signals that come faster than they can be served end in one more reload, with the last of the settings."""
    gw = gateway(settings(model("m", upstream(openai.chat("old"))), policies=[{"path": "mine.lua"}]),
                 files={"mine.lua": answering("0")})
    for n in range(1, 30):
        gw.write("mine.lua", answering(str(n)))
        gw.process.send_signal(signal.SIGHUP)
    until(lambda: {gw.chat().content for _ in range(4)} == {"29"})


def test_fifty_reloads_leave_memory_flat(gateway, upstream):
    up = upstream(openai.chat_or_stream("a", "b"))
    gw = gateway(settings(*[model("m%d" % i, up) for i in range(50)], policies=[{"path": "mine.lua"}]),
                 files={"mine.lua": marking("0")})

    def some(n, size):
        for i in range(n):
            gw.write("mine.lua", marking(str(i) * size))
            reloaded(gw, gw.reload)
            assert gw.chat(model="m7").status == 200
    some(15, 1)
    before = gw.resident_kib()
    some(50, 1)
    check_memory(gw, before, 3)
