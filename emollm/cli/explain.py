"""``emollm explain``: which emotion, how strongly, and why."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emollm.cli import say
from emollm.cli.batch import Batch, fingerprint
from emollm.cli.clips import Request, clip_options, is_recorded
from emollm.cli.drawings import Drawings
from emollm.cli.heatmaps import HeatRequest, heatmap_options
from emollm.clip_files import clip_id
from emollm.errors import ConfigError
from emollm.types import Answer, Observation

if TYPE_CHECKING:
    from emollm.explain import ExplainSettings
    from emollm.generate import Generator


@click.command("explain")
@clip_options
@click.option("--labels", metavar="SET", help="Label set to answer in (docs/label-sets.md); default: basic8.")
@click.option(
    "--reasoner",
    metavar="NAME",
    help="Who answers: emollm-135m, cues (the deterministic reasoner), or a folder with a trained model; by default emollm-135m "
    "where it has learnt the label set.",
)
@click.option("--track", metavar="ID", help="Answer for this person (p1, p2 …) instead of the most prominent one.")
@click.option(
    "--ask",
    "questions",
    multiple=True,
    metavar="QUESTION",
    help="Ask the language model about the answer; may be given several times.",
)
@click.option(
    "--model", metavar="NAME", help="Language model for --ask: an asset, a folder, a hub name, or http(s)://HOST/v1."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="Write the answer as an HTML page; a folder of pages for several clips.",
)
@click.option(
    "--overlay",
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="Write the photo with what was found drawn on it; of a video a sheet of its most expressive moments.",
)
@heatmap_options
def command(
    request: Request,
    labels: str | None,
    reasoner: str | None,
    track: str | None,
    questions: tuple[str, ...],
    model: str | None,
    report: Path | None,
    overlay: Path | None,
    heat: HeatRequest | None,
) -> int:
    """Say which emotion a clip shows, how strongly, and why; each claim with its evidence.

    CLIP is a photo, a video, a sound recording, a table of OpenFace 2, py-feat or LibreFace (.csv), a folder or a pattern. Of a
    video faces are followed over time, and its own sound is listened to; x.mp4 and x.wav side by side are two clips.
    """
    from emollm.cli.text import answer_text
    from emollm.emotions import label_set
    from emollm.explain import answerer, chosen, explain, fallen_back

    settings = _settings(request, labels, reasoner)
    words = label_set(settings.labels)  # an unknown set is refused before any work
    own = answerer(chosen(settings.by, words))
    if reason := fallen_back(settings.by, words):
        say(reason)
    paths = request.paths()
    drawings = Drawings(paths, report, overlay, request.clips, settings.report, heat)
    asker = _Asker(questions, model)
    settings = settings.model_copy(update={"perception": request.pinned(settings.perception, paths)})
    shown: dict[str, Observation] = {}

    def work(path: Path) -> Answer:
        clip = request.open(path)
        with batch.turn(path, is_recorded(clip)) as progress:
            observation, answer = explain(clip, settings, track, progress, batch.people(path))
        answer = asker(answer, observation)
        drawings.draw(path, clip, observation, answer)
        if request.in_words:
            shown[clip.id] = observation
        return answer

    asked = str((track, questions, asker.name, request.table, own.name if own is not None else None))
    key = fingerprint("explain", settings, words, asked, *filter(None, (drawings.key,)))
    workers = 1 if questions else settings.perception.threads  # a language model takes one question at a time
    by_id = {clip_id(path): path for path in paths}
    with Batch(
        paths, work, Answer, key=key, out=request.out, fresh=request.fresh, made=drawings.of, workers=workers
    ) as batch:
        for answer in batch:
            drawings.add_row(by_id[answer.id], answer)
            request.show(batch, answer, partial(answer_text, answer, shown.pop(answer.id, None)))
    drawings.write_index()
    return batch.exit_code


def _settings(request: Request, labels: str | None, reasoner: str | None) -> "ExplainSettings":
    from emollm.explain import ExplainSettings

    settings = request.settings(ExplainSettings)
    given = {"labels": labels, "by": reasoner}
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None})


# ---- questions ------------------------------------------------------------------------------------------------------


class _Asker:
    """Puts the questions to a language model, which is looked up at once and loaded at the first reply.

    Raises:
        ConfigError: A model without a question, or a malformed address.
        DataError: A question is empty or too long.
        ModelError: There is no such model.
    """

    def __init__(self, questions: Sequence[str], model: str | None) -> None:
        if model is not None and not model.strip():
            raise ConfigError("--model: the name is empty; give an asset, a folder, a hub name or an address")
        if model is not None and not questions:
            raise ConfigError(f"--model {model}: the language model is used to answer --ask; ask a question")
        self._questions = questions
        self._generator: Generator | None = None
        if questions:
            from emollm.ask import readable
            from emollm.generate import DEFAULT, open_generator

            for question in questions:
                readable(question)
            self._generator = open_generator(model or DEFAULT)

    @property
    def name(self) -> str | None:
        """``name@version`` of the model, if there is one."""
        return None if self._generator is None else self._generator.name

    def __call__(self, answer: Answer, observation: Observation) -> Answer:
        if self._generator is None:
            return answer
        from emollm.ask import ask

        replies = tuple(ask(question, answer, observation, self._generator) for question in self._questions)
        return answer.model_copy(update={"follow_ups": replies})
