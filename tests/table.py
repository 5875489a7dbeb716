"""The table of all losses, over which every law runs, and other things that tests share."""

from __future__ import annotations

from functools import partial

import pytest
import torch

import hierloss.functional as HF
from hierloss import Hierarchy
from oracles import lh_loss, mc_loss


def hybrid_oracle(balance: float, p, scores, target, logits: bool = True) -> list[float]:
    parts = zip(lh_loss(p, scores, target, logits), mc_loss(p, scores, target, logits), strict=True)
    return [(1 - balance) * local + balance * globl for local, globl in parts]


LOSSES = {
    "mc": (HF.mc_loss, mc_loss),
    "lh": (HF.lh_loss, lh_loss),
    "hybrid": (HF.hybrid_loss, partial(hybrid_oracle, 0.5)),
    "hybrid 0.2": (partial(HF.hybrid_loss, balance=0.2), partial(hybrid_oracle, 0.2)),
}
losses = pytest.mark.parametrize(("loss", "oracle"), LOSSES.values(), ids=LOSSES)
forms = pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
DAG = Hierarchy.from_parents([None, None, (0, 1), 2, 0])
CLOSED = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 1], [0, 0, 0, 0, 0]])


def terms(*stanzas: str) -> str:
    """The term stanzas of an OBO file."""
    return "\n\n".join(f"[Term]\n{stanza}" for stanza in stanzas) + "\n"
