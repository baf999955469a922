"""In how many recordings of a folder are words believed? Speech, words and the recogniser's doubts, group by group.

A folder is a group; files given one by one are a group together. What is no recording is named and left out. A bar on stderr
tells how far it is; on Ctrl-C what was heard so far is told, and the exit status is 130.

    python -m emollm.eval.words FOLDER|FILE… [--json]
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

from emollm import config
from emollm.errors import EmollmError, MediaError
from emollm.media.audio import open_sound
from emollm.perception.voice.hearing import Hearing
from emollm.perception.voice.settings import VoiceSettings

QUANTILES = (5, 25, 50, 75, 95)


class Row(NamedTuple):
    """What was heard in one file."""

    file: Path
    duration: float
    """Seconds."""
    speech: float
    """Seconds."""
    words: int
    """That are believed."""
    confidence: float | None
    """Mean probability of all words, believed or not; None where none were written."""
    log_probability: float | None
    """Mean over what was written, weighted by its length."""
    doubts: tuple[str, ...]


def hear(file: Path, settings: VoiceSettings) -> Row:
    """What is heard in a recording.

    Raises:
        MediaError: It cannot be read.
    """
    hearing = Hearing(settings)
    for block in open_sound(file).blocks():
        hearing.push(block.start, block.samples)
    heard, written = hearing.finish(), [part for part in hearing.transcripts if part.sentences]
    counts = [sum(len(sentence.words) for sentence in part.sentences) for part in written]
    lengths = [part.end - part.start for part in written]
    return Row(
        file=file,
        duration=heard.duration,
        speech=sum(end - start for start, end in heard.speech),
        words=len(heard.words),
        confidence=_mean([part.confidence for part in written], counts),
        log_probability=_mean([part.log_probability for part in written], lengths),
        doubts=tuple(part.doubt for part in hearing.transcripts if part.doubt is not None),
    )


def summary(rows: Sequence[Row]) -> dict[str, object]:
    """Files with speech and with words, and quantiles of how sure the recogniser is."""
    spoken = sum(row.speech > 0 for row in rows)
    worded = sum(row.words > 0 for row in rows)
    return {
        "files": len(rows),
        "with_speech": spoken,
        "with_words": worded,
        "share_with_words": round(worded / len(rows), 4) if rows else None,
        "word_probability": _quantiles([row.confidence for row in rows]),
        "log_probability": _quantiles([row.log_probability for row in rows]),
    }


def recordings(places: Sequence[Path]) -> dict[str, list[Path]]:
    """Files by group, in order of their names.

    Raises:
        MediaError: There is no such place.
    """
    groups: dict[str, list[Path]] = {}
    for place in places:
        if place.is_dir():
            groups[str(place)] = sorted(file for file in place.iterdir() if file.is_file())
        elif place.is_file():
            groups.setdefault("files", []).append(place)
        else:
            raise MediaError(f"{place}: no such file or folder")
    return groups


def hear_all(groups: Mapping[str, Sequence[Path]], settings: VoiceSettings, rows: dict[str, list[Row]]) -> None:
    """What is heard in all recordings, with a bar on stderr; what is no recording is named there.

    Args:
        groups: Files by group.
        settings: Of the voice.
        rows: Is filled while it goes on, by group.
    """
    from tqdm import tqdm

    with tqdm(total=sum(map(len, groups.values())), unit="file", dynamic_ncols=True, file=sys.stderr) as bar:
        for name, files in groups.items():
            rows[name] = []
            for file in files:
                try:
                    rows[name].append(hear(file, settings))
                except MediaError as error:
                    bar.write(f"left out: {error}", file=sys.stderr)
                bar.update()


def _mean(values: Sequence[float], weights: Sequence[float]) -> float | None:
    return float(np.average(values, weights=weights)) if values else None


def _quantiles(values: Sequence[float | None]) -> dict[str, float]:
    known = [value for value in values if value is not None]
    if not known:
        return {}
    return {str(q): round(float(np.percentile(known, q)), 3) for q in QUANTILES}


def _page(name: str, found: dict[str, object]) -> str:
    head = f"{name}: {found['files']} files, {found['with_speech']} with speech, {found['with_words']} with words"
    lines = [f"{head} ({found['share_with_words']})"]
    for key in ("word_probability", "log_probability"):
        row = found[key]
        assert isinstance(row, dict)
        shown = "  ".join(f"{q} %: {value:.2f}" for q, value in row.items())
        lines.append(f"  {key.replace('_', ' '):16s} {shown or 'none'}")
    return "\n".join(lines)


@click.command()
@click.argument("places", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summaries and all rows as JSON.")
@click.option("--set", "overrides", multiple=True, help="Settings of the voice, as words=FOLDER.")
def main(places: tuple[Path, ...], as_json: bool, overrides: tuple[str, ...]) -> None:
    """Print for each group: files, files with speech, files with words, and how sure the recogniser is."""
    out: dict[str, list[Row]] = {}
    broken = False
    try:
        settings = config.load(VoiceSettings, None, overrides)
        settings = settings.model_copy(
            update={"words": settings.words}
        )  # asked for by name: without it nothing is told
        hear_all(recordings(places), settings, out)
    except KeyboardInterrupt:
        broken = True
        click.echo("interrupted: what follows is of the files heard so far", err=True)
    except EmollmError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        shown = {
            name: {**summary(rows), "rows": [{**row._asdict(), "file": str(row.file)} for row in rows]}
            for name, rows in out.items()
        }
        click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join(_page(name, summary(rows)) for name, rows in out.items()))
    if broken:
        sys.exit(130)


if __name__ == "__main__":
    main()
