"""The coded packets of a video or sound file and their decoding, on one time axis that pictures and sound share.

The zero of a clip is where its first picture is shown or its first sound is heard, whichever is earlier. Both
:mod:`emollm.media.video` and :mod:`emollm.media.audio` count from it (:mod:`emollm.media.beginning` finds it), so that
their times agree.

Where a file's own times start anew (recordings joined end to end, MPEG-TS above all) or all of its streams leap by more
than a pause can be long (:data:`MAX_LEAP`, :data:`MAX_PAUSE`), time goes on without a break, for all streams alike.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from emollm.media.opening import MAX_PIXELS, damage, reason

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame

F = TypeVar("F", "VideoFrame", "AudioFrame")

MAX_LEAP = 600.0
"""Seconds. Where times may start anew, a longer gap is another recording, not a pause."""

MAX_PAUSE = 7200.0
"""Seconds. In all other formats, a longer gap is an error of the file, not a pause."""

_ROOM = 0.5
"""Seconds left free at a leap for pictures that are shown before it and come after it (B-frames)."""

_STEP_BACK = 0.1
"""Seconds. FFmpeg's own limit (``ts_discontinuity_detect``) beyond which times have started anew."""

_GUESSED = frozenset({"aac", "ac3", "amr", "dts", "eac3", "h264", "hevc", "loas", "m4v", "mpegvideo", "obu", "vvc"})
"""Formats without a header: FFmpeg guesses the length from the bit rate."""

_STREAMED = 0x7FFFFFFF
"""A WAV file of this size or more was written without knowing its length."""

_LATE = 10.0
"""Seconds around the latest time of a stream in which packets from before a leap are still looked for."""

_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)$")


def may_start_anew(container: "InputContainer") -> bool:
    """Whether times may start anew within a file of this format (AVFMT_TS_DISCONT of libavformat/avformat.h)."""
    return bool(container.format.flags & 0x0200)


def can_seek(container: "InputContainer") -> bool:
    """Whether frames have the same times after seeking: not where times start anew or are counted from the start."""
    return not may_start_anew(container) and container.format.name not in _GUESSED | {"avi"}


class Packets:
    """Packets of some streams of a container in the file's order; iterated once.

    What cannot be read ends the iteration; ``failure`` then says why.
    """

    def __init__(self, container: "InputContainer", streams: "Sequence[Stream]") -> None:
        self.failure: str | None = None
        """Why reading stopped before the end of the file; None at a proper end."""
        self.leaps = 0
        """How often time was set right."""
        self.reached: float | None = None
        """Where the latest packet ends, in seconds on the file's axis."""
        self._container = container
        self._streams = list(streams)
        self._units = {stream.index: float(stream.time_base or 0) for stream in streams}
        self._may_start_anew = may_start_anew(container)
        self._limit = MAX_LEAP if self._may_start_anew else MAX_PAUSE
        self._offset = self._offset_before = 0.0
        self._decoded: dict[int, tuple[float, float]] = {}
        self._shown: dict[int, float] = {}

    def __iter__(self) -> "Iterator[Packet[Stream]]":
        packets = self._container.demux(self._streams)
        try:
            while True:
                try:
                    packet = next(packets, None)
                except MemoryError:
                    self.failure = "not enough memory"
                    return
                except damage() as error:
                    self.failure = reason(error)
                    return
                if packet is None:
                    return
                if packet.size or packet.pts is not None:  # not PyAV's mark of the end of a stream
                    self._place(packet)
                    yield packet
        finally:
            packets.close()  # type: ignore[attr-defined]  # a generator

    def leapt(self) -> str:
        """The note on ``leaps``."""
        return f"times start anew {self.leaps} time{'s' if self.leaps > 1 else ''}, made continuous"

    def _place(self, packet: "Packet[Stream]") -> None:
        """Puts a packet on the continuous axis.

        Whether times start anew is seen in the order of decoding, a leap in the order of showing: the times of decoding
        follow some pictures late.
        """
        index = packet.stream_index
        shown, decoded = packet.pts, packet.dts
        shown, decoded = (decoded if shown is None else shown), (shown if decoded is None else decoded)
        if shown is None or decoded is None:
            return
        unit = self._units[index]
        length = (packet.duration or 0) * unit
        offset = self._offset_for(packet.stream, shown * unit, decoded * unit)
        if offset and unit:
            shift = round(offset / unit)
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
        self._decoded[index] = decoded * unit + offset, decoded * unit + offset + length
        end = shown * unit + offset + length
        self._shown[index] = max(self._shown.get(index, end), end)
        self.reached = end if self.reached is None else max(self.reached, end)

    def _offset_for(self, stream: "Stream", shown: float, decoded: float) -> float:
        """What makes the times of a packet continuous, in seconds to be added."""
        if stream.index not in self._shown or self.reached is None:
            return self._offset
        before, expected = self._decoded[stream.index]
        latest = self._shown[stream.index]
        anew = self._may_start_anew and decoded + self._offset < before - _STEP_BACK
        leap = shown + self._offset > self.reached + self._limit
        back = shown + self._offset < latest - self._limit / 2
        if not (anew or leap or back):
            return self._offset
        far = abs(self._offset_before - self._offset) > self._limit / 2
        if far and abs(shown + self._offset_before - latest) <= _LATE:
            return self._offset_before  # left over from before the leap
        if not (anew or leap):
            return self._offset
        self._offset_before = self._offset
        if anew:
            self._offset = expected - decoded
        else:
            reordered = bool(getattr(stream.codec_context, "has_b_frames", False))
            self._offset = latest + (_ROOM if reordered else 0.0) - shown
        self.leaps += 1
        return self._offset


class Decoder(Generic[F]):
    """Frames of one stream. What the decoder reports as damaged is left out and counted."""

    def __init__(self, stream: "Stream", threads: int = 1) -> None:
        self.stream = stream
        self.damaged = 0
        """How many packets or frames were left out."""
        self.unit = float(stream.time_base or 0)
        """Seconds of one step of the stream's times."""
        context = stream.codec_context
        context.thread_count = threads
        context.thread_type = "AUTO"
        if stream.type == "video":
            context.options = {"max_pixels": str(MAX_PIXELS)}

    def frames(self, packet: "Packet[Stream] | None") -> list[F]:
        """What this packet completes, in order of showing; with None, all that is still in the decoder."""
        try:
            frames = self.stream.codec_context.decode(packet)  # type: ignore[attr-defined]
        except EOFError:
            return []
        except MemoryError:
            self.damaged += 1
            return []
        except damage():
            self.damaged += 1
            return []
        whole = [frame for frame in frames if not frame.is_corrupt]
        self.damaged += len(frames) - len(whole)
        return whole

    def restart(self) -> None:
        """Makes the decoder ready for more after all that was in it was asked for."""
        self.stream.codec_context.flush_buffers()

    def time(self, frame: F) -> float | None:
        """When it is due, in seconds on the file's axis."""
        stamp = frame.dts if frame.pts is None else frame.pts
        return None if stamp is None else stamp * self.unit


def declared_end(container: "InputContainer", stream: "Stream") -> float | None:
    """Where the file says that a stream ends, in seconds on the file's axis; None where it does not, or only guesses."""
    if container.format.name in _GUESSED or (container.format.name == "mp3" and not stream.start_time):
        return None  # an MP3 starts late when its LAME header was read, which has the length too
    unit = float(stream.time_base or 0)
    start = (stream.start_time or 0) * unit
    if stream.duration is not None and stream.duration > 0:
        return start + stream.duration * unit + (_cut_off(container, stream) if container.format.name == "wav" else 0)
    if match := _CLOCK.match(stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = match.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)  # FFmpeg writes the end, counted from 0
    if container.duration is not None and container.duration > 0:
        return ((container.start_time or 0) + container.duration) / 1e6
    return None


def _cut_off(container: "InputContainer", stream: "Stream") -> float:
    """Seconds that a WAV file lacks: FFmpeg takes its length from what is there, not from the header."""
    with open(container.name.removeprefix("file:"), "rb") as file:
        head = file.read(8)
    rate = stream.codec_context.bit_rate or 0
    declared = int.from_bytes(head[4:], "little") + 8
    if head[:4] != b"RIFF" or declared >= _STREAMED or declared <= container.size or not rate:
        return 0.0
    return (declared - container.size) * 8 / rate


def ended_early(
    what: str, packets: Packets, decoder: Decoder[Any], last: float, due: float | None, zero: float, slack: float
) -> str | None:
    """One sentence if a stream's frames end before they should; else None.

    Args:
        what: ``pictures`` or ``sound``.
        packets: All of the file, read.
        decoder: Of the stream.
        last: Where the last frame ends, in seconds on the file's axis.
        due: Where the file says that it ends.
        zero: The clip's zero on the file's axis.
        slack: Seconds that do not count.
    """
    missing = due is not None and not packets.leaps and last < due - slack
    if not missing and packets.failure is None:
        return None
    if packets.failure is not None:
        why = packets.failure
    elif due is not None and packets.reached is not None and packets.reached >= due - slack:
        if not decoder.damaged:
            return None  # it is this stream that is shorter than the file
        why = "the rest is damaged"
    else:
        why = "the rest of the file is missing"
    of = f" of {due - zero:.1f} s" if missing and due is not None else ""
    return f"its {what} end{'s' if what == 'sound' else ''} at {max(0.0, last - zero):.1f} s{of}: {why}"
