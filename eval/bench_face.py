"""What one face costs: in a photo, and step by step in a video. Run as ``-m emollm.eval.bench_face CLIP FRAMES TURNS``.

Prints one line of JSON: by backend, a list of milliseconds a face for each step, one a turn.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from time import perf_counter

from emollm import assets
from emollm.perception.backends import FINDERS, METERS
from emollm.perception.blazeface import Detection
from emollm.perception.faces import FaceSettings
from emollm.perception.geometry import Pixels

BATCH = 64
"""Faces whose action units are computed together, as in a video."""
PHOTO, LOOK, DETAIL, SHAPES = "photo", "look", "detail", "blendshapes"
BACKENDS = ("mesh-head", "face-landmarker")


def costs(frames: Sequence[Pixels], turns: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds a face, by backend and step: one figure a turn, after one turn that is not counted.

    Args:
        frames: Consecutive frames (H, W, 3) uint8 RGB; those without a face are left out.
        turns: Turns that are counted.
    """
    seen = _first_detections(frames)
    known = [name for name in BACKENDS if name != "face-landmarker" or assets.available(name)]
    return {name: _of_backend(name, seen, turns) for name in known}


def _first_detections(frames: Sequence[Pixels]) -> list[tuple[Pixels, Detection]]:
    finder = FINDERS["blazeface"](FaceSettings())
    found = []
    for pixels in frames:
        sure, candidates = finder.near(pixels)
        if sure or candidates:
            found.append((pixels, (sure or candidates)[0]))
    return found


def _of_backend(name: str, seen: list[tuple[Pixels, Detection]], turns: int) -> dict[str, list[float]]:
    from emollm.perception.mesh import Eyes, expected_region, region_of_detection, region_of_points
    from emollm.perception.watching import WATCHERS

    meter, watcher = METERS[name](), WATCHERS[name]()
    found: dict[str, list[float]] = {step: [] for step in (PHOTO, LOOK, DETAIL, SHAPES)}
    pixels, detection = seen[0]
    region = expected_region(region_of_detection(detection.box, detection.points))
    for turn in range(turns + 1):
        spent = dict.fromkeys(found, 0.0)
        eyes, meshes = Eyes(), []
        for pixels, detection in seen:
            with _timed(spent, PHOTO):
                meter(pixels, detection)
        for pixels, _ in seen:
            with _timed(spent, LOOK):
                look = watcher.look(pixels, region)
            with _timed(spent, DETAIL):
                meshes.append(watcher.detail(pixels, look, eyes))
            region = region_of_points(look.points)
        for start in range(0, len(meshes), BATCH):
            with _timed(spent, SHAPES):
                watcher.blendshapes(meshes[start : start + BATCH])
        if turn:
            for step, seconds in spent.items():
                found[step].append(1000 * seconds / len(seen))
    return found


@contextmanager
def _timed(spent: dict[str, float], step: str) -> Iterator[None]:
    """Adds the seconds of what is done inside."""
    began = perf_counter()
    yield
    spent[step] += perf_counter() - began


def main(clip: Path, count: int, turns: int) -> None:
    """Prints the costs over the first frames of a clip."""
    import cv2

    from emollm.media.video import open_video

    cv2.setNumThreads(1)
    with open_video(clip) as video:
        frames = [frame.pixels for frame in islice(video.frames(), count)]
    print(json.dumps(costs(frames, turns)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
