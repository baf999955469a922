"""The parts of the chat without its page: visitors, readers, opinions, work that nobody waits for any more, another server."""

import base64
import io
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from PIL import Image, ImageFile

from emollm.cli import main
from emollm.emotions import label_set
from emollm.errors import AssetError, ConfigError, EmollmError, MediaError, ModelError
from emollm.evidence import check_text
from emollm.explain import ExplainSettings
from emollm.reasoner import reason
from emollm.serve.chat import asking, feedback, messages, readers
from emollm.serve.chat.asking import Asking
from emollm.serve.chat.case import Case
from emollm.serve.chat.events import Answered, Event, Observed, Replied, Token, Waiting, told
from emollm.serve.chat.evidence import panel
from emollm.serve.chat.live import LONGEST, Running, pixels_of
from emollm.serve.chat.local import Local
from emollm.serve.chat.remote import Remote
from emollm.serve.chat.sessions import IDLE, UNUSED, Session, Sessions
from emollm.serve.chat.settings import ChatSettings
from emollm.serve.chat.talk import Explained
from emollm.serve.decoding import Pictures
from emollm.serve.settings import MeasureLimits
from emollm.types import Answer, Clip, FollowUp, Observation, Part, Verdict

Aside = Callable[[Coroutine[Any, Any, Any]], Any]

T = TypeVar("T")


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


def test_a_file_does_not_stay_where_opening_it_is_a_fault_of_ours(
    sessions: Sessions, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions.get("one")

    def broken(_: Path) -> Any:
        raise RuntimeError("a fault")

    monkeypatch.setattr(session.decoder, "opened", broken)
    with pytest.raises(RuntimeError, match="a fault"):
        session.take(photo, "photo.png", 10**9)
    assert [*session.folder.iterdir()] == []
    assert session.clip is None


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
    making = f"""
import time
from pathlib import Path
from emollm.serve.leftovers import new_folder
print(new_folder("emollm-chat-", Path({str(tmp_path)!r})), flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", making], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        folder = Path(other.stdout.readline().strip())
        Sessions(tmp_path).close()
        assert folder.is_dir()
        other.kill()
    Sessions(tmp_path).close()
    assert not folder.exists()
    assert len([*tmp_path.glob("emollm-lock-*")]) == 1  # this process's own


def test_the_same_file_of_two_visitors_is_two_clips(sessions: Sessions, astronaut: Path) -> None:
    taken = []
    for _ in range(2):
        path = sessions.upload() / "hash" / "photo.png"
        path.parent.mkdir()
        shutil.copy(astronaut, path)
        assert sessions.holds(str(path))
        taken.append(path)
    for name, path in zip(("one", "other"), taken, strict=True):
        sessions.get(name).take(path, "photo.png", 10**9)
        sessions.clear(path)
    assert [*sessions.uploads.iterdir()] == []
    sessions.get("one").forget()
    assert sessions.get("other").clip is not None
    assert len([*sessions.folder.rglob("*.png")]) == 1


def test_a_file_that_is_gone_is_one_line_and_the_clip_stays(sessions: Sessions, photo: Path) -> None:
    session = sessions.get("one")
    clip = session.take(photo, "photo.png", 10**9)
    with pytest.raises(MediaError, match=r"^photo\.png: the file did not arrive"):
        session.take(photo, "photo.png", 10**9)
    assert session.clip is clip


def test_no_path_that_a_visitor_may_name_is_an_upload(sessions: Sessions, photo: Path) -> None:
    clip = sessions.get("one").take(photo, "photo.png", 10**9)
    copied = sessions.uploads / "hash" / "photo.png"  # where Gradio puts copies that it makes by itself
    copied.parent.mkdir()
    for path in (str(clip.image), str(copied), f"{sessions.upload()}/../../visitors/x", "/etc/hostname", "", "."):
        assert not sessions.holds(path)


def test_uploads_that_nobody_uses_are_deleted(sessions: Sessions) -> None:
    old, new = sessions.upload(), sessions.upload()
    past = time.time() - UNUSED - 1
    os.utime(old, (past, past))
    sessions.end_idle()
    assert [*sessions.uploads.iterdir()] == [new]


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


def test_a_reply_about_somebody_without_an_answer_is_shown_all_the_same(case: Case, answer: Answer) -> None:
    main, silent = answer.track, answer.people[0].track
    alone = replace(case, answer=answer.model_copy(update={"people": ()}))
    nothing = answer.model_copy(update={"people": (), "track": None, "status": "abstained", "rationale": None})
    follow_up = FollowUp(question="Why?", text="The mouth corners are pulled up.", model="m", prompt="p@1")
    for held in (alone, replace(case, answer=nothing)):
        assert "mouth corners" in messages.reply(held.asked(silent, follow_up), silent, follow_up, "everyone", "m2")
    assert alone.answered == (main,)


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


def test_half_a_character_of_an_opinion_does_not_lose_it(tmp_path: Path, answer: Answer) -> None:
    path = feedback.keep(tmp_path / "kept", True, "good \ud83d", "Why\udc00?", "Because.", answer)
    (row,) = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert row["words"] == "good ?"


def test_a_frame_that_is_too_large_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def uri(data: bytes) -> str:
        return "data:image/png;base64," + base64.b64encode(data).decode()

    small, large = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(small, "PNG")
    Image.new("1", (9_000, 9_000)).save(large, "PNG")
    assert pixels_of(uri(small.getvalue())).shape == (48, 64, 3)
    decoded: list[object] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: decoded.append(self))
    for frame in (uri(large.getvalue()), uri(b"no picture"), uri(bytes(LONGEST)), "data:image/png,x", "http://x", ""):
        with pytest.raises(MediaError, match="camera"):
            pixels_of(frame)
    assert decoded == []


# ---- questions between which something happens ----------------------------------------------------------------------


class Scripted:
    """An explainer that does something to its visitor between its events.

    Args:
        events: Of the explanation; an error is raised, a function is called.
        replies: Of each question.
    """

    place: str | None = None

    def __init__(self, events: Sequence[Any], replies: Sequence[Any] = ()) -> None:
        self.events, self.replies = [*events], [*replies]
        self.about: list[str | None] = []

    def explain(self, clip: Clip, labels: str) -> Iterator[Event]:
        return _played(self.events)

    def ask(self, question: str, answer: Answer, observation: Observation) -> Iterator[Event]:
        self.about.append(answer.track)
        return _played(self.replies)


def _played(events: Sequence[Any]) -> Iterator[Event]:
    for event in events:
        if isinstance(event, Exception):
            raise event
        if isinstance(event, tuple):
            yield event  # type: ignore[misc]
        else:
            event()


FOLLOW_UP = FollowUp(question="Why?", text="The mouth corners are pulled up.", model="m", prompt="p@1")


@pytest.fixture
def asker(sessions: Sessions, tmp_path: Path, group: Path) -> Session:
    session = sessions.get("one")
    session.take(Path(shutil.copy(group, tmp_path / "old.jpg")), "old.jpg", 10**9)
    return session


@pytest.fixture
def answered(group_observation: Observation, answer: Answer) -> Answered:
    return Answered(answer, group_observation)


@pytest.fixture(autouse=True)
def no_heat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here looks at where the face net looked."""
    monkeypatch.setattr(asking, "heat_views", lambda observation, pictures: {})


def asked(explainer: Any, session: Session, question: str = "", labels: str = "basic8") -> list[asking.Step]:
    return [*Asking(explainer)(session, question, labels)]


def test_an_explanation_that_failed_half_way_can_be_asked_again(asker: Session, answered: Answered) -> None:
    seen: list[object] = []
    explainer = Scripted(
        [Observed(answered.observation), Token("a"), lambda: seen.append(asker.case), ModelError("gone")]
    )
    steps = asked(explainer, asker)
    assert seen != [None]  # the measurements were shown meanwhile
    assert asker.case is None
    assert steps[-2].evidence
    assert "gone" in asker.conversation()[-1]
    explainer.events = [answered]
    asked(explainer, asker, "Why?")
    assert asker.case is not None
    assert asker.case.final


def test_measurements_of_an_answer_that_nobody_waited_for_are_dropped(asker: Session, answered: Answered) -> None:
    steps = Asking(Scripted([Observed(answered.observation), Token("a"), Token("b")]))(asker, "", "basic8")
    assert any(step.evidence for step in steps)
    steps.close()  # type: ignore[attr-defined]
    assert asker.case is None


@pytest.mark.parametrize("moment", ["before", "pictures", "heat"])
def test_an_answer_about_the_clip_before_is_not_given_for_the_next(
    moment: str, asker: Session, answered: Answered, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def given(*_: object) -> Any:
        asker.take(photo, "new.png", 10**9)
        return Pictures() if moment == "pictures" else {}

    events: list[Any] = [Observed(answered.observation), answered]
    if moment == "before":
        events.insert(1, given)
    else:
        where: Any = {"pictures": (asker.decoder, "pictures"), "heat": (asking, "heat_views")}[moment]
        monkeypatch.setattr(*where, given)
    asked(Scripted(events), asker, "Why?")
    assert asker.clip is not None
    assert asker.clip.id == "new.png"
    assert (asker.case, asker.track, asker.last, asker.talk) == (None, None, None, [])


def test_measurements_that_were_being_drawn_for_the_clip_before_are_not_stored(
    asker: Session, answered: Answered, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def given(*_: object) -> Pictures:
        asker.take(photo, "new.png", 10**9)
        return Pictures()

    monkeypatch.setattr(asker.decoder, "pictures", given)
    asked(Scripted([Observed(answered.observation), Token("a"), Token("b")]), asker)
    assert asker.case is None


def test_what_was_stopped_while_the_heat_map_was_drawn_stays_stopped(
    asker: Session, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "heat_views", lambda *_: asker.stop())
    asked(Scripted([answered]), asker)
    assert asker.case is None
    assert asker.last is None


def test_an_error_about_the_clip_before_is_not_told_of_the_next(asker: Session, photo: Path) -> None:
    def given() -> None:
        asker.take(photo, "new.png", 10**9)

    asked(Scripted([given, MediaError(f"{asker.folder}/x.jpg: cannot be read")]), asker)
    assert asker.talk == []
    asked(Scripted([MediaError(f"{asker.folder}/x.jpg: cannot be read")]), asker)
    assert "x.jpg: cannot be read" in asker.conversation()[-1]
    assert str(asker.folder) not in asker.conversation()[-1]


def test_a_reply_stays_with_the_person_it_was_asked_about(asker: Session, answered: Answered) -> None:
    main, other = answered.answer.track, answered.answer.people[0].track

    def chosen() -> None:
        asker.track = other

    explainer = Scripted([answered], [Token("The"), chosen, Replied(FOLLOW_UP)])
    asked(explainer, asker)
    asked(explainer, asker, "Why?")
    assert explainer.about == [main]
    assert asker.case is not None
    assert asker.case.about(main).follow_ups == (FOLLOW_UP,)
    assert asker.case.about(other).follow_ups == ()
    person = messages.answer(asker.case, main, "everyone", "m1").partition('data-person="')[2].partition('"')[0]
    assert f'data-person="{person}"' in asker.conversation()[-1]
    assert asker.last is not None
    assert asker.last.answer.track == main


def test_a_question_waits_for_the_one_before_and_says_so(asker: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LONGEST_WAIT", 0.01)
    with asker.answering:
        asked(Broken(), asker, "Why?")
    assert "still ending" in asker.conversation()[-1]
    assert len(asker.talk) == 1


def test_silent_work_lets_go_as_soon_as_it_is_stopped(asker: Session) -> None:
    ended: list[bool] = []

    class Silent(Scripted):
        def explain(self, clip: Clip, labels: str) -> Iterator[Event]:
            return told(lambda tell: time.sleep(5), "silent", lambda: ended.append(True))

    steps = Asking(Silent([]))(asker, "", "basic8")
    next(steps)
    asker.stop()
    began = time.monotonic()
    assert len([*steps]) == 1
    assert time.monotonic() - began < 2
    assert ended == [True]
    assert not asker.answering.locked()


def test_what_stands_in_the_conversation_is_shown_to_whoever_reads_it(asker: Session, answered: Answered) -> None:
    asked(Scripted([answered], [Replied(FOLLOW_UP)]), asker, "Why?")
    for reader, shows in (("everyone", True), ("teacher", False), ("researcher", True)):
        asker.reader = reader  # type: ignore[assignment]
        said = "".join(asker.conversation())
        assert ("appiness" in said) is shows
        assert ("mouth corners" in said) is shows
        assert ("people are in it" in said) is shows
        assert ("faces are in view" in said) is not shows
    assert "of the weight is on" in said


def test_a_reader_who_is_chosen_meanwhile_is_the_one_that_is_answered(asker: Session, answered: Answered) -> None:
    def taught() -> None:
        asker.reader = "teacher"

    steps = asked(Scripted([Token("happiness"), taught, Token("happiness"), answered]), asker, "Why?")
    assert "happiness" in "".join(step.draft for step in steps[:3])
    assert "happiness" not in "".join(step.draft for step in steps[3:])
    assert "appiness" not in "".join(asker.conversation())
    assert asker.case is not None
    assert asker.case.heat is None


def test_an_opinion_is_about_what_was_shown(asker: Session, answered: Answered) -> None:
    explainer = Scripted([answered], [Replied(FOLLOW_UP)])
    asked(explainer, asker, "Why?")
    assert asker.last == ("Why?", FOLLOW_UP.text, asker.case and asker.case.about(answered.answer.track))
    other = answered.answer.people[0]
    asker.talk.append(Explained(Case(asker.clip, answered.observation, answered.answer, Pictures()), other.track, ""))  # type: ignore[arg-type]
    assert asker.last == ("", other.text, other)
    asker.reader = "teacher"
    assert asker.last.answer.label is None
    assert "appiness" not in asker.last.text
    assert "5 faces are in view" in asker.last.text


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
    steps = [*Asking(Broken())(session, "Why?", "basic8")]
    assert steps[-1].talk
    assert "ZeroDivisionError" in session.conversation()[-1]
    assert str(session.folder) not in "".join(session.conversation())


def test_an_explanation_in_process_is_that_of_emollm_explain(astronaut: Path) -> None:
    from emollm.explain import explain

    clip = Clip(id="photo", image=astronaut)
    settings = ExplainSettings(by="cues")
    with closing(Local(settings)) as local:
        events = [event for event in local.explain(clip, "basic8") if not isinstance(event, Waiting)]
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


class Sent(NamedTuple):
    """What a server was sent."""

    head: str
    body: bytes


@pytest.fixture
def listening() -> Iterator[tuple[socket.socket, str]]:
    """A server that says only what its test says."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        found.settimeout(20)
        yield found, f"http://127.0.0.1:{found.getsockname()[1]}"


def received(connection: socket.socket) -> Sent:
    connection.settimeout(20)
    head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65536)
    return Sent(head.decode(), body)


def test_a_server_is_told_the_name_of_the_clip_and_nothing_of_the_environment(
    listening: tuple[socket.socket, str], astronaut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, address = listening
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("EMOLLM_API_KEY", raising=False)
    events = Remote(address).explain(Clip(id="holiday.png", image=astronaut), "basic8")
    assert isinstance(next(events), Waiting)
    with server.accept()[0] as connection:
        sent = received(connection)
    events.close()  # type: ignore[attr-defined]
    assert b'filename="holiday.png"' in sent.body
    assert astronaut.name.encode() not in sent.body
    assert "authorization" not in sent.head.lower()


def test_a_reply_that_is_no_longer_wanted_is_hung_up(listening: tuple[socket.socket, str], astronaut: Path) -> None:
    server, address = listening
    events = Remote(address).explain(Clip(id="photo", image=astronaut), "basic8")
    assert isinstance(next(events), Waiting)
    with server.accept()[0] as connection:
        received(connection)
        said = b'event: token\ndata: {"text": "a"}\n\n'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + f"{len(said):x}\r\n".encode() + said + b"\r\n")
        while isinstance(event := next(events), Waiting):
            pass
        assert event == Token("a")
        events.close()  # type: ignore[attr-defined]
        connection.settimeout(5)
        assert connection.recv(1) == b""  # and not after READ_SECONDS of silence


# ---- the page's server ----------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """The application of a chat, and whom to ask it as."""

    client: Any
    sessions: Sessions


async def built(work: Callable[[], T]) -> T:
    """What Gradio builds; without an event loop around it, it would open ones of its own and leave them open."""
    return work()


@pytest.fixture
def seen(sessions: Sessions, monkeypatch: pytest.MonkeyPatch, aside: Aside) -> Seen:
    pytest.importorskip("gradio")
    from starlette.testclient import TestClient

    from emollm.serve.chat.server import application

    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")  # put back afterwards
    app = aside(built(lambda: application(Broken(), sessions, ChatSettings(megabytes=1))))
    return Seen(TestClient(app, base_url="http://127.0.0.1:7860"), sessions)


def test_uploads_of_the_same_file_have_addresses_of_their_own(seen: Seen, astronaut: Path) -> None:
    data = astronaut.read_bytes()
    found = [seen.client.post("/gradio_api/upload", files={"files": ("photo.png", data)}).json()[0] for _ in range(2)]
    assert found[0] != found[1]
    for path in found:
        assert seen.sessions.holds(path)
        assert seen.client.get(f"/gradio_api/file={path}").content == data
        seen.sessions.get(path).take(Path(path), "photo.png", 10**9)
        assert seen.client.get(f"/gradio_api/file={path}").status_code in (403, 404)


def test_an_upload_that_is_too_large_leaves_nothing(seen: Seen) -> None:
    reply = seen.client.post("/gradio_api/upload", files={"files": ("large.png", bytes(1_000_001))})
    assert reply.status_code == 413
    assert [*seen.sessions.uploads.iterdir()] == []


def test_no_route_leads_to_the_clip_of_a_visitor(seen: Seen, photo: Path) -> None:
    clip = seen.sessions.get("one").take(photo, "photo.png", 10**9)
    up = "../" * 20
    for path in (
        str(clip.image),
        f"{seen.sessions.uploads}/{up}{clip.image}",
        f"{seen.sessions.upload()}/x/..",
        "/etc/hostname",
    ):
        assert seen.client.get(f"/gradio_api/file={path}").status_code == 404


@pytest.mark.parametrize(
    "path", ["deep_link?session_hash=x", "run/predict", "api/predict", "call/predict", "call/v2/predict", "proxy=x",
             "file=http://localhost/x", "file/x", "process_recording", "runs", "queue/status", "vibe-code"],
)  # fmt: skip
def test_routes_that_the_page_does_not_need_are_closed(seen: Seen, path: str) -> None:
    for method in ("GET", "POST"):
        assert seen.client.request(method, f"/gradio_api/{path}", json={}).status_code == 404
    assert [*seen.sessions.uploads.iterdir()] == []


def test_other_pages_may_ask_for_nothing(seen: Seen) -> None:
    form = {"files": ("photo.png", b"x")}
    for origin in ("http://evil.example", "null", "http://127.0.0.1:3000"):
        headers = {"Origin": origin}
        assert seen.client.post("/gradio_api/upload", files=form, headers=headers).status_code == 403
    headers = {"Origin": "http://127.0.0.1:7860"}
    assert seen.client.post("/gradio_api/upload", files=form, headers=headers).status_code == 200
    assert seen.client.get("/", headers=headers).status_code == 200


def test_a_request_of_any_length_is_not_read(seen: Seen) -> None:
    for content in (b" " * 16_000_001, iter([b"{}"])):
        assert seen.client.post("/gradio_api/queue/join", content=content).status_code == 413


# ---- the page's events ----------------------------------------------------------------------------------------------


class Page:
    """A page that was opened; its events are called as Gradio would."""

    def __init__(self, explainer: Any, sessions: Sessions, folder: Path, aside: Aside) -> None:
        import gradio as gr

        from emollm.serve.chat.app import Chat

        self.chat = Chat(explainer, sessions, ChatSettings(feedback=folder))
        aside(built(self.chat.build))
        self.request = gr.Request(session_hash="one")
        self.session = sessions.get("one")

    def shown(self, update: dict[Any, Any]) -> dict[str, str]:
        """What an update shows, by the ids of its elements."""
        return {part.elem_id: str(value) for part, value in update.items()}


@pytest.fixture
def page(sessions: Sessions, tmp_path: Path, aside: Aside) -> Page:
    pytest.importorskip("gradio")
    return Page(Broken(), sessions, tmp_path / "kept", aside)


def test_another_reader_is_shown_the_whole_page(
    page: Page, asker: Session, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emollm.serve.chat import app

    monkeypatch.setattr(app, "heat_views", lambda observation, pictures: {"p1": "heat"})
    asker.reader = "teacher"
    asked(Scripted([answered]), asker)
    to_all = [page.shown(update) for update in page.chat._read("everyone", page.request)]
    assert "appiness" in to_all[0]["conversation"]
    assert "download" in to_all[0]["panel"]
    assert len(to_all) == 2  # then where the face net looked
    assert asker.case is not None
    assert asker.case.heat == {"p1": "heat"}
    to_teacher = [page.shown(update) for update in page.chat._read("teacher", page.request)]
    assert len(to_teacher) == 1
    assert "appiness" not in "".join(to_teacher[0].values())
    assert "unlabelled=1" in to_teacher[0]["panel"]
    assert "download" not in to_teacher[0]["panel"]
    assert "value" not in to_teacher[0]["person"]
    assert "unlabelled=1" in page.shown(page.chat._stopped("teacher", page.request))["panel"]


def test_a_session_that_begins_anew_is_written_for_the_reader_of_its_page(page: Page, sessions: Sessions) -> None:
    sessions.end("one")
    page.chat._look(None, "teacher", page.request)
    assert sessions.get("one").reader == "teacher"


def test_an_example_that_cannot_be_had_is_told_and_the_clip_stays(
    page: Page, asker: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gradio as gr

    from emollm.serve.chat import app

    def missing(name: str) -> Path:
        raise AssetError("no <network>")

    clip = asker.clip
    monkeypatch.setattr(app.assets, "path", missing)
    with pytest.raises(gr.Error):  # or the answer would run
        page.chat._example("photo")("everyone", page.request)
    assert asker.clip is clip
    assert clip is not None
    assert clip.image is not None
    assert clip.image.exists()
    assert "no &lt;network&gt;" in page.chat._show("everyone", page.request)[page.chat._talk]


def test_an_example_clears_what_was_said_of_the_clip_before(
    page: Page, asker: Session, answered: Answered, monkeypatch: pytest.MonkeyPatch, astronaut: Path
) -> None:
    from emollm.serve.chat import app

    asked(Scripted([answered]), asker)
    monkeypatch.setattr(app.assets, "path", lambda name: astronaut)
    shown = page.shown(page.chat._example("photo")("everyone", page.request))
    assert "iframe" not in shown["panel"]
    assert {"person", "feedback", "conversation", "given", "question"} <= {*shown}


def test_opinions_are_kept_with_what_was_judged(page: Page, asker: Session, answered: Answered, tmp_path: Path) -> None:
    asked(Scripted([answered]), asker, "")
    for reader in ("everyone", "teacher"):
        [*page.chat._read(reader, page.request)]
        said, _ = page.chat._keep("yes", "", True, reader, page.request)
        assert said.startswith("<p")
    rows = [json.loads(line) for line in (tmp_path / "kept" / "feedback.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == [answered.answer.label, None]
    assert rows[0]["answer"] == answered.answer.text
    assert "appiness" not in rows[1]["answer"]


def test_only_people_with_an_answer_can_be_chosen(page: Page, asker: Session, answered: Answered) -> None:
    two = answered.answer.people[:1]
    asked(Scripted([answered._replace(answer=answered.answer.model_copy(update={"people": two}))]), asker)
    assert asker.case is not None
    assert len(asker.case.answered) == 2
    silent = answered.answer.people[1].track
    assert silent is not None
    before = len(asker.talk)
    page.chat._choose(silent, "everyone", page.request)
    assert asker.track == answered.answer.track
    assert len(asker.talk) == before
    page.chat._choose(two[0].track or "", "everyone", page.request)
    assert asker.track == two[0].track


def test_a_camera_that_cannot_be_measured_is_told_so(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    from emollm.serve.chat import app

    def broken(frame: str, running: Running) -> str:
        raise AssetError("<no net>")

    assert "camera" in page.chat._look("data:image/png;base64,AAAA", "everyone", page.request)
    monkeypatch.setattr(app.live, "look", broken)
    assert "&lt;no net&gt;" in page.chat._look("data:image/png;base64,AAAA", "everyone", page.request)


def test_a_call_of_no_page_is_refused(page: Page, sessions: Sessions) -> None:
    import gradio as gr

    for visitor in (None, ""):
        with pytest.raises(gr.Error):
            page.chat._look(None, "everyone", gr.Request(session_hash=visitor))
    assert len(sessions) == 1


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
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as left:
            main(["chat", "--port", str(port), "--reasoner", "cues"])
    assert left.value.code == 2
    assert "another --port" in capsys.readouterr().err
