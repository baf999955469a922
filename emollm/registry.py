"""Names to objects, one lazy table a kind."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from emollm.errors import ConfigError, MissingDependency, unknown_name

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Maps names to objects of one kind; looking a name up imports its module, listing the names does not.

    Other packages add names through the entry-point group ``emollm.<kind>``, with underscores for spaces.

    Args:
        kind: What the names stand for: used in error messages and, with underscores, in the entry-point group.
        table: Built-in names, each with a lazy ``"module:attribute"`` path.
    """

    def __init__(self, kind: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries: dict[str, str | T] = dict(table)
        self._scanned = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds ``name``.

        Raises:
            ConfigError: The name is taken.
        """

        def add(value: T) -> T:
            if name in self._entries:
                raise ConfigError(
                    f"{self.kind} {name!r} is already registered as {self._entries[name]!r}; choose another name"
                )
            self._entries[name] = value
            return value

        return add

    def __getitem__(self, name: str) -> T:
        """Object of that name.

        Raises:
            ConfigError: Unknown name; the message gives the closest one and the known ones.
            MissingDependency: The entry needs a package that is not installed.
        """
        if name not in self._entries:
            self._scan()
        if name not in self._entries:
            raise ConfigError(unknown_name(self.kind, name, self._entries))
        value = self._entries[name]
        if isinstance(value, str):
            module, _, attribute = value.partition(":")
            try:
                value = getattr(import_module(module), attribute)
            except ModuleNotFoundError as error:
                raise MissingDependency(f"{self.kind} {name!r} needs the package {error.name!r}; install it") from error
            self._entries[name] = value
        return value

    def __contains__(self, name: object) -> bool:
        """Whether the name is known, without importing anything."""
        self._scan()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(self._entries)

    def __len__(self) -> int:
        self._scan()
        return len(self._entries)

    def _scan(self) -> None:
        """Reads the entry points of other packages, once."""
        if not self._scanned:
            self._scanned = True
            for entry in entry_points(group=f"emollm.{self.kind.replace(' ', '_')}"):
                self._entries.setdefault(entry.name, entry.value)
