"""Known phrases in a text: sentences, tokens, and the marks that :mod:`emollm.evidence.reading` reads.

The phrases are data, ``lexicon.yaml``. A sentence is scanned once, the longest phrase first.
"""

import itertools
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from emollm.facs import UNITS


class Mark(NamedTuple):
    """A known phrase in the text."""

    kind: str
    id: str
    start: int
    end: int
    token: int
    """Number of its first token in the sentence."""
    last: int
    """Number of its last token."""


_TOKEN = re.compile(
    r"\b[LR]\d{1,2}[A-E]?\b|AUs?\s?-?\d{1,3}[A-ELR]?\b(?:\s?(?:\+|/|,|and|&)\s?\d{1,2}\b(?!\.\d|\s?[°%]))*"
    r"|action units? \d{1,3}\b|[a-z]+(?:['’][a-z]+)?|[+\-−–]?(?:\d+\.\d+|\.\d+|\d+)(?:\s?(?:%|percent\b|°|degrees?\b))?|[^\w\s-]",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"(?<=[.!?])[\"')\]*]*\s+(?=[\"'(*\-•A-Z])|\n+"
    r"|(?<=[a-z]{3}[.!?])(?<!approx\.)(?<!resp\.)(?<!incl\.)(?<!max\.)(?<!min\.)(?<!avg\.)(?<!etc\.)(?<!esp\.)(?<!sec\.)(?<!vol\.)(?<!fig\.)\s+(?=[a-z]{2})"
)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence; decimals do not end one, line breaks do."""
    start = 0
    for gap in _SENTENCE.finditer(text):
        if text[start : gap.start()].strip():
            yield start, gap.start()
        start = gap.end()
    if text[start:].strip():
        yield start, len(text)


def whole(text: str, start: int, end: int) -> str:
    """A piece of a text without half a pair of brackets or quotation marks: the other half is taken in, or this one left out."""
    piece = text[start:end]
    if not any(sign in piece for sign in '()"“”[]'):
        return piece.strip() or piece
    first, last = next(((a, b) for a, b in sentences(text) if a <= start and end <= b), (start, end))
    for left, right in (("(", ")"), ('"', '"'), ("“", "”"), ("[", "]")):
        piece = text[start:end]
        opened, closed = piece.count(left), piece.count(right)
        if left == right:
            opened, closed = (opened + 1) // 2, opened // 2
            if opened > closed and left in text[first:start] and text[first:start].count(left) % 2:
                opened, closed = closed, opened
        if opened > closed:
            at = text.find(right, end, last)
            end = at + 1 if at >= 0 else start + piece.rindex(left)
        elif closed > opened:
            at = text.rfind(left, first, start)
            start = at if at >= 0 else start + piece.index(right) + 1
    return text[start:end].strip() or piece


# ---- phrases to marks -----------------------------------------------------------------------------------------------


@cache
def lexicon() -> dict[str, Any]:
    """The lexicon as data: what is said of a face, and in a file of its own what is said of a voice."""
    import yaml

    parts = ("lexicon.yaml", "lexicon_voice.yaml")
    texts = [files("emollm.evidence").joinpath(name).read_text(encoding="utf-8") for name in parts]
    return {key: value for text in texts for key, value in yaml.safe_load(text).items()}


class Readings(NamedTuple):
    """Units that words may mean, as an entry of the lexicon lists them."""

    names: tuple[str, ...]
    absent: bool
    """Whether the words say that they are absent."""
    primary: str
    """The unit meant first, or nothing; several behind spaces that are meant alike."""
    needed: str
    """The unit that must be there, or nothing."""


def readings(units: list[str]) -> Readings:
    """An entry of the lexicon: ``-`` before a unit says absent, ``*`` behind it primary, ``!`` needed."""
    names = tuple(unit.strip("-*!") for unit in units)
    first = " ".join(unit.strip("-*!") for unit in units if unit.endswith("*"))
    needed = next((unit.strip("-*!") for unit in units if unit.endswith("!")), "")
    return Readings(names, units[0].startswith("-"), first, needed)


def expanded(phrase: str) -> Iterator[tuple[str, ...]]:
    """The words of each form of a phrase."""
    pieces = re.split(r"\{([^}]*)\}", phrase)
    choices = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
    for choice in itertools.product(*choices):
        words = "".join(choice).replace("-", " ").split()
        yield from itertools.product(*(inflected(word[1:]) if word.startswith("~") else (word,) for word in words))


@cache
def inflected(verb: str) -> tuple[str, ...]:
    """The forms of an English verb: itself, "-s", past, participle and "-ing"; those of irregular ones are listed in the lexicon."""
    stem = verb.removesuffix("e") if not verb.endswith(("ee", "oe", "ye")) else verb
    if re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", verb):
        stem = verb + verb[-1]
    third = f"{verb}es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else f"{verb}s"
    past = f"{stem}ed" if stem != verb or not verb.endswith("e") else f"{verb}d"
    if re.search(r"[^aeiou]y$", verb):
        third, past = f"{verb[:-1]}ies", f"{verb[:-1]}ied"
    forms = lexicon()["irregular"].get(verb, [past])
    return tuple(dict.fromkeys((verb, third, *forms, f"{stem}ing")))


def _rows_of_the_voice() -> list[tuple[str, str, list[str]]]:
    """Kind, id and phrases of what is said of a voice."""
    data = lexicon()
    rows = [(kind, key, phrases) for kind, entries in data["voice"].items() for key, phrases in entries.items()]
    rows += [("part", key, phrases) for key, phrases in data["parts"].items() if key != "gaze"]
    rows += [("part", "noun", row["phrases"]) for row in data["nouns"]]
    rows += [("negation", key, phrases) for key, phrases in data["negations"].items()]
    rows += [("strength", key, phrases) for key, phrases in data["strengths"].items()]
    return rows + [(kind, kind, data[kind]) for kind in ("generic", "hard", "soft")]


def _rows_of_the_face() -> list[tuple[str, str, list[str]]]:
    """Kind, id and phrases of what is said of a face."""
    data = lexicon()
    rows: list[tuple[str, str, list[str]]] = []
    for kind in (
        "parts",
        "moves",
        "strengths",
        "negations",
        "predicates",
        "sides",
        "quantities",
        "emotions",
        "unmeasured",
    ):
        rows += [(kind, key, phrases) for key, phrases in data[kind].items()]
    for kind in (
        "ignore",
        "generic",
        "compare",
        "lesser",
        "only",
        "than",
        "hard",
        "soft",
        "probability",
        "features",
        "again",
        "likewise",
    ):
        rows.append((kind, kind, data[kind]))
    rows += [("noun", str(index), row["phrases"]) for index, row in enumerate(data["nouns"])]
    return rows + [("name", unit.code, [unit.name]) for unit in UNITS.values() if unit.code < "AU5"]


class _Entry(NamedTuple):
    """The known phrases that begin with one word."""

    longer: dict[str, list[tuple[tuple[str, ...], str, str]]]
    """By their second word: (words, kind, id), longest first."""
    alone: tuple[str, str] | None
    """Kind and id of the word by itself."""


@cache
def _phrases(voice: bool) -> dict[str, _Entry]:
    """First word -> the phrases that begin with it. Of two kinds of one phrase the first counts."""
    table: dict[str, _Entry] = {}
    for kind, key, phrases in _rows_of_the_voice() if voice else _rows_of_the_face():
        for phrase in phrases:
            for words in expanded(phrase):
                entry = table.setdefault(words[0], _Entry({}, None))
                if len(words) > 1:
                    entry.longer.setdefault(words[1], []).append((words, kind, key))
                elif entry.alone is None:
                    table[words[0]] = entry._replace(alone=(kind, key))
    for entry in table.values():
        for entries in entry.longer.values():
            entries.sort(key=lambda one: -len(one[0]))
    return table


_SIGNS = {"(": "open", ")": "close", ",": "comma", ";": "hard", ":": "hard", "—": "hard", "–": "hard"}
_CODE = re.compile(r"aus?\s?-?\d|action units? \d|[lr]\d{1,2}[a-e]?$")


def marks(text: str, start: int, end: int, *, voice: bool = False) -> Iterator[Mark]:
    """The known phrases of a sentence, in order: those about a face, or those about a voice and words."""
    tokens = list(_TOKEN.finditer(text, start, end))
    table, index = _phrases(voice), 0
    words = [_owned(token.group().lower().replace("’", "'"), table) for token in tokens]
    count = len(words)
    while index < count:
        word, first, last = words[index], tokens[index].start(), tokens[index].end()
        step = 1
        entry = table.get(word)
        if entry is not None:
            found = entry.alone
            for phrase, kind, key in (
                entry.longer.get(words[index + 1], ()) if index + 1 < count and entry.longer else ()
            ):
                if len(phrase) == 2 or tuple(words[index : index + len(phrase)]) == phrase:
                    step, found = len(phrase), (kind, key)
                    break
            if found is not None:
                yield Mark(*found, first, tokens[index + step - 1].end(), index, index + step - 1)
        elif word.isalpha():
            if word.startswith("un"):
                yield from _undone(word, first, last, index, table)
        elif word in _SIGNS:
            yield Mark(_SIGNS[word], word, first, last, index, index)
        elif _CODE.match(word):
            yield Mark("code", text[first:last], first, last, index, index)
        elif re.search(r"\d", word):
            yield Mark("number", word, first, last, index, index)
        index += step


def _owned(word: str, table: dict[str, _Entry]) -> str:
    """A word without the "'s" of a part of the face: "the eyebrow's tail"."""
    if not word.endswith("'s") or word in table:
        return word
    entry = table.get(word[:-2])
    return word[:-2] if entry is not None and entry.alone is not None and entry.alone[0] == "parts" else word


def _undone(word: str, first: int, last: int, index: int, table: dict[str, _Entry]) -> Iterator[Mark]:
    """A negation and the word that it is one of: "unlifted"."""
    entry = table.get(word[2:])
    if entry is not None and entry.alone is not None and entry.alone[0] in ("moves", "noun"):
        yield Mark("negations", "un", first, first + 2, index, index)
        yield Mark(*entry.alone, first + 2, last, index, index)


def linked(text: str, known: list[Mark]) -> list[Mark]:
    """Without the colons and dashes that stand between a part or a unit and what is said of it: "Brows: raised"."""
    out: list[Mark] = []
    dashes = [mark for mark in known if text[mark.start : mark.end] in ("—", "–")]
    paired = {one for pair in itertools.pairwise(dashes) if pair[1].token - pair[0].token <= 5 for one in pair}
    aside = {
        one
        for three in zip(known, known[1:], known[2:], strict=False)
        if [mark.kind for mark in three] == ["comma", "hard", "comma"] and three[2].token - three[0].token == 2
        for one in three
    }
    for index, mark in enumerate(known):
        before = out[-1] if out else None
        following = known[index + 1] if index + 1 < len(known) else None
        if mark in paired or mark in aside:
            continue
        if mark.kind == "hard" and text[mark.start : mark.end].lower() == "which" and (at := _described(out, mark)):
            out[at:] = [mark._replace(kind="relative")]
            continue
        link = (
            mark.kind == "hard"
            and before is not None
            and text[mark.start : mark.end] in (":", "—", "–")
            and mark.token - before.last == 1
            and (
                before.kind in ("code", "close", "name")
                or (before.kind == "parts" and (following is None or following.kind != "parts"))
                or (
                    before.kind == "noun"
                    and following is not None
                    and following.kind == "predicates"
                    and following.token - mark.token == 1
                )
                or (
                    before.kind in ("noun", "moves")
                    and following is not None
                    and following.kind in ("strengths", "sides", "compare", "lesser", "only")
                    and following.token - mark.token <= 2
                )
            )
            and not any(one.kind == "negations" for one in out)
        )
        if not link:
            out.append(mark)
    return out


def _described(known: list[Mark], which: Mark) -> int:
    """Behind how many marks a "which" follows a part, a comma between them left out; 0 where it follows none."""
    rest = known[-2:]
    if rest and rest[-1].kind == "comma" and which.token - rest[-1].last == 1:
        which, rest = rest.pop(), rest
    parts = rest[-1] if rest else None
    near = parts is not None and parts.kind in ("parts", "noun", "name") and which.token - parts.last == 1
    return known.index(parts) + 1 if near and parts is not None else 0


def parse_number(word: str) -> tuple[float, str]:
    """Value and unit of a number as written; percent become a share."""
    digits = re.match(r"([+\-−–]?)([\d.]+)", word)
    assert digits is not None
    value = float(digits.group(2)) * (-1 if digits.group(1) in ("-", "−", "–") else 1)
    if word.endswith(("%", "percent")):
        return value / 100, "percent"
    return value, "degrees" if word.endswith(("°", "degree", "degrees")) else "bare"
