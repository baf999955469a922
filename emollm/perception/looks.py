"""Looking at the faces of a video while their frames are at hand, for what is measured at some moments only."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from emollm.perception.geometry import Image
from emollm.perception.mesh import region_of_points
from emollm.types import Box, Face

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Onlooker(Protocol):
    """Shown every face of a video as it is measured; it decides which ones it looks at."""

    def wants(self, person: int, time: float) -> bool:
        """Whether to be shown a person at a time; asked in order of time, from one thread."""
        ...

    def show(self, person: int, picture: Image, scale: float, face: Face) -> None:
        """A face that was wanted.

        Args:
            person: Number, until :meth:`name` says who it is.
            picture: The frame in which it was measured.
            scale: Size of the frame divided by the size of the file's pictures.
            face: In pixels of the file.
        """
        ...

    def name(self, tracks: Mapping[int, str]) -> None:
        """Tells the tracks of the persons that count, once all frames were seen."""
        ...


class Onlookers:
    """Several as one.

    Args:
        all: Each is shown what it wants.
    """

    def __init__(self, all: Sequence[Onlooker]) -> None:
        self._all = all
        self._asking: list[Onlooker] = []

    def wants(self, person: int, time: float) -> bool:
        self._asking = [one for one in self._all if one.wants(person, time)]
        return bool(self._asking)

    def show(self, person: int, picture: Image, scale: float, face: Face) -> None:
        for one in self._asking:
            one.show(person, picture, scale, face)

    def name(self, tracks: Mapping[int, str]) -> None:
        for one in self._all:
            one.name(tracks)


def face_of(time: float, box: "NDArray[np.floating]", confidence: float, points: "NDArray[np.floating]") -> Face:
    """The record of one look.

    Args:
        time: Seconds from the clip's zero.
        box: (4,) left, top, right, bottom in pixels of the file.
        confidence: Of the mesh net.
        points: (478, 2) in pixels of the file.
    """
    left, top, right, bottom = box
    # Our own numbers, a thousand of them: checking each would take longer than measuring some.
    return Face.model_construct(
        time=_round(time),
        box=Box(x=_round(left, 1), y=_round(top, 1), width=_round(right - left, 1), height=_round(bottom - top, 1)),
        confidence=_round(confidence),
        landmarks=tuple(map(tuple, np.round(points.astype(np.float64), 1).tolist())),
        roll=_round(float(np.degrees(region_of_points(points.astype(np.float32)).angle)), 2),
    )


def _round(value: float, digits: int = 3) -> float:
    return round(float(value), digits) + 0.0
