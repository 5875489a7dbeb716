"""Losses and constraint layers for hierarchical multi-label classification in PyTorch."""

from hierloss.errors import CycleError, HierarchyError, UnknownClassError
from hierloss.hierarchy import Hierarchy
from hierloss.layers import LMC, MCM
from hierloss.losses import HybridLoss, LHLoss, MCLoss

__version__ = "0.1.0.dev0"

__all__ = [
    "LMC",
    "MCM",
    "CycleError",
    "Hierarchy",
    "HierarchyError",
    "HybridLoss",
    "LHLoss",
    "MCLoss",
    "UnknownClassError",
]
