from typing import Any

import pytest

from emollm.report.captions import captions, phrases
from emollm.report.lanes import MOST_SPANS, MOST_UNITS
from emollm.report.timeline import MOST_ROWS, TimelineView, markers, table, timeline
from emollm.report.views import Page
from emollm.types import Answer, Cue, CueKind, Extent, MediaInfo, Observation, Scale, Series, Source, Word

SOURCE = Source(backend="x", version="1", licence="MIT")


def view_of(record: Any, track: str | None = "p1") -> TimelineView:
    page = Page(record.observation, record.answer)
    view = timeline(record.observation, track, page.claimed, page.keys)
    assert view is not None
    return view


def unit_series(name: str, values: list[float | None], track: str | None = None) -> Series:
    return Series(
        kind=CueKind.ACTION_UNIT,
        name=name,
        scale=Scale.INTENSITY,
        track=track,
        step=1.0,
        values=tuple(values),
        source=SOURCE,
    )


def rise(id: str, name: str, start: float, value: float) -> Cue:
    return Cue(
        id=id,
        kind=CueKind.ACTION_UNIT,
        name=name,
        scale=Scale.INTENSITY,
        value=value,
        extent=Extent.EVENT,
        start=start,
        end=start + 0.5,
        peak=start + 0.2,
        source=SOURCE,
    )


def table_of(*series: Series, cues: tuple[Cue, ...] = (), duration: float | None = None) -> Observation:
    return Observation(id="t.csv", media=MediaInfo(kind="table", duration=duration), series=series, cues=cues)


def test_a_clip_has_lanes_for_face_and_voice(clip: Any) -> None:
    kinds = [lane.kind for lane in view_of(clip).lanes]
    assert kinds[:MOST_UNITS] == ["action"] * MOST_UNITS
    assert kinds[MOST_UNITS:] == ["eyes", "head", "eyeline", "speech", "pitch", "loudness", "words"]


def test_lanes_do_not_overlap_and_end_within_the_drawing(clip: Any) -> None:
    view = view_of(clip)
    for upper, lower in zip(view.lanes, view.lanes[1:], strict=False):
        assert upper.top + upper.height <= lower.top
    assert view.lanes[-1].top + view.lanes[-1].height <= view.height


def test_a_sound_has_lanes_of_the_voice_only(sound: Any) -> None:
    view = view_of(sound, None)
    assert [lane.kind for lane in view.lanes] == ["speech", "pitch", "loudness", "words"]
    assert view.gaps == ()
    assert view.markers == ()


def test_another_person_has_their_own_face_and_the_same_voice(two: Any) -> None:
    first, second = view_of(two, "p1"), view_of(two, "p2")
    assert {lane.kind for lane in first.lanes} == {lane.kind for lane in second.lanes}
    assert first.lanes[0].curves != second.lanes[0].curves
    assert first.lanes[-2].curves[0].path.count("M") == second.lanes[-2].curves[0].path.count("M")


def test_where_no_face_was_seen_is_a_gap(clip: Any) -> None:
    ((left, width),) = view_of(clip).gaps
    assert left * 19.69 / 100 == pytest.approx(6.2, abs=0.11)
    assert width * 19.69 / 100 == pytest.approx(0.9, abs=0.11)


def test_units_of_claims_come_before_stronger_ones() -> None:
    strong = [unit_series(f"AU{i:02d}", [0.9, 0.8]) for i in (1, 2, 4, 5, 6, 7, 9, 10, 12)]
    weak = unit_series("AU15", [0.2, 0.1])
    seen = table_of(*strong, weak, cues=(rise("AU15.1", "AU15", 0.0, 0.2),))
    view = timeline(seen, None, {"AU15.1"}, Page(seen, said()).keys)
    assert view is not None
    codes = [lane.code for lane in view.lanes]
    assert len(codes) == MOST_UNITS
    assert "AU15" in codes


def said() -> Answer:
    return Answer.from_json('{"id":"t","status":"abstained","provenance":{"model":"m@1"}}')


def test_weak_units_give_way_where_others_move() -> None:
    moving = [unit_series(f"AU{i:02d}", [0.1, 0.6]) for i in (1, 2, 12)]
    view = timeline(table_of(*moving, unit_series("AU26", [0.2, 0.1])), None, (), {})
    assert view is not None
    assert [lane.code for lane in view.lanes] == ["AU01", "AU02", "AU12"]


def loudness(*values: float) -> Series:
    return unit_series("energy", list(values)).model_copy(update={"kind": CueKind.PROSODY, "scale": Scale.DECIBELS})


def test_where_there_is_no_signal_at_all_there_is_no_lane_of_loudness() -> None:
    assert timeline(table_of(loudness(-120.0, -120.0)), None, (), {}).lanes == ()  # type: ignore[union-attr]
    assert timeline(table_of(loudness(-120.0, -70.0)), None, (), {}).lanes != ()  # type: ignore[union-attr]


def test_silence_is_drawn_low() -> None:
    view = timeline(table_of(loudness(-90.0, -90.0)), None, (), {})
    assert view is not None
    (lane,) = view.lanes
    floor = lane.top + lane.height
    assert lane.curves[0].path.startswith(f"M0 {floor:g}V{floor:g}L")


def test_units_that_never_show_have_no_lane() -> None:
    seen = table_of(unit_series("AU12", [0.4, 0.5]), unit_series("AU04", [0.02, None]))
    view = timeline(seen, None, (), {})
    assert view is not None
    assert [lane.code for lane in view.lanes] == ["AU12"]
    assert view.duration == 2.0


def test_what_has_no_time_has_no_timeline() -> None:
    assert timeline(Observation(id="a.jpg", media=MediaInfo(kind="image")), None, (), {}) is None
    assert timeline(table_of(duration=5.0), None, (), {}) is None


def test_a_lane_shades_the_strongest_events_and_those_of_claims() -> None:
    events = tuple(rise(f"AU12.{i}", "AU12", 2.0 * i, 0.3 + i / 1000) for i in range(MOST_SPANS + 50))
    seen = table_of(unit_series("AU12", [0.5] * 400), cues=events)
    keys = Page(seen, said()).keys
    view = timeline(seen, None, {"AU12.0"}, keys)
    assert view is not None
    spans = view.lanes[0].spans
    assert len(spans) == MOST_SPANS
    assert spans[0].key == keys["AU12.0"]
    assert spans[1].key == keys["AU12.51"]
    assert [span.left for span in spans] == sorted(span.left for span in spans)


def test_all_speech_of_a_long_clip_is_drawn_though_not_all_can_be_pointed_at() -> None:
    events = tuple(
        rise(f"s{i}", "speech", 3.0 * i, 0.5).model_copy(update={"kind": CueKind.PROSODY, "scale": Scale.SECONDS})
        for i in range(MOST_SPANS + 40)
    )
    seen = table_of(cues=events)
    view = timeline(seen, None, (), Page(seen, said()).keys)
    assert view is not None
    (lane,) = view.lanes
    assert len(lane.spans) == MOST_SPANS
    assert lane.curves[0].path.count("M") == 40


def test_the_table_is_bounded_in_time_order_and_tells_how_much_there_is() -> None:
    events = tuple(rise(f"AU12.{i}", "AU12", 2.0 * i, 0.5) for i in range(MOST_ROWS + 7))
    seen = table_of(cues=events)
    rows, total = table(seen, {f"AU12.{MOST_ROWS + 6}"}, Page(seen, said()).keys)
    assert (len(rows), total) == (MOST_ROWS, MOST_ROWS + 7)
    assert [row.start for row in rows] == sorted(row.start for row in rows)
    assert rows[-1].start == 2.0 * (MOST_ROWS + 6)


def test_blinks_are_in_the_table_only_for_a_claim(clip: Any) -> None:
    page = Page(clip.observation, clip.answer)
    names = [row.name for row in table(clip.observation, page.claimed, page.keys)[0]]
    assert sum("AU45" in name for name in names) == 1
    assert not any("words" in name for name in names)


def test_events_say_in_words_what_differs(clip: Any) -> None:
    page = Page(clip.observation, clip.answer)
    amounts = {row.name: row.amount for row in table(clip.observation, page.claimed, page.keys)[0]}
    assert amounts["voice pitch"] == "+4.1 semitones, higher than usual"
    assert amounts["loudness"] == "−3.4 dB, softer than usual"
    assert amounts["speech rate"] == "1.4 times the usual, faster"
    assert amounts["head turn"] == "+18° to the own left"
    assert amounts["AU12 lip corner puller"] == "0.84"


def test_peaks_are_numbered_in_the_order_of_time(clip: Any) -> None:
    row = markers(clip.observation.tracks[0], 19.69)
    assert [(marker.number, marker.clock, marker.main) for marker in row] == [
        (1, "4.2 s", False),
        (2, "8.4 s", False),
        (3, "12.6 s", True),
    ]


def spoken(count: int, each: float) -> list[Word]:
    return [Word(text="something", start=i * each, end=(i + 0.9) * each, confidence=0.9) for i in range(count)]


@pytest.mark.parametrize(("count", "each"), [(8, 1.0), (40, 0.3), (700, 0.4)])
def test_words_are_spelt_only_where_they_do_not_run_into_each_other(count: int, each: float) -> None:
    row = captions([], spoken(count, each), count * each)
    for left, right in zip(row.words, row.words[1:], strict=False):
        assert left.left + left.width <= right.left + 0.01
    if row.words:
        assert row.word_width * row.words[0].width / 100 >= 9 * 6.6


def test_an_hour_of_words_is_left_to_the_transcript() -> None:
    assert captions([], spoken(9000, 0.4), 3600.0).words == ()


def test_words_without_phrases_are_put_together_at_pauses() -> None:
    words = (*spoken(3, 0.4), Word(text="later", start=5.0, end=5.4, confidence=0.9))
    seen = Observation(id="a.wav", media=MediaInfo(kind="audio", duration=6.0), words=words)
    assert [(line.text, line.start) for line in phrases(seen, {})] == [
        ("something something something", 0.0),
        ("later", 5.0),
    ]
