"""Our tasks inside lmms-eval: what the ``utils.py`` of a written folder calls (:mod:`emollm.eval.lmms_folder`).

lmms-eval loads a line of JSON that says which items are meant; readers, question, parser and metrics are those of ``emollm eval run``, so that both
give the same numbers for the same replies. Nothing here imports lmms-eval.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emollm.assets import cache_root
from emollm.errors import ConfigError, DataError, EmollmError
from emollm.eval.data_folders import data_of
from emollm.eval.generators.base import Query, Reply
from emollm.eval.generators.wording import question as with_words
from emollm.eval.items import Item
from emollm.eval.predictions import FAULT, Notes, Row, Table, read
from emollm.eval.run_items import choose, question, shown
from emollm.eval.run_parsing import recorded
from emollm.eval.run_score import kind_of
from emollm.eval.scoring import Settings
from emollm.eval.scoring_compare import KINDS
from emollm.eval.tasks import Task, task
from emollm.metrics.bootstrap import value
from emollm.types import Clip

METRICS = {
    "labels": ("war", "uar", "macro_f1", "weighted_f1", "average_f1"),
    "several": ("macro_f1", "micro_f1", "weighted_f1", "samples_f1", "exact"),
    "ov": ("ew_f1", "ew_precision", "ew_recall", "jaccard", "hit_rate"),
    "emer": ("label_f1", "label_precision", "label_recall", "ew_f1", "jaccard"),
}
"""By kind of answer the metrics that replies alone allow."""
ALWAYS = {"labels": ("war", "uar"), "several": ("macro_f1",), "ov": ("ew_f1", "jaccard"), "emer": ("label_f1",)}
"""Those that are told even where the task does not name them."""
COVERAGE, FLOOR = "coverage", "floor"
"""Share of the items that are answered; what looking at nothing scores in the first metric of the task."""

_Doc = dict[str, Any]


def metrics_of(of: Task) -> tuple[str, ...]:
    """The metrics that are told of a task, the one in which its floor is told first.

    Raises:
        ConfigError: The task asks for numbers, which lmms-eval is not given here.
    """
    kind = kind_of(of)
    if kind not in METRICS:
        raise ConfigError(
            f"task {of.id}: asks for {of.asks}, which is not written for lmms-eval; use `emollm eval run`"
        )
    return tuple(dict.fromkeys(name for name in (*of.metrics, *ALWAYS[kind]) if name in METRICS[kind]))


# ---- items ----------------------------------------------------------------------------------------------------------


def docs(dataset: Iterable[Mapping[str, Any]]) -> Any:
    """``process_docs``: the items that a line of the written JSONL stands for, as a ``datasets.Dataset``.

    Ends the program with one line where they cannot be read: lmms-eval would try five times and hide the reason.
    """
    try:
        found = [doc for plan in dataset for doc in documents(plan)]
    except EmollmError as error:
        raise SystemExit(f"emollm: {error}") from error
    from datasets import Dataset

    return Dataset.from_list(found)


def documents(plan: Mapping[str, Any]) -> list[_Doc]:
    """The items of a plan: question with the words of the item, paths of its media, reference.

    Args:
        plan: ``task`` (id, or path of a user's own), its ``version``, ``split``, and ``data`` (empty: see :func:`emollm.eval.data_folders.data_of`).

    Raises:
        ConfigError: No data named, or a plan of another version of the task.
        DataError: Nothing that can be read, shown or scored.
    """
    of = _task(plan["task"])
    if of.version != plan["version"]:
        raise ConfigError(
            f"task {of.id}: the folder was written for version {plan['version']}, installed is {of.version}; write it again with "
            "`emollm eval lmms`"
        )
    root = data_of(of, Path(plan["data"]) if plan["data"] else None)
    asked = question(of).text
    items = choose(of, root, plan["split"], None).items
    found = [
        _doc(plan["task"], item, asked, _fault(item.clip))
        for item in of.open().unpack(root, items, _pictures(of, root))
    ]
    lost = [doc["fault"] for doc in found if doc["fault"]]
    if len(lost) == len(found):
        raise DataError(f"{root}: none of the media of {plan['split']} are there: {lost[0]}; see `emollm eval check`")
    if lost:
        print(f"emollm: {of.id}: {len(lost)} of {len(found)} items count as unanswered: {lost[0]}", file=sys.stderr)
    return found


def visuals(doc: Mapping[str, Any]) -> list[Any]:
    """``doc_to_visual``: an upright RGB ``PIL.Image``, the path of a video, sound as lmms-eval's models take it (16 kHz, mono).

    Raises:
        MediaError: They cannot be read.
    """
    found: list[Any] = []
    if doc["fault"]:
        return found
    if doc["image"]:
        from PIL import Image

        from emollm.media.images import read_image

        found.append(Image.fromarray(read_image(Path(doc["image"])).pixels))
    if doc["video"]:
        found.append(doc["video"])
    if doc["audio"]:
        from emollm.media.audio import RATE, read_sound

        samples = read_sound(Path(doc["audio"]))[1]
        found.append({"type": "audio", "path": doc["audio"], "array": samples, "sampling_rate": RATE})
    return found


def _doc(name: str, item: Item, asked: str, fault: str) -> _Doc:
    clip = shown(item.clip)
    id = item.id.strip()
    return {
        "id": id,
        "task": name,
        "question": with_words(Query(id, clip, asked)),
        "target": ", ".join(item.gold) or item.text,
        "gold": list(item.gold),
        "reference": item.text,
        "cluster": item.cluster,
        "fault": fault,
    } | {kind: str(path or "") for kind, path in _media(clip).items()}


def _media(clip: Clip) -> dict[str, Path | None]:
    return {"image": clip.image, "video": clip.video, "audio": clip.audio}


def _fault(clip: Clip) -> str:
    return next((f"{path}: no such file" for path in _media(clip).values() if path and not path.is_file()), "")


def _pictures(of: Task, root: Path) -> Path:
    """Where pictures of a table are unpacked."""
    return cache_root() / "pictures" / f"{of.id}-{sha256(str(root.resolve()).encode()).hexdigest()[:12]}"


@cache
def _task(name: str) -> Task:
    return task(name)


# ---- replies --------------------------------------------------------------------------------------------------------


def results(doc: Mapping[str, Any], replies: Sequence[str]) -> dict[str, _Doc]:
    """``process_results``: for each metric the row that ``emollm eval run`` would record of the reply.

    Args:
        doc: Of :func:`documents`.
        replies: What the model wrote; the first counts.
    """
    of = _task(doc["task"])
    row: _Doc = {"id": doc["id"], "task": doc["task"], "gold": list(doc["gold"])}
    if doc["reference"]:
        row["reference"] = doc["reference"]
    if doc["cluster"]:
        row["cluster"] = doc["cluster"]
    if doc["fault"]:
        row[FAULT] = doc["fault"]
    else:
        row |= recorded(Reply(replies[0] if replies else ""), of.asks, question(of).labels)
    out = dict.fromkeys((*metrics_of(of), COVERAGE, FLOOR), row)
    if of.asks == "label":  # lmms-eval takes a standard error from this key, which is that of the accuracy alone
        out["war"] = row | {"score": float([row.get("label")] == row["gold"])}
    return out


def aggregation(metric: str) -> Callable[[Sequence[_Doc]], float]:
    """What makes one number of the rows of :func:`results`; NaN where it is not defined."""

    def aggregate(rows: Sequence[_Doc]) -> float:
        lines = tuple(json.dumps({k: v for k, v in row.items() if k != "score"}) for row in rows)
        return _numbers(lines).get(metric, float("nan"))

    aggregate.__name__ = aggregate.__qualname__ = metric
    return aggregate


@lru_cache(maxsize=2)
def _numbers(lines: tuple[str, ...]) -> dict[str, float]:
    """All metrics of these rows: they are scored once, and asked for metric by metric.

    Raises:
        DataError: Rows of several tasks.
    """
    rows = [json.loads(line) for line in lines]
    if len({row["task"] for row in rows}) != 1:
        raise DataError("rows of several tasks cannot be scored together; run them apart")
    of = _task(rows[0]["task"])
    gold = {row["id"]: Row(row["id"], tuple(row["gold"]) or None, row.get("reference")) for row in rows}
    answers = [json.dumps(answer) for row in rows if (answer := _answer(row))]
    if not answers:
        return {COVERAGE: 0.0}
    with TemporaryDirectory(prefix="emollm-lmms-") as folder:
        file = Path(folder) / "answers.jsonl"
        file.write_text("\n".join(answers), encoding="utf-8")
        said = read(file)
    references = Table(Path(of.id), "", gold, Notes(), 0)
    scoring, aligned = KINDS[kind_of(of)](references, said, Settings(labels=_labels(of), clues=False))
    n = len(aligned.pairs)
    found = {name: value(one.statistic, n) for name, one in scoring.measures.items()}
    found[COVERAGE] = scoring.answers["answered"] / n
    floor = scoring.measures[metrics_of(of)[0]].floor
    return found | {FLOOR: float("nan") if floor is None else floor}


def _answer(row: _Doc) -> _Doc:
    """What was recorded of a reply; empty where the item could not be shown."""
    found: _Doc = {name: row[name] for name in ("label", "labels", "text") if name in row}
    return {"id": row["id"], **found} if found else {}


def _labels(of: Task) -> str:
    """The closed set as the scorers take it."""
    own = question(of).labels
    if own is None:
        return ""
    return ",".join(own.labels) if of.without else str(of.label_set)
