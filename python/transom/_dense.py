"""A linear layer behind a model, as sentence-transformers' module Dense."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from transom import _files, _weights


def _gelu(x: np.ndarray) -> np.ndarray:
    erf = np.array([math.erf(value / math.sqrt(2)) for value in x.tolist()])
    return (x * 0.5 * (1 + erf)).astype(x.dtype)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-x))).astype(x.dtype)


#: By the name of torch's class.
_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "GELU": _gelu,
    "Identity": lambda x: x,
    "ReLU": lambda x: np.maximum(x, 0),
    "SiLU": lambda x: x * _sigmoid(x),
    "Sigmoid": _sigmoid,
    "Tanh": np.tanh,
}


@dataclasses.dataclass(frozen=True)
class Dense:
    """activation(weight x + bias), and x or its projection beside it.

    Attributes:
        weight: [out, in]
        bias: [out]
        residual: the projection [out, in] of what is added; None: nothing is.
    """

    weight: np.ndarray
    bias: np.ndarray | None
    activation: Callable[[np.ndarray], np.ndarray]
    residual: np.ndarray | None
    adds_input: bool = False

    @classmethod
    def read(cls, folder: pathlib.Path) -> Dense:
        """Of a module's folder. Raises ValueError if a file says what is not
        supported."""
        path = folder / "config.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; modules.json names it")
        config = _files.read_object(folder, path.name)

        def refuse(key: str, supported: str) -> ValueError:
            return ValueError(
                f'{path}: "{key}" is {_files.shown(config.get(key))}; '
                f"supported: {supported}"
            )

        widths = []
        for key in ("in_features", "out_features"):
            if not isinstance(config.get(key), int) or config[key] < 1:
                raise refuse(key, "a number from 1 on")
            widths.append(config[key])
        for key in ("bias", "use_residual"):
            if not isinstance(config.get(key, False), bool):
                raise refuse(key, "true, false")
        name = config.get("activation_function", "torch.nn.Tanh")
        first, _, last = str(name).rpartition(".")
        if not first.startswith("torch") or last not in _ACTIVATIONS:
            raise refuse(
                "activation_function",
                ", ".join(f"torch.nn.{known}" for known in _ACTIVATIONS),
            )
        adds = config.get("use_residual", False)
        shape = (widths[1], widths[0])
        shapes: dict[str, Any] = {"linear.weight": shape}
        if config.get("bias", True):
            shapes["linear.bias"] = shape[:1]
        if adds and widths[0] != widths[1]:
            shapes["residual.weight"] = shape
        tensors = _weights.read(folder, shapes)
        return cls(
            tensors["linear.weight"],
            tensors.get("linear.bias"),
            _ACTIVATIONS[last],
            tensors.get("residual.weight"),
            adds,
        )

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """[vectors, in] to [vectors, out]. A row does not depend on the others: each is
        a product of its own."""
        self.width(vectors.shape[1])
        if not len(vectors):
            return np.zeros((0, len(self.weight)), np.float32)
        return np.stack([self._row(row) for row in vectors])

    def _row(self, x: np.ndarray) -> np.ndarray:
        y = self.weight @ x
        if self.bias is not None:
            y = y + self.bias
        y = self.activation(y)
        if self.adds_input:
            y = y + (x if self.residual is None else self.residual @ x)
        return y

    def width(self, width: int) -> int:
        """What becomes of a width. Raises ValueError if it does not fit."""
        if width != self.weight.shape[1]:
            raise ValueError(
                f"Dense: expects vectors of {self.weight.shape[1]} numbers, got {width}"
            )
        return self.weight.shape[0]
