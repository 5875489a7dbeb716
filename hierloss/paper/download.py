"""Download of a file: it is verified, and goes on where it was cut off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from hierloss.paper.files import blob_id
from hierloss.paper.registry import File

if TYPE_CHECKING:
    import requests

__all__ = ["download"]

UPSTREAM = (
    "https://raw.githubusercontent.com/EGiunchiglia/C-HMCNN/"
    "e887855ab4b3b8f22e4fafc80a0a33c1d1ac0041"
)

_CHUNK = 1 << 13
_TIMEOUT = 30


def download(file: File, folder: Path, *, upstream: str = UPSTREAM) -> Path:
    """Download a file into a folder, unless it is there, and verify its git blob id.

    What has arrived when a connection is cut is kept beside the file, and both the next attempt
    and the next call ask for the rest only. Attempts go on as long as each brings something.
    Processes that want the same file wait for each other.

    Args:
        file: A file of the registry.
        folder: Where to put it.
        upstream: The address that the paths of the registry continue.

    Raises:
        ValueError: What has arrived is not the file; it is deleted.
        OSError: The server cannot be reached, or does not have the file.
        ImportError: requests or filelock is missing.
    """
    try:
        from filelock import FileLock
    except ImportError as error:
        raise _missing("filelock") from error
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    partial = folder / f"{file.name}.part"
    with FileLock(folder / f"{file.name}.lock"):
        if target.exists() and blob_id(target.read_bytes()) == file.blob:
            return target
        resumed = partial.exists()
        _transfer_all(f"{upstream}/{file.path}", partial)
        if resumed and blob_id(partial.read_bytes()) != file.blob:
            partial.unlink()
            _transfer_all(f"{upstream}/{file.path}", partial)
        _check(partial, file)
        os.replace(partial, target)
    return target


def _transfer_all(url: str, partial: Path) -> None:
    """Fetch the rest of a file, in as many attempts as bring something."""
    with _session() as session:
        while True:
            start = _size(partial)
            try:
                return _transfer(session, url, partial, start)
            except OSError as error:
                if _size(partial) <= start or not _is_cut(error):
                    raise


def _transfer(session: requests.Session, url: str, partial: Path, start: int) -> None:
    # A range of compressed content would not be a range of the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if start and response.status_code == 416:
            return
        response.raise_for_status()
        resumes = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        start = start if resumes else 0
        size = response.headers.get("Content-Length")
        total = start + int(size) if size else None
        with _progress(partial.stem, start, total) as progress, partial.open(_mode(start)) as out:
            for chunk in response.iter_content(_CHUNK):
                progress.advance(progress.task_ids[0], out.write(chunk))


def _mode(start: int) -> Literal["ab", "wb"]:
    return "ab" if start else "wb"


def _check(partial: Path, file: File) -> None:
    found = blob_id(partial.read_bytes())
    if found != file.blob:
        partial.unlink()
        raise ValueError(
            f"expected {file.name} with the git blob id {file.blob}, got {found}; it is deleted, "
            "try again or from another upstream"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_cut(error: OSError) -> bool:
    import requests

    return isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError))


def _session() -> requests.Session:
    try:
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3 import Retry
    except ImportError as error:
        raise _missing("requests") from error
    session = requests.Session()
    retry = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


@contextmanager
def _progress(name: str, start: int, total: int | None) -> Iterator[Progress]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    hidden = not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=hidden) as progress:
        progress.add_task(name, total=total, completed=start)
        yield progress


def _missing(name: str) -> ImportError:
    return ImportError(f'expected {name}, got none; pip install "hierloss[paper]"')
