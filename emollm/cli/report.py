"""``emollm report``: timelines of a cohort, engagement of a class, ambivalence moments, as one page."""

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from emollm.cli import DONE, NOTHING_DONE, SOME_REJECTED, say
from emollm.errors import ConfigError, DataError
from emollm.report.cohort_numbers import KINDS, Condition, Kind, Orientation, Preference

if TYPE_CHECKING:
    from emollm.report.cohort_reading import Contents

_MEASURED = "observations.jsonl"
_MOST_TOLD = 5
"""Rejects that are told on standard error, one by one."""
_LEAST, _EVERY = 5, 60.0


@click.command("report")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="The page.  [default: report.html in the folder]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON; the page is written only with --out.")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    help="What it holds; may be given several times. Engagement only if asked for.  [default: cohort and ambivalence]",
)
@click.option(
    "--names/--no-names",
    default=None,
    help="Call people and classes by the names of their files and folders.  [default: yes, but never with --kind engagement]",
)
@click.option("--labels", metavar="SET", help="Label set for clips that have no answer; default: basic8.")
@click.option("--own-words", is_flag=True, help="What is said in each clip is known to be said by the person seen.")
@click.option(
    "--least",
    type=click.IntRange(2),
    default=_LEAST,
    show_default=True,
    help="Engagement: people below which nothing is told of a group.",
)
@click.option(
    "--different-people",
    is_flag=True,
    help="Engagement: nobody is in two clips of a class, so that the people of its clips add up.",
)
@click.option(
    "--every",
    type=click.FloatRange(1, 86_400),
    default=_EVERY,
    show_default=True,
    help="Engagement: seconds of a stretch of time.",
)
@click.option(
    "--orientation",
    type=click.Choice(get_args(Orientation)),
    help="Engagement: what feelings in class are to the teacher.",
)
@click.option("--condition", type=click.Choice(get_args(Condition)), help="Engagement: where the class was.")
@click.option(
    "--preference", "preferences", type=click.Choice(get_args(Preference)), multiple=True, help="Engagement: what to show; may be given several times."
)  # fmt: skip
def command(
    folder: Path,
    out: Path | None,
    as_json: bool,
    kinds: tuple[Kind, ...],
    names: bool | None,
    labels: str | None,
    own_words: bool,
    least: int,
    different_people: bool,
    every: float,
    orientation: Orientation | None,
    condition: Condition | None,
    preferences: tuple[Preference, ...],
) -> int:
    """Draw what many clips have in common: labels, movements, voice and words of all people on one axis of time.

    FOLDER holds what `emollm observe --out` and `emollm explain --out` wrote (.jsonl), their --json (.json) or pages of `emollm explain
    --report`. A folder of clips alone is measured first, into observations.jsonl in it; stopped, the same command goes on.

    Engagement is told of groups of at least --least people, never of one pupil unless --names is given; no emotion is named in it. People
    are counted in the clip that shows most of them at once, since one pupil may be in many clips; --different-people adds clips up.
    """
    from emollm.cli.meter import Meter
    from emollm.report.cohort import Wanted, gather, write_cohort_report
    from emollm.report.cohort_engagement import DEFAULT, Asked
    from emollm.report.cohort_reading import Contents

    if math.isnan(every):
        raise ConfigError("--every nan: expected seconds, for example 60")
    chosen = _kinds(kinds, names)
    if "engagement" not in chosen and (orientation or condition or preferences or different_people):
        raise ConfigError(
            "--orientation, --condition, --preference and --different-people are about --kind engagement; give it too"
        )
    named = names if names is not None else "engagement" not in chosen
    shown = tuple(dict.fromkeys(preferences)) or DEFAULT
    asked = Asked(least, every, orientation, condition, shown, named, different_people)
    wanted = Wanted(chosen, named, labels, own_words, asked)
    page = _page(folder, out)
    contents = Contents(folder)
    failed = False
    if not contents.has_records and not contents.rejects:
        failed = _measure(folder, contents)
        contents = Contents(folder)
    if out is not None or not as_json:
        _refuse_sources(page, contents)
    meter = Meter(contents.count, bar=sys.stderr.isatty() and contents.count > 1)
    try:
        gathered = gather(contents, wanted, lambda: meter.advance(0))
    finally:
        meter.close()
    if out is not None or not as_json:
        write_cohort_report(page, gathered)
    _tell(contents)
    print(gathered.report.to_json(indent=1) if as_json else page)
    return SOME_REJECTED if contents.rejects or failed else DONE


def _kinds(kinds: tuple[Kind, ...], names: bool | None) -> tuple[Kind, ...]:
    """The kinds in their order.

    Raises:
        ConfigError: Groups and single people on one page, without names asked for.
    """
    chosen = tuple(kind for kind in KINDS if kind in kinds) or ("cohort", "ambivalence")
    if "engagement" in chosen and len(chosen) > 1 and not names:
        others = " and ".join(kind for kind in chosen if kind != "engagement")
        raise ConfigError(
            f"--kind engagement tells of groups, {others} of single people; make two pages, or give --names if all of them agree"
        )
    return chosen


def _page(folder: Path, out: Path | None) -> Path:
    page = out if out is not None else folder / "report.html"
    if page.suffix.lower() not in (".html", ".htm") or page.is_dir():
        raise ConfigError(f"--out {page}: expected a file name that ends in .html")
    return page


def _refuse_sources(page: Path, contents: "Contents") -> None:
    """Refuses to replace what is read: the records may stand in a page."""
    places = {os.path.realpath(path) for path in (*contents.sources, *contents.clips)}
    if os.path.realpath(page) in places:
        raise ConfigError(f"{page}: is one of the files to be read; give another name with --out")


def _measure(folder: Path, contents: "Contents") -> bool:
    """Measures the clips of a folder, as `emollm observe` does; says whether some were rejected.

    Raises:
        DataError: None could be measured.
    """
    from emollm.cli import observe

    say(f"{folder}: {len(contents.clips)} clips without records; measuring them into {folder / _MEASURED}")
    request = {"as_json": False, "fresh": False, "config_file": None, "overrides": (), "table_scale": None, "table_fps": None}  # fmt: skip
    run = observe.command.callback
    assert run is not None
    clips = tuple(str(path) for path in contents.clips)
    code = run(clips=clips, out=folder / _MEASURED, landmarks=False, **request)
    if code == NOTHING_DONE:
        raise DataError(f"{folder}: no clip could be measured")
    return bool(code)


def _tell(contents: "Contents") -> None:
    for reject in contents.rejects[:_MOST_TOLD]:
        say(f"{reject.file}: {reject.reason}")
    if (more := len(contents.rejects) - _MOST_TOLD) > 0:
        say(f"{more} further records could not be read; --json lists all")
    if unmeasured := contents.unmeasured:
        say(
            f"{len(unmeasured)} clips in the folder have no record ({unmeasured[0].name} …); `emollm observe` measures them"
        )
