"""Where there is speech: silero VAD block by block, and the cut into turns.

The net (silero VAD v6, MIT) comes with faster-whisper. It is recurrent: its state and the last 4 ms of sound are carried
from block to block, so that the result does not depend on how the sound is divided. At most one turn of sound is held.
"""

from collections import deque
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emollm.perception.voice.settings import SpeechSettings

Array = npt.NDArray[np.float32]

RATE = 16_000
"""Samples a second of all sound in this package."""
CHUNK = 512
"""Samples that the net judges at a time."""
STEP = CHUNK / RATE
"""Seconds of a chunk."""
_CONTEXT = 64
"""Samples before a chunk that the net also sees."""
_PAD = 8
"""Chunks kept before and after speech, for the recogniser: the first consonant comes before the net is sure."""
_SHORTEST_PART = 0.4
"""A turn that is too long is cut in what comes after this share of it."""


@cache
def open_net() -> Any:
    """The net as an onnxruntime session, opened once a process; may be used from several threads.

    Raises:
        ImportError: faster-whisper or onnxruntime is not installed.
    """
    import faster_whisper
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    path = Path(faster_whisper.__file__).parent / "assets" / "silero_vad_v6.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Activity:
    """Speech probabilities of one sound, in order.

    Args:
        net: What :func:`open_net` gives.
    """

    def __init__(self, net: Any) -> None:
        self._net = net
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)

    def __call__(self, chunks: Array) -> Array:
        """Probabilities (n,) of the next chunks (n, 512)."""
        if not len(chunks):
            return np.zeros(0, np.float32)
        before = np.concatenate([self._context[None], chunks[:-1, -_CONTEXT:]])  # (n, 64)
        seen = np.concatenate([before, chunks], axis=1)  # (n, 576)
        found, self._h, self._c = self._net.run(None, {"input": seen, "h": self._h, "c": self._c})
        self._context = chunks[-1, -_CONTEXT:].copy()
        return np.asarray(found, np.float32).reshape(-1)


class Turn(NamedTuple):
    """Speech with nothing but short silences in it."""

    start: float
    """Of the samples, in seconds of the clip."""
    samples: Array
    """(n,) at 16 kHz, with a quarter of a second before and after the speech where there is one."""
    spans: tuple[tuple[float, float], ...]
    """Speech between pauses: start and end in seconds of the clip."""


class Cutter:
    """Cuts sound into turns at long silences, while it comes.

    Args:
        settings: When sound is speech.
        origin: When the sound begins, in seconds of the clip.
    """

    def __init__(self, settings: SpeechSettings, origin: float = 0.0) -> None:
        self._settings = settings
        self._origin = origin
        self._kept: deque[tuple[Array, float]] = deque()  # chunks with their probabilities
        self._next = 0  # index of the chunk that comes next; that of the first one kept is _next - len(_kept)
        self._spans: list[tuple[int, int]] = []
        self._since: int | None = None  # where the open span began
        self._quiet: int | None = None  # where the silence in it began

    def push(self, chunk: Array, probability: float) -> Turn | None:
        """Takes the next chunk (512,); gives the turn that it ends, if it does."""
        index = self._next
        self._kept.append((chunk, probability))
        self._next += 1
        self._follow(index, probability)
        if self._since is None and not self._spans:
            self._forget(index + 1 - _PAD)
        elif self._since is None and (index + 1 - self._spans[-1][1]) * STEP >= self._settings.gap:
            return self._turn(self._spans[-1][1] + _PAD)
        elif len(self._kept) * STEP >= self._settings.longest:
            return self._turn(self._cut())
        return None

    def finish(self) -> Turn | None:
        """The last turn, if one is open."""
        if self._since is not None:
            self._close(self._next if self._quiet is None else self._quiet)
        return self._turn(self._next) if self._spans else None

    def _follow(self, index: int, probability: float) -> None:
        """Opens and closes spans: open from ``begins``, closed after a pause below ``ends``."""
        if self._since is None:
            if probability >= self._settings.begins:
                self._since, self._quiet = index, None
            return
        if probability >= self._settings.begins:
            self._quiet = None
        elif probability < self._settings.ends and self._quiet is None:
            self._quiet = index
        if self._quiet is not None and (index + 1 - self._quiet) * STEP >= self._settings.pause:
            self._close(self._quiet)

    def _close(self, end: int) -> None:
        """Ends the open span."""
        if self._since is not None and (end - self._since) * STEP >= self._settings.shortest:
            self._spans.append((self._since, end))
        self._since = self._quiet = None

    def _sure(self, span: tuple[int, int]) -> float:
        """Mean probability of what is kept of a span."""
        first = self._next - len(self._kept)
        inside = islice(self._kept, max(span[0] - first, 0), span[1] - first)
        return float(np.mean([probability for _, probability in inside]))

    def _cut(self) -> int:
        """Where a turn that has become too long ends: in its last pause, else where speech is least sure."""
        first = self._next - len(self._kept)
        after = first + round(len(self._kept) * _SHORTEST_PART)
        if self._since is None:
            return self._next
        if self._spans and self._since > after:
            return (self._spans[-1][1] + self._since) // 2
        sure = [probability for _, probability in self._kept][after - first :]
        cut = after + int(np.argmin(sure))
        began = self._since
        if (cut - began) * STEP >= self._settings.shortest:
            self._spans.append((began, cut))
            self._since = cut
        return cut

    def _turn(self, end: int) -> Turn | None:
        """The turn up to a chunk; what comes after that stays."""
        first = self._next - len(self._kept)
        spans, self._spans = self._spans, []
        turn = None
        if any(self._sure(span) >= self._settings.sure for span in spans):
            begin = max(first, spans[0][0] - _PAD)
            stop = min(self._next, max(end, spans[-1][1]), spans[-1][1] + _PAD)
            samples = np.concatenate([chunk for chunk, _ in list(self._kept)[begin - first : stop - first]])
            times = tuple((self._time(start), self._time(close)) for start, close in spans)
            turn = Turn(self._time(begin), samples, times)
        self._forget(min(end, self._next - _PAD) if self._since is None else end)
        return turn

    def _forget(self, before: int) -> None:
        while self._kept and self._next - len(self._kept) < before:
            self._kept.popleft()

    def _time(self, index: int) -> float:
        return round(self._origin + index * STEP, 3)
