from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from emollm.errors import ConfigError, MediaError
from emollm.report.contact import at_moment, draw_contact_sheet, write_contact_sheet
from emollm.report.overlay import draw_overlay


def test_the_moments_stand_beside_each_other_in_the_order_of_time(clip: Any, tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    write_contact_sheet(path, clip.observation, clip.answer, clip.frames)
    with Image.open(path) as sheet:
        assert sheet.width > 3 * 640
        assert sheet.height < 2 * 360
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    for i, time in enumerate(sorted(clip.frames)):
        cell = pixels[16:376, 16 + i * 656 : 16 + i * 656 + 640]
        frame = clip.frames[time].pixels.astype(int)
        assert np.median(np.abs(cell - frame)) <= 1


def test_a_frame_carries_the_label_only_at_the_main_peak(clip: Any) -> None:
    times = sorted(clip.frames)
    named = draw_contact_sheet(clip.observation, clip.answer, {times[0]: clip.frames[times[0]]})
    other = clip.answer.model_copy(update={"label": "anger"})
    assert named.tobytes() == draw_contact_sheet(clip.observation, other, {times[0]: clip.frames[times[0]]}).tobytes()
    main = {times[2]: clip.frames[times[2]]}
    assert (
        draw_contact_sheet(clip.observation, clip.answer, main).tobytes()
        != draw_contact_sheet(clip.observation, other, main).tobytes()
    )


def test_a_moment_has_the_faces_and_values_of_its_time(two: Any) -> None:
    seen = at_moment(two.observation, 4.2)
    assert [track.id for track in seen.tracks] == ["p1"]
    assert seen.tracks[0].faces[0].time == 4.2
    values = {cue.name: cue.value for cue in seen.cues}
    assert values["AU04"] == pytest.approx(0.72, abs=0.01)
    assert values["yaw"] == pytest.approx(15.5, abs=0.5)
    main = at_moment(two.observation, 12.6)
    assert {cue.id for cue in main.cues} == {
        cue.id for cue in two.observation.cues if cue.track == "p1" and cue.start == 12.5
    }


def test_a_photo_overlay_is_the_same_with_nobody_nameless(clip: Any) -> None:
    seen = at_moment(clip.observation, 12.6)
    whole = draw_overlay(seen, clip.answer, clip.frames[12.6])
    assert whole.tobytes() == draw_overlay(seen, clip.answer, clip.frames[12.6], nameless=()).tobytes()
    assert whole.tobytes() != draw_overlay(seen, clip.answer, clip.frames[12.6], nameless=("p1",)).tobytes()


def test_a_clip_without_faces_and_another_suffix_are_refused_in_one_line(clip: Any, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no face was found"):
        write_contact_sheet(tmp_path / "a.png", clip.observation, clip.answer, {})
    with pytest.raises(ConfigError, match=r"a\.gif: expected a file name"):
        write_contact_sheet(tmp_path / "a.gif", clip.observation, clip.answer, clip.frames)
    assert list(tmp_path.iterdir()) == []
