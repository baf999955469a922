import json
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emollm.errors import EmollmError
from emollm.media.images import Picture
from emollm.report.page import index_row, render, write_index, write_report
from emollm.report.views import Page
from emollm.types import (
    Answer,
    AnswerProvenance,
    Box,
    Claim,
    Cue,
    CueKind,
    Face,
    FollowUp,
    MediaInfo,
    Missing,
    Observation,
    Part,
    RankedLabel,
    Rationale,
    Scale,
    Source,
    Track,
    Verdict,
)

SOURCE = Source(backend="mesh-head", version="1", licence="Apache-2.0")
EVIL = "<script>alert(1)</script>"


class Element:
    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag, self.attributes, self.text = tag, attributes, ""


class Reader(HTMLParser):
    """All elements with their attributes and own text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "img", "input", "br", "link"):
            self._open.append(self.elements[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def of(self, name: str) -> list[Element]:
        return [element for element in self.elements if name in element.attributes.get("class", "").split()]

    def by_id(self, id: str) -> Element:
        (found,) = (element for element in self.elements if element.attributes.get("id") == id)
        return found


def picture(width: int = 200, height: int = 160, scale: float = 1.0) -> Picture:
    shade = np.linspace(40, 220, width, dtype=np.uint8)
    pixels = np.ascontiguousarray(np.broadcast_to(shade[None, :, None], (height, width, 3)))
    info = MediaInfo(kind="image", width=round(width / scale), height=round(height / scale))
    return Picture(pixels, info, scale)


def face(x: float, y: float, size: float, points: int = 478) -> Face:
    """A face whose mesh points lie on a spiral: no face, but every point is somewhere else."""
    centre = (x + size / 2, y + size / 2)
    mesh = tuple(
        (centre[0] + size * i / 1000 * math.cos(i), centre[1] + size * i / 1000 * math.sin(i)) for i in range(points)
    )
    return Face(box=Box(x=x, y=y, width=size, height=size), confidence=0.9, landmarks=mesh)


def unit(track: str, code: str, value: float, **more: Any) -> Cue:
    return Cue(
        id=f"{track}.{code}",
        kind=CueKind.ACTION_UNIT,
        name=code,
        scale=Scale.INTENSITY,
        value=value,
        track=track,
        source=SOURCE,
        **more,
    )


def cues(track: str) -> list[Cue]:
    angles = {"yaw": (CueKind.HEAD_POSE, 12.0), "pitch": (CueKind.HEAD_POSE, -4.0), "roll": (CueKind.HEAD_POSE, 0.0)}
    angles |= {"gaze_yaw": (CueKind.GAZE, -9.0), "gaze_pitch": (CueKind.GAZE, 1.0)}
    return [
        unit(track, "AU12", 0.88, left=0.88, right=0.05),
        unit(track, "AU06", 0.41, left=0.41, right=0.4),
        unit(track, "AU25", 0.2),
        unit(track, "AU09", 0.04, left=0.04, right=0.02, reliable=False),
        *(
            Cue(
                id=f"{track}.{name}", kind=kind, name=name, scale=Scale.DEGREES, value=value, track=track, source=SOURCE
            )
            for name, (kind, value) in angles.items()
        ),
    ]


def observation(people: int = 1, **more: Any) -> Observation:
    ids = [f"p{i}" for i in range(1, people + 1)]
    return Observation(
        id="a.jpg",
        media=MediaInfo(kind="image", width=200, height=160),
        tracks=tuple(
            Track(id=id, faces=(face(5 + 9 * i, 10 + 5 * i, 60),), prominence=1 / people) for i, id in enumerate(ids)
        ),
        cues=tuple(cue for id in ids for cue in cues(id)),
        missing=(
            Missing(stream="AU23", reason="not measured by this backend"),
            Missing(stream="scene", reason="no model"),
        ),
        **more,
    )


def answer(track: str | None = "p1", label: str = "happiness", **more: Any) -> Answer:
    def claim(part: Part, text: str, verdict: Verdict, *units: str) -> Claim:
        return Claim(
            text=text,
            part=part,
            verdict=verdict,
            cues=tuple(f"{track}.{unit}" for unit in units),
            reason=f"because of {text[:9]}",
        )

    values: dict[str, Any] = {
        "id": "holiday/a.jpg",
        "track": track,
        "status": "answered",
        "label": label,
        "label_set": "basic8",
        "labels": (RankedLabel(label=label, score=0.8), RankedLabel(label="surprise", score=0.2)),
        "intensity": 0.7,
        "rationale": Rationale(
            observations="A broad smile (AU12 0.88) and raised cheeks. The brows are high.",
            interpretation="Both go together.",
            conclusion="So happiness. The person won a prize.",
        ),
        "claims": (
            claim(Part.OBSERVATIONS, "A broad smile (AU12 0.88)", Verdict.SUPPORTED, "AU12"),
            claim(Part.OBSERVATIONS, "raised cheeks", Verdict.SUPPORTED, "AU06"),
            claim(Part.OBSERVATIONS, "The brows are high.", Verdict.CONTRADICTED, "AU25"),
            claim(Part.CONCLUSION, "The person won a prize.", Verdict.UNVERIFIABLE),
        ),
        "provenance": AnswerProvenance(model="reasoner@1", prompt="reason/exp_cot@1"),
        **more,
    }
    return Answer(**values)


def no_face() -> tuple[Observation, Answer]:
    gap = Missing(stream="face", reason="no face found")
    seen = Observation(id="x.png", media=MediaInfo(kind="image", width=200, height=160), missing=(gap,))
    said = Answer(id="x.png", status="abstained", missing=(gap,), provenance=AnswerProvenance(model="reasoner@1"))
    return seen, said


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = Reader(render(observation(2), answer(people=(answer("p2", "anger"),)), picture()))
    for element in page.elements:
        assert element.tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
            value = element.attributes.get(name, "#")
            assert value.startswith(("#", "data:image/webp;base64,")), f"<{element.tag} {name}={value[:40]!r}>"
        assert not any(name.startswith("on") for name in element.attributes)
    styles = "".join(element.text for element in page.elements if element.tag == "style")
    assert "url(" not in styles
    assert "@import" not in styles


def test_policy_allows_only_the_script_of_the_page() -> None:
    import base64
    import hashlib

    page = Reader(render(observation(), answer(), picture()))
    (policy,) = (e.attributes["content"] for e in page.elements if e.attributes.get("http-equiv"))
    script = next(e.text for e in page.elements if e.tag == "script" and "type" not in e.attributes)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_text_from_files_and_models_is_escaped() -> None:
    words = Cue(id="w", kind=CueKind.WORDS, name=EVIL, scale=Scale.TEXT, text=f"he said {EVIL}", source=SOURCE)
    seen = observation(versions={EVIL: EVIL})
    seen = seen.model_copy(
        update={
            "cues": (*seen.cues, words),
            "missing": (Missing(stream=EVIL, reason=EVIL), Missing(stream="AU23", reason=EVIL)),
        }
    )
    claim = Claim(text=EVIL, part=Part.OBSERVATIONS, verdict=Verdict.UNVERIFIABLE, cues=(EVIL,), reason=EVIL)
    said = answer(
        id=f"{EVIL}.jpg",
        label=f'"{EVIL}',
        label_set=EVIL,
        rationale=Rationale(observations=f"One {EVIL} two", interpretation=EVIL, conclusion=EVIL),
        claims=(claim,),
        follow_ups=(FollowUp(question=f"why {EVIL}", text=f"since {EVIL}", claims=(claim,), model=EVIL, prompt=EVIL),),
        provenance=AnswerProvenance(model=EVIL, prompt=EVIL),
    )
    text = render(seen, said, picture())
    assert EVIL not in text
    assert sum(element.tag == "script" for element in Reader(text).elements) == 2


def test_raw_text_of_an_unreadable_answer_is_shown_escaped() -> None:
    said = Answer(
        id="a.jpg", track="p1", status="unparsed", text=f"hm {EVIL}", provenance=AnswerProvenance(model="some-model")
    )
    page = Reader(render(observation(), said, picture()))
    assert page.of("raw")[0].text == f"hm {EVIL}"
    assert "could not be read" in page.of("headline")[0].text


def test_the_records_can_be_read_back_from_the_page() -> None:
    seen, said = observation(2), answer(id="a </script><!-- \u2028.jpg", people=(answer("p2", "anger"),))
    data = json.loads(Reader(render(seen, said, picture())).by_id("emollm-data").text)
    assert Observation.from_json(json.dumps(data["observation"])) == seen
    assert Answer.from_json(json.dumps(data["answer"])) == said


def test_each_claim_has_its_verdict_as_symbol_and_word_and_its_reason() -> None:
    said = answer()
    page = Reader(render(observation(), said, picture()))
    symbols = {Verdict.SUPPORTED: "✓", Verdict.CONTRADICTED: "✗", Verdict.UNVERIFIABLE: "?"}
    shown = page.of("claim")
    assert [element.text.strip() for element in shown] == [claim.text + symbols[claim.verdict] for claim in said.claims]
    for element, claim in zip(shown, said.claims, strict=True):
        why = page.by_id(element.attributes["aria-describedby"])
        assert claim.verdict.value in why.text
        assert claim.reason in why.text
        assert element.attributes["tabindex"] == "0"


def test_links_of_claims_lead_to_the_bars_of_their_cues() -> None:
    page = Reader(render(observation(3), answer(people=(answer("p2"), answer("p3"))), picture()))
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    chips = [element for element in page.of("chip") if element.tag == "a"]
    assert len(chips) == 9
    for chip in chips:
        assert chip.text in page.by_id(chip.attributes["href"].removeprefix("#")).text
    for claim in page.of("claim"):
        assert set(claim.attributes["data-cues"].split()) <= set(ids)


def test_regions_of_a_bar_are_drawn_and_only_on_the_side_that_moves() -> None:
    page = Reader(render(observation(), answer(), picture()))
    drawn = {element.attributes["data-region"] for element in page.elements if "data-region" in element.attributes}
    smile = next(element for element in page.of("unit") if "AU12" in element.text)
    assert set(smile.attributes["data-regions"].split()) == {"mouth_corner-left", "nasolabial_fold-left"}
    for element in page.of("cue"):
        assert set(element.attributes.get("data-regions", "").split()) <= drawn


def test_missing_units_are_named_apart_and_have_no_bar() -> None:
    page = Reader(render(observation(), answer(), picture()))
    (unknown,) = page.of("unknown")
    assert "AU23" in unknown.text
    assert "lip tightener" in unknown.text
    assert not any("AU23" in element.text for element in (*page.of("unit"), *page.of("quiet")))
    (missing,) = page.of("missing")
    assert "Scene" in missing.text
    assert "no model" in missing.text


def test_under_reported_units_are_marked() -> None:
    page = Reader(render(observation(), answer(), picture()))
    (quiet,) = page.of("quiet")
    assert "AU09" in quiet.text
    assert "under-reported" in quiet.text
    assert not any("under-reported" in element.text for element in page.of("unit"))


def test_a_probability_gets_no_strength() -> None:
    seen = observation()
    cue = Cue(
        id="c", kind=CueKind.ACTION_UNIT, name="AU04", scale=Scale.PROBABILITY, value=0.97, track="p1", source=SOURCE
    )
    page = Reader(render(seen.model_copy(update={"cues": (*seen.cues, cue)}), answer(), picture()))
    (row,) = (element for element in page.of("unit") if "AU04" in element.text)
    assert "probability" in row.text
    assert "strong" not in row.text


def test_headline_says_label_and_strength() -> None:
    assert "Happiness, strong" in Reader(render(observation(), answer(), picture())).of("headline")[0].text
    plain = Reader(render(observation(), answer(label="neutral"), picture())).of("headline")[0].text
    assert "Neutral" in plain
    assert "strong" not in plain


def test_evidence_that_is_unclear_is_called_so() -> None:
    page = Reader(render(observation(), answer().model_copy(update={"status": "abstained", "label": None}), picture()))
    assert "Unclear" in page.of("headline")[0].text
    assert page.of("claim")


def test_no_face_is_said_in_a_friendly_way_without_bars() -> None:
    page = Reader(render(*no_face(), picture()))
    assert "No face found" in page.of("headline")[0].text
    assert not page.of("unit")
    assert not page.of("face")
    assert page.of("photo")


def test_twenty_people_have_a_tab_a_face_and_a_panel_each() -> None:
    others = tuple(answer(f"p{i}", "anger") for i in range(2, 21))
    page = Reader(render(observation(20), answer(people=others), picture()))
    tabs = [element for element in page.elements if element.attributes.get("role") == "tab"]
    panels = [element for element in page.elements if element.attributes.get("role") == "tabpanel"]
    assert len(tabs) == len(panels) == len(page.of("face")) == 20
    assert [tab.attributes["aria-controls"] for tab in tabs] == [panel.attributes["id"] for panel in panels]


def test_people_stand_in_the_order_of_their_prominence() -> None:
    others = tuple(answer(f"p{i}", "anger") for i in (2, 10, 11, 3, 4, 5, 6, 7, 8, 9))
    people = Page(observation(11), answer(people=others)).people()
    assert [person.track for person in people] == [f"p{i}" for i in range(1, 12)]


def test_a_person_without_an_answer_is_shown_too() -> None:
    page = Reader(render(observation(2), answer(), picture()))
    assert "No answer for this person" in page.of("headline")[1].text


def test_words_alone_make_a_page_without_photo() -> None:
    words = Cue(id="w1", kind=CueKind.WORDS, name="transcript", scale=Scale.TEXT, text="we won", source=SOURCE)
    seen = Observation(id="line", media=MediaInfo(kind="text"), cues=(words,))
    said = answer(
        track=None,
        claims=(
            Claim(text="raised cheeks", part=Part.OBSERVATIONS, verdict=Verdict.UNVERIFIABLE),
            Claim(text="Both go together.", part=Part.INTERPRETATION, verdict=Verdict.SUPPORTED, cues=("w1",)),
        ),
    )
    page = Reader(render(seen, said))
    assert not page.of("photo")
    assert "we won" in page.of("whole")[0].text
    (chip,) = page.of("chip")
    assert "we won" in page.by_id(chip.attributes["href"][1:]).text


def test_repeated_measurements_are_shown_at_their_peak_and_stay_linked() -> None:
    seen = observation()
    later = unit("p1", "AU25", 0.9, start=1.0, end=1.5).model_copy(update={"id": "later"})
    said = answer(
        claims=(Claim(text="Both", part=Part.INTERPRETATION, verdict=Verdict.SUPPORTED, cues=("p1.AU25", "later")),)
    )
    page = Reader(render(seen.model_copy(update={"cues": (*seen.cues, later)}), said, picture()))
    (row,) = (element for element in page.of("unit") if "AU25" in element.text)
    assert "0.90" in row.text
    assert {chip.attributes["href"] for chip in page.of("chip")} == {"#" + row.attributes["id"]}


def test_claims_that_the_text_does_not_have_are_listed_after_it() -> None:
    said = answer(claims=(Claim(text="Something else.", part=Part.CONCLUSION, verdict=Verdict.SUPPORTED),))
    (claim,) = Reader(render(observation(), said, picture())).of("claim")
    assert claim.text.strip() == "Something else.✓"


def test_references_do_not_end_a_sentence() -> None:
    said = answer(
        rationale=Rationale(observations="See Du et al. 2014. It fits (0.5). So.", interpretation="", conclusion=""),
        claims=(),
    )
    page = Reader(render(observation(), said, picture()))
    assert [element.text.strip() for element in page.of("sentence")] == ["See Du et al. 2014.", "It fits (0.5).", "So."]


def test_of_overlapping_claims_the_longest_is_marked_and_others_are_named_if_they_fare_otherwise() -> None:
    said = answer(
        claims=(
            Claim(text="broad smile", part=Part.OBSERVATIONS, verdict=Verdict.SUPPORTED, reason="same"),
            Claim(text="smile (AU12 0.88)", part=Part.OBSERVATIONS, verdict=Verdict.CONTRADICTED, reason="other"),
            Claim(
                text="A broad smile (AU12 0.88) and", part=Part.OBSERVATIONS, verdict=Verdict.SUPPORTED, reason="same"
            ),
        )
    )
    page = Reader(render(observation(), said, picture()))
    shown = [element.text.strip() for element in page.of("claim")]
    assert shown == ["A broad smile (AU12 0.88) and✓", "smile (AU12 0.88)✗"]
    assert len(page.of("why")) == 2


def test_the_same_words_in_two_sentences_are_two_claims() -> None:
    claims = tuple(
        Claim(text="a smile", part=Part.CONCLUSION, verdict=verdict)
        for verdict in (Verdict.SUPPORTED, Verdict.CONTRADICTED)
    )
    said = answer(
        claims=claims, rationale=Rationale(observations="", interpretation="", conclusion="It is a smile. Not a smile.")
    )
    page = Reader(render(observation(), said, picture()))
    assert ["✓" in e.text for e in page.of("sentence")] == [True, False]
    assert ["✗" in e.text for e in page.of("sentence")] == [False, True]


def test_follow_up_stands_with_the_verdicts_of_its_reply() -> None:
    reply = Claim(text="Yes, a smile.", part=Part.OBSERVATIONS, verdict=Verdict.SUPPORTED, cues=("p1.AU12",))
    asked = FollowUp(
        question="A smile?", text="Yes, a smile. I think.", claims=(reply,), model="small", prompt="ask/x@1"
    )
    page = Reader(render(observation(), answer(follow_ups=(asked,)), picture()))
    assert "A smile?" in page.of("question")[0].text
    assert "✓" in page.of("reply")[0].text


@pytest.mark.parametrize("box", [(-50.0, -50.0, 20.0), (190.0, 150.0, 900.0), (5000.0, 5000.0, 3.0)])
def test_faces_that_reach_beyond_the_picture_are_drawn_within_it(box: tuple[float, float, float]) -> None:
    seen = observation()
    seen = seen.model_copy(update={"tracks": (Track(id="p1", faces=(face(*box),), prominence=1.0),)})
    (drawn,) = Reader(render(seen, answer(), picture())).of("face")
    for part in drawn.attributes["style"].split(";"):
        assert 0 <= float(part.partition(":")[2].rstrip("%")) <= 100


@pytest.mark.parametrize("points", [0, 5, 68, 468])
def test_faces_with_other_landmarks_or_none_still_have_a_box(points: int) -> None:
    seen = observation()
    seen = seen.model_copy(update={"tracks": (Track(id="p1", faces=(face(10, 10, 50, points),), prominence=1.0),)})
    page = Reader(render(seen, answer(), picture()))
    assert page.of("face")
    assert bool(page.of("outline")) == (points == 468)


@pytest.mark.parametrize(("width", "height", "scale"), [(1, 1, 1.0), (3, 900, 0.1), (300, 200, 0.05)])
def test_pictures_of_any_size_are_embedded(width: int, height: int, scale: float) -> None:
    page = Reader(render(observation(), answer(), picture(width, height, scale)))
    assert page.of("frame")
    (svg,) = (e for e in page.elements if e.tag == "svg" and e.attributes.get("viewbox", "").startswith("0 0 "))
    assert svg.attributes["viewbox"] == f"0 0 {round(width / scale, 1)} {round(height / scale, 1)}"


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(EmollmError, match="cannot be written"):
        write_report(tmp_path / "file" / "report.html", observation(), answer(), picture())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_index_links_reports_relative_to_itself(tmp_path: Path) -> None:
    rows = [
        index_row(answer(id=f"x/{EVIL}.jpg"), tmp_path / "pages" / "a b#1.html", picture()),
        index_row(no_face()[1], tmp_path / "c.html"),
    ]
    write_index(tmp_path / "index.html", rows)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    page = Reader(text)
    assert EVIL not in text
    assert [e.attributes["href"] for e in page.elements if e.tag == "a"] == ["pages/a%20b%231.html", "c.html"]
    assert "Happiness, strong" in text
    assert [e.attributes["src"][:16] for e in page.elements if e.tag == "img"] == ["data:image/webp;"]


@pytest.mark.browser
def test_claims_light_up_their_bars_in_a_browser(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, observation(2), answer(people=(answer("p2", "anger"),)), picture())
    page = browser.new_page(viewport={"width": 390, "height": 800})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    claim = page.locator("#person-1 .claim").first
    bar = page.locator("#person-1 .unit", has_text="AU12")
    region = page.locator("#person-1-mesh [data-region='mouth_corner-left']")

    claim.click()
    assert "lit" in bar.get_attribute("class").split()
    assert "lit" in region.get_attribute("class").split()
    assert claim.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    page.mouse.move(0, 0)
    assert claim.get_attribute("aria-pressed") == "false"

    bar.focus()
    assert "lit" in claim.get_attribute("class").split()
    page.locator("#person-1 .claim").nth(1).focus()
    page.keyboard.press("Enter")
    assert "lit" in page.locator("#person-1 .unit", has_text="AU06").get_attribute("class").split()
    assert "lit" not in bar.get_attribute("class").split()

    page.locator("#person-1-tab").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#person-2").is_visible()
    assert not page.locator("#person-1").is_visible()
    page.locator("button.face").first.click(position={"x": 3, "y": 3})
    assert page.locator("#person-1").is_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    page.close()


@pytest.mark.browser
def test_every_control_can_be_reached_with_the_tab_key(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, observation(2), answer(people=(answer("p2", "anger"),)), picture())
    page = browser.new_page(color_scheme="dark")
    page.goto(path.as_uri())
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    ids = page.evaluate("[...document.querySelectorAll('#person-1 .claim, #person-1 .cue')].map((e) => e.id)")
    assert ids
    assert set(ids) <= reached
    assert "person-1-tab" in reached
    page.close()
