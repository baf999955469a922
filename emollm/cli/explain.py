"""``emollm explain``: which emotion, how strongly, and why."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emollm import config
from emollm.cli.batch import Batch, clip_id, expand, fingerprint
from emollm.cli.clips import accepts, check_out, clip_options, open_clip
from emollm.errors import ConfigError
from emollm.types import Answer, Clip, Observation

if TYPE_CHECKING:
    from emollm.generate import Generator
    from emollm.media.images import Picture

_PICTURES = (".png", ".jpg", ".jpeg")


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
    clips: tuple[str, ...],
    as_json: bool,
    out: Path | None,
    fresh: bool,
    config_file: Path | None,
    overrides: tuple[str, ...],
    table_scale: float | None,
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
    from emollm.emotions import label_set
    from emollm.explain import ExplainSettings, explain

    settings = config.load(ExplainSettings, config_file, overrides)
    if labels is not None:
        settings = settings.model_copy(update={"labels": labels})
    label_set(settings.labels)  # an unknown set is refused before any work
    paths = expand(clips, accepts)
    check_out(out)
    pages = _Targets("--report", report, paths, (".html", ".htm"), ".html")
    overlays = _Targets("--overlay", overlay, paths, _PICTURES, ".png")
    asker = _Asker(questions, model)
    rows: list[tuple[Path, Answer]] = []

    def work(path: Path) -> Answer:
        clip = open_clip(path, table_scale)
        observation, answer = explain(clip, settings, track)
        answer = asker(answer, observation)
        _draw(clip, observation, answer, pages.of(path), overlays.of(path))
        if not as_json and out is None:
            shown[clip.id] = observation
        return answer

    shown: dict[str, Observation] = {}
    key = fingerprint("explain", settings, str((track, questions, model, table_scale, str(report), str(overlay))))
    batch = Batch(paths, work, Answer, key=key, out=out, fresh=fresh)
    by_id = {clip_id(path): path for path in paths}
    with batch:
        for answer in batch:
            rows.append((by_id[answer.id], answer))
            if as_json:
                batch.show(answer.to_json())
            elif out is None:
                from emollm.cli.text import answer_text

                batch.show(answer_text(answer, shown.pop(answer.id, None)))
    pages.write_index(rows)
    return batch.exit_code


class _Targets:
    """Where the page or picture of each clip goes: one file for one clip, else a folder with one file a clip."""

    def __init__(
        self, option: str, target: Path | None, paths: Sequence[Path], suffixes: Sequence[str], suffix: str
    ) -> None:
        self._files: dict[Path, Path] = {}
        self._folder: Path | None = None
        if target is None:
            return
        if target.suffix.lower() in suffixes and not target.is_dir():
            if len(paths) > 1:
                raise ConfigError(f"{option} {target}: {len(paths)} clips need a folder, not one file")
            self._files = {paths[0]: target}
        elif target.suffix and not target.is_dir():
            raise ConfigError(f"{option} {target}: expected a name that ends in {' or '.join(suffixes)}, or a folder")
        else:
            self._folder = target
            taken: set[str] = set()
            for path in paths:
                name, count = path.name, 1
                while name in taken:
                    count += 1
                    name = f"{path.name}-{count}"
                taken.add(name)
                self._files[path] = target / f"{name}{suffix}"

    def of(self, path: Path) -> Path | None:
        """File for the clip of that path, if any was asked for."""
        return self._files.get(path)

    def write_index(self, rows: Sequence[tuple[Path, Answer]]) -> None:
        """An index of the pages in a folder."""
        if self._folder is not None and rows:
            from emollm.report.page import index_row, write_index

            pages = (index_row(answer, self._files[path], _picture(path)) for path, answer in rows)
            write_index(self._folder / "index.html", pages)


def _picture(path: Path) -> "Picture | None":
    """The photo again, for its thumbnail; None for a table."""
    from emollm.media.images import looks_like_image, read_image

    return read_image(path) if looks_like_image(path) else None


class _Asker:
    """Puts the questions to a language model that is opened at the first answer."""

    def __init__(self, questions: Sequence[str], model: str | None) -> None:
        if model is not None and not questions:
            raise ConfigError(f"--model {model}: the language model is used to answer --ask; ask a question")
        self._questions = questions
        self._model = model
        self._generator: Generator | None = None

    def __call__(self, answer: Answer, observation: Observation) -> Answer:
        if not self._questions:
            return answer
        from emollm.ask import ask
        from emollm.generate import DEFAULT, open_generator

        if self._generator is None:
            self._generator = open_generator(self._model or DEFAULT)
        replies = tuple(ask(question, answer, observation, self._generator) for question in self._questions)
        return answer.model_copy(update={"follow_ups": replies})


def _draw(clip: Clip, observation: Observation, answer: Answer, page: Path | None, overlay: Path | None) -> None:
    if page is None and overlay is None:
        return
    picture = None
    if clip.image is not None:
        from emollm.media.images import read_image

        picture = read_image(clip.image)
    if page is not None:
        from emollm.report.page import write_report

        write_report(page, observation, answer, picture)
    if overlay is not None and picture is not None:
        from emollm.report.overlay import write_overlay

        write_overlay(overlay, observation, answer, picture)
