"""How predictions become the lines of a CAFA file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hierloss import Hierarchy
from hierloss_adapters._cafa_rows import END, HEADER


def head(author: str | None, model: int, keywords: Sequence[str]) -> list[str]:
    """The lines before the predictions; none without an author."""
    if isinstance(keywords, str):
        raise TypeError(f"expected a sequence of keywords, got a string; write [{keywords!r}]")
    if author is None:
        if keywords:
            raise ValueError("expected an author with keywords, got none; pass author=")
        return []
    lines = [f"AUTHOR {words([author], 'an author')[0]}\n", f"MODEL {model}\n"]
    return lines + ([f"KEYWORDS {', '.join(keywords)}.\n"] if keywords else [])


def words(names: Sequence[str], what: str) -> Sequence[str]:
    """The names, each one word, and none that has a meaning in the format."""
    for name in names:
        if name.split() != [name] or name in (*HEADER, END):
            raise ValueError(f"expected {what} that is one word, and no {END}, got {name!r}")
    return names


def check_scores(block: Tensor, h: Hierarchy) -> None:
    """Raise unless scores are coherent probabilities."""
    if not ((block >= 0) & (block <= 1)).all():
        raise ValueError("expected scores from 0 to 1, got others; for logits take sigmoid first")
    if not h.is_coherent(block):
        raise ValueError(
            "expected coherent scores, got a child above its parent; MCM(hierarchy)(scores) is "
            "coherent, and counts the same in CAFA"
        )


def best(row: NDArray[np.float64], h: Hierarchy, limit: int | None) -> list[int]:
    """The columns of the highest scores above 0 in their order, ancestors first where they tie."""
    kept = np.flatnonzero(row)
    order = np.lexsort((kept, h.levels[kept], -row[kept]))
    columns: list[int] = kept[order][:limit].tolist()
    return columns


def scored(row: NDArray[np.float64], columns: Sequence[int], digits: int) -> list[tuple[int, str]]:
    """The columns with their rounded scores, without those that are 0."""
    zero = f"{0:.{digits}f}"
    return [(i, text) for i in columns if (text := f"{row[i]:.{digits}f}") != zero]
