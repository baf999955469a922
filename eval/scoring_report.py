"""Scored predictions and comparisons as text: tables that Markdown takes as they stand."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emollm.errors import visible
from emollm.metrics.report import Metric
from emollm.metrics.scored import Compared, Note, Scored


def text(scored: Scored) -> str:
    """The report for people: what was scored, metrics with intervals and floors, what was met."""
    blocks = [
        _head(scored),
        _metrics(scored.metrics, ("metric", "value", "95 % interval", "floor")),
        *(_metrics(own, (kind, "value", "95 % interval", "floor")) for kind, own in scored.more.items()),
        _classes(scored),
        _confusion(scored),
        _floors(scored.floors),
        _notes(scored.notes),
        _remarks(scored.remarks),
        _provenance(scored.provenance),
    ]
    return "\n\n".join("\n".join(lines) for block in blocks if (lines := list(block)))


def comparison(compared: Compared) -> str:
    """The same of two files."""
    rows = [["metric", "A", "B", "A − B", "95 % interval"]]
    for name, found in compared.difference.items():
        own = [_number(one.get(name)) for one in (compared.first, compared.second)]
        rows.append([name, *own, _number(found.value), _interval(found)])
    blocks: list[Iterator[str]] = [
        iter([f"{compared.task}: {compared.n} items that both are scored on; primary metric: {compared.primary}"]),
        _table(rows),
        _said(compared.answers),
        _verdict(compared),
        _notes(compared.notes),
        _remarks(compared.remarks),
        _provenance(compared.provenance),
    ]
    return "\n\n".join("\n".join(lines) for block in blocks if (lines := list(block)))


def _head(scored: Scored) -> Iterator[str]:
    yield f"{scored.task}: n = {scored.n}, coverage {scored.coverage:.1%}; primary metric: {scored.primary}"
    yield "; ".join(f"{kind}: {count}" for kind, count in scored.answers.items())
    yield "; ".join(f"{kind}: {count}" for kind, count in scored.counts.items())


def _metrics(metrics: Mapping[str, Metric], heads: Sequence[str]) -> Iterator[str]:
    rows = [list(heads)]
    for name, found in metrics.items():
        rows.append([name, _number(found.value), _interval(found), _number(found.floor)])
    yield from _table(rows)


def _classes(scored: Scored) -> Iterator[str]:
    if not scored.per_class:
        return
    rows = [["label", "references", "recall", "95 % interval", "precision", "F1"]]
    for label, own in scored.per_class.items():
        ci = "–" if own.recall_ci is None else f"{own.recall_ci[0]:.4f} – {own.recall_ci[1]:.4f}"
        rows.append([label, str(own.support), _number(own.recall), ci, _number(own.precision), _number(own.f1)])
    yield from _table(rows)


def _confusion(scored: Scored) -> Iterator[str]:
    if scored.confusion is None:
        return
    rows = [["reference \\ answer", *scored.confusion.columns]]
    rows += [[label, *map(str, row)] for label, row in zip(scored.confusion.rows, scored.confusion.counts, strict=True)]
    yield from _table(rows)


def _floors(floors: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Floors as rows, their metrics as columns."""
    names = list(dict.fromkeys(name for own in floors.values() for name in own))
    if names:
        rows = [["without looking", *names]]
        rows += [[who, *(_number(own.get(name)) for name in names)] for who, own in floors.items()]
        yield from _table(rows)


def _said(answers: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """What became of the answers of each file."""
    for name, own in answers.items():
        yield f"- {name}: {'; '.join(f'{kind}: {count}' for kind, count in own.items())}"


def _verdict(compared: Compared) -> Iterator[str]:
    found = compared.difference[compared.primary]
    if found.value is None or found.ci is None:
        yield f"{compared.primary} is not defined"
    elif found.ci[0] <= 0 <= found.ci[1]:
        yield f"{compared.primary}: the two are not told apart by these items"
    else:
        yield f"{compared.primary}: {'A' if found.value > 0 else 'B'} scores higher"
    if (test := compared.mcnemar) is not None:
        yield (
            f"McNemar: only A right {test['only_first']:.0f}, only B right {test['only_second']:.0f}, "
            f"exact two-sided p = {test['p']:.3g}"
        )


def _notes(notes: Sequence[Note]) -> Iterator[str]:
    for note in notes:
        yield f"- {note.what}: {note.count} ({'; '.join(note.examples)}{'; …' if note.count > len(note.examples) else ''})"


def _remarks(remarks: Sequence[str]) -> Iterator[str]:
    return (f"- {remark}" for remark in remarks)


def _provenance(told: Mapping[str, Any]) -> Iterator[str]:
    for name, file in told.get("files", {}).items():
        of = "".join(f"; {key} {', '.join(own)}" for key, own in file.items() if isinstance(own, list))
        yield f"- {name}: {visible(file['path'])}, {file['rows']} rows, sha256 {file['sha256']}{of}"
    if bootstrap := told.get("bootstrap"):
        column = f" (column {bootstrap['cluster_column']})" if bootstrap["cluster_column"] else ""
        yield (
            f"- bootstrap: {bootstrap['resamples']} resamples of {bootstrap['clusters']} "
            f"{'clusters' if column else 'items'}{column}, seed {bootstrap['seed']}"
        )
    for kind in ("label_set", "vocabulary"):
        if kind in told:
            yield f"- {kind.replace('_', ' ')}: {told[kind].get('id') or told[kind].get('version')}"
    yield from (f"- {kind}: {told[kind]}" for kind in ("overlap", "judge") if kind in told)
    if versions := told.get("versions"):
        yield "- " + ", ".join(f"{name} {version}" for name, version in versions.items())


def _number(number: float | None) -> str:
    if number is None:
        return "–"
    told = f"{number:.4f}"
    return told.removeprefix("-") if float(told) == 0 else told


def _interval(found: Metric) -> str:
    return "–" if found.ci is None else f"{_number(found.ci[0])} – {_number(found.ci[1])}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table whose columns stand below each other."""
    cells = [[visible(cell).replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    for at, row in enumerate(cells):
        padded = (cell.rjust(w) if k else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True)))
        yield f"| {' | '.join(padded)} |"
        if not at:
            yield f"| {' | '.join('-' * (w - 1) + (':' if k else '-') for k, w in enumerate(widths))} |"
