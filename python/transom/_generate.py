"""Tokens that follow prompts: at once, and one after the other."""

from __future__ import annotations

import collections
import ctypes
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from transom import _abi
from transom._engine import stream_prompt
from transom._generation_config import Settings
from transom._prompts import Batch, Ids, Prompt
from transom._watch import Watch

if TYPE_CHECKING:
    from transom._library import Library


@dataclasses.dataclass(frozen=True)
class Generated:
    """What `generate` gives with return_dict_in_generate.

    Attributes:
        sequences: ids, prompts included.
        sequences_scores: [batch * num_return_sequences], the sum of a beam's
            log-probabilities over its length to the power of length_penalty;
            None without beams.
    """

    sequences: Ids
    sequences_scores: np.ndarray | None


class _Callback:
    """What is done in a call as soon as a token is known."""

    def __init__(self, watch: Watch, streamer: Any):
        self.error: BaseException | None = None
        self.streamer = streamer
        self.watch = watch
        #: Of sequences that were ended here: their tokens.
        self.ended: dict[int, int] = {}
        self.counts: collections.Counter[int] = collections.Counter()
        # Python's own signals, Ctrl-C among them, are seen here, too.
        self.function = _abi.GenerationCallback(self._call)

    def _call(self, user: int | None, pointer: Any) -> int:
        # What is raised in a callback would be lost.
        try:
            return self.error is not None or self.sees(pointer.contents)
        except BaseException as error:
            self.error = error
            return 1

    def sees(self, event: _abi.GenerationEvent) -> bool:
        """Whether the event's request is to end."""
        for token in event.tokens[: event.num_tokens]:
            self.counts[event.request] += 1
            if self.streamer is not None:
                self.streamer.put(np.array([token]))
            if self.watch.ends(event.request, token):
                self.ended[event.request] = self.counts[event.request]
                return True
        return False


def generate(
    library: Library,
    input_ids: Any,
    attention_mask: Any,
    decoder_input_ids: Any,
    decoder_attention_mask: Any,
    generation_config: Any,
    streamer: Any,
    given: Mapping[str, Any],
) -> Ids | Generated:
    """See `Library.generate`."""
    settings = library._settings(generation_config, given)
    batch = Batch.of(
        library,
        input_ids,
        attention_mask,
        decoder_input_ids,
        decoder_attention_mask,
        settings,
    )
    prompts = batch.prompts
    copies = settings.num_return_sequences
    if settings.num_beams > 1:
        for name, value in (
            ("streamer", streamer),
            ("stop_strings", settings.stop_strings or None),
            ("max_time", settings.max_time),
        ):
            if value is not None:
                raise ValueError(f"{name}: expects num_beams=1; beams end together")
    if streamer is not None and len(prompts.rows) * copies != 1:
        raise ValueError(
            f"streamer: expects one sequence, got {len(prompts.rows) * copies}"
        )
    pad = settings.pad or 0
    if settings.num_beams > 1 and settings.eos:
        # So does transformers: to it the id 0 is none where beams are padded.
        pad = settings.pad or settings.eos[0]
    if not prompts.rows:
        return _result(settings, prompts.extended([], copies, pad), None)
    counts = [len(row) for row in prompts.rows]
    limit = library.max_positions
    most = settings.lengths(counts, prompts.padded, limit)
    if limit is not None:
        most = min(most, limit + 1)  # The library refuses more.
    each = [prompt for prompt in batch.each() for _ in range(settings.separate())]
    callback = _Callback(Watch(settings, each), streamer)
    if streamer is not None:
        streamer.put(np.stack(prompts.rows))
    sequences, scores = _run(library, each, settings, most, callback)
    if callback.error is not None:
        raise callback.error
    if streamer is not None:
        streamer.end()
    return _result(settings, prompts.extended(sequences, copies, pad), scores)


def _result(
    settings: Settings, sequences: Ids, scores: np.ndarray | None
) -> Ids | Generated:
    if not settings.return_dict:
        return sequences
    return Generated(sequences, scores if settings.num_beams > 1 else None)


def _run(
    library: Library,
    prompts: Sequence[Prompt],
    settings: Settings,
    most: int,
    callback: _Callback,
) -> tuple[list[np.ndarray], np.ndarray]:
    """The new tokens of each sequence, and scores."""
    count = len(prompts) * settings.options.num_return_sequences
    lists, kept = settings.take(prompts)
    tokens = np.zeros((count, most), np.int32)
    lengths = np.zeros(count, np.int64)
    scores = np.zeros(count, np.float32)
    results = _abi.Generated(
        tokens=tokens.ctypes.data,
        row_tokens=most,
        lengths=lengths.ctypes.data,
        scores=scores.ctypes.data,
    )
    with library._session() as session:
        library._check(
            library._entry.generate(
                session.handle,
                ctypes.byref(lists),
                ctypes.byref(settings.options),
                callback.function,
                None,
                ctypes.byref(results),
            )
        )
    del kept
    if settings.options.num_return_sequences == 1:
        for row, length in callback.ended.items():
            lengths[row] = min(lengths[row], length)
    return [row[:length] for row, length in zip(tokens, lengths)], scores


def stream(
    library: Library,
    input_ids: Any,
    attention_mask: Any,
    decoder_input_ids: Any,
    generation_config: Any,
    given: Mapping[str, Any],
) -> Iterator[int]:
    """See `Library.generate_stream`."""
    settings = library._settings(generation_config, given)
    for name in ("num_beams", "num_return_sequences"):
        if getattr(settings, name) > 1:
            raise ValueError(f"{name}: expects 1, since one sequence is streamed")
    batch = Batch.of(
        library,
        _one_row(input_ids),
        attention_mask,
        _one_row(decoder_input_ids),
        None,
        settings,
    )
    prompts = batch.each()
    if len(prompts) != 1:
        raise ValueError(f"input_ids: expects one prompt, got {len(prompts)}")
    return stream_prompt(library, prompts[0], settings, batch.prompts.padded)


def _one_row(ids: Any) -> Any:
    """`[length]` as `[1, length]`."""
    if isinstance(ids, (list, tuple)) or np.ndim(ids) == 1:
        if all(np.ndim(token) == 0 for token in ids):
            return [ids]
    return ids
