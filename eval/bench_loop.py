"""A recording over and over until it is as long as wanted: packets are copied as they are, so that an hour takes seconds."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from emollm.errors import MediaError

if TYPE_CHECKING:
    import av

_STREAMS = ("video", "audio")


def looped(path: Path, seconds: float, out: Path) -> Path:
    """Writes a recording of whole repeats of another, at least ``seconds`` long; picture and sound, nothing re-encoded.

    Args:
        path: A recording.
        seconds: How long the result is at least.
        out: Where it goes; its suffix names a container that can hold the streams.

    Raises:
        MediaError: The recording cannot be read or repeated.
    """
    import av

    try:
        length = _length(path)
        out.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(out), "w") as target:
            for turn in range(math.ceil(seconds / length)):
                with av.open(str(path)) as source:
                    if not turn:
                        for stream in source.streams:
                            if stream.type in _STREAMS:
                                target.add_stream_from_template(stream)
                    for index, packet in _packets(source):
                        assert packet.pts is not None
                        assert packet.dts is not None
                        assert packet.time_base
                        later = round(turn * length / packet.time_base)
                        packet.pts, packet.dts = packet.pts + later, packet.dts + later
                        packet.stream = target.streams[index]
                        target.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"{path}: cannot be repeated: {error}") from error
    return out


def _length(path: Path) -> Fraction:
    """Seconds after which all streams can begin anew."""
    import av

    begins: dict[int, Fraction] = {}
    ends: dict[int, Fraction] = {}
    with av.open(str(path)) as source:
        for index, packet in _packets(source):
            assert packet.dts is not None
            assert packet.time_base
            begins.setdefault(index, packet.dts * packet.time_base)
            ends[index] = (packet.dts + (packet.duration or 0)) * packet.time_base
    length = max((ends[index] - begin for index, begin in begins.items()), default=Fraction(0))
    if length <= 0:
        raise MediaError(f"{path}: has no picture and no sound that could be repeated")
    return length


def _packets(source: "av.container.InputContainer") -> "Iterator[tuple[int, av.Packet]]":
    """Packets of picture and sound, each with the number of its stream among these."""
    streams = [stream for stream in source.streams if stream.type in _STREAMS]
    order = {stream.index: number for number, stream in enumerate(streams)}
    for packet in source.demux(streams):
        if packet.dts is not None:  # the last one of each stream is empty
            yield order[packet.stream.index], packet
