"""Comparing blendshapes."""

import numpy as np
import pytest
from click.testing import CliRunner

from emollm.eval.parity import difference, main


def test_differences_are_over_all_shapes_and_by_photo() -> None:
    ours, theirs = np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)
    theirs[0, 1], theirs[1, 2], theirs[2, 3] = 0.1, 0.2, 0.6
    assert difference(ours, theirs) == pytest.approx((3, 0.9 / 12, 0.2, 0.6))


def test_no_photo_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, []).exit_code == 2
