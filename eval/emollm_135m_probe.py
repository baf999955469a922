"""What a linear reading of the Whisper encoder tells of voices: the floor that the model's own answers have to clear.

Features are the means of the encoder's last layer over the frames of the voice itself; classes weigh the same; the L2 is chosen by leaving
each training speaker out in turn. Linear probes: Alain & Bengio 2016.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError, ModelError
from emollm.eval.emollm_135m_asking import to_stderr
from emollm.eval.emollm_135m_items import Case, ask, read
from emollm.eval.emollm_135m_scores import Said
from emollm.eval.probe_fit import Linear, Scaler
from emollm.files import replacing
from emollm.generate import EMBEDDED

if TYPE_CHECKING:
    from emollm.eval.emollm_135m_proof import Proof
    from emollm.modeling.assemble import Built

L2 = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1)
"""What is tried: weight of the squared weights beside the mean cross-entropy."""
_STEPS = 300

Codes = NDArray[np.int64]


class Probed(NamedTuple):
    """The probe's answers to the voices."""

    said: Said
    note: str


def probe(proof: "Proof", cases: Sequence[Case]) -> Probed:
    """Answers of a probe that is fitted on the training speakers.

    Raises:
        DataError: Fewer than two training speakers.
        ModelError: The model does not hear.
    """
    train = read(proof.folder, "voice", "train")
    words = sorted({case.gold for case in train})
    seen, unseen = features(proof, train), features(proof, cases)
    label = np.array([words.index(case.gold) for case in train], np.int64)
    speaker = np.unique([case.speaker for case in train], return_inverse=True)[1]
    if speaker.max(initial=0) < 1:
        raise DataError(f"{proof.folder}: voices of one training speaker; the probe needs two or more to choose its L2")
    l2, cross = chosen(seen, label, speaker, len(words))
    told = [words[place] for place in fit(seen, label, len(words), l2)(unseen).argmax(1)]
    note = (
        f"{len(train)} voices of {speaker.max() + 1} speakers, L2 {l2:g}, mean recall {cross:.3f} on speakers left out"
    )
    return Probed(proof.said(cases, told), note)


# ---- features -------------------------------------------------------------------------------------------------------


def features(proof: "Proof", cases: Sequence[Case]) -> NDArray[np.float32]:
    """(n, W) of voices, kept below the answers' folder for the next run."""
    digest = hashlib.sha256("\n".join([proof.model.name, *(f"{case.id} {case.clip.audio}" for case in cases)]).encode())
    file = proof.answers.folder / f"probe-{digest.hexdigest()[:12]}.npy"
    if file.is_file():
        return np.asarray(np.load(file, allow_pickle=False), np.float32)
    to_stderr(f"voice: features of {len(cases)} voices")
    found = _heard(_open(proof.source), cases, proof.folder)
    with replacing(file) as out:
        np.save(out, found, allow_pickle=False)
    return found


def _open(source: str) -> "Built":
    from emollm.modeling.assemble import load
    from emollm.modeling.shipped import open_shipped

    return open_shipped(source) if source == EMBEDDED else load(Path(source).expanduser())


def _heard(built: "Built", cases: Sequence[Case], root: Path) -> NDArray[np.float32]:
    """Means of the last layer over each voice's own frames."""
    import torch

    from emollm.modeling.sample_media import listen

    streams = built.model.model.streams
    tower = streams["speech"].tower if "speech" in streams else None
    encoder = getattr(tower, "model", None)
    if encoder is None:
        raise ModelError("the model has no Whisper encoder; leave the measure voice out")
    rows = []
    for case in cases:
        sound = next(listen(item, root) for item in ask(case, root, media=("audio",)).media)
        heard = built.processor.feature_extractor(
            [sound], sampling_rate=16_000, padding="max_length", return_attention_mask=True, return_tensors="pt"
        )
        frames = max(1, int(heard["attention_mask"].sum()) // 2)  # two log-mel frames become one
        with torch.inference_mode():
            hidden = encoder(heard["input_features"].to(encoder.dtype)).last_hidden_state  # (1, 1500, W)
        rows.append(hidden[0, :frames].float().mean(0).numpy())
    return np.stack(rows).astype(np.float32)


# ---- fitting --------------------------------------------------------------------------------------------------------


def chosen(features: NDArray[np.floating], label: Codes, speaker: Codes, classes: int) -> tuple[float, float]:
    """The L2 with the highest mean recall on speakers left out (the weightier of equal ones), and that recall.

    Args:
        features: (n, W).
        label: (n,) in [0, classes).
        speaker: (n,).
        classes: C.
    """
    best = (-1.0, L2[0])
    for l2 in L2:
        said = np.empty(len(label), np.int64)
        for one in np.unique(speaker):
            out = speaker == one
            said[out] = fit(features[~out], label[~out], classes, l2)(features[out]).argmax(1)
        recall = float(np.mean([(said[label == one] == one).mean() for one in np.unique(label)]))
        best = max(best, (recall, l2))
    return best[1], best[0]


def fit(features: NDArray[np.floating], label: Codes, classes: int, l2: float) -> Linear:
    """Multinomial logistic regression in which every class that has rows weighs the same.

    Args:
        features: (n, W).
        label: (n,) in [0, classes).
        classes: C.
        l2: Weight of the squared weights.
    """
    import torch

    scaler = Scaler.of(features)
    inputs, target = torch.from_numpy(scaler(features)), torch.from_numpy(label)
    count = torch.bincount(target, minlength=classes).double()
    weigh = torch.where(count > 0, len(label) / (count > 0).sum() / count.clamp(min=1), torch.zeros(()).double())
    weight = torch.zeros(inputs.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    descent = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        descent.zero_grad()
        loss = torch.nn.functional.cross_entropy(inputs @ weight + bias, target, weight=weigh)
        loss = loss + l2 * weight.square().sum()
        loss.backward()
        return loss

    descent.step(closure)
    return Linear(scaler, weight.detach().numpy(), bias.detach().numpy())
