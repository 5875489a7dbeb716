"""Where the files of the data sets are: at hand, in the cache, or upstream."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from hierloss.paper.registry import File
from hierloss_adapters._files import decompressed

__all__ = ["Found", "blob_id", "cache_folder", "data_folder", "fetch", "find"]

_SUFFIXES = ("", ".gz", ".xz")


class Found(NamedTuple):
    """A file that can be read; `rebuilt` if it stands in for one that is not at hand."""

    path: Path
    rebuilt: bool = False


def data_folder() -> Path:
    """The folder of files at hand: `HIERLOSS_DATA`, or shared/data beside the repository.

    Raises:
        ValueError: `HIERLOSS_DATA` is no folder.
    """
    given = os.environ.get("HIERLOSS_DATA")
    if given and not Path(given).is_dir():
        raise ValueError(f"expected a folder in HIERLOSS_DATA, got {given!r}; mend or unset it")
    return Path(given) if given else Path(__file__).parents[3] / "shared" / "data"


def cache_folder() -> Path:
    """The folder of downloads: `HIERLOSS_CACHE`, or the user's cache folder.

    Raises:
        ImportError: platformdirs is missing.
    """
    given = os.environ.get("HIERLOSS_CACHE")
    if given:
        return Path(given)
    try:
        from platformdirs import user_cache_path
    except ImportError as error:
        raise ImportError(
            'expected platformdirs, got none; pip install "hierloss[paper]", or set HIERLOSS_CACHE'
        ) from error
    return user_cache_path("hierloss")


def find(file: File, *, data: Path | None = None, cache: Path | None = None) -> Found | None:
    """The file where no download is needed: at hand, in the cache, or a stand-in at hand.

    Args:
        file: A file of the registry.
        data: The folder of files at hand, by default `data_folder`.
        cache: The folder of downloads, by default `cache_folder`.

    Raises:
        ValueError: The file at hand is not that of upstream, by its git blob id.
    """
    data = (data_folder() if data is None else data) / "hmc"
    for path in _compressed(data / file.name):
        _check(path, file)
        return Found(path)
    cached = (cache_folder() if cache is None else cache) / file.name
    if cached.exists() and blob_id(cached.read_bytes()) == file.blob:
        return Found(cached)
    stem = file.name.removesuffix(".arff")
    return next((Found(x, rebuilt=True) for x in _compressed(data / f"{stem}.rebuilt.arff")), None)


def fetch(file: File, *, data: Path | None = None, cache: Path | None = None) -> Found:
    """The file as `find` has it, or downloaded into the cache."""
    from hierloss.paper.download import download

    found = find(file, data=data, cache=cache)
    return found or Found(download(file, cache_folder() if cache is None else cache))


def blob_id(content: bytes) -> str:
    """The id that git gives to the content of a file.

    Example:
        >>> blob_id(b"")
        'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _compressed(path: Path) -> list[Path]:
    paths = [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
    return [path for path in paths if path.exists()]


def _check(path: Path, file: File) -> None:
    found = blob_id(decompressed(path, path.read_bytes()))
    if found != file.blob:
        raise ValueError(
            f"{path}: expected the file with the git blob id {file.blob}, got {found}; take it "
            "away to have it downloaded"
        )
