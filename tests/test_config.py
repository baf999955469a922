"""Settings from YAML and --set."""

from pathlib import Path

import pytest
from pydantic import Field

from emollm.config import Settings, describe, load, read_yaml
from emollm.errors import ConfigError

BOMB = "[&a0 [1], " + ", ".join(f"&a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)) + "]"
"""A few hundred characters that stand for 9^11 numbers."""


class Faces(Settings):
    max_faces: int = Field(default=4, ge=1)
    """How many faces are
    looked at."""
    backend: str | None = "mesh"
    """Name in the table."""


class Look(Settings):
    faces: Faces = Faces()
    share: float = 0.5
    """Share of it."""
    names: tuple[str, ...] = ()


def test_defaults_stand_without_a_file() -> None:
    assert load(Look) == Look()


def test_a_file_and_overrides_on_top(tmp_path: Path) -> None:
    path = tmp_path / "look.yaml"
    path.write_text("faces:\n  max_faces: 2\nshare: 0.25\n")
    settings = load(Look, path, ["faces.backend=null", "share=1", "names=[a, b]"])
    assert settings == Look(faces=Faces(max_faces=2, backend=None), share=1.0, names=("a", "b"))


def test_the_last_override_wins() -> None:
    assert load(Look, overrides=["share=0.1", "share=0.2"]).share == 0.2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("faces.max_face=3", r"--set: faces: unknown setting 'max_face' \(did you mean 'max_faces'\?\)"),
        ("colour=red", "unknown setting 'colour'; known: faces, names, share"),
        ("share", "expected name=value"),
        ("=3", "expected name=value"),
        ("faces..x=3", "expected name=value"),
        ("share=[", "not a YAML value"),
        ("share.x=3", "share"),
        ("faces.max_faces=0", "faces.max_faces: .*greater than or equal to 1, got 0"),
        ("faces.max_faces=many", "faces.max_faces: .*got 'many'"),
        ("share=.nan", "share: .*finite"),
        ("share=" + "[" * 5000, "nested too deeply"),
        ("share=" + "9" * 5000, "not a YAML value"),
        ("share=2001-99-99", "not a YAML value"),
        ("share=" + BOMB, "not a YAML value"),
        ("share=&a [*a]", "not a YAML value"),
        ("share=" + "[1]" + " " * 5000 + "x", "not a YAML value"),
        ("share=[" + "1," * 5000 + "]", r"got \[1, 1, 1"),
    ],
)
def test_a_wrong_override_is_one_clear_line(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(Look, overrides=[override])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_overriding_below_a_value_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "look.yaml"
    path.write_text("share: 0.25\n")
    with pytest.raises(ConfigError, match="'share' is a value, not a group"):
        load(Look, path, ["share.x=3"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1\nb: 2\n", r"x\.yaml:2: not valid YAML"),
        (b"- 1\n- 2\n", "expected a mapping of names to values, got list"),
        (b"1: a\n", "expected a mapping"),
        (b"a: \xff\xfe\n", "not UTF-8"),
        (b"a: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "not valid YAML"),
        (b"a: " + b"[" * 5000, "not valid YAML: nested too deeply"),
        (f"a: {BOMB}\n".encode(), r"x\.yaml: not valid YAML: its aliases stand for more than 100000 values"),
        (b"a: &a [*a]\n", r"x\.yaml: not valid YAML: its aliases"),
        (b"a: 2001-99-99\n", "not valid YAML"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)


def test_a_file_with_a_few_aliases_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]\n")
    assert read_yaml(tmp_path / "x.yaml") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path)


def test_an_empty_file_is_no_settings(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("# nothing\n")
    assert load(Look, tmp_path / "x.yaml") == Look()


def test_the_unknown_key_of_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("faces:\n  maxfaces: 2\n")
    with pytest.raises(ConfigError, match=r"x\.yaml: faces: unknown setting 'maxfaces'"):
        load(Look, path)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Look().share = 1.0


def test_describes_each_setting_from_its_docstring() -> None:
    assert list(describe(Look)) == [
        ("faces.max_faces", 4, "How many faces are looked at."),
        ("faces.backend", "mesh", "Name in the table."),
        ("share", 0.5, "Share of it."),
        ("names", (), ""),
    ]
