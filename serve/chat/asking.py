"""One question of a visitor, from the clip to the message: what the page shows while it is answered, step by step."""

import logging
import time
from collections.abc import Iterator
from typing import NamedTuple

from emollm.errors import EmollmError, one_line
from emollm.serve.chat import messages
from emollm.serve.chat.case import Case
from emollm.serve.chat.events import Answered, Event, Explainer, Observed, Progress, Replied, Token
from emollm.serve.chat.evidence import measured
from emollm.serve.chat.heat import heat_views
from emollm.serve.chat.sessions import Session, shown
from emollm.serve.chat.talk import Explained, Fixed, Told
from emollm.serve.chat.templates import line
from emollm.types import Clip, Observation

LONGEST_WAIT = 10.0
"""Seconds that a question waits for the one before it, which may have been stopped and be ending."""
OFTEN = 0.08
"""Seconds between two steps that only show more of a reply."""
_LOG = logging.getLogger(__name__)


class Step(NamedTuple):
    """What has changed on the page."""

    draft: str = ""
    """What is being done, below the conversation; empty when nothing is."""
    talk: bool = False
    """Whether the conversation has a new message."""
    evidence: bool = False
    """Whether there is new evidence."""


class _Work(NamedTuple):
    """What one question began with."""

    session: Session
    clip: Clip
    turn: int

    @property
    def wanted(self) -> bool:
        """Whether neither another clip nor Stop has come between."""
        return self.session.turn == self.turn


class Asking:
    """Answers the questions of all visitors.

    Args:
        explainer: Who measures and answers.
    """

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer

    def __call__(self, session: Session, question: str, labels: str) -> Iterator[Step]:
        """Explains the clip of a session if that is still to be done, then answers the question about it.

        Whatever goes wrong is said in the conversation, in one line. What is no longer wanted ends without a word.

        Args:
            session: Whose clip it is, and who is written for.
            question: Empty for the explanation alone.
            labels: Name of the label set.
        """
        question = " ".join(question.encode("utf-8", "replace").decode().split())
        with session.lock:
            clip, turn = session.clip, session.turn
        if clip is None:
            session.say(messages.notice(line("nothing"), bad=True))
        elif not session.answering.acquire(timeout=LONGEST_WAIT):
            session.say(messages.notice(line("ending"), bad=True), turn)
        else:
            try:
                yield from self._answered(_Work(session, clip, turn), question, labels)
            finally:
                session.answering.release()
        yield Step(talk=True)

    def _answered(self, work: _Work, question: str, labels: str) -> Iterator[Step]:
        session = work.session
        try:
            case = session.case
            if case is None or not case.final or case.answer.label_set not in (labels, None):
                yield from self._explain(work, question, labels)
                if not question or session.reader == "teacher":
                    return
                with session.lock:
                    case, track = session.case, session.track
                if work.wanted and case is not None:
                    yield from self._reply(work, case, track, question)
                return
            question = question or line("default_question")
            with session.lock:
                track = session.track
                if not session.say(messages.question(question), work.turn):
                    return
            yield Step(messages.draft(line("replying")), talk=True)
            if session.reader == "teacher":
                session.say(messages.notice(line("teacher")), work.turn)
            else:
                yield from self._reply(work, case, track, question)
        except EmollmError as error:
            yield self._failed(work, _of_clip(error, work))
        except Exception as error:
            if work.wanted:
                _LOG.exception("a question could not be answered")
            yield self._failed(work, line("crashed", kind=type(error).__name__))

    def _failed(self, work: _Work, message: str) -> Step:
        """Says what went wrong, if it is still the session's; measurements without an answer are not shown any longer."""
        dropped = work.wanted and work.session.case is None
        work.session.say(messages.notice(message, bad=True), work.turn)
        return Step(talk=True, evidence=dropped)

    def _explain(self, work: _Work, question: str, labels: str) -> Iterator[Step]:
        session, clip, turn = work
        first = question or line("default_question")
        with session.lock:
            if not session.say(messages.question(first, clip.id, session.thumb), turn):
                return
            session.case = session.track = None
        try:
            events = self._explainer.explain(clip, labels)  # begins while the page is told so
            yield Step(messages.draft(line("opening", name=clip.id)), talk=True)
            yield from self._explained(work, first, events)
        finally:
            session.drop_unfinished(turn)

    def _explained(self, work: _Work, first: str, events: Iterator[Event]) -> Iterator[Step]:
        session = work.session
        written = _Written(session)
        seen: Case | None = None
        measurements: Observation | None = None
        for event in events:
            if not work.wanted:
                return
            match event:
                case Progress(done, of):
                    share = min(done / of, 1.0) if of else None
                    status = line("measuring", done=f"{done:.0f}", of=f"{of:.0f}" if of else "")
                    yield from written.status(status, share)
                case Observed(observation):
                    measurements = observation
                    yield Step(messages.draft(line("reasoning")))
                case Token(text):
                    yield from written.more(text, line("reasoning"))
                    if seen is None and measurements is not None:  # the first words need not wait for pictures
                        seen = _unanswered(work, measurements)
                        if not _stored(work, seen):
                            return
                        yield Step(messages.draft(line("reasoning"), written.shown), evidence=True)
                case Answered(answer, observation):
                    yield Step(messages.draft(line("looking"), written.shown))
                    pictures = seen.pictures if seen is not None else session.decoder.pictures(work.clip, observation)
                    heat = heat_views(observation, pictures) if session.reader != "teacher" else None
                    made = Case(work.clip, observation, answer, pictures, heat)
                    if not _stored(work, made, first):
                        return
                    yield Step(talk=True, evidence=True)

    def _reply(self, work: _Work, case: Case, track: str | None, question: str) -> Iterator[Step]:
        session = work.session
        written = _Written(session)
        for event in self._explainer.ask(question, case.about(track), case.observation):
            if not work.wanted:
                return
            match event:
                case Token(text):
                    yield from written.more(text, line("replying"))
                case Replied(follow_up):
                    with session.lock:
                        if not work.wanted:
                            return
                        session.case = (session.case or case).asked(track, follow_up)
                        session.talk.append(Told(session.case.bare(), track, follow_up))
                    yield Step(talk=True)


def _unanswered(work: _Work, observation: Observation) -> Case:
    """What was measured, while the answer is still being made."""
    pictures = work.session.decoder.pictures(work.clip, observation)
    return Case(work.clip, observation, measured(observation), pictures, final=False)


def _stored(work: _Work, case: Case, question: str | None = None) -> bool:
    """Whether a case, complete as it is, became the session's: it does if the session still has that work's clip.

    Args:
        work: That made it.
        case: What was made.
        question: What it answers; None while there is no answer.
    """
    session, answer = work.session, case.answer
    with session.lock:
        if not work.wanted:
            return False
        session.case = case
        session.version += 1
        if question is not None:
            session.track = answer.track
            session.talk.append(Explained(case.bare(), answer.track, question))
            if len(case.answered) > 1:
                told = line("people", count=len(case.observation.tracks), person=answer.track)
                session.talk.append(Fixed(messages.notice(told), teachers=False))
        return True


class _Written:
    """A reply as far as it is written, shown now and then; not to teachers, who see only what is checked."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._text = ""
        self._last = 0.0

    @property
    def shown(self) -> str:
        """The text, as far as it may be seen."""
        return self._text.replace("**", "") if self._session.reader != "teacher" else ""

    def more(self, text: str, status: str) -> Iterator[Step]:
        self._text += text
        if text:
            yield from self.status(status)

    def status(self, status: str, share: float | None = None) -> Iterator[Step]:
        now = time.monotonic()
        if now - self._last >= OFTEN:
            self._last = now
            yield Step(messages.draft(status, self.shown, share))


def _of_clip(error: Exception, work: _Work) -> str:
    """An error's line, in which the clip has the name that its owner gave it and no folder is told."""
    clip = work.clip
    path = clip.image or clip.video or clip.audio
    message = shown(str(error), path, clip.id) if path is not None else str(error)
    return one_line(message.replace(f"{work.session.folder}/", ""), 400)
