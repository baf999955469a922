"""``emollm serve`` as a process: what it refuses before anything starts, and what is left when it or its vLLM is killed."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import requests

from emollm.errors import ModelError
from emollm.modeling.assemble import save
from emollm.modeling.tiny import tiny
from emollm.serve.checkpoint import find_checkpoint
from emollm.serve.engine import Engine
from emollm.serve.settings import EngineSettings

Aside = Callable[[Coroutine[Any, Any, Any]], Any]

LITTLE = (
    "--set",
    "engine.threads=1",
    "--set",
    "engine.kv_gib=1",
    "--set",
    "engine.memory_share=0.2",
    "--set",
    "measurers=1",
)
"""Settings for a machine that is shared."""
START = 400.0
"""Seconds that a start may take on a busy machine."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the tiny model."""
    found = tmp_path_factory.mktemp("checkpoint") / "little"
    save(tiny(context=4096), found)
    return found


def refused(*arguments: str, **more: Any) -> str:
    """What ``emollm serve`` says where it does not serve."""
    command = [sys.executable, "-m", "emollm", "serve", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **more)
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("emollm: ")
    return lines[0]


def test_a_port_in_use_is_told_before_anything_is_started(folder: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        assert "in use" in refused(str(folder), "--port", port)


@pytest.mark.parametrize("given", ["emollm-135", "nowhere/at/all"])
def test_a_checkpoint_that_is_missing_is_told_with_what_there_is(given: str) -> None:
    assert "emollm-135m" in refused(given)


def test_a_folder_of_something_else_is_refused(tmp_path: Path, folder: Path) -> None:
    assert "config.json" in refused(str(tmp_path))
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    config = json.loads((other / "config.json").read_text("utf-8"))
    (other / "config.json").write_text(json.dumps({**config, "model_type": "llama"}), "utf-8")
    assert "'llama'" in refused(str(other))
    weights = (folder / "model.safetensors").read_bytes()
    (other / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    shutil.copy(folder / "config.json", other)
    assert "model.safetensors" in refused(str(other))
    (other / "tokenizer.json").unlink()
    assert "tokenizer.json" in refused(str(other))


def test_an_adapter_of_another_base_is_refused(tmp_path: Path, folder: Path) -> None:
    from emollm.modeling.adapters import CONFIG, WEIGHTS, Base, write_base

    assert "name=path" in refused(str(folder), "--lora", "mine")
    assert "no folder" in refused(str(folder), "--lora", f"mine={tmp_path / 'none'}")
    (tmp_path / CONFIG).write_text(json.dumps({"r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}), "utf-8")
    (tmp_path / WEIGHTS).write_bytes(b"0")
    write_base(tmp_path, Base("elsewhere", "0123456789abcdef"))
    assert "another base model, elsewhere" in refused(str(folder), "--lora", f"mine={tmp_path}")


def test_a_vllm_that_cannot_be_started_or_watched_is_told_and_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, aside: Aside
) -> None:
    async def work(error: Exception) -> None:
        engine = Engine(find_checkpoint(str(folder)), EngineSettings())

        async def start() -> None:
            engine.starts += 1
            raise error

        monkeypatch.setattr(engine, "_start", start)
        engine.begin()
        try:
            async with asyncio.timeout(20):
                await engine.ready()
        finally:
            await engine.end()

    async def lost() -> None:
        engine = Engine(find_checkpoint(str(folder)), EngineSettings())

        async def nothing() -> bool:
            return True

        async def fault() -> None:
            raise ValueError("a fault")

        for name, done in (("_start", nothing), ("_comes_up", nothing), ("_goes_down", fault)):
            monkeypatch.setattr(engine, name, done)
        engine.begin()
        try:
            async with asyncio.timeout(20):
                await engine.lasts()
        finally:
            await engine.end()

    with pytest.raises(ModelError, match="not watched any more"):
        aside(lost())
    with pytest.raises(ModelError, match="Cannot allocate memory"):
        aside(work(OSError(12, "Cannot allocate memory")))
    with pytest.raises(ModelError, match="not watched any more"):
        aside(work(ValueError("a fault")))


def test_without_vllm_the_extra_is_named(folder: Path, tmp_path: Path) -> None:
    hidden = "import importlib.util, sys\nreal = importlib.util.find_spec\n"
    hidden += "importlib.util.find_spec = lambda name, *more: None if name == 'vllm' else real(name, *more)\n"
    (tmp_path / "sitecustomize.py").write_text(hidden, "utf-8")
    said = refused(str(folder), env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert "emollm[serve-cpu]" in said


def test_an_unknown_setting_and_an_empty_key_are_refused(folder: Path) -> None:
    assert "upload_mb" in refused(str(folder), "--set", "limits.upload_md=3")
    assert "key" in refused(str(folder), "--api-key", " ")


def test_a_killed_keeper_and_a_killed_parent_leave_nothing(tmp_path: Path) -> None:
    program = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\ntime.sleep(600)"
    keeper = [sys.executable, "-m", "emollm.serve.keeper", sys.executable, "-c", program]
    parent = f"import subprocess, time\nsubprocess.Popen({keeper!r}, stdin=subprocess.PIPE)\ntime.sleep(600)"
    own = subprocess.Popen([sys.executable, "-c", parent])
    family: list[psutil.Process] = []
    end = time.monotonic() + 30
    while len(family) < 3 and time.monotonic() < end:
        family = psutil.Process(own.pid).children(recursive=True)
        time.sleep(0.1)
    own.kill()
    own.wait()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


# ---- the whole server


class Running(NamedTuple):
    """A server that answers."""

    process: subprocess.Popen[str]
    url: str

    def family(self) -> list[psutil.Process]:
        """All processes below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def vllm(self) -> list[psutil.Process]:
        """Those of vLLM, its own name for them included."""
        named = [(each, " ".join([*each.cmdline(), each.name()])) for each in self.family()]
        return [each for each, name in named if "vllm" in name.lower() and "keeper" not in name]

    def core(self) -> psutil.Process:
        """What computes."""
        return next(each for each in self.vllm() if "EngineCore" in " ".join([*each.cmdline(), each.name()]))

    def keeper(self) -> psutil.Process:
        """What keeps vLLM."""
        return next(each for each in self.family() if "keeper" in " ".join(each.cmdline()))

    def chat(self, tokens: int = 8, **more: Any) -> requests.Response:
        """A conversation."""
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": tokens, "temperature": 0, **more}
        return requests.post(f"{self.url}/v1/chat/completions", json=body, timeout=120)


Serving = Callable[..., AbstractContextManager[Running]]


@pytest.fixture(scope="session")
def serving() -> Serving:
    """What starts ``emollm serve`` and waits until it answers."""

    @contextmanager
    def start(*arguments: str) -> Iterator[Running]:
        command = [sys.executable, "-m", "emollm", "serve", *arguments, "--port", "0", *LITTLE]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert process.stderr
        said: list[str] = []
        url = ""
        for line in process.stderr:
            said.append(line)
            url = next((word for word in line.split() if word.startswith("http://")), url).removesuffix("/v1")
            if "ready" in line or "answers" in line:
                break
        else:
            pytest.fail("".join(said))
        rest = threading.Thread(target=process.stderr.read)
        rest.start()
        try:
            yield Running(process, url)
        finally:
            process.terminate()
            process.wait(60)
            rest.join(60)
            process.stderr.close()

    return start


@pytest.mark.slow
def test_vllm_is_started_again_when_it_is_killed_and_nothing_is_left_at_the_end(folder: Path, serving: Serving) -> None:
    with serving(str(folder)) as server:
        assert server.chat().status_code == 200
        answers: list[requests.Response] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                answers.append(server.chat(40))
                if answers[-1].status_code != 200:
                    time.sleep(0.5)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        victims = server.vllm()
        assert victims
        next(each for each in victims if "api_server" in " ".join(each.cmdline())).kill()
        assert _until(lambda: requests.get(f"{server.url}/health", timeout=10).status_code == 503, 20)
        again = _until(lambda: requests.get(f"{server.url}/health", timeout=10).status_code == 200)
        time.sleep(3)
        stop.set()
        for thread in threads:
            thread.join(120)
        assert again
        assert {each.status_code for each in answers} == {200, 503}
        assert all(int(each.headers["Retry-After"]) >= 1 for each in answers if each.status_code == 503)
        assert answers[-1].status_code == 200
        family = server.family()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        _, alive = psutil.wait_procs(family, timeout=20)
        assert alive == []


@pytest.mark.slow
def test_a_killed_engine_core_or_keeper_is_noticed_and_a_killed_front_takes_everything_along(
    folder: Path, serving: Serving
) -> None:
    with serving(str(folder)) as server:
        first: list[psutil.Process] = []
        for victim in (server.core, server.keeper):
            first += server.vllm()
            victim().kill()
            assert _until(lambda: requests.get(f"{server.url}/health", timeout=10).status_code == 503, 60)
            assert _until(lambda: requests.get(f"{server.url}/health", timeout=10).status_code == 200)
        _, alive = psutil.wait_procs(first, timeout=30)
        assert alive == []
        assert server.chat().status_code == 200
        family = server.family()
        assert len(family) >= 3
        server.process.kill()
        _, alive = psutil.wait_procs(family, timeout=40)
        assert alive == []


@pytest.mark.slow
def test_raw_is_vllm_itself(folder: Path, serving: Serving) -> None:
    with serving(str(folder), "--raw", "--api-key", "geheim") as server:
        assert server.chat().status_code == 401
        headers = {"Authorization": "Bearer geheim"}
        assert requests.get(f"{server.url}/v1/models", headers=headers, timeout=10).json()["data"][0]["id"] == "little"
        assert requests.post(f"{server.url}/v1/explain", headers=headers, timeout=10).status_code == 404


def _until(held: Callable[[], bool], seconds: float = START) -> bool:
    """Whether something holds in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if held():
            return True
        time.sleep(0.3)
    return False


@pytest.mark.slow
def test_an_adapter_beside_its_base_says_what_they_say_merged(folder: Path, serving: Serving, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from emollm.modeling.adapters import CONFIG, WEIGHTS, Base, content_of, with_adapter, write_base
    from emollm.modeling.assemble import load
    from emollm.modeling.speaking import EmoLLMGenerator
    from emollm.speaker import Asked
    from emollm.types import Message, TextPart

    torch.manual_seed(1)
    tensors = {}
    for name, module in load(folder).model.named_modules():
        if "language_model" in name and name.endswith(("q_proj", "v_proj")) and isinstance(module, torch.nn.Linear):
            tensors[f"base_model.model.{name}.lora_A.weight"] = torch.randn(4, module.in_features)
            tensors[f"base_model.model.{name}.lora_B.weight"] = torch.randn(module.out_features, 4)
    save_file(tensors, tmp_path / WEIGHTS)
    where = r"(model\.language_model)\..*\.(q_proj|v_proj)"
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", "target_modules": where}
    (tmp_path / CONFIG).write_text(json.dumps(config), "utf-8")
    write_base(tmp_path, Base("little", content_of(folder)))
    hello = Asked((Message(role="user", content=(TextPart(text="Hi"),)),))
    merged = EmoLLMGenerator("merged", lambda: with_adapter(load(folder), tmp_path)).speak(hello, max_tokens=8)
    base = EmoLLMGenerator("base", lambda: load(folder)).speak(hello, max_tokens=8)
    assert merged.tokens != base.tokens
    with serving(str(folder), "--lora", f"mine={tmp_path}") as server:
        for model, wanted in (("mine", merged), ("little", base)):
            said = server.chat(model=model, return_token_ids=True).json()["choices"][0]["token_ids"]
            assert tuple(said[: len(wanted.tokens)]) == wanted.tokens
