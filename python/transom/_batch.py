"""The inputs and outputs of a call, in the forms that a library takes them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from transom import _arrays
from transom._program import Output


@dataclasses.dataclass(frozen=True)
class TokenInputs:
    """The inputs that have a value for each token of one set of tokens: those of
    an encoder beside a decoder, or all others.

    Attributes:
        names: the model's own inputs; the first that is given decides the form.
        mask, offsets: the inputs that say which tokens there are.
    """

    names: Sequence[str]
    mask: str = "attention_mask"
    offsets: str = "sequence_offsets"

    def of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of a call's inputs that belong to this set."""
        own = {*self.names, self.mask, self.offsets}
        return {name: value for name, value in given.items() if name in own}

    def first_of(self, given: Mapping[str, Any]) -> str | None:
        return next((name for name in self.names if name in given), None)


class Batch:
    """The inputs of one set of tokens in a form that the library takes, padded or
    ragged, and how outputs return to the form that the caller used.

    Attributes:
        tensors: the inputs by name.
        num_sequences: how many sequences there are.
        token_dims: the leading dimensions of outputs that have a row for each
            token.
        rows: where the rows of each sequence are, if the caller gave lists.
        choices: how many sequences each example has, if they are choices.
        num_positions: how many output positions are given, if any are;
        positions_each: and how many of each sequence, if the caller gave lists.
    """

    def __init__(self, inputs: TokenInputs, num_sequences: int, token_dims: Any):
        self.inputs = inputs
        self.tensors: dict[str, np.ndarray] = {}
        self.num_sequences = num_sequences
        self.token_dims: tuple[int, ...] = tuple(token_dims)
        self.rows: list[slice] | None = None
        self.choices: list[int] | None = None
        self.num_positions: int | None = None
        self.positions_each: list[int] | None = None

    @classmethod
    def of(cls, inputs: TokenInputs, first: str, given: Mapping[str, Any]) -> Batch:
        """`given` in the form that its input `first` has."""
        if inputs.offsets in given:
            return cls._packed(inputs, first, given)
        if isinstance(given[first], (list, tuple)):
            lengths = _arrays.lengths(first, given[first])
            if not lengths or min(lengths) != max(lengths):
                return cls._ragged(inputs, first, lengths, given)
        return cls._padded(inputs, first, given)

    @classmethod
    def of_choices(
        cls, inputs: TokenInputs, first: str, given: Mapping[str, Any]
    ) -> Batch:
        """`given` in the form `[batch, choices, length]`, or nested lists."""
        choices: list[int] = []
        flat: dict[str, Any] = {}
        for name in sorted(given, key=lambda name: name != first):
            value = given[name]
            if not isinstance(value, (list, tuple)):
                value = np.asarray(value)
                if value.ndim != 3:
                    raise ValueError(
                        f"{name}: expects the shape [batch, choices, length], "
                        f"got {_arrays.shape(value)}"
                    )
            lengths = _arrays.lengths(name, value)
            choices = lengths if name == first else choices
            _arrays.same_lengths(name, lengths, first, choices)
            if isinstance(value, np.ndarray):
                flat[name] = value.reshape(-1, value.shape[-1])
            else:
                flat[name] = list(itertools.chain.from_iterable(value))
        batch = cls.of(inputs, first, flat)
        batch.choices = choices
        return batch

    @classmethod
    def _packed(
        cls, inputs: TokenInputs, first: str, given: Mapping[str, Any]
    ) -> Batch:
        arrays = {name: _arrays.integers(name, given[name], 1) for name in given}
        batch = cls(inputs, len(arrays[inputs.offsets]) - 1, arrays[first].shape)
        batch.tensors = arrays
        return batch

    @classmethod
    def _padded(
        cls, inputs: TokenInputs, first: str, given: Mapping[str, Any]
    ) -> Batch:
        array = _arrays.integers(first, given[first], 2)
        batch = cls(inputs, len(array), array.shape)
        batch.tensors[first] = array
        for name, value in given.items():
            if name != first:
                batch.tensors[name] = batch._padded_array(name, value, first)
        return batch

    @classmethod
    def _ragged(
        cls,
        inputs: TokenInputs,
        first: str,
        lengths: list[int],
        given: Mapping[str, Any],
    ) -> Batch:
        offsets = _arrays.offsets(lengths)
        batch = cls(inputs, len(lengths), (int(offsets[-1]),))
        for name, rows in given.items():
            batch.tensors[name] = _ragged_array(name, rows, first, lengths)
        batch.tensors[inputs.offsets] = offsets
        ends = offsets.tolist()
        batch.rows = [slice(*pair) for pair in zip(ends, ends[1:])]
        return batch

    def followed_by(self, decoder: TokenInputs, given: Mapping[str, Any]) -> Batch:
        """The batch of a decoder whose ids are this encoder's, shifted right;
        `given` says which of its tokens there are."""
        batch = Batch(decoder, self.num_sequences, self.token_dims)
        batch.rows = self.rows
        first = self.inputs.first_of(self.tensors) or ""
        for name, value in given.items():
            if self.rows is not None:
                lengths = [rows.stop - rows.start for rows in self.rows]
                batch.tensors[name] = _ragged_array(name, value, first, lengths)
            elif len(self.token_dims) == 2 and name != decoder.offsets:
                batch.tensors[name] = self._padded_array(name, value, first)
            else:
                batch.tensors[name] = _arrays.integers(name, value, 1)
        return batch

    def _padded_array(self, name: str, value: Any, first: str) -> np.ndarray:
        array = _arrays.integers(name, value, 2)
        if array.shape != self.token_dims:
            raise ValueError(
                f"{name}: expects the shape of {first}, {list(self.token_dims)}, "
                f"got {_arrays.shape(array)}"
            )
        return array

    def set_token_index(self, name: str, value: Any) -> None:
        """Takes an input that says which token of each sequence a head reads."""
        if self.choices is not None:
            rows = value if isinstance(value, (list, tuple)) else np.atleast_1d(value)
            shapes = [np.shape(row) for row in rows]
            if shapes != [(count,) for count in self.choices]:
                raise ValueError(
                    f"{name}: expects a position for each choice, {self.choices} of "
                    f"them, got rows of {[list(shape) for shape in shapes]}"
                )
            value = [index for row in rows for index in row]
        indices = _arrays.integers(name, value, 1, "[batch]")
        if len(indices) != self.num_sequences:
            raise ValueError(
                f"{name}: expects a position for each of the {self.num_sequences} "
                f"sequences, got {len(indices)}"
            )
        self.tensors[name] = indices

    def set_output_positions(self, positions: Any) -> None:
        """Takes the tokens that logits are computed for, in any form."""
        name = "output_positions"
        pairs: Any = None
        if isinstance(positions, (list, tuple)):
            if positions and all(isinstance(p, tuple) for p in positions):
                pairs = positions
            elif any(np.ndim(p) for p in positions):
                counts = _arrays.lengths(name, positions)
                if len(counts) != self.num_sequences:
                    raise ValueError(
                        f"{name}: expects a list for each of the "
                        f"{self.num_sequences} sequences, got {len(counts)}; "
                        "write (row, column) in tuples"
                    )
                self.positions_each = counts
                rows = np.repeat(np.arange(self.num_sequences), counts)
                pairs = np.stack([rows, _arrays.flat(name, positions)], 1)
        elif np.ndim(positions) == 2:
            pairs = positions
        if pairs is None:
            indices = _arrays.integers(name, positions, 1, "[count] or [count, 2]")
        else:
            pairs = _arrays.integers(name, pairs, 2, "[count, 2]")
            if pairs.shape[1] != 2:
                raise ValueError(
                    f"{name}: expects the shape [count, 2], got " + _arrays.shape(pairs)
                )
            indices = self._token_indices(*pairs.T)
        self.num_positions = len(indices)
        self.tensors[name] = indices

    def _token_indices(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Tokens as the library counts them, by sequence and column in it."""
        offsets = self.tensors.get(self.inputs.offsets)
        if offsets is not None:
            starts, lengths = offsets[:-1], np.diff(offsets)
        else:
            starts = np.arange(self.num_sequences) * self.token_dims[1]
            lengths = np.full(self.num_sequences, self.token_dims[1])
        for i in np.flatnonzero((rows < 0) | (rows >= self.num_sequences))[:1]:
            raise ValueError(
                f"output_positions[{i}]: expects a row in [0, {self.num_sequences}), "
                f"got {rows[i]}"
            )
        for i in np.flatnonzero((columns < 0) | (columns >= lengths[rows]))[:1]:
            raise ValueError(
                f"output_positions: expects a column in [0, {lengths[rows[i]]}) of "
                f"sequence {rows[i]}, got {columns[i]}"
            )
        return np.ascontiguousarray(starts[rows] + columns, np.int64)

    def allocate(self, output: Output) -> np.ndarray:
        """Room for what the library computes."""
        dims: tuple[int, ...] = (self.num_sequences,)
        if output.per_position and self.num_positions is not None:
            dims = (self.num_positions,)
        elif output.per_token:
            dims = self.token_dims
        return np.empty(dims + output.width, np.float32)

    def restore(
        self, output: Output, array: np.ndarray
    ) -> np.ndarray | list[np.ndarray]:
        """What the library has computed, in the form of the caller's inputs."""
        if output.per_position and self.num_positions is not None:
            if self.positions_each is None:
                return array
            return np.split(array, np.cumsum(self.positions_each)[:-1])
        if output.per_token and self.rows is not None:
            return self._by_example([array[rows] for rows in self.rows])
        return self._by_example(array)

    def _by_example(self, rows: Any) -> Any:
        """What there is of each sequence, for each example that it belongs to."""
        if self.choices is None:
            return rows
        if isinstance(rows, np.ndarray):
            if len(set(self.choices)) == 1:
                return rows.reshape(len(self.choices), self.choices[0], *rows.shape[1:])
            return np.split(rows, np.cumsum(self.choices)[:-1])
        rest = iter(rows)
        return [list(itertools.islice(rest, count)) for count in self.choices]


def _ragged_array(
    name: str, rows: Any, first: str, lengths: Sequence[int]
) -> np.ndarray:
    """The values of all rows, whose lengths are those of the input `first`."""
    _arrays.same_lengths(name, _arrays.lengths(name, rows), first, lengths)
    return _arrays.flat(name, rows) if lengths else np.zeros(0, np.int32)
