"""The environments of other tools."""

from pathlib import Path

import pytest

from emollm.errors import MissingDependency
from emollm.eval.environments import environment


def test_an_environment_that_cannot_be_made_is_refused_in_one_line_and_not_taken_for_ready(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"^no tool at all cannot be installed into [^\n]*: [^\n]+$"):
        environment(tmp_path, "no tool at all")
    assert not (tmp_path / ".ready").exists()
