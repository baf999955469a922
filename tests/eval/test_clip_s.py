"""The comparison of context classifiers: hand-worked scores, and the whole on tiny faces."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from emollm.encoders.minilm import MiniLM
from emollm.encoders.predict import predict
from emollm.encoders.weights import Trained
from emollm.errors import ConfigError, DataError, ModelError
from emollm.eval import clip_s
from emollm.eval.clip_s_scores import Run, Seen, auc, closed, compounds, goemotions, held_out, new_words
from emollm.eval.clip_s_table import markdown
from emollm.ferplus import CLASSES
from emollm.metrics.bootstrap import value
from emollm.modeling.class_texts import descriptions
from emollm.modeling.clip_s import ClipConfig, ContextClassifier, Tower
from emollm.modeling.clip_s_files import save
from emollm.modeling.clip_s_towers import FaceTower, Towers


@pytest.fixture
def towers(net: Callable[..., Trained], tiny_sentences: Path) -> Towers:
    return Towers(FaceTower(net()), MiniLM.load(tiny_sentences))


def classifier(
    towers: Towers, held: tuple[str, ...] = (), prompts: str = "description", seed: int = 0
) -> ContextClassifier:
    """One with fresh weights, as training begins."""
    torch.manual_seed(seed)
    texts, labels = descriptions("ferplus"), tuple(label for label in CLASSES if label not in held)
    sentences = texts.words(labels) if prompts == "word" else texts.sentences(labels, ("face",))
    config = ClipConfig(
        labels=labels,
        sentences=sentences,
        label_set="ferplus",
        descriptions=texts.name,
        prompts=prompts,
        aspects=("face",),
        contexts=2,
        vision=Tower(name=towers.vision.name, version=towers.vision.version),
        text=Tower(name=towers.text.name, version=towers.text.version),
    )
    return ContextClassifier(config, towers).eval()


def a_run(towers: Towers, row: str = "description", held: tuple[str, ...] = (), **more: Any) -> Run:
    return Run(row, held, Path(row), classifier(towers, held, **more))


@pytest.fixture
def faces(towers: Towers) -> Seen:
    """Sixteen invented faces: two of each class, whose features and votes are drawn."""
    draw = np.random.default_rng(0)
    label = np.arange(16) % 8
    shares = np.full((16, 8), 0.02, np.float32)
    shares[np.arange(16), label] = 0.86
    shares[3] = 0
    shares[3, [1, 2]] = 0.5  # happiness and surprise
    chances = draw.random((16, 8)) + 4 * np.eye(8)[label]
    return Seen(
        features=torch.from_numpy(draw.normal(size=(16, towers.vision.width)).astype(np.float32)),
        plain=chances / chances.sum(-1, keepdims=True),
        label=np.where(np.arange(16) == 3, -1, label),
        shares=shares,
        labels=CLASSES,
        label_set="ferplus",
    )


# ---- area under the curve -------------------------------------------------------------------------------------------


def test_auc_of_a_hand_worked_case() -> None:
    """Positives .9 and .4, negatives .5, .4 and .1: they win 3 of 3 and 1.5 of 3."""
    scores, positive = np.array([0.9, 0.5, 0.4, 0.4, 0.1]), np.array([True, False, True, False, False])
    assert value(auc(scores, positive), 5) == pytest.approx(4.5 / 6)


def test_auc_counts_an_item_as_often_as_it_is_drawn() -> None:
    scores, positive = np.array([0.9, 0.5, 0.4, 0.4, 0.1]), np.array([True, False, True, False, False])
    weights = np.array([[0, 2, 1, 0, 3]])
    pairs = [(0.4, 0.5)] * 2 + [(0.4, 0.1)] * 3
    assert auc(scores, positive)(weights.astype(np.float64))[0] == pytest.approx(np.mean([a > b for a, b in pairs]))


def test_auc_without_positives_is_not_defined() -> None:
    assert np.isnan(value(auc(np.array([0.2, 0.1]), np.array([False, False])), 2))


def test_auc_agrees_with_counting_all_pairs() -> None:
    draw = np.random.default_rng(1)
    scores, positive = draw.integers(0, 6, 60) / 5, draw.random(60) < 0.3
    wins = (scores[positive][:, None] > scores[~positive]) + 0.5 * (scores[positive][:, None] == scores[~positive])
    assert value(auc(scores, positive), 60) == pytest.approx(wins.mean())


# ---- rows -----------------------------------------------------------------------------------------------------------


def test_the_plain_head_scores_what_its_probabilities_say(faces: Seen) -> None:
    (plain,) = closed([], faces)
    kept = faces.label >= 0
    assert plain["metrics"]["war"]["value"] == (faces.plain.argmax(-1) == faces.label)[kept].mean()
    assert plain["metrics"]["score"]["value"] == pytest.approx(
        (plain["metrics"]["war"]["value"] + plain["metrics"]["uar"]["value"]) / 2
    )
    assert plain["floors"]["uar"] == pytest.approx(1 / 8)


def test_a_row_is_the_mean_of_its_seeds_and_knows_their_deviation(towers: Towers, faces: Seen) -> None:
    one, two = (a_run(towers, seed=seed) for seed in (0, 1))
    alone = [closed([run], faces)[1]["metrics"]["war"] for run in (one, two)]
    both = closed([one, two], faces)[1]
    assert both["seeds"] == 2
    assert both["metrics"]["war"]["value"] == pytest.approx(np.mean([found["value"] for found in alone]))
    assert both["metrics"]["war"]["sd"] == pytest.approx(np.std([found["value"] for found in alone], ddof=1))
    plain = closed([], faces)[0]["metrics"]["score"]["value"]
    over = both["metrics"]["score_over_plain"]["value"]
    assert over == pytest.approx(both["metrics"]["score"]["value"] - plain)


def test_a_class_held_out_is_found_where_its_text_is_nearest(towers: Towers, faces: Seen) -> None:
    """Faces of fear are put where the text of fear is, all others on its other side."""
    run, texts = a_run(towers, held=("fear",)), descriptions("ferplus")
    fear = run.model.heads.prompts.of(texts.sentences(["fear"], ("face",))).detach()[0]
    run.model.heads.alone = torch.nn.Sequential(torch.nn.Identity())
    run.model.heads.centre, run.model.heads.spread = torch.zeros(16), torch.ones(16)
    features = torch.stack([fear if k == CLASSES.index("fear") else -fear for k in faces.label.tolist()])
    (found,) = held_out([run], faces._replace(features=features), texts)
    assert (found["class"], found["support"], found["recall"], found["auc"]) == ("fear", 2, 1.0, 1.0)


def test_descriptions_of_another_version_are_refused(towers: Towers, faces: Seen) -> None:
    texts = descriptions("ferplus").model_copy(update={"version": 99})
    with pytest.raises(ConfigError, match="learnt with descriptions ferplus@1, but ferplus@99 are given"):
        held_out([a_run(towers, held=("fear",))], faces, texts)


def test_words_that_mean_none_of_the_classes_are_wrong(towers: Towers, faces: Seen) -> None:
    (found,) = goemotions([a_run(towers)], faces)
    assert found["war"] <= 1 - found["strays"] + 1e-9
    assert set(found["nearest"]) == set(CLASSES)


def test_compounds_are_asked_of_faces_whose_votes_name_two_emotions(towers: Towers, faces: Seen) -> None:
    (found,) = compounds([a_run(towers)], faces)
    assert (found["faces"], found["floor"]) == (1, 1.0)
    assert found["war"] in (0.0, 1.0)
    one = faces._replace(shares=np.eye(8, dtype=np.float32)[np.arange(16) % 8])
    assert compounds([a_run(towers)], one) == []


def test_every_list_of_new_words_names_all_classes_anew(towers: Towers, faces: Seen) -> None:
    found = new_words([a_run(towers)], faces)
    assert len(found) >= 2
    assert all(0 <= row["war"] <= 1 and row["war_floor"] > 0 for row in found)


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(towers: Towers, tmp_path: Path) -> Path:
    """A folder of runs: two seeds of a row, and one without a class."""
    for place, row, held in (
        ("d-0", "description", ()),
        ("d-1", "description", ()),
        ("d-fear", "description", ("fear",)),
    ):
        recipe = json.dumps({"row": row, "hold_out": list(held)})
        save(tmp_path / "runs" / place / "best", classifier(towers, held, seed=len(place)), {"recipe": recipe})
    return tmp_path / "runs"


def options(trained: Path, ferplus: Path, net: Trained, sentences: Path, *more: str) -> list[str]:
    work = trained.parent / "work"
    given = {"data": ferplus, "vision": trained.parent / net.name, "text": sentences, "work": work, "workers": 0}
    flags = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    return [str(trained), *flags, "--measure", "mesh-head", *more]


def test_the_command_prints_every_table(
    trained: Path, ferplus: Path, net: Callable[..., Trained], tiny_sentences: Path
) -> None:
    told = CliRunner(catch_exceptions=False).invoke(clip_s.main, options(trained, ferplus, net(), tiny_sentences))
    assert told.exit_code == 0, told.output
    for wanted in ("| plain head | 1 |", "| description | 2 |", "| fear | 0 | –", "| description | synonyms |"):
        assert wanted in told.stdout
    assert told.stdout.count("| floor") >= 3


def test_the_report_is_json_on_demand_and_of_the_net_that_saw_the_faces(
    trained: Path, ferplus: Path, net: Callable[..., Trained], tiny_sentences: Path
) -> None:
    given = options(trained, ferplus, net(), tiny_sentences, "--json")
    told = json.loads(CliRunner(catch_exceptions=False).invoke(clip_s.main, given).stdout)
    assert [row["row"] for row in told["closed"]] == ["plain head", "description"]
    assert told["vision"] == f"tiny {net().version}"
    assert markdown(told).startswith("8 faces")


def test_features_are_those_of_the_vision_tower(ferplus: Path, net: Callable[..., Trained], tmp_path: Path) -> None:
    from emollm.encoders.predict import as_pixels
    from emollm.face_sets import CropSettings, FaceSource, prepare

    trained = net()
    cut = CropSettings(size=16, margin=0.1, backend="mesh-head")
    face_set = prepare(FaceSource(path=ferplus, split="valid"), cut, tmp_path / "w", 0)
    found = clip_s.seen(trained, face_set)
    crops = face_set.rows().crops
    torch.testing.assert_close(found.features, FaceTower(trained)(as_pixels(crops)), atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(found.plain, predict(trained, crops).expression, atol=1e-5)


def test_a_folder_without_a_classifier_is_refused(towers: Towers, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no trained classifier; run"):
        list(clip_s.runs(tmp_path, towers))
    with pytest.raises(ModelError, match="no such folder"):
        list(clip_s.runs(tmp_path / "none", towers))


def test_damaged_weights_are_refused_in_one_line(trained: Path, towers: Towers) -> None:
    file = next(trained.glob("*/best/model.safetensors"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"^[^\n]*model\.safetensors: cannot be read as safetensors: [^\n]*$"):
        list(clip_s.runs(trained, towers))


@pytest.mark.parametrize("recipe", ["{", "[]"])
def test_a_header_whose_recipe_cannot_be_read_is_refused_in_one_line(
    towers: Towers, tmp_path: Path, recipe: str
) -> None:
    save(tmp_path, classifier(towers), {"recipe": recipe})
    with pytest.raises(ModelError, match=r"^[^\n]*model\.safetensors: the recipe in its header is not [^\n]*$"):
        list(clip_s.runs(tmp_path, towers))


def test_faces_of_other_classes_are_refused(towers: Towers, faces: Seen) -> None:
    other = faces._replace(labels=(*CLASSES[:-1], "awe"))
    with pytest.raises(DataError, match="learnt other classes than the data has; they differ in awe, contempt"):
        clip_s.evaluate([a_run(towers)], other)
