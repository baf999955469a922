"""Progress for programs: a line of JSON for each step that is logged."""

import json
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Steps(TrainerCallback):
    """Says on standard output what is logged: ``step``, ``epoch`` and the numbers of that step; before all, the versions.

    Args:
        versions: Package -> version.
    """

    def __init__(self, versions: dict[str, str]) -> None:
        self.versions = versions

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The versions."""
        if state.is_world_process_zero:
            print(json.dumps({"versions": self.versions}), flush=True)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """One line, from the first process alone."""
        if state.is_world_process_zero:
            print(json.dumps({"step": state.global_step, **(logs or {})}), flush=True)
