"""Grad-CAM against hand computations, and what every map has to be."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from emollm import encoders
from emollm.encoders import ENCODERS, FaceNet, FaceNetConfig, Features
from emollm.encoders.base import grey
from emollm.encoders.predict import as_pixels
from emollm.encoders.saliency import Maps, activations, grad_cam, layer_of
from emollm.encoders.saliency_sanity import cascade, rank_correlation
from emollm.errors import ConfigError, ModelError
from emollm.media.images import Picture
from emollm.perception.crops import aligned_crop
from emollm.types import Observation

Build = Callable[..., FaceNet]

DEEPER = {"size": 32, "stem": 4, "widths": [8, 8, 16], "depths": [1, 1, 1]}


@pytest.fixture
def net(tiny: Build) -> FaceNet:
    """A light net with maps of 4 × 4."""
    return tiny(backbone=DEEPER).eval()


def noise(count: int, size: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def scaled(maps: Tensor) -> np.ndarray:
    """Maps (n, h, w) whose largest is 1; an empty one stays empty."""
    return (maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-30)).detach().numpy()


# ---- what Grad-CAM is -----------------------------------------------------------------------------------------------


def test_at_the_last_layer_before_the_mean_it_is_cam(net: FaceNet) -> None:
    """Class activation maps (Zhou et al. 2016), of which Selvaraju et al. show that Grad-CAM generalises them."""
    crops, classes = noise(4), [0, 1, 2, 1]
    with torch.no_grad():
        maps = net.body(as_pixels(crops)).tokens.transpose(1, 2).unflatten(2, (4, 4))  # (n, D, 4, 4)
        wanted = (maps * net.expression.weight[classes][:, :, None, None]).sum(1).relu()
    found = grad_cam(net, crops, classes, mirrored=False)
    assert found.layer == "stage3"
    np.testing.assert_allclose(found.cells, scaled(wanted), atol=1e-5)
    np.testing.assert_allclose(found.strength, wanted.amax((1, 2)) / 16, rtol=1e-4)


def test_at_an_inner_layer_it_is_the_weighed_sum_by_hand(net: FaceNet) -> None:
    crops, stages = noise(3), list(net.encoder.get_submodule("stages").children())
    maps = stages[0](net.encoder.get_submodule("stem")(grey(as_pixels(crops)) * 2 - 1)).detach().requires_grad_()
    score = net.expression(nn.Sequential(*stages[1:])(maps).mean((2, 3)))[:, 2].sum()
    (slope,) = torch.autograd.grad(score, maps)
    wanted = torch.einsum("nchw,nc->nhw", maps, slope.mean((2, 3))).relu()
    found = grad_cam(net, crops, [2, 2, 2], layer="stage1", mirrored=False)
    assert found.cells.shape == (3, 16, 16)
    np.testing.assert_allclose(found.cells, scaled(wanted), atol=1e-5)


def test_with_mirror_images_the_map_of_the_mirrored_face_is_the_mirrored_map(net: FaceNet) -> None:
    crops = noise(2)
    found = grad_cam(net, crops, [0, 1])
    mirrored = grad_cam(net, crops[:, :, ::-1], [0, 1])
    np.testing.assert_allclose(mirrored.cells, found.cells[:, :, ::-1], atol=1e-5)
    assert not np.allclose(found.cells, grad_cam(net, crops, [0, 1], mirrored=False).cells, atol=1e-2)


def test_the_same_net_twice_gives_the_same_map(net: FaceNet) -> None:
    first, second = (grad_cam(net, noise(2), [0, 1]) for _ in range(2))
    assert np.array_equal(first.cells, second.cells)


def test_a_batch_gives_what_each_face_gives_alone(net: FaceNet) -> None:
    crops = noise(70)
    classes = [i % 3 for i in range(70)]
    together = grad_cam(net, crops, classes)
    alone = grad_cam(net, crops[66:67], classes[66:67])
    np.testing.assert_allclose(together.cells[66], alone.cells[0], atol=1e-4)


def test_maps_of_different_classes_differ(net: FaceNet) -> None:
    one, other = (grad_cam(net, noise(3), [index] * 3).cells for index in (0, 1))
    assert not np.allclose(one, other, atol=0.05)


def test_a_class_whose_logit_is_constant_gives_zeros_and_no_nan(net: FaceNet) -> None:
    with torch.no_grad():
        net.expression.weight[1] = 0
    found = grad_cam(net, noise(2), [1, 0])
    assert found.strength[0] == 0
    assert found.strength[1] > 0
    assert not found.cells[0].any()
    assert np.isfinite(found.cells).all()
    assert not found.at(32)[0].any()


def test_the_net_is_left_as_it_was(net: FaceNet) -> None:
    net.requires_grad_(False)
    crops = noise(1)
    before = net(as_pixels(crops)).expression
    grad_cam(net, crops, [0])
    activations(net, crops)
    assert torch.equal(net(as_pixels(crops)).expression, before)
    assert not any(module._forward_hooks or module._backward_hooks for module in net.modules())
    assert all(weight.grad is None and not weight.requires_grad for weight in net.parameters())


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.sampled_from([1, 7, 32, 101]))
def test_a_map_is_finite_between_0_and_1_and_of_the_size_asked_for(seed: int, level: int, size: int) -> None:
    torch.manual_seed(seed % 1000)
    net = FaceNetConfig.model_validate(
        {"backbone": {"size": 16, "stem": 4, "widths": [8, 16], "depths": [1, 1]}, "labels": ("a", "b")}
    )
    crops = np.concatenate([noise(1, 16, seed), np.full((1, 16, 16, 3), level, np.uint8)])
    maps = grad_cam(net.build().eval(), crops, [0, 1]).at(size)
    assert maps.shape == (2, size, size)
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()
    assert maps.min() >= 0
    assert maps.max() <= 1


# ---- any row of the table -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_every_encoder_has_maps_at_all_of_its_layers(encoder: str, tiny: Build) -> None:
    net = tiny(encoder).eval()
    crops = noise(2, net.size)
    layers = activations(net, crops)
    assert list(layers) == list(net.body.layers)
    for name, values in layers.items():
        found = grad_cam(net, crops, [0, 1], layer=name)
        assert found.cells.shape == (2, *values.shape[2:])
        assert values.shape[2] == values.shape[3], (
            "of a square picture a map is square: (B, D, H, W) and not (B, H, W, D)"
        )
        assert np.isfinite(found.cells).all()


def test_activations_are_what_the_layers_give(net: FaceNet) -> None:
    crops = noise(2)
    found = activations(net, crops, ["stem", "stage3"])
    assert list(found) == ["stem", "stage3"]
    with torch.no_grad():
        stem = net.encoder.get_submodule("stem")(grey(as_pixels(crops)) * 2 - 1)
        last = net.body(as_pixels(crops)).tokens.transpose(1, 2).unflatten(2, (4, 4))
    np.testing.assert_allclose(found["stem"], stem.numpy(), atol=1e-6)
    np.testing.assert_allclose(found["stage3"], last.numpy(), atol=1e-6)


def test_wrong_names_are_one_line(net: FaceNet) -> None:
    assert layer_of(net)[0] == "stage3"
    with pytest.raises(ConfigError, match=r"unknown layer of face_mt 'stage33' \(did you mean 'stage3'\?\)"):
        grad_cam(net, noise(1), [0], layer="stage33")
    with pytest.raises(ConfigError, match="class 3: the net has 3, 0 to 2"):
        grad_cam(net, noise(1), [3])
    with pytest.raises(ConfigError, match="unknown layer"):
        activations(net, noise(1), ["steem"])


class Vectors(nn.Module):
    """An encoder whose only layer has no maps."""

    def __init__(self) -> None:
        super().__init__()
        self.size, self.width, self.token_width = 8, 6, 6
        self.flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 6))
        self.layers = {"flat": self.flat}

    def forward(self, pixels: Tensor) -> Features:
        pooled = self.flat(pixels)
        return Features(pooled[:, None], pooled)


def test_a_layer_without_maps_is_one_line(tiny: Build) -> None:
    net = tiny(embedding=0, backbone={"widths": [6], "depths": [1]}).eval()
    net.encoder = Vectors()
    with pytest.raises(ModelError, match=r"layer flat: expected maps \(B, D, H, W\), got"):
        grad_cam(net, noise(1, 8), [0])
    with pytest.raises(ModelError, match="layer flat: expected maps"):
        activations(net, noise(1, 8))


# ---- whether a map depends on what was learnt -----------------------------------------------------------------------


def test_the_cascade_draws_anew_from_the_head_down_and_leaves_the_net(net: FaceNet) -> None:
    before = {key: value.clone() for key, value in net.state_dict().items()}
    state = torch.get_rng_state()
    steps = list(cascade(net, seed=1))
    assert torch.equal(torch.get_rng_state(), state)
    assert [step.name for step in steps] == ["head", "stage3", "stage2", "stage1", "stem"]
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    changed = [
        {key for key, value in step.net.state_dict().items() if not torch.equal(value, before[key])} for step in steps
    ]
    assert all(key.startswith(("expression.", "embedding.")) for key in changed[0])
    assert {key.split(".")[2] for key in changed[2] - changed[0]} == {"stage3", "stage2"}
    matrices = {key for key, value in before.items() if value.ndim > 1}
    assert matrices <= changed[-1]
    assert not any(step.net.training for step in steps)


@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_the_cascade_reaches_every_weight_of_every_encoder(encoder: str, tiny: Build) -> None:
    net = tiny(encoder).eval()
    *_, last = cascade(net, seed=5)
    matrices = [key for key, value in net.state_dict().items() if value.ndim > 1 and value.std() > 0]
    same = [key for key in matrices if torch.equal(net.state_dict()[key], last.net.state_dict()[key])]
    assert [key for key in same if "relative_position_index" not in key and "mask" not in key] == []


def test_rank_correlation_is_spearman_s_and_undefined_of_a_constant() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, (2, 6, 6)).astype(np.float32)  # many ties
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one.ravel(), other.ravel()).statistic)
    assert rank_correlation(one, np.exp(one)) == pytest.approx(1)
    assert np.isnan(rank_correlation(one, np.zeros((6, 6), np.float32)))


@pytest.fixture(scope="module")
def shipped() -> encoders.Trained:
    """The net that comes with the package."""
    return encoders.load("face-mt")


@pytest.fixture
def faces(
    shipped: encoders.Trained,
    astronaut_picture: Picture,
    astronaut_observation: Observation,
    group: Path,
    group_observation: Observation,
) -> np.ndarray:
    """The astronaut and the five people, as the shipped net takes them."""
    from emollm.media.images import read_image

    pairs = [(astronaut_picture, astronaut_observation), (read_image(group), group_observation)]
    net, margin = shipped.net, shipped.config.net.margin
    return np.stack([aligned_crop(p, track.faces[0], net.size, margin) for p, seen in pairs for track in seen.tracks])


def test_the_map_of_real_faces_changes_when_the_weights_are_randomised(
    shipped: encoders.Trained, faces: np.ndarray
) -> None:
    """Adebayo et al. 2018.

    Measured for six seeds, mean |rank correlation| over the six faces: 0.08 to 0.34 once all weights are random, 0.23 to 0.92 with a
    random head alone, which is why the whole cascade is tested: the last maps are strong in few places whatever weighs them.
    """
    happy = [shipped.net.config.labels.index("happiness")] * len(faces)
    before = grad_cam(shipped.net, faces, happy)

    def likeness(maps: Maps) -> float:
        pairs = zip(before.cells, maps.cells, strict=True)
        return float(np.nanmean([abs(rank_correlation(one, other)) for one, other in pairs]))

    assert likeness(grad_cam(shipped.net, faces, happy)) == pytest.approx(1)
    ends = [list(cascade(shipped.net, seed))[-1].net for seed in range(3)]
    assert np.mean([likeness(grad_cam(net, faces, happy)) for net in ends]) < 0.5


def test_the_shipped_net_looks_at_the_mouth_for_happiness(shipped: encoders.Trained, faces: np.ndarray) -> None:
    maps = grad_cam(shipped.net, faces, [shipped.net.config.labels.index("happiness")] * len(faces)).at(48)
    assert (maps[:, 24:].sum((1, 2)) > maps[:, :24].sum((1, 2))).all()
