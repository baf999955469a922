"""What a perception backend is, and the tables of them.

A face meter measures one detected face: its mesh and its 52 blendshapes. Everything else of a photo (units, pose, gaze) is
computed from these two by code that all meters share, so two meters differ in nothing but what they measured.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from emollm.perception.blazeface import Detection
from emollm.perception.geometry import Pixels
from emollm.perception.litert import Array
from emollm.perception.mesh import Mesh
from emollm.registry import Registry
from emollm.types import Source

if TYPE_CHECKING:
    from emollm.perception.bearing import Bearing
    from emollm.perception.faces import FaceSettings


class Span(NamedTuple):
    """Raw values of a unit between which its intensity runs."""

    low: float
    """What nine in ten neutral faces stay below: intensity 0 up to there."""
    high: float
    """What one face in a hundred exceeds: intensity 1 from there."""

    def intensity(self, raw: float) -> float:
        """Intensity in [0, 1] of a raw value."""
        return min(max((raw - self.low) / (self.high - self.low), 0.0), 1.0)


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
    spans: Mapping[str, Span]
    """By unit: the raw values between which its intensity runs from 0 to 1."""
    imprecise: Mapping[str, str]
    """Units that it gives too imprecisely to be used, each with the reason."""
    shapes: frozenset[str]
    """Blendshapes it measures; units that need others are missing."""

    def __call__(self, pixels: Pixels, detection: Detection) -> Reading:
        """Measures the face of a detection in a picture (H, W, 3) uint8 RGB."""
        ...


class FaceFinder(Protocol):
    """Finds faces in two steps, so that the first can be measured while the second searches on."""

    source: Source

    def near(self, pixels: Pixels) -> tuple[list[Detection], list[Detection]]:
        """Large faces, found fast: those whose boxes are final, each once; and candidates."""
        ...

    def far(self, pixels: Pixels) -> list[Detection]:
        """All other faces, most certain first; those of ``near`` may come again."""
        ...


class BearingMeter(Protocol):
    """Tells from a mesh how head and eyes are held."""

    source: Source

    def __call__(self, mesh: Mesh) -> "Bearing":
        """Pose and gaze of one face."""
        ...


FINDERS: "Registry[Callable[[FaceSettings], FaceFinder]]" = Registry(
    "face finder", {"blazeface": "emollm.perception.faces:open_finder"}
)
"""Name -> function that opens the finder."""

METERS: Registry[Callable[[], FaceMeter]] = Registry(
    "action unit backend",
    {
        "mesh-head": "emollm.perception.mesh_head:open_meter",
        "face-landmarker": "emollm.perception.landmarker:open_meter",
    },
)
"""Name -> function that opens the meter; a meter serves one thread at a time."""

BEARINGS: Registry[Callable[[], BearingMeter]] = Registry("bearing", {"mesh": "emollm.perception.bearing:open_bearing"})
"""Name -> function that opens what measures head pose and gaze."""
