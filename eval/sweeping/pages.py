"""A sweep as text, as a table in Markdown, and as a page with a small line chart for each kind of change."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from emollm.errors import visible
from emollm.eval.sweeping.table import SweepRow, Swept, is_clean
from emollm.files import replacing
from emollm.metrics.report import Metric
from emollm.report.page import environment

WIDTH, HEIGHT = 320, 170
"""Of a chart."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 10.0, 10.0, 24.0


class Point(NamedTuple):
    """A variant in a chart, in its units."""

    x: float
    y: float
    low: float
    high: float
    tick: str
    told: str


class Chart(NamedTuple):
    """One kind of change: levels from left to right, the clean run first."""

    title: str
    points: tuple[Point, ...]
    line: str
    """Of an SVG polyline."""
    clean: float
    """Height of the clean run."""
    marks: tuple[tuple[float, str], ...]
    """Heights and numbers of the axis."""


def write_sweep(folder: Path, swept: Swept) -> None:
    """Writes ``sweep-KIND.json``, ``.md`` and ``.html``.

    Raises:
        EmollmError: They cannot be written.
    """
    for suffix, content in (
        (".json", swept.to_json(indent=1) + "\n"),
        (".md", text(swept) + "\n"),
        (".html", page(swept)),
    ):
        with replacing(folder / f"sweep-{swept.sweep}{suffix}", "w") as file:
            file.write(content)


def text(swept: Swept) -> str:
    """The table as Markdown, and what one has to know to read it."""
    lines = [
        f"# {_plain(swept.title)}: {_plain(swept.generator)}, sweep of {swept.sweep}",
        "",
        f"n = {swept.n}; metric: {swept.measure}; differences are variant minus clean on the same items (paired bootstrap)",
        "",
        f"| {' | '.join(_HEADS)} |",
        "| --- |" + " ---: |" * (len(_HEADS) - 2) + " --- |",
        *(f"| {' | '.join(map(_plain, cells(row)))} |" for row in swept.rows),
        "",
    ]
    if swept.spread is not None:
        lines += [_spread(swept), ""]
    return "\n".join((*lines, *(f"- {_plain(remark)}" for remark in swept.remarks))).strip()


def page(swept: Swept) -> str:
    """The page as HTML text."""
    return (
        environment()
        .get_template("sensitivity.html")
        .render(
            swept=swept,
            heads=_HEADS,
            rows=[cells(row) for row in swept.rows],
            charts=list(charts(swept.rows)),
            spread=_spread(swept) if swept.spread is not None else "",
            width=WIDTH,
            height=HEIGHT,
            left=_LEFT,
            right=WIDTH - _RIGHT,
            bottom=HEIGHT - 6,
        )
    )


_HEADS = (
    "variant",
    "metric",
    "95 % interval",
    "− clean",
    "95 % interval",
    "flips",
    "coverage",
    "not asked",
    "measured",
)


def cells(row: SweepRow) -> tuple[str, ...]:
    """A row of the table."""
    told = [f"{name} {round(value, 3) + 0.0:g}" for name, value in row.facts.items()]
    if row.prompt:
        told.append(f"“{row.prompt}”")
    if (own := row.follows) is not None:
        told.append(
            f"of {own.swapped} swapped {own.own} follow their own label, {own.donor} the donor's, {own.both} both, "
            f"{own.neither} neither, {own.unread} unread"
        )
    name = row.name if row.measure.endswith("_lenient") is False else f"{row.name} ({row.measure})"
    return (
        name,
        _number(row.metric.value),
        _interval(row.metric),
        _number(row.difference.value) if row.difference else "",
        _interval(row.difference) if row.difference else "",
        _share(row.flips),
        _share(row.coverage),
        str(row.rejected or ""),
        "; ".join(told),
    )


def charts(rows: Sequence[SweepRow]) -> Iterator[Chart]:
    """A chart for each kind that has two levels or more with a number; all of them with the same axis."""
    clean = next((row for row in rows if is_clean(row)), None)
    if clean is None or clean.metric.value is None:
        return
    ends = [end for row in rows if row.metric.value is not None for end in _ends(row.metric)]
    low, high = min(ends), max(ends)
    low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high if high > low else low + 1)
    levelled = [row for row in rows if row.level is not None and row.metric.value is not None]
    for kind, own in groupby(levelled, key=lambda row: row.kind):
        some = list(own)
        if len(some) > 1:
            yield _chart(kind, [clean, *some], low, high)


def _chart(kind: str, rows: Sequence[SweepRow], low: float, high: float) -> Chart:
    across, down = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def y(value: float) -> float:
        return round(_TOP + down * (1 - (value - low) / (high - low)), 1)

    points = []
    for at, row in enumerate(rows):
        value = row.metric.value
        assert value is not None
        first, last = _ends(row.metric)
        tick = row.name if row.level is None else f"{row.level:g}"
        told = f"{row.name}: {_number(value)} ({_interval(row.metric)})"
        points.append(Point(round(_LEFT + across * (at + 0.5) / len(rows), 1), y(value), y(first), y(last), tick, told))
    marks = tuple((y(value), f"{value:.2g}") for value in (low, (low + high) / 2, high))
    title = f"{kind} ({rows[-1].unit})" if rows[-1].unit else kind
    return Chart(title, tuple(points), " ".join(f"{one.x},{one.y}" for one in points), points[0].y, marks)


def _ends(found: Metric) -> tuple[float, float]:
    assert found.value is not None
    return found.ci or (found.value, found.value)


def _spread(swept: Swept) -> str:
    found = swept.spread
    assert found is not None
    flips = "" if found.flips is None else f"; {found.flips:.1%} of the items do not get the same answer from all"
    return (
        f"{found.wordings} wordings: {swept.measure} from {found.lowest:.4f} to {found.highest:.4f}, "
        f"standard deviation {found.sd:.4f}{flips}"
    )


def _number(number: float | None) -> str:
    if number is None:
        return "–"
    told = f"{number:.4f}"
    return told.removeprefix("-") if float(told) == 0 else told


def _interval(found: Metric) -> str:
    return "–" if found.ci is None else f"{_number(found.ci[0])} – {_number(found.ci[1])}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _plain(value: str) -> str:
    """Text for a cell or a line of Markdown, which may steer neither a table nor a terminal."""
    return visible(" ".join(value.split())).replace("|", "\\|").replace("<", "&lt;")
