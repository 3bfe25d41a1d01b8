# SPDX-License-Identifier: MIT
"""What an end-to-end test is written with. `tests/README.md` shows how; each file says what it holds.

    gateway.py   Gateway: the real binary with settings of the test's choice; model: an entry of them; run: to its end
    upstream.py  Upstream: a scripted provider, and the steps that its replies are made of
    http2.py     Http2Upstream: the same in HTTP/2, and its steps: h2
    wire.py      Wire: a client that sends exact bytes and reads answers piece by piece
    replies.py   openai, anthropic, gemini: replies in each vendor's shape
    waiting.py   until, patience: waiting for a condition instead of sleeping
"""
from .gateway import Gateway, model, run
from .http2 import Http2Upstream, h2
from .replies import anthropic, gemini, openai
from .upstream import (Nobody, Upstream, chunk, close, drip, end, event, head, in_turn, reply, reset, send, stream,
                       silence, wait, wait_for)
from .waiting import patience, until
from .wire import Response, Wire

__all__ = ["Gateway", "Http2Upstream", "Nobody", "Response", "Upstream", "Wire", "anthropic", "chunk", "close", "drip", "end", "event",
           "gemini", "h2", "head", "in_turn", "model", "openai", "patience", "reply", "reset", "run", "send", "silence",
           "stream", "until", "wait", "wait_for"]
