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
from emollm.eval.emollm_135m_scores import Said
from emollm.files import replacing
from emollm.generate import EMBEDDED
from emollm.linear import Codes, fit, left_out, mean_recall
from emollm.measured_items import Case, read, voice

if TYPE_CHECKING:
    from emollm.eval.emollm_135m_proof import Proof
    from emollm.modeling.assemble import Built

L2 = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1)
"""What is tried: weight of the squared weights beside the mean cross-entropy."""


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
    from emollm.modeling.tone import layer_means

    streams = built.model.model.streams
    tower = streams["speech"].tower if "speech" in streams else None
    encoder = getattr(tower, "model", None)
    if encoder is None:
        raise ModelError("the model has no Whisper encoder; leave the measure voice out")
    sounds = [voice(case, root) for case in cases]
    return layer_means(encoder, built.processor.feature_extractor, sounds)[:, -1].numpy()


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
