"""Explains through a server: uploads the clip to ``/v1/explain`` of ``emollm serve`` and reads its events."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from emollm.errors import MediaError, ModelError, one_line
from emollm.remote import base_of
from emollm.serve.chat.events import Answered, Event, Observed, Progress, Replied, Token, told
from emollm.types import Answer, Clip, FollowUp, Observation, Record

if TYPE_CHECKING:
    import requests

R = TypeVar("R", bound=Record)

CONNECT_SECONDS = 5.0
READ_SECONDS = 300.0
"""How long the server may stay silent: it measures before it speaks."""
_OF_THE_CLIP = frozenset({400, 413, 415, 422})


class Remote:
    """Explains over the address of a server; the key, if one is needed, comes from ``EMOLLM_API_KEY``.

    Args:
        address: ``http://host:port``, with or without ``/v1``.

    Raises:
        ConfigError: The address is no http(s) address, or carries a password or a query.
    """

    def __init__(self, address: str) -> None:
        self.place: str | None = base_of(address)

    def explain(self, clip: Clip, labels: str) -> Iterator[Event]:
        """See :meth:`emollm.serve.chat.events.Explainer.explain`."""
        path = clip.image or clip.video or clip.audio
        assert path is not None, "the chat gives photos, videos and sounds"
        call = _Call()

        def work(tell: Callable[[Event], None]) -> None:
            with _opened(path, clip.id) as file:
                form = {"file": (clip.id, file), "labels": (None, labels), "stream": (None, "true")}
                for name, data in self._events(call, "/v1/explain", files=form):
                    match name:
                        case "progress":
                            tell(Progress(float(data["done"]), data.get("of")))
                        case "observed":
                            tell(Observed(self._record(Observation, data)))
                        case "token":
                            tell(Token(str(data["text"])))
                        case "answer":
                            observation = self._record(Observation, data["observation"])
                            tell(Answered(self._record(Answer, data["answer"]), observation))

        return told(work, "explain", call.end)

    def ask(self, question: str, answer: Answer, observation: Observation) -> Iterator[Event]:
        """See :meth:`emollm.serve.chat.events.Explainer.ask`."""
        body = {
            "question": question,
            "answer": answer.model_dump(mode="json"),
            "observation": observation.model_dump(mode="json"),
            "stream": True,
        }
        call = _Call()

        def work(tell: Callable[[Event], None]) -> None:
            for name, data in self._events(call, "/v1/ask", json=body):
                if name == "token":
                    tell(Token(str(data["text"])))
                elif name == "answer":
                    tell(Replied(self._record(FollowUp, data.get("follow_up", data))))

        return told(work, "ask", call.end)

    def _events(self, call: "_Call", path: str, **options: Any) -> Iterator[tuple[str, Any]]:
        """Name and data of each server-sent event; one that tells of an error raises it."""
        ended = False
        with self._reply(call, path, **options) as response:
            name = ""
            for line in response.iter_lines():
                field, _, value = line.decode("utf-8", "replace").partition(":")
                if field == "event":
                    name = value.strip()
                elif field == "data" and name:
                    data = self._json(value)
                    if name == "error":
                        raise ModelError(f"{self.place}: {_message(data)}")
                    ended = ended or name in ("answer", "done")
                    yield name, data
        if not ended:
            raise ModelError(f"{self.place}: the server ended the answer half-way; ask again")

    @contextmanager
    def _reply(self, call: "_Call", path: str, **options: Any) -> "Iterator[requests.Response]":
        """The server's reply, everything that can go wrong turned into one line."""
        import requests

        key = os.environ.get("EMOLLM_API_KEY", "").strip()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            with (
                _session() as session,
                session.post(
                    f"{self.place}{path}",
                    headers=headers,
                    stream=True,
                    allow_redirects=False,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    **options,
                ) as response,
            ):
                if response.status_code != 200:
                    raise self._refused(response)
                call.began(response)
                yield response
        except requests.exceptions.Timeout as error:
            raise ModelError(f"{self.place}: the server stays silent; is it busy?") from error
        except requests.exceptions.ConnectionError as error:
            raise ModelError(f"{self.place}: no server can be reached there; start it or mend the address") from error
        except requests.exceptions.RequestException as error:
            raise ModelError(f"{self.place}: cannot be asked: {one_line(str(error))}") from error

    def _refused(self, response: "requests.Response") -> MediaError | ModelError:
        try:
            said = _message(response.json())
        except ValueError:
            said = one_line(response.text)
        if response.status_code in _OF_THE_CLIP:
            return MediaError(said)
        if response.status_code in (401, 403):
            return ModelError(f"{self.place}: refuses the key ({said}); set EMOLLM_API_KEY")
        return ModelError(f"{self.place}: answers {response.status_code} ({said})")

    def _json(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise ModelError(f"{self.place}: not an event of emollm serve: {one_line(text, 80)!r}") from error

    def _record(self, kind: type[R], data: Any) -> R:
        return kind.from_json(json.dumps(data), f"{self.place}")


def _message(data: Any) -> str:
    """What an error of the OpenAI form says."""
    error = data.get("error", data) if isinstance(data, dict) else data
    return one_line(str(error.get("message", error) if isinstance(error, dict) else error))


class _Call:
    """One request, which another thread may end while its reply is waited for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._response: requests.Response | None = None

    def began(self, response: "requests.Response") -> None:
        """There is a reply."""
        with self._lock:
            self._response = response
            ended = self._ended
        if ended:
            self.end()

    def end(self) -> None:
        """Nothing more of the reply is read: the connection ends, and the server stops what it was asked for."""
        with self._lock:
            self._ended = True
            response = self._response
        if response is not None:
            with suppress(ValueError, RuntimeError, OSError):  # it has ended by itself
                response.raw.shutdown()


def _session() -> "requests.Session":
    """A session that takes only certificates from the environment: no proxy and no password from ~/.netrc."""
    import requests

    session = requests.Session()
    session.trust_env = False
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    return session


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise MediaError(f"{name}: cannot be read: {error.strerror}") from error
    with file:
        yield file
