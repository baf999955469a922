"""Draws faces that emollm-135m got wrong: outlines of the mesh and what was measured, never the photo.

    python -m emollm.eval.emollm_135m_failures --set runs/embedded --answers runs/proof/face_cues.jsonl --out docs/images/emollm-135m-failures.svg

Which of the wrong ones are drawn is chosen by the seed, each label of people in turn. Faces are measured anew, because items keep no mesh.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from emollm.errors import ConfigError, DataError, EmollmError
from emollm.eval.emollm_135m_asking import to_stderr
from emollm.eval.emollm_135m_items import labels, person
from emollm.facs import PRESENT, UNITS
from emollm.files import replacing
from emollm.measured_items import Case, read
from emollm.perception import observe
from emollm.replies import label_in
from emollm.report.figures import outlines
from emollm.types import CueKind, Observation, Scale

COLUMNS = 4


class Failure(NamedTuple):
    """A face with a wrong answer."""

    case: Case
    answer: str | None


def wrong(cases: Sequence[Case], replies: Mapping[str, str], most: int, seed: int) -> list[Failure]:
    """Faces that perception finds and whose reply does not name the label of people; labels take turns.

    Args:
        cases: Items.
        replies: By the id of the item; items without one are left out.
        most: How many.
        seed: Of which.
    """
    found: dict[str, list[Failure]] = defaultdict(list)
    for case in cases:
        if case.id in replies and case.track is not None:
            answer = label_in(replies[case.id], labels())
            if answer != case.gold:
                found[case.gold].append(Failure(case, answer))
    random = Random(seed)
    shuffled = [random.sample(found[label], len(found[label])) for label in sorted(found)]
    turns = chain.from_iterable(zip_longest(*shuffled))
    return [one for one in turns if one is not None][:most]


def replies_of(path: Path, model: str) -> dict[str, str]:
    """The replies of one version of a model, by item.

    Args:
        path: Answers of :mod:`emollm.eval.emollm_135m`.
        model: Its name, which takes the version that was asked last, or ``name@version``.

    Raises:
        DataError: There are none.
    """
    try:
        rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        versions = [name for row in rows if model in ((name := row["model"]), name.rpartition("@")[0])]
        found = {row["id"]: row["reply"] for row in rows if row["model"] in versions[-1:] and row.get("reply")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: expected answers of emollm.eval.emollm_135m: {' '.join(str(error).split())}"
        ) from error
    if not found:
        there = ", ".join(sorted({row["model"] for row in rows})) or "nobody"
        raise DataError(f"{path}: no reply of {model}, only of {there}; give another --model or --answers")
    return found


def draw(failures: Sequence[Failure], out: Path) -> None:
    """A picture with a panel a face: outlines, what people say, what was answered, the net's word and the units that are present.

    Raises:
        ConfigError: Neither ``.svg`` nor ``.png``.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if out.suffix not in (".svg", ".png"):
        raise ConfigError(f"--out {out}: expected a name that ends in .svg or .png")
    rows = -(-len(failures) // COLUMNS)
    with mpl.rc_context({"svg.hashsalt": out.name, "font.size": 8}):
        figure = Figure(figsize=(2.4 * COLUMNS, 3.3 * rows), layout="constrained")
        for place, one in enumerate(failures, 1):
            axes = figure.add_subplot(rows, COLUMNS, place)
            seen = observe(one.case.clip)
            _face(axes, seen)
            axes.set_title(f"people: {one.case.gold}\nanswer: {one.answer or 'none'}", fontsize=9)
            axes.text(0.5, -0.02, _measured(seen), transform=axes.transAxes, ha="center", va="top")
        with replacing(out) as file:
            figure.savefig(file, format=out.suffix[1:], metadata={"Date": None} if out.suffix == ".svg" else {})


def _face(axes: Any, seen: Observation) -> None:
    track = next((one for one in seen.tracks if one.id == person(seen)), None)
    for shape in outlines(track.faces[0]) if track is not None else ():
        points = [*shape.points, shape.points[0]] if shape.closed else list(shape.points)
        axes.plot([x for x, _ in points], [y for _, y in points], color="#333333", linewidth=0.9)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_axis_off()


def _measured(seen: Observation) -> str:
    """The net's likeliest word and the strongest units."""
    own = seen.of(person(seen))
    nets = sorted((cue for cue in own if cue.kind is CueKind.EXPRESSION), key=lambda cue: -(cue.value or 0.0))
    units = sorted(
        (
            cue
            for cue in own
            if cue.kind is CueKind.ACTION_UNIT and cue.scale is Scale.INTENSITY and (cue.value or 0.0) >= PRESENT
        ),
        key=lambda cue: -(cue.value or 0.0),
    )
    lines = [f"net: {cue.name} {cue.value:.2f}" for cue in nets[:1]]
    lines += [f"{cue.name} {UNITS[cue.name].name} {cue.value:.2f}" for cue in units[:4]]
    return "\n".join(lines) or "no unit is present"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws; 0 done, 2 nothing done, 130 stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m emollm.eval.emollm_135m_failures", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--set", type=Path, required=True, help="folder of the built training set, with items")
    parser.add_argument("--answers", type=Path, required=True, help="answers about faces: OUT/face_cues.jsonl")
    parser.add_argument(
        "--model",
        default="emollm-135m",
        help="whose: a name, then its version that was asked last, or name@version (%(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, help="the picture: .svg or .png")
    parser.add_argument("--most", type=int, default=8, help="faces that are drawn (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of which are drawn (%(default)s)")
    given = parser.parse_args(arguments)
    try:
        found = wrong(read(given.set, "face"), replies_of(given.answers, given.model), given.most, given.seed)
        if not found:
            raise DataError(f"{given.answers}: no wrong answer about a face of {given.set}")
        draw(found, given.out)
    except EmollmError as error:
        to_stderr(str(error))
        return 2
    except KeyboardInterrupt:
        to_stderr("stopped; nothing was drawn")
        return 130
    print(f"{given.out}: {len(found)} faces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
