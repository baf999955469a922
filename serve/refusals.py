"""What a server says instead of an answer: a status and one line, in the form that OpenAI's clients read."""

from collections.abc import Mapping
from typing import Any

from emollm.endpoint import EndpointError, Fault
from emollm.errors import AssetError, ConfigError, DataError, EmollmError, MediaError, ModelError, one_line

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    415: "unsupported_media_type",
    422: "unprocessable_media",
    429: "rate_limit_error",
    500: "server_error",
    503: "service_unavailable",
    504: "timeout_error",
}
"""Status -> type of the error."""


class Refused(EmollmError):
    """A request that is not answered.

    Args:
        status: Of HTTP.
        message: One line.
        code: A word for programs.
        retry_after: Seconds after which asking again may help.
        close: Whether the rest of the request is not taken, so that the connection has to end.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        retry_after: float | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(one_line(message, 500))
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self._close = close

    @property
    def headers(self) -> dict[str, str]:
        """Of the reply."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        headers |= {"Connection": "close"} if self._close else {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after)))
        return headers

    @property
    def body(self) -> dict[str, Any]:
        """Of the reply, and of an ``error`` event of a stream."""
        return {
            "error": {
                "message": str(self),
                "type": TYPES.get(self.status, "invalid_request_error"),
                "param": None,
                "code": self.code,
            }
        }


def refusal_of(error: BaseException) -> Refused:
    """The refusal that an error of ours amounts to; anything else is a fault of the server, told without its words."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, EndpointError):
        passing = error.fault in (Fault.PASSING, Fault.ABSENT)
        return Refused(503 if passing else 400, str(error), retry_after=error.wait or 5.0 if passing else None)
    if isinstance(error, MediaError):
        return Refused(422, str(error), "unreadable_media")
    if isinstance(error, DataError | ConfigError | ModelError):
        return Refused(400, str(error))
    if isinstance(error, AssetError):
        return Refused(503, str(error), retry_after=60)
    if isinstance(error, MemoryError):
        return Refused(413, "not enough memory for this file; give a smaller one")
    return Refused(500, "a fault of the server; its log says more")


def told_by(status: int, said: Mapping[str, Any]) -> Refused:
    """The refusal in a reply of vLLM: a message that is the client's to mend; or 503, for it is watched and started again."""
    error = said.get("error", said)
    message = error.get("message") if isinstance(error, Mapping) else None
    text = str(message or "the engine does not answer")
    if status == 404:
        return Refused(404, text, "model_not_found")
    if status >= 500:
        return Refused(503, f"the engine failed ({text}); ask again", "engine_away", retry_after=10)
    return Refused(status if status in TYPES else 400, text)
