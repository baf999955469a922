"""Answers that are kept, asked again, and drawn."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from emollm.errors import DataError, EmollmError, MediaError
from emollm.eval.emollm_135m_asking import Answers, Question
from emollm.eval.emollm_135m_failures import replies_of
from emollm.eval.emollm_135m_untuned import Untuned
from emollm.modeling.speaking import Asked
from emollm.modeling.tiny import tiny_backbone
from emollm.types import Message, TextPart

ASKED = Asked((Message(role="user", content=(TextPart(text="How is she?"),)),))


class Late:
    """A model whose picture comes back after a while."""

    name = "late@1"

    def __init__(self) -> None:
        self.there = False

    def generate_many(self, asked: Sequence[Asked], *, max_tokens: int) -> list[str]:
        if not self.there:
            raise MediaError("a.png: no such file")
        return ["joy"] * len(asked)


def test_what_failed_once_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    model, question = Late(), Question("a", "picture", ASKED)
    told: list[str] = []
    with Answers(tmp_path, say=told.append) as answers:
        assert answers.replies("face", model, [question], 12) == [None]
    assert told[-1] == "face: 1 of 1 could not be asked: a.png: no such file"
    model.there = True
    for _ in range(2):
        with Answers(tmp_path, say=told.append) as answers:
            assert answers.replies("face", model, [question], 12) == ["joy"]
    assert len((tmp_path / "face.jsonl").read_text().splitlines()) == 2


def test_half_an_answer_is_cut_off_and_another_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "face.jsonl"
    file.write_text('{"key": "a", "reply": "x"}\n{"key": "b", "re')
    with Answers(tmp_path):
        pass
    assert file.read_text() == '{"key": "a", "reply": "x"}\n'
    file.write_text("something else\n")
    with pytest.raises(DataError, match=r"face\.jsonl:1"):
        Answers(tmp_path)


def test_a_second_command_in_the_same_folder_is_refused_and_cuts_nothing_off(tmp_path: Path) -> None:
    with Answers(tmp_path):
        (tmp_path / "face.jsonl").write_text('{"key": "a", "re')
        with pytest.raises(EmollmError, match="another command writes into it"):
            Answers(tmp_path)
        assert (tmp_path / "face.jsonl").read_text() == '{"key": "a", "re'


def test_labels_of_the_untuned_backbone_are_as_likely_as_their_tokens(tmp_path: Path) -> None:
    import torch

    untuned = Untuned(str(tiny_backbone(tmp_path / "untuned")))
    words = ["fear", "happiness", "sad"]
    model, tokenizer = untuned._generator.ready()
    prompt = untuned._generator.tokens(ASKED.messages)
    summed = []
    for word in words:
        row = tokenizer(word, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            told = model(input_ids=torch.tensor([[*prompt, *row]])).logits[0].float().log_softmax(-1)
        summed.append(sum(told[len(prompt) - 1 + place, token] for place, token in enumerate(row)))
    wanted = torch.tensor(summed).softmax(0).tolist()
    assert untuned.label_scores(ASKED, words) == pytest.approx(wanted, abs=1e-5)


def test_replies_are_those_of_the_version_that_was_asked_last_or_of_the_one_named(tmp_path: Path) -> None:
    rows = [("ours@2", "a", "fear"), ("ours@1", "a", "anger"), ("ours@1", "b", "joy"), ("ours-b@1", "a", "neutral")]
    file = tmp_path / "face.jsonl"
    file.write_text("".join(json.dumps({"model": who, "id": id, "reply": said}) + "\n" for who, id, said in rows))
    assert replies_of(file, "ours") == {"a": "anger", "b": "joy"}
    assert replies_of(file, "ours@2") == {"a": "fear"}
    with pytest.raises(DataError, match=r"no reply of our, only of ours-b@1, ours@1, ours@2"):
        replies_of(file, "our")
