"""The process that decodes and measures the files of requests: ``python -m emollm.serve.measuring``.

Files of strangers are opened here and nowhere else. The process takes one job a line on standard input and tells what it found, one JSON
object a line, on standard output; the front gives it a memory limit and ends it when it takes too long. What it decodes for the model it writes
beside the file, in the folder of the request.

The first line holds the settings, of which "perception" is null where nothing is to be measured; then:

    {"job": "observe", "path": …, "name": …, "kind": …}    →  {"progress": [done, of]} … {"observation": {…}}
    {"job": "show", "items": [MediaItem …], "into": …, "whole": bool}  →  {"shown": [{…} …]}
    {"job": "open", "path": …}                              →  {"clip": {…}, "thumb": "data:…"}
    {"job": "pictures", "clip": {…}, "times": […], "media": {…}, "into": …}  →  {"pictures": [{…} …]}
    {"job": "player", "clip": {…}, "into": …}               →  {"player": {…}}
    {"stop": true}                                          ends the job at its next word of progress

or {"error": {"kind": class, "message": …}}.
"""

import json
import math
import os
import resource
import struct
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from emollm.errors import EmollmError, MediaError
from emollm.perception.settings import PerceptionSettings
from emollm.samples import MediaItem
from emollm.types import Observation

MARGIN = 1.5
"""How far a picture that only a face is cut out of reaches beyond the box, in sides of it: more than any crop."""
RATE = 16_000


class Stopped(Exception):
    """Nobody wants the result any more."""


class _Jobs:
    """The lines of standard input, read ahead so that a stop is heard during a job."""

    def __init__(self, lines: IO[str]) -> None:
        self.stop = threading.Event()
        self._lines = lines
        self._waiting: list[str] = []
        self._more = threading.Condition()
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            with self._more:
                self._more.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                line = self._waiting.pop(0)
            self.stop.clear()
            yield json.loads(line)

    def _read(self) -> None:
        for line in self._lines:
            if "stop" in (said := json.loads(line)) and said["stop"] is True:
                self.stop.set()
                continue
            with self._more:
                self._waiting.append(line)
                self._more.notify()
        with self._more:
            self._ended = True
            self.stop.set()  # the front is no more
            self._more.notify()


def main() -> None:
    """Works until standard input ends."""
    told = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever a library prints is no part of what is told
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    first = json.loads(sys.stdin.readline())
    settings = PerceptionSettings()
    if first["perception"] is not None:
        settings = PerceptionSettings.model_validate_json(json.dumps(first["perception"]))
        warm(settings)
    jobs = _Jobs(sys.stdin)
    limit_memory(int(first["memory"]))
    print(json.dumps({"ready": True}), file=told)
    for job in jobs:
        print(json.dumps(_done(job, settings, jobs.stop, first["longest"], told)), file=told)


def warm(settings: PerceptionSettings) -> None:
    """Loads the models that photos need, so that the first visitor does not wait for them."""
    from emollm.media.images import Picture
    from emollm.perception.photo import open_photo_perception
    from emollm.types import MediaInfo

    grey = np.full((64, 64, 3), 128, np.uint8)
    open_photo_perception(settings)(Picture(grey, MediaInfo(kind="image", width=64, height=64), 1.0), "warm")


def limit_memory(more: int) -> None:
    """Lets the process take so many bytes more than it has now; beyond, decoding fails instead of the machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        limit = pages * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _done(
    job: dict[str, Any], settings: PerceptionSettings, stop: threading.Event, longest: float, told: IO[str]
) -> dict[str, Any]:
    """What a job gives, or why it gives nothing."""

    def progress(done: float, of: float | None) -> None:
        if stop.is_set():
            raise Stopped
        if max(done, of or 0.0) > longest:
            raise MediaError(f"{job['name']}: longer than the {longest:.0f} s that are taken here; give a shorter cut")
        print(json.dumps({"progress": [done, of]}), file=told)

    try:
        if job["job"] == "observe":
            return {"observation": json.loads(_observed(job, settings, progress).to_json())}
        if job["job"] in _DRAWN:
            return _DRAWN[job["job"]](job)
        items = [MediaItem.from_json(json.dumps(each)) for each in job["items"]]
        into = Path(job["into"])
        return {"shown": [_shown(item, into, place, job["whole"]) for place, item in enumerate(items)]}
    except Stopped:
        return {"error": {"kind": "Stopped", "message": "stopped"}}
    except EmollmError as error:
        return {"error": {"kind": type(error).__name__, "message": str(error)}}
    except FileNotFoundError:
        return {"error": {"kind": "MediaError", "message": "the file is no longer there"}}
    except MemoryError:
        return {"error": {"kind": "MemoryError", "message": "not enough memory"}}
    except Exception as error:  # a fault of ours, or a folder that is gone: the process goes on with the next file
        traceback.print_exc()
        return {"error": {"kind": "Fault", "message": type(error).__name__}}


def _observed(job: dict[str, Any], settings: PerceptionSettings, progress: Any) -> Observation:
    from emollm.clip_files import open_clip
    from emollm.perception import observe

    clip = open_clip(Path(job["path"]))
    kind = next(name for name in ("image", "video", "audio", "table") if getattr(clip, name) is not None)
    if job["kind"] not in (None, kind):
        raise MediaError(f"{job['name']}: declared as {job['kind']}, but its content is that of {_a(kind)}")
    return observe(clip.model_copy(update={"id": job["name"]}), settings, progress)


def _a(kind: str) -> str:
    return {"image": "a picture", "video": "a video", "audio": "a sound recording", "table": "a table"}[kind]


def _shown(item: MediaItem, into: Path, place: int, whole: bool) -> dict[str, Any]:
    """A picture or a sound as the model is sent it: a file of the request's folder, and the boxes with their picture's fingerprint."""
    from emollm.modeling.sample_media import listen, look

    if item.type == "audio":
        path = into / f"{place}.wav"
        path.write_bytes(_wav(listen(item, Path())))
        return {"type": "audio", "path": str(path)}
    from PIL import Image

    from emollm.modeling.image_processing import fingerprint

    seen = look(item, Path())
    pixels, boxes = (seen.pixels, seen.boxes) if whole else _around(seen.pixels, seen.boxes)
    path = into / f"{place}.png"
    Image.fromarray(pixels).save(path, compress_level=1)
    return {"type": "image", "path": str(path), "mark": fingerprint(pixels), "boxes": [list(box) for box in boxes]}


def _opened(job: dict[str, Any]) -> dict[str, Any]:
    from emollm.serve.decoding import Here

    found = Here().opened(Path(job["path"]))
    return {"clip": json.loads(found.clip.to_json()), "thumb": found.thumb}


def _pictures(job: dict[str, Any]) -> dict[str, Any]:
    """The pictures of a clip as arrays of bytes in files: nothing that has to be decoded again."""
    from emollm.serve.decoding import pictures_of
    from emollm.types import Clip, MediaInfo

    media = MediaInfo.model_validate_json(json.dumps(job["media"]))
    found = pictures_of(Clip.from_json(json.dumps(job["clip"])), job["times"], media)
    drawn = [(None, found.photo)] if found.photo is not None else [*found.frames.items()]
    told = []
    for place, (time, picture) in enumerate(drawn):
        path = Path(job["into"]) / f"{place}.npy"
        np.save(path, picture.pixels, allow_pickle=False)
        info = json.loads(picture.info.model_dump_json())
        told.append({"path": str(path), "time": time, "info": info, "scale": picture.scale})
    return {"pictures": told}


def _player(job: dict[str, Any]) -> dict[str, Any]:
    """How a page plays a clip; the clip itself, which may be long, in a file."""
    from emollm.serve.decoding import Here
    from emollm.types import Clip

    found = Here().player(Clip.from_json(json.dumps(job["clip"])))
    if found is None:
        return {"player": None}
    path = Path(job["into"]) / "uri"
    path.write_text(found.uri or "", encoding="ascii")
    return {"player": {"kind": found.kind, "note": found.note, "path": str(path)}}


_DRAWN = {"open": _opened, "pictures": _pictures, "player": _player}


def _around(
    pixels: np.ndarray, boxes: tuple[tuple[float, ...], ...]
) -> tuple[np.ndarray, tuple[tuple[float, ...], ...]]:
    """The part of a picture (H, W, 3) around its boxes, and the boxes in it: far less to send than a large photo."""
    if not boxes:
        return pixels, boxes
    height, width = pixels.shape[:2]
    left, top, right, bottom = width, height, 0, 0
    for x, y, wide, high, *_ in boxes:
        reach = MARGIN * max(wide, high)
        left, top = min(left, math.floor(x - reach)), min(top, math.floor(y - reach))
        right, bottom = max(right, math.ceil(x + wide + reach)), max(bottom, math.ceil(y + high + reach))
    left, top = max(0, left), max(0, top)
    cut = np.ascontiguousarray(pixels[top : min(bottom, height), left : min(right, width)])
    return cut, tuple((x - left, y - top, *rest) for x, y, *rest in boxes)


def _wav(samples: np.ndarray) -> bytes:
    """A WAV file of (n,) float32 at 16 kHz, the very numbers."""
    data = samples.astype("<f4").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 50 + len(data), b"WAVE", b"fmt ", 18, 3, 1, RATE, 4 * RATE, 4, 32)
    return head + struct.pack("<H4sII4sI", 0, b"fact", 4, len(samples), b"data", len(data)) + data


if __name__ == "__main__":
    main()
