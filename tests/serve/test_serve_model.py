"""The exported emollm-135m behind ``emollm serve``: what a developer gets who follows docs/serve.md."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from openai import OpenAI
from PIL import Image

from emollm import assets
from emollm.types import Answer
from tests.serve.test_serve_process import Running, Serving, serving

__all__ = ["serving"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``emollm export`` writes."""
    folder = tmp_path_factory.mktemp("export") / "emollm-135m"
    command = [sys.executable, "-m", "emollm", "export", "emollm-135m", "--out", str(folder), "--dtype", "float32"]
    subprocess.run(command, check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def served(exported: Path, serving: Serving) -> Iterator[Running]:
    """A server of it."""
    with serving(str(exported), "--set", "perception.action_units=mesh-head") as found:
        yield found


def test_the_answer_of_the_server_is_that_of_emollm_explain(served: Running, exported: Path, astronaut: Path) -> None:
    said = requests.post(f"{served.url}/v1/explain", files={"file": astronaut.read_bytes()}, timeout=300).json()
    there = Answer.from_json(json.dumps(said["answer"]))
    command = [sys.executable, "-m", "emollm", "explain", str(astronaut), "--json", "--reasoner", str(exported)]
    command += ["--set", "perception.action_units=mesh-head"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    here = Answer.from_json(run.stdout.splitlines()[0])
    assert (there.status, there.label, there.text) == ("answered", "happiness", here.text)
    assert [claim.verdict for claim in there.claims] == [claim.verdict for claim in here.claims]
    scores = {one.label: one.score for one in here.labels}
    assert {one.label: one.score for one in there.labels} == pytest.approx(scores, abs=1e-3)


def test_openais_client_streams_about_a_photo(served: Running, astronaut: Path) -> None:
    client = OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)
    url = "data:image/png;base64," + base64.b64encode(astronaut.read_bytes()).decode()
    parts: Any = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "Which emotion is expressed here, and what shows it?"},
    ]
    stream = client.chat.completions.create(
        model="emollm-135m", messages=[{"role": "user", "content": parts}], max_tokens=60, temperature=0, stream=True
    )
    text = "".join(piece.choices[0].delta.content or "" for piece in stream)
    assert re.search("happ|mouth corner|lip corner", text, re.IGNORECASE)


DOC = (Path(__file__).parents[2] / "docs" / "serve.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    """The examples of docs/serve.md in one language."""
    return re.findall(rf"```{kind}\n(.*?)```", DOC, re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, astronaut: Path) -> Path:
    """A folder with the files of the examples."""
    folder = tmp_path_factory.mktemp("place")
    with Image.open(astronaut) as picture:
        picture.convert("RGB").save(folder / "photo.jpg", quality=95)
    (folder / "clip.mp4").write_bytes(assets.path("clip-pexels").read_bytes())
    (folder / "clips.jsonl").write_text('{"path": "photo.jpg"}\n', "utf-8")
    return folder


@pytest.mark.parametrize(
    "line", [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl")]
)
def test_curl_as_in_the_page(served: Running, place: Path, line: str) -> None:
    command = line.replace("http://127.0.0.1:8000", served.url).replace("track=p2", "track=p1")
    run = subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, check=True, timeout=600)
    if "stream=true" in line:
        assert run.stdout.rstrip().endswith("event: done\ndata: {}")
    else:
        said = json.loads(run.stdout)
        assert {"answer", "observation", "data"} & set(said), run.stdout[:300]


def test_python_and_the_batch_as_in_the_page(served: Running, place: Path) -> None:
    openai = next(block for block in blocks("python") if "OpenAI" in block).replace("http://127.0.0.1:8000", served.url)
    run = subprocess.run(
        [sys.executable, "-c", openai], cwd=place, capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "happiness" in run.stdout
    (batch,) = [line for block in blocks("sh") for line in block.splitlines() if "--batch" in line]
    words = batch.replace("http://127.0.0.1:8000", served.url).split()
    subprocess.run([sys.executable, "-m", *words], cwd=place, check=True, timeout=600)
    answer = Answer.from_json((place / "answers.jsonl").read_text("utf-8").splitlines()[0])
    assert (answer.id, answer.label) == ("photo.jpg", "happiness")


def test_ray_as_in_the_page(served: Running, place: Path) -> None:
    pytest.importorskip("ray")
    script = next(block for block in blocks("python") if "import ray" in block).replace(
        "http://127.0.0.1:8000", served.url
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=place, capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    (row,) = [
        json.loads(line) for path in (place / "answers").glob("*.json") for line in path.read_text("utf-8").splitlines()
    ]
    assert Answer.from_json(row["answer"]).label == "happiness"
