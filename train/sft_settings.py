"""The table of all settings of ``align`` and ``sft`` for docs/fine-tune.md, out of their docstrings.

python -m emollm.train.sft_settings docs/fine-tune.md
"""

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from emollm.config import Settings
from emollm.files import replacing
from emollm.train.sft_recipe import SftRecipe

HEAD = "| setting | default | what it does |\n|---|---|---|\n"


def rows(cls: type[Settings], prefix: str = "", seen: dict[type[Settings], str] | None = None) -> Iterator[str]:
    """A line of Markdown for each setting, nested ones behind their group.

    Args:
        cls: The settings.
        prefix: Of their names; ``[]`` stands for each entry of a list, ``NAME`` for a key.
        seen: Groups that were told, and by which name.
    """
    seen = {} if seen is None else seen
    for name, field in cls.model_fields.items():
        text = " ".join((field.description or "").replace("``", "`").split())
        groups = [(group, f"{prefix}{name}{way}") for group, way in _groups(field.annotation)]
        new = [(group, place) for group, place in groups if group not in seen]
        text += "".join(f" As `{seen[group]}`." for group, _ in groups if group in seen)
        default = "" if groups else _told(field.get_default(call_default_factory=True), field.is_required())
        yield f"| `{prefix}{name}` | {default} | {text.replace('|', chr(92) + '|')} |"
        for group, place in new:
            seen[group] = place
            yield from rows(group, f"{place}.", seen)


def _groups(annotation: Any, way: str = "") -> list[tuple[type[Settings], str]]:
    """The settings classes within a type, and how one comes to them."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [(annotation, way)]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        return _groups(inner[0], f"{way}[]")
    if origin is dict:
        return _groups(inner[1], f"{way}.NAME")
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        return [found for each in inner for found in _groups(each, way)]
    return []


def _told(value: Any, required: bool) -> str:
    if required:
        return "needed"
    if isinstance(value, tuple | list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{'null' if value is None else str(value).lower() if isinstance(value, bool) else value}`"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("page", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def main(page: Path) -> None:
    """Put the table in place of what stands at the end of PAGE."""
    before = page.read_text("utf-8").split(HEAD)[0]
    with replacing(page, "w") as file:
        file.write(before + HEAD + "".join(f"{row}\n" for row in rows(SftRecipe)))


if __name__ == "__main__":
    main()
