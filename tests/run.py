# SPDX-License-Identifier: MIT
"""Runs the suites one after the other and adds up what they counted: `make test` and `make check`.

A suite is a make target; its own output goes to build/test/ and is shown when something failed. The last line is the
sum: `N passed, N failed`, and `, N skipped` if any were. A suite that ends badly without counting a failure counts as
one, and so does a suite in which nothing ran.
"""
import glob
import os
import re
import signal
import subprocess
import sys
import time

LOGS = os.path.join("build", "test")
LIMIT = 900                                               # seconds for one suite

EVERYDAY = [
    ("lint", ["lint"]),
    ("unit", ["unit"]),
    ("lua", ["lua"]),
    ("conformance", ["conformance"]),
    ("e2e", ["e2e", "ARGS=-m 'not real and not slow'"]),
]
# What a sanitizer can see: everything but other people's programs and long waits; of threads, nothing in settings that are
# only read and in heads that are only refused. Two sanitizers fit into one binary.
SANITIZED = [
    ("unit, asan+ubsan", ["unit", "SAN=address,undefined"]),
    ("e2e, asan+ubsan", ["e2e", "SAN=address,undefined", "ARGS=-m 'not real and not slow'"]),
    ("unit, tsan", ["unit", "SAN=thread"]),
    ("e2e, tsan", ["e2e", "SAN=thread", "ARGS=-m 'not real and not slow' -k 'not config and not malformed'"]),
]
ALL = EVERYDAY[:4] + [("e2e", ["e2e"])] + SANITIZED + [("fuzz", ["fuzz"])]

# A suite whose files do not exist is no suite.
FILES = {"unit": "tests/unit/test_*.c", "lua": "tests/lua/*_spec.lua", "conformance": "tests/conformance/test_*.py",
         "fuzz": "tests/fuzz/fuzz_*.c"}


# ------------------------------------------------------------------------------- what the tools say of their tests
# Each gives (passed, failed, skipped) or None if the output is not its own.

def closing_lines(text):
    return add(re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", text, re.M))


def pytest(text):
    lines = re.findall(r"^=*\s*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.*$", text, re.M)
    totals = []
    for line in lines:
        n = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", line)}
        failed = n.get("failed", 0) + n.get("errors", 0) + n.get("error", 0)
        totals.append((n.get("passed", 0), failed, n.get("skipped", 0)))
    return add(totals)


def cmocka(text):
    found = re.findall(r"^\[  (PASSED|FAILED|SKIPPED) *\] (\d+) test\(s\)", text, re.M)
    return add([(n if w == "PASSED" else 0, n if w == "FAILED" else 0, n if w == "SKIPPED" else 0) for w, n in found])


def tap(text):
    lines = re.findall(r"^(not ok|ok)\b(.*)$", text, re.M)
    skips = [bool(re.search(r"# *skip", rest, re.I)) for _, rest in lines]
    return add([(w == "ok" and not s, w != "ok" and not s, s) for (w, _), s in zip(lines, skips)])


def add(rows):
    return tuple(sum(int(n or 0) for n in column) for column in zip(*rows)) if rows else None


def count(text):
    return next((n for n in (reader(text) for reader in (closing_lines, pytest, cmocka, tap)) if n), (0, 0, 0))


# ------------------------------------------------------------------------------------------------------ running

def run(argv, log):
    """Runs in a process group of its own, which is ended with it. The exit code, or None past the limit."""
    with open(log, "wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        try:
            return process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def suite(name, goal):
    """Runs one suite and shows what it came to: (passed, failed, skipped)."""
    began = time.monotonic()
    log = os.path.join(LOGS, re.sub(r"\W+", "-", name) + ".log")
    code = run(["make", "--no-print-directory"] + goal, log)
    with open(log, errors="replace") as f:
        text = f.read()
    passed, failed, skipped = count(text)
    if code != 0 and not failed or not passed + failed + skipped:
        failed += 1
    told = ["%d passed" % passed] + ["%d failed" % failed] * (failed > 0) + ["%d skipped" % skipped] * (skipped > 0)
    print("%-18s %-40s %6.1f s" % (name, ", ".join(told), time.monotonic() - began))
    if failed:
        why = "it did not end within %d s" % LIMIT if code is None else "exit code %d" % code
        print("\n".join("    " + line for line in text.splitlines()[-150:]))
        print("    %s; all of it: %s" % (why, log))
    for line in sorted(set(re.findall(r"^.*\bSKIP(?:PED)?\b.*$", text, re.M))):
        print("    " + line.strip())
    sys.stdout.flush()
    return passed, failed, skipped


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    os.makedirs(LOGS, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through the `finally` that ends the suite under way
    chosen = {"all": ALL, "everyday": EVERYDAY}[sys.argv[1]]
    there = [(name, goal) for name, goal in chosen if glob.glob(FILES.get(goal[0], "Makefile"))]
    passed, failed, skipped = add([suite(*s) for s in there])
    print("%d passed, %d failed%s" % (passed, failed, ", %d skipped" % skipped if skipped else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
