"""Features as Section V-A of the paper wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Standardiser"]


@dataclass(frozen=True, eq=False)
class Standardiser:
    r"""Features with mean 0 and variance 1 over the rows it was fitted on.

    A missing number, NaN, becomes the mean of its feature, and the features of a missing nominal
    value are zeros before they are standardised:

    .. math::
        z = \frac{x - \mu}{\sigma}, \qquad z = 0 \text{ where } x \text{ is missing.}

    Both are fitted on training rows only. The public code of C-HMCNN, from which printed numbers
    come, fills the gaps of each file with the means of that file, also those of the test rows, and
    then standardises by training rows.

    Attributes:
        mean: `(d,)`, 0 for a feature that is never known.
        scale: `(d,)` standard deviations, 1 for a constant feature.

    Example:
        >>> import numpy as np
        >>> standardise = Standardiser.fit(np.array([[1.0, 7.0], [3.0, 7.0], [np.nan, 7.0]]))
        >>> standardise(np.array([[2.0, 8.0], [np.nan, 7.0]]))
        tensor([[0., 1.],
                [0., 0.]])
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[Any]) -> Standardiser:
        """The standardiser of `(samples, d)` training features.

        Raises:
            ImportError: scikit-learn is missing.
        """
        try:
            from sklearn.impute import SimpleImputer
            from sklearn.preprocessing import StandardScaler
        except ImportError as error:
            raise ImportError(
                'expected scikit-learn, got none; pip install "hierloss[sklearn]"'
            ) from error
        imputer = SimpleImputer(strategy="mean", keep_empty_features=True)
        scaler = StandardScaler().fit(imputer.fit_transform(features.astype(np.float64)))
        return cls(scaler.mean_, scaler.scale_)

    def __call__(self, features: NDArray[Any], rows: Sequence[object] | None = None) -> Tensor:
        """The features standardised, `(samples, d)` float32, none of them missing.

        Args:
            features: `(samples, d)`; NaN where one is missing.
            rows: What an error calls the samples, by default their number from 0.

        Raises:
            ValueError: Another number of features, or one that float32 cannot hold.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise ValueError(
                f"expected features of shape (samples, {len(self.mean)}) as in training, "
                f"got {features.shape}"
            )
        with np.errstate(over="ignore"):
            z = (features - self.mean) / self.scale
        large = np.argwhere(np.abs(z) > np.finfo(np.float32).max)
        if len(large):
            row, column = large[0]
            raise ValueError(
                f"row {rows[row] if rows else row}: expected features that float32 can hold once "
                f"they are standardised, got {features[row, column]:g}"
            )
        return torch.from_numpy(np.where(np.isnan(z), 0, z).astype(np.float32))
