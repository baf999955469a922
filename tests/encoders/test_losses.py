import math
from collections.abc import Callable

import pytest
import torch

from emollm.encoders import FaceNet
from emollm.encoders.losses import (
    Targets,
    Weights,
    affect_loss,
    embedding_loss,
    expression_loss,
    multitask_loss,
    units_loss,
)

NAN = float("nan")


def test_soft_cross_entropy_has_its_hand_worked_value() -> None:
    logits = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]])  # chances 3/4 and 1/4; 1/2 and 1/2
    shares = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    first = -(0.5 * math.log(0.75) + 0.5 * math.log(0.25))
    assert expression_loss(logits, shares).item() == pytest.approx((first + math.log(2)) / 2)


def test_class_weights_weigh_each_share() -> None:
    loss = expression_loss(torch.zeros(1, 2), torch.tensor([[0.25, 0.75]]), torch.tensor([4.0, 2.0]))
    assert loss.item() == pytest.approx((4 * 0.25 + 2 * 0.75) * math.log(2))


def test_faces_without_votes_do_not_count_and_give_no_gradient() -> None:
    logits = torch.tensor([[2.0, -1.0], [5.0, -5.0]], requires_grad=True)
    both = expression_loss(logits, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    alone = expression_loss(logits[:1], torch.tensor([[0.0, 1.0]]))
    assert both.item() == pytest.approx(alone.item())
    both.backward()
    assert logits.grad is not None
    assert logits.grad[1].abs().max() == 0


@pytest.mark.parametrize("loss", [expression_loss, units_loss, embedding_loss, affect_loss])
def test_a_batch_in_which_nothing_is_known_costs_nothing(loss: Callable[..., torch.Tensor]) -> None:
    given = torch.rand(3, 2, requires_grad=True)
    unknown = torch.full((3, 2), NAN if loss in (units_loss, affect_loss) else 0.0)
    value = loss(given, unknown)
    value.backward()
    assert value.item() == 0
    assert given.grad is not None
    assert given.grad.abs().max() == 0


def test_the_loss_of_units_is_the_mean_over_what_was_measured() -> None:
    logits = torch.tensor([[0.0, 3.0], [math.log(4), -7.0]])  # chances 0.5 and 0.8 where measured
    target = torch.tensor([[0.3, NAN], [1.0, NAN]])
    assert units_loss(logits, target).item() == pytest.approx((math.log(2) - math.log(0.8)) / 2)


def test_units_that_were_not_measured_give_no_gradient() -> None:
    logits = torch.tensor([[0.5, 3.0]], requires_grad=True)
    units_loss(logits, torch.tensor([[0.9, NAN]])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] != 0
    assert logits.grad[0, 1] == 0


def test_concordance_has_its_hand_worked_value() -> None:
    given = torch.tensor([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    wanted = torch.tensor([[0.0, NAN], [1.0, NAN], [1.0, NAN]])
    # means 1/2 and 2/3, variances 1/6 and 2/9, covariance 1/6: CCC = (2/6) / (1/6 + 2/9 + 1/36) = 0.8
    assert affect_loss(given, wanted).item() == pytest.approx(0.2, abs=1e-6)


def test_perfect_concordance_costs_nothing_and_its_opposite_two() -> None:
    values = torch.tensor([[-0.6, 0.1], [0.2, 0.5], [0.4, -0.6]])
    values = values - values.mean(0)
    assert affect_loss(values, values).item() == pytest.approx(0, abs=1e-6)
    assert affect_loss(-values, values).item() == pytest.approx(2, abs=1e-6)


def test_faces_without_affect_do_not_count() -> None:
    given = torch.tensor([[0.1, 0.2], [0.4, -0.2], [0.9, 0.9], [-0.5, 0.3]])
    wanted = torch.tensor([[0.2, 0.1], [0.5, -0.4], [NAN, NAN], [-0.1, 0.2]])
    kept = [0, 1, 3]
    assert affect_loss(given, wanted).item() == pytest.approx(affect_loss(given[kept], wanted[kept]).item())


def test_the_embedding_loss_has_its_hand_worked_value_where_alike_faces_are_together() -> None:
    together = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    shares = together.clone()
    # of each face: its mate at cosine 1, two others at 0, temperature 0.1
    assert embedding_loss(together, shares).item() == pytest.approx(math.log(1 + 2 * math.exp(-10)), rel=1e-2)


def test_the_embedding_loss_is_lower_when_alike_faces_are_near() -> None:
    shares = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    near = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
    assert embedding_loss(near, shares) < embedding_loss(near[[0, 2, 1, 3]], shares)


def test_faces_without_votes_take_no_part_as_anchors_of_the_embedding() -> None:
    embedding = torch.nn.functional.normalize(torch.rand(3, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    shares = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    swapped = embedding[[1, 0, 2]]
    assert embedding_loss(embedding, shares).item() == pytest.approx(embedding_loss(swapped, shares).item(), rel=1e-5)


def test_a_batch_of_one_face_has_a_finite_gradient() -> None:
    embedding = torch.tensor([[0.6, 0.8]], requires_grad=True)
    embedding_loss(embedding, torch.tensor([[1.0, 0.0]])).backward()
    assert embedding.grad is not None
    assert embedding.grad.isfinite().all()


def test_the_total_is_the_sum_of_the_weighed_losses_of_the_heads_there_are(tiny: Callable[..., FaceNet]) -> None:
    net = tiny(units=("AU4",), affect=True).eval()
    outputs = net(torch.rand(4, 3, 16, 16))
    shares = torch.eye(3)[[0, 1, 2, 0]]
    targets = Targets(shares, torch.rand(4, 1), torch.rand(4, 2) * 2 - 1)
    weights = Weights(expression=2.0, units=3.0, embedding=0.5, affect=0.25)

    losses = multitask_loss(outputs, targets, weights)

    assert outputs.units is not None
    assert outputs.embedding is not None
    assert outputs.affect is not None
    assert targets.affect is not None
    assert losses["expression"].item() == pytest.approx(2 * expression_loss(outputs.expression, shares).item())
    assert losses["units"].item() == pytest.approx(3 * units_loss(outputs.units, targets.units).item())
    assert losses["embedding"].item() == pytest.approx(0.5 * embedding_loss(outputs.embedding, shares).item())
    assert losses["affect"].item() == pytest.approx(0.25 * affect_loss(outputs.affect, targets.affect).item())
    parts = sum(value.item() for name, value in losses.items() if name != "total")
    assert losses["total"].item() == pytest.approx(parts)


def test_heads_that_are_not_there_or_not_labelled_have_no_loss(tiny: Callable[..., FaceNet]) -> None:
    net = tiny(embedding=0, affect=True).eval()
    losses = multitask_loss(net(torch.rand(2, 3, 16, 16)), Targets(torch.eye(3)[:2], torch.zeros(2, 0)), Weights())
    assert sorted(losses) == ["expression", "total"]
