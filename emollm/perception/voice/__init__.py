"""The voice of a clip: where there is speech, how it sounds, what is said; listen() is the only way in.

Sound goes by once, block by block. Speech is cut into turns at long silences; each turn (at most 28 s) is measured, written
down and forgotten. What is kept of an hour is a few megabytes of numbers, never its sound.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from emollm.types import Cue, Missing, Series, Word

if TYPE_CHECKING:
    from emollm.perception.voice.settings import VoiceSettings


class Block(Protocol):
    """A piece of sound."""

    @property
    def start(self) -> float:
        """Seconds of the clip."""

    @property
    def samples(self) -> npt.NDArray[np.float32]:
        """(n,) at 16 kHz, mono; full scale is -1 to 1."""


class Sound(Protocol):
    """Sound that can be heard once, in order, without holding all of it."""

    def blocks(self) -> Iterable[Block]:
        """Its pieces."""


class Heard(NamedTuple):
    """All that was heard in a clip, and what could not be."""

    speech: tuple[tuple[float, float], ...] = ()
    """Start and end of speech between pauses, in seconds."""
    cues: tuple[Cue, ...] = ()
    """Of no track: who speaks is not heard."""
    words: tuple[Word, ...] = ()
    """Only those that are believed."""
    series: tuple[Series, ...] = ()
    """Speech, energy and F0 over the clip."""
    missing: tuple[Missing, ...] = ()
    versions: Mapping[str, str] = MappingProxyType({})
    """Of what ran."""
    duration: float = 0.0
    """Of the sound, in seconds."""


def listen(sound: Sound, settings: "VoiceSettings | None" = None) -> Heard:
    """What is heard in a sound: speech, prosody, words.

    Without the packages of the extra ``voice``, voice and words are declared missing.

    Args:
        sound: Read once, block by block.
        settings: Thresholds and the recogniser; the defaults if not given.

    Raises:
        MediaError: The sound breaks off in a way its reader does not accept.
        ConfigError: There is no such recogniser.
        AssetError: A recogniser that the settings name cannot be had; it is fetched when the first speech is heard. The
            default one is then declared missing.
        ModelError: The recogniser cannot be read.
    """
    from emollm.perception.voice.hearing import Hearing
    from emollm.perception.voice.settings import VoiceSettings

    try:
        hearing = Hearing(settings or VoiceSettings())
    except ModuleNotFoundError as error:
        reason = f"needs the package {error.name!r}; pip install 'emollm[voice]'"
        return Heard(missing=tuple(Missing(stream=stream, reason=reason) for stream in ("voice", "words")))
    for block in sound.blocks():
        hearing.push(block.start, block.samples)
    return hearing.finish()
