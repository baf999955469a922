"""Connectors: features of a tower to tokens of the language model."""

import pytest
import torch

from emollm.errors import ConfigError
from emollm.modeling.configuration import ConnectorSettings
from emollm.modeling.connectors import Connector, Pooled
from emollm.modeling.towers import Seen

KINDS = ("linear", "mlp", "resampler")


def connector(kind: str, tokens: int = 4, summary: int = 0) -> Connector:
    """Width 12 to 16."""
    torch.manual_seed(0)
    return Connector(ConnectorSettings(kind=kind, tokens=tokens, heads=4), 12, summary, 16)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("features", [1, 4, 49, 50])
@pytest.mark.parametrize("tokens", [1, 4, 6])
def test_any_number_of_features_becomes_so_many_tokens(kind: str, features: int, tokens: int) -> None:
    made = connector(kind, tokens)
    assert made(Seen(torch.randn(3, features, 12))).shape == (3, tokens, 16)
    assert made.rows == tokens


@pytest.mark.parametrize("kind", KINDS)
def test_a_summary_is_the_first_token_and_changes_no_other(kind: str) -> None:
    made = connector(kind, summary=5)
    features = torch.randn(2, 9, 12)
    first, second = made(Seen(features, torch.randn(2, 5))), made(Seen(features, torch.randn(2, 5)))
    assert made.rows == 5
    assert first.shape == (2, 5, 16)
    assert (first[:, 0] - second[:, 0]).abs().max() > 0.01
    torch.testing.assert_close(first[:, 1:], second[:, 1:])


@pytest.mark.parametrize("kind", KINDS)
def test_rows_do_not_see_each_other(kind: str) -> None:
    made = connector(kind, summary=5)
    seen = Seen(torch.randn(3, 16, 12), torch.randn(3, 5))
    alone = torch.cat(
        [made(Seen(seen.features[[row]], seen.summary[[row]])) for row in range(3) if seen.summary is not None]
    )
    torch.testing.assert_close(made(seen), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_weight(kind: str) -> None:
    made = connector(kind, summary=5)
    made(Seen(torch.randn(2, 16, 12), torch.randn(2, 5))).square().sum().backward()
    idle = {name for name, weight in made.named_parameters() if weight.grad is None or not weight.grad.any()}
    # A bias of keys adds the same to all of a query's logits.
    assert {name for name in idle if not name.endswith("keys.bias")} == set()


def test_squares_are_averaged_as_maps_and_others_in_their_order() -> None:
    grid = torch.arange(16.0).reshape(1, 16, 1)  # a map of 4 × 4, row by row
    same = torch.nn.Identity()
    assert Pooled(4, same)(grid).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert Pooled(2, same)(grid).flatten().tolist() == [3.5, 11.5]
    assert Pooled(4, same)(grid[:, :8]).flatten().tolist() == [0.5, 2.5, 4.5, 6.5]


def test_a_learnt_vector_tells_the_streams_apart() -> None:
    made = connector("mlp")
    features = torch.randn(1, 4, 12)
    before = made(Seen(features))
    with torch.no_grad():
        made.stream += 2.0
    torch.testing.assert_close(made(Seen(features)), before + 2.0)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^a resampler of width 18 cannot have 4 heads; choose a divisor$"):
        Connector(ConnectorSettings(kind="resampler", heads=4), 12, 0, 18)
