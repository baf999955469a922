"""``emollm embed``: the faces of photos and videos as vectors."""

import math
from pathlib import Path

import click

from emollm.cli.batch import Batch, expand, fingerprint
from emollm.cli.clips import Request, is_recorded, picture_options, refuse_clips
from emollm.clip_files import accepts, is_sound, is_table
from emollm.embedding import EmbeddedClip, Head, open_embedder
from emollm.errors import ConfigError
from emollm.perception.settings import PerceptionSettings


@click.command("embed")
@picture_options
@click.option(
    "--encoder",
    default="face-mt",
    show_default=True,
    metavar="NAME|FOLDER",
    help="Face net: one that is shipped, or a folder that training wrote.",
)
@click.option(
    "--head",
    type=click.Choice([str(head) for head in Head]),
    default=str(Head.EMBEDDING),
    show_default=True,
    help="The vector: of the head for embeddings (length 1), or the pooled features of the encoder.",
)
@click.option(
    "--every",
    type=float,
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often a person in a video is looked at; the apexes of the face come on top.",
)
@click.option("--track", metavar="ID", help="Only this person (p1, p2 …).")
def command(request: Request, encoder: str, head: str, every: float, track: str | None) -> int:
    """Write face embeddings as Parquet, with the expression that the net sees.

    CLIP is a photo, a video, a folder or a pattern. A photo gives a row a face; a video a row for each person every so many
    seconds, and one at each apex of the face. Sound counts only for where the apexes are; its words are not recognised.
    """
    from emollm.embedding_table import ParquetForm

    if not (math.isfinite(every) and every > 0):
        raise ConfigError(f"--every {every:g}: expected a number of seconds above 0, for example 0.5")
    if request.out is None and not request.as_json:
        raise ConfigError("expected --out FILE.parquet, or --json to print the vectors")
    settings = _settings(request)
    paths = expand(request.clips, _has_pictures)
    if request.out is not None:
        refuse_clips([request.out], paths)
    settings = request.pinned(settings, paths)
    embedder = open_embedder(encoder, Head(head))
    form = ParquetForm(embedder.net) if request.out is not None else None

    def work(path: Path) -> EmbeddedClip:
        clip = request.open(path)
        with batch.turn(path, is_recorded(clip)) as progress:
            return embedder.embed(clip, settings, every, track, progress)

    key = fingerprint("embed", settings, str((embedder.net, every, track)))
    batch = Batch(paths, work, EmbeddedClip, key=key, out=request.out, fresh=request.fresh, workers=settings.threads)
    if form is not None:
        batch.form = form
    with batch:
        for clip in batch:
            if not clip.faces:
                batch.note(f"{clip.id}: {clip.note or _nobody(track)}")
            request.show(batch, clip, str)
    return batch.exit_code


def _settings(request: Request) -> PerceptionSettings:
    """Perception as ``explain`` has it, so that people and apexes are the same, without what only labels, words and scenes need."""
    from emollm.explain import ExplainSettings

    settings = request.settings(ExplainSettings).perception
    voice = settings.voice.model_copy(update={"words": "none"})
    scene = settings.scene.model_copy(update={"checkpoint": None})
    expression = settings.expression.model_copy(update={"net": None})
    return settings.model_copy(update={"voice": voice, "scene": scene, "expression": expression})


def _has_pictures(path: Path) -> bool:
    return accepts(path) and not is_table(path) and not is_sound(path)


def _nobody(track: str | None) -> str:
    return "no face found" if track is None else f"nothing is seen of {track}"
