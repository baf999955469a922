"""Several Samples in one row see only themselves."""

import pytest
import torch

from emollm.modeling.conversation import Encoded, batch_of
from emollm.modeling.tiny import BACKBONES, tiny


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("training", [False, True])
def test_packed_samples_have_the_loss_that_they_have_apart(backbone: str, training: bool) -> None:
    model = tiny(backbone, ()).model.train(training)
    draw = torch.Generator().manual_seed(0)
    tokens = [torch.randint(0, 200, (size,), generator=draw).tolist() for size in (16, 12, 20)]
    samples = [Encoded(own, own, {}, 0, 0) for own in tokens]
    packed, apart = (model(**batch_of(samples, 0, packed=way)).loss for way in (True, False))
    # Sums in another order; Samples that saw each other were away from it by 2e-3 at least.
    torch.testing.assert_close(packed, apart, rtol=0, atol=1e-4)
