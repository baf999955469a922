"""MediaPipe's side of the bench: FaceMesh over pictures, timed one by one. Run by path in MediaPipe's own environment.

It imports nothing of emollm, which is not installed there, and speaks the protocol of ``emollm.eval.bench_rivals``: a
line of JSON that says it is ready, then for each line of JSON with paths one line with timings.
"""

import json
import os
import sys
from collections.abc import Callable
from time import perf_counter, process_time


def main() -> None:
    """Serves rounds until standard input ends."""
    say = answering()

    import cv2
    import mediapipe
    import numpy as np

    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True, max_num_faces=int(sys.argv[1])
    )
    mesh.process(np.zeros((64, 64, 3), np.uint8))  # the graph starts with its first picture

    say({"versions": {"mediapipe": mediapipe.__version__, "numpy": np.__version__, "opencv": cv2.__version__}})
    for line in sys.stdin:
        cpu = process_time()
        began = perf_counter()
        pictures = []
        for path in json.loads(line):
            start = perf_counter()
            stored = cv2.imread(path)
            if stored is None:
                raise SystemExit(f"{path}: OpenCV cannot read it; take it out of the folder")
            pixels = cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)
            decoded = perf_counter()
            found = mesh.process(pixels).multi_face_landmarks
            pictures.append([decoded - start, perf_counter() - decoded, len(found or ())])
        say({"pictures": pictures, "cpu": (process_time() - cpu) / (perf_counter() - began), "peak": peak()})


def answering() -> Callable[[object], None]:
    """Says one record a line on standard output and nothing else does: what the libraries print there goes to standard error, the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(record: object) -> None:
        answers.write(json.dumps(record) + "\n")
        answers.flush()

    return say


def peak() -> int:
    """Most memory this process has held, in KiB (``VmHWM``: unlike ru_maxrss it does not inherit the parent's)."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
