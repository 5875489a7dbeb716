"""Parquet files, and which of their columns have lists of numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hierloss_adapters._files import Source


def is_parquet(path: Source) -> bool:
    return Path(path).suffix.lower() in (".parquet", ".pq")


def open_parquet(path: Source) -> Any:
    arrow, parquet = require_pyarrow()
    try:
        return parquet.ParquetFile(path)
    except arrow.ArrowInvalid as error:
        raise ValueError(f"{os.fspath(path)}: expected a Parquet file, got {error}") from error


def has_numbers(type: Any) -> bool:
    """Whether a type is one of lists of numbers."""
    types = require_pyarrow()[0].types
    lists = types.is_list(type) or types.is_large_list(type) or types.is_fixed_size_list(type)
    numeric = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)
    return lists and any(is_one(type.value_type) for is_one in numeric)


def first_size(path: Source, column: str) -> int:
    """How many values the first list in a column has, 0 without any."""
    for batch in open_parquet(path).iter_batches(batch_size=64, columns=[column]):
        for cell in batch.column(0).to_pylist():
            if cell is not None:
                return len(cell)
    return 0


def require_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            'expected pyarrow, got none; for Parquet files pip install "hierloss[parquet]"'
        ) from error
    return pyarrow, pyarrow.parquet
