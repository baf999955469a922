"""Of which statement of a sentence a time speaks."""

import re
from collections.abc import Collection, Sequence
from typing import Protocol

from emollm.evidence.times import WINDOWS, Moment, When

_BOUND = re.compile(r"[;:—,()]|\b(?:and|but|while|whereas|although|then|before|after)\b", re.IGNORECASE)
_JOINED = re.compile(r"[\w\s']*\b(?:and|or|with)\b[\w\s']*|\s*", re.IGNORECASE)
_OWN = re.compile(r"\W{0,2}(?:(?:and|but|then|while)\b[\s,]{0,40})?(?!(?:and|but|then|while)\b)\w", re.IGNORECASE)
_STARTS = re.compile(r"\W*(?:and|but|then|also)?\W*", re.IGNORECASE)
_RESET = re.compile(r"\b(?:then|later|afterwards?|subsequently|next|finally|followed by|besides?)\b", re.IGNORECASE)


class Timed(Protocol):
    """Something in a text that can have times."""

    start: int
    end: int
    moments: list[Moment]


def bind(text: str, start: int, end: int, items: Sequence[Timed], times: Sequence[Moment]) -> None:
    """Gives each time of a sentence to the statements it speaks of; they grow over the times beside them.

    A time in front of a clause speaks of all that follows, up to the next such time or a "then"; of those behind the first
    a "from … to …" says only that they were there then. One behind a statement speaks of it, and of those joined to it by
    "and".

    Args:
        text: The text without its times and quotations (blanked).
        start: Where the sentence starts.
        end: Where it ends.
        items: Statements of the sentence.
        times: Times of the sentence.
    """
    if not items:
        return
    order = sorted(items, key=lambda item: (item.start, item.end))
    bounds = [match.start() for match in _BOUND.finditer(text, start, end)]
    leading: list[tuple[Moment, list[Timed]]] = []
    trailing: dict[int, list[Moment]] = {}
    for time in times:
        if time.when is When.NONE:
            continue
        left = max((bound for bound in bounds if bound < time.start), default=start)
        right = min((bound for bound in bounds if bound >= time.end), default=end)
        if time.when is When.COUNT and not _is_counted(text, order, (left, right), time):
            continue
        behind = _behind(text, order, (left, right), time, trailing)
        if behind:
            for item in behind:
                trailing.setdefault(id(item), []).append(time)
        else:
            leading.append((time, [item for item in order if item.start >= time.end]))
    for index, (time, after) in enumerate(leading):
        following = leading[index + 1][0].start if index + 1 < len(leading) and leading[index + 1][1] != after else end
        reset = _RESET.search(text, after[0].end, end) if after else None
        limit = min(following, reset.start() if reset else end)
        for item in after:
            own = any(one.when in WINDOWS for one in trailing.get(id(item), ()))
            if item.start < limit and not (own and time.when in WINDOWS):
                shared = time.when is When.SPAN and item is not after[0]
                item.moments.append(time._replace(when=When.DURING, over=True) if shared else time)
        if after:
            after[0].start = min(after[0].start, time.start)
    for item in order:
        for time in trailing.get(id(item), ()):
            item.moments.append(time)
            item.start, item.end = min(item.start, time.start), max(item.end, time.end)


def _is_counted(text: str, items: Sequence[Timed], clause: tuple[int, int], time: Moment) -> bool:
    """Whether a statement of its own clause is counted, or the next where the clause begins with the count.

    "He halts twice, he is quieter" counts something that was not read.
    """
    left, right = clause
    inside = any((left <= item.end and item.start < time.start) or time.end <= item.start < right for item in items)
    return inside or _STARTS.fullmatch(text, left, time.start) is not None


def _behind(
    text: str,
    items: Sequence[Timed],
    clause: tuple[int, int],
    time: Moment,
    taken: Collection[int],
) -> list[Timed]:
    """The statements that a time stands in or behind; none where it stands in front.

    Args:
        text: The text.
        items: Statements of the sentence, in order.
        clause: Where the clause of the time starts and ends.
        time: The time.
        taken: Identities of the statements that have a time behind them already.
    """
    left, right = clause
    before = [item for item in items if item.end <= time.start or item.start < time.start < item.end]
    after = [item for item in items if item.start >= time.end]
    if not before:
        return []
    ended = max((item for item in before if item.end <= time.start), key=lambda item: item.end, default=None)
    if ended is not None and text[left : left + 1] == "(" and left - ended.end <= 3:
        return [ended]
    if around := [item for item in before if time.end <= item.end]:
        return [around[-1]]
    ahead = bool(after) and after[0].start < right
    if time.when not in WINDOWS and time.when is not When.ALWAYS:
        return [] if ahead and before[-1].end <= left else [before[-1]]
    here = [item for item in before if item.end > left]
    if not here:
        joined = text[left : left + 4].lower().startswith(("and", "then", "but", "whil", "wher", ":"))
        if after and (ahead or joined):
            return []
        if id(before[-1]) in taken and _OWN.match(text[left : time.start]):
            return []  # of something that was not read: "and trails off at 5 s"
        here = [before[-1]]
    out = [here[-1]]
    for item in reversed(before[: before.index(here[-1])]):
        gap = text[item.end : out[-1].start if out[-1].start > item.end else out[-1].end]
        joined = len(gap) <= 60 and _JOINED.fullmatch(gap) is not None
        if id(item) in taken or not joined:
            break
        out.append(item)
    return out
