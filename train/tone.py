"""Fits the head that tells the tone of a voice from the layers of a Whisper encoder: the summary that its tower gives.

    python -m emollm.train.tone --set runs/embedded --out emollm/pretrained/voice-tone

Read are the measured voices of the set's training split; their features are means over the voice's own frames. Which
layers, which L2, and whether cuts of the voices are rows as well is chosen by leaving each training speaker out in turn: the smallest
log-loss, every class weighing the same, once a temperature (Guo et al. 2017) has been fitted on the speakers left out. The speakers who
validate are looked at once, for the report, when all is chosen.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch
from numpy.typing import NDArray

from emollm.errors import ConfigError, DataError, EmollmError
from emollm.linear import Array, Codes, Linear, fit, left_out, mean_recall
from emollm.measured_items import Case, read, voice
from emollm.modeling import tone, towers
from emollm.modeling.tower_weights import tower_of
from emollm.refusal import Refusal, Stop

LAYERS = ((2,), (3,), (4,), (2, 3), (3, 4), (2, 3, 4))
"""What is tried if no layers are given."""
L2 = (3e-2, 1e-1, 3e-1, 1.0, 3.0)
"""What is tried: weight of the squared weights beside the mean cross-entropy."""
CUTS = 2
"""Cuts of each voice."""
SECONDS = (1.0, 3.0)
"""How long a cut is, or shorter where the voice is; a voice that is no longer than the least is not cut."""
_TEMPERATURES = np.exp(np.linspace(-2.5, 2.5, 501))


class Voices(NamedTuple):
    """Features of voices and of their cuts."""

    means: NDArray[np.float32]
    """(n, L, W) of all layers."""
    label: Codes
    """(n,)."""
    speaker: Codes
    """(n,)."""
    cuts: NDArray[np.float32]
    """(m, L, W)."""
    of: Codes
    """(m,) the voice that each cut is of."""

    def rows(self, kept: NDArray[np.bool_], layers: Sequence[int], cut: bool) -> tuple[NDArray[np.float32], Codes]:
        """Features (k, len(layers) * W) and labels (k,) of the voices that are kept (n,), with their cuts or without."""
        features, label = beside(self.means[kept], layers), self.label[kept]
        if not cut:
            return features, label
        own = kept[self.of]
        return np.concatenate([features, beside(self.cuts[own], layers)]), np.append(label, self.label[self.of[own]])


class Choice(NamedTuple):
    """A way to fit, and how it does on speakers left out."""

    loss: float
    """Log-loss with the temperature."""
    layers: tuple[int, ...]
    cut: bool
    l2: float
    temperature: float
    recall: float
    """Unweighted."""


def beside(means: NDArray[np.float32], layers: Sequence[int]) -> NDArray[np.float32]:
    """(n, len(layers) * W) of means (n, L, W): layers, from 1, side by side."""
    return means[:, [layer - 1 for layer in layers]].reshape(len(means), -1)


# ---- choosing and fitting -------------------------------------------------------------------------------------------


def log_loss(scores: Array, label: Codes) -> float:
    """Mean over the classes of the mean surprise at their rows (n,), of scores (n, C) before the softmax."""
    scores = scores - scores.max(1, keepdims=True)
    surprise = np.log(np.exp(scores).sum(1)) - scores[np.arange(len(label)), label]
    return float(np.mean([surprise[label == one].mean() for one in np.unique(label)]))


def tempered(scores: Array, label: Codes) -> tuple[float, float]:
    """The smallest log-loss of scores (n, C) divided by a temperature, and that temperature."""
    return min((log_loss(scores / degree, label), float(degree)) for degree in _TEMPERATURES)


def choices(
    voices: Voices, classes: int, candidates: Sequence[tuple[int, ...]], l2s: Sequence[float]
) -> Iterator[Choice]:
    """How each way to fit does on speakers left out.

    Args:
        voices: Of two speakers or more.
        classes: C.
        candidates: Layers to try.
        l2s: L2 to try.
    """
    for layers in candidates:
        for cut in (False, True) if len(voices.cuts) else (False,):
            for l2 in l2s:

                def fitted(out: NDArray[np.bool_], layers: Any = layers, cut: bool = cut, l2: float = l2) -> Array:
                    return fit(*voices.rows(~out, layers, cut), classes, l2)(beside(voices.means[out], layers))

                scores = left_out(voices.label, voices.speaker, classes, fitted)
                loss, temperature = tempered(scores, voices.label)
                yield Choice(loss, layers, cut, l2, temperature, mean_recall(scores, voices.label))


def folded(model: Linear, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (C, D) and bias (C,) for features as they are, with standardisation and temperature in them."""
    weight = model.weight / model.scaler.spread[:, None] / temperature
    bias = model.bias / temperature - model.scaler.middle @ weight
    return torch.from_numpy(weight.T.copy()).float(), torch.from_numpy(bias).float()


# ---- voices ---------------------------------------------------------------------------------------------------------


class Ear(NamedTuple):
    """A Whisper encoder and what makes its log-mel frames."""

    encoder: Any
    extractor: Any

    @classmethod
    def of(cls, name: str) -> "Ear":
        """The encoder of a tower.

        Raises:
            ConfigError: It is no Whisper model.
            ModelError: It cannot be had or read.
        """
        from transformers import WhisperFeatureExtractor

        source = tower_of(name)
        if source.kind != "whisper" or source.weights is None:
            raise ConfigError(
                f"--tower {name}: expected a Whisper model, got a tower of pictures; give whisper-tiny.en"
            )
        tower: Any = towers.build(source.kind, source.settings)
        tower.load_state_dict(source.weights)
        return cls(tower.model.eval(), WhisperFeatureExtractor(feature_size=tower.size))

    def means(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(n, L, W) of n voices (samples,) at 16 kHz."""
        if not sounds:
            return np.zeros((0, self.encoder.config.encoder_layers, self.encoder.config.d_model), np.float32)
        return tone.layer_means(self.encoder, self.extractor, sounds).numpy()


def heard(ear: Ear, cases: Sequence[Case], root: Path, words: Sequence[str], cuts: int, seed: int) -> Voices:
    """Features of the voices of items.

    Args:
        ear: Hears them.
        cases: The items.
        root: What relative paths of media are relative to.
        words: Of the classes.
        cuts: Of each voice.
        seed: Of where the cuts are.
    """
    sounds = [voice(case, root) for case in cases]
    draw = np.random.default_rng(seed)
    pairs = [(place, cut) for place, sound in enumerate(sounds) for cut in cuts_of(sound, cuts, draw)]
    return Voices(
        ear.means(sounds),
        np.array([words.index(case.gold) for case in cases], np.int64),
        np.unique([case.speaker for case in cases], return_inverse=True)[1].astype(np.int64),
        ear.means([cut for _, cut in pairs]),
        np.array([place for place, _ in pairs], np.int64),
    )


def cuts_of(sound: NDArray[np.float32], count: int, draw: np.random.Generator, rate: int = 16_000) -> Iterator[Any]:
    """So many cuts (samples,) of a voice (samples,), of :data:`SECONDS`; none of one that is too short."""
    least, most = round(SECONDS[0] * rate), min(round(SECONDS[1] * rate), len(sound))
    for _ in range(count if least < most else 0):
        length = int(draw.integers(least, most))
        start = int(draw.integers(0, len(sound) - length + 1))
        yield sound[start : start + length]


# ---- the run --------------------------------------------------------------------------------------------------------


def run(folder: Path, out: Path, tower: str, candidates: Sequence[tuple[int, ...]], seed: int = 0) -> None:
    """Chooses, fits, writes the head, and prints what it is like.

    Raises:
        DataError: There are no such items, or voices of one speaker alone.
        ConfigError: The tower is no Whisper model, or has no such layers.
        ModelError: The tower cannot be had or read.
    """
    train, valid = (read(folder, "voice", split) for split in ("train", "valid"))
    words = sorted({case.gold for case in train})
    speakers = {case.speaker for case in train}
    if len(speakers) < 2 or len(words) < 2:
        raise DataError(
            f"{folder}: {len(speakers)} speakers and {len(words)} labels in the train split; two of each are needed to choose"
        )
    ear = Ear.of(tower)
    layers, width = ear.encoder.config.encoder_layers, ear.encoder.config.d_model
    if wrong := [one for each in candidates for one in each if not 1 <= one <= layers]:
        raise ConfigError(f"--layers {wrong[0]}: {tower} has layers 1 to {layers}; name layers that there are")
    click.echo(f"hearing {len(train)} voices of {len(speakers)} speakers and {CUTS} cuts of each …", err=True)
    voices = heard(ear, train, folder, words, CUTS, seed)
    tried = []
    for choice in choices(voices, len(words), candidates, L2):
        tried.append(choice)
        click.echo(told(choice))
    best = min(tried)
    model = fit(*voices.rows(np.ones(len(train), bool), best.layers, best.cut), len(words), best.l2)
    weight, bias = folded(model, best.temperature)
    config = tone.ToneConfig(tone=tone.ToneSettings(labels=tuple(words), layers=best.layers), tower=tower, width=width)
    metadata = {
        "data": sha256("\n".join(sorted(case.id for case in train)).encode()).hexdigest(),
        "chosen": told(best),
        "versions": " ".join(f"{name} {version(name)}" for name in ("emollm", "torch", "numpy", "transformers")),
    }
    tone.write(out, tone.ToneHead(config, weight, bias), metadata)
    click.echo(f"chosen: {told(best)}\n{out}: {', '.join(words)}")
    known = [case for case in valid if case.gold in words]
    if known:
        report(beside(heard(ear, known, folder, words, 0, seed).means, best.layers), known, weight, bias, words)


def told(choice: Choice) -> str:
    """A choice in a line."""
    return (
        f"layers {','.join(map(str, choice.layers))}{' and cuts' if choice.cut else ''}, L2 {choice.l2:g}: on speakers left out log-loss "
        f"{choice.loss:.3f} at temperature {choice.temperature:.2f}, mean recall {choice.recall:.3f}"
    )


def report(
    features: NDArray[np.float32], cases: Sequence[Case], weight: torch.Tensor, bias: torch.Tensor, words: Sequence[str]
) -> None:
    """Prints what the head that was written tells of voices that nothing was chosen by.

    Args:
        features: (n, D).
        cases: The n items.
        weight: (C, D).
        bias: (C,).
        words: Of the classes.
    """
    scores = (torch.from_numpy(features) @ weight.T + bias).double().numpy()
    label = np.array([words.index(case.gold) for case in cases], np.int64)
    click.echo(
        f"{len(cases)} voices of {len({case.speaker for case in cases})} speakers who validate: mean recall "
        f"{mean_recall(scores, label):.3f}, accuracy {(scores.argmax(1) == label).mean():.3f}, log-loss {log_loss(scores, label):.3f}"
    )
    for place in np.unique(label):
        own = scores[label == place].argmax(1)
        taken = ", ".join(f"{words[other]} {(own == other).sum()}" for other in np.unique(own))
        click.echo(f"  {words[place]} ({len(own)}): recall {(own == place).mean():.3f}; told as {taken}")


def _layers(context: click.Context, option: click.Parameter, value: str | None) -> tuple[tuple[int, ...], ...]:
    """The layers that are given, or all candidates."""
    if value is None:
        return LAYERS
    try:
        return (tuple(int(part) for part in value.split(",")),)
    except ValueError as error:
        raise click.BadParameter(f"expected layers such as 2,3,4, got {value!r}") from error


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--set", "folder", required=True, type=click.Path(path_type=Path), help="The built set with its items.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the head.")
@click.option("--tower", default="whisper-tiny.en", show_default=True, help="The Whisper model.")
@click.option("--layers", callback=_layers, help="Layers such as 2,3,4; chosen among several if not given.")
@click.option("--seed", default=0, show_default=True, help="Of where the voices are cut.")
def main(folder: Path, out: Path, tower: str, layers: tuple[tuple[int, ...], ...], seed: int) -> None:
    """Fit the head that tells the tone of a voice, and print how it does on speakers that it has not heard."""
    try:
        run(folder, out, tower, layers, seed)
    except EmollmError as error:
        raise Refusal(str(error)) from error
    except KeyboardInterrupt as error:
        raise Stop("stopped; nothing was written") from error


if __name__ == "__main__":
    main()
