"""The systems of Table II, and what each is trained with."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

__all__ = ["GRIDS", "NAMES", "published"]

#: What is tried on the validation rows for each system: the options of its model that the paper
#: leaves open. The epochs are left open too. CHMCNN has published settings instead.
GRIDS: Mapping[str, tuple[Mapping[str, Any], ...]] = MappingProxyType(
    {
        "HLSTM": ({"hidden": 128}, {"hidden": 384}),
        "CHMC-LSTM": ({"hidden": 128}, {"hidden": 384}),
        "CHMCNN": (),
        "HMCN-CHMC": ({"hidden": 384},),
        "HMCN-R": ({"hidden": 384},),
        "HMCN-F": ({"hidden": 384},),
        "HMC-LMLP": ({},),
        "CLUS-ENS": ({"min_weight": 5.0}, {"min_weight": 10.0}, {"min_weight": 20.0}),
    }
)

#: The systems in order of worth: the claim of Table II and its ablation first.
NAMES = tuple(GRIDS)


def published(dataset: str) -> dict[str, Any]:
    """What the authors of C-HMCNN train a data set with: hidden, epochs and lr.

    Example:
        >>> published("cellcycle_FUN")
        {'hidden': 500, 'epochs': 106, 'lr': 0.0001}
    """
    text = (files("hierloss.paper") / "chmcnn.tsv").read_text(encoding="utf-8")
    rows = {row["name"]: row for row in csv.DictReader(text.splitlines(), delimiter="\t")}
    if dataset not in rows:
        raise ValueError(f"expected one of {', '.join(rows)}, got {dataset!r}")
    row = rows[dataset]
    return {"hidden": int(row["hidden"]), "epochs": int(row["epochs"]), "lr": float(row["lr"])}
