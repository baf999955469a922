"""What a trained face net reads in faces: calibrated probabilities of expressions, in photos and a few times a second in videos.

A probability says how likely annotators are to call a face so; it says nothing of strength. The net needs torch, which the core
installation does not have: without it the stream is missing, with the reason.
"""

import threading
from array import array
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from emollm.config import Settings
from emollm.emotions import label_set
from emollm.errors import MissingDependency, ModelError
from emollm.perception.course.expressions import Expressions
from emollm.perception.crops import ALIGNER, face_crop
from emollm.perception.geometry import Image, Pixels
from emollm.perception.litert import Array
from emollm.perception.mesh import FACE_POINTS
from emollm.perception.visibility import hidden, outside
from emollm.types import Face, Missing, Source

if TYPE_CHECKING:
    from emollm.encoders.weights import Trained

DEFAULT = "face-mt"
STREAM = "expression"
FARTHEST_YAW = 60.0
"""Degrees of a head's turn beyond which the net is not asked: half of the face is out of sight, and it has hardly seen any such."""
TURNED = f"the head is turned by more than {FARTHEST_YAW:g}°"
_EXTRA = "face"
_BATCH = 16
"""Looks of a video that are answered together."""


class ExpressionSettings(Settings):
    """How expressions are read."""

    net: str | None = DEFAULT
    """Face net: a name that is shipped, or a folder that training wrote; null: none. The default one needs torch and is left out
    without it; any other has to be there."""
    rate: Annotated[float, Field(gt=0, le=120)] = 5.0
    """Looks a second at each person of a video."""
    threads: Annotated[int, Field(ge=1)] = 1
    """Threads of torch; faces are small, and more than one hardly helps."""


class ExpressionNet:
    """An opened net; it may be used from several threads, which then take turns.

    Args:
        trained: The net.
        threads: Of torch.

    Raises:
        ModelError: It was trained on crops of another aligner.
        ConfigError: Its label set does not exist, or has not all of its classes.
    """

    def __init__(self, trained: "Trained", threads: int) -> None:
        if trained.config.aligner != ALIGNER:
            raise ModelError(
                f"{trained.name}: trained on faces cut by {trained.config.aligner}, but here they are cut by {ALIGNER}; train it anew"
            )
        self._trained, self._threads = trained, threads
        self._turn = threading.Lock()
        self.names = _names(trained)
        """Canonical words of the classes where they have one of their own, else the classes' words."""
        self.size = trained.net.size
        self.margin = trained.config.net.margin
        shipped = (Path(str(resources.files("emollm"))) / "pretrained" / trained.name).is_dir()
        licence = "Apache-2.0" if shipped else "as its weights"
        self.source = Source(backend=trained.name, version=trained.version, licence=licence)

    def __call__(self, crops: Sequence[Pixels]) -> NDArray[np.float32]:
        """(n, C) calibrated probabilities of crops (size, size, 3) uint8 RGB, in the order of ``names``."""
        import torch

        from emollm.encoders.predict import predict

        with self._turn:
            before = torch.get_num_threads()  # the setting is the whole process's
            torch.set_num_threads(self._threads)
            try:
                return predict(self._trained, np.stack(crops)).expression
            finally:
                torch.set_num_threads(before)


def _names(trained: "Trained") -> tuple[str, ...]:
    words = trained.config.net.labels
    if trained.config.label_set is None:
        return words
    labels = label_set(trained.config.label_set)
    canonical = [labels.canonical(word) for word in words]
    return tuple(
        home if home is not None and canonical.count(home) == 1 else word
        for word, home in zip(words, canonical, strict=True)
    )


_opened: dict[tuple[str, int], ExpressionNet] = {}
_opening = threading.Lock()


def open_expression(settings: ExpressionSettings) -> ExpressionNet | Missing | None:
    """The net of these settings, opened once a process; why there is none; or None where none is wanted.

    Raises:
        ModelError: There is no such net, or it cannot be used.
        MissingDependency: A net was named that is not the default one, and there is no torch.
    """
    if settings.net is None:
        return None
    try:
        from emollm.encoders.weights import load
    except ModuleNotFoundError as error:
        told = f"needs the package {error.name!r}; pip install 'emollm[{_EXTRA}]'"
        if settings.net != DEFAULT:
            raise MissingDependency(f"the face net {settings.net} {told}") from error
        return Missing(stream=STREAM, reason=told)
    with _opening:
        key = (settings.net, settings.threads)
        if key not in _opened:
            _opened[key] = ExpressionNet(load(settings.net), settings.threads)
        return _opened[key]


def opening(settings: ExpressionSettings) -> "Future[ExpressionNet | Missing | None]":
    """The same beside other work: importing torch takes as long as finding and measuring faces."""
    future: Future[ExpressionNet | Missing | None] = Future()

    def work() -> None:
        try:
            future.set_result(open_expression(settings))
        except BaseException as error:  # told to whoever asks for the result
            future.set_exception(error)

    if settings.net is None:
        future.set_result(None)
    else:
        threading.Thread(target=work, name="expression").start()
    return future


def unseen(points: Array, width: int, height: int, smallest: float) -> str | None:
    """Why the net cannot be asked about a face; None where it can, if the head is not turned too far.

    Args:
        points: (478, 2 or 3) mesh in pixels of the picture.
        width: Of the picture.
        height: Of the picture.
        smallest: Width in pixels below which faces are not measured.
    """
    across = float(np.ptp(points[:FACE_POINTS, 0]))
    if across < smallest:
        return f"face is only {across:.0f} pixels wide, less than the {smallest:g} needed"
    if any(away.any() for away in hidden(outside(points, width, height)).values()):
        return "a part of the face lies outside of the picture"
    return None


# ---- videos ---------------------------------------------------------------------------------------------------------


@dataclass
class _Person:
    """What is kept of one person: n looks."""

    last: int = -1
    """Which step of time was looked at last."""
    times: array = field(default_factory=lambda: array("d"))
    confidence: array = field(default_factory=lambda: array("f"))
    answers: list[NDArray[np.float32]] = field(default_factory=list)
    """(C,) each."""
    reason: str | None = None
    """Why a view was not taken."""


class Looks:
    """Reads the expressions of everybody in a video: in each step of time the first view of a face that can be read.

    An :class:`emollm.perception.looks.Onlooker`. Faces are cut out at once, so that frames can go, and read some at a time.

    Args:
        net: Gives the net, or why there is none.
        rate: Looks a second.
        smallest: Faces narrower than so many pixels are not read.
    """

    def __init__(self, net: Callable[[], ExpressionNet | Missing | None], rate: float, smallest: float) -> None:
        self._net, self._rate, self._smallest = net, rate, smallest
        self._people: dict[int, _Person] = {}
        self._waiting: list[tuple[_Person, Pixels]] = []

    def wants(self, person: int, time: float) -> bool:
        return self._step(time) != self._people.setdefault(person, _Person()).last

    def show(self, person: int, picture: Image, scale: float, face: Face) -> None:
        kept, net = self._people[person], self._net()
        if not isinstance(net, ExpressionNet):
            return
        height, width = picture.shape[:2]
        why = unseen(np.array(face.landmarks, np.float32) * np.float32(scale), width, height, self._smallest)
        if why is not None:
            kept.reason = why
            return
        kept.last = self._step(face.time)
        kept.times.append(face.time)
        kept.confidence.append(face.confidence)
        self._waiting.append((kept, face_crop(picture, scale, face, net.size, net.margin)))
        if len(self._waiting) == _BATCH:
            self._answer()

    def name(self, tracks: Mapping[int, str]) -> None:
        self._answer()

    def of(self, person: int, track: str, times: Array, yaw: Array | None) -> Expressions | Missing | None:
        """What was read of somebody, or why nothing was; None where there is no net.

        Args:
            person: Number.
            track: Who that is.
            times: (T,) seconds, rising, of all frames.
            yaw: (T,) degrees by which the head is turned then; NaN where that is not known.
        """
        net, kept = self._net(), self._people.get(person, _Person())
        if not isinstance(net, ExpressionNet):
            return None
        if not kept.answers:
            return Missing(stream=STREAM, reason=kept.reason or "the face was not seen", track=track)
        at, values, sure = np.array(kept.times), np.stack(kept.answers), np.array(kept.confidence)  # (n,), (n, C), (n,)
        if yaw is not None:
            frames = np.minimum(np.searchsorted(times, at - 1e-3), len(times) - 1)  # times of looks are rounded
            near = ~(np.abs(yaw[frames]) > FARTHEST_YAW)
            at, values, sure = at[near], values[near], sure[near]
        if not len(at):
            return Missing(stream=STREAM, reason=TURNED, track=track)
        return Expressions(
            track=track,
            times=at,
            values={name: values[:, k] for k, name in enumerate(net.names)},
            confidence=sure,
            source=net.source,
            every=1 / self._rate,
        )

    def _step(self, time: float) -> int:
        return int(time * self._rate + 1e-6)

    def _answer(self) -> None:
        """Reads what waits."""
        net, waiting, self._waiting = self._net(), self._waiting, []
        if waiting and isinstance(net, ExpressionNet):
            for (kept, _), answer in zip(waiting, net([cut for _, cut in waiting]), strict=True):
                kept.answers.append(answer)
