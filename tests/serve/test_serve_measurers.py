"""The measuring processes: several at work on one clip, one that fell while nobody used it, a request that is gone."""

import asyncio
import gc
import shutil
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from threading import enumerate as enumerate_threads
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from emollm import assets
from emollm.answering import shown
from emollm.errors import MediaError
from emollm.perception import observe
from emollm.perception.settings import PerceptionSettings
from emollm.report.media import Player
from emollm.serve.chat.case import Case
from emollm.serve.chat.evidence import measured, panel
from emollm.serve.chat.sessions import Sessions
from emollm.serve.decoding import Here, Pictures
from emollm.serve.measurers import Measurers
from emollm.serve.measurers_apart import Apart
from emollm.serve.refusals import Refused, told_by
from emollm.serve.settings import MeasureLimits
from emollm.types import Box, Clip, Face, MediaInfo, Observation, Peak, Track

Aside = Callable[[Coroutine[Any, Any, Any]], Any]


def opened(processes: int) -> Measurers:
    return Measurers(PerceptionSettings(), MeasureLimits(), processes)


def test_people_of_one_clip_that_are_shown_at_the_same_time_get_their_own_pictures(
    group: Path, tmp_path: Path, aside: Aside
) -> None:
    clip = Clip(id="group", image=group)
    observation = observe(clip)
    asked = [shown(clip, observation, one.id, "Why?").media for one in observation.people]
    assert len(asked) > 2

    async def work() -> tuple[list[object], list[object]]:
        measurers = opened(2)
        try:
            alone = [await measurers.show(list(media), tmp_path, False) for media in asked]
            together = await asyncio.gather(*(measurers.show(list(media), tmp_path, False) for media in asked * 4))
        finally:
            await measurers.end()
        return alone * 4, list(together)

    alone, together = aside(work())
    assert together == alone
    assert len({one[0].mark for one in alone}) == len(asked)  # type: ignore[index]
    assert [*tmp_path.iterdir()] == []


def test_a_process_that_fell_while_it_was_idle_is_not_the_next_files_fault(astronaut: Path, aside: Aside) -> None:
    async def work() -> int:
        measurers = opened(1)
        try:
            await measurers.begin()
            (idle,) = measurers._idle
            idle._process.send_signal(signal.SIGKILL)
            while idle.lives:
                await asyncio.sleep(0.01)
            observation = await measurers.observe(astronaut, "photo")
        finally:
            await measurers.end()
        return len(observation.people)

    assert aside(work()) == 1


def test_a_folder_that_is_gone_ends_the_request_and_not_the_process(group: Path, tmp_path: Path, aside: Aside) -> None:
    clip = Clip(id="group", image=group)
    observation = observe(clip)
    media = list(shown(clip, observation, observation.people[0].id, "Why?").media)

    async def work() -> tuple[int, int]:
        measurers = opened(1)
        try:
            await measurers.begin()
            before = measurers._idle[0]._process.pid
            with pytest.raises(Refused):
                await measurers.show(media, tmp_path / "gone", False)
            missing = media[0].model_copy(update={"path": tmp_path / "gone.png"})
            with pytest.raises(Exception, match=r"^(?!.*gone\.png)"):
                await measurers.show([missing], tmp_path, False)
            await measurers.show(media, tmp_path, False)
            return before, measurers._idle[0]._process.pid
        finally:
            await measurers.end()

    before, after = aside(work())
    assert before == after


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    import subprocess
    import sys

    making = """
import asyncio, time
from emollm.perception.settings import PerceptionSettings
from emollm.serve.measurers import Measurers
from emollm.serve.settings import MeasureLimits
async def work():
    measurers = Measurers(PerceptionSettings(), MeasureLimits(), 1)
    await measurers.begin()
    print(measurers._idle[0]._process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(work())
"""
    with subprocess.Popen([sys.executable, "-c", making], stdout=subprocess.PIPE, text=True) as front:
        assert front.stdout
        measuring = int(front.stdout.readline())
        front.kill()
    end = time.monotonic() + 30
    while Path(f"/proc/{measuring}").exists() and _state(measuring) != "Z":
        assert time.monotonic() < end, "the measuring process goes on"
        time.sleep(0.05)


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_fault_of_the_engine_is_told_with_the_time_after_which_to_ask_again(status: int) -> None:
    refused = told_by(status, {"error": {"message": "EngineCore encountered an issue"}})
    assert refused.status == 503
    assert refused.code == "engine_away"
    assert "Retry-After" in refused.headers


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.05, 1.0])
def test_a_chat_that_ends_while_its_measuring_process_starts_leaves_nothing_behind(seconds: float) -> None:
    apart = Apart(PerceptionSettings(), MeasureLimits())
    raised: list[BaseException] = []

    def start() -> None:
        try:
            apart.begin()
        except BaseException as error:
            raised.append(error)

    before = set(children())
    starting = Thread(target=start)
    starting.start()
    time.sleep(seconds)
    apart.close()
    starting.join(10)
    assert not starting.is_alive()
    (error,) = raised
    assert isinstance(error, Refused)
    assert "being ended" in str(error)
    assert set(children()) <= before
    assert not [thread for thread in enumerate_threads() if thread.name == "measuring"]
    with pytest.raises(Refused, match="being ended"):
        apart.begin()
    gc.collect()  # a transport that is still connecting complains when it is collected


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def filmed() -> Observation:
    """Two peaks of one face."""
    face = Face(box=Box(x=10, y=10, width=50, height=50), confidence=0.9)
    peaks = tuple(Peak(time=time, start=time, end=time, score=1.0) for time in (0.4, 1.2))
    track = Track(id="p1", faces=(face,), prominence=1.0, peaks=peaks)
    return Observation(id="x", media=MediaInfo(kind="video", width=640, height=360), tracks=(track,))


@pytest.fixture(scope="module")
def decoder() -> Iterator[Apart]:
    """Opens files and measures nothing."""
    with closing(Apart(None, MeasureLimits())) as found:
        yield found


@pytest.mark.parametrize("asset", ["photo-astronaut", "clip-pexels", "speech-jfk"])
def test_what_is_shown_of_a_clip_is_the_same_in_a_process_of_its_own(
    asset: str, tmp_path: Path, decoder: Apart, filmed: Observation
) -> None:
    source = assets.path(asset)
    path = Path(shutil.copy(source, tmp_path / f"mine{source.suffix}"))
    here, there = Here(), decoder
    assert there.opened(path) == here.opened(path)
    assert (here.opened(path).thumb is None) == (asset == "speech-jfk")
    clip = here.opened(path).clip
    one, other = (each.pictures(clip, filmed) for each in (here, there))
    assert (one.photo is None) == (other.photo is None) == (asset != "photo-astronaut")
    assert list(one.frames) == list(other.frames)
    assert bool(one.frames) == (asset == "clip-pexels")
    for mine, theirs in zip([one.photo, *one.frames.values()], [other.photo, *other.frames.values()], strict=True):
        if mine is not None and theirs is not None:
            assert (mine.info, mine.scale) == (theirs.info, theirs.scale)
            assert np.array_equal(mine.pixels, theirs.pixels)
    assert there.player(clip) == here.player(clip)
    assert [*tmp_path.iterdir()] == [path], "nothing is left beside the file"


def test_files_that_are_gone_damaged_or_none_are_refused_in_one_line(tmp_path: Path, decoder: Apart) -> None:
    gone = Clip(id="gone.png", image=tmp_path / "nowhere" / "gone.png")
    for work in (
        decoder.player,
        lambda clip: decoder.pictures(clip, Observation(id="x", media=MediaInfo(kind="image"))),
    ):
        with pytest.raises(MediaError, match="no longer there"):
            work(gone)
    for name, data in (("text.txt", b"no picture"), ("half.png", b"\x89PNG\r\n\x1a\n" + bytes(40)), ("empty.mp4", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError) as told:
            decoder.opened(tmp_path / name)
        assert len(str(told.value).splitlines()) == 1


def test_a_visitors_file_that_takes_too_much_is_refused_before_the_chat_takes_it(tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.new("RGB", (8000, 8000)).save(large)
    with (
        closing(Apart(None, MeasureLimits(memory_mb=32))) as decoder,
        closing(Sessions(tmp_path, decoder=decoder)) as sessions,
    ):
        session = sessions.get("one")
        with pytest.raises(MediaError, match=r"^large\.png: .*memory"):
            session.take(Path(shutil.copy(large, tmp_path / "upload.png")), "large.png", 10**9)
        assert session.clip is None
        assert [*session.folder.iterdir()] == []


def test_a_copy_of_a_clip_for_its_page_is_made_once(tmp_path: Path, filmed: Observation) -> None:
    asked: list[str] = []

    class Counted(Here):
        def player(self, clip: Clip) -> Player | None:
            asked.append(clip.id)
            return super().player(clip)

    with closing(Sessions(tmp_path, decoder=Counted())) as sessions:
        session = sessions.get("one")
        for name in ("first.mp4", "second.mp4"):
            session.take(Path(shutil.copy(assets.path("clip-pexels"), tmp_path / name)), name, 10**9)
            assert session.clip is not None
            case = Case(session.clip, filmed, measured(filmed), Pictures())
            pages = [panel(case, player=session.player(case)) for _ in range(3)]
            assert len({*pages}) == 1
            assert "data:video/mp4;base64," in pages[0]
    assert asked == ["first.mp4", "second.mp4"]
