"""A folder of tasks for lmms-eval's ``--include_path``, made of ours: a YAML and a line of JSON each, and one ``utils.py`` for all.

The tasks of ``eval/tasks`` stay the only source. What is written says where lmms-eval finds items, question and metrics of one of them; items are read
when lmms-eval runs (:mod:`emollm.eval.lmms`), so that a folder needs no data and can be moved.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from emollm.errors import ConfigError, EmollmError, unknown_name
from emollm.eval.data_folders import variable
from emollm.eval.lmms import COVERAGE, FLOOR, METRICS, documents, metrics_of
from emollm.eval.run import MAX_TOKENS
from emollm.eval.run_items import question
from emollm.eval.tasks import Task, task, tasks
from emollm.files import replacing

UTILS = "utils.py"
TAG = "emollm"
"""What runs all tasks of a folder."""
ITEMS = "items"
"""What lmms-eval calls the part that is run; which one of the data set it is stands in the line of JSON."""
_MARK = "# Written by `emollm eval lmms`"


class Written(NamedTuple):
    """A task in the folder."""

    name: str
    """For ``--tasks``."""
    ref: str
    split: str
    metrics: tuple[str, ...]
    items: int | None
    """Of the data that were given; None where they are named when lmms-eval runs."""
    variable: str
    """Environment variable that names the data then."""


def write(out: Path, names: Sequence[str] = (), split: str = "", data: Path | None = None) -> tuple[Written, ...]:
    """Writes tasks into a folder; others that are there stay.

    Args:
        out: Made if need be.
        names: Ids, or paths of tasks of one's own; all if empty.
        split: A part of the data set; each task's own if empty.
        data: The folder of the data of the one task that is named; the environment names it when lmms-eval runs if None.

    Raises:
        ConfigError: No such task or part, data for several tasks, or a folder with a ``utils.py`` of someone else.
        DataError: Data that cannot be read, or hold nothing to score.
        EmollmError: A file cannot be written.
    """
    if data is not None and len(names) != 1:
        raise ConfigError(
            f"--data {data}: is of one task; name it, or set {variable(task('ferplus'))} and so on instead"
        )
    plans = [_plan(name, split, data) for name in names or tasks()]
    counted = [len(documents(plan)) if data is not None else None for _, plan in plans]
    _check_free(out)
    files = {UTILS: _utils()}
    written = []
    for (of, plan), items in zip(plans, counted, strict=True):
        name = _name(of, plan["split"])
        files[f"{name}.jsonl"] = json.dumps(plan, ensure_ascii=False) + "\n"
        files[f"{name}.yaml"] = _head(of) + _yaml(_config(of, name, plan["split"]))
        written.append(Written(name, of.ref, plan["split"], metrics_of(of), items, variable(of)))
    for name, text in files.items():
        with replacing(out / name, "w") as file:
            file.write(text)
    return tuple(written)


def _plan(name: str, split: str, data: Path | None) -> tuple[Task, dict[str, Any]]:
    """A task and its line of JSON, which :func:`emollm.eval.lmms.documents` reads."""
    of = task(name)
    metrics_of(of)
    if split and split not in of.splits:
        raise ConfigError(f"{of.id}: {unknown_name('split', split, of.splits)}")
    own = name if name == of.id else str(Path(name).resolve())
    where = "" if data is None else str(data.expanduser().resolve())
    return of, {"task": own, "version": of.version, "split": split or of.default_split, "data": where}


def _check_free(out: Path) -> None:
    """Raises ConfigError where a file would be replaced that is not ours."""
    path = out / UTILS
    try:
        foreign = path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(_MARK)
    except OSError as error:
        raise EmollmError(f"{path}: cannot be read: {error.strerror}") from error
    if foreign:
        raise ConfigError(f"{path}: is not of `emollm eval lmms` and would be replaced; give --out another folder")


def _name(of: Task, split: str) -> str:
    """Unlike any task that lmms-eval has; of two tasks of one name it takes its own."""
    part = "" if split == of.default_split else f"_{split}"
    return f"emollm_{of.id}{part}".lower().replace("-", "_")


# ---- files ----------------------------------------------------------------------------------------------------------


class _Function(str):
    """A function of ``utils.py``."""


class _Dumper(yaml.SafeDumper):
    """YAML with ``!function``."""


_Dumper.add_representer(_Function, lambda dumper, name: dumper.represent_scalar("!function", f"utils.{name}"))


def _config(of: Task, name: str, split: str) -> dict[str, Any]:
    told = (*metrics_of(of), COVERAGE, FLOOR)
    found: dict[str, Any] = {
        "task": name,
        "tag": TAG,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {ITEMS: f"{name}.jsonl"}},
        "test_split": ITEMS,
        "output_type": "generate_until",
        "process_docs": _Function("docs"),
        "doc_to_visual": _Function("visuals"),
        "doc_to_text": "question",
        "doc_to_target": "target",
        "process_results": _Function("results"),
        "generation_kwargs": {"max_new_tokens": _tokens(of), "temperature": 0, "do_sample": False, "until": []},
        "metric_list": [{"metric": one, "aggregation": _Function(one), "higher_is_better": True} for one in told],
    }
    if of.cluster and of.asks == "label":
        found["cluster_key"] = "cluster"
    found["metadata"] = {"version": of.version, "emollm": of.ref, "prompt": question(of).ref, "part": split}
    return found


def _tokens(of: Task) -> int:
    """As `emollm eval run` has it; free words come with their reasons."""
    return MAX_TOKENS["description"] if of.label_set is None else MAX_TOKENS[of.asks]


def _head(of: Task) -> str:
    return f"{_MARK} from the task {of.ref}: change that one, and write this again.\n"


def _yaml(config: dict[str, Any]) -> str:
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _utils() -> str:
    names = sorted({name for own in METRICS.values() for name in own} | {COVERAGE, FLOOR})
    lines = [f"{_MARK}: what lmms-eval calls for these tasks. emollm has to be installed beside it.", ""]
    lines += ["from emollm.eval.lmms import aggregation, docs, results, visuals", ""]
    lines += ['__all__ = ["docs", "results", "visuals"]', ""]
    return "\n".join([*lines, *(f'{name} = aggregation("{name}")' for name in names)]) + "\n"
