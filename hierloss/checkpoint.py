"""A trained model in a file, with all that predicting for new samples needs."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, get_origin

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hierloss import Hierarchy, _safetensors
from hierloss._input import some
from hierloss.models import MLP, SYSTEMS, Model
from hierloss.preprocessing import Standardiser

__all__ = ["MODELS", "Checkpoint", "build"]

FORMAT = 1

#: The models that the command line trains: the systems of the paper, and the plain MLP.
MODELS: Mapping[str, Callable[..., Model]] = MappingProxyType({"MLP": MLP, **SYSTEMS})

#: What options of these types may be, in Python and in words.
_TYPES: Mapping[Any, tuple[tuple[type, ...], str]] = MappingProxyType(
    {
        int: ((int,), "a whole number"),
        float: ((float, int), "a number"),
        bool: ((bool,), "true or false"),
        Sequence: ((list, tuple), "a list of numbers"),
    }
)


def build(
    name: str,
    hierarchy: Hierarchy,
    features: int,
    *,
    options: Mapping[str, Any] | None = None,
    left_out: tuple[str, ...] = (),
) -> Model:
    """A model by its name.

    Args:
        name: One of `MODELS`.
        hierarchy: The hierarchy of the classes.
        features: The number of features.
        options: What else the model is called with.
        left_out: Classes that count neither in the loss nor in predictions.

    Raises:
        ValueError: There is no such model, class or option.

    Example:
        >>> build("MLP", Hierarchy.from_paths(["a/b"]), 5, options={"hidden": 8}).features
        5
    """
    if name not in MODELS:
        raise ValueError(f"expected a model of {', '.join(MODELS)}, got {name!r}")
    weight = torch.ones(len(hierarchy))
    weight[[hierarchy.index(x) for x in left_out]] = 0.0
    for option, value in (options or {}).items():
        _check_option(name, option, value)
    try:
        return MODELS[name](
            hierarchy, features, weight=weight if left_out else None, **(options or {})
        )
    except TypeError as error:
        raise ValueError(
            f"expected options of {name}, got {dict(options or {})}: {error}"
        ) from error


def by_name(hierarchy: Hierarchy, classes: Iterable[str]) -> tuple[str, ...]:
    """The names of classes that may be given by an alias."""
    return tuple(hierarchy.names[hierarchy.index(x)] for x in classes)


def _check_option(name: str, option: str, value: object) -> None:
    """Raise unless an option of a model is of the type that it is annotated with."""
    known = dict(inspect.signature(MODELS[name], eval_str=True).parameters)
    fixed = getattr(MODELS[name], "keywords", {})  # what makes it this configuration of another
    for other in ("hierarchy", "features", "weight", *fixed):
        del known[other]
    if option not in known:
        raise ValueError(f"expected options of {name}: {', '.join(known)}, got {option!r}")
    wanted = known[option].annotation
    types, words = _TYPES.get(get_origin(wanted) or wanted, ((object,), ""))
    if not isinstance(value, types) or (isinstance(value, bool) and wanted in (int, float)):
        raise ValueError(f"expected {option} of {name} to be {words}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected {option} of {name} to be finite, got {value!r}")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model, and what it was trained on.

    The file is a safetensors file: the parameters as tensors, everything else as JSON in its
    header. It has no pickle, so that reading one from elsewhere runs no code of theirs.

    Attributes:
        name: The name of the model in `MODELS`.
        options: What it was built with.
        model: The model.
        features: The names of the features, in their order.
        standardise: How they are standardised.
        left_out: Classes that have no prediction.
    """

    name: str
    options: Mapping[str, Any]
    model: Model = field(repr=False)
    features: tuple[str, ...] = field(repr=False)
    standardise: Standardiser = field(repr=False)
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "left_out", by_name(self.model.hierarchy, self.left_out))

    @property
    def classes(self) -> list[str]:
        """The names of the classes that are predicted, in column order."""
        return [name for name in self.model.hierarchy if name not in self.left_out]

    def predict(self, features: Any, rows: Sequence[object] | None = None) -> Tensor:
        """Coherent probabilities of `classes`, one row for each row of features.

        Args:
            features: `(samples, d)`, an array, a tensor or nested lists; NaN where one is missing.
                Of a data frame the columns of the features are taken, by name.
            rows: What an error calls the samples, by default their number from 0.

        Raises:
            ValueError: Features so large that no probabilities follow, or columns that lack some.
        """
        x = self.standardise(self._array(features), rows)
        p = self.model.predict(x.to(next(self.model.parameters()))).cpu()
        lost = p.isnan().any(1).nonzero()[:, 0].tolist()
        if lost:
            raise ValueError(
                f"row {rows[lost[0]] if rows else lost[0]}: expected features of the size of those "
                "in training, got such that probabilities are NaN"
            )
        return p[:, [self.model.hierarchy.index(x) for x in self.classes]]

    def _array(self, features: Any) -> NDArray[Any]:
        """Features as numbers, in the order of the training where columns have names."""
        if hasattr(features, "columns"):
            lacking = [x for x in self.features if x not in features.columns]
            if lacking:
                raise ValueError(
                    f"expected a column for each feature of the training, got none for "
                    f"{some(lacking)}; rename the columns, or pass an array in that order"
                )
            features = features[list(self.features)].to_numpy()
        if isinstance(features, Tensor):
            features = features.detach().cpu().numpy()
        return np.asarray(features, dtype=np.float64)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file; it appears only once it is complete.

        Raises:
            ImportError: safetensors is missing.
        """
        h = self.model.hierarchy
        info = {
            "format": FORMAT,
            "model": self.name,
            "options": dict(self.options),
            "features": self.features,
            "left_out": self.left_out,
            "classes": h.names,
            "edges": h.edge_index.T.tolist(),
            "aliases": dict(h.aliases),
        }
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors["standardise.mean"] = torch.from_numpy(self.standardise.mean)
        tensors["standardise.scale"] = torch.from_numpy(self.standardise.scale)
        _safetensors.save(path, tensors, info)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Read what `save` wrote.

        Raises:
            ValueError: It is no such file.
            ImportError: safetensors is missing.
        """
        tensors, info = _safetensors.load(path)
        if info.get("format", 0) > FORMAT or "model" not in info:
            raise ValueError(
                f"{os.fspath(path)}: expected a model of format {FORMAT}, got another file"
            )
        names = info["classes"]
        edges = [(names[child], names[parent]) for child, parent in info["edges"]]
        hierarchy = Hierarchy.from_edges(edges, names=names).with_aliases(info["aliases"])
        features, left_out = tuple(info["features"]), tuple(info["left_out"])
        model = build(
            info["model"], hierarchy, len(features), options=info["options"], left_out=left_out
        )
        state = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        model.to(next(x.dtype for x in state.values() if x.is_floating_point()))
        model.load_state_dict(state)
        standardise = Standardiser(
            *(tensors[f"standardise.{x}"].numpy() for x in ("mean", "scale"))
        )
        return cls(info["model"], info["options"], model, features, standardise, left_out)
