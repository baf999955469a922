"""A clip's media for general models: a few upright pictures, its sound as WAV."""

import base64
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from emollm.types import Clip

Pixels = NDArray[np.uint8]

MOST_FRAMES = 4
"""Pictures of a video, evenly spread."""
LONGEST_SIDE = 1024
"""Larger pictures are reduced to it."""
_LOSSLESS = 512
"""Pictures up to this side are sent as PNG, larger ones as JPEG."""
_QUALITY = 92
_RATE = 16_000


def pictures(clip: Clip, most: int = MOST_FRAMES) -> Iterator[Pixels]:
    """(H, W, 3) RGB of the photo, or of frames of the video from begin to end; none of sound and words.

    Raises:
        MediaError: They cannot be read.
    """
    from emollm.media.images import read_image
    from emollm.media.video import frame_at, open_video

    if clip.image is not None:
        yield read_image(clip.image).pixels
    if clip.video is not None:
        duration = open_video(clip.video).info.duration or 0.0
        for k in range(most):
            yield np.asarray(frame_at(clip.video, duration * (k + 0.5) / most).pixels, np.uint8)


def picture_url(pixels: Pixels) -> str:
    """A picture as a data URL."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if max(image.size) > LONGEST_SIDE:
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), reducing_gap=3.0)
    buffer, kind = io.BytesIO(), "png" if max(image.size) <= _LOSSLESS else "jpeg"
    image.save(buffer, kind.upper(), **({"quality": _QUALITY} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def has_sound(clip: Clip) -> bool:
    """Whether there is sound beside or in the clip's file; that something is heard in it is not checked."""
    from emollm.media.video import open_video

    return clip.audio is not None or (clip.video is not None and open_video(clip.video).has_sound)


def wave(clip: Clip) -> str:
    """The clip's sound as base64 of a WAV: 16 kHz, one channel, 16 bits.

    Raises:
        MediaError: It cannot be read, or is too long to be sent in one piece.
    """
    import wave as waves

    from emollm.media.audio import read_sound

    path = clip.audio or clip.video
    assert path is not None
    _, samples = read_sound(path)
    buffer = io.BytesIO()
    with waves.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return base64.b64encode(buffer.getvalue()).decode("ascii")
