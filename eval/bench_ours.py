"""Our side of the bench: what ``observe`` does with a photo, timed in two steps. Run as ``-m emollm.eval.bench_ours``.

The same protocol as ``bench_mediapipe.py``: a line that says it is ready, then a line of timings for each line of paths.
"""

import json
import os
import sys
from pathlib import Path
from time import perf_counter, process_time

from emollm.errors import EmollmError
from emollm.eval.bench_mediapipe import peak


def main(backend: str, threads: int) -> None:
    """Serves rounds until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the runtime prints goes to the log

    from emollm.media.images import read_image
    from emollm.perception.photo import open_photo_perception
    from emollm.perception.settings import PerceptionSettings

    def say(record: object) -> None:
        answers.write(json.dumps(record) + "\n")
        answers.flush()

    try:
        perceive = open_photo_perception(PerceptionSettings(action_units=backend, threads=threads))
    except EmollmError as error:
        say({"error": str(error)})
        return
    say({"versions": {name: version(name) for name in ("emollm", "ai-edge-litert", "numpy", "pillow")}})
    for line in sys.stdin:
        cpu = process_time()
        began = perf_counter()
        pictures = []
        for path in json.loads(line):
            start = perf_counter()
            picture = read_image(Path(path))
            decoded = perf_counter()
            faces = len(perceive(picture, path).tracks)
            pictures.append([decoded - start, perf_counter() - decoded, faces])
        say({"pictures": pictures, "cpu": (process_time() - cpu) / (perf_counter() - began), "peak": peak()})


def version(distribution: str) -> str:
    """Installed version of a distribution."""
    from importlib.metadata import version as installed

    return installed(distribution)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
