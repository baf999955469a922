"""The HTML of the chat: templates of this folder, filled with values that are escaped."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from emollm.prompts import prompt

if TYPE_CHECKING:
    from jinja2 import Environment


def text_of(name: str) -> str:
    """A file of this folder: a template, a style sheet, a script."""
    return files("emollm.serve.chat").joinpath(name).read_text(encoding="utf-8")


def render(name: str, /, **values: Any) -> str:
    """A template filled in; ``say`` and ``line`` give it the words of ``chat/page`` and ``chat/lines``."""
    return _environment().get_template(name).render(say=say, line=line, **values)


def say(block: str, **values: Any) -> str:
    """Words of the page itself."""
    return prompt("chat/page").render(block, **values)


def line(block: str, **values: Any) -> str:
    """A line in the conversation."""
    return prompt("chat/lines").render(block, **values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(text_of), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
