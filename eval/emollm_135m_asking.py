"""Asking models and keeping what they answer: each answer is a line of ``OUT/<measure>.jsonl``, so that nothing is asked twice.

An answer is known by the model's name and version and by a digest of all that it was given; what another measure asked already is taken
from there. A question that cannot be asked (a picture that cannot be read, a prompt too long) is kept with its reason and counts as unanswered;
the next run asks it again. One command at a time writes into a folder.
"""

import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from emollm.errors import DataError, EmollmError, MediaError, one_line
from emollm.generate import PromptTooLong
from emollm.modeling.speaking import Asked

_EVERY = 10.0
"""Seconds between lines of progress."""


class Speaker(Protocol):
    """A model that is asked."""

    name: str

    def generate_many(self, asked: Sequence[Asked], *, max_tokens: int) -> list[str]:
        """The likeliest replies to several conversations."""
        ...


class Scorer(Protocol):
    """A model that says how likely labels are."""

    name: str

    def label_scores(self, asked: Asked, labels: Sequence[str], before: str = "") -> list[float]:
        """Probabilities of the labels, which add up to 1."""
        ...


class Question(NamedTuple):
    """Something to ask."""

    id: str
    """Of the item, or of the pair."""
    variant: str
    """What is shown, for a reader of the answers."""
    asked: Asked
    gold: str = ""


class Answers:
    """The answers that are known, and asking for those that are not; the folder is locked until it is left.

    Args:
        folder: Where the answers lie; made if need be.
        batch: Questions that are asked at once.
        say: Takes lines of progress; standard error if not given.

    Raises:
        DataError: A file of answers is damaged.
        EmollmError: The folder cannot be made, or another command writes into it.
    """

    def __init__(self, folder: Path, batch: int = 16, say: Callable[[str], None] | None = None) -> None:
        self.folder, self._batch, self._say = folder, batch, say or to_stderr
        self._known: dict[str, dict[str, Any]] = {}
        self._own: dict[str, set[str]] = {}
        self._lock = _locked(folder)
        try:
            for path in sorted(folder.glob("*.jsonl")):
                found = {row["key"]: row for row in _rows(path) if "error" not in row}
                self._own[path.stem] = set(found)
                self._known |= found
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def replies(
        self, measure: str, speaker: Speaker, questions: Sequence[Question], max_tokens: int
    ) -> list[str | None]:
        """The reply to each question; None where it could not be asked.

        Args:
            measure: Name of the file of answers.
            speaker: The model.
            questions: In any order.
            max_tokens: Length of a reply.
        """

        def speak(batch: Sequence[Asked]) -> Sequence[str]:
            return speaker.generate_many(batch, max_tokens=max_tokens)

        return self._all(measure, speaker.name, questions, f"reply {max_tokens}", "reply", speak)

    def scores(
        self, measure: str, scorer: Scorer, questions: Sequence[Question], words: Sequence[str]
    ) -> list[list[float] | None]:
        """How likely each word is as the whole reply; None where it could not be asked."""

        def score(batch: Sequence[Asked]) -> Sequence[list[float]]:
            return [scorer.label_scores(one, words) for one in batch]

        return self._all(measure, scorer.name, questions, f"scores {' '.join(words)}", "scores", score)

    def _all(
        self,
        measure: str,
        name: str,
        questions: Sequence[Question],
        what: str,
        field: str,
        answer: Callable[[Sequence[Asked]], Sequence[Any]],
    ) -> list[Any]:
        keys = [_key(name, what, one.asked) for one in questions]
        own = self._own.setdefault(measure, set())
        fresh = dict(zip(keys, questions, strict=True))
        todo = sorted(
            ((key, one) for key, one in fresh.items() if key not in self._known), key=lambda two: _length(two[1])
        )
        began = told = time.monotonic()
        with (self.folder / f"{measure}.jsonl").open("a", encoding="utf-8") as file:
            for key, one in fresh.items():
                if key in self._known and key not in own:  # asked for another measure
                    self._write(file, own, {**self._known[key], "id": one.id, "variant": one.variant, "gold": one.gold})
            for start in range(0, len(todo), self._batch):
                batch = todo[start : start + self._batch]
                found = _answered([one.asked for _, one in batch], answer)
                for (key, one), (value, error) in zip(batch, found, strict=True):
                    said = {"error": error} if value is None else {field: value}
                    row = {"key": key, "model": name, "id": one.id, "variant": one.variant, "gold": one.gold, **said}
                    self._write(file, own, row)
                file.flush()
                if time.monotonic() - told > _EVERY or start + self._batch >= len(todo):
                    told, done = time.monotonic(), start + len(batch)
                    self._say(f"{measure}: {done}/{len(todo)} of {name}, {done / max(told - began, 1e-9):.1f} a second")
        if failed := [self._known[key]["error"] for key in fresh if "error" in self._known[key]]:
            self._say(f"{measure}: {len(failed)} of {len(fresh)} could not be asked: {failed[0]}")
        return [self._known[key].get(field) for key in keys]

    def _write(self, file: Any, own: set[str], row: dict[str, Any]) -> None:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        own.add(row["key"])
        self._known[row["key"]] = row


def to_stderr(text: str) -> None:
    """A line of progress."""
    print(f"emollm: {text}", file=sys.stderr, flush=True)


def _answered(
    asked: Sequence[Asked], answer: Callable[[Sequence[Asked]], Sequence[Any]]
) -> list[tuple[Any, str | None]]:
    """Answers, or the reason why there is none; where a batch fails its halves are asked apart."""
    try:
        return [(value, None) for value in answer(asked)]
    except (DataError, MediaError, PromptTooLong) as error:
        if len(asked) == 1:
            return [(None, one_line(str(error)))]
    half = len(asked) // 2
    return [*_answered(asked[:half], answer), *_answered(asked[half:], answer)]


def _key(name: str, what: str, asked: Asked) -> str:
    """Digest of the model, of what is wanted and of all that is shown."""
    parts = [name, what, str(asked.root), *(one.to_json() for one in (*asked.messages, *asked.media))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _length(question: Question) -> int:
    """About how long a question is."""
    return sum(len(message.to_json()) for message in question.asked.messages) + 100 * len(question.asked.media)


def _locked(folder: Path) -> int:
    """The folder, made if need be and locked; the lock ends with the process, however that ends.

    Raises:
        EmollmError: It cannot be made or opened, or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise EmollmError(f"{folder}: cannot be made: {error.strerror}; give another folder for --out") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise EmollmError(f"{folder}: another command writes into it; wait for it, or give another --out") from error
    return handle


def _rows(path: Path) -> list[dict[str, Any]]:
    """The answers of a file; half a line at its end, which a killed command leaves, is cut off."""
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        with path.open("rb+") as file:
            file.truncate(whole)
    rows = []
    for number, line in enumerate(text[:whole].decode("utf-8").split("\n")[:-1], 1):
        try:
            row = json.loads(line)
            row["key"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}:{number}: not an answer of this command; remove the file") from error
        rows.append(row)
    return rows
