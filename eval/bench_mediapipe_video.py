"""MediaPipe's side of the bench for clips: FaceMesh following one face, decoding by OpenCV included. Run by path.

It imports nothing of emollm, which is not installed in MediaPipe's environment, and speaks the protocol of
``emollm.eval.bench_rivals``. Arguments: ``points``, ``irises`` (``refine_landmarks``) or ``decode`` (no face is looked for).
"""

import json
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))


def main(what: str) -> None:
    """Serves clips until standard input ends."""
    say = answering()

    import cv2
    import mediapipe
    import numpy as np

    def follower() -> Any:
        """A graph that remembers no face: started by a blank frame, and made anew for each clip, which is not timed."""
        mesh = mediapipe.solutions.face_mesh.FaceMesh(
            static_image_mode=False, refine_landmarks=what == "irises", max_num_faces=1
        )
        mesh.process(np.zeros((64, 64, 3), np.uint8))
        return mesh

    def follow(path: str, mesh: Any) -> tuple[int, int]:
        """Frames, and frames with a face."""
        frames = faces = 0
        clip = cv2.VideoCapture(path)
        while True:
            there, stored = clip.read()
            if not there:
                break
            frames += 1
            pixels = cv2.cvtColor(stored, cv2.COLOR_BGR2RGB)
            if mesh is not None:
                faces += mesh.process(pixels).multi_face_landmarks is not None
        if not frames:
            raise SystemExit(f"{path}: OpenCV cannot read it")
        return frames, faces

    say({"versions": {"mediapipe": mediapipe.__version__, "numpy": np.__version__, "opencv": cv2.__version__}})
    for line in sys.stdin:
        mesh = None if what == "decode" else follower()
        cpu, began = process_time(), perf_counter()
        frames, faces = follow(json.loads(line), mesh)
        seconds = perf_counter() - began
        if mesh is not None:
            mesh.close()
        say(
            {
                "frames": frames,
                "faces": faces,
                "seconds": seconds,
                "cpu": (process_time() - cpu) / seconds,
                "peak": peak(),
            }
        )


if __name__ == "__main__":
    from bench_mediapipe import answering, peak

    main(sys.argv[1])
