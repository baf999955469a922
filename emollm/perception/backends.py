"""What a perception backend is, and the table of them.

A face meter measures one detected face: its mesh and its 52 blendshapes. Everything else of a photo (units, pose, gaze) is
computed from these two by code that all meters share, so two meters differ in nothing but what they measured.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from emollm.perception.blazeface import Detection
from emollm.perception.geometry import Pixels
from emollm.perception.litert import Array
from emollm.perception.mesh import Mesh
from emollm.registry import Registry
from emollm.types import Source


class Reading(NamedTuple):
    """One measured face."""

    mesh: Mesh
    blendshapes: Array
    """(52,) in [0, 1], in the order of :data:`emollm.facs.BLENDSHAPES`."""


class FaceMeter(Protocol):
    """Measures one face; declares who it is and which units it is known to under-report."""

    source: Source
    unreliable: frozenset[str]
    """Units whose absence is no evidence, by code."""
    low: Array
    """(52,): what nine in ten neutral faces stay below; intensity is 0 up to there."""
    high: Array
    """(52,): what one face in a hundred exceeds; intensity is 1 from there."""
    shapes: frozenset[str]
    """Blendshapes it measures; units that need others are missing."""

    def __call__(self, pixels: Pixels, detection: Detection) -> Reading:
        """Measures the face of a detection in a picture (H, W, 3) uint8 RGB."""
        ...


METERS: Registry[Callable[[], FaceMeter]] = Registry(
    "action unit backend",
    {
        "mesh-head": "emollm.perception.mesh_head:open_meter",
        "face-landmarker": "emollm.perception.landmarker:open_meter",
    },
)
"""Name -> function that opens the meter; a meter serves one thread at a time."""
