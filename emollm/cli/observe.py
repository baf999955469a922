"""``emollm observe``: what is measured in clips."""

from pathlib import Path

import click

from emollm import config
from emollm.cli.batch import Batch, expand, fingerprint
from emollm.cli.clips import accepts, check_out, clip_options, open_clip
from emollm.types import Observation


@click.command("observe")
@clip_options
@click.option("--landmarks/--no-landmarks", default=True, help="Whether to keep the mesh points of each face.")
def command(
    clips: tuple[str, ...],
    as_json: bool,
    out: Path | None,
    fresh: bool,
    config_file: Path | None,
    overrides: tuple[str, ...],
    table_scale: float | None,
    landmarks: bool,
) -> int:
    """Measure the faces of photos: action units, head pose, gaze.

    CLIP is a photo, a table of OpenFace 2, py-feat or LibreFace (.csv), a folder or a pattern.
    """
    from emollm.cli.text import observation_text
    from emollm.perception import observe
    from emollm.perception.settings import PerceptionSettings

    settings = config.load(PerceptionSettings, config_file, overrides)
    check_out(out)

    def work(path: Path) -> Observation:
        observation = observe(open_clip(path, table_scale), settings)
        return observation if landmarks else without_landmarks(observation)

    key = fingerprint("observe", settings, str(landmarks), str(table_scale))
    batch = Batch(expand(clips, accepts), work, Observation, key=key, out=out, fresh=fresh)
    with batch:
        for observation in batch:
            if as_json:
                batch.show(observation.to_json())
            elif out is None:
                batch.show(observation_text(observation))
    return batch.exit_code


def without_landmarks(observation: Observation) -> Observation:
    """The same Observation without mesh points, which are most of its size."""
    tracks = tuple(
        track.model_copy(update={"faces": tuple(face.model_copy(update={"landmarks": ()}) for face in track.faces)})
        for track in observation.tracks
    )
    return observation.model_copy(update={"tracks": tracks})
