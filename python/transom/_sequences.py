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
    from transom._batch import Output
    from transom._library import Library
    from transom._session import Session, SessionPool


class Sequences:
    """Sequences whose keys and values a library keeps.

        with model.sequences() as sequences:
            one = sequences.add()
            logits = sequences.step({one: [5, 6, 7]})["logits"]  # [1, vocabulary]
            other = sequences.fork(one)
            sequences.step({one: [8], other: [9, 10]})

    Those of a model with an encoder need a source before their first tokens:

        sequences.encode({one: [5, 6, 7, 1]})
        sequences.step({one: [0]})

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

    def encode(
        self, sources: Mapping[int, Any], outputs: Sequence[str] | None = None
    ) -> dict[str, list[np.ndarray]]:
        """Gives sequences what the model's encoder reads for them, before their
        first step. A fork has it, too.

        Args:
            sources: for each sequence ids; may be none.
            outputs: names of the encoder's outputs to return. Default: all.

        Returns:
            For each output a list of arrays [length, width], in the order of
            `sources`.

        Raises:
            ValueError: a model without an encoder, a sequence that has tokens, or
                as a call of the library. All are as before.
            MemoryError: no memory, or over `cache_tokens`.
        """
        tensors = self._tensors("encode", "sources", sources)
        offsets = tensors["sequence_offsets"]
        asked = self._library._asked(outputs, "encode")
        arrays = [np.empty((offsets[-1], *o.width), np.float32) for o in asked]
        self._run("encode", tensors, asked, arrays)
        return {
            output.name: np.split(array, offsets[1:-1])
            for output, array in zip(asked, arrays)
        }

    def _tensors(
        self, program: str, name: str, rows: Mapping[int, Any]
    ) -> dict[str, np.ndarray]:
        """The inputs of a program for ids of sequences."""
        arrays = [
            _arrays.integers(f"{name}[{number}]", ids, 1, "[tokens]")
            for number, ids in rows.items()
        ]
        offsets = np.zeros(len(arrays) + 1, np.int64)
        np.cumsum([len(row) for row in arrays], out=offsets[1:])
        ids = np.concatenate(arrays) if arrays else np.zeros(0, np.int64)
        library = self._library
        first = library._leaders.get(program, next(iter(library.inputs)))
        return {
            first: ids,
            "sequence_offsets": offsets,
            "sequences": np.array(list(rows), np.int64),
        }

    def _run(
        self,
        program: str,
        tensors: Mapping[str, np.ndarray],
        asked: Sequence[Output],
        arrays: Sequence[np.ndarray],
    ) -> None:
        if not self._finalizer.alive:
            raise ValueError("the sequences are closed")
        function = getattr(self._library._entry, program)
        self._library._run(function, self._session, tensors, asked, arrays)

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
        self._library._check(self._call("sequence_truncate", sequence, _length(length)))

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
        output_positions: Any = "last",
        outputs: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Appends tokens to sequences; returns the model's outputs for them.

        Args:
            tokens: for each sequence its new ids, at least one.
            output_positions: the tokens whose logits are wanted: "last" of each
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
        tensors = self._tensors("step", "tokens", tokens)
        offsets = tensors["sequence_offsets"]
        lengths = np.diff(offsets).tolist()
        for number, length in zip(tokens, lengths):
            if length == 0:
                raise ValueError(f"tokens[{number}]: expects at least one, got none")
        counts = lengths
        if isinstance(output_positions, str):
            if output_positions not in ("last", "all"):
                raise ValueError(
                    f'output_positions: expects "last", "all" or lists, got {output_positions!r}'
                )
            if output_positions == "last":
                counts = [1] * len(lengths)
                tensors["output_positions"] = offsets[1:] - 1
        else:
            counts, tensors["output_positions"] = _columns(
                output_positions, lengths, offsets
            )
        asked = self._library._asked(outputs, "step")
        selected = [
            output.per_position and "output_positions" in tensors for output in asked
        ]
        arrays = [
            np.empty((sum(counts if s else lengths), *output.width), np.float32)
            for output, s in zip(asked, selected)
        ]
        self._run("step", tensors, asked, arrays)
        results = {}
        for output, array, s in zip(asked, arrays, selected):
            if output_positions == "last":
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
    output_positions: Any, lengths: Sequence[int], offsets: np.ndarray
) -> tuple[list[int], np.ndarray]:
    """How many each sequence has, and their places among all tokens."""
    if len(output_positions) != len(lengths):
        raise ValueError(
            f"output_positions: expects a list for each of the {len(lengths)} sequences, "
            f"got {len(output_positions)}"
        )
    places = []
    for i, (columns, length) in enumerate(zip(output_positions, lengths)):
        array = _arrays.integers(f"output_positions[{i}]", columns, 1, "[count]")
        wrong = (array < 0) | (array >= length)
        if wrong.any():
            raise ValueError(
                f"output_positions[{i}]: expects columns in [0, {length}), got "
                f"{array[wrong][0]}"
            )
        places.append(array + offsets[i])
    return [len(p) for p in places], np.concatenate(places).astype(np.int64)


def _release(sessions: SessionPool, session: Session, live: set[int]) -> None:
    if sessions.pid != os.getpid():
        return  # A fork has none of the session's workers.
    for number in live:
        sessions.entry.sequence_free(session.handle, number)
    sessions.give(session)
