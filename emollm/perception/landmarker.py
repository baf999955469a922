"""The exact ``face_landmarker.task``: its 478-point mesh and its 52 blendshapes on LiteRT (MediaPipe, Apache-2.0).

The bundle is a zip of the models; they are read from it as data and run with the geometry of MediaPipe's graph: one pass
over the region of a detection, or of the points before. Point and blendshape order are the publisher's.
"""

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emollm import assets
from emollm.errors import ModelError
from emollm.facs import BLENDSHAPES
from emollm.perception.backends import Reading, Span
from emollm.perception.blazeface import Detection
from emollm.perception.geometry import Image, Pixels, Region, crop
from emollm.perception.litert import Array, Net
from emollm.perception.mesh import TO_INPUT, Mesh, points_in_image, region_of_detection, sigmoid
from emollm.perception.mesh_head import LIVE, WEAK, pretrained
from emollm.types import Source

# Points the blendshape net reads, in its order (kLandmarksSubsetIdxs of MediaPipe's face_blendshapes_graph.cc).
# fmt: off
BLENDSHAPE_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
    81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
    154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251,
    263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)
# fmt: on
_PARTS = ("face_landmarks_detector.tflite", "face_blendshapes.tflite")


class FaceLandmarker:
    """Mesh and blendshapes of the bundle: about 4 ms a face on one core.

    Args:
        bundle: ``face_landmarker.task``.

    Raises:
        ModelError: The file is no such bundle.
    """

    def __init__(self, bundle: Path) -> None:
        try:
            with zipfile.ZipFile(bundle) as parts:
                mesh, shapes = (parts.read(part) for part in _PARTS)
        except (zipfile.BadZipFile, KeyError, OSError) as error:
            raise ModelError(
                f"{bundle}: expected a face landmarker bundle with {' and '.join(_PARTS)}: {error}"
            ) from error
        self._mesh = Net(mesh, name=f"{bundle}:{_PARTS[0]}")
        self._shapes = Net(shapes, name=f"{bundle}:{_PARTS[1]}")
        found = (
            math.prod(self._mesh.output_shapes[0]),
            self._shapes.input_shape,
            math.prod(self._shapes.output_shapes[0]),
        )
        wanted = 478 * 3, (1, len(BLENDSHAPE_POINTS), 2), len(BLENDSHAPES)
        if found != wanted:
            raise ModelError(f"{bundle}: expected nets for 478 points and 52 blendshapes {wanted}, got {found}")

    def look(self, pixels: Image, region: Region) -> Mesh:
        """Mesh of the face in a region; see :class:`emollm.perception.mesh.LightMesh`."""
        size = self._mesh.input_shape[1]
        raw, *scores = self._mesh.see(crop(pixels, region, size), TO_INPUT)
        presence = sigmoid(float(scores[0].item()))
        return Mesh(points_in_image(raw.reshape(478, 3), region, size), presence, region)

    def blendshapes(self, points: Array) -> Array:
        """The 52 blendshapes (52,) in [0, 1] of a mesh (478, 3) in image pixels, in MediaPipe's order."""
        return self._shapes(np.ascontiguousarray(points[None, BLENDSHAPE_POINTS, :2], dtype=np.float32))[0]


class LandmarkerMeter:
    """The bundle as a face meter: one look at each detected face, as MediaPipe does with single pictures."""

    source = Source(backend="face-landmarker", version="float16-1", licence="Apache-2.0")
    shapes = LIVE
    unreliable = WEAK
    imprecise: Mapping[str, str] = {}

    def __init__(self, landmarker: FaceLandmarker) -> None:
        self.landmarker = landmarker
        self.spans: Mapping[str, Span] = pretrained().spans

    def __call__(self, pixels: Pixels, detection: Detection) -> Reading:
        """Mesh and blendshapes of a detected face."""
        mesh = self.landmarker.look(pixels, region_of_detection(detection.box, detection.points))
        return Reading(mesh, self.landmarker.blendshapes(mesh.points))


def open_meter() -> LandmarkerMeter:
    """The meter, from the asset ``face-landmarker``."""
    return LandmarkerMeter(FaceLandmarker(assets.path("face-landmarker")))
