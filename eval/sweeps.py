"""How much a benchmark's number moves when its items are shown otherwise: ``--sweep prompts|streams|noise|image-quality`` of ``emollm eval run``.

    swept = sweep(Plan(task("emodb"), Path("emodb"), "cues", Path("out")), "noise")

A sweep is a list of variants (:mod:`emollm.eval.sweeping`), the clean run first. Each is a run of its own in a folder of its own below
``plan.out``, so that it is resumed as any run is. What variants are made of lies in ``plan.out/made``, which can be thrown away. At the end
``sweep-KIND.json``, ``.md`` and ``.html`` tell each variant's metric with its interval, the paired difference from the clean run, and flips.
Sweeps of one folder share their clean run.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from emollm.errors import ConfigError, DataError, one_line, unknown_name
from emollm.eval.generators import looks_at_items, reads_question
from emollm.eval.items import Item
from emollm.eval.run import PICTURES, Outcome, Plan, Progress, Told, run
from emollm.eval.run_answers import ANSWERS
from emollm.eval.run_items import choose, question
from emollm.eval.scoring import Settings
from emollm.eval.sweeping.base import CLEAN, Shown, SweepSettings, Variant, settings
from emollm.eval.sweeping.pages import write_sweep
from emollm.eval.sweeping.pictures import worse
from emollm.eval.sweeping.sound import noises
from emollm.eval.sweeping.streams import streams
from emollm.eval.sweeping.table import Ran, SweepRow, Swept, answers_of, cautions, rows_of, spread
from emollm.eval.sweeping.words import mishearings
from emollm.eval.tasks import refuse_test
from emollm.prompts import prompt

Sweep = Literal["prompts", "streams", "noise", "image-quality"]
SWEEPS: tuple[Sweep, ...] = ("prompts", "streams", "noise", "image-quality")
MADE = "made"
"""Folder of the files that variants are made of."""
_WORDINGS = "wordings"
_CUED = "emollm-135m"

_REMARKS: dict[Sweep, tuple[str, ...]] = {
    "prompts": (
        "wordings are compared, none is chosen by its number; clean is the wording that the run was asked with",
    ),
    "streams": (
        "a stream that is taken out is not there at all; where nothing else is left a grey picture or silence stands for it",
    ),
    "noise": (
        "ratios are those of mean powers where there is speech (after ITU-T P.56); word error rates are measured on the result",
        "transcript errors change the data set's own words, not what is recognised from sound",
    ),
    "image-quality": (
        "boxes are put by face landmarks; where no face is found they cover thirds of the picture, and the counts say so",
    ),
}


_SWAPPED = (
    "a swapped stream is that of another item that shares no label, and only of items that keep another stream; one may follow a stream for "
    "other reasons than its emotion"
)
_NOTHING_SWAPPED = "nothing is swapped: it needs items with two streams, and labels that differ"


class _Told(NamedTuple):
    """Progress over all variants."""

    told: Told | None
    each: int
    total: int

    def of(self, at: int) -> Told | None:
        """What a run of one variant tells."""
        told = self.told
        if told is None:
            return None
        return lambda now: told(Progress(at * self.each + now.done, self.total, now.rejected))


def sweep(plan: Plan, kind: Sweep, told: Told | None = None, levels: SweepSettings | None = None) -> Swept:
    """Runs a benchmark clean and in each variant.

    Args:
        plan: The clean run; its ``out`` gets a folder a variant.
        kind: What varies.
        told: Called after each answer, with counts over all variants.
        levels: How much; those of ``sweeps.yaml`` if not given.

    Raises:
        ConfigError: No such sweep, nothing of the kind to vary, or as :func:`emollm.eval.run.run`.
        EmollmError: As :func:`emollm.eval.run.run` for the clean run, or for what ends any run.
    """
    if kind not in SWEEPS:
        raise ConfigError(unknown_name("sweep", kind, SWEEPS))
    split = plan.split or plan.task.default_split
    refuse_test(plan.task, split, plan.purpose)
    _check_reader(plan.generator, kind)
    chosen = choose(plan.task, plan.data, split, plan.limit)
    items = tuple(plan.task.open().unpack(plan.data, chosen.items, plan.out / PICTURES))
    found = variants(plan, kind, items, levels or settings())
    progress = _Told(told, len(items), len(items) * len(found))
    ran: list[Ran] = []
    remarks = list(_REMARKS[kind])
    if kind == "streams":
        remarks.append(_SWAPPED if any(variant.donors for variant in found) else _NOTHING_SWAPPED)
    if not looks_at_items(plan.generator):
        remarks.insert(0, f"{plan.generator} looks at nothing: no change and no flip here is no sign of robustness")
    if plan.task.overrides:
        remarks.append(f"settings of the task were changed: {'; '.join(plan.task.overrides)}")
    names: list[str] = []
    for at, variant in enumerate(found):
        own = _own(plan, variant, split)
        try:
            outcome = run(own, progress.of(at), variant.change)
        except DataError as error:
            if variant.kind == CLEAN:
                raise
            remarks.append(f"{variant.name} is left out: {one_line(str(error))}")
            continue
        names.append(_name(outcome))
        ran.append(Ran(variant, own.out / ANSWERS, len(outcome.rejects), variant.told()))
    swept = _swept(plan, kind, split, items, ran, names[0], tuple(remarks))
    write_sweep(plan.out, swept)
    return swept


def _check_reader(generator: str, kind: Sweep) -> None:
    """Raises ConfigError where wordings are to vary for somebody who reads none."""
    if kind == "prompts" and not reads_question(generator):
        raise ConfigError(
            f"--sweep prompts: the generator {generator} does not read the question; there is nothing to vary"
        )


def variants(plan: Plan, kind: Sweep, items: Sequence[Item], levels: SweepSettings) -> list[Variant]:
    """The variants of a sweep, the clean run first.

    Args:
        plan: The clean run.
        kind: What varies.
        items: Of the run, with pictures as files.
        levels: How much.

    Raises:
        ConfigError: There is nothing of the kind to vary.
    """
    shown = Shown(items, plan.out / MADE, plan.seed, levels)
    made: dict[Sweep, Callable[[], list[Variant]]] = {
        "prompts": lambda: _prompts(plan),
        "streams": lambda: list(streams(shown, _is_told_cues(plan))),
        "noise": lambda: [*noises(shown), *mishearings(shown)],
        "image-quality": lambda: list(worse(shown)),
    }
    found = made[kind]()
    if not found:
        lack = {"prompts": "its prompt has one wording", "noise": "no item has sound or words"}
        raise ConfigError(
            f"--sweep {kind}: {plan.task.id}: {lack.get(kind, 'no item has pictures')}; there is nothing to vary"
        )
    return [Variant(CLEAN), *found]


def _prompts(plan: Plan) -> list[Variant]:
    """All wordings but the one of the clean run."""
    asked = prompt(plan.prompt or plan.task.prompt)
    given = {"labels": "…"} if "labels" in asked.variables else {}
    count = sum(bool(line.strip()) for line in asked.render(**given).splitlines())
    return [Variant(f"wording {k}", _WORDINGS, wording=k) for k in range(1, count + 1) if k != plan.wording]


def _is_told_cues(plan: Plan) -> bool:
    """Whether the generator is a model of our family, which is told cues as text."""
    return plan.generator == _CUED or Path(plan.generator).expanduser().is_dir()


def _own(plan: Plan, variant: Variant, split: str) -> Plan:
    """The run of a variant."""
    folder = plan.out / re.sub(r"[^a-z0-9.]+", "-", variant.name).strip("-")
    generator = plan.generator if variant.cues else f"uncued:{plan.generator}"
    return plan._replace(out=folder, split=split, wording=variant.wording or plan.wording, generator=generator)


def _name(outcome: Outcome) -> str:
    told = outcome.scored.provenance["generator"]
    assert isinstance(told, dict)
    return str(told["name"])


def _swept(
    plan: Plan,
    kind: Sweep,
    split: str,
    items: Sequence[Item],
    ran: Sequence[Ran],
    generator: str,
    remarks: tuple[str, ...],
) -> Swept:
    asked = question(plan.task, plan.prompt, plan.wording)
    rows = rows_of(
        plan.task,
        asked,
        items,
        ran,
        Settings(vocabulary=plan.vocabulary, resamples=plan.resamples, seed=plan.seed),
    )
    if kind == "prompts":
        rows = tuple(_with_prompt(plan, row, one.variant) for row, one in zip(rows, ran, strict=True))
    whole = None
    if kind == "prompts":
        labelled = plan.task.asks in ("label", "labels")
        said = [answers_of(one.answers, items, asked.labels) for one in ran] if labelled else None
        whole = spread(rows, said)
    return Swept(
        sweep=kind,
        title=plan.task.title,
        generator=generator,
        n=len(items),
        measure=rows[0].measure,
        rows=rows,
        spread=whole,
        remarks=(*cautions(rows[0]), *remarks),
        provenance={
            "task": plan.task.ref,
            "overrides": list(plan.task.overrides),
            "split": split,
            "prompt": asked.ref,
            "levels": settings().version,
            "seed": plan.seed,
            "resamples": plan.resamples,
            "limit": plan.limit,
        },
    )


def _with_prompt(plan: Plan, row: SweepRow, variant: Variant) -> SweepRow:
    text = question(plan.task, plan.prompt, variant.wording or plan.wording).text
    return row.model_copy(update={"prompt": text})
