"""``emollm assets`` on files put into the cache by hand, and on sources that give nothing."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from emollm import assets
from emollm.cli.assets import command
from emollm.errors import AssetError

DATA = b"weights" * 100


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds ``good``, beside ``gone``, whose source is a port nobody listens on."""
    file = {"name": "model.bin", "sha256": hashlib.sha256(DATA).hexdigest(), "size": len(DATA)}
    fields = {"about": "test", "licence": "MIT", "licence_url": "https://example.org", "publisher": "us"}
    row = {**fields, "files": [file], "sources": [{"kind": "https", "url": "http://127.0.0.1:9/model.bin"}]}
    (tmp_path / "more.yaml").write_text(yaml.safe_dump({"good": row, "gone": row}))
    monkeypatch.setenv("EMOLLM_ASSETS", str(tmp_path / "more.yaml"))
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("EMOLLM_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    place = assets.asset("good").path
    place.parent.mkdir(parents=True)
    place.write_bytes(DATA)
    return place


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_list_shows_size_licence_and_what_is_cached(cache: Path) -> None:
    done = run("list")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert done.exit_code == 0
    assert lines["good"].split() == ["good", "0.7", "kB", "yes", "MIT", "test"]
    assert lines["gone"].split()[3] == "-"
    assert "face-mesh" in lines


def test_list_as_json_is_one_object_a_line(cache: Path) -> None:
    done = run("list", "--json")
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows["good"]["cached"] is True
    assert rows["gone"]["cached"] is False
    assert rows["good"]["path"] == str(cache)
    assert set(rows) == set(assets.names())


def test_path_prints_the_path_only(cache: Path) -> None:
    done = run("path", "good")
    assert (done.exit_code, done.output) == (0, f"{cache}\n")


def test_pull_of_some_exits_1_and_of_none_2(cache: Path) -> None:
    some = run("pull", "good", "gone")
    assert some.exit_code == 1
    assert some.stdout == f"good  {cache}\n"
    assert some.stderr.startswith("emollm: asset 'gone' cannot be had: publisher: 127.0.0.1 cannot be reached")
    assert some.stderr.count("\n") == 1
    assert run("pull", "gone").exit_code == 2


@pytest.mark.parametrize("arguments", [["pull"], ["pull", "--all", "good"], ["pull", "--what"], ["fetch"]])
def test_wrong_usage_exits_2(cache: Path, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("verb", ["pull", "verify", "path"])
def test_an_unknown_name_is_refused_with_the_closest(cache: Path, verb: str) -> None:
    done = run(verb, "goood")
    assert isinstance(done.exception, AssetError)
    assert "did you mean 'good'" in str(done.exception)


def test_verify_tells_good_from_damaged(cache: Path) -> None:
    assert run("verify").output == "good  ok\n"
    cache.write_bytes(DATA[::-1])
    done = run("verify", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["state"] == "bad"
    assert "`emollm assets verify --repair`" in done.stderr


def test_verify_counts_a_named_asset_that_is_missing(cache: Path) -> None:
    done = run("verify", "good", "gone")
    assert done.exit_code == 1
    assert "gone  bad  model.bin: missing" in done.stdout


def test_verify_cannot_repair_without_a_source(cache: Path) -> None:
    cache.write_bytes(DATA[::-1])
    done = run("verify", "--repair", "good")
    assert done.exit_code == 1
    assert "cannot be had" in done.stderr
    assert not assets.available("good")


def test_a_folder_in_the_place_of_a_file_is_called_so(cache: Path) -> None:
    cache.unlink()
    cache.mkdir()
    done = run("verify", "good")
    assert done.exit_code == 1
    assert "good  bad  model.bin: a folder stands in its place" in done.stdout
    done = run("pull", "good")
    assert done.exit_code == 2
    assert done.stderr == f"emollm: {cache}: is a folder, expected a file; move it away\n"


def test_a_file_in_the_place_of_an_asset_s_folder_is_called_so(cache: Path) -> None:
    place = assets.asset("gone").folder
    place.touch()
    assert run("pull", "gone").stderr == f"emollm: {place}: is a file, expected a folder; move it away\n"


def test_verify_of_an_empty_cache_says_so(cache: Path) -> None:
    cache.unlink()
    done = run("verify")
    assert done.exit_code == 0
    assert "nothing is cached" in done.stderr
