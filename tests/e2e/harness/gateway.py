# SPDX-License-Identifier: MIT
"""The real binary, with settings of the test's choice, on a free port.

    gw = gateway({"model_list": [model("m", up)]})
    assert gw.chat("hi", model="m").content == "hello"
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import textwrap
import time

from .waiting import patience, until
from .wire import Wire

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BINARY = os.path.abspath(os.environ.get("MOONWEIR", os.path.join(ROOT, "build", "moonweir")))
READY = re.compile(r"listening on http://(?:\[[^\]]+\]|[^:\s]+):(\d+)")
CRASH = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion .* failed|core dumped")


# what an api_base brings of the path, as LiteLLM's users write it; "/v1" for all others
BASE_PATHS = {"anthropic": "", "gemini": "/v1beta"}


def model(name, upstream, provider_model="openai/up-model", **params):
    """An entry of model_list: this name, answered by an upstream (or by `nobody`). `params` are litellm_params."""
    path = BASE_PATHS.get(provider_model.split("/")[0], "/v1")
    known = {"model": provider_model, "api_base": upstream.url + path, "api_key": "sk-up"}
    return {"model_name": name, "litellm_params": {**known, **params}}


# what the binary would read of the environment: settings, providers' keys and addresses, proxies
READ = re.compile(r"^(OPENAI|ANTHROPIC|GEMINI|GOOGLE|AZURE|AWS|LITELLM)_|_(API_KEY|API_BASE|BASE_URL|ORGANIZATION|ORG_ID|PROXY)$"
                  r"|^CONFIG_FILE_PATH$|^SSL_CERT_FILE$", re.I)


def clean_env(extra=None):
    """The environment without what a person at this machine has set for a gateway: a test never leaves loopback."""
    return {**{k: v for k, v in os.environ.items() if not READ.search(k)}, **(extra or {})}


def run(*args, env=None, cwd=None, seconds=10):
    """Runs the binary to its end: (exit code, stdout, stderr)."""
    done = subprocess.run([BINARY, *args], capture_output=True, text=True, env=clean_env(env), cwd=cwd,
                          timeout=patience(seconds))
    return done.returncode, done.stdout, done.stderr


class Gateway:
    def __init__(self, config=None, args=(), files=None, env=None, folder=None):
        """`config`: YAML text (indented as the test likes) or a dict. `files`: more files beside it, name to text."""
        self.folder = folder or tempfile.mkdtemp(prefix="moonweir-e2e-")
        for name, text in (files or {}).items():
            self.write(name, text)
        argv = [BINARY, *args]
        if config is not None:
            self.write("config.yaml", config if isinstance(config, str) else json.dumps(config, indent=2, ensure_ascii=False))
            argv += ["--config", os.path.join(self.folder, "config.yaml")]
        if "--port" not in args:
            argv += ["--port", "0"]
        self.out, self.err = (os.path.join(self.folder, n) for n in ("stdout", "stderr"))
        self.began = time.monotonic()
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.folder,
                                            env=clean_env(env))
        self.pid = self.process.pid
        self.port = self._await_port()
        self.url = "http://127.0.0.1:%d" % self.port

    def _await_port(self):
        def port():
            found = READY.search(self.stdout)
            if not found and self.process.poll() is not None:
                raise AssertionError("it ended with %s:\n%s%s" % (self.process.returncode, self.stdout, self.log))
            return found and int(found.group(1))
        try:
            return until(port, 10, "the gateway says `listening on http://…`")
        except AssertionError:
            self.kill()
            raise

    # -- files and output

    def write(self, name, text):
        """Writes a file beside the settings, whole or not at all (as editors and deployments do)."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w") as f:
            f.write(textwrap.dedent(text))
        os.replace(path + ".new", path)
        return path

    @property
    def stdout(self):
        with open(self.out, errors="replace") as f:
            return f.read()

    @property
    def log(self):
        with open(self.err, errors="replace") as f:
            return f.read()

    def wait_log(self, pattern, seconds=5):
        """Waits for a line in the log that matches; the match."""
        return until(lambda: re.search(pattern, self.log), seconds, "%r in the log:\n%s" % (pattern, self.log))

    # -- calls

    def connect(self, **options):
        return Wire(self.port, **options)

    def request(self, method, path, body=None, headers=(), key=None):
        """One call on a connection of its own; the whole answer."""
        with self.connect() as wire:
            wire.sock.settimeout(patience(60))
            wire.request(method, path, body, headers, key)
            return wire.response()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body, **options):
        return self.request("POST", path, body, **options)

    def chat(self, text="hi", model="m", key=None, headers=(), **members):
        """A chat call; `members` go into the body."""
        return self.post("/v1/chat/completions", chat_body(text, model, **members), key=key, headers=headers)

    def stream(self, text="hi", model="m", key=None, headers=(), **members):
        """A streamed chat call: the connection, with the head read into `.answer`. Read `.events(wire.answer)`."""
        wire = self.connect()
        wire.sock.settimeout(patience(60))
        body = chat_body(text, model, stream=True, **members)
        wire.request("POST", "/v1/chat/completions", body, headers, key)
        wire.answer = wire.head()
        return wire

    def stream_events(self, text="hi", model="m", **options):
        """All events of a streamed chat call."""
        with self.stream(text, model, **options) as wire:
            return list(wire.events(wire.answer))

    # -- numbers

    def metrics(self, key=None):
        """{name: [(labels, value), …]} of /metrics."""
        answer = self.get("/metrics", key=key)
        assert answer.status == 200, answer
        found = {}
        for line in answer.text.splitlines():
            m = re.match(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$', line)
            if m:
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', m.group(2) or ""))
                found.setdefault(m.group(1), []).append((labels, float(m.group(3))))
        return found

    def metric(self, name, key=None, **labels):
        """The sum of a metric's samples that carry these labels; 0 without any."""
        samples = self.metrics(key).get(name, [])
        return sum(value for given, value in samples if labels.items() <= given.items())

    def resident_kib(self):
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    # -- signals and the end

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    @property
    def running(self):
        return self.process.poll() is None

    def wait_exit(self, seconds=10):
        """Waits for its end; the exit code."""
        try:
            return self.process.wait(patience(seconds))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("it is still there after %g s:\n%s" % (patience(seconds), self.log))

    def stop(self):
        """SIGTERM; it must leave well: exit code 0, no sanitizer's report, nothing that smells of a crash."""
        if self.running:
            self.terminate()
        code = self.wait_exit(10)
        crash = CRASH.search(self.log)
        assert not crash, self.log
        assert code == 0, "exit code %d:\n%s" % (code, self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()


def chat_body(text, model, **members):
    return {"model": model, "messages": [{"role": "user", "content": text}], **members}
