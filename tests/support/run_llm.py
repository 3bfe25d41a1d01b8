# SPDX-License-Identifier: MIT
"""`make run-llm`: starts the small model's server, writes settings for it, and becomes the gateway.

The model's server reads its standard input, whose other end the gateway inherits: when the gateway ends, however it
does, so does the server. Ctrl-C reaches the gateway only, so that calls under way are brought to their end.
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join("build", "llm")
CONFIG = """\
# Written by `make run-llm`. The model's server ends with the gateway, so the address is good for one run.
model_list:
  - model_name: smollm2
    litellm_params:
      model: openai/smollm2
      api_base: %s/v1
      api_key: sk-smollm2
"""


def start_server(log):
    """The server's address, once it answers. The pipe's end stays open over exec, and with it the server."""
    servers, ours = os.pipe()
    server = subprocess.Popen([sys.executable, os.path.join(HERE, "llm_server.py")], stdin=servers,
                              stdout=subprocess.PIPE, stderr=log, start_new_session=True, close_fds=True)
    os.close(servers)
    address = server.stdout.readline().decode().strip()
    if not address:
        sys.exit("the model's server did not start: see %s" % log.name)
    os.set_inheritable(ours, True)
    return address


def main():
    binary, *args = sys.argv[1:]
    os.makedirs(FOLDER, exist_ok=True)
    print("loading the model …", flush=True)
    with open(os.path.join(FOLDER, "server.log"), "wb") as log:
        address = start_server(log)
    config = os.path.join(FOLDER, "config.yaml")
    with open(config, "w") as f:
        f.write(CONFIG % address)
    print("smollm2 answers at %s; the gateway in front of it, with the model name `smollm2`:" % address, flush=True)
    os.execv(binary, [binary, "--config", config, *args])


main()
