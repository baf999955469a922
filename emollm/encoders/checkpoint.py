"""What the folders of all trained models have in common: settings in ``config.json``, tensors in a safetensors file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from emollm.config import Settings
from emollm.errors import ModelError, one_line

S = TypeVar("S", bound=Settings)


def read_config(kind: type[S], file: Path, of: str) -> S:
    """The settings that training wrote.

    Args:
        kind: What they are.
        file: ``config.json``.
        of: What they are the configuration of, for the message.

    Raises:
        ModelError: It cannot be read, or is something else.
    """
    try:
        return kind.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: cannot be read: {one_line(str(error))}; copy it again") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        told = one_line(f"{place}: {first['msg']}" if place else first["msg"])
        raise ModelError(f"{file}: not the configuration of {of}: {told}; put back what training wrote") from error


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file, by name.

    Raises:
        ModelError: There is no such file, it is damaged, or something else.
    """
    with _opened(file) as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118


def read_metadata(file: Path) -> dict[str, str]:
    """What stands in the header of a safetensors file beside its tensors. Raises as :func:`read_tensors`."""
    with _opened(file) as opened:
        return dict(opened.metadata() or {})


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with safe_open(file, framework="pt") as opened:
            yield opened
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{file}: cannot be read as safetensors: {one_line(str(error))}; copy or fetch it again, or train it anew"
        ) from error
