"""``emollm eval score`` and ``compare``: anyone's predictions beside references."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
from click.core import ParameterSource

from emollm.cli import DONE, SOME_REJECTED, say
from emollm.errors import ConfigError

if TYPE_CHECKING:
    from emollm.eval.scoring import Settings
    from emollm.types import Record

_KINDS = click.Choice(["labels", "several", "ov", "emer", "va", "sentiment", "preference", "faithfulness", "abaw"])
_OF = {
    "labels": ("labels", "several", "va", "abaw"),
    "vocabulary": ("ov", "emer"),
    "clues": ("emer",),
    "judge": ("emer",),
    "language": ("emer",),
    "bounds": ("va",),
}
"""The kinds that an option is for."""
_LEAST = 100
_Command = TypeVar("_Command", bound=Callable[..., Any])


def _shared(function: _Command) -> _Command:
    """The options of both commands."""
    for option in reversed(
        (
            click.option(
                "--labels",
                default="",
                metavar="SET",
                help="labels, several, va, abaw: the closed set; an id, a YAML file or A,B,…",
            ),
            click.option(
                "--vocabulary",
                default="2026",
                show_default=True,
                metavar="2026|FOLDER",
                help="ov, emer: tables of the emotion wheels.",
            ),
            click.option(
                "--clues/--no-clues", default=True, show_default=True, help="emer: compare clues too, not labels alone."
            ),
            click.option("--judge", default="", metavar="URL#MODEL", help="emer: ask a judge too, over HTTP (OpenAI)."),
            click.option(
                "--judge-language",
                "language",
                type=click.Choice(["en", "zh"]),
                default="en",
                show_default=True,
                help="emer: language of the judge's prompts, and of the texts that are read.",
            ),
            click.option(
                "--range",
                "bounds",
                nargs=2,
                type=float,
                default=(-1.0, 1.0),
                show_default=True,
                help="va: lowest and highest rating.",
            ),
            click.option(
                "--cluster",
                default="",
                metavar="COLUMN",
                help="Column of the references that is resampled as one.  [default without --gold: cluster, if there]",
            ),
            click.option(
                "--resamples", type=click.IntRange(_LEAST, 1_000_000), help="Of the bootstrap.  [default: 2000]"
            ),
            click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the bootstrap."),
            click.option("--out", type=click.Path(path_type=Path), help="Write the report as JSON to this file."),
            click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object."),
        )
    ):
        function = option(function)
    return function


@click.command("score")
@click.argument("kind", type=_KINDS)
@click.option("--pred", required=True, type=click.Path(path_type=Path), help="Predictions: JSONL or csv.")
@click.option("--gold", type=click.Path(path_type=Path), help="References: csv or JSONL; by default gold in --pred.")
@click.option(
    "--groups", multiple=True, metavar="COLUMN", help="Column of the references whose values are compared; repeatable."
)
@_shared
def score(
    kind: str, pred: Path, gold: Path | None, groups: tuple[str, ...], out: Path | None, as_json: bool, **options: Any
) -> int:
    """Score anyone's predictions: labels, free words, descriptions with or without evidence, ratings, sides, choices, ABAW.

    Rows are aligned by id. What is missing or cannot be read is counted, and wrong; nothing is guessed. The exit code is 1 where rows of the
    predictions could not be used at all. docs/evaluate.md has the formats.
    """
    from emollm.eval.scoring_compare import score as scored_by
    from emollm.eval.scoring_report import text

    _spare(out, pred, gold)
    scored = scored_by(kind, pred, gold, _settings(kind, groups, **options))
    _deliver(scored, out, scored.to_json() if as_json else text(scored))
    return _tell_rejected(pred, scored.counts["rejected"])


@click.command("compare")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--gold", type=click.Path(path_type=Path), help="References; by default what both files hold as gold.")
@click.option("--kind", type=_KINDS, help="What the answers are.  [default: what their task asks for, else labels]")
@_shared
def compare(
    first: Path, second: Path, gold: Path | None, kind: str | None, out: Path | None, as_json: bool, **options: Any
) -> int:
    """Compare two files of predictions on the same references: paired intervals, and McNemar's test of labels.

    Files whose recorded references differ are refused. The exit code is 1 where rows of either file could not be used at all.
    """
    from emollm.eval.run_score import recorded_kind
    from emollm.eval.scoring_compare import compare as compared_by
    from emollm.eval.scoring_report import comparison

    _spare(out, first, second, gold)
    kind = kind or recorded_kind(first, second)
    compared = compared_by(kind, first, second, gold, _settings(kind, (), **options))
    _deliver(compared, out, compared.to_json() if as_json else comparison(compared))
    return max(_tell_rejected(*one) for one in zip((first, second), compared.rejected.values(), strict=True))


def _settings(
    kind: str,
    groups: tuple[str, ...],
    *,
    labels: str,
    vocabulary: str,
    clues: bool,
    judge: str,
    language: Literal["en", "zh"],
    bounds: tuple[float, float],
    cluster: str,
    resamples: int | None,
    seed: int,
) -> "Settings":
    from emollm.eval.scoring import Settings
    from emollm.metrics.bootstrap import RESAMPLES

    context = click.get_current_context()
    for option in context.command.params:
        given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if given and kind not in _OF.get(option.name or "", (kind,)):
            raise ConfigError(
                f"{option.opts[0]} is for {', '.join(_OF[option.name or ''])}, not for {kind}; leave it out"
            )
    low, high = bounds
    return Settings(
        labels, vocabulary, cluster, groups, low, high, clues, resamples or RESAMPLES, seed, judge, language
    )


def _tell_rejected(file: Path, rejected: int) -> int:
    """The exit code, after a line where rows were rejected."""
    if not rejected:
        return DONE
    say(
        f"{file}: {rejected} rows could not be used (no id, no form, two answers or an unknown id); the others are scored"
    )
    return SOME_REJECTED


def _spare(out: Path | None, *inputs: Path | None) -> None:
    if out is not None and out.resolve() in [path.resolve() for path in inputs if path is not None]:
        raise ConfigError(f"{out}: is read by this very command; give --out another name")


def _deliver(record: "Record", out: Path | None, shown: str) -> None:
    from emollm.files import replacing

    if out is not None:
        with replacing(out, "w") as file:
            file.write(record.to_json(indent=1) + "\n")
    click.echo(shown)
