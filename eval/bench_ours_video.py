"""Our side of the bench for clips. Run as ``-m emollm.eval.bench_ours_video WHAT [BACKEND] THREADS``.

``faces`` follows and measures faces and their action units, as ``observe`` does; ``decode`` only decodes; ``whole`` observes
with all other settings as they are; ``voice`` hears the sound. The protocol is that of ``bench_mediapipe_video.py``.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from emollm.errors import EmollmError
from emollm.eval.bench_mediapipe import answering, peak
from emollm.eval.bench_ours import version

if TYPE_CHECKING:
    from emollm.perception.settings import PerceptionSettings

Pass = Callable[[Path], dict[str, Any]]
"""Works through one recording and says what it found."""


def main(what: str, backend: str, threads: int) -> None:
    """Serves recordings until standard input ends."""
    say = answering()

    try:
        work = WORK[what](backend, threads)
    except EmollmError as error:
        say({"error": str(error)})
        return
    say({"versions": {name: version(name) for name in LIBRARIES[what]}})
    for line in sys.stdin:
        cpu, began = process_time(), perf_counter()
        found = work(Path(json.loads(line)))
        seconds = perf_counter() - began
        say(found | {"seconds": seconds, "cpu": (process_time() - cpu) / seconds, "peak": peak()})


def _faces(backend: str, threads: int) -> Pass:
    """Faces and action units, without the sound."""
    from emollm.perception import observe
    from emollm.perception.watching import WATCHERS
    from emollm.types import Clip

    WATCHERS[backend]()  # a model that cannot be had is told before anything runs
    settings = _settings(
        f"threads={threads}", f"video.action_units={backend}", "voice.enabled=false", "expression.net=null"
    )

    def work(path: Path) -> dict[str, Any]:
        found = observe(Clip(id="clip", video=path), settings)
        return {"frames": found.media.frames, "faces": max((track.frames for track in found.tracks), default=0)}

    return work


def _decode(backend: str, threads: int) -> Pass:
    """Decoding, colours and turning upright."""
    from emollm.media.video import open_video

    def work(path: Path) -> dict[str, Any]:
        with open_video(path) as video:
            return {"frames": sum(1 for _ in video.frames()), "faces": 0}

    return work


def _whole(backend: str, threads: int) -> Pass:
    """All that is observed by default."""
    from emollm.perception import observe
    from emollm.types import Clip

    settings = _settings(f"threads={threads}", "expression.net=null")

    def work(path: Path) -> dict[str, Any]:
        found = observe(Clip(id="clip", video=path), settings)
        return {
            "frames": found.media.frames,
            "faces": max((track.frames for track in found.tracks), default=0),
            "length": found.media.duration,
        }

    return work


def _voice(backend: str, threads: int) -> Pass:
    """Speech, prosody and words; ``backend`` is the recogniser of words."""
    from emollm.media.audio import open_sound
    from emollm.perception.voice import listen
    from emollm.perception.voice.settings import VoiceSettings

    settings = VoiceSettings(words=backend, threads=threads)

    def work(path: Path) -> dict[str, Any]:
        sound = open_sound(path)
        listen(sound, settings)
        return {"length": sound.info.duration}

    return work


def _settings(*overrides: str) -> "PerceptionSettings":
    from emollm.config import load
    from emollm.perception.settings import PerceptionSettings

    return load(PerceptionSettings, overrides=overrides)


WORK: dict[str, Callable[[str, int], Pass]] = {"faces": _faces, "decode": _decode, "whole": _whole, "voice": _voice}
_VIDEO = ("emollm", "av", "ai-edge-litert", "numpy")
LIBRARIES = {
    "faces": _VIDEO,
    "decode": ("emollm", "av"),
    "whole": (*_VIDEO, "onnxruntime", "faster-whisper"),
    "voice": ("emollm", "av", "onnxruntime", "faster-whisper", "numpy"),
}
"""Whose versions are told."""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
