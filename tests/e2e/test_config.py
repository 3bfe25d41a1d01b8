# SPDX-License-Identifier: MIT
"""config.yaml as LiteLLM's users write it, through the binary: what is taken, what is warned of, what is refused."""
import re

import pytest

from harness import anthropic, model, openai, run

# What people have in their files: several blocks, comments, anchors, quotes of each kind, keys that have no effect here.
REALISTIC = """
    # our proxy
    model_list:
      - model_name: gpt-4o            # two deployments
        litellm_params: &defaults
          model: openai/gpt-4o
          api_base: os.environ/UP_BASE
          api_key: os.environ/UP_KEY
          rpm: 480
          timeout: 30
          stream_timeout: 10.5
          max_retries: 0
        model_info:
          id: "east"
          mode: chat
          base_model: gpt-4o
          access_groups: ["beta"]
      - model_name: gpt-4o
        litellm_params:
          <<: *defaults
          model: "openai/gpt-4o-2024-11-20"
          rpm: 20
        model_info: {id: west, version: 2}
      - model_name: claude
        litellm_params:
          model: anthropic/claude-sonnet-4-5
          api_base: 'os.environ/CLAUDE_BASE'
          api_key: os.environ/NOT_SET_ANYWHERE
          temperature: 0.25
          drop_params: true
      - model_name: "openai/*"
        litellm_params: {model: "openai/*", api_base: os.environ/UP_BASE, api_key: os.environ/UP_KEY}

    litellm_settings:
      drop_params: True
      set_verbose: false
      num_retries: 1
      request_timeout: 600
      callbacks: ["prometheus"]
      success_callback: [langfuse]
      fallbacks: [{"gpt-4o": ["claude"]}]
      cache: false

    router_settings:
      routing_strategy: simple-shuffle
      model_group_alias: {"gpt-4": "gpt-4o", "hidden-one": {"model": "claude", "hidden": true}}
      allowed_fails: 3
      cooldown_time: 30
      enable_pre_call_checks: true
      redis_host: os.environ/REDIS_HOST

    general_settings:
      master_key: os.environ/MASTER
      database_url: "postgresql://nobody:nothing@127.0.0.1:1/none"
      alerting: ["slack"]
      max_parallel_requests: 100

    environment_variables:
      SOME_SETTING: "x"
"""


def test_a_realistic_file_runs(gateway, upstream):
    up, claude = upstream(openai.chat("hello")), upstream(anthropic.chat("from claude"))
    env = {"UP_BASE": up.base, "UP_KEY": "sk-env", "CLAUDE_BASE": claude.url, "MASTER": "sk-boss"}
    gw = gateway(REALISTIC, env=env)
    for name, sent in (("gpt-4o", None), ("gpt-4", None), ("openai/o3", "o3"), ("west", "gpt-4o-2024-11-20")):
        answer = gw.chat(model=name, key="sk-boss")
        assert (answer.status, answer.content, answer.json["model"]) == (200, "hello", name)
        assert up.requests[-1].headers["authorization"] == "Bearer sk-env"
        assert sent is None or up.requests[-1].json["model"] == sent
    assert gw.chat(model="claude", key="sk-boss", logit_bias={"1": 1}).content == "from claude"
    assert claude.request.json["temperature"] == 0.25 and claude.request.json["model"] == "claude-sonnet-4-5"
    assert gw.chat(model="gpt-4o").status == 401
    up.reply_to = lambda request: openai.error(500, headers={"retry-after-ms": "1"})
    answer = gw.chat(model="gpt-4o", key="sk-boss")
    assert (answer.status, answer.content) == (200, "from claude")
    assert "error" not in gw.log.lower() or "unknown key" not in gw.log
    listed = {row["id"] for row in gw.get("/v1/models", key="sk-boss").json["data"]}
    assert {"gpt-4o", "claude", "gpt-4"} <= listed and "hidden-one" not in listed


def test_what_would_restrict_calls_but_has_no_effect_yet_is_told(gateway, upstream):
    gw = gateway(REALISTIC, env={"UP_BASE": "http://127.0.0.1:9/v1", "MASTER": "sk-boss"})
    assert "max_parallel_requests" in gw.log
    assert "unknown key" not in gw.log


def check(tmp_path, text, files=(), env=None):
    """--check on this file: exit code and all that it said."""
    for name, content in {**dict(files), "config.yaml": text}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    code, out, err = run("--check", "--config", str(tmp_path / "config.yaml"), env=env)
    assert code in (0, 1)
    return code, out + err


HEAD = "model_list:\n  - model_name: m\n    litellm_params: {model: demo/echo}\n"


@pytest.mark.parametrize("text, line, key, nearest", [
    (HEAD + "router_setings:\n  num_retries: 1\n", 4, "router_setings", "router_settings"),
    (HEAD + "router_settings:\n  num_retrys: 1\n", 5, "num_retrys", "num_retries"),
    (HEAD + "litellm_settings:\n\n  drop_param: true\n", 6, "drop_param", "drop_params"),
    (HEAD + "general_settings: {masterkey: sk-1}\n", 4, "masterkey", "master_key"),
    (HEAD.replace("model: demo/echo", "model: demo/echo, api_bse: x"), 3, "api_bse", "api_base"),
    (HEAD + "    model_infos: {id: a}\n", 4, "model_infos", "model_info"),
    (HEAD + "policies:\n  - name: least-busy\n    parms: {}\n", 6, "parms", "params"),
    (HEAD + "general_settings:\n  num_retries: 2\n", 5, "num_retries", "router_settings"),
])
def test_an_unknown_key_is_a_warning_with_line_and_nearest_name(tmp_path, text, line, key, nearest):
    code, said = check(tmp_path, text)
    assert code == 0
    assert re.search(r"config\.yaml:%d: .*'%s'.*%s" % (line, key, nearest), said), said


@pytest.mark.parametrize("text, line, words", [
    ("model_list: [\n", 2, []),
    ("model_list:\n  - model_name: m\n   litellm_params: {}\n", 3, []),
    ("a: 1\n\tb: 2\n", 2, []),
    ("- a\n- b\n", 1, ["list"]),
    ("model_list: 5\n", 1, ["model_list", "5", "list"]),
    ("model_list:\n  - hello\n", 2, ["string", "map"]),
    ("model_list:\n  - litellm_params: {model: demo/echo}\n", 2, ["model_name"]),
    ("model_list:\n  - model_name: m\n", 2, ["litellm_params"]),
    ("model_list:\n  - model_name: m\n    litellm_params: {api_key: x}\n", 3, ["model"]),
    (HEAD.replace("demo/echo", "nobody/x"), 3, ["nobody"]),
    (HEAD.replace("demo/echo", "demo/nothing"), 3, ["demo/nothing", "demo/echo"]),
    (HEAD.replace("demo/echo", "demo/echo, rpm: many"), 3, ["rpm", "many", "number"]),
    (HEAD.replace("demo/echo", "demo/echo, weight: -1"), 3, ["weight", "-1"]),
    (HEAD.replace("demo/echo", "demo/echo, timeout: 0"), 3, ["timeout", "0"]),
    (HEAD.replace("demo/echo", "openai/x, api_base: localhost:8000"), 3, ["api_base", "localhost:8000", "http://"]),
    (HEAD + "router_settings:\n  num_retries: -1\n", 5, ["num_retries", "-1"]),
    (HEAD + "router_settings:\n  num_retries: 1.5\n", 5, ["num_retries", "1.5"]),
    (HEAD + "router_settings:\n  disable_cooldowns: perhaps\n", 5, ["disable_cooldowns", "perhaps", "true"]),
    (HEAD + "router_settings:\n  routing_strategy: fastest\n", 5, ["routing_strategy", "fastest", "simple-shuffle"]),
    (HEAD + "router_settings:\n  fallbacks: {m: [n]}\n", 5, ["fallbacks", "list"]),
    (HEAD + "router_settings:\n  model_group_alias: [a]\n", 5, ["model_group_alias"]),
    (HEAD + "policies:\n  - path: gone.lua\n", 5, ["gone.lua"]),
    (HEAD + "policies:\n  - name: no-such\n", 5, ["no-such", "simple-shuffle"]),
    (HEAD + "policies:\n  - params: {}\n", 5, ["path", "name"]),
    (HEAD + "policies:\n  - {name: least-busy, path: x.lua}\n", 5, ["path", "name"]),
    (HEAD + "moonweir_settings:\n  price_map: gone.json\n", 5, ["gone.json"]),
], ids=lambda value: value.strip().splitlines()[-1].strip() if isinstance(value, str) else "")
def test_a_wrong_value_is_an_error_with_line_and_what_is_allowed(tmp_path, text, line, words):
    code, said = check(tmp_path, text)
    assert code == 1
    assert re.search(r"config\.yaml:%d\b" % line, said), said
    for word in words:
        assert word in said, said


def test_all_faults_are_told_at_once(tmp_path):
    code, said = check(tmp_path, HEAD + "router_settings:\n  num_retries: a\n  timeout: b\n  cooldown_time: c\n")
    assert code == 1
    assert [int(n) for n in re.findall(r"config\.yaml:(\d+): ", said)] == [5, 6, 7]


def test_all_policies_that_cannot_be_read_are_told_at_once(tmp_path):
    code, said = check(tmp_path, HEAD + "policies:\n  - gone.lua\n  - {name: no-such}\n  - path: lost.lua\n")
    assert code == 1
    assert [int(n) for n in re.findall(r"config\.yaml:(\d+): ", said)] == [5, 6, 7], said


def test_no_fault_is_left_out_however_many_there_are(tmp_path):
    code, said = check(tmp_path, HEAD + "".join(HEAD[12:].replace("echo", "echo, rpm: many%d" % n) for n in range(60)))
    assert code == 1
    assert [int(n) for n in re.findall(r"many(\d+)", said)] == list(range(60)), said
    assert "60 faults" in said


VENDORS = """
    model_list:
      - model_name: gpt-4o
        litellm_params: {model: azure/gpt-4o-eu, api_base: os.environ/AZURE_BASE, api_version: 2024-06-01-preview}
      - model_name: gpt-4o
        litellm_params: {model: openai/gpt-4o, api_base: os.environ/UP_BASE, api_key: k}
      - model_name: claude
        litellm_params: {model: bedrock/anthropic.claude-v2, aws_region_name: eu-west-1}
      - {model_name: local, litellm_params: {model: "ollama/llama3:8b", api_base: "http://127.0.0.1:11434", keep_alive: 5m}}
      - {model_name: image, litellm_params: {model: dall-e-3}}
      - {model_name: groq/*, litellm_params: {model: groq/*}}
    router_settings:
      fallbacks: [{local: [claude, gpt-4o]}, {gpt-4o: [groq/x]}]
    litellm_settings: {callbacks: one.two, telemetry: false, cache_params: {type: redis, port: os.environ/REDIS_PORT}}
"""


def test_what_is_there_serves_beside_providers_that_are_not_there_yet(gateway, upstream):
    up = upstream(openai.chat("hello"))
    gw = gateway(VENDORS, env={"UP_BASE": up.base})
    assert [gw.chat(model="gpt-4o").content for _ in range(5)] == ["hello"] * 5
    assert gw.chat(model="claude").status == gw.chat(model="groq/x").status == 404
    left_out = re.findall(r":(\d+): model_name (\S+) is left out: the provider", gw.log)
    assert [name for _, name in left_out] == ["gpt-4o", "claude", "local", "groq/*"]
    assert "unknown key" not in gw.log and "no known model" not in gw.log


def test_a_secret_is_not_told_with_a_wrong_value(tmp_path):
    text = HEAD.replace("demo/echo", "demo/echo, rpm: os.environ/NUMBER")
    code, said = check(tmp_path, text, env={"NUMBER": "sk-secret"})
    assert code == 1 and "NUMBER" in said and "sk-secret" not in said


@pytest.mark.parametrize("items", [
    "  - path: mine.lua\n",
    "  - path: ./mine.lua\n    params: {n: 5}\n",
    "  - {path: mine.lua, models: [m]}\n",
    "  - {path: mine.lua, models: m}\n",
    "  - path: folder\n",
    "  - name: least-busy\n  - path: mine.lua\n  - path: mine.lua\n    models: [\"m\"]\n",
], ids=["path", "params", "models", "one model", "folder", "several"])
def test_policies_are_named_in_these_forms(tmp_path, items):
    mine = ('local P = mw.policy { name = "mine", api = 1, kind = "route", summary = "x", '
            'params = { n = { type = "number", default = 1, doc = "x" } } }\n'
            "function P.route(req, ups, p) return ups end\nreturn P\n")
    code, said = check(tmp_path, HEAD + "policies:\n" + items, {"mine.lua": mine, "folder/policy.lua": mine})
    assert code == 0, said


def test_a_policy_lies_beside_the_settings_wherever_it_is_started(tmp_path):
    mine = 'return mw.policy { name = "mine", api = 1, kind = "route", summary = "x" }\n'
    for name, text in (("config.yaml", HEAD + "policies:\n  - path: rules/mine.lua\n"), ("rules/mine.lua", mine)):
        path = tmp_path / "there" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "elsewhere").mkdir()
    for cwd, config in ((tmp_path, "there/config.yaml"), (tmp_path / "there", "config.yaml"),
                        (tmp_path / "elsewhere", "../there/config.yaml")):
        code, _, err = run("--check", "--config", config, cwd=str(cwd))
        assert code == 0, err


def test_parameters_of_a_policy_are_checked(tmp_path):
    mine = ('return mw.policy { name = "mine", api = 1, kind = "route", summary = "x", '
            'params = { long = { type = "number", default = 1, min = 1, doc = "x" } } }\n')
    for params, word in (("{long: 0}", "long"), ("{long: text}", "a string; it must be a number"), ("{lnog: 5}", "long")):
        code, said = check(tmp_path, HEAD + "policies:\n  - path: mine.lua\n    params: %s\n" % params, {"mine.lua": mine})
        assert code == 1 and word in said, said
        assert "config.yaml:5" in said or "mine.lua" in said


def test_a_missing_variable_is_told(tmp_path):
    text = "model_list:\n  - model_name: m\n    litellm_params: {model: openai/x, api_key: os.environ/NOT_SET_ANYWHERE}\n"
    code, said = check(tmp_path, text)
    assert code == 0, "LiteLLM takes it as absent"
    assert "NOT_SET_ANYWHERE" in said or "key" in said


def test_files_may_be_included(tmp_path):
    more = "model_list:\n  - model_name: n\n    litellm_params: {model: demo/words}\n"
    code, said = check(tmp_path, "include: [more.yaml]\n" + HEAD, {"more.yaml": more})
    assert code == 0 and "2 models" in said, said


def test_settings_may_come_from_the_environment(gateway, tmp_path):
    (tmp_path / "mine.yaml").write_text(HEAD)
    gw = gateway(env={"CONFIG_FILE_PATH": str(tmp_path / "mine.yaml")})
    assert [row["id"] for row in gw.get("/v1/models").json["data"]] == ["m"]


@pytest.mark.parametrize("provider_model", ["openai/gpt-4o", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"])
@pytest.mark.parametrize("answer, status, content", [
    ("It's that simple to mock", 200, "It's that simple to mock"), ("litellm.RateLimitError", 429, None),
    ("litellm.InternalServerError", 500, None),
])
def test_a_model_may_be_a_mock(gateway, provider_model, answer, status, content):
    gw = gateway({"model_list": [{"model_name": "m", "litellm_params": {
        "model": provider_model, "mock_response": answer}}], "router_settings": {"num_retries": 0}})
    assert "no key" not in gw.log
    got = gw.chat()
    assert got.status == status
    if content:
        assert got.content == content
        assert "".join(e.text for e in gw.stream_events()) == content


def test_body_members_of_the_settings_are_defaults(gateway, upstream):
    up = upstream(openai.chat("hello"))
    gw = gateway({"model_list": [model("m", up, temperature=0.1, seed=7, max_tokens=50, extra_body={"x_vendor": True},
                                       extra_headers={"x-team": "blue"})]})
    assert gw.chat(temperature=0.9).status == 200
    sent = up.request.json
    assert (sent["temperature"], sent["seed"], sent["max_tokens"], sent["x_vendor"]) == (0.9, 7, 50, True)
    assert up.request.headers["x-team"] == "blue"
