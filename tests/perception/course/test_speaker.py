"""Whose mouth moves while speech is heard."""

from typing import Any

import numpy as np
import pytest

from emollm.perception.course import who_speaks


def talk(*spans: tuple[float, float], opening: float = 0.04, rate: float = 4.0) -> Any:
    """A mouth that opens and closes in the spans, not quite evenly, and is steady but for jitter otherwise."""

    def mouth(t: np.ndarray) -> np.ndarray:
        phase = 2 * np.pi * rate * (t + 0.05 * np.sin(3 * t))
        active = np.any([(t >= start) & (t <= end) for start, end in spans] or [t < -1], axis=0)
        jitter = 0.001 * np.random.default_rng(len(t)).normal(size=len(t))
        return 0.01 + np.where(active, opening / 2 * (1 - np.cos(phase)), 0) + jitter

    return mouth


@pytest.mark.parametrize("fps", [12.5, 25.0, 50.0])
def test_one_person_who_speaks_does_so_for_most_of_the_speech(make: Any, fps: float) -> None:
    person = make.samples({}, mouth=talk((1, 5)), seconds=8, fps=fps)
    assert who_speaks([person], [(1, 5)]) == {"p1": pytest.approx(0.95, abs=0.06)}


def test_a_still_face_under_a_voice_does_not_speak(make: Any) -> None:
    assert who_speaks([make.samples({}, mouth=talk(), seconds=8)], [(1, 5)]) == {"p1": 0.0}


def test_two_people_who_take_turns_share_the_speech(make: Any) -> None:
    one = make.samples({}, mouth=talk((0, 3), (6, 9)), seconds=12, track="p1")
    two = make.samples({}, mouth=talk((3, 6)), seconds=12, track="p2")
    shares = who_speaks([one, two], [(0, 9)])
    assert shares == {"p1": pytest.approx(0.65, abs=0.06), "p2": pytest.approx(0.32, abs=0.06)}


@pytest.mark.parametrize("motion", ["smile", "chewing"])
def test_a_mouth_that_moves_otherwise_does_not_speak(make: Any, motion: str) -> None:
    mouths = {"smile": lambda t: 0.01 + make.rise(2, 4, 0.08)(t), "chewing": talk((0, 12), opening=0.03, rate=2.0)}
    person = make.samples({}, mouth=mouths[motion], seconds=12)
    assert who_speaks([person], [(1, 5)])["p1"] < 0.1


def test_two_mouths_that_move_alike_are_nobodys_speech(make: Any) -> None:
    both = [make.samples({}, mouth=talk((1, 5)), seconds=8, track=track) for track in ("p1", "p2")]
    assert who_speaks(both, [(1, 5)]) == {"p1": 0.0, "p2": 0.0}


def test_somebody_whose_lips_are_hidden_or_who_is_not_there_is_left_out(make: Any) -> None:
    speaker = make.samples({}, mouth=talk((1, 5)), seconds=8, track="p1")
    masked = make.samples({}, seconds=8, track="p2")
    hidden = make.samples({}, mouth=lambda t: np.where(t < 6, np.nan, 0.01), seconds=8, track="p3")
    later = make.samples({}, mouth=talk(), seconds=8, unseen=(-1, 5.5), track="p4")
    assert set(who_speaks([speaker, masked, hidden, later], [(1, 5)])) == {"p1"}


@pytest.mark.parametrize("speech", [None, [], [(2.0, 2.3)]])
def test_without_speech_nobody_can_be_told_to_speak(make: Any, speech: list[tuple[float, float]] | None) -> None:
    assert who_speaks([make.samples({}, mouth=talk((1, 5)), seconds=8)], speech) is None


def test_nothing_is_told_without_people_lips_or_frames_enough(make: Any) -> None:
    assert who_speaks([], [(1, 5)]) is None
    assert who_speaks([make.samples({}, seconds=8)], [(1, 5)]) is None
    assert who_speaks([make.samples({}, mouth=talk((1, 5)), seconds=8, fps=4.0)], [(1, 5)]) is None


def test_speech_all_the_time_needs_no_silence_to_compare_with(make: Any) -> None:
    person = make.samples({}, mouth=talk((0, 4)), seconds=4)
    assert who_speaks([person], [(0, 4)])["p1"] > 0.9
