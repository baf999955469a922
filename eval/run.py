"""A benchmark answered and scored: reader → prompt → generator → parser → scorer → metrics → report.

    outcome = run(Plan(task("ferplus"), Path("ferplus"), "cues", Path("out"), split="valid", limit=300))

1. The reader gives items with references (:mod:`emollm.eval.run_items`); those without one are counted and left out.
2. ``change`` may replace an item's media or words, as a sweep does; references stay.
3. The generator sees clips without labels and one question; what it answers is parsed (:mod:`emollm.eval.run_parsing`) and kept at once
   (:mod:`emollm.eval.run_answers`), by the item's content, the question, the generator and the
   version of the parser.
4. Answers are scored as any predictions are (:mod:`emollm.eval.run_score`) and drawn (:mod:`emollm.eval.report_pages`).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from emollm.errors import ConfigError, DataError, MediaError, one_line
from emollm.eval.generators import open_generator
from emollm.eval.generators.base import Generator, Opening, Query, Reply
from emollm.eval.items import Item
from emollm.eval.report_pages import Mistake, mistakes, write_pages
from emollm.eval.run_answers import ANSWERS, AnswerFile, Reject, Row
from emollm.eval.run_items import Chosen, Question, choose, content, fingerprint, key_of, question, shown
from emollm.eval.run_parsing import READING, confidence, recorded
from emollm.eval.run_score import kind_of, known_of, lost_row, row_of, score
from emollm.eval.scoring import Settings
from emollm.eval.scoring_faith import written
from emollm.eval.scoring_open import VERSION, vocabulary_of
from emollm.eval.tasks import Purpose, Task, refuse_test
from emollm.files import replacing
from emollm.metrics.bootstrap import RESAMPLES
from emollm.metrics.scored import Scored

REPORT = "report.json"
PICTURES = "pictures"
"""Folder of pictures that lie in a table of the data set or are cut out of larger ones."""
MAX_TOKENS = {"label": 32, "labels": 96, "description": 320, "numbers": 48}
"""Length of a reply in tokens by what is asked for; free words come with their reasons."""
_FREE_TOKENS = 256


class Plan(NamedTuple):
    """What is run."""

    task: Task
    data: Path
    generator: str
    """See :mod:`emollm.eval.generators`."""
    out: Path
    split: str = ""
    """The task's own if empty."""
    purpose: Purpose = "measure"
    limit: int | None = None
    """At most so many items, evenly spaced."""
    prompt: str = ""
    """The task's own if empty."""
    wording: int = 1
    """Which wording of it."""
    max_tokens: int | None = None
    temperature: float = 0.0
    workers: int = 8
    """Requests that are sent to a server at the same time."""
    vocabulary: str = VERSION
    resamples: int = RESAMPLES
    seed: int = 0
    """Of the draw and of the bootstrap."""
    fresh: bool = False
    """Drop the answers of earlier runs."""


class Progress(NamedTuple):
    """How far a run is."""

    done: int
    total: int
    rejected: int


class Outcome(NamedTuple):
    """What came out."""

    scored: Scored
    mistakes: tuple[Mistake, ...]
    rejects: tuple[Reject, ...]
    """Items that could not be asked; they count as wrong, and a later run tries them again."""


Told = Callable[[Progress], None]
Change = Callable[[Item], Item]


def run(plan: Plan, told: Told | None = None, change: Change | None = None) -> Outcome:
    """Answers a benchmark, scores it and leaves answers and reports in ``plan.out``.

    Args:
        plan: What is run.
        told: Called after each answer that was not known before; what it raises ends the run, and what is answered is kept.
        change: Replaces media or words of an item before it is asked; what it cannot make (MediaError, DataError) is not asked.

    Raises:
        ConfigError: A test part for a purpose other than measuring, an unknown generator or prompt, or a folder with other answers.
        DataError: Data that cannot be read, or nothing to score.
        ModelError: The generator cannot be had, or no item can be asked any more.
        EmollmError: A file cannot be written.
    """
    split = plan.split or plan.task.default_split
    refuse_test(plan.task, split, plan.purpose)
    _check_vocabulary(plan)
    asked = question(plan.task, plan.prompt, plan.wording)
    chosen = choose(plan.task, plan.data, split, plan.limit)
    generator = open_generator(plan.generator, _opening(plan, asked, chosen))
    began = time.monotonic()
    identity = {"task": plan.task.ref, "model": generator.name, "prompt": asked.ref}
    if plan.task.overrides:
        identity["settings"] = "; ".join(plan.task.overrides)
    with AnswerFile(plan.out, identity, plan.fresh) as answers:
        asking = _Asking(plan, asked, chosen, generator, answers, told)
        asking.all(change)
        seconds = time.monotonic() - began
        rows = answers.finish(asking.places, asking.lost)
        answers.list_rejects(asking.rejects)
        if not rows:
            raise DataError(
                f"{plan.data}: none of {len(chosen.items)} items could be asked: {asking.rejects[0].reason}"
            )
        scored = score(
            plan.task,
            asked,
            asking.items,
            plan.out / ANSWERS,
            plan.data,
            fingerprint([(item, asking.contents[item.id]) for item in asking.items]),
            Settings(vocabulary=plan.vocabulary, resamples=plan.resamples, seed=plan.seed),
            _told(plan, split, asked, chosen, generator, asking, seconds, sum("cut" in row for row in rows)),
        )
        wrong = mistakes(asking.items, rows)
        if not generator.looks:
            wrong = _unpacked(plan, wrong)
        with replacing(plan.out / REPORT, "w") as file:
            file.write(scored.to_json(indent=1) + "\n")
        write_pages(plan.out, plan.task, scored, wrong)
    return Outcome(scored, wrong, tuple(asking.rejects))


def _check_vocabulary(plan: Plan) -> None:
    """Raises ConfigError for tables that there are not, or that the task has no use for, before anything is asked."""
    if kind_of(plan.task) in ("ov", "emer"):
        vocabulary_of(plan.vocabulary)
    elif plan.vocabulary != VERSION:
        raise ConfigError(
            f"--vocabulary {plan.vocabulary}: {plan.task.id} asks for no free words or descriptions; leave it out"
        )


def _unpacked(plan: Plan, wrong: Sequence[Mistake]) -> tuple[Mistake, ...]:
    """Mistakes of a generator that looks at nothing, with their pictures as files where those can be had."""
    items = [one.item for one in wrong]
    try:
        found = list(plan.task.open().unpack(plan.data, items, plan.out / PICTURES))
    except (DataError, MediaError):
        return tuple(wrong)
    return tuple(one._replace(item=item) for one, item in zip(wrong, found, strict=True))


def _opening(plan: Plan, asked: Question, chosen: Chosen) -> Opening:
    task = plan.task
    usual = _FREE_TOKENS if task.asks == "labels" and asked.labels is None else MAX_TOKENS[task.asks]
    return Opening(
        asks=task.asks,
        streams=task.streams,
        labels=asked.labels,
        references=tuple(item.gold for item in chosen.items) if plan.generator == "majority" else (),
        max_tokens=plan.max_tokens or usual,
        temperature=plan.temperature,
        seed=plan.seed,
        workers=plan.workers,
    )


class _Asking:
    """Asks the items of a run that are not answered yet, and keeps what comes."""

    def __init__(
        self,
        plan: Plan,
        asked: Question,
        chosen: Chosen,
        generator: Generator,
        answers: AnswerFile,
        told: Told | None,
    ) -> None:
        self._plan, self._asked, self._chosen = plan, asked, chosen
        self._generator, self._answers, self._told = generator, answers, told
        self.items: list[Item] = []
        """With pictures as files, where the generator looks at them."""
        self.places: list[tuple[str, str]] = []
        self.contents: dict[str, str] = {}
        self.rejects: list[Reject] = []
        self.lost: dict[str, Row] = {}
        """Rows of the rejects by id."""
        self.reused = 0
        self.new = 0

    def all(self, change: Change | None) -> None:
        """Goes through the items in order; those that are known are not asked."""
        by_id: dict[str, Item] = {}
        for query, reply in self._generator.replies(self._queries(change, by_id)):
            if reply.fault:
                self._reject(by_id[query.id], reply.fault)
            else:
                self._answers.add(self._row(query, reply, by_id[query.id]))
                self.new += 1
            self._tell()

    def _queries(self, change: Change | None, by_id: dict[str, Item]) -> Iterator[Query]:
        items: Iterable[Item] = self._chosen.items
        if self._generator.looks:
            items = self._plan.task.open().unpack(self._plan.data, items, self._plan.out / PICTURES)
        for item in items:
            id = item.id.strip()
            by_id[id], of, fault = item, "", ""
            if self._generator.looks:
                try:
                    item = by_id[id] = change(item) if change is not None else item
                    of = content(item.clip)
                except (DataError, MediaError) as error:
                    fault = one_line(str(error))
            self.items.append(item)
            self.contents[item.id] = of
            if fault:
                self.places.append((id, ""))
                self._reject(item, fault)
                self._tell()
                continue
            key = key_of(of, self._asked.text, self._generator.name, self._generator.depends, READING)
            self.places.append((id, key))
            if (known := self._answers.find(id, key)) is not None:
                known |= known_of(item)
                self.reused += 1
                continue
            yield Query(id, shown(item.clip), self._asked.text, key)

    def _reject(self, item: Item, reason: str) -> None:
        id, reason = item.id.strip(), one_line(reason)
        self.rejects.append(Reject(id, reason))
        self.lost[id] = lost_row(item, reason)

    def _row(self, query: Query, reply: Reply, item: Item) -> Row:
        fields = recorded(reply, self._plan.task.asks, self._asked.labels)
        sure = confidence(reply, fields)
        if reply.observation is not None:
            fields["observation"] = written(reply.observation, self._plan.out, query.key)
            fields |= {"track": reply.track} if reply.track is not None else {}
        return row_of(
            query.id,
            fields,
            item,
            confidence=None if sure is None else round(sure, 6),
            scores={label: round(score, 6) for label, score in reply.scores.items()},
            reply=reply.text if reply.text != fields.get("text") else "",
            cut=reply.cut or None,
            key=query.key,
        )

    def _tell(self) -> None:
        if self._told is not None:
            done = self.reused + self.new + len(self.rejects)
            self._told(Progress(done, len(self._chosen.items), len(self.rejects)))


def _told(
    plan: Plan,
    split: str,
    asked: Question,
    chosen: Chosen,
    generator: Generator,
    asking: _Asking,
    seconds: float,
    cut: int,
) -> dict[str, JsonValue]:
    """Where the numbers come from, beside what every score tells of itself."""
    task = plan.task
    role = task.splits[split].role if split in task.splits else None
    known = task.splits[split].n if split in task.splits else None
    return {
        "task": {
            "id": task.ref,
            "title": task.title,
            "split": split,
            "role": role,
            "published_n": known,
            "overrides": list(task.overrides),
        },
        "purpose": plan.purpose,
        "generator": {
            "given": plan.generator,
            "name": generator.name,
            "depends": generator.depends,
            "looks": generator.looks,
        },
        "prompt": {"ref": asked.ref, "text": asked.text},
        "items": {**chosen.counts, "chosen": len(chosen.items), "rejected": len(asking.rejects), "limit": plan.limit},
        "answering": {"new": asking.new, "known_before": asking.reused, "cut_off": cut, "seconds": round(seconds, 3)},
        "draw": {"temperature": plan.temperature, "seed": plan.seed},
        "floors_published": list(task.floors),
        "traps": list(task.traps),
    }
