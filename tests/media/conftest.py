"""Small real videos and sounds, written by PyAV."""

import random
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from emollm.errors import MediaError

VideoWriter = Callable[..., Path]
SoundWriter = Callable[..., Path]


def picture(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A grey picture whose level tells its index, with a red top left and a blue bottom right corner."""
    pixels = np.full((height, width, 3), 40 + 5 * (index % 40), np.uint8)
    pixels[: height // 4, : width // 4] = 255, 0, 0
    pixels[-(height // 4) :, -(width // 4) :] = 0, 0, 255
    return pixels


def write_video(
    path: Path,
    pictures: int | Iterable[np.ndarray] = 10,
    *,
    times: Sequence[float] | None = None,
    rate: int = 25,
    codec: str = "libx264",
    layout: str = "yuv420p",
    sound: np.ndarray | None = None,
    sound_start: float = 0.0,
    sound_codec: str = "aac",
    sound_rate: int = 16_000,
    prepare: Callable[[Any], None] = lambda stream: None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
) -> Path:
    """Writes pictures with their times in seconds (a multiple of 1 ms), and sound (n,) if given."""
    frames = [picture(index) for index in range(pictures)] if isinstance(pictures, int) else list(pictures)
    times = [index / rate for index in range(len(frames))] if times is None else times
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = layout
        if codec in ("libx264", "mpeg4"):
            stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.options = codec_options or ({"qp": "12"} if codec == "libx264" else {})
        prepare(stream)
        heard = None if sound is None else container.add_stream(sound_codec, rate=sound_rate, layout="mono")
        for time, pixels in zip(times, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24" if pixels.shape[-1] == 3 else "rgba")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(time * 1000)
            container.mux(stream.encode(frame.reformat(format=layout)))
        container.mux(stream.encode(None))
        if sound is not None:
            _encode_sound(container, heard, sound, sound_start)
    return path


def write_sound(
    path: Path,
    samples: np.ndarray,
    *,
    rate: int = 16_000,
    codec: str = "pcm_s16le",
    layout: str = "mono",
    starts: Sequence[float] = (0.0,),
    options: dict[str, str] | None = None,
    **stream_options: Any,
) -> Path:
    """Writes samples (channels, n), float in -1 to 1 or of the codec's type; once for each start in seconds."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout, **stream_options)
        for start in starts:
            _encode_sound(container, stream, samples, start, flush=False)
        container.mux(stream.encode(None))
    return path


def _encode_sound(container: Any, stream: Any, samples: np.ndarray, start: float, flush: bool = True) -> None:
    rate = stream.codec_context.sample_rate
    layout = stream.codec_context.layout.name
    values = np.atleast_2d(samples)
    kind = {"f": "flt", "i": "s16" if values.dtype == np.int16 else "s32", "u": "u8"}[values.dtype.kind]
    values = values.astype(np.float32) if kind == "flt" else values
    resampler = av.AudioResampler(format=stream.codec_context.format.name, layout=layout, rate=rate)
    for at in range(0, values.shape[1], 1024):
        packed = np.ascontiguousarray(values[:, at : at + 1024].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format=kind, layout=layout)
        frame.sample_rate = rate
        frame.pts = round(start * rate) + at
        frame.time_base = Fraction(1, rate)
        for ready in resampler.resample(frame):
            container.mux(stream.encode(ready))
    if flush:
        container.mux(stream.encode(None))


def refusal_by(open_it: Callable[[Path], Any]) -> Callable[..., str]:
    """Gives the one line with which a file is refused, by ``open_it`` or another opener; it names the file."""

    def refusal(path: Path, by: Callable[[Path], Any] = open_it) -> str:
        with pytest.raises(MediaError) as caught:
            by(path)
        return one_line(caught.value, path)

    return refusal


def survive(path: Path, *ways: Callable[[Path], object]) -> None:
    """Reads a file in every way; anything but success and a MediaError of one line that names the file comes out."""
    for way in ways:
        try:
            way(path)
        except MediaError as error:
            one_line(error, path)


def one_line(error: MediaError, path: Path) -> str:
    message = str(error)
    assert "\n" not in message
    assert path.name in message
    return message


def spoilt(data: bytes, dice: random.Random) -> bytes:
    """The bytes cut short, with some changed, some taken out or some zeroed."""
    bad = bytearray(data)
    way = dice.random()
    if way < 0.3:
        return bytes(bad[: dice.randrange(1, len(bad))])
    place = dice.randrange(len(bad))
    if way < 0.8:
        for _ in range(dice.choice((1, 2, 5, 30, 200))):
            bad[dice.randrange(dice.choice((min(len(bad), 1000), len(bad))))] = dice.randrange(256)
    elif way < 0.9:
        del bad[place : place + dice.randrange(1, 2000)]
    else:
        bad[place : place + 400] = bytes(400)
    return bytes(bad) or b"\0"


@pytest.fixture(name="write_video", scope="session")
def _write_video() -> VideoWriter:
    return write_video


@pytest.fixture(name="write_sound", scope="session")
def _write_sound() -> SoundWriter:
    return write_sound


@pytest.fixture(name="picture", scope="session")
def _picture() -> Callable[..., np.ndarray]:
    return picture


@pytest.fixture(name="spoilt", scope="session")
def _spoilt() -> Callable[..., bytes]:
    return spoilt


@pytest.fixture(name="refusal_by", scope="session")
def _refusal_by() -> Callable[..., Callable[..., str]]:
    return refusal_by


@pytest.fixture(name="survive", scope="session")
def _survive() -> Callable[..., None]:
    return survive
