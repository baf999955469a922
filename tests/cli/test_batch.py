import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from emollm.cli import Stopped
from emollm.cli.batch import REJECTS, Batch, expand, fingerprint
from emollm.clip_files import clip_id
from emollm.errors import AssetError, DataError, EmollmError, MediaError
from emollm.types import Record


class Length(Record):
    """A record that is quickly made: the number of bytes of a file."""

    id: str
    length: int


DRIVER = """
import sys, time, types
from pathlib import Path
import click
import emollm.cli
from emollm.cli.batch import Batch, expand
from emollm.errors import MediaError
from emollm.types import Record

class Length(Record):
    id: str
    length: int

def work(path: Path) -> Length:
    time.sleep(float(pause))
    data = path.read_bytes()
    if not data:
        raise MediaError(f"{path}: the file is empty (0 bytes)")
    return Length(id=str(path), length=len(data))

@click.command()
def command() -> int:
    paths = expand([folder], lambda path: path.suffix == ".png")
    batch = Batch(paths, work, Length, key="k", out=Path(out) if out else None)
    with batch:
        for record in batch:
            batch.show(record.to_json())
    return batch.exit_code

folder, out, pause = sys.argv[1:]
module = types.ModuleType("emollm.cli.measure")
module.command = command
sys.modules["emollm.cli.measure"] = module
emollm.cli.COMMANDS["measure"] = "Count bytes."
emollm.cli.main(["measure"])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve clips of 1 to 12 bytes."""
    place = tmp_path / "clips"
    place.mkdir()
    for number in range(1, 13):
        (place / f"{number:02}.png").write_bytes(b"x" * number)
    return place


class Work:
    """Counts the bytes of a file and remembers which files it was asked for."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, path: Path) -> Length:
        self.seen.append(path.name)
        data = path.read_bytes()
        if not data:
            raise MediaError(f"{path}: the file is empty (0 bytes)")
        return Length(id=str(path), length=len(data))


def batch_of(folder: Path, out: Path | None, work: Work, key: str = "k", fresh: bool = False) -> Batch[Length]:
    return Batch(expand([str(folder)], is_png), work, Length, key=key, out=out, fresh=fresh)


def run(
    folder: Path, out: Path | None, key: str = "k", fresh: bool = False
) -> tuple[Batch[Length], list[str], list[int]]:
    """The batch, the names that were worked on, and the lengths in the order they came."""
    work = Work()
    with batch_of(folder, out, work, key, fresh) as batch:
        lengths = [record.length for record in batch]
    return batch, work.seen, lengths


def is_png(path: Path) -> bool:
    return path.suffix == ".png"


def lengths_in(path: Path) -> list[int]:
    return [json.loads(line)["length"] for line in path.read_text(encoding="utf-8").splitlines()]


def start(folder: Path, out: Path | str, pause: float = 0.0, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DRIVER, str(folder), str(out), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait_for_lines(process: subprocess.Popen[str], count: int) -> None:
    assert process.stdout
    for _ in range(count):
        assert process.stdout.readline()


# ---- which clips ----------------------------------------------------------------------------------------------------


def test_a_folder_gives_its_files_sorted_and_recursive_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "sub/c.png", ".hidden.png", ".git/d.png", "notes.txt", "folder.png/e.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = [str(path.relative_to(tmp_path)) for path in expand([str(tmp_path)], is_png)]
    assert found == ["a.png", "b.png", "folder.png/e.png", "sub/c.png"]


def test_a_named_file_is_kept_whatever_its_suffix(tmp_path: Path) -> None:
    assert expand(["gone.txt", str(tmp_path / "notes")], is_png) == [Path("gone.txt"), tmp_path / "notes"]


def test_a_file_named_twice_is_taken_once_at_its_first_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = expand(["03.png", ".", "./03.png", str(folder / "03.png")], is_png)
    assert len(found) == 12
    assert found[0] == Path("03.png")


def test_patterns_are_expanded_where_the_shell_did_not(folder: Path) -> None:
    (folder / "notes.txt").touch()
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "z.png").touch()
    assert [path.name for path in expand([f"{folder}/0[12]*"], is_png)] == ["01.png", "02.png"]
    assert len(expand([f"{folder}/**/*.png"], is_png)) == 13
    assert len(expand([f"{folder}/*"], is_png)) == 13


def test_a_file_with_brackets_in_its_name_is_not_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "a[1].png"
    path.touch()
    assert expand([str(path)], is_png) == [path]


@pytest.mark.parametrize("arguments", [[], [""], ["nothing*.png"], ["."]])
def test_nothing_to_read_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="nothing") as caught:
        expand(arguments, is_png)
    assert "\n" not in str(caught.value)


def test_links_that_run_in_a_circle_end(folder: Path) -> None:
    (folder / "again").symlink_to(folder)
    assert len(expand([str(folder)], is_png)) == 12


def test_a_name_that_is_not_utf8_gets_an_id_that_json_can_hold() -> None:
    assert clip_id(Path(os.fsdecode(b"caf\xe9.png"))) == r"caf\xe9.png"
    assert clip_id(Path("café.png")) == "café.png"


# ---- results and exit codes -----------------------------------------------------------------------------------------


def test_results_come_in_order_and_are_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.jsonl"
    batch, _, lengths = run(folder, out)
    assert lengths == lengths_in(out) == list(range(1, 13))
    assert (batch.done, batch.reused, batch.exit_code) == (12, 0, 0)
    assert sorted(path.name for path in out.parent.iterdir()) == [".out.jsonl.run", "out.jsonl"]


def test_without_an_output_file_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    _, _, lengths = run(folder, None)
    assert lengths == list(range(1, 13))
    assert list(tmp_path.iterdir()) == [folder]


def test_rejected_clips_are_told_and_written_with_their_reason(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = folder / "05.png"
    bad.write_bytes(b"")
    batch, _, lengths = run(folder, tmp_path / "out.jsonl")
    assert len(lengths) == 11
    assert batch.exit_code == 1
    row = {"out": "out.jsonl", "id": str(bad), "error": "MediaError", "reason": f"{bad}: the file is empty (0 bytes)"}
    assert json.loads((tmp_path / REJECTS).read_text()) == row
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"emollm: {bad}: the file is empty (0 bytes)"
    assert "11 of 12 clips done, 1 rejected" in told[1]


def test_a_rejected_name_that_is_not_utf8_is_written_as_readable_json(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(b"")
    out = tmp_path / "out.jsonl"
    with Batch([path], Work(), Length, key="k", out=out) as batch:
        assert list(batch) == []
    row = json.loads((tmp_path / REJECTS).read_text(encoding="utf-8"))
    assert row["reason"].encode() == f"{tmp_path}/caf\\xe9.png: the file is empty (0 bytes)".encode()


def test_the_rejects_go_when_a_later_run_has_none(folder: Path, tmp_path: Path) -> None:
    out, bad = tmp_path / "out.jsonl", folder / "05.png"
    bad.write_bytes(b"")
    run(folder, out)
    bad.write_bytes(b"xxxxx")
    _, seen, _ = run(folder, out)
    assert seen == ["05.png"]
    assert not (tmp_path / REJECTS).exists()
    assert lengths_in(out) == list(range(1, 13))


def test_rejects_of_another_output_in_the_folder_stay(folder: Path, tmp_path: Path) -> None:
    (folder / "05.png").write_bytes(b"")
    run(folder, tmp_path / "one.jsonl")
    (folder / "05.png").write_bytes(b"x")
    run(folder, tmp_path / "two.jsonl")
    assert json.loads((tmp_path / REJECTS).read_text())["out"] == "one.jsonl"


def test_rejects_that_cannot_be_written_are_told_once_and_cost_no_result(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "lengths.jsonl"
    (out.parent / REJECTS).mkdir(parents=True)
    (folder / "05.png").write_bytes(b"")
    batch, *_ = run(folder, out)
    assert batch.exit_code == 1
    assert len(lengths_in(out)) == 11
    told = capsys.readouterr().err
    assert told.count(f"{out.parent / REJECTS}: ") == 1
    assert "Is a directory" in told


def test_a_folder_that_gives_nothing_among_others_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = folder / "folder.png"
    empty.mkdir()
    assert expand([str(empty), str(folder / "01.png")], is_png) == [folder / "01.png"]
    assert capsys.readouterr().err == (
        f"emollm: {empty}: found nothing of a kind that is read; going on with the others\n"
    )


def test_nothing_done_leaves_the_earlier_output(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(folder, out)
    before = out.read_bytes()
    for path in folder.iterdir():
        path.write_bytes(b"")
    batch, _, _ = run(folder, out)
    assert batch.exit_code == 2
    assert out.read_bytes() == before
    assert not (tmp_path / "out.jsonl.part").exists()


def test_an_error_that_is_not_the_clip_ends_the_run_and_keeps_what_is_done(folder: Path, tmp_path: Path) -> None:
    def fails_at_four(path: Path) -> Length:
        if path.name == "04.png":
            raise AssetError("face-mesh: cannot be had")
        return Work()(path)

    out = tmp_path / "out.jsonl"
    with (
        pytest.raises(AssetError),
        Batch(expand([str(folder)], is_png), fails_at_four, Length, key="k", out=out) as batch,
    ):
        list(batch)
    assert not out.exists()
    assert run(folder, out)[1][0] == "04.png"


# ---- going on -------------------------------------------------------------------------------------------------------


def stop_after(batch: Batch[Length], count: int) -> None:
    """Stands for Ctrl-C after so many clips."""
    with batch:
        for number, _ in enumerate(batch, 1):
            if number == count:
                raise KeyboardInterrupt


@pytest.fixture
def stopped(folder: Path, tmp_path: Path) -> Path:
    """An output whose run was stopped after five clips."""
    out = tmp_path / "out.jsonl"
    with pytest.raises(Stopped, match=r"^stopped after 5 of 12; run the same command again to go on$"):
        stop_after(batch_of(folder, out, Work()), 5)
    return out


def test_a_stopped_run_goes_on_where_it_was(folder: Path, stopped: Path) -> None:
    batch, seen, lengths = run(folder, stopped)
    assert seen[0] == "06.png"
    assert lengths == lengths_in(stopped) == list(range(1, 13))
    assert batch.reused == 5


def test_a_half_written_last_line_is_dropped(folder: Path, stopped: Path) -> None:
    part = stopped.with_name("out.jsonl.part")
    part.write_bytes(part.read_bytes()[:-3])
    _, seen, lengths = run(folder, stopped)
    assert seen[0] == "05.png"
    assert lengths == lengths_in(stopped) == list(range(1, 13))


@pytest.mark.parametrize("kept", [0, 5, 30])
def test_a_half_written_first_line_starts_anew(folder: Path, stopped: Path, kept: int) -> None:
    part = stopped.with_name("out.jsonl.part")
    part.write_bytes(part.read_bytes()[:kept])
    assert len(run(folder, stopped)[1]) == 12


def test_a_damaged_line_costs_only_its_clip(folder: Path, stopped: Path) -> None:
    part = stopped.with_name("out.jsonl.part")
    lines = part.read_bytes().splitlines(keepends=True)
    lines[2] = b"\0" * len(lines[2][:-1]) + b"\n"
    lines[3] = lines[3].replace(b'"length":3', b'"length":"')
    part.write_bytes(b"".join(lines))
    _, seen, lengths = run(folder, stopped)
    assert seen[:3] == ["02.png", "03.png", "06.png"]
    assert lengths == list(range(1, 13))


def test_a_foreign_part_file_is_left_alone(folder: Path, tmp_path: Path) -> None:
    part = tmp_path / "out.jsonl.part"
    part.write_bytes(b"half a download")
    with pytest.raises(EmollmError, match="no journal of emollm"):
        run(folder, tmp_path / "out.jsonl")
    assert part.read_bytes() == b"half a download"


def test_a_clip_that_changed_is_done_again(folder: Path, stopped: Path) -> None:
    (folder / "02.png").write_bytes(b"x" * 99)
    _, seen, lengths = run(folder, stopped)
    assert seen[:2] == ["02.png", "06.png"]
    assert lengths[1] == 99


def test_a_clip_that_came_meanwhile_stands_in_its_place(folder: Path, stopped: Path) -> None:
    (folder / "00.png").write_bytes(b"x" * 77)
    run(folder, stopped)
    assert lengths_in(stopped) == [77, *range(1, 13)]


def test_other_settings_start_anew_and_say_so(folder: Path, stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(run(folder, stopped, key="other")[1]) == 12
    assert "5 clips of other settings dropped" in capsys.readouterr().err


def test_fresh_ignores_earlier_work(folder: Path, stopped: Path) -> None:
    assert len(run(folder, stopped, fresh=True)[1]) == 12
    assert len(run(folder, stopped)[1]) == 0
    assert len(run(folder, stopped, fresh=True)[1]) == 12


def test_a_finished_run_is_taken_over_and_its_output_left_alone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(folder, out)
    before = out.stat()
    batch, seen, lengths = run(folder, out)
    after = out.stat()
    assert seen == []
    assert (batch.reused, lengths) == (12, list(range(1, 13)))
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not (tmp_path / "out.jsonl.part").exists()


def test_an_output_that_was_edited_is_not_taken_over(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(folder, out)
    out.write_text(out.read_text().replace('"length":3', '"length":4'))
    assert len(run(folder, out)[1]) == 12
    assert lengths_in(out) == list(range(1, 13))


def test_the_output_stays_until_a_run_with_other_settings_is_complete(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(folder, out)
    before = out.read_bytes()
    with pytest.raises(Stopped):
        stop_after(batch_of(folder, out, Work(), key="other"), 1)
    assert out.read_bytes() == before
    assert len(run(folder, out, key="other")[1]) == 11


# ---- what else stands in the output ---------------------------------------------------------------------------------


def files(folder: Path, *numbers: int) -> list[Path]:
    return [folder / f"{number:02}.png" for number in numbers]


def run_on(paths: list[Path], out: Path, key: str = "k", fresh: bool = False, kind: type[Record] = Length) -> list[str]:
    """The names that were worked on."""
    work = Work()
    with Batch(paths, work, kind, key=key, out=out, fresh=fresh) as batch:
        list(batch)
    return work.seen


def test_results_of_other_clips_with_the_same_settings_stay(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    run_on(files(folder, 5, 2), out)
    run_on(files(folder, 1, 2, 3), out)
    assert "written to" in (told := capsys.readouterr().err)
    assert told.endswith("out.jsonl, beside 1 of other clips\n")
    assert lengths_in(out) == [5, 2, 1, 3]
    before = out.stat()
    assert run_on(files(folder, 1, 5), out) == []
    assert out.stat().st_mtime_ns == before.st_mtime_ns
    assert run_on(files(folder, 1, 2, 3, 5), out) == []
    assert lengths_in(out) == [1, 2, 3, 5]


def test_what_a_stopped_run_has_done_outlives_a_run_on_other_clips(folder: Path, stopped: Path) -> None:
    run_on(files(folder, 7), stopped)
    assert lengths_in(stopped) == [1, 2, 3, 4, 5, 7]
    assert "06.png" in run(folder, stopped)[1]
    assert run(folder, stopped)[1] == []


def test_a_damaged_line_of_another_clip_is_not_carried_on(folder: Path, stopped: Path) -> None:
    part = stopped.with_name("out.jsonl.part")
    part.write_bytes(part.read_bytes().replace(b'"length":3', b'"length":"'))
    run_on(files(folder, 7), stopped)
    assert lengths_in(stopped) == [1, 2, 4, 5, 7]


def test_other_settings_do_not_drop_the_results_of_other_clips(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run_on(files(folder, 1, 2), out)
    before = out.read_bytes()
    with pytest.raises(EmollmError, match=r"has 1 results of other clips .*--fresh to drop them$"):
        run_on(files(folder, 2, 3), out, key="other")
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.jsonl.run", "clips", "out.jsonl"]
    run_on(files(folder, 2, 3), out, key="other", fresh=True)
    assert lengths_in(out) == [2, 3]


def test_other_settings_for_the_same_clips_replace_the_output_and_say_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    run_on(files(folder, 1), out)
    run_on(files(folder, 1), out, key="other")
    assert capsys.readouterr().err == f"emollm: {out}: made with other settings or changed since; starting anew\n"


@pytest.mark.parametrize("content", ["notes of mine\n", '{"name": "x"}\n', '{"id": "01.png", "size": 3}\n', "\n", "{"])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_file_of_another_program_is_never_replaced(folder: Path, tmp_path: Path, content: str, fresh: bool) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text(content)
    with pytest.raises(EmollmError, match=r"not written by this command of emollm \(expected one length a line\)"):
        run(folder, out, fresh=fresh)
    assert out.read_text() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips", "out.jsonl"]


def test_the_results_of_another_command_are_not_replaced(folder: Path, tmp_path: Path) -> None:
    class Other(Record):
        id: str
        other: int

    out = tmp_path / "out.jsonl"
    run(folder, out)
    with pytest.raises(EmollmError, match="expected one other a line"):
        run_on(files(folder, 1), out, kind=Other)
    assert lengths_in(out) == list(range(1, 13))


def test_an_empty_file_is_taken_as_the_output(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.touch()
    run(folder, out)
    assert lengths_in(out) == list(range(1, 13))


@pytest.mark.parametrize("finished", [False, True])
def test_a_clip_is_done_again_where_a_file_made_of_it_is_gone_or_another_run_s(
    folder: Path, tmp_path: Path, finished: bool
) -> None:
    pages, out = tmp_path / "pages", tmp_path / "out.jsonl"
    pages.mkdir()
    seen: list[str] = []

    def work(path: Path) -> Length:
        seen.append(path.name)
        (pages / path.name).write_text("page")
        return Length(id=str(path), length=1)

    def batch(paths: list[Path], drawn: bool = True) -> Batch[Length]:
        seen.clear()
        made = (lambda path: (pages / path.name,)) if drawn else (lambda _: ())
        return Batch(paths, work, Length, key="k", out=out, made=made)

    with batch(files(folder, 1, 2, 3)) as first:
        for number, _ in enumerate(first, 1):
            if number == 3 and not finished:
                break
    (pages / "01.png").unlink()
    (pages / "02.png").write_text("the page of a run with other settings")
    with batch(files(folder, 1, 2, 3), drawn=False) as second:
        assert len(list(second)) == second.reused == 3
    with batch(files(folder, 1, 2, 3)) as third:
        assert len(list(third)) == 3
    assert seen == ["01.png", "02.png"]
    assert {path.read_text() for path in pages.iterdir()} == {"page"}
    with batch(files(folder, 1, 2, 3)) as fourth:
        assert len(list(fourth)) == fourth.reused == 3


def test_two_runs_on_one_output_do_not_interleave(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with batch_of(folder, out, Work()) as batch:
        iterator = iter(batch)
        next(iterator)
        with pytest.raises(EmollmError, match=r"another run is writing it"):
            run(folder, out)
        list(iterator)
    assert lengths_in(out) == list(range(1, 13))
    assert run(folder, out)[1] == []


def test_an_output_that_is_a_folder_or_a_device_is_refused(folder: Path, tmp_path: Path) -> None:
    for out in (tmp_path, Path("/dev/null")):
        with pytest.raises(EmollmError, match="expected a file to write"):
            run(folder, out)


def test_the_fingerprint_depends_on_every_part() -> None:
    keys = {fingerprint("a", "b"), fingerprint("ab"), fingerprint("a"), fingerprint(Length(id="a", length=1))}
    assert len(keys) == 4
    assert fingerprint("a", "b") == fingerprint("a", "b")


# ---- recordings -----------------------------------------------------------------------------------------------------


def test_recordings_are_worked_on_one_at_a_time_and_other_clips_beside_them(folder: Path) -> None:
    at_work = threading.Lock()
    photo_done = threading.Event()

    def work(path: Path) -> Length:
        recording = path.name != "02.png"
        with batch.turn(path, recording) as progress:
            assert (progress is not None) == recording
            if recording:
                assert at_work.acquire(blocking=False), "another recording is being worked on"
                assert photo_done.wait(60)
                at_work.release()
            else:
                photo_done.set()
        return Length(id=str(path), length=1)

    batch = Batch(files(folder, 1, 2, 3, 4), work, Length, key="k", workers=3)
    with batch:
        assert len(list(batch)) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_the_recordings_in_progress_wherever_it_strikes(folder: Path, workers: int) -> None:
    begun, ended = threading.Event(), list[str]()

    def work(path: Path) -> Length:
        with batch.turn(path, True) as progress:
            assert progress is not None
            try:
                begun.set()
                while True:  # an endless recording
                    progress(1.0, None)
                    time.sleep(0.01)
            finally:
                ended.append(path.name)

    def interrupt() -> None:
        begun.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    for _ in range(10):
        begun.clear()
        ended.clear()
        batch = Batch(files(folder, 1, 2, 3), work, Length, key="k", workers=workers)
        threads = [threading.Thread(target=interrupt)]
        threads[0].start()
        with pytest.raises(Stopped, match="stopped after 0 of 3"), batch:
            list(batch)
        for thread in threads + [other for other in threading.enumerate() if other.name.startswith("ahead")]:
            thread.join(60)
            assert not thread.is_alive()
        assert len(ended) == 1
        assert signal.getsignal(signal.SIGINT) is before


# ---- real processes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signum", "code", "word"),
    [(signal.SIGINT, 130, "stopped after"), (signal.SIGTERM, 143, "stopped after"), (signal.SIGKILL, -9, "")],
)
def test_a_run_stopped_by_a_signal_ends_with_the_output_of_a_whole_run(
    folder: Path, tmp_path: Path, signum: signal.Signals, code: int, word: str
) -> None:
    whole, out = tmp_path / "whole" / "out.jsonl", tmp_path / "out.jsonl"
    run(folder, whole)
    process = start(folder, out, pause=0.1)
    wait_for_lines(process, 4)
    process.send_signal(signum)
    _, told = process.communicate(timeout=120)
    assert process.returncode == code
    assert told.count("\n") == (1 if word else 0)
    assert word in told
    assert not out.exists()
    second = start(folder, out)
    printed, told = second.communicate(timeout=120)
    assert second.returncode == 0
    assert printed == out.read_text() == whole.read_text()
    assert " by an earlier run)" in told
    assert int(told.split("done (")[1].split()[0]) >= 4


def test_a_full_disk_costs_neither_the_earlier_output_nor_what_is_done(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(folder, out, key="other")
    earlier = out.read_text()

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))

    process = start(folder, out, preexec_fn=little_room)
    printed, told = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "out.jsonl.part: cannot be written: File too large; make room" in told
    assert told.count("\n") == 2, "that the earlier results have other settings, and why it ended"
    assert out.read_text() == earlier
    done = len(printed.splitlines())
    assert 1 <= done < 12
    second = start(folder, out)
    _, told = second.communicate(timeout=120)
    assert f"({done} by an earlier run)" in told
    assert lengths_in(out) == list(range(1, 13))


def test_a_second_process_is_refused_while_the_first_runs(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    first = start(folder, out, pause=0.15)
    wait_for_lines(first, 1)
    second = start(folder, out)
    _, told = second.communicate(timeout=120)
    assert second.returncode == 2
    assert "another run is writing it" in told
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert lengths_in(out) == list(range(1, 13))


def test_results_stream_and_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    process = start(folder, "", pause=0.1)
    wait_for_lines(process, 1)
    assert process.poll() is None
    assert process.stdout
    process.stdout.close()
    assert process.wait(timeout=120) == 141
    assert process.stderr
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_bar_is_drawn_on_request_and_never_into_the_results(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Batch(expand([str(folder)], is_png), Work(), Length, key="k", progress=True) as batch:
        for record in batch:
            batch.show(record.to_json())
    out, err = capsys.readouterr()
    assert [json.loads(line)["length"] for line in out.splitlines()] == list(range(1, 13))
    assert "clip" in err
