"""What is said in a clip as captions: phrases with their times, and words where there is room for them."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from emollm.report.axis import ROOMS, clock, percent, spoken
from emollm.types import Cue, CueKind, Observation, Scale, Word

NARROWEST = 280
"""Pixels of a plot with the first of the ``ROOMS``: what a phone leaves beside the names of the lanes."""

MOST_WORDS = 800
MOST_PHRASES = 300
"""On a timeline; beyond them the text is in the transcript only."""

_PHRASE_PAUSE = 0.6
_PHRASE_WORDS = 14
_LETTER = 6.6
_PADDING = 8
_LONGEST_SLOT = 2.5
_SHORTEST = 60
"""Pixels of a phrase of which something can be read."""
_MOST_FIT = 0.75
"""Share of the words that have to fit in their time before words are shown one by one."""


class Caption(NamedTuple):
    """A stretch of text on the time axis; start and width in percent of the clip."""

    text: str
    start: float
    left: float
    width: float
    key: str
    """Id of the element that stands for its cue; empty without a cue."""


class Phrase(NamedTuple):
    """A line of the transcript."""

    text: str
    start: float
    end: float
    key: str
    """Id of the line."""
    polarity: str
    """``+0.52``; empty where it was not measured."""
    polarity_key: str

    @property
    def clock(self) -> str:
        return clock(self.start)

    @property
    def spoken(self) -> str:
        return spoken(self.start)


class Captions(NamedTuple):
    """The lane of the words: phrases, and single words once a plot is wide enough for them."""

    phrases: tuple[Caption, ...]
    words: tuple[Caption, ...]
    phrase_room: int
    """Of ``ROOMS``, the least in which phrases can be read; above all of them if in none."""
    word_width: int
    """Pixels that a plot needs for the words."""

    def __bool__(self) -> bool:
        return bool(self.phrases or self.words)


NEVER = ROOMS[-1] * 2
"""A room that no plot has."""


def phrases(observation: Observation, keys: Mapping[str, str]) -> tuple[Phrase, ...]:
    """The transcript, phrase by phrase; from the words alone where the phrases are no cues.

    Args:
        observation: Its cues of kind ``words`` and its words.
        keys: Id of the element of each cue.
    """
    said = [cue for cue in observation.cues if cue.kind is CueKind.WORDS and cue.scale is Scale.TEXT and cue.end > 0]
    polarity = [cue for cue in observation.cues if cue.kind is CueKind.WORDS and cue.name == "polarity"]
    if not said:
        return tuple(
            Phrase(" ".join(word.text for word in group), group[0].start, group[-1].end, f"phrase-{i}", "", "")
            for i, group in enumerate(_groups(observation.words), start=1)
        )
    return tuple(
        Phrase(
            cue.text or "",
            cue.start,
            cue.end,
            keys[cue.id],
            f"{mark.value:+.2f}".replace("-", "−") if mark is not None and mark.value is not None else "",
            keys[mark.id] if mark is not None else "",
        )
        for cue in sorted(said, key=lambda cue: cue.start)
        for mark in (_same_time(cue, polarity),)
    )


def captions(lines: Sequence[Phrase], words: Sequence[Word], duration: float) -> Captions:
    """The lane of the words of a clip of that many seconds."""
    own = tuple(zip((line.start for line in lines), (line.text for line in lines), strict=True))
    row = sorted(words, key=lambda word: word.start)
    single = tuple((word.start, word.text) for word in row)
    slots = _slots(single, duration, _LONGEST_SLOT)
    widths = [(len(text) * _LETTER + _PADDING) / slot for (_, text), (_, slot) in zip(single, slots, strict=True)]
    return Captions(
        _laid_out(own, [line.key for line in lines], duration, duration) if len(own) <= MOST_PHRASES else (),
        _laid_out(single, [""] * len(single), duration, _LONGEST_SLOT) if len(single) <= MOST_WORDS else (),
        _room(_enough([_SHORTEST / slot for _, slot in _slots(own, duration, duration)], 0.5), duration),
        math.ceil(_enough(widths, _MOST_FIT) * duration),
    )


def _slots(row: Sequence[tuple[float, str]], duration: float, longest: float) -> list[tuple[float, float]]:
    """Start and seconds until the next one begins, at most ``longest``."""
    starts = [start for start, _ in row]
    ends = [*starts[1:], duration]
    return [(start, min(max(end - start, 0.05), longest)) for start, end in zip(starts, ends, strict=False)]


def _laid_out(
    row: Sequence[tuple[float, str]], keys: Sequence[str], duration: float, longest: float
) -> tuple[Caption, ...]:
    return tuple(
        Caption(text, start, percent(start, duration), percent(slot, duration), key)
        for (start, text), (_, slot), key in zip(row, _slots(row, duration, longest), keys, strict=True)
    )


def _enough(needed: Sequence[float], share: float) -> float:
    """Pixels a second with which that share of the texts fits."""
    return sorted(needed)[min(int(share * len(needed)), len(needed) - 1)] if needed else 0.0


def _room(pixels: float, duration: float) -> int:
    return next((room for room in ROOMS if NARROWEST * room / duration >= pixels), NEVER)


def _same_time(cue: Cue, others: Sequence[Cue]) -> Cue | None:
    return next((other for other in others if other.start <= cue.start + 0.05 and other.end >= cue.end - 0.05), None)


def _groups(words: Sequence[Word]) -> list[list[Word]]:
    groups: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.start):
        if groups and word.start - groups[-1][-1].end < _PHRASE_PAUSE and len(groups[-1]) < _PHRASE_WORDS:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups
