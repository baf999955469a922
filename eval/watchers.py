"""The light action-unit backend of videos against the exact bundle, on the same frames.

    python -m emollm.eval.watchers CLIP... --bundle face_landmarker.task

For each unit the correlation over all frames, the mean absolute difference, and how far the bundle's values spread; and
what each backend makes of a second, tracked alike and alternating.
"""

import statistics
import time
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from tqdm import tqdm

from emollm.errors import EmollmError
from emollm.facs import UNITS
from emollm.media.video import open_video
from emollm.perception.bearing import open_bearing
from emollm.perception.course import Samples
from emollm.perception.faces import FaceSettings, find_faces, open_finder
from emollm.perception.geometry import rgb
from emollm.perception.landmarker import FaceLandmarker, LandmarkerMeter
from emollm.perception.litert import Array
from emollm.perception.people import Gallery, samples_of, watch
from emollm.perception.tracking import Tracker, TrackingSettings
from emollm.perception.watching import LandmarkerWatcher, Watcher, open_head_watcher

_ROUNDS = 3


class Run(NamedTuple):
    """One backend on one clip."""

    samples: Samples
    rates: list[float]
    """Frames a second of each round."""


@click.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--bundle", required=True, type=click.Path(path_type=Path), help="face_landmarker.task")
def main(clips: tuple[Path, ...], bundle: Path) -> None:
    """Compare the two backends on videos of one person each."""
    try:
        watchers: dict[str, Watcher] = {
            "mesh-head": open_head_watcher(),
            "face-landmarker": LandmarkerWatcher(LandmarkerMeter(FaceLandmarker(bundle))),
        }
        runs: dict[str, list[Run]] = {name: [] for name in watchers}
        for clip in tqdm(clips, unit="clip"):
            for name, run in _both(clip, watchers).items():
                runs[name].append(run)
    except EmollmError as error:
        raise click.UsageError(str(error)) from error
    print(table([run.samples for run in runs["mesh-head"]], [run.samples for run in runs["face-landmarker"]]))
    for name, done in runs.items():
        rates = [rate for run in done for rate in run.rates]
        print(f"{name}: {statistics.median(rates):.0f} frames a second ({min(rates):.0f} to {max(rates):.0f})")
    ratios = [
        a / b
        for light, exact in zip(runs["mesh-head"], runs["face-landmarker"], strict=True)
        for a, b in zip(light.rates, exact.rates, strict=True)
    ]
    print(f"ratio, side by side: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _both(clip: Path, watchers: dict[str, Watcher]) -> dict[str, Run]:
    """Both backends on one clip, in turns."""
    rates: dict[str, list[float]] = {name: [] for name in watchers}
    samples: dict[str, Samples] = {}
    for _ in range(_ROUNDS):
        for name, watcher in watchers.items():
            started = time.perf_counter()
            samples[name], frames = _watched(clip, watcher)
            rates[name].append(frames / (time.perf_counter() - started))
    return {name: Run(samples[name], rates[name]) for name in watchers}


def _watched(clip: Path, watcher: Watcher) -> tuple[Samples, int]:
    """The most prominent person of a clip, and how many frames it has."""
    finder, bearing = open_finder(FaceSettings()), open_bearing()
    tracker = Tracker(
        watcher, lambda picture, *, far: find_faces(finder, rgb(picture), far=far), 0.5, 20, TrackingSettings()
    )
    with open_video(clip) as video:
        found = watch(video.frames(), tracker, Gallery(watcher, bearing, 24.0), 0.3, 1)
    if not found.people:
        raise click.UsageError(f"{clip}: nobody's face is found in it")
    return samples_of(found.people[0], "p1", watcher, bearing), found.frames


def table(light: list[Samples], exact: list[Samples]) -> str:
    """Units over the frames that both have measured, as a table in Markdown, with the mean of the units that move."""
    rows = ["| unit | name | r | mean abs. difference | spread of the bundle |", "|---|---|---|---|---|"]
    scores = []
    for code in exact[0].raw:
        if code not in light[0].raw:
            continue
        pairs = [_shared(a, b, code) for a, b in zip(light, exact, strict=True)]
        ours, theirs = (np.concatenate([pair[k] for pair in pairs]) for k in (0, 1))
        spread, away = float(theirs.std()), float(np.abs(ours - theirs).mean())
        r = float(np.corrcoef(ours, theirs)[0, 1]) if min(ours.std(), spread) > 1e-3 else float("nan")
        rows.append(f"| {code} | {UNITS[code].name} | {r:.2f} | {away:.3f} | {spread:.3f} |")
        if spread >= 0.05:
            scores.append((r, away))
    mean = np.nanmean(np.array(scores), axis=0)
    rows.append(f"| mean of {len(scores)} that spread by .05 | | {mean[0]:.2f} | {mean[1]:.3f} | |")
    return "\n".join(rows)


def _shared(light: Samples, exact: Samples, code: str) -> tuple[Array, Array]:
    """A unit's raw values in the frames that both have."""
    _, first, second = np.intersect1d(light.times, exact.times, return_indices=True)
    ours, theirs = light.raw[code][first], exact.raw[code][second]
    known = ~(np.isnan(ours) | np.isnan(theirs))
    return ours[known], theirs[known]


if __name__ == "__main__":
    main()
