"""The engine exp_cot on photos and clips."""

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from emollm.data_engines.base import Gold, Item, Rejected
from emollm.data_engines.exp_cot import ENGINE
from emollm.data_engines.recipe import BuildSettings, TaskShares
from emollm.data_engines.verifying import verify
from emollm.errors import ConfigError
from emollm.perception.tables import read_table
from emollm.rationale_text import join, parts, split
from emollm.samples import Mark, Sample, Task
from emollm.types import (
    Clip,
    Cue,
    CueKind,
    MediaInfo,
    Missing,
    Observation,
    Part,
    Rationale,
    Scale,
    Source,
    Table,
    TextPart,
    Verdict,
)

SOURCE = Source(backend="test", version="1", licence="test")
ALL = TaskShares(recognition=1, reasoning=1, open_vocabulary=1, follow_up=1)


def written(
    observation: Observation, gold: Gold | None = None, seed: int = 0, **options: str | bool
) -> list[Sample | Rejected]:
    engine = ENGINE(BuildSettings(tasks=ALL, options=options))
    clip = Clip(id=observation.id, transcript="-")
    item = Item(clip=clip, observation=observation, gold=gold)
    return list(engine.write(item, observation, Random(seed)))


def smile(left: float = 0.8, right: float = 0.8) -> Observation:
    def unit(code: str, value: float, **sides: float) -> Cue:
        return Cue(
            id=code, kind=CueKind.ACTION_UNIT, name=code, scale=Scale.INTENSITY, value=value, source=SOURCE, **sides
        )

    cues = (
        unit("AU12", max(left, right), left=left, right=right),
        unit("AU06", 0.5),
        unit("AU25", 0.6),
        unit("AU04", 0.02),
        unit("AU15", 0.01),
        Cue(id="yaw", kind=CueKind.HEAD_POSE, name="yaw", scale=Scale.DEGREES, value=25.0, source=SOURCE),
    )
    return Observation(
        id="smile", media=MediaInfo(kind="image"), cues=cues, missing=(Missing(stream="AU24", reason="not measured"),)
    )


def course_table(folder: Path) -> Table:
    """Four seconds of a table in which a smile comes and goes."""
    lines = ["frame,timestamp,confidence,success,AU04_r,AU06_r,AU12_r,AU25_r"]
    for frame in range(100):
        rise = max(0.0, 1 - abs(frame - 50) / 15)
        lines.append(f"{frame + 1},{frame / 25:.2f},0.98,1,0.00,{2.5 * rise:.2f},{4 * rise:.2f},{3 * rise:.2f}")
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return Table(path=path, format="openface2")


def test_a_photo_gives_all_tasks_and_every_claim_holds() -> None:
    for seed in range(25):
        observation = smile(0.9, 0.4)
        found = [one for one in written(observation, seed=seed) if isinstance(one, Sample)]
        assert [one.task for one in found] == [Task.RECOGNITION, Task.REASONING, Task.OPEN_VOCABULARY, Task.FOLLOW_UP]
        assert found[0].reply == "happiness"
        assert found[1].label == "happiness"
        for sample in found[1:]:
            verdicts = Counter(claim.verdict for claim in verify(sample, observation, None).claims)
            assert set(verdicts) == {Verdict.SUPPORTED}, sample.reply
        assert split(found[1].reply) is not None
        assert "25°" in found[1].reply
        assert "left" in found[1].reply


def test_a_clip_tells_its_course_and_every_claim_holds(tmp_path: Path) -> None:
    table = course_table(tmp_path)
    observation = read_table(table, "clip")
    told = 0
    for seed in range(15):
        engine = ENGINE(BuildSettings(tasks=ALL))
        item = Item(clip=Clip(id="clip", table=table), observation=observation)
        for sample in engine.write(item, observation, Random(seed)):
            assert isinstance(sample, Sample)
            claims = verify(sample, observation, None).claims
            assert all(claim.verdict is Verdict.SUPPORTED for claim in claims), sample.reply
            if sample.task is Task.REASONING:
                told += sum(claim.start is not None for claim in claims)
                assert sample.label == "happiness"
    assert told > 15


def test_without_a_face_it_abstains_and_says_so() -> None:
    observation = Observation(
        id="words", media=MediaInfo(kind="text"), missing=(Missing(stream="face", reason="no picture"),)
    )
    found = [one for one in written(observation) if isinstance(one, Sample)]
    assert [one.label for one in found if one.task is not Task.OPEN_VOCABULARY] == [None, None, None]
    assert all(Mark.ABSTAINED in one.marks for one in found)
    assert all(not verify(one, observation, None).claims for one in found if one.task is Task.REASONING)


def test_a_label_of_people_without_a_face_says_what_was_not_measured() -> None:
    observation = Observation(
        id="none", media=MediaInfo(kind="image"), missing=(Missing(stream="face", reason="none found"),)
    )
    gold = Gold(labels=("sadness",), label_set="basic8", by="annotators")
    found = [one for one in written(observation, gold, unsupported="say") if isinstance(one, Sample)]
    reasoning = next(one for one in found if one.task is Task.REASONING)
    claims = verify(reasoning, observation, None).claims
    assert claims
    assert all(claim.verdict is Verdict.SUPPORTED and "not measured" in claim.reason for claim in claims)
    assert all(one.reply.strip() for one in found)


def test_annotators_are_believed_only_where_the_muscles_agree() -> None:
    other = Gold(labels=("sadness",), label_set="basic8", by="annotators")
    (rejected,) = written(smile(), other)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "label not supported: annotators say sadness, the muscles speak for happiness"
    honest = [one for one in written(smile(), other, unsupported="say") if isinstance(one, Sample)]
    assert {one.label for one in honest if one.task is not Task.OPEN_VOCABULARY} == {"sadness"}
    reasoning = next(one for one in honest if one.task is Task.REASONING)
    assert Mark.UNSUPPORTED in reasoning.marks
    assert reasoning.provenance.label_visible
    assert reasoning.gold == ("sadness",)
    conclusion = split(reasoning.reply)
    assert conclusion is not None
    assert "sadness" in conclusion.conclusion
    assert "happiness" in conclusion.conclusion
    agreed = [one for one in written(smile(), Gold(labels=("happy",), label_set=None)) if isinstance(one, Sample)]
    assert not agreed[1].marks
    assert not agreed[1].provenance.label_visible
    assert agreed[1].gold == ("happiness",)


def test_a_label_of_its_own_speaks_of_no_annotator_and_of_no_weight() -> None:
    other = Gold(labels=("sadness",), label_set="basic8", by="annotators")
    for seed in range(25):
        found = written(smile(), other, seed=seed, unsupported="own", weights=False)
        reasoning = next(one for one in found if isinstance(one, Sample) and one.task is Task.REASONING)
        parts = split(reasoning.reply)
        assert parts is not None
        assert (reasoning.label, reasoning.marks) == ("sadness", (Mark.UNSUPPORTED,))
        assert not re.search(r"annotat|people|rated|labelled|\d", parts.conclusion.lower())
        assert "sadness" in parts.conclusion
        assert "happiness" in parts.conclusion


def test_a_label_of_its_own_without_a_face_says_nothing_of_muscles() -> None:
    observation = Observation(
        id="none", media=MediaInfo(kind="image"), missing=(Missing(stream="face", reason="none found"),)
    )
    gold = Gold(labels=("sadness",), label_set="basic8", by="annotators")
    for seed in range(25):
        for sample in written(observation, gold, seed=seed, unsupported="own"):
            assert isinstance(sample, Sample)
            told = [turn.content for turn in sample.messages if turn.role == "assistant"]
            replies = " ".join(part.text for content in told for part in content if isinstance(part, TextPart))
            assert not re.search(r"muscles|units alone|[Uu]nits (that|asked)", replies.partition("Conclusion")[2])


def test_unknown_labels_and_options_are_named() -> None:
    (rejected,) = written(smile(), Gold(labels=("bored",), label_set=None))
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "unknown label: 'bored' has no place in basic8"
    with pytest.raises(ConfigError, match="unsuported"):
        ENGINE(BuildSettings(options={"unsuported": "say"}))


def test_follow_ups_never_diagnose() -> None:
    for seed in range(40):
        found = [one for one in written(smile(), seed=seed) if isinstance(one, Sample) and one.task is Task.FOLLOW_UP]
        for sample in found:
            assert len(sample.messages) >= 4
            assert not {"feels happy", "is happy", "depressed", "autistic"} & {sample.reply.lower()}
            assert "disorder" not in sample.reply.lower()


def test_rationales_are_joined_and_split() -> None:
    whole = Rationale(observations="Lips parted.", interpretation="", conclusion="Happiness.")
    assert join(whole) == "**Key Observations:**\nLips parted.\n\n**Conclusion:**\nHappiness."
    assert split(join(whole)) == whole
    foreign = "## 1. Key observations: the lips part\nOverall Emotional Interpretation\nfits\n**Conclusion**: happy"
    assert split(foreign) == Rationale(observations="the lips part", interpretation="fits", conclusion="happy")
    assert [one.part for one in parts(foreign)] == list(Part)
    assert split("Conclusion drawn: none") is None
    assert split("happiness") is None
