"""How many rows a second the writer does on one core: for the bench, no test holds it.

.venv/bin/python -m emollm.data_engines.writing.speed
"""

import time
from typing import NamedTuple

import numpy as np

from emollm.data_engines.recipe import BuildSettings, TaskShares
from emollm.data_engines.unit_table import UnitTable
from emollm.data_engines.writing.rows import RowWriter
from emollm.types import Scale, Source

_NAMES = (
    "AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12", "AU14", "AU15", "AU17", "AU20", "AU23",
    "AU25", "AU26", "AU45",
)  # fmt: skip
"""The intensities of OpenFace."""


class Speed(NamedTuple):
    """A measurement of one process."""

    rows: int
    samples: int
    wall: float
    """Seconds on the clock."""
    cpu: float
    """Seconds of this process: what the clock would show on a core of its own."""


def random_rows(rows: int, seed: int) -> UnitTable:
    """Faces with random intensities, most of them low."""
    values = np.random.default_rng(seed).random((rows, len(_NAMES)), dtype=np.float32) ** 3
    ids = tuple(f"{seed}.{index}" for index in range(rows))
    source = Source(backend="openface", version="2", licence="random numbers")
    return UnitTable(_NAMES, (Scale.INTENSITY,) * len(_NAMES), values, ids, source)


def measure(rows: int = 20_000, warm: int = 20_000, seed: int = 0) -> Speed:
    """Writes a recognition and a reasoning Sample about each row, as JSON lines.

    Args:
        rows: That are timed.
        warm: Written before: the wordings are read then, once a process.
        seed: Of the rows.
    """
    tasks = TaskShares(recognition=1, reasoning=1, open_vocabulary=0, follow_up=0)
    writer = RowWriter(BuildSettings(tasks=tasks), "exp_cot@1")
    for _ in writer.lines(random_rows(warm, seed)):
        pass
    table = random_rows(rows, seed + 1)
    wall, cpu = time.perf_counter(), time.process_time()
    samples = sum(len(one.lines) for one in writer.lines(table))
    return Speed(rows, samples, time.perf_counter() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    for before in (20_000, 80_000):
        found = measure(warm=before)
        print(
            f"after {before} rows: {found.rows / found.cpu:.0f} a second of one core, {found.rows / found.wall:.0f} on the clock"
        )
