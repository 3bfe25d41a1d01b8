# SPDX-License-Identifier: MIT
"""What a call costs: Moonweir against nginx as a plain proxy, and against no gateway, in one interleaved run.

    make bench                     about 5 minutes
    make bench ARGS="--rounds 2"   a first look

The gateway under test has one core to itself; the load and the provider share the other. Each round measures every
system once, one after the other, so that what else the machine does hits all of them alike; the table holds medians over
the rounds, and ratios are taken within a round. Prints a Markdown table; tests/bench/README.md says what it means.
"""
import argparse
import atexit
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(ROOT, "build", "bench")
GATEWAY_CORE, LOAD_CORE = 1, 0
SIZES = {"200 B": 200, "5 KB": 5000, "100 KB": 100000}
FRAMES = 100                                              # of an unpaced stream
TICK = os.sysconf("SC_CLK_TCK")

# Routing, weights, a key and the built-in policy are on: what a first real installation has.
MOONWEIR = """\
model_list:
  - model_name: bench
    litellm_params: {model: openai/bench-2026, api_base: http://127.0.0.1:%(upstream)d/v1, api_key: sk-up, weight: 2}
  - model_name: bench
    litellm_params: {model: openai/bench-2026, api_base: http://127.0.0.1:%(upstream)d/v1, api_key: sk-up, weight: 1}
general_settings: {master_key: sk-bench}
router_settings: {routing_strategy: simple-shuffle}
"""


# ---------------------------------------------------------------------------------------------------- processes

def start(argv, core, log="log", env=None):
    """Starts a program on one core."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, max(20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    with open(os.path.join(FOLDER, log), "ab") as err:
        process = subprocess.Popen(["taskset", "-c", str(core)] + argv, stdout=subprocess.PIPE, stderr=err, text=True,
                                   env={**os.environ, **(env or {})})
    atexit.register(lambda: process.poll() is None and process.terminate())
    return process


def tree(pid):
    """A process and its descendants."""
    found = [pid]
    for p in found:
        for task in os.listdir("/proc/%d/task" % p):
            try:
                with open("/proc/%d/task/%s/children" % (p, task)) as f:
                    found += [int(child) for child in f.read().split()]
            except FileNotFoundError:                     # a thread that has ended meanwhile
                pass
    return found


def cpu(pid):
    """Seconds of processor time that a process and its descendants have used."""
    spent = 0
    for p in tree(pid):
        with open("/proc/%d/stat" % p) as f:
            fields = f.read().rpartition(") ")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / TICK


def resident(pid):
    """MiB of memory, the sum over a process and its descendants."""
    total = 0
    for p in tree(pid):
        with open("/proc/%d/status" % p) as f:
            total += next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
    return total / 1024


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Upstream:
    """The scripted provider: FRAMES events, PACE ms apart."""

    def __init__(self, frames, pace):
        self.process = start([os.path.join(FOLDER, "upstream"), str(frames), str(pace)], LOAD_CORE)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.communicate()


class Direct:
    """No gateway: the load talks to the provider."""
    name, process = "direct", None

    def __init__(self, upstream):
        self.port = upstream.port

    def stop(self):
        pass


class Gateway:
    def __init__(self, upstream):
        self.port = free_port()
        began = time.monotonic()
        self.process = self.launch(upstream)
        self.await_answer()
        self.start_ms = (time.monotonic() - began) * 1000
        self.idle_mib = resident(self.process.pid)

    def await_answer(self):
        """Until the first call is answered: a whole one, through to the provider."""
        body = call_body(SIZES["200 B"])
        head = ("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-bench\r\n"
                "content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 10) as s:
                    s.sendall(head.encode() + body)
                    answer = s.recv(65536)
                    assert answer.startswith(b"HTTP/1.1 200 "), answer
                    return
            except OSError:
                time.sleep(0.001)
        sys.exit("%s does not answer: see %s" % (self.name, FOLDER))

    def stop(self):
        self.process.terminate()
        self.process.communicate()


class Nginx(Gateway):
    name = "nginx"

    def launch(self, upstream):
        with open(os.path.join(HERE, "nginx.conf")) as f:
            text = f.read()
        for mark, value in (("FOLDER", FOLDER), ("PORT", self.port), ("UPSTREAM", upstream.port)):
            text = text.replace("@%s@" % mark, str(value))
        path = os.path.join(FOLDER, "nginx.conf")
        with open(path, "w") as f:
            f.write(text)
        # kept heap: else a 100 KB body costs one or two rounds of brk, by the luck of what lies on top
        kept = {"MALLOC_TRIM_THRESHOLD_": "268435456", "MALLOC_TOP_PAD_": "16777216"}
        return start([shutil.which("nginx"), "-c", path, "-e", os.path.join(FOLDER, "nginx.log")], GATEWAY_CORE, env=kept)


class Moonweir(Gateway):
    name = "moonweir"
    binary = os.environ.get("MOONWEIR", os.path.join(ROOT, "build", "moonweir"))

    def launch(self, upstream):
        path = os.path.join(FOLDER, "config.yaml")
        with open(path, "w") as f:
            f.write(MOONWEIR % {"upstream": upstream.port})
        return start([self.binary, "--config", path, "--port", str(self.port), "--workers", "1"], GATEWAY_CORE,
                     "moonweir.log")


# --------------------------------------------------------------------------------------------------------- load

def call_body(size, **members):
    """A chat call of about this many bytes."""
    body = {"model": "bench", **members, "messages": [{"role": "system", "content": "You are terse."},
                                                      {"role": "user", "content": ""}]}
    text = 'It was a bright cold day in April, and the clocks were striking thirteen. "So," he said. '
    left = size - len(json.dumps(body, separators=(",", ":")))
    body["messages"][1]["content"] = (text * (left // len(text) + 1))[:max(left, 2)]
    return json.dumps(body, separators=(",", ":")).encode()


def body_file(size, **members):
    path = os.path.join(FOLDER, "body-%d%s.json" % (size, "-stream" if members else ""))
    with open(path, "wb") as f:
        f.write(call_body(size, **members))
    return path


def pairs(line):
    return {name: float(value) for name, value in (pair.split("=") for pair in line.split())}


def load(argv, system, env=None):
    """Runs a load to its end: its figures, and the processor time that the system used meanwhile."""
    process = system.process
    before = cpu(process.pid) if process else 0
    done = subprocess.run(["taskset", "-c", str(LOAD_CORE)] + argv, capture_output=True, text=True, timeout=120,
                          env={**os.environ, **(env or {})})
    lines = [line for line in done.stdout.splitlines() if "=" in line]
    if done.returncode or not lines:
        sys.exit("%s failed against %s:\n%s%s" % (argv[0], system.name, done.stdout, done.stderr))
    figures = pairs(lines[-1])
    figures["cpu"] = (cpu(process.pid) if process else 0) - before
    if figures["failed"] or figures.get("lost"):
        print("%s: %d failed, %d lost" % (system.name, figures["failed"], figures.get("lost", 0)), file=sys.stderr)
    return figures


def calls(system, size, at_once, seconds):
    url = "http://127.0.0.1:%d/v1/chat/completions" % system.port
    return load(["wrk", "-t1", "-c%d" % at_once, "-d%ds" % seconds, "--timeout", "10s", "-s",
                 os.path.join(HERE, "call.lua"), url], system, {"BODY": body_file(size)})


def streams(system, at_once, total, frames):
    return load([os.path.join(FOLDER, "streams"), str(system.port), str(at_once), str(total), str(frames),
                 body_file(200, stream=True)], system)


# -------------------------------------------------------------------------------------------------------- rounds

class Figures:
    """One value a round for each (measure, system); medians, and ratios taken within rounds."""

    def __init__(self):
        self.values = {}

    def add(self, measure, system, value):
        self.values.setdefault((measure, system), []).append(value)

    def of(self, measure, system):
        return statistics.median(self.values[measure, system])

    def less(self, measure, system, base):
        """The median of what a system adds to a base."""
        return statistics.median(a - b for a, b in zip(self.values[measure, system], self.values[measure, base]))

    def ratio(self, measure, system="moonweir", to="nginx"):
        return statistics.median(a / b for a, b in zip(self.values[measure, system], self.values[measure, to]))

    def ratio_less(self, measure, base="direct", system="moonweir", to="nginx"):
        rows = zip(*(self.values[measure, s] for s in (system, to, base)))
        return statistics.median((a - c) / max(b - c, 0.1) for a, b, c in rows)


def one_round(figures, systems, seconds):
    gateways = [system for system in systems if system.process]   # without one there is no gateway's time
    for size_name, size in SIZES.items():
        for system in gateways:
            got = calls(system, size, 8, seconds)
            figures.add("CPU " + size_name, system.name, got["cpu"] / got["calls"] * 1e6)
    for system in systems:
        got = calls(system, SIZES["200 B"], 64, seconds)
        figures.add("throughput", system.name, got["calls"] / got["seconds"])
        got = calls(system, SIZES["200 B"], 1, seconds)
        figures.add("p50", system.name, got["p50"])
        figures.add("p99", system.name, got["p99"])
    for system in systems:
        got = streams(system, 8, 600, FRAMES)
        if system in gateways:
            figures.add("CPU frame", system.name, got["cpu"] / got["events"] * 1e6)
        figures.add("frames", system.name, got["events"] / got["seconds"])


def first_frames(figures, kinds, rounds):
    """Streams of one event, one at a time: a provider that wrote more at once would keep the client from its core."""
    up = Upstream(1, 0)
    systems = [kind(up) for kind in kinds]
    for _ in range(rounds):
        for system in systems:
            figures.add("first", system.name, streams(system, 1, 300, 1)["first_p50"])
    for system in systems + [up]:
        system.stop()


def many_streams(figures, kinds, at_once):
    """All at once, at a model's pace: what is lost, and what memory it takes."""
    frames, pace = 60, 100
    up = Upstream(frames, pace)
    for kind in kinds:
        system = kind(up)
        figures.add("idle", system.name, system.idle_mib)
        got = streams(system, at_once, at_once, frames)
        figures.add("lost", system.name, got["lost"])
        figures.add("CPU paced", system.name, got["cpu"] / max(got["events"], 1) * 1e6)
        figures.add("loaded", system.name, resident(system.process.pid))
        system.stop()
    up.stop()


def starts(figures, kinds, n=10):
    up = Upstream(1, 0)
    for _ in range(n):
        for kind in kinds:
            system = kind(up)
            figures.add("start", system.name, system.start_ms)
            system.stop()
    up.stop()


# --------------------------------------------------------------------------------------------------------- table

def table(f, at_once):
    def row(what, measure, form, ratio=True):
        cells = [form % f.of(measure, s) if (measure, s) in f.values else "" for s in ("direct", "nginx", "moonweir")]
        return [what, *cells, "%.2f" % f.ratio(measure) if ratio else ""]

    def added(what, measure):
        return [what, "", "%.0f µs" % f.less(measure, "nginx", "direct"),
                "%.0f µs" % f.less(measure, "moonweir", "direct"), "%.2f" % f.ratio_less(measure)]

    rows = [["", "direct", "nginx", "moonweir", "÷ nginx"], ["---", "---:", "---:", "---:", "---:"]]
    rows += [row("processor time per call, body of %s, 8 at once" % n, "CPU " + n, "%.1f µs") for n in SIZES]
    rows += [row("calls per second on one core, 200 B, 64 at once", "throughput", "%.0f"),
             added("added latency of a call, median, one at a time", "p50"),
             added("added latency of a call, 99th percentile", "p99"),
             row("processor time per streamed frame, unpaced, 8 at once", "CPU frame", "%.2f µs"),
             row("frames per second, unpaced", "frames", "%.0f"),
             added("added time to the first frame, median", "first"),
             row("%d streams at 10 frames/s: frames lost" % at_once, "lost", "%.0f", ratio=False),
             row("… processor time per frame", "CPU paced", "%.2f µs"),
             row("… resident memory at the end", "loaded", "%.1f MiB"),
             row("resident memory after one call", "idle", "%.1f MiB"),
             row("start to first answer", "start", "%.0f ms")]
    return "\n".join("| " + " | ".join(r) + " |" for r in rows)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=12)
    p.add_argument("--seconds", type=int, default=1, help="of each load of calls (1)")
    p.add_argument("--streams", type=int, default=2000, help="concurrent streams at a pace (2000)")
    args = p.parse_args()
    if os.cpu_count() < 2:
        sys.exit("the bench needs two cores: one for the gateway, one for load and provider")
    os.makedirs(FOLDER, exist_ok=True)
    figures, gateways = Figures(), [Nginx, Moonweir]
    up = Upstream(FRAMES, 0)
    systems = [kind(up) for kind in [Direct] + gateways]
    for i in range(args.rounds):
        print("round %d of %d" % (i + 1, args.rounds), file=sys.stderr)
        one_round(figures, systems, args.seconds)
    for system in systems + [up]:
        system.stop()
    print("first frames, many streams, starts", file=sys.stderr)
    first_frames(figures, [Direct] + gateways, args.rounds)
    many_streams(figures, gateways, args.streams)
    starts(figures, gateways)
    print(table(figures, args.streams))


if __name__ == "__main__":
    main()
