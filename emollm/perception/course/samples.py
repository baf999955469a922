"""One person's measurements over time, before they become records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from emollm.types import Scale, Source

if TYPE_CHECKING:
    from emollm.perception.backends import Span

Array = NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """One person's measurements over time: T frames in which the face was seen.

    Gaps are simply absent times. Sides are the person's own.
    """

    track: str | None
    """None: a table that does not say where the face is; ids then have no ``p1.`` before them."""
    times: Array
    """(T,) float64 seconds, rising."""
    raw: Mapping[str, Array]
    """Unit code -> (T,) float32, what the backend gave; NaN where it was not measured in that frame."""
    scale: Scale
    """INTENSITY or PROBABILITY."""
    spans: Mapping[str, "Span"] | None
    """By unit: the raw values between which its intensity runs; None where ``raw`` is on ``scale`` already."""
    sides: Mapping[str, tuple[Array, Array]]
    """Unit code -> (T,) raw left, (T,) raw right, for the units whose sides are measured."""
    angles: Mapping[str, Array]
    """``yaw``, ``pitch``, ``roll``, ``gaze_yaw``, ``gaze_pitch`` -> (T,) float32 degrees, NaN allowed."""
    mouth: Array | None
    """(T,) float32 opening of the mouth in heights of the face; NaN where the lips are not seen."""
    confidence: Array
    """(T,) float32 in [0, 1]; NaN where the backend gives none."""
    source: Source
    """What measured the units."""
    bearing: Source
    """What measured the angles."""
    unreliable: frozenset[str] = field(default_factory=frozenset)
    """Units whose absence is no evidence."""
