"""A smaller copy of a clip that browsers play: H.264 and AAC in MP4, on the clip's own time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emollm.errors import MediaError
from emollm.media.audio import RATE, open_sound
from emollm.media.video import Frame, Video, open_video

if TYPE_CHECKING:
    from av.container import OutputContainer

LONGEST_SIDE = 854
"""Of the copy, in pixels."""

_RATE = 30
_CLOCK = Fraction(1, 90_000)
_BLOCK = 10.0


def smaller_copy(path: Path, *, video: bool, sound: bool) -> bytes | None:
    """The clip with its longer side at most :data:`LONGEST_SIDE` pixels, 30 frames a second, and sound of 16 kHz in mono.

    Args:
        path: A file that can be read.
        video: Whether it has pictures.
        sound: Whether it has sound.

    Returns:
        None where the clip cannot be read, or this build of FFmpeg lacks an encoder.
    """
    import av

    if not {"libx264", "aac"} <= av.codecs_available:
        return None
    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format="mp4") as target:
            pictures = open_video(path, threads=2, max_side=LONGEST_SIDE) if video else None
            to_video = None if pictures is None else _add_pictures(target, pictures)
            to_sound = target.add_stream("aac", rate=RATE, layout="mono") if sound else None
            if pictures is not None and to_video is not None:
                for frame in _thinned(pictures):
                    target.mux(to_video.encode(_video_frame(frame, to_video)))
                target.mux(to_video.encode(None))
            if to_sound is not None:
                _copy_sound(path, target, to_sound)
    except (MediaError, av.FFmpegError):
        return None
    return buffer.getvalue()


def _add_pictures(target: OutputContainer, pictures: Video) -> Any:
    info = pictures.info
    width, height = info.width or 2, info.height or 2
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    stream: Any = target.add_stream("libx264", rate=_RATE, options={"crf": "26", "preset": "veryfast"})
    stream.width, stream.height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = _CLOCK
    return stream


def _thinned(pictures: Video) -> Iterator[Frame]:
    """At most 30 frames a second."""
    last = -1.0
    for frame in pictures.frames():
        if last < 0 or frame.time - last > 0.9 / _RATE:
            last = frame.time
            yield frame


def _video_frame(frame: Frame, stream: Any) -> Any:
    from av import VideoFrame

    picture = VideoFrame.from_ndarray(frame.pixels, format="rgb24")
    picture = picture.reformat(stream.width, stream.height, "yuv420p")
    picture.pts, picture.time_base = round(frame.time / _CLOCK), _CLOCK
    return picture


def _copy_sound(path: Path, target: OutputContainer, stream: Any) -> None:
    from av import AudioFrame

    for block in open_sound(path).blocks(_BLOCK):
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block.samples[None]), format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = round(block.start * RATE)
        target.mux(stream.encode(frame))
    target.mux(stream.encode(None))
