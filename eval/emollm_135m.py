"""Proof that emollm-135m learned: validation items alone, floors and 95 % intervals beside each number.

    python -m emollm.eval.emollm_135m --set runs/embedded --data DATA [--model emollm-135m|FOLDER] [--measures face,swap] [--limit N] --out OUT

``--set`` is what :mod:`emollm.data_engines.embedded` built; its items were measured then, nothing is measured here. Answers are kept in
``OUT/<measure>.jsonl`` by model and question: the same command goes on where it was stopped, and other models join in the same folder. The table
is printed, and written to ``OUT/proof.md`` and ``OUT/proof.json``; ``--model`` may be given several times (the seeds of a headline row).
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from emollm.errors import ConfigError, DataError, EmollmError, unknown_name
from emollm.eval import emollm_135m_labels as labels
from emollm.eval.emollm_135m_asking import Answers, to_stderr
from emollm.eval.emollm_135m_domains import domains
from emollm.eval.emollm_135m_items import wording
from emollm.eval.emollm_135m_proof import Proof, Sizes
from emollm.eval.emollm_135m_rationales import rationales
from emollm.eval.emollm_135m_scores import Row, as_json, table
from emollm.eval.emollm_135m_words import words
from emollm.files import replacing
from emollm.generate import DEFAULT, EMBEDDED
from emollm.samples import Task

MEASURES: Mapping[str, Callable[[Proof], list[Row]]] = {
    "face": labels.face,
    "face_cues": labels.face_cues,
    "face_cues_hidden": labels.face_cues_hidden,
    "swap": labels.swap,
    "voice": labels.voice,
    "words": words,
    "rationales": rationales,
    "ablations": labels.ablations,
    "domains": domains,
}
"""What can be measured, in the order of the table."""


def prove(
    folder: Path,
    data: Path,
    out: Path,
    models: Sequence[str] = (EMBEDDED,),
    measures: Sequence[str] = tuple(MEASURES),
    sizes: Sizes | None = None,
    batch: int = 16,
    untuned: str = DEFAULT,
) -> list[Row]:
    """The rows of the table; answers and table are written to ``out``.

    Args:
        folder: The built set.
        data: Folder of the corpora.
        out: Folder of answers and table.
        models: Names or folders.
        measures: Names in :data:`MEASURES`.
        sizes: How much is asked.
        batch: Questions that are asked at once.
        untuned: Name or folder of the untuned backbone.

    Raises:
        EmollmError: An unknown measure, no such folder or model, damaged answers.
    """
    if unknown := [one for one in measures if one not in MEASURES]:
        raise ConfigError(f"--measures: {unknown_name('measure', unknown[0], MEASURES)}")
    for name, path in (("--set", folder / "items"), ("--data", data)):
        if not path.is_dir():
            raise DataError(
                f"{name}: {path}: no such folder; give the one the set was built in, and that of the corpora"
            )
    sizes = sizes or Sizes()
    answers = Answers(out, batch)
    proofs = [Proof(folder, data, model, answers, sizes, untuned) for model in models]
    rows: list[Row] = []
    for name in (one for one in MEASURES if one in measures):
        for proof in proofs:
            to_stderr(f"{name}: {proof.model.name}")
            known = {_name(one) for one in rows}  # what is beside a model is the same for the next one
            rows += [one for one in MEASURES[name](proof) if _name(one) not in known]
            _write(out, folder, rows, sizes)
    rows += over_models(rows, [proof.model.name for proof in proofs])
    _write(out, folder, rows, sizes)
    return rows


def over_models(rows: Sequence[Row], models: Sequence[str]) -> list[Row]:
    """Means over several models (three seeds of a recipe) of the numbers that all of them have; the range stands for the interval."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for one in rows:
        if one.who in models and not math.isnan(one.value):
            found.setdefault((one.measure, one.shown, one.metric), []).append(one)
    out = []
    for some in found.values():
        if 1 < len(some) == len(models) == len({one.who for one in some}):
            values = [one.value for one in some]
            who, note = f"mean of {len(some)} models", "range of the models, not an interval"
            mean = sum(values) / len(values)
            out.append(some[0]._replace(who=who, value=mean, low=min(values), high=max(values), note=note))
    return out


def _name(one: Row) -> tuple[str, ...]:
    return one.measure, one.shown, one.who, one.metric, one.note


def _write(out: Path, folder: Path, rows: Sequence[Row], sizes: Sizes) -> None:
    """The table so far."""
    with replacing(out / "proof.json", "w") as file:
        asked = {task.value: wording(task) for task in (Task.RECOGNITION, Task.REASONING)}
        found = {"set": str(folder), "sizes": sizes._asdict(), "asked": asked, "rows": [as_json(one) for one in rows]}
        json.dump(found, file, indent=1, ensure_ascii=False)
    with replacing(out / "proof.md", "w") as file:
        file.write(f"{table(rows)}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 0 done, 2 nothing done, 130 stopped."""
    parser = argparse.ArgumentParser(prog="python -m emollm.eval.emollm_135m", description=__doc__.split("\n")[0])
    parser.add_argument("--set", type=Path, required=True, help="folder of the built training set, with items")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of the corpora (goemotions/ekman, sfhq and clips are read)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of answers and table; the same command goes on")
    parser.add_argument("--model", action="append", help=f"name or folder, once or several times ({EMBEDDED})")
    parser.add_argument("--measures", default=",".join(MEASURES), help="comma-separated; all of them if not given")
    parser.add_argument("--limit", type=_count, help="at most so many items, rows or pairs a measure")
    parser.add_argument("--cued", type=_count, help="at most so many faces and combinations where cue text is given")
    parser.add_argument(
        "--untuned",
        type=_or_none,
        default=Sizes().untuned,
        help="items for the untuned backbone, 0 for none (%(default)s)",
    )
    parser.add_argument("--backbone", default=DEFAULT, help="the untuned backbone (%(default)s)")
    parser.add_argument("--batch", type=_count, default=16, help="questions asked at once (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (%(default)s)")
    given = parser.parse_args(arguments)
    measures = [one.strip() for one in given.measures.split(",") if one.strip()]
    sizes = Sizes(given.limit, given.cued, given.untuned, given.seed)
    models = given.model or [EMBEDDED]
    try:
        rows = prove(given.set, given.data, given.out, models, measures, sizes, given.batch, given.backbone)
    except EmollmError as error:
        to_stderr(str(error))
        return 2
    except KeyboardInterrupt:
        to_stderr("stopped; the same command goes on")
        return 130
    print(table(rows))
    return 0


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {value}")
    return value


def _or_none(text: str) -> int:
    return 0 if text == "0" else _count(text)


if __name__ == "__main__":
    sys.exit(main())
