"""``emollm observe``: what is measured in clips."""

from functools import partial
from pathlib import Path

import click

from emollm.cli.batch import Batch, fingerprint
from emollm.cli.clips import Request, clip_options, is_recorded
from emollm.types import Observation


@click.command("observe")
@clip_options
@click.option("--landmarks/--no-landmarks", default=True, help="Whether to keep the mesh points of each face.")
def command(request: Request, landmarks: bool) -> int:
    """Measure faces (action units, head pose, gaze; in videos over time), the voice and the words.

    CLIP is a photo, a video, a sound recording, a table of OpenFace 2, py-feat or LibreFace (.csv), a folder or a pattern. Of a
    video faces are followed over time, and its own sound is listened to; x.mp4 and x.wav side by side are two clips.
    """
    from emollm.cli.text import observation_text
    from emollm.explain import ExplainSettings
    from emollm.perception import observe

    settings = request.settings(ExplainSettings).perception  # one settings file serves both commands
    paths = request.paths()
    settings = request.pinned(settings, paths)

    def work(path: Path) -> Observation:
        clip = request.open(path)
        with batch.turn(path, is_recorded(clip)) as progress:
            observation = observe(clip, settings, progress)
        return observation if landmarks else without_landmarks(observation)

    key = fingerprint("observe", settings, str(landmarks), request.table)
    with Batch(
        paths, work, Observation, key=key, out=request.out, fresh=request.fresh, workers=settings.threads
    ) as batch:
        for observation in batch:
            request.show(batch, observation, partial(observation_text, observation))
    return batch.exit_code


def without_landmarks(observation: Observation) -> Observation:
    """The same Observation without mesh points, which are most of its size."""
    tracks = tuple(
        track.model_copy(update={"faces": tuple(face.model_copy(update={"landmarks": ()}) for face in track.faces)})
        for track in observation.tracks
    )
    return observation.model_copy(update={"tracks": tracks})
