"""Linear readings of features."""

from pathlib import Path

import numpy as np
import pytest

from emollm.encoders.net import FaceNet, FaceNetConfig
from emollm.encoders.weights import Trained, TrainedConfig
from emollm.eval import probe
from emollm.eval.probe_fit import L2, folds, logistic, ridge, splits
from emollm.face_sets import CropSettings, FaceSet, FaceSource, prepare
from emollm.linear import Linear, Scaler
from emollm.metrics.bootstrap import Estimate, value

RNG = np.random.default_rng(0)


def blobs(n: int, classes: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, width) around a point for each class, and the classes (n,)."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(classes, width)) * 3
    label = np.arange(n) % classes
    return (centres[label] + rng.normal(size=(n, width))).astype(np.float32), label


# ---- folds ----------------------------------------------------------------------------------------------------------


def test_folds_share_out_every_class() -> None:
    label = np.repeat([0, 1, 2], [50, 11, 2])
    fold = folds(label, 5, seed=1)
    for one in range(3):
        counts = np.bincount(fold[label == one], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.ptp(np.bincount(fold)) <= 1


def test_every_row_is_left_out_once() -> None:
    left_out = np.concatenate([outside for _, outside in splits(folds(np.zeros(17, np.int64), 4, 0))])
    assert sorted(left_out.tolist()) == list(range(17))


# ---- logistic regression --------------------------------------------------------------------------------------------


def test_classes_that_lie_apart_are_told_apart() -> None:
    seen, label = blobs(60, 3, 8, seed=1)
    unseen, reference = blobs(300, 3, 8, seed=2)
    assert (logistic(seen, label, 3)(unseen).argmax(1) == reference).mean() > 0.98


@pytest.mark.parametrize(("n", "width"), [(40, 5), (12, 30)])  # with more features than rows the fit is of another form
def test_the_gradient_is_zero_at_the_fit(n: int, width: int) -> None:
    seen, label = blobs(n, 3, width, seed=3)
    model = logistic(seen, label, 3, l2=[0.1])
    chances = np.exp(model(seen))
    chances /= chances.sum(1, keepdims=True)
    gradient = model.scaler(seen).T @ (chances - np.eye(3)[label]) / len(seen) + 0.1 * model.weight
    assert np.abs(gradient).max() < 1e-4


def test_a_class_that_was_never_seen_is_never_answered() -> None:
    seen, label = blobs(20, 2, 4, seed=5)
    said = logistic(seen, label * 2, 3)(RNG.normal(size=(200, 4)).astype(np.float32) * 9).argmax(1)
    assert set(said.tolist()) <= {0, 2}


def test_noise_is_answered_by_the_strongest_penalty() -> None:
    noise = np.random.default_rng(1).normal(size=(60, 40)).astype(np.float32)
    label = np.random.default_rng(2).integers(0, 2, 60)
    chosen, strongest = logistic(noise, label, 2), logistic(noise, label, 2, l2=[L2[-1]])
    assert np.abs(chosen.weight).max() < 10 * np.abs(strongest.weight).max() + 1e-9


def test_a_constant_feature_does_no_harm() -> None:
    seen, label = blobs(30, 2, 3, seed=6)
    seen[:, 1] = 7
    assert np.isfinite(logistic(seen, label, 2)(seen)).all()


def test_a_fit_does_not_look_at_what_it_is_scored_on() -> None:
    seen, label = blobs(30, 3, 6, seed=7)
    unseen, _ = blobs(9, 3, 6, seed=8)
    model = logistic(seen, label, 3)
    assert model.scaler.middle == pytest.approx(seen.mean(0), abs=1e-6)
    assert model(unseen)[:1] == pytest.approx(model(unseen[:1]))


# ---- ridge regression -----------------------------------------------------------------------------------------------


def test_ridge_agrees_with_the_normal_equations() -> None:
    features, target = RNG.normal(size=(50, 4)), RNG.normal(size=(50, 1))
    scaled = Scaler.of(features)(features)
    expected = np.linalg.solve(scaled.T @ scaled + 10 * np.eye(4), scaled.T @ (target - target.mean()))
    assert ridge(features, target, penalties=[10.0]).weight == pytest.approx(expected)


def test_a_linear_target_is_explained_and_noise_is_not() -> None:
    features = RNG.normal(size=(400, 6))
    targets = np.stack([features @ np.arange(6.0), RNG.normal(size=400)], 1)
    found = probe.explained({"x": features[:200]}, targets[:200], {"x": features[200:]}, targets[200:], ("A", "B"))["x"]
    assert found["A"].value > 0.999
    assert found["B"].value < 0.05
    assert found["mean"].value == pytest.approx((found["A"].value + found["B"].value) / 2)


def test_rows_that_were_not_measured_do_not_count_for_their_target() -> None:
    features = RNG.normal(size=(60, 3))
    targets = np.stack([features[:, 0], features[:, 1] * 2], 1)
    gaps = targets.copy()
    gaps[:20, 1] = np.nan
    fitted, alone = ridge(features, gaps, [1.0]), ridge(features, targets, [1.0])
    assert fitted.weight[:, 0] == pytest.approx(alone.weight[:, 0])
    assert np.isfinite(fitted.weight).all()


def test_a_unit_that_was_never_measured_has_no_r2() -> None:
    features = RNG.normal(size=(40, 3))
    targets = np.stack([features[:, 0], np.full(40, np.nan)], 1)
    found = probe.explained({"x": features}, targets, {"x": features}, targets, ("A", "B"))["x"]
    assert np.isnan(found["B"].value)
    assert found["mean"].value == found["A"].value > 0.99


def test_r2_is_nought_for_the_mean_and_undefined_without_variance() -> None:
    reference = np.array([1.0, 2.0, 3.0, np.nan])
    assert value(probe.r2(reference, np.full(4, 2.0)), 4) == pytest.approx(0.0)
    assert value(probe.r2(reference, np.array([1.0, 2.0, 3.0, 99.0])), 4) == pytest.approx(1.0)
    assert np.isnan(value(probe.r2(np.ones(4), np.ones(4)), 4))


# ---- scores and tables ----------------------------------------------------------------------------------------------


def test_cross_validation_beats_chance_on_features_and_not_on_noise() -> None:
    features, label = blobs(90, 3, 6, seed=11)
    told, noise = probe.crossed({"told": features, "noise": RNG.normal(size=(90, 6))}, label, 3, k=5)
    assert told.accuracy.value > 0.95
    assert noise.accuracy.low < 0.4
    assert told.accuracy.low <= told.accuracy.value <= told.accuracy.high


def test_more_labels_read_better() -> None:
    features, label = blobs(300, 3, 20, seed=12)
    features = features + np.random.default_rng(3).normal(size=features.shape).astype(np.float32) * 6
    one, many = (
        probe.few({"x": features}, label, {"x": features}, label, 3, k, draws=4)[0].accuracy.value for k in (2, 60)
    )
    assert many > one + 0.1


def test_the_floor_is_the_commonest_class() -> None:
    assert probe.floor(np.array([0, 0, 0, 2]), 4) == (0.75, 0.5)


def test_the_tables_name_every_row_and_column() -> None:
    half = Estimate(0.5, 0.4, 0.6)
    table = probe.class_table({"task": [probe.Score("net", half, half)]}, {"task": (0.25, 0.125)})
    assert table.splitlines() == [
        "| accuracy · macro recall % | task |",
        "|---|---|",
        "| net | 50.0 [40.0, 60.0] · 50.0 [40.0, 60.0] |",
        "| always the commonest class | 25.0 · 12.5 |",
    ]
    units = probe.unit_table({"net": {"mean": half, "AU12": Estimate(np.nan, np.nan, np.nan)}})
    assert units.splitlines()[2:] == ["| mean | 0.50 [0.40, 0.60] |", "| AU12 | – |"]


# ---- a whole run ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny() -> Trained:
    config = FaceNetConfig(
        labels=("a", "b"), embedding=3, backbone={"size": 16, "stem": 4, "widths": (8,), "depths": (1,)}
    )
    return Trained("tiny", "0" * 12, FaceNet(config).eval(), TrainedConfig(net=config))


def test_random_weights_are_the_same_each_time_and_not_those_of_the_net(tiny: Trained) -> None:
    one, two = (probe.random_weights(tiny).net.expression.weight.numpy() for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, tiny.net.expression.weight.detach().numpy())


def test_a_net_is_read_from_file_to_table(tiny: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "FEW", (5,))
    monkeypatch.setattr(probe, "_FOLDS", 2)
    columns = np.array(["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"])
    votes = np.zeros((24, 8), np.int64)
    votes[np.arange(24), np.arange(24) % 3] = 9
    images = RNG.integers(0, 255, (24, 48, 48), dtype=np.uint8)
    split = np.array(["train"] * 12 + ["valid"] * 12)
    np.savez(tmp_path / "tiles.npz", images=images, votes=votes, columns=columns, split=split)

    def prepared(source: FaceSource, crops: CropSettings) -> FaceSet:
        return prepare(source, crops.model_copy(update={"backend": "mesh-head"}), tmp_path / "work", 1)

    seen, unseen = (FaceSource(path=tmp_path / "tiles.npz", split=split) for split in ("train", "valid"))
    text = probe.probe(tiny, seen, unseen, seen, prepared, draws=1)
    for row in ("tiny, embedding", "tiny, pooled", "random weights, pooled", "pixels 48 × 48"):
        assert f"| {row} |" in text
    assert "5 faces a class, 1 draws (rarest class: 0)" in text
    assert "tiles.npz: 12 faces, 2 folds" in text
    assert "| AU12 |" in text


def test_a_reading_says_what_it_is() -> None:
    model = Linear(Scaler(np.zeros(2), np.ones(2)), np.eye(2), np.array([0.0, 1.0]))
    assert np.array_equal(model(np.array([[2.0, 3.0]])), [[2.0, 4.0]])
