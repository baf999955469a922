"""The loop of ``align`` and ``sft``: transformers' Trainer with our order, checkpoints, checks and scores of generated answers."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import TrainerCallback

from emollm.emotions import label_set
from emollm.errors import DataError, ModelError
from emollm.files import replacing
from emollm.metrics.classification import codes, scores
from emollm.modeling.conversation import Encoded, batch_of, encode
from emollm.replies import label_in
from emollm.train import sft_state
from emollm.train.sft_data import Collator, Order, Samples
from emollm.train.sft_recipe import SftRecipe

WRONG = "wrong-batch"
"""Name of the files that hold a batch whose loss was no number."""


class SftTrainer(Trainer):
    """Trainer of a recipe.

    Args:
        recipe: Of the run.
        model: The model, with what is trained marked so.
        args: transformers' settings.
        samples: What teaches.
        validation: What selects, if anything.
        fingerprint: Of recipe and data.
        callbacks: More of them.
    """

    def __init__(
        self,
        recipe: SftRecipe,
        model: nn.Module,
        args: TrainingArguments,
        samples: Samples,
        validation: Samples | None,
        fingerprint: str,
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        self.recipe, self.samples, self.validation, self.fingerprint = recipe, samples, validation, fingerprint
        self.padding = samples.processor.tokenizer.pad_token_id
        super().__init__(
            model=model,
            args=args,
            data_collator=Collator(self.padding, recipe.batches.layout == "packed"),
            train_dataset=samples,
            eval_dataset=validation,
            callbacks=list(callbacks),
        )
        self.model_accepts_loss_kwargs = True  # the head divides by num_items_in_batch itself

    # ---- what is seen

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        step = self.recipe.optimise.batch * self.args.world_size
        return Order(self.samples, self.recipe.batches, step, self.recipe.seed)

    # ---- a step

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """One step.

        Raises:
            ModelError: The loss is no number, or memory is not enough.
        """
        kept = dict(inputs)
        try:
            loss = super().training_step(model, inputs, num_items_in_batch)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise ModelError(self._too_large(kept)) from error
        except RuntimeError as error:
            if "can't allocate memory" not in str(error) and "not enough memory" not in str(error):
                raise
            raise ModelError(self._too_large(kept)) from error
        if not math.isfinite(float(loss)):
            self._keep_batch(kept)
            raise ModelError(
                f"step {self.state.global_step + 1}: the loss is {float(loss)}; its batch is in {self.recipe.out / WRONG}.safetensors; "
                "lower optimise.rate or look at these Samples"
            )
        return loss

    def _keep_batch(self, inputs: Mapping[str, Any]) -> None:
        """Writes a batch and its text, so that it can be looked at."""
        tensors = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
        sft_state.write_tensors(self.recipe.out / f"{WRONG}.safetensors", tensors)
        texts = self.samples.processor.tokenizer.batch_decode(tensors["input_ids"])
        with replacing(self.recipe.out / f"{WRONG}.json", "w") as file:
            json.dump({"step": self.state.global_step + 1, "texts": texts}, file, indent=1, ensure_ascii=False)

    def _too_large(self, inputs: Mapping[str, Any]) -> str:
        """Which knob to turn."""
        rows, tokens = inputs["input_ids"].shape
        knobs = [
            f"optimise.batch={self.recipe.optimise.batch} (with optimise.accumulate raised)",
            f"batches.max_tokens={self.recipe.batches.max_tokens}",
        ]
        more = [] if self.recipe.optimise.checkpointing else ["set optimise.checkpointing=true"]
        more += ["train.method=qlora"] if self.recipe.train.method != "qlora" else []
        return (
            f"not enough memory for a step of {rows} × {tokens} tokens; lower {' or '.join(knobs)}, or "
            f"{' or '.join(more) or 'take a smaller model'}"
        )

    # ---- checkpoints

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        model = self.accelerator.unwrap_model(self.model)
        sft_state.write_tensors(folder / sft_state.TRAINED, sft_state.trained(model, state_dict))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self.is_deepspeed_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
        elif self.args.should_save:
            sft_state.write_optimiser(Path(output_dir), self.optimizer, self.lr_scheduler)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        if self.is_deepspeed_enabled:
            super()._load_optimizer_and_scheduler(checkpoint)
        else:
            sft_state.read_optimiser(Path(checkpoint), self.optimizer, self.lr_scheduler)

    def _save_rng_state(self, output_dir: str) -> None:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        sft_state.write_random(Path(output_dir), self.args.process_index)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            sft_state.read_random(Path(checkpoint), self.args.process_index)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        target = self.accelerator.unwrap_model(model or self.model)
        sft_state.load_trained(target, Path(resume_from_checkpoint) / sft_state.TRAINED)

    def _load_best_model(self) -> None:
        if self.is_deepspeed_enabled:
            super()._load_best_model()
        elif self.state.best_model_checkpoint is not None:
            self._load_from_checkpoint(self.state.best_model_checkpoint)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.world_size > 1:
            self.accelerator.wait_for_everyone()  # all processes have written their part
        folder = Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}"
        if self.args.should_save and folder.is_dir():
            sft_state.mark_complete(folder, {"fingerprint": self.fingerprint, "step": self.state.global_step})

    # ---- validation

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Loss on the validation Samples, and scores of generated answers."""
        told: dict[str, float] = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        if self.validation is not None and self.recipe.validating.generate:
            found = {f"{metric_key_prefix}_{name}": value for name, value in self.answer_scores().items()}
            if found:
                self.log(found)
            told |= found
        return told

    def answer_scores(self) -> dict[str, float]:
        """WAR and UAR of the labels that generated answers give, and the share of answers that give one.

        Each process answers its part of the first ``validating.generate`` Samples with a gold label; an answer without a label is wrong.
        """
        assert self.validation is not None
        chosen = [place for place, each in enumerate(self.validation.places) if each.labelled]
        chosen = chosen[: self.recipe.validating.generate]
        if not chosen:
            return {}
        sets = {self.validation.sample(place).label_set for place in chosen}
        if len(sets) != 1:
            raise DataError(
                f"validation Samples of several label sets {sorted(map(str, sets))}; set validating.generate=0"
            )
        labels = label_set(str(sets.pop()))
        # Where ZeRO-3 shares weights out all processes have to take the same steps: each then answers everything.
        together = any(hasattr(parameter, "ds_id") for parameter in self.model.parameters())
        mine = chosen if together else chosen[self.args.process_index :: self.args.world_size]
        core: Any = self.accelerator.unwrap_model(self.model)
        core = getattr(core, "base_model", core).model if hasattr(core, "peft_config") else core
        core.model.blanks, before = "", core.model.blanks
        try:
            told = [self._answer(place) for place in mine]
        finally:
            core.model.blanks = before
        pairs: list[tuple[str, str | None]] = [
            (self.validation.sample(place).gold[0], label_in(reply, labels))
            for place, reply in zip(mine, told, strict=True)
        ]
        if self.args.world_size > 1 and not together:
            from accelerate.utils import gather_object

            pairs = gather_object(pairs)
        words = labels.labels
        reference, predicted = (codes([pair[side] for pair in pairs], words) for side in (0, 1))
        found = scores(reference, predicted, len(words))
        named = sum(label is not None for _, label in pairs) / len(pairs)
        return {"war": found["war"], "uar": found["uar"], "named": named, "answers": float(len(pairs))}

    def _answer(self, place: int) -> str:
        """What the model replies to the first question of a Sample."""
        assert self.validation is not None
        sample, where = self.validation.sample(place), self.validation.places[place]
        first = next(number for number, message in enumerate(sample.messages) if message.role == "assistant")
        messages = sample.messages[:first]
        count = sum(part.type != "text" for message in messages for part in message.content)
        processor = self.validation.processor
        asked = encode(processor, messages, sample.media[:count], root=where.root, prompt=True)
        model: Any = self.accelerator.unwrap_model(self.model)
        batch = self._prepare_inputs(_without_labels(asked, self.padding))
        was_training = model.training
        model.eval()
        with torch.inference_mode(), self.compute_loss_context_manager():
            tokens = model.generate(
                **batch,
                max_new_tokens=self.recipe.validating.reply_tokens,
                do_sample=False,
                pad_token_id=self.padding,
                synced_gpus=False,
            )
        model.train(was_training)
        reply = tokens[0, batch["input_ids"].shape[1] :]
        return str(processor.tokenizer.decode(reply, skip_special_tokens=True))


def _without_labels(asked: Encoded, padding: int) -> dict[str, Any]:
    batch = batch_of([asked], padding)
    batch.pop("labels")
    return batch
