"""The first picture and the first sound of a file, and the clip's zero between them."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

from emollm.errors import MediaError
from emollm.media.opening import picture_stream, sound_stream
from emollm.media.packets import Decoder, Packets

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

F = TypeVar("F", "VideoFrame", "AudioFrame")

_WAIT = 10.0
"""Seconds of one stream after which the other one counts by what its header says."""

_MOST_PACKETS = 5000
"""Packets of a stream that are decoded in search of its first frame."""

_USUAL_RATE = 25.0
"""Frames a second where neither the file nor its timestamps tell."""


class Start(NamedTuple):
    """The beginnings of a file's pictures and sound."""

    zero: float
    """The clip's zero, in seconds on the file's axis."""
    picture: "VideoFrame | None"
    """The first that can be decoded."""
    sound: "AudioFrame | None"
    """The first that can be decoded and is not empty."""
    pictures_from: float
    """When the first picture is shown if it has no time itself, in seconds from the clip's zero."""
    end: bool
    """Whether the file was read to its end without finding both."""
    damaged: bool
    """Whether anything could not be read or decoded."""


def rate_of(stream: "VideoStream") -> float | None:
    """Frames a second by the file's header, or None where that says nothing of use."""
    rate = float(stream.average_rate or 0)
    return rate if 0.01 <= rate <= 1000 else None


def interval_of(stream: "VideoStream") -> float:
    """Usual seconds from frame to frame by the file's header."""
    return 1 / (rate_of(stream) or _USUAL_RATE)


def start_of(container: "InputContainer", wanted: Literal["video", "audio"]) -> Start:
    """Decodes the first picture and the first sound; the container is then somewhere behind them.

    A stream that has not begun after 10 seconds of the other one counts for the zero by what its header says. The wanted
    one is looked for to the end of the file, without decoding the other.
    """
    picture, sound = picture_stream(container), sound_stream(container)
    first: dict[str, _First[Any]] = {}
    if picture is not None:
        first["video"] = _First(picture, interval_of(picture))
    if sound is not None:
        first["audio"] = _First(sound)
    by_index = {one.stream.index: one for one in first.values()}
    packets = Packets(container, [one.stream for one in first.values()])
    zero: float | None = None
    end = True
    for count, packet in enumerate(packets):
        by_index[packet.stream_index].take(packet)
        begun = [one.time for one in first.values() if one.time is not None]
        late = (packets.reached or 0.0) > min(begun, default=0.0) + _WAIT or count > _MOST_PACKETS
        if zero is None and begun and late:
            for one in first.values():
                one.flush()
            zero = _zero(first.values(), headers=True)
        if all(one.settled for one in first.values()) or (zero is not None and first[wanted].settled):
            end = False
            break
    if end:
        for one in first.values():
            one.flush()
    if zero is None:
        zero = _zero(first.values(), headers=not end)
    damaged = packets.failure is not None or any(one.damaged for one in first.values())
    frames = {kind: one.frame for kind, one in first.items()}
    from_ = first["video"].time if "video" in first else None
    return Start(zero, frames.get("video"), frames.get("audio"), max(0.0, (from_ or zero) - zero), end, damaged)


def nothing_decoded(path: Path, start: Start, what: str) -> MediaError:
    """The error for a stream of which nothing could be decoded."""
    if start.damaged:
        return MediaError(f"{path}: none of its {what} can be decoded: damaged file; copy or download it again")
    return MediaError(f"{path}: holds no {what} (0 s)")


class _First(Generic[F]):
    """The search for the first frame of a stream.

    Args:
        stream: Of pictures or sound.
        interval: Seconds from frame to frame, for pictures without times that come before the first with one (Matroska's
            negative times, which FFmpeg takes away); 0 for sound.
    """

    def __init__(self, stream: "Stream", interval: float = 0.0) -> None:
        self.stream = stream
        self.frame: F | None = None
        self._decoder: Decoder[F] = Decoder(stream)
        self._interval = interval
        self._decoded = 0
        self._untimed = 0
        self._timed: float | None = None

    @property
    def settled(self) -> bool:
        """Whether no more packets are needed."""
        if self.frame is None:
            return self._decoded > _MOST_PACKETS
        return not self._interval or self._timed is not None or self._untimed > _MOST_PACKETS

    @property
    def damaged(self) -> bool:
        return bool(self._decoder.damaged) or (self.frame is None and self.settled)

    @property
    def time(self) -> float | None:
        """When the frame is due, in seconds on the file's axis; None until there is one."""
        if self.frame is None:
            return None
        time = self._decoder.time(self.frame)
        if time is None and self._timed is not None:
            return self._timed - self._untimed * self._interval
        return time or 0.0

    def take(self, packet: "Packet[Stream]") -> None:
        if self._interval and self._timed is None:
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is None:
                self._untimed += 1
            else:
                self._timed = stamp * self._decoder.unit
        if self.frame is None and self._decoded <= _MOST_PACKETS:
            self._decoded += 1
            self._keep(self._decoder.frames(packet))

    def flush(self) -> None:
        """Takes what the decoder still holds back, waiting for frames that are shown earlier."""
        if self.frame is None and self._decoded:
            self._keep(self._decoder.frames(None))
            self._decoder.restart()

    def _keep(self, frames: list[F]) -> None:
        self.frame = next((one for one in frames if self.stream.type == "video" or one.samples), None)  # type: ignore[attr-defined]


def _zero(first: "Iterable[_First[Any]]", headers: bool) -> float:
    times = []
    for one in first:
        if one.time is not None:
            times.append(one.time)
        elif headers and one.stream.start_time is not None:
            times.append(one.stream.start_time * float(one.stream.time_base or 0))
    return min(times, default=0.0)
