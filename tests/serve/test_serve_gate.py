"""What the front does by itself, without a vLLM: who comes in, what is held, and how long anybody may take."""

import asyncio
import base64
import binascii
import hashlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from starlette.requests import Request

from emollm import assets
from emollm.errors import ConfigError, MediaError
from emollm.serve import front, uploads
from emollm.serve.conversations import Turn, request_of
from emollm.serve.limits import Gate
from emollm.serve.measured import Memory
from emollm.serve.refusals import Refused
from emollm.serve.server import bound
from emollm.serve.settings import LimitSettings, ServeSettings
from emollm.serve.uploads import Upload, from_base64
from emollm.types import MediaInfo, Observation

Aside = Callable[[Coroutine[Any, Any, Any]], Any]

HELLO = {"messages": [{"role": "user", "content": "Hi"}]}


def little(**limits: Any) -> ServeSettings:
    return ServeSettings(measurers=1, limits=LimitSettings(**limits))


def refused(response: requests.Response, status: int = 400) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["error"]["message"])


def chat(found: Any, **more: Any) -> requests.Response:
    return requests.post(f"{found.url}/v1/chat/completions", json={**HELLO, **more}, timeout=60)


def until(held: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not held() and time.monotonic() < end:
        time.sleep(0.05)
    return held()


@contextmanager
def connected(found: Any, sent: str = "") -> Iterator[socket.socket]:
    host, _, port = found.url.removeprefix("http://").partition(":")
    with closing(socket.create_connection((host, int(port)), timeout=20)) as own:
        own.sendall(sent.replace("\n", "\r\n").encode())
        yield own


def endless(request: httpx.Request) -> httpx.Response:
    """A reply without an end."""

    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"data: " + b"x" * 100_000 + b"\n\n"
            await asyncio.sleep(0.001)

    return httpx.Response(200, content=pieces())


def slow(request: httpx.Request) -> httpx.Response:
    """A reply that says a word and nothing more."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b'data: {"choices": []}\n\n'
        await asyncio.sleep(600)

    return httpx.Response(200, content=pieces())


ASKED = json.dumps({**HELLO, "stream": True})
STREAM = f"POST /v1/chat/completions HTTP/1.1\nHost: 127.0.0.1\nContent-Type: application/json\nContent-Length: {len(ASKED)}\n\n{ASKED}"


# ---- time


def test_a_client_that_never_reads_keeps_no_place_when_its_time_is_over(
    start_alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "LATE", 0.5)
    with start_alone(little(request_seconds=1), reply=endless) as found, connected(found, STREAM):
        assert until(lambda: found.front.gate.inside == 1, 5)
        assert until(lambda: found.front.gate.inside == 0, 10)


def test_a_client_that_takes_nothing_is_hung_up_on_long_before(start_alone: Any) -> None:
    with start_alone(little(body_seconds=1), reply=endless) as found, connected(found, STREAM):
        assert until(lambda: found.front.gate.inside == 1, 5)
        assert until(lambda: found.front.gate.inside == 0, 10)


def test_a_client_that_takes_what_it_is_sent_slowly_is_waited_for(start_alone: Any) -> None:
    with start_alone(little(body_seconds=1), reply=endless) as found, connected(found, STREAM) as own:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            assert own.recv(400_000)
            time.sleep(0.05)
        assert found.front.gate.inside == 1


def test_a_stream_that_takes_too_long_ends_with_an_error(start_alone: Any) -> None:
    with start_alone(little(request_seconds=1), reply=slow) as found:
        lines = [line for line in chat(found, stream=True).iter_lines(decode_unicode=True) if line]
        assert lines[0] == 'data: {"choices": []}'
        assert "1 s" in json.loads(lines[1].removeprefix("data: "))["error"]["message"]
        assert lines[2] == "data: [DONE]"
        assert until(lambda: found.front.gate.inside == 0, 3)


# ---- connections

HEALTH = "GET /health HTTP/1.1\nHost: 127.0.0.1\n\n"


@pytest.mark.parametrize("sent", ["", "GET /health HTTP/1.1\nHost: 127", HEALTH])
def test_a_connection_whose_request_does_not_come_is_closed(start_alone: Any, sent: str) -> None:
    with start_alone(little(head_seconds=0.5)) as found, connected(found, sent) as own:
        own.settimeout(0.1)
        began, said = time.monotonic(), b"?"
        while said and time.monotonic() < began + 15:
            with suppress(TimeoutError):
                said = own.recv(4096)
            if sent:
                with suppress(OSError):
                    own.sendall(b"X")  # letter by letter, of a head that does not end
        assert said == b"", "still open"
        assert time.monotonic() - began < 4


def test_a_request_that_takes_longer_than_its_head_may_is_answered(start_alone: Any) -> None:
    async def late(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1.5)
        return httpx.Response(200, json={"choices": []})

    with start_alone(little(head_seconds=0.5), reply=late) as found:
        assert chat(found).status_code == 200


def test_there_are_no_more_connections_than_allowed(start_alone: Any) -> None:
    with start_alone(little(connections=3)) as found:
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(connected(found))
            with connected(found) as own:
                said = own.recv(4096)
            assert said.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"Retry-After: 2\r\n" in said
            assert b'"code": "busy"' in said
        assert until(lambda: requests.get(f"{found.url}/health", timeout=10).status_code == 200)


@pytest.mark.parametrize("shared", [False, True], ids=["one API server", "several API servers"])
def test_a_port_that_is_kept_for_vllm_is_one_that_vllm_can_listen_on(shared: bool) -> None:
    with closing(bound("127.0.0.1", 0, kept=True)) as own, closing(socket.socket()) as vllm:
        port = own.getsockname()[1]
        vllm.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            vllm.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        vllm.bind(("127.0.0.1", port))
        vllm.listen()
        for _ in range(20):
            with closing(socket.create_connection(("127.0.0.1", port), timeout=5)), closing(vllm.accept()[0]):
                pass
        for kept in (False, True):
            with pytest.raises(ConfigError, match="in use"):
                bound("127.0.0.1", port, kept=kept)


# ---- room


def asked_by(address: str, key: str = "") -> Request:
    headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
    return Request({"type": "http", "headers": headers, "client": (address, 1)})


def test_one_client_has_half_the_places_and_leaves_the_others(start_alone: Any) -> None:
    gate = Gate(LimitSettings())
    with ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(gate.entered(asked_by("10.0.0.1")))
        with pytest.raises(Refused) as told, gate.entered(asked_by("10.0.0.1")):
            pass
        assert told.value.status == 429
        assert told.value.retry_after
        with gate.entered(asked_by("10.0.0.2")):
            assert gate.inside == 65
    assert gate.inside == 0
    with gate.entered(asked_by("10.0.0.1")):
        pass


def test_clients_of_one_address_are_told_apart_by_their_keys() -> None:
    gate = Gate(LimitSettings(at_once_each=1), ["a", "b"])
    with gate.entered(asked_by("10.0.0.1", "a")), gate.entered(asked_by("10.0.0.1", "b")), pytest.raises(Refused):
        gate.entered(asked_by("10.0.0.2", "a ")).__enter__()


HEAD = "POST /v1/ask HTTP/1.1\nHost: 127.0.0.1\nContent-Type: application/json\nContent-Length: 900000\n\n"


def test_bodies_of_all_requests_together_are_limited(start_alone: Any) -> None:
    with start_alone(little(bodies_mb=1)) as found:
        with connected(found, HEAD + " " * 600_000):
            assert until(lambda: found.front.room.held == 600_000)
            body = json.dumps({"question": "x" * 500_000})
            headers = {"Content-Type": "application/json"}
            response = requests.post(f"{found.url}/v1/ask", data=body, headers=headers, timeout=20)
            refused(response, 503)
            assert response.headers["Retry-After"] == "2"
        assert until(lambda: found.front.room.held == 0)
        response = requests.post(f"{found.url}/v1/ask", data=body, headers=headers, timeout=20)
        assert response.status_code == 400


def test_the_loop_neither_reads_nor_decodes_nor_hashes_what_is_sent(
    start_alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[str]] = {}

    def watched(module: Any, name: str) -> None:
        real = getattr(module, name)

        def call(*given: Any, **more: Any) -> Any:
            seen.setdefault(name, set()).add(threading.current_thread().name)
            return real(*given, **more)

        monkeypatch.setattr(module, name, call)

    class Loads:
        loads, dumps = staticmethod(json.loads), staticmethod(json.dumps)

    monkeypatch.setattr(uploads, "json", Loads)
    data = base64.b64encode(b"no picture").decode()
    with start_alone() as found:
        for module, name in ((Loads, "loads"), (binascii, "a2b_base64"), (hashlib, "file_digest")):
            watched(module, name)
        requests.post(f"{found.url}/v1/observe", json={"file": {"data": data}}, timeout=60)
    assert set(seen) == {"loads", "a2b_base64", "file_digest"}
    assert all(name.startswith("asyncio_") for names in seen.values() for name in names), seen


def test_base64_is_decoded_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_PIECE", 8)
    for size in range(30):
        data = bytes(range(size))
        from_base64("data:" + base64.b64encode(data).decode(), LimitSettings(), 5)(tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == data
    for text in ("QUJDRA==QUJD", "QUJDREVGQUJ", "QUJD QUJD", "QUJDQUJDQ", "ü"):
        with pytest.raises(Refused, match="base64"):
            from_base64(text, LimitSettings())(tmp_path / "a")


def test_a_body_of_more_values_than_memory_holds_is_refused(monkeypatch: pytest.MonkeyPatch, start_alone: Any) -> None:
    monkeypatch.setattr(uploads, "_VALUES", 100)
    with start_alone() as found:
        assert "100 values" in refused(chat(found, stop=[""] * 200), 413)
        assert chat(found, stop=[""] * 50).status_code == 200


# ---- values


@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", "1e999", '"\\ud800"', '{"\\udfff": 1}', "1" * 30, '["a", {"b": "\\ud83d."}]']
)
def test_values_that_cannot_be_sent_on_are_refused(start_alone: Any, value: str) -> None:
    body = '{"messages": [{"role": "user", "content": "Hi 😀 \\ud83d\\ude00"}], "metadata": %s}'
    headers = {"Content-Type": "application/json"}
    with start_alone() as found:
        url = f"{found.url}/v1/chat/completions"
        response = requests.post(url, data=(body % value).encode(), headers=headers, timeout=20)
        assert "JSON" in refused(response)
        assert requests.post(url, data=(body % "-1.5e3").encode(), headers=headers, timeout=20).status_code == 200


def test_a_form_in_a_charset_of_half_letters_is_refused(start_alone: Any) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
    body += b'--b\r\nContent-Disposition: form-data; name="labels"\r\n\r\n\\ud800\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b; charset=raw_unicode_escape"}
    with start_alone() as found:
        assert "form" in refused(requests.post(f"{found.url}/v1/explain", data=body, headers=headers, timeout=20))


@pytest.mark.parametrize(
    ("path", "wrong"), [("explain", "lables"), ("observe", "labels"), ("observe", "track"), ("ask", "qestion")]
)
def test_a_field_that_would_do_nothing_is_refused(start_alone: Any, path: str, wrong: str) -> None:
    file = {"data": base64.b64encode(b"x").decode()}
    with start_alone() as found:
        url = f"{found.url}/v1/{path}"
        said = {"question": "Why?"} if path == "ask" else {"file": file}
        assert wrong in refused(requests.post(url, json={**said, wrong: "ekman7"}, timeout=20))
        if path != "ask":
            assert wrong in refused(requests.post(url, files={"file": b"x"}, data={wrong: "ekman7"}, timeout=20))
            assert "nmae" in refused(requests.post(url, json={"file": {**file, "nmae": "x"}}, timeout=20))
            assert "stream" in refused(requests.post(url, json={"file": file, "stream": "perhaps"}, timeout=20))


def schema(**own: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", **own}}}


def properties(count: int) -> dict[str, Any]:
    return {"properties": {f"p{place}": {"type": "string"} for place in range(count)}}


@pytest.mark.parametrize(
    "said",
    [
        {"max_tokens": 0},
        {"max_completion_tokens": 0, "max_tokens": 5},
        {"max_tokens": True},
        {"stream": "false"},
        {"stream": 1},
        {"track": 1},
        {"track": "p1"},
        {"messages": [{"role": "user", "content": [{"type": {}}]}]},
        {"structured_outputs": {"choice": ["x" * 5000, "y" * 5000]}},
        {"response_format": {"type": "grammar"}},
        {"response_format": "json"},
        {"response_format": {"type": "json_schema"}},
        {"response_format": schema(**properties(3000))},
        {"response_format": schema(properties={"a": {"items": {"anyOf": [properties(70), properties(70)]}}})},
        {"response_format": schema(description="x" * 20_000)},
        {"response_format": schema(properties={"a": {"type": "string", "pattern": "(a|b){9999}"}})},
        {"response_format": schema(properties={"a": {"type": "array", "maxItems": 10**6}})},
    ],
)
def test_a_conversation_asks_for_nothing_without_bounds(start_alone: Any, said: dict[str, Any]) -> None:
    with start_alone() as found:
        told = refused(chat(found, **said))
        assert "content" in told or any(name.removesuffix("_completion_tokens") in told for name in said)


@pytest.mark.parametrize(
    "form",
    [
        {"type": "text"},
        {"type": "json_object"},
        schema(**properties(50), required=["p1"], additionalProperties=False),
        schema(properties={"pattern": {"$ref": "#/$defs/x"}}, **{"$defs": {"x": {"enum": ["a", "b"]}}}),
    ],
)
def test_a_small_form_of_reply_is_told_to_vllm(start_alone: Any, form: dict[str, Any]) -> None:
    told: list[dict[str, Any]] = []

    def reply(request: httpx.Request) -> httpx.Response:
        told.append(json.loads(request.content))
        return httpx.Response(200, json={"choices": []})

    with start_alone(reply=reply) as found:
        assert chat(found, response_format=form, max_tokens=7).status_code == 200
    assert told[0]["response_format"] == form
    assert told[0]["max_tokens"] == 7


# ---- files


def test_the_other_files_are_given_up_when_one_is_refused(tmp_path: Path, aside: Aside) -> None:
    ended: list[str] = []

    class Slow:
        async def measured(self, upload: Upload) -> Any:
            if upload.name == "broken":
                await asyncio.sleep(0.05)
                raise MediaError("broken: cannot be read")
            try:
                await asyncio.sleep(30)
            finally:
                ended.append(upload.name)

    files = tuple(Upload(name, tmp_path / name, "image") for name in ("one", "broken", "two"))
    none: Any = None
    memory: Any = Slow()

    async def work() -> None:
        with pytest.raises(MediaError, match="broken"):
            await request_of([Turn("user", "Why?", files)], None, tmp_path, none, none, memory, none)
        assert sorted(ended) == ["one", "two"]

    aside(work())


class Counted:
    """Measures nothing, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    async def observe(self, path: Path, name: str, kind: str | None = None, progress: Any = None) -> Observation:
        self.count += 1
        return Observation(id=name, media=MediaInfo(kind="image"))


def test_what_was_measured_is_forgotten_in_time_though_nobody_asks(tmp_path: Path, aside: Aside) -> None:
    measurers: Any = Counted()
    memory = Memory(ServeSettings(kept_seconds=0.3, kept=2), measurers)
    files = []
    for name in "abc":
        (tmp_path / name).write_text(name, "utf-8")
        files.append(Upload(name, tmp_path / name, "image"))

    async def work() -> None:
        for file in (files[0], files[0], files[1], files[0], files[2], files[0]):
            await memory.measured(file)
        assert measurers.count == 3, "the one that was used last is kept"
        assert len(memory._known) == 2
        await asyncio.sleep(0.5)
        assert not memory._known

    aside(work())


def test_pictures_and_a_voice_are_sent_on_with_the_words_that_were_said(
    start_alone: Any, astronaut: Path, group: Path
) -> None:
    told: list[dict[str, Any]] = []

    def reply(request: httpx.Request) -> httpx.Response:
        told.append(json.loads(request.content))
        return httpx.Response(200, json={"choices": []})

    def part(path: Path, kind: str, mime: str) -> dict[str, Any]:
        url = f"data:{mime};base64,{base64.b64encode(path.read_bytes()).decode()}"
        return {"type": kind, kind: {"url": url}}

    parts = [part(astronaut, "image_url", "image/png"), part(group, "image_url", "image/jpeg")]
    parts.append(part(assets.path("speech-jfk"), "audio_url", "audio/wav"))
    with start_alone(ServeSettings(measurers=1), reply=reply) as found:
        content = [*parts, {"type": "text", "text": "Why?"}]
        assert chat(found, messages=[{"role": "user", "content": content}]).status_code == 200
        ((message,),) = [each["messages"] for each in told]
        kinds = [one["type"] for one in message["content"]]
        assert [kind for kind in kinds if kind != "text"] == ["image_url", "image_url", "input_audio"]
        text = "".join(one["text"] for one in message["content"] if one["type"] == "text")
        assert "ask not what your country can do for you" in text.lower()
        assert "track: the last" in refused(chat(found, track="p1"))
        wrong = [{"role": "user", "content": [parts[0], {"type": "text", "text": "Why?"}]}]
        assert "p9" in refused(chat(found, messages=wrong, track="p9"))
