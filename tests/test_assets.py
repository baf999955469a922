"""Assets against a real HTTP server on this machine: what can go wrong between a publisher and a file."""

import hashlib
import io
import os
import pty
import resource
import signal
import socket
import subprocess
import sys
import tarfile
import termios
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from emollm import assets, fetch
from emollm.errors import AssetError, DataError

DATA = bytes(range(256)) * 4000  # 1 MB
OTHER = DATA[::-1]


class Site(ThreadingHTTPServer):
    """A publisher, a hub and a package index in one, that misbehaves as told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, int] = {}  # body bytes of one answer, after which the connection is closed
        self.cuts = 1  # how many answers are cut
        self.ranges = True
        self.slow = 0.0  # seconds in the middle of a body
        self.etags: dict[str, str] = {}  # answered by a redirect, as the hub does for large files
        self.seen: list[tuple[str, str | None]] = []
        self.credentials: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def gets(self, path: str) -> list[str | None]:
        """The Range headers of all requests for a path."""
        return [span for seen, span in self.seen if seen == path]

    def index(self, project: str, distribution: str, data: bytes, digest: str | None = None) -> None:
        """Puts a distribution into the package index."""
        self.files[f"/files/{distribution}"] = data
        digest = digest or hashlib.sha256(data).hexdigest()
        link = f'<a href="/files/{distribution}#sha256={digest}">{distribution}</a>'
        page = self.files.get(f"/simple/{project}/", b"").decode() + link
        self.files[f"/simple/{project}/"] = page.encode()


class Handler(BaseHTTPRequestHandler):
    """Answers GET, with ranges."""

    server: Site

    def do_GET(self) -> None:
        site, span = self.server, self.headers.get("Range")
        site.seen.append((self.path, span))
        site.credentials.append(self.headers.get("Authorization"))
        if etag := site.etags.get(self.path):
            self.send_response(302)
            self.send_header("Location", f"{site.url}/cdn{self.path}")
            self.send_header("X-Linked-Etag", f'"{etag}"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if (data := site.files.get(self.path)) is None:
            self.send_error(404)
            return
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and site.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = len(data)
        if self.path in site.cut and site.cuts > 0:
            site.cuts -= 1
            end = start + site.cut[self.path]
        middle = (start + end) // 2
        self.wfile.write(data[start:middle])
        self.wfile.flush()
        time.sleep(site.slow)
        self.wfile.write(data[middle:end])

    def log_message(self, *args: Any) -> None:
        """Says nothing."""

    def handle(self) -> None:
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            return


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an environment in which everything is at the site."""
    for name in ("EMOLLM_OFFLINE", "HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EMOLLM_ASSETS", str(tmp_path / "more.yaml"))
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple/")
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.01)
    fetch.forget()
    return tmp_path / "cache"


def row(data: bytes, *sources: dict[str, Any], file: str = "model.bin") -> dict[str, Any]:
    known = {"name": file, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    fields = {"about": "test", "licence": "MIT", "licence_url": "https://example.org", "publisher": "us"}
    return {**fields, "files": [known], "sources": list(sources)}


def list_assets(cache: Path, **rows: dict[str, Any]) -> None:
    table = {name.replace("_", "-"): fields for name, fields in rows.items()}
    (cache.parent / "more.yaml").write_text(yaml.safe_dump(table), encoding="utf-8")


def https(site: Site, path: str = "/model.bin") -> dict[str, Any]:
    return {"kind": "https", "url": site.url + path}


def package(distribution: str = "toy-1-py3-none-any.whl", folder: str = "toy/data") -> dict[str, Any]:
    return {"kind": "package", "project": "toy", "version": "1", "distribution": distribution, "folder": folder}


def wheel(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return out.getvalue()


def left(cache: Path) -> list[str]:
    """All files with content in the cache, apart from stamps and locks."""
    return sorted(
        str(path.relative_to(cache / "assets"))
        for path in cache.rglob("*")
        if path.is_file() and path.parent.name not in (".verified", ".locks")
    )


# ---- one source -----------------------------------------------------------------------------------------------------


def test_an_asset_is_fetched_once_and_then_trusted(site: Site, cache: Path) -> None:
    site.files["/model.bin"] = DATA
    list_assets(cache, toy=row(DATA, https(site)))
    assert not assets.available("toy")
    assert assets.path("toy").read_bytes() == DATA
    assert assets.path("toy") == cache / "assets/toy/model.bin"
    assert assets.available("toy")
    assert len(site.seen) == 1
    assert left(cache) == ["toy/model.bin"]


def test_a_download_that_is_cut_is_resumed_where_it_stopped(site: Site, cache: Path) -> None:
    site.files["/model.bin"], site.cut["/model.bin"] = DATA, 262_144
    list_assets(cache, toy=row(DATA, https(site)))
    assert assets.path("toy").read_bytes() == DATA
    assert site.gets("/model.bin") == [None, "bytes=262144-"]


def test_a_later_call_goes_on_with_what_an_earlier_one_got(site: Site, cache: Path) -> None:
    site.files["/model.bin"] = DATA
    list_assets(cache, toy=row(DATA, https(site)))
    site.slow = 3
    process = subprocess.Popen(
        [sys.executable, "-c", "from emollm import assets; assets.path('toy')"], stderr=subprocess.PIPE
    )
    part = wait_for_part(cache)
    process.send_signal(signal.SIGINT)
    process.communicate()
    size, site.slow = part.stat().st_size, 0.0
    assert size > 0
    assert not (cache / "assets/toy").exists()
    assert assets.path("toy").read_bytes() == DATA
    assert site.gets("/model.bin")[-1] == f"bytes={size}-"


def wait_for_part(cache: Path) -> Path:
    for _ in range(500):
        for part in cache.glob("assets/.parts/*.part"):
            if part.stat().st_size:
                return part
        time.sleep(0.02)
    raise AssertionError("the download did not start")


def test_a_server_without_ranges_starts_over(site: Site, cache: Path) -> None:
    site.files["/model.bin"], site.cut["/model.bin"], site.ranges = DATA, 262_144, False
    list_assets(cache, toy=row(DATA, https(site)))
    assert assets.path("toy").read_bytes() == DATA


def test_a_part_of_another_file_is_dropped(site: Site, cache: Path) -> None:
    site.files["/model.bin"], site.cut["/model.bin"], site.cuts = OTHER, 262_144, 99
    site.ranges = False
    list_assets(cache, toy=row(DATA, https(site)))
    with pytest.raises(AssetError, match="262144 of 1024000 bytes"):
        assets.path("toy")
    site.files["/model.bin"], site.cuts, site.ranges = DATA, 0, True
    assert assets.pull("toy").read_bytes() == DATA


def test_a_truncated_body_is_an_error_and_no_file(site: Site, cache: Path) -> None:
    site.files["/model.bin"], site.cut["/model.bin"], site.cuts, site.ranges = DATA, 1_000_000, 99, False
    list_assets(cache, toy=row(DATA, https(site)))
    with pytest.raises(AssetError, match="cut after 983040 of 1024000 bytes"):
        assets.path("toy")
    assert not assets.available("toy")
    assert not (cache / "assets/toy").exists()


def test_a_wrong_checksum_names_both_and_leaves_nothing(site: Site, cache: Path) -> None:
    site.files["/model.bin"] = OTHER
    list_assets(cache, toy=row(DATA, https(site)))
    good, bad = hashlib.sha256(DATA).hexdigest(), hashlib.sha256(OTHER).hexdigest()
    with pytest.raises(AssetError, match=f"expected sha256 {good}, got {bad}"):
        assets.path("toy")
    assert left(cache) == []


def test_a_longer_body_than_listed_is_stopped(site: Site, cache: Path) -> None:
    site.files["/model.bin"] = DATA + b"more"
    list_assets(cache, toy=row(DATA, https(site)))
    with pytest.raises(AssetError, match="more than the 1024000 bytes"):
        assets.path("toy")
    assert left(cache) == []


def test_progress_is_shown_on_a_terminal(site: Site, cache: Path) -> None:
    site.files["/model.bin"], site.slow = DATA, 0.3
    list_assets(cache, toy=row(DATA, https(site)))
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    code = "from emollm import assets; print(assets.path('toy'))"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True, check=True)
    os.write(theirs, b"end")  # so that reading never waits
    shown = os.read(ours, 65536).decode()
    os.close(theirs)
    os.close(ours)
    assert "model.bin" in shown
    assert "MB" in shown
    assert done.stdout == f"{cache / 'assets/toy/model.bin'}\n"


# ---- several sources ------------------------------------------------------------------------------------------------


def test_the_second_source_is_used_when_the_first_fails(site: Site, cache: Path) -> None:
    site.files |= {"/bad.bin": OTHER, "/good.bin": DATA}
    list_assets(cache, toy=row(DATA, https(site, "/missing"), https(site, "/bad.bin"), https(site, "/good.bin")))
    assert assets.path("toy").read_bytes() == DATA
    assert left(cache) == ["toy/model.bin"]


def test_one_line_says_why_each_source_failed_and_what_to_do(site: Site, cache: Path) -> None:
    list_assets(cache, toy=row(DATA, https(site, "/missing"), package()))
    with pytest.raises(AssetError) as caught:
        assets.path("toy")
    text = str(caught.value)
    assert "\n" not in text
    assert "publisher: 127.0.0.1 says HTTP 404 Not Found; package toy==1: 127.0.0.1 has no project toy;" in text
    assert f"`emollm assets pull toy` when online, or put the file at {cache / 'assets/toy/model.bin'} yourself" in text


def test_what_failed_is_not_tried_again_in_the_same_process_unless_pulled(site: Site, cache: Path) -> None:
    list_assets(cache, toy=row(DATA, https(site)))
    for _ in range(3):
        with pytest.raises(AssetError, match="404"):
            assets.path("toy")
    assert len(site.seen) == 1
    site.files["/model.bin"] = DATA
    assert assets.pull("toy").read_bytes() == DATA


def test_a_host_that_takes_no_connection_is_left_within_the_time_limit_and_remembered(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listening socket whose queue is full drops further connections, as a firewall does."""
    monkeypatch.setattr(fetch, "CONNECT_SECONDS", 0.4)
    site.files["/model.bin"] = DATA
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        silent = {"kind": "https", "url": f"http://127.0.0.1:{full.getsockname()[1]}/model.bin"}
        list_assets(cache, toy=row(DATA, silent, https(site)), second=row(DATA, silent))
        began = time.monotonic()
        assert assets.path("toy").read_bytes() == DATA
        assert time.monotonic() - began < 2.0
        began = time.monotonic()
        with pytest.raises(AssetError, match=r"127\.0\.0\.1 cannot be reached"):
            assets.path("second")
        assert time.monotonic() - began < 0.3
        for one in waiting:
            one.close()


def test_an_asset_of_several_files_is_a_folder(site: Site, cache: Path) -> None:
    site.files |= {"/m/config.json": b"{}", "/m/sub/model.bin": DATA}
    both = row(b"{}", https(site, "/m/"), file="config.json")
    both["files"] += row(DATA, file="sub/model.bin")["files"]
    list_assets(cache, toy=both)
    assert assets.path("toy") == cache / "assets/toy"
    assert (cache / "assets/toy/sub/model.bin").read_bytes() == DATA


# ---- hub ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("same", [True, False])
def test_the_hub_is_asked_for_its_checksum_before_a_large_file_is_fetched(site: Site, cache: Path, same: bool) -> None:
    address = "/us/toy/resolve/v1/model.bin"
    site.etags[address] = hashlib.sha256(DATA if same else OTHER).hexdigest()
    site.files["/cdn" + address] = DATA if same else OTHER
    site.files["/model.bin"] = DATA
    list_assets(cache, toy=row(DATA, {"kind": "hub", "repo": "us/toy", "revision": "v1"}, https(site)))
    assert assets.path("toy").read_bytes() == DATA
    assert bool(site.gets("/model.bin")) is not same


# ---- package index --------------------------------------------------------------------------------------------------


def test_one_wheel_serves_all_its_assets_and_is_not_kept(site: Site, cache: Path) -> None:
    file = "toy-1-py3-none-any.whl"
    site.index("toy", file, wheel(**{"toy/data/a.bin": DATA, "toy/data/b.bin": OTHER, "toy/setup.py": b"1/0"}))
    list_assets(cache, a=row(DATA, package(), file="a.bin"), b=row(OTHER, package(), file="b.bin"))
    assert assets.path("b").read_bytes() == OTHER
    assert assets.available("a")
    assert assets.path("a").read_bytes() == DATA
    assert len(site.gets(f"/files/{file}")) == 1
    assert left(cache) == ["a/a.bin", "b/b.bin"]


def test_a_file_is_read_out_of_an_sdist(site: Site, cache: Path) -> None:
    site.index("toy", "toy-1.tar.gz", sdist(tarfile.TarInfo("toy-1/data/model.bin"), DATA))
    list_assets(cache, toy=row(DATA, package("toy-1.tar.gz", "toy-1/data")))
    assert assets.path("toy").read_bytes() == DATA


def sdist(entry: tarfile.TarInfo, data: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        entry.size = len(data)
        packed.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def test_a_link_in_an_sdist_is_not_followed(site: Site, cache: Path) -> None:
    link = tarfile.TarInfo("toy-1/data/model.bin")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    site.index("toy", "toy-1.tar.gz", sdist(link))
    list_assets(cache, toy=row(DATA, package("toy-1.tar.gz", "toy-1/data")))
    with pytest.raises(AssetError, match=r"has no file toy-1/data/model\.bin"):
        assets.path("toy")
    assert left(cache) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (wheel(**{"toy/data/other.bin": DATA}), "has no file toy/data/model.bin"),
        (wheel(**{"../toy/data/model.bin": DATA, "/toy/data/model.bin": DATA}), "has no file toy/data/model.bin"),
        (wheel(**{"toy/data/model.bin": OTHER}), "expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}"),
        (wheel(**{"toy/data/model.bin": bytes(50_000_000)}), "longer than the 1024000 bytes"),
        (wheel(**{"toy/data/model.bin": DATA[:9]}), "expected 1024000 bytes, got 9"),
        (wheel(**{"toy/data/model.bin": DATA})[:-200], "is damaged"),
        (b"", "is damaged"),
    ],
    ids=["missing", "evil path", "other bytes", "bomb", "short", "damaged", "empty"],
)
def test_a_wheel_without_the_right_file_is_refused(site: Site, cache: Path, content: bytes, message: str) -> None:
    site.index("toy", "toy-1-py3-none-any.whl", content)
    list_assets(cache, toy=row(DATA, package()))
    with pytest.raises(AssetError, match=message):
        assets.path("toy")
    assert left(cache) == []
    assert {path.name for path in cache.parent.iterdir()} <= {"cache", "more.yaml"}


def test_a_distribution_is_checked_against_the_index(site: Site, cache: Path) -> None:
    content = wheel(**{"toy/data/model.bin": DATA})
    site.index("toy", "toy-1-py3-none-any.whl", content, digest=hashlib.sha256(b"another").hexdigest())
    list_assets(cache, toy=row(DATA, package()))
    with pytest.raises(AssetError, match="expected sha256 " + hashlib.sha256(b"another").hexdigest()):
        assets.path("toy")
    assert left(cache) == []


def test_an_index_without_that_release_says_so(site: Site, cache: Path) -> None:
    site.index("toy", "toy-2-py3-none-any.whl", b"")
    list_assets(cache, toy=row(DATA, package()))
    with pytest.raises(AssetError, match=r"127\.0\.0\.1 has no file toy-1-py3-none-any.whl of toy"):
        assets.path("toy")


def test_credentials_of_the_index_are_used_and_not_shown(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@127.0.0.1:{site.server_port}/simple/")
    site.index("toy", "toy-1-py3-none-any.whl", b"")
    list_assets(cache, toy=row(DATA, package()))
    with pytest.raises(AssetError) as caught:
        assets.path("toy")
    assert "secret" not in str(caught.value)
    assert len(site.credentials) == 2
    assert all(site.credentials)


# ---- the cache ------------------------------------------------------------------------------------------------------


def test_two_processes_share_one_download(site: Site, cache: Path) -> None:
    site.files["/model.bin"], site.slow = DATA, 1.0
    list_assets(cache, toy=row(DATA, https(site)))
    code = "from emollm import assets; print(assets.path('toy').stat().st_size)"
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.communicate(timeout=60) for process in both]
    assert [out for out, _ in told] == [f"{len(DATA)}\n"] * 2
    assert all(line.startswith("emollm: ") for _, err in told for line in err.splitlines())
    assert site.gets("/model.bin") == [None]


@pytest.mark.parametrize("variable", ["EMOLLM_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_uses_the_cache_and_nothing_else(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    site.files["/model.bin"] = DATA
    list_assets(cache, toy=row(DATA, https(site)))
    monkeypatch.setenv(variable, "1")
    with pytest.raises(AssetError, match=f"{variable} forbids the network; run `emollm assets pull toy` when online"):
        assets.path("toy")
    assert site.seen == []
    assets.asset("toy").folder.mkdir(parents=True)
    assets.asset("toy").path.write_bytes(DATA)  # put there by hand
    assert assets.available("toy")
    assert assets.path("toy").read_bytes() == DATA


def test_a_file_that_changed_is_noticed_and_fetched_again(site: Site, cache: Path) -> None:
    site.files["/model.bin"] = DATA
    list_assets(cache, toy=row(DATA, https(site)))
    assets.path("toy").write_bytes(OTHER)
    assert not assets.available("toy")
    assert assets.path("toy").read_bytes() == DATA


def test_rehashing_finds_what_size_and_time_hide(site: Site, cache: Path) -> None:
    site.files["/model.bin"] = DATA
    list_assets(cache, toy=row(DATA, https(site)))
    place = assets.path("toy")
    times = (place.stat().st_atime_ns, place.stat().st_mtime_ns)
    place.write_bytes(OTHER)
    os.utime(place, ns=times)
    assert assets.available("toy")
    assert "expected sha256" in assets.faults(assets.asset("toy"), rehash=True)["model.bin"]
    assert not assets.available("toy")


@pytest.mark.parametrize("kind", ["download", "member"])
def test_a_full_disk_leaves_nothing_half_written(site: Site, cache: Path, kind: str) -> None:
    """A limit on the size of files stands in for the full disk: the same write fails the same way."""
    site.files["/model.bin"] = DATA
    site.index("toy", "toy-1-py3-none-any.whl", wheel(**{"toy/data/model.bin": DATA}))
    list_assets(cache, toy=row(DATA, https(site) if kind == "download" else package()))

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    code = "from emollm import assets, errors\ntry: assets.path('toy')\nexcept errors.AssetError as error: print(error)"
    done = subprocess.run([sys.executable, "-B", "-c", code], preexec_fn=limit, capture_output=True, text=True)
    assert "cannot be written: File too large" in done.stdout, done
    assert done.stdout.count("\n") == 1, done
    assert "free some space or set EMOLLM_CACHE" in done.stdout
    assert left(cache) == []


def test_a_cache_that_cannot_be_made_is_one_clear_error(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EMOLLM_CACHE", str(tmp_path / "file"))
    list_assets(cache, toy=row(DATA, https(site)))
    with pytest.raises(AssetError, match=r"cannot be written: .*; set EMOLLM_CACHE"):
        assets.path("toy")


# ---- the table ------------------------------------------------------------------------------------------------------


def test_an_unknown_name_gets_the_closest(cache: Path) -> None:
    list_assets(cache)
    with pytest.raises(AssetError, match=r"unknown asset 'facemesh' \(did you mean 'face-mesh'"):
        assets.path("facemesh")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a\\evil", ""])
def test_a_row_whose_file_would_leave_the_cache_is_refused(cache: Path, name: str) -> None:
    list_assets(cache, toy=row(DATA, package(), file=name))
    with pytest.raises(DataError, match="not a plain relative path"):
        assets.names()


def test_the_table_has_the_models_and_media_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOLLM_ASSETS", raising=False)
    wanted = {"face-detector-short", "face-mesh", "iris", "face-landmarker", "smollm2-135m-instruct"}
    assert wanted | {"photo-astronaut", "photo-multi-face"} <= set(assets.names())


def test_every_row_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOLLM_ASSETS", raising=False)
    rows = [assets.asset(name) for name in assets.names()]
    assert rows
    for one in rows:
        assert one.about, one.name
        assert one.licence, one.name
        assert one.publisher, one.name
        assert one.licence_url.startswith("https://"), one.name
        assert len({file.name for file in one.files}) == len(one.files), one.name
        for source in one.sources:
            if isinstance(source, assets.HttpsSource):
                assert source.url.startswith("https://")
                assert source.url.endswith("/") or one.files[0].name == source.url.partition("?")[0].rpartition("/")[2]
            if isinstance(source, assets.PackageSource):
                assert source.version in source.distribution, one.name
