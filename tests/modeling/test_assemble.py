"""A model out of pretrained parts."""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    AutoModelForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedTokenizerFast,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from emollm.errors import ConfigError, ModelError
from emollm.modeling.assemble import Built, ModelSettings, StreamSource, assemble, load, main
from emollm.modeling.configuration import ConnectorSettings, GateSettings
from emollm.modeling.conversation import encode
from emollm.modeling.processing import AUDIO, IMAGE
from emollm.modeling.tiny import BACKBONES, text_config, tiny, tiny_backbone, tokenizer
from emollm.types import Message, TextPart
from tests.modeling.conversations import STREAMS, TURNS, inputs

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a backbone (``llama``) and a picture tower (``eye``)."""
    folder = tmp_path_factory.mktemp("parts")
    tiny_backbone(folder / "llama", "llama")
    SiglipVisionModel(SiglipVisionConfig(**SMALL)).save_pretrained(folder / "eye")
    SiglipImageProcessor().save_pretrained(folder / "eye")
    return folder


def settings(parts: Path, **changed: Any) -> ModelSettings:
    """All streams, with tiny backbone and picture tower."""
    few = ConnectorSettings(tokens=4)
    streams = {
        "scene": StreamSource(tower=str(parts / "eye"), connector=few),
        "face": StreamSource(tower="face-mt", connector=few),
        "speech": StreamSource(tower="whisper-tiny.en", connector=few),
    }
    return ModelSettings(
        **{"backbone": str(parts / "llama"), "streams": streams, "gate": GateSettings(width=8), **changed}
    )


@pytest.fixture(scope="module")
def whole(parts: Path) -> Built:
    """The model of these settings."""
    return assemble(settings(parts))


# ---- what it takes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", [*BACKBONES, "llama, vocabulary full"])
def test_on_text_it_is_the_backbone(backbone: str, tmp_path: Path) -> None:
    kind, _, full = backbone.partition(", ")
    folder = (bare_backbone if full else tiny_backbone)(tmp_path / "backbone", kind)
    alone = AutoModelForCausalLM.from_pretrained(folder).eval()
    if (
        backbone == "gemma"
    ):  # caps its logits: nothing would show if weights were so small that no logit reaches the cap
        assert alone.config.final_logit_softcapping
        with torch.no_grad():
            alone.get_input_embeddings().weight.mul_(50.0)
        alone.save_pretrained(folder)
    model, processor = assemble(ModelSettings(backbone=str(folder)))
    model.save_pretrained(tmp_path / "saved")
    processor.save_pretrained(tmp_path / "saved")
    ids = processor(text="How does she feel?", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        wanted = alone(ids).logits
        # A tokenizer may bring tokens of its own, for which the word vectors grow.
        for each in (model, load(tmp_path / "saved").model):
            torch.testing.assert_close(each(ids).logits[..., : wanted.shape[-1]], wanted, rtol=0, atol=1e-4)
    if backbone == "gemma":
        assert 20 < wanted.abs().max() < alone.config.final_logit_softcapping


def test_towers_come_with_their_weights_and_connectors_from_the_seed(whole: Built, parts: Path) -> None:
    eye = load_file(parts / "eye" / "model.safetensors")
    own = whole.model.model.streams["scene"].tower.model.state_dict()
    assert all(own[name].equal(weight) for name, weight in eye.items())
    again, other = assemble(settings(parts)).model.state_dict(), assemble(settings(parts, seed=1)).model.state_dict()
    differing = {name for name, weight in whole.model.state_dict().items() if not weight.equal(other[name])}
    assert all(weight.equal(again[name]) for name, weight in whole.model.state_dict().items())
    assert {name.split(".")[3] for name in differing if ".streams." in name} == {"connector"}
    assert {name.split(".")[1] for name in differing} == {"streams", "gate"}


def test_a_model_of_real_towers_is_saved_and_loaded(whole: Built, tmp_path: Path) -> None:
    whole.model.save_pretrained(tmp_path)
    whole.processor.save_pretrained(tmp_path)
    again = load(tmp_path)
    with torch.no_grad():
        first, second = (
            each.model(**inputs(each.processor, STREAMS["all"], TURNS[:1])).logits for each in (whole, again)
        )
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_layers_of_a_tower_are_kept_where_a_model_is_saved(parts: Path, tmp_path: Path) -> None:
    speech = StreamSource(tower="whisper-tiny.en", taps=(3, 4), connector=ConnectorSettings(tokens=4))
    model, processor = assemble(settings(parts, streams={"speech": speech}))
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = load(tmp_path).model.model.streams["speech"].tower
    assert (again.taps, again.width) == ((3, 4), 2 * model.model.streams["speech"].tower.model.config.d_model)
    sound = torch.randn(1, 80, 3000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert again(sound).features.equal(model.model.streams["speech"].tower(sound).features)


def test_placeholders_become_tokens_where_the_backbone_has_none(tmp_path: Path) -> None:
    words = tokenizer()
    folder = tiny_backbone(tmp_path, "qwen")
    file = json.loads((folder / "tokenizer.json").read_text())
    file["added_tokens"] = [each for each in file["added_tokens"] if each["content"] not in (IMAGE, AUDIO)]
    (folder / "tokenizer.json").write_text(json.dumps(file))
    model, processor = assemble(ModelSettings(backbone=str(folder)))
    ids = processor.tokenizer(f"{IMAGE}{AUDIO}")["input_ids"]
    assert ids == [model.config.image_token_id, model.config.audio_token_id]
    assert len(set(ids)) == 2
    assert model.get_input_embeddings().num_embeddings >= len(words)


def test_a_base_model_without_chat_template_learns_to_end_its_replies(tmp_path: Path) -> None:
    model, processor = assemble(ModelSettings(backbone=str(bare_backbone(tmp_path))))
    words = processor.tokenizer
    said = [Message(role=role, content=(TextPart(text="Joy."),)) for role in ("user", "assistant")]
    learnt = [token for token in encode(processor, said).labels if token >= 0]
    assert words.convert_ids_to_tokens(learnt[-1]) == "<|im_end|>"
    assert learnt[-1] == words.eos_token_id == model.generation_config.eos_token_id == model.config.eos_token_id
    assert len(learnt) == len("Joy.") + 1
    assert words.pad_token_id not in (None, words.eos_token_id)


def test_fresh_word_vectors_that_are_never_said_are_never_the_likeliest(tmp_path: Path) -> None:
    folder = bare_backbone(tmp_path)
    known = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]
    model, processor = assemble(ModelSettings(backbone=str(folder)))
    rows, mean = model.get_input_embeddings().weight, known.double().mean(0).float()
    spoken = processor.tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    for row in range(len(known), len(rows)):
        assert torch.allclose(rows[row], mean, rtol=0, atol=1e-7) == (row not in spoken)
    ids = processor(text="How does she feel?", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = model(ids).logits[0]
    assert (logits[:, model.config.image_token_id] < logits.max(-1).values).all()


def bare_backbone(folder: Path, backbone: str = "llama") -> Path:
    """Writes a tiny base model as one finds them: no chat template, no padding, no spare word vectors."""
    letters = sorted(ByteLevel.alphabet())
    of_bytes = Tokenizer(BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    of_bytes.pre_tokenizer = ByteLevel(add_prefix_space=False)
    of_bytes.add_special_tokens([AddedToken("<|endoftext|>")])
    words = PreTrainedTokenizerFast(tokenizer_object=of_bytes, eos_token="<|endoftext|>")
    AutoModelForCausalLM.from_config(text_config(backbone, len(words))).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def test_the_command_saves_what_the_settings_name(parts: Path, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(json.dumps({"backbone": str(parts / "llama"), "streams": {"face": {"tower": "face-mt"}}}))
    command = [str(file), str(tmp_path / "base"), "--set", "max_faces=2"]
    said = CliRunner().invoke(main, command)
    assert said.exit_code == 0, said.output
    told = load(tmp_path / "base").model
    assert told.config.max_faces == 2
    assert f"{sum(each.numel() for each in told.parameters()):,} parameters" in said.output
    again = CliRunner().invoke(main, command)
    assert (again.exit_code, again.output) == (
        2,
        f"emollm: {command[1]}: is there already; give another folder, or remove it\n",
    )
    wrong = CliRunner().invoke(
        main, [command[0], str(tmp_path / "other"), "--set", "streams={smell: {tower: face-mt}}"]
    )
    assert wrong.exit_code == 2
    assert "unknown stream 'smell'; known: face, scene, speech" in wrong.output
    assert {path.name for path in tmp_path.iterdir()} == {"settings.yaml", "base"}


# ---- what it refuses ------------------------------------------------------------------------------------------------


def test_a_head_with_a_bias_is_refused(tmp_path: Path) -> None:
    words = tokenizer()
    config = PhiConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=None,
    )
    PhiForCausalLM(config).save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    with pytest.raises(
        ConfigError, match="its head has a bias, which this family does not; use another language model"
    ):
        assemble(ModelSettings(backbone=str(tmp_path)))


def test_missing_weights_are_refused(whole: Built, tmp_path: Path) -> None:
    backbone = tiny_backbone(tmp_path / "backbone", "llama")
    lose(backbone, "model.layers.1.mlp.up_proj.weight")
    with pytest.raises(
        ModelError, match=r"1 weights are missing, model\.layers\.1\.mlp\.up_proj\.weight first; get or save"
    ):
        assemble(ModelSettings(backbone=str(backbone)))
    whole.model.save_pretrained(tmp_path / "saved")
    whole.processor.save_pretrained(tmp_path / "saved")
    lose(tmp_path / "saved", "model.streams.face.connector.stream")
    with pytest.raises(ModelError, match=r"1 weights are missing, model\.streams\.face\.connector\.stream first"):
        load(tmp_path / "saved")


def lose(folder: Path, name: str) -> None:
    """Takes a weight away."""
    kept = load_file(folder / "model.safetensors")
    del kept[name]
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("damage", ["nothing there", "half a file", "no configuration", "another model"])
def test_a_folder_that_is_no_model_is_refused_in_one_line(damage: str, parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backbone"
    if damage != "nothing there":
        tiny_backbone(folder, "llama")
    if damage == "half a file":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    if damage == "no configuration":
        (folder / "config.json").write_text("{")
    if damage == "another model":
        folder = parts / "eye"
    for read in (lambda: assemble(ModelSettings(backbone=str(folder))), lambda: load(folder)):
        with pytest.raises(ModelError, match=folder.name) as caught:
            read()
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("held", ["tokenizer", "processor", "config"])
def test_code_in_the_folder_of_a_model_is_not_run_and_not_asked_about(
    held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built = tiny(streams=())
    built.model.save_pretrained(tmp_path)
    built.processor.save_pretrained(tmp_path)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Evil: ...\n")
    file = tmp_path / {"config": "config.json"}.get(held, f"{held}_config.json")
    told = json.loads(file.read_text())
    kinds = ("AutoTokenizer", "AutoProcessor", "AutoConfig", "AutoModel", "AutoImageProcessor")
    told["auto_map"] = {kind: ["evil.Evil", "evil.Evil"] if kind == "AutoTokenizer" else "evil.Evil" for kind in kinds}
    told |= {"tokenizer_class": "Evil"} if held == "tokenizer" else {}
    file.write_text(json.dumps(told))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    with contextlib.suppress(ModelError):
        load(tmp_path)
    assert not (tmp_path / "ran").exists()
    assert sys.stdin.tell() == 0
    assert "custom code" not in capsys.readouterr().out
