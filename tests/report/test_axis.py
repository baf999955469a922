import pytest

from emollm.report.axis import ROOMS, WIDTH, Scale, clock, curve, length, runs, spoken, ticks


@pytest.mark.parametrize(
    ("seconds", "eye", "ear"),
    [
        (3.4, "3.4 s", "3.4 seconds"),
        (59.97, "1:00.0", "1 minute 0.0 seconds"),
        (123.4, "2:03.4", "2 minutes 3.4 seconds"),
        (3723.4, "1:02:03.4", "1 hour 2 minutes 3.4 seconds"),
    ],
)
def test_times_are_written_for_the_eye_and_for_the_ear(seconds: float, eye: str, ear: str) -> None:
    assert clock(seconds) == eye
    assert spoken(seconds) == ear


@pytest.mark.parametrize(("seconds", "text"), [(2.04, "2.0 s"), (19.69, "20 s"), (123.4, "2:03"), (18000.0, "5:00:00")])
def test_durations_are_short(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize("duration", [0.3, 2.0, 12.0, 59.0, 61.0, 600.0, 3600.0, 18000.0])
def test_every_width_has_a_few_ticks_and_not_too_many(duration: float) -> None:
    row = ticks(duration)
    for room in ROOMS[:4]:
        shown = [tick for tick in row if tick.room <= room]
        assert 2 <= len(shown) <= 5 * room + 1
        assert len({tick.text for tick in shown}) == len(shown)


@pytest.mark.parametrize(
    ("duration", "texts"),
    [
        (2.0, ["0 s", "0.5 s", "1 s", "1.5 s"]),
        (90.0, ["0:00", "0:30", "1:00"]),
        (18000.0, ["0:00:00", "1:00:00", "2:00:00", "3:00:00", "4:00:00"]),
    ],
)
def test_the_narrowest_plot_has_round_times(duration: float, texts: list[str]) -> None:
    assert [tick.text for tick in ticks(duration) if tick.room == 1] == texts


def test_runs_are_the_stretches_without_gaps() -> None:
    assert list(runs([None, 1, 1, None, None, 1])) == [(1, 3), (5, 6)]
    assert list(runs([])) == []


def test_a_curve_is_interrupted_where_nothing_was_measured() -> None:
    path = curve([0.0, 1.0, None, 0.5], 0.0, 1.0, 4.0, Scale(0, 100, 0, 1), filled=False)
    assert path.count("M") == 2
    assert path == f"M0 100L{WIDTH / 8:g} 100L{3 * WIDTH / 8:g} 0H1200M1800 50L2100 50H2400"


def test_a_single_value_is_as_wide_as_its_step_and_reaches_the_floor_if_filled() -> None:
    assert curve([None, 1.0], 0.0, 1.0, 2.0, Scale(10, 20, 0, 1), filled=True) == "M1200 30V10L1800 10H2400V30Z"


def test_values_beyond_the_scale_stay_in_their_lane() -> None:
    scale = Scale(0, 50, 100, 400, logarithmic=True)
    assert scale.y(1000) == 0
    assert scale.y(0) == 50
    assert scale.y(200) == pytest.approx(25)
