"""Answers by models: what is asked, what is read of the reply, what is said of it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emollm.answering import answer, asked_about, backed
from emollm.emotions import label_set
from emollm.errors import DataError, ModelError
from emollm.explain import ExplainSettings, answerer, explain
from emollm.generate import EMBEDDED, open_generator
from emollm.modeling.assemble import save
from emollm.modeling.speaking import EmoLLMGenerator
from emollm.modeling.tiny import tiny
from emollm.perception.settings import PerceptionSettings
from emollm.types import Answer, Clip, MediaPart, Observation, Rationale, Verdict

LABELS = label_set("basic8")


@pytest.fixture(scope="module")
def nonsense(tmp_path_factory: pytest.TempPathFactory) -> EmoLLMGenerator:
    """A tiny model with random weights, whose replies cannot be read."""
    folder = tmp_path_factory.mktemp("tiny")
    save(tiny(context=4096), folder)
    found = open_generator(str(folder))
    assert isinstance(found, EmoLLMGenerator)
    return found


@pytest.fixture(scope="module")
def own(astronaut: Path) -> Answer:
    """What the embedded model says of a photo."""
    settings = ExplainSettings(perception=PerceptionSettings(action_units="mesh-head"))
    return explain(Clip(id="astronaut", image=astronaut), settings).answer


def test_the_embedded_model_answers_a_photo_and_no_sentence_that_is_contradicted_is_left(own: Answer) -> None:
    assert (own.status, own.label) == ("answered", "happiness")
    assert own.provenance.model.startswith(f"{EMBEDDED}@")
    verdicts = [claim.verdict for claim in own.claims]
    assert verdicts.count(Verdict.SUPPORTED) >= 2
    assert Verdict.CONTRADICTED not in verdicts
    assert (own.valence, own.arousal) == (None, None)


def test_labels_are_ranked_by_how_likely_the_model_found_them(own: Answer) -> None:
    assert {one.label for one in own.labels} == set(LABELS.labels)
    assert own.labels[0].label == own.label
    assert sum(one.score for one in own.labels) == pytest.approx(1, abs=1e-6)


def test_a_reply_that_cannot_be_read_stays_as_it_is(
    nonsense: EmoLLMGenerator, group: Path, group_observation: Observation
) -> None:
    clip = Clip(id="group", image=group)
    told = answer(clip, group_observation, LABELS, nonsense, track="p2")
    everybody = (told, *told.people)
    assert {one.track for one in everybody} == {"p1", "p2", "p3", "p4", "p5"}
    assert {(one.status, one.label, one.rationale) for one in everybody} == {("unparsed", None, None)}
    assert all(one.text for one in everybody)
    with pytest.raises(DataError, match="p9"):
        answer(clip, group_observation, LABELS, nonsense, track="p9")


def test_without_anything_measured_no_model_is_asked(nonsense: EmoLLMGenerator, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(16_000), 16_000)
    settings = ExplainSettings(by=str(tmp_path / "none"))
    with pytest.raises(ModelError, match="none"):
        explain(Clip(id="silence", audio=path), settings)
    observation = explain(Clip(id="silence", audio=path), ExplainSettings(by="cues")).observation
    told = answer(Clip(id="silence", audio=path), observation, LABELS, nonsense)
    assert told.status == "abstained"
    assert told.provenance.model.startswith("reasoner@")


def test_the_prompt_holds_the_face_the_cues_and_the_labels(astronaut: Path, astronaut_observation: Observation) -> None:
    asked = asked_about(Clip(id="a", image=astronaut), astronaut_observation, LABELS, "p1")
    (message,) = asked.messages
    assert [item.type for item in asked.media] == ["image"]
    assert asked.media[0].box == astronaut_observation.tracks[0].faces[0].box
    assert isinstance(message.content[0], MediaPart)
    text = "".join(part.text for part in message.content if part.type == "text")
    assert "AU12 lip corner puller" in text
    assert all(label in text for label in LABELS.labels)


def test_a_model_of_text_alone_is_not_taken() -> None:
    with pytest.raises(ModelError, match="takes text alone"):
        answerer("smollm2-135m-instruct")


def test_only_what_is_contradicted_is_left_out_and_said_to_be(astronaut_observation: Observation) -> None:
    true, false = "The lip corners are pulled up (AU12 0.96).", "The brows are lowered (AU04 0.80)."
    said = Rationale(observations=f"{true} {false}", interpretation=false, conclusion="This is happiness.")
    kept = backed(said, astronaut_observation, "p1")
    assert kept == Rationale(observations=true, interpretation="", conclusion="This is happiness.")
    assert backed(kept, astronaut_observation, "p1") == kept
