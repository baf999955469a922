"""A cut of a frame's planes is the cut of its RGB picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from emollm import assets
from emollm.media.images import Picture
from emollm.media.planes import Planes
from emollm.perception.geometry import Region, to_image

TURNED = Region(250.0, 120.0, 180.0, 0.3)


def planes_of(rgb: np.ndarray, matrix: str, full: bool) -> tuple[Planes, np.ndarray]:
    """A picture as FFmpeg makes it 4:2:0, and RGB again as FFmpeg makes it of that."""
    import av
    from av.video.reformatter import VideoReformatter

    space = {"601": "ITU601", "709": "ITU709"}[matrix]
    range_ = "JPEG" if full else "MPEG"
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    scaler = VideoReformatter()
    coded = scaler.reformat(frame, format="yuv420p", dst_colorspace=space, dst_color_range=range_)
    back = scaler.reformat(coded, format="rgb24", src_colorspace=space, src_color_range=range_)
    y, u, v = (np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in coded.planes)
    height, width = rgb.shape[:2]
    halves = (slice(0, (height + 1) // 2), slice(0, (width + 1) // 2))
    return Planes(y[:, :width], u[halves], v[halves], matrix, full, lambda: rgb), back.to_ndarray(format="rgb24")


@pytest.fixture(scope="module")
def face(astronaut_picture: Picture) -> np.ndarray:
    return np.ascontiguousarray(cv2.resize(astronaut_picture.pixels, (400, 300), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("matrix", ["601", "709"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("size", [64, 192])
def test_a_cut_has_the_colours_of_the_picture(face: np.ndarray, matrix: str, full: bool, size: int) -> None:
    planes, rgb = planes_of(face, matrix, full)
    where = to_image(TURNED, size)
    ours = planes.warped(where, size, cv2.BORDER_REPLICATE).astype(int)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    theirs = cv2.warpAffine(rgb, where, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE).astype(int)
    away = np.abs(ours - theirs)
    assert away.mean() < 2.5  # FFmpeg smooths the coarse colours a little differently
    assert abs((ours - theirs).mean(axis=(0, 1))).max() < 1.6  # no tint; FFmpeg rounds down


def test_other_colours_than_its_own_would_be_noticed(face: np.ndarray) -> None:
    planes, _ = planes_of(face, "709", False)
    where = to_image(TURNED, 64)
    right = planes.warped(where, 64, cv2.BORDER_REPLICATE).astype(int)
    wrong = (
        Planes(planes.y, planes.u, planes.v, "601", False, planes.rgb)
        .warped(where, 64, cv2.BORDER_REPLICATE)
        .astype(int)
    )
    assert np.abs(right - wrong).mean() > 1


def test_outside_of_the_frame_is_black_where_that_is_wanted(face: np.ndarray) -> None:
    for full in (False, True):
        planes, _ = planes_of(face, "709", full)
        cut = planes.warped(to_image(Region(0.0, 0.0, 200.0, 0.0), 64), 64, cv2.BORDER_CONSTANT)
        assert cut[:20, :20].max() <= 2


def test_the_nets_see_the_same_face_in_planes(tmp_path: Path) -> None:
    from emollm.media.video import frame_at
    from emollm.perception.faces import FaceSettings, find_faces, open_finder
    from emollm.perception.mesh import region_of_detection
    from emollm.perception.watching import open_head_watcher

    frame = frame_at(assets.path("clip-pexels"), 12.0)
    assert isinstance(frame.picture, Planes)
    found = find_faces(open_finder(FaceSettings()), frame.pixels)[0]
    region = region_of_detection(found.box, found.points)
    watcher = open_head_watcher()
    ours, theirs = watcher.look(frame.picture, region), watcher.look(frame.pixels, region)
    assert np.abs(ours.points[:, :2] - theirs.points[:, :2]).max() < 0.02 * region.side
    assert np.abs(ours.points[:, :2] - theirs.points[:, :2]).mean() < 0.003 * region.side
