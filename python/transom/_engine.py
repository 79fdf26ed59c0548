"""Requests that come and go, stepped together; and one prompt, token by token."""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import os
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from transom import _abi, _arrays
from transom._generation_config import Settings
from transom._prompts import Batch, Prompt
from transom._watch import Watch

if TYPE_CHECKING:
    from transom._library import Library
    from transom._session import Session, SessionPool

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
        max_num_seqs: how many sequences go together, 64 by default; more
            requests wait for their turn.
        max_num_batched_tokens: tokens of one step, 512 by default; longer prompts are read
            in parts.
        prefix_cache_sequences: how many finished sequences are remembered for prompts
            that begin as they do.
    """

    def __init__(
        self,
        library: Library,
        max_num_seqs: int = 0,
        max_num_batched_tokens: int = 0,
        prefix_cache_sequences: int = 0,
    ):
        self._library = library
        self._events: collections.deque[Event] = collections.deque()
        self._callback = _abi.GenerationCallback(_collector(library, self._events))
        self._live = ctypes.c_int64()
        options = _abi.EngineOptions(
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=max_num_batched_tokens,
            prefix_cache_sequences=prefix_cache_sequences,
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
        self,
        input_ids: Any,
        generation_config: Any = None,
        *,
        decoder_input_ids: Any = None,
        **options: Any,
    ) -> int:
        """Takes a request; returns its number. Of one prompt, `[length]`, and
        the options of `generate`, but stop_strings and max_time: `cancel` a
        request whose text or time is enough."""
        settings = self._library._settings(generation_config, options)
        for name, value in (
            ("stop_strings", settings.stop_strings),
            ("max_time", settings.max_time),
        ):
            if value:
                raise ValueError(f"{name}: is not supported here; cancel the request")
        ids = _row("input_ids", input_ids)
        batch = Batch.of(
            self._library,
            ids,
            None if ids is None else np.ones_like(ids),  # No id is padding.
            _row("decoder_input_ids", decoder_input_ids),
            None,
            settings,
        )
        return self.submit_prompt(batch.each()[0], settings, None)

    def submit_prompt(
        self, prompt: Prompt, settings: Settings, padded: int | None
    ) -> int:
        """Takes a request whose options are checked."""
        settings.lengths([len(prompt.tokens)], padded, self._library.max_positions)
        lists, kept = settings.take([prompt])
        number = ctypes.c_int64()
        self._call(
            self._library._entry.engine_submit,
            lists.tokens,
            len(prompt.given),
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


def _row(name: str, ids: Any) -> np.ndarray | None:
    """`[length]` as `[1, length]`."""
    return None if ids is None else _arrays.integers(name, ids, 1, "[length]")[None]


def _close_engine(sessions: SessionPool, session: Session, handle: Any) -> None:
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


def stream_prompt(
    library: Library, prompt: Prompt, settings: Settings, padded: int | None
) -> Iterator[int]:
    """The ids that follow a prompt, as they come."""
    watch = Watch(settings, [prompt])
    engine = Engine(library, max_num_seqs=1)
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
    prompts: Sequence[Prompt],
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
