"""A program of a library: what it takes and gives, and how it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

import numpy as np

from transom import _abi
from transom._session import Session


class Output:
    """An output of a program: its name, and what it has a row for.

    Attributes:
        per_position: a row for each output position, or token if none are given.
        per_token: a row for each token or output position; otherwise for each
            sequence.
        of_encoder: the tokens are those of an encoder beside a decoder.
        width: the dimensions of a row.
    """

    def __init__(self, info: Mapping[str, Any]):
        self.name: str = info["name"]
        self.encoded = self.name.encode()
        dims = info["dims"]
        self.per_position = "output_positions" in dims
        self.of_encoder = "encoder_tokens" in dims
        self.per_token = "tokens" in dims or self.of_encoder or self.per_position
        self.width: tuple[int, ...] = tuple(d for d in dims if isinstance(d, int))


class Program:
    """`forward`, `step` or `encode` of a library.

    Args:
        library: the library's file name, for messages.
        function: the entry point that runs it.
        check: raises the exception of a status other than OK.
        info: the program's part of the metadata.
    """

    def __init__(
        self,
        library: str,
        function: Callable[..., int],
        check: Callable[[int], None],
        info: Mapping[str, Any],
    ):
        self.library = library
        self.inputs: list[str] = [given["name"] for given in info["inputs"]]
        self.outputs = [Output(given) for given in info["outputs"]]
        #: Token ids are below it.
        self.vocabulary: int = info["inputs"][0].get("bound") or 2**31
        self._function = function
        self._check = check

    def select(self, names: Sequence[str] | None) -> list[Output]:
        """The outputs of these names, in the program's order; None: all."""
        if names is None:
            return self.outputs
        if isinstance(names, str):
            raise TypeError(f'outputs: expects a list of names, got "{names}"')
        known = [output.name for output in self.outputs]
        for name in names:
            if name not in known:
                raise ValueError(
                    f'{self.library} has no output "{name}"; it has ' + ", ".join(known)
                )
        return [output for output in self.outputs if output.name in names]

    def run(
        self,
        session: Session,
        tensors: Mapping[str, np.ndarray],
        outputs: Sequence[Output],
        arrays: Sequence[np.ndarray],
    ) -> None:
        """Fills the arrays of the outputs."""
        for slot, (name, array) in zip(session.inputs, tensors.items()):
            slot.name = name.encode()
            slot.data = array.__array_interface__["data"][0]
            slot.capacity = array.nbytes
            slot.dtype = _abi.INT64 if array.itemsize == 8 else _abi.INT32
            slot.rank = array.ndim
            slot.dims[: array.ndim] = array.shape
        for slot, output, array in zip(session.outputs, outputs, arrays):
            slot.name = output.encoded
            slot.data = array.__array_interface__["data"][0]
            slot.capacity = array.nbytes
            slot.dtype = _abi.FLOAT32
        self._check(
            self._function(
                session.handle,
                session.inputs,
                len(tensors),
                session.outputs,
                len(outputs),
            )
        )
