"""Tokens that follow prompts: at once, one after the other, and many requests."""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import os
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from transom import _abi, _arrays
from transom._generation_config import Settings, merge

if TYPE_CHECKING:
    from transom._library import Library, _Session, _Sessions

#: [batch, length], or a list of arrays of unequal length.
Ids = Union[np.ndarray, list[np.ndarray]]


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


class Prompts:
    """Prompts as the caller gives them: padded or not, at either side."""

    def __init__(self, input_ids: Any, attention_mask: Any, settings: Settings):
        self.array: np.ndarray | None = None
        if input_ids is None:
            if settings.bos is None:
                raise ValueError(
                    "input_ids: are needed, since the model has no bos_token_id"
                )
            input_ids = np.array([[settings.bos]])
        rows = input_ids
        if isinstance(rows, (list, tuple)):
            lengths = _arrays.lengths("input_ids", rows)
            if len(set(lengths)) != 1:
                if attention_mask is not None:
                    raise ValueError(
                        "attention_mask: goes with input_ids of the shape "
                        "[batch, length], and the prompts are of unequal length"
                    )
                self.rows = [_arrays.integers("input_ids", row, 1) for row in rows]
                self._check()
                return
        self.array = _arrays.integers("input_ids", rows, 2).astype(np.int64)
        mask = self._mask(attention_mask, settings)
        self.rows = [row[kept] for row, kept in zip(self.array, mask)]
        self._check()

    def _mask(self, given: Any, settings: Settings) -> np.ndarray:
        """Where there are tokens. Without a mask padding is told by its id, but
        for an id that ends sequences, too: so does transformers."""
        assert self.array is not None
        if given is None:
            if settings.pad is None or settings.pad in settings.eos:
                return np.ones(self.array.shape, bool)
            return self.array != settings.pad
        mask = _arrays.integers("attention_mask", given, 2)
        if mask.shape != self.array.shape:
            raise ValueError(
                "attention_mask: expects the shape of input_ids, "
                f"{list(self.array.shape)}, got {list(mask.shape)}"
            )
        return mask != 0

    def _check(self) -> None:
        for i, row in enumerate(self.rows):
            if len(row) == 0:
                raise ValueError(f"input_ids[{i}]: expects one token or more")

    @property
    def padded(self) -> int | None:
        return None if self.array is None else self.array.shape[1]

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


class StopStrings:
    """Says when the text of new tokens holds one of some strings.

    The string may begin in the prompt, but ends behind it, as in transformers.
    """

    _CONTEXT = 16  # Tokens of the prompt that are looked at.

    def __init__(self, strings: Sequence[str], tokenizer: Any, prompt: np.ndarray):
        self.strings = strings
        self.tokenizer = tokenizer
        self.tokens = prompt[-self._CONTEXT :].tolist()
        self.begun = len(self._text())
        # A string that ends in a new token begins no earlier than that many
        # tokens before it: each has a character.
        self.reach = self._CONTEXT + max(map(len, strings))

    def _text(self) -> str:
        return self.tokenizer.decode(self.tokens)

    def hits(self, token: int) -> bool:
        """Whether a string ends with this next token."""
        self.tokens.append(token)
        text = self._text()
        for string in self.strings:
            if text.find(string, max(0, self.begun - len(string) + 1)) >= 0:
                return True
        if len(self.tokens) > 2 * self.reach:
            del self.tokens[: -self.reach]
            self.begun = len(self._text())
        return False


class Watch:
    """Ends sequences by their text or by the time, whichever is asked for."""

    def __init__(self, settings: Settings, prompts: Sequence[np.ndarray]):
        self.deadline = None
        if settings.max_time is not None:
            self.deadline = time.monotonic() + settings.max_time
        self.stops = [
            StopStrings(settings.stop_strings, settings.tokenizer, prompt)
            for prompt in (prompts if settings.stop_strings else [])
        ]

    def ends(self, prompt: int, token: int) -> bool:
        """Whether a sequence ends with this token."""
        if self.stops and self.stops[prompt].hits(token):
            return True
        return self.deadline is not None and time.monotonic() >= self.deadline


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
    generation_config: Any,
    streamer: Any,
    given: Mapping[str, Any],
) -> Ids | Generated:
    """See `Library.generate`."""
    model = library.metadata.get("generation_config", {})
    settings = Settings.of(merge(model, generation_config, given))
    prompts = Prompts(input_ids, attention_mask, settings)
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
    rows = [row for row in prompts.rows for _ in range(settings.separate())]
    callback = _Callback(Watch(settings, rows), streamer)
    if streamer is not None:
        streamer.put(np.stack(prompts.rows))
    sequences, scores = _run(library, rows, settings, most, callback)
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
    prompts: Sequence[np.ndarray],
    settings: Settings,
    most: int,
    callback: _Callback,
) -> tuple[list[np.ndarray], np.ndarray]:
    """The new tokens of each sequence, and scores."""
    count = len(prompts) * settings.options.num_return_sequences
    lists, kept = token_lists(prompts)
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


def token_lists(
    prompts: Sequence[np.ndarray],
) -> tuple[_abi.TokenLists, list[np.ndarray]]:
    """Prompts as the library takes them, and the arrays that must outlive it."""
    for i, row in enumerate(prompts):
        wrong = (row < 0) | (row > 2**31 - 1)
        if wrong.any():
            raise ValueError(f"input_ids[{i}]: expects token ids, got {row[wrong][0]}")
    tokens = np.concatenate(prompts).astype(np.int32)
    offsets = np.zeros(len(prompts) + 1, np.int64)
    np.cumsum([len(row) for row in prompts], out=offsets[1:])
    return (
        _abi.TokenLists(tokens.ctypes.data, offsets.ctypes.data, len(prompts)),
        [tokens, offsets],
    )


#: Why a sequence ended, by the number that the library gives.
_FINISH = (None, "eos", "length", "stop", "cancelled", "failed")


@dataclasses.dataclass(frozen=True)
class Event:
    """New tokens of a request, or its end.

    Attributes:
        request: what `Engine.submit` gave.
        tokens: new ids; may be none at the end.
        finish: None while it goes on; "eos", "length", "stop", "cancelled" or
            "failed".
        sequence: which of num_return_sequences.
        score: of a finished beam.
        error: why it failed.
    """

    request: int
    tokens: list[int]
    finish: str | None
    sequence: int = 0
    score: float = 0.0
    error: str | None = None

    def checked_tokens(self) -> list[int]:
        """The tokens. Raises RuntimeError if the request has failed."""
        if self.error is not None:
            raise RuntimeError(self.error)
        return self.tokens


class Engine:
    """Many requests at once, each begun and ended at any time.

        with model.engine() as engine:
            first = engine.submit([5, 6, 7], max_new_tokens=20)
            for event in engine:
                print(event.request, event.tokens, event.finish)

    All that are live go through the model together; a request's tokens are those
    of `generate`, whoever else there is. An engine is used by one thread at a
    time.

    Args:
        library: a library that generates text.
        max_sequences: how many sequences go together, 64 by default; more
            requests wait for their turn.
        step_tokens: tokens of one step, 512 by default; longer prompts are read
            in parts.
        kept_sequences: how many finished sequences are remembered for prompts
            that begin as they do.
    """

    def __init__(
        self,
        library: Library,
        max_sequences: int = 0,
        step_tokens: int = 0,
        kept_sequences: int = 0,
    ):
        self._library = library
        self._events: collections.deque[Event] = collections.deque()
        self._callback = _abi.GenerationCallback(_collector(library, self._events))
        self._live = ctypes.c_int64()
        options = _abi.EngineOptions(
            max_sequences=max_sequences,
            step_tokens=step_tokens,
            kept_sequences=kept_sequences,
        )
        self._handle = ctypes.c_void_p()
        session = library._sessions.take()
        try:
            library._check(
                library._entry.engine_create(
                    session.handle, ctypes.byref(options), ctypes.byref(self._handle)
                )
            )
        except BaseException:
            library._sessions.give(session)
            raise
        self._finalizer = weakref.finalize(
            self, _close_engine, library._sessions, session, self._handle
        )

    def submit(
        self, input_ids: Any, generation_config: Any = None, **options: Any
    ) -> int:
        """Takes a request; returns its number. Of one prompt, `[length]`, and
        the options of `generate`, but stop_strings and max_time: `cancel` a
        request whose text or time is enough."""
        model = self._library.metadata.get("generation_config", {})
        settings = Settings.of(merge(model, generation_config, options))
        for name, value in (
            ("stop_strings", settings.stop_strings),
            ("max_time", settings.max_time),
        ):
            if value:
                raise ValueError(f"{name}: is not supported here; cancel the request")
        prompt = _arrays.integers("input_ids", input_ids, 1, "[length]")
        return self.submit_prompt(prompt, settings, None)

    def submit_prompt(
        self, prompt: np.ndarray, settings: Settings, padded: int | None
    ) -> int:
        """Takes a request whose options are checked."""
        settings.lengths([len(prompt)], padded, self._library.max_positions)
        lists, kept = token_lists([prompt])
        number = ctypes.c_int64()
        self._call(
            self._library._entry.engine_submit,
            lists.tokens,
            len(prompt),
            ctypes.byref(settings.options),
            self._callback,
            None,
            ctypes.byref(number),
        )
        self._live.value += 1
        del kept
        return number.value

    def _call(self, function: Any, *arguments: Any) -> None:
        if not self._finalizer.alive:
            raise ValueError("the engine is closed")
        self._library._check(function(self._handle, *arguments))

    def step(self) -> list[Event]:
        """Gives all live sequences a token; returns what came of it."""
        self._call(self._library._entry.engine_step, ctypes.byref(self._live))
        events = list(self._events)
        self._events.clear()
        return events

    def cancel(self, request: int) -> None:
        """Ends a request; the next step says so. Nothing if it has ended."""
        self._call(self._library._entry.engine_cancel, request)

    def __iter__(self) -> Iterator[Event]:
        """Steps until no request is left. More may be submitted meanwhile."""
        while self._live.value or self._events:
            yield from self.step()

    def close(self) -> None:
        """Ends all requests and frees what they hold."""
        self._finalizer()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _close_engine(sessions: _Sessions, session: _Session, handle: Any) -> None:
    if sessions.pid == os.getpid():  # A fork has none of the engine's workers.
        sessions.entry.engine_destroy(handle)
        sessions.give(session)


def _collector(library: Library, events: collections.deque[Event]) -> Any:
    """A callback that appends to `events`."""
    entry = library._entry

    def collect(user: int | None, pointer: Any) -> int:
        event = pointer.contents
        failed = event.finish == _abi.FINISH_FAILED
        events.append(
            Event(
                event.request,
                event.tokens[: event.num_tokens],
                _FINISH[event.finish],
                event.sequence,
                event.score,
                entry.error().decode("utf-8", "replace") if failed else None,
            )
        )
        return 0

    return collect


def stream(
    library: Library,
    input_ids: Any,
    attention_mask: Any,
    generation_config: Any,
    given: Mapping[str, Any],
) -> Iterator[int]:
    """See `Library.generate_stream`."""
    model = library.metadata.get("generation_config", {})
    settings = Settings.of(merge(model, generation_config, given))
    for name in ("num_beams", "num_return_sequences"):
        if getattr(settings, name) > 1:
            raise ValueError(f"{name}: expects 1, since one sequence is streamed")
    if isinstance(input_ids, (list, tuple)) or np.ndim(input_ids) == 1:
        if all(np.ndim(token) == 0 for token in input_ids):
            input_ids = [input_ids]
    prompts = Prompts(input_ids, attention_mask, settings)
    if len(prompts.rows) != 1:
        raise ValueError(f"input_ids: expects one prompt, got {len(prompts.rows)}")
    return stream_prompt(library, prompts.rows[0], settings, prompts.padded)


def stream_prompt(
    library: Library, prompt: np.ndarray, settings: Settings, padded: int | None
) -> Iterator[int]:
    """The ids that follow a prompt, as they come."""
    watch = Watch(settings, [prompt])
    engine = Engine(library, max_sequences=1)
    engine.submit_prompt(prompt, settings, padded)
    return _tokens(engine, watch)


def _tokens(engine: Engine, watch: Watch) -> Iterator[int]:
    with engine:
        for event in engine:
            for token in event.checked_tokens():
                yield token
                if watch.ends(0, token):
                    return


def generate_each(
    library: Library,
    prompts: Sequence[np.ndarray],
    settings: Sequence[Settings],
) -> list[list[np.ndarray]]:
    """For each prompt its sequences' new tokens, under settings of its own."""
    results: list[list[np.ndarray]] = [[] for _ in prompts]
    owners: dict[int, int] = {}
    rows: dict[tuple[int, int], list[int]] = {}
    watches: dict[int, Watch] = {}
    ended: set[int] = set()
    with Engine(library) as engine:
        for i, (prompt, own) in enumerate(zip(prompts, settings)):
            for _ in range(own.separate()):
                request = engine.submit_prompt(prompt, own, None)
                own.options.stream += 1
                owners[request] = i
                watches[request] = Watch(own, [prompt])
                for j in range(own.options.num_return_sequences):
                    rows[request, j] = []
        for event in engine:
            request = event.request
            for token in event.checked_tokens():
                if request not in ended:
                    rows[request, event.sequence].append(token)
                    if watches[request].ends(0, token):
                        ended.add(request)
                        engine.cancel(request)
    for (request, _), row in sorted(rows.items()):
        results[owners[request]].append(np.array(row, np.int64))
    return results
