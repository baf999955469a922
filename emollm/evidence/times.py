"""Times in a text: which words say when, how long or how often.

Times are read only where a word says that they are times: "at 3.4 s", "from 0:02 to 0:05", "around second 3", "in the first
half", "throughout", "twice". A number alone, an angle, a share or the number of a unit is none. Every pattern is bounded, so
that reading takes time in proportion to the text.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

EDGE, NEAR = 0.2, 0.3
"""Share of a clip that "at the end" and "towards the end" speak of; also of its beginning."""
LOOSE = 0.5
"""Seconds by which a time that is given as "about" or as a whole second may be off."""


class When(StrEnum):
    """What a time says of a statement."""

    AT = "at"
    SPAN = "from to"
    """It began and ended there."""
    DURING = "during"
    """Somewhere in that window."""
    AFTER = "after"
    BEFORE = "before"
    ALWAYS = "throughout"
    APEX = "most at"
    DURATION = "for"
    COUNT = "times"
    BARE = "time alone"
    """In parentheses, without a word: a moment or a duration."""
    NONE = "no time"
    """Seconds that are not bound to anything: they are no values either."""


WINDOWS = frozenset({When.AT, When.SPAN, When.DURING, When.AFTER, When.BEFORE})
"""Those that say where in the clip to look."""


class Moment(NamedTuple):
    """A time in a text. Offsets are those of the text."""

    when: When
    start: int
    end: int
    first: float = 0.0
    """Seconds, or a share of the clip; a number below 0 counts from the end. For ``DURATION`` and ``COUNT`` the amount."""
    last: float = 0.0
    relative: bool = False
    """Whether ``first`` and ``last`` are shares of the clip."""
    least: bool = False
    """A count that is a lower bound: "several times"."""
    loose: float = 0.0
    """Seconds by which it may be off."""
    over: bool = False
    """Within "from … to …" whose ends are those of another statement."""

    def window(self, duration: float | None) -> tuple[float, float] | None:
        """Seconds from and to, not cut to the clip; None where that needs a length that is not known."""
        if (self.relative or self.first < 0 or self.when is When.AFTER) and duration is None:
            return None
        length = duration or 0.0
        if self.relative:
            return self.first * length, self.last * length
        if self.when is When.AFTER:
            return max(0.0, self.first - self.loose), max(self.first, length)
        first = max(0.0, length + self.first) if self.first < 0 else self.first
        last = length if self.first < 0 else self.last
        return max(0.0, first - self.loose), max(0.0, last + self.loose)

    def span(self, duration: float | None) -> tuple[float, float] | None:
        """Seconds that a claim with this time speaks of; None for a length or a count."""
        if self.when in WINDOWS:
            return self.window(duration)
        if self.when is When.APEX:
            return self.first, self.last
        return (0.0, duration) if self.when is When.ALWAYS and duration is not None else None


# ---- patterns -------------------------------------------------------------------------------------------------------

_NUMBERS = {
    word: float(value)
    for value, word in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 1
    )
} | {"half a": 0.5, "a": 1.0, "a quarter of a": 0.25}
_ORDINALS = {
    word: value
    for value, word in enumerate(
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
    )
}
_WORDS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_CLOCK = r"(?<![\w.:])\d{1,3}:[0-5]\d(?::[0-5]\d)?(?:\.\d{1,3})?(?![\w:])"
_PLAIN = rf"(?<![\w.])(?:\d{{1,5}}(?:\.\d{{1,3}})?|\.\d{{1,3}}|(?:{_WORDS})\b)"
_UNIT = r"(?:\s{0,2}|-)(?:seconds?|secs?|s|milliseconds?|ms|minutes?|mins?)\b(?![/°])"
_TIME = rf"(?:{_CLOCK}|seconds?\s{_PLAIN}(?!\s?%)|{_PLAIN}{_UNIT})"
_BARE = rf"(?:{_TIME}|{_PLAIN})"
_ABOUT = r"(?P<about>(?:about|around|roughly|approximately|approx\.?|circa|nearly|~)\s?)?"
_TO = r"\s{0,2}(?:–|—|-|to|until|till|through|up\sto)\s{0,2}"
_CLIP = r"(?:clip|video|recording|scene|shot|sequence|footage|take|film|segment)"
_OF_CLIP = rf"(?:\s(?:of|in)\s(?:the|this)\s{_CLIP}|(?!\s(?:of|in)\b))"
_THE = rf"(?:\s(?:of|through)?\s?(?:the|this)\s{_CLIP})?"

_PATTERNS: tuple[tuple[str, When, str], ...] = (
    (
        "span",
        When.SPAN,
        rf"\b(?:from|between)\s{_ABOUT}(?P<a>{_BARE}){_TO}{_ABOUT.replace('about>', 'about2>')}(?P<b>{_TIME})",
    ),
    ("span", When.SPAN, rf"(?<=\()\s?{_ABOUT}(?P<a>{_BARE}){_TO}(?P<b>{_TIME})(?=\s?\))"),
    ("span", When.DURING, rf"(?P<a>(?<![\w.]){_BARE}){_TO}(?P<b>{_TIME})"),
    ("span", When.DURING, rf"\bbetween\s(?P<a>{_BARE})\sand\s{_ABOUT}(?P<b>{_TIME})"),
    ("span", When.DURING, rf"\b(?:during|in|within)\s(?P<a>{_BARE}){_TO}(?P<b>{_TIME})"),
    ("apex", When.APEX, rf"\b(?:peak|apex|maximum)\s?[:=]?\s?{_ABOUT}(?P<a>{_TIME})"),
    (
        "apex",
        When.APEX,
        r"\b(?:most|mostly|most\s(?:strongly|intensely|clearly)|strongest|highest|widest|loudest|deepest"
        r"|maximal|peak(?:s|ing|ed)?|culminat(?:es|ing)"
        r"|(?:with\s)?(?:a|its|their|the)\s(?:strongest|peak|apex|maximum|height)|apex|maximum)"
        rf",?\s(?:is\s)?(?:at|around|near)\s{_ABOUT}(?P<a>{_TIME})",
    ),
    ("after", When.AFTER, rf"\b(?:after|since)\s{_ABOUT}(?P<a>{_TIME})(?!\sof\b)(?:\son(?:wards?)?\b)?"),
    ("after", When.AFTER, rf"\b(?:from|starting\sfrom)\s{_ABOUT}(?P<a>{_TIME})(?:\son(?:wards?)?\b|\sto\sthe\send\b)?"),
    ("before", When.BEFORE, rf"\b(?:before|by|until|till|up\sto|prior\sto)\s{_ABOUT}(?P<a>{_TIME})"),
    ("before", When.BEFORE, rf"\bfrom\sthe\s(?:beginning|start)\s(?:to|until|till)\s{_ABOUT}(?P<a>{_TIME})"),
    (
        "at",
        When.AT,
        rf"(?:\b(?:at|around|near|at\sthe|at\stimestamp|timestamp|in(?=\ssecond))\s|@\s?|\bt\s?=\s?)"
        rf"{_ABOUT}(?P<a>(?:{_BARE}(?:,\s|,?\sand\s)){{0,6}}{_TIME})(?:\smark\b)?{_THE}",
    ),
    ("apex", When.AT, rf"\b(?:at|around|near|about)\s(?:about\s)?the\s(?P<a>{_PLAIN}-seconds?)\smark\b{_THE}"),
    ("at", When.AT, rf"{_ABOUT}(?P<a>{_TIME})\s(?:in(?:to)?\b(?:\s(?:the|this)\s{_CLIP})?)"),
    ("at", When.AT, rf"(?:^|(?<=\n))[\W_]{{0,6}}(?P<a>{_TIME})(?=\s?[\W_]{{0,4}}[:–—-](?!\s?\d))"),
    (
        "duration",
        When.DURATION,
        r"\b(?:for|lasts?|lasted|lasting(?:\sfor)?|of)\s(?:only\s)?"
        rf"{_ABOUT}(?P<a>{_PLAIN}{_UNIT}|(?:half\sa|a\squarter\sof\sa|a)\ssecond\b)",
    ),
    ("duration", When.DURATION, rf"(?P<a>{_PLAIN}{_UNIT})(?:-|\s)long\b"),
    ("duration", When.DURATION, rf"\b(?P<a>{_PLAIN}-seconds?)(?=\s[a-z])"),
    (
        "part",
        When.DURING,
        rf"\b(?:in|during|within|for|over|throughout)\sthe\s(?P<which>first|second|last|final|middle|third)"
        rf"\s(?P<part>half|third|quarter|fifth|part)\b{_THE}",
    ),
    (
        "ends",
        When.DURING,
        rf"\b(?:(?:in|during|within|for|over)\s)?the\s(?P<which>first|last|final)(?:\s(?P<a>{_PLAIN}))?\s(?:seconds?|secs?|s)\b(?!\shalf){_THE}",
    ),
    (
        "nth",
        When.DURING,
        rf"\b(?:in|during)\sthe\s(?P<which>{'|'.join(_ORDINALS)})\ssecond\b(?!\s(?:half|third|quarter|part)){_THE}",
    ),
    (
        "edge",
        When.DURING,
        rf"\b(?:(?:at|from|in|near|right\sat)\sthe\s(?:very\s)?(?P<early>beginning|start|outset|opening){_OF_CLIP}"
        rf"|(?:at|towards?|near|until|by|right\sat)\sthe\s(?:very\s)?(?P<late>end){_OF_CLIP}"
        rf"|(?P<early2>at\sfirst|initially)\b|in\sthe\s(?P<middle>middle)(?:\sof\s(?:the|this)\s{_CLIP}|(?!\sof\b))"
        rf"|(?P<halfway>halfway|midway)\b{_THE})",
    ),
    (
        "always",
        When.ALWAYS,
        rf"\b(?:throughout|constantly|continuously|all\sthe\stime|all\sthrough"
        rf"|(?:for|during|over)?\s?the\s(?:whole|entire|full)\s(?:time|{_CLIP})"
        rf"|from\s(?:the\s)?(?:start|beginning)\sto\s(?:the\s)?(?:end|finish))\b{_THE}",
    ),
    (
        "count",
        When.COUNT,
        r"\b(?P<many>twice|thrice|repeatedly|several\stimes|many\stimes|a\sfew\stimes)\b(?!\s(?:the|as|a|per|each|over)\b|\s(?:his|her|their|its)\s(?:own\s|usual|normal|ordinary|average|everyday|typical|customary))",
    ),
    ("count", When.COUNT, rf"(?P<n>(?<![\w.])(?:\d{{1,3}}|{_WORDS}))\stimes\b(?!\s(?:the|his|her|their|its|as|more|a|per|each)\b)"),
    (
        "count",
        When.COUNT,
        r"(?<!\bat )(?<!\ball at )(?<!\bthan )\b(?P<once>(?:only\s|just\s)?once)\b"
        r"(?=\s?(?:[.,;:)]|$|at\b|in\b|from\b|during\b|within\b|between\b|after\b|before\b|around\b|near\b))",
    ),
    ("bare", When.BARE, rf"(?<=[(\[,;])\s{{0,2}}{_ABOUT}(?P<a>{_TIME})(?=\s{{0,2}}[)\],;])"),
    ("none", When.NONE, rf"(?P<a>{_PLAIN}{_UNIT}|{_CLOCK})"),
)  # fmt: skip
_COMPILED = tuple((name, when, re.compile(pattern, re.IGNORECASE)) for name, when, pattern in _PATTERNS)
_VALUE = re.compile(_TIME, re.IGNORECASE)
_ANY = re.compile(_BARE, re.IGNORECASE)
_HINT = re.compile(
    r"\d|second|time|through|once|twice|thrice|repeatedly|half|third|quarter|beginning|start|outset|opening|end\b|first"
    r"|initial|middle|midway|constant|continuous|entire|whole",
    re.IGNORECASE,
)


def moments(text: str, start: int, end: int) -> list[Moment]:
    """The times of a sentence, in order, without overlaps: the earliest counts, then the longest.

    Args:
        text: The whole text.
        start: Where the sentence starts.
        end: Where it ends.

    Returns:
        Also those of ``When.NONE``, so that their numbers can be left out of what is read.
    """
    if not _HINT.search(text, start, end):
        return []
    piece = text[start:end].replace("\n", " ")
    found = [
        (match.start(), match.start() - match.end(), index, match)
        for index, (_, _, pattern) in enumerate(_COMPILED)
        for match in pattern.finditer(piece)
    ]
    out: list[Moment] = []
    reached = 0
    for first, _, index, match in sorted(found, key=lambda one: one[:3]):
        if first >= reached:
            name, when, _ = _COMPILED[index]
            out += [one._replace(start=start + first, end=start + match.end()) for one in _read(name, when, match)]
            reached = match.end()
    return out


def masked(text: str, pieces: Sequence[tuple[int, int]]) -> str:
    """The text with some pieces blanked, which may overlap; offsets stay."""
    out, reached = [], 0
    for start, end in sorted(pieces):
        start = max(start, reached)
        if end > start:
            out += [text[reached:start], " " * (end - start)]
            reached = end
    return "".join([*out, text[reached:]])


def _read(name: str, when: When, match: re.Match[str]) -> Iterator[Moment]:
    groups = match.groupdict()
    vague = (
        groups.get("about") or groups.get("about2") or re.search(r"\b(?:around|near)\b", match.group(), re.IGNORECASE)
    )
    loose = LOOSE if vague else 0.0
    if name == "span":
        first, last = _span(groups["a"], groups["b"])
        if ":" in groups["a"] and "." not in groups["a"]:
            first, last, loose = first + LOOSE, last - LOOSE + 0.01, LOOSE
        fixed = when if when is not When.SPAN or not match.group().lower().startswith("between") else When.DURING
        if last >= first:
            yield Moment(fixed, 0, 0, first, last, loose=loose)
        else:
            yield Moment(When.NONE, 0, 0)
    elif name == "at":
        times = [one.group() for one in _ANY.finditer(groups["a"])]
        unit = times[-1]
        for time in times:
            first, last = _seconds(time, unit)
            whole = LOOSE if time.lower().startswith("second") else 0.0
            yield Moment(when, 0, 0, first, last, loose=max(loose, whole))
    elif name in ("apex", "after", "before", "bare", "duration"):
        first, last = _seconds(groups["a"], groups["a"])
        if when is When.BEFORE:
            first = 0.0
        whole = LOOSE if groups["a"].lower().startswith("second") else 0.0
        yield Moment(when, 0, 0, first, last, loose=max(loose, whole))
    elif name == "count":
        yield _count(groups)
    elif name in ("part", "ends", "nth", "edge"):
        near = match.group().lower().startswith(("near", "toward"))
        yield _part(name, groups, NEAR if near else EDGE)
    else:
        yield Moment(when, 0, 0)


def _span(left: str, right: str) -> tuple[float, float]:
    return _seconds(left, right)[0], _seconds(right, right)[1]


def _seconds(text: str, unit: str) -> tuple[float, float]:
    """From and to in seconds of a time as written; a clock without decimals is its whole second.

    Args:
        text: The time.
        unit: The time that carries the unit, where this one has none ("2 to 4 s").
    """
    words = text.lower().removeprefix("seconds").removeprefix("second").strip()
    if ":" in words:
        seconds = 0.0
        for part in words.split(":"):
            seconds = seconds * 60 + float(part)
        return seconds, seconds + (0.0 if "." in words else 0.99)
    number = re.match(r"[\d.]+|half a|a quarter of a|[a-z]+", words)
    value = 0.0
    if number is not None:
        said = number.group()
        value = _NUMBERS.get(said, 0.0) if said[0].isalpha() else float(said)
    tail = words[number.end() :].strip(" -") if number is not None else ""
    tail = tail or re.sub(r"^[\d.]+|[\s-]", "", unit.lower())
    scale = 0.001 if tail.startswith("m") and "s" in tail and not tail.startswith("min") else 60.0 if tail.startswith("min") else 1.0  # fmt: skip
    return value * scale, value * scale


def _count(groups: dict[str, str | None]) -> Moment:
    if groups.get("once"):
        return Moment(When.COUNT, 0, 0, 1.0)
    if number := groups.get("n"):
        return Moment(When.COUNT, 0, 0, _NUMBERS.get(number.lower()) or float(number))
    exact = {"twice": 2.0, "thrice": 3.0}.get((groups.get("many") or "").lower())
    return Moment(When.COUNT, 0, 0, exact or 2.0, least=exact is None)


def _part(name: str, groups: dict[str, str | None], edge: float) -> Moment:
    which = (groups.get("which") or "").lower()
    if name == "ends":
        amount = _seconds(groups["a"] or "one", "s")[0]
        return Moment(When.DURING, 0, 0, 0.0, amount) if which == "first" else Moment(When.DURING, 0, 0, -amount)
    if name == "nth":
        return Moment(When.DURING, 0, 0, float(_ORDINALS[which]), _ORDINALS[which] + 1.0)
    if name == "edge":
        if groups.get("early") or groups.get("early2"):
            first, last = 0.0, edge
        elif groups.get("late"):
            first, last = 1.0 - edge, 1.0
        else:
            first, last = (1 / 3, 2 / 3) if groups.get("middle") else (0.4, 0.6)
        return Moment(When.DURING, 0, 0, first, last, relative=True)
    share = {"half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "fifth": 1 / 5, "part": 1 / 2}[groups["part"] or "part"]
    first = {"first": 0.0, "second": share, "third": 2 * share, "middle": 0.5 - share / 2}.get(which, 1.0 - share)
    return Moment(When.DURING, 0, 0, first, min(1.0, first + share), relative=True)
