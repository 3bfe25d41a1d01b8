# SPDX-License-Identifier: MIT
"""`make run-llm`: starts the small model's server and becomes the gateway in front of it, with the settings of llm.yaml.

The model's server reads its standard input, whose other end the gateway inherits: when the gateway ends, however it
does, so does the server. Ctrl-C reaches the gateway only, so that calls under way are brought to their end.
"""
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LOG = os.path.join("build", "llm.log")


def start_server():
    """The server's address, once it answers. The pipe's end stays open over exec, and with it the server."""
    servers, ours = os.pipe()
    with open(LOG, "wb") as log:
        server = subprocess.Popen([sys.executable, os.path.join(HERE, "llm_server.py")], stdin=servers,
                                  stdout=subprocess.PIPE, stderr=log, start_new_session=True, close_fds=True)
    os.close(servers)
    address = server.stdout.readline().decode().strip()
    if not address:
        sys.exit("the model's server did not start: see %s" % LOG)
    os.set_inheritable(ours, True)
    return address


def main():
    binary, *args = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_DFL)          # Ctrl-C while the model loads ends this without a traceback
    print("loading the model …", flush=True)
    address = start_server()
    print("smollm2 answers at %s; the gateway in front of it, with the model name `smollm2`:" % address, flush=True)
    direct = [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1"]
    os.environ.update(SMOLLM2_API_BASE=address + "/v1", no_proxy=",".join(filter(None, direct)))
    os.execv(binary, [binary, "--config", os.path.join(HERE, "llm.yaml"), *args])


main()
