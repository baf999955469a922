"""What a format can hold is read back as it was; what it cannot hold is refused or told."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emollm.data_engines.base import Gold, Item
from emollm.data_engines.formats import FORMATS
from emollm.data_engines.formats.base import Fault, Options
from emollm.data_engines.formats.media import plain
from emollm.samples import Sample
from emollm.types import Message, TextPart

CONVERSATIONS = {
    "messages": "m.jsonl",
    "trl": "t.jsonl",
    "llamafactory": "lf.json",
    "swift": "s.jsonl",
    "parquet": "p.parquet",
    "humanomni": "h.json",
    "r1-omni": "r.json",
}
ANNOTATIONS = {
    "items": "i.jsonl",
    "merr": "m.json",
    "emer": "e.csv",
    "ov": "o.csv",
    "expllm": "x.json",
    "openface2": "o.csv",
}
READ_ONLY = {"mer-factory", "pyfeat", "libreface"}


def test_every_format_is_in_a_round_trip() -> None:
    assert {*CONVERSATIONS, *ANNOTATIONS, *READ_ONLY} == set(FORMATS)
    assert {name for name in FORMATS if FORMATS[name].write is None} == READ_ONLY
    assert {name for name in FORMATS if FORMATS[name].holds == "samples"} == set(CONVERSATIONS)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_samples_come_back_equal(
    name: str, samples: tuple[Sample, ...], passed: Callable[..., Any], tmp_path: Path
) -> None:
    back, faults = passed(name, samples, tmp_path / CONVERSATIONS[name])
    refused = {"humanomni": ["no system turn", "one video"], "r1-omni": ["no label"]}.get(name, [])
    if not refused:
        assert (back, faults) == (list(samples), [])
    else:
        held = [one for one in samples if not any(item.type == "image" for item in one.media)]
        assert back == held
        assert len(faults) == 1


@pytest.mark.parametrize("name", ["trl", "llamafactory", "swift", "humanomni", "r1-omni", "parquet"])
@settings(max_examples=10, deadline=None)
@given(asked=st.text(min_size=1), replied=st.text(min_size=1), second=st.text())
def test_any_words_come_back(
    name: str, passed: Callable[..., Any], clip_sample: Sample, asked: str, replied: str, second: str
) -> None:
    """Also quotes, line ends, zero bytes, emoji, and what looks like a mark or a control token (once it is broken up)."""
    messages = tuple(
        Message(role=role, content=(TextPart(text=plain(text)),))
        for role, text in (("user", asked), ("assistant", replied), ("user", second), ("assistant", "x"))
    )
    one = clip_sample.model_copy(update={"messages": messages, "media": ()})
    with TemporaryDirectory() as folder:
        back, faults = passed(name, [one], Path(folder) / CONVERSATIONS[name])
    assert (back, faults) == ([one], [])


def test_a_foreign_field_goes_back_where_it_came_from(passed: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "their.json"
    record = {
        "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello there you two"}],
        "difficulty": {"level": 2},
        "licence": "CC BY 4.0",
        "source": "them",
    }
    file.write_text(json.dumps([record]), encoding="utf-8")
    read = FORMATS["llamafactory"].read
    assert read is not None
    (found,) = read([file], Options())
    assert not isinstance(found, Fault)
    assert found.record.provenance.licence == "CC BY 4.0"
    assert (found.record.provenance.dataset, found.record.provenance.label_visible) == ("them", True)
    back, _ = passed("llamafactory", [found.record], tmp_path / "again.json")
    assert back == [found.record]
    assert json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))[0]["difficulty"] == {"level": 2}


@pytest.mark.parametrize("name", ["items", "merr"])
def test_items_come_back_equal_but_for_measurements(
    name: str, measured: Item, filmed: Item, passed: Callable[..., Any], tmp_path: Path
) -> None:
    back, faults = passed(name, [measured, filmed], tmp_path / ANNOTATIONS[name])
    assert faults == []
    assert [one.model_copy(update={"observation": None}) for one in back] == [
        measured.model_copy(update={"observation": None}),
        filmed,
    ]
    units = {cue.name: cue.value for cue in back[0].observation.cues}
    assert units == pytest.approx({"AU01": 0.0, "AU04": 0.6, "AU12": 0.125, "AU25": 1.0}, abs=0.002)


@pytest.mark.parametrize("name", ["emer", "ov"])
def test_what_a_csv_holds_comes_back(name: str, filmed: Item, passed: Callable[..., Any], tmp_path: Path) -> None:
    back, faults = passed(name, [filmed], tmp_path / ANNOTATIONS[name])
    assert (back, faults) == ([filmed], [])


def test_open_vocabulary_words_come_back(passed: Callable[..., Any], tmp_path: Path, filmed: Item) -> None:
    words = ["don't care", 'so "fine"', "let down, again", "忧虑"]
    item = filmed.model_copy(update={"gold": Gold(labels=tuple(words), by="annotators"), "notes": {"openset": words}})
    back, faults = passed("ov", [item], tmp_path / "o.csv")
    assert (back, faults) == ([item], [])


def test_expllm_keeps_the_vector_and_refuses_unknown_units(
    measured: Item, passed: Callable[..., Any], tmp_path: Path
) -> None:
    vector = [0, 0, 0, 0, 0.5, 0.4, 0, 0, 0.1, 0, 0, 0.6, 0.58, 0, 0, 0, 0, 0, 0.2, 0, 0, 0, 0, 0]
    given = [{"file_name": "face_7.jpg", "emo": "Happiness", "au": vector, "description": "Lips up.", "extra": [1]}]
    file = tmp_path / "x.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    read = FORMATS["expllm"].read
    assert read is not None
    (found,) = read([file], Options())
    assert not isinstance(found, Fault)
    smile = next(cue for cue in found.record.observation.cues if cue.name == "AU12")
    assert (smile.value, smile.left, smile.right) == (0.6, 0.6, 0.58)
    assert {gap.stream for gap in found.record.observation.missing} >= {"AU01", "AU06", "AU15"}
    back, faults = passed("expllm", [found.record, measured], tmp_path / "y.json")
    assert back == [found.record]
    assert json.loads((tmp_path / "y.json").read_text(encoding="utf-8")) == given
    assert "no place for 'unknown'" in faults[0].reason
    without = found.record.model_copy(update={"notes": {"rationale": "Lips up."}})
    (again,), _ = passed("expllm", [without], tmp_path / "z.json")
    assert again.observation == found.record.observation


def test_an_openface_table_holds_units_pose_id_and_label(
    measured: Item, passed: Callable[..., Any], tmp_path: Path
) -> None:
    (back,), faults = passed("openface2", [measured], tmp_path / "o.csv")
    assert faults == []
    assert (back.clip.id, back.gold) == ("face_7", Gold(labels=("anger",)))
    assert [(cue.name, cue.value) for cue in back.observation.cues] == [
        (cue.name, pytest.approx(cue.value))
        for cue in measured.observation.cues  # type: ignore[union-attr]
    ]
    header = (tmp_path / "o.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "frame, timestamp, confidence, success, AU01_r, AU04_r, AU12_r, AU25_r, id, label"


def test_losses_are_counted_by_kind(measured: Item, clip_sample: Sample, tmp_path: Path) -> None:
    for name, record, lost in (
        (
            "emer",
            measured,
            {"further labels: EMER holds one", "measurements: EMER holds none", "page: EMER has no place for it"},
        ),
        ("llamafactory", clip_sample, {"times of media: LLaMA-Factory shows the whole recording"}),
    ):
        write = FORMATS[name].write
        assert write is not None
        with write(tmp_path / f"{name}.json", Options()) as sink:
            sink.add(record)
        assert lost <= set(sink.lost)
