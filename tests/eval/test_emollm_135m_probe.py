"""The linear probe that stands beside the voices of the proof."""

import numpy as np

from emollm.eval.emollm_135m_probe import L2, chosen
from emollm.linear import fit


def test_a_rare_class_weighs_as_much_as_a_common_one() -> None:
    draw = np.random.default_rng(0)
    label = np.array([0] * 90 + [1] * 10, np.int64)
    features = draw.normal(size=(100, 2)) + label[:, None] * 1.5
    said = fit(features, label, 2, 1e-3)(features).argmax(1)
    assert (said[label == 1] == 1).mean() > 0.7


def test_the_penalty_is_chosen_on_speakers_left_out() -> None:
    """One feature tells the class, many tell the speaker: a weak penalty learns the speakers by heart."""
    draw = np.random.default_rng(1)
    speaker = np.repeat(np.arange(4), 10)
    label = np.tile(np.arange(2), 20).astype(np.int64)
    features = np.concatenate([label[:, None] * 3 + draw.normal(size=(40, 1)), draw.normal(size=(40, 30))], axis=1)
    l2, recall = chosen(features, label, speaker, 2)
    assert l2 > L2[0]
    assert recall > 0.7
