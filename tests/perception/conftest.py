"""Moving pictures made of real faces: what the tracker and all that follows is tested on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from emollm import assets
from emollm.media.images import Picture, read_image
from emollm.perception.geometry import Pixels
from emollm.perception.watching import HeadWatcher, open_head_watcher
from emollm.types import Observation

WIDTH, HEIGHT, RATE = 480, 270, 25


class Still(NamedTuple):
    """A frame of a made scene."""

    time: float
    picture: Pixels
    scale: float = 1.0


def head(picture: Pixels, box: Sequence[float], height: int = 150) -> Pixels:
    """A head cut out of a photo, with some room around the face, ``height`` pixels high."""
    x, y, width, tall = box
    left, top = max(int(x - 0.5 * width), 0), max(int(y - 0.6 * tall), 0)
    patch = picture[top : int(y + 1.4 * tall), left : int(x + 1.5 * width)]
    return cv2.resize(patch, (round(patch.shape[1] * height / patch.shape[0]), height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def frame(time: float, heads: Sequence[tuple[Pixels, float, float]], ground: int = 128) -> Still:
    """Heads with their centres at (x, y) on an even ground."""
    canvas = np.full((HEIGHT, WIDTH, 3), ground, np.uint8)
    for patch, x, y in heads:
        tall, wide = patch.shape[:2]
        left, top = round(x - wide / 2), round(y - tall / 2)
        a, b = max(left, 0), min(left + wide, WIDTH)
        c, d = max(top, 0), min(top + tall, HEIGHT)
        if a < b and c < d:
            canvas[c:d, a:b] = patch[c - top : d - top, a - left : b - left]
    return Still(time, canvas)


def times(seconds: float, start: float = 0.0) -> Iterator[float]:
    """Times of frames at 25 a second."""
    for k in range(round(seconds * RATE)):
        yield start + k / RATE


class Stage(NamedTuple):
    """Heads, and what makes frames of them."""

    woman: Pixels
    man: Pixels
    frame: Callable[..., Still]
    times: Callable[..., Iterator[float]]
    width: int
    height: int


@pytest.fixture(scope="session")
def stage(astronaut_picture: Picture, astronaut_observation: Observation, group_observation: Observation) -> Stage:
    """Two people to be moved about."""
    faces = [one.tracks[0].faces[0].box for one in (astronaut_observation, group_observation)]
    pictures = [astronaut_picture.pixels, read_image(assets.path("photo-multi-face")).pixels]
    woman, man = (
        head(picture, (box.x, box.y, box.width, box.height)) for picture, box in zip(pictures, faces, strict=True)
    )
    return Stage(woman, man, frame, times, int(WIDTH), int(HEIGHT))


@pytest.fixture(scope="session")
def watcher() -> HeadWatcher:
    """The light mesh with the head."""
    return open_head_watcher()


def write_video(path: Path, stills: Iterable[Still], sound: np.ndarray | None = None, rate: int = 16_000) -> Path:
    """A video of frames, with sound (n,) in -1 to 1 if given."""
    import av

    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=int(RATE), width=int(WIDTH), height=int(HEIGHT), bit_rate=4_000_000)
        audio = file.add_stream("aac", rate=rate, layout="mono") if sound is not None else None
        for still in stills:
            picture = av.VideoFrame.from_ndarray(still.picture, format="rgb24")
            picture.pts, picture.time_base = round(still.time * RATE), Fraction(1, int(RATE))
            file.mux(video.encode(picture))
        file.mux(video.encode())
        if audio is not None and sound is not None:
            samples = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            samples.sample_rate, samples.pts = rate, 0
            file.mux(audio.encode(samples))
            file.mux(audio.encode())
    return path


@pytest.fixture(scope="session")
def make_video() -> Callable[..., Path]:
    """``make_video(path, frames, sound, rate)``: see :func:`write_video`."""
    return write_video
