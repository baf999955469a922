"""``emollm data report``: what became of a build of training data, as one page."""

from pathlib import Path

import click

from emollm.cli import DONE
from emollm.errors import ConfigError


@click.command("report")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The page.  [default: report.html in the folder]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Draws the Samples that are shown.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON; the page is written only with --out.")
def report(data: Path, out: Path | None, seed: int, as_json: bool) -> int:
    """Draw what a build kept and lost, and twenty Samples to read.

    DATA is the output folder of `emollm data build`, or a .jsonl file of Samples. The page needs nothing else to be shown.
    """
    from emollm.report.data import write_data_report
    from emollm.report.data_counts import count
    from emollm.report.data_reading import find

    files = find(data)
    page = out if out is not None else data / "report.html" if data.is_dir() else data.with_suffix(".html")
    if page.resolve() in {path.resolve() for path in (*files.samples, *files.rejects, data)}:
        raise ConfigError(f"--out {page}: is one of the files to be read; give another name")
    numbers = count(files, seed)
    if out is not None or not as_json:
        write_data_report(page, numbers)
    print(numbers.to_json(indent=1) if as_json else page)
    return DONE
