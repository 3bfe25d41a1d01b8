# SPDX-License-Identifier: MIT
"""The recorded exchanges and the providers' schemas under ../shared, for the tests of this folder and of e2e."""
import json
import os
import subprocess

import expect

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.path.join(os.path.dirname(ROOT), "shared")
TRAFFIC = os.path.join(SHARED, "traffic")
SCHEMAS = os.path.join(SHARED, "schemas")
NEEDED = "SKIPPED: ../shared is not there (recorded traffic and the providers' schemas)"

# Whose answers are in one of the dialects, beside the three vendors themselves.
THREE = ("openai", "anthropic", "gemini", "vertex")


def present():
    return os.path.isfile(os.path.join(TRAFFIC, "index.jsonl")) and os.path.isdir(SCHEMAS)


def exchanges(chosen=lambda row: True):
    """Every recorded chat exchange of a dialect that is spoken here, as (name, exchange)."""
    if not present():
        return []
    found = []
    with open(os.path.join(TRAFFIC, "index.jsonl")) as index:
        for line in index:
            row = json.loads(line)
            if not expect.family(row) or not chosen(row):
                continue
            with open(os.path.join(TRAFFIC, row["file"])) as f:
                exchange = json.load(f)
            if "body" in exchange["response"]:
                found.append((row["file"][:-len(".json")], exchange))
    return found


def target(exchange):
    """The litellm_params.model that stands for who answered."""
    model = (exchange.get("model") or "m").split("/")[-1]
    kind = expect.family(exchange)
    if kind == "openai" and exchange["provider"] != "openai":
        kind = "openai_like"
    return "%s/%s" % (kind, model)


def translate(jobs):
    """Puts jobs through translate.lua; one answer each."""
    env = dict(os.environ)
    env.setdefault("LUA_CPATH", os.path.join(ROOT, "build", "lua", "?.so;;"))
    text = "".join(json.dumps(job) + "\n" for job in jobs)
    done = subprocess.run(["luajit", "tests/conformance/translate.lua"], input=text, text=True, cwd=ROOT, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Schemas:
    """Validators, made once for each operation."""

    def __init__(self):
        self.made = {}

    def errors(self, provider, operation, what, value):
        """Up to three complaints about a value, as text."""
        import jsonschema
        key = provider, operation, what
        if key not in self.made:
            with open(os.path.join(SCHEMAS, provider + ".json")) as f:
                schema = json.load(f)
            whole = {"$defs": schema["$defs"], "allOf": [schema["operations"][operation][what]]}
            self.made[key] = jsonschema.Draft202012Validator(whole)
        found = sorted(self.made[key].iter_errors(value), key=lambda e: list(map(str, e.absolute_path)))
        return ["/".join(map(str, e.absolute_path)) + ": " + deepest(e) for e in found[:3]]


def deepest(error):
    """The complaint that is furthest inside: of an anyOf the one that got on best."""
    while error.context:
        error = max(error.context, key=lambda e: (len(e.absolute_path), -len(e.context or ())))
    return "/".join(map(str, error.absolute_path)) + " " + error.message[:300]
