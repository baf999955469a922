"""The media of a Sample: long sounds are read as far as they are wanted."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emollm.errors import DataError
from emollm.modeling.processing import RATE, SECONDS
from emollm.modeling.sample_media import listen
from emollm.samples import MediaItem

MINUTES, SLOW = 31, 1000


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound of 31 minutes that is as loud as a share of its length is over."""
    path = tmp_path_factory.mktemp("media") / "talk.wav"
    soundfile.write(path, np.linspace(0, 1, MINUTES * 60 * SLOW, endpoint=False), SLOW)
    return path


@pytest.mark.parametrize("start", [10.0, 1805.25])
def test_a_stretch_of_a_sound_of_any_length_is_heard(talk: Path, start: float) -> None:
    samples = listen(MediaItem(type="audio", path=talk, start=start, end=start + 4.0), Path())
    assert len(samples) == 4 * RATE
    times = start + np.arange(len(samples)) / RATE
    np.testing.assert_allclose(samples, times / (MINUTES * 60), atol=2e-4)


def test_without_an_end_as_much_is_heard_as_a_tower_takes(talk: Path) -> None:
    assert len(listen(MediaItem(type="audio", path=talk), Path())) == SECONDS * RATE


def test_behind_its_end_there_is_nothing_to_hear(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(SLOW), SLOW)
    with pytest.raises(DataError, match=r"no sound between 1\.5 and 2\.0 s"):
        listen(MediaItem(type="audio", path=Path("a.wav"), start=1.5, end=2.0), tmp_path)
