"""Pairs for the action-unit head: what the light nets see of a face, and the teacher's blendshapes of the same picture.

Sources are FER+ tiles (an npz with ``images`` and ``votes``) and folders of photos. Photos are varied: turned, scaled, lit
otherwise, blurred, and locally warped about the brows, eyes and mouth, so that one face shows many expressions; the teacher
labels each variation anew. A source face is in one part only (train, valid or test).
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from emollm import ferplus
from emollm.errors import DataError
from emollm.facs import BLENDSHAPES
from emollm.files import replacing
from emollm.media.images import IMAGE_SUFFIXES, read_image
from emollm.perception.faces import BlazeFaceFinder, FaceSettings, find_faces, open_finder
from emollm.perception.geometry import Pixels
from emollm.perception.landmarker import FaceLandmarker
from emollm.perception.litert import Array
from emollm.perception.mesh import LightMesh, expected_region, open_light_mesh, region_of_detection, region_of_points

_MIRROR = [
    BLENDSHAPES.index(name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")) for name in BLENDSHAPES
]
# Mesh points about which a photo is warped: brows, lids, lip corners and lips, chin, cheeks, nose.
_SITES = (
    70,
    63,
    105,
    66,
    107,
    336,
    296,
    334,
    293,
    300,
    159,
    145,
    386,
    374,
    61,
    291,
    0,
    17,
    13,
    14,
    152,
    50,
    280,
    98,
    327,
)


class Pairs(NamedTuple):
    """Inputs and targets, aligned by row."""

    features: NDArray[np.float16]
    """(n, F), one or two looks a picture, of :class:`emollm.perception.mesh.Mesh`."""
    points: Array
    """(n, 478, 3) light mesh in pixels."""
    targets: Array
    """(n, 52) teacher's blendshapes, the mean of three looks."""
    source: NDArray[np.int64]
    """(n,) number of the source picture."""
    missed: int
    """Pictures in which the detector, the teacher or the light net found no face."""


class _Nets(NamedTuple):
    finder: BlazeFaceFinder
    light: LightMesh
    teacher: FaceLandmarker


def ferplus_pairs(file: Path, part: str, teacher: Path, out: Path, workers: int, limit: int | None = None) -> Pairs:
    """Pairs from the tiles of one split of a FER+ npz; kept in ``out`` and read from there the next time.

    Raises:
        DataError: The file lacks an expected array.
    """
    key = f"tiles {file.name} {part} {limit} {sha256(teacher.read_bytes()).hexdigest()[:12]}"
    if out.exists():
        return load_pairs(out, key)
    images = ferplus.read(file, part).images
    jobs = [(str(teacher), "tile", k, tile, 1) for k, tile in enumerate(images[:limit])]
    return _collect(jobs, key, out, workers)


def photo_pairs(
    folders: Sequence[Path], part: str, teacher: Path, out: Path, workers: int, variations: int, hold_out: int
) -> Pairs:
    """Pairs from folders of photos; every ``hold_out``-th photo is for ``part="test"``, the others for ``"train"``."""
    key = f"photos {part} {variations} {hold_out} {sha256(teacher.read_bytes()).hexdigest()[:12]}"
    if out.exists():
        return load_pairs(out, key)
    files = sorted(file for folder in folders for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DataError(f"{', '.join(map(str, folders)) or 'photos'}: no photos; give folders of photos of faces")
    chosen = [(k, file) for k, file in enumerate(files) if (k % hold_out == hold_out - 1) == (part == "test")]
    return _collect([(str(teacher), "photo", k, str(file), variations) for k, file in chosen], key, out, workers)


def _collect(jobs: Sequence[tuple[str, str, int, Any, int]], key: str, out: Path, workers: int) -> Pairs:
    rows: list[tuple[Array, Array, Array, int]] = []
    missed = 0
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for found, lost in tqdm(
            pool.imap(_pairs_of, jobs, chunksize=16 if len(jobs) > 1000 else 1),
            total=len(jobs),
            desc=out.stem,
            mininterval=5,
        ):
            rows += found
            missed += lost
    pairs = Pairs(
        np.array([row[0] for row in rows], np.float16),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.float32),
        np.array([row[3] for row in rows], np.int64),
        missed,
    )
    with replacing(out) as file:
        np.savez(file, key=np.array(key), **pairs._asdict())
    return pairs


def load_pairs(file: Path, key: str) -> Pairs:
    """Pairs that were kept.

    Raises:
        DataError: They were made from other data or with other settings.
    """
    with np.load(file, allow_pickle=False) as arrays:
        if str(arrays["key"]) != key:
            raise DataError(
                f"{file}: made for {str(arrays['key'])!r}, wanted {key!r}; remove it or give another work folder"
            )
        return Pairs(**{name: arrays[name] for name in Pairs._fields[:-1]}, missed=int(arrays["missed"]))


@cache
def _nets(teacher: str) -> _Nets:
    cv2.setNumThreads(1)
    return _Nets(open_finder(FaceSettings()), open_light_mesh(), FaceLandmarker(Path(teacher)))


def _pairs_of(job: tuple[str, str, int, Any, int]) -> tuple[list[tuple[Array, Array, Array, int]], int]:
    teacher, kind, number, content, variations = job
    nets = _nets(teacher)
    rng = np.random.default_rng(number)
    pictures = [ferplus.enlarged(content)] if kind == "tile" else _variations(content, variations, nets, rng)
    found, missed = [], 0
    for picture in pictures:
        pairs = _pair(picture, nets)
        missed += not pairs
        found += [(*pair, number) for pair in pairs]
    return found, missed


def _pair(picture: Pixels, nets: _Nets) -> list[tuple[Array, Array, Array]]:
    """Features and points of each look of the light nets, with the teacher's mean over three; empty if any finds no face."""
    detections = find_faces(nets.finder, picture)
    if not detections:
        return []
    middle = np.array(picture.shape[1::-1]) / 2
    best = min(detections, key=lambda item: float(np.linalg.norm((item.box[:2] + item.box[2:]) / 2 - middle)))
    region = region_of_detection(best.box, best.points)
    looks = nets.light.looks(picture, expected_region(region))
    taught = nets.teacher.look(picture, region)
    if looks[-1].presence < 0.5 or taught.presence < 0.5:
        return []
    again = nets.teacher.look(picture, region_of_points(taught.points))
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    other = nets.teacher.look(mirrored, region._replace(x=picture.shape[1] - 1 - region.x, angle=-region.angle))
    shapes = [nets.teacher.blendshapes(look.points) for look in (taught, again, other)]
    shapes[2] = shapes[2][_MIRROR]
    target = np.stack(shapes).mean(axis=0).astype(np.float32)
    return [(look.features, look.points, target) for look in looks if look.features is not None]


def _variations(file: str, count: int, nets: _Nets, rng: np.random.Generator) -> Iterator[Pixels]:
    """The photo itself, then ``count - 1`` variations of it."""
    photo = read_image(Path(file)).pixels
    yield photo
    detections = find_faces(nets.finder, photo)
    if not detections:
        return
    mesh = nets.light(photo, region_of_detection(detections[0].box, detections[0].points))
    for _ in range(count - 1):
        picture = _warp(photo, mesh.points, mesh.region.side, rng) if rng.random() < 0.75 else photo
        yield _relight(_move(picture, rng), rng)


def _warp(photo: Pixels, points: Array, side: float, rng: np.random.Generator) -> Pixels:
    """A smooth local displacement about two to eight random sites of the face."""
    height, width = photo.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    for site in rng.choice(_SITES, size=int(rng.integers(2, 9)), replace=False):
        reach = side * rng.uniform(0.03, 0.09)
        bump = np.exp(-((x - points[site, 0]) ** 2 + (y - points[site, 1]) ** 2) / (2 * reach**2))
        dx += bump * np.float32(rng.normal() * 0.35 * reach)
        dy += bump * np.float32(rng.normal() * 0.55 * reach)
    return cv2.remap(photo, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def _move(picture: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = picture.shape[:2]
    shift = np.zeros((2, 3))
    shift[:, 2] = rng.normal(size=2) * 0.04 * width
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal() * 12, rng.uniform(0.5, 1.1)) + shift
    moved = cv2.warpAffine(picture, matrix, (width, height))
    return np.ascontiguousarray(moved[:, ::-1] if rng.random() < 0.5 else moved, dtype=np.uint8)


def _relight(picture: Pixels, rng: np.random.Generator) -> Pixels:
    values: NDArray[np.floating] = picture.astype(np.float32)
    if rng.random() < 0.3:
        values = np.repeat(values.mean(2, keepdims=True), 3, 2)
    values = values * rng.uniform(0.6, 1.25) + rng.normal() * 12
    if rng.random() < 0.3:
        values = cv2.GaussianBlur(values, (0, 0), rng.uniform(0.5, 2.5))  # type: ignore[assignment]
    if rng.random() < 0.3:
        values = values + rng.normal(size=values.shape) * rng.uniform(2, 12)
    return np.clip(values, 0, 255).astype(np.uint8)
