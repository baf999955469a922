"""The chat in a real browser: one server, one Chromium, and what visitors do."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from emollm import assets

pytestmark = pytest.mark.browser
pytest.importorskip("gradio")

WAIT = 60_000.0
"""Milliseconds that anything may take: models are opened at the first question, on machines that are shared."""
MEGABYTES = 5


class Chat(NamedTuple):
    """A chat that runs."""

    address: str
    temporary: Path
    """The system's place for temporary files, as the server sees it."""
    feedback: Path


def started(folder: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], str]:
    """``emollm chat`` on a free port, with a folder of its own for temporary files; the process and its address."""
    environment = os.environ | {"TMPDIR": str(folder), "OMP_NUM_THREADS": "2"}
    said = folder.parent / "said.txt"
    with said.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "emollm", "chat", "--port", "0", *arguments], stderr=file, env=environment
        )
    while process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+/", said.read_text()):
            return process, found.group()
        time.sleep(0.1)
    raise AssertionError(said.read_text())


def ended(process: "subprocess.Popen[bytes]") -> int:
    """How a chat ends that is asked to."""
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small language model that writes nonsense, letter by letter, slowly enough to be watched."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from emollm.modeling.tiny import tokenizer

    folder = tmp_path_factory.mktemp("chat-models") / "tiny-speaker"
    words = tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
        max_position_embeddings=8192,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    letters = words.convert_tokens_to_ids(list("abcdefghijklmnopqrstuvwxyz"))
    with torch.no_grad():  # of all tokens only letters can become likely
        kept = model.lm_head.weight[letters].clone()
        model.lm_head.weight.zero_()
        model.lm_head.weight[letters] = kept
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory, speaker: Path) -> Iterator[Chat]:
    folder = tmp_path_factory.mktemp("chat")
    temporary, feedback = folder / "tmp", folder / "feedback"
    temporary.mkdir()
    process, address = started(
        temporary, "--reasoner", "cues", "--model", str(speaker), "--feedback", str(feedback), "--set", f"megabytes={MEGABYTES}"
    )  # fmt: skip
    yield Chat(address, temporary, feedback)
    ended(process)
    assert [*temporary.glob("emollm-chat-*")] == []


Open = Callable[..., Any]


@pytest.fixture
def visit(browser: Any, chat: Chat) -> Iterator[Open]:
    """Opens the page as a new visitor; no visit may ask another server for anything, or run into an error."""
    contexts, faults = [], []

    def open_page(accept: bool = True, width: int = 1280, height: int = 900, script: str = "") -> Any:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        here = (chat.address, chat.address.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(here) else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        if script:
            page.add_init_script(script)
        page.goto(chat.address)
        page.wait_for_selector("#notice[open]")
        if accept:
            page.click("#notice-accept")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def give(page: Any, path: Path) -> None:
    """Uploads a file; waits until it is the clip."""
    page.set_input_files("#file input[type=file]", path)
    page.wait_for_selector("#given .chip-clip")


def ask(page: Any, question: str = "") -> None:
    """Asks; waits until all is answered."""
    before = page.locator("#conversation .message").count()
    page.fill("#question textarea", question)
    page.click("#ask")
    page.wait_for_function(f"document.querySelectorAll('#conversation .message').length > {before}")
    page.wait_for_selector("#ask", state="visible")


def evidence(page: Any) -> Any:
    """The frame with the evidence, loaded with the answer."""
    page.wait_for_selector(".take")
    frame = page.frame_locator("#page")
    frame.locator(".units").first.wait_for(state="attached")
    return frame


def fits(page: Any) -> bool:
    """Whether nothing is wider than the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_the_note_comes_first_and_only_once(visit: Open) -> None:
    page = visit(accept=False)
    assert "What it must not be used for" in page.inner_text("#notice")
    page.keyboard.press("Enter")  # the button to accept it has the focus
    page.wait_for_selector("#notice:not([open])", state="attached")
    page.reload()
    page.wait_for_selector("#ask", state="visible")
    page.wait_for_timeout(300)
    assert page.locator("#notice[open]").count() == 0
    page.click("#notice-open")
    assert page.locator("#notice[open]").count() == 1


def test_a_sentence_of_the_answer_leads_to_the_muscles_it_rests_on(visit: Open, astronaut: Path) -> None:
    page = visit()
    give(page, astronaut)
    ask(page)
    answer = page.locator("#conversation .its").first
    assert "Happiness" in answer.locator(".headline").inner_text()
    assert answer.locator(".claim.supported .mark").first.inner_text() == "✓"
    frame = evidence(page)
    claim = answer.locator(".claim", has_text="AU12").first
    claim.click()
    wanted = set(claim.get_attribute("data-cues").split())
    frame.locator(".cue.lit").first.wait_for()
    assert set(frame.locator(".cue.lit").evaluate_all("each => each.map(one => one.id)")) == wanted
    assert frame.locator(".photo .region.lit").count() > 0
    claim.press("Enter")  # by keyboard it goes out again
    assert frame.locator(".cue.lit").count() == 0
    claim.press(" ")
    assert claim.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert claim.get_attribute("aria-pressed") == "false"


def test_questions_go_on_and_replies_are_streamed(visit: Open, astronaut: Path) -> None:
    page = visit()
    give(page, astronaut)
    ask(page)
    page.evaluate(
        "window.drafts = new Set(); new MutationObserver(() => { const raw = document.querySelector('#draft .raw');"
        "if (raw) window.drafts.add(raw.textContent.length); }).observe(document.querySelector('#draft'), {childList: true, characterData: true, subtree: true})"
    )
    ask(page, "Why does she look happy?")
    reply = page.locator("#conversation .its").last
    assert reply.locator(".claim.supported").count() > 0  # nonsense of the model is left out, the facts are said
    assert len(page.evaluate("[...window.drafts]")) > 1
    ask(page, "Is she lying?")
    assert "not measured" in page.locator("#conversation .its").last.inner_text()
    assert page.locator("#draft .message").count() == 0


def test_another_person_can_be_chosen_on_either_side(visit: Open, group: Path) -> None:
    page = visit()
    give(page, group)
    ask(page)
    frame = evidence(page)
    page.check("#person input[value=p2]")
    page.wait_for_selector("#conversation .its .who:has-text('p2')")
    frame.locator("[role=tab][aria-selected=true]", has_text="p2").wait_for()
    frame.locator("button.face", has_text="p3").first.click(force=True)
    page.wait_for_selector("#conversation .its .who:has-text('p3')")
    assert page.is_checked("#person input[value=p3]")


def test_a_bad_file_is_one_line(visit: Open) -> None:
    page = visit()
    names = ("holiday ☀.jpg", "../../clip.mp4", "voice.wav", "table.csv")
    for count, name in enumerate(names, start=1):
        nothing = {"name": name, "mimeType": "image/jpeg", "buffer": b"no media at all" * 99}
        page.set_input_files("#file input[type=file]", nothing)
        said = page.locator("#conversation .notice.bad").nth(count - 1)
        said.wait_for()
        assert len(said.inner_text().splitlines()) == 1
        assert Path(name).name in said.inner_text()
        assert "emollm-chat" not in said.inner_text()  # no path of the server is shown
    large = {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": bytes(MEGABYTES * 1_000_000 + 1)}
    page.set_input_files("#file input[type=file]", large)
    page.wait_for_selector(f".notice.bad:has-text('large.jpg: larger than {MEGABYTES} MB')")


@pytest.mark.slow
def test_a_question_without_a_clip_is_told_so(visit: Open) -> None:
    page = visit()
    ask(page, "Why?")
    assert "first" in page.inner_text("#conversation .notice.bad")


def test_a_question_that_the_server_refuses_can_be_asked_again(visit: Open) -> None:
    page = visit()
    held: list[Any] = []
    page.route("**/gradio_api/queue/join*", lambda route: held.append(route))
    page.fill("#question textarea", "Why?")
    page.press("#question textarea", "Enter")
    page.wait_for_selector("#stop", state="visible")  # while it waits
    assert not page.is_visible("#ask")
    page.wait_for_timeout(300)
    for route in held:
        route.fulfill(status=503, content_type="application/json", body='{"detail": "Queue is full."}')
    page.unroute("**/gradio_api/queue/join*")
    page.wait_for_selector("#ask", state="visible")
    assert not page.is_visible("#stop")
    page.fill("#question textarea", "Why?")
    page.press("#question textarea", "Enter")
    page.wait_for_selector("#conversation .notice.bad:has-text('first')")


def test_everything_fits_a_phone(visit: Open, astronaut: Path) -> None:
    page = visit(width=390, height=844)
    assert fits(page)
    give(page, astronaut)
    ask(page)
    assert fits(page)
    frame = evidence(page)
    assert frame.locator("html").evaluate("root => root.scrollWidth <= root.clientWidth")
    page.locator("#conversation .claim").first.click()
    page.wait_for_selector("#back", state="visible")
    frame.locator(".cue.lit").first.wait_for()
    page.click("#back")
    page.wait_for_selector("#back", state="hidden")
    assert page.evaluate("document.activeElement.matches('.claim')")
    page.click("#settings > button")
    assert fits(page)


@pytest.mark.slow
def test_every_control_has_a_name_and_can_be_reached_with_the_tab_key(visit: Open) -> None:
    page = visit()
    named = """() => [...document.querySelectorAll('button, input, textarea, a[href], [role=button], [role=tab]')]
        .filter(one => one.offsetParent && !one.closest('[hidden]') && one.type !== 'file')
        .filter(one => !(one.getAttribute('aria-label') || one.innerText.trim() || one.placeholder || one.title
            || [...(one.labels || [])].some(label => label.innerText.trim()))).map(one => one.outerHTML.slice(0, 200))"""
    page.click("#settings > button")
    assert page.evaluate(named) == []
    page.keyboard.press("Escape")
    page.evaluate("document.body.focus()")
    reached = set()
    for _ in range(45):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(document.activeElement.closest('[id]') || {}).id"))
    assert {"notice-open", "example-photo", "ask"} <= reached


@pytest.mark.slow
def test_visitors_do_not_see_each_other(visit: Open, chat: Chat, astronaut: Path, group: Path) -> None:
    one, other = visit(), visit()
    give(one, astronaut)
    give(other, group)
    ask(one)
    ask(other)
    assert one.locator("#conversation .its").count() == 1
    assert "multi" not in one.inner_text("#conversation").lower()
    assert other.locator("#person input").count() == 5
    assert one.locator("#page").get_attribute("src") != other.locator("#page").get_attribute("src")
    assert requests.get(f"{chat.address}evidence/guessed", timeout=10).status_code == 404


@pytest.mark.slow
def test_what_a_visitor_gave_is_gone_when_the_page_is_closed(visit: Open, chat: Chat, astronaut: Path) -> None:
    page = visit()
    give(page, astronaut)
    ask(page)
    address = chat.address + page.locator("#page").get_attribute("src")
    assert requests.get(address, timeout=10).status_code == 200
    page.context.close()
    deadline = time.monotonic() + 30
    while requests.get(address, timeout=10).status_code != 404 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert requests.get(address, timeout=10).status_code == 404
    kept = [
        path for path in chat.temporary.rglob("*") if path.is_file() and path.stat().st_size == astronaut.stat().st_size
    ]
    assert kept == []


@pytest.mark.slow
def test_an_opinion_is_kept_only_where_the_visitor_agrees(visit: Open, chat: Chat, astronaut: Path) -> None:
    page = visit()
    give(page, astronaut)
    ask(page)
    page.click("#feedback > button")
    page.check("#fits input[value=yes]")
    page.fill("#words textarea", "good")
    page.click("#send")
    page.wait_for_selector("#kept :text('did not agree')")
    assert not chat.feedback.exists()
    page.check("#agree input")
    page.click("#send")
    page.wait_for_selector("#kept :text('Thank you')")
    (row,) = [json.loads(line) for line in (chat.feedback / "feedback.jsonl").read_text().splitlines()]
    assert (row["fits"], row["words"], row["label"]) == (True, "good", "happiness")
    assert "astronaut" not in json.dumps(row)


@pytest.mark.slow
def test_the_report_can_be_taken_away(visit: Open, astronaut: Path) -> None:
    page = visit()
    give(page, astronaut)
    ask(page, "Is she lying?")
    with page.expect_download() as waiting:
        page.click(".take a")
    text = waiting.value.path().read_text(encoding="utf-8")
    assert waiting.value.suggested_filename.endswith(".html")
    assert 'id="emollm-data"' in text
    assert "Is she lying?" in text


@pytest.mark.slow
def test_a_teacher_gets_no_verdict_on_anybody(visit: Open, group: Path) -> None:
    page = visit()
    page.click("#settings > button")
    page.check("#reader input[value=teacher]")
    give(page, group)
    ask(page, "Who is happy?")
    said = page.inner_text("#conversation .its")
    assert "5 faces are in view" in said
    assert "appi" not in said
    frame = page.frame_locator("#page")
    frame.locator(".units").first.wait_for(state="attached")
    assert "happiness" not in frame.locator("body").inner_text()
    assert page.locator(".take").count() == 0
    page.check("#reader input[value=everyone]")
    page.wait_for_selector("#conversation .headline:has-text('Happiness')")
    evidence(page)
    page.wait_for_selector("#person input[value=p2]")
    page.check("#reader input[value=teacher]")
    page.wait_for_selector(".take", state="detached")
    page.wait_for_selector("#person", state="detached")
    assert "appi" not in page.inner_text("#conversation")
    assert "unlabelled" in page.locator("#page").get_attribute("src")


@pytest.mark.slow
def test_another_server_can_answer(
    browser: Any, tmp_path_factory: pytest.TempPathFactory, fronted: Any, astronaut: Path
) -> None:
    temporary = tmp_path_factory.mktemp("chat-endpoint") / "tmp"
    temporary.mkdir()
    process, address = started(temporary, "--endpoint", fronted.url)
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(2 * WAIT)
        page.goto(address)
        page.click("#notice-accept")
        assert fronted.url in page.inner_text(".privacy")  # who sends something elsewhere says so
        give(page, astronaut)
        ask(page, "Why does she look happy?")
        assert page.locator("#conversation .its").count() == 2
        page.frame_locator("#page").locator(".units").first.wait_for(state="attached")
        assert page.locator("#conversation .notice.bad").count() == 0
    finally:
        context.close()
        ended(process)


@pytest.mark.slow
def test_the_embedded_model_answers_as_it_writes_and_can_be_stopped(
    browser: Any, tmp_path_factory: pytest.TempPathFactory, astronaut: Path
) -> None:
    temporary = tmp_path_factory.mktemp("chat-135m") / "tmp"
    temporary.mkdir()
    process, address = started(temporary)
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(address)
        page.click("#notice-accept")
        give(page, astronaut)
        page.click("#ask")
        page.wait_for_selector("#draft .raw")
        page.click("#stop")
        page.wait_for_selector("#conversation .notice:has-text('Stopped')")
        page.wait_for_selector("#draft .message", state="detached")
        ask(page, "Why does she look happy?")
        answer = page.locator("#conversation .its")
        assert "Happiness" in answer.first.locator(".headline").inner_text()
        assert answer.first.locator(".claim.supported").count() > 1
        assert answer.nth(1).locator(".claim").count() > 0
        page.wait_for_selector("#page")
        assert "Where the face net looked" in page.frame_locator("#page").locator("body").inner_text()
    finally:
        context.close()
        ended(process)
    assert [*temporary.iterdir()] == []


DEVICES = """
const seen = "data:image/png;base64,PICTURE", heard = "data:audio/wav;base64,SOUND";
navigator.mediaDevices.enumerateDevices = async () => ["videoinput", "audioinput"].map(
  (kind) => ({ kind, deviceId: kind, groupId: "", label: kind }));
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const tracks = [];
  if (wanted.video) {
    const canvas = document.createElement("canvas"), face = new Image();
    canvas.width = canvas.height = 512;
    face.src = seen;
    await face.decode();
    setInterval(() => canvas.getContext("2d").drawImage(face, 0, 0, 512, 512), 100);
    tracks.push(...canvas.captureStream(10).getTracks());
  }
  if (wanted.audio) {
    const context = new AudioContext(), player = context.createBufferSource(), out = context.createMediaStreamDestination();
    player.buffer = await context.decodeAudioData(await (await fetch(heard)).arrayBuffer());
    player.loop = true;
    player.connect(out);
    player.start();
    tracks.push(...out.stream.getTracks());
  }
  return new MediaStream(tracks);
};
"""
"""A camera that sees a photo and a microphone that hears a recording: the machine that tests has neither."""


def devices(picture: Path, sound: Path | None = None) -> str:
    """The script that gives a page such devices."""

    def read(path: Path | None) -> str:
        return base64.b64encode(path.read_bytes()).decode() if path is not None else ""

    return DEVICES.replace("PICTURE", read(picture)).replace("SOUND", read(sound))


@pytest.mark.slow
def test_camera_and_microphone_give_clips(visit: Open, chat: Chat, astronaut: Path) -> None:
    page = visit(script=devices(astronaut, assets.path("speech-jfk")))
    page.click("#sources button[role=tab]:has-text('Photo')")
    page.click("#still button:has-text('Click to Access Webcam')")
    page.wait_for_function("document.querySelector('#still video').videoWidth > 0")
    page.wait_for_timeout(500)
    page.click("#still button.photo-capture")
    page.wait_for_selector("#given .chip-clip:has-text('photo.')")
    ask(page)
    assert "Happiness" in page.locator("#conversation .headline").inner_text()
    page.click("#chooser > button")
    page.click("#sources button[role=tab]:has-text('Voice')")
    page.click("#voice button:has-text('Record')")
    page.wait_for_timeout(4000)
    page.click("#voice button:has-text('Stop')")
    page.wait_for_selector("#given .chip-clip:has-text('voice.')")
    ask(page)
    evidence = page.frame_locator("#page").locator("body")
    evidence.locator(".timeline").first.wait_for()
    assert "my fellow Americans" in evidence.inner_text()
    page.click("#chooser > button")
    page.click("#sources button[role=tab]:has-text('Video')")
    page.click("#film button:has-text('Click to Access Webcam')")
    page.click("#film button:has-text('Record')")
    page.wait_for_timeout(2500)
    page.click("#film button:has-text('Stop')")
    page.wait_for_selector("#given .chip-clip:has-text('video.')")
    ask(page)
    assert "Happiness" in page.locator("#conversation .headline").inner_text()
    names = {path.name for path in chat.temporary.rglob("*") if path.is_file()}
    assert not {name for name in names if name.startswith(("image", "audio", "sample"))}


@pytest.mark.slow
def test_the_camera_is_measured_as_it_runs_and_names_no_emotion(visit: Open, chat: Chat, astronaut: Path) -> None:
    page = visit(script=devices(astronaut))
    page.click("#sources button[role=tab]:has-text('Live')")
    page.click("#camera button:has-text('Click to Access Webcam')")
    page.click("#camera button:has-text('Record')")
    page.wait_for_selector("#bars .live-bars li:has-text('AU12')")
    assert "appi" not in page.inner_text("#bars")
    assert page.locator("#bars polyline").first.get_attribute("points")
    pictures = [path for path in chat.temporary.rglob("*") if path.suffix in (".webp", ".png", ".jpg", ".jpeg")]
    assert pictures == []


def test_another_name_for_this_machine_is_refused(chat: Chat) -> None:
    reply = requests.get(chat.address, headers={"Host": "evil.example"}, timeout=10)
    assert reply.status_code == 421
