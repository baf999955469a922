"""The parts of the chat without its page: visitors, readers, opinions, work that nobody waits for any more, another server."""

import json
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from emollm.cli import main
from emollm.emotions import label_set
from emollm.errors import ConfigError, EmollmError, MediaError, ModelError
from emollm.evidence import check_text
from emollm.explain import ExplainSettings
from emollm.reasoner import reason
from emollm.serve.chat import feedback, messages, readers
from emollm.serve.chat.asking import Asking
from emollm.serve.chat.events import Answered, Event, Observed, Replied, Token, told
from emollm.serve.chat.evidence import panel
from emollm.serve.chat.live import Running
from emollm.serve.chat.local import Local
from emollm.serve.chat.pictures import Pictures
from emollm.serve.chat.remote import Remote
from emollm.serve.chat.sessions import IDLE, Case, Sessions
from emollm.serve.settings import MeasureLimits
from emollm.types import Answer, Clip, FollowUp, Observation, Part, Verdict


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    found = Sessions(tmp_path)
    yield found
    found.close()
    assert [*tmp_path.glob("emollm-chat-*")] == []


@pytest.fixture
def photo(tmp_path: Path, astronaut: Path) -> Path:
    """A copy that may be taken away."""
    return Path(shutil.copy(astronaut, tmp_path / "photo.png"))


@pytest.fixture(scope="module")
def answer(group_observation: Observation) -> Answer:
    """Of the five people of the photo."""
    return reason(group_observation, label_set("basic8"))


@pytest.fixture(scope="module")
def case(group: Path, group_observation: Observation, answer: Answer) -> Case:
    return Case(Clip(id="group.jpg", image=group), group_observation, answer, Pictures())


# ---- visitors -------------------------------------------------------------------------------------------------------


def test_a_file_is_taken_over_under_another_name_and_deleted_with_the_next(sessions: Sessions, photo: Path) -> None:
    session = sessions.get("one")
    again = Path(shutil.copy(photo, photo.with_name("again.png")))
    clip = session.take(photo, "../../etc/holiday ☀.png", 10**9)
    assert clip.id == "../../etc/holiday ☀.png"  # shown, and nothing else
    assert clip.image is not None
    assert clip.image.parent == session.folder
    assert not photo.exists()
    session.take(again, "again.png", 10**9)
    assert len([*session.folder.iterdir()]) == 1


def test_only_the_owner_of_the_server_can_look_into_its_folder(sessions: Sessions) -> None:
    for folder in (sessions.folder, sessions.get("one").folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_that_is_refused_does_not_stay(sessions: Sessions, photo: Path, tmp_path: Path) -> None:
    session = sessions.get("one")
    session.take(photo, "photo.png", 10**9)
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match=r"^clip\.mp4: "):
        session.take(tmp_path / "clip.mp4", "clip.mp4", 10**9)
    assert session.clip is not None  # the clip before is still there
    assert len([*session.folder.iterdir()]) == 1


def test_sessions_end_when_they_are_idle(tmp_path: Path, photo: Path) -> None:
    now = [0.0]
    sessions = Sessions(tmp_path, clock=lambda: now[0])
    first = sessions.get("one")
    first.take(photo, "photo.png", 10**9)
    now[0] = IDLE + 1
    sessions.get("other")
    sessions.end_idle()
    assert not first.folder.exists()
    assert len(sessions) == 1
    sessions.close()


def test_the_folder_of_a_server_that_was_killed_is_swept_by_the_next(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, living = tmp_path / f"emollm-chat-{gone.pid}-x", tmp_path / "emollm-chat-1-x"
    left.mkdir()
    living.mkdir()
    Sessions(tmp_path).close()
    assert not left.exists()
    assert living.exists()


# ---- what is said to whom -------------------------------------------------------------------------------------------


def test_plain_words_have_no_codes_and_no_numbers_and_are_true(group_observation: Observation, answer: Answer) -> None:
    for one in (answer, *answer.people):
        said = readers.plain(one, group_observation)
        assert said
        for sentence in said:
            assert not any(sign.isdigit() for sign in sentence.text)
            claims = check_text(sentence.text, Part.OBSERVATIONS, group_observation, one.track)
            assert claims
            assert {claim.verdict for claim in claims} == {Verdict.SUPPORTED}
            assert {cue.track for cue in group_observation.cues if cue.id in sentence.cues} == {one.track}


def test_a_sentence_carries_the_elements_of_the_evidence_it_rests_on(case: Case) -> None:
    page = panel(case)
    for track in (one.id for one in case.observation.people):
        html = messages.answer(case, track, "everyone", "m1")
        cues = {id for part in html.split('data-cues="')[1:] for id in part.partition('"')[0].split()}
        assert cues
        assert all(f'id="{id}"' in page for id in cues)


def test_what_comes_from_files_and_models_is_escaped(case: Case) -> None:
    bad = "<img src=x onerror=alert(1)>"
    assert bad not in messages.question(bad, bad)
    assert bad not in messages.draft("…", bad)
    unread = case.answer.model_copy(
        update={"status": "unparsed", "label": None, "rationale": None, "claims": (), "text": bad, "people": ()}
    )
    hostile = Case(case.clip, case.observation, unread, Pictures())
    assert bad not in messages.answer(hostile, unread.track, "everyone", "m1")
    assert bad not in panel(hostile)


def test_no_emotion_is_named_to_teachers(case: Case) -> None:
    said = messages.answer(case, case.answer.track, "teacher", "m1") + panel(case, labels=False)
    assert case.answer.label == "happiness"
    assert "appiness" not in said


def test_a_reply_stands_with_the_person_it_was_about(case: Case) -> None:
    other = case.answer.people[0].track
    follow_up = FollowUp(question="Why?", text="The mouth corners are pulled up.", model="m", prompt="p@1")
    asked = case.asked(other, follow_up)
    assert asked.about(other).follow_ups == (follow_up,)
    assert asked.answer.follow_ups == ()
    assert "mouth corners" in messages.reply(asked, other, follow_up, "everyone", "m2")


def test_running_bars_keep_their_places_and_forget(astronaut_observation: Observation) -> None:
    running = Running()
    still = astronaut_observation.model_copy(update={"cues": ()})
    running.add(astronaut_observation, 0.0)
    first = [bar.code for bar in running.bars()]
    assert first[0] == "AU12"
    running.add(still, 1.0)
    assert [bar.code for bar in running.bars()] == first
    running.add(still, 30.0)
    assert running.bars() == ()


# ---- opinions -------------------------------------------------------------------------------------------------------


def test_opinions_are_lines_that_only_their_owner_reads(tmp_path: Path, answer: Answer) -> None:
    for words in ("good", "line\nbreak"):
        path = feedback.keep(tmp_path / "kept", None, words, "Why?", "Because.", answer)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row["words"] for row in rows] == ["good", "line\nbreak"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not {"id", "file", "track"} & {*rows[0]}


# ---- work -----------------------------------------------------------------------------------------------------------


def test_work_ends_when_nobody_waits_for_it() -> None:
    reached: list[int] = []

    def work(tell: Callable[[int], None]) -> None:
        for number in range(1000):
            reached.append(number)
            tell(number)
            time.sleep(0.01)

    heard = told(work, "test")
    assert next(heard) == 0
    heard.close()
    time.sleep(0.2)
    assert len(reached) < 50


def test_what_goes_wrong_in_the_work_is_raised_where_it_is_waited_for() -> None:
    def work(tell: Callable[[int], None]) -> None:
        tell(1)
        raise ModelError("no such model")

    heard = told(work, "test")
    assert next(heard) == 1
    with pytest.raises(ModelError, match="no such model"):
        next(heard)


class Broken:
    """An explainer with a fault of its own."""

    place: str | None = None

    def explain(self, clip: Clip, labels: str) -> Iterator[Event]:
        raise ZeroDivisionError(str(clip.image))

    def ask(self, question: str, answer: Answer, observation: Observation) -> Iterator[Event]:
        raise ZeroDivisionError


def test_a_fault_of_the_server_is_one_line_that_shows_no_path(sessions: Sessions, photo: Path) -> None:
    session = sessions.get("one")
    session.take(photo, "photo.png", 10**9)
    steps = [*Asking(Broken())(session, "Why?", "basic8", "everyone")]
    assert steps[-1].talk
    assert "ZeroDivisionError" in session.talk[-1]
    assert str(session.folder) not in "".join(session.talk)


def test_an_explanation_in_process_is_that_of_emollm_explain(astronaut: Path) -> None:
    from emollm.explain import explain

    clip = Clip(id="photo", image=astronaut)
    settings = ExplainSettings(by="cues")
    with closing(Local(settings)) as local:
        events = [*local.explain(clip, "basic8")]
    assert isinstance(events[0], Observed)
    assert isinstance(events[-1], Answered)
    assert events[-1].answer == explain(clip, settings).answer


@pytest.mark.parametrize(
    ("limits", "told"),
    [(MeasureLimits(measure_seconds=1e-3), "not measured within"), (MeasureLimits(memory_mb=32), "memory")],
)
def test_a_file_that_takes_too_much_is_refused_and_the_chat_goes_on(
    limits: MeasureLimits, told: str, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    Image.new("RGB", (6000, 6000)).save(large)
    with closing(Local(ExplainSettings(by="cues"), limits=limits)) as local:
        for _ in range(2):
            with pytest.raises(EmollmError, match=told):
                [*local.explain(Clip(id="large", image=large), "basic8")]


# ---- another server -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["localhost:8000", "ftp://host", "http://", "http://user:word@host", "http://host?key=1"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        Remote(address)


def test_a_server_that_is_not_there_is_one_line(astronaut: Path) -> None:
    remote = Remote("http://127.0.0.1:9/v1/")
    assert remote.place == "http://127.0.0.1:9"
    with pytest.raises(ModelError, match="no server can be reached there"):
        [*remote.explain(Clip(id="photo", image=astronaut), "basic8")]


def test_the_front_measures_and_answers_for_the_chat(fronted: Any, astronaut: Path) -> None:
    remote = Remote(fronted.url)
    events = [*remote.explain(Clip(id="photo", image=astronaut), "basic8")]
    kinds = [type(event) for event in events]
    assert kinds[-1] is Answered
    assert {Observed, Token} <= {*kinds}
    answered = events[-1]
    assert isinstance(answered, Answered)
    assert answered.observation.tracks
    replies = [*remote.ask("Why does the person look happy?", answered.answer, answered.observation)]
    assert isinstance(replies[-1], Replied)
    assert replies[-1].follow_up.question == "Why does the person look happy?"


def test_what_the_front_refuses_is_one_line(fronted: Any, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"no photo")
    with pytest.raises(MediaError) as refused:
        [*Remote(fronted.url).explain(Clip(id="photo", image=path), "basic8")]
    assert len(str(refused.value).splitlines()) == 1


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--endpoint", "nowhere"], "expected the address of a server"),
        (["--endpoint", "http://127.0.0.1:1", "--model", "x"], "leave it out"),
        (["--labels", "basic9"], "basic8"),
        (["--reasoner", "nobody"], "unknown reasoner"),
        (["--set", "megabytes=0"], "megabytes"),
    ],
)
def test_what_cannot_be_started_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["chat", *arguments])
    assert left.value.code == 2
    message = capsys.readouterr().err
    assert said in message
    assert len(message.splitlines()) == 1


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as left:
            main(["chat", "--port", str(port), "--reasoner", "cues"])
    assert left.value.code == 2
    assert "another --port" in capsys.readouterr().err
