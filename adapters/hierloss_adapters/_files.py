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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from hierloss import HierarchyError
from hierloss._complete import complete

T = TypeVar("T")
Source = str | os.PathLike[str]

_DECOMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
}
_Opened = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
_OPEN: dict[bytes, Callable[[IO[bytes]], _Opened]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_DAMAGE = (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error)
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
_COMPRESS: dict[str, Callable[..., IO[str]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_COMPRESSED = {*_COMPRESS, ".gzip"}

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


def read_lines(path: Source, encoding: str) -> list[str]:
    """The lines of a file with their ends; its first bytes tell whether it is compressed."""
    check_local(path)
    text = _decoded(path, decompressed(path, Path(path).read_bytes()), encoding)
    return list(io.StringIO(text.removeprefix("\ufeff"), newline=""))


def stream_lines(path: Source, encoding: str) -> Iterator[tuple[int, str]]:
    """The numbered lines of a file as `read_lines` has them, but only one in memory at a time."""
    check_local(path)
    number = 0
    with open(path, "rb") as file:
        start = file.peek(8)
        _check_readable(path, start)
        opener = _known(_OPEN, start)
        try:
            text = io.TextIOWrapper(opener(file) if opener else file, encoding, newline="")
            for number, line in enumerate(text, 1):
                yield number, line.removeprefix("\ufeff") if number == 1 else line
        except UnicodeDecodeError as error:
            # What is left of the block begins on the line after the last one that was complete.
            number += len((error.object[: error.start] + b".").splitlines())
            byte = f"the byte {error.object[error.start]:#04x} on line {number}"
            raise _undecodable(path, encoding, start, byte) from error
        except UnicodeError as error:  # no byte order mark where the encoding wants one
            raise _undecodable(path, encoding, start, f"others ({error})") from error
        except LookupError as error:
            raise _no_encoding(encoding) from error
        except _DAMAGE as error:
            raise _damaged(path, error) from error


def stream_rows(path: Source, encoding: str) -> Iterator[tuple[int, str]]:
    """The numbered lines that are not blank, nor a Ctrl-Z, which ends some files."""
    return ((i, line) for i, line in stream_lines(path, encoding) if line.strip("\x1a \t\r\n"))


def decompressed(path: Source, data: bytes) -> bytes:
    """The bytes of a file, decompressed if their beginning says that they are compressed."""
    _check_readable(path, data)
    try:
        return (_known(_DECOMPRESS, data) or bytes)(data)
    except _DAMAGE as error:
        raise _damaged(path, error) from error


@contextmanager
def writing(path: Source) -> Iterator[IO[str]]:
    """A file of UTF-8 text that appears once it is complete, compressed as its last suffix says."""
    with complete(path) as part:
        compress = _COMPRESS.get(part.suffix.lower(), open)
        with compress(part, "wt", encoding="utf-8", newline="") as file:
            yield file


def kind(path: Source) -> str:
    """The last suffix of a name that does not say how the file is compressed, in lower case."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    return next((x for x in reversed(suffixes) if x not in _COMPRESSED), "")


def at(path: Source, line: int, message: str) -> HierarchyError:
    """An error that names a line of a file."""
    return HierarchyError(f"{os.fspath(path)}, line {line}: {message}")


def check_delimiter(delimiter: str) -> str:
    """What separates two cells, if it can."""
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise ValueError(
            f"expected one character as a delimiter, such as ',' or a tab, got {delimiter!r}"
        )
    return delimiter


def check_columns(path: Source, line: int, names: Sequence[str], delimiter: str) -> None:
    """Raise if a header of one column reads as several."""
    other = next((x for x in ",;\t|" if len(names) == 1 and x in names[0]), None)
    if other is not None:
        raise at(
            path,
            line,
            f"expected columns between {delimiter!r}, got one called {names[0]!r}; pass "
            f"delimiter={other!r}",
        )


def check_local(path: Source) -> None:
    if re.match("(https?|ftp):/", os.fspath(path), re.IGNORECASE):
        raise HierarchyError(f"expected the path of a file, got the URL {path}; download it first")


def _check_readable(path: Source, data: bytes) -> None:
    foreign = _known(_FOREIGN, data)
    if foreign:
        raise HierarchyError(
            f"{path}: expected text, or text compressed by gzip, bzip2 or xz, got a {foreign} "
            "file; decompress it first"
        )


def _decoded(path: Source, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        byte = f"the byte {data[error.start]:#04x} at position {error.start}"
        raise _undecodable(path, encoding, data, byte) from error
    except LookupError as error:
        raise _no_encoding(encoding) from error


def _damaged(path: Source, error: Exception) -> HierarchyError:
    return HierarchyError(
        f"{path}: expected a whole compressed file, got a damaged one ({error}); fetch it again"
    )


def _undecodable(path: Source, encoding: str, data: bytes, byte: str) -> HierarchyError:
    mark = _known(_MARKS, data)
    return HierarchyError(
        f"{path}: expected text in {encoding}, got {mark or byte}; "
        f"pass the encoding of the file, as encoding={mark or 'latin-1'!r}"
    )


def _no_encoding(encoding: str) -> ValueError:
    return ValueError(
        f"expected the name of an encoding, got {encoding!r}; write 'utf-8' or 'latin-1'"
    )


def _known(table: Mapping[bytes, T], data: bytes) -> T | None:
    return next((value for magic, value in table.items() if data.startswith(magic)), None)
