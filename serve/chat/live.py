"""What the camera sees, measured a few times a second: bars of the units with their last seconds. No emotion is named, nothing is kept."""

import threading
from base64 import b64decode
from collections import deque
from functools import cache
from io import BytesIO
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from emollm.errors import MediaError
from emollm.facs import ABSENT, UNITS, strength
from emollm.report.page import WORDS
from emollm.serve.chat.templates import line, render
from emollm.types import CueKind, MediaInfo, Observation, Scale

if TYPE_CHECKING:
    import numpy as np

    from emollm.perception.photo import PhotoPerception

SECONDS = 15.0
"""How far back the curves reach."""
SIDE = 640
"""Longest side in pixels that a frame is measured at."""
PIXELS = 3840 * 2160
"""Most that a frame may have: a camera of the largest common size."""
LONGEST = 12_000_000
"""Characters that a frame may have as a data URI: at those pixels, one byte each and a little more."""
MOST = 7
"""Units that are shown."""
_SHOWN = 0.2
"""A unit that was this strong within the curve is shown."""
_ONE = threading.Lock()


class Moment(NamedTuple):
    """What one frame showed."""

    at: float
    units: dict[str, float]


class Bar(NamedTuple):
    """One unit as it is drawn."""

    code: str
    name: str
    value: float
    word: str
    curve: str
    """Points of its last seconds, in percent of the drawing."""


class Running:
    """The last seconds of one visitor's camera."""

    def __init__(self) -> None:
        self._moments: deque[Moment] = deque()
        self._shown: list[str] = []
        self._lock = threading.Lock()

    def add(self, observation: Observation, at: float) -> None:
        """Takes the largest face of a frame; a frame without one adds nothing.

        Args:
            observation: Of the frame.
            at: When, in seconds of any clock.
        """
        people = observation.people
        units = {
            cue.name: cue.value or 0.0
            for cue in (observation.of(people[0].id, CueKind.ACTION_UNIT) if people else ())
            if cue.scale is Scale.INTENSITY and cue.name in UNITS
        }
        with self._lock:
            while self._moments and at - self._moments[0].at > SECONDS:
                self._moments.popleft()
            if people:
                self._moments.append(Moment(at, units))

    def bars(self) -> tuple[Bar, ...]:
        """The units that moved within the last seconds; one that is shown keeps its place until it has been still for that long."""
        with self._lock:
            if not self._moments:
                return ()
            highest: dict[str, float] = {}
            for moment in self._moments:
                for code, value in moment.units.items():
                    highest[code] = max(highest.get(code, 0.0), value)
            self._shown = [code for code in self._shown if highest.get(code, 0.0) >= ABSENT]
            new = sorted((code for code in highest if code not in self._shown), key=lambda code: -highest[code])
            self._shown += [code for code in new if highest[code] >= _SHOWN][: MOST - len(self._shown)]
            return tuple(self._bar(code) for code in self._shown)

    def _bar(self, code: str) -> Bar:
        last = self._moments[-1]
        value = last.units.get(code, 0.0)
        points = [
            f"{100 - 100 * (last.at - moment.at) / SECONDS:.1f},{24 - 22 * moment.units[code]:.1f}"
            for moment in self._moments
            if code in moment.units
        ]
        return Bar(code, UNITS[code].name, value, WORDS[strength(value).name.lower()], " ".join(points))


def look(frame: str, running: Running) -> str:
    """What one frame shows, as HTML.

    Args:
        frame: A picture as a data URI, as the browser sends it.
        running: The seconds before it, which it is added to.

    Raises:
        MediaError: No picture, or a larger one than a camera gives.
        EmollmError: The nets that measure cannot be had.
    """
    from emollm.media.images import Picture

    pixels = _reduced(pixels_of(frame))
    info = MediaInfo(kind="image", width=pixels.shape[1], height=pixels.shape[0])
    with _ONE:
        observation = _perception()(Picture(pixels, info, 1.0), "live")
    running.add(observation, monotonic())
    faces = len(observation.tracks)
    note = line("live_no_face") if not faces else line("live_faces", count=faces) if faces > 1 else ""
    return render("live.html", bars=running.bars(), note=note, pose=_pose(observation))


def pixels_of(frame: str) -> "np.ndarray":
    """The pixels of a data URI, (H, W, 3) uint8, RGB; what is too large is refused by its length and its header, before it is decoded.

    Raises:
        MediaError: No picture, or too large.
    """
    import numpy as np
    from PIL import Image

    head, _, coded = frame[:LONGEST].partition(",")
    if len(frame) > LONGEST or not head.endswith(";base64"):
        raise MediaError(line("live_frame"))
    try:
        with Image.open(BytesIO(b64decode(coded)), formats=("JPEG", "PNG", "WEBP")) as picture:
            if picture.width * picture.height > PIXELS:
                raise MediaError(line("live_frame"))
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(line("live_frame")) from error


def _pose(observation: Observation) -> dict[str, str]:
    """Angles of the head of the largest face, in whole degrees."""
    people = observation.people
    cues = observation.of(people[0].id, CueKind.HEAD_POSE) if people else ()
    angles = {cue.name: round(cue.value) for cue in cues if cue.value is not None}
    return {name: f"{angle:+d}".replace("-", "−") if angle else "0" for name, angle in angles.items()}


def _reduced(frame: "np.ndarray") -> "np.ndarray":
    import cv2
    import numpy as np

    longest = max(frame.shape[:2])
    if longest <= SIDE:
        return np.ascontiguousarray(frame)
    scale = SIDE / longest
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


@cache
def _perception() -> "PhotoPerception":
    """Measures units and the head alone: no net that names expressions."""
    from emollm.perception.expression import ExpressionSettings
    from emollm.perception.photo import open_photo_perception
    from emollm.perception.settings import PerceptionSettings

    return open_photo_perception(PerceptionSettings(expression=ExpressionSettings(net=None)))
