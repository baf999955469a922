"""Pictures, sounds and videos written for variants, the same bytes each time."""

import io
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emollm.errors import MediaError
from emollm.media.audio import RATE, read_sound
from emollm.media.opening import damage, open_container, picture_stream, reason
from emollm.media.video import open_video

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB in 0–255."""
Samples = NDArray[np.float32]
"""(n,) in -1 to 1, mono, 16,000 a second."""
Look = Callable[[Pixels, float], Pixels]
"""What becomes of a picture that is shown at a time in seconds."""

FULL = 32767 / 32768
"""The largest sample that 16 bits hold."""
_CLOCK = Fraction(1, 90_000)
_ENCODER = "libx264"
_QUALITY = {"crf": "10", "preset": "veryfast", "threads": "1"}


def png(pixels: Pixels) -> bytes:
    """The picture without loss."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def heard(path: Path) -> Samples:
    """All sound of a file from the clip's zero on: what begins later has silence before it.

    Raises:
        MediaError: It cannot be read.
    """
    start, samples = read_sound(path)
    return np.concatenate([np.zeros(max(round(start * RATE), 0), np.float32), samples])


def sixteen_bits(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """(n,) as they are written."""
    return np.round(np.clip(samples, -1.0, FULL) * 32768).astype(np.int16)


def wav(samples: NDArray[np.floating]) -> bytes:
    """The sound as WAV: 16 kHz, one channel, 16 bits."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sixteen_bits(samples).astype("<i2").tobytes())
    return buffer.getvalue()


def looked_at(path: Path, look: Look) -> bytes:
    """A video whose pictures are changed one by one, without sound: H.264 in Matroska, at most a pixel smaller.

    Raises:
        MediaError: It cannot be read, or this build of FFmpeg lacks the encoder.
    """
    import av

    if _ENCODER not in av.codecs_available:
        raise MediaError(f"{path}: FFmpeg has no {_ENCODER} to write changed videos; install the wheel of av")
    buffer = io.BytesIO()
    stream: Any = None
    with av.open(buffer, "w", format="matroska", options={"fflags": "+bitexact"}) as target:
        for frame in open_video(path, threads=1).frames():
            changed = look(frame.pixels, frame.time)
            height, width = (max(side // 2 * 2, 2) for side in changed.shape[:2])
            if stream is None:
                stream = target.add_stream(_ENCODER, rate=30, options=_QUALITY)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.codec_context.time_base = _CLOCK
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(changed), format="rgb24")
            picture = picture.reformat(stream.width, stream.height, "yuv420p")
            picture.pts, picture.time_base = round(frame.time / _CLOCK), _CLOCK
            target.mux(stream.encode(picture))
        if stream is None:
            raise MediaError(f"{path}: none of its pictures can be decoded")
        target.mux(stream.encode(None))
    return buffer.getvalue()


def muted(path: Path) -> bytes:
    """The same pictures, not encoded anew, without sound.

    Raises:
        MediaError: It cannot be read.
    """
    import av

    buffer = io.BytesIO()
    try:
        with (
            open_container(path) as source,
            av.open(buffer, "w", format="matroska", options={"fflags": "+bitexact"}) as target,
        ):
            pictures = picture_stream(source)
            if pictures is None:
                raise MediaError(f"{path}: has no pictures")
            copy: Any = target.add_stream_from_template(pictures)
            for packet in source.demux(pictures):
                if packet.dts is not None:
                    packet.stream = copy
                    target.mux(packet)
    except damage() as error:
        raise MediaError(f"{path}: cannot be copied without its sound: {reason(error)}") from error
    return buffer.getvalue()
