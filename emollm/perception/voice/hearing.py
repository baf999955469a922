"""One sound as it goes by: blocks in, turns out, each measured and written down at once."""

from functools import cache
from importlib.metadata import version
from typing import NamedTuple

import numpy as np

from emollm import __version__
from emollm.errors import AssetError
from emollm.perception.voice import Heard
from emollm.perception.voice.activity import CHUNK, RATE, Activity, Array, Cutter, Turn, open_net
from emollm.perception.voice.cues import departure_cues, speech_cues, usual_cues, word_cues
from emollm.perception.voice.gaps import missing_loudness, missing_usual, missing_voice, missing_words
from emollm.perception.voice.phrases import Phrase, phrases
from emollm.perception.voice.polarity import polarity
from emollm.perception.voice.polarity import source as lexicon
from emollm.perception.voice.prosody import measure, open_tracker
from emollm.perception.voice.series import Course
from emollm.perception.voice.settings import VoiceSettings
from emollm.perception.voice.summary import Summary
from emollm.perception.voice.words import Recogniser, Sentence, Transcript, open_recogniser
from emollm.types import Cue, Missing, Source

_HOLE = 0.05
"""Seconds by which a block may come late before the sound has a hole there, which is taken for silence."""
_AT_ONCE = 30.0
"""Seconds of silence that are put into a hole at a time."""


class Sources(NamedTuple):
    """What cues and series come from."""

    net: Source
    tracker: Source
    ours: Source


@cache
def sources() -> Sources:
    """The nets and ourselves, with versions."""
    return Sources(
        net=Source(backend="silero-vad", version=f"6 (faster-whisper {version('faster-whisper')})", licence="MIT"),
        tracker=Source(backend="swift-f0", version=version("swift-f0"), licence="MIT"),
        ours=Source(backend="emollm-voice", version=__version__, licence="Apache-2.0"),
    )


class Hearing:
    """Hears one sound.

    Args:
        settings: Thresholds and the recogniser.

    Raises:
        ImportError: A package of the extra ``voice`` is not installed.
    """

    def __init__(self, settings: VoiceSettings) -> None:
        self._settings = settings
        self._activity = Activity(open_net())
        self._tracker = open_tracker()
        self._recogniser: Recogniser | None = None
        self._wordless: str | None = None  # why there is no recogniser
        self._cutter = Cutter(settings.speech)
        self._course = Course(0.0)
        self._summary = Summary()
        self._rest = np.zeros(0, np.float32)
        self._samples = 0
        self._spans: list[tuple[float, float]] = []
        self._phrases: list[Phrase] = []
        self._transcripts: list[Transcript] = []

    def push(self, start: float, samples: Array) -> None:
        """Takes the next block.

        Args:
            start: Seconds of the clip.
            samples: (n,) at 16 kHz, mono.
        """
        if not self._samples:
            self._course = Course(start)
            self._cutter = Cutter(self._settings.speech, start)
        hole = start - self._course.origin - self._samples / RATE
        while hole > _HOLE:
            silence = min(hole, _AT_ONCE)
            self._hear(np.zeros(round(silence * RATE), np.float32))
            hole -= silence
        self._hear(np.nan_to_num(np.asarray(samples, np.float32), posinf=0.0, neginf=0.0))

    def finish(self) -> Heard:
        """All that was heard."""
        duration = self._samples / RATE
        if len(self._rest):
            self._judge(np.pad(self._rest, (0, CHUNK - len(self._rest)))[None])
        if (turn := self._cutter.finish()) is not None:
            self._turn(turn)
        spans = self._spoken(self._course.origin + duration)
        from_where = sources()
        pitch = self._summary.pitch
        return Heard(
            speech=spans,
            cues=tuple(self._cues(spans)),
            words=tuple(word for sentence in self._believed() for word in sentence.words),
            series=self._course.series(duration, pitch, *from_where) if duration else (),
            missing=self._missing(duration, bool(spans)),
            versions=self._versions(),
            duration=duration,
        )

    @property
    def transcripts(self) -> tuple[Transcript, ...]:
        """What the recogniser wrote so far, believed or not."""
        return tuple(self._transcripts)

    # ---- as it goes by ----------------------------------------------------------------------------------------------

    def _hear(self, samples: Array) -> None:
        """Takes samples as whole chunks; what is left over waits for more."""
        self._samples += len(samples)
        sound = np.concatenate([self._rest, samples])
        whole = len(sound) - len(sound) % CHUNK
        self._rest = sound[whole:].copy()
        self._judge(sound[:whole].reshape(-1, CHUNK))

    def _judge(self, chunks: Array) -> None:
        """Chunks (n, 512) that follow each other."""
        probabilities = self._activity(chunks)
        self._course.hear(chunks, probabilities)
        for chunk, probability in zip(chunks, probabilities.tolist(), strict=True):
            if (turn := self._cutter.push(chunk.copy(), probability)) is not None:
                self._turn(turn)

    def _turn(self, turn: Turn) -> None:
        """Measures a turn and writes it down."""
        frames = measure(turn, self._tracker)
        self._summary.add(frames, len(turn.samples))
        self._phrases.extend(phrases(frames))
        self._spans.extend(turn.spans)
        if self._recogniser is None and self._wordless is None:
            self._open()
        if self._recogniser is not None:
            self._transcripts.extend(self._recogniser(turn, self._settings.belief))

    def _open(self) -> None:
        """The recogniser, if there shall be one; one that nobody asked for by name may be missing."""
        words = self._settings.words
        try:
            self._recogniser = open_recogniser(words, self._settings.threads)
        except AssetError as error:
            if "words" in self._settings.model_fields_set:
                raise
            reason, _, _ = str(error).partition("; run ")  # what follows has folders of this machine
            self._wordless = (
                f"the recogniser {words} cannot be had: {reason}; "
                f"`emollm assets pull {words}` fetches it, perception.voice.words=none leaves words out"
            )
        else:
            if self._recogniser is None:
                self._wordless = "no recogniser (perception.voice.words is none)"

    # ---- what came of it --------------------------------------------------------------------------------------------

    def _spoken(self, end: float) -> tuple[tuple[float, float], ...]:
        """Speech between pauses: what was cut only for its length is put together again."""
        joined: list[tuple[float, float]] = []
        for start, stop in self._spans:
            if joined and start <= joined[-1][1]:
                start = joined.pop()[0]
            joined.append((start, min(stop, end)))
        return tuple(joined)

    def _believed(self) -> list[Sentence]:
        return [sentence for part in self._transcripts if part.doubt is None for sentence in part.sentences]

    def _cues(self, spans: tuple[tuple[float, float], ...]) -> list[Cue]:
        net, tracker, ours = sources()
        cues = list(speech_cues(spans, self._settings.speech, net))
        if (usual := self._summary.usual(self._settings.voiced)) is not None:
            cues += usual_cues(usual, spans, self._settings.speech, tracker, ours)
            cues += departure_cues(self._phrases, usual, self._settings.usual, tracker, ours)
        if self._recogniser is not None:
            english = all(part.language == "en" for part in self._transcripts)
            said = [(sentence, polarity(sentence.text) if english else None) for sentence in self._believed()]
            cues += word_cues(said, self._recogniser.source, lexicon() if english else None)
        return cues

    def _missing(self, duration: float, spoken: bool) -> tuple[Missing, ...]:
        voice = missing_voice(duration, self._course.levels, spoken, self._summary.voiced, self._settings)
        usual = missing_usual(self._phrases, self._settings) if voice is None else None
        loudness = missing_loudness(self._summary.clipped) if voice is None else None
        words = missing_words(self._transcripts, self._wordless) if spoken else [voice]
        reasons = [("voice", voice), ("usual", usual), ("loudness", loudness), *(("words", reason) for reason in words)]
        return tuple(Missing(stream=stream, reason=reason) for stream, reason in reasons if reason is not None)

    def _versions(self) -> dict[str, str]:
        found = {item.backend: item.version for item in sources()}
        if self._recogniser is not None:
            found |= {name: version(name) for name in ("faster-whisper", "ctranslate2", "vaderSentiment")}
            found[self._recogniser.source.backend] = self._recogniser.source.version
        return found
