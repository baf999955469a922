"""What was measured of a file, kept for a while in memory: the next turn of a conversation sends the same file again."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from emollm.clip_files import open_clip
from emollm.serve.measurers import Measurers, Progress
from emollm.serve.settings import ServeSettings
from emollm.serve.uploads import KINDS, Upload
from emollm.types import Clip, MediaInfo, Observation

_LATE = 0.01
"""Seconds by which a clock may be behind another."""


class Measured(NamedTuple):
    """A file and what was measured of it."""

    clip: Clip
    observation: Observation
    seconds: float
    """How long that took; 0 where it was known."""


class Memory:
    """Observations by the content of their files; nothing is written anywhere.

    Args:
        settings: For how long, and of how many files.
        measurers: Who measures.
    """

    def __init__(self, settings: ServeSettings, measurers: Measurers) -> None:
        self._settings, self._measurers = settings, measurers
        self._known: OrderedDict[str, tuple[float, Observation]] = OrderedDict()

    async def measured(self, upload: Upload, progress: Progress | None = None) -> Measured:
        """What is measured of a file; raises as :meth:`emollm.serve.measurers.Measurers.observe`."""
        began = time.monotonic()
        key = f"{upload.kind} {await asyncio.to_thread(_hash, upload.path)}"
        if (known := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            observation = known[1].model_copy(update={"id": upload.name})
            return Measured(await _clip(upload, observation.media), observation, 0.0)
        observation = await self._measurers.observe(upload.path, upload.name, upload.kind, progress)
        if self._settings.kept_seconds:
            self._known[key] = (time.monotonic(), observation)
            self._forget()
            asyncio.get_running_loop().call_later(self._settings.kept_seconds + _LATE, self._forget)
        return Measured(await _clip(upload, observation.media), observation, time.monotonic() - began)

    def _forget(self) -> None:
        """Drops what is old, and the oldest where there is too much."""
        oldest = time.monotonic() - self._settings.kept_seconds
        for key in [key for key, (since, _) in self._known.items() if since <= oldest]:
            del self._known[key]
        while len(self._known) > self._settings.kept:
            self._known.popitem(last=False)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _clip(upload: Upload, media: MediaInfo) -> Clip:
    """The clip of a file that was measured: the front does not look into it again, but for the head of a table."""
    if media.kind == "table":
        clip = await asyncio.to_thread(open_clip, upload.path)
        return clip.model_copy(update={"id": upload.name})
    own = {kind: upload.path if media.kind == kind else None for kind in KINDS}
    return Clip(id=upload.name, image=own["image"], audio=own["audio"], video=own["video"])


def together(face: Measured, voice: Measured) -> Measured:
    """A picture and a sound of one message as one clip, which is how training showed a face with its voice."""
    from emollm.perception import joined

    observation = joined([face.observation, voice.observation])
    clip = face.clip.model_copy(update={"audio": Path(str(voice.clip.audio))})
    return Measured(clip, observation, face.seconds + voice.seconds)
