"""Losses and constraint layers for hierarchical multi-label classification in PyTorch."""

from hierloss.errors import CycleError, HierarchyError, UnknownClassError
from hierloss.hierarchy import Hierarchy

__version__ = "0.1.0"

__all__ = ["CycleError", "Hierarchy", "HierarchyError", "UnknownClassError"]
