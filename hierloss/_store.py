"""Hierarchies in `.npz` files: arrays only, no pickle."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hierloss.errors import HierarchyError

if TYPE_CHECKING:
    from hierloss.hierarchy import Hierarchy

FORMAT = 1


def save(path: str | os.PathLike[str], h: Hierarchy) -> None:
    """Write a hierarchy; the file appears only once it is complete."""
    arrays: dict[str, Any] = {"format": np.array(FORMAT), "edges": h.edge_index}
    arrays |= _pack("names", h.names)
    arrays |= _pack("aliases", [x for pair in h.aliases.items() for x in pair])
    arrays |= _pack("dropped", [x for pair in h.dropped for x in pair])
    partial = f"{os.fspath(path)}.part"
    with open(partial, "wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(partial, path)


def load(path: str | os.PathLike[str]) -> tuple[Any, ...]:
    """The arguments of `Hierarchy`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        if int(arrays["format"]) > FORMAT:
            raise HierarchyError(
                f"expected format {FORMAT} or older, got {arrays['format']} in {path}; "
                "update hierloss to read it"
            )
        names, aliases, dropped = (_unpack(key, arrays) for key in ("names", "aliases", "dropped"))
        pairs = zip(dropped[::2], dropped[1::2], strict=True)
        return names, *arrays["edges"], dict(zip(aliases[::2], aliases[1::2], strict=True)), pairs
    except (KeyError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise _not_ours(path) from error
    except ValueError as error:
        if isinstance(error, HierarchyError):
            raise
        raise _not_ours(path) from error


def _not_ours(path: str | os.PathLike[str]) -> HierarchyError:
    return HierarchyError(f"expected a file written by Hierarchy.save, got {os.fspath(path)!r}")


def _pack(key: str, strings: Sequence[str]) -> dict[str, NDArray[Any]]:
    encoded = [s.encode("utf-8", "surrogatepass") for s in strings]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return {key: np.frombuffer(b"".join(encoded), dtype=np.uint8), f"{key}_offsets": offsets}


def _unpack(key: str, arrays: dict[str, NDArray[Any]]) -> list[str]:
    data, offsets = arrays[key].tobytes(), arrays[f"{key}_offsets"].tolist()
    return [
        data[start:end].decode("utf-8", "surrogatepass")
        for start, end in zip(offsets[:-1], offsets[1:], strict=True)
    ]
