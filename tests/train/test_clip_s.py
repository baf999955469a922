"""Training context classifiers: a tiny face net and a tiny BERT on invented tiles."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

from emollm import config
from emollm.encoders import FaceNetConfig
from emollm.encoders import save as save_net
from emollm.encoders.weights import TrainedConfig
from emollm.errors import ConfigError, DataError
from emollm.ferplus import CLASSES
from emollm.modeling.clip_s_files import find, load, open_towers
from emollm.modeling.clip_s_towers import Towers
from emollm.train import clip_s, clip_s_data
from emollm.train.clip_s_data import Faces, caption
from emollm.train.clip_s_recipe import ClipRecipe
from emollm.train.clip_s_rows import RowsRecipe, runs

RECIPES = Path(clip_s.__file__).parent / "recipes"


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face net with random weights."""
    torch.manual_seed(1)
    made = FaceNetConfig(backbone={"stem": 8, "widths": [16], "depths": [0], "size": 16}, labels=CLASSES)
    folder = tmp_path_factory.mktemp("nets") / "tiny-face"
    save_net(folder, made.build(), TrainedConfig(net=made, label_set="ferplus"), {})
    return folder


@pytest.fixture(scope="module")
def towers(net: Path, tiny_sentences: Path) -> Towers:
    return open_towers(net, tiny_sentences)


@pytest.fixture(scope="module")
def base(tiles: Path, net: Path, tiny_sentences: Path, tmp_path_factory: pytest.TempPathFactory) -> ClipRecipe:
    """A recipe of three short epochs."""
    return ClipRecipe.model_validate(
        {
            "data": {"path": tiles},
            "vision": str(net),
            "text": str(tiny_sentences),
            "contexts": 2,
            "epochs": 3,
            "batch": 16,
            "rate": 0.02,
            "threads": 1,
            "workers": 0,
            "measure": "mesh-head",
            "work": tmp_path_factory.mktemp("work"),
        }
    )


@pytest.fixture(scope="module")
def seen(base: ClipRecipe, towers: Towers) -> Faces:
    return clip_s_data.faces(base, towers.vision)


def heads(folder: Path, towers: Towers) -> dict[str, torch.Tensor]:
    return load(folder / clip_s.BEST, towers).heads.state_dict()


def with_(base: ClipRecipe, out: Path, **changed: Any) -> ClipRecipe:
    return base.model_copy(update={"out": out, **changed})


def test_training_learns_the_classes_from_their_texts(
    base: ClipRecipe, towers: Towers, seen: Faces, tmp_path: Path
) -> None:
    score = clip_s.run(with_(base, tmp_path, epochs=25), towers, seen)
    assert score > 0.6  # chance is 0.125
    with safe_open(tmp_path / clip_s.BEST / "model.safetensors", framework="pt") as opened:
        told = opened.metadata()
        names = set(opened.keys())
    assert {"recipe", "data", "valid", "versions"} <= set(told)
    assert json.loads(told["valid"])["score"] == pytest.approx(score)
    assert all(name.startswith("heads.") for name in names)
    model = load(tmp_path / clip_s.BEST, towers)
    rows, label = clip_s.reference(seen, CLASSES)
    answers = model.classify(seen.valid.rows(rows).crops).logits.argmax(-1)
    found = clip_s.scores(label, answers, 8)
    assert (found["war"] + found["uar"]) / 2 == pytest.approx(score, abs=0.02)
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_the_towers_stay_as_they_were(base: ClipRecipe, towers: Towers, seen: Faces, tmp_path: Path) -> None:
    before = [parameter.clone() for tower in towers for parameter in tower.parameters()]  # type: ignore[attr-defined]
    clip_s.run(with_(base, tmp_path, epochs=1), towers, seen)
    after = [parameter for tower in towers for parameter in tower.parameters()]  # type: ignore[attr-defined]
    assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_stopped_run_goes_on_exactly(
    base: ClipRecipe, towers: Towers, seen: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimiser: str
) -> None:
    settings = {"optimiser": optimiser, "views": 2, "captions": 0.0}
    clip_s.run(with_(base, tmp_path / "whole", **settings), towers, seen)
    epoch = clip_s.Loop._epoch

    def stop_before_the_third(self: clip_s.Loop, number: int) -> dict[str, float]:
        if number == 2:
            raise KeyboardInterrupt
        return epoch(self, number)

    monkeypatch.setattr(clip_s.Loop, "_epoch", stop_before_the_third)
    with pytest.raises(KeyboardInterrupt):
        clip_s.run(with_(base, tmp_path / "stopped", **settings), towers, seen)
    monkeypatch.undo()
    clip_s.run(with_(base, tmp_path / "stopped", **settings), towers, seen)
    whole, again = (clip_s_state(tmp_path / name) for name in ("whole", "stopped"))
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    first, second = heads(tmp_path / "whole", towers), heads(tmp_path / "stopped", towers)
    assert all(torch.equal(first[name], second[name]) for name in first)


def clip_s_state(folder: Path) -> dict[str, torch.Tensor]:
    with safe_open(folder / "checkpoint.safetensors", framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118


def test_a_folder_of_another_recipe_is_refused(base: ClipRecipe, towers: Towers, seen: Faces, tmp_path: Path) -> None:
    clip_s.run(with_(base, tmp_path, epochs=1), towers, seen)
    with pytest.raises(DataError, match="made with another recipe or other data"):
        clip_s.run(with_(base, tmp_path, epochs=1, rate=0.5), towers, seen)


def test_a_class_held_out_is_neither_learnt_nor_voted_for(
    base: ClipRecipe, towers: Towers, seen: Faces, tmp_path: Path
) -> None:
    kept = tuple(label for label in CLASSES if label != "disgust")
    found = clip_s_data.lessons(base, seen, towers.vision, towers.text, kept)
    assert len(found.rows) == 70  # of 80, ten mostly show it
    assert (seen.train.label[found.rows] != CLASSES.index("disgust")).all()
    torch.testing.assert_close(found.shares.sum(-1), torch.ones(70))
    angry = found.shares[seen.train.label[found.rows] == CLASSES.index("anger")]  # their other votes were for disgust
    assert (angry[:, kept.index("anger")] == 1).all()
    clip_s.run(with_(base, tmp_path, epochs=1, hold_out=("disgust",)), towers, seen)
    assert load(tmp_path / clip_s.BEST, towers).config.labels == kept


def test_a_vision_tower_that_is_trained_is_kept_with_the_weights(
    base: ClipRecipe, net: Path, tiny_sentences: Path, seen: Faces, tmp_path: Path
) -> None:
    towers = open_towers(net, tiny_sentences)
    clip_s.run(with_(base, tmp_path, epochs=1, unfreeze=True, vision_rate=0.01), towers, seen)
    fresh = open_towers(net, tiny_sentences)
    model = load(tmp_path / clip_s.BEST, fresh)
    before = open_towers(net, tiny_sentences).vision.state_dict()  # type: ignore[attr-defined]
    changed = [name for name, value in model.vision.state_dict().items() if not torch.equal(value, before[name])]
    assert "encoder.stem.0.weight" in changed
    assert not [name for name in changed if "running" in name]


def test_a_caption_says_the_strongest_units_that_are_present() -> None:
    codes = ("AU04", "AU12", "AU25", "AU61")
    told = caption(codes, np.array([0.7, 0.35, np.nan, 0.9], np.float32))
    assert told == "brows pressed low and together, lip corner puller"
    assert caption(codes, np.array([0.1, 0.2, np.nan, 0.9], np.float32)) == ""


def test_captions_draw_a_face_to_its_own_wording() -> None:
    captions = torch.nn.functional.normalize(torch.randn(6, 12, generator=torch.Generator().manual_seed(0)), dim=-1)
    assert clip_s.caption_loss(captions, captions) < clip_s.caption_loss(captions.roll(1, 0), captions)


def test_captions_of_faces_without_measured_units_are_refused(
    base: ClipRecipe, towers: Towers, seen: Faces, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="captions > 0 needs faces with measured action units"):
        clip_s.run(with_(base, tmp_path, captions=1.0), towers, seen)


def test_the_first_look_is_the_face_and_the_others_vary(base: ClipRecipe, towers: Towers, seen: Faces) -> None:
    rows = np.arange(8)
    first = clip_s_data.pixels(base, seen.train, rows, towers.vision, 0)
    assert first.shape == (8, 3, 16, 16)
    assert torch.equal(first, clip_s_data.pixels(base, seen.train, rows, towers.vision, 0))
    assert (clip_s_data.pixels(base, seen.train, rows, towers.vision, 1) - first).abs().mean() > 0.01


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"hold_out": ("disgusst",)}, r"hold_out: unknown class 'disgusst' \(did you mean 'disgust'\?\)"),
        ({"hold_out": CLASSES[1:]}, "leaves 1 of 8 classes"),
        ({"aspects": ("hair",)}, "unknown aspect 'hair'"),
        ({"descriptions": "raer"}, "are of label set 'raer', the data has 'ferplus'"),
        ({"descriptions": "ferplsu"}, "unknown descriptions 'ferplsu'"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_in_one_line(
    base: ClipRecipe, towers: Towers, seen: Faces, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        clip_s.run(with_(base, tmp_path, **changed), towers, seen)
    assert "\n" not in str(caught.value)


def test_selection_on_test_data_and_on_what_is_learnt_is_refused(base: ClipRecipe, towers: Towers) -> None:
    with pytest.raises(ConfigError, match="must not be selected on test data"):
        clip_s_data.faces(base.model_copy(update={"valid_split": "private-test"}), towers.vision)
    with pytest.raises(ConfigError, match="are the same"):
        clip_s_data.faces(base.model_copy(update={"valid_split": "train"}), towers.vision)


def test_a_batch_larger_than_the_data_is_refused(base: ClipRecipe, towers: Towers, seen: Faces, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="80 labelled faces are fewer than batch=500"):
        clip_s.run(with_(base, tmp_path, batch=500), towers, seen)


def test_the_command_refuses_a_face_net_that_there_is_not(tiles: Path) -> None:
    more = ["--set", f"data.path={tiles}", "--set", "vision=face-mtt"]
    result = CliRunner().invoke(clip_s.main, [str(RECIPES / "clip_s.yaml"), *more])
    assert result.exit_code == 2
    assert "unknown face net 'face-mtt' (did you mean 'face-mt'?)" in result.output


def test_the_recipes_are_valid_and_name_their_rows() -> None:
    shipped = config.load(ClipRecipe, RECIPES / "clip_s.yaml")
    rows = config.load(RowsRecipe, RECIPES / "clip_s_rows.yaml")
    wanted = list(runs(rows, CLASSES))
    assert len({run.out for run in wanted}) == len(wanted) == len(rows.rows) * rows.seeds + len(rows.zero_shot) * 8
    assert {run.row for run in wanted} == set(rows.rows)
    assert {"word", "description", "contexts"} <= set(rows.rows)
    there = json.loads((find("clip-s") / "config.json").read_text())
    assert (shipped.vision, shipped.contexts) == (there["vision"]["name"], there["contexts"])


def test_a_row_with_an_unknown_setting_is_refused() -> None:
    rows = config.load(RowsRecipe, RECIPES / "clip_s_rows.yaml").model_copy(update={"rows": {"odd": {"context": 8}}})
    with pytest.raises(ConfigError, match="row odd: context: Extra inputs"):
        list(runs(rows, CLASSES))
