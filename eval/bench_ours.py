"""Our side of the bench: what ``observe`` does with a photo, timed in two steps. Run as ``-m emollm.eval.bench_ours``.

The same protocol as ``bench_mediapipe.py``: a line that says it is ready, then a line of timings for each line of paths.
"""

import json
import sys
from pathlib import Path
from time import perf_counter, process_time

from emollm.errors import EmollmError
from emollm.eval.bench_mediapipe import answering, peak


def main(backend: str, threads: int, folder: bool) -> None:
    """Serves rounds until standard input ends; a folder is measured side by side and has no timings of single pictures."""
    say = answering()

    from emollm.media.images import read_image
    from emollm.perception import observe_all
    from emollm.perception.expression import ExpressionSettings
    from emollm.perception.photo import open_photo_perception
    from emollm.perception.settings import PerceptionSettings
    from emollm.types import Clip

    try:
        # The published comparison is of faces and units; the expression net is measured by `emollm eval face --speed`.
        without = ExpressionSettings(net=None)
        settings = PerceptionSettings(action_units=backend, threads=threads, expression=without)
        perceive = open_photo_perception(settings)
    except EmollmError as error:
        say({"error": str(error)})
        return
    say({"versions": {name: version(name) for name in ("emollm", "ai-edge-litert", "numpy", "pillow")}})
    for line in sys.stdin:
        cpu = process_time()
        began = perf_counter()
        pictures: list[list[float]] = []
        if folder:
            clips = (Clip(id=path, image=Path(path)) for path in json.loads(line))
            faces = [len(result().tracks) for _, result in observe_all(clips, settings)]
            share = (perf_counter() - began) / len(faces)
            pictures = [[0.0, share, count] for count in faces]
        for path in () if folder else json.loads(line):
            start = perf_counter()
            picture = read_image(Path(path))
            decoded = perf_counter()
            found = len(perceive(picture, path).tracks)
            pictures.append([decoded - start, perf_counter() - decoded, found])
        say({"pictures": pictures, "cpu": (process_time() - cpu) / (perf_counter() - began), "peak": peak()})


def version(distribution: str) -> str:
    """Installed version of a distribution."""
    from importlib.metadata import version as installed

    return installed(distribution)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:] == ["folder"])
