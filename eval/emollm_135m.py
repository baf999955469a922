"""Proof that emollm-135m learned: validation items alone, floors and 95 % intervals beside each number.

    python -m emollm.eval.emollm_135m --set runs/embedded --data DATA [--model emollm-135m|FOLDER] [--measures face,swap] [--limit N] --out OUT

``--set`` is what :mod:`emollm.data_engines.embedded` built; its items were measured then, nothing is measured here. Answers are kept in
``OUT/<measure>.jsonl`` by model and question: the same command goes on where it was stopped, and other models join in the same folder. The table
is printed, and written to ``OUT/proof.md`` and ``OUT/proof.json``; rows of measures that this call does not ask for stay in it, with their own
sizes, so that several calls with different ``--limit`` make one table. ``--model`` may be given several times (the seeds of a headline row).
Faces that equal a training tile are drawn and then left out.
"""

import argparse
import gc
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from emollm.errors import ConfigError, DataError, EmollmError, one_line, unknown_name
from emollm.eval import emollm_135m_labels as labels
from emollm.eval.emollm_135m_asking import Answers, to_stderr
from emollm.eval.emollm_135m_domains import domains
from emollm.eval.emollm_135m_items import wording
from emollm.eval.emollm_135m_proof import Proof, Sizes, copied
from emollm.eval.emollm_135m_rationales import rationales
from emollm.eval.emollm_135m_scores import Row, as_json, from_json, table
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
_NO_FACES = ("voice", "words", "domains")
"""Measures without validation faces."""


class Measured(NamedTuple):
    """The rows of one measure."""

    how: Mapping[str, Any]
    """The set and the sizes that they were measured with."""
    rows: list[Row]


Table = dict[str, Measured]
"""By measure."""


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
    """The rows of the table, those of earlier calls among them; answers and table are written to ``out``.

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
        EmollmError: An unknown measure, no such folder or model, no tiles, damaged answers, another command that writes to ``out``.
    """
    if unknown := [one for one in measures if one not in MEASURES]:
        raise ConfigError(f"--measures: {unknown_name('measure', unknown[0], MEASURES)}")
    for name, path in (("--set", folder / "items"), ("--data", data)):
        if not path.is_dir():
            raise DataError(
                f"{name}: {path}: no such folder; give the one the set was built in, and that of the corpora"
            )
    sizes = sizes or Sizes()
    asked = [one for one in MEASURES if one in measures]
    with Answers(out, batch) as answers:
        proofs = [Proof(folder, data, model, answers, sizes, untuned) for model in models]
        if not set(asked) <= set(_NO_FACES):
            copied(data)
        names = [proof.model.name for proof in proofs]
        done, earlier = Table(), _earlier(out / "proof.json")
        while proofs:
            proof = proofs.pop(0)
            gc.collect()  # the model before this one: one at a time is loaded
            for name in asked:
                to_stderr(f"{name}: {proof.model.name}")
                rows = done.setdefault(name, Measured({"set": str(folder), "sizes": sizes._asdict()}, [])).rows
                known = {_name(one) for one in rows}  # what is beside a model is the same for the next one
                rows += [one for one in MEASURES[name](proof) if _name(one) not in known]
                _write(out, earlier | done)
        for found in done.values():
            found.rows.extend(over_models(found.rows, names))
        return _write(out, earlier | done)


def over_models(rows: Sequence[Row], models: Sequence[str]) -> list[Row]:
    """Means over several models (three seeds of a recipe) of the numbers that all of them have, and of their differences to somebody else.

    The range stands for the interval; of the notes that is kept which all of them have.
    """
    found: dict[tuple[str, str, str, str], list[Row]] = {}
    for one in rows:
        model, minus, other = one.who.partition(" − ")
        if model in models and not math.isnan(one.value):
            found.setdefault((one.measure, one.shown, one.metric, minus + other), []).append(one)
    out = []
    for (*_, other), some in found.items():
        if 1 < len(some) == len(models) == len({one.who for one in some}):
            values = [one.value for one in some]
            notes = [one.note.split("; ") for one in some]
            shared = [part for part in notes[0] if part and all(part in own for own in notes)]
            note = "; ".join(["range of the models, not an interval", *shared])
            who, mean = f"mean of {len(some)} models{other}", sum(values) / len(values)
            out.append(some[0]._replace(who=who, value=mean, low=min(values), high=max(values), note=note))
    return out


def _name(one: Row) -> tuple[str, ...]:
    return one.measure, one.shown, one.who, one.metric, one.note


def _earlier(file: Path) -> Table:
    """The table of earlier calls; nothing where there is none.

    Raises:
        DataError: The file is no such table.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
        rows = [from_json(one) for one in found["rows"]]
        measures = found.get("measures") or {
            one.measure: {name: found[name] for name in ("set", "sizes")} for one in rows
        }
        return {name: Measured(how, [one for one in rows if one.measure == name]) for name, how in measures.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: not a table of this command: {one_line(repr(error))}; remove it") from error


def _write(out: Path, found: Table) -> list[Row]:
    """Writes the table so far; its rows."""
    found = {name: found[name] for name in MEASURES if name in found}
    rows = [one for each in found.values() for one in each.rows]
    with replacing(out / "proof.json", "w") as file:
        asked = {task.value: wording(task) for task in (Task.RECOGNITION, Task.REASONING)}
        how = {name: each.how for name, each in found.items()}
        told = {"asked": asked, "measures": how, "rows": [as_json(one) for one in rows]}
        json.dump(told, file, indent=1, ensure_ascii=False)
    with replacing(out / "proof.md", "w") as file:
        file.write(f"{table(rows)}\n\n")
        for name, each in found.items():
            sizes = ", ".join(f"{key} {value}" for key, value in each.how["sizes"].items() if value is not None)
            file.write(f"- {name}: {sizes}; {each.how['set']}\n")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 0 done, 2 nothing done, 130 stopped."""
    parser = argparse.ArgumentParser(prog="python -m emollm.eval.emollm_135m", description=__doc__.split("\n")[0])
    parser.add_argument("--set", type=Path, required=True, help="folder of the built training set, with items")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="folder of the corpora (ferplus, goemotions/ekman, sfhq and clips are read)",
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
