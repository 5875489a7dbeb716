"""Text files that may be compressed, and errors that name a line of one."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from hierloss import HierarchyError

T = TypeVar("T")
Source = str | os.PathLike[str]

_DECOMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
}
_FOREIGN = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x1f\x9d": "compress",
}
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def read_lines(path: Source, encoding: str) -> list[str]:
    """The lines of a file with their ends; its first bytes tell whether it is compressed."""
    if re.match("(https?|ftp):/", os.fspath(path), re.IGNORECASE):
        raise HierarchyError(f"expected the path of a file, got the URL {path}; download it first")
    text = _decoded(path, _decompressed(path, Path(path).read_bytes()), encoding)
    return list(io.StringIO(text.removeprefix("\ufeff"), newline=""))


def write_text(path: Source, text: str) -> None:
    """Write UTF-8 text to a file, compressed where the last suffix of its name says so."""
    compress = COMPRESS.get(Path(path).suffix.lower(), bytes)
    Path(path).write_bytes(compress(text.encode()))


def at(path: Source, line: int, message: str) -> HierarchyError:
    """An error that names a line of a file."""
    return HierarchyError(f"{os.fspath(path)}, line {line}: {message}")


def _decompressed(path: Source, data: bytes) -> bytes:
    foreign = _known(_FOREIGN, data)
    if foreign:
        raise HierarchyError(
            f"{path}: expected text, or text compressed by gzip, bzip2 or xz, got a {foreign} "
            "file; decompress it first"
        )
    try:
        return (_known(_DECOMPRESS, data) or bytes)(data)
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
        raise HierarchyError(
            f"{path}: expected a whole compressed file, got a damaged one ({error}); fetch it again"
        ) from error


def _decoded(path: Source, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        mark = _known(_MARKS, data)
        byte = f"the byte {data[error.start]:#04x} at position {error.start}"
        raise HierarchyError(
            f"{path}: expected text in {encoding}, got {mark or byte}; "
            f"pass the encoding of the file, as encoding={mark or 'latin-1'!r}"
        ) from error
    except LookupError as error:
        raise ValueError(
            f"expected the name of an encoding, got {encoding!r}; write 'utf-8' or 'latin-1'"
        ) from error


def _known(table: Mapping[bytes, T], data: bytes) -> T | None:
    return next((value for magic, value in table.items() if data.startswith(magic)), None)
