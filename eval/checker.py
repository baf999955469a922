"""How good is the checker? Rationales that people or other models wrote, true and corrupted, against what emollm.evidence says of them.

``eval/rationales/rationales*.yaml`` hold paraphrases of given facts, and copies of them into which one falsehood was planted, written
by somebody who had not seen emollm.evidence. A **false alarm** is a faithful text with a contradicted claim; a corruption is
**detected** where its text has one. Halves ``dev``, ``held_out``, ``second`` and ``third`` may be looked at and mended on (each was unseen
until the reader was mended on those before it); ``unseen``, of a file not written yet, gives the figure.

    python -m emollm.eval.checker [--half dev|held_out|second|third|unseen] [--json] [--misses]

Prints shares with Wilson's intervals by kind of corruption (docs/evidence.md).
"""

import json
import sys
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click
import yaml
from pydantic import ValidationError

from emollm.errors import DataError
from emollm.eval.checker_facts import observation
from emollm.evidence import Faithfulness, check_text
from emollm.metrics.bootstrap import wilson
from emollm.types import Claim, Part, Record, Verdict

HALVES = ("dev", "held_out", "second", "third", "unseen")
UNSEEN = "unseen"
"""The half that nobody who mends the reader looks at."""


class Corruption(Record):
    """A copy of a text with one falsehood."""

    kind: str
    """``unit``, ``side``, ``strength`` …"""
    text: str


class Item(Record):
    """A text that follows from facts, and corrupted copies of it."""

    id: str
    kind: str
    """The style it is written in."""
    half: Literal["dev", "held_out", "second", "third", "unseen"]
    facts: tuple[dict[str, Any], ...]
    text: str
    corruptions: tuple[Corruption, ...] = ()


class Checked(NamedTuple):
    """What the checker says of one text."""

    item: Item
    corruption: Corruption | None
    """None: the faithful text."""
    claims: tuple[Claim, ...]

    @property
    def counts(self) -> Faithfulness:
        """Verdicts of its claims."""
        return Faithfulness.of(self.claims)

    @property
    def alarmed(self) -> bool:
        """Whether any claim is contradicted."""
        return self.counts.contradicted > 0

    @property
    def missed(self) -> bool:
        """Whether the verdict is wrong: a false alarm, or a corruption that was not seen."""
        return self.alarmed == (self.corruption is None)


def read(folder: Path) -> list[Item]:
    """All items of a folder, in the order of its files.

    Raises:
        DataError: No file, one that is no list of items, or an id that comes twice.
    """
    paths = sorted(folder.glob("rationales*.yaml"))
    if not paths:
        raise DataError(f"{folder}: no rationales*.yaml here; name the folder with --data")
    out: list[Item] = []
    for path in paths:
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise DataError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from error
        rows = data.get("items", []) if isinstance(data, dict) else data
        for number, row in enumerate(rows or (), 1):
            try:
                out.append(Item.model_validate_json(json.dumps(row)))
            except (ValidationError, TypeError) as error:
                raise DataError(f"{path}: item {number}: {str(error).splitlines()[-1].strip()}") from error
    if len({item.id for item in out}) < len(out):
        raise DataError(f"{folder}: two items have one id; make them differ")
    return out


def judge(items: Sequence[Item]) -> Iterator[Checked]:
    """Every text of the items, faithful and corrupted, with its claims; a text is filed under the first person."""
    for item in items:
        seen = observation(item.id, item.facts)
        for corruption in (None, *item.corruptions):
            text = item.text if corruption is None else corruption.text
            track = seen.tracks[0].id if seen.tracks else None
            yield Checked(item, corruption, check_text(text, Part.OBSERVATIONS, seen, track))


# ---- the report -----------------------------------------------------------------------------------------------------


def share(hits: int, n: int) -> dict[str, Any]:
    """A share with its interval."""
    interval = wilson(hits, n)
    return {"n": n, "hits": hits, "share": round(hits / n, 4) if n else None,
            "ci": [round(end, 4) for end in interval] if interval else None}  # fmt: skip


def report(rows: Sequence[Checked]) -> dict[str, Any]:
    """False alarms and detection, by text and by claim, by kind of corruption and of writing."""
    faithful = [row for row in rows if row.corruption is None]
    corrupted = [row for row in rows if row.corruption is not None]
    kinds = sorted({row.corruption.kind for row in corrupted if row.corruption is not None})
    styles = sorted({row.item.kind for row in rows})
    claims = [claim for row in faithful for claim in row.claims]
    return {
        "texts": len(faithful),
        "false_alarms": share(sum(row.alarmed for row in faithful), len(faithful)),
        "false_claims": share(sum(claim.verdict is Verdict.CONTRADICTED for claim in claims), len(claims)),
        "nothing_supported": share(sum(not row.counts.supported for row in faithful), len(faithful)),
        "supported_claims": share(sum(claim.verdict is Verdict.SUPPORTED for claim in claims), len(claims)),
        "detected": share(sum(row.alarmed for row in corrupted), len(corrupted)),
        "by_kind": {kind: _of_kind(kind, faithful, corrupted) for kind in kinds},
        "by_style": {
            style: {
                "false_alarms": share(*_alarms([row for row in faithful if row.item.kind == style])),
                "detected": share(*_alarms([row for row in corrupted if row.item.kind == style])),
            }
            for style in styles
        },
    }


def _of_kind(kind: str, faithful: Sequence[Checked], corrupted: Sequence[Checked]) -> dict[str, Any]:
    """Detection of one kind, and false alarms on the faithful texts that it was planted in."""
    own = [row for row in corrupted if row.corruption is not None and row.corruption.kind == kind]
    ids = {row.item.id for row in own}
    before = [row for row in faithful if row.item.id in ids]
    clean = {row.item.id for row in before if not row.alarmed}
    return {
        "detected": share(*_alarms(own)),
        "detected_where_clean": share(*_alarms([row for row in own if row.item.id in clean])),
        "false_alarms": share(*_alarms(before)),
    }


def _alarms(rows: Sequence[Checked]) -> tuple[int, int]:
    return sum(row.alarmed for row in rows), len(rows)


def table(found: dict[str, Any]) -> str:
    """The report for a terminal, which is also Markdown."""
    lines = ["| corruption | n | detected | 95 % | false alarms on the originals |", "|---|---|---|---|---|"]
    for kind, row in found["by_kind"].items():
        lines.append(_line(kind, row["detected"], row["false_alarms"]))
    lines.append(_line("all", found["detected"], found["false_alarms"]))
    rest = [
        f"{name.replace('_', ' ')}: {_number(found[name])} of {found[name]['n']}"
        for name in ("false_alarms", "false_claims", "nothing_supported", "supported_claims")
    ]
    return "\n".join([*lines, "", *rest])


def _line(name: str, detected: dict[str, Any], alarms: dict[str, Any]) -> str:
    interval = f"{detected['ci'][0]:.3f}–{detected['ci'][1]:.3f}" if detected["ci"] else "–"
    value = f"{detected['share']:.3f}" if detected["share"] is not None else "–"
    return f"| {name} | {detected['n']} | {value} | {interval} | {alarms['hits']} of {alarms['n']} |"


def _number(row: dict[str, Any]) -> str:
    if row["share"] is None:
        return "–"
    return f"{row['share']:.4f} ({row['ci'][0]:.4f}–{row['ci'][1]:.4f})"


def misses(rows: Sequence[Checked]) -> Iterator[str]:
    """One block for each wrong verdict: the text and its claims."""
    for row in rows:
        if row.missed:
            kind = row.corruption.kind if row.corruption is not None else "FALSE ALARM"
            text = row.corruption.text if row.corruption is not None else row.item.text
            yield f"{row.item.id} [{row.item.kind}] {kind}\n  {text.strip()}"
            if row.corruption is None:
                yield f"  facts: {json.dumps(row.item.facts)}"
            for claim in row.claims:
                if row.corruption is not None or claim.verdict is Verdict.CONTRADICTED:
                    yield f"    {claim.verdict.value:13} {claim.text!r}: {claim.reason}"


@click.command()
@click.option("--half", type=click.Choice(HALVES), default="dev", help="Which half; they are never reported together.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of rationales*.yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--misses", "show", is_flag=True, help="List wrong verdicts, not of the unseen half.")
def main(half: str, data: Path | None, as_json: bool, show: bool) -> None:
    """Print how good the checker is on one half of the rationales."""
    if show and half == UNSEEN:
        raise click.UsageError(
            "--misses is not for the unseen half: who looks at it can no longer measure on it; take another --half"
        )
    folder = data if data is not None else Path(str(files("emollm.eval").joinpath("rationales")))
    rows = list(judge([item for item in read(folder) if item.half == half]))
    if show:
        print("\n".join(misses(rows)))
    found = report(rows)
    if as_json:
        json.dump({"half": half} | found, sys.stdout, indent=1)
        print()
    else:
        print(f"half: {half}, {found['texts']} texts\n\n{table(found)}")


if __name__ == "__main__":
    main()
