"""What generated tokens follow, as the caller gives it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Union

import numpy as np

from transom import _arrays
from transom._generation_config import Settings
from transom._model import Model

#: [batch, length], or a list of arrays of unequal length.
Ids = Union[np.ndarray, list[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Prompt:
    """What the new tokens of one request follow.

    Attributes:
        tokens: the ids before them; what a decoder begins with.
        encoder_tokens: what an encoder reads; None: the model has none.
    """

    tokens: np.ndarray
    encoder_tokens: np.ndarray | None = None

    @property
    def input_ids(self) -> np.ndarray:
        """What the model reads first."""
        return self.tokens if self.encoder_tokens is None else self.encoder_tokens


class PromptRows:
    """Rows of ids as the caller gives them: padded or not, at either side.

    Args:
        name: the argument's name, for messages, with which its mask's begins, too.
        pad: the id that is padding where there is no mask; None: none is.

    Attributes:
        rows: the ids of each row, without padding.
        array: the rows as they were given, if they are of equal length.
    """

    def __init__(self, name: str, ids: Any, mask: Any, pad: int | None):
        self.name = name
        self.mask_name = name.replace("input_ids", "attention_mask")
        self.array: np.ndarray | None = None
        if isinstance(ids, (list, tuple)):
            lengths = _arrays.lengths(name, ids)
            if len(set(lengths)) != 1:
                if mask is not None:
                    raise ValueError(
                        f"{self.mask_name}: goes with {name} of the shape "
                        "[batch, length], and the prompts are of unequal length"
                    )
                self.rows = [_arrays.integers(name, row, 1) for row in ids]
                self._check()
                return
        self.array = _arrays.integers(name, ids, 2).astype(np.int64)
        there = self._mask(mask, pad)
        self.rows = [row[kept] for row, kept in zip(self.array, there)]
        self._check()

    def _mask(self, given: Any, pad: int | None) -> np.ndarray:
        """Where there are tokens."""
        assert self.array is not None
        if given is None:
            if pad is None:
                return np.ones(self.array.shape, bool)
            return self.array != pad
        mask = _arrays.integers(self.mask_name, given, 2)
        if mask.shape != self.array.shape:
            raise ValueError(
                f"{self.mask_name}: expects the shape of {self.name}, "
                f"{list(self.array.shape)}, got {list(mask.shape)}"
            )
        return mask != 0

    def _check(self) -> None:
        for i, row in enumerate(self.rows):
            if len(row) == 0:
                raise ValueError(f"{self.name}[{i}]: expects one token or more")

    @property
    def padded(self) -> int | None:
        return None if self.array is None else self.array.shape[1]

    def begin_with(self, starts: Sequence[int]) -> None:
        """Puts before each row its start, where it is missing. Rows of an array
        stay of one length, so there, as in transformers, one that has it is
        enough."""
        has = [row[0] == start for row, start in zip(self.rows, starts)]
        if self.array is not None:
            has = [bool((self.array[:, 0] == starts).any())] * len(self.rows)
        if all(has):
            return
        self.rows = [
            row if there else np.concatenate([[start], row])
            for row, start, there in zip(self.rows, starts, has)
        ]
        if self.array is not None:
            column = np.array(starts, np.int64)[:, None]
            self.array = np.concatenate([column, self.array], 1)

    def extended(self, rows: Sequence[np.ndarray], copies: int, pad: int) -> Ids:
        """The prompts, each `copies` times, and behind each its new tokens."""
        if self.array is None:
            prompts = [row for row in self.rows for _ in range(copies)]
            return [
                np.concatenate([prompt, row]).astype(np.int64)
                for prompt, row in zip(prompts, rows)
            ]
        width = self.array.shape[1]
        longest = max((len(row) for row in rows), default=0)
        result = np.full((len(rows), width + longest), pad, np.int64)
        result[:, :width] = np.repeat(self.array, copies, 0)
        for line, row in zip(result, rows):
            line[width : width + len(row)] = row
        return result


@dataclasses.dataclass(frozen=True)
class Prompts:
    """The prompts of one call.

    Attributes:
        rows: the ids that new tokens follow.
        encoder_rows: what the model's encoder reads for each; None: it has none.
    """

    rows: PromptRows
    encoder_rows: list[np.ndarray] | None

    @classmethod
    def of(
        cls,
        model: Model,
        input_ids: Any,
        attention_mask: Any,
        decoder_input_ids: Any,
        decoder_attention_mask: Any,
        settings: Settings,
    ) -> Prompts:
        """What a call gives, with transformers' rules for what it leaves out."""
        if input_ids is None:
            if settings.bos_token_id is None:
                raise ValueError(
                    "input_ids: are needed, since the model has no bos_token_id"
                )
            input_ids = np.array([[settings.bos_token_id]])
        # Without a mask the id of padding says where padding is, unless that id
        # ends sequences, too.
        pad = settings.pad_token_id
        pad = None if pad in settings.eos_token_id else pad
        given = PromptRows("input_ids", input_ids, attention_mask, pad)
        if not model.has_encoder:
            for name, value in (
                ("decoder_input_ids", decoder_input_ids),
                ("decoder_attention_mask", decoder_attention_mask),
            ):
                if value is not None:
                    raise ValueError(
                        f"{name}: expects a model with an encoder, and "
                        f"{model.path.name} has none"
                    )
            return cls(given, None)
        starts = decoder_starts(settings, len(given.rows))
        if decoder_input_ids is None:
            if starts is None:
                raise ValueError(
                    "decoder_start_token_id: is needed, or decoder_input_ids, since "
                    "the model says neither it nor bos_token_id"
                )
            decoder_input_ids = np.array(starts, np.int64).reshape(-1, 1)
        begun = PromptRows(
            "decoder_input_ids", decoder_input_ids, decoder_attention_mask, None
        )
        if len(begun.rows) != len(given.rows):
            raise ValueError(
                "decoder_input_ids: expects as many rows as input_ids, "
                f"{len(given.rows)}, got {len(begun.rows)}"
            )
        if starts is not None:
            begun.begin_with(starts)
        return cls(begun, given.rows)

    def each(self) -> list[Prompt]:
        if self.encoder_rows is None:
            return [Prompt(row) for row in self.rows.rows]
        return [Prompt(*pair) for pair in zip(self.rows.rows, self.encoder_rows)]


def decoder_starts(settings: Settings, count: int) -> list[int] | None:
    """What the decoder of each row begins with; None: nothing says it."""
    starts = settings.decoder_start_token_id
    if not starts:
        return None
    if len(starts) == 1:
        return starts * count
    if len(starts) != count:
        raise ValueError(
            f"decoder_start_token_id: expects one id, or one for each of the {count} "
            f"rows of input_ids, got {len(starts)}"
        )
    return starts
