"""What a server says to requests that it does not answer: a status and one line, and it goes on with the others."""

import base64
import io
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from emollm.serve.settings import LimitSettings, ServeSettings
from tests.cli.conftest import film

TEXT = {"type": "text", "text": "Why?"}


def png(width: int = 64, height: int = 64) -> bytes:
    """A grey picture."""
    buffer = io.BytesIO()
    Image.new("L", (width, height), 128).save(buffer, "PNG")
    return buffer.getvalue()


def told(response: requests.Response, status: int) -> str:
    """The line of a refusal."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    error = response.json()["error"]
    assert error["type"]
    message = str(error["message"])
    assert message
    assert "\n" not in message
    assert "/tmp" not in message
    assert "Traceback" not in message
    return message


def upload(
    url: str, data: bytes, name: str = "a.png", kind: str = "image/png", path: str = "explain"
) -> requests.Response:
    """A file as a form."""
    return requests.post(f"{url}/v1/{path}", files={"file": (name, data, kind)}, timeout=120)


@pytest.fixture(scope="module")
def strict(start_alone: Any) -> Iterator[Any]:
    """A front that allows little and asks for a key."""
    limits = LimitSettings(upload_mb=0.3, body_mb=0.5, body_seconds=2, rate=2, burst=8, media=2, turns=4)
    with start_alone(ServeSettings(measurers=1, limits=limits), ["geheim", "other"]) as found:
        yield found


@pytest.mark.parametrize("kind", ["text/html", "application/pdf", "text/plain", "application/x-sh"])
def test_a_type_that_is_not_read_is_refused_by_its_name(fronted: Any, kind: str) -> None:
    assert kind in told(upload(fronted.url, png(), kind=kind), 415)


def test_content_that_is_not_what_it_was_declared_to_be_is_refused(fronted: Any, tmp_path: Path) -> None:
    assert "picture" in told(upload(fronted.url, png(), "a.mp4", "video/mp4"), 422)
    assert "text" in told(upload(fronted.url, b"Hello there, this is no picture.", "a.png", "image/png"), 422)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(fronted: Any) -> None:
    began = time.monotonic()
    assert "pixels" in told(upload(fronted.url, png(20_000, 11_000)), 422)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("keep", [0.5, 0.02])
def test_a_corrupted_video_is_refused_or_measured_as_far_as_it_goes(fronted: Any, tmp_path: Path, keep: float) -> None:
    data = film(tmp_path / "a.mp4", [np.full((96, 96, 3), place * 20, np.uint8) for place in range(10)]).read_bytes()
    cut = data[: int(len(data) * keep)]
    assert "a.mp4" in told(upload(fronted.url, cut, "a.mp4", "video/mp4", "observe"), 422)


@pytest.mark.parametrize(
    "name",
    [
        "лицо 😀.png",
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "/etc/shadow",
        "a\x00b\nc.png",
        "x" * 400,
        "con.png; rm -rf",
    ],
)
def test_a_name_is_only_shown_whatever_it_is(fronted: Any, name: str) -> None:
    body = {"file": {"name": name, "data": base64.b64encode(png()).decode()}}
    response = requests.post(f"{fronted.url}/v1/observe", json=body, timeout=60)
    assert response.status_code == 200, response.text
    id = response.json()["observation"]["id"]
    assert "/" not in id
    assert "\n" not in id
    assert len(id) <= 120


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/a.png",
        "https://example.org/a.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "data:image/png,abc",
        "ftp://x/y",
        7,
    ],
)
def test_no_address_and_no_path_of_a_request_is_opened(fronted: Any, url: Any) -> None:
    body = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}, TEXT]}]}
    assert "data:" in told(requests.post(f"{fronted.url}/v1/chat/completions", json=body, timeout=30), 400)


def test_the_settings_of_the_processor_and_of_vllm_are_not_the_clients(fronted: Any) -> None:
    message = {"role": "user", "content": "Hi"}
    for name in ("mm_processor_kwargs", "chat_template", "allowed_local_media_path", "tools"):
        body = {"messages": [message], name: {}}
        assert name in told(requests.post(f"{fronted.url}/v1/chat/completions", json=body, timeout=30), 400)


def test_an_unknown_model_is_told_with_the_known_ones(fronted: Any) -> None:
    body = {"model": "gpt-9", "messages": [{"role": "user", "content": "Hi"}]}
    assert "served: tiny" in told(requests.post(f"{fronted.url}/v1/chat/completions", json=body, timeout=30), 404)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"labels": "basic9"}, "basic8"),
        ({"labels": "/etc/passwd"}, "label set"),
        ({"track": "p9"}, "p9"),
        ({"question": "x" * 2000}, "1000"),
        ({"model": "none"}, "served"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(fronted: Any, astronaut: Path, said: dict[str, str], names: str) -> None:
    url = f"{fronted.url}/v1/explain"
    response = requests.post(url, files={"file": astronaut.read_bytes()}, data=said, timeout=60)
    assert names in told(response, 404 if "model" in said else 400)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000, b'{"file": 3}', b'{"file": {"data": "%%"}}'])
def test_json_that_cannot_be_read_is_refused(fronted: Any, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    told(requests.post(f"{fronted.url}/v1/explain", data=body, headers=headers, timeout=30), 400)


def test_a_form_without_a_file_and_a_wrong_body_are_refused(fronted: Any) -> None:
    told(requests.post(f"{fronted.url}/v1/explain", files={"other": b"x"}, timeout=30), 400)
    told(requests.post(f"{fronted.url}/v1/explain", data=b"x", headers={"Content-Type": "image/png"}, timeout=30), 415)
    assert "boundary" in told(
        requests.post(
            f"{fronted.url}/v1/explain", data=b"x", headers={"Content-Type": "multipart/form-data"}, timeout=30
        ),
        400,
    )
    told(upload(fronted.url, b""), 422)


def test_an_unknown_path_and_method_are_told(fronted: Any) -> None:
    assert "/docs" in told(requests.get(f"{fronted.url}/v1/nothing", timeout=10), 404)
    assert "/docs" in told(requests.get(f"{fronted.url}/v1/explain", timeout=10), 405)


def test_another_host_name_is_refused_where_the_server_is_this_machines_alone(start_alone: Any) -> None:
    with start_alone(local=True) as found:
        for name in ("127.0.0.1", "127.0.0.2:81", "LocalHost", "LOCALHOST:8000", "[::1]:8000"):
            assert requests.get(f"{found.url}/v1/models", headers={"Host": name}, timeout=10).status_code == 200
        for name in ("evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "127.0.0.1:a@evil.example"):
            told(requests.get(f"{found.url}/v1/models", headers={"Host": name}, timeout=10), 403)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_web_page_of_another_place_makes_a_server_without_a_key_do_nothing(start_alone: Any, origin: str) -> None:
    with start_alone(local=True) as found:
        url = f"{found.url}/v1/ask"
        assert "page" in told(requests.post(url, json={}, headers={"Origin": origin}, timeout=10), 403)
        form = {"files": {"file": png()}, "headers": {"Origin": origin}, "timeout": 10}
        assert "page" in told(requests.post(f"{found.url}/v1/explain", **form), 403)
        assert "question" in told(requests.post(url, json={}, headers={"Origin": found.url.upper()}, timeout=10), 400)
    with start_alone(keys=["geheim"]) as found:
        headers = {"Origin": origin, **KEY}
        assert requests.get(f"{found.url}/v1/models", headers=headers, timeout=10).status_code == 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_said_to_be_json_is_not_read(start_alone: Any, kind: str | None) -> None:
    with start_alone() as found:
        headers = {"Content-Type": kind} if kind else {}
        for path in ("chat/completions", "ask", "explain"):
            response = requests.post(f"{found.url}/v1/{path}", data=b"{}", headers=headers, timeout=10)
            assert "application/json" in told(response, 415)


# ---- limits


KEY = {"Authorization": "Bearer geheim"}


def test_a_key_is_asked_for_but_for_health(strict: Any) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer geheim2"},
        {"Authorization": "Basic geheim"},
        {"Authorization": "Bearer "},
    ):
        response = requests.get(f"{strict.url}/v1/models", headers=headers, timeout=10)
        told(response, 401)
        assert response.headers["WWW-Authenticate"] == "Bearer"
    for key in ("geheim", "other"):
        headers = {"Authorization": f"Bearer {key}"}
        assert requests.get(f"{strict.url}/v1/models", headers=headers, timeout=10).status_code == 200
    for path in ("docs", "openapi.json", "metrics"):
        told(requests.get(f"{strict.url}/{path}", timeout=10), 401)
    assert requests.get(f"{strict.url}/health", timeout=10).status_code == 200


def test_the_paths_are_told_with_the_key(start_alone: Any) -> None:
    with start_alone(keys=["correct horse"]) as found:
        headers = {"Authorization": "Bearer correct horse"}
        pages = {requests.get(f"{found.url}/docs", headers=headers, timeout=10).text for _ in range(2)}
        assert len(pages) == 1
        assert "/v1/explain" in pages.pop()
        described = requests.get(f"{found.url}/openapi.json", headers=headers, timeout=10).json()
        assert "/v1/explain" in described["paths"]
        told(requests.get(f"{found.url}/docs", headers={"Authorization": "Bearer correct"}, timeout=10), 401)


def test_who_tries_keys_too_often_is_not_heard_any_more(start_alone: Any) -> None:
    limits = LimitSettings(rate=0.1, burst=3)
    with start_alone(ServeSettings(measurers=1, limits=limits), ["geheim"]) as found:
        wrong = [
            requests.get(f"{found.url}/v1/models", headers={"Authorization": f"Bearer {place}"}, timeout=10).status_code
            for place in range(5)
        ]
        assert wrong == [401, 401, 401, 429, 429]
        told(requests.get(f"{found.url}/v1/models", headers=KEY, timeout=10), 429)


def test_who_asks_too_often_is_told_when_to_come_again(strict: Any) -> None:
    headers = {"Authorization": "Bearer other"}
    statuses = [requests.get(f"{strict.url}/v1/models", headers=headers, timeout=10).status_code for _ in range(12)]
    assert 200 in statuses
    refused = requests.get(f"{strict.url}/v1/models", headers=headers, timeout=10)
    told(refused, 429)
    assert int(refused.headers["Retry-After"]) >= 1


def test_too_large_a_file_and_a_body_are_refused(strict: Any) -> None:
    time.sleep(2)  # a few requests more
    noise = np.random.default_rng(0).integers(0, 255, 400_000, dtype=np.uint8).tobytes()
    form = {"files": {"file": ("a.png", noise, "image/png")}, "headers": KEY, "timeout": 30}
    assert "0.3 MB" in told(requests.post(f"{strict.url}/v1/explain", **form), 413)
    form["files"] = {"file": ("a.png", noise * 2, "image/png")}
    assert "0.5 MB" in told(requests.post(f"{strict.url}/v1/explain", **form), 413)


def test_an_endless_body_is_cut_off(strict: Any) -> None:
    time.sleep(1)
    address = strict.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=30) as connection:
        head = "POST /v1/explain HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer geheim\r\n"
        head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        end = time.monotonic() + 20
        connection.settimeout(0.01)
        said, sent, left = b"", 0, b""
        while b"\r\n\r\n" not in said and time.monotonic() < end:
            left = left or b"10000\r\n" + b" " * 0x10000 + b"\r\n"
            with suppress(TimeoutError):
                taken = connection.send(left)
                left, sent = left[taken:], sent + taken
            with suppress(TimeoutError):
                said += connection.recv(4096)
        assert b" 413 " in said
        assert sent > 0.5e6, "refused before it was too large"
        connection.settimeout(20)
        with suppress(ConnectionError):
            while connection.recv(4096):
                pass  # to the end: the server has hung up


def test_a_body_that_trickles_in_is_not_waited_for(strict: Any) -> None:
    time.sleep(1)
    address = strict.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=30) as connection:
        head = "POST /v1/explain HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer geheim\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode())
        began = time.monotonic()
        assert b" 408 " in connection.recv(200)
        assert time.monotonic() - began < 10


def test_too_many_messages_and_files_are_refused(strict: Any) -> None:
    time.sleep(2)
    url = f"{strict.url}/v1/chat/completions"
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}] * 5}
    assert "4" in told(requests.post(url, json=body, headers=KEY, timeout=30), 413)
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(png()).decode()}}
    body = {"messages": [{"role": "user", "content": [part, part, part, TEXT]}]}
    assert "2" in told(requests.post(url, json=body, headers=KEY, timeout=30), 413)


def test_what_takes_too_long_to_measure_is_ended_and_the_next_one_is_measured(
    start_front: Any, astronaut: Path
) -> None:
    with start_front(ServeSettings(measurers=1, limits=LimitSettings(measure_seconds=1))) as found:
        assert upload(found.url, png(), path="observe").status_code == 200
        assert "1 s" in told(upload(found.url, png(13_500, 13_500), path="observe"), 422)
        assert upload(found.url, astronaut.read_bytes(), path="observe").status_code == 200


def test_a_clip_that_is_too_long_is_refused(start_front: Any, tmp_path: Path) -> None:
    import soundfile

    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(16_000 * 30), 16_000)
    with start_front(ServeSettings(measurers=1, limits=LimitSettings(clip_seconds=10))) as found:
        assert "10 s" in told(upload(found.url, path.read_bytes(), "long.wav", "audio/wav", "observe"), 422)


def test_a_file_that_takes_too_much_memory_is_refused_and_the_next_one_is_measured(start_alone: Any) -> None:
    large = png(14_000, 14_000)
    with start_alone(ServeSettings(measurers=1, limits=LimitSettings(memory_mb=200))) as found:
        assert "memory" in told(upload(found.url, large, path="observe"), 422)
        assert upload(found.url, png(), path="observe").status_code == 200
    with start_alone(ServeSettings(measurers=1)) as found:
        assert upload(found.url, large, path="observe").status_code == 200, "not its size alone"
