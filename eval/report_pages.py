"""The report of a run as Markdown and as one self-contained HTML page, with the ten mistakes that the generator was surest of.

The page loads nothing and runs no script. Ids, replies and words of data sets are data: all of it is escaped.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from emollm.errors import MediaError, visible
from emollm.eval.items import Item
from emollm.eval.run_parsing import is_wrong
from emollm.eval.scoring_report import text
from emollm.eval.tasks import Task
from emollm.face_sets.layouts import spaced
from emollm.files import replacing
from emollm.metrics.report import Metric
from emollm.metrics.scored import Scored
from emollm.report.page import environment

MARKDOWN, HTML = "report.md", "report.html"
MOST = 10
"""Mistakes that are shown."""
_SIDE = 320
"""Longest side of their pictures."""
_LONGEST = 400
"""Characters of a reply, or of words, that are shown."""


class Mistake(NamedTuple):
    """An answer that gives none of the labels of the reference."""

    item: Item
    answer: tuple[str, ...]
    confidence: float | None
    reply: str

    @property
    def words(self) -> str:
        """What is said or written in the item."""
        return _cut(self.item.clip.transcript or "")


class Bar(NamedTuple):
    """A rate between 0 and 1, drawn."""

    value: float
    low: float
    high: float
    floor: float | None


class Line(NamedTuple):
    """A metric."""

    name: str
    value: str
    interval: str
    floor: str
    bar: Bar | None


class Cell(NamedTuple):
    """A place of the confusion matrix."""

    items: int
    share: float
    """Of the items of its row."""
    right: bool


def mistakes(items: Sequence[Item], rows: Sequence[Mapping[str, Any]]) -> tuple[Mistake, ...]:
    """The ten mistakes with the highest confidence, the surest first; where none is told, ten that are evenly spaced.

    Args:
        items: Of the run.
        rows: Their answers; an item may lack one.
    """
    by_id = {item.id.strip(): item for item in items}
    wrong = [
        Mistake(
            by_id[row["id"]],
            tuple(row.get("labels") or (row["label"],)),
            row.get("confidence"),
            _cut(str(row.get("reply", ""))),
        )
        for row in rows
        if is_wrong(by_id[row["id"]].gold, dict(row))
    ]
    sure = [one for one in wrong if one.confidence is not None]
    if sure:
        return tuple(sorted(sure, key=lambda one: -(one.confidence or 0.0))[:MOST])
    return tuple(wrong[k] for k in spaced(len(wrong), MOST))


def write_pages(folder: Path, task: Task, scored: Scored, wrong: Sequence[Mistake]) -> None:
    """Writes ``report.md`` and ``report.html``.

    Args:
        folder: Where they go.
        task: What was run.
        scored: The numbers.
        wrong: Of :func:`mistakes`.

    Raises:
        EmollmError: They cannot be written.
    """
    with replacing(folder / MARKDOWN, "w") as file:
        file.write("\n".join(_markdown(task, scored, wrong)) + "\n")
    with replacing(folder / HTML, "w") as file:
        file.write(render(task, scored, wrong))


def render(task: Task, scored: Scored, wrong: Sequence[Mistake]) -> str:
    """The page as HTML text."""
    told: Mapping[str, Any] = scored.provenance
    tables = [(kind, [_line(name, one) for name, one in own.items()]) for kind, own in scored.more.items()]
    return (
        environment()
        .get_template("evaluation.html")
        .render(
            task=task,
            scored=scored,
            told=told,
            primary=_line(scored.primary, scored.metrics[scored.primary]),
            lines=[_line(name, one) for name, one in scored.metrics.items()],
            tables=[(kind, lines) for kind, lines in tables if lines],
            classes=[(label, own, _class_bar(own.recall, own.recall_ci)) for label, own in scored.per_class.items()],
            confusion=_confusion(scored),
            floors=_floors(scored),
            wrong=[(one, _picture(one.item)) for one in wrong],
            sure=any(one.confidence is not None for one in wrong),
            facts=_facts(scored),
        )
    )


def told_text(scored: Scored) -> str:
    """The report for a terminal: what was run, then the numbers."""
    width = max(len(name) for name, _ in _facts(scored))
    head = (visible(f"{name.lower():<{width}}  {value}") for name, value in _facts(scored))
    return "\n".join([*head, "", text(scored)])


# ---- Markdown -------------------------------------------------------------------------------------------------------


def _markdown(task: Task, scored: Scored, wrong: Sequence[Mistake]) -> Iterator[str]:
    yield f"# {task.title}: {_plain(scored.provenance['generator']['name'])}"  # type: ignore[index, call-overload]
    yield ""
    yield from (f"- {name}: {_plain(value)}" for name, value in _facts(scored))
    yield ""
    yield text(scored)
    yield ""
    if wrong:
        yield f"## {_headline(wrong)}"
        yield ""
        yield "| item | reference | answer | confidence | words or reply |"
        yield "| --- | --- | --- | ---: | --- |"
        for one in wrong:
            cells = (one.item.id, ", ".join(one.item.gold), ", ".join(one.answer), _share(one.confidence))
            yield f"| {' | '.join(map(_plain, (*cells, one.words or one.reply)))} |"
        yield ""
    for title, rows in (
        ("What is known to go wrong with this benchmark", task.traps),
        ("Published floors", task.floors),
    ):
        if rows:
            yield f"## {title}"
            yield ""
            yield from (f"- {row}" for row in rows)
            yield ""


def _headline(wrong: Sequence[Mistake]) -> str:
    many = "The mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"
    return f"{many} it was surest of" if wrong[0].confidence is not None else f"{many}, evenly spaced: no confidences"


def _plain(value: object) -> str:
    """Text for a cell or a line of Markdown, which may steer neither a table nor a terminal."""
    return visible(" ".join(str(value).split())).replace("|", "\\|").replace("<", "&lt;")


# ---- parts of both --------------------------------------------------------------------------------------------------


def _facts(scored: Scored) -> list[tuple[str, str]]:
    """Where the numbers come from, a line each."""
    told: Mapping[str, Any] = scored.provenance
    task, items, data = told["task"], told["items"], told["files"]["references"]
    official = f", {task['published_n']} in the published data" if task["published_n"] else ""
    seconds, cut = told["answering"]["seconds"], told["answering"]["cut_off"]
    changed = [("Changed", f"by --set: {'; '.join(task['overrides'])}")] if task["overrides"] else []
    who = told["generator"]
    blind = f", {who['depends']}" if who["depends"] and not who["looks"] else ""
    of = "" if who["looks"] else " of ids and references; media were not looked at"
    return [
        ("Task", f"{task['id']}, part {task['split']} ({task['role'] or 'of no declared role'}), to {told['purpose']}"),
        *changed,
        ("Generator", f"{who['name']} (given as {who['given']}){blind}"),
        ("Prompt", f"{told['prompt']['ref']}: “{told['prompt']['text']}”"),
        (
            "Items",
            f"{items['read']} read, {items['unlabelled']} without a reference, {items['twice']} twice, {items['chosen']} chosen, "
            f"{items['rejected']} could not be asked{official}",
        ),
        (
            "Answers",
            f"{told['answering']['new']} new in {seconds:.1f} s, {told['answering']['known_before']} known from before"
            + (f"; {cut} cut off at their greatest length, which --max-tokens raises" if cut else ""),
        ),
        ("Data", f"{data['path']}, fingerprint {data['sha256'][:16]}{of}"),
        ("Draw", f"temperature {told['draw']['temperature']:g}, seed {told['draw']['seed']}"),
        (
            "Intervals",
            f"95 %, {told['bootstrap']['resamples']} resamples of {told['bootstrap']['clusters']} "
            f"{told['bootstrap']['cluster_column'] or 'item'}s",
        ),
        ("Versions", ", ".join(f"{name} {version}" for name, version in told["versions"].items())),
    ]


def _line(name: str, one: Metric) -> Line:
    ci = "–" if one.ci is None else f"{_number(one.ci[0])} – {_number(one.ci[1])}"
    bar = None
    if one.value is not None and all(0 <= number <= 1 for number in (one.value, *(one.ci or ()))):
        low, high = one.ci or (one.value, one.value)
        floor = one.floor if one.floor is not None and 0 <= one.floor <= 1 else None
        bar = Bar(one.value, low, high, floor)
    return Line(name.replace("_", " "), _number(one.value), ci, _number(one.floor), bar)


def _class_bar(recall: float | None, ci: tuple[float, float] | None) -> Bar | None:
    return None if recall is None else Bar(recall, *(ci or (recall, recall)), None)


def _confusion(scored: Scored) -> list[tuple[str, list[Cell]]]:
    found = scored.confusion
    if found is None:
        return []
    rows = []
    for label, counts in zip(found.rows, found.counts, strict=True):
        most = max(sum(counts), 1)
        rows.append((label, [Cell(n, n / most, name == label) for name, n in zip(found.columns, counts, strict=True)]))
    return rows


def _floors(scored: Scored) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Names of metrics, and the rows of answers that look at nothing."""
    names = list(dict.fromkeys(name for own in scored.floors.values() for name in own))
    return names, [(who, [_number(own.get(name)) for name in names]) for who, own in scored.floors.items()]


def _picture(item: Item) -> str | None:
    """The photo, or the middle frame of the video, as a data URI; None where there is none that can be read."""
    from PIL import Image

    from emollm.media.images import read_image
    from emollm.media.video import frame_at, open_video
    from emollm.report.pictures import image_uri

    try:
        if item.clip.image is not None:
            pixels = read_image(item.clip.image).pixels
        elif item.clip.video is not None:
            middle = (open_video(item.clip.video).info.duration or 0.0) / 2
            pixels = frame_at(item.clip.video, middle).pixels
        else:
            return None
    except MediaError:
        return None
    return image_uri(Image.fromarray(pixels), _SIDE)


def _number(number: float | None) -> str:
    if number is None:
        return "–"
    told = f"{number:.4f}"
    return told.removeprefix("-") if float(told) == 0 else told


def _share(number: float | None) -> str:
    return "–" if number is None else f"{100 * number:.1f} %"


def _cut(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
