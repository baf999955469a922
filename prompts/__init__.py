"""Versioned prompt templates, one YAML file each; depends on nothing else of ours.

``<family>/<name>.yaml`` holds ``version``, ``language``, ``about``, ``variables`` and either ``text`` or ``blocks`` (named
texts that belong together). Texts are Jinja templates, rendered in a sandbox: what is passed in is data and is never
itself rendered. A change of wording is a new version; answers, samples and reports record ``id@version``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


class PromptError(ValueError):
    """A prompt that does not exist, or is given other variables than it declares."""


@dataclass(frozen=True)
class Prompt:
    """One prompt file."""

    id: str
    """``<family>/<name>``."""
    version: int
    language: str
    about: str
    variables: tuple[str, ...]
    """Names that ``text`` or the blocks may use; all must be passed to :meth:`render`."""
    blocks: Mapping[str, str]
    """Templates by name; a file with one ``text`` has the single block ``text``."""

    @property
    def ref(self) -> str:
        """``id@version``, as recorded in answers, samples and reports."""
        return f"{self.id}@{self.version}"

    def render(self, block: str = "text", /, **variables: Any) -> str:
        """The text of one block with its variables filled in.

        Args:
            block: Name of the block; ``text`` if the file has only one.
            variables: A value for every declared variable that the block uses.

        Raises:
            PromptError: No such block, an undeclared variable, or one that the block needs and is not given.
        """
        from jinja2 import UndefinedError

        if block not in self.blocks:
            raise PromptError(f"prompt {self.ref} has no block {block!r}; it has: {', '.join(self.blocks)}")
        if unknown := sorted(set(variables) - set(self.variables)):
            raise PromptError(
                f"prompt {self.ref} does not declare {', '.join(unknown)}; it declares: {', '.join(self.variables)}"
            )
        try:
            return _compile(self.blocks[block]).render(**variables).strip()
        except UndefinedError as error:
            raise PromptError(f"prompt {self.ref}, block {block!r}: {error.message}") from error


@cache
def prompt(id: str) -> Prompt:
    """The prompt of that id.

    Raises:
        PromptError: No such file, or a file without the fields a prompt has.
    """
    import yaml

    family, _, name = id.partition("/")
    file = files("emollm.prompts").joinpath(family, f"{name}.yaml")
    if not name or "." in id or not file.is_file():
        raise PromptError(f"unknown prompt {id!r}; known: {', '.join(sorted(names()))}")
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    blocks = values.pop("blocks", None) or {"text": values.pop("text", None)}
    if set(values) != {"version", "language", "about", "variables"} or not all(
        isinstance(text, str) for text in blocks.values()
    ):
        raise PromptError(f"prompt {id}: expected version, language, about, variables, and text or blocks")
    return Prompt(id, values["version"], values["language"], values["about"], tuple(values["variables"]), blocks)


def names() -> Iterator[str]:
    """Ids of all prompts."""
    for family in files("emollm.prompts").iterdir():
        if family.is_dir():
            for file in family.iterdir():
                if file.name.endswith(".yaml"):
                    yield f"{family.name}/{file.name.removesuffix('.yaml')}"


@cache
def _compile(text: str) -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        text
    )
