"""Are our blendshapes those of MediaPipe? Both run the same bundle on the same photos.

Only photos in which both find exactly one face are compared. MediaPipe gets an environment of its own, as for the bench.

    python -m emollm.eval.parity PHOTO… [--bundle face_landmarker.task]
"""

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from emollm import assets
from emollm.errors import EmollmError
from emollm.eval.bench_rivals import mediapipe_environment
from emollm.media.images import read_image
from emollm.perception.faces import FaceSettings, open_finder
from emollm.perception.landmarker import FaceLandmarker, LandmarkerMeter
from emollm.perception.litert import Array

_ENVIRONMENT = Path("build") / "bench" / "mediapipe"


class Difference(NamedTuple):
    """How far two sets of blendshapes (n, 52) are apart."""

    photos: int
    mean: float
    median_of_largest: float
    largest: float


def difference(ours: Array, theirs: Array) -> Difference:
    """Absolute differences: mean over all, and of each photo's largest the median and the greatest."""
    apart = np.abs(ours - theirs)
    worst = apart.max(axis=1)
    return Difference(len(apart), float(apart.mean()), float(np.median(worst)), float(worst.max()))


def compare(photos: list[Path], bundle: Path) -> Difference:
    """Our blendshapes against MediaPipe's.

    Raises:
        EmollmError: MediaPipe does not run, or no photo has one face by both.
    """
    python = mediapipe_environment(_ENVIRONMENT)
    script = Path(__file__).with_name("parity_mediapipe.py")
    run = subprocess.run(
        [str(python), str(script), str(bundle), *map(str, photos)], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise EmollmError(f"MediaPipe's Face Landmarker failed: {run.stderr.strip().splitlines()[-1]}")
    theirs = [json.loads(line) for line in run.stdout.splitlines()]
    meter, finder = LandmarkerMeter(FaceLandmarker(bundle)), open_finder(FaceSettings())
    pairs = []
    for photo, faces in zip(photos, theirs, strict=True):
        pixels = read_image(photo).pixels
        sure, _ = finder.near(pixels)
        if len(sure) == len(faces) == 1:
            pairs.append((meter(pixels, sure[0]).blendshapes, faces[0]))
    if not pairs:
        raise EmollmError("no photo in which both find exactly one face; give photos of one large face each")
    return difference(np.array([ours for ours, _ in pairs]), np.array([found for _, found in pairs], np.float32))


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--bundle", type=click.Path(path_type=Path), help="The bundle; without it the asset face-landmarker.")
def main(photos: tuple[Path, ...], bundle: Path | None) -> None:
    """Print how far our blendshapes are from MediaPipe's."""
    try:
        print(compare(list(photos), bundle or assets.path("face-landmarker")))
    except EmollmError as error:
        raise click.UsageError(str(error)) from error


if __name__ == "__main__":
    main()
