"""Keeping native libraries from writing to standard error."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.RLock()


@contextmanager
def stderr_silenced() -> Iterator[None]:
    """Turns the process's standard error away for the block, below Python's reach.

    For native code that has no switch for its own lines; its errors must reach us in another way. The descriptor is the
    process's, so one block runs at a time, and what other threads write meanwhile is lost too: keep blocks short.
    """
    with _lock:
        sys.stderr.flush()
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
