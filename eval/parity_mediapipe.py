"""MediaPipe's own Face Landmarker on photos; runs in MediaPipe's environment and imports nothing of ours.

Arguments: the bundle, then photos. Prints one JSON list a photo: the 52 blendshapes of each face, in MediaPipe's order.
"""

import json
import os
import sys

import mediapipe
from mediapipe.tasks.python import BaseOptions, vision


def main() -> None:
    """Prints a line a photo."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the runtime prints goes to standard error
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=sys.argv[1]), output_face_blendshapes=True, num_faces=2
    )
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for path in sys.argv[2:]:
            found = landmarker.detect(mediapipe.Image.create_from_file(path)).face_blendshapes
            answers.write(json.dumps([[shape.score for shape in face] for face in found]) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
