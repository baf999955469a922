"""From a row's picture to its aligned crop and action units, by our own perception: what a worker process does."""

import os
import signal
import threading
from functools import cache
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm import ferplus
from emollm.errors import MediaError, one_line
from emollm.face_sets.layouts import Raw
from emollm.face_sets.raw import RawTable
from emollm.facs import units_from_blendshapes
from emollm.media.images import Picture, read_image
from emollm.perception.backends import METERS
from emollm.perception.crops import aligned_crop
from emollm.perception.expression import ExpressionSettings
from emollm.perception.photo import PhotoPerception, open_photo_perception
from emollm.perception.settings import PerceptionSettings
from emollm.types import Box, CueKind, Face, MediaInfo, Observation

SMALLEST = 8
"""Pictures with a shorter side in pixels are rejected: nothing can be seen in them."""
TILE = 100
"""Up to this longest side in pixels a picture is taken for a tile cut at a face, and enlarged before the face is looked for."""


class Cut(NamedTuple):
    """How crops are made; the same for all rows."""

    size: int
    margin: float
    units: tuple[str, ...]
    """Codes to measure, in order."""
    backend: str
    """Of action units; not ``auto``."""


class Seen(NamedTuple):
    """What became of a row's picture."""

    crop: bytes = b""
    """(S, S, 3) uint8 RGB."""
    units: tuple[float, ...] = ()
    """Intensities in [0, 1]; NaN: not measured."""
    found: bool = False
    reject: str | None = None
    """Why it cannot be used."""


def see(raw: Raw, root: Path, cut: Cut) -> Seen:
    """The crop and the action units of one row.

    The most prominent face is taken. Where none is found, the whole picture is cut as if its box were a face's: a data set of faces
    has one in every picture, even where it cannot be found; such rows have ``found`` false and no action units.

    Args:
        raw: The row.
        root: What its path is relative to.
        cut: How.
    """
    if raw.reject is not None:
        return Seen(reject=raw.reject)
    try:
        picture = _read(raw, root)
    except MediaError as error:
        return Seen(reject=one_line(str(error).removeprefix(f"{root / (raw.path or '')}: ")))
    height, width = picture.pixels.shape[:2]
    if min(height, width) < SMALLEST:
        return Seen(reject=f"{width}x{height} pixels, less than the {SMALLEST} needed")
    whole = Box(x=0.0, y=0.0, width=width / picture.scale, height=height / picture.scale)
    if max(height, width) <= TILE:
        picture, whole = _enlarged(picture.pixels)
    observation = perception(cut.backend)(picture, raw.id)
    found = bool(observation.tracks)
    face = observation.tracks[0].faces[0] if found else Face(box=whole, confidence=0.0)
    crop = aligned_crop(picture, face, cut.size, cut.margin)
    return Seen(np.ascontiguousarray(crop).tobytes(), _intensities(observation, cut.units), found)


@cache
def perception(backend: str) -> PhotoPerception:
    """Perception on one thread: work is shared out over processes."""
    settings = PerceptionSettings(action_units=backend, expression=ExpressionSettings(net=None), threads=1)
    return open_photo_perception(settings)


@cache
def measured(backend: str) -> tuple[str, ...]:
    """Codes of the action units that a backend measures reliably, sorted."""
    meter = METERS[backend]()
    codes = set(units_from_blendshapes(dict.fromkeys(meter.shapes, 0.0)))
    return tuple(sorted(codes - set(meter.imprecise) - meter.unreliable))


def versions(backend: str) -> dict[str, str]:
    """Of everything that finds and measures a face."""
    blank = np.zeros((64, 64, 3), np.uint8)
    given = perception(backend)(_as_picture(blank), "blank").versions
    return {name: version for name, version in given.items() if name != "emollm"}


def _read(raw: Raw, root: Path) -> Picture:
    if raw.path is not None:
        return read_image(root / raw.path)
    assert raw.pixels is not None
    pixels = raw.pixels
    return _as_picture(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2))


def _as_picture(pixels: NDArray[np.uint8]) -> Picture:
    return Picture(pixels, MediaInfo(kind="image", width=pixels.shape[1], height=pixels.shape[0]), 1.0)


def _enlarged(tile: NDArray[np.uint8]) -> tuple[Picture, Box]:
    """The picture in which a tile's face is looked for, and the box of the tile in it."""
    edge = float(ferplus.padding(tile) * ferplus.ZOOM)
    box = Box(x=edge, y=edge, width=float(tile.shape[1] * ferplus.ZOOM), height=float(tile.shape[0] * ferplus.ZOOM))
    grey = bool((tile == tile[..., :1]).all())  # OpenCV rounds one channel and three not quite alike
    return _as_picture(ferplus.enlarged(tile[..., 0] if grey else tile)), box


def _intensities(observation: Observation, codes: tuple[str, ...]) -> tuple[float, ...]:
    """Of the most prominent face; NaN for what is missing or not reliable in this face."""
    values = {
        cue.name: cue.value
        for cue in observation.cues
        if cue.kind is CueKind.ACTION_UNIT and cue.reliable and cue.track == observation.tracks[0].id
    }
    return tuple(float("nan") if (value := values.get(code)) is None else value for code in codes)


# ---- worker processes -----------------------------------------------------------------------------------------------


class Job(NamedTuple):
    """A stretch of rows."""

    table: Path
    root: Path
    cut: Cut
    start: int
    stop: int


def work_on(job: Job) -> list[Seen]:
    """What becomes of each row of a stretch."""
    return [see(raw, job.root, job.cut) for raw in _table(job.table).rows(job.start, job.stop)]


@cache
def _table(file: Path) -> RawTable:
    return RawTable(file)


def begin_worker() -> None:
    """Makes a worker process use one thread, leave an interruption to its parent, and end when its parent does."""
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(1)
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
