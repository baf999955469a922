"""``emollm eval lmms``: our tasks as a folder for lmms-eval."""

from pathlib import Path

import click

from emollm.cli import DONE


@click.command("lmms")
@click.argument("names", nargs=-1, metavar="[TASK]...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder for --include_path.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data set, where one TASK is named.")
@click.option("--split", default="", help="Part of the data set; each task's own by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def lmms(names: tuple[str, ...], out: Path, data: Path | None, split: str, as_json: bool) -> int:
    """Write benchmarks as tasks of lmms-eval, all or those named.

    Without --data, EMOLLM_DATA_TASK or EMOLLM_DATA (a folder of folders) names the data when lmms-eval runs.
    """
    from emollm.eval.lmms_folder import TAG, write

    written = write(out, names, split, data)
    if as_json:
        import json

        click.echo(json.dumps({"out": str(out), "tasks": [one._asdict() for one in written]}, indent=1))
        return DONE
    for one in written:
        where = f"${one.variable}" if one.items is None else f"{one.items} items"
        click.echo(f"{one.name}  {one.ref} {one.split}, {', '.join(one.metrics)}; {where}")
    tasks = written[0].name if len(written) == 1 else TAG
    click.echo(f"\nlmms-eval --model MODEL --include_path {out} --tasks {tasks}")
    return DONE
