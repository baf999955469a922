"""The speed of emollm beside MediaPipe's Python FaceMesh, in one run on one machine: photos here, clips in ``bench_video``.

Both read the same files, one after the other, each in a long-lived process of its own; rounds alternate, the order turns
round by round, and the first round is not counted. ``docs/bench.md`` says what is compared, and holds the last results.

    python -m emollm.eval.bench            (what `make bench` runs)
"""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import click

from emollm import assets
from emollm.errors import EmollmError, MediaError
from emollm.eval import bench_images, bench_rivals, bench_video
from emollm.eval.bench_machine import is_busy, machine, plain, told_versions
from emollm.eval.bench_start import Start, measure_start, start_table
from emollm.eval.bench_table import Row, cost_table, put, ratio_table, speed_table
from emollm.files import replacing
from emollm.media.images import looks_like_image, read_image
from emollm.perception.settings import PerceptionSettings

BACKENDS = ("mesh-head", "face-landmarker")
_BUILD = Path("build/bench")


class Result(NamedTuple):
    """All that one run found."""

    rows: tuple[Row, ...]
    """The last one is the rival."""
    absent: dict[str, str]
    """Contestants that could not take part, and why."""
    start: Start | None
    versions: dict[str, dict[str, str]]
    """Of each contestant."""
    load: float
    """Load average over the minute before."""


@click.command()
@click.option(
    "--images", type=click.Path(path_type=Path), help="Folder of photos of your own, instead of the recipe's."
)
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Rounds that are counted.")
@click.option("--threads", type=click.IntRange(1), default=PerceptionSettings().threads, show_default=True,
              help="Faces or photos that we measure at a time.")  # fmt: skip
@click.option("--page", type=click.Path(path_type=Path), default=Path("docs/bench.md"), show_default=True,
              help="Page that holds the result, between markers.")  # fmt: skip
@click.option(
    "--section",
    help="Markers to use. With --images: keep the result on the page under this name; else it is only printed.",
)
@click.option("--only", type=click.Choice(["photos", "clips"]), help="Measure only these; photos of your own imply it.")
@click.option("--dry", is_flag=True, help="Print the result and leave the page as it is.")
@click.option("--json", "record", type=click.Path(path_type=Path), help="File for every timing, as JSON.")
def command(
    images: Path | None,
    rounds: int,
    threads: int,
    page: Path,
    section: str | None,
    only: str | None,
    dry: bool,
    record: Path | None,
) -> None:
    """Measures speed beside MediaPipe and writes the tables into docs/bench.md."""
    everything: dict[str, Any] = {}
    if only != "clips" or images:
        paths = readable(images) if images else bench_images.make(_BUILD / "images", bench_images.plan())
        result = run(paths, rounds, threads, with_start=images is None)
        everything |= as_json(result, paths)
        section = section or (None if images else "recipe")
        _deliver(as_text(result, paths, rounds, threads, own=images is not None), page, None if dry else section)
    if only != "photos" and not images:
        plan = bench_video.Plan(rounds, threads)
        clips = bench_video.run(assets.path(bench_video.CLIP), plan, _BUILD)
        everything["clips"] = bench_video.as_json(clips)
        _deliver(bench_video.as_text(clips, plan, str(date.today())), page, None if dry else "clips")
    if record:
        with replacing(record, "w") as file:
            json.dump(everything, file)


def _deliver(text: str, page: Path, section: str | None) -> None:
    """Prints a result, and keeps it on the page where it has a section."""
    click.echo(text)
    if section:
        put(page, section, text)


def readable(folder: Path) -> list[Path]:
    """The photos of a folder that can be read, sorted.

    Raises:
        MediaError: There are none, or it is no folder.
    """
    if not folder.is_dir():
        raise MediaError(f"{folder}: expected a folder of photos")
    paths = []
    for path in sorted(folder.iterdir()):
        if not looks_like_image(path):
            continue
        try:
            read_image(path)
        except MediaError as error:
            click.echo(f"left out: {error}", err=True)
            continue
        paths.append(path)
    if not paths:
        raise MediaError(f"{folder}: no photo in it can be read")
    return paths


def run(paths: Sequence[Path], rounds: int, threads: int, *, with_start: bool) -> Result:
    """Measures everything.

    Args:
        paths: Photos.
        rounds: Rounds that are counted.
        threads: Faces or photos that we measure at a time.
        with_start: Also measure how fast the command line starts.
    """
    python = bench_rivals.mediapipe_environment(_BUILD / "mediapipe")
    load = os.getloadavg()[0]
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        contestants = []
        for backend, folder in product(BACKENDS, (False, True)):
            log = _BUILD / f"{backend}{'-folder' if folder else ''}.log"
            contestant = stack.enter_context(bench_rivals.ours(backend, threads, log, folder=folder))
            if contestant.refusal:
                absent[backend] = contestant.refusal
            else:
                contestants.append(contestant)
        most = PerceptionSettings().faces.max_faces
        contestants.append(stack.enter_context(bench_rivals.mediapipe(python, most, _BUILD / "mediapipe.log")))
        found: dict[str, list[bench_rivals.Round]] = {contestant.name: [] for contestant in contestants}
        for turn in range(rounds + 1):
            for contestant in contestants[:: -1 if turn % 2 else 1]:
                measured = contestant.run(list(paths))
                if turn:
                    found[contestant.name].append(measured)
            click.echo(f"round {turn} of {rounds}" + ("" if turn else " (not counted)"), err=True)
        versions = {one.name: one.versions for one in contestants}
        rows = tuple(Row(one.name, one.start, tuple(found[one.name])) for one in contestants)
    start = measure_start(assets.path("photo-astronaut"), rounds) if with_start else None
    return Result(rows, absent, start, versions, load)


# ---- as text --------------------------------------------------------------------------------------------------------


def as_text(result: Result, paths: Sequence[Path], rounds: int, threads: int, *, own: bool) -> str:
    """The result as markdown: what ran where, then the tables. Names no path of the machine."""
    rival = result.rows[-1]
    what = f"{len(paths)} photos of one's own" if own else f"the {len(paths)} images of the recipe"
    command = shlex.join(["python", "-m", "emollm.eval.bench", *(["--images", "FOLDER"] if own else [])])
    parts = [
        f"`{command}`, {date.today()}: {what}, {rounds} rounds after one that is not counted. {machine()}; load average "
        f"{result.load:.1f} in the minute before. Ours: {threads} {'thread' if threads == 1 else 'threads'} a model "
        "(`threads`); MediaPipe: its default. Figures are the median of the rounds, in brackets the lowest and the highest.",
        told_versions(result.versions),
        *(["The machine was busy with other work: what counts here is the ratios."] if is_busy(result.load) else []),
        *(f"Not there: {name}: {plain(why)}." for name, why in result.absent.items()),
        speed_table(result.rows),
        ratio_table(result.rows, rival),
        cost_table(result.rows),
    ]
    if result.start:
        parts.append(start_table(result.start))
    return "\n\n".join(parts)


def as_json(result: Result, paths: Sequence[Path]) -> dict[str, Any]:
    """Every timing, for one's own arithmetic."""
    return {
        "images": [path.name for path in paths],
        "machine": machine(),
        "load": result.load,
        "versions": result.versions,
        "absent": result.absent,
        "start": result.start._asdict() if result.start else None,
        "rows": [
            {"name": row.name, "start": row.start, "rounds": [run._asdict() for run in row.rounds]}
            for row in result.rows
        ],
    }


def main() -> None:
    """The command, with a user's mistake as one line and exit code 2."""
    try:
        command(prog_name="python -m emollm.eval.bench")
    except EmollmError as error:
        click.echo(f"bench: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
