"""Our side of the training bench. Run as ``-m emollm.eval.bench_sft_ours PLAN``; the same protocol as ``bench_sft_trl.py``."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emollm.eval.bench_sft_trl import answering, arguments, telling, trained, versions


def main() -> None:
    """Trains until the plan's steps are done or the bench ends it."""
    ours(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), answering())


def ours(plan: dict[str, Any], say: Callable[[object], None]) -> None:
    """The model family by transformers' Trainer and PEFT, without streams.

    Args:
        plan: What is trained on what.
        say: Takes the versions, and after each step its number and loss.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import Trainer, TrainingArguments

    from emollm.modeling.assemble import ModelSettings, assemble
    from emollm.modeling.conversation import Encoded, batch_of

    torch.set_num_threads(plan["threads"])
    built = assemble(ModelSettings(backbone=plan["model"], dtype=plan["dtype"]))
    rows = [json.loads(line) for line in Path(plan["sequences"]).read_text(encoding="utf-8").splitlines()]
    padding = built.processor.tokenizer.pad_token_id
    trainer = Trainer(
        get_peft_model(built.model, LoraConfig(**plan["lora"])),
        args=TrainingArguments(**arguments(plan), remove_unused_columns=False),
        train_dataset=[Encoded(row["input_ids"], row["labels"], {}, 0, 0) for row in rows],
        data_collator=lambda batch: batch_of(batch, padding),
        callbacks=[telling(say)],
    )
    say({"versions": versions("emollm"), "parameters": trained(trainer.model)})
    trainer.train()


if __name__ == "__main__":
    main()
