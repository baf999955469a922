"""``emollm eval run --sweep``: a benchmark answered clean and in variants, and how much its number moves."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from emollm.cli import DONE, SOME_REJECTED, Stopped, say

if TYPE_CHECKING:
    from emollm.eval.run import Plan, Progress, Told
    from emollm.eval.sweeps import Sweep

T = TypeVar("T")

KINDS = ("prompts", "streams", "noise", "image-quality")
"""What may vary; :data:`emollm.eval.sweeps.SWEEPS`, without loading it."""


def swept(plan: "Plan", kind: "Sweep", as_json: bool) -> int:
    """Runs it clean and in each variant, with progress, and prints the table.

    Args:
        plan: The clean run; its ``out`` gets a folder a variant and the report of the sweep.
        kind: One of :data:`KINDS`.
        as_json: Print one JSON object instead of the table.

    Returns:
        The exit code: 1 where items could not be asked in some variant.
    """
    from emollm.eval.sweeping.pages import text
    from emollm.eval.sweeps import sweep

    found = followed(plan.task.id, lambda told: sweep(plan, kind, told))
    click.echo(found.to_json() if as_json else text(found))
    say(f"answers and reports are in {plan.out}")
    return SOME_REJECTED if any(row.rejected for row in found.rows) else DONE


def followed(name: str, work: "Callable[[Told], T]") -> T:
    """Does work that tells how far it is; Ctrl-C and SIGTERM end it with a line that says how to go on.

    Args:
        name: What lines of progress call it.
        work: Called with what it is to tell.
    """
    from emollm.cli.interrupts import Interrupts
    from emollm.cli.meter import Meter, answers_text

    meter = Meter(0, bar=False)
    watch = meter.watch(Path(name), answers_text)
    last: Progress | None = None

    def progress(now: "Progress") -> None:
        nonlocal last
        last = now
        watch(now.done, now.total)

    interrupts = Interrupts(meter.stop, lambda: True)
    try:
        with interrupts:
            try:
                return work(progress)
            except Stopped:
                interrupts.check()  # raises what the signal means
                raise
    except KeyboardInterrupt as error:
        done = f"{last.done - last.rejected} of {last.total} items answered" if last is not None else "nothing answered"
        raise Stopped(f"stopped, {done}; run the same command again to go on") from error
