"""``emollm explain``: which emotion, how strongly, and why."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from emollm.cli import say
from emollm.cli.batch import Batch, fingerprint
from emollm.cli.clip_list import read_list
from emollm.cli.clips import Request, clip_or_list_options, is_recorded, refuse_clips
from emollm.cli.drawings import Drawings
from emollm.cli.heatmaps import HeatRequest, heatmap_options
from emollm.clip_files import clip_id
from emollm.errors import ConfigError
from emollm.types import Answer, Clip, Observation

if TYPE_CHECKING:
    from emollm.emotions import LabelSet
    from emollm.explain import ExplainSettings
    from emollm.generate import Generator


@click.command("explain")
@clip_or_list_options
@click.option(
    "--batch",
    "listed",
    type=click.Path(path_type=Path),
    metavar="FILE.jsonl",
    help='Clips from a list, one object a line: {"path": "clip.mp4"}, with "track" if wanted.',
)
@click.option(
    "--endpoint",
    metavar="URL",
    help="Have a server explain (emollm serve), several clips at a time; its key in EMOLLM_API_KEY.",
)
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
    listed: Path | None,
    endpoint: str | None,
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

    settings = _settings(request, labels, reasoner)
    words = label_set(settings.labels)  # an unknown set is refused before any work
    paths, tracks = _clips(request, listed)
    if endpoint is not None:
        _refuse_beside_endpoint(settings, reasoner, model, labels)
        who: _Who = _Served(endpoint, words.id, questions)
    else:
        who = _Here(request, settings, words, questions, model, paths)
    drawings = Drawings(paths, report, overlay, request.clips, settings.report, heat)
    shown: dict[str, Observation] = {}

    def work(path: Path) -> Answer:
        clip = request.open(path)
        observation, answer = who(path, clip, tracks.get(path, track), batch)
        drawings.draw(path, clip, observation, answer)
        if request.in_words:
            shown[clip.id] = observation
        return answer

    asked = str((track, questions, who.asker, request.table, who.name))
    listed_tracks = str(sorted((str(path), wanted) for path, wanted in tracks.items())) if tracks else None
    key = fingerprint("explain", who.settings, words, asked, *filter(None, (drawings.key, listed_tracks)))
    by_id = {clip_id(path): path for path in paths}
    with Batch(
        paths, work, Answer, key=key, out=request.out, fresh=request.fresh, made=drawings.of, workers=who.workers
    ) as batch:
        for answer in batch:
            drawings.add_row(by_id[answer.id], answer)
            request.show(batch, answer, partial(answer_text, answer, shown.pop(answer.id, None)))
    drawings.write_index()
    return batch.exit_code


def _clips(request: Request, listed: Path | None) -> tuple[list[Path], dict[Path, str]]:
    """The clips that are named and those of a list, and the people that the list wants."""
    if listed is None and not request.clips:
        raise click.UsageError("Missing argument 'CLIP...'; or give --batch FILE.jsonl.")
    named = request.paths() if request.clips else []
    found = read_list(listed) if listed is not None else []
    paths = list(dict.fromkeys([*named, *(one.path for one in found)]))
    if request.out is not None:
        refuse_clips([request.out], [*paths, *([listed] if listed is not None else [])])
    return paths, {one.path: one.track for one in found if one.track is not None}


def _settings(request: Request, labels: str | None, reasoner: str | None) -> "ExplainSettings":
    from emollm.explain import ExplainSettings

    settings = request.settings(ExplainSettings)
    given = {"labels": labels, "by": reasoner}
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None})


def _refuse_beside_endpoint(
    settings: "ExplainSettings", reasoner: str | None, model: str | None, labels: str | None
) -> None:
    """Refuses what a server decides for itself."""
    from emollm.explain import ExplainSettings

    for option, value in (("--reasoner", reasoner), ("--model", model)):
        if value is not None:
            raise ConfigError(f"{option} {value}: with --endpoint the server's model answers; leave one of them out")
    plain = ExplainSettings(labels=settings.labels, report=settings.report)
    if settings != plain:
        raise ConfigError(
            "settings of perception or reasoner: with --endpoint the server has its own; give them to emollm serve"
        )


# ---- who answers ----------------------------------------------------------------------------------------------------


class _Who(Protocol):
    """What explains a clip."""

    settings: "ExplainSettings"
    """As they count for the answers."""
    name: str | None
    """The model with its version; None for the reasoner."""
    asker: str | None
    """Who replies to questions."""
    workers: int
    """Clips that are worked on at the same time."""

    def __call__(
        self, path: Path, clip: Clip, track: str | None, batch: Batch[Answer]
    ) -> tuple[Observation, Answer]: ...


class _Here:
    """This process explains."""

    def __init__(
        self,
        request: Request,
        settings: "ExplainSettings",
        words: "LabelSet",
        questions: tuple[str, ...],
        model: str | None,
        paths: Sequence[Path],
    ) -> None:
        from emollm.explain import answerer, chosen, fallen_back

        own = answerer(chosen(settings.by, words))
        if reason := fallen_back(settings.by, words):
            say(reason)
        self._asker = _Asker(questions, model)
        self.settings = settings.model_copy(update={"perception": request.pinned(settings.perception, paths)})
        self.name, self.asker = own.name if own is not None else None, self._asker.name
        self.workers = (
            1 if questions else self.settings.perception.threads
        )  # a language model takes one question at a time

    def __call__(self, path: Path, clip: Clip, track: str | None, batch: Batch[Answer]) -> tuple[Observation, Answer]:
        from emollm.explain import explain

        with batch.turn(path, is_recorded(clip)) as progress:
            observation, answer = explain(clip, self.settings, track, progress, batch.people(path))
        return observation, self._asker(answer, observation)


class _Served:
    """A server explains."""

    workers = 8
    asker: str | None = None

    def __init__(self, address: str, labels: str, questions: tuple[str, ...]) -> None:
        from emollm.ask import readable
        from emollm.explain import ExplainSettings
        from emollm.remote import Remote

        self._remote, self._labels = Remote(address), labels
        self._questions = tuple(readable(question) for question in questions)
        self.settings = ExplainSettings(labels=labels)
        self.name: str | None = str(self._remote.served())

    def __call__(self, path: Path, clip: Clip, track: str | None, batch: Batch[Answer]) -> tuple[Observation, Answer]:
        observation, answer = self._remote.explain(path, clip.id, self._labels, track)
        replies = tuple(self._remote.ask(question, answer, observation) for question in self._questions)
        return observation, answer.model_copy(update={"follow_ups": replies})


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
