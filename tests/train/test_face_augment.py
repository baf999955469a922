import numpy as np
import pytest
import torch

from emollm.train.face_augment import STORED_MARGIN, STORED_SIZE, Augmentation, mix, mixed, vary

STILL = Augmentation(
    mirror=0, scale=0, stretch=0, shift=0, turn=0, shear=0, contrast=0, brightness=0, gamma=0, colour=0, blur=0, noise=0,
    erase=0, mixup=0,
)  # fmt: skip


def crops(count: int = 4) -> torch.Tensor:
    """Smooth pictures, brighter to the right and the bottom, (count, S, S, 3)."""
    ramp = np.linspace(40, 200, STORED_SIZE)
    picture = (ramp[:, None] + 2 * ramp[None]) / 3
    return torch.from_numpy(np.repeat(picture[None, ..., None], count, 0).repeat(3, -1).astype(np.uint8))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_variation_a_face_is_cut_with_the_margin_of_the_net() -> None:
    faces = vary(crops(1), 48, 0.1, STILL, generator())
    edge = (
        STORED_SIZE * (STORED_MARGIN - 0.1) / (1 + 2 * STORED_MARGIN)
    )  # pixels that the net does not see on each side
    inner = crops(1)[0, int(edge) : -int(edge), int(edge) : -int(edge), 0].float() / 255
    seen = torch.nn.functional.interpolate(inner[None, None], 48, mode="bilinear", align_corners=False)[0, 0]
    assert faces.shape == (1, 3, 48, 48)
    assert torch.allclose(faces[0, 0], seen, atol=0.012)
    assert torch.equal(faces[0, 0], faces[0, 2])


def test_the_same_generator_varies_the_same_way() -> None:
    one, same = (vary(crops(), 48, 0.1, Augmentation(), generator(3)) for _ in range(2))
    other = vary(crops(), 48, 0.1, Augmentation(), generator(4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


def test_mirroring_swaps_left_and_right() -> None:
    plain = vary(crops(1), 48, 0.1, STILL, generator())
    mirrored = vary(crops(1), 48, 0.1, STILL.model_copy(update={"mirror": 1.0}), generator())
    assert torch.allclose(mirrored, plain.flip(-1), atol=1e-5)


def test_varied_faces_stay_in_range() -> None:
    wild = Augmentation(contrast=2.0, brightness=1.0, gamma=2.0, noise=1.0, blur=1.0, erase=1.0)
    faces = vary(crops(32), 48, 0.1, wild, generator())
    assert faces.min() >= 0
    assert faces.max() <= 1
    assert torch.isfinite(faces).all()


def test_colours_are_kept_unless_grey_is_enough() -> None:
    red = crops(1)
    red[..., 1:] = 0
    coloured = vary(red, 48, 0.1, STILL.model_copy(update={"grey": False}), generator())
    assert coloured[0, 0].mean() > 0.2
    assert coloured[0, 1:].abs().max() == 0


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0])
def test_the_first_of_two_mixed_faces_is_the_larger_part(alpha: float) -> None:
    draws = [mix(5, alpha, generator(seed)) for seed in range(300)]
    shares = torch.stack([share for share, _ in draws])
    assert (shares >= 0.5).all()
    assert (shares <= 1).all()
    assert all(sorted(partner.tolist()) == [0, 1, 2, 3, 4] for _, partner in draws)
    folded = torch.distributions.Beta(alpha, alpha).sample((20000,))
    assert shares.mean() == pytest.approx(torch.maximum(folded, 1 - folded).mean().item(), abs=0.03)


def test_what_is_not_known_of_one_of_two_mixed_faces_is_not_known_of_the_mix() -> None:
    affect = torch.tensor([[0.8, 0.0], [-0.4, float("nan")], [float("nan"), 1.0]])
    found = mixed(affect, torch.tensor(0.75), torch.tensor([1, 0, 2]))
    wanted = torch.tensor([[0.5, float("nan")], [-0.1, float("nan")], [float("nan"), 1.0]])
    assert torch.allclose(found, wanted, equal_nan=True)
