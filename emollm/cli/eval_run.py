"""``emollm eval run``: a benchmark answered by a generator, scored and drawn."""

import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emollm.cli import DONE, SOME_REJECTED, say
from emollm.cli.eval_sweep import KINDS, followed, swept
from emollm.errors import ConfigError, one_line

if TYPE_CHECKING:
    from emollm.eval.run import Outcome, Plan
    from emollm.eval.sweeps import Sweep

_TOLD = 5
"""Items that could not be asked which are told one by one."""
_LEAST = 100
_LONGEST = 60


@click.command("run")
@click.argument("name", metavar="TASK")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The data set, as `describe` shows it.  [default: $EMOLLM_DATA_TASK, $EMOLLM_DATA/TASK or data/TASK]",
)
@click.option(
    "--generator",
    required=True,
    metavar="NAME",
    help="Who answers: majority, constant:LABEL, cues, emollm-135m, a folder with a trained model, openai:http://HOST/v1#MODEL, "
    "hf:FOLDER or hf:OWNER/NAME.",
)
@click.option("--split", default="", help="The part; by default the headline's.")
@click.option(
    "--purpose",
    type=click.Choice(["measure", "select", "tune", "calibrate"]),
    default="measure",
    show_default=True,
    help="What the number is for; nothing is chosen by a number of a test part.",
)
@click.option("--limit", type=click.IntRange(1), help="At most so many items, evenly spaced.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of answers and reports; the same command goes on where it was stopped.  [default: runs/eval/TASK-PART-NAME, with a sum of --set]",
)
@click.option("--fresh", is_flag=True, help="Drop the answers that --out has.")
@click.option("--prompt", default="", metavar="ID", help="Ask another prompt than the task's.")
@click.option("--wording", type=click.IntRange(1), default=1, show_default=True, help="Which wording of the prompt.")
@click.option("--max-tokens", type=click.IntRange(1, 32_768), help="Length of a reply; by default what the task needs.")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True, help="Of the draw.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="Requests that are sent to an endpoint at the same time.",
)
@click.option(
    "--vocabulary",
    default="2026",
    show_default=True,
    metavar="2026|FOLDER",
    help="Open vocabulary: tables of the emotion wheels.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A setting, such as reader.image=file.")
@click.option("--resamples", type=click.IntRange(_LEAST, 1_000_000), help="Of the bootstrap.  [default: 2000]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draw and the bootstrap.")
@click.option(
    "--sweep", type=click.Choice(KINDS), help="Answer it clean and in variants, and say how much the number moves."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def run(name: str, overrides: tuple[str, ...], sweep: "Sweep | None", as_json: bool, **options: Any) -> int:
    """Answer a benchmark by a generator, and score the answers: official metrics with intervals, floors, coverage and gaps.

    --out gets answers.jsonl, report.json, report.md and report.html. Items that could not be asked are told, listed in rejects.jsonl and
    count as wrong; the exit code is 1 then, and the same command tries them again.
    """
    from emollm.eval.report_pages import told_text
    from emollm.eval.run import run as answered

    plan = _plan(name, overrides, **options)
    if sweep is not None:
        own = plan.out if options["out"] else plan.out.with_name(f"{plan.out.name}-sweeps")
        return swept(plan._replace(out=own), sweep, as_json)
    outcome = followed(plan.task.id, lambda told: answered(plan, told))
    _tell(outcome, plan.out)
    click.echo(outcome.scored.to_json() if as_json else told_text(outcome.scored))
    say(f"answers and reports are in {plan.out}")
    return SOME_REJECTED if outcome.rejects else DONE


def _plan(name: str, overrides: tuple[str, ...], **options: Any) -> "Plan":
    from emollm.eval.data_folders import data_of
    from emollm.eval.run import Plan
    from emollm.eval.tasks import task
    from emollm.metrics.bootstrap import RESAMPLES

    found = task(name, overrides)
    options["data"] = data = data_of(found, options["data"])
    split = options["split"] or found.default_split
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", options["generator"]).strip("-")[-_LONGEST:]
    changed = f"-set-{sha256(repr(overrides).encode()).hexdigest()[:8]}" if overrides else ""
    out = options["out"] or Path("runs", "eval", f"{found.id}-{split}-{slug}{changed}")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: expected a folder, this is a file")
    if out.resolve() == data.resolve():
        raise ConfigError(f"--out {out}: is the data set; give another folder")
    resamples = options["resamples"] or RESAMPLES
    return Plan(task=found, **options | {"split": split, "out": out, "resamples": resamples})


def _tell(outcome: "Outcome", out: Path) -> None:
    """Says how many items could not be asked, and of the first which and why."""
    rejects = outcome.rejects
    if not rejects:
        return
    many = "1 item" if len(rejects) == 1 else f"{len(rejects)} items"
    say(f"{many} could not be asked, each counts as wrong; {out / 'rejects.jsonl'} lists them")
    for reject in rejects[:_TOLD]:
        say(f"{one_line(reject.id, 80)}: {reject.reason}")
