"""The systems of the paper, usable with any hierarchy."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from hierloss.models.base import Model, Output, Predictor
from hierloss.models.chmcnn import CHMCNN
from hierloss.models.clus import ClusEns, clus_weights
from hierloss.models.hlstm import HLSTM
from hierloss.models.hmcn import HMCN, HMCNF, HMCNR
from hierloss.models.lmlp import HMCLMLP, widest_path
from hierloss.models.mlp import MLP

__all__ = [
    "CHMCNN",
    "HLSTM",
    "HMCLMLP",
    "HMCN",
    "HMCNF",
    "HMCNR",
    "MLP",
    "SYSTEMS",
    "ClusEns",
    "Model",
    "Output",
    "Predictor",
    "clus_weights",
    "widest_path",
]

#: The systems that are trained by gradients, by the names of the paper: each is called with the
#: hierarchy, the number of features and options. The two hybrids are configurations.
SYSTEMS: Mapping[str, Callable[..., Model]] = MappingProxyType(
    {
        "CHMCNN": CHMCNN,
        "HMCN-R": HMCNR,
        "HMCN-F": HMCNF,
        "HMC-LMLP": HMCLMLP,
        "HMCN-CHMC": partial(HMCNR, global_loss="mc", penalty=0.0),
        "CHMC-LSTM": partial(HLSTM, balance=1.0),
        "HLSTM": HLSTM,
    }
)
