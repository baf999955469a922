"""Corruptions: a faithful text with one falsehood, made from what was measured, to see whether a checker or a model notices.

Each kind is planted only where the measurements say that it is false: another unit that was measured at rest, the side that
does not move, the opposite strength, the denial of what is there, a departure of the voice that no phrase has, words that
nobody said, a movement that another person lacks. Wordings: ``planting.yaml``.
"""

from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, NamedTuple

from emollm.evidence.lexicon import sentences
from emollm.evidence.lookup import Evidence
from emollm.facs import ABSENT, ASYMMETRY, PRESENT, STRONG, UNITS, Region
from emollm.types import Cue, CueKind, Observation, Scale

FAR = 0.05
"""Distance from a bound from which a value is surely on one side of it."""
_UNLIKE = 0.6
"""Likeness to what was said up to which words are invented."""
_DEPARTURES = {
    "louder": ("loudness", 1), "softer": ("loudness", -1), "higher": ("pitch", 1), "lower": ("pitch", -1), "faster": ("rate", 1),
    "slower": ("rate", -1),
}  # fmt: skip
_WHOLES = {"loudness": "energy", "pitch": "f0_median", "rate": "speech_rate"}


class Planted(NamedTuple):
    """A corrupted text."""

    kind: str
    """``other_unit``, ``other_side``, ``opposite_strength``, ``negation``, ``invented_voice``, ``invented_words``, ``other_person``."""
    text: str
    falsehood: str
    """The sentence that was planted."""


def plant(text: str, observation: Observation, track: str | None, random: Random) -> list[Planted]:
    """Corrupted copies of a text, one for each kind that the measurements allow.

    The falsehood takes the place of a sentence that names the same unit where there is one, else it stands behind a random one.

    Args:
        text: A faithful text about one person.
        observation: What was measured.
        track: The person.
        random: Chooses units, wordings and places: the same seed gives the same corruptions.
    """
    evidence = Evidence.of(observation, track)
    out = []
    for kind, make in _KINDS.items():
        found = make(observation, track, evidence, random)
        if found is not None:
            name, sentence = found
            out.append(Planted(kind, _placed(text, name, sentence, random), sentence))
    return out


@cache
def _wordings() -> dict[str, Any]:
    import yaml

    values: dict[str, Any] = yaml.safe_load(
        files("emollm.evidence").joinpath("planting.yaml").read_text(encoding="utf-8")
    )
    return values


def _placed(text: str, name: str, sentence: str, random: Random) -> str:
    """The text with a sentence instead of one that names the unit, or behind any other."""
    spans = list(sentences(text))
    own = [span for span in spans if name and name in text[slice(*span)]]
    if not spans:
        return sentence
    start, end = random.choice(own or spans)
    if not own:
        start = end
    before = text[:start] + (" " if start == end else "")
    return before + sentence + text[end:]


# ---- what is false --------------------------------------------------------------------------------------------------

Found = tuple[str, str] | None
"""Code of the unit or nothing, and the sentence."""


def _units(evidence: Evidence) -> list[Cue]:
    """Units of the face as intensities, without blinks and winks."""
    return [
        cue
        for cue in evidence.units
        if cue.scale is Scale.INTENSITY and cue.name in UNITS and UNITS[cue.name].region is not Region.HEAD
        and cue.name not in ("AU45", "AU46", "AU61", "AU62", "AU63", "AU64")
    ]  # fmt: skip


def _rests(name: str, evidence: Evidence) -> bool:
    """Whether a unit is never there, as far as was measured, and a low value of it can be relied on."""
    cues, values = evidence.all(name), evidence.values(name)
    known = [*(cue.value or 0.0 for cue in cues), *(max(cue.left or 0.0, cue.right or 0.0) for cue in cues), *values]
    return (
        bool(cues) and all(cue.reliable for cue in cues) and max(known) < ABSENT - FAR and not evidence.left_out(name)
    )


def _said(key: str, cue_name: str, random: Random, **more: str) -> str:
    unit = UNITS[cue_name]
    wordings = _wordings()[key]
    sentence: str = random.choice(wordings)
    return sentence.format(unit=unit.name, code=unit.code, movement=unit.strong, **more)


def _other_unit(observation: Observation, track: str | None, evidence: Evidence, random: Random) -> Found:
    resting = [cue.name for cue in _units(evidence) if _rests(cue.name, evidence)]
    if not resting:
        return None
    name = random.choice(resting)
    return "", _said("other_unit", name, random)


def _other_side(observation: Observation, track: str | None, evidence: Evidence, random: Random) -> Found:
    rows = []
    for cue in _units(evidence):
        sides = [
            (one.left, one.right) for one in evidence.all(cue.name) if one.left is not None and one.right is not None
        ]
        if not sides or len(sides) < len(evidence.all(cue.name)) or evidence.values(cue.name):
            continue
        for side, low, high in (("left", 0, 1), ("right", 1, 0)):
            if all(pair[low] < ABSENT and pair[high] - pair[low] > ASYMMETRY + FAR for pair in sides):
                rows.append((cue.name, side))
    if not rows:
        return None
    name, side = random.choice(rows)
    return name, _said("other_side", name, random, side=side)


def _opposite_strength(observation: Observation, track: str | None, evidence: Evidence, random: Random) -> Found:
    rows = []
    for cue in _units(evidence):
        known = [*(one.value or 0.0 for one in evidence.all(cue.name)), *evidence.values(cue.name)]
        if min(known) >= STRONG + FAR:
            rows.append((cue.name, "to_slight"))
        elif ABSENT < max(known) < PRESENT - FAR and not evidence.left_out(cue.name):
            rows.append((cue.name, "to_strong"))
    if not rows:
        return None
    name, key = random.choice(rows)
    return name, _said(key, name, random)


def _negation(observation: Observation, track: str | None, evidence: Evidence, random: Random) -> Found:
    there = [cue.name for cue in _units(evidence) if (cue.value or 0.0) >= PRESENT + FAR]
    if not there:
        return None
    name = random.choice(there)
    return name, _said("negation", name, random)


def _invented_voice(observation: Observation, track: str | None, evidence: Evidence, random: Random) -> Found:
    if not evidence.over_time:
        return None
    if evidence.silence is not None and not evidence.others:
        rows = [*_DEPARTURES]
    elif evidence.gap("usual") is not None:
        return None
    else:
        rows = [
            word
            for word, (name, sign) in _DEPARTURES.items()
            if evidence.best(f"voice.{_WHOLES[name]}") is not None and not _departs(name, sign, evidence)
        ]
    if not rows:
        return None
    return "", random.choice(_wordings()["invented_voice"][random.choice(rows)])


def _departs(name: str, sign: int, evidence: Evidence) -> bool:
    values = [
        (cue.value or 0.0) - (1.0 if cue.scale is Scale.RATIO else 0.0) for cue in evidence.events(f"voice.{name}")
    ]
    return any(value * sign > 0 for value in values)


def _invented_words(observation: Observation, track: str | None, evidence: Evidence, random: Random) -> Found:
    said = " ".join(cue.text or "" for cue in observation.cues if cue.kind is CueKind.WORDS)
    said += " " + " ".join(word.text for word in observation.words)
    heard = bool(said.strip()) and evidence.unheard() is None
    sure = all(word.confidence >= _UNLIKE for word in observation.words)
    if not evidence.over_time or not (evidence.silence is not None or (heard and sure)):
        return None
    unlike = [words for words in _wordings()["words"] if SequenceMatcher(None, words, said.lower()).ratio() < _UNLIKE]
    if not unlike:
        return None
    sentence: str = random.choice(_wordings()["invented_words"])
    return "", sentence.format(words=random.choice(unlike))


def _other_person(observation: Observation, track: str | None, evidence: Evidence, random: Random) -> Found:
    rows = []
    for person in observation.tracks:
        if person.id == track:
            continue
        theirs = Evidence.of(observation, person.id)
        rows += [
            (person.id, cue.name)
            for cue in _units(evidence)
            if (cue.value or 0.0) >= PRESENT and _rests(cue.name, theirs)
        ]
    if not rows:
        return None
    person_id, name = random.choice(rows)
    return name, _said("other_person", name, random, person=person_id)


_KINDS: dict[str, Callable[[Observation, str | None, Evidence, Random], Found]] = {
    "other_unit": _other_unit,
    "other_side": _other_side,
    "opposite_strength": _opposite_strength,
    "negation": _negation,
    "invented_voice": _invented_voice,
    "invented_words": _invented_words,
    "other_person": _other_person,
}
"""Makers by kind, in the order of the corruptions."""


def kinds() -> Iterator[str]:
    """Names of all kinds."""
    yield from _KINDS
