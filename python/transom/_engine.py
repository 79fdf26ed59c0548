"""Requests that come and go, stepped together; and one prompt, token by token."""

from __future__ import annotations

import collections
import ctypes
import dataclasses
import functools
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from transom import _abi, _arrays
from transom._generation_config import Settings
from transom._model import Model
from transom._options import Request
from transom._prompts import Prompt, Prompts
from transom._stopping_criteria import StoppingCriteria

#: Finish reasons by the C interface's values.
_FINISH = (None, "eos", "length", "stop", "cancelled", "failed")


@dataclasses.dataclass(frozen=True)
class Event:
    """New tokens of a request, or its end.

    Attributes:
        request: the id that `Engine.submit` returned.
        tokens: new ids; may be none at the end.
        finish: why the sequence ended: "eos", "length", "stop", "cancelled" or
            "failed"; None: it has not.
        sequence: which of num_return_sequences.
        score: the score of a finished beam.
        error: why the request failed.
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

    All live requests go through the model together. A request's tokens are those
    of `generate`, in any batch. One thread at a time may use an engine.

    Args:
        model: a library that generates text.
        max_num_seqs: how many sequences go together, 64 by default; more
            requests wait for their turn.
        max_num_batched_tokens: how many tokens a step has at most, 512 by default;
            a longer prompt takes several steps.
        prefix_cache_sequences: how many finished sequences are remembered for prompts
            that begin as they do.
    """

    def __init__(
        self,
        model: Model,
        max_num_seqs: int = 0,
        max_num_batched_tokens: int = 0,
        prefix_cache_sequences: int = 0,
    ):
        self._model = model
        self._events: collections.deque[Event] = collections.deque()
        self._callback = _abi.GenerationCallback(_collector(model.entry, self._events))
        self._live = ctypes.c_int64()
        sizes = {
            "max_num_seqs": max_num_seqs,
            "max_num_batched_tokens": max_num_batched_tokens,
            "prefix_cache_sequences": prefix_cache_sequences,
        }
        options = _abi.EngineOptions(
            **{name: _arrays.whole(name, size, 32) for name, size in sizes.items()}
        )
        self._handle = ctypes.c_void_p()
        session = model.sessions.take()
        try:
            model.check(
                model.entry.engine_create(
                    session.handle, ctypes.byref(options), ctypes.byref(self._handle)
                )
            )
        except BaseException:
            model.sessions.give(session)
            raise
        self._finalizer = weakref.finalize(
            self,
            model.sessions.release,
            session,
            functools.partial(model.entry.engine_destroy, self._handle),
        )

    def submit(
        self,
        input_ids: Any,
        generation_config: Any = None,
        *,
        decoder_input_ids: Any = None,
        **options: Any,
    ) -> int:
        """Takes a request; returns its id. A request is one prompt, `[length]`, with
        the options of `generate` but stop_strings and max_time: `cancel` a request
        whose text or time is enough."""
        settings = Settings.of_call(self._model, generation_config, options)
        for name, value in (
            ("stop_strings", settings.stop_strings),
            ("max_time", settings.max_time),
        ):
            if value:
                raise ValueError(f"{name}: is not supported here; cancel the request")
        ids = _row("input_ids", input_ids)
        prompts = Prompts.of(
            self._model,
            ids,
            None if ids is None else np.ones_like(ids),  # No id is padding.
            _row("decoder_input_ids", decoder_input_ids),
            None,
            settings,
        )
        return self.submit_prompt(prompts.each()[0], settings)

    def submit_prompt(
        self, prompt: Prompt, settings: Settings, padded: int | None = None
    ) -> int:
        """Takes a request whose options are checked; see `Settings.lengths`."""
        count = len(prompt.tokens)
        lengths = settings.lengths([count], padded, self._model.max_positions)
        taken = Request([prompt], settings, lengths, self._model.vocabulary)
        request = ctypes.c_int64()
        self._call(
            self._model.entry.engine_submit,
            taken.prompts.tokens,
            len(prompt.input_ids),
            ctypes.byref(taken.options),
            self._callback,
            None,
            ctypes.byref(request),
        )
        self._live.value += 1
        return request.value

    def _call(self, function: Any, *arguments: Any) -> None:
        if not self._finalizer.alive:
            raise ValueError("the engine is closed")
        self._model.check(function(self._handle, *arguments))

    def step(self) -> list[Event]:
        """Gives all live sequences a token; returns what came of it."""
        self._call(self._model.entry.engine_step, ctypes.byref(self._live))
        events = list(self._events)
        self._events.clear()
        return events

    def cancel(self, request: int) -> None:
        """Ends a request; the next step says so. Does nothing if it has ended."""
        number = _arrays.whole("request", request, 64)
        self._call(self._model.entry.engine_cancel, number)

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


def _collector(entry: _abi.EntryPoints, events: collections.deque[Event]) -> Any:
    """A callback that appends to `events`."""

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
    model: Model, prompt: Prompt, settings: Settings, padded: int | None = None
) -> Iterator[int]:
    """The ids that follow a prompt, as they come."""
    criteria = StoppingCriteria(settings, prompt)
    engine = Engine(model, max_num_seqs=1)
    engine.submit_prompt(prompt, settings, padded)
    return _tokens(engine, criteria)


def _tokens(engine: Engine, criteria: StoppingCriteria) -> Iterator[int]:
    with engine:
        for event in engine:
            for token in event.checked_tokens():
                yield token
                if criteria.ends_with(token):
                    return


def generate_each(
    model: Model, prompts: Sequence[Prompt], settings: Sequence[Settings]
) -> list[list[np.ndarray]]:
    """For each prompt its sequences' new tokens, under settings of its own."""
    results: list[list[np.ndarray]] = [[] for _ in prompts]
    owners: dict[int, int] = {}
    rows: dict[tuple[int, int], list[int]] = {}
    criteria: dict[int, StoppingCriteria] = {}
    ended: set[int] = set()
    with Engine(model) as engine:
        for i, (prompt, own) in enumerate(zip(prompts, settings)):
            for copy in range(own.requests_per_prompt):
                apart = dataclasses.replace(own, stream=own.stream + copy)
                request = engine.submit_prompt(prompt, apart)
                owners[request] = i
                criteria[request] = StoppingCriteria(own, prompt)
                for j in range(own.sequences_per_request):
                    rows[request, j] = []
        for event in engine:
            request = event.request
            for token in event.checked_tokens():
                if request not in ended:
                    rows[request, event.sequence].append(token)
                    if criteria[request].ends_with(token):
                        ended.add(request)
                        engine.cancel(request)
    for (request, _), row in sorted(rows.items()):
        results[owners[request]].append(np.array(row, np.int64))
    return results
