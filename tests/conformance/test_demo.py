# SPDX-License-Identifier: MIT
"""What the demo provider says in JSON is valid by the schema that it was given, and in OpenAI's form."""
import json

import jsonschema
import pytest
import recorded

SCHEMAS = [
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a", "b"]},
    {"type": "object", "properties": {"a": {"type": "number", "minimum": 2.5, "maximum": 3}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "integer", "exclusiveMinimum": 4, "multipleOf": 3}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "integer", "maximum": -7}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "string", "minLength": 20}, "b": {"type": "string", "maxLength": 2}},
     "required": ["a", "b"], "additionalProperties": False},
    {"type": "object", "properties": {"a": {"enum": [3, "x"]}, "b": {"const": None}, "c": {"type": ["null", "boolean"]}},
     "required": ["a", "b", "c"]},
    {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "boolean"}, "minItems": 3},
                                      "b": {"type": "array", "maxItems": 0}}, "required": ["a", "b"]},
    {"type": "object", "properties": {"a": {"$ref": "#/$defs/node"}}, "required": ["a"],
     "$defs": {"node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                                                         "name": {"type": "string"}}, "required": ["name"]}}},
    {"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 8}]}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"allOf": [{"type": "object", "properties": {"x": {"type": "string"}},
                                                       "required": ["x"]}, {"$ref": "#/$defs/y"}]}}, "required": ["a"],
     "$defs": {"y": {"properties": {"y": {"type": "integer"}}, "required": ["y"]}}},
    {"type": "object", "properties": {"d": {"type": "string", "format": "date"}, "t": {"type": "string", "format": "date-time"},
                                      "u": {"type": "string", "format": "uuid"}}, "required": ["d", "t", "u"]},
    {"type": "object", "properties": {"p": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}},
     "required": ["p"]},
]


def play(body):
    answer = recorded.translate([{"do": "play", "target": "demo/echo", "body": body, "opts": {"stream": False}}])[0]
    assert "out" in answer, answer
    return json.loads(answer["out"]["pieces"][0]["text"])


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_an_instance_of_a_schema_is_valid(schema):
    asked = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    reply = play({"messages": [{"role": "user", "content": "x"}], "response_format": asked})
    value = json.loads(reply["choices"][0]["message"]["content"])
    jsonschema.validate(value, schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_arguments_of_a_call_are_valid(schema):
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    reply = play({"messages": [{"role": "user", "content": "x"}], "tools": [tool], "tool_choice": "required"})
    jsonschema.validate(json.loads(reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]), schema)


@pytest.mark.skipif(not recorded.present(), reason=recorded.NEEDED)
def test_replies_of_the_demo_are_openais():
    schemas = recorded.Schemas()
    for body in ({}, {"n": 2}, {"demo": {"reasoning": "hm"}}, {"demo": {"calls": 1}, "tools": [
            {"type": "function", "function": {"name": "f"}}]}):
        reply = play(dict({"messages": [{"role": "user", "content": "hello there"}]}, **body))
        assert not schemas.errors("openai", "POST /chat/completions", "response", reply)
