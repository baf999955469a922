"""Trains emollm-clip-s: context prompts and a projection between a frozen face net and a frozen sentence encoder.

The loss is the cross-entropy of the vote shares over the classes' texts; with ``captions`` also one that draws a face to the wording of its
own action units. The features of the frozen vision tower are computed once and kept in ``work``, so that a run takes a minute or two on a
CPU. A stopped run goes on from its last epoch; the best epoch by the validation score, (WAR + UAR) / 2, is in ``out/best``.

    python -m emollm.train.clip_s train/recipes/clip_s.yaml --set data.path=FER.npz
"""

import json
import math
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from emollm import config
from emollm.errors import ConfigError, EmollmError, ModelError, unknown_name
from emollm.files import replacing
from emollm.metrics.calibration import fit_temperature
from emollm.metrics.classification import scores
from emollm.modeling.class_texts import Descriptions, descriptions
from emollm.modeling.clip_s import ClipConfig, ContextClassifier, Tower
from emollm.modeling.clip_s_files import open_towers, save
from emollm.modeling.clip_s_towers import Towers
from emollm.refusal import Refusal, Stop
from emollm.train import face_state
from emollm.train.clip_s_data import Faces, faces, lessons, pixels, valid_features
from emollm.train.clip_s_recipe import ClipRecipe

BEST = "best"
_CAPTION_SCALE = 20.0
"""Factor of the cosines between faces and captions, and between captions and captions."""
_PATHS = {"row", "data", "work", "out", "workers", "threads", "device", "measure"}
"""Settings that do not change what is learnt."""


class Scored(NamedTuple):
    """How the validation faces of the trained classes fare."""

    war: float
    uar: float
    logits: Tensor
    """(n, C)."""

    @property
    def score(self) -> float:
        """(WAR + UAR) / 2, by which the epoch is selected."""
        return (self.war + self.uar) / 2


@click.command()
@click.argument("recipe_file", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE", help="One setting of the recipe.")
def main(recipe_file: Path, overrides: tuple[str, ...]) -> None:
    """Train a context classifier by a recipe; a stopped run goes on when it is started again."""
    try:
        run(config.load(ClipRecipe, recipe_file, overrides))
    except EmollmError as error:
        raise Refusal(str(error)) from error
    except KeyboardInterrupt as error:
        raise Stop("stopped; the same command goes on from the last whole epoch") from error


def run(recipe: ClipRecipe, towers: Towers | None = None, seen: Faces | None = None) -> float:
    """One run, from where it was stopped; gives the best validation score.

    Args:
        recipe: Settings.
        towers: If they are open already.
        seen: The faces, if they are prepared already.

    Raises:
        ConfigError: The recipe does not fit its data or its descriptions.
        DataError: The data cannot be read, or the folder holds another run.
        ModelError: A tower cannot be used, or the loss is not finite.
    """
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    texts = descriptions(recipe.descriptions)
    texts.check(recipe.data.label_set)
    towers = towers or open_towers(recipe.vision, recipe.text)
    seen = seen or faces(recipe, towers.vision)
    torch.manual_seed(recipe.seed)
    model = ContextClassifier(classifier(recipe, texts, seen.train.labels, towers), towers).to(recipe.device)
    loop = Loop(recipe, model, seen)
    loop.run()
    return float(loop.progress["best"])


def classifier(recipe: ClipRecipe, texts: Descriptions, labels: tuple[str, ...], towers: Towers) -> ClipConfig:
    """What is trained.

    Raises:
        ConfigError: A class without description, an unknown class to hold out, or fewer than two classes left.
    """
    for label in recipe.hold_out:
        if label not in labels:
            raise ConfigError(f"hold_out: {unknown_name('class', label, labels)}")
    kept = tuple(label for label in labels if label not in recipe.hold_out)
    if len(kept) < 2:
        raise ConfigError(f"hold_out leaves {len(kept)} of {len(labels)} classes; at least 2 are needed")
    words = recipe.prompts == "word"
    return ClipConfig(
        labels=kept,
        sentences=texts.words(kept) if words else texts.sentences(kept, recipe.aspects),
        label_set=recipe.data.label_set,
        descriptions=texts.name,
        prompts=recipe.prompts,
        aspects=() if words else recipe.aspects,
        contexts=recipe.contexts,
        shared=recipe.shared,
        hidden=recipe.hidden,
        vision=Tower(name=towers.vision.name, version=towers.vision.version),
        text=Tower(name=towers.text.name, version=towers.text.version),
    )


class Loop:
    """The epochs of one run.

    Args:
        recipe: Settings.
        model: With fresh heads.
        seen: Prepared faces.
    """

    def __init__(self, recipe: ClipRecipe, model: ContextClassifier, seen: Faces) -> None:
        self.recipe, self.model, self.seen = recipe, model, seen
        labels = model.config.labels
        self.lessons = lessons(recipe, seen, model.eye, model.heads.prompts.tower, labels)
        self.valid = None if recipe.unfreeze else valid_features(recipe, seen, model.eye)
        self.rows, self.label = reference(seen, labels)
        if self.lessons.features is not None:
            model.heads.standardise(self.lessons.features.flatten(0, 1))
        model.vision.requires_grad_(recipe.unfreeze)
        self.parts = nn.ModuleDict({"heads": model.heads})
        if recipe.unfreeze:
            self.parts["vision"] = model.vision
        self.optimizer = optimizer_of(model, recipe)
        self.steps = len(self.lessons.rows) // recipe.batch
        found = face_state.resume(recipe.out, self.parts, nn.Module(), self.optimizer, self.fingerprint)
        self.progress: dict[str, Any] = found or {"fingerprint": self.fingerprint, "epoch": 0, "best": None}

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides what the run computes."""
        told = self.recipe.model_dump_json(exclude=_PATHS) + self.model.config.model_dump_json()
        return sha256(f"{told} {self.seen.train.fingerprint} {self.seen.valid.fingerprint}".encode()).hexdigest()[:16]

    def run(self) -> None:
        """All epochs that are not done yet."""
        done = int(self.progress["epoch"])
        with SummaryWriter(str(self.recipe.out / "tensorboard")) as board:
            bar = tqdm(range(done, self.recipe.epochs), desc=self.recipe.out.name, initial=done, mininterval=5)
            for epoch in bar:
                losses = self._epoch(epoch)
                scored = self._validate()
                self.progress["epoch"] = epoch + 1
                if self.progress["best"] is None or scored.score > self.progress["best"]:
                    self.progress["best"] = scored.score
                    self._keep_best(scored)
                face_state.keep(self.recipe.out, self.parts, nn.Module(), self.optimizer, self.progress)
                told = losses | {
                    "valid/war": scored.war,
                    "valid/uar": scored.uar,
                    "valid/score": scored.score,
                    "logit_scale": self.model.heads.scale().item(),
                    "rate": self.optimizer.param_groups[0]["lr"],
                }
                for name, value in told.items():
                    board.add_scalar(name, value, epoch + 1)
                bar.set_postfix(war=f"{scored.war:.4f}", uar=f"{scored.uar:.4f}", best=f"{self.progress['best']:.4f}")

    def _epoch(self, epoch: int) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + epoch)
        self.model.eval()  # batch norm of a tower that is trained keeps the statistics it came with
        order = torch.randperm(len(self.lessons.rows), generator=generator)
        sums, texts = dict[str, float](), torch.empty(0)
        for step in range(self.steps):
            chosen = order[step * self.recipe.batch : (step + 1) * self.recipe.batch]
            self._set_rate(epoch * self.steps + step)
            texts = self.model.heads.prompts() if step % self.recipe.prompt_every == 0 else texts.detach()  # (C, D)
            losses = self._losses(chosen, texts, epoch, generator)
            total = torch.stack(list(losses.values())).sum()
            if not total.isfinite():
                raise ModelError(f"{self.recipe.out}: the loss is not finite in epoch {epoch + 1}; lower the rate")
            self.optimizer.zero_grad()
            total.backward()
            self.optimizer.step()
            for name, loss in losses.items():
                sums[f"loss/{name}"] = sums.get(f"loss/{name}", 0.0) + loss.item() / self.steps
        return sums

    def _losses(self, chosen: Tensor, texts: Tensor, epoch: int, generator: torch.Generator) -> dict[str, Tensor]:
        device, lessons = self.recipe.device, self.lessons
        if lessons.features is None:
            view = epoch + 1
            looks = pixels(self.recipe, self.seen.train, lessons.rows[chosen.numpy()], self.model.eye, view).to(device)
            features = self.model.eye(looks)  # (B, V)
        else:
            views = torch.randint(len(lessons.features), (len(chosen),), generator=generator)
            features = lessons.features[views, chosen].to(device)  # (B, V)
        images = self.model.heads(features)  # (B, D)
        logits = self.model.logits(images, texts)  # (B, C)
        shares = lessons.shares[chosen].to(device)
        losses = {"texts": -(shares * functional.log_softmax(logits, -1)).sum(-1).mean()}
        if lessons.captions is not None and lessons.which is not None:
            which = lessons.which[chosen]  # (B,)
            if (told := which >= 0).sum() > 1:
                captions = lessons.captions[which[told]].to(device)
                losses["captions"] = self.recipe.captions * caption_loss(images[told.to(device)], captions)
        return losses

    def _set_rate(self, step: int) -> None:
        share = 0.5 * (1 + math.cos(math.pi * step / (self.steps * self.recipe.epochs)))
        for group in self.optimizer.param_groups:
            group["lr"] = group["highest"] * share

    @torch.inference_mode()
    def _validate(self) -> Scored:
        if self.valid is None:
            features = torch.cat([self.model.eye(part) for part in self._valid_pixels()])
        else:
            features = self.valid[self.rows]
        logits = self.model.logits(self.model.heads(features.to(self.recipe.device)), self.model.heads.prompts()).cpu()
        found = scores(self.label, logits.argmax(-1).numpy(), len(self.model.config.labels))
        return Scored(found["war"], found["uar"], logits)

    def _valid_pixels(self) -> Any:
        from emollm.encoders.predict import as_pixels

        for start in range(0, len(self.rows), self.recipe.batch):
            yield as_pixels(self.seen.valid.rows(self.rows[start : start + self.recipe.batch]).crops).to(
                self.recipe.device
            )

    def _keep_best(self, scored: Scored) -> None:
        temperature = fit_temperature(scored.logits.double().numpy(), self.label)
        self.model.config = self.model.config.model_copy(update={"temperature": round(temperature, 4)})
        told = self.recipe.model_dump(mode="json", exclude=_PATHS - {"row"})
        metadata = {
            "recipe": json.dumps(told),
            "data": json.dumps({"train": self.seen.train.fingerprint, "valid": self.seen.valid.fingerprint}),
            "valid": json.dumps({"war": scored.war, "uar": scored.uar, "score": scored.score}),
            "versions": json.dumps({name: version(name) for name in ("emollm", "torch", "transformers", "numpy")}),
        }
        save(self.recipe.out / BEST, self.model, metadata)
        with replacing(self.recipe.out / "recipe.json", "w") as file:
            file.write(json.dumps(told, indent=1) + "\n")


def reference(seen: Faces, labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the validation faces whose majority label is one of ``labels``, and its number among these."""
    place = np.full(len(seen.valid.labels) + 1, -1)
    for number, label in enumerate(labels):
        place[seen.valid.labels.index(label)] = number
    found = place[seen.valid.label]  # −1, discarded by the protocol, takes the last place
    rows = np.flatnonzero(found >= 0)
    if not len(rows):
        raise ConfigError(
            "no validation face has a majority label of the trained classes; the epoch cannot be selected"
        )
    return rows, found[rows]


def optimizer_of(model: ContextClassifier, recipe: ClipRecipe) -> torch.optim.Optimizer:
    """Groups for the projection, the learnt vectors and, where it is trained, the vision tower, each with its ``highest`` rate."""
    heads = model.heads
    projection = [*heads.alone.parameters(), *([] if heads.both is None else heads.both.parameters())]
    groups: list[dict[str, Any]] = [
        {"params": projection, "highest": recipe.rate, "weight_decay": recipe.decay},
        {"params": [heads.logit_scale], "highest": recipe.rate, "weight_decay": 0.0},
    ]
    if heads.prompts.contexts is not None:
        groups.append({"params": [heads.prompts.contexts], "highest": recipe.prompt_rate, "weight_decay": 0.0})
    if recipe.unfreeze:
        groups.append(
            {"params": list(model.vision.parameters()), "highest": recipe.vision_rate, "weight_decay": recipe.decay}
        )
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, recipe.rate, momentum=0.9)
    return torch.optim.AdamW(groups, recipe.rate)


def caption_loss(images: Tensor, captions: Tensor) -> Tensor:
    """Draws faces and captions of a batch together, both ways; captions that say nearly the same share the probability.

    Args:
        images: (B, D) of length 1.
        captions: (B, D) of length 1.
    """
    wanted = (captions @ captions.T * _CAPTION_SCALE).softmax(-1)  # (B, B)
    cosines = images @ captions.T * _CAPTION_SCALE
    there = -(wanted * functional.log_softmax(cosines, -1)).sum(-1).mean()
    back = -(wanted * functional.log_softmax(cosines.T, -1)).sum(-1).mean()
    return (there + back) / 2


if __name__ == "__main__":
    main()
