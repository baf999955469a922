"""``emollm explain --endpoint``: many clips through a server, with what an earlier run has left."""

import json
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from emollm.cli.clip_list import read_list
from emollm.endpoint import EndpointError
from emollm.errors import ConfigError, DataError, MediaError
from emollm.remote import Remote
from emollm.types import Answer


def explain(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "emollm", "explain", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, astronaut: Path, group: Path) -> Path:
    """A list of two photos and a file that is none, in its folder."""
    folder = tmp_path_factory.mktemp("batch")
    shutil.copy(astronaut, folder / "a.png")
    with Image.open(group) as picture:
        picture.resize((picture.width // 2, picture.height // 2)).save(folder / "b.png")
    (folder / "c.png").write_text("no picture", "utf-8")
    rows = [{"path": "a.png"}, {"path": "b.png", "track": "p2"}, {"path": "c.png"}]
    (folder / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return folder


def test_a_list_goes_through_a_server_and_goes_on_where_it_was_stopped(fronted: Any, clips: Path) -> None:
    out = clips / "answers.jsonl"
    arguments = ("--batch", clips / "clips.jsonl", "--endpoint", f"{fronted.url}/v1", "--out", out)
    first = explain(*arguments)
    assert first.returncode == 1, first.stderr
    assert "2 of 3 clips done" in first.stderr
    answers = [Answer.from_json(line) for line in out.read_text("utf-8").splitlines()]
    assert [(Path(one.id).name, one.track) for one in answers] == [("a.png", "p1"), ("b.png", "p2")]
    assert all(one.provenance.model.startswith("tiny@") for one in answers)
    (reject,) = [json.loads(line) for line in (clips / "rejects.jsonl").read_text("utf-8").splitlines()]
    assert reject["id"].endswith("c.png")
    (clips / "c.png").unlink()
    shutil.copy(clips / "a.png", clips / "c.png")
    second = explain(*arguments)
    assert second.returncode == 0, second.stderr
    assert "3 of 3 clips done (2 by an earlier run)" in second.stderr


def test_what_a_server_decides_is_not_set_here(fronted: Any, clips: Path) -> None:
    for more in (("--reasoner", "cues"), ("--set", "perception.smallest=3"), ("--model", "x", "--ask", "Why?")):
        run = explain(clips / "a.png", "--endpoint", fronted.url, *more)
        assert run.returncode == 2
        assert len(run.stderr.splitlines()) == 1
        assert "server" in run.stderr
    assert "CLIP" in explain("--json").stderr


def test_questions_are_put_to_the_server(fronted: Any, clips: Path) -> None:
    run = explain(clips / "a.png", "--endpoint", fronted.url, "--json", "--ask", "Is she ill?")
    assert run.returncode == 0, run.stderr
    (reply,) = json.loads(run.stdout)["follow_ups"]
    assert reply["model"].startswith("guard@")


def test_a_server_that_is_none_is_told_in_one_line(clips: Path, vllm_server: Any) -> None:
    with pytest.raises(EndpointError, match="no server"):
        Remote("http://127.0.0.1:9").served()
    with pytest.raises(EndpointError, match="without --raw"):
        Remote(vllm_server.url).served()
    for address in ("127.0.0.1:8000", "ftp://x", "http://a:b@c"):
        with pytest.raises(ConfigError):
            Remote(address)


def test_a_clip_that_the_server_never_finishes_is_rejected_and_the_others_are_explained(
    fronted: Any, clips: Path, tmp_path: Path
) -> None:
    """Between both stands a server that says of one clip that it took too long."""

    class Between(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._tell(requests.get(f"{fronted.url}{self.path}", timeout=60))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if b"slow" in body[:300]:
                late = {"error": {"message": "not done within 900 s"}}
                return self._write(504, json.dumps(late).encode())
            kind = {"Content-Type": self.headers["Content-Type"]}
            return self._tell(requests.post(f"{fronted.url}{self.path}", data=body, headers=kind, timeout=120))

        def _tell(self, response: requests.Response) -> None:
            self._write(response.status_code, response.content)

        def _write(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    paths = [tmp_path / name for name in ("slow.png", "a\udcff.png", "b.png")]
    for path in paths:
        shutil.copy(clips / "a.png", path)
    out = tmp_path / "answers.jsonl"
    with ThreadingHTTPServer(("127.0.0.1", 0), Between) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run = explain(*paths, "--endpoint", f"http://127.0.0.1:{server.server_port}", "--out", out)
        server.shutdown()
    assert run.returncode == 1, run.stderr
    assert "2 of 3 clips done" in run.stderr
    (reject,) = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text("utf-8").splitlines()]
    assert "slow.png" in reject["id"]
    assert "not done within" in reject["reason"]


def test_a_row_of_a_data_set_gets_its_answer_or_its_error(fronted: Any, clips: Path, tmp_path: Path) -> None:
    import pickle

    remote = pickle.loads(pickle.dumps(Remote(fronted.url)))  # as Ray sends it to its workers
    row = remote({"path": str(clips / "a.png")})
    assert Answer.from_json(row["answer"]).id == str(clips / "a.png")
    (tmp_path / "bad.png").write_text("x", "utf-8")
    assert "bad.png" in remote({"path": str(tmp_path / "bad.png")})["error"]
    with pytest.raises(MediaError, match=r"none\.png"):
        remote.explain(tmp_path / "none.png", "x")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "JSON"),
        ('{"file": "a"}', "path"),
        ('{"path": "a", "trak": "p1"}', "track"),
        ('{"path": "a", "track": 1}', "p2"),
        ("[]", "path"),
    ],
)
def test_a_line_of_a_list_that_cannot_be_read_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "clips.jsonl"
    path.write_text('{"path": "b.png"}\n\n' + line, "utf-8")
    with pytest.raises(DataError, match=rf"clips\.jsonl:3: .*{told}"):
        read_list(path)


def test_a_list_without_clips_and_one_with_a_clip_twice_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "clips.jsonl"
    path.write_text("\n", "utf-8")
    with pytest.raises(DataError, match="no clips"):
        read_list(path)
    path.write_text('{"path": "b.png"}\n{"path": "b.png"}\n', "utf-8")
    with pytest.raises(DataError, match=r":2: .*twice"):
        read_list(path)
