from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from emollm.emotions import label_set
from emollm.encoders import FaceNet
from emollm.encoders.predict import Crops, predict
from emollm.encoders.weights import Trained, TrainedConfig
from emollm.errors import ConfigError

Build = Callable[..., FaceNet]


def crops(count: int = 5, side: int = 16) -> Crops:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def trained(net: FaceNet, **use: Any) -> Trained:
    return Trained("tiny", "0" * 12, net.eval().requires_grad_(False), TrainedConfig(net=net.config, **use))


def test_the_mirrored_answer_is_the_mean_of_both_looks(tiny: Build) -> None:
    net = tiny(units=("AU4", "AU12"), affect=True)
    both = predict(trained(net), crops())
    one = predict(trained(net, mirrored=False), crops())
    other = predict(trained(net, mirrored=False), crops()[:, :, ::-1])

    np.testing.assert_allclose(both.expression, (one.expression + other.expression) / 2, atol=1e-6)
    assert both.units is not None
    assert one.units is not None
    assert other.units is not None
    np.testing.assert_allclose(both.units, (one.units + other.units) / 2, atol=1e-6)
    assert both.affect is not None
    assert one.affect is not None
    assert other.affect is not None
    np.testing.assert_allclose(both.affect, (one.affect + other.affect) / 2, atol=1e-6)
    assert both.embedding is not None
    np.testing.assert_allclose(np.linalg.norm(both.embedding, axis=1), 1, atol=1e-5)


def test_a_mirrored_face_gets_the_same_answer(tiny: Build) -> None:
    net = trained(tiny(units=("AU4",)))
    seen, mirrored = predict(net, crops()), predict(net, crops()[:, :, ::-1])
    np.testing.assert_allclose(seen.expression, mirrored.expression, atol=1e-6)
    assert seen.units is not None
    assert mirrored.units is not None
    np.testing.assert_allclose(seen.units, mirrored.units, atol=1e-6)


def test_without_mirroring_the_sides_of_a_face_matter(tiny: Build) -> None:
    net = trained(tiny(), mirrored=False)
    assert not np.allclose(predict(net, crops()).logits, predict(net, crops()[:, :, ::-1]).logits, atol=1e-6)


@pytest.mark.parametrize("mirrored", [True, False])
def test_the_temperature_divides_the_logits(tiny: Build, mirrored: bool) -> None:
    net = tiny()
    plain = predict(trained(net, mirrored=mirrored), crops())
    warm = predict(trained(net, mirrored=mirrored, temperature=2.5), crops())
    np.testing.assert_array_equal(plain.logits, warm.logits)
    raised = plain.expression.astype(np.float64) ** (1 / 2.5)
    np.testing.assert_allclose(warm.expression, raised / raised.sum(1, keepdims=True), atol=1e-6)


def test_probabilities_sum_to_one(tiny: Build) -> None:
    np.testing.assert_allclose(predict(trained(tiny()), crops()).expression.sum(1), 1, atol=1e-6)


def test_answers_do_not_depend_on_how_many_faces_are_asked_at_once(tiny: Build) -> None:
    net = trained(tiny())
    many = crops(300)  # more than one batch
    whole = predict(net, many)
    parts = [predict(net, many[:7]), predict(net, many[7:260]), predict(net, many[260:])]
    np.testing.assert_allclose(whole.expression, np.concatenate([part.expression for part in parts]), atol=1e-5)


def test_heads_that_are_not_there_answer_none(tiny: Build) -> None:
    answers = predict(trained(tiny(embedding=0)), crops())
    assert (answers.units, answers.embedding, answers.affect) == (None, None, None)


def test_crops_of_another_size_are_refused_with_both_sizes(tiny: Build) -> None:
    with pytest.raises(ConfigError, match=r"expected pictures \(B, 3, 16, 16\), got \(5, 3, 24, 24\)"):
        predict(trained(tiny()), crops(side=24))


def test_white_is_one_and_red_comes_first(tiny: Build) -> None:
    net = tiny("timm")
    seen: list[torch.Tensor] = []
    net.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    picture = np.zeros((1, 32, 32, 3), np.uint8)
    picture[..., 0] = 255
    predict(trained(net, mirrored=False), picture)
    assert seen[0][0, :, 0, 0].tolist() == [1.0, 0.0, 0.0]


def test_the_same_net_in_another_order_of_classes_gives_each_word_the_same_probability(tiny: Build) -> None:
    published = label_set("resemotenet")
    canonical = {entry.label: entry.canonical for entry in published.entries}
    ferplus = tuple(label for label in label_set("ferplus").labels if label in canonical.values())
    ours, theirs = tiny(labels=ferplus), tiny(labels=published.labels)
    assert ferplus != tuple(canonical[label] for label in published.labels)  # otherwise this test shows nothing
    theirs.load_state_dict(ours.state_dict())
    order = [ferplus.index(str(canonical[label])) for label in published.labels]
    theirs.expression.load_state_dict({name: tensor[order] for name, tensor in ours.expression.state_dict().items()})

    given, wanted = predict(trained(theirs), crops()), predict(trained(ours), crops())

    for column, label in enumerate(theirs.config.labels):
        same = wanted.expression[:, ours.config.labels.index(str(canonical[label]))]
        np.testing.assert_allclose(given.expression[:, column], same, atol=1e-6)
