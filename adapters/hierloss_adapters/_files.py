"""Text files that may be compressed, and errors that name a line of one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path

from hierloss import HierarchyError

Source = str | os.PathLike[str]

_DECOMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def read_lines(path: Source, encoding: str) -> list[str]:
    """The lines of a file with their ends; its first bytes tell whether it is compressed."""
    data = Path(path).read_bytes()
    try:
        text = _decompressed(data).decode(encoding)
    except UnicodeDecodeError as error:
        raise HierarchyError(
            f"{path}: expected text in {encoding}, got the byte {error.object[error.start]:#04x} "
            f"at position {error.start}; pass the encoding of the file, as encoding='latin-1'"
        ) from error
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
        raise HierarchyError(
            f"{path}: expected a whole compressed file, got a damaged one ({error}); fetch it again"
        ) from error
    return list(io.StringIO(text.removeprefix("\ufeff"), newline=""))


def write_text(path: Source, text: str) -> None:
    """Write UTF-8 text to a file, compressed where the last suffix of its name says so."""
    compress = COMPRESS.get(Path(path).suffix.lower(), bytes)
    Path(path).write_bytes(compress(text.encode()))


def at(path: Source, line: int, message: str) -> HierarchyError:
    """An error that names a line of a file."""
    return HierarchyError(f"{os.fspath(path)}, line {line}: {message}")


def _decompressed(data: bytes) -> bytes:
    for magic, decompress in _DECOMPRESS.items():
        if data.startswith(magic):
            return decompress(data)
    return data
