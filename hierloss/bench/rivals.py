r"""What others compute, written from its definition or taken from where it is installed.

:math:`R` is the closure of a hierarchy: :math:`R_{Aj} = 1` where :math:`j` is :math:`A` or a
descendant of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.metadata import distributions
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import networkx as nx
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hierloss._dag import Ints
from hierloss.hierarchy import Hierarchy

Constraint = Callable[[Tensor], Tensor]
RECONCILER = Path("hmc", "models", "hierarchical", "sparse_r.py")


@lru_cache(maxsize=1)
def closure(h: Hierarchy) -> Ints:
    """`(2, pairs)`: every class with itself and with each of its descendants, row by row."""
    n = len(h)
    known = fresh = np.arange(n) * (n + 1)
    while fresh.size:
        above, below = np.divmod(fresh, n)
        higher = h._up.of(above) * n + np.repeat(below, h._up.count[above])
        fresh = np.setdiff1d(higher, known)
        known = np.concatenate([known, fresh])
    return np.stack(np.divmod(np.sort(known), n))


def dense_matrix(h: Hierarchy) -> Tensor:
    """:math:`R` as `(n, n)` floats."""
    matrix = torch.zeros(len(h), len(h))
    matrix[tuple(torch.from_numpy(closure(h)))] = 1
    return matrix


def dense_mcm(matrix: Tensor, p: Tensor) -> Tensor:
    r"""MCM by its definition, :math:`\max_j R_{Aj}\, p_j`, for `(samples, n)` probabilities."""
    return (matrix * p[:, None, :]).max(-1).values


def dense_loss(matrix: Tensor, p: Tensor, y: Tensor) -> Tensor:
    r"""The binary cross-entropy of :math:`(1 - y)\,\text{MCM}(p) + y\,\text{MCM}(y\,p)`."""
    return F.binary_cross_entropy((1 - y) * dense_mcm(matrix, p) + y * dense_mcm(matrix, y * p), y)


def dense_bytes(h: Hierarchy, samples: int) -> int:
    """What the dense formula needs: the matrix, and two `(samples, n, n)` on the way back."""
    return 4 * len(h) ** 2 * (1 + 2 * samples)


def sparse_matrix(h: Hierarchy) -> Tensor:
    """:math:`R` in the CSR layout, the only one with `reduce="amax"`."""
    row, column = torch.from_numpy(closure(h))
    start = F.pad(row.bincount(minlength=len(h)).cumsum(0), (1, 0))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            start, column, torch.ones(len(row)), (len(h), len(h)), check_invariants=False
        )


def sparse_mcm(matrix: Tensor, scores: Tensor) -> Tensor:
    """MCM as a product with :math:`R` that takes maxima in the place of sums."""
    product: Tensor = torch.sparse.mm(matrix, scores.t().contiguous(), reduce="amax")
    return product.t()


def sparse_bytes(h: Hierarchy, samples: int) -> int:
    """What the product needs, as measured: by pair of the closure, and by class and sample."""
    pairs: int = closure(h).shape[1]
    return 120 * pairs + 40 * len(h) * samples


def torch_sparse_mcm(h: Hierarchy, device: torch.device) -> Constraint:
    """The same product by the package torch-sparse."""
    package = import_module("torch_sparse")
    row, column = torch.from_numpy(closure(h))
    size = (len(h), len(h))
    matrix = package.SparseTensor(row=row, col=column, sparse_sizes=size, is_sorted=True).to(device)

    def compute(scores: Tensor) -> Tensor:
        result: Tensor = package.matmul(matrix, scores.t().contiguous(), reduce="max")
        return result.t()

    return compute


def hmc_torch_version(folder: Path | None) -> str:
    """The version of hmc-torch in a folder, "" where there is none."""
    if folder is None or not (folder / RECONCILER).is_file():
        return ""
    found = distributions(name="hmc-torch", path=[str(folder)])
    return next((distribution.version for distribution in found), "unknown")


def hmc_torch_mcm(h: Hierarchy, device: torch.device, folder: Path) -> Constraint:
    """The sparse reconciler of hmc-torch: the one that its documentation calls exact.

    Its module is loaded by path, because `import hmc` loads lightning and pandas.
    """
    spec = spec_from_file_location("hmc_torch_sparse_r", folder / RECONCILER)
    if spec is None or spec.loader is None:
        raise ImportError(f"expected the module {RECONCILER} of hmc-torch, got none in {folder}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(h.names)
    graph.add_edges_from(h.edges)
    columns = {name: i for i, name in enumerate(h.names)}
    constraint: Constraint = module.BlockDiagonalR(graph, str(device), columns).reconcile
    return constraint
