"""The page of the chat: its parts, and what each of them does."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from emollm import assets
from emollm.emotions import DEFAULT, label_sets
from emollm.errors import EmollmError, one_line
from emollm.prompts import prompt
from emollm.serve.chat import feedback, live, messages
from emollm.serve.chat.asking import Asking, Step
from emollm.serve.chat.components import Given, as_given
from emollm.serve.chat.events import Explainer
from emollm.serve.chat.pictures import thumbnail
from emollm.serve.chat.readers import READERS, Reader
from emollm.serve.chat.sessions import Session, Sessions
from emollm.serve.chat.settings import ChatSettings
from emollm.serve.chat.templates import line, render, say
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
        self._running: dict[str, live.Running] = {}

    def build(self) -> gr.Blocks:
        """The page."""
        with gr.Blocks(title=say("title"), analytics_enabled=False, delete_cache=(60, 540), fill_width=True) as page:
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
                    self._file = as_given(file)
                with gr.Tab(say("tab_photo"), id="photo"):
                    still = gr.Image(label=say("photo"), type="filepath", elem_id="still", **camera)
                    self._still = as_given(still, say("taken_photo"))
                with gr.Tab(say("tab_video"), id="video"):
                    film = gr.Video(label=say("video"), include_audio=True, elem_id="film", **camera)
                    self._film = as_given(film, say("taken_video"))
                with gr.Tab(say("tab_voice"), id="voice"):
                    voice = gr.Audio(label=say("voice"), sources=["microphone"], type="filepath", elem_id="voice")
                    self._voice = as_given(voice, say("taken_voice"))
                with gr.Tab(say("tab_live"), id="live"):
                    self._camera = gr.Image(
                        label=say("live"),
                        sources=["webcam"],
                        type="numpy",
                        streaming=True,
                        height=260,
                        elem_id="camera",
                    )
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
                    say("stop"), variant="secondary", elem_id="stop", scale=0, min_width=84, visible=False
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
        asked = [self._question, self._labels, self._reader]
        runs: list[Any] = []
        for event in (self._ask.click, self._question.submit):
            runs.append(event(self._answer, asked, shown, concurrency_id="answer", **private))
        for name, button in self._examples.items():
            taken = button.click(
                self._example(name), [], [self._question, self._given, self._talk], concurrency_limit=4, **private
            )
            runs.append(taken.success(self._answer, asked, shown, concurrency_id="answer", **private))
        given = [self._given, self._talk, self._panel, self._person, self._opinions]
        self._file.upload(self._take, [self._file], [self._file, *given], concurrency_limit=4, **private)
        for source in (self._still, self._film, self._voice):
            source.change(self._take_recorded, [source], [source, *given], concurrency_limit=4, **private)
        stopped = self._stop.click(None, cancels=runs, **private)  # first, or a last step would still be shown
        stopped.then(self._stopped, [], shown, concurrency_limit=16, **private)
        self._person.input(self._choose, [self._person, self._reader], [self._talk], concurrency_limit=4, **private)
        self._labels.input(self._relabel, [], [], concurrency_limit=4, **private)
        self._camera.stream(
            self._look, [self._camera], [self._bars], stream_every=_LIVE_SECONDS, concurrency_limit=2, **private
        )
        self._send.click(
            self._keep,
            [self._fits, self._words, self._agree],
            [self._kept, self._words],
            concurrency_limit=4,
            **private,
        )
        page.unload(self._leave)

    # ---- what happens -----------------------------------------------------------------------------------------------

    def _session(self, request: gr.Request) -> Session:
        return self._sessions.get(str(request.session_hash))

    def _take(self, given: Given | None, request: gr.Request) -> tuple[Any, ...]:
        """A file that was uploaded becomes the clip."""
        session = self._session(request)
        if given is None:
            return (None, *(gr.skip() for _ in range(5)))
        try:
            clip = session.take(given.path, given.name, int(self._settings.megabytes * 1e6))
        except EmollmError as error:
            session.talk.append(messages.notice(one_line(str(error), 400), bad=True))
            return (None, gr.skip(), self._conversed(session), gr.skip(), gr.skip(), gr.skip())
        chip = render("given.html", name=clip.id, thumb=session.thumb)
        return (
            None,
            chip,
            self._conversed(session),
            self._evidence(session, "everyone"),
            gr.Radio(visible=False),
            gr.skip(),
        )

    def _take_recorded(self, given: Given | None, request: gr.Request) -> tuple[Any, ...]:
        """The same for a recording; that its field was emptied is no news."""
        if given is None:
            return tuple(gr.skip() for _ in range(6))
        return self._take(given, request)

    def _example(self, name: str) -> Any:
        def take(request: gr.Request) -> tuple[Any, ...]:
            """An example becomes the clip, with a question that fits it."""
            session = self._session(request)
            try:
                path = assets.path(EXAMPLES[name])
            except EmollmError as error:
                session.talk.append(messages.notice(line("example_missing", reason=str(error)), bad=True))
                session.forget()
                return "", "", self._conversed(session)
            with tempfile.NamedTemporaryFile(dir=session.folder, suffix=path.suffix, delete=False) as copy:
                shutil.copyfile(path, copy.name)
            clip = session.take(Path(copy.name), path.name, 10**9)
            return line(f"example_{name}"), render("given.html", name=clip.id, thumb=session.thumb), gr.skip()

        return take

    def _answer(self, question: str, labels: str, reader: Reader, request: gr.Request) -> Iterator[Update]:
        """The question is answered, step by step."""
        session = self._session(request)
        busy: Update = {
            self._draft: messages.draft(line("opening", name=session.clip.id)) if session.clip is not None else "",
            self._ask: gr.Button(visible=False),
            self._stop: gr.Button(visible=True),
            self._question: "",
        }
        if session.clip is not None:
            busy |= {self._given: "", self._box: gr.Accordion(open=False)}
        yield busy
        for step in self._asking(session, question, labels, reader):
            yield self._shown(session, step, reader)
        yield self._idle(session)

    def _shown(self, session: Session, step: Step, reader: Reader) -> Update:
        update: Update = {self._draft: step.draft}
        if step.talk:
            update[self._talk] = self._conversed(session)
        if step.evidence:
            update[self._panel] = self._evidence(session, reader)
            update[self._person] = self._people(session, reader)
        return update

    def _idle(self, session: Session) -> Update:
        return {
            self._draft: "",
            self._talk: self._conversed(session),
            self._ask: gr.Button(visible=True),
            self._stop: gr.Button(visible=False),
            self._opinions: gr.Accordion(visible=session.last is not None),
        }

    def _stopped(self, request: gr.Request) -> Update:
        """The answer that was being made is not made any further."""
        session = self._session(request)
        session.talk.append(messages.notice(line("stopped")))
        if session.case is not None and not session.case.final:
            session.case = None
        return self._idle(session) | {self._panel: self._evidence(session, "everyone")}

    def _choose(self, track: str, reader: Reader, request: gr.Request) -> str:
        """Another person is asked about from here on."""
        session = self._session(request)
        if session.case is not None and session.case.final and track != session.track:
            session.track = track
            session.talk.append(messages.answer(session.case, track, reader, f"p{len(session.talk)}"))
        return self._conversed(session)

    def _relabel(self, request: gr.Request) -> None:
        """The next question has the clip explained anew, in the words of the other label set."""
        session = self._session(request)
        session.case = None

    def _look(self, frame: Any, request: gr.Request) -> str:
        """One frame of the camera is measured."""
        if frame is None:
            return line("live_waiting")
        visitor = str(request.session_hash)
        self._sessions.get(visitor)
        return live.look(frame, self._running.setdefault(visitor, live.Running()))

    def _keep(self, fits: str | None, words: str, agreed: bool, request: gr.Request) -> tuple[str, Any]:
        """An opinion is kept, if that was agreed to."""
        session = self._session(request)
        words = words.strip()
        if session.case is None or session.last is None:
            return line("feedback_nothing"), gr.skip()
        if not agreed:
            return line("feedback_disagreed"), gr.skip()
        if fits is None and not words:
            return line("feedback_empty"), gr.skip()
        question, text = session.last
        rating = {"yes": True, "no": False}.get(fits or "")
        try:
            path = feedback.keep(self._folder, rating, words, question, text, session.case.about(session.track))
        except EmollmError as error:
            return line("feedback_failed", reason=str(error)), gr.skip()
        return line("feedback_kept", folder=str(path.parent)), ""

    def _leave(self, request: gr.Request) -> None:
        """The page was closed: nothing of its visitor stays."""
        visitor = str(request.session_hash)
        self._running.pop(visitor, None)
        self._sessions.end(visitor)

    # ---- what is shown ----------------------------------------------------------------------------------------------

    def _conversed(self, session: Session) -> str:
        return render("talk.html", talk=session.talk)

    def _evidence(self, session: Session, reader: Reader) -> str:
        final = session.case is not None and session.case.final
        key = session.key if session.case is not None else ""
        named = reader != "teacher"
        return render("evidence.html", key=key, version=session.version, named=named, final=final)

    def _people(self, session: Session, reader: Reader) -> Any:
        case = session.case
        if case is None or not case.final or len(case.observation.tracks) < 2 or reader == "teacher":
            return gr.Radio(visible=False)
        named = {one.track: one.label for one in (case.answer, *case.answer.people)}
        choices = [(f"{track.id} {named.get(track.id) or ''}".strip(), track.id) for track in case.observation.people]
        return gr.Radio(choices, value=session.track, visible=True)


def _reader(block: str) -> str:
    return prompt("chat/reader").render(block)
