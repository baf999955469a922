"""Builds: what they write, and that a stop at any moment loses nothing and doubles nothing."""

import json
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from emollm.data_engines.base import Item
from emollm.data_engines.recipe import BuildSettings
from emollm.data_engines.run import build
from emollm.data_engines.shards import PARTS, SAMPLES, read_rejects, read_samples, shards
from emollm.errors import ConfigError, EmollmError
from emollm.types import Clip, Verdict

PROGRAM = Path(__file__).parent / "tiny_build.py"


@pytest.fixture(autouse=True, scope="module")
def tiny() -> None:
    """Makes the engine ``tiny`` known."""
    spec = spec_from_file_location("tiny_build", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(module_from_spec(spec))


LOOSE = {"duplicates": False, "min_claims": 0, "min_support": 0, "max_contradicted": 9}


def recipe(**values: Any) -> BuildSettings:
    return BuildSettings.model_validate({"engine": "tiny", "rows": True, "filters": LOOSE, **values})


def table(path: Path, rows: int = 40) -> Path:
    lines = [f"{index % 10 / 10},{index % 7 / 7:.3f}" for index in range(rows)]
    path.write_text("AU12,AU04\n" + "\n".join(lines) + "\n")
    return path


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def samples(out: Path) -> list[Any]:
    return [sample for path in shards(out, SAMPLES) for sample in read_samples(path)]


def rejects(out: Path) -> list[Any]:
    return [reject for path in shards(out, "rejects") for reject in read_rejects(path)]


def test_every_item_ends_as_a_verified_sample_or_as_a_reject(tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = table(tmp_path / "faces.csv")
    path.write_text(path.read_text() + "7.5,0\n")
    counts = build(recipe(scale={"block": 15}), [str(path)], out)
    assert (counts.items, counts.unread, counts.kept) == (41, 1, 40)
    assert len(shards(out, SAMPLES)) == 3
    kept = samples(out)
    assert [sample.provenance.clip for sample in kept] == [f"faces.csv#{row}" for row in range(2, 42)]
    assert {claim.verdict for sample in kept for claim in sample.claims} <= set(Verdict)
    assert all(sample.claims for sample in kept)
    (reject,) = rejects(out)
    assert (reject.id, reject.stage) == ("faces.csv#42", "source")
    assert reject.reason == "out of range: AU12 is 7.5, expected 0 to 1"
    assert json.loads((out / "build.json").read_text())["counts"]["kept"] == 40
    assert not (out / PARTS).exists()


def test_contradicted_samples_are_rejected_with_their_text(tmp_path: Path) -> None:
    strict = {"duplicates": False}
    counts = build(
        recipe(options={"wrong": True}, filters=strict), [str(table(tmp_path / "a.csv", 1))], tmp_path / "out"
    )
    (reject,) = rejects(tmp_path / "out")
    assert counts.kept == 0
    assert (reject.stage, reject.reason.partition(":")[0]) == ("filter:faithfulness", "contradicted")
    assert "strongly present" in reject.sample.reply


def run(out: Path, workers: int, seconds: float, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), str(out), str(workers), str(seconds), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_build_goes_on_to_the_same_bytes(workers: int, tmp_path: Path) -> None:
    path = table(tmp_path / "faces.csv")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with run(whole, 1, 0.03, path) as process:
        process.communicate()
    assert process.returncode == 0
    with run(killed, workers, 0.03, path) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert 2 <= len(shards(killed / PARTS, SAMPLES)) < 8
    with run(killed, workers, 0.03, path) as again:
        said, _ = again.communicate()
    assert again.returncode == 0
    assert len(said.splitlines()) == 8
    before, after = files(whole), files(killed)
    for values in (before, after):  # the number of processes is recorded, and is no part of the key
        values["build.json"] = values["build.json"].replace(b'"workers": 2', b'"workers": 1')
    assert before == after


def doubled(path: Path) -> Path:
    """A table of which half the ids stand there twice."""
    names = [*range(30), *range(0, 30, 2)]
    path.write_text("name,AU12\n" + "".join(f"n{name},{name / 30:.3f}\n" for name in names))
    return path


NAMED = {"source": {"columns": {"id": "name"}}, "scale": {"block": 10}}


def test_a_stop_while_samples_are_judged_is_mended(tmp_path: Path) -> None:
    path, out = doubled(tmp_path / "faces.csv"), tmp_path / "stopped"
    assert build(recipe(**NAMED), [str(path)], tmp_path / "whole").kept == 30

    def stop(done: int, total: int, _: object) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(recipe(**NAMED), [str(path)], out, progress=stop)
    (out / PARTS / "verdicts-00000.jsonl").write_text('[0, "filter:x", "y: z"]\n')
    build(recipe(**NAMED), [str(path)], out)
    assert files(out) == files(tmp_path / "whole")


@pytest.mark.parametrize("moved", [1, 3, 6, 9])
def test_a_stop_while_shards_are_placed_is_mended(moved: int, tmp_path: Path) -> None:
    """Whatever was already in its place when the run was killed: every file is renamed or removed on its own."""
    from emollm.data_engines.finish import judge, place

    path, whole, out = doubled(tmp_path / "faces.csv"), tmp_path / "whole", tmp_path / "stopped"
    build(recipe(**NAMED), [str(path)], whole)

    def stop(done: int, total: int, _: object) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(recipe(**NAMED), [str(path)], out, progress=stop)
    judge(out, 5, [])
    left = 0

    def trace(event: str, _: tuple[Any, ...]) -> None:
        nonlocal left
        if left and event in ("os.rename", "os.remove"):
            left -= 1
            if not left:
                raise KeyboardInterrupt

    sys.addaudithook(trace)
    left = moved
    with pytest.raises(KeyboardInterrupt):
        place(out, 5, keep=False)
    left = 0
    build(recipe(**NAMED), [str(path)], out)
    assert files(out) == files(whole)


def test_another_recipe_or_input_is_refused_and_fresh_replaces(tmp_path: Path) -> None:
    path, other, out = table(tmp_path / "a.csv", 4), table(tmp_path / "b.csv", 2), tmp_path / "out"
    build(recipe(), [str(path)], out)
    before = files(out)
    with pytest.raises(ConfigError, match=r"another recipe; give another --out, or --fresh"):
        build(recipe(seed=1), [str(path)], out)
    with pytest.raises(ConfigError, match="other input"):
        build(recipe(), [str(other)], out)
    assert files(out) == before
    assert build(recipe(scale={"workers": 2}), [str(path)], out).kept == 4
    assert files(out) == before
    assert build(recipe(), [str(other)], out, fresh=True).kept == 2
    assert len(samples(out)) == 2


def test_a_folder_with_samples_of_no_build_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "samples-00000.jsonl").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds Samples but no build\.json"):
        build(recipe(), [str(table(tmp_path / "a.csv", 4))], tmp_path)
    assert (tmp_path / "samples-00000.jsonl").read_text() == "mine"


def test_an_id_that_was_given_before_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_text("name,AU12\n" + "".join(f"{name},0.5\n" for name in "abcab"))
    counts = build(
        recipe(source={"columns": {"id": "name"}}, scale={"block": 2}), [str(path)], tmp_path / "out", limit=4
    )
    assert counts.kept == 3
    (reject,) = rejects(tmp_path / "out")
    assert (reject.id, reject.stage) == ("a#all.reasoning.0", "filter:id")
    assert reject.reason.startswith("duplicate: ")
    assert reject.sample is not None


def test_set_filters_reject_from_shards_that_are_written(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_text("who,set,AU12\nanna,train,0.5\nbert,train,0.5\nanna,valid,0.2\n")
    columns = {"speaker": "who", "split": "set"}
    counts = build(recipe(source={"columns": columns}, scale={"block": 1}), [str(path)], tmp_path / "out")
    assert [sample.speaker for sample in samples(tmp_path / "out")] == ["bert", "anna"]
    assert (counts.kept, counts.tasks) == (2, {"reasoning": 2})
    (reject,) = rejects(tmp_path / "out")
    assert reject.stage == "filter:overlap"


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit on the size of files fails as a full disk does: with an error while writing."""
    path, out = table(tmp_path / "faces.csv", 200), tmp_path / "out"
    code = (
        "import resource, signal, sys; from emollm.cli import main; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); main(sys.argv[1:])"
    )
    arguments = ["data", "build", "merr", "--set", "rows=true", "--input", str(path), "--out", str(out)]
    (tmp_path / "merr.yaml").write_text("engine: merr\n")
    arguments[2] = str(tmp_path / "merr.yaml")
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be written: File too large" in done.stderr
    assert shards(out, SAMPLES) == []
    assert [path.name for path in out.rglob("*.tmp")] == []


def test_two_runs_into_one_folder_are_kept_apart(tmp_path: Path) -> None:
    path, out = table(tmp_path / "faces.csv", 20), tmp_path / "out"
    said: list[str] = []

    def meanwhile(*_: object) -> None:
        with pytest.raises(EmollmError, match="another run writes into this folder") as error:
            build(recipe(), [str(path)], out)
        said.append(str(error.value))

    build(recipe(), [str(path)], out, progress=meanwhile)
    assert len(said) == 1


def test_records_that_were_measured_are_not_measured_again(tmp_path: Path) -> None:
    from emollm.types import Cue, CueKind, MediaInfo, Observation, Scale, Source

    source = Source(backend="made", version="1", licence="own")
    cue = Cue(id="AU12", kind=CueKind.ACTION_UNIT, name="AU12", scale=Scale.INTENSITY, value=0.0, source=source)
    observation = Observation(id="x", media=MediaInfo(kind="image"), cues=(cue,))
    item = Item(clip=Clip(id="x", image=Path("gone.png")), observation=observation)
    path = tmp_path / "items.jsonl"
    path.write_text(item.to_json() + "\n" + observation.model_copy(update={"id": "y"}).to_json() + "\nnot json\n")
    counts = build(recipe(rows=False), [str(path)], tmp_path / "out")
    assert (counts.items, counts.unread, counts.kept) == (3, 1, 2)
    first, second = samples(tmp_path / "out")
    assert [one.type for one in first.media] == ["image"]
    assert second.media == ()
    observed = (tmp_path / "out" / "observations-00000.jsonl").read_text().splitlines()
    assert [Observation.from_json(line).id for line in observed] == ["x", "y"]


class _Model(BaseHTTPRequestHandler):
    """An endpoint that says one sentence that no muscle contradicts."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {
            "message": {"role": "assistant", "content": "The lip corner puller is absent here."},
            "finish_reason": "stop",
        }
        body = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 9}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test's output is no place for requests."""


def test_what_a_budget_left_over_is_done_by_a_later_run(tmp_path: Path) -> None:
    path, out = tmp_path / "faces.csv", tmp_path / "out"
    path.write_text("AU12\n0\n0\n0\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Model) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        model = f"http://127.0.0.1:{server.server_port}/v1#made"
        first = build(recipe(annotator={"model": model, "budget": 1}), [str(path)], out)
        state = json.loads((out / "build.json").read_text())["state"]
        second = build(recipe(annotator={"model": model}), [str(path)], out)
        server.shutdown()
        thread.join()
    assert (first.later, first.kept, state) == (3, 0, "partial")
    assert second.later == 0
    assert {reject.reason.partition(":")[0] for reject in rejects(out)}.isdisjoint({"budget", "endpoint"})
    assert json.loads((out / "build.json").read_text())["state"] == "done"
    assert not (out / PARTS).exists()
