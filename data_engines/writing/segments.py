"""Words about one unit with the claims that the checker reads in them.

A *segment* is a clause ("the mouth corners are raised (AU12 0.45)") or a mention ("a slight AU12 at 0.17"). The first time it is drawn it is
read by :func:`emollm.evidence.check_text` beside a matching measurement, in two surroundings: the other units absent, and strong.
What is not read as this unit alone, supported in both, is thrown away and counted. The claims that were read are kept as
templates, so that writing a million rows reads each wording once.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import NamedTuple

from emollm.data_engines.writing.grammar import has, upper, wordings
from emollm.evidence import check_text
from emollm.facs import ABSENT, LIKELY, PRESENT, STRONG, UNITS
from emollm.types import Cue, CueKind, MediaInfo, Observation, Part, Scale, Source, Verdict

_PLAIN = 0.1
"""Share of the clauses with a place for an adverb that have none."""
MOST = 200
"""Clauses about one unit in one strength that are used: each has to be read once in a process."""
VALUE = "\0"
"""Stands for the value with two decimals."""
FILLER = "\1"
"""Stands for an adverb that asserts nothing ("evidently"), with the space behind it."""
_SOURCE = Source(backend="writer", version="0", licence="none")
_SAMPLES = {
    "slight": 0.17,
    "moderate": 0.43,
    "strong": 0.77,
    "likely": 0.83,
    "absent": 0.03,
    "unlikely": 0.03,
    "unclear": 0.19,
    "unsure": 0.36,
}
"""A value of each kind that no bound of the checker equals."""
_PROBABLE = frozenset({"likely", "unlikely", "unsure"})
_OTHERS = tuple(code for code in UNITS if code < "AU5")


class ClaimText(NamedTuple):
    """A claim of a segment: verbatim piece, cues, reason; the pieces may hold :data:`VALUE`."""

    text: str
    cues: tuple[str, ...]
    reason: str


class Segment(NamedTuple):
    """Words about one unit, with a place for its value, and what they claim."""

    text: str
    claims: tuple[ClaimText, ...]
    first: tuple[ClaimText, ...]
    """The claims where the segment begins a sentence."""


def kind_of(value: float, probable: bool) -> str:
    """How a present, absent or unclear unit is spoken of; ``unclear`` and ``unsure`` are neither present nor absent in words."""
    if probable:
        return "likely" if value >= LIKELY else "unlikely" if value < ABSENT else "unsure"
    if value < PRESENT:  # as emollm.facs.strength, which is slower
        return "absent" if value < ABSENT else "slight"
    return "moderate" if value < STRONG else "strong"


class Segments:
    """Draws readable segments; one for a process, its memory is bounded by the grammar."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Segment | None] = {}
        self.thrown: Counter[str] = Counter()
        """Wordings that were thrown away, by unit and kind."""

    def draw(self, code: str, kind: str, form: str, random: Random) -> Segment:
        """A segment about one unit.

        Args:
            code: The unit.
            kind: ``slight``, ``moderate``, ``strong``, ``likely``, ``absent``, ``unlikely``, ``unclear``, ``unsure``, ``unmeasured``.
            form: ``clause``, ``marked`` (with its value) or ``mention``.
            random: Chooses the wording.
        """
        texts = templates(code, kind, form)
        index = int(random.random() * len(texts))
        for step in range(len(texts)):
            text = texts[(index + step) % len(texts)]
            found = self.read(code, kind, text)
            if found is not None:
                return _filled(found, random) if FILLER in found.text else found
        raise AssertionError(f"no wording of {code} {kind} {form} is read as meant; mend prompts/writer/units.yaml")

    def read(self, code: str, kind: str, text: str) -> Segment | None:
        """The segment of a template, or None if it is not read as this unit alone."""
        key = (code, kind, text)
        if key not in self._known:
            self._known[key] = _read(code, kind, text)
            if self._known[key] is None:
                self.thrown[f"{code}.{kind}"] += 1
        return self._known[key]


def _filled(segment: Segment, random: Random) -> Segment:
    """The segment with one of the adverbs, or without where it does not begin with one."""
    words = fillers()
    if not segment.text.startswith(FILLER) and random.random() < _PLAIN:
        word = ""
    else:
        word = words[int(random.random() * len(words))]
    claims = _worded(segment.claims, word)
    first = claims if segment.first is segment.claims else _worded(segment.first, word)
    return Segment(segment.text.replace(FILLER, word), claims, first)


def _worded(claims: tuple[ClaimText, ...], word: str) -> tuple[ClaimText, ...]:
    return tuple([ClaimText(text.replace(FILLER, word), cues, reason) for text, cues, reason in claims])


@cache
def fillers() -> tuple[str, ...]:
    """The adverbs that the checker takes no notice of, each with the space behind it."""
    return tuple(f"{one} " for one in wordings("writer/units", "adverb") if _is_inert(one))


def _is_inert(adverb: str) -> bool:
    """Whether an adverb asserts nothing: the same is read with it and without, as supported."""
    for code, kind, text in _PROBES:
        face = _surrounded(code, kind, 0.0)
        for place in (text, text.replace("the ", "", 1)):
            said = place.replace(FILLER, f"{adverb} ").replace(VALUE, f"{_SAMPLES[kind]:.2f}") + "."
            claims = check_text(said, Part.OBSERVATIONS, face, None)
            if [claim.verdict for claim in claims] != [Verdict.SUPPORTED] or claims[0].cues != (code,):
                return False
    return True


_PROBES = (
    ("AU12", "slight", f"the mouth corners are {FILLER}slightly raised (AU12 {VALUE})"),
    ("AU04", "strong", f"the brows are {FILLER}strongly knitted"),
    ("AU25", "moderate", f"the lips are {FILLER}parted (AU25 {VALUE})"),
    ("AU10", "likely", f"the upper lip is {FILLER}raised"),
    ("AU15", "slight", f"the mouth corners {FILLER}dip a little"),
)
"""Clauses in which an adverb is tried out."""


@cache
def templates(code: str, kind: str, form: str) -> tuple[str, ...]:
    """All wordings of a unit in one kind and form, before they are read."""
    if form == "mention":
        block = "mention." + ("present" if kind in ("moderate", "strong") else kind)
        lines = [*wordings("writer/sentences", block)]
        marks, phrases = _marks(kind), _phrases(code, kind)
        if phrases:  # names are for units that have no words of their own
            lines = [line for line in lines if "<name>" not in line]
        lines += [f"{one} {marks[index % len(marks)]}" for index, one in enumerate(phrases)]
        return tuple(dict.fromkeys(_named(line, code) for line in lines))
    if form == "phrase":
        if kind in ("absent", "unlikely"):
            return tuple(_named(line, code) for line in wordings("writer/sentences", f"phrase.{kind}"))
        return templates(code, kind, "mention")
    clauses = _spread(tuple(dict.fromkeys(_clauses(code, kind))), MOST)
    if form == "clause":
        return clauses
    marks = _marks(kind)
    plain = [one for one in clauses if code not in one]
    return tuple(f"{one} {marks[index % len(marks)].replace('<code>', code)}" for index, one in enumerate(plain))


def _spread(items: tuple[str, ...], most: int) -> tuple[str, ...]:
    """At most so many items, evenly chosen."""
    return tuple(items[index * len(items) // most] for index in range(most)) if len(items) > most else items


def _marks(kind: str) -> tuple[str, ...]:
    marks = wordings("writer/sentences", "mark.probability" if kind in _PROBABLE else "mark")
    return tuple(mark.replace("<value>", VALUE) for mark in marks)


def _clauses(code: str, kind: str) -> Iterator[str]:
    own = "moderate" if kind == "likely" else kind
    said = wordings("writer/units", f"{code}.{own}") if has("writer/units", f"{code}.{own}") else ()
    subjects = wordings("writer/units", f"{code}.of") if has("writer/units", f"{code}.of") else ("",)
    for subject in subjects:
        for verb in said:
            if kind != "likely" or "moderate" not in verb:
                yield f"{subject} {_with_filler(verb)}".strip()
    if said and kind != "likely":
        return
    general = {"unlikely": "absent", "unsure": "unclear"}.get(kind, kind)
    for line in wordings("writer/units", f"any.{general}"):
        yield _named(line, code)


def _with_filler(verb: str) -> str:
    """The verb with a place for an adverb: behind "are", else in front."""
    first, _, rest = verb.partition(" ")
    return f"{first} {FILLER}{rest}" if first in ("is", "are") and rest else f"{FILLER}{verb}"


def _phrases(code: str, kind: str) -> tuple[str, ...]:
    """What is said of a unit without a verb: "the lip corners slightly raised", "slightly raised lip corners"."""
    own = "moderate" if kind == "likely" else kind
    if not has("writer/units", f"{code}.of"):
        return ()
    found = []
    for whole in (one for one in wordings("writer/units", f"{code}.of") if len(one.removeprefix("the ").split()) <= 3):
        subject = whole.removeprefix("the ")
        for said in wordings("writer/units", f"{code}.{own}"):
            verb, _, rest = said.partition(" ")
            if verb in ("are", "is") and rest:
                short = len(rest.split()) <= 2 and rest.endswith("ed") and "upturned" not in rest
                if short and not subject.startswith(("both", "two", "whole")):
                    article = "the " if verb == "is" and whole != subject else ""
                    found.append(f"{article}{FILLER}{rest} {subject}")
                if verb == "is" or not short:
                    found.append(f"{whole} {FILLER}{rest}")
    return _spread(tuple(dict.fromkeys(found)), MOST)


def _named(line: str, code: str) -> str:
    name = name_of(code)
    text = line.replace("<code>", code).replace("<name>", name).replace("<value>", VALUE)
    if name[0] in "aeiou":
        text = text.replace(f" a {name}", f" an {name}")
        text = f"an {text[2:]}" if text.startswith(f"a {name}") else text
    return text


@cache
def name_of(code: str) -> str:
    """What a unit is called in a sentence: its FACS name, or a noun where that is none ("lips part")."""
    block = f"{code}.name"
    return wordings("writer/units", block)[0] if has("writer/units", block) else UNITS[code].name


def _read(code: str, kind: str, text: str) -> Segment | None:
    """The segment, if the same is read in it in all surroundings; both as it stands and at the beginning of a sentence."""
    shown = f"{_SAMPLES.get(kind, 0.0):.2f}"
    adverb = fillers()[0]
    said = text.replace(VALUE, shown).replace(FILLER, adverb) + "."
    found: tuple[ClaimText, ...] = ()
    for index, other in enumerate((0.0, 0.9)):
        claims = check_text(f"{upper(said)}\n{said}", Part.OBSERVATIONS, _surrounded(code, kind, other), None)
        if not claims or any(one.verdict is not Verdict.SUPPORTED or set(one.cues) - {code} for one in claims):
            return None
        now = tuple(
            ClaimText(
                one.text.replace(shown, VALUE).replace(adverb, FILLER), one.cues, one.reason.replace(shown, VALUE)
            )
            for one in claims
        )
        if len(now) % 2 or (index and now != found):
            return None
        found = now
    half = len(found) // 2
    first, plain = found[:half], found[half:]
    if any(one.text.lower() != other.text.lower() for one, other in zip(first, plain, strict=True)):
        return None
    return Segment(text, plain, plain if plain == first else first)


@cache
def _surrounded(code: str, kind: str, other: float | None) -> Observation:
    """A face of which one unit is known as a segment says it, and the others are unmeasured, absent or strong."""
    values = {name: other for name in _OTHERS if name != code and other is not None}
    if kind != "unmeasured":
        values[code] = _SAMPLES[kind]
    scale = Scale.PROBABILITY if kind in _PROBABLE else Scale.INTENSITY
    cues = tuple(
        Cue(id=name, kind=CueKind.ACTION_UNIT, name=name, scale=scale, value=value, source=_SOURCE)
        for name, value in sorted(values.items())
    )
    return Observation(id=code, media=MediaInfo(kind="table"), cues=cues)
