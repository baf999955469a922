"""The two tests of heat maps, on a net that is known to look at one corner."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from emollm.encoders import FaceNetConfig, Features, Trained
from emollm.encoders.weights import TrainedConfig, save
from emollm.errors import DataError
from emollm.eval.heatmaps import SHARE, main, occlusion, page, randomisation


class Corner(nn.Module):
    """An encoder that only sees the top left quarter, where it is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.size, self.width, self.token_width = 16, 1, 1
        self.look = nn.AvgPool2d(4)
        self.layers = {"look": self.look}

    def forward(self, pixels: Tensor) -> Features:
        maps = self.look(pixels.mean(1, keepdim=True))  # (B, 1, 4, 4)
        corner = maps * torch.tensor([1.0, 1, 0, 0]) * torch.tensor([1.0, 1, 0, 0])[:, None]
        return Features(maps.flatten(2).transpose(1, 2), corner.mean((2, 3)))


@pytest.fixture
def trained() -> Trained:
    """Says ``bright`` of a bright top left quarter."""
    config = FaceNetConfig(
        backbone={"size": 16, "stem": 4, "widths": [1], "depths": [1]}, labels=("dark", "bright"), embedding=0
    )
    net = config.build().eval()
    net.encoder = Corner()
    with torch.no_grad():
        net.expression.weight[:] = torch.tensor([[0.0], [60.0]])
        net.expression.bias[:] = torch.tensor([0.0, -3.0])
    return Trained("corner", "1", net, TrainedConfig(net=config, mirrored=False))


def faces(count: int = 12) -> np.ndarray:
    """Dark faces with a bright top left quarter, which are of other brightness each."""
    crops = np.random.default_rng(0).integers(0, 40, (count, 16, 16, 3), np.uint8)
    crops[:, :8, :8] = np.linspace(190, 250, count, dtype=np.uint8)[:, None, None, None]
    return crops


def test_blurring_what_the_net_looks_at_costs_more_than_blurring_what_it_does_not(trained: Trained) -> None:
    found = occlusion(trained, faces())
    table = found.table()
    assert found.blank == 0
    assert len(found.whole) == 12
    assert table["fall when blurred: lowest"].value < 0.01
    assert table["fall when blurred: highest − lowest"].low > 0
    assert table["left when alone: highest − random"].low > 0
    assert set(found.without) == set(found.alone) == {"highest", "lowest", "random", "another face"}


def test_the_same_seed_gives_the_same_numbers(trained: Trained) -> None:
    assert occlusion(trained, faces(), seed=3).table() == occlusion(trained, faces(), seed=3).table()


def test_faces_with_an_empty_map_are_counted_and_left_out(trained: Trained) -> None:
    crops = faces()
    crops[0] = 0  # "dark", for which no weight speaks
    found = occlusion(trained, crops)
    assert found.blank == 1
    assert len(found.whole) == 11
    with pytest.raises(DataError, match="at least 2 faces with a map, got 0 of 3"):
        occlusion(trained, np.zeros((3, 16, 16, 3), np.uint8))


def test_a_fifth_of_each_face_is_chosen() -> None:
    from emollm.eval.heatmaps import _highest

    values = np.random.default_rng(0).random((3, 10, 10)).astype(np.float32)
    values[1] = 0
    masks = _highest(values, np.random.default_rng(0))
    assert masks.sum((1, 2)).tolist() == [round(SHARE * 100)] * 3
    assert values[0][masks[0]].min() > values[0][~masks[0]].max()
    assert masks[1, :2].sum() < 20, "equal values are chosen by chance, not from the top"


def test_the_command_runs_both_tests_on_a_set_of_faces(tmp_path: Path, group: Path) -> None:
    from emollm.media.images import read_image
    from emollm.perception import observe
    from emollm.perception.settings import PerceptionSettings
    from emollm.types import Clip

    config = FaceNetConfig(
        backbone={"size": 16, "stem": 8, "widths": [8, 16], "depths": [1, 1]}, labels=("a", "b"), embedding=0
    )
    torch.manual_seed(0)
    save(tmp_path / "net", config.build(), TrainedConfig(net=config), {})
    seen = observe(Clip(id="g", image=group), PerceptionSettings(action_units="mesh-head"))
    data = tiles(tmp_path, read_image(group).pixels, [track.faces[0].box for track in seen.tracks])
    done = CliRunner().invoke(main, ["--net", str(tmp_path / "net"), "--data", str(data), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["layer"] == "stage2"
    assert 2 <= told["faces"] <= 5
    assert [step["step"] for step in told["randomisation"]] == ["head", "stage2", "stage1", "stem"]
    assert set(told["occlusion"]["fall when blurred: highest"]) == {"value", "low", "high"}


def tiles(folder: Path, pixels: np.ndarray, boxes: list) -> Path:
    """The faces of a photo as an npz of 48 × 48 tiles, as FER+."""
    import cv2

    images = []
    for box in boxes:
        x, y, side = int(box.x), int(box.y), int(max(box.width, box.height))
        grey = cv2.cvtColor(pixels[y : y + side, x : x + side], cv2.COLOR_RGB2GRAY)
        images.append(cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA))
    votes = np.zeros((len(images), 10), np.uint8)
    votes[:, 1] = 10
    columns = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
    names = np.array([f"{i}.png" for i in range(len(images))])
    split = np.array(["valid"] * len(images))
    np.savez(
        folder / "faces.npz", images=np.stack(images), votes=votes, columns=np.array(columns), name=names, split=split
    )
    return folder / "faces.npz"


def test_wrong_names_are_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--net", "face-mtt", "--data", str(tmp_path / "x.npz")])
    assert done.exit_code == 2
    assert "unknown face net 'face-mtt'" in done.stderr
    done = CliRunner().invoke(main, ["--data", str(tmp_path / "x.npz")])
    assert done.exit_code == 2
    assert "x.npz" in done.stderr


def test_the_text_has_both_tests(trained: Trained) -> None:
    config = FaceNetConfig(
        backbone={"size": 16, "stem": 4, "widths": [8, 8], "depths": [1, 1]}, labels=("a", "b"), embedding=0
    )
    net = Trained("tiny", "1", config.build().eval(), TrainedConfig(net=config))
    steps = randomisation(net, faces(4))
    text = page("tiny@1", "stage2", 12, occlusion(trained, faces()), steps)
    assert "heat maps of tiny@1, layer stage2, 12 faces (0 with an empty map)" in text
    assert "fall when blurred: highest − random" in text
    assert text.splitlines()[-1].split()[0] == "stem"
