"""What a reply may be bound to: one of some texts, or JSON. vLLM prepares a constraint while others wait, so only small ones are taken."""

import json
from collections.abc import Mapping
from typing import Any

from emollm.errors import one_line
from emollm.serve.refusals import Refused

_TEXTS = 256
"""Most texts to choose from."""
_LETTERS = 8192
"""Of all texts together."""
_SCHEMA = 16_000
"""Letters of a JSON schema."""
_PROPERTIES = 128
"""Properties of a JSON schema, nested ones included."""
_ITEMS = 256
"""Entries of a list that a JSON schema may count."""
_SAID = frozenset(
    {"title", "description", "default", "required", "type", "const", "enum", "$ref", "minimum", "maximum"}
)
"""Words of JSON schema that name no other schema; words that take long to prepare, such as ``pattern`` and ``maxLength``, are not taken."""
_COUNTS = frozenset({"minItems", "maxItems"})
_ONE = frozenset({"items", "additionalProperties"})
_NAMED = frozenset({"properties", "$defs"})


def constraint(said: Mapping[str, Any]) -> dict[str, Any]:
    """What vLLM is told of the constraints of a request.

    Args:
        said: Perhaps with ``structured_outputs`` or ``response_format``.

    Raises:
        Refused: One that is malformed, too large, or of a kind that is not taken.
    """
    found: dict[str, Any] = {}
    if (own := said.get("structured_outputs")) is not None:
        found["structured_outputs"] = {"choice": _choice(own)}
    if (own := said.get("response_format")) is not None:
        _check_format(own)
        found["response_format"] = own
    return found


def _choice(own: Any) -> list[str]:
    choice = own.get("choice") if isinstance(own, Mapping) and set(own) == {"choice"} else None
    if (
        not isinstance(choice, list)
        or not 1 <= len(choice) <= _TEXTS
        or not all(isinstance(one, str) for one in choice)
    ):
        raise Refused(400, f'structured_outputs: only {{"choice": [texts]}} is taken, of {_TEXTS} texts at most')
    if sum(map(len, choice)) > _LETTERS:
        raise Refused(400, f"structured_outputs: texts of more than {_LETTERS} letters together; give shorter ones")
    return choice


def _check_format(own: Any) -> None:
    kind = own.get("type") if isinstance(own, Mapping) else None
    if kind in ("text", "json_object") and set(own) == {"type"}:
        return
    if kind != "json_schema" or set(own) != {"type", "json_schema"} or not isinstance(own["json_schema"], Mapping):
        told = 'expected {"type": "text"}, {"type": "json_object"} or {"type": "json_schema", "json_schema": {…}}'
        raise Refused(400, f"response_format: {told}")
    schema = own["json_schema"].get("schema")
    if not isinstance(schema, Mapping):
        raise Refused(400, "response_format: expected json_schema.schema, an object")
    if len(json.dumps(own, ensure_ascii=False)) > _SCHEMA:
        raise Refused(400, f"response_format: a schema of more than {_SCHEMA} letters; give a smaller one")
    if _properties(schema) > _PROPERTIES:
        raise Refused(400, f"response_format: a schema of more than {_PROPERTIES} properties; give a smaller one")


def _properties(schema: Any) -> int:
    """How many properties a schema has, those below it included."""
    if isinstance(schema, bool):
        return 0
    if not isinstance(schema, Mapping):
        raise Refused(400, f"response_format: expected a schema, got {one_line(repr(schema), 40)}")
    count = 0
    for word, value in schema.items():
        if word in _NAMED and isinstance(value, Mapping):
            count += len(value) + sum(map(_properties, value.values()))
        elif word in _ONE:
            count += _properties(value)
        elif word == "anyOf" and isinstance(value, list):
            count += len(value) + sum(map(_properties, value))
        elif word in _COUNTS and type(value) is int and 0 <= value <= _ITEMS:
            count += value  # each entry is written out
        elif word not in _SAID:
            raise Refused(
                400, f"response_format: {one_line(word, 40)!r} is not taken in a schema, or not with this value"
            )
    return count
