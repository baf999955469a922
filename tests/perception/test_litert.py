"""Models on LiteRT."""

from pathlib import Path

import numpy as np
import pytest

from emollm import assets
from emollm.errors import ModelError
from emollm.perception.litert import Net


def test_a_tapped_model_gives_the_same_outputs_and_the_inner_tensors() -> None:
    path = assets.path("face-mesh")
    plain, tapped = Net(path, name="plain"), Net(path, name="tapped", taps=(160, 207))
    x = np.random.default_rng(0).random(plain.input_shape, dtype=np.float32)
    own, more = plain(x), tapped(x)
    for a, b in zip(own, more, strict=False):
        np.testing.assert_array_equal(a, b)
    assert [array.shape for array in more[len(own) :]] == [(1, 3, 3, 128), (1, 3, 3, 32)]
    assert all(array.std() > 0 for array in more[len(own) :])


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x1c\0\0\0TFL3" + b"\0" * 40])
@pytest.mark.parametrize("taps", [(), (3,)])
def test_what_is_no_model_is_refused_in_one_line(tmp_path: Path, content: bytes, taps: tuple[int, ...]) -> None:
    (tmp_path / "bad.tflite").write_bytes(content)
    with pytest.raises(ModelError, match="bad: not a model that LiteRT can run") as caught:
        Net(tmp_path / "bad.tflite", name="bad", taps=taps)
    assert "\n" not in str(caught.value)
