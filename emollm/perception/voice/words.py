"""What is said, word by word, where the recogniser is to be believed.

Whisper writes fluent English whatever it hears: other languages, mumbling, music. What betrays it is how sure it is of its
words: their mean probability decides, turn by turn, with a floor for that of its tokens (docs/voice.md has the
distributions). What it writes a second time it copies, with confidence: only the first time counts. Nothing is sampled and no
turn knows of the one before.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emollm import assets, fetch
from emollm.errors import AssetError, ConfigError, ModelError, one_line, unknown_name
from emollm.perception.voice.activity import RATE, Turn
from emollm.perception.voice.filters import steady
from emollm.perception.voice.settings import BeliefSettings
from emollm.types import Source, Word

Span = tuple[float, float]

_LONGEST_LOOP, _LOOP, _LONGEST_WORD = 12, 12, 40
"""Words of the longest loop, words that a loop has at least, characters of a word that is none."""
_COPIED = 3
"""Words in a row that make a repetition."""
_FILES = ("model.bin", "config.json", "tokenizer.json")
"""What a recogniser's folder must hold; without the tokenizer the library would fetch one."""
_TOKENS = (16, 12)
"""Tokens that speech can have: so many, and so many more a second. Fluent English has about four a second."""
_FRAMES = 100
"""Whisper's frames a second."""
_LEFT = 1.0
"""Seconds of speech after what was written, without which the rest of a turn is not listened to."""
_EDGE = 0.05
"""Seconds by which a word may begin before the net calls it speech, or end after."""
_BREAK = 1.0
"""Seconds of silence between two words that end a sentence."""


class Sentence(NamedTuple):
    """Words up to a full stop or a silence."""

    text: str
    words: tuple[Word, ...]

    @property
    def start(self) -> float:
        """Seconds of the clip."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Seconds of the clip."""
        return self.words[-1].end

    @property
    def confidence(self) -> float:
        """Mean of the words' probabilities."""
        return float(np.mean([word.confidence for word in self.words]))


class Transcript(NamedTuple):
    """What the recogniser wrote in one go, believed or not: as a rule a turn."""

    start: float
    """Seconds of the clip."""
    end: float
    sentences: tuple[Sentence, ...]
    confidence: float
    """Mean of the words' probabilities, repetitions left out; 0 without words."""
    log_probability: float
    """Mean over the tokens."""
    doubt: str | None
    """Why the words are not believed; None where they are."""
    language: str


class Recogniser:
    """Writes down turns of speech; may be used from several threads.

    Args:
        model: A ``faster_whisper.WhisperModel``.
        source: What it is.
    """

    def __init__(self, model: Any, source: Source) -> None:
        self.source = source
        self._model = model
        self._english = not model.model.is_multilingual

    def __call__(self, turn: Turn, belief: BeliefSettings) -> list[Transcript]:
        """What is said in a turn. Whisper may stop early and go on from there: what it writes then is judged apart.

        Args:
            turn: Sound of at most 30 s.
            belief: From where words are believed.
        """
        duration = len(turn.samples) / RATE
        segments, info = self._model.transcribe(
            turn.samples,
            language="en" if self._english else None,
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
            no_speech_threshold=None,
            log_prob_threshold=None,
            compression_ratio_threshold=None,
            max_new_tokens=min(400, round(_TOKENS[0] + _TOKENS[1] * duration)),
        )
        out: list[Transcript] = []
        for frame, group in groupby(segments, key=lambda segment: segment.seek):
            since = frame / _FRAMES
            if out and _speech_after(turn, turn.start + since) < _LEFT:
                break  # Whisper would make something up about the silence that is left
            written = list(group)
            until = min(duration, max(segment.end for segment in written))
            window = (since, until if until > since else duration)
            out.append(_transcript(written, turn, window, belief, info.language))
        return out


def open_recogniser(words: str, threads: int) -> Recogniser | None:
    """The recogniser of that name, opened once a process; None for ``none``.

    Args:
        words: An asset, a folder with a Whisper model in CTranslate2's form, or ``none``.
        threads: Threads it runs on.

    Raises:
        ConfigError: There is no such asset or folder.
        AssetError: The asset cannot be had. It is fetched once a process: if that failed, it must have come otherwise.
        ModelError: The model cannot be read.
        ImportError: faster-whisper is not installed.
    """
    if words == "none":
        return None
    with _opening:
        if (reason := _failed.get(words)) is not None and not assets.available(words):
            raise AssetError(reason)
        try:
            return _open(words, threads)
        except AssetError as error:
            if assets.offline() is None:  # without the network nothing was waited for
                _failed[words] = str(error)
            raise


def sentences(segments: Iterable[Sequence[Word]], spans: Sequence[Span]) -> list[Sentence]:
    """Words put together up to full stops and silences.

    Whisper ends a segment where it likes; it ends a sentence here only where there is also a pause.

    Args:
        segments: The words of each of Whisper's segments, in order.
        spans: Speech between pauses, in seconds of the clip.
    """
    groups: list[list[Word]] = []
    for segment in segments:
        for index, word in enumerate(segment):
            last = groups[-1][-1] if groups else None
            if (
                last is None
                or re.search(r"[.?!]\W*$", last.text)
                or word.start - last.end >= _BREAK
                or (index == 0 and _pause_between(last, word, spans))
            ):
                groups.append([])
            groups[-1].append(word)
    return [Sentence(" ".join(word.text for word in group), tuple(group)) for group in groups]


def repeats_itself(words: Sequence[str]) -> bool:
    """Whether a few words come over and over again, as Whisper writes where it has lost its way.

    Four times in a row and twelve words in all: people who say a whole sentence twice do not.
    """
    plain_words = _comparable(words)
    for period in range(1, _LONGEST_LOOP + 1):
        run = 0
        for before, after in zip(plain_words, plain_words[period:], strict=False):
            run = run + 1 if before == after else 0
            if run >= 3 * period and run + period >= _LOOP:
                return True
    return any(len(word) > _LONGEST_WORD for word in words)


def said_first(words: Sequence[str]) -> list[bool]:
    """Which words are no repetition: not in a run of so many words that were there before in the same order.

    Whisper has before it what it wrote of a turn. What it once guessed it is sure of when it hears the like again.
    """
    plain_words = _comparable(words)
    first = [True] * len(words)
    known: set[tuple[str, ...]] = set()
    for index in range(_COPIED, len(words) + 1):
        if index >= 2 * _COPIED:
            known.add(tuple(plain_words[index - 2 * _COPIED : index - _COPIED]))
        if tuple(plain_words[index - _COPIED : index]) in known:
            first[index - _COPIED : index] = [False] * _COPIED
    return first


def _comparable(words: Sequence[str]) -> list[str]:
    return [re.sub(r"\W", "", word.lower()) for word in words]


def _pause_between(before: Word, after: Word, spans: Sequence[Span]) -> bool:
    early, late = (before.start + before.end) / 2, (after.start + after.end) / 2
    return any(early <= end and start <= late for (_, end), (start, _) in pairwise(spans))


def _speech_after(turn: Turn, time: float) -> float:
    """Seconds of speech that a turn still has after a time of the clip."""
    return sum(max(0.0, end - max(start, time)) for start, end in turn.spans)


def plain(text: str) -> str:
    """The text without control, format and private characters, with single spaces: what was said is data."""
    kept = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    return " ".join(kept.split())


_opening = threading.Lock()
_failed: dict[str, str] = {}
"""Why recognisers could not be fetched, by name."""


@cache
def _open(words: str, threads: int) -> Recogniser:
    from faster_whisper import WhisperModel

    folder, source = _find(words)
    for name in _FILES:
        if not (folder / name).is_file():
            raise ModelError(
                f"{folder}: has no {name}; give a Whisper model in CTranslate2's form, as faster-whisper has"
            )
    try:
        model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=threads, num_workers=1, local_files_only=True
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"{folder}: cannot be opened as a Whisper model: {one_line(str(error))}") from error
    return Recogniser(steady(model), source)


def _find(words: str) -> tuple[Path, Source]:
    """The folder of a recogniser, and what it is: the weights are named by their hash."""
    if words in assets.names():
        row = assets.asset(words)
        digest = next((file.sha256 for file in row.files if file.name == "model.bin"), "")
        return assets.path(words), Source(backend=words, version=digest[:12] or "unknown", licence=row.licence)
    folder = Path(words).expanduser()
    if not folder.is_dir():
        known = [name for name in assets.names() if name.startswith("whisper")]
        raise ConfigError(f"voice.words: {unknown_name('recogniser', words, [*known, 'none'])}; or give a folder")
    weights = folder / "model.bin"
    digest = fetch.sha256(weights)[:12] if weights.is_file() else "unknown"
    return folder, Source(backend=f"whisper:{folder.resolve().name}", version=digest, licence="as the model")


def _words(items: Iterable[Any], turn: Turn, duration: float) -> list[Word]:
    """Words of the library as ours: what has no space before it belongs to the word before."""
    out: list[Word] = []
    for item in items:
        text = plain(item.word)
        if not text:
            continue
        begin = min(max(float(item.start), 0.0), duration)
        close = min(max(float(item.end), begin), duration)
        start, end = _within(turn.start + begin, turn.start + close, turn.spans)
        confidence = min(max(float(item.probability), 0.0), 1.0)
        if out and not item.word.startswith(" "):
            before = out.pop()
            text, start, confidence = before.text + text, before.start, (before.confidence + confidence) / 2
        out.append(Word(text=text, start=round(start, 3), end=round(end, 3), confidence=round(confidence, 3)))
    return out


def _within(start: float, end: float, spans: Sequence[Span]) -> Span:
    """A word's time without the silence about it, which Whisper often counts to the word."""
    overlap, span = max((min(end, last) - max(start, first), (first, last)) for first, last in spans)
    if overlap <= 0:
        return start, end
    return max(start, span[0] - _EDGE), min(end, span[1] + _EDGE)


def _transcript(segments: list[Any], turn: Turn, window: Span, belief: BeliefSettings, language: str) -> Transcript:
    """What was written of a window of a turn; the window is in seconds from the start of the turn."""
    groups = [_words(segment.words, turn, window[1]) for segment in segments]
    words = [word for group in groups for word in group]
    first = said_first([word.text for word in words])
    counted = [word.confidence for word, new in zip(words, first, strict=True) if new]
    confidence = float(np.mean(counted)) if counted else 0.0
    return Transcript(
        start=turn.start + window[0],
        end=turn.start + window[1],
        sentences=tuple(sentences(groups, turn.spans)),
        confidence=confidence,
        log_probability=float(segments[0].avg_logprob),
        doubt=_doubt(segments[0], words, counted, window[1] - window[0], belief),
        language=language,
    )


def _doubt(
    segment: Any, words: list[Word], counted: list[float], duration: float, belief: BeliefSettings
) -> str | None:
    """Why the words of a turn are not believed; compression and log-probability are the same in all its segments."""
    if not words:
        return "no words found"
    if segment.compression_ratio > belief.compression and repeats_itself([word.text for word in words]):
        return "the recogniser repeats itself"
    if sum(len(word.text) + 1 for word in words) / duration > belief.fastest:
        return "more is written than can be said"
    confidence, needed = float(np.mean(counted)), belief.needed(len(counted))
    log_probability = float(segment.avg_logprob)
    if confidence >= needed and log_probability >= belief.log_probability:
        return None
    apart = " without repetitions" if len(counted) < len(words) else ""
    return (
        f"mean word probability {_figure(confidence)}{apart}, needs {_figure(needed)}; "
        f"mean log-probability {_figure(log_probability)}, needs {_figure(belief.log_probability)}"
    )


def _figure(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
