"""The sound of audio and video files as 16 kHz mono, one block after another, however long the file is.

What is decided here:

- A sample's time is seconds from the clip's zero (:mod:`emollm.media.packets`), which the pictures share. Blocks follow
  each other without a gap: where the file's timestamps leave a gap, there is silence (zeros), and where they overlap,
  the later samples are left out. Both are written in ``info.note``. Deviations below :data:`SLIP` are rounding.
- Samples that an encoder added at the start or the end (priming, edit lists) are not sound and are left out.
- Channels are averaged, all with the same weight, surround sound too; where they cancel each other, one of them is taken
  (:mod:`emollm.media.downmix`). Whole numbers are scaled by their type's range; floats are clipped to -1 to 1.
- FFmpeg's swresample changes the rate; its filter delay is taken off.
- A sample that is not a number makes the file unusable: it is a fault of what wrote the file, and spreads in any filter.
- What cannot be decoded is left out and becomes silence; of a file that is cut short, what decodes is given.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from emollm.errors import MediaError
from emollm.media.beginning import nothing_decoded, start_of
from emollm.media.downmix import Downmix, floats
from emollm.media.gaps import Gap, Gaps
from emollm.media.opening import open_container, sound_stream, without
from emollm.media.packets import MAX_PAUSE, Decoder, Packets, declared_end, ended_early
from emollm.types import MediaInfo

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer

RATE = 16_000
"""Samples a second of all that is given."""

SLIP = 0.03
"""Seconds that timestamps and the number of samples may disagree: more than the rounding of any container (FLV,
Matroska: 1 ms; AVI: a frame), less than two lost AAC or MP3 frames."""

MOST_SILENCE = MAX_PAUSE
"""Seconds of gaps in one file that are filled with silence; with more, its timestamps mean nothing."""

LONGEST = 1800.0
"""Seconds that :func:`read_sound` reads at most."""

_RATES = range(1_000, 768_001)
_FULL_SCALE = 1 - 2**-15
_SLACK = 0.25
_BATCH = 32_768


class Block(NamedTuple):
    """A stretch of sound."""

    start: float
    """Of its first sample, in seconds from the clip's zero."""
    samples: np.ndarray
    """(n,) float32 in -1 to 1, mono, 16,000 a second."""


class Sound:
    """A file with sound that can be read; made by :func:`open_sound`.

    ``blocks()`` may be called more than once; each call reads the file anew.
    """

    def __init__(self, path: Path, info: MediaInfo, zero: float) -> None:
        self.path = path
        self._info = info
        self._zero = zero
        self._run: _Run | None = None

    @property
    def info(self) -> MediaInfo:
        """What the file says; once all blocks were read, ``duration`` and ``note`` are what was found."""
        run = self._run
        if run is None:
            return self._info
        duration = max(self._info.duration or 0.0, run.end) if run.ended_early else run.end
        return self._info.model_copy(update={"note": "; ".join(run.notes()) or None, "duration": duration})

    @property
    def ended_early(self) -> str | None:
        """Where and why the sound ends before the file says it does; known once all blocks were read."""
        return self._run.ended_early if self._run else None

    @property
    def first(self) -> float:
        """When the first sample is due, in seconds from the clip's zero; 0 until all blocks were read."""
        return self._run.start if self._run else 0.0

    @property
    def last(self) -> float:
        """Where the last sample ends, in seconds from the clip's zero; 0 until all blocks were read."""
        return self._run.end if self._run else 0.0

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Start and end, in seconds, of what is silence because the file has nothing there; known once all was read.

        The longest 20 of more than 1 s, in order of time.
        """
        return self._run.gaps.longest() if self._run else ()

    @property
    def damaged(self) -> int:
        """How many pieces were left out for damage; known once all blocks were read."""
        return self._run.damaged if self._run else 0

    @property
    def clipped(self) -> float | None:
        """Share of the file's samples at full scale, 0 to 1; known once all blocks were read."""
        return self._run.clipped if self._run else None

    def blocks(self, seconds: float = 20.0) -> Iterator[Block]:
        """All of the sound, in blocks that follow each other without a gap.

        Args:
            seconds: Length of all blocks but the last.

        Raises:
            MediaError: A sample is not a number, or nothing can be decoded.
        """
        size = max(1, round(seconds * RATE))
        with open_container(self.path) as container:
            run = _Run(self.path, container, self._zero)
            kept: list[np.ndarray] = []
            held = given = 0
            for samples in run.samples():
                kept.append(samples)
                held += len(samples)
                if held < size:
                    continue
                joined = np.concatenate(kept)
                while len(joined) >= size:
                    yield Block(run.start + given / RATE, joined[:size].copy())
                    joined = joined[size:]
                    given += size
                kept, held = [joined], len(joined)
            if held or not given:
                last = np.concatenate(kept) if kept else np.zeros(0, np.float32)
                yield Block(run.start + given / RATE, last)
        self._run = run

    def close(self) -> None:
        """Nothing is kept open between two calls of ``blocks()``; there so that a sound is used like a video."""

    def __enter__(self) -> "Sound":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_sound(path: Path) -> Sound:
    """Opens a file with sound, audio or video, and decodes its first samples.

    Args:
        path: A regular file; see :mod:`emollm.media.opening`.

    Raises:
        MediaError: Not a file that can be read, without an audio stream, or without any sound in it.
    """
    path = Path(path)
    with open_container(path) as container:
        stream = sound_stream(container)
        if stream is None:
            raise MediaError(f"{path}: {without(container, 'audio')}")
        start = start_of(container, "audio")
        if start.sound is None and start.end:
            raise nothing_decoded(path, start, "sound")
        rate = start.sound.sample_rate if start.sound else stream.codec_context.sample_rate
        channels = start.sound.layout.nb_channels if start.sound else stream.codec_context.channels
        _check(path, rate, channels)
        end = declared_end(container, stream)
    duration = end - start.zero if end is not None and end > start.zero else None
    info = MediaInfo(kind="audio", duration=duration, sample_rate=rate, channels=channels)
    return Sound(path, info, start.zero)


def read_sound(path: Path) -> tuple[float, np.ndarray]:
    """All sound of a short file: when it starts, in seconds from the clip's zero, and its samples as in a block.

    Raises:
        MediaError: As for :func:`open_sound`, or longer than :data:`LONGEST`.
    """
    blocks: list[Block] = []
    for block in open_sound(path).blocks():
        blocks.append(block)
        if sum(len(block.samples) for block in blocks) > LONGEST * RATE:
            raise MediaError(f"{path}: expected up to {LONGEST / 60:.0f} minutes of sound; read it in blocks")
    return blocks[0].start, np.concatenate([block.samples for block in blocks])


# ---- reading --------------------------------------------------------------------------------------------------------


def _check(path: Path, rate: int, channels: int) -> None:
    if rate not in _RATES:
        raise MediaError(f"{path}: expected a sample rate of {_RATES[0]:,} to {_RATES[-1]:,} Hz, came {rate:,}")
    if channels < 1:
        raise MediaError(f"{path}: its sound has no channels")


class _Run:
    """One reading of the sound of an open container."""

    def __init__(self, path: Path, container: "InputContainer", zero: float) -> None:
        stream = sound_stream(container)
        if stream is None:
            raise MediaError(f"{path}: has no audio stream any more; it was changed while being read")
        self.start = 0.0
        """Of the first sample, in seconds from the clip's zero."""
        self.end = 0.0
        self.ended_early: str | None = None
        self.clipped: float | None = None
        self._path = path
        self._container = container
        self._stream = stream
        self._zero = zero
        self._decoder: Decoder[AudioFrame] = Decoder(stream)
        others = [s for s in container.streams.video if s.codec_context is not None][:1]
        self._packets = Packets(container, [stream, *others])
        self._full = self._seen = 0
        self._filled = self._cut = 0.0
        self.gaps = Gaps()
        self._downmix = Downmix()

    @property
    def damaged(self) -> int:
        """How many pieces were left out for damage."""
        return self._decoder.damaged

    def samples(self) -> Iterator[np.ndarray]:
        """Consecutive pieces of the sound as (n,) float32, mono, 16 kHz; ``start`` holds for the first.

        Raises:
            MediaError: A sample is not a number, or nothing can be decoded.
        """
        given = 0
        begun = False
        track: _Track | None = None
        frames = self._frames()
        for frame in frames:
            if track is None or frame.sample_rate != track.rate:
                _check(self._path, frame.sample_rate, frame.layout.nb_channels)
                if track is not None:
                    given += len(rest := track.flush())
                    yield rest
                time = self._time(frame)
                if not begun:
                    self.start, begun = (0.0 if time is None else time), True
                track = _Track(frame.sample_rate, self.start + given / RATE)
            values = self._checked(frame, frames)
            filled, cut = track.add(values, self._time(frame))
            if filled:
                self.gaps.add(track.end - len(values) / track.rate - filled, track.end - len(values) / track.rate)
            self._filled += filled
            if self._filled > MOST_SILENCE:
                raise MediaError(
                    f"{self._path}: damaged file: its times leave gaps of over {MOST_SILENCE / 3600:.0f} hours"
                )
            self._cut += cut
            if track.held >= _BATCH:
                for piece in track.take():
                    given += len(piece)
                    yield piece
        if track is None:
            raise MediaError(f"{self._path}: none of its sound can be decoded: damaged file; copy it again")
        for piece in (*track.take(), track.flush()):
            given += len(piece)
            yield piece
        self._finish(given)

    def _finish(self, given: int) -> None:
        self.end = self.start + given / RATE
        self.clipped = self._full / self._seen if self._seen else None
        due = declared_end(self._container, self._stream)
        last = self.end + self._zero
        self.ended_early = ended_early("sound", self._packets, self._decoder, last, due, self._zero, _SLACK)

    def _frames(self) -> "Iterator[AudioFrame]":
        for packet in self._packets:
            if packet.stream_index == self._stream.index:
                yield from (frame for frame in self._decoder.frames(packet) if frame.samples)
        yield from (frame for frame in self._decoder.frames(None) if frame.samples)

    def _time(self, frame: "AudioFrame") -> float | None:
        time = self._decoder.time(frame)
        return None if time is None else time - self._zero

    def _checked(self, frame: "AudioFrame", frames: "Iterator[AudioFrame]") -> np.ndarray:
        """(n,) float32: one channel of all. ``frames`` are those that follow, for counting."""
        values = floats(frame)
        sound = np.isfinite(values)
        if not sound.all():
            bad = int((~sound.all(axis=0)).sum())
            total = values.shape[1]
            for later in frames:
                finite = np.isfinite(floats(later)).all(axis=0)
                bad += int((~finite).sum())
                total += len(finite)
            raise MediaError(
                f"{self._path}: {bad:,} of {total + self._seen // len(values):,} samples are not numbers (NaN or infinite); "
                "write the file anew"
            )
        self._full += int((np.abs(values) >= _FULL_SCALE).sum())
        self._seen += values.size
        return self._downmix.mono(np.clip(values, -1.0, 1.0), frame.sample_rate)

    def notes(self) -> list[str]:
        """What happened while reading."""
        notes = []
        if self._filled:
            notes.append(f"gaps of {self._filled:.2f} s in the sound filled with silence")
        if self._cut:
            notes.append(f"{self._cut:.2f} s of overlapping sound left out")
        if self._downmix.cancelled:
            notes.append(
                f"channels that cancel each other, one of them heard alone for {self._downmix.cancelled:.1f} s"
            )
        if count := self._decoder.damaged:
            notes.append(f"{count} damaged piece{'s' if count > 1 else ''} of sound left out")
        if self._packets.leaps:
            notes.append(self._packets.leapt())
        return notes


class _Track:
    """Sound of one sample rate laid on the clip's time without a gap, and resampled.

    Args:
        rate: Samples a second of what comes in.
        start: Time of the first sample, in seconds from the clip's zero.
    """

    def __init__(self, rate: int, start: float) -> None:
        from av import AudioResampler

        self.rate = rate
        self.held = 0
        """How many samples wait to be resampled."""
        self._start = start
        self._count = 0
        self._pushed = 0
        self._waiting: list[np.ndarray] = []
        self._resampler = AudioResampler(format="fltp", layout="mono", rate=RATE) if rate != RATE else None

    @property
    def end(self) -> float:
        """Where the samples end, in seconds from the clip's zero."""
        return self._start + self._count / self.rate

    def add(self, values: np.ndarray, time: float | None) -> tuple[float, float]:
        """Appends samples that are due at a time; gives how many seconds were filled with silence, and left out."""
        filled = cut = 0
        slip = 0.0 if time is None else time - self.end
        if abs(slip) <= MAX_PAUSE:
            if slip > SLIP:
                filled = round(slip * self.rate)
                whole, rest = divmod(filled, self.rate)
                second = np.zeros(self.rate, np.float32)
                for piece in (*[second] * whole, second[:rest]):
                    self._keep(piece)
            elif slip < -SLIP:
                cut = min(round(-slip * self.rate), len(values))
                values = values[cut:]
        self._keep(values)
        return filled / self.rate, cut / self.rate

    def take(self) -> Iterator[np.ndarray]:
        """Resamples what waits."""
        waiting, self._waiting, self.held = self._waiting, [], 0
        while waiting:
            pieces = [waiting.pop(0)]
            while waiting and sum(map(len, pieces)) < _BATCH:
                pieces.append(waiting.pop(0))
            yield self._resampled(np.concatenate(pieces))

    def flush(self) -> np.ndarray:
        """What the resampler still holds back."""
        if self._resampler is None or not self._pushed:
            return np.zeros(0, np.float32)
        return _joined(self._resampler.resample(None))

    def _keep(self, values: np.ndarray) -> None:
        if not len(values):  # the resampler fails on nothing
            return
        self._waiting.append(values)
        self._count += len(values)
        self.held += len(values)

    def _resampled(self, values: np.ndarray) -> np.ndarray:
        from av import AudioFrame

        if self._resampler is None:
            return values
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(values[None]), format="fltp", layout="mono")
        frame.sample_rate = self.rate
        frame.pts = self._pushed
        frame.time_base = Fraction(1, self.rate)
        self._pushed += len(values)
        return _joined(self._resampler.resample(frame))


def _joined(frames: "list[AudioFrame]") -> np.ndarray:
    pieces = [frame.to_ndarray()[0] for frame in frames]
    joined = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return np.clip(joined, -1.0, 1.0)  # the filter overshoots
