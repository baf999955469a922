"""The page of the chat: its parts, and what each of them does."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from emollm import assets
from emollm.emotions import DEFAULT, label_sets
from emollm.errors import EmollmError, one_line
from emollm.prompts import prompt
from emollm.serve.chat import feedback, live, messages
from emollm.serve.chat.asking import Asking, Step
from emollm.serve.chat.components import Given, as_given, as_sent
from emollm.serve.chat.events import Explainer
from emollm.serve.chat.heat import heat_views
from emollm.serve.chat.readers import READERS, Reader
from emollm.serve.chat.sessions import Session, Sessions
from emollm.serve.chat.settings import ChatSettings
from emollm.serve.chat.talk import Explained
from emollm.serve.chat.templates import line, render, say
from emollm.serve.decoding import thumbnail
from emollm.types import Clip

EXAMPLES = {"photo": "photo-astronaut", "group": "photo-multi-face", "clip": "clip-pexels", "speech": "speech-jfk"}
"""Asset of each example."""
_LIVE_SECONDS = 0.35
"""Between two frames of the camera that are measured."""

Update = dict[Any, Any]
_PLAIN: dict[str, Any] = {"apply_default_css": False}


class Chat:
    """The page and what happens on it.

    Args:
        explainer: Who measures and answers.
        sessions: Of its visitors.
        settings: Limits, and where opinions are kept.
    """

    def __init__(self, explainer: Explainer, sessions: Sessions, settings: ChatSettings) -> None:
        self._explainer = explainer
        self._sessions = sessions
        self._settings = settings
        self._asking = Asking(explainer)
        self._folder = settings.feedback or feedback.default_folder()

    def build(self) -> gr.Blocks:
        """The page."""
        with gr.Blocks(title=say("title"), analytics_enabled=False, fill_width=True) as page:
            gr.HTML(self._head(), elem_id="head", **_PLAIN)
            with gr.Row(elem_id="room", equal_height=False):
                with gr.Column(elem_id="talk", min_width=300):
                    self._chooser()
                    self._conversation()
                    self._composer()
                    self._opinion()
                with gr.Column(elem_id="evidence", min_width=300):
                    self._panel = gr.HTML(
                        render("evidence.html", key="", version=0, named=True, final=False),
                        elem_id="panel",
                        apply_default_css=False,
                    )
            self._wire(page)
        page.queue(default_concurrency_limit=self._settings.at_once, max_size=64)
        return page

    # ---- parts ------------------------------------------------------------------------------------------------------

    def _head(self) -> str:
        place = self._explainer.place
        privacy = say("remote", place=place) if place else say("local")
        notice = prompt("chat/notice")
        most = int(self._settings.megabytes * 1e6)
        return render("head.html", privacy=privacy, notice=notice.render, most=most)

    def _chooser(self) -> None:
        most = f"{self._settings.megabytes:.0f}"
        camera: dict[str, Any] = {
            "sources": ["webcam"],
            "webcam_options": gr.WebcamOptions(mirror=False),
            "height": 300,
        }
        with gr.Accordion(say("clip"), open=True, elem_id="chooser") as self._box:
            with gr.Tabs(elem_id="sources"):
                with gr.Tab(say("tab_file"), id="file"):
                    kinds = ["image", "video", "audio"]
                    file = gr.File(label=say("file", megabytes=most), file_types=kinds, height=150, elem_id="file")
                    self._file = as_given(file, self._sessions)
                with gr.Tab(say("tab_photo"), id="photo"):
                    still = gr.Image(label=say("photo"), type="filepath", elem_id="still", **camera)
                    self._still = as_given(still, self._sessions, say("taken_photo"))
                with gr.Tab(say("tab_video"), id="video"):
                    film = gr.Video(label=say("video"), include_audio=True, elem_id="film", **camera)
                    self._film = as_given(film, self._sessions, say("taken_video"))
                with gr.Tab(say("tab_voice"), id="voice"):
                    voice = gr.Audio(label=say("voice"), sources=["microphone"], type="filepath", elem_id="voice")
                    self._voice = as_given(voice, self._sessions, say("taken_voice"))
                with gr.Tab(say("tab_live"), id="live"):
                    seen = gr.Image(label=say("live"), sources=["webcam"], streaming=True, height=260, elem_id="camera")
                    self._camera = as_sent(seen)
                    self._bars = gr.HTML(render("hint.html", text=say("live_help")), elem_id="bars", **_PLAIN)
            gr.HTML(self._example_style(), elem_id="examples-title", **_PLAIN)
            with gr.Row(elem_id="examples"):
                self._examples = {
                    name: gr.Button(say(f"example_{name}"), elem_id=f"example-{name}", min_width=90)
                    for name in EXAMPLES
                }

    def _conversation(self) -> None:
        self._talk = gr.HTML(render("talk.html", talk=()), elem_id="conversation", **_PLAIN)
        self._draft = gr.HTML("", elem_id="draft", **_PLAIN)
        gr.HTML(messages.draft(line("waiting")), elem_id="waiting", **_PLAIN)

    def _composer(self) -> None:
        with gr.Column(elem_id="composer"):
            self._person = gr.Radio([], label=say("person"), visible=False, elem_id="person")
            self._given = gr.HTML("", elem_id="given", **_PLAIN)
            with gr.Row(elem_id="ask-row"):
                self._question = gr.Textbox(
                    label=say("question"), show_label=False, placeholder=say("question_hint"), lines=1, max_lines=4, max_length=1000,
                    elem_id="question", scale=5, min_width=140,
                )  # fmt: skip
                self._ask = gr.Button(say("ask"), variant="primary", elem_id="ask", scale=0, min_width=84)
                self._stop = gr.Button(
                    say("stop"), variant="secondary", elem_id="stop", elem_classes=["idle"], scale=0, min_width=84
                )
            with gr.Accordion(say("settings"), open=False, elem_id="settings"):
                readers = [(f"{_reader(name)} – {_reader(f'{name}_info')}", name) for name in READERS]
                self._reader = gr.Radio(readers, value=READERS[0], label=say("reader"), elem_id="reader")
                self._labels = gr.Dropdown(
                    list(label_sets()), value=self._settings.explain.labels or DEFAULT, label=say("labels"),
                    info=say("labels_info"), elem_id="labels", filterable=True,
                )  # fmt: skip

    def _opinion(self) -> None:
        with gr.Accordion(say("feedback"), open=False, elem_id="feedback", visible=False) as self._opinions:
            choices = [(say("feedback_good"), "yes"), (say("feedback_bad"), "no")]
            self._fits = gr.Radio(choices, label=say("feedback"), show_label=False, elem_id="fits")
            self._words = gr.Textbox(label=say("feedback_words"), lines=2, max_length=2000, elem_id="words")
            self._agree = gr.Checkbox(label=say("feedback_agree", folder=str(self._folder)), elem_id="agree")
            self._send = gr.Button(say("feedback_send"), elem_id="send", size="sm")
            self._kept = gr.HTML("", elem_id="kept", **_PLAIN)

    def _example_style(self) -> str:
        """The pictures of the examples that are at hand; others are fetched when they are chosen."""
        pictures = {}
        for name, asset in EXAMPLES.items():
            if name != "speech" and assets.available(asset):
                path = assets.path(asset)
                clip = Clip(id=asset, video=path) if name == "clip" else Clip(id=asset, image=path)
                pictures[name] = thumbnail(clip)
        return render("examples.html", pictures={name: uri for name, uri in pictures.items() if uri})

    # ---- wiring -----------------------------------------------------------------------------------------------------

    def _wire(self, page: gr.Blocks) -> None:
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        shown = [
            self._talk, self._draft, self._panel, self._person, self._question, self._given, self._ask, self._stop,
            self._opinions, self._box,
        ]  # fmt: skip
        reader = self._reader
        asked = [self._question, self._labels, reader]
        # "multiple": what is asked while a stopped run still ends in the browser, or chosen while a heat map is drawn, must not be dropped
        answering: dict[str, Any] = {"concurrency_id": "answer", "trigger_mode": "multiple", **private}
        choosing: dict[str, Any] = {"concurrency_limit": 4, "trigger_mode": "multiple", **private}
        runs: list[Any] = []
        for event in (self._ask.click, self._question.submit):
            runs.append(event(self._answer, asked, shown, **answering))
        for name, button in self._examples.items():
            taken = button.click(self._example(name), [reader], [self._question, *shown], **choosing)
            runs.append(taken.success(self._answer, asked, shown, **answering))
            taken.failure(self._show, [reader], shown, concurrency_limit=16, **private)
        for source in (self._file, self._still, self._film, self._voice):
            event = source.upload if source is self._file else source.change
            event(self._taking(source), [source, reader], [source, *shown], concurrency_limit=4, **private)
        stopped = self._stop.click(None, cancels=runs, **private)  # first, or a last step would still be shown
        stopped.then(self._stopped, [reader], shown, concurrency_limit=16, **private)
        self._person.input(self._choose, [self._person, reader], shown, **choosing)
        reader.input(self._read, [reader], shown, **choosing)
        self._camera.stream(
            self._look, [self._camera, reader], [self._bars], stream_every=_LIVE_SECONDS, concurrency_limit=2, **private
        )
        self._send.click(
            self._keep,
            [self._fits, self._words, self._agree, reader],
            [self._kept, self._words],
            concurrency_limit=4,
            **private,
        )
        page.unload(self._leave)

    # ---- what happens -----------------------------------------------------------------------------------------------

    def _session(self, request: gr.Request, reader: Reader) -> Session:
        """The session of a page; a new one is written for the reader that is chosen there.

        Raises:
            gr.Error: A call that no page makes, which would share its session with others like it.
        """
        if not request.session_hash:
            raise gr.Error(line("no_page"), print_exception=False)
        return self._sessions.get(request.session_hash, reader)

    def _taking(self, source: Any) -> Callable[[Given | None, Reader, gr.Request], Update]:
        def take(given: Given | None, reader: Reader, request: gr.Request) -> Update:
            """A file or a recording becomes the clip, and its field is emptied, which is then no news."""
            return {source: None} | self._take(given, reader, request) if given is not None else {source: gr.skip()}

        return take

    def _take(self, given: Given, reader: Reader, request: gr.Request) -> Update:
        session = self._session(request, reader)
        try:
            session.take(given.path, given.name, int(self._settings.megabytes * 1e6))
        except EmollmError as error:
            session.say(messages.notice(one_line(str(error), 400), bad=True))
            return {self._talk: self._conversed(session)}
        finally:
            self._sessions.clear(given.path)
        return self._begun(session)

    def _example(self, name: str) -> Callable[[Reader, gr.Request], Update]:
        def take(reader: Reader, request: gr.Request) -> Update:
            """An example becomes the clip, with a question that fits it; a failure is told, and nothing is asked."""
            session = self._session(request, reader)
            try:
                path = assets.path(EXAMPLES[name])
                with tempfile.NamedTemporaryFile(dir=session.folder, suffix=path.suffix, delete=False) as copy:
                    shutil.copyfile(path, copy.name)
                session.take(Path(copy.name), path.name, 10**9)
            except (EmollmError, OSError) as error:
                session.say(messages.notice(line("example_missing", reason=one_line(str(error), 300)), bad=True))
                raise gr.Error(line("example_failed"), visible=False, print_exception=False) from error
            return self._begun(session) | {self._question: line(f"example_{name}")}

        return take

    def _answer(self, question: str, labels: str, reader: Reader, request: gr.Request) -> Iterator[Update]:
        """The question is answered, step by step."""
        session = self._session(request, reader)
        clip = session.clip
        busy: Update = {
            self._draft: messages.draft(line("opening", name=clip.id)) if clip is not None else "",
            self._ask: gr.Button(visible=False),
            self._stop: gr.Button(elem_classes=[]),
            self._question: "",
        }
        if clip is not None:
            busy |= {self._given: "", self._box: gr.Accordion(open=False)}
        if session.answering.locked():  # by the question before, which is ending
            yield busy
        for step in self._asking(session, question, labels):
            yield busy | self._shown(session, step)
            busy = {}
        yield self._idle(session)
        yield from self._heat(session)

    def _shown(self, session: Session, step: Step) -> Update:
        update: Update = {self._draft: step.draft}
        if step.talk:
            update[self._talk] = self._conversed(session)
        if step.evidence:
            update |= {self._panel: self._evidence(session), self._person: self._people(session)}
        return update

    def _begun(self, session: Session) -> Update:
        """What the page shows of a clip that was just given."""
        chip = render("given.html", name=session.clip.id, thumb=session.thumb) if session.clip is not None else ""
        return {
            self._given: chip,
            self._talk: self._conversed(session),
            self._panel: self._evidence(session),
            self._person: self._people(session),
            self._opinions: gr.Accordion(visible=False),
        }

    def _idle(self, session: Session) -> Update:
        return {
            self._draft: "",
            self._talk: self._conversed(session),
            self._ask: gr.Button(visible=True),
            self._stop: gr.Button(elem_classes=["idle"]),
            self._opinions: gr.Accordion(visible=session.last is not None),
        }

    def _show(self, reader: Reader, request: gr.Request) -> Update:
        """The conversation as it is."""
        return {self._talk: self._conversed(self._session(request, reader))}

    def _stopped(self, reader: Reader, request: gr.Request) -> Update:
        """The answer that was being made is not made any further."""
        session = self._session(request, reader)
        session.stop()
        session.say(messages.notice(line("stopped")))
        return self._idle(session) | {self._panel: self._evidence(session), self._person: self._people(session)}

    def _read(self, reader: Reader, request: gr.Request) -> Iterator[Update]:
        """All that is on the page is shown to another reader."""
        session = self._session(request, reader)
        with session.lock:
            session.reader = reader
            update: Update = {
                self._talk: self._conversed(session),
                self._opinions: gr.Accordion(visible=session.last is not None),
            }
            if session.case is not None:
                update |= {self._panel: self._evidence(session), self._person: self._people(session)}
        yield update
        yield from self._heat(session)

    def _heat(self, session: Session) -> Iterator[Update]:
        """Where the face net looked, drawn where it was left out for a teacher who is none any more."""
        case = session.case
        if case is None or not case.final or case.heat is not None or session.reader == "teacher":
            return
        heat = heat_views(case.observation, case.pictures)
        with session.lock:
            if session.case is None or session.case.observation is not case.observation:
                return
            session.case = replace(session.case, heat=heat)
            session.version += 1
        yield {self._panel: self._evidence(session)}

    def _choose(self, track: str, reader: Reader, request: gr.Request) -> Update:
        """Another person is asked about from here on."""
        session = self._session(request, reader)
        with session.lock:
            case = session.case
            if case is not None and case.final and track != session.track and track in case.answered:
                session.track = track
                session.talk.append(Explained(case.bare(), track, ""))
        return {self._talk: self._conversed(session)}

    def _look(self, frame: str | None, reader: Reader, request: gr.Request) -> str:
        """One frame of the camera is measured."""
        session = self._session(request, reader)
        if frame is None:
            return render("hint.html", text=line("live_waiting"))
        try:
            return live.look(frame, session.running)
        except EmollmError as error:
            return render("hint.html", text=one_line(str(error), 400))

    def _keep(self, fits: str | None, words: str, agreed: bool, reader: Reader, request: gr.Request) -> tuple[str, Any]:
        """An opinion is kept, if that was agreed to."""
        words, judged = words.strip(), self._session(request, reader).last

        def told(block: str, **values: object) -> str:
            return render("hint.html", text=line(block, **values))

        if judged is None:
            return told("feedback_nothing"), gr.skip()
        if not agreed:
            return told("feedback_disagreed"), gr.skip()
        if fits is None and not words:
            return told("feedback_empty"), gr.skip()
        rating = {"yes": True, "no": False}.get(fits or "")
        try:
            path = feedback.keep(self._folder, rating, words, *judged)
        except EmollmError as error:
            return told("feedback_failed", reason=str(error)), gr.skip()
        return told("feedback_kept", folder=str(path.parent)), ""

    def _leave(self, request: gr.Request) -> None:
        """The page was closed: nothing of its visitor stays."""
        self._sessions.end(str(request.session_hash))

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def _conversed(self, session: Session) -> str:
        return render("talk.html", talk=session.conversation())

    def _evidence(self, session: Session) -> str:
        with session.lock:
            case, key, version, named = session.case, session.key, session.version, session.reader != "teacher"
        final = case is not None and case.final
        return render("evidence.html", key=key if case is not None else "", version=version, named=named, final=final)

    def _people(self, session: Session) -> Any:
        with session.lock:
            case, track, reader = session.case, session.track, session.reader
        if case is None or not case.final or len(case.answered) < 2 or reader == "teacher":
            return gr.Radio(visible=False)
        named = {one.track: one.label for one in (case.answer, *case.answer.people)}
        choices = [(f"{one} {named.get(one) or ''}".strip(), one) for one in case.answered]
        return gr.Radio(choices, value=track, visible=True)


def _reader(block: str) -> str:
    return prompt("chat/reader").render(block)
