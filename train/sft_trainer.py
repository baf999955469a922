"""The loop of ``align`` and ``sft``: transformers' Trainer with our order, checkpoints, checks and scores of generated answers."""

import json
import math
from pathlib import Path
from typing import Any, NoReturn, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback
from transformers.trainer_utils import EvalLoopOutput

from emollm.emotions import label_set
from emollm.errors import DataError, ModelError
from emollm.files import replacing
from emollm.metrics.classification import codes, scores
from emollm.modeling.modeling import IGNORED
from emollm.replies import label_in
from emollm.train import sft_state
from emollm.train.families import Family
from emollm.train.sft_data import Collator, Order, Samples
from emollm.train.sft_limits import enough_memory, for_step
from emollm.train.sft_recipe import SftRecipe

WRONG = "wrong-batch"
"""Name of the files that hold a batch whose loss was no number."""


class SftTrainer(Trainer):
    """Trainer of a recipe.

    Args:
        recipe: Of the run.
        family: Of the model.
        model: The model, with what is trained marked so.
        args: transformers' settings.
        samples: What teaches.
        validation: What selects, if anything.
        fingerprint: Of recipe and data.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer  # made before anything is saved or read

    def __init__(
        self,
        recipe: SftRecipe,
        family: Family,
        model: nn.Module,
        args: TrainingArguments,
        samples: Samples,
        validation: Samples | None,
        fingerprint: str,
    ) -> None:
        self.recipe, self.samples, self.validation, self.fingerprint = recipe, samples, validation, fingerprint
        self.family, self.tokenizer = family, samples.reader.processor.tokenizer
        super().__init__(
            model=model,
            args=args,
            data_collator=Collator(samples.reader, recipe.batches.layout == "packed"),
            train_dataset=samples,
            eval_dataset=validation,
            callbacks=[_log(recipe.out / "log")],
        )
        self.model_accepts_loss_kwargs = True  # the head divides by num_items_in_batch itself
        self._batches: list[dict[str, Any]] = []  # since the weights last moved

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trains; bars end before whatever it ends with is told."""
        try:
            return super().train(*args, **kwargs)
        finally:
            for each in self.callback_handler.callbacks:
                for bar in (getattr(each, "training_bar", None), getattr(each, "prediction_bar", None)):
                    if bar is not None:
                        bar.close()

    def finished(self, checkpoint: Path) -> bool:
        """Whether a whole checkpoint is the last of its run; the state is then that of its end."""
        state = TrainerState.load_from_json(str(checkpoint / sft_state.STATE))
        if state.global_step < state.max_steps:
            return False
        self.state = state
        return True

    def take(self, checkpoint: Path) -> None:
        """Fills the model as it was when its run had ended with this checkpoint: the best one where there is one."""
        best = self.state.best_global_step
        self._load_from_checkpoint(str(checkpoint.with_name(f"checkpoint-{best}") if best else checkpoint))

    # ---- what is seen

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        optimise = self.recipe.optimise
        step = optimise.batch * optimise.accumulate * self.args.world_size
        return Order(self.samples, self.recipe.batches, step, self.recipe.seed)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """The validation Samples of this process; a last batch may be there only because another process has one more."""
        assert self.validation is not None
        mine, most = (
            range(first, len(self.validation), self.args.world_size) for first in (self.args.process_index, 0)
        )
        size = self.args.eval_batch_size
        batches = [list(mine[first : first + size]) or [0] for first in range(0, len(most), size)]
        return DataLoader(
            self.validation,
            batch_sampler=batches,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
        )

    # ---- a step

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """One step.

        Raises:
            ModelError: The loss is no number, or memory is not enough.
        """
        self._batches.append(dict(inputs))
        rows, tokens = inputs["input_ids"].shape
        with enough_memory(for_step(self.recipe, rows, tokens)):
            loss = super().training_step(model, inputs, num_items_in_batch)
        if not math.isfinite(float(loss)):
            self._stop("loss", float(loss), self._batches[-1:])
        return loss

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        """The norm of the gradient, before the weights move.

        Raises:
            ModelError: It is no number.
        """
        norm = super()._get_grad_norm(model, grad_norm)
        if norm is not None and not math.isfinite(float(norm)):
            self._stop("gradient", float(norm), self._batches)
        self._batches.clear()
        return norm

    def _stop(self, what: str, value: float, batches: list[dict[str, Any]]) -> NoReturn:
        """Writes the batches of a step and their texts, so that they can be looked at, and ends the run."""
        step = self.state.global_step + 1
        tensors = {
            name if number == 0 else f"{number}.{name}": tensor
            for number, batch in enumerate(batches)
            for name, tensor in batch.items()
            if isinstance(tensor, Tensor)
        }
        path = self.recipe.out / (WRONG if self.args.world_size == 1 else f"{WRONG}-{self.args.process_index}")
        sft_state.write_tensors(path.with_suffix(".safetensors"), tensors)
        texts = [text for batch in batches for text in self.tokenizer.batch_decode(batch["input_ids"])]
        with replacing(path.with_suffix(".json"), "w") as file:
            json.dump({"step": step, "texts": texts}, file, indent=1, ensure_ascii=False)
        raise ModelError(
            f"step {step}: the {what} is {value}; its batch is in {path}.safetensors; lower optimise.rate or look at these Samples"
        )

    # ---- checkpoints

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(cast(str, output_dir or self.args.output_dir))
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
        folder = Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}"
        if self.args.should_save:
            (folder / sft_state.COMPLETE).unlink(missing_ok=True)  # of a checkpoint that could not be read
        super()._save_checkpoint(model, trial)
        if self.args.world_size > 1:
            self.accelerator.wait_for_everyone()  # all processes have written their part
        if self.args.should_save and folder.is_dir():
            sft_state.mark_complete(folder, self.fingerprint, self.args.world_size)
            sft_state.rotate(folder.parent, self.recipe.validating.keep, self.state.best_model_checkpoint)

    # ---- validation

    def evaluation_loop(
        self,
        dataloader: DataLoader[Any],
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Loss of a learnt token, whatever batches and processes the Samples are spread over."""
        assert self.validation is not None
        self.model.eval()
        self.callback_handler.eval_dataloader = dataloader
        mine = range(self.args.process_index, len(self.validation), self.args.world_size)
        total = torch.zeros(2, dtype=torch.float64, device=self.args.device)  # loss, tokens
        for number, batch in enumerate(dataloader):
            ready = self._prepare_inputs(batch)
            with torch.no_grad(), self.compute_loss_context_manager():
                summed = self.model(**ready, num_items_in_batch=1, **self.family.for_loss).loss
            if number * self.args.eval_batch_size < len(mine):
                total += torch.stack([summed, ready["labels"][:, 1:].ne(IGNORED).sum()])
            self.control = self.callback_handler.on_prediction_step(self.args, self.state, self.control)
        loss, tokens = self.accelerator.reduce(total, "sum").tolist()
        return EvalLoopOutput(None, None, {f"{metric_key_prefix}_loss": loss / tokens}, len(self.validation))  # type: ignore[arg-type]

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
        chosen = [place for place, each in enumerate(self.validation.places) if each.label]
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
        with self.family.answering(core):
            told = [self._answer(place) for place in mine]
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
        asked = self.validation.reader.ask(self.validation.sample(place), self.validation.places[place].root)
        batch = self.validation.reader.collate([asked], False)
        batch.pop("labels")
        batch = self._prepare_inputs(batch)
        model: Any = self.accelerator.unwrap_model(self.model)
        was_training = model.training
        model.eval()
        with torch.inference_mode(), self.compute_loss_context_manager():
            tokens = model.generate(
                **batch,
                max_new_tokens=self.recipe.validating.reply_tokens,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id,
                synced_gpus=False,
            )
        model.train(was_training)
        reply = tokens[0, batch["input_ids"].shape[1] :]
        return str(self.tokenizer.decode(reply, skip_special_tokens=True))


def _log(folder: Path) -> TensorBoardCallback:
    """TensorBoard in a folder; by itself it takes one from the environment, the same for all runs of a process."""
    callback = TensorBoardCallback()
    callback.logging_dir = str(folder)
    return callback
