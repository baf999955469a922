"""One real vLLM process for all tests: a tiny gated model behind vLLM's OpenAI-compatible server, and what `generate` says to the same."""

import asyncio
import base64
import io
import os
import socket
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
import requests
import torch
from PIL import Image

from emollm.modeling.assemble import Built, save
from emollm.modeling.image_processing import FaceBox, fingerprint
from emollm.modeling.tiny import tiny
from emollm.perception.settings import PerceptionSettings
from emollm.serve.checkpoint import find_checkpoint
from emollm.serve.engine import Engine
from emollm.serve.front import Front, make_app
from emollm.serve.measurers import Measurers
from emollm.serve.server import bound, server_of
from emollm.serve.settings import EngineSettings, ServeSettings

START = 300.0
"""Seconds that vLLM may take to start: some 20 on an idle machine, 80 on a busy one."""
NAME = "tiny"
"""By which the server knows the model."""
LONGEST = 12
"""Tokens of a reply at most."""
CONTEXT = 4096
"""Tokens of the tiny model, which reads letter by letter: room for the cues of a clip."""
HEAD = PerceptionSettings(action_units="mesh-head")
"""Measured by what every machine has."""
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else all of them crowd the same cores
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}


class Request(NamedTuple):
    """A question with its media, in the order pictures, voices, words."""

    question: str
    pictures: Sequence[Image.Image] = ()
    boxes: Sequence[Sequence[FaceBox]] = ()
    voices: Sequence[np.ndarray] = ()
    """int16 at 16 kHz."""
    earlier: "Sequence[tuple[Request, str]]" = ()
    """Questions with media, and replies, of the same conversation."""

    @property
    def turns(self) -> "list[Request]":
        """All questions, in order."""
        return [*(turn for turn, _ in self.earlier), self]

    def messages(self, content: "Callable[[Request], list[dict[str, Any]]]") -> list[dict[str, Any]]:
        """The conversation, each question's media as ``content`` shows them."""
        said = [reply for _, reply in self.earlier]
        asked = [
            {"role": "user", "content": [*content(turn), {"type": "text", "text": turn.question}]}
            for turn in self.turns
        ]
        replies = [{"role": "assistant", "content": [{"type": "text", "text": reply}]} for reply in said]
        return [message for pair in zip(asked, [*replies, None], strict=True) for message in pair if message]


class Reply(NamedTuple):
    """What was read and said."""

    prompt: list[int]
    tokens: list[int]
    chances: list[float]
    """Logarithm of each token's probability."""


class Server(NamedTuple):
    """A vLLM that serves a model, and that model in this process."""

    url: str
    """Base address, ``/v1`` not included."""
    built: Built
    folder: Path
    """Where the model lies."""

    def post(self, request: Request) -> requests.Response:
        """The server's answer."""
        body: dict[str, Any] = {
            "model": NAME,
            "messages": request.messages(_sent),
            "max_tokens": LONGEST,
            "temperature": 0,
            "logprobs": True,
            "return_token_ids": True,
        }
        boxes, questions = {}, {}
        for turn in request.turns:
            for picture, own in zip(turn.pictures, turn.boxes, strict=True):
                boxes[fingerprint(picture)], questions[fingerprint(picture)] = own, turn.question
        if boxes:
            body["mm_processor_kwargs"] = {"images_kwargs": {"boxes": boxes, "question": questions}}
        return requests.post(f"{self.url}/v1/chat/completions", json=body, timeout=120)

    def ask(self, request: Request) -> Reply:
        """What vLLM says."""
        response = self.post(request)
        assert response.status_code == 200, response.text
        answer = response.json()
        choice = answer["choices"][0]
        chances = [each["logprob"] for each in choice["logprobs"]["content"]]
        return Reply(answer["prompt_token_ids"], choice["token_ids"], chances)

    def generate(self, request: Request) -> Reply:
        """What ``generate`` says."""
        model, processor = self.built
        text = processor.apply_chat_template(request.messages(_shown), tokenize=False, add_generation_prompt=True)
        pictures = [picture for turn in request.turns for picture in turn.pictures]
        voices = [voice.astype(np.float32) / 32768 for turn in request.turns for voice in turn.voices]
        batch = processor(
            images=pictures or None,
            text=[text],
            audio=voices or None,
            return_tensors="pt",
            boxes=[own for turn in request.turns for own in turn.boxes],
            question=[turn.question for turn in request.turns for _ in turn.pictures],
        )
        with torch.inference_mode():
            out = model.generate(
                **batch, max_new_tokens=LONGEST, do_sample=False, return_dict_in_generate=True, output_logits=True
            )
        prompt = batch["input_ids"][0].tolist()
        tokens = out.sequences[0, len(prompt) :].tolist()
        chances = [
            float(torch.log_softmax(each[0].float(), -1)[token]) for each, token in zip(out.logits, tokens, strict=True)
        ]
        return Reply(prompt, tokens, chances)


Serve = Callable[..., AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def vllm_server(serve_vllm: Serve) -> Iterator[Server]:
    """The one process that all tests share: all streams, a gate, a tone of voice, single precision."""
    with serve_vllm(tiny("llama", gate=True, tone=("calm", "glad"), context=CONTEXT)) as server:
        yield server


@pytest.fixture(scope="session")
def serve_vllm(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """What starts a vLLM of a model, with more of its options, and ends it; for other models in slow tests."""

    @contextmanager
    def start(built: Built, *options: str, dtype: str = "float32") -> Iterator[Server]:
        folder = tmp_path_factory.mktemp("served")
        built.model.save_pretrained(folder)
        built.processor.save_pretrained(folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [
            sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--served-model-name", NAME,
            "--host", "127.0.0.1", "--port", str(port), "--dtype", dtype, "--enforce-eager", "--max-model-len", str(built.model.config.get_text_config().max_position_embeddings),
            "--max-num-seqs", "4", "--gpu-memory-utilization", "0.2", "--trust-request-mm-kwargs", *options,
        ]  # fmt: skip
        log = folder / "vllm.log"
        with log.open("wb") as out:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "emollm.serve.keeper", *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ENVIRONMENT},
                cwd=folder,
                start_new_session=True,
            )
        try:
            server = Server(f"http://127.0.0.1:{port}", built, folder)
            _wait(server, keeper, log)
            yield server
        finally:
            assert keeper.stdin
            keeper.stdin.close()
            keeper.wait(60)

    return start


def _wait(server: Server, keeper: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers."""
    until = time.monotonic() + START
    while time.monotonic() < until and keeper.poll() is None:
        try:
            if requests.get(f"{server.url}/health", timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.3)
    pytest.fail(f"vLLM did not start:\n{log.read_text('utf-8', errors='replace')[-4000:]}")


def _shown(request: Request) -> list[dict[str, Any]]:
    """Media as the chat template wants them."""
    return [*({"type": "image"} for _ in request.pictures), *({"type": "audio"} for _ in request.voices)]


def _sent(request: Request) -> list[dict[str, Any]]:
    """Media as the server wants them."""
    pictures = ["data:image/png;base64," + _png(each) for each in request.pictures]
    return [
        *({"type": "image_url", "image_url": {"url": each}} for each in pictures),
        *({"type": "input_audio", "input_audio": {"data": _wav(each), "format": "wav"}} for each in request.voices),
    ]


def _png(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _wav(voice: np.ndarray) -> str:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(voice.astype("<i2").tobytes())
    return base64.b64encode(buffer.getvalue()).decode()


class Beside(Engine):
    """The front's view of a vLLM that somebody else runs."""

    def __init__(self, server: Server) -> None:
        super().__init__(find_checkpoint(str(server.folder))._replace(name=NAME), EngineSettings())
        self.starts = 1
        self.client = httpx.AsyncClient(base_url=server.url, timeout=120)
        self.threads = httpx.Client(base_url=server.url, timeout=120)
        self.up.set()


class Played(Engine):
    """The front's view of a vLLM that a function plays: for what the front does by itself."""

    def __init__(self, folder: Path, reply: Callable[[httpx.Request], httpx.Response]) -> None:
        super().__init__(find_checkpoint(str(folder))._replace(name=NAME), EngineSettings())
        self.starts = 1
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(reply), base_url="http://engine")
        self.threads = httpx.Client(transport=httpx.MockTransport(reply), base_url="http://engine")
        self.up.set()


class Fronted(NamedTuple):
    """A front that listens."""

    url: str
    """Base address, ``/v1`` not included."""
    front: Front


Start = Callable[..., AbstractContextManager[Fronted]]


@pytest.fixture(scope="session")
def aside() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """``asyncio.run`` in a thread of its own: the browser tests keep a loop running in the first one."""

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, work).result()

    return run


@pytest.fixture(scope="session")
def start_front(vllm_server: Server) -> Start:
    """What starts a front over the one vLLM, in a thread, with settings and keys of a test's own."""
    return partial(_started, lambda: Beside(vllm_server))


@pytest.fixture(scope="session")
def start_alone(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """The same without a vLLM; ``reply`` plays it."""
    folder = tmp_path_factory.mktemp("alone") / "tiny"
    save(tiny(context=CONTEXT), folder)

    def nothing(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"choices": []})

    def start(
        *arguments: Any, reply: Callable[[httpx.Request], httpx.Response] = nothing, **more: Any
    ) -> AbstractContextManager[Fronted]:
        return _started(lambda: Played(folder, reply), *arguments, **more)

    return start


@contextmanager
def _started(
    make: Callable[[], Engine], settings: ServeSettings | None = None, keys: Sequence[str] = (), **more: Any
) -> Iterator[Fronted]:
    settings = settings or ServeSettings(measurers=1, perception=HEAD)
    begun: Future[Fronted] = Future()
    stop: list[Callable[[], None]] = []

    async def run() -> None:
        engine = make()
        measurers = Measurers(settings.perception, settings.limits, settings.measurers)
        front = Front(engine, measurers, settings, keys, **more)
        own = bound("127.0.0.1", 0)
        server = server_of(make_app(front), settings.limits)
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(ended.set))
        serving = asyncio.create_task(server.serve(sockets=[own]))
        begun.set_result(Fronted(f"http://127.0.0.1:{own.getsockname()[1]}", front))
        await ended.wait()
        server.should_exit = True
        await serving
        await asyncio.gather(engine.end(), measurers.end())

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield begun.result(60)
    finally:
        if stop:
            stop[0]()
        thread.join(60)


@pytest.fixture(scope="session")
def fronted(start_front: Start) -> Iterator[Fronted]:
    """The front that most tests share, over the tiny model."""
    with start_front() as found:
        yield found


@pytest.fixture(scope="session")
def request_of() -> type[Request]:
    """The class of a question with media."""
    return Request
