"""Two further kinds of answer: the side of a sentiment (MOSI, MOSEI, CH-SIMS), and which of two descriptions is preferred (MER2026, track 3)."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydantic import JsonValue

from emollm.emotions import label_set
from emollm.errors import DataError
from emollm.eval.predictions import EMPTY, Notes, Row, Table
from emollm.eval.scoring import Aligned, Pair, Settings, Task, align
from emollm.eval.scoring_labels import Said, read
from emollm.metrics.classification import STRAY, UNANSWERED
from emollm.metrics.preference import CHOICES, Choice, preference
from emollm.metrics.sentiment import Side, polarity, side

SIDES: tuple[Side, ...] = ("negative", "neutral", "positive")
_SIDES_OF = "meld-sentiment"
"""The label set whose words and forms are the sides."""
_NUMBER = "valence"
_SWAPPED = "swapped"
"""Column of answers: what was chosen where the descriptions had changed places, in the words of that order."""
_ANSWER = re.compile(
    r".*\b(?:answer|choice|preference|verdict)\b[\"'*_` ]*(?:is\b|[:：=])(?P<said>.*)", re.IGNORECASE | re.DOTALL
)
"""A text up to its last marker, and what follows."""
_AROUND = " \t\r\n.!\"'`*_()[]{}“”‘’"
"""What may stand around a choice."""
_KINDS = ("answered", "outside", "abstained", "unparsed", "missing")


def sentiment(gold: Table, said: Table, settings: Settings) -> tuple[Task, Aligned]:
    """The task of sides: references are numbers (``valence``; above 0 is positive) or the words positive, negative and neutral; so are answers.

    Raises:
        DataError: Nothing to score, or no reference takes a side.
    """
    sides = label_set(_SIDES_OF)
    aligned = align(gold, said, _takes_no_side, settings)
    found = [_side(pair.said, aligned.notes) for pair in aligned.pairs]
    predicted: list[Side | None] = [SIDES[sides_at(one)] if one.kind == "answered" else None for one in found]
    reference = [float(_score(pair.gold) or 0.0) for pair in aligned.pairs]
    measures = polarity(reference, predicted)
    right = np.array([one == side(score) for one, score in zip(predicted, reference, strict=True)])
    told: dict[str, JsonValue] = {"label_set": {"id": f"{sides.id}@{sides.version}", "labels": [*SIDES]}}
    return Task("sentiment", "weighted_f1", measures, _counts(found), right=right, told=told), aligned


def sides_at(one: Said) -> int:
    """The place of a side in :data:`SIDES`, of a place in the label set."""
    return SIDES.index(label_set(_SIDES_OF).labels[one.code])


def preferred(gold: Table, said: Table, settings: Settings) -> tuple[Task, Aligned]:
    """The task of choices: ``a1``, ``a2`` or ``same`` as label; a column ``swapped`` holds the choice in the other order.

    Raises:
        DataError: Nothing to score.
    """
    aligned = align(gold, said, lambda row: "" if _choice(row) is not None else _why(row), settings)
    found = [_chosen(pair.said, aligned.notes) for pair in aligned.pairs]
    predicted: list[Choice | None] = [CHOICES[one.code] if one.kind == "answered" else None for one in found]
    reference = [_known(_choice(pair.gold)) for pair in aligned.pairs]
    measures = preference(reference, predicted, _swapped(aligned.pairs, aligned.notes))
    right = np.array([one == own for one, own in zip(predicted, reference, strict=True)])
    return Task("preference", "accuracy", measures, _counts(found), right=right), aligned


def _score(row: Row) -> float | None:
    """The reference as a number; sides stand for −1, 0 and 1."""
    if _NUMBER in row.numbers:
        return row.numbers[_NUMBER]
    if row.labels is None or len(row.labels) != 1:
        return None
    named = label_set(_SIDES_OF).find(row.labels[0])
    return None if named is None else float(SIDES.index(named) - 1)


def _side(row: Row | None, notes: Notes) -> Said:
    """One answer; a number becomes the side that it is on."""
    labels = label_set(_SIDES_OF)
    if row is not None and row.labels is None and not row.abstained and not row.fault("labels"):
        if _NUMBER in row.numbers:
            return Said(labels.labels.index(side(row.numbers[_NUMBER])), "answered")
        if not row.text and (reason := row.fault("numbers")):
            notes.add(f"unparsed: {reason}", row.id)
            return Said(UNANSWERED, "unparsed")
    return read(row, labels, notes)


def _chosen(row: Row | None, notes: Notes) -> Said:
    """One answer. A word is the choice or none; a text has to be the choice, or to end in a line or in an "answer: …" that is."""
    if row is None or row.abstained:
        return Said(UNANSWERED, "missing" if row is None else "abstained")
    reason = row.fault("labels")
    if not reason and row.labels:
        if (choice := _choice(row)) is not None:
            return Said(CHOICES.index(choice), "answered")
        if len(row.labels) == 1:
            notes.add("labels outside the set", f"{row.id}: {row.labels[0]}")
            return Said(STRAY, "outside")
        reason = "several labels"
    elif not reason and row.text:
        if (choice := chosen_in(row.text)) is not None:
            return Said(CHOICES.index(choice), "answered")
        reason = f"a text that does not end in {', '.join(CHOICES[:-1])} or {CHOICES[-1]}"
    notes.add(f"unparsed: {reason or row.fault('text') or EMPTY}", row.id)
    return Said(UNANSWERED, "unparsed")


def chosen_in(text: str) -> Choice | None:
    """The choice that a text is, or that follows its last "answer:", or that its last line is; None of any other text.

    A word of prose ("at the same time, a1 …") is no choice.
    """
    marked = _ANSWER.fullmatch(text)
    line = (marked["said"] if marked is not None else text).strip().splitlines()
    return _word(line[0 if marked is not None else -1]) if line else None


def _choice(row: Row) -> Choice | None:
    words = row.labels or ()
    return _word(words[0]) if len(words) == 1 else None


def _word(word: str) -> Choice | None:
    """A choice in any case, with or without quotes and a full stop."""
    return next((one for one in CHOICES if word.strip(_AROUND).lower() == one), None)


def _known(choice: Choice | None) -> Choice:
    if choice is None:
        raise DataError("a reference without a choice")  # align leaves such out
    return choice


def _swapped(pairs: Sequence[Pair], notes: Notes) -> list[Choice | None] | None:
    """The choices in the other order, if any answer has one; what is no choice is unread."""
    given = [pair.said.fields.get(_SWAPPED, "") if pair.said is not None else "" for pair in pairs]
    if not any(given):
        return None
    found: list[Choice | None] = []
    for pair, word in zip(pairs, given, strict=True):
        choice = _word(word)
        if choice is None:
            notes.add("unparsed: no choice in the other order", pair.gold.id)
        found.append(choice)
    return found


def _takes_no_side(row: Row) -> str:
    score = _score(row)
    return (
        _why(row) if score is None else "neutral, or of valence 0, which counts for neither side" if score == 0 else ""
    )


def _why(row: Row) -> str:
    reason = row.fault("labels") or row.fault("numbers")
    if reason and reason != EMPTY:
        return reason
    return f"{', '.join(row.labels)}, none of the answers that count" if row.labels else "without an answer"


def _counts(found: Sequence[Said]) -> dict[str, int]:
    counted = Counter(one.kind for one in found)
    return {kind: counted[kind] for kind in _KINDS}
