import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emollm.report.page import index_row, render, write_index, write_report
from emollm.report.settings import ReportSettings
from emollm.types import (
    Claim,
    Cue,
    CueKind,
    Extent,
    MediaInfo,
    Missing,
    Observation,
    Part,
    Scale,
    Series,
    Source,
    Verdict,
    Word,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = "</script><img src=x onerror=alert(1)>\u202e\u2066<!--"
SOURCE = Source(backend="x", version="1", licence="MIT")


class Elements(HTMLParser):
    """Start tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, name: str) -> list[dict[str, str]]:
        return [given for _, given in self.found if name in given.get("class", "").split()]

    def tags(self, tag: str) -> list[dict[str, str]]:
        return [given for name, given in self.found if name == tag]


def page_of(record: Any, settings: ReportSettings | None = None) -> str:
    return render(record.observation, record.answer, frames=record.frames, media=record.media, settings=settings)


def test_a_clip_plays_in_its_page_and_nothing_is_loaded(clip: Any) -> None:
    page = Elements(page_of(clip))
    (video,) = page.tags("video")
    assert video["src"].startswith("data:video/mp4;base64,")
    (policy,) = (given["content"] for given in page.tags("meta") if given.get("http-equiv"))
    assert "media-src data:;" in policy
    for _, given in page.found:
        for name in ("src", "href", "poster", "data"):
            assert given.get(name, "#").startswith(("#", "data:"))
        assert not any(name.startswith("on") for name in given)


def test_a_clip_that_is_not_embedded_is_named_and_nothing_may_play(clip: Any) -> None:
    text = page_of(clip, ReportSettings(embed=0))
    assert "The clip (2 MB) is not embedded: open it beside this page." in text
    assert "media-src" not in text
    page = Elements(text)
    assert not page.tags("video")
    assert not any(given.get("aria-label", "").startswith("Play") for given in page.tags("button"))
    assert len(page.of("moment")) == 3


def test_what_the_page_cannot_know_and_how_sure_the_words_are_is_said(clip: Any) -> None:
    text = page_of(clip)
    assert 'What is said <span class="muted">as recognised</span>' in text
    limits = text.partition("What this cannot know")[2].partition("</section>")[0]
    assert all(word in limits for word in ("glasses", "mask", "hand before the face"))


def test_no_gaze_is_shown_of_closed_eyes(clip: Any) -> None:
    units = [("AU43", 0.8), ("AU64", 0.9)]
    cues = tuple(cue for cue in clip.observation.cues if cue.id not in ("p1.AU43", "p1.AU61", "p1.AU64"))
    model = next(cue for cue in cues if cue.id == "p1.AU12")
    cues += tuple(
        model.model_copy(update={"id": f"p1.{code}", "name": code, "value": value, "left": None, "right": None})
        for code, value in units
    )
    seen = clip.observation.model_copy(update={"cues": cues})
    listed = Elements(render(seen, clip.answer, frames=clip.frames)).of("unit")
    assert len(listed) == sum(
        (cue.value or 0) >= 0.1 and cue.kind is CueKind.ACTION_UNIT and cue.extent is Extent.MOMENT
        for cue in cues
        if cue.name not in ("AU61", "AU62", "AU63", "AU64")
    )


def test_a_page_of_a_short_clip_is_small(clip: Any) -> None:
    assert len(page_of(clip).encode()) < 4_000_000


def test_a_page_of_an_hour_is_small_without_the_clip() -> None:
    seen, said = hour()
    assert len(render(seen, said).encode()) < 2_500_000


def hour(seconds: float = 3600.0) -> tuple[Observation, Any]:
    """Two people who talk for a whole hour."""
    from emollm.types import Answer, AnswerProvenance, Box, Face, Peak, Track

    values = tuple(round((i * 37 % 100) / 100, 3) for i in range(600))
    names = [f"AU{i:02d}" for i in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28)]
    step = seconds / 600
    curves, cues, tracks = [], [], []
    for track in ("p1", "p2"):
        mesh = tuple((100.0 + i % 22, 80.0 + i // 22) for i in range(478))
        face = Face(box=Box(x=90.0, y=70.0, width=60.0, height=60.0), confidence=0.9, landmarks=mesh)
        peaks = tuple(Peak(time=100.0 * i, start=100.0 * i, end=100.0 * i + 1, score=1.0) for i in range(1, 7))
        tracks.append(Track(id=track, faces=(face,) * 6, prominence=0.5, peaks=peaks))
        kinds = [(name, CueKind.ACTION_UNIT, Scale.INTENSITY) for name in names]
        kinds += [(name, CueKind.HEAD_POSE, Scale.DEGREES) for name in ("yaw", "pitch", "roll")]
        curves += [
            Series(kind=kind, name=name, scale=scale, track=track, step=step, values=values, source=SOURCE)
            for name, kind, scale in kinds
        ]
        cues += [
            event(
                f"{track}.{name}.{i}",
                CueKind.ACTION_UNIT,
                name,
                Scale.INTENSITY,
                100.0 * i,
                4.0,
                value=0.5,
                track=track,
            )
            for name in names
            for i in range(8)
        ]
    cues += [
        event(
            f"words.{i}", CueKind.WORDS, "said", Scale.TEXT, 5.0 * i, 4.5, text="so this is what they told us then " * 2
        )
        for i in range(int(seconds / 5))
    ]
    words = tuple(
        Word(text="something", start=round(0.4 * i, 2), end=round(0.4 * i + 0.35, 2), confidence=0.91)
        for i in range(int(seconds / 0.4))
    )
    curves.append(
        Series(
            kind=CueKind.PROSODY,
            name="f0",
            scale=Scale.HERTZ,
            step=step,
            values=tuple(100 + v for v in values),
            source=SOURCE,
        )
    )
    seen = Observation(
        id="talk.mp4",
        media=MediaInfo(kind="video", width=640, height=360, duration=seconds),
        tracks=tuple(tracks),
        cues=tuple(cues),
        words=words,
        series=tuple(curves),
    )
    return seen, Answer(id="talk.mp4", track="p1", status="abstained", provenance=AnswerProvenance(model="m@1"))


def event(id: str, kind: CueKind, name: str, scale: Scale, start: float, length: float, **more: Any) -> Cue:
    return Cue(
        id=id,
        kind=kind,
        name=name,
        scale=scale,
        start=start,
        end=start + length,
        extent=Extent.EVENT,
        source=SOURCE,
        **more,
    )


def test_ids_are_unique_and_all_links_of_claims_lead_somewhere(two: Any) -> None:
    page = Elements(page_of(two))
    ids = [given["id"] for _, given in page.found if "id" in given]
    assert len(ids) == len(set(ids))
    claimed = {id for given in page.of("claim") for id in given["data-cues"].split()}
    assert claimed
    assert claimed <= set(ids)
    # Blinks are on the timeline, and in the table only where a claim rests on them.
    shown = {given["data-cue"] for _, given in page.found if given.get("data-cue")}
    assert claimed & shown
    linked = {given["href"][1:] for given in page.of("chip") if "href" in given}
    assert linked <= set(ids)


def test_claims_with_a_time_have_a_button_that_leads_there(clip: Any) -> None:
    page = Elements(page_of(clip))
    labels = [given["aria-label"] for given in page.of("at") if "data-at" in given]
    assert "Show 12.6 seconds" in labels
    assert "Play from 2.9 seconds" in labels
    assert "Play from 8.0 seconds" in labels
    assert all(tag == "button" for tag, given in page.found if "at" in given.get("class", "").split())


def test_a_claim_about_the_whole_clip_leads_to_no_moment(clip: Any) -> None:
    claims = tuple(
        claim.model_copy(update={"start": 0.6, "end": 10.4}) if "median" in claim.text else claim
        for claim in clip.answer.claims
    )
    said = clip.answer.model_copy(update={"claims": claims})
    (row,) = re.findall(r'<p class="why"(?:(?!</p>).)*median pitch 212 Hz.*?</p>', render(clip.observation, said), re.S)
    assert 'class="at"' not in row


def test_each_person_has_their_own_frame_moments_and_timeline(two: Any) -> None:
    page = Elements(page_of(two))
    assert [given["data-person"] for given in page.of("photo")] == ["person-1", "person-2"]
    assert len(page.of("timeline")) == 2
    assert len(page.of("moment")) == 6


def test_a_sound_has_a_player_and_no_parts_of_the_face(sound: Any) -> None:
    text = page_of(sound)
    page = Elements(text)
    assert page.tags("audio")
    for part in ("photo", "closeups", "moment", "units", "dials", "gap"):
        assert not page.of(part), part
    assert "Measured on the face" not in text
    assert "No face found" not in text
    assert "median pitch" in text


def test_a_video_without_a_face_says_so_and_keeps_its_player(pexels: Path) -> None:
    gap = Missing(stream="face", reason="no face found")
    seen = Observation(id="x.mp4", media=MediaInfo(kind="video", width=640, height=360, duration=19.7), missing=(gap,))
    from emollm.types import Answer, AnswerProvenance

    said = Answer(id="x.mp4", status="abstained", missing=(gap,), provenance=AnswerProvenance(model="m@1"))
    text = render(seen, said, media=pexels)
    assert "No face found" in text
    page = Elements(text)
    assert page.tags("video")
    assert not page.of("timeline")
    assert not page.of("photo")


def test_words_that_look_like_markup_stay_words(clip: Any) -> None:
    seen = clip.observation
    cues = tuple(cue.model_copy(update={"text": EVIL}) if cue.text else cue for cue in seen.cues)
    words = tuple(word.model_copy(update={"text": EVIL}) for word in seen.words)
    claims = (
        Claim(
            text=EVIL,
            part=Part.OBSERVATIONS,
            verdict=Verdict.SUPPORTED,
            reason=EVIL,
            cues=("words.1",),
            start=1.0,
            end=2.0,
        ),
    )
    said = clip.answer.model_copy(update={"claims": claims, "id": EVIL})
    peaks = (clip.observation.tracks[0].peaks[0].model_copy(update={"reason": EVIL, "units": (EVIL,)}),)
    tracks = (seen.tracks[0].model_copy(update={"peaks": peaks}),)
    seen = seen.model_copy(update={"cues": cues, "words": words, "tracks": tracks})
    text = render(seen, said, frames=clip.frames, media=clip.media)
    assert EVIL not in text
    assert len(Elements(text).tags("script")) == 2
    assert not any("onerror" in given for _, given in Elements(text).found)
    data = json.loads(re.search(r'id="emollm-data">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    assert Observation.from_json(json.dumps(data["observation"])) == seen


def test_a_table_with_series_has_a_timeline_without_a_player() -> None:
    from emollm.types import Answer, AnswerProvenance

    series = Series(
        kind=CueKind.ACTION_UNIT,
        name="AU12",
        scale=Scale.INTENSITY,
        step=0.5,
        values=(0.1, 0.7, None, 0.2),
        source=SOURCE,
    )
    seen = Observation(id="t.csv", media=MediaInfo(kind="table"), series=(series,))
    page = Elements(render(seen, Answer(id="t.csv", status="abstained", provenance=AnswerProvenance(model="m@1"))))
    assert len(page.of("timeline")) == 1
    assert not page.of("player")
    assert page.of("gap")


def test_a_photo_page_carries_nothing_of_a_clip(clip: Any) -> None:
    seen = Observation(id="a.jpg", media=MediaInfo(kind="image"))
    text = render(seen, clip.answer.model_copy(update={"track": None, "claims": ()}))
    assert "playhead" not in text
    assert "media-src" not in text


def test_the_overview_shows_kind_and_duration(clip: Any, sound: Any, tmp_path: Path) -> None:
    main = clip.frames[12.6]
    rows = [
        index_row(clip.answer, tmp_path / "a.html", main, clip.observation.media),
        index_row(sound.answer, tmp_path / "b.html", None, sound.observation.media),
    ]
    write_index(tmp_path / "index.html", rows)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert [">20 s<" in text, ">12 s<" in text, ">sound<" in text] == [True, True, True]


# ---- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(browser: "Browser", clip: Any, tmp_path: Path) -> "Iterator[Page]":
    """The page of a clip on a phone in the dark; anything on the console fails the test."""
    path = tmp_path / "report.html"
    write_report(path, clip.observation, clip.answer, frames=clip.frames, media=clip.media)
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    wait_until(page, "document.getElementById('clip').readyState >= 1")
    yield page
    assert said == []
    page.close()


def wait_until(page: "Page", condition: str) -> None:
    """Asks again and again; playwright's own waiting needs ``eval``, which the page's policy forbids."""
    for _ in range(1200):  # a minute
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {condition}")


def time_of(page: "Page") -> float:
    return float(page.evaluate("document.getElementById('clip').currentTime"))


@pytest.mark.browser
def test_the_time_of_a_claim_leads_the_clip_there(opened: "Page") -> None:
    opened.get_by_label("Show 12.6 seconds").first.click()
    assert time_of(opened) == pytest.approx(12.6, abs=0.2)
    assert opened.locator(".times").get_attribute("aria-valuenow") == "12.6"
    assert opened.locator(".lane-name", has_text="AU12").locator(".num").inner_text() == "0.84"
    opened.locator(".moment").first.click()
    assert time_of(opened) == pytest.approx(4.2, abs=0.2)


@pytest.mark.browser
def test_a_stretch_is_played_to_its_end_in_a_corner(opened: "Page") -> None:
    opened.evaluate("document.getElementById('clip').muted = true")
    button = opened.locator(".why").get_by_label("Play from 2.6 seconds")
    button.scroll_into_view_if_needed()
    button.click()
    assert "floating" in (opened.locator(".player").get_attribute("class") or "")
    wait_until(opened, "document.getElementById('clip').currentTime >= 3.3")
    wait_until(opened, "document.getElementById('clip').paused")
    assert time_of(opened) == pytest.approx(3.3, abs=0.3)
    opened.locator(".dock").click()
    assert "floating" not in (opened.locator(".player").get_attribute("class") or "")


@pytest.mark.browser
def test_the_timeline_is_led_by_pointer_and_keys(opened: "Page") -> None:
    plot = opened.locator(".plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    plot.click(position={"x": box["width"] * 0.5, "y": box["height"] - 60})
    assert time_of(opened) == pytest.approx(19.69 / 2, abs=0.2)
    axis = opened.locator(".times")
    axis.focus()
    before = time_of(opened)
    opened.keyboard.press("ArrowRight")
    assert time_of(opened) == pytest.approx(before + 0.1, abs=0.02)
    opened.keyboard.press("Shift+ArrowLeft")
    assert time_of(opened) == pytest.approx(before - 0.9, abs=0.02)
    opened.keyboard.press("Home")
    assert time_of(opened) == 0
    opened.keyboard.press("End")
    assert axis.get_attribute("aria-valuenow") == "19.7"


@pytest.mark.browser
def test_a_claim_lights_its_event_and_its_time_on_the_timeline(opened: "Page") -> None:
    opened.locator(".claim", has_text="brows are drawn together").focus()
    lit = opened.locator(".event.lit")
    assert lit.count() == 1
    assert "brow lowerer" in (lit.get_attribute("aria-label") or "")
    band = opened.locator(".band")
    assert band.is_visible()
    assert band.evaluate("e => parseFloat(e.style.left)") == pytest.approx(100 * 2.9 / 19.69, abs=0.1)
    opened.locator(".chip", has_text="AU04 4.2 s").click()
    assert opened.evaluate("document.activeElement.className").startswith("event")


@pytest.mark.browser
def test_words_are_spelt_out_when_there_is_room(opened: "Page") -> None:
    single, phrases = opened.locator(".single .caption").first, opened.locator(".phrases .caption").first
    assert phrases.is_visible()
    assert not single.is_visible()
    for _ in range(4):
        opened.get_by_label("Show less time, wider").click()
    assert single.is_visible()
    assert not phrases.is_visible()
    boxes = opened.evaluate(
        "[...document.querySelectorAll('.single .caption')].map(e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right])"
    )
    assert all(left[1] <= right[0] + 1 for left, right in pairwise(boxes))
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_page_of_a_clip_is_wider_than_the_screen(
    browser: "Browser", two: Any, sound: Any, tmp_path: Path, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    for i, record in enumerate((two, sound)):
        path = tmp_path / f"{i}.html"
        write_report(path, record.observation, record.answer, frames=record.frames, media=record.media)
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.mark.browser
def test_a_clip_that_cannot_be_played_is_told_and_the_rest_works(browser: "Browser", clip: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, clip.observation, clip.answer, frames=clip.frames, media=clip.media)
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"data:video/mp4;base64,[^\"]*", "data:video/mp4;base64,AAAA", text), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.get_by_text("This browser cannot play the clip").wait_for()
    page.locator(".moment").first.click()
    assert page.locator(".times").get_attribute("aria-valuenow") == "4.2"
    page.close()


@pytest.mark.browser
def test_choosing_another_person_changes_frame_and_timeline(browser: "Browser", two: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, two.observation, two.answer, frames=two.frames, media=two.media)
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.locator(".photo:visible").count() == 1
    page.locator("#person-2-tab").click()
    assert page.locator(".photo:visible").get_attribute("data-person") == "person-2"
    assert page.locator("#person-2-timeline").is_visible()
    assert not page.locator("#person-1-timeline").is_visible()
    page.locator("#person-2 .moment.main").click()
    assert page.locator("#person-2-timeline .now").inner_text() == "13.0 s"
    page.close()
