"""What the paths take, for the OpenAPI description, and the page that shows it without anything from elsewhere."""

from importlib import resources
from typing import Any

_TEXT = {"type": "string"}
_OPTIONS: dict[str, Any] = {
    "question": {**_TEXT, "description": "A question about the answer; its checked reply stands in `follow_ups`."},
    "labels": {**_TEXT, "description": "A label set of docs/label-sets.md."},
    "track": {**_TEXT, "description": "The person to answer for (p1, p2 …); the most prominent one if not given."},
    "model": {**_TEXT, "description": "The model or one of its adapters."},
    "stream": {
        "type": "boolean",
        "description": "Server-sent events: progress, observed, token, answer or error, done.",
    },
}
_FILE = {
    "type": "object",
    "properties": {"name": _TEXT, "type": _TEXT, "data": {**_TEXT, "format": "byte"}},
    "required": ["data"],
}


def _upload(options: dict[str, Any]) -> dict[str, Any]:
    form = {"file": {"type": "string", "format": "binary"}, **options}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": {"type": "object", "properties": form, "required": ["file"]}},
                "application/json": {
                    "schema": {"type": "object", "properties": {"file": _FILE, **options}, "required": ["file"]}
                },
            },
        }
    }


def _body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "summary": "A conversation with pictures, sounds and videos in OpenAI's form",
        "description": "Media come as data URLs in parts `image_url`, `input_audio`, `video_url`; each is measured, and the model reads "
        "what was measured as in training.",
        "openapi_extra": _body(
            {
                "model": _TEXT,
                "messages": {"type": "array", "items": {"type": "object"}},
                "max_tokens": {"type": "integer"},
                "temperature": {"type": "number"},
                "stream": {"type": "boolean"},
                "track": _OPTIONS["track"],
            },
            ["messages"],
        ),
    },
    "/v1/explain": {
        "summary": "Which emotion a clip shows, how strongly and why, each claim with its verdict",
        "openapi_extra": _upload(_OPTIONS),
    },
    "/v1/observe": {"summary": "What is measured in a clip", "openapi_extra": _upload({"stream": _OPTIONS["stream"]})},
    "/v1/ask": {
        "summary": "A question about an answer, replied to from what was measured",
        "openapi_extra": _body(
            {
                "observation": {"type": "object"},
                "answer": {"type": "object"},
                "question": _TEXT,
                "model": _TEXT,
                "stream": _OPTIONS["stream"],
            },
            ["observation", "answer", "question"],
        ),
    },
}
"""Path -> what FastAPI is told of it beside its function."""


def taken(path: str) -> frozenset[str]:
    """Names of the fields that a path takes."""
    contents = BODIES[path]["openapi_extra"]["requestBody"]["content"]
    return frozenset(name for content in contents.values() for name in content["schema"]["properties"])


def page(description: dict[str, Any]) -> str:
    """The description as a page for people.

    Args:
        description: As ``/openapi.json`` gives it.
    """
    from jinja2 import Environment

    template = (resources.files("emollm.serve") / "openapi.html").read_text("utf-8")
    return Environment(autoescape=True).from_string(template).render(api=description)
