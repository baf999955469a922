"""The blocks of a build by Ray Data, here or on a cluster whose machines share the folders of input and output."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emollm import errors
from emollm.data_engines.blocks import write_block
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.shards import Counts
from emollm.data_engines.sources import Span
from emollm.errors import EmollmError, MissingDependency


def write_blocks(spans: Sequence[Span], settings: BuildSettings, out: Path) -> Iterator[tuple[Span, Counts]]:
    """Each block with its counts when it is done, in any order.

    A Ray that runs already is used (``RAY_ADDRESS``), else one of ``scale.workers`` processors is started and ended.

    Raises:
        MissingDependency: Ray is not installed.
        EmollmError: What a block raises.
    """
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise MissingDependency("--engine ray needs the package 'ray'; install emollm[distributed]") from error
    own = not ray.is_initialized()
    if own:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": settings.scale.workers}
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **local)
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        fixed = {"settings": settings.model_dump_json(), "out": os.path.abspath(out)}
        rows = [{"span": span.to_json(), **fixed} for span in spans]
        data = ray.data.from_items(rows, override_num_blocks=len(rows)).map(_write, concurrency=settings.scale.workers)
        for row in data.iter_rows():
            if row["error"]:
                kind = getattr(errors, row["error"], EmollmError)
                raise kind(row["text"])
            yield Span.from_json(row["span"]), Counts.from_json(row["text"])
    finally:
        if own:
            ray.shutdown()


def _write(row: Mapping[str, str]) -> dict[str, str]:
    """Does one block; an error comes back as its name and text, because Ray would wrap it in pages of its own."""
    span = Span.from_json(row["span"])
    settings = BuildSettings.model_validate_json(row["settings"])
    try:
        counts = write_block(span, settings, Path(row["out"]))
    except EmollmError as error:
        return {"span": row["span"], "error": type(error).__name__, "text": str(error)}
    return {"span": row["span"], "error": "", "text": counts.to_json()}
