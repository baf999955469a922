import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from emollm.encoders import FaceNet, load, save
from emollm.encoders.weights import CONFIG, WEIGHTS, TrainedConfig, metadata, probabilities, shipped
from emollm.errors import EmollmError, ModelError

Build = Callable[..., FaceNet]


@pytest.fixture
def folder(tiny: Build, tmp_path: Path) -> Path:
    """A trained net's folder."""
    net = tiny(units=("AU4", "AU12"))
    save(tmp_path / "net", net, TrainedConfig(net=net.config, temperature=1.5), {"recipe": "face/tiny@1"})
    return tmp_path / "net"


def refusal(place: Path | str) -> str:
    with pytest.raises(ModelError) as caught:
        load(place)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def reconfigure(folder: Path, **net: Any) -> None:
    config = json.loads((folder / CONFIG).read_text())
    config["net"] |= net
    (folder / CONFIG).write_text(json.dumps(config))


def test_a_loaded_net_has_its_name_version_and_use(folder: Path) -> None:
    trained = load(folder)
    assert trained.name == "net"
    assert len(trained.version) == 12
    assert trained.config.temperature == 1.5
    assert not trained.net.training


def test_the_version_changes_with_the_weights(folder: Path, tiny: Build) -> None:
    before = load(folder)
    net = before.net
    with torch.no_grad():
        net.expression.bias += 1
    save(folder, net, before.config, {})
    assert load(folder).version != before.version


def test_what_was_written_beside_the_weights_can_be_read(folder: Path) -> None:
    assert metadata(folder) == {"recipe": "face/tiny@1"}


def test_an_unknown_name_gets_the_known_ones() -> None:
    message = refusal("no-such-net")
    assert "unknown face net 'no-such-net'" in message
    assert all(name in message for name in shipped())


def test_an_empty_name_is_not_taken_for_this_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert "the name of the face net is empty" in refusal("")


def test_an_encoder_that_is_not_here_is_told_with_the_file_that_names_it(folder: Path) -> None:
    reconfigure(folder, encoder="face_tm")
    message = refusal(folder)
    assert message.startswith(f"{folder / CONFIG}: unknown encoder 'face_tm' (did you mean 'face_mt'?)")
    assert message.endswith("put back what training wrote, or install the package that brings the encoder")


def test_a_folder_without_a_net_is_told_so(tmp_path: Path) -> None:
    assert f"{tmp_path}: this folder has no config.json" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"net": {}}', '{"net": {"labels": ["a", "b"]}, "lr": 1}'])
def test_a_corrupt_configuration_is_one_clear_line(folder: Path, text: str) -> None:
    (folder / CONFIG).write_text(text)
    assert "config.json: not the configuration of a face net: " in refusal(folder)


def test_a_configuration_that_is_no_text_is_one_clear_line(folder: Path) -> None:
    (folder / CONFIG).write_bytes(b"\xff\xfe\x00")
    assert "config.json: cannot be read" in refusal(folder)


def test_weights_of_another_architecture_are_named_by_their_difference(folder: Path) -> None:
    reconfigure(folder, backbone={"size": 16, "stem": 6, "widths": [8, 16], "depths": [1, 1]})
    message = refusal(folder)
    assert "weights of another architecture: encoder.stem.0.weight is (4, 1, 3, 3) instead of (6, 1, 3, 3)" in message


def test_weights_of_another_encoder_are_named_by_what_is_not_there(folder: Path) -> None:
    reconfigure(folder, encoder="gimefive", backbone={"size": 16, "widths": [4, 8, 16], "hidden": [16]})
    assert "encoder.convolutions.0.0.weight is not there" in refusal(folder)


def test_a_head_that_was_not_trained_is_named(folder: Path) -> None:
    reconfigure(folder, affect=True)
    assert "affect.weight is not there; affect.bias is not there" in refusal(folder)


def test_more_classes_than_the_head_has_are_one_clear_line(folder: Path) -> None:
    reconfigure(folder, labels=["neutral", "happiness", "surprise", "fear"])
    message = refusal(folder)
    assert (
        "its expression head has 3 outputs but the configuration names 4: neutral, happiness, surprise, fear" in message
    )


def test_fewer_units_than_the_head_has_are_one_clear_line(folder: Path) -> None:
    reconfigure(folder, units=["AU4"])
    assert "its units head has 2 outputs but the configuration names 1: AU4" in refusal(folder)


@pytest.mark.parametrize("kept", [0, 5, 300, -8])
def test_truncated_weights_are_one_clear_line(folder: Path, kept: int) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:kept])
    message = refusal(folder)
    assert "model.safetensors: cannot be read as safetensors" in message
    assert message.endswith("copy or fetch it again, or train it anew")


def test_weights_that_are_not_there_are_one_clear_line(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    assert "model.safetensors: cannot be read as safetensors" in refusal(folder)
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        metadata(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(folder: Path, tiny: Build, value: float) -> None:
    net = tiny()
    with torch.no_grad():
        net.expression.weight[0, 0] = value
    save(folder, net, TrainedConfig(net=net.config), {})
    assert "expression.weight holds numbers that are not finite" in refusal(folder)


def test_nothing_is_left_behind_where_nothing_can_be_written(tiny: Build, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    net = tiny()
    with pytest.raises(EmollmError, match="cannot be written"):
        save(tmp_path / "file" / "net", net, TrainedConfig(net=net.config), {})
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_net_loads_and_answers(name: str) -> None:
    trained = load(name)
    logits = trained.net(torch.rand(2, 3, trained.net.size, trained.net.size)).expression
    assert logits.shape == (2, len(trained.config.net.labels))
    assert logits.isfinite().all()


def test_a_temperature_flattens_without_changing_the_order() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0]])
    sharp, flat = probabilities(logits, 1.0), probabilities(logits, 4.0)
    assert flat.argsort().tolist() == sharp.argsort().tolist()
    torch.testing.assert_close(flat, torch.softmax(torch.tensor([[0.5, 0.0, 0.25]]), -1))
