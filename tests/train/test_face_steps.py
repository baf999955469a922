import pytest
import torch
from torch import nn

from emollm.train.face_recipe import Optimisation
from emollm.train.face_steps import average, optimizer_of, rate_at, sharpness_aware


def test_the_rate_rises_to_its_height_and_falls_to_a_hundredth() -> None:
    settings = Optimisation(rate=1.0, warmup=2, epochs=10)
    rates = [rate_at(step, 5, settings) for step in range(50)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[30] == pytest.approx(0.01 + 0.99 * 0.5)  # half of the way down
    assert rates[-1] == pytest.approx(0.01, abs=0.003)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_only_matrices_decay() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    groups = optimizer_of(net, Optimisation(decay=0.3)).param_groups
    decayed = [parameter.ndim for parameter in groups[0]["params"]]
    assert (decayed, groups[0]["weight_decay"], groups[1]["weight_decay"]) == ([4], 0.3, 0.0)
    assert len(groups[1]["params"]) == 3


def test_the_sharpness_aware_gradient_is_that_at_the_climbed_point() -> None:
    net = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[3.0, 4.0]]))

    def loss() -> torch.Tensor:
        value = (net.weight**3).sum() / 3  # gradient w²: (9, 16), of length √337
        value.backward()
        return value

    loss()
    sharpness_aware(net, loss, radius=0.1)
    climbed = torch.tensor([3.0, 4.0]) + 0.1 * torch.tensor([9.0, 16.0]) / 337**0.5
    assert torch.allclose(net.weight.grad[0], climbed**2, atol=1e-5)  # type: ignore[index]
    assert torch.allclose(net.weight[0], torch.tensor([3.0, 4.0]), atol=1e-6)


def test_the_second_look_leaves_running_means_as_they_are() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    pictures = torch.rand(4, 1, 5, 5, generator=torch.Generator().manual_seed(0))

    def loss() -> torch.Tensor:
        value: torch.Tensor = net(pictures).square().mean()
        value.backward()
        return value

    loss()
    before = net[1].running_mean.clone()
    sharpness_aware(net, loss, radius=0.5)
    assert torch.equal(net[1].running_mean, before)
    assert net[1].momentum == 0.1


def test_an_average_moves_by_one_minus_decay_and_copies_counts() -> None:
    mean, now = [torch.zeros(2), torch.tensor(3)], [torch.ones(2), torch.tensor(7)]
    average(mean, now, decay=0.9)
    assert torch.allclose(mean[0], torch.full((2,), 0.1))
    assert mean[1] == 7
