"""What a linear reading of the Whisper encoder tells of voices: the floor that the model's own answers have to clear.

Features are the means of the encoder's last layer over the frames of the voice itself; classes weigh the same; the L2 is chosen by leaving
each training speaker out in turn. Linear probes: Alain & Bengio 2016. What a tone head inside of the model says (:mod:`emollm.modeling.tone`) is
asked beside it, because the model is told that.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emollm.errors import DataError, ModelError
from emollm.eval.emollm_135m_asking import to_stderr
from emollm.eval.emollm_135m_scores import Said
from emollm.files import replacing
from emollm.linear import Codes, fit, left_out, mean_recall
from emollm.measured_items import Case, read, voice

if TYPE_CHECKING:
    from emollm.eval.emollm_135m_proof import Proof

L2 = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1)
"""What is tried: weight of the squared weights beside the mean cross-entropy."""
TONE = "tone head of the model"
"""Who answers."""


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
    found = _heard(proof, cases)
    with replacing(file) as out:
        np.save(out, found, allow_pickle=False)
    return found


def _heard(proof: "Proof", cases: Sequence[Case]) -> NDArray[np.float32]:
    """Means of the last layer over each voice's own frames."""
    from emollm.modeling.tone import layer_means

    sounds = [voice(case, proof.folder) for case in cases]
    extractor = proof.model.built().processor.feature_extractor
    return layer_means(_tower(proof).model, extractor, sounds)[:, -1].float().cpu().numpy()


def _tower(proof: "Proof") -> Any:
    """The model's :class:`emollm.modeling.towers.WhisperTower`."""
    from emollm.modeling.towers import WhisperTower

    streams = proof.model.ready().model.streams
    tower = streams["speech"].tower if "speech" in streams else None
    if not isinstance(tower, WhisperTower):
        raise ModelError("the model has no Whisper encoder; leave the measure voice out")
    return tower


# ---- the head inside ------------------------------------------------------------------------------------------------


def toned(proof: "Proof", cases: Sequence[Case]) -> Probed | None:
    """The likeliest tone of each voice as the model's own tone head tells it; None for a model without one.

    Raises:
        ModelError: The model does not hear.
    """
    import torch

    tower = _tower(proof)
    if tower.tone is None:
        return None
    words = proof.model.ready().config.stream("speech").settings["tone"]["labels"]
    extractor = proof.model.built().processor.feature_extractor
    told = []
    for case in cases:
        heard = extractor(
            [voice(case, proof.folder)],
            sampling_rate=16_000,
            padding="max_length",
            return_attention_mask=True,
            return_tensors="pt",
        )
        weight = next(tower.parameters())
        frames, lengths = heard["input_features"].to(weight), heard["attention_mask"].sum(-1).to(weight.device)
        with torch.inference_mode():
            told.append(words[int(tower(frames, lengths).summary[0].argmax())])
    layers = "+".join(str(layer) for layer in tower.layers)
    return Probed(
        proof.said(cases, told), f"its likeliest class, from Whisper layers {layers}; the model is given what it tells"
    )


# ---- fitting --------------------------------------------------------------------------------------------------------


def chosen(features: NDArray[np.floating], label: Codes, speaker: Codes, classes: int) -> tuple[float, float]:
    """The L2 with the highest mean recall on speakers left out (the weightier of equal ones), and that recall.

    Args:
        features: (n, W).
        label: (n,) in [0, classes).
        speaker: (n,).
        classes: C.
    """

    def recall(l2: float) -> float:
        return mean_recall(
            left_out(label, speaker, classes, lambda out: fit(features[~out], label[~out], classes, l2)(features[out])),
            label,
        )

    best, l2 = max((recall(l2), l2) for l2 in L2)
    return l2, best
