"""Video files to upright RGB frames with their true times, one after another, however long the file is.

What is decided here:

- A frame's time is its timestamp in seconds, counted from the clip's zero (:mod:`emollm.media.packets`), which the sound
  shares; the frame rate plays no part in it. Times rise strictly: frames whose time does not are left out.
- Rotation, mirroring and pixels that are not square are put right (:mod:`emollm.media.upright`); ``info.width`` and
  ``info.height`` are the upright size of the first frame. Frames with a longer side than :data:`MAX_SIDE` are reduced.
- What the decoder reports as damaged is left out, never patched; of a file that is cut short, what decodes is given.

Each of these that happened is written in ``info.note``.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

import numpy as np

from emollm.errors import MediaError
from emollm.media.beginning import Start, interval_of, nothing_decoded, rate_of, start_of
from emollm.media.gaps import Gap, Gaps
from emollm.media.opening import MAX_PIXELS, damage, open_container, picture_stream, reason, sound_stream, without
from emollm.media.packets import Decoder, Packets, can_seek, declared_end, ended_early
from emollm.media.planes import Planes
from emollm.media.readahead import read_ahead
from emollm.media.upright import Upright
from emollm.types import MediaInfo

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MAX_SIDE = 1920
"""Longest side of the pixels given."""

_SLACK = 0.25
"""Seconds that pictures may end before the time that the file declares."""


class Frame:
    """One picture of a video.

    Args:
        time: Seconds from the clip's zero.
        pixels: (H, W, 3) uint8, RGB in 0–255, upright, C-contiguous; or the planes that they are made of when asked for.
        scale: Size of the pixels divided by the size in the file: 1.0 unless the frame was reduced.
    """

    __slots__ = ("_pixels", "picture", "scale", "time")

    def __init__(self, time: float, pixels: "np.ndarray | Planes", scale: float) -> None:
        self.time = time
        self.scale = scale
        self.picture: np.ndarray | Planes = pixels
        """What the decoder left: planes where the frame needs no turning and no resizing, else RGB."""
        self._pixels = None if isinstance(pixels, Planes) else pixels

    @property
    def pixels(self) -> np.ndarray:
        """(H, W, 3) uint8, RGB in 0–255, upright, C-contiguous."""
        if self._pixels is None:
            assert isinstance(self.picture, Planes)
            self._pixels = self.picture.rgb()
        return self._pixels


Frames = Generator[Frame, None, None]


class Video:
    """A video file that can be read; made by :func:`open_video`.

    ``frames()`` may be called more than once; each call reads the file anew.
    """

    def __init__(self, path: Path, facts: "_Facts", threads: int, max_side: int) -> None:
        self.path = path
        self._facts = facts
        self._threads = threads
        self._max_side = max_side
        self._run: _Run | None = None
        self._running: WeakSet[Frames] = WeakSet()

    @property
    def info(self) -> MediaInfo:
        """What the file says; once all frames were read, ``rate``, ``duration`` and ``note`` are what was found."""
        info = self._facts.info
        run = self._run
        notes = [*self._facts.notes, *(run.notes() if run else [])]
        update: dict[str, object] = {"note": "; ".join(notes) or None}
        if run:
            update["duration"] = max(info.duration or 0.0, run.end)
            update["rate"] = run.rate() or info.rate
        return info.model_copy(update=update)

    @property
    def has_sound(self) -> bool:
        """Whether the file has an audio stream; :func:`emollm.media.audio.open_sound` tells if there is sound in it."""
        return self._facts.has_sound

    @property
    def ended_early(self) -> str | None:
        """Where and why the pictures end before the file says they do; known once all frames were read."""
        return self._run.ended_early if self._run else None

    @property
    def first(self) -> float:
        """When the first frame is shown, in seconds from the clip's zero; 0 until all frames were read."""
        return self._run.first if self._run else 0.0

    @property
    def last(self) -> float:
        """Where the last frame ends, in seconds from the clip's zero; 0 until all frames were read."""
        return self._run.end if self._run else 0.0

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Start and end, in seconds, of the longest stretches without frames; known once all frames were read.

        At most 20, in order of time, each of more than 1 s and more than the usual interval between two frames.
        """
        return self._run.gaps.longest() if self._run else ()

    @property
    def damaged(self) -> int:
        """How many frames were left out for damage; known once all frames were read."""
        return self._run.damaged if self._run else 0

    @property
    def frames_given(self) -> int:
        """How many frames ``frames()`` gave; known once all were read."""
        return self._run.count if self._run else 0

    def frames(self, ahead: int = 8) -> Frames:
        """All frames in order of time.

        Args:
            ahead: How many frames a thread of its own may decode ahead of the consumer; with 0 there is no thread.

        Raises:
            MediaError: Not one frame can be decoded.
        """
        frames = read_ahead(self._read(), ahead) if ahead > 0 else self._read()
        self._running.add(frames)
        return frames

    def close(self) -> None:
        """Ends the reading of frames that is still going on."""
        for frames in list(self._running):
            frames.close()

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> Frames:
        with open_container(self.path) as container:
            run = _Run(self.path, container, self._facts, self._threads, self._max_side)
            with closing(run.decoded()) as decoded:
                for time, frame in decoded:
                    yield run.converted(time, frame)
        self._run = run


class _Facts(NamedTuple):
    """What is known of a video before its frames are read."""

    info: MediaInfo
    has_sound: bool
    zero: float
    begin: float
    """When the first frame is shown if it has no time itself, in seconds from the clip's zero."""
    interval: float
    """Usual seconds from frame to frame."""
    aspect: float
    notes: tuple[str, ...]


def open_video(path: Path, *, threads: int = 2, max_side: int = MAX_SIDE) -> Video:
    """Opens a video file and decodes its first frame.

    Args:
        path: A regular file; see :mod:`emollm.media.opening`.
        threads: How many threads decode.
        max_side: Longest side of the pixels given; larger frames are reduced to it.

    Raises:
        MediaError: Not a video that can be read, without pictures, too large, or without one frame that can be decoded.
    """
    path = Path(path)
    with open_container(path) as container:
        return Video(path, _facts(path, container, max_side), threads, max_side)


def frame_at(path: Path, time: float, *, threads: int = 2, max_side: int = MAX_SIDE) -> Frame:
    """The frame shown at a time, as ``frames()`` gives it: the last one that is not later, or the first.

    The file is read from the key frame before it; where seeking cannot be trusted, from its start.

    Args:
        path: A video file.
        time: Seconds from the clip's zero.
        threads: How many threads decode.
        max_side: As for :func:`open_video`.

    Raises:
        MediaError: As for :func:`open_video`.
    """
    path = Path(path)
    with open_container(path) as container:
        facts = _facts(path, container, max_side)
    for back in (0.0, 2.0, 10.0, None):
        with open_container(path) as container:
            run = _Run(path, container, facts, threads, max_side)
            if back is not None and not run.seek(time - back):
                continue
            found = run.shown_at(time, sought=back is not None)
            if found is not None:
                return run.converted(*found)
    raise MediaError(f"{path}: none of its pictures can be decoded: damaged file; copy or download it again")


# ---- before reading -------------------------------------------------------------------------------------------------


def _facts(path: Path, container: "InputContainer", max_side: int) -> _Facts:
    stream = picture_stream(container)
    if stream is None:
        raise MediaError(f"{path}: {without(container, 'video')}")
    _check_size(path, stream)
    sound = sound_stream(container)
    start = start_of(container, "video")
    if start.picture is None:
        raise nothing_decoded(path, start, "pictures")
    aspect = float(stream.sample_aspect_ratio or 1)
    upright = Upright(max_side, aspect)
    width, height = upright.size(start.picture)
    rate = rate_of(stream)
    heard = start.sound
    info = MediaInfo(
        kind="video",
        width=width,
        height=height,
        duration=_duration(container, stream, sound, start),
        frames=stream.frames or None,
        rate=rate,
        sample_rate=heard.sample_rate if heard else (sound.codec_context.sample_rate or None) if sound else None,
        channels=heard.layout.nb_channels if heard else (sound.codec_context.channels or None) if sound else None,
    )
    notes = upright.notes(start.picture)
    return _Facts(info, sound is not None, start.zero, start.pictures_from, interval_of(stream), upright.aspect, notes)


def _check_size(path: Path, stream: "VideoStream") -> None:
    width, height = stream.codec_context.width, stream.codec_context.height
    if not width * height:  # FFmpeg says 0x0 where it refuses the size itself
        raise MediaError(f"{path}: its header gives no size of the frames up to {MAX_PIXELS:,} pixels; save it anew")
    if width * height > MAX_PIXELS:
        raise MediaError(
            f"{path}: expected frames of up to {MAX_PIXELS:,} pixels, came {width}x{height}; save it smaller"
        )


def _duration(container: "InputContainer", stream: "VideoStream", sound: "Stream | None", start: Start) -> float | None:
    ends = [declared_end(container, one) for one in (stream, sound) if one is not None]
    longest = max((end for end in ends if end is not None), default=None)
    return None if longest is None or longest <= start.zero else longest - start.zero


# ---- reading --------------------------------------------------------------------------------------------------------


class _Run:
    """One reading of the frames of an open container."""

    def __init__(self, path: Path, container: "InputContainer", facts: _Facts, threads: int, max_side: int) -> None:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(f"{path}: has no video stream any more; it was changed while being read")
        self.ended_early: str | None = None
        self.end = 0.0
        """Where the last frame ends, in seconds from the clip's zero."""
        self._path = path
        self._container = container
        self._stream = stream
        self._facts = facts
        self._decoder: Decoder[VideoFrame] = Decoder(stream, threads)
        self._upright = Upright(max_side, facts.aspect)
        sound = sound_stream(container)
        self._packets = Packets(container, [stream] if sound is None else [stream, sound])
        self.count = 0
        """How many frames were given."""
        self.gaps = Gaps()
        self.first = self._time = 0.0
        self._backward = self._untimed = 0

    @property
    def damaged(self) -> int:
        """How many frames were left out for damage."""
        return self._decoder.damaged

    def decoded(self) -> "Generator[tuple[float, VideoFrame], None, None]":
        """Frames with their times in seconds from the clip's zero, which rise strictly.

        Raises:
            MediaError: There is not one.
        """
        for packet in self._packets:
            if packet.stream_index == self._stream.index:
                yield from self._placed(self._decoder.frames(packet))
        yield from self._placed(self._decoder.frames(None))
        if not self.count:
            raise MediaError(f"{self._path}: none of its pictures can be decoded: damaged file; copy it again")
        zero = self._facts.zero
        due = declared_end(self._container, self._stream)
        slack = _SLACK + 2 * self._facts.interval
        self.ended_early = ended_early("pictures", self._packets, self._decoder, self.end + zero, due, zero, slack)

    def converted(self, time: float, frame: "VideoFrame") -> Frame:
        try:
            planes = self._upright.planes(frame)
            pixels, scale = (planes, 1.0) if planes is not None else self._upright.pixels(frame)
        except MemoryError as error:
            raise MediaError(f"{self._path}: not enough memory for {frame.width}x{frame.height} pixels") from error
        except damage() as error:
            layout = f"{frame.width}x{frame.height} {frame.format.name}"
            raise MediaError(f"{self._path}: pixels that cannot be converted ({layout}): {reason(error)}") from error
        return Frame(time, pixels, scale)

    def _placed(self, frames: "list[VideoFrame]") -> Iterator[tuple[float, "VideoFrame"]]:
        for frame in frames:
            stamp = self._decoder.time(frame)
            if stamp is None:
                self._untimed += 1
                time = self._time + self._facts.interval if self.count else self._facts.begin
            else:
                time = stamp - self._facts.zero
            if time < 0 or (self.count and time <= self._time):
                self._backward += 1
                continue
            if not self.count:
                self.first = time
            else:
                self.gaps.step(self._time, time)
            self.count += 1
            self._time = time
            length = (frame.duration or 0) * self._decoder.unit
            self.end = time + (length or self._facts.interval)
            yield time, frame

    def rate(self) -> float | None:
        """Frames a second in the mean, measured."""
        return (self.count - 1) / (self._time - self.first) if self.count > 1 else None

    def notes(self) -> list[str]:
        """What happened while reading."""
        notes = []
        if len(self._upright.sizes) > 1:
            sizes = [f"{width}x{height}" for width, height in self._upright.sizes]
            notes.append(f"frames change size: {', '.join(sizes[:5])}{' …' if len(sizes) > 5 else ''}")
        for count, what in (
            (self._decoder.damaged, "damaged, left out"),
            (self._backward, "without a later time than the one before, left out"),
            (self._untimed, "without a time, timed by the frame rate"),
        ):
            if count:
                notes.append(f"{count} frame{'s' if count > 1 else ''} {what}")
        if self._packets.leaps:
            notes.append(self._packets.leapt())
        return notes

    # -- one frame --

    def seek(self, time: float) -> bool:
        """Moves to a key frame near a time; False where only reading from the start gives true times."""
        unit = self._decoder.unit
        if not can_seek(self._container) or not unit or time <= 0:
            return False
        try:
            self._container.seek(int((time + self._facts.zero) / unit), stream=self._stream)
        except damage():
            return False
        return True

    def shown_at(self, time: float, *, sought: bool) -> "tuple[float, VideoFrame] | None":
        """The last frame that is not later, or the first; None if the place sought was too late or has no key frame."""
        found: tuple[float, VideoFrame] | None = None
        with closing(self.decoded()) as decoded:
            try:
                for when, frame in decoded:
                    if found is None and sought and (when > time or not frame.key_frame):
                        return None
                    if found is not None and when > time:
                        break
                    found = when, frame
            except MediaError:
                return None
        return None if sought and self._untimed else found
