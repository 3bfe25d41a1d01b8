# SPDX-License-Identifier: MIT
"""Waiting for conditions. No test sleeps to win a race: it waits until something is so, with a deadline."""
import os
import time

# A sanitized binary is several times slower: `make asan` and its sisters set this.
SLOWNESS = float(os.environ.get("MOONWEIR_SLOWNESS", "1"))


def patience(seconds):
    """A deadline that fits the binary under test: longer for a sanitized one."""
    return seconds * SLOWNESS


def until(condition, seconds=5, what=None):
    """Waits until condition() is true and returns its value; an AssertionError after the deadline."""
    deadline = time.monotonic() + patience(seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %g s: %s" % (patience(seconds), what or condition))
        time.sleep(0.002)
