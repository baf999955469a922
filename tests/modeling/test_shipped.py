"""Models that come with the package: what their adapters belong to, and what becomes of both."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import Tensor

from emollm.config import load as load_settings
from emollm.errors import ModelError
from emollm.modeling.adapters import BASE, BESIDE, CONFIG, Base, content_of, with_adapter, write_base
from emollm.modeling.assemble import CHATML, ModelSettings, StreamSource, load
from emollm.modeling.configuration import ConnectorSettings
from emollm.modeling.shipped import CARD, PARTS, base_of, folder_of, put_together, shipped
from tests.modeling.test_assemble import bare_backbone


class Own(NamedTuple):
    """What is shipped of a tiny model, and the weights that it is to have."""

    folder: Path
    merged: dict[str, Tensor]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> ModelSettings:
    """A tiny backbone without room for placeholders, and a face net."""
    backbone = bare_backbone(tmp_path_factory.mktemp("backbone"))
    (backbone / "chat_template.jinja").write_text(CHATML)
    face = StreamSource(tower="face-mt", connector=ConnectorSettings(tokens=4))
    return ModelSettings(backbone=str(backbone), streams={"face": face})


@pytest.fixture(scope="module", params=[r"(model\.language_model)\..*\.(q_proj|up_proj)", ["q_proj", "down_proj"]])
def own(request: pytest.FixtureRequest, parts: ModelSettings, tmp_path_factory: pytest.TempPathFactory) -> Own:
    """An adapter and connectors of random weights, merged by PEFT."""
    folder = tmp_path_factory.mktemp("own")
    built = base_of(parts)
    base = Base("tiny", content_of(built.model))
    config = LoraConfig(r=4, lora_alpha=6, target_modules=request.param, task_type="CAUSAL_LM")
    adapted: Any = get_peft_model(built.model, config)
    torch.manual_seed(3)
    with torch.no_grad():
        for name, value in adapted.named_parameters():
            if "lora_" in name or ".connector." in name:
                value.normal_()
    adapted.save_pretrained(folder, save_embedding_layers=False)
    merged = {name: value.clone() for name, value in adapted.merge_and_unload().state_dict().items()}
    save_file({name: value for name, value in merged.items() if ".connector." in name}, folder / BESIDE)
    write_base(folder, base)
    (folder / PARTS).write_text(yaml.safe_dump(parts.model_dump(mode="json")))
    (folder / CARD).write_text("# tiny\n")
    return Own(folder, merged)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_shipped_becomes_the_model_that_peft_makes_of_it(own: Own, tmp_path: Path, dtype: str) -> None:
    put_together(own.folder, tmp_path, dtype)
    told = load(tmp_path).model.state_dict()
    assert told.keys() == own.merged.keys()
    for name, wanted in own.merged.items():
        kind = getattr(torch, dtype) if wanted.is_floating_point() else wanted.dtype
        torch.testing.assert_close(told[name], wanted.to(kind), rtol=0, atol=0)
    assert (tmp_path / CARD).read_text() == "# tiny\n"


@pytest.mark.parametrize(
    "said", [{"use_dora": True}, {"rank_pattern": {"q_proj": 2}}, {"lora_alpha": "much"}, {"target_modules": "("}]
)
def test_an_adapter_that_is_not_merged_as_it_says_is_refused(own: Own, tmp_path: Path, said: dict[str, Any]) -> None:
    folder = Path(shutil.copytree(own.folder, tmp_path / "own"))
    config = json.loads((folder / CONFIG).read_text()) | said
    (folder / CONFIG).write_text(json.dumps(config))
    told = json.loads((folder / BASE).read_text())
    write_base(folder, Base(told["name"], told["content"]))
    built = base_of(load_settings(ModelSettings, folder / PARTS))
    with pytest.raises(ModelError, match="expected plain LoRA") as caught:
        with_adapter(built, folder)
    assert len(str(caught.value).splitlines()) == 1


def test_an_unknown_model_is_told_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"unknown model 'emollm-13m'.*emollm-135m"):
        folder_of("emollm-13m")


@pytest.mark.slow
def test_what_an_adapter_belongs_to_is_the_same_on_any_processor(parts: ModelSettings) -> None:
    code = (
        "import sys\nfrom emollm.modeling.adapters import content_of\nfrom emollm.modeling.assemble import ModelSettings\n"
        "from emollm.modeling.shipped import base_of\n"
        "print(content_of(base_of(ModelSettings.model_validate_json(sys.argv[1])).model))"
    )
    command = [sys.executable, "-c", code, parts.model_dump_json()]
    plain = os.environ | {"ATEN_CPU_CAPABILITY": "default"}
    told = subprocess.run(command, env=plain, capture_output=True, text=True, check=True).stdout.split()[-1]
    assert told == content_of(base_of(parts).model)


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_a_shipped_adapter_belongs_to_its_parts(name: str) -> None:
    folder = folder_of(name)
    built = base_of(load_settings(ModelSettings, folder / PARTS))
    assert json.loads((folder / BASE).read_text())["content"] == content_of(built.model)
