"""Answers by models: what is asked, what is read of the reply, what is said of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile

from emollm.answering import answer, answer_aloud, asked_about, backed, constrained, ranked
from emollm.emotions import label_set, label_sets
from emollm.errors import DataError, ModelError
from emollm.explain import AUTO, CUES, ExplainSettings, answerer, chosen, explain, fallen_back
from emollm.generate import EMBEDDED, open_generator
from emollm.modeling.assemble import save
from emollm.modeling.speaking import Asked, EmoLLMGenerator
from emollm.modeling.tiny import tiny
from emollm.perception.settings import PerceptionSettings
from emollm.prompts import prompt
from emollm.replies import Named, forms, label_in, named_in, unreached
from emollm.types import Answer, Clip, MediaPart, Message, Observation, Rationale, TextPart, Verdict

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
    progress: list[tuple[int, int]] = []
    told = answer(
        clip, group_observation, LABELS, nonsense, track="p2", answered=lambda *so_far: progress.append(so_far)
    )
    assert progress == sorted(progress)
    assert {total for _, total in progress} == {5}
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
    instead = prompt("model/unbacked").render()
    assert kept == Rationale(observations=true, interpretation=instead, conclusion="This is happiness.")
    assert backed(kept, astronaut_observation, "p1") == kept
    silent = Rationale(observations=true, interpretation="", conclusion=false)
    assert backed(silent, astronaut_observation, "p1") == silent, "nothing was left out, and a conclusion never is"


class Enough(Exception):
    """What ends the work."""


def test_what_is_raised_while_people_are_answered_ends_the_work(
    nonsense: EmoLLMGenerator, group: Path, group_observation: Observation
) -> None:
    told: list[int] = []

    def stop(done: int, total: int) -> None:
        told.append(total)
        raise Enough

    clip = Clip(id="group", image=group)
    with pytest.raises(Enough):
        answer(clip, group_observation, LABELS, nonsense, answered=stop)
    assert told == [5]
    hello = Message(role="user", content=(TextPart(text="Hello."),))
    assert nonsense.speak(Asked((hello,)), max_tokens=1, least=1).tokens, "the next one is answered"


def test_auto_takes_the_model_only_where_it_has_learnt_each_label() -> None:
    assert {id for id in label_sets() if chosen(AUTO, label_set(id)) == EMBEDDED} >= {"basic8", "fer2013", "meld"}
    assert chosen(AUTO, label_set("bah")) == CUES
    assert chosen(EMBEDDED, label_set("bah")) == EMBEDDED
    assert unreached(label_set("ravdess")) == ("calm",)
    assert "calm" in (fallen_back(AUTO, label_set("ravdess")) or "")
    assert fallen_back(AUTO, LABELS) is None
    assert fallen_back(CUES, label_set("bah")) is None


def test_one_model_answers_all_clips_of_a_process() -> None:
    assert answerer(chosen(AUTO, LABELS)) is answerer(EMBEDDED)


@pytest.mark.parametrize("id", [id for id in label_sets() if not unreached(label_set(id))])
def test_where_every_label_is_learnt_each_word_of_basic8_that_has_a_place_is_read(id: str) -> None:
    labels = label_set(id)
    for label, own in LABELS.map_to(labels).items():
        assert label_in(f"It is {label}.", labels) == own


def test_the_ranking_does_not_depend_on_the_word_that_a_set_has_for_a_label(
    nonsense: EmoLLMGenerator, astronaut: Path, astronaut_observation: Observation
) -> None:
    """ekman7 says happiness, fer2013 happy; both read the same words."""
    ekman, fer = label_set("ekman7"), label_set("fer2013")
    clip = Clip(id="a", image=astronaut)
    spoken = nonsense.speak(asked_about(clip, astronaut_observation, ekman, "p1"), max_tokens=12)
    own = ranked(nonsense, spoken, ekman, Named("happiness", 3, "happiness"))
    other = ranked(nonsense, spoken, fer, Named("happy", 3, "happiness"))
    assert [ekman.map_to(fer)[one.label] for one in own] == [one.label for one in other]
    assert [one.score for one in own] == pytest.approx([one.score for one in other])
    assert sum(one.score for one in own) == pytest.approx(1)


def test_a_label_is_as_likely_as_its_likeliest_word(
    nonsense: EmoLLMGenerator, astronaut: Path, astronaut_observation: Observation
) -> None:
    clip = Clip(id="a", image=astronaut)
    spoken = nonsense.speak(asked_about(clip, astronaut_observation, LABELS, "p1"), max_tokens=12)
    words = [word for own in forms(LABELS).values() for word in own]
    scores = dict(zip(words, nonsense.spoken_scores(spoken, spoken.text[:3], words), strict=True))
    best = {label: max(scores[word] for word in own) for label, own in forms(LABELS).items()}
    told = ranked(nonsense, spoken, LABELS, Named("sadness", 3, "sad"))
    assert {one.label: one.score for one in told} == pytest.approx(
        {label: score / sum(best.values()) for label, score in best.items()}
    )


def test_a_label_is_named_by_any_word_of_it_with_its_place() -> None:
    assert named_in("The label is Joy.", label_set("fer2013")) == Named("happy", 13, "Joy")
    assert named_in("The label is fear.", label_set("mer2023")) == Named("worried", 13, "fear")
    assert named_in("The label is fear.", label_set("bah")) is None


@pytest.mark.parametrize("name", ["emolm", "emollm-135", "nobody/nothing"])
def test_an_unknown_reasoner_is_told_with_the_known_ones(name: str) -> None:
    with pytest.raises(ModelError, match=r"unknown reasoner .*known: a folder, auto, cues, emollm-135m") as caught:
        answerer(name)
    assert "smollm2" not in str(caught.value)


class Said(NamedTuple):
    """A reply that was written by hand."""

    text: str


class Certain:
    """A speaker that is sure of one word."""

    name = "certain@1"

    def spoken_scores(self, spoken: Said, before: str, labels: Sequence[str]) -> list[float]:
        """All for fear."""
        return [float(label == "fear") for label in labels]


def test_a_conclusion_without_a_label_gets_the_likeliest_where_that_is_wanted() -> None:
    model: Any = Certain()
    text = "**Key Observations:**\nThe brows are lowered.\n\n**Conclusion:**\nHard to say."
    assert constrained(model, Said(text), LABELS) == text.replace("Hard to say.", "The answer is fear.")
    assert constrained(model, Said(text.replace("Hard to say", "It is joy")), LABELS) is None, (
        "greedy decoding has the word"
    )
    assert constrained(model, Said("Hard to say."), LABELS) is None, "no reply in three parts"


def test_what_is_said_aloud_ends_in_the_same_answer(
    nonsense: EmoLLMGenerator, astronaut: Path, astronaut_observation: Observation
) -> None:
    clip = Clip(id="a", image=astronaut)
    *pieces, told = answer_aloud(clip, astronaut_observation, LABELS, nonsense)
    assert isinstance(told, Answer)
    assert "".join(map(str, pieces)) == told.text
    assert told == answer(clip, astronaut_observation, LABELS, nonsense)
