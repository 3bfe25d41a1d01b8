# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests: `gateway`, `upstream`, `certificate`. A failed test shows the gateway's log."""
import re
import shutil
import subprocess

import pytest

from calls import policy
from harness import Gateway, Nobody, Upstream, model, openai

started = pytest.StashKey()


def pytest_make_parametrize_id(val):
    """A test's name stays readable whatever it is given: the first words of long or wild text."""
    if isinstance(val, (str, bytes)) and (len(val) > 40 or not str(val).isprintable()):
        words = re.sub(r"[^\w.,:/+-]+", " ", val if isinstance(val, str) else val.decode("latin-1"))
        return words.strip()[:40] or "%d bytes" % len(val)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for gw in item.stash.get(started, []):
            report.sections.append(("moonweir (pid %d)" % gw.pid, gw.stdout + gw.log[-20000:]))


@pytest.fixture
def gateway(request, tmp_path):
    """gateway(config, args=…, files=…, env=…) starts the binary; each is stopped at the end and must leave well."""
    mine = request.node.stash.setdefault(started, [])

    def start(config=None, **options):
        folder = tmp_path / ("gateway%d" % len(mine))
        folder.mkdir()
        mine.append(Gateway(config, folder=str(folder), **options))
        return mine[-1]
    yield start
    faults = []
    for gw in mine:
        try:
            gw.stop()
        except AssertionError as e:
            faults.append(str(e))
    assert not faults, "\n".join(faults)


@pytest.fixture
def upstream():
    """upstream(reply or function) starts a scripted provider."""
    mine = []

    def start(handler, kind=Upstream, **options):
        mine.append(kind(handler, **options))
        return mine[-1]
    yield start
    for up in mine:
        up.stop()


@pytest.fixture
def nobody():
    """A port at which connections are refused."""
    return Nobody()


@pytest.fixture(scope="session")
def certified(tmp_path_factory):
    """certified(whom, expired) makes (certificate, key): files for a TLS upstream, signed by nobody but itself."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl program to make a certificate with")

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def make(whom="IP:127.0.0.1", expired=False):
        folder = tmp_path_factory.mktemp("tls")
        files = str(folder / "cert.pem"), str(folder / "key.pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=moonweir test", "-addext", "subjectAltName=" + whom, "-out", files[0], "-keyout", files[1])
        if expired:
            openssl("x509", "-in", files[0], "-signkey", files[1], "-days", "-1", "-out", files[0])
        return files
    return make


@pytest.fixture(scope="session")
def certificate(certified):
    """(certificate, key) for 127.0.0.1."""
    return certified()


@pytest.fixture
def good(upstream):
    """A provider that answers "hello", whole or streamed."""
    return upstream(openai.chat_or_stream())


@pytest.fixture
def ruled(gateway, good):
    """ruled(hooks, kind=…): a gateway with one policy and, unless said otherwise, one model."""
    def start(hooks, kind="rewrite", models=None, params="", given=None, bound=None, **settings):
        item = {"path": "mine.lua", **({"params": given} if given else {}), **({"models": bound} if bound else {})}
        return gateway({"model_list": models or [model("m", good)], "policies": [item],
                        "router_settings": {"num_retries": 0, **settings}},
                       files={"mine.lua": policy(hooks, kind, params=params)})
    return start
