"""The order of Samples: the same for any number of processes, each as often as its weight says, and part of a run's fingerprint."""

from pathlib import Path

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import BatchSampler

from emollm.modeling.assemble import load
from emollm.train.native import NativeReader
from emollm.train.sft_data import Order, Place, Samples, balanced
from emollm.train.sft_recipe import BatchSettings, SampleSource
from tests.train.sft_runs import sample, write


@pytest.fixture(scope="module")
def reader(model: Path) -> NativeReader:
    return NativeReader(load(model).processor)


def weighted(folder: Path, reader: NativeReader, weights: list[float]) -> Samples:
    lines = [{**sample(folder, 4 * index, "train"), "weight": weight} for index, weight in enumerate(weights)]
    return Samples([SampleSource(path=write(folder / "s.jsonl", lines))], reader, 512)


@pytest.mark.parametrize("layout", ["grouped", "shuffled", "ordered"])
def test_two_processes_see_in_each_step_what_one_sees_the_last_one_too(
    tmp_path: Path, reader: NativeReader, layout: str
) -> None:
    order = Order(weighted(tmp_path, reader, [1.0] * 18), BatchSettings.model_validate({"layout": layout}), 4, 0)
    alone = list(BatchSampler(order, 4, drop_last=False))
    shards = [BatchSamplerShard(BatchSampler(order, 2, drop_last=False), 2, rank) for rank in (0, 1)]
    together = [[*first, *second] for first, second in zip(*shards, strict=True)]
    assert together == alone
    assert [len(step) for step in alone] == [4] * 5
    assert len(order) == 20
    assert {index for step in alone for index in step} == set(range(18))


def test_fractions_of_weights_add_up_over_the_epochs(tmp_path: Path, reader: NativeReader) -> None:
    wanted = [0.9] * 10 + [0.1] * 10 + [1.5, 0.5]
    order = Order(weighted(tmp_path, reader, wanted), BatchSettings(layout="ordered"), 1, 0)
    seen = np.zeros(len(wanted))
    for epoch in range(400):
        order.set_epoch(epoch)
        seen += np.bincount(list(order), minlength=len(wanted))
    # Of 400 epochs the share of one half is known to 0.025, that of ten Samples' 0.9 to 0.005.
    assert seen[:10].mean() / 400 == pytest.approx(0.9, abs=0.02)
    assert seen[10:20].mean() / 400 == pytest.approx(0.1, abs=0.02)
    assert seen[20:] / 400 == pytest.approx([1.5, 0.5], abs=0.1)


def test_a_source_weighs_the_samples_with_a_mark(tmp_path: Path, reader: NativeReader) -> None:
    lines = [{**sample(tmp_path, 4 * index, "train"), "weight": 2.0} for index in range(3)]
    lines[1]["marks"], lines[2]["marks"] = ["unsupported"], ["unsupported", "combined"]
    marks = {"unsupported": 0.25, "combined": 0.5}
    source = SampleSource.model_validate({"path": write(tmp_path / "s.jsonl", lines), "weight": 3.0, "marks": marks})
    assert [place.weight for place in Samples([source], reader, 512).places] == [6.0, 1.5, 0.75]


def test_balance_raises_the_share_of_rare_labels_and_keeps_the_sum() -> None:
    places = [Place(Path("s"), number, 0, Path(), 0.5, "joy" if number < 9 else "fear") for number in range(10)]
    halfway = [place.weight for place in balanced(places, 0.5)]
    assert halfway[9] / halfway[0] == pytest.approx(3.0)
    assert sum(halfway) == pytest.approx(5.0)
    assert sum(place.weight for place in balanced(places, 1.0)[:9]) == pytest.approx(2.5)
    assert balanced(places, 0.0) == places


def test_one_emotion_counts_as_one_by_whichever_words_it_is_named(tmp_path: Path, reader: NativeReader) -> None:
    lines = [sample(tmp_path, 8 * index, "train") for index in range(4)]
    lines[1] |= {"label_set": "meld", "label": "joy", "gold": ["joy"]}
    lines[2] |= {"label_set": "ravdess", "label": "happy", "gold": ["happy"]}
    lines[3] |= {"label": "sadness", "gold": ["sadness"]}
    places = Samples([SampleSource(path=write(tmp_path / "s.jsonl", lines))], reader, 512).places
    assert [place.label for place in places] == ["happiness"] * 3 + ["sadness"]


def test_weights_and_root_are_part_of_the_fingerprint(tmp_path: Path, reader: NativeReader) -> None:
    path = write(tmp_path / "s.jsonl", [sample(tmp_path, 4 * index, "train") for index in range(2)])

    def mark(**settings: object) -> str:
        return Samples([SampleSource.model_validate({"path": path, **settings})], reader, 512).fingerprint

    (tmp_path / "elsewhere").mkdir()
    told = [mark(), mark(weight=3.0), mark(root=tmp_path / "elsewhere")]
    assert len(set(told)) == 3
    assert mark(root=tmp_path) == told[0]
