"""Where the data of a task lie: what was given, what the environment names, or ``data/`` in the working folder."""

import os
from pathlib import Path

from emollm.errors import ConfigError
from emollm.eval.tasks import Task

DATA = "EMOLLM_DATA"
"""Environment variable: a folder that holds data sets by the names of tasks; with ``_TASK`` behind it, the folder of one."""
HERE = "data"
"""What stands for :data:`DATA` where that is not set."""


def variable(of: Task) -> str:
    """The environment variable that names the folder of a task's data."""
    return f"{DATA}_{of.id.upper().replace('-', '_')}"


def data_of(of: Task, given: Path | None = None) -> Path:
    """The folder or file of a task's data.

    Args:
        of: The task.
        given: What the user named, which goes before everything else.

    Returns:
        ``given``; else what :func:`variable` names; else below :data:`DATA`, or else ``data/``, the folder of the task's id or of the
        first word of it (``goemotions`` of ``goemotions-ekman``), which several tasks of one data set share.

    Raises:
        ConfigError: Nothing is named, and there is no such folder.
    """
    if given is not None:
        return given
    if own := os.environ.get(variable(of)):
        return Path(own).expanduser()
    common = Path(os.environ.get(DATA) or HERE).expanduser()
    for name in (of.id, of.id.partition("-")[0]):
        if (common / name).exists():
            return common / name
    if os.environ.get(DATA):
        raise ConfigError(f"task {of.id}: {DATA}={common} holds no {of.id}/; give --data, or set {variable(of)}")
    raise ConfigError(
        f"task {of.id}: no data named; give --data, set {variable(of)} to its folder, or {DATA} to a folder that holds {of.id}/"
    )
