# SPDX-License-Identifier: MIT
"""Replies as three vendors send them, whole and streamed. Each class is a bag of functions:

    openai.chat("hello")                     a whole reply (steps)
    openai.stream("hel", "lo")               the same as a stream
    openai.events("hel", "lo")               the stream's events alone, to cut, shuffle or delay
    openai.error(429, "slow down")           an error in the vendor's shape

`anthropic` and `gemini` have the same four.
"""
import json

from .upstream import event, reply, stream

USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


class openai:
    @staticmethod
    def message(text="hello", **members):
        """The body of a whole reply. `members` go into the message: tool_calls=[…], content=None, …"""
        finish = members.pop("finish_reason", "tool_calls" if "tool_calls" in members else "stop")
        message = {"role": "assistant", "content": text, "refusal": None, **members}
        return {"id": "chatcmpl-up", "object": "chat.completion", "created": 1700000000, "model": "up-model",
                "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
                "usage": dict(USAGE), "system_fingerprint": "fp_up"}

    @staticmethod
    def chat(text="hello", headers=(), **members):
        return reply(openai.message(text, **members), headers=headers)

    @staticmethod
    def chunk(delta, finish_reason=None, **members):
        return {"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1700000000, "model": "up-model",
                "system_fingerprint": "fp_up",
                "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}], **members}

    @staticmethod
    def events(*texts, usage=True, done=True):
        """Role, one event a text, finish, usage, [DONE]."""
        chunks = [openai.chunk({"role": "assistant", "content": "", "refusal": None})]
        chunks += [openai.chunk({"content": text}) for text in texts]
        chunks.append(openai.chunk({}, "stop"))
        if usage:
            chunks.append(dict(openai.chunk({}), choices=[], usage=dict(USAGE)))
        return [event(c) for c in chunks] + ([event("[DONE]")] if done else [])

    @staticmethod
    def stream(*texts, pace=0, **options):
        return stream(openai.events(*(texts or ("hel", "lo")), **options), pace=pace)

    @staticmethod
    def chat_or_stream(*texts, pace=0):
        """Answers each request as it asks: whole or streamed."""
        texts = texts or ("hel", "lo")

        def answer(request):
            body = request.json
            if body.get("stream"):
                asked = (body.get("stream_options") or {}).get("include_usage", False)
                return openai.stream(*texts, pace=pace, usage=asked)
            return openai.chat("".join(texts))
        return answer

    @staticmethod
    def embeddings(*vectors):
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        return reply({"object": "list", "model": "up-embed", "data": data,
                      "usage": {"prompt_tokens": 3, "total_tokens": 3}})

    @staticmethod
    def error(status=500, message="the provider's own words", kind="server_error", code=None, headers=()):
        return reply({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, headers)


class anthropic:
    @staticmethod
    def message(text="hello", stop_reason="end_turn", content=None):
        return {"id": "msg_up", "type": "message", "role": "assistant", "model": "claude-up",
                "content": content if content is not None else [{"type": "text", "text": text}],
                "stop_reason": stop_reason, "stop_sequence": None,
                "usage": {"input_tokens": 5, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                          "output_tokens": 7}}

    @staticmethod
    def chat(text="hello", **members):
        return reply(anthropic.message(text, **members))

    @staticmethod
    def block_events(index, block, deltas):
        """A block of content, begun empty and filled by these deltas."""
        return [{"type": "content_block_start", "index": index, "content_block": block}, {"type": "ping"},
                *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
                {"type": "content_block_stop", "index": index}]

    @staticmethod
    def pieces(block):
        """A block as it stands in a whole reply, taken apart: its empty beginning, its deltas."""
        if block["type"] == "text":
            return dict(block, text=""), [{"type": "text_delta", "text": block["text"]}]
        if block["type"] == "thinking":
            return dict(block, thinking="", signature=""), [{"type": "thinking_delta", "thinking": block["thinking"]},
                                                            {"type": "signature_delta", "signature": block["signature"]}]
        if block["type"] == "tool_use":
            text = json.dumps(block["input"])
            return dict(block, input={}), [{"type": "input_json_delta", "partial_json": p} for p in (text[:3], text[3:])]
        return block, []

    @staticmethod
    def events(*texts, stop_reason="end_turn", content=None):
        """Text in so many deltas, or a content as of a whole reply."""
        start = dict(anthropic.message(content=[]), stop_reason=None)
        start["usage"] = dict(start["usage"], output_tokens=1)
        blocks = [anthropic.pieces(block) for block in content or []] or \
            [({"type": "text", "text": ""}, [{"type": "text_delta", "text": t} for t in texts])]
        said = [{"type": "message_start", "message": start}]
        for i, (block, deltas) in enumerate(blocks):
            said += anthropic.block_events(i, block, deltas)
        said += [{"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None},
                  "usage": {"output_tokens": 7}},
                 {"type": "message_stop"}]
        return [event(e, e["type"]) for e in said]

    @staticmethod
    def stream(*texts, pace=0, **options):
        return stream(anthropic.events(*(texts or ("hel", "lo")), **options), pace=pace)

    @staticmethod
    def error(status=500, message="the provider's own words", kind="api_error", headers=()):
        return reply({"type": "error", "error": {"type": kind, "message": message}}, status, headers)


class gemini:
    @staticmethod
    def message(text="hello", finish="STOP", parts=None):
        candidate = {"index": 0, "content": {"role": "model", "parts": parts or [{"text": text}]}}
        if finish:
            candidate["finishReason"] = finish
        return {"candidates": [candidate], "modelVersion": "gemini-up", "responseId": "resp-up",
                "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12}}

    @staticmethod
    def chat(text="hello", **members):
        return reply(gemini.message(text, **members))

    @staticmethod
    def events(*texts):
        return [event(gemini.message(t, "STOP" if i == len(texts) - 1 else None)) for i, t in enumerate(texts)]

    @staticmethod
    def stream(*texts, pace=0):
        return stream(gemini.events(*(texts or ("hel", "lo"))), pace=pace)

    @staticmethod
    def error(status=500, message="the provider's own words", word="INTERNAL", headers=()):
        return reply({"error": {"code": status, "message": message, "status": word}}, status, headers)
