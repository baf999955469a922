"""What is told about a long recording, and how the work on it ends."""

import io
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emollm.cli import Stopped
from emollm.cli.meter import Meter, Watch, people_text, progress_text


class Clock:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines_of(pace: Callable[[float], float], seconds: int, total: float = 3600.0, every: float = 10.0) -> list[str]:
    """What is told in so many seconds of work, when ``pace`` says how much is done after how long."""
    clock, lines = Clock(), list[str]()
    watch = Watch("talk.mp4", lines.append, lambda: False, clock, every)
    for tick in range(seconds * 4 + 1):
        clock.now = 100 + tick / 4
        watch(pace(tick / 4), total)
    return lines


def test_a_crowd_is_told_of_by_its_people() -> None:
    clock, lines = Clock(), list[str]()
    watch = Watch("crowd.jpg", lines.append, lambda: False, clock, 10.0, people_text)
    for seconds, done in enumerate([0] * 12 + [8] * 12 + [16] * 12):
        clock.now = 100 + seconds
        watch(done, 20)
    assert lines == [
        "crowd.jpg: 8 of 20 people answered, 20 s to go",
        "crowd.jpg: 8 of 20 people answered, 35 s to go",
        "crowd.jpg: 16 of 20 people answered, 10 s to go",
    ]


def test_a_short_recording_is_not_told_of() -> None:
    assert lines_of(lambda seconds: 8 * seconds, 9) == []


def test_a_long_one_is_told_of_every_ten_seconds() -> None:
    lines = lines_of(lambda seconds: 8.1 * seconds, 35)
    assert lines[0] == "talk.mp4: 1:21 of 1:00:00, 8.1 times as fast as it plays, 7 min to go"
    assert [line.split()[1] for line in lines] == ["1:21", "2:42", "4:03"]


def test_where_nobody_looks_on_a_line_a_minute_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def watched(terminal: bool) -> Watch:
        monkeypatch.setattr(sys, "stderr", Stream(terminal))
        return Meter(1, bar=False).watch(Path("talk.mp4"))

    assert (watched(True).every, watched(False).every) == (10.0, 60.0)
    assert lines_of(lambda seconds: 8 * seconds, 59, every=60.0) == []
    assert len(lines_of(lambda seconds: 8 * seconds, 125, every=60.0)) == 2


class Stream(io.StringIO):
    """A standard error that is a terminal or is none."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.isatty = lambda: terminal  # type: ignore[method-assign]


def test_nothing_is_told_while_nothing_is_done() -> None:
    assert lines_of(lambda seconds: 0.0, 60) == []


@pytest.mark.parametrize(
    ("done", "total", "speed", "text"),
    [
        (750, 3600, 8.14, "12:30 of 1:00:00, 8.1 times as fast as it plays, 6 min to go"),
        (30, 7200, 0.5, "0:30 of 2:00:00, 0.5 times as fast as it plays, 3 h 59 min to go"),
        (90, 100, 0.25, "1:30 of 1:40, 0.25 times as fast as it plays, 40 s to go"),
        (59.9, 60, 3, "0:59 of 1:00, 3 times as fast as it plays, almost done"),
        (61, 60, 3, "1:00 of 1:00, 3 times as fast as it plays, almost done"),
        (75, None, 21.7, "1:15 done, 22 times as fast as it plays"),
    ],
)
def test_how_far_how_fast_and_how_long_still(done: float, total: float | None, speed: float, text: str) -> None:
    assert progress_text(done, total, speed) == text


def test_a_stopped_run_ends_the_work_at_its_next_word() -> None:
    meter = Meter(2, bar=False)
    watch = meter.watch(Path("talk.mp4"))
    watch(1.0, 10.0)
    meter.stop()
    with pytest.raises(Stopped):
        watch(2.0, 10.0)
    with pytest.raises(Stopped):
        meter.watch(Path("next.mp4")).check()


@pytest.mark.parametrize("bar", [False, True])
def test_lines_of_several_threads_stay_whole(bar: bool, capfd: pytest.CaptureFixture[str]) -> None:
    meter = Meter(8, bar)

    def tell(name: str) -> None:
        clock = Clock()
        watch = Watch(name, lambda line: meter.write(line, sys.stderr), lambda: False, clock)
        for second in ticks():
            clock.now = 100 + second
            watch(second, 1000.0)

    def ticks() -> Iterator[float]:
        yield from (0.0, 10.0, 20.0, 30.0)

    threads = [threading.Thread(target=tell, args=(f"{k}.mp4",)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    meter.close()
    told = [line for line in capfd.readouterr().err.replace("\r", "\n").splitlines() if ".mp4" in line]
    assert len(told) == 24
    assert all(line.endswith("min to go") and line.count(".mp4: ") == 1 for line in told)


def test_a_name_cannot_steer_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    meter = Meter(1, bar=False)
    meter.watch(Path("a\x1b[2J.mp4"))._write("a\x1b[2J.mp4: 0:10 done")
    assert capfd.readouterr().err == "emollm: a\\x1b[2J.mp4: 0:10 done\n"
