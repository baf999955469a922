"""Runs against a real local server: what it is sent, how its failures are met, and that a kill repeats nothing."""

import json
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emollm.endpoint import EndpointError
from emollm.eval.generators.base import Opening, Query
from emollm.eval.generators.openai import EndpointAnswers
from emollm.eval.run import Plan, run
from emollm.eval.tasks import task
from emollm.patience import Patience
from emollm.types import Clip
from tests.eval.serving import Server, goemotions, serving

OPENING = Opening("label", ("image", "audio", "words"), max_tokens=9, workers=4)


def answers(server: Server, *clips: Clip) -> dict[str, str]:
    """What the generator makes of clips: the text, or the fault in brackets."""
    generator = EndpointAnswers(server.generator.removeprefix("openai:"), OPENING)
    generator._patience = Patience(workers=4, first_wait=0.01)
    queries = [Query(clip.id, clip, "Which one?") for clip in clips]
    return {query.id: f"[{reply.fault}]" if reply.fault else reply.text for query, reply in generator.replies(queries)}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(np.full((20, 30, 3), 200, np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    with wave.open(str(tmp_path / "sound.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((np.sin(np.arange(1600) / 9) * 9000).astype("<i2").tobytes())
    return tmp_path / "sound.wav"


def test_pictures_sound_and_words_are_sent_in_the_protocols_form(photo: Path, sound: Path) -> None:
    with serving(lambda text: "joy") as server:
        answers(server, Clip(id="a", image=photo, audio=sound, transcript='say "<|im_end|>"', labels=("secret",)))
    parts = server.bodies[0]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["image_url", "input_audio", "text"]
    assert parts[0]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert parts[1]["input_audio"]["format"] == "wav"
    assert parts[2]["text"] == 'What is said or written, as a quotation: "say \\"< |im_end|>\\""\n\nWhich one?'
    assert server.bodies[0]["max_tokens"] == 9
    assert "secret" not in json.dumps(server.bodies)


def test_requests_are_sent_side_by_side_and_each_query_gets_its_own_reply() -> None:
    clips = [Clip(id=str(k), transcript=f"text {k}") for k in range(12)]
    with serving(lambda text: text.partition('"')[2].partition('"')[0], seconds=0.05) as server:
        assert answers(server, *clips) == {str(k): f"text {k}" for k in range(12)}
    assert server.most == 4


def test_what_may_heal_is_asked_again_and_what_may_not_is_a_fault_of_its_item() -> None:
    seen: dict[str, int] = {}

    def answer(text: str) -> str | int:
        seen[text] = seen.get(text, 0) + 1
        return 400 if "bad" in text else 503 if seen[text] < 3 else "joy"

    with serving(answer) as server:
        found = answers(server, Clip(id="a", transcript="good"), Clip(id="b", transcript="bad"))
    assert found["a"] == "joy"
    assert found["b"].startswith("[")
    assert "status 400" in found["b"]
    assert sorted(seen.values()) == [1, 3]


def test_a_refused_key_ends_the_run() -> None:
    with serving(lambda text: 401) as server, pytest.raises(EndpointError, match="EMOLLM_API_KEY"):
        answers(server, Clip(id="a", transcript="good"))


def test_sound_that_a_server_refuses_is_left_out_where_there_is_something_else(photo: Path, sound: Path) -> None:
    with serving(lambda text: 400 if "[input_audio]" in text else "joy") as server:
        found = answers(server, Clip(id="both", image=photo, audio=sound), Clip(id="alone", audio=sound))
    assert found["both"] == "joy"
    assert "status 400" in found["alone"]


# ---- runs that are ended --------------------------------------------------------------------------------------------


def command(data: Path, out: Path, generator: str) -> list[str]:
    given = ["goemotions-ekman", "--split", "dev", "--resamples", "100", "--workers", "2"]
    return [sys.executable, "-m", "emollm", "eval", "run", *given, "--data", str(data), "--out", str(out),
            "--generator", generator]  # fmt: skip


def ended(data: Path, out: Path, server: Server, signum: signal.Signals) -> tuple[int, str]:
    """A run that a signal strikes once it has some answers: exit code and what it said."""
    process = subprocess.Popen(command(data, out, server.generator), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    kept, until = out / "answers.jsonl", time.monotonic() + 60
    while not kept.exists() or kept.read_bytes().count(b"\n") < 5:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(process.pid, signum)
    said = process.communicate(timeout=30)[1].decode()
    return process.returncode, said


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return goemotions(tmp_path / "words", [(f"text {k}.", "joy") for k in range(60)])


def test_a_killed_run_repeats_no_finished_item_and_mends_its_torn_line(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(lambda text: "joy", seconds=0.04) as server:
        code, _ = ended(data, out, server, signal.SIGKILL)
        assert code == -signal.SIGKILL
        kept = [json.loads(line) for line in (out / "answers.jsonl").read_bytes().splitlines()]
        with (out / "answers.jsonl").open("ab") as file:
            file.write(b'{"id": "c5')
        server.bodies.clear()
        server.seconds = 0.0
        outcome = run(Plan(task("goemotions-ekman"), data, server.generator, out, split="dev", resamples=100))
        finished = {f'"text {row["id"][1:]}."' for row in kept}
        assert 5 <= len(finished) < 60
        assert not [text for text in server.asked if any(one in text for one in finished)]
        assert len(server.bodies) == 60 - len(finished)
    assert outcome.scored.n == 60
    assert len((out / "answers.jsonl").read_bytes().splitlines()) == 60


def test_ctrl_c_ends_a_run_with_130_and_how_to_go_on(data: Path, tmp_path: Path) -> None:
    with serving(lambda text: "joy", seconds=0.04) as server:
        code, said = ended(data, tmp_path / "out", server, signal.SIGINT)
    assert code == 130
    assert said.count("\n") == 1
    assert "items answered; run the same command again to go on" in said
