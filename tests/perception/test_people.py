"""What is kept of people over time is what the nets saw, and only where it could be seen."""

import itertools
from typing import Any

import numpy as np
import pytest

from emollm.facs import BLENDSHAPES, unit_series, units_from_blendshapes
from emollm.perception import people
from emollm.perception.bearing import MeshBearing, open_bearing
from emollm.perception.faces import FaceSettings, find_faces, open_finder
from emollm.perception.geometry import rgb
from emollm.perception.mesh import Eyes
from emollm.perception.people import Gallery, Watched, samples_of, watch
from emollm.perception.shape import align
from emollm.perception.tracking import Tracker, TrackingSettings
from emollm.perception.watching import HeadWatcher

Stage = Any
"""Of conftest.py."""


@pytest.fixture(scope="module")
def bearing() -> MeshBearing:
    return open_bearing()


def watched(watcher: HeadWatcher, bearing: MeshBearing, stills: object, shortest: float = 0.3) -> Watched:
    finder = open_finder(FaceSettings())
    tracker = Tracker(
        watcher, lambda picture, *, far: find_faces(finder, rgb(picture), far=far), 0.5, 20, TrackingSettings()
    )
    return watch(stills, tracker, Gallery(watcher, bearing, 24.0), shortest, 20)  # type: ignore[arg-type]


def test_every_frame_with_a_face_has_a_row(watcher: HeadWatcher, bearing: MeshBearing, stage: Stage) -> None:
    stills = [stage.frame(t, [(stage.woman, 240, 135)] if t >= 1 else []) for t in stage.times(3)]
    found = watched(watcher, bearing, stills)
    assert (found.frames, len(found.people)) == (75, 1)
    samples = samples_of(found.people[0], "p1", watcher, bearing)
    assert found.seen >= 45  # looked for every 0.2 s while nobody is there
    assert samples.times == pytest.approx([still.time for still in stills[-found.seen :]])
    assert all(
        len(values) == found.seen for values in (*samples.raw.values(), *samples.angles.values(), samples.confidence)
    )
    assert np.median(samples.raw["AU12"]) > 0.5  # she smiles


def test_an_hour_of_frames_has_a_course(watcher: HeadWatcher, bearing: MeshBearing, stage: Stage) -> None:
    """More frames than half precision can count (65,504): what is kept small must be computed with wide."""
    from dataclasses import replace

    from emollm.perception.course import CourseSettings, course_of, series_step

    found = watched(watcher, bearing, [stage.frame(t, [(stage.woman, 240, 135)]) for t in stage.times(2.5)])
    short = samples_of(found.people[0], "p1", watcher, bearing)
    many = -(-90_000 // len(short.times))
    long = replace(
        short,
        times=np.arange(many * len(short.times)) / 25,
        raw={code: np.tile(values, many) for code, values in short.raw.items()},
        sides={code: (np.tile(left, many), np.tile(right, many)) for code, (left, right) in short.sides.items()},
        angles={name: np.tile(values, many) for name, values in short.angles.items()},
        mouth=np.tile(short.mouth, many),
        confidence=np.tile(short.confidence, many),
    )
    course = course_of(long, [], CourseSettings(), step=series_step(3600))
    smile = next(cue for cue in course.cues if cue.id == "p1.AU12")
    assert smile.value == pytest.approx(0.9, abs=0.2)


def test_a_still_face_is_measured_as_in_a_photo(watcher: HeadWatcher, bearing: MeshBearing, stage: Stage) -> None:
    still = stage.frame(0.0, [(stage.woman, 240, 135)])
    found = watched(watcher, bearing, [still])
    samples = samples_of(found.people[0], "p1", watcher, bearing)
    finder = open_finder(FaceSettings())
    reading = watcher.meter(still.picture, find_faces(finder, still.picture)[0])
    shapes = dict(zip(BLENDSHAPES, reading.blendshapes.tolist(), strict=True))
    units = units_from_blendshapes({name: shapes[name] for name in watcher.meter.shapes})
    for code, values in samples.raw.items():
        assert values[0] == pytest.approx(units[code].value, abs=0.01), code


def test_what_lies_beyond_the_edge_is_not_measured(watcher: HeadWatcher, bearing: MeshBearing, stage: Stage) -> None:
    def sinking(t: float) -> Any:
        return stage.frame(t, [(stage.woman, 240, 135 + 125 * min(t, 1.0))])

    found = watched(watcher, bearing, [sinking(t) for t in stage.times(1.2)])
    samples = samples_of(found.people[0], "p1", watcher, bearing)
    assert samples.mouth is not None
    for values in (samples.raw["AU12"], samples.raw["AU25"], samples.mouth):
        assert not np.isnan(values[0])
        assert np.isnan(values[-1])
    assert not np.isnan(samples.raw["AU01"]).any()


def test_a_face_too_small_is_followed_but_not_measured(
    watcher: HeadWatcher, bearing: MeshBearing, stage: Stage
) -> None:
    finder = open_finder(FaceSettings())
    tracker = Tracker(
        watcher, lambda picture, *, far: find_faces(finder, rgb(picture), far=far), 0.5, 20, TrackingSettings()
    )
    stills = [stage.frame(t, [(stage.woman, 240, 135)]) for t in stage.times(0.5)]
    found = watch(stills, tracker, Gallery(watcher, bearing, 500.0), 0.3, 20)
    samples = samples_of(found.people[0], "p1", watcher, bearing)
    assert len(samples.times) == len(stills)
    assert all(np.isnan(values).all() for values in (*samples.raw.values(), *samples.angles.values()))


def test_who_is_in_sight_for_a_blink_of_an_eye_does_not_count(
    watcher: HeadWatcher, bearing: MeshBearing, stage: Stage
) -> None:
    stills = [stage.frame(t, [(stage.woman, 240, 135)] if t < 0.2 else []) for t in stage.times(2)]
    found = watched(watcher, bearing, stills)
    assert (found.people, found.dropped) == ([], 1)
    assert len(watched(watcher, bearing, stills[:5]).people) == 1  # but it does in a clip as short as that


def test_the_larger_face_is_more_prominent(watcher: HeadWatcher, bearing: MeshBearing, stage: Stage) -> None:
    small = np.ascontiguousarray(stage.woman[::2, ::2])
    found = watched(
        watcher, bearing, [stage.frame(t, [(small, 100, 135), (stage.woman, 330, 135)]) for t in stage.times(1)]
    )
    assert found.shares[0] > 0.6
    assert sum(found.shares) == pytest.approx(1)
    assert found.people[0].boxes[0] > stage.width / 2


def test_a_fault_in_the_other_thread_is_raised(
    watcher: HeadWatcher, bearing: MeshBearing, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gallery, "_compute", lambda self, person: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        watched(watcher, bearing, (stage.frame(t, [(stage.woman, 240, 135)]) for t in stage.times(4)))


def test_a_long_clip_keeps_no_meshes(
    watcher: HeadWatcher, bearing: MeshBearing, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stills = [stage.frame(t, [(stage.woman, 240, 135)]) for t in stage.times(1)]
    assert len(watched(watcher, bearing, stills).people[0].meshes) == 25
    monkeypatch.setattr(people, "_MESHES", 10)
    assert watched(watcher, bearing, stills).people[0].meshes == []


def test_rows_are_the_same_whatever_the_size_of_the_pieces(
    watcher: HeadWatcher, bearing: MeshBearing, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stills = [stage.frame(t, [(stage.woman, 200 + 40 * t, 135)]) for t in stage.times(3)]
    whole = samples_of(watched(watcher, bearing, stills).people[0], "p1", watcher, bearing)
    monkeypatch.setattr(people, "_CHUNK", 7)
    pieces = samples_of(watched(watcher, bearing, stills).people[0], "p1", watcher, bearing)
    assert len(pieces.times) == 75
    for code in whole.raw:
        assert np.array_equal(pieces.raw[code], whole.raw[code], equal_nan=True), code
    for name in whole.angles:
        assert np.array_equal(pieces.angles[name], whole.angles[name], equal_nan=True), name


def test_units_over_time_are_those_of_each_frame() -> None:
    shapes = np.random.default_rng(0).random((20, 52))
    series = unit_series({name: shapes[:, k] for k, name in enumerate(BLENDSHAPES)})
    for row in range(20):
        one = units_from_blendshapes(dict(zip(BLENDSHAPES, shapes[row].tolist(), strict=True)))
        assert series.keys() == one.keys()
        for code, unit in one.items():
            assert series[code].value[row] == pytest.approx(unit.value)
            assert unit.left is None or series[code].left[row] == pytest.approx(unit.left)  # type: ignore[index]


def test_angles_of_many_are_those_of_each(watcher: HeadWatcher, bearing: MeshBearing, stage: Stage) -> None:
    finder = open_finder(FaceSettings())
    meshes = []
    for x in (120, 240, 300):
        still = stage.frame(0.0, [(stage.woman, x, 135)])
        meshes.append(watcher.meter(still.picture, find_faces(finder, still.picture)[0]).mesh)
    many = bearing.many(np.stack([mesh.points for mesh in meshes]))
    for mesh, row in zip(meshes, many, strict=True):
        one = bearing(mesh)
        assert row == pytest.approx([*one.pose, *one.gaze], abs=1e-3)
        assert align(mesh.points, mesh.points - mesh.points.mean(0)).rotation == pytest.approx(np.eye(3), abs=1e-3)


def test_an_eye_is_looked_at_anew_when_it_has_changed() -> None:
    eyes, seen = Eyes(), np.zeros((76, 3), np.float32)
    view = np.full((10, 16), 100, np.float32)
    assert eyes.known(0, view) is None
    eyes.keep(0, view, seen)
    assert eyes.known(0, view + 3) is seen
    assert eyes.known(1, view) is None  # the other eye was not seen yet
    assert eyes.known(0, view + 20) is None


def test_no_view_of_an_eye_is_kept_for_long() -> None:
    eyes, view = Eyes(), np.full((10, 16), 100, np.float32)
    eyes.keep(0, view, np.zeros((76, 3), np.float32))
    used = list(itertools.takewhile(lambda _: eyes.known(0, view) is not None, range(100)))
    assert len(used) == Eyes.OLDEST - 1
