"""The speed of emollm with clips: faces beside MediaPipe's FaceMesh, memory over an hour, the voice, the cost of a face.

All contestants run in processes restricted to the same two cores. :mod:`emollm.eval.bench` calls this and writes the page.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import click

from emollm import assets
from emollm.errors import AssetError, EmollmError
from emollm.eval import bench_face, bench_rivals
from emollm.eval.bench_loop import looped
from emollm.eval.bench_machine import is_busy, machine, plain, told_versions, two_cores
from emollm.eval.bench_rivals import Contestant
from emollm.eval.bench_table import Spread, spread

CLIP = "clip-pexels"
SPEECH = "speech-jfk"
AIM_MEMORY = 1.2
"""An hour may take so many times the memory of the clip."""
BACKENDS = ("mesh-head", "face-landmarker")
RIVALS = {"MediaPipe FaceMesh": "points", "MediaPipe FaceMesh with irises": "irises"}
RECOGNISERS = {"emollm, the voice without words": "none", "emollm, the voice": "whisper-tiny.en"}
FACE_FRAMES = 128
"""Frames in which the cost of a face is measured."""


class Pass(NamedTuple):
    """One recording in one round."""

    seconds: float
    cpu: float
    """Processor seconds a second."""
    peak: int
    """Most memory the process has held so far, in KiB."""
    frames: int = 0
    faces: int = 0
    """Frames with a face (of the person seen most)."""
    length: float = 0.0
    """Seconds of the recording."""


class ClipRow(NamedTuple):
    """One contestant."""

    name: str
    passes: tuple[Pass, ...]

    def a_second(self) -> Spread:
        """Frames a second, over the rounds."""
        return spread([run.frames / run.seconds for run in self.passes])


class ClipResult(NamedTuple):
    """All that one run found."""

    ours: tuple[ClipRow, ...]
    rivals: tuple[ClipRow, ...]
    decoders: tuple[ClipRow, ...]
    memory: tuple[Pass, Pass]
    """The clip, and the clip over and over."""
    voice: tuple[ClipRow, ...]
    face: dict[str, dict[str, list[float]]]
    """By backend and step: milliseconds a face, one figure a turn."""
    versions: dict[str, dict[str, str]]
    absent: dict[str, str]
    """What could not take part, and why."""
    load: float
    """Load average over the minute before."""


class Plan(NamedTuple):
    """What is measured."""

    rounds: int
    threads: int
    hour: float = 3600.0
    """Seconds for which the clip is repeated to see that memory does not grow."""
    speech: float = 300.0
    """Seconds for which the speech is repeated."""
    frames: int = FACE_FRAMES


def run(clip: Path, plan: Plan, build: Path) -> ClipResult:
    """Measures everything.

    Args:
        clip: A clip with a face.
        plan: How much of it.
        build: Folder for MediaPipe's environment, logs and repeated recordings (those are removed).
    """
    python = bench_rivals.mediapipe_environment(build / "mediapipe")
    load = os.getloadavg()[0]
    bench = _Bench(plan, build, two_cores())
    ours = {f"emollm, {name}": bench.ours("faces", name) for name in BACKENDS}
    rivals = {name: bench.theirs(python, what) for name, what in RIVALS.items()}
    decoders = {"decoding only, emollm": bench.ours("decode"), "decoding only, OpenCV": bench.theirs(python, "decode")}
    rows = {row.name: row for row in bench.side_by_side({**ours, **rivals, **decoders}, clip)}
    face = bench.face(clip)
    voice = bench.voice()
    memory = bench.memory(clip)
    return ClipResult(
        tuple(rows[name] for name in ours if name in rows),
        tuple(rows[name] for name in rivals),
        tuple(rows[name] for name in decoders if name in rows),
        memory,
        voice,
        face,
        bench.versions,
        bench.absent,
        load,
    )


class _Bench:
    """Runs contestants on some cores and notes who they are."""

    def __init__(self, plan: Plan, build: Path, cores: Sequence[int]) -> None:
        self._plan, self._build, self._cores = plan, build, cores
        self.versions: dict[str, dict[str, str]] = {}
        self.absent: dict[str, str] = {}

    def ours(self, what: str, backend: str = "-") -> list[str]:
        """Command of one of our contestants."""
        return [sys.executable, "-m", "emollm.eval.bench_ours_video", what, backend, str(self._plan.threads)]

    def theirs(self, python: Path, what: str) -> list[str]:
        """Command of one of MediaPipe's."""
        return [str(python), str(Path(__file__).with_name("bench_mediapipe_video.py")), what]

    def side_by_side(self, commands: Mapping[str, list[str]], path: Path) -> list[ClipRow]:
        """All of them on one recording, in turned order round by round, after one round that is not counted."""
        with ExitStack() as stack:
            contestants = []
            for name, command in commands.items():
                contestant = stack.enter_context(self._enter(name, command))
                if contestant.refusal:
                    self.absent[name] = contestant.refusal
                else:
                    contestants.append(contestant)
            found: dict[str, list[Pass]] = {contestant.name: [] for contestant in contestants}
            for turn in range(self._plan.rounds + 1):
                for contestant in contestants[:: -1 if turn % 2 else 1]:
                    measured = ask(contestant, path)
                    if turn:
                        found[contestant.name].append(measured)
                _tell(f"{path.name}: round {turn} of {self._plan.rounds}" + ("" if turn else " (not counted)"))
            self.versions |= {one.name: one.versions for one in contestants}
        return [ClipRow(name, tuple(passes)) for name, passes in found.items()]

    def voice(self) -> tuple[ClipRow, ...]:
        """The voice in real speech, over and over; nothing where that cannot be had."""
        try:
            speech = assets.path(SPEECH)
        except AssetError as error:
            self.absent["emollm, the voice"] = str(error)
            return ()
        commands = {name: self.ours("voice", words) for name, words in RECOGNISERS.items()}
        with tempfile.TemporaryDirectory(dir=self._build) as folder:
            long = looped(speech, self._plan.speech, Path(folder) / "speech.mka")
            return tuple(self.side_by_side(commands, long))

    def memory(self, clip: Path) -> tuple[Pass, Pass]:
        """The clip and the clip over and over, each observed whole by a process of its own."""
        with tempfile.TemporaryDirectory(dir=self._build) as folder:
            long = looped(clip, self._plan.hour, Path(folder) / f"hour{clip.suffix}")
            return self._once(clip), self._once(long)

    def face(self, clip: Path) -> dict[str, dict[str, list[float]]]:
        """The cost of a face, step by step."""
        _tell("the cost of a face")
        plan = self._plan
        command = [sys.executable, "-m", "emollm.eval.bench_face", str(clip), str(plan.frames), str(plan.rounds)]
        log = self._log("face")
        with log.open("wb") as errors:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=errors, preexec_fn=lambda: os.sched_setaffinity(0, self._cores)
            )
        if done.returncode:
            raise EmollmError(f"{' '.join(command[1:3])} ended with code {done.returncode}; its log is {log}")
        found: dict[str, dict[str, list[float]]] = json.loads(done.stdout)
        return found

    def _once(self, path: Path) -> Pass:
        """One recording observed whole, all backends as they are by default, in a fresh process."""
        _tell(f"observing {path.name} whole; an hour takes some minutes")
        with self._enter("emollm, all of it", self.ours("whole")) as contestant:
            if contestant.refusal:
                raise EmollmError(f"{contestant.name}: {contestant.refusal}")
            measured = ask(contestant, path)
            self.versions[contestant.name] = contestant.versions
        _tell(f"{path.name}: {measured.seconds:.1f} s, {measured.peak / 1024:.0f} MiB")
        return measured

    def _enter(self, name: str, command: list[str]) -> Contestant:
        return Contestant(name, command, self._log(name), self._cores)

    def _log(self, name: str) -> Path:
        self._build.mkdir(parents=True, exist_ok=True)
        return self._build / f"{name.replace(', ', '-').replace(' ', '-').lower()}.log"


def ask(contestant: Contestant, path: Path) -> Pass:
    """Has a contestant work through one recording."""
    return Pass(**contestant.ask(str(path)))


def _tell(text: str) -> None:
    click.echo(text, err=True)


# ---- arithmetic -----------------------------------------------------------------------------------------------------


def times_as_fast(row: ClipRow, rival: ClipRow) -> Spread:
    """How many times as fast a contestant goes through the clip as its rival, round by round."""
    pairs = zip(row.passes, rival.passes, strict=True)
    return spread([theirs.seconds / ours.seconds for ours, theirs in pairs])


def growth(memory: tuple[Pass, Pass]) -> float:
    """Peak memory of the long recording over that of the short one."""
    return memory[1].peak / memory[0].peak


# ---- as text --------------------------------------------------------------------------------------------------------


def as_text(result: ClipResult, plan: Plan, date: str) -> str:
    """The result as markdown: what ran where, then the tables. Names no path of the machine."""
    busy = ["The machine was busy with other work: what counts here is the ratios."] if is_busy(result.load) else []
    parts = [
        f"`python -m emollm.eval.bench --only clips`, {date}: `{CLIP}`, {plan.rounds} rounds after one that is not "
        f"counted, every process on the same two cores. {machine()}; load average {result.load:.1f} in the minute before. "
        f"Ours: `threads` {plan.threads}; MediaPipe: its default. Figures are the median of the rounds, in brackets the "
        "lowest and the highest.",
        told_versions(result.versions),
        *busy,
        *(f"Not there: {name}: {plain(why)}." for name, why in result.absent.items()),
        frames_table((*result.ours, *result.rivals, *result.decoders)),
        against_table(result.ours, result.rivals),
        face_table(result.face),
        memory_table(result.memory),
    ]
    if result.voice:
        parts.append(voice_table(result.voice))
    return "\n\n".join(parts)


def frames_table(rows: Sequence[ClipRow]) -> str:
    """Frames a second."""
    lines = ["| | frames/s | ms a frame | frames with a face | processors busy |", "|---|---|---|---|---|"]
    for row in rows:
        each = spread([1000 * run.seconds / run.frames for run in row.passes])
        cpu = spread([run.cpu for run in row.passes])
        last = row.passes[-1]
        share = f"{last.faces} of {last.frames}" if last.faces else "–"
        lines.append(f"| {row.name} | {row.a_second().text(0)} | {each.text(2)} | {share} | {cpu.text(2)} |")
    return "\n".join(lines)


def against_table(ours: Sequence[ClipRow], rivals: Sequence[ClipRow]) -> str:
    """How many times as fast ours are as each rival."""
    lines = [f"| times as fast as | {' | '.join(rival.name for rival in rivals)} |", f"|---|{'---|' * len(rivals)}"]
    for row in ours:
        lines.append(f"| {row.name} | {' | '.join(times_as_fast(row, rival).text(2) for rival in rivals)} |")
    return "\n".join(lines)


def face_table(face: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Milliseconds a face in a photo, and step by step in a video."""
    heads = {
        bench_face.PHOTO: "in a photo",
        bench_face.LOOK: "in a video: one look",
        bench_face.DETAIL: "eyes that have changed",
        bench_face.SHAPES: f"action units, {bench_face.BATCH} faces at a time",
    }
    lines = [
        f"| ms a face, one after the other | {' | '.join(heads.values())} | in a video, all |",
        "|---|---|---|---|---|---|",
    ]
    for name, steps in face.items():
        whole = [sum(parts) for parts in zip(*(steps[step] for step in heads if step != bench_face.PHOTO), strict=True)]
        cells = [spread(figures).text(2) for figures in (*(steps[step] for step in heads), whole)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def memory_table(memory: tuple[Pass, Pass]) -> str:
    """Peak memory of a short and of a long recording."""
    lines = [
        "| observed whole, in a fresh process | length, s | frames | peak memory, MB | frames/s |",
        "|---|---|---|---|---|",
    ]
    for name, one in zip((f"`{CLIP}`", f"`{CLIP}` over and over"), memory, strict=True):
        rate = one.frames / one.seconds
        lines.append(f"| {name} | {one.length:.0f} | {one.frames} | {one.peak * 1024 / 1e6:.0f} | {rate:.0f} |")
    told = f"The long one takes {growth(memory):.2f} times the memory of the clip; the aim is at most {AIM_MEMORY}."
    return "\n".join([*lines, "", told])


def voice_table(rows: Sequence[ClipRow]) -> str:
    """Seconds of sound a second."""
    lines = [
        "| | seconds of sound a second | length of the sound, s | processors busy | peak memory, MB |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        speed = spread([run.length / run.seconds for run in row.passes])
        cpu = spread([run.cpu for run in row.passes])
        last = row.passes[-1]
        memory = f"{last.peak * 1024 / 1e6:.0f}"
        lines.append(f"| {row.name} | {speed.text(1)} | {last.length:.0f} | {cpu.text(2)} | {memory} |")
    return "\n".join(lines)


def as_json(result: ClipResult) -> dict[str, Any]:
    """Every timing, for one's own arithmetic."""
    rows = {"ours": result.ours, "rivals": result.rivals, "decoders": result.decoders, "voice": result.voice}
    return {
        "machine": machine(),
        "load": result.load,
        "versions": result.versions,
        "absent": result.absent,
        **{
            name: [{"name": row.name, "passes": [run._asdict() for run in row.passes]} for row in of]
            for name, of in rows.items()
        },
        "memory": [one._asdict() for one in result.memory],
        "face": result.face,
    }
