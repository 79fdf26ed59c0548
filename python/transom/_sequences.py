"""Sequences that are fed step by step: below `generate`."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from transom import _arrays

if TYPE_CHECKING:
    from transom._library import Library, _Session, _Sessions


class Sequences:
    """Sequences whose keys and values a library keeps.

        with model.sequences() as sequences:
            one = sequences.add()
            logits = sequences.step({one: [5, 6, 7]})["logits"]  # [1, vocabulary]
            other = sequences.fork(one)
            sequences.step({one: [8], other: [9, 10]})

    Tokens of many sequences may go through the model in one step, whole prompts
    among them, and the bits of a result depend neither on that nor on how a
    sequence is divided into steps. Sequences are numbers. To be used by one
    thread at a time.
    """

    def __init__(self, library: Library):
        self._library = library
        self._session = library._sessions.take()
        self._live: set[int] = set()
        self._finalizer = weakref.finalize(
            self, _release, library._sessions, self._session, self._live
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        if not self._finalizer.alive:
            raise ValueError("the sequences are closed")
        return getattr(self._library._entry, name)(self._session.handle, *arguments)

    def add(self) -> int:
        """A new sequence, without tokens."""
        number = ctypes.c_int64()
        self._library._check(self._call("sequence_add", ctypes.byref(number)))
        self._live.add(number.value)
        return number.value

    def fork(self, sequence: int, length: int | None = None) -> int:
        """A new sequence that begins as another: with its first `length` tokens,
        or all. What both have is there once."""
        number = ctypes.c_int64()
        first = -1 if length is None else _length(length)
        self._library._check(
            self._call("sequence_fork", sequence, first, ctypes.byref(number))
        )
        self._live.add(number.value)
        return number.value

    def truncate(self, sequence: int, length: int) -> None:
        """Forgets all but the first `length` tokens."""
        self._library._check(
            self._call("sequence_truncate", sequence, _length(length))
        )

    def free(self, sequence: int) -> None:
        """Gives its memory to other sequences."""
        self._library._check(self._call("sequence_free", sequence))
        self._live.discard(sequence)

    def length(self, sequence: int) -> int:
        """How many tokens it has."""
        length = self._call("sequence_length", sequence)
        if length < 0:
            raise ValueError(f"{sequence}: no such sequence")
        return length

    def step(
        self,
        tokens: Mapping[int, Any],
        positions: Any = "last",
        outputs: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Appends tokens to sequences; returns the model's outputs for them.

        Args:
            tokens: for each sequence its new ids, at least one.
            positions: the tokens whose logits are wanted: "last" of each
                sequence, "all", or for each sequence a list of columns, counted
                from its first new token.
            outputs: names of the outputs to compute. Default: all.

        Returns:
            For "last" arrays [sequences, width], in the order of `tokens`; else
            a list of arrays [count, width], one for each sequence.

        Raises:
            ValueError: as a call of the library, or a sequence that gets longer
                than the model can do. All are as long as before.
            MemoryError: no memory, or over `cache_tokens`.
        """
        library = self._library
        numbers = np.array(list(tokens), np.int64)
        rows = [
            _arrays.integers(f"tokens[{number}]", ids, 1, "[tokens]")
            for number, ids in tokens.items()
        ]
        lengths = [len(row) for row in rows]
        for number, length in zip(tokens, lengths):
            if length == 0:
                raise ValueError(f"tokens[{number}]: expects at least one, got none")
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        ids = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        tensors = {
            next(iter(library.inputs)): ids,
            "sequence_offsets": offsets,
            "sequences": numbers,
        }
        counts = lengths
        if isinstance(positions, str):
            if positions not in ("last", "all"):
                raise ValueError(
                    f'positions: expects "last", "all" or lists, got {positions!r}'
                )
            if positions == "last":
                counts = [1] * len(rows)
                tensors["positions"] = offsets[1:] - 1
        else:
            counts, tensors["positions"] = _columns(positions, lengths, offsets)
        asked = library._asked(outputs)
        selected = [
            output.per_position and "positions" in tensors for output in asked
        ]
        arrays = [
            np.empty((sum(counts if s else lengths), *output.width), np.float32)
            for output, s in zip(asked, selected)
        ]
        if not self._finalizer.alive:
            raise ValueError("the sequences are closed")
        library._run(library._entry.step, self._session, tensors, asked, arrays)
        results = {}
        for output, array, s in zip(asked, arrays, selected):
            if positions == "last":
                results[output.name] = array if s else array[offsets[1:] - 1]
            else:
                ends = np.cumsum(counts if s else lengths)[:-1]
                results[output.name] = np.split(array, ends)
        return results

    def close(self) -> None:
        """Frees all sequences."""
        self._finalizer()

    def __enter__(self) -> Sequences:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _length(value: int) -> int:
    if value < 0:
        raise ValueError(f"length: expects 0 or more, got {value}")
    return value


def _columns(
    positions: Any, lengths: Sequence[int], offsets: np.ndarray
) -> tuple[list[int], np.ndarray]:
    """How many each sequence has, and their places among all tokens."""
    if len(positions) != len(lengths):
        raise ValueError(
            f"positions: expects a list for each of the {len(lengths)} sequences, "
            f"got {len(positions)}"
        )
    places = []
    for i, (columns, length) in enumerate(zip(positions, lengths)):
        array = _arrays.integers(f"positions[{i}]", columns, 1, "[count]")
        wrong = (array < 0) | (array >= length)
        if wrong.any():
            raise ValueError(
                f"positions[{i}]: expects columns in [0, {length}), got "
                f"{array[wrong][0]}"
            )
        places.append(array + offsets[i])
    return [len(p) for p in places], np.concatenate(places).astype(np.int64)


def _release(sessions: _Sessions, session: _Session, live: set[int]) -> None:
    if sessions.pid != os.getpid():
        return  # A fork has none of the session's workers.
    for number in live:
        sessions.entry.sequence_free(session.handle, number)
    sessions.give(session)
