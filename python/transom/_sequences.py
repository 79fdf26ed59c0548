"""Sequences that a caller extends step by step: below `generate`."""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from transom import _abi, _arrays
from transom._model import Model
from transom._program import Program
from transom._session import Session


class Sequences:
    """Sequences whose keys and values stay in a cache.

        with model.sequences() as sequences:
            one = sequences.add()
            logits = sequences.step({one: [5, 6, 7]})["logits"]  # [1, vocabulary]
            other = sequences.fork(one)
            sequences.step({one: [8], other: [9, 10]})

    Those of a model with an encoder need its states before their first tokens:

        sequences.encode({one: [5, 6, 7, 1]})
        sequences.step({one: [0]})

    One step may take tokens of many sequences, whole prompts among them. The bits
    of a result depend neither on that nor on how a sequence is divided into steps.
    A sequence is known by its id, an integer. One thread at a time may use them.
    """

    def __init__(self, model: Model):
        self._model = model
        self._session = model.sessions.take()
        self._live: set[int] = set()
        self._finalizer = weakref.finalize(
            self,
            model.sessions.release,
            self._session,
            functools.partial(_free, model.entry, self._session, self._live),
        )

    def _open_session(self) -> Session:
        if not self._finalizer.alive:
            raise ValueError("the sequences are closed")
        return self._session

    def _call(self, function: Any, *arguments: Any) -> None:
        self._model.check(function(self._open_session().handle, *arguments))

    def encode(
        self, inputs: Mapping[int, Any], outputs: Sequence[str] | None = None
    ) -> dict[str, list[np.ndarray]]:
        """Computes the encoder's states for sequences, before their first step. A
        fork shares them.

        Args:
            inputs: for each sequence the ids that the encoder reads; may be none.
            outputs: names of the encoder's outputs to return. Default: all.

        Returns:
            For each output a list of arrays [length, width], in the order of
            `inputs`.

        Raises:
            ValueError: a model without an encoder, a sequence that has tokens, or
                as a call of the library. All are as before.
            MemoryError: no memory, or over `cache_tokens`.
        """
        program = self._model.program("encode")
        tensors, offsets = _tensors(program, "inputs", inputs)
        selected = program.select(outputs)
        arrays = [np.empty((offsets[-1], *o.width), np.float32) for o in selected]
        program.run(self._open_session(), tensors, selected, arrays)
        return {
            output.name: np.split(array, offsets[1:-1])
            for output, array in zip(selected, arrays)
        }

    def add(self) -> int:
        """A new sequence, without tokens."""
        sequence = ctypes.c_int64()
        self._call(self._model.entry.sequence_add, ctypes.byref(sequence))
        self._live.add(sequence.value)
        return sequence.value

    def fork(self, sequence: int, length: int | None = None) -> int:
        """A new sequence that begins as another: with its first `length` tokens,
        or all. What both have is in the cache once."""
        fork = ctypes.c_int64()
        self._call(
            self._model.entry.sequence_fork,
            _id(sequence),
            -1 if length is None else _length(length),
            ctypes.byref(fork),
        )
        self._live.add(fork.value)
        return fork.value

    def truncate(self, sequence: int, length: int) -> None:
        """Forgets all but the first `length` tokens."""
        entry = self._model.entry
        self._call(entry.sequence_truncate, _id(sequence), _length(length))

    def free(self, sequence: int) -> None:
        """Gives the sequence's memory to others."""
        self._call(self._model.entry.sequence_free, _id(sequence))
        self._live.discard(sequence)

    def length(self, sequence: int) -> int:
        """How many tokens the sequence has."""
        handle = self._open_session().handle
        length: int = self._model.entry.sequence_length(handle, _id(sequence))
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
        program = self._model.program("step")
        tensors, offsets = _tensors(program, "tokens", tokens)
        lengths = np.diff(offsets).tolist()
        for sequence, length in zip(tokens, lengths):
            if length == 0:
                raise ValueError(f"tokens[{sequence}]: expects at least one, got none")
        counts = lengths
        if isinstance(output_positions, str):
            if output_positions not in ("last", "all"):
                raise ValueError(
                    'output_positions: expects "last", "all" or lists, got '
                    f"{output_positions!r}"
                )
            if output_positions == "last":
                counts = [1] * len(lengths)
                tensors["output_positions"] = offsets[1:] - 1
        else:
            counts, tensors["output_positions"] = _token_indices(
                output_positions, lengths, offsets
            )
        results: dict[str, Any] = {}
        selected = program.select(outputs)
        rows = [
            counts if o.per_position and "output_positions" in tensors else lengths
            for o in selected
        ]
        arrays = [
            np.empty((sum(own), *output.width), np.float32)
            for own, output in zip(rows, selected)
        ]
        program.run(self._open_session(), tensors, selected, arrays)
        for own, output, array in zip(rows, selected, arrays):
            if output_positions != "last":
                results[output.name] = np.split(array, np.cumsum(own)[:-1])
            elif output.per_position:
                results[output.name] = array
            else:
                results[output.name] = array[offsets[1:] - 1]
        return results

    def close(self) -> None:
        """Frees all sequences."""
        self._finalizer()

    def __enter__(self) -> Sequences:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _tensors(
    program: Program, name: str, rows: Mapping[int, Any]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The inputs of a program for ids of sequences, and where each begins."""
    arrays = [
        _arrays.integers(f"{name}[{sequence}]", ids, 1, "[tokens]")
        for sequence, ids in rows.items()
    ]
    offsets = _arrays.offsets([len(row) for row in arrays])
    tensors = {
        program.inputs[0]: np.concatenate([np.zeros(0, np.int64), *arrays]),
        "sequence_offsets": offsets,
        "sequences": np.array([_id(sequence) for sequence in rows], np.int64),
    }
    return tensors, offsets


def _id(sequence: int) -> int:
    return _arrays.whole("sequence", sequence, 64)


def _length(value: int) -> int:
    if value < 0:
        raise ValueError(f"length: expects 0 or more, got {value}")
    return _arrays.whole("length", value, 64)


def _token_indices(
    output_positions: Any, lengths: Sequence[int], offsets: np.ndarray
) -> tuple[list[int], np.ndarray]:
    """How many output positions each sequence has, and which of all tokens they
    are."""
    if len(output_positions) != len(lengths):
        raise ValueError(
            f"output_positions: expects a list for each of the {len(lengths)} "
            f"sequences, got {len(output_positions)}"
        )
    indices = []
    for i, (columns, length) in enumerate(zip(output_positions, lengths)):
        array = _arrays.integers(f"output_positions[{i}]", columns, 1, "[count]")
        wrong = (array < 0) | (array >= length)
        if wrong.any():
            raise ValueError(
                f"output_positions[{i}]: expects columns in [0, {length}), got "
                f"{array[wrong][0]}"
            )
        indices.append(array + offsets[i])
    every = np.concatenate([np.zeros(0, np.int64), *indices])
    return [len(own) for own in indices], every


def _free(entry: _abi.EntryPoints, session: Session, live: set[int]) -> None:
    for sequence in live:
        entry.sequence_free(session.handle, sequence)
