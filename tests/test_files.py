"""Writing a file is all or nothing."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from emollm.errors import EmollmError
from emollm.files import replacing


def test_writes_bytes_and_text_and_makes_the_folder(tmp_path: Path) -> None:
    with replacing(tmp_path / "a" / "b" / "x.bin") as file:
        file.write(b"\x00\xff")
    with replacing(tmp_path / "a" / "x.txt", "w") as file:
        file.write("Überraschung")
    assert (tmp_path / "a" / "b" / "x.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "a" / "x.txt").read_bytes() == "Überraschung".encode()


def test_the_old_content_stands_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with replacing(path, "w") as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt(), EmollmError("no")])
def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def fail() -> None:
        with replacing(path, "w") as file:
            file.write("half")
            raise failure

    with pytest.raises(type(failure)):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_new_files_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "x") as file:
            file.write(b"")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmollmError, match="it is a folder"), replacing(tmp_path):
        pass


def test_a_file_where_a_folder_must_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(EmollmError, match="cannot be written"), replacing(tmp_path / "x" / "y"):
        pass


def writer(path: Path, before: str, size: int) -> list[str]:
    """Command that writes ``size`` bytes to ``path`` after running ``before``."""
    program = (
        "import resource, signal, sys, time\n"
        "from pathlib import Path\n"
        "from emollm.errors import EmollmError\n"
        "from emollm.files import replacing\n"
        f"{before}\n"
        "try:\n"
        f"    with replacing(Path({str(path)!r})) as file:\n"
        f"        file.write(bytes({size}))\n"
        "        file.flush()\n"
        "        print('written', flush=True)\n"
        "        time.sleep(60)\n"
        "except EmollmError as error:\n"
        "    print(error)\n"
        "    sys.exit(2)\n"
    )
    return [sys.executable, "-c", program]


def test_a_full_disk_is_one_clear_line_and_the_old_file_stands(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk: the same call fails, in the same way."""
    path = tmp_path / "x"
    path.write_text("old")
    limit = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    done = subprocess.run(writer(path, limit, 1_000_000), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith(f"{path}: cannot be written: ")
    assert "is as it was before" in done.stdout
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_ctrl_c_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with subprocess.Popen(writer(path, "", 100), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(EmollmError, match="a device or a pipe"), replacing(Path("/dev/null")):
        pass
    assert Path("/dev/null").is_char_device()
