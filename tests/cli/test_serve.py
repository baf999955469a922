"""The keys that ``emollm serve`` is given, and where they come from."""

from typing import Any

import pytest
from click.testing import CliRunner, Result

from emollm.cli.serve import command
from emollm.errors import ConfigError
from emollm.serve import checkpoint, server


def asked(monkeypatch: pytest.MonkeyPatch, environment: str | None, *arguments: str) -> tuple[Result, list[Any]]:
    """What the command ends in, and the keys it serves with."""
    served: list[Any] = []
    monkeypatch.setattr(checkpoint, "refuse_without_packages", lambda: None)
    monkeypatch.setattr(checkpoint, "find_checkpoint", lambda *_: None)
    monkeypatch.setattr(server, "serve", lambda found, settings, host, port, keys, *_: served.append(keys))
    return CliRunner().invoke(command, [*arguments], env={"EMOLLM_SERVE_KEY": environment}), served


@pytest.mark.parametrize(
    ("environment", "arguments", "keys"),
    [
        (None, [], ()),
        (" correct horse\n", [], ("correct horse",)),
        ("other", ["--api-key", " a ", "--api-key", "b"], ("a", "b")),
        ("", ["--api-key", "a"], ("a",)),
    ],
)
def test_a_key_of_the_environment_is_one_and_those_of_the_command_line_come_first(
    monkeypatch: pytest.MonkeyPatch, environment: str | None, arguments: list[str], keys: tuple[str, ...]
) -> None:
    _, served = asked(monkeypatch, environment, *arguments)
    assert served == [keys]


@pytest.mark.parametrize(
    ("environment", "arguments", "named"),
    [
        ("", [], "EMOLLM_SERVE_KEY"),
        (" \t", [], "EMOLLM_SERVE_KEY"),
        ("schlüssel", [], "ASCII"),
        (None, ["--api-key", "a", "--api-key", " "], "--api-key"),
        (None, ["--api-key", "a\x1bb"], "ASCII"),
    ],
)
def test_a_key_that_nobody_could_give_is_refused_instead_of_serving_everybody(
    monkeypatch: pytest.MonkeyPatch, environment: str | None, arguments: list[str], named: str
) -> None:
    result, served = asked(monkeypatch, environment, *arguments)
    assert served == []
    assert isinstance(result.exception, ConfigError)
    assert named in str(result.exception)
