"""Words about one unit with the claims that the checker reads in them.

A *segment* is a clause ("the mouth corners are raised (AU12 0.45)") or a mention ("a slight AU12 at 0.17"). The first time it is drawn it is
read by :func:`emollm.evidence.check_text` beside a matching measurement, in two surroundings: the other units absent, and strong.
What is not read as this unit alone, supported in both, is thrown away and counted. The claims that were read are kept as
templates, so that writing a million rows reads each wording once.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import NamedTuple

from emollm.data_engines.writing.face import decimal, percent
from emollm.data_engines.writing.grammar import has, upper, wordings
from emollm.evidence import check_text
from emollm.facs import ABSENT, LIKELY, PRESENT, STRONG, UNITS
from emollm.types import Cue, CueKind, MediaInfo, Observation, Part, Scale, Source, Verdict

MOST = 90
"""Wordings of a unit in one strength and form that are used: each has to be read once in a process."""
VALUE = "\0"
"""Stands for the value; in a reason for its two decimals."""
FILLER = "\1"
"""Stood for an adverb that asserts nothing; no wording has one any more."""
_PLURAL = re.compile(
    r"(?!a |an |AU)[^(]*?\b(corners|brows|eyebrows|lids|eyelids|cheeks|lips|folds|lines|ends|parts|eyes)\b"
)
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
_DENIED = frozenset({"absent", "unlikely"})
_OPEN = frozenset({"unclear", "unsure"})
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
    plural: bool
    """Whether it is spoken of as many, as a noun."""


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
        self._drawn: dict[tuple[str, str, str], list[Segment | None]] = {}
        self.thrown: Counter[str] = Counter()
        """Wordings that were thrown away, by unit and kind."""

    def draw(self, code: str, kind: str, form: str, random: Random) -> Segment:
        """A segment about one unit.

        Args:
            code: The unit.
            kind: ``slight``, ``moderate``, ``strong``, ``likely``, ``absent``, ``unlikely``, ``unclear``, ``unsure``, ``unmeasured``.
            form: ``clause``, ``marked`` (with its value), ``phrase`` and ``mention`` (nouns), or ``bare`` (code and value).
            random: Chooses the wording.
        """
        drawn = self._drawn.get((code, kind, form))
        if drawn is None:
            drawn = self._drawn[code, kind, form] = [None] * len(templates(code, kind, form))
        index = int(random.random() * len(drawn))
        found = drawn[index]
        if found is None:
            found = drawn[index] = self._readable(code, kind, form, index)
        return found

    def _readable(self, code: str, kind: str, form: str, index: int) -> Segment:
        """The segment of a template, or of the next one that is read as meant."""
        texts = templates(code, kind, form)
        for step in range(len(texts)):
            found = self.read(code, kind, texts[(index + step) % len(texts)])
            if found is not None:
                return found
        raise AssertionError(f"no wording of {code} {kind} {form} is read as meant; mend prompts/writer/units.yaml")

    def read(self, code: str, kind: str, text: str) -> Segment | None:
        """The segment of a template, or None if it is not read as this unit alone."""
        key = (code, kind, text)
        if key not in self._known:
            self._known[key] = _read(code, kind, text)
            if self._known[key] is None:
                self.thrown[f"{code}.{kind}"] += 1
        return self._known[key]


@cache
def templates(code: str, kind: str, form: str) -> tuple[str, ...]:
    """All wordings of a unit in one kind and form, before they are read."""
    if form == "bare":
        block = kind if kind in _DENIED else _scale(kind)
        return tuple(_named(line, code) for line in wordings("writer/sentences", f"bare.{block}"))
    if form in ("mention", "phrase") and kind in _DENIED:
        return _absences(code, kind)
    if form in ("mention", "phrase"):
        block = "mention." + ("present" if kind in ("moderate", "strong") else kind)
        lines, phrases = list(wordings("writer/sentences", block)), _phrases(code, kind)
        if phrases:  # names are for units that have no words of their own
            lines = [line for line in lines if "<name>" not in line]
        lines = [_named(line, code) for line in lines]
        if form == "mention" and phrases:  # the code as often as words
            lines *= max(1, len(phrases) // len(lines))
        return tuple(lines + _marked(phrases, code, kind))
    clauses = tuple(dict.fromkeys(_clauses(code, kind)))
    if form == "clause":
        return _spread(clauses, MOST)
    plain = tuple(one for one in clauses if code not in one)
    acts = tuple(dict.fromkeys(_acts(code, kind)))
    return (*_marked(_spread(plain, MOST - min(len(acts), MOST // 2)), code, kind), *_spread(acts, MOST // 2))


def _marked(texts: Sequence[str], code: str, kind: str) -> list[str]:
    """Texts with the value behind them, each in one of its forms."""
    marks = _marks(kind)
    return [f"{one} {_named(marks[index % len(marks)], code)}" for index, one in enumerate(texts)]


def _spread(items: tuple[str, ...], most: int) -> tuple[str, ...]:
    """At most so many items, evenly chosen."""
    return tuple(items[index * len(items) // most] for index in range(most)) if len(items) > most else items


def _scale(kind: str) -> str:
    return "probability" if kind in _PROBABLE else "intensity"


def _marks(kind: str) -> tuple[str, ...]:
    return wordings("writer/sentences", "mark.probability" if kind in _PROBABLE else "mark")


def _words(code: str, block: str) -> tuple[str, ...]:
    """A block about one unit; nothing where there is none."""
    return wordings("writer/units", f"{code}.{block}") if has("writer/units", f"{code}.{block}") else ()


def _single(code: str) -> list[str]:
    """The subjects of a unit without "both", of which one does not know whether it holds with "not"."""
    return [one for one in _words(code, "of") if not one.startswith("both")]


def _clauses(code: str, kind: str) -> Iterator[str]:
    """Clauses with a verb: "the lip corners rise sharply", "there is a slight lift of the cheeks", "the brows are not lowered"."""
    own = "moderate" if kind == "likely" else kind
    if kind in _DENIED or kind in _OPEN:
        yield from _denials(code, kind)
    said = [f"{subject} {verb}".strip() for subject in _words(code, "of") or ("",) for verb in _verbs(code, kind)]
    yield from said
    nouns = tuple(
        line.replace("<noun>", one) for one in _nouns(code, kind) for line in wordings("writer/units", "shown")
    )
    yield from _spread(nouns, max(1, len(said) // 2))
    if _words(code, own) and kind != "likely":
        return
    general = {"unlikely": "absent", "unsure": "unclear"}.get(kind, kind)
    for line in wordings("writer/units", f"any.{general}"):
        yield _named(line, code)


def _verbs(code: str, kind: str) -> tuple[str, ...]:
    """What a part of the face does: "are raised", "are sharply raised", "rise sharply"."""
    plain = _words(code, "moderate")
    if kind == "likely":
        return tuple(one for one in plain if "moderate" not in one)
    found = list(_words(code, kind))
    if kind in ("slight", "strong") and _words(code, "of"):
        for by in wordings("writer/units", f"by.{kind}"):
            for verb in plain:
                first, _, rest = verb.partition(" ")
                if first not in ("are", "is"):
                    found.append(f"{verb} {by}")
                elif rest.split()[0].endswith(("ed", "drawn")):
                    found.append(f"{first} {by} {rest}" if by.endswith("ly") else f"{verb} {by}")
    return tuple(dict.fromkeys(found))


def _denials(code: str, kind: str) -> Iterator[str]:
    """What is said of a unit with words of its own that does not move, or not clearly."""
    if _words(code, "also"):  # "the lip corners are not raised" would deny another unit as well
        return
    block = "denied" if kind in _DENIED else "doubted"
    for subject in _single(code):
        for said in _words(code, "moderate"):
            verb, _, rest = said.partition(" ")
            if verb in ("are", "is") and rest:
                for line in wordings("writer/units", block):
                    yield f"{subject} {line.replace('<is>', verb).replace('<done>', rest)}"


def _acts(code: str, kind: str) -> Iterator[str]:
    """Clauses whose subject is the unit: "AU12 at 0.67 raises the lip corners strongly"."""
    if kind not in ("slight", "moderate", "strong", "likely"):
        return
    for verb in _words(code, "act"):
        head, _, rest = verb.partition(" ")
        for index, subject in enumerate(_words(code, "of")):
            for by in wordings("writer/units", f"by.{kind}"):
                line = wordings("writer/sentences", f"acting.{kind if kind == 'slight' else _scale(kind)}")
                order = (by, head, subject, rest) if by.endswith("ly") and index % 2 else (head, subject, rest, by)
                done = " ".join(one for one in order if one)
                yield _named(line[(index + len(done)) % len(line)], code).replace("<does>", done)


def _nouns(code: str, kind: str) -> Iterator[str]:
    """A movement as a noun: "a sharp rise of the lip corners"."""
    if kind in ("slight", "moderate", "strong", "likely"):
        whole = [f"{noun} of {subject}" for noun in _words(code, "noun") for subject in _words(code, "of")]
        for degree in wordings("writer/units", f"degree.{kind}"):
            for noun in (*_words(code, "short"), *whole):
                yield f"{degree} {noun}"


def _absences(code: str, kind: str) -> tuple[str, ...]:
    """A movement that is not there, as a noun."""
    found = [_named(line, code) for line in wordings("writer/sentences", f"phrase.{kind}")]
    for noun in _words(code, "noun"):
        for subject in _single(code):
            found += [line.replace("<noun>", f"{noun} of {subject}") for line in wordings("writer/units", "lack")]
    return tuple(dict.fromkeys(_marked(_spread(tuple(found), MOST), code, kind)))


def _phrases(code: str, kind: str) -> tuple[str, ...]:
    """A movement as a noun: "slightly raised lip corners", "lip corners that rise a little", "a slight lip corner raise"."""
    found: list[str] = []
    for subject in (one.removeprefix("the ") for one in _single(code)):
        for said in _verbs(code, kind):
            verb, _, rest = said.partition(" ")
            one = verb == "is" or (verb.endswith("s") and not verb.endswith("ss"))
            if verb in ("are", "is") and rest.endswith("ed") and len(rest.split()) <= 2 and "upturned" not in rest:
                found.append(f"the {rest} {subject}" if one else f"{rest} {subject}")
            else:
                found.append(f"{_a(subject)} that {said}" if one else f"{subject} that {said}")
    found = list(_spread(tuple(dict.fromkeys(found)), MOST // 2))
    return tuple(found + list(_spread(tuple(_nouns(code, kind)), max(12, len(found)))))


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


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
    value = _SAMPLES.get(kind, 0.0)
    found: tuple[ClaimText, ...] = ()
    for index, (other, numbers) in enumerate(((0.0, decimal), (0.9, percent))):
        shown = numbers(value)
        said = text.replace(VALUE, shown) + "."
        claims = check_text(f"{upper(said)}\n{said}", Part.OBSERVATIONS, _surrounded(code, kind, other), None)
        if not claims or any(one.verdict is not Verdict.SUPPORTED or set(one.cues) - {code} for one in claims):
            return None
        now = tuple(
            ClaimText(one.text.replace(shown, VALUE), one.cues, one.reason.replace(decimal(value), VALUE))
            for one in claims
        )
        if len(now) % 2 or (index and now != found):
            return None
        found = now
    half = len(found) // 2
    first, plain = found[:half], found[half:]
    if any(one.text.lower() != other.text.lower() for one, other in zip(first, plain, strict=True)):
        return None
    return Segment(text, plain, plain if plain == first else first, _PLURAL.match(text) is not None)


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
