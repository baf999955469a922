"""What we write is what LLaMA-Factory reads: the package itself, in an environment of its own, loads our data set."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emollm.data_engines.formats import FORMATS
from emollm.data_engines.formats.base import Options
from emollm.samples import Sample

PACKAGE = "llamafactory==0.9.5"
BESIDE = (
    "transformers<=5.6.0",
    "datasets<=4.0.0",
    "accelerate<=1.11.0",
    "peft>=0.18.0,<=0.18.1",
    "trl>=0.18.0,<=0.24.0",
    "av<=16.0.0",
    "omegaconf",
    "pillow",
)
"""What its data loader imports, at the versions that it checks for; torch and torchaudio come on top."""
_TORCH_NEEDS = ("filelock", "typing-extensions", "sympy", "networkx", "jinja2", "fsspec")
_LOADER = Path(__file__).with_name("llamafactory_load.py")


def _run(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, encoding="utf-8", env=environment, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))[:200]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of an environment with LLaMA-Factory's data loader and a CPU build of torch."""
    import torch

    folder = tmp_path_factory.mktemp("llamafactory") / "env"
    _run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    index = ("--extra-index-url", os.environ["TORCH_INDEX"]) if os.environ.get("TORCH_INDEX") else ()
    _run(*pip, "--no-deps", f"torch=={torch.__version__}", *index)
    _run(*pip, *_TORCH_NEEDS, *BESIDE)
    _run(*pip, "--no-deps", PACKAGE, "torchaudio")
    # torchaudio's wheel is built for CUDA; without its compiled part it imports, and the data loader decodes no sound here
    for library in folder.glob("lib/python*/site-packages/torchaudio/lib/*.so"):
        library.unlink()
    yield python
    shutil.rmtree(folder)  # 1.5 GB


def _loaded(python: Path, folder: Path, name: str, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    said = _run(python, _LOADER, folder, name, folder, *arguments, environment=environment)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def _written(samples: tuple[Sample, ...], file: Path) -> None:
    write = FORMATS["llamafactory"].write
    assert write is not None
    for sample in samples:
        for item in sample.media:
            (file.parent / item.path).parent.mkdir(exist_ok=True)
            (file.parent / item.path).write_bytes(b"")
    with write(file, Options()) as sink:
        for sample in samples:
            sink.add(sample)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_llamafactory_loads_what_we_write(python: Path, samples: tuple[Sample, ...], tmp_path: Path) -> None:
    _written(samples, tmp_path / "emo.json")
    found = _loaded(python, tmp_path, "emo")
    assert f"llamafactory=={found['version']}" == PACKAGE
    clip, photos, words = found["rows"]
    assert [turn["role"] for turn in clip["_prompt"]] == ["user", "assistant", "user"]
    assert clip["_prompt"][0]["content"] == "<video><audio>Emotion of the speaker, and why?"
    assert clip["_response"] == [{"role": "assistant", "content": "Not very.\n"}]
    film = str(tmp_path / "a b" / "clip 1.mp4")
    assert (clip["_images"], clip["_videos"], clip["_audios"]) == (None, [film], [film])
    assert (photos["_system"], len(photos["_images"]), photos["_videos"]) == ("You see faces.", 2, None)
    assert photos["_prompt"][0]["content"] == "<image>First, then<image> this. Which is happier?"
    assert (words["_images"], words["_response"][0]["content"]) == (None, "surprise")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_llamafactory_trains_on_the_replies_alone(
    python: Path, samples: tuple[Sample, ...], clip_sample: Sample, tmp_path: Path
) -> None:
    """The whole way to token ids, of a data set of words: nothing of what the user says is trained on."""
    spoken = tuple(
        message.model_copy(update={"content": tuple(part for part in message.content if part.type == "text")})
        for message in clip_sample.messages
    )
    _written((samples[-1], clip_sample.model_copy(update={"messages": spoken, "media": ()})), tmp_path / "talk.json")
    one, two = _loaded(python, tmp_path, "talk", "text")["trained"]
    assert one.strip() == "surprise"
    reply = clip_sample.messages[1].content[0]
    assert reply.type == "text"
    assert reply.text in two
    assert "Not very." in two
    assert "How sure?" not in two
