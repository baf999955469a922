"""``emollm explain``: which emotion, how strongly, and why."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emollm.cli import say
from emollm.cli.batch import Batch, clip_id, fingerprint
from emollm.cli.clips import Request, clip_options, is_table, refuse_clips, several, takes_in
from emollm.errors import ConfigError
from emollm.types import Answer, Clip, Observation

if TYPE_CHECKING:
    from emollm.explain import ExplainSettings
    from emollm.generate import Generator
    from emollm.report.page import IndexRow

_PAGES = (".html", ".htm")
_PICTURES = (".png", ".jpg", ".jpeg")
_LONGEST = 200
"""Bytes of a clip's name that the name of its page keeps: a file system allows 255, and the page adds to them."""


@click.command("explain")
@clip_options
@click.option("--labels", metavar="SET", help="Label set to answer in (docs/label-sets.md); default: basic8.")
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
    help="Write the photo with what was found drawn on it.",
)
def command(
    request: Request,
    labels: str | None,
    track: str | None,
    questions: tuple[str, ...],
    model: str | None,
    report: Path | None,
    overlay: Path | None,
) -> int:
    """Say which emotion a photo shows, how strongly, and why; each claim with its evidence.

    CLIP is a photo, a table of OpenFace 2, py-feat or LibreFace (.csv), a folder or a pattern.
    """
    from emollm.cli.text import answer_text
    from emollm.emotions import label_set
    from emollm.explain import explain

    settings = _settings(request, labels)
    words = label_set(settings.labels)  # an unknown set is refused before any work
    paths = request.paths()
    drawings = _Drawings(paths, report, overlay, request.clips)
    asker = _Asker(questions, model)
    settings = settings.model_copy(update={"perception": request.pinned(settings.perception, paths)})
    shown: dict[str, Observation] = {}

    def work(path: Path) -> Answer:
        clip = request.open(path)
        observation, answer = explain(clip, settings, track)
        answer = asker(answer, observation)
        drawings.draw(path, clip, observation, answer)
        if request.in_words:
            shown[clip.id] = observation
        return answer

    key = fingerprint("explain", settings, words, str((track, questions, asker.name, request.table_scale)))
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


def _settings(request: Request, labels: str | None) -> "ExplainSettings":
    from emollm.explain import ExplainSettings

    settings = request.settings(ExplainSettings)
    return settings if labels is None else settings.model_copy(update={"labels": labels})


# ---- pages and pictures ---------------------------------------------------------------------------------------------


def _targets(option: str, target: Path | None, paths: Sequence[Path], suffixes: Sequence[str]) -> dict[Path, Path]:
    """Where the page or picture of each clip goes: one file for one clip, else a folder with one file a clip."""
    if target is None:
        return {}
    if str(target) == "-":
        raise ConfigError(f"{option} -: standard output is not written to; give a file or a folder")
    if target.suffix.lower() in suffixes and not target.is_dir():
        if len(paths) > 1:
            raise ConfigError(f"{option} {target}: {len(paths)} clips need a folder, not one file")
        return dict.fromkeys(paths, target)
    if target.suffix and not target.is_dir():
        raise ConfigError(f"{option} {target}: expected a name that ends in {' or '.join(suffixes)}, or a folder")
    names = {path: _short(path.name) for path in paths}
    uses = Counter(name.casefold() for name in names.values())
    uses["index"] += 1  # index.html is the overview
    for path, name in names.items():
        if uses[name.casefold()] > 1:  # told apart by where the clips are, whatever the order they are named in
            names[path] = f"{name}-{hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:10]}"
    return {path: target / f"{name}{suffixes[0]}" for path, name in names.items()}


def _short(name: str) -> str:
    """As much of a clip's name as the name of its page can hold, in whole characters."""
    whole = os.fsencode(name)
    return name if len(whole) <= _LONGEST else whole[:_LONGEST].decode("utf-8", "ignore")


class _Drawings:
    """The page and the annotated photo of each clip, and the overview of a folder of pages.

    Args:
        paths: The clips.
        report: File or folder of the pages, if any were asked for.
        overlay: File or folder of the annotated photos, if any were asked for.
        arguments: What the clips were asked for by.

    Raises:
        ConfigError: One file for several clips, a name of another kind, a file that would replace a clip or be read as one
            by the next run, or tables only where photos are to be drawn on.
    """

    def __init__(
        self, paths: Sequence[Path], report: Path | None, overlay: Path | None, arguments: Sequence[str] = ()
    ) -> None:
        self._pages = _targets("--report", report, paths, _PAGES)
        self._overlays = _targets("--overlay", overlay, paths, _PICTURES)
        self._folder = report if report is not None and report not in self._pages.values() else None
        self._rows: dict[Path, IndexRow] = {}
        tables = [path for path in self._overlays if is_table(path)]
        if tables and len(tables) == len(paths):
            raise ConfigError(
                f"--overlay {overlay}: a table of measurements has no photo to draw on; leave --overlay out"
            )
        if tables:
            say(
                f"--overlay {overlay}: {len(tables)} tables of measurements have no photo to draw on, the photos are drawn"
            )
        for table in tables:
            del self._overlays[table]
        refuse_clips((*self._pages.values(), *self._overlays.values()), paths)
        for argument in filter(several, arguments):
            if any(takes_in(argument, file) for file in self._overlays.values()):
                raise ConfigError(
                    f"--overlay {overlay}: lies in {argument}, so that the next run would take the drawings for photos; "
                    "give another folder"
                )

    def of(self, path: Path) -> tuple[Path, ...]:
        """The files that are written for the clip of that path."""
        return tuple(files[path] for files in (self._pages, self._overlays) if path in files)

    def draw(self, path: Path, clip: Clip, observation: Observation, answer: Answer) -> None:
        """Writes page and annotated photo, as far as they were asked for; the photo is decoded once for both."""
        if not self.of(path):
            return
        from emollm.media.images import read_image

        picture = read_image(clip.image) if clip.image is not None else None
        if path in self._pages:
            from emollm.report.page import index_row, write_report

            write_report(self._pages[path], observation, answer, picture)
            if self._folder is not None:
                self._rows[path] = index_row(_listed(answer), self._pages[path], picture)
        if path in self._overlays and picture is not None:
            from emollm.report.overlay import write_overlay

            write_overlay(self._overlays[path], observation, answer, picture)

    def add_row(self, path: Path, answer: Answer) -> None:
        """Makes the row of a clip that an earlier run has drawn."""
        if self._folder is None or path in self._rows:
            return
        from emollm.errors import MediaError
        from emollm.media.images import read_image
        from emollm.report.page import index_row

        try:
            picture = None if is_table(path) else read_image(path)
        except MediaError:  # it could be read when its page was made, and the page is what counts
            picture = None
        self._rows[path] = index_row(_listed(answer), self._pages[path], picture)

    def write_index(self) -> None:
        """Writes the overview of a folder of pages."""
        if self._folder is not None and self._rows:
            from emollm.report.page import write_index

            rows = (self._rows[path] for path in self._pages if path in self._rows)  # drawn in any order
            write_index(self._folder / "index.html", rows)


def _listed(answer: Answer) -> Answer:
    """What the overview shows of an answer: a run of thousands of clips does not hold the rest in memory."""
    rest = {"rationale": None, "claims": (), "missing": (), "labels": (), "follow_ups": (), "text": ""}
    return answer.model_copy(update={**rest, "people": tuple(_listed(person) for person in answer.people)})


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
