"""Hierarchies in `.npz` files: arrays only, no pickle."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hierloss import _input
from hierloss._complete import complete
from hierloss.errors import HierarchyError

if TYPE_CHECKING:
    from hierloss.hierarchy import Hierarchy

FORMAT = 1


def save(path: str | os.PathLike[str], h: Hierarchy) -> None:
    """Write a hierarchy, and its folder; the file appears only once it is complete."""
    arrays: dict[str, Any] = {"format": np.array(FORMAT), "edges": h.edge_index}
    arrays |= _pack("names", h.names)
    arrays |= _pack("aliases", [x for pair in h.aliases.items() for x in pair])
    arrays |= _pack("dropped", [x for pair in h.dropped for x in pair])
    with complete(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load(path: str | os.PathLike[str]) -> tuple[Any, ...]:
    """The arguments of `Hierarchy`."""
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            return _arguments(file, path)
    except (HierarchyError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:  # a damaged archive raises almost anything
        raise HierarchyError(
            f"expected a file written by Hierarchy.save, got {os.fspath(path)!r}"
        ) from error


def _arguments(arrays: Mapping[str, NDArray[Any]], path: str | os.PathLike[str]) -> tuple[Any, ...]:
    version = arrays["format"]
    if version > FORMAT:
        raise HierarchyError(
            f"expected format {FORMAT} or older, got {version} in {os.fspath(path)!r}; "
            "a newer hierloss reads it"
        )
    names, aliases, dropped = (_unpack(key, arrays) for key in ("names", "aliases", "dropped"))
    child, parent = arrays["edges"]
    child, parent = _input.edge_array(child, parent, len(names))
    return names, child, parent, dict(_pairs(aliases)), _pairs(dropped)


def _pairs(flat: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _pack(key: str, strings: Sequence[str]) -> dict[str, NDArray[Any]]:
    encoded = [s.encode("utf-8", "surrogatepass") for s in strings]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return {key: np.frombuffer(b"".join(encoded), dtype=np.uint8), f"{key}_offsets": offsets}


def _unpack(key: str, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    data, offsets = arrays[key].tobytes(), arrays[f"{key}_offsets"].tolist()
    return [data[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(offsets)]
