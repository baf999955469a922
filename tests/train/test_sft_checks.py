"""What a Sample must be to be trained on, told before a run begins; and settings that would do nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from emollm.errors import ConfigError, DataError
from emollm.modeling.assemble import load
from emollm.modeling.processing import EmoLLMProcessor
from emollm.train.native import NativeReader
from emollm.train.sft_data import Samples
from emollm.train.sft_recipe import SampleSource
from tests.train.sft_runs import made, run, sample, write


@pytest.fixture(scope="module")
def reader(model: Path) -> NativeReader:
    """Of the tiny model."""
    processor: EmoLLMProcessor = load(model).processor
    return NativeReader(processor)


def changed(data: Path, index: int = 1, **values: Any) -> dict[str, Any]:
    return {**sample(data, index, "train"), **values}


def read(data: Path, lines: list[dict[str, Any]], reader: NativeReader, **source: Any) -> Samples:
    file = write(data / "some.jsonl", [sample(data, 0, "train"), *lines])
    return Samples([SampleSource(path=file, **source)], reader, 512)


IMAGE, VIDEO = {"type": "image", "path": "1.png"}, {"type": "video", "path": "1.png"}
REPLY = {"role": "assistant", "content": [{"type": "text", "text": "Joy."}]}


def asked(*kinds: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": kind} for kind in kinds]}, REPLY]


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "a message without content": ({"messages": [{"role": "assistant"}]}, "no Sample: .*messages.0.content"),
    "a medium without a kind": ({"media": [{"path": "1.png"}]}, "no Sample: .*media.0.type"),
    "a weight in words": ({"weight": "abc"}, "no Sample: .*weight"),
    "a weight of NaN": ({"weight": float("nan")}, "no Sample: .*weight"),
    "a weight without end": ({"weight": float("inf")}, "no Sample: .*weight"),
    "a weight below zero": ({"weight": -3}, "no Sample: .*weight"),
    "fewer media than places": ({"media": []}, "no Sample: .*1 media places"),
    "media that are not there": ({"media": [{**IMAGE, "path": "gone.png"}]}, "gone.png: no such file; mend the path"),
    "media above the root": ({"media": [{**IMAGE, "path": "../1.png"}]}, "1.png: outside of .*; set the root"),
    "media elsewhere": ({"media": [{**IMAGE, "path": "/etc/hostname"}]}, "^some.*/etc/hostname: outside of"),
    "a video": ({"messages": asked("video"), "media": [VIDEO]}, "a video is not taken as such"),
    "media in a reply": (
        {"messages": [{"role": "assistant", "content": [{"type": "image"}]}], "media": [IMAGE]},
        "image in a reply",
    ),
    "no reply": ({"messages": asked("image")[:1], "media": [IMAGE]}, "no turn of the assistant"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_sample_that_cannot_be_used_is_named_by_file_and_line_or_left_out(
    case: str, data: Path, reader: NativeReader
) -> None:
    values, told = BROKEN[case]
    with pytest.raises(DataError, match=told.replace("^some", r"some\.jsonl:2: ")) as caught:
        read(data, [changed(data, **values)], reader)
    assert f"{data / 'some.jsonl'}:2: " in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    some = read(data, [changed(data, **values), changed(data, 2)], reader, broken="skip")
    assert [place.line for place in some.places] == [1, 3]
    assert [where for where, _ in some.rejects] == [f"{data / 'some.jsonl'}:2"]


def test_a_line_that_is_no_json_is_not_passed_over_where_a_split_is_asked_for(data: Path, reader: NativeReader) -> None:
    file = write(data / "half.jsonl", [sample(data, 0, "train")])
    file.write_text(file.read_text() + '{"split": "valid", "messages": [')
    with pytest.raises(DataError, match=r"half\.jsonl:2: no Sample"):
        Samples([SampleSource(path=file, split="train")], reader, 512)


def test_media_elsewhere_are_read_where_the_source_allows_it_or_its_root_holds_them(
    data: Path, tmp_path: Path, reader: NativeReader
) -> None:
    whole = changed(data, media=[{**IMAGE, "path": str(data / "1.png")}])
    file = write(tmp_path / "elsewhere.jsonl", [whole])
    for allowed in ({"outside": True}, {"root": data}):
        assert "pixel_values" in Samples([SampleSource(path=file, **allowed)], reader, 512)[0].media
    with pytest.raises(DataError, match="outside of"):
        Samples([SampleSource(path=file)], reader, 512)


def test_what_follows_the_last_reply_counts_for_no_length(data: Path, reader: NativeReader) -> None:
    last = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "And? " * 200}]}
    one = changed(data)
    longer = {**one, "messages": [*one["messages"], last], "media": [*one["media"], IMAGE]}
    some = read(data, [one, longer], reader)
    assert some.lengths[1] == some.lengths[2] == len(some[2].ids)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"split": "test"}, "split 'test': a model must not be selected on test data"),
        ({"gold": ["contentment"]}, "gold: unknown label of ferplus 'contentment' .did you mean 'contempt'"),
        ({"label_set": "smells"}, "label_set: unknown label set 'smells'"),
        ({"id": "3"}, "id '3' teaches as well, so do 1 validation Samples"),
        ({"speaker": "anna"}, "speaker 'anna' teaches as well"),
        ({"group": "film 7"}, "group 'film 7' teaches as well"),
    ],
)
def test_validation_that_would_deceive_is_refused(
    values: dict[str, Any], told: str, data: Path, reader: NativeReader
) -> None:
    teaching = read(data, [changed(data, 3, speaker="anna", group="film 7")], reader)
    selecting = write(data / "selecting.jsonl", [changed(data, 100), {**changed(data, 101), **values}])
    with pytest.raises(DataError, match=rf"selecting\.jsonl:2: {told}"):
        Samples([SampleSource(path=selecting)], reader, 512, beside=teaching)


def test_a_speaker_is_the_same_alone_and_in_a_combination_of_data_sets(data: Path, reader: NativeReader) -> None:
    provenance = changed(data, 3)["provenance"]
    joined = provenance | {"dataset": "ferplus+emodb"}
    teaching = read(data, [changed(data, 3, speaker="emodb/03", provenance=joined)], reader)
    alone = changed(data, 100, speaker="emodb/03", provenance=provenance | {"dataset": "emodb"})
    with pytest.raises(DataError, match="speaker 'emodb/03' teaches as well"):
        Samples([SampleSource(path=write(data / "selecting.jsonl", [alone]))], reader, 512, beside=teaching)


def test_validation_on_what_is_trained_on_stops_a_run(recipe: Path, data: Path) -> None:
    copy = data / "copy.jsonl"
    copy.write_bytes((data / "train.jsonl").read_bytes())
    with pytest.raises(DataError, match=r"copy\.jsonl:1: id '0' teaches as well, so do 16 validation Samples"):
        run(recipe, f"validation=[{{path: {copy}}}]")


def test_an_error_in_a_process_that_reads_ahead_stays_one_line(recipe: Path, data: Path) -> None:
    broken = changed(data, media=[{**IMAGE, "path": "no-picture.png"}], messages=asked("image"))
    (data / "no-picture.png").write_text("no picture")
    file = write(data / "unreadable.jsonl", [broken] * 4)
    with pytest.raises(DataError, match=r"^[^\n]*unreadable\.jsonl:\d: [^\n]*no-picture\.png[^\n]*$"):
        run(recipe, f"data=[{{path: {file}}}]", "batches.workers=1")


def test_an_adapter_on_layers_that_there_are_not_is_refused(recipe: Path) -> None:
    with pytest.raises(ConfigError, match=r"lora\.targets: no such layers: typo; the model has down_proj, gate"):
        run(recipe, "train.lora.targets=[q_proj, typo]")


def test_whole_towers_beside_adapters_are_refused(recipe: Path) -> None:
    with pytest.raises(
        (ConfigError, ValidationError), match=r"train\.towers trains whole towers beside train\.method=full"
    ):
        made(recipe, "train.towers=true")


def test_skipped_samples_are_listed(recipe: Path, data: Path) -> None:
    gone = changed(data, media=[{**IMAGE, "path": "gone.png"}])
    file = write(data / "gone-too.jsonl", [*(sample(data, index, "train") for index in range(4)), gone])
    out = run(recipe, f"data=[{{path: {file}, broken: skip}}]", "optimise.steps=1")
    rejects = [json.loads(line) for line in (out / "rejects.jsonl").read_text().splitlines()]
    assert [reject["sample"] for reject in rejects] == [f"{file}:5"]
    assert "gone.png: no such file" in rejects[0]["reason"]
