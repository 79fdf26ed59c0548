"""The inputs and outputs of a call, in the forms that a library takes them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from transom import _arrays


class Batch:
    """The inputs of one run in one of the two forms that the library takes,
    and how its outputs become those of the form that the caller used."""

    def __init__(self, sequences: int, tokens: tuple[int, ...]):
        self.tensors: dict[str, np.ndarray] = {}
        self.sequences = sequences
        self.tokens = tokens  # Leading dims of token outputs.
        self.rows: list[Any] | None = None  # Where each sequence's are.
        self.choices: list[int] | None = None  # Sequences of each example.
        self.lengths: list[int] | None = None  # If the padded form is our own.
        self.selected: int | None = None  # Positions, if they are given,
        self.counts: list[int] | None = None  # and if so of each sequence.

    @classmethod
    def of(cls, leader: str, given: Mapping[str, Any]) -> Batch:
        """`given` in the form that the input `leader` has."""
        value = given[leader]
        if "sequence_offsets" in given:
            return cls.packed(leader, given)
        if isinstance(value, (list, tuple)):
            lengths = _arrays.lengths(leader, value)
            if not lengths or min(lengths) != max(lengths):
                return cls.ragged(leader, lengths, given)
        return cls.padded(leader, given)

    @classmethod
    def packed(cls, leader: str, given: Mapping[str, Any]) -> Batch:
        arrays = {name: _arrays.integers(name, given[name], 1) for name in given}
        batch = cls(len(arrays["sequence_offsets"]) - 1, arrays[leader].shape)
        batch.tensors = arrays
        return batch

    @classmethod
    def padded(cls, leader: str, given: Mapping[str, Any]) -> Batch:
        first = _arrays.integers(leader, given[leader], 2)
        batch = cls(len(first), first.shape)
        for name, value in given.items():
            array = first if name == leader else _arrays.integers(name, value, 2)
            if array.shape != first.shape:
                raise ValueError(
                    f"{name}: expects the shape of {leader}, {_arrays.shape(first)}, "
                    f"got {_arrays.shape(array)}"
                )
            batch.tensors[name] = array
        return batch

    @classmethod
    def ragged(cls, leader: str, lengths: list[int], given: Mapping[str, Any]) -> Batch:
        arrays = {}
        for name, rows in given.items():
            _arrays.same_lengths(name, _arrays.lengths(name, rows), leader, lengths)
            values = _arrays.flat(name, rows) if lengths else np.zeros(0, np.int32)
            arrays[name] = values
        mask = arrays.pop("attention_mask", None)
        if mask is not None and not mask.all():
            return cls.holed(lengths, {**arrays, "attention_mask": mask})
        offsets = np.zeros(len(lengths) + 1, np.int32)
        np.cumsum(lengths, out=offsets[1:])
        batch = cls(len(lengths), (int(offsets[-1]),))
        batch.tensors = {**arrays, "sequence_offsets": offsets}
        ends = offsets.tolist()
        batch.rows = [slice(*pair) for pair in zip(ends, ends[1:])]
        return batch

    @classmethod
    def holed(cls, lengths: list[int], arrays: Mapping[str, np.ndarray]) -> Batch:
        """Masks go with the padded form alone, so that form is made."""
        shape = (len(lengths), max(lengths))
        there = np.arange(shape[1]) < np.array(lengths)[:, None]
        batch = cls(len(lengths), shape)
        batch.lengths = lengths
        for name, array in arrays.items():
            batch.tensors[name] = np.zeros(shape, np.int64)
            batch.tensors[name][there] = array
        batch.rows = [(i, slice(n)) for i, n in enumerate(lengths)]
        return batch

    def follow(self, given: Mapping[str, Any]) -> Batch:
        """The batch of a decoder that reads what this one, its source, is; what
        is `given` says which tokens there are."""
        batch = copy.copy(self)
        batch.tensors = {}
        for name, value in given.items():
            padded = name != "sequence_offsets" and len(self.tokens) == 2
            batch.tensors[name] = array = _arrays.integers(name, value, 1 + padded)
            if padded and array.shape != self.tokens:
                raise ValueError(
                    f"{name}: expects the shape of the source, {list(self.tokens)}, "
                    f"got {_arrays.shape(array)}"
                )
        return batch

    def place(self, name: str, value: Any) -> None:
        """Takes the place of one token of each sequence."""
        if self.choices is not None:
            rows = value if isinstance(value, (list, tuple)) else np.atleast_1d(value)
            shapes = [np.shape(row) for row in rows]
            if shapes != [(count,) for count in self.choices]:
                raise ValueError(
                    f"{name}: expects a position for each choice, {self.choices} of "
                    f"them, got rows of {[list(shape) for shape in shapes]}"
                )
            value = [place for row in rows for place in row]
        places = _arrays.integers(name, value, 1, "[batch]")
        if len(places) != self.sequences:
            raise ValueError(
                f"{name}: expects a position for each of the {self.sequences} "
                f"sequences, got {len(places)}"
            )
        self.tensors[name] = places

    def group(self, rows: Any) -> Any:
        """What there is of each sequence, for each example that it is of."""
        if self.choices is None:
            return rows
        if isinstance(rows, np.ndarray):
            if len(set(self.choices)) == 1:
                return rows.reshape(len(self.choices), self.choices[0], *rows.shape[1:])
            return np.split(rows, np.cumsum(self.choices)[:-1])
        rest = iter(rows)
        return [list(itertools.islice(rest, count)) for count in self.choices]

    def select(self, positions: Any) -> None:
        """Takes the tokens that outputs are asked for, in any form."""
        pairs: Any = None
        rows = None
        if isinstance(positions, (list, tuple)):
            if positions and all(isinstance(p, tuple) for p in positions):
                pairs = positions
            elif any(np.ndim(p) for p in positions):
                self.counts = _arrays.lengths("output_positions", positions)
                if len(self.counts) != self.sequences:
                    raise ValueError(
                        "output_positions: expects a list for each of the "
                        f"{self.sequences} sequences, got {len(self.counts)}; "
                        "write (row, column) in tuples"
                    )
                rows = np.repeat(np.arange(self.sequences), self.counts)
                columns = _arrays.flat("output_positions", positions)
        elif np.ndim(positions) == 2:
            pairs = positions
        if pairs is not None:
            pairs = _arrays.integers("output_positions", pairs, 2, "[count, 2]")
            if pairs.shape[1] != 2:
                raise ValueError(
                    "output_positions: expects the shape [count, 2], got "
                    + _arrays.shape(pairs)
                )
            rows, columns = pairs.T
        if rows is not None:
            indices = self._indices(rows, columns)
        else:
            wanted = "[count] or [count, 2]"
            indices = _arrays.integers("output_positions", positions, 1, wanted)
            if self.lengths is not None:
                # What the caller counts is not what the padded form counts.
                ends = np.cumsum(self.lengths)
                wrong = (indices < 0) | (indices >= ends[-1])
                if wrong.any():
                    raise ValueError(
                        f"output_positions: expects values in [0, {ends[-1]}), got "
                        f"{indices[wrong][0]}"
                    )
                rows = np.searchsorted(ends, indices, side="right")
                columns = indices - (ends - self.lengths)[rows]
                indices = self._indices(rows, columns)
        self.selected = len(indices)
        self.tensors["output_positions"] = indices

    def _indices(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Tokens as the library counts them, by sequence and place in it."""
        offsets = self.tensors.get("sequence_offsets")
        if offsets is not None:
            starts, lengths = offsets[:-1], np.diff(offsets)
        else:
            starts = np.arange(self.sequences) * self.tokens[1]
            lengths = np.full(self.sequences, self.tokens[1])
            if self.lengths is not None:
                lengths = np.array(self.lengths)
        for i in np.flatnonzero((rows < 0) | (rows >= self.sequences))[:1]:
            raise ValueError(
                f"output_positions[{i}]: expects a row in [0, {self.sequences}), got {rows[i]}"
            )
        for i in np.flatnonzero((columns < 0) | (columns >= lengths[rows]))[:1]:
            raise ValueError(
                f"output_positions: expects a column in [0, {lengths[rows[i]]}) of sequence "
                f"{rows[i]}, got {columns[i]}"
            )
        return np.ascontiguousarray(starts[rows] + columns, np.int64)


class Output:
    """Name and dims of an output: one row for each token or sequence."""

    def __init__(self, info: Mapping[str, Any]):
        self.name = info["name"]
        self.encoded = self.name.encode()
        dims = info["dims"]
        self.per_position = "output_positions" in dims
        self.of_source = "encoder_tokens" in dims
        self.per_token = "tokens" in dims or self.of_source or self.per_position
        self.width = tuple(d for d in dims if isinstance(d, int))

    def allocate(self, batch: Batch) -> np.ndarray:
        rows: tuple[int, ...] = (batch.sequences,)
        if self.per_position and batch.selected is not None:
            rows = (batch.selected,)
        elif self.per_token:
            rows = batch.tokens
        return np.empty(rows + self.width, np.float32)

    def finish(self, array: np.ndarray, batch: Batch) -> np.ndarray | list[np.ndarray]:
        """The array as the form of the caller's inputs has it."""
        if self.per_position and batch.selected is not None:
            if batch.counts is not None:
                return np.split(array, np.cumsum(batch.counts)[:-1])
            return array
        if self.per_token and batch.rows is not None:
            return batch.group([array[rows] for rows in batch.rows])
        return batch.group(array)
