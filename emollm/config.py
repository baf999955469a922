"""Settings: pydantic models read from YAML, with ``--set a.b=c`` on top.

A settings class derives from :class:`Settings`; each field is documented by the docstring under it, which is also its
``--help``. ``load(PerceptionSettings, path, ["faces.max_faces=3"])`` gives a validated object or a one-line ConfigError.
"""

import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from emollm.errors import ConfigError, one_line, unknown_name


class Settings(BaseModel):
    """Base of all settings: immutable, unknown keys refused, documented by the docstrings under its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


S = TypeVar("S", bound=Settings)


def load(cls: type[S], path: Path | None = None, overrides: Sequence[str] = ()) -> S:
    """Settings from a YAML file and overrides, both optional; what is not given keeps its default.

    Args:
        cls: The settings class.
        path: A YAML file that holds a mapping.
        overrides: ``a.b=value`` strings; the value is read as YAML, so ``true``, ``0.5``, ``[1, 2]`` and ``null`` work.

    Raises:
        ConfigError: Unreadable file, malformed YAML, unknown key (the message gives the closest), wrong value.
    """
    values: dict[str, Any] = {} if path is None else read_yaml(path)
    for override in overrides:
        _apply(values, override)
    _refuse_unknown(cls, values, where=str(path) if path else "--set")
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{place}: {first['msg']}, got {reprlib.repr(first['input'])}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: The file cannot be read, is not YAML, or does not hold a mapping.
    """
    import yaml

    try:
        values = _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = one_line(getattr(error, "problem", None) or str(error))
        raise ConfigError(f"{line}: not valid YAML: {problem}") from error
    except _UNREADABLE as error:
        raise ConfigError(f"{path}: not valid YAML: {_fault(error)}") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path}: expected a mapping of names to values, got {type(values).__name__}")
    return values


def describe(cls: type[Settings], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Each setting as (dotted name, default, documentation), nested ones included."""
    for name, field in cls.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield from describe(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", default, " ".join((field.description or "").split())


_UNREADABLE = (RecursionError, ValueError)
"""What PyYAML raises beside its own errors: nested too deeply; a number or a date that there is not."""


def _fault(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else one_line(str(error))


def _parsed(text: str) -> Any:
    """The value in a YAML text. A few lines of aliases can stand for more than any memory holds: those are refused."""
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > _MOST_VALUES:
            raise yaml.YAMLError(f"its aliases stand for more than {_MOST_VALUES} values; write them out")
        return loader.construct_document(node)
    finally:
        loader.dispose()


_MOST_VALUES = 100_000


def _size(node: Any, known: dict[int, int]) -> int:
    """Number of values in a node with its aliases written out; a node within itself counts as too many."""
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES + 1  # while it is being counted
        if isinstance(node.value, str):
            parts: list[Any] = []
        else:
            parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def _apply(values: dict[str, Any], override: str) -> None:
    import yaml

    told = one_line(repr(override), 100)
    dotted, equals, text = override.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {told}: expected name=value, for example perception.faces.max_faces=3")
    try:
        value = _parsed(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {told}: {one_line(repr(text), 100)} is not a YAML value") from error
    except _UNREADABLE as error:
        raise ConfigError(f"--set {told}: not a YAML value: {_fault(error)}") from error
    for key in keys[:-1]:
        below = values.setdefault(key, {})
        if not isinstance(below, dict):
            raise ConfigError(f"--set {told}: {key!r} is a value, not a group of settings")
        values = below
    values[keys[-1]] = value


def _refuse_unknown(cls: type[Settings], values: dict[str, Any], where: str, prefix: str = "") -> None:
    for key, value in values.items():
        if key not in cls.model_fields:
            raise ConfigError(f"{where}: {prefix}{unknown_name('setting', key, cls.model_fields)}")
        annotation = cls.model_fields[key].annotation
        if isinstance(annotation, type) and issubclass(annotation, Settings) and isinstance(value, dict):
            _refuse_unknown(annotation, value, where, f"{prefix}{key}: ")
