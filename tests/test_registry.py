"""Lazy tables of names."""

import subprocess
import sys

import pytest

from emollm.errors import ConfigError, MissingDependency
from emollm.registry import Registry


def table() -> Registry[object]:
    return Registry("shape", {"ordered": "collections:OrderedDict", "broken": "no_such_package_at_all:Thing"})


def test_looks_a_name_up() -> None:
    from collections import OrderedDict

    assert table()["ordered"] is OrderedDict


def test_lists_names_without_importing() -> None:
    program = (
        "import sys\n"
        "from emollm.registry import Registry\n"
        "names = Registry('shape', {'w': 'wave:open'})\n"
        "assert list(names) == ['w'] and 'w' in names and len(names) == 1\n"
        "assert 'wave' not in sys.modules\n"
        "names['w']\n"
        "assert 'wave' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_gets_the_closest_and_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown shape 'orderd' \(did you mean 'ordered'\?\); known: broken, ordered"
    ):
        table()["orderd"]


def test_a_missing_package_is_named() -> None:
    with pytest.raises(MissingDependency, match="shape 'broken' needs the package 'no_such_package_at_all'"):
        table()["broken"]


def test_registers_and_refuses_a_name_twice() -> None:
    names = table()
    names.register("mine")(int)
    assert names["mine"] is int
    with pytest.raises(ConfigError, match="'mine' is already registered"):
        names.register("mine")(float)
    assert names["mine"] is int


def test_other_packages_add_names_by_entry_points(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    info = Path(str(tmp_path)) / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[emollm.shape]\nround = collections:deque\nordered = collections:deque\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from collections import OrderedDict, deque

    names = table()
    assert "round" in names
    assert names["round"] is deque
    assert names["ordered"] is OrderedDict, "a built-in name is not taken over"
