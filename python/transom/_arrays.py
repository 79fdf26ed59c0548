"""What a caller gives as integers, as dense arrays."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np


def shape(value: Any) -> str:
    return str(list(np.shape(value)))


def depth(value: Any) -> int:
    """How many levels an array, or nested lists of any lengths, have."""
    levels = 0
    while isinstance(value, (list, tuple)):
        value = next(iter(value), None)
        levels += 1
    return levels + np.ndim(value)


def whole(name: str, value: Any, bits: int) -> int:
    """`value` as an integer that C holds in so many bits: ctypes would cut it."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expects an integer, got {value!r:.80}") from None
    end = 1 << (bits - 1)
    if not -end <= number < end:
        raise ValueError(f"{name}: expects less than 2**{bits - 1}, got {number}")
    return number


_SHAPES = {1: "[tokens]", 2: "[batch, length]"}


def integers(name: str, value: Any, rank: int, wanted: str = "") -> np.ndarray:
    """`value` as a dense array of int32 or int64; itself if it is one. `wanted`
    is the shape for messages."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{name}: expects an array or nested lists of numbers, all at one "
            f"depth, got a {type(value).__name__}"
        ) from None
    dtype = array.dtype
    if dtype != np.int64 and dtype != np.int32:
        if dtype.kind in "iub":
            if dtype == np.uint64 and array.size and array.max() >= 2**63:
                raise ValueError(
                    f"{name}: expects values below 2**63, got {array.max()}"
                )
            array = array.astype(np.int64)
        elif array.size == 0:
            array = array.astype(np.int64)  # [] has the type of floats.
        else:
            raise TypeError(f"{name}: expects integer values, got {dtype}")
    if array.ndim != rank:
        raise ValueError(
            f"{name}: expects the shape {wanted or _SHAPES[rank]}, "
            f"got {list(array.shape)}"
        )
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def lengths(name: str, rows: Sequence[Any]) -> list[int]:
    try:
        return [len(row) for row in rows]
    except TypeError:
        raise ValueError(
            f"{name}: expects one list of ids for each sequence, got a flat "
            "list; write [ids] for one sequence"
        ) from None


def same_lengths(
    name: str, lengths: Sequence[int], leader: str, expected: Sequence[int]
) -> None:
    if len(lengths) != len(expected):
        raise ValueError(
            f"{name}: expects as many sequences as {leader}, {len(expected)}, "
            f"got {len(lengths)}"
        )
    for i, (got, want) in enumerate(zip(lengths, expected)):
        if got != want:
            raise ValueError(
                f"{name}[{i}]: expects as many values as {leader}[{i}], {want}, "
                f"got {got}"
            )


def flat(name: str, rows: Sequence[Any]) -> np.ndarray:
    """The values of all rows, one row after the other."""
    if all(isinstance(row, list) for row in rows):
        return integers(name, list(itertools.chain.from_iterable(rows)), 1)
    return np.concatenate([integers(name, row, 1) for row in rows])


def offsets(lengths: Sequence[int]) -> np.ndarray:
    """Where each row begins if all lie one behind the other; then their number of
    values."""
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    return ends
