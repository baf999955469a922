"""Settings: pydantic models read from YAML, with ``--set a.b=c`` on top.

A settings class derives from :class:`Settings`; each field is documented by the docstring under it, which is also its
``--help``. ``load(PerceptionSettings, path, ["faces.max_faces=3"])`` gives a validated object or a one-line ConfigError.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from emollm.errors import ConfigError, unknown_name


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
        raise ConfigError(f"{place}: {first['msg']}, got {first['input']!r}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: The file cannot be read, is not YAML, or does not hold a mapping.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
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


def _apply(values: dict[str, Any], override: str) -> None:
    import yaml

    dotted, equals, text = override.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {override!r}: expected name=value, for example perception.faces.max_faces=3")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override!r}: {text!r} is not a YAML value") from error
    for key in keys[:-1]:
        below = values.setdefault(key, {})
        if not isinstance(below, dict):
            raise ConfigError(f"--set {override!r}: {key!r} is a value, not a group of settings")
        values = below
    values[keys[-1]] = value


def _refuse_unknown(cls: type[Settings], values: dict[str, Any], where: str, prefix: str = "") -> None:
    for key, value in values.items():
        if key not in cls.model_fields:
            raise ConfigError(f"{where}: {prefix}{unknown_name('setting', key, cls.model_fields)}")
        annotation = cls.model_fields[key].annotation
        if isinstance(annotation, type) and issubclass(annotation, Settings) and isinstance(value, dict):
            _refuse_unknown(annotation, value, where, f"{prefix}{key}: ")
