"""Keeps a program and all its processes for as long as its own parent lives (``python -m emollm.serve.keeper PROGRAM ARGUMENT…``).

The parent holds the other end of this process's standard input. When it closes that end, or is no more however it came to its end, the
program's group is asked to end and killed after a while: nothing is left behind, even after ``kill -9`` of the parent.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

GRACE = 15.0
"""Seconds in which the program may give back its shared memory."""
AFTER = 3.0
"""Seconds that its processes have to follow it."""
GONE = "emollm.serve.keeper: the program has ended"
"""What is printed when the program ends by itself."""
KEPT = "EMOLLM_KEPT"
"""Set in the environment of the program: our plugin has each of vLLM's processes die with the one that started it."""
_LOOK = 0.2
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Runs the program to its end, or to that of the parent.

    Returns:
        The program's exit code; 0 where the parent wanted its end.
    """
    os.environ[KEPT] = "1"
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent)
    wanted = False
    while child.poll() is None and not wanted:
        wanted = bool(select.select([sys.stdin], [], [], _LOOK)[0])
    if not wanted:
        print(GONE, flush=True)  # its end may take a while
    _end(child)
    return 0 if wanted else abs(child.returncode or 0)


def die_with_parent() -> None:
    """Has Linux kill this process when the one that started it is no more, however it came to its end; elsewhere it would be left behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Ends the program, and after it the processes of its group that outlived it."""
    try:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
        end = time.monotonic() + AFTER
        while time.monotonic() < end:
            os.killpg(child.pid, 0)
            time.sleep(_LOOK / 2)
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal goes to the whole group: the parent decides
    sys.exit(main())
