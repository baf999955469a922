"""Clips explained by a server (``emollm serve``): what goes there, what comes back, and what to do while it is away.

One object answers from any number of threads; it can be sent to other processes (Ray Data), as it holds nothing but its address.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from emollm.clip_files import for_json
from emollm.endpoint import CONNECT_SECONDS, EndpointError, Fault
from emollm.errors import ConfigError, DataError, MediaError, one_line
from emollm.patience import Patience
from emollm.types import Answer, FollowUp, Observation, Record

READ_SECONDS = 900.0
"""How long the server may take for one clip."""
TRIES = 11
"""Of each request: with the waits between them a server has three minutes to come back."""
_OF_CLIP = {400: DataError, 413: MediaError, 415: MediaError, 422: MediaError}
"""Statuses that speak of one clip."""
_PASSING = (429, 500, 502, 503)
_LATE = (408, 504)
"""Statuses of a clip that takes longer than the server allows; asked again it would do so again."""

R = TypeVar("R", bound=Record)


class Served(NamedTuple):
    """What a server serves."""

    name: str
    version: str
    settings: str
    """Hash of how it measures."""


class _Explained(BaseModel):
    answer: dict[str, Any]
    observation: dict[str, Any]


def base_of(address: str) -> str:
    """The address of a server without ``/v1``.

    Raises:
        ConfigError: It is no http(s) address, or carries a password or a query.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{one_line(address, 80)!r}: expected the address of a server, such as http://127.0.0.1:8000")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"the address of {parts.hostname} carries a password or a query; give the key in EMOLLM_API_KEY"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}"


class Remote:
    """A server that explains.

    Args:
        address: ``http://host:port``, with or without ``/v1``; the key, if one is needed, comes from ``EMOLLM_API_KEY``.

    Raises:
        ConfigError: The address is no http(s) address, or carries a password.
    """

    def __init__(self, address: str) -> None:
        self.base = base_of(address)
        self._patience = Patience(TRIES)

    def __reduce__(self) -> "tuple[type[Remote], tuple[str]]":
        """Its address: locks stay where they are."""
        return Remote, (self.base,)

    def served(self) -> Served:
        """The model that answers there.

        Raises:
            EndpointError: There is no such server.
        """
        said = self._patience.ask(lambda: self._once("GET", "/v1/models"))
        try:
            row = said["data"][0]
            return Served(str(row["id"]), str(row["version"]), str(row["measures"]))
        except (LookupError, TypeError) as error:
            told = f"{self.base}: not a server that explains; start it by emollm serve (without --raw)"
            raise EndpointError(told, Fault.SERVER) from error

    def explain(
        self, path: Path, id: str, labels: str | None = None, track: str | None = None
    ) -> tuple[Observation, Answer]:
        """What the server measures in a clip, and its answer.

        Args:
            path: The clip.
            id: Of the answer; the server is told the file's name alone.
            labels: Label set; the server's own if not given.
            track: The person to answer for.

        Raises:
            MediaError: The clip cannot be read, here or there.
            DataError: Something that was asked for does not fit it.
            EndpointError: The server does not answer.
        """
        fields = {name: value for name, value in (("labels", labels), ("track", track)) if value is not None}
        said = self._patience.ask(lambda: self._once("POST", "/v1/explain", path, data=fields))
        try:
            found = _Explained.model_validate(said)
        except ValidationError as error:
            raise EndpointError(
                f"{self.base}: not an explanation; is it a server of another version?", Fault.SERVER
            ) from error
        observation, answer = self._read(Observation, found.observation), self._read(Answer, found.answer)
        people = tuple(one.model_copy(update={"id": id}) for one in answer.people)
        return observation.model_copy(update={"id": id}), answer.model_copy(update={"id": id, "people": people})

    def ask(self, question: str, answer: Answer, observation: Observation) -> FollowUp:
        """The reply to a question about an answer; raises as :meth:`explain`."""
        body = {
            "question": question,
            "answer": json.loads(answer.to_json()),
            "observation": json.loads(observation.to_json()),
        }
        return self._read(FollowUp, self._patience.ask(lambda: self._once("POST", "/v1/ask", json=body)))

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One row of a data set of clips (``path``, and ``track`` if wanted) with its ``answer`` as JSON, or the ``error``; for Ray Data."""
        path = Path(str(row["path"]))
        try:
            _, answer = self.explain(path, str(path), track=row.get("track"))
        except (MediaError, DataError) as error:
            return {**row, "answer": None, "error": str(error)}
        return {**row, "answer": answer.to_json(), "error": None}

    def _read(self, kind: type[R], said: Mapping[str, Any]) -> R:
        try:
            return kind.from_json(json.dumps(said), self.base)
        except DataError as error:
            raise EndpointError(f"{error}; is it a server of another version?", Fault.SERVER) from error

    def _once(self, method: str, path: str, file: Path | None = None, **more: Any) -> dict[str, Any]:
        """What the server says, everything that can go wrong turned into one line."""
        import requests

        from emollm.endpoint import with_key

        with ExitStack() as stack:
            if file is not None:
                try:
                    more["files"] = {
                        "file": (for_json(file.name), stack.enter_context(file.open("rb")), "application/octet-stream")
                    }
                except (OSError, ValueError) as error:
                    raise MediaError(f"{file}: cannot be read: {one_line(str(error))}") from error
            try:
                response = requests.request(
                    method,
                    self.base + path,
                    auth=with_key,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,
                    **more,
                )
                if response.status_code == 200:
                    said: dict[str, Any] = response.json()
                    return said
            except requests.exceptions.ConnectionError as error:
                absent = "refused" in str(error) or isinstance(error, requests.exceptions.ConnectTimeout)
                fault = Fault.ABSENT if absent else Fault.PASSING
                raise EndpointError(
                    f"{self.base}: no server can be reached there; start it or mend the address", fault
                ) from error
            except requests.exceptions.Timeout as error:
                told = f"{file or self.base}: no answer within {READ_SECONDS:.0f} s; give a shorter clip"
                raise EndpointError(told, Fault.REQUEST) from error
            except (requests.exceptions.RequestException, ValueError) as error:
                raise EndpointError(f"{self.base}: does not answer: {one_line(str(error))}", Fault.PASSING) from error
        raise self._refused(response, file)

    def _refused(self, response: Any, file: Path | None) -> Exception:
        """The error that a status amounts to."""
        try:
            message = one_line(str(response.json()["error"]["message"]))
        except (ValueError, LookupError, TypeError):
            message = one_line(response.text, 120)
        status = response.status_code
        if status in _OF_CLIP:
            name = f"{file}: " if file is not None else ""
            return _OF_CLIP[status](name + message.removeprefix(f"{file.name}: " if file is not None else ""))
        if status == 401:
            return EndpointError(f"{self.base}: refuses the key ({message}); set EMOLLM_API_KEY", Fault.SERVER)
        if status in _LATE:
            return EndpointError(f"{file or self.base}: {message}", Fault.REQUEST)
        if status in _PASSING:
            return EndpointError(f"{self.base}: {message}", Fault.PASSING, _wait(response.headers.get("Retry-After")))
        return EndpointError(f"{self.base}: answers {status} ({message}); is it emollm serve?", Fault.SERVER)


def _wait(said: str | None) -> float | None:
    return float(said) if said and said.isascii() and said.isdigit() else None
