"""The page of a cohort: self-contained, escaped, readable on every screen, and silent on whom it must not name."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emollm.errors import EmollmError
from emollm.report.cohort import Gathered, Wanted, gather, render, write_cohort_report
from emollm.report.cohort_engagement import Asked
from emollm.report.cohort_reading import Contents
from emollm.report.cohort_view import groups
from tests.report.cohorts import Values, clip, said, voice, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = '<script>alert(1)</script> </style> <img src=x onerror="alert(2)"> {{ 7 * 7 }}'
COURSE: Mapping[str, Values] = {
    "AU12": [0.8] * 10 + [0.1] * 10,
    "AU04": [0.1] * 12 + [0.7] * 8,
    "yaw": [5.0] * 20,
    "pitch": [0.0] * 20,
}


def folder(path: Path) -> Path:
    """Six people of one class, one with a voice of their own and hostile words."""
    own = [*voice("p1", f0_sd=0.8), *said(HOSTILE, -0.7, 0.6, 2.4)]
    gone: Mapping[str, Values] = {**COURSE, "AU12": [0.8] * 6 + [None] * 8 + [0.8] * 6, "AU04": [0.1] * 6 + [None] * 8 + [0.1] * 6, "yaw": [5.0] * 6 + [None] * 8 + [5.0] * 6, "pitch": [0.0] * 6 + [None] * 8 + [0.0] * 6}  # fmt: skip
    write(
        path / "observations.jsonl",
        clip("school/7b/anna.mp4", COURSE, more=own),
        clip("school/7b/ben.mp4", gone),
        *(clip(f"school/7b/pupil-{at}.mp4", COURSE) for at in range(4)),
    )
    return path


def gathered(path: Path, **wanted: object) -> Gathered:
    return gather(Contents(path), Wanted(**wanted))  # type: ignore[arg-type]


ENGAGEMENT = {"kinds": ("engagement",), "names": False, "asked": Asked(every=2.0, different=True)}


def test_a_page_holds_everything_and_loads_nothing(tmp_path: Path) -> None:
    page = render(gathered(folder(tmp_path), own_words=True))
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", page)
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    for text in ("Timelines", "Ambivalence moments", "anna.mp4", "happiness", "no face seen", "95&nbsp;% interval"):
        assert text in page


def test_names_and_words_are_data(tmp_path: Path) -> None:
    write(tmp_path / "o.jsonl", clip(f"x/{HOSTILE}.mp4", COURSE, more=[*voice("p1", f0_sd=0.8), *said(HOSTILE, -0.7, 0.6, 2.4)]))  # fmt: skip
    page = render(gathered(tmp_path))
    assert "alert(1)" in page
    assert "<img" not in page
    assert "{{ 7 * 7 }}" in page
    assert page.count("</style>") == 1
    _Tree().feed(page)


def test_a_class_is_told_without_a_name_a_file_a_label_or_a_row_of_a_person(tmp_path: Path) -> None:
    (folder(tmp_path) / "broken anna.jsonl").write_text("{")
    found = gathered(tmp_path, **ENGAGEMENT)
    for text in (render(found), found.report.to_json()):
        for name in ("anna", "ben", "pupil-", ".mp4", "happiness", "sadness", "p1", "7b", tmp_path.name):
            assert name not in text
    assert "class 1" in render(found)
    assert found.report.rejected == 1


def test_how_many_are_in_a_group_that_is_left_out_is_not_told(tmp_path: Path) -> None:
    folder(tmp_path)
    write(tmp_path / "more.jsonl", *(clip(f"school/8a/{at}.mp4", COURSE) for at in range(3)))
    found = gathered(tmp_path, **ENGAGEMENT).report
    assert (found.people, found.clips) == (6, 6)
    assert found.engagement is not None
    assert found.engagement.hidden == 1


def test_the_teachers_condition_and_preference_select_the_parts(tmp_path: Path) -> None:
    folder(tmp_path)
    limits = render(gathered(tmp_path, kinds=("engagement",), names=False, asked=Asked(preferences=("limits",), condition="online")))  # fmt: skip
    assert "Only cameras that are on are seen" in limits
    assert "Where to look again" not in limits
    assert "Head to the camera" not in limits
    next_ = render(gathered(tmp_path, kinds=("engagement",), names=False, asked=Asked(preferences=("next",), orientation="doubtful")))  # fmt: skip
    assert "Put the numbers aside" in next_
    assert "Ask the whole class" not in next_
    assert "What this does not say" not in next_


@pytest.mark.parametrize("names", [False, True])
def test_where_there_is_one_learner_neither_page_nor_json_has_numbers(tmp_path: Path, names: bool) -> None:
    asked = Asked(every=2.0, condition="single", names=names, different=True)
    found = gathered(folder(tmp_path), kinds=("engagement",), names=names, asked=asked)
    page = render(found)
    assert "There are no numbers of one learner" in page
    for text in ("%", 'class="num"', "anna", "People"):
        assert text not in page.partition("<main>")[2]
    assert (found.report.people, found.report.clips) == (0, 0)
    assert '"value"' not in found.report.to_json()


def test_a_page_without_a_class_says_how_clips_of_different_people_are_added_up(tmp_path: Path) -> None:
    found = gathered(folder(tmp_path), **{**ENGAGEMENT, "asked": Asked(every=2.0)})
    assert "--different-people" in render(found)
    assert (found.report.people, found.report.clips) == (0, 0)


def test_people_are_numbered_where_names_are_left_out(tmp_path: Path) -> None:
    page = render(gathered(folder(tmp_path), names=False))
    assert "person 1" in page
    assert "anna" not in page


def test_folders_are_numbered_where_names_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "o.jsonl", *(clip(f"pupils/{name}/{at}.mp4", COURSE) for name in ("anna", "ben") for at in range(2)))  # fmt: skip
    found = gathered(tmp_path, names=False)
    assert found.report.cohort is not None
    assert [row.name for row in found.report.cohort.groups] == ["folder 1", "folder 2"]
    for text in (render(found), found.report.to_json()):
        for name in ("anna", "ben", "pupils", tmp_path.name):
            assert name not in text


def test_folders_of_one_name_stay_apart_on_the_page(tmp_path: Path) -> None:
    write(tmp_path / "o.jsonl", *(clip(f"{room}/1.mp4", COURSE) for room in ("s1/7b", "s2/7b", "s2/8a")))
    found = gathered(tmp_path)
    assert found.report.cohort is not None
    assert [row.name for row in found.report.cohort.groups] == ["s1/7b", "s2/7b", "8a"]
    assert [row.group for row in found.report.cohort.people] == ["s1/7b", "s2/7b", "8a"]
    for head in ("<h3>s1/7b</h3>", "<h3>s2/7b</h3>", "<h3>8a</h3>"):
        assert head in render(found)


def test_files_of_one_name_in_two_folders_keep_their_own_moments(tmp_path: Path) -> None:
    own = [*voice("p1", f0_sd=0.8), *said("bad", -0.7, 0.6, 2.4)]
    write(tmp_path / "o.jsonl", clip("s1/1.mp4", COURSE, more=own), clip("s2/1.mp4", COURSE))
    report, people, names = gathered(tmp_path, own_words=True)
    assert report.ambivalence is not None
    assert report.ambivalence.discords
    first, second = groups(people, names, 10.0, True, report.ambivalence.discords)
    assert first.rows[0].discords
    assert not second.rows[0].discords


def test_a_page_takes_its_place_as_a_whole(tmp_path: Path) -> None:
    found = gathered(folder(tmp_path / "in"))
    write_cohort_report(tmp_path / "out" / "page.html", found)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["page.html"]
    with pytest.raises(EmollmError, match="is a folder"):
        write_cohort_report(tmp_path / "out", found)


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_no_page_is_wider_than_the_screen(browser: "Browser", tmp_path: Path, width: int) -> None:
    folder(tmp_path / "in")
    page = browser.new_page(viewport={"width": width, "height": 800})
    for at, wanted in enumerate(({}, ENGAGEMENT)):
        path = tmp_path / f"{at}.html"
        write_cohort_report(path, gathered(tmp_path / "in", **wanted))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.mark.browser
def test_rows_stand_on_one_axis_and_labels_do_not_cover_each_other(browser: "Browser", tmp_path: Path) -> None:
    folder(tmp_path / "in")
    path = tmp_path / "page.html"
    write_cohort_report(path, gathered(tmp_path / "in"))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    lanes = page.evaluate("[...document.querySelectorAll('.lane')].map(e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right])")  # fmt: skip
    ruler = page.evaluate("(r => [r.left, r.right])(document.querySelector('.times').getBoundingClientRect())")
    assert len(lanes) == 6
    assert all(lane == ruler for lane in lanes)
    gap = page.locator(".people li", has_text="ben.mp4").locator(".gap")
    assert gap.count() == 1
    lane = lanes[1][1] - lanes[1][0]
    box = gap.bounding_box()
    assert box is not None
    assert box["width"] / lane == pytest.approx(8 / 20, abs=0.02)
    row = page.locator(".people li", has_text="anna.mp4").locator(".who")
    assert "1.0 seconds happiness" in (row.text_content() or "")
    page.close()


class _Tree(HTMLParser):
    """Fails where elements are closed that were not opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """What closes itself is not open."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
