import pytest

from emollm.report.figures import gaze_arrows, head_axes, outlines, shapes, smooth_path, smooth_points
from emollm.types import Box, Face

BOX = Box(x=0.0, y=0.0, width=100.0, height=100.0)
FACE = Face(box=BOX, confidence=1.0, landmarks=tuple((float(i), float(i % 7)) for i in range(478)))


def ends(yaw: float, pitch: float, roll: float) -> dict[str, tuple[float, float]]:
    lines = head_axes(FACE, yaw, pitch, roll)
    return {line.name: (line.end[0] - line.start[0], line.end[1] - line.start[1]) for line in lines}


def test_a_straight_head_has_its_up_up_and_its_left_to_the_right_of_the_image() -> None:
    axes = ends(0, 0, 0)
    assert axes["axis-up"] == pytest.approx((0, -42))
    assert axes["axis-left"] == pytest.approx((42, 0))
    assert axes["axis-forward"] == pytest.approx((0, 0))


def test_a_turn_to_the_own_left_points_to_the_right_of_the_image() -> None:
    assert ends(30, 0, 0)["axis-forward"] == pytest.approx((21, 0))


def test_a_raised_head_points_up_in_the_image() -> None:
    assert ends(0, 30, 0)["axis-forward"] == pytest.approx((0, -21))


def test_a_tilt_to_the_own_left_leans_to_the_right_of_the_image() -> None:
    assert ends(0, 0, 30)["axis-up"] == pytest.approx(
        (
            21,
            -36.373,
        ),
        abs=1e-3,
    )


def test_gaze_arrows_start_at_the_irises_and_follow_the_angles() -> None:
    right, left = gaze_arrows(FACE, 30.0, 0.0)
    assert right.start == FACE.landmarks[468]
    assert left.start == FACE.landmarks[473]
    assert right.end[0] - right.start[0] == pytest.approx(45)
    assert gaze_arrows(FACE, 0.0, 30.0)[0].end[1] < FACE.landmarks[468][1]


def test_unknown_angles_draw_nothing() -> None:
    assert head_axes(FACE, None, 0.0, 0.0) == ()
    assert gaze_arrows(FACE, None, 0.0) == ()


def test_a_mesh_without_irises_has_no_iris_outlines_but_gaze_from_the_eyes() -> None:
    face = FACE.model_copy(update={"landmarks": FACE.landmarks[:468]})
    assert len(outlines(FACE)) - len(outlines(face)) == 2
    assert len(gaze_arrows(face, 1.0, 1.0)) == 2


def test_landmarks_of_another_kind_are_not_taken_for_a_mesh() -> None:
    face = FACE.model_copy(update={"landmarks": FACE.landmarks[:68]})
    assert shapes(face) == ()
    assert gaze_arrows(face, 1.0, 1.0) == ()
    assert head_axes(face, 0.0, 0.0, 0.0)[0].start == (50, 50)


def test_curves_pass_through_their_points() -> None:
    square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
    assert set(square) <= set(smooth_points(square, closed=True))
    assert smooth_path(square, closed=True).endswith("Z")
    assert smooth_points(square, closed=False)[-1] == square[-1]
    assert not smooth_path(square, closed=False).endswith("Z")
