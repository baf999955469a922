"""TRL's side of the training bench: its SFTTrainer over ready-made tokens. Run by path in TRL's own environment.

It imports nothing of emollm, which is not installed there. One argument, the plan that ``emollm.eval.bench_sft`` writes; a line of JSON
with the versions, then one a step (``step``, ``loss``) on standard output.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any


def main() -> None:
    """Trains until the plan's steps are done or the bench ends it."""
    say = answering()
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))

    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(plan["threads"])
    rows = [json.loads(line) for line in Path(plan["sequences"]).read_text(encoding="utf-8").splitlines()]
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(plan["model"], dtype=getattr(torch, plan["dtype"])),
        args=SFTConfig(**arguments(plan), max_length=None, packing=False),
        train_dataset=Dataset.from_list(rows),  # its labels, ours, are taken as they are
        processing_class=AutoTokenizer.from_pretrained(plan["model"]),
        peft_config=LoraConfig(**plan["lora"]),
        callbacks=[telling(say)],
    )
    say({"versions": versions("trl"), "parameters": trained(trainer.model)})
    trainer.train()


def arguments(plan: dict[str, Any]) -> dict[str, Any]:
    """What both trainers are told, for transformers' ``TrainingArguments`` and what derives from it."""
    return {
        "output_dir": plan["out"],
        "per_device_train_batch_size": plan["batch"],
        "gradient_accumulation_steps": plan["accumulation"],
        "max_steps": plan["steps"],
        "train_sampling_strategy": "sequential",  # both see the same rows in the same batches
        "learning_rate": 1e-4,
        "lr_scheduler_type": "constant",
        "optim": "adamw_torch",
        "bf16": False,
        "use_cpu": True,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 0,
    }


def telling(say: Callable[[object], None]) -> Any:
    """A callback that says each step with its loss, when all that belongs to the step is done."""
    from transformers import TrainerCallback

    class Telling(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if "loss" in (logs or {}):
                say({"step": state.global_step, "loss": logs["loss"]})

    return Telling()


def trained(model: Any) -> int:
    """Parameters that are trained."""
    return sum(each.numel() for each in model.parameters() if each.requires_grad)


def versions(*more: str) -> dict[str, str]:
    """Installed versions of what both sides stand on, and of more."""
    return {name: version(name) for name in (*more, "torch", "transformers", "peft", "accelerate")}


def answering() -> Callable[[object], None]:
    """Says one record a line on standard output; what the libraries print there goes to standard error, the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(record: object) -> None:
        answers.write(json.dumps(record) + "\n")
        answers.flush()

    return say


if __name__ == "__main__":
    main()
