"""The training loop of face nets: epochs of varied faces, validation, checkpoints.

What is drawn depends on seed, epoch and process only, so a run that was stopped goes on exactly as it would have.
"""

import copy
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from emollm.encoders import FaceNet, Outputs
from emollm.encoders.losses import Targets, Weights, multitask_loss
from emollm.encoders.predict import predict
from emollm.encoders.weights import Trained, TrainedConfig, load, probabilities, save
from emollm.errors import DataError, ModelError
from emollm.face_sets import FaceSet, Rows
from emollm.files import replacing
from emollm.train import face_state
from emollm.train.face_augment import mix, mixed, vary
from emollm.train.face_recipe import FaceRecipe
from emollm.train.face_scores import Scores, scores_of
from emollm.train.face_steps import average, optimizer_of, rate_at, sharpness_aware

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

BEST = "net"
"""Folder of the best net within the run's."""


class Data(NamedTuple):
    """What is learnt from, and what selects."""

    train: FaceSet
    rows: np.ndarray
    """(n,) numbers of the rows of ``train`` that teach: those with votes for an emotion, whatever else is known of them."""
    valid: FaceSet
    fingerprint: str


class Batch(NamedTuple):
    """Varied faces of one step."""

    pixels: Tensor
    """(B, 3, S, S)."""
    targets: Targets


class Teachers:
    """Nets whose mean answer is learnt from.

    Args:
        names: Shipped names or folders.
        labels: Classes of the pupil; a teacher's must be the same.
        size: Side of the pupil's pictures; a teacher's must be the same.

    Raises:
        ModelError: A teacher cannot be loaded or does not fit.
    """

    def __init__(self, names: tuple[str, ...], labels: tuple[str, ...], size: int, device: torch.device) -> None:
        self._nets = [load(name) for name in names]
        for teacher in self._nets:
            if teacher.config.net.labels != labels or teacher.net.size != size:
                raise ModelError(
                    f"teacher {teacher.name}: has classes {', '.join(teacher.config.net.labels)} and {teacher.net.size} pixels; "
                    f"the net has {', '.join(labels)} and {size}"
                )
            teacher.net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __bool__(self) -> bool:
        return bool(self._nets)

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """(B, C) mean probabilities."""
        return torch.stack([self._answer(teacher, pixels) for teacher in self._nets]).mean(0)

    def _answer(self, teacher: Trained, pixels: Tensor) -> Tensor:
        """(B, C) calibrated probabilities, the very ones that :func:`emollm.encoders.predict.predict` gives."""
        config = teacher.config
        looks = [teacher.net(look).expression for look in ([pixels, pixels.flip(-1)] if config.mirrored else [pixels])]
        logits = torch.stack([look.float().softmax(-1) for look in looks]).mean(0).clamp(min=1e-12).log()
        if config.offsets:
            logits = logits + logits.new_tensor(config.offsets)
        return probabilities(logits, config.temperature)


class Loop:
    """One run.

    Args:
        recipe: Settings.
        data: Prepared faces.
        net: With fresh weights.
        accelerator: Of accelerate: processes and precision.
    """

    def __init__(self, recipe: FaceRecipe, data: Data, net: FaceNet, accelerator: Accelerator) -> None:
        self.recipe, self.data, self.accelerator = recipe, data, accelerator
        self.mean = copy.deepcopy(net).to(accelerator.device).eval().requires_grad_(False)
        self.size = net.size
        self.steps = len(data.rows) // recipe.optimise.batch
        optimizer = optimizer_of(net.to(memory_format=torch.channels_last), recipe.optimise)  # type: ignore[call-overload]
        self.teachers = Teachers(recipe.teachers, net.config.labels, net.size, accelerator.device)
        self.fingerprint = data.fingerprint
        found = face_state.resume(recipe.out, net, self.mean, optimizer, self.fingerprint)
        self.progress: dict[str, Any] = found or {
            "fingerprint": self.fingerprint,
            "epoch": 0,
            "best": None,
            "seconds": 0.0,
        }
        if accelerator.is_main_process:
            self._forget_after(int(self.progress["epoch"]))
        self.net, self.optimizer = accelerator.prepare(net, optimizer)
        self.classes = class_weights(data, recipe.loss.class_power).to(accelerator.device)

    @property
    def plain(self) -> FaceNet:
        """The net without what accelerate wraps around it."""
        net: FaceNet = self.accelerator.unwrap_model(self.net)
        return net

    def run(self) -> None:
        """All epochs that are not done yet."""
        begun = time.monotonic() - float(self.progress["seconds"])
        epochs = range(int(self.progress["epoch"]), self.recipe.optimise.epochs)
        with self._board(bool(epochs)) as board:
            for epoch in epochs:
                losses = self._epoch(epoch)
                self.progress |= {"epoch": epoch + 1, "seconds": round(time.monotonic() - begun, 1)}
                if board is not None:
                    self._keep(epoch, losses, board)
                self.accelerator.wait_for_everyone()

    def keep_best(self, config: TrainedConfig) -> None:
        """Writes the moving average as the best net so far."""
        recipe = self.recipe.model_dump_json(exclude={"work", "out"})
        save(self.recipe.out / BEST, self.mean, config, {"recipe": recipe, "data": self.data.train.fingerprint})

    def _keep(self, epoch: int, losses: dict[str, float], board: "SummaryWriter") -> None:
        """Scores, log, best net and checkpoint after an epoch."""
        last = epoch + 1 == self.recipe.optimise.epochs
        scores = self._validate() if last or (epoch + 1) % self.recipe.validate_every == 0 else None
        self._log(epoch, losses, scores, board)
        if scores is not None and (self.progress["best"] is None or scores.score > self.progress["best"]):
            self.progress["best"] = scores.score
            self.keep_best(TrainedConfig(net=self.plain.config, label_set=self.recipe.data.label_set))
        face_state.keep(self.recipe.out, self.plain, self.mean, _inner(self.optimizer), self.progress)

    @contextmanager
    def _board(self, wanted: bool) -> Iterator["SummaryWriter | None"]:
        """TensorBoard's file of this start of the run; only the main process has one, and only where there is something to write."""
        if not (wanted and self.accelerator.is_main_process):
            yield None
            return
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(self.recipe.out / "tensorboard")) as board:
            yield board

    # ---- one epoch --------------------------------------------------------------------------------------------------

    def _epoch(self, epoch: int) -> dict[str, float]:
        """Trains for one epoch and gives the mean losses."""
        self.net.train()
        torch.manual_seed(_number(self.recipe.seed, epoch, self.accelerator.process_index, 1))  # dropout, drop path
        sums: dict[str, Tensor] = {}
        batches = tqdm(
            self._batches(epoch),
            total=self.steps,
            desc=f"epoch {epoch + 1}/{self.recipe.optimise.epochs}",
            mininterval=2,
            leave=False,
            disable=not self.accelerator.is_main_process or None,
        )
        for step, batch in enumerate(batches):
            for group in self.optimizer.param_groups:
                group["lr"] = rate_at(epoch * self.steps + step, self.steps, self.recipe.optimise)
            losses = self._step(batch)
            decay = min(self.recipe.optimise.ema, (1 + epoch * self.steps + step) / (10 + epoch * self.steps + step))
            average(self.mean.state_dict().values(), self.plain.state_dict().values(), decay)
            for name, loss in losses.items():
                sums[name] = sums.get(name, torch.zeros(())) + loss.detach().cpu()
        means = {name: float(total) / self.steps for name, total in sums.items()}
        if not math.isfinite(means["total"]):
            raise ModelError(
                f"epoch {epoch + 1}: the loss is {means['total']}; lower optimise.rate, or set optimise.bf16=false"
            )
        return means

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        settings = self.recipe.optimise
        noise = torch.get_rng_state()

        def look() -> dict[str, Tensor]:
            torch.set_rng_state(noise)  # the same units are dropped in both looks of a sharpness-aware step
            losses = self._losses(batch)
            self.accelerator.backward(losses["total"])
            return losses

        self.optimizer.zero_grad()
        losses = look()
        if settings.sam:
            sharpness_aware(self.net, lambda: look()["total"], settings.sam)
        if settings.clip:
            self.accelerator.clip_grad_norm_(self.net.parameters(), settings.clip)
        self.optimizer.step()
        return losses

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        loss = self.recipe.loss
        with self.accelerator.autocast():
            outputs: Outputs = self.net(batch.pixels)
        weights = Weights(1.0, loss.units, loss.embedding, loss.affect)
        return multitask_loss(outputs, batch.targets, weights, self.classes)

    def _batches(self, epoch: int) -> Iterator[Batch]:
        """This process's share of each batch of an epoch."""
        order = np.random.default_rng(_number(self.recipe.seed, epoch, 0, 2)).permutation(self.data.rows)
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        generator = torch.Generator().manual_seed(_number(self.recipe.seed, epoch, rank, 3))
        size = self.recipe.optimise.batch
        for step in range(self.steps):
            mine = order[step * size : (step + 1) * size][rank::processes]
            yield self._batch(self.data.train.rows(mine), generator)

    def _batch(self, rows: Rows, generator: torch.Generator) -> Batch:
        settings, device = self.recipe.augment, self.accelerator.device
        pixels = vary(torch.from_numpy(rows.crops), self.size, self.plain.config.margin, settings, generator)
        shares, units, affect = (torch.from_numpy(known) for known in (rows.shares, rows.units, rows.affect))
        if settings.mixup:
            first, partner = mix(len(pixels), settings.mixup, generator)
            pixels, shares, units, affect = (mixed(each, first, partner) for each in (pixels, shares, units, affect))
        pixels = pixels.to(device).contiguous(memory_format=torch.channels_last)
        shares = shares.to(device)
        if self.teachers and self.recipe.loss.distil:
            with self.accelerator.autocast():
                taught = self.teachers(pixels)
            shares = (1 - self.recipe.loss.distil) * shares + self.recipe.loss.distil * taught
        return Batch(pixels, Targets(shares, units.to(device), affect.to(device)))

    # ---- looking at it ----------------------------------------------------------------------------------------------

    def _validate(self) -> Scores:
        rows = self.data.valid.rows()
        config = TrainedConfig(net=self.plain.config, mirrored=False)
        answers = predict(Trained("run", "", self.mean, config), rows.crops, device=str(self.accelerator.device))
        return scores_of(answers, rows)

    def _forget_after(self, epoch: int) -> None:
        """Takes lines out of the log that are of epochs which will be run again."""
        path = self.recipe.out / "log.jsonl"
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(True)
            try:
                kept = [line for line in lines if json.loads(line)["epoch"] <= epoch]
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{path}: not the log of such a run: {error}; remove it") from error
            with replacing(path, "w") as file:
                file.writelines(kept)

    def _log(self, epoch: int, losses: dict[str, float], scores: Scores | None, board: "SummaryWriter") -> None:
        told: dict[str, Any] = {"epoch": epoch + 1, "seconds": self.progress["seconds"]}
        told |= {f"loss/{name}": round(value, 5) for name, value in losses.items()}
        if scores is not None:
            told |= {
                f"valid/{name}": None if value is None else round(value, 5) for name, value in scores._asdict().items()
            }
        for name, value in told.items():
            if value is not None and name != "epoch":
                board.add_scalar(name, value, epoch + 1)
        board.flush()
        with (self.recipe.out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
        if scores is not None:
            tqdm.write(
                f"epoch {epoch + 1:3}  {told['seconds']:7.0f} s  loss {losses['total']:.4f}  valid: WAR {scores.war:.4f}  "
                f"UAR {scores.uar:.4f}  score {scores.score:.4f}"
            )


def class_weights(data: Data, power: float) -> Tensor:
    """(C,) weights whose mean over the votes is 1; a class without votes weighs nothing."""
    shares = torch.from_numpy(data.train.frequencies(data.rows)).float()
    weights = torch.where(shares > 0, shares.clamp(min=1e-9) ** -power, 0.0)
    return weights / (weights * shares).sum()


def _inner(optimizer: Any) -> torch.optim.Optimizer:
    """The optimiser that accelerate wrapped."""
    return getattr(optimizer, "optimizer", optimizer)


def _number(*parts: int) -> int:
    """A seed of its own for each combination of numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
