"""Everybody keeps one identity, through movement, cover and cuts; nobody gets two."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from emollm.perception.faces import FaceSettings, find_faces, open_finder
from emollm.perception.geometry import rgb
from emollm.perception.tracking import Tracker, TrackingSettings, likeness_of
from emollm.perception.watching import HeadWatcher

Track = Callable[..., Tracker]
Stage = Any
"""Of conftest.py."""
Still = Any


@pytest.fixture(scope="module")
def tracker(watcher: HeadWatcher) -> Track:
    finder = open_finder(FaceSettings())

    def make(most: int = 20, **settings: float) -> Tracker:
        return Tracker(
            watcher,
            lambda picture, *, far: find_faces(finder, rgb(picture), far=far),
            0.5,
            most,
            TrackingSettings(**settings),
        )

    return make


def identities(tracker: Tracker, stills: Iterable[Still]) -> list[list[int]]:
    return [[one.person for one in tracker(still.time, still.picture)] for still in stills]


def test_one_who_moves_is_one_person(tracker: Track, stage: Stage) -> None:
    stills = (stage.frame(t, [(stage.woman, 100 + 90 * t, 135 + 20 * np.sin(4 * t))]) for t in stage.times(3))
    assert identities(tracker(), stills) == [[1]] * 75


def test_one_who_is_covered_for_a_moment_comes_back_as_the_same(tracker: Track, stage: Stage) -> None:
    def covered(t: float) -> Still:
        return stage.frame(t, [] if 1.0 <= t < 1.6 else [(stage.woman, 200 + 30 * t, 135)])

    found = identities(tracker(), map(covered, stage.times(3)))
    assert found[0] == [1]
    assert found[-1] == [1]
    assert {one for frame in found for one in frame} == {1}
    assert not any(found[26:39])


def test_nobody_is_seen_where_nobody_is(tracker: Track, stage: Stage) -> None:
    assert not any(identities(tracker(), (stage.frame(t, []) for t in stage.times(2))))


def test_two_who_change_places_at_a_cut_keep_their_identities(tracker: Track, stage: Stage) -> None:
    def swapped(t: float) -> Still:
        left, right = (stage.woman, stage.man) if t < 1 else (stage.man, stage.woman)
        return stage.frame(t, [(left, 120, 135), (right, 360, 135)], ground=128 if t < 1 else 20)

    follow = tracker()
    places: dict[tuple[int, bool], set[bool]] = {}
    for still in map(swapped, stage.times(2)):
        for one in follow(still.time, still.picture):
            places.setdefault((one.person, still.time < 1), set()).add(one.look.region.x < stage.width / 2)
    assert follow.cuts == 1
    assert set(places) == {(1, True), (2, True), (1, False), (2, False)}
    for person in (1, 2):
        assert len(places[person, True]) == 1
        assert places[person, True] != places[person, False]


def test_after_a_cut_somebody_else_is_somebody_else(tracker: Track, stage: Stage) -> None:
    stills = (
        stage.frame(t, [(stage.woman if t < 1 else stage.man, 240, 135)], ground=128 if t < 1 else 20)
        for t in stage.times(2)
    )
    found = identities(tracker(), stills)
    assert found[10] == [1]
    assert found[-1] == [2]


def test_somebody_who_comes_later_is_found(tracker: Track, stage: Stage) -> None:
    stills = (
        stage.frame(t, [(stage.woman, 120, 135)] + ([(stage.man, 360, 135)] if t >= 1 else [])) for t in stage.times(3)
    )
    found = identities(tracker(key_frames=0.5), stills)
    assert found[20] == [1]
    assert found[-1] == [1, 2]


def test_at_most_so_many_are_followed_as_are_wanted(tracker: Track, stage: Stage) -> None:
    stills = (stage.frame(t, [(stage.woman, 120, 135), (stage.man, 360, 135)]) for t in stage.times(1))
    assert all(len(found) == 1 for found in identities(tracker(most=1), stills))


def test_one_face_never_has_two_identities(tracker: Track, stage: Stage) -> None:
    # Two people who walk into each other: where only one face is left, only one of them is.
    def meeting(t: float) -> Still:
        return stage.frame(t, [(stage.woman, 120 + 60 * t, 135), (stage.woman, 360 - 60 * t, 135)])

    found = identities(tracker(), map(meeting, stage.times(2.2)))
    assert len(found[0]) == 2
    assert len(found[50]) == 1


def test_frames_that_change_size_are_followed(tracker: Track, stage: Stage) -> None:
    follow = tracker()
    large = stage.frame(0.0, [(stage.woman, 240, 135)])
    small = large._replace(time=0.04, picture=np.ascontiguousarray(large.picture[::2, ::2]))
    assert follow(large.time, large.picture)[0].person == 1
    assert [one.person for one in follow(small.time, small.picture)] == [1]
    assert small.picture.shape == (stage.height // 2, stage.width // 2, 3)


def test_likeness_tells_people_apart(tracker: Track, stage: Stage) -> None:
    def seen(patch: np.ndarray, x: float) -> np.ndarray:
        still = stage.frame(0.0, [(patch, x, 135)])
        return likeness_of(still.picture, tracker()(0.0, still.picture)[0].look)

    assert seen(stage.woman, 150) @ seen(stage.woman, 300) > 0.95
    assert seen(stage.woman, 150) @ seen(stage.man, 150) < 0.5


def test_who_is_lost_is_remembered_without_a_picture(tracker: Track, stage: Stage) -> None:
    follow = tracker()
    for still in (stage.frame(t, [(stage.woman, 240, 135)] if t < 0.5 else []) for t in stage.times(1)):
        follow(still.time, still.picture)
    (lost,) = follow._lost
    assert lost.look.seen is None
    assert lost.look.features is None
