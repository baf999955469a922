"""Embeddings of the faces in photos and videos.

A photo gives a row a face. A video gives a row for each person every so many seconds, and one at each apex of the person's face;
the pictures are those in which the tracker saw the face.
"""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import ConfigError, DataError, MediaError, MissingDependency, ModelError, unknown_name
from emollm.perception.crops import ALIGNER, face_crop
from emollm.perception.geometry import Image, Pixels
from emollm.perception.settings import PerceptionSettings
from emollm.types import Box, Clip, Face, Observation, Record, Seconds, Track, Unit

if TYPE_CHECKING:
    from emollm.encoders.weights import Trained
    from emollm.perception.following import Progress

_BATCH = 64
"""Crops of a video that are embedded together."""
_ROUNDED = 0.001
"""Seconds by which the time of a face may have been rounded."""
_DIGITS = ".9g"
"""Decimal digits that give a single-precision number back exactly (IEEE 754)."""


class Head(StrEnum):
    """Which vector of a face is given."""

    EMBEDDING = "embedding"
    """(E,) of length 1, of the head for embeddings."""
    POOLED = "pooled"
    """(D,) of the encoder, the mean of the face and its mirror image where the net averages them."""


class EmbeddedFace(Record):
    """One look at a face."""

    track: str
    """Person, as in the Observation."""
    time: Seconds
    apex: bool
    """Whether the face is most expressive then; false in photos."""
    box: Box
    """In pixels of the file."""
    confidence: Unit
    """Of the face, not of the label."""
    label: str
    """The most probable class."""
    probabilities: tuple[Unit, ...]
    """(C,) in the order of the net's classes; calibrated."""
    vector: tuple[float, ...]
    """(E,), exact in single precision."""


class EmbeddedClip(Record):
    """The faces of one clip."""

    id: str
    faces: tuple[EmbeddedFace, ...]
    """By track, then by time."""
    note: str | None = None
    """Why there are none."""


class Net(NamedTuple):
    """What embeds, for those who read the results."""

    name: str
    version: str
    classes: tuple[str, ...]
    width: int
    """E."""
    licence: str
    head: Head


class Embedder:
    """Embeds faces with one net; may be used from several threads.

    Args:
        trained: The net.
        head: Which vector is given.
        licence: Of the net.

    Raises:
        ConfigError: The net has no such head.
        ModelError: It was trained on faces cut by another aligner.
    """

    def __init__(self, trained: "Trained", head: Head, licence: str) -> None:
        config, aligner = trained.config.net, trained.config.aligner
        if aligner != ALIGNER:
            raise ModelError(
                f"{trained.name}: trained on faces cut by {aligner}, but here they are cut by {ALIGNER}; train it anew"
            )
        if head is Head.EMBEDDING and not config.embedding:
            raise ConfigError(f"face net {trained.name} has no head for embeddings; give --head {Head.POOLED}")
        width = config.embedding if head is Head.EMBEDDING else trained.net.body.width
        self.net = Net(trained.name, trained.version, config.labels, width, licence, head)
        self.size, self.margin = trained.net.size, config.margin
        self._trained = trained
        self._turn = threading.Lock()

    def vectors(self, crops: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, C) probabilities and (n, E) vectors of aligned crops (n, size, size, 3)."""
        from emollm.encoders.predict import predict

        with self._turn, _one_thread_of_torch():
            said = predict(self._trained, crops)
        chosen = said.embedding if self.net.head is Head.EMBEDDING else said.pooled
        assert chosen is not None
        return said.expression, chosen

    def embed(
        self,
        clip: Clip,
        settings: PerceptionSettings,
        every: float = 1.0,
        track: str | None = None,
        progress: "Progress | None" = None,
    ) -> EmbeddedClip:
        """All looks at the faces of a clip.

        Args:
            clip: A photo or a video.
            settings: How faces are found and followed.
            every: Seconds of a video between two looks at a person.
            track: Only this person, where the clip shows anybody.
            progress: Told now and then how much of a video is done.

        Raises:
            MediaError: The clip cannot be read, or has no pictures.
            DataError: Nobody of that name is among those whom the clip shows.
        """
        from emollm.perception import observe

        if clip.image is None and clip.video is None:
            what = "a table of measurements" if clip.table is not None else "sound"
            raise MediaError(f"{clip.id}: holds no pictures but {what}; give a photo or a video")
        looks = _Looks(self, every)
        observation = observe(clip, settings, progress, looks)
        names = [one.id for one in observation.tracks]
        if track is not None and names and track not in names:
            raise DataError(f"{clip.id}: {unknown_name('track', track, names)}")
        chosen = [one for one in observation.tracks if track in (None, one.id)]
        if clip.image is not None:
            faces = self._of_photo(clip.image, chosen)
        else:
            assert clip.video is not None
            faces = looks.of(clip.video, chosen)
        return EmbeddedClip(id=clip.id, faces=tuple(faces), note=None if names else _why_none(observation))

    def faces(self, looks: "list[_Look]", crops: list[Pixels]) -> list[EmbeddedFace]:
        """Records of looks, each with its crop."""
        if not looks:
            return []
        expression, vectors = self.vectors(np.stack(crops))
        rows = zip(looks, expression, vectors, strict=True)
        return [_face(look, chances, vector, self.net.classes) for look, chances, vector in rows]

    def crop(self, picture: Image, scale: float, face: Face) -> Pixels:
        """(size, size, 3) the face as the net wants it, of a picture or a frame's planes; see :func:`face_crop`."""
        return face_crop(picture, scale, face, self.size, self.margin)

    def _of_photo(self, path: Path, tracks: list[Track]) -> list[EmbeddedFace]:
        from emollm.media.images import read_image

        if not tracks:
            return []
        picture = read_image(path)
        crops = [self.crop(picture.pixels, picture.scale, one.faces[0]) for one in tracks]
        return self.faces([_Look(one.id, one.faces[0], False) for one in tracks], crops)


def open_embedder(name: str | Path, head: Head = Head.EMBEDDING) -> Embedder:
    """The embedder with the net of this name, or of a folder that training wrote.

    Raises:
        MissingDependency: torch is not installed.
        ModelError: There is no such net, or it cannot be read.
        ConfigError: It has no such head.
    """
    try:
        from emollm.encoders import weights
    except ModuleNotFoundError as error:
        if str(error.name).startswith("emollm"):
            raise
        raise MissingDependency(f"face nets need the package {error.name!r}; pip install 'emollm[face]'") from error
    trained = weights.load(name)
    licence = "Apache-2.0" if trained.name in weights.shipped() else "as its weights"
    return Embedder(trained, head, weights.metadata(name).get("licence", licence))


@contextmanager
def _one_thread_of_torch() -> Iterator[None]:
    """Faces are small and more threads hardly help; and the digits of a sum depend on how many share it out."""
    import torch

    before = torch.get_num_threads()  # the setting is the whole process's
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Look(NamedTuple):
    """A face and whose it is."""

    track: str
    face: Face
    apex: bool


class _Looks:
    """The onlooker of one video: embeds everybody's face at the first frame of every ``every`` seconds.

    Frames are cropped while they are at hand; vectors, not pictures, are kept until it is known who counts.
    """

    def __init__(self, embedder: Embedder, every: float) -> None:
        self._embedder, self._every = embedder, every
        self._due: dict[int, float] = {}
        self._waiting: list[tuple[_Look, Pixels]] = []
        self._done: list[EmbeddedFace] = []
        self._names: Mapping[str, str] = {}

    def wants(self, person: int, time: float) -> bool:
        moment = time + _ROUNDED
        if moment < self._due.get(person, 0.0):
            return False
        self._due[person] = (math.floor(moment / self._every) + 1) * self._every
        return True

    def show(self, person: int, picture: Image, scale: float, face: Face) -> None:
        crop = self._embedder.crop(picture, scale, face)
        self._waiting.append((_Look(str(person), face.model_copy(update={"landmarks": ()}), False), crop))
        if len(self._waiting) >= _BATCH:
            self._embed()

    def name(self, tracks: Mapping[int, str]) -> None:
        self._embed()
        self._names = {str(person): track for person, track in tracks.items()}

    def of(self, video: Path, tracks: list[Track]) -> list[EmbeddedFace]:
        """What was seen of these people, apexes included."""
        seen = {
            (self._names[face.track], face.time): face.model_copy(update={"track": self._names[face.track]})
            for face in self._done
            if face.track in self._names
        }
        for one in tracks:
            rest: list[tuple[_Look, Pixels]] = []
            for _, face in zip(one.peaks, one.faces, strict=False):
                if (one.id, face.time) in seen:
                    place = one.id, face.time
                    seen[place] = seen[place].model_copy(update={"apex": True})
                else:
                    rest.append((_Look(one.id, face, True), self._again(video, face)))
            for made in self._embedder.faces(*_apart(rest)):
                seen[one.id, made.time] = made
        order = {one.id: place for place, one in enumerate(tracks)}
        return [
            seen[key] for key in sorted((key for key in seen if key[0] in order), key=lambda k: (order[k[0]], k[1]))
        ]

    def _again(self, video: Path, face: Face) -> Pixels:
        """The crop of an apex, which is known only after its frame has gone."""
        from emollm.media.video import frame_at

        frame = frame_at(video, face.time + _ROUNDED)
        return self._embedder.crop(frame.picture, frame.scale, face)

    def _embed(self) -> None:
        self._done += self._embedder.faces(*_apart(self._waiting))
        self._waiting = []


def _apart(pairs: list[tuple[_Look, Pixels]]) -> tuple[list[_Look], list[Pixels]]:
    return [look for look, _ in pairs], [crop for _, crop in pairs]


def _face(
    look: _Look, chances: NDArray[np.float32], vector: NDArray[np.float32], classes: tuple[str, ...]
) -> EmbeddedFace:
    return EmbeddedFace(
        track=look.track,
        time=look.face.time,
        apex=look.apex,
        box=look.face.box,
        confidence=min(max(look.face.confidence, 0.0), 1.0),
        label=classes[int(chances.argmax())],
        probabilities=tuple(min(value, 1.0) for value in exact(chances)),
        vector=tuple(exact(vector)),
    )


def exact(values: NDArray[np.float32]) -> Iterator[float]:
    """Numbers of single precision as short decimals that stand for them exactly."""
    return (float(format(float(value), _DIGITS)) for value in values)


def _why_none(observation: Observation) -> str:
    reasons = [gap.reason for gap in observation.missing if gap.stream == "face" and gap.track is None]
    return "; ".join(reasons) or "no face found"
