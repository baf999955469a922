"""Counts a build of training data: one pass over its Samples and rejects, with memory that hardly grows.

Kept are numbers by name (at most 500 names each), 8 bytes a clip, speaker and group to tell how many different ones there are, the
thousand replies and twenty Samples that were drawn, and the table of clues.
"""

import re
from itertools import combinations
from typing import Any

from emollm.clues import clues
from emollm.facs import PRESENT
from emollm.metrics.leak import LeakTable
from emollm.report.data_distinct import Distinct, Tally
from emollm.report.data_numbers import (
    ClassRow,
    CueRow,
    DataReport,
    Example,
    LeakRow,
    OverlapRow,
    Reason,
    SplitRow,
    Stage,
    Verdicts,
    Words,
)
from emollm.report.data_reading import Files, Reject, rejects, samples
from emollm.report.data_texts import Draw, variety
from emollm.samples import Mark, Sample, Task
from emollm.types import Claim, Verdict

TEXTS = 1000
"""Replies whose variety is measured: it depends on their number, so that it is the same for every build."""
_EXAMPLES = 3
_MOST_CUES = 60
_MOST_WORDS = 4096
_BINS = 12
_NO_LABEL = "(none)"
_ORDER = ("faithfulness", "length", "label_words", "unsafe", "overlap", "duplicates", "balance", "leak")
"""Filters as a build asks them; others come after."""
_TRACK = re.compile(r"^p\d+\.")
_ENDING = re.compile(r"\.(?:\d+|whole|intensity|probability)$")
_KINDS = (("AU", "unit"), ("voice", "voice"), ("words", "words"), ("expression", "net"))


def count(files: Files, seed: int = 0, shown: int = 20) -> DataReport:
    """The report on a build.

    Args:
        files: Where it is.
        seed: Of the draws.
        shown: Samples to be read.

    Raises:
        DataError: A line is no Sample or no reject, or there is neither.
    """
    counts = _Counts(seed, shown)
    for sample in samples(files):
        counts.keep(sample)
    for reject in rejects(files):
        counts.reject(reject)
    return counts.report(files, seed)


class _Counts:
    """Numbers while they grow."""

    def __init__(self, seed: int, shown: int) -> None:
        self.kept = self.rejected = self.lost_samples = self.label_visible = self.unlabelled = 0
        self.claimed = self.clean = self.most_words = self.all_words = 0
        self.words = [0] * (_MOST_WORDS + 1)
        self.given, self.gold, self.gold_rejected, self.unsupported = Tally(), Tally(), Tally(), Tally()
        self.tasks, self.marks, self.splits, self.verdicts = Tally(), Tally(), Tally(), Tally()
        self.origins = {
            name: Tally() for name in ("engine", "annotator", "prompt", "measured by", "data set", "licence")
        }
        self.clips: dict[str, tuple[Distinct, Distinct]] = {}
        self.places: dict[tuple[str, str], Distinct] = {}
        self.cues, self.present = Tally(), Tally()
        self.kinds: dict[str, str] = {}
        self.cited: dict[str, Tally] = {}
        self.reasoned = Tally()
        self.stages, self.reasons = Tally(), Tally()
        self.told: dict[str, list[Example]] = {}
        self.names: dict[str, tuple[str, str]] = {}
        self.leaks = LeakTable()
        self.texts: Draw[str] = Draw(TEXTS, seed)
        self.drawn: Draw[Sample] = Draw(shown, seed)

    # one at a time

    def keep(self, sample: Sample) -> None:
        """Counts a kept Sample."""
        self.kept += 1
        label = sample.label if sample.label is not None else _NO_LABEL
        self.unlabelled += sample.label is None
        self.given.add(label)
        self._clip(sample, kept=True)
        self.tasks.add(sample.task.value)
        for mark in sample.marks:
            self.marks.add(mark.value)
        self._place(sample)
        self._origin(sample)
        self._words(sample)
        self._claims(sample, label)
        answer = sample.gold[0] if sample.gold else sample.label
        if answer is not None:
            found = ((clue.key, clue.value) for clue in clues(sample))
            self.leaks.add(answer, sample.provenance.clip, found)
        if sample.task is Task.REASONING:
            self.texts.add(sample.id, sample.reply)
        self.drawn.add(sample.id, sample)

    def reject(self, reject: Reject) -> None:
        """Counts what was not kept."""
        self.rejected += 1
        key = f"{reject.stage}\0{reject.kind[:80]}"
        if self.reasons.add(key) == key:
            self.names[key] = (reject.stage, reject.kind[:80])
            told = self.told.setdefault(key, [])
            if len(told) < _EXAMPLES:
                told.append(Example(id=reject.id[:200], reason=reject.reason[:400]))
        self.stages.add(reject.stage)
        if reject.sample is not None:
            self.lost_samples += 1
            self._clip(reject.sample, kept=False)

    def _clip(self, sample: Sample, *, kept: bool) -> None:
        """Gold label and clip."""
        if not sample.gold:
            return
        label = (self.gold if kept else self.gold_rejected).add(sample.gold[0])
        seen, stays = self.clips.setdefault(label, (Distinct(), Distinct()))
        seen.add(sample.provenance.clip)
        if kept:
            stays.add(sample.provenance.clip)
            if Mark.UNSUPPORTED in sample.marks:
                self.unsupported.add(label)

    def _place(self, sample: Sample) -> None:
        """Split, and who and what stands in it."""
        split = self.splits.add(sample.split or "(none)")
        dataset = sample.provenance.dataset or ""
        named = [("clip", sample.provenance.clip), ("speaker", sample.speaker or "")]
        for kind, name in [*named, *(("group", group) for group in (sample.group or "").split(" + "))]:
            if name:
                self.places.setdefault((split, kind), Distinct()).add(dataset, name)

    def _origin(self, sample: Sample) -> None:
        origin = sample.provenance
        self.label_visible += origin.label_visible
        self.origins["engine"].add(origin.engine)
        self.origins["annotator"].add(origin.annotator)
        self.origins["licence"].add(origin.licence)
        self.origins["data set"].add(origin.dataset or "(none)")
        for prompt in (origin.prompt or "").split():
            self.origins["prompt"].add(prompt)
        for backend in origin.cues:
            self.origins["measured by"].add(backend)

    def _words(self, sample: Sample) -> None:
        if sample.task is Task.RECOGNITION:
            return
        number = len(sample.reply.split())
        self.words[min(number, _MOST_WORDS)] += 1
        self.all_words += number
        self.most_words = max(self.most_words, number)

    def _claims(self, sample: Sample, label: str) -> None:
        if not sample.claims:
            return
        self.claimed += 1
        self.reasoned.add(label)
        found: dict[str, bool] = {}
        wrong = False
        for claim in sample.claims:
            self.verdicts.add(claim.verdict.value)
            wrong = wrong or claim.verdict is Verdict.CONTRADICTED
            for id in claim.cues:
                name = cue_name(id)
                found[name] = found.get(name, False) or _present(name, claim)
        self.clean += not wrong
        for name, present in found.items():
            name = self.cues.add(name)
            if present:
                self.present.add(name)
                self.cited.setdefault(name, Tally()).add(label)

    # all together

    def report(self, files: Files, seed: int) -> DataReport:
        """All numbers."""
        built = files.build or {}
        told = built.get("counts")
        items = told.get("items") if isinstance(told, dict) else None
        written = self.kept + self.lost_samples
        return DataReport(
            name=files.name,
            seed=seed,
            items=items if isinstance(items, int) else None,
            written=written,
            kept=self.kept,
            rejected=self.rejected,
            stages=self._stages(written),
            reasons=tuple(self._reasons()),
            classes=tuple(self._classes()),
            unlabelled=self.unlabelled,
            tasks=self.tasks.ordered(),
            marks=self.marks.ordered(),
            words=self._lengths(),
            verdicts=self._verdicts(),
            cues=tuple(self._cues()),
            variety=variety(self.texts.drawn(), self.texts.seen),
            leaks=tuple(self._leaks()),
            splits=tuple(self._splits()),
            overlaps=tuple(self._overlaps()),
            origins={name: tally.ordered() for name, tally in self.origins.items()},
            label_visible=self.label_visible,
            build=_told(built),
            examples=tuple(self.drawn.drawn()),
        )

    def _stages(self, written: int) -> tuple[Stage, ...]:
        """Samples that were written, and those left after verifying and after each filter."""
        left, found = written, [Stage(name="written", left=written)]
        order = [name for name in self.stages if name == "verify"]
        filters = [name for name in self.stages if name.startswith("filter:")]
        order += sorted(filters, key=lambda name: (_ORDER.index(name[7:]) if name[7:] in _ORDER else len(_ORDER), name))
        for name in order:
            left -= self.stages[name]
            found.append(Stage(name=name, left=max(left, 0), lost=self.stages[name]))
        return (*found, Stage(name="kept", left=self.kept))

    def _reasons(self) -> list[Reason]:
        rows = []
        for key, number in self.reasons.ordered().items():
            stage, kind = self.names.get(key, ("", key))
            rows.append(Reason(stage=stage, kind=kind, count=number, examples=tuple(self.told.get(key, ()))))
        return rows

    def _classes(self) -> list[ClassRow]:
        names = dict.fromkeys([*self.gold, *self.given, *self.gold_rejected])
        names.pop(_NO_LABEL, None)
        rows = []
        for name in names:
            seen, stays = self.clips.get(name, (Distinct(), Distinct()))
            rows.append(
                ClassRow(
                    label=name,
                    given=self.given[name],
                    gold=self.gold[name],
                    rejected=self.gold_rejected[name],
                    clips=len(seen),
                    kept_clips=len(stays),
                    unsupported=self.unsupported[name],
                )
            )
        return sorted(rows, key=lambda row: (-max(row.given, row.gold), row.label))

    def _lengths(self) -> Words:
        total, middle, below = sum(self.words), 0, 0
        while total and below + self.words[middle] < (total + 1) // 2:
            below += self.words[middle]
            middle += 1
        top = min(self.most_words, _MOST_WORDS)
        step = max(1, -(-(top + 1) // _BINS))
        bins = [
            (start, min(start + step - 1, max(top, start)), sum(self.words[start : start + step]))
            for start in range(0, top + 1, step)
        ]
        return Words(
            mean=self.all_words / total if total else 0.0, median=middle, most=self.most_words, bins=tuple(bins)
        )

    def _verdicts(self) -> Verdicts:
        yes, no, open_ = (self.verdicts[verdict.value] for verdict in Verdict)
        return Verdicts(
            supported=yes,
            contradicted=no,
            unverifiable=open_,
            claimed=self.claimed,
            clean=self.clean,
            support=yes / (yes + no) if yes + no else None,
            coverage=(yes + no) / (yes + no + open_) if yes + no + open_ else None,
        )

    def _cues(self) -> list[CueRow]:
        rows = []
        for name, number in list(self.cues.ordered().items())[:_MOST_CUES]:
            cited = self.cited.get(name, Tally())
            shares = {label: cited[label] / total for label, total in self.reasoned.ordered().items()}
            unit = name.startswith("AU")
            rows.append(
                CueRow(
                    name=name,
                    kind=next((kind for start, kind in _KINDS if name.startswith(start)), "head and gaze"),
                    samples=number,
                    present=self.present[name] if unit else None,
                    by_label=shares,
                )
            )
        return rows

    def _leaks(self) -> list[LeakRow]:
        rows = []
        for leak in self.leaks.leaks():
            kind, _, name = leak.clue.partition(" ")
            rows.append(
                LeakRow(
                    kind=kind,
                    name=name,
                    balanced_accuracy=leak.balanced_accuracy,
                    low=leak.low,
                    high=leak.high,
                    floor=leak.floor,
                    tells=leak.tells,
                    rules=leak.rules[:6],
                )
            )
        return rows

    def _splits(self) -> list[SplitRow]:
        empty = Distinct()
        return [
            SplitRow(
                split=split,
                samples=number,
                clips=len(self.places.get((split, "clip"), empty)),
                speakers=len(self.places.get((split, "speaker"), empty)),
                groups=len(self.places.get((split, "group"), empty)),
            )
            for split, number in self.splits.ordered().items()
        ]

    def _overlaps(self) -> list[OverlapRow]:
        rows = []
        for first, second in combinations(self.splits, 2):
            for kind in ("clip", "speaker", "group"):
                one, other = self.places.get((first, kind)), self.places.get((second, kind))
                number = one.shared(other) if one is not None and other is not None else 0
                rows.append(OverlapRow(kind=kind, first=first, second=second, count=number))
        return rows


def cue_name(id: str) -> str:
    """What a cue is called whosever it is: ``AU12`` for ``p1.AU12.3``, ``words.polarity`` for ``words.polarity.2``."""
    return _ENDING.sub("", _TRACK.sub("", id))


def _present(name: str, claim: Claim) -> bool:
    """Whether a claim rests on a cue that is there: of a unit, that it was measured at or above the threshold of presence."""
    if claim.verdict is not Verdict.SUPPORTED:
        return False
    if not name.startswith("AU"):
        return True
    found = re.search(rf"\b{re.escape(name)}\b[^;]*?(\d\.\d+)", claim.reason)
    return found is not None and float(found[1]) >= PRESENT


def _told(built: dict[str, Any]) -> dict[str, str]:
    """What ``build.json`` says of how it was made, as text."""
    import yaml

    found = {}
    for name in ("state", "inputs", "fingerprint", "versions", "recipe"):
        value = built.get(name)
        if value is not None:
            text = value if isinstance(value, str) else yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
            found[name] = text.strip()
    return found
