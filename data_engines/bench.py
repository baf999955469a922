"""How fast and in how much memory rows of action units become Samples: 100,000 and 1,000,000 rows through ``exp_cot_rows``.

Rows are made by a seeded recipe and written as Parquet; each size is built by a process of its own with one worker, and the engine is
timed alone as well: Parquet in, JSONL out, no filters. The result goes to docs/bench.md between its markers.

    python -m emollm.data_engines.bench            (--rows 20000 --small 5000 --dry for a look)
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np

from emollm.config import load
from emollm.data_engines.blocks import RowEngine
from emollm.data_engines.engines import ENGINES
from emollm.data_engines.recipe import BuildSettings, find
from emollm.data_engines.run import build
from emollm.data_engines.shards import SAMPLES, shards
from emollm.data_engines.source_rows import read_rows
from emollm.data_engines.sources import plan
from emollm.errors import EmollmError
from emollm.facs import UNITS, priors
from emollm.files import replacing

RECIPE = "exp_cot_rows"
NUMBERS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
"""Units that OpenFace 2 gives intensities of."""
BATCH = 50_000
"""Rows of one row group."""
BEGIN, END = "<!-- bench: rows -->", "<!-- end of bench: rows -->"


def make_rows(path: Path, rows: int, seed: int = 0) -> None:
    """Writes a Parquet file of faces: the core units of an emotion at a random strength, weak others, a tenth of them still.

    The same seed gives the same first rows whatever the number.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    codes = [f"AU{number:02d}" for number in NUMBERS]
    table = priors().emotions
    cores = np.array([[code in one.units for code in codes] for one in table.values()], dtype=float)  # (E, U)
    schema = pyarrow.schema([(code, pyarrow.float32()) for code in codes])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, BATCH):
            random = np.random.default_rng([seed, start])
            core = cores[random.integers(len(cores), size=BATCH)]
            values = core * random.beta(2, 2, (BATCH, len(codes))) + random.beta(0.3, 6, (BATCH, len(codes)))
            values[random.random(BATCH) < 0.1] = 0.0
            values = values.clip(0, 1)[: rows - start].astype(np.float32)
            writer.write_table(pyarrow.table(dict(zip(codes, values.T, strict=True)), schema=schema))
    assert set(codes) <= set(UNITS)


def measure_build(path: Path, out: Path) -> dict[str, Any]:
    """Builds in this process: seconds of the blocks and of all, Samples, peak memory in MiB, bytes written."""
    begun, cpu = time.perf_counter(), time.process_time()
    blocks = [0.0]

    def progress(done: int, total: int, _: object) -> None:
        blocks[0] = time.perf_counter() - begun

    counts = build(_settings(), [str(path)], out, fresh=True, progress=progress)
    return {
        "rows": counts.items,
        "samples": counts.kept,
        "rejected": counts.rejects,
        "contradicted": counts.claims["contradicted"],
        "blocks": blocks[0],
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "bytes": sum(file.stat().st_size for file in shards(out, SAMPLES)),
    }


def measure_engine(path: Path, out: Path) -> dict[str, Any]:
    """The engine alone in this process: Parquet in, JSONL out; the first block is not counted."""
    settings = _settings()
    engine = ENGINES[settings.engine](settings)
    if not isinstance(engine, RowEngine):
        raise EmollmError(f"the engine {settings.engine} writes no lines about rows")
    rows = samples = 0
    begun, cpu = time.perf_counter(), time.process_time()
    with out.open("w", encoding="utf-8") as file:
        for span in plan([str(path)], settings).spans:
            table, _ = read_rows(span, settings)
            if table is None:
                continue
            for written in engine.row_lines(table):
                file.writelines(f"{line}\n" for line in written.lines)
                samples += len(written.lines)
            if span.index == 0:
                begun, cpu, samples = time.perf_counter(), time.process_time(), 0
            else:
                rows += len(table)
    seconds, used = time.perf_counter() - begun, time.process_time() - cpu
    return {"rows": rows, "samples": samples, "seconds": seconds, "cpu": used}


def _settings() -> BuildSettings:
    return load(BuildSettings, find(RECIPE))


def report(engine: dict[str, Any], small: dict[str, Any], large: dict[str, Any]) -> str:
    """The result as Markdown."""
    rate, cpu = engine["rows"] / engine["seconds"], engine["rows"] / engine["cpu"]
    lines = [
        f"`python -m emollm.data_engines.bench`, {date.today()}: made rows of {len(NUMBERS)} units (seed 0), recipe `{RECIPE}`, one "
        f"process. {_machine()}; load average {os.getloadavg()[0]:.1f} at the end.",
        "",
        "| what | rows | rows a second | per second of processor time | Samples | peak memory |",
        "|---|---|---|---|---|---|",
        f"| engine `exp_cot`: Parquet to JSONL | {engine['rows']:,} | {rate:,.0f} | {cpu:,.0f} | {engine['samples']:,} | |",
    ]
    for one in (small, large):
        lines.append(
            f"| whole build: filters, duplicates, shards | {one['rows']:,} | {one['rows'] / one['seconds']:,.0f} | "
            f"{one['rows'] / one['cpu']:,.0f} | {one['samples']:,} | {one['peak']:,.0f} MiB |"
        )
    ratio = large["peak"] / small["peak"]
    lines += ["", f"Peak memory of {large['rows']:,} rows: {ratio:.2f} × that of {small['rows']:,}."]
    return "\n".join(lines)


def _machine() -> str:
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def put(page: Path, text: str) -> None:
    """Puts the result between its markers, or at the end of a page without them."""
    old = page.read_text(encoding="utf-8")
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2] if rest else ""
    with replacing(page, "w") as file:
        file.write(f"{before.rstrip()}\n\n{BEGIN}\n\n{text}\n\n{END}{after or chr(10)}")


def _apart(kind: str, path: Path, out: Path) -> dict[str, Any]:
    """One measurement in a process of its own, whose memory is nobody else's."""
    command = [sys.executable, "-m", "emollm.data_engines.bench", "--one", kind, str(path), str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise EmollmError(f"{kind} of {path.name} ended with code {done.returncode}; its message stands above")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@click.command()
@click.option("--rows", type=click.IntRange(1), default=1_000_000, show_default=True, help="Rows of the large build.")
@click.option("--small", type=click.IntRange(1), default=100_000, show_default=True, help="Rows of the small build.")
@click.option(
    "--page", type=click.Path(path_type=Path), default=Path("docs/bench.md"), show_default=True, help="The page."
)
@click.option("--dry", is_flag=True, help="Print the result and leave the page as it is.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the shards go: 4 KB a row; removed afterwards.")
@click.option("--one", type=(str, click.Path(path_type=Path), click.Path(path_type=Path)), hidden=True)
def command(
    rows: int, small: int, page: Path, dry: bool, folder: Path | None, one: tuple[str, Path, Path] | None
) -> None:
    """Measure rows a second and peak memory of a build from tables of action units."""
    if one is not None:
        kind, path, out = one
        click.echo(json.dumps((measure_engine if kind == "engine" else measure_build)(path, out)))
        return
    with tempfile.TemporaryDirectory(dir=folder) as name:
        found = []
        for count in (small, rows):
            path = Path(name, f"{count}.parquet")
            make_rows(path, count)
            if count == small:
                engine = _apart("engine", path, Path(name, "engine.jsonl"))
                Path(name, "engine.jsonl").unlink()
            with tempfile.TemporaryDirectory(dir=name) as place:
                found.append(_apart("build", path, Path(place)))
    text = report(engine, *found)
    click.echo(text)
    if not dry:
        put(page, text)


if __name__ == "__main__":
    try:
        command()
    except EmollmError as error:
        raise SystemExit(f"bench: {error}") from error
