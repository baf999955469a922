from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import pytest

from emollm.perception.voice.activity import CHUNK, RATE, STEP, Activity, Array, Cutter, Turn, open_net
from emollm.perception.voice.settings import SpeechSettings


def probabilities(samples: Array, *, chunks: int) -> Array:
    activity = Activity(open_net())
    whole = samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK)
    return np.concatenate([activity(whole[first : first + chunks]) for first in range(0, len(whole), chunks)])


def cut(course: Iterable[float], origin: float = 0.0, **settings: float) -> list[Turn]:
    """Turns of a made-up course of probabilities; each sample holds the number of its chunk."""
    cutter = Cutter(SpeechSettings.model_validate(settings), origin)
    found = [cutter.push(np.full(CHUNK, index, np.float32), value) for index, value in enumerate(course)]
    return [turn for turn in [*found, cutter.finish()] if turn is not None]


def lasting(*stretches: tuple[float, float]) -> list[float]:
    """Probabilities that last: (seconds, probability) one after another."""
    return [value for seconds, value in stretches for _ in range(round(seconds / STEP))]


def test_probabilities_do_not_depend_on_how_the_sound_is_divided(speech: Array) -> None:
    at_once = probabilities(speech, chunks=10**6)
    assert np.abs(probabilities(speech, chunks=7) - at_once).max() < 1e-5
    assert at_once.max() > 0.9


def test_silence_noise_tones_and_clicks_are_no_speech(voiced: Callable[..., Array]) -> None:
    random = np.random.default_rng(0)
    clicks = np.zeros(5 * RATE, np.float32)
    clicks[:: RATE // 3] = 0.9
    time = np.arange(5 * RATE) / RATE
    for samples in (
        np.zeros(5 * RATE, np.float32),
        random.normal(0, 0.1, 5 * RATE).astype(np.float32),
        (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32),
        clicks,
        voiced(150.0, 5.0),
    ):
        assert cut(probabilities(samples, chunks=100).tolist()) == []


def test_a_turn_has_its_pauses_and_ends_at_a_long_silence() -> None:
    turns = cut(lasting((1, 0), (1, 0.9), (0.5, 0), (1, 0.9), (3, 0), (1, 0.9)), origin=10.0)
    assert len(turns) == 2
    assert turns[0].spans == (pytest.approx((11.0, 12.0), abs=STEP), pytest.approx((12.5, 13.5), abs=2 * STEP))
    assert turns[1].spans == (pytest.approx((16.5, 17.5), abs=3 * STEP),)


def test_the_samples_of_a_turn_are_those_of_its_time() -> None:
    turn = cut(lasting((1, 0), (1, 0.9), (3, 0)), origin=5.0)[0]
    assert turn.samples[0] == round((turn.start - 5.0) / STEP)
    assert turn.start == pytest.approx(turn.spans[0][0] - 0.25, abs=0.02)
    assert len(turn.samples) / RATE == pytest.approx(1.5, abs=0.05)


def test_a_blip_is_no_speech_and_a_dip_is_no_pause() -> None:
    assert cut(lasting((1, 0), (0.2, 0.9), (1, 0))) == []
    dipped = cut(lasting((1, 0.9), (0.2, 0.1), (1, 0.9), (0.6, 0.4), (1, 0.9)))
    assert len(dipped) == 1
    assert len(dipped[0].spans) == 1


def test_what_never_is_sure_is_no_speech_but_may_stand_beside_some() -> None:
    doubtful = lasting((0.3, 0.6), (1, 0.4))
    assert cut([*doubtful, *lasting((3, 0))]) == []
    (turn,) = cut([*doubtful, *lasting((0.5, 0), (1, 0.9), (3, 0))])
    assert len(turn.spans) == 2


def test_speech_without_end_is_cut_at_its_last_pause_and_nothing_is_lost() -> None:
    course = lasting((20, 0.9), (0.5, 0), (40, 0.9), (3, 0))
    turns = cut(course)
    assert all(len(turn.samples) / RATE <= 28.6 for turn in turns)
    assert turns[0].spans[-1][1] == pytest.approx(20.0, abs=0.1)
    spans = [span for turn in turns for span in turn.spans]
    assert sum(end - start for start, end in spans) == pytest.approx(60.0, abs=0.3)
    assert all(before[1] <= after[0] + 1e-6 for before, after in pairwise(spans))


def test_speech_without_a_pause_is_cut_where_it_is_least_sure() -> None:
    turns = cut(lasting((22, 0.9), (STEP, 0.4), (20, 0.9), (3, 0)))
    assert turns[0].spans[-1][1] == pytest.approx(22.0, abs=0.1)


def test_speech_ends_below_where_it_begins() -> None:
    with pytest.raises(ValueError, match="lower `ends`"):
        SpeechSettings(begins=0.3, ends=0.5)
