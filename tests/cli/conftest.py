"""Small real recordings, and the command line called as a user calls it."""

import signal
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
import pytest

from emollm.cli import main
from emollm.media.images import Picture
from tests.cli.arguments import by_cues

RATE = 16_000
FPS = 10


class Said(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


def film(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    sound: np.ndarray | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A video of pictures (H, W, 3) at 10 frames a second, with sound (n,) at 16 kHz if given.

    Args:
        path: Its suffix chooses the container; ``options`` are the container's.
        pictures: All of one size, with even sides.
        sound: float32 in -1 to 1.
        options: Of the container.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        stream: Any = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"qp": "16", "g": str(FPS)}
        heard: Any = container.add_stream("aac", rate=RATE, layout="mono") if sound is not None else None
        for pixels in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate = RATE
            frame.pts, frame.time_base = 0, Fraction(1, RATE)
            container.mux(heard.encode(frame))
            container.mux(heard.encode(None))
    return path


@pytest.fixture(name="film", scope="session")
def _film() -> Callable[..., Path]:
    return film


@pytest.fixture(scope="session")
def woman(astronaut_picture: Picture) -> np.ndarray:
    """A smiling face, (256, 256, 3)."""
    return cv2.resize(astronaut_picture.pixels, (256, 256), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


@pytest.fixture(scope="session")
def nobody() -> np.ndarray:
    """A picture without a face, of the same size."""
    return np.full((256, 256, 3), 90, np.uint8)


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Said]]:
    """The command line in this process: exit code, standard output and error, with what native libraries write."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str | Path) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(by_cues(arguments))
        out, err = capfd.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Said(code, out, err)

    yield run
    signal.signal(signal.SIGTERM, before)
