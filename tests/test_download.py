"""Downloads from a server on this machine that cuts connections and damages files."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hierloss.paper.download import download
from hierloss.paper.files import Found, blob_id, fetch
from hierloss.paper.registry import File

requests = pytest.importorskip("requests", reason='it is missing; pip install "hierloss[paper]"')

CONTENT = bytes(range(256)) * 1024
BLOB = blob_id(CONTENT)
FILE = File("x.arff", "folder/x.arff", BLOB)


class Server(ThreadingHTTPServer):
    """Serves CONTENT; each request takes one entry of `plan`, the bytes after which it is cut."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.plan: list[int] = []
        self.ranges = True
        self.busy = False
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append(asked)
        if self.server.busy:
            self.server.busy = False
            self.send_error(503)
            return
        if self.path != "/folder/x.arff":
            self.send_error(404)
            return
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.server.ranges else 0
        content = self.server.content
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = self.server.plan.pop(0) if self.server.plan else len(content)
        self.wfile.write(content[start : start + stop])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_download(server: Server, tmp_path: Path) -> None:
    path = download(FILE, tmp_path / "new", upstream=server.url)
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == {"x.arff"}
    assert download(FILE, tmp_path / "new", upstream=server.url) == path
    assert server.asked == [None]


def test_a_cut_connection_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.plan = [98_304, 98_304]
    assert download(FILE, tmp_path, upstream=server.url).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=98304-", "bytes=196608-"]
    assert names(tmp_path) == {"x.arff"}


def test_a_server_that_is_gone_leaves_what_came(server: Server, tmp_path: Path) -> None:
    server.plan = [65_536, 0]
    with pytest.raises(requests.RequestException):
        download(FILE, tmp_path, upstream=server.url)
    assert (tmp_path / "x.arff.part").read_bytes() == CONTENT[:65_536]
    assert download(FILE, tmp_path, upstream=server.url).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=65536-", "bytes=65536-"]


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.ranges, server.plan = False, [98_304]
    assert download(FILE, tmp_path, upstream=server.url).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=98304-"]


def test_a_server_without_ranges_that_always_cuts_is_given_up(
    server: Server, tmp_path: Path
) -> None:
    server.ranges, server.plan = False, [98_304] * 9
    with pytest.raises(requests.RequestException):
        download(FILE, tmp_path, upstream=server.url)
    assert len(server.asked) == 2


def test_a_damaged_file_is_deleted_and_named(server: Server, tmp_path: Path) -> None:
    server.content = b"X" + CONTENT[1:]
    with pytest.raises(
        ValueError, match=f"expected x.arff with the git blob id {BLOB}, got .*; it"
    ):
        download(FILE, tmp_path, upstream=server.url)
    assert names(tmp_path) == set()
    assert server.asked == [None]


@pytest.mark.parametrize("damaged", [b"PK\x03\x04", CONTENT + b"X", b"X" * len(CONTENT)])
def test_a_damaged_beginning_is_fetched_again(
    server: Server, tmp_path: Path, damaged: bytes
) -> None:
    (tmp_path / "x.arff.part").write_bytes(damaged)
    assert download(FILE, tmp_path, upstream=server.url).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(damaged)}-", None]


def test_a_download_that_was_stopped_before_its_end_was_noticed(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "x.arff.part").write_bytes(CONTENT)
    assert download(FILE, tmp_path, upstream=server.url).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.arff").write_bytes(CONTENT[:-1])
    assert download(FILE, tmp_path, upstream=server.url).read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_an_error_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="404"):
        download(FILE._replace(path="x.arff"), tmp_path, upstream=server.url)
    assert server.asked == [None]


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.busy = True
    assert download(FILE, tmp_path, upstream=server.url).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_two_that_want_the_same_file_fetch_it_once(server: Server, tmp_path: Path) -> None:
    server.plan = [98_304]
    got: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda: got.append(download(FILE, tmp_path, upstream=server.url).read_bytes())
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [CONTENT] * 3
    assert server.asked == [None, "bytes=98304-"]


def test_fetch_downloads_into_the_cache(server: Server, tmp_path: Path, monkeypatch) -> None:
    def local(file: File, folder: Path) -> Path:
        return download(file, folder, upstream=server.url)

    monkeypatch.setattr("hierloss.paper.download.download", local)
    monkeypatch.setenv("HIERLOSS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HIERLOSS_DATA", str(tmp_path))
    assert fetch(FILE) == Found(tmp_path / "cache" / "x.arff")
    assert blob_id(fetch(FILE).path.read_bytes()) == BLOB
    assert len(server.asked) == 1
