"""Measuring one face again and again: a look at where it was a moment ago, and the rest in batches.

A *watcher* is to a video what a face meter is to a photo. It shares the meter's nets, scales and declarations; only the
steps are taken apart, so that looks (which need each other) and the rest (which does not) run side by side.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from emollm.perception.backends import FaceMeter
from emollm.perception.geometry import Image, Region
from emollm.perception.landmarker import LandmarkerMeter
from emollm.perception.landmarker import open_meter as open_landmarker
from emollm.perception.litert import Array
from emollm.perception.mesh import Eyes, Mesh
from emollm.perception.mesh_head import HeadMeter
from emollm.perception.mesh_head import open_meter as open_head
from emollm.registry import Registry


class Watcher(Protocol):
    """Follows faces by looks; one thread may look while another details and batches."""

    meter: FaceMeter
    """Who measures, on which scale, and what it under-reports."""

    def look(self, pixels: Image, region: Region) -> Mesh:
        """The mesh net's view of a region of a frame (H, W, 3)."""
        ...

    def detail(self, pixels: Image, look: Mesh, eyes: Eyes) -> Mesh:
        """A look completed to 478 points and to all that ``blendshapes`` reads; ``eyes`` belong to the person."""
        ...

    def blendshapes(self, meshes: Sequence[Mesh]) -> Array:
        """(m, 52) in [0, 1] of detailed looks."""
        ...


class HeadWatcher:
    """The light mesh with our head: one net run a frame and face, and one an eye that has changed."""

    def __init__(self, meter: HeadMeter) -> None:
        self.meter: FaceMeter = meter
        self._mesh, self._head = meter.mesh, meter.head

    def look(self, pixels: Image, region: Region) -> Mesh:
        return self._mesh.look(pixels, region)

    def detail(self, pixels: Image, look: Mesh, eyes: Eyes) -> Mesh:
        return self._mesh.with_irises(pixels, look, eyes)

    def blendshapes(self, meshes: Sequence[Mesh]) -> Array:
        return self._head.many(
            np.stack([mesh.points for mesh in meshes]),
            np.stack([mesh.features for mesh in meshes]),  # type: ignore[misc]
        )


class LandmarkerWatcher:
    """The exact bundle: its mesh has the irises, its blendshape net takes one face at a time."""

    def __init__(self, meter: LandmarkerMeter) -> None:
        self.meter: FaceMeter = meter
        self._landmarker = meter.landmarker

    def look(self, pixels: Image, region: Region) -> Mesh:
        return self._landmarker.look(pixels, region)

    def detail(self, pixels: Image, look: Mesh, eyes: Eyes) -> Mesh:
        return look

    def blendshapes(self, meshes: Sequence[Mesh]) -> Array:
        return np.stack([self._landmarker.blendshapes(mesh.points) for mesh in meshes])


WATCHERS: Registry[Callable[[], Watcher]] = Registry(
    "video action unit backend",
    {
        "mesh-head": "emollm.perception.watching:open_head_watcher",
        "face-landmarker": "emollm.perception.watching:open_landmarker_watcher",
    },
)
"""Name, as in ``METERS`` -> function that opens the watcher."""


def open_head_watcher() -> HeadWatcher:
    """The light mesh with the head that is shipped."""
    return HeadWatcher(open_head())


def open_landmarker_watcher() -> LandmarkerWatcher:
    """The bundle, from the asset ``face-landmarker``."""
    return LandmarkerWatcher(open_landmarker())
