"""A small server that speaks the protocol of OpenAI, and a tiny invented copy of GoEmotions to ask it about."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LABELS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
Answer = Callable[[str], str | int]
"""From the text that is asked to a reply, or to a status that is not 200."""


class Server(ThreadingHTTPServer):
    """Answers by a function of the text that is asked."""

    daemon_threads = True

    def __init__(self, answer: Answer, seconds: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.seconds, self.finish = answer, seconds, "stop"
        self.bodies: list[dict[str, Any]] = []
        self.most = 0
        """Requests that were under way at the same time."""
        self.now = 0
        self.lock = threading.Lock()

    @property
    def generator(self) -> str:
        return f"openai:http://127.0.0.1:{self.server_address[1]}/v1#tiny"

    @property
    def asked(self) -> list[str]:
        """The text of each request."""
        return [text_of(body) for body in self.bodies]


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        time.sleep(self.server.seconds)
        said = self.server.answer(text_of(body))
        with self.server.lock:
            self.server.now -= 1
        if isinstance(said, int):
            self._send(said, {"error": {"message": f"status {said}"}})
        else:
            self._send(200, {"choices": [{"message": {"content": said}, "finish_reason": self.server.finish}]})

    def _send(self, status: int, said: dict[str, Any]) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def text_of(body: dict[str, Any]) -> str:
    """What is asked, with ``[image_url]`` or ``[input_audio]`` for each picture and sound before it."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part["text"] if part["type"] == "text" else f"[{part['type']}]" for part in content)


@contextmanager
def serving(answer: Answer, seconds: float = 0.0) -> Iterator[Server]:
    """The server, up."""
    with Server(answer, seconds) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def goemotions(root: Path, rows: list[tuple[str, str]], split: str = "dev") -> Path:
    """GoEmotions in Ekman's grouping: rows of text and labels; ids are ``c0``, ``c1`` and so on."""
    folder = root / "ekman"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n")
    lines = []
    for k, (text, labels) in enumerate(rows):
        codes = ",".join(str(LABELS.index(label)) for label in labels.split("+"))
        lines.append(f"{text}\t{codes}\tc{k}\n")
    (folder / f"{split}.tsv").write_text("".join(lines))
    return root
