"""Runs by a launcher, as a user has them."""

import subprocess
from collections.abc import Mapping, Sequence

_LOST = (
    "Connection closed by peer", "Connection reset by peer", "Connection refused", "EADDRINUSE",
    "terminate called without an active exception",
)  # fmt: skip
"""What is said where processes lose each other on a busy machine (measured: 3 of 22 starts over gloo)."""


def launch(command: Sequence[str], environment: Mapping[str, str], seconds: int) -> subprocess.CompletedProcess[str]:
    """A run to its end. One whose processes lost each other is started again, once, and goes on from where it was."""
    for attempt in range(2):
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=dict(environment), check=False
        )
        if attempt or not result.returncode or not any(words in result.stderr for words in _LOST):
            break
    return result
