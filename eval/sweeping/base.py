"""What a variant is, and what all of them share: levels, seeds, and files that are made once.

A variant replaces media or words of an item; its id, reference, cluster and groups stay. What it makes depends on the content it is made of,
the variant, the seed and the item's id alone, and lies under a name that says so: the same command makes the same bytes, once.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import file_digest, sha256
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from emollm.config import Settings, load
from emollm.errors import DataError, MediaError
from emollm.eval.items import Item
from emollm.files import replacing
from emollm.types import Clip

CLEAN = "clean"
Facts = dict[str, float]
"""What was measured while something was made, by name."""
Change = Callable[[Item], Item]
Part = Literal["eyes", "mouth", "half"]
_NOBODY: Mapping[str, Item] = MappingProxyType({})


class Levels(Settings):
    """The levels of one kind of change."""

    unit: str
    """Of the levels, for people."""
    levels: tuple[float, ...] = Field(min_length=1)
    """The mildest first."""


class SweepSettings(Settings):
    """What sweeps vary; ``sweeps.yaml`` gives the values."""

    version: int = Field(ge=1)
    """Raised whenever a number could change."""
    white: Levels
    """White noise: ratio of speech to noise where there is speech."""
    babble: Levels
    """The same of other items' voices."""
    voices: int = Field(ge=3, le=32)
    """Voices in babble."""
    errors: Levels
    """Errors in a transcript."""
    substituted: float = Field(ge=0, le=1)
    """Share of substitutions among them."""
    deleted: float = Field(ge=0, le=1)
    """Share of deletions; what is left are insertions."""
    blur: Levels
    """Standard deviation of a Gaussian blur."""
    jpeg: Levels
    """Quality of JPEG as Pillow counts it, 1 to 95."""
    shrunk: Levels
    """A picture made smaller by so many times, and as large as before again."""
    dark: Levels
    """Halvings of the light."""
    grain: Levels
    """Standard deviation of Gaussian noise on each pixel and colour."""
    hidden: tuple[Part, ...]
    """Parts of each face that a grey box covers."""


@cache
def settings() -> SweepSettings:
    """The levels that are shipped."""
    return load(SweepSettings, Path(str(files("emollm.eval").joinpath("sweeps.yaml"))))


class Tally:
    """Sums of what was measured while the items of a variant were made."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = defaultdict(float)
        self.changed = 0
        """Items that are not as they were."""

    def add(self, facts: Mapping[str, float]) -> None:
        """Adds those of one item."""
        self.changed += 1
        for name, value in facts.items():
            self.sums[name] += value


class Variant(NamedTuple):
    """One way in which all items are shown, or asked about."""

    name: str
    """For people and for folders: ``white noise 10 dB``."""
    kind: str = CLEAN
    """What varies; variants of one kind make a line of a chart."""
    level: float | None = None
    """None where the kind has no levels."""
    unit: str = ""
    change: Change | None = None
    """None leaves each item as it is."""
    told: Callable[[], Facts] = dict
    """What was measured while items were made; asked when all are."""
    wording: int | None = None
    """Another wording of the prompt."""
    cues: bool = True
    """Whether models that are told measured cues as text are told them."""
    donors: Mapping[str, Item] = _NOBODY
    """By an item's id the item that a stream was taken of."""


class Shown(NamedTuple):
    """What variants are made of."""

    items: Sequence[Item]
    """All items of the run, with pictures as files."""
    folder: Path
    """Where files are made; its content can be thrown away."""
    seed: int
    settings: SweepSettings


def draw(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that depend on these names and on nothing else."""
    whole = sha256("\x1f".join((str(seed), *names)).encode(errors="surrogatepass")).digest()
    return np.random.default_rng(int.from_bytes(whole[:16], "big"))


def content_of(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def once(
    folder: Path, names: Sequence[str], suffix: str, make: Callable[[], tuple[bytes, Facts]]
) -> tuple[Path, Facts]:
    """A file that is made if it is not there yet, and what was measured when it was.

    Args:
        folder: Where it lies.
        names: All that its content depends on.
        suffix: With its point.
        make: Gives its bytes.

    Raises:
        EmollmError: It cannot be written.
    """
    stem = sha256("\x1f".join(names).encode(errors="surrogatepass")).hexdigest()[:32]
    path, beside = folder / f"{stem}{suffix}", folder / f"{stem}.json"
    if path.is_file() and (facts := _facts(beside)) is not None:
        return path, facts
    data, facts = make()
    with replacing(path) as file:
        file.write(data)
    with replacing(beside, "w") as file:  # last: with it the file counts as made
        json.dump(facts, file)
    return path, facts


def _facts(path: Path) -> Facts | None:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def replaced(item: Item, **parts: Any) -> Item:
    """The item with other parts of its clip.

    Raises:
        DataError: Nothing would be left of it.
    """
    clip = item.clip.model_copy(update=parts)
    if not any((clip.image, clip.video, clip.audio, clip.transcript, clip.table)):
        raise DataError(f"{item.id}: nothing is left to be shown")
    return item._replace(clip=clip)


@cache
def _sounds(path: Path) -> bool:
    from emollm.media.video import open_video

    return open_video(path).has_sound


def sound_of(clip: Clip) -> Path | None:
    """The file whose sound is heard: the clip's own, else its video where that has any.

    Raises:
        MediaError: The video cannot be read.
    """
    if clip.audio is not None:
        return clip.audio
    return clip.video if clip.video is not None and _sounds(clip.video) else None


def has_sound(item: Item) -> bool:
    """Whether an item has sound; one whose file is not there or cannot be read has none."""
    try:
        path = sound_of(item.clip)
    except MediaError:
        return False
    return path is not None and path.is_file()
