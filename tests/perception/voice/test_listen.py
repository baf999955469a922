"""listen() on real speech and on what is none."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from threadpoolctl import threadpool_limits

from emollm import fetch
from emollm.errors import AssetError
from emollm.perception.voice import Heard, listen
from emollm.perception.voice.activity import RATE, Array
from emollm.perception.voice.settings import VoiceSettings
from emollm.perception.voice.words import _open
from emollm.types import Extent, MediaInfo, Observation

WORDS = [
    "and",
    "so",
    "my",
    "fellow",
    "americans",
    "ask",
    "not",
    "what",
    "your",
    "country",
    "can",
    "do",
    "for",
    "you",
    "ask",
    "what",
    "you",
    "can",
    "do",
    "for",
    "your",
    "country",
]
QUIET = VoiceSettings(words="none")

Sound = Callable[..., Any]


def turn_away(server: socket.socket, knocks: list[Any]) -> None:
    """Closes every connection at once."""
    with suppress(OSError):
        while True:
            caller, address = server.accept()
            knocks.append(address)
            caller.close()


def written(heard: Heard) -> list[str]:
    return ["".join(char for char in word.text.lower() if char.isalpha()) for word in heard.words]


@pytest.fixture(scope="module")
def heard(speech: Array, sound: Sound) -> Heard:
    return listen(sound(speech))


def test_every_word_is_there_at_its_time(heard: Heard) -> None:
    assert written(heard) == WORDS
    times = {word: item.start for word, item in zip(written(heard), heard.words, strict=True)}
    assert times["americans"] == pytest.approx(1.6, abs=0.3)  # before the pause that begins at 2.2 s
    assert times["not"] == pytest.approx(4.0, abs=0.4)
    assert all(before.start <= after.start for before, after in pairwise(heard.words))
    assert heard.missing == ()


def test_equal_sound_gives_equal_words_whatever_runs_before_and_beside(speech: Array, sound: Sound) -> None:
    piece = speech[8 * RATE :]
    with threadpool_limits(1, "blas"):
        alone = [listen(sound(piece)) for _ in range(2)]
    with threadpool_limits(3, "blas"), ThreadPoolExecutor(2) as executor:
        beside = list(executor.map(lambda _: listen(sound(piece)), range(3)))
    assert [found == alone[0] for found in (alone[1], *beside)] == [True] * 4
    assert alone[0].words


def test_speech_and_pauses_are_where_they_are(heard: Heard) -> None:
    assert heard.speech == (
        pytest.approx((0.3, 2.2), abs=0.15),
        pytest.approx((3.4, 4.4), abs=0.15),
        pytest.approx((5.4, 7.6), abs=0.15),
        pytest.approx((8.2, 10.5), abs=0.15),
    )
    pauses = [cue for cue in heard.cues if cue.name == "pause"]
    assert [cue.value for cue in pauses] == [pytest.approx(length, abs=0.15) for length in (1.1, 1.1, 0.6)]


def test_what_is_heard_fits_into_an_observation(heard: Heard) -> None:
    observation = Observation(
        id="jfk",
        media=MediaInfo(kind="audio", duration=heard.duration),
        cues=heard.cues,
        words=heard.words,
        series=heard.series,
        missing=heard.missing,
        versions=dict(heard.versions),
    )
    assert Observation.from_json(observation.to_json()) == observation
    assert all(0 <= cue.start <= cue.end <= heard.duration for cue in observation.cues)
    assert all(cue.track is None for cue in observation.cues)


def test_the_voice_as_a_whole_is_told(heard: Heard) -> None:
    whole = {cue.name: cue.value for cue in heard.cues if cue.extent is Extent.WHOLE}
    assert set(whole) == {
        "f0_median", "f0_range", "f0_sd", "energy", "energy_range", "speech_rate", "pause_share", "tilt", "jitter",
    }  # fmt: skip
    assert whole["f0_median"] == pytest.approx(248, rel=0.05)
    assert whole["speech_rate"] == pytest.approx(28 / 7.4, rel=0.2)
    assert whole["pause_share"] == pytest.approx(0.28, abs=0.05)


def test_series_share_one_even_grid(heard: Heard) -> None:
    assert {series.name for series in heard.series} == {"speech", "energy", "f0"}
    assert {(series.start, series.step, len(series.values)) for series in heard.series} == {(0.0, 0.05, 220)}
    by_name = {series.name: series for series in heard.series}
    assert by_name["f0"].at(0.8) == pytest.approx(310, rel=0.05)
    assert by_name["f0"].at(2.8) is None
    assert (by_name["speech"].at(0.8) or 0) > 0.8
    assert (by_name["speech"].at(2.8) or 0) < 0.2
    assert (by_name["energy"].at(0.8) or 0) > (by_name["energy"].at(2.8) or 0) + 20


def test_what_is_heard_does_not_depend_on_blocks(speech: Array, sound: Sound) -> None:
    small, large = (listen(sound(speech, size=size), QUIET) for size in (777, 10**6))
    assert small == large


def test_a_sound_that_begins_later_is_heard_later(speech: Array, sound: Sound) -> None:
    early, late = listen(sound(speech), QUIET), listen(sound(speech, start=2.5), QUIET)
    assert late.speech[0][0] - early.speech[0][0] == pytest.approx(2.5, abs=0.001)
    assert {series.start for series in late.series} == {2.5}
    assert late.duration == early.duration


def test_a_hole_in_the_sound_is_silence(speech: Array, sound: Sound) -> None:
    class Torn:
        def blocks(self) -> Any:
            yield from sound(speech[: 4 * RATE]).blocks()
            yield from sound(speech[4 * RATE :], start=9.0).blocks()

    found = listen(Torn(), QUIET)
    assert found.duration == pytest.approx(16.0, abs=0.01)
    assert found.speech[-1][1] == pytest.approx(15.5, abs=0.2)


def test_level_changes_nothing_but_loudness(speech: Array, heard: Heard, sound: Sound) -> None:
    soft = listen(sound((speech * 0.05).astype(np.float32)))
    assert written(soft) == WORDS
    loud, quiet = ({cue.id: cue.value for cue in found.cues} for found in (heard, soft))
    assert quiet["voice.f0_median"] == pytest.approx(loud["voice.f0_median"], rel=0.03)
    assert quiet["voice.energy"] == pytest.approx((loud["voice.energy"] or 0) - 26.0, abs=0.5)
    assert quiet["voice.speech_rate"] == pytest.approx(loud["voice.speech_rate"], rel=0.1)


def test_a_telephone_voice_is_heard(speech: Array, sound: Sound) -> None:
    spectrum = np.fft.rfft(speech)
    frequencies = np.fft.rfftfreq(len(speech), 1 / RATE)
    narrow = np.fft.irfft(spectrum * ((frequencies > 300) & (frequencies < 3400)), len(speech)).astype(np.float32)
    found = listen(sound(narrow))
    assert len(set(written(found)) & set(WORDS)) >= 12
    values = {cue.id: cue.value for cue in found.cues}
    assert values["voice.f0_median"] == pytest.approx(248, rel=0.05)


def test_speech_that_is_no_english_has_no_words(speech: Array, sound: Sound) -> None:
    """Played backwards it is a voice all the same."""
    found = listen(sound(speech[::-1].copy()))
    assert found.words == ()
    assert [gap.stream for gap in found.missing] == ["words"]
    assert re.fullmatch(
        r"speech, not intelligible English \(mean word probability 0\.\d\d( without repetitions)?, needs 0\.\d\d; "
        r"mean log-probability −\d\.\d\d, needs −0\.90\)",
        found.missing[0].reason,
    )
    assert any(cue.name == "f0_median" for cue in found.cues)


def test_a_guess_does_not_become_knowledge_by_being_heard_again(speech: Array, sound: Sound) -> None:
    """Speech played backwards, three times over, is written with more and more confidence each time."""
    babble = speech[int(5.4 * RATE) : int(7.6 * RATE)][::-1]
    turn = np.concatenate([np.concatenate([babble, np.zeros(RATE // 2, np.float32)]) for _ in range(3)])
    found = listen(sound(turn))
    assert found.words == ()
    assert "without repetitions" in found.missing[-1].reason


def test_words_whose_tokens_are_too_improbable_are_not_believed(speech: Array, sound: Sound) -> None:
    strict = VoiceSettings.model_validate({"belief": {"log_probability": -0.01}})
    (gap,) = listen(sound(speech), strict).missing
    assert "needs −0.01" in gap.reason


def test_turns_are_believed_one_by_one(speech: Array, sound: Sound) -> None:
    silence = np.zeros(3 * RATE, np.float32)
    found = listen(sound(np.concatenate([speech, silence, speech[::-1]])))
    assert written(found) == WORDS
    assert [gap.stream for gap in found.missing] == ["words"]
    assert found.missing[0].reason.startswith("speech, not intelligible English from 14.")


@pytest.mark.slow
def test_long_speech_is_written_down_to_its_end(speech: Array, sound: Sound) -> None:
    found = listen(sound(np.tile(speech, 6)))
    assert len(found.words) == pytest.approx(6 * len(WORDS), abs=4)
    lasts = [word.end for word, text in zip(found.words, written(found), strict=True) if text == "country"]
    assert lasts[-1] == pytest.approx(65.5, abs=0.5)
    assert {cue.id for cue in found.cues if cue.name == "said"} == {
        f"words.{n}" for n in range(1, 1 + sum(cue.name == "said" for cue in found.cues))
    }


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(2 * RATE), r"the sound is silent: no signal at all \(2\.0 s\)"),
        (np.full(2 * RATE, 1e-4), r"the sound is silent: −80 dBFS at its loudest \(2\.0 s\)"),
        (
            np.random.default_rng(0).normal(0, 0.1, 2 * RATE),
            r"no speech in the sound \(2\.0 s, mean level −20 dBFS\)",
        ),
        (np.zeros(0), "the sound is empty"),
    ],
)
def test_where_nobody_speaks_it_is_said_why(samples: np.ndarray, reason: str, sound: Sound) -> None:
    found = listen(sound(samples.astype(np.float32)))
    assert found.cues == found.words == found.speech == ()
    assert [gap.stream for gap in found.missing] == ["voice", "words"]
    assert all(re.fullmatch(reason, gap.reason) for gap in found.missing)


def test_one_sentence_has_no_usual(speech: Array, sound: Sound) -> None:
    found = listen(sound(speech[5 * RATE : 8 * RATE]), QUIET)
    assert [gap.stream for gap in found.missing] == ["usual", "words"]
    assert found.missing[0].reason == "too few phrases to know what is usual for this voice (1, needs 3)"
    names = {cue.name for cue in found.cues}
    assert "f0_median" in names
    assert not names & {"pitch", "loudness", "rate"}


def test_a_word_is_too_little_for_prosody(speech: Array, sound: Sound) -> None:
    found = listen(sound(speech), VoiceSettings(words="none", voiced=60.0))
    assert (found.missing[0].stream, found.missing[0].reason[:26]) == ("voice", "too little voiced speech (")
    assert {cue.name for cue in found.cues} == {"speech", "pause"}


def test_what_is_not_a_number_is_silence(speech: Array, sound: Sound) -> None:
    broken = speech.copy()
    broken[100:200] = np.nan
    broken[300:310] = np.inf
    assert listen(sound(broken), QUIET).speech == listen(sound(speech), QUIET).speech


def test_without_a_recogniser_the_voice_is_heard_all_the_same(speech: Array, sound: Sound) -> None:
    found = listen(sound(speech), QUIET)
    assert [gap.stream for gap in found.missing] == ["words"]
    assert "none" in found.missing[0].reason
    assert any(cue.name == "f0_median" for cue in found.cues)


def test_clipped_sound_says_that_loudness_is_missing(speech: Array, sound: Sound) -> None:
    found = listen(sound(np.clip(100 * speech, -1, 1)), QUIET)
    (gap,) = [gap for gap in found.missing if gap.stream == "loudness"]
    assert re.fullmatch(r"the sound is clipped: [1-9]\d % of its samples are at full scale", gap.reason)
    assert not any(cue.reliable for cue in found.cues if cue.name in ("energy", "energy_range", "loudness"))
    assert not [gap for gap in listen(sound(speech), QUIET).missing if gap.stream == "loudness"]


def test_without_the_recognisers_files_the_voice_is_heard_unless_it_was_asked_for_by_name(
    speech: Array, sound: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path))
    monkeypatch.setenv("EMOLLM_OFFLINE", "1")
    _open.cache_clear()
    found = listen(sound(speech))
    (gap,) = found.missing
    assert gap.stream == "words"
    assert gap.reason == (
        "the recogniser whisper-tiny.en cannot be had: asset 'whisper-tiny.en' is not in the cache and EMOLLM_OFFLINE "
        "forbids the network; `emollm assets pull whisper-tiny.en` fetches it, perception.voice.words=none leaves words out"
    )
    assert any(cue.name == "f0_median" for cue in found.cues)
    assert found.words == ()
    with pytest.raises(AssetError, match="EMOLLM_OFFLINE"):
        listen(sound(speech), VoiceSettings(words="whisper-tiny.en"))


def test_a_recogniser_that_could_not_be_fetched_is_not_fetched_again(
    speech: Array, sound: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publisher's door is shut; it counts who knocks."""
    knocks = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=turn_away, args=(server, knocks), daemon=True).start()
        row = yaml.safe_load((files("emollm") / "assets.yaml").read_text(encoding="utf-8"))["whisper-tiny.en"]
        row["sources"] = [{"kind": "https", "url": f"http://127.0.0.1:{server.getsockname()[1]}/"}]
        (tmp_path / "assets.yaml").write_text(yaml.safe_dump({"whisper-tiny.en": row}))
        monkeypatch.setenv("EMOLLM_ASSETS", str(tmp_path / "assets.yaml"))
        monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path))
        monkeypatch.delenv("EMOLLM_OFFLINE", raising=False)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr("emollm.perception.voice.words._failed", {})
        _open.cache_clear()
        twice = np.concatenate([speech, np.zeros(3 * RATE, np.float32), speech])
        first = listen(sound(twice)).missing
        assert [gap.stream for gap in first] == ["words"]
        assert "cannot be had: publisher: " in first[0].reason
        knocked = len(knocks)
        assert knocked >= 1
        fetch.forget()
        assert listen(sound(twice)).missing == first
        assert len(knocks) == knocked


def test_without_the_packages_voice_and_words_are_missing() -> None:
    code = """
import sys
sys.modules["swift_f0"] = None
from emollm.perception.voice import listen
print([(gap.stream, gap.reason) for gap in listen(None).missing])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.count("pip install 'emollm[voice]'") == 2


def test_importing_the_voice_is_light() -> None:
    code = "import sys, emollm.perception.voice; print([m for m in ('numba', 'onnxruntime', 'faster_whisper', 'av') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
