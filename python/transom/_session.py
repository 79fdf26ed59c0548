"""An open library's sessions: one for each call that runs at the same time."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Union

from transom import _abi

PathLike = Union[str, "os.PathLike[str]"]


class MismatchError(RuntimeError):
    """Library, weights, runtime and CPU do not fit together."""


_EXCEPTIONS = {
    _abi.INVALID_ARGUMENT: ValueError,
    _abi.OUT_OF_RANGE: ValueError,
    _abi.EXHAUSTED: MemoryError,
    _abi.IO_ERROR: OSError,
    _abi.MISMATCH: MismatchError,
}


def check(entry: _abi.EntryPoints, status: int, where: str = "") -> None:
    """Raises the exception that stands for a failed call of this thread."""
    if status == _abi.OK:
        return
    message = entry.error().decode("utf-8", "replace")
    kind = _EXCEPTIONS.get(status, RuntimeError)
    raise kind(f"{where}: {message}" if where else message)


class Session:
    """A session and the tensor descriptors that its runs fill in."""

    def __init__(self, handle: ctypes.c_void_p, inputs: int, outputs: int):
        self.handle = handle
        self.inputs = (_abi.Tensor * inputs)()
        self.outputs = (_abi.Tensor * outputs)()


class SessionPool:
    """An open model, its threads, and the sessions that are free.

    A call takes a session and gives it back, so that there are as many as
    calls that have ever run at the same time. All of them share one pool of
    workers: eight calling threads do not make sixteen.
    """

    def __init__(
        self,
        path: str,
        entry: _abi.EntryPoints,
        weights: PathLike | None,
        threads: int,
        max_tokens: int,
        cache_tokens: int,
        max_inputs: int,
        max_outputs: int,
    ):
        self.path = path
        self.entry = entry
        self.threads = threads
        self.max_tokens = max_tokens
        self.cache_tokens = cache_tokens
        self.descriptors = (max_inputs, max_outputs)
        self.closed = False
        self.model = ctypes.c_void_p()
        named = None if weights is None else os.fsencode(weights)
        check(entry, entry.open(named, ctypes.byref(self.model)), path)
        self.forget()
        _all_sessions.add(self)

    def forget(self) -> None:
        """Starts without sessions. After a fork the child has none of the
        parent's workers, so its sessions must not be used or destroyed."""
        self.lock = threading.Lock()
        self.free: list[Session] = []
        self.taken = 0
        self.pool = ctypes.c_void_p()
        self.pid = os.getpid()

    def take(self) -> Session:
        with self.lock:
            if self.closed:
                raise ValueError(f"{self.path}: the library is closed")
            self.taken += 1
            if self.free:
                return self.free.pop()
        try:
            return self.create()
        except BaseException:
            self.give(None)
            raise

    def create(self) -> Session:
        entry = self.entry
        with self.lock:
            if not self.pool:
                status = entry.pool_create(self.threads, ctypes.byref(self.pool))
                check(entry, status, self.path)
        options = _abi.SessionOptions(
            max_tokens=self.max_tokens,
            pool=self.pool,
            cache_tokens=self.cache_tokens,
        )
        handle = ctypes.c_void_p()
        status = entry.session_create(
            self.model, ctypes.byref(options), ctypes.byref(handle)
        )
        check(entry, status, self.path)
        return Session(handle, *self.descriptors)

    def give(self, session: Session | None) -> None:
        with self.lock:
            self.taken -= 1
            if not self.closed:
                if session:
                    self.free.append(session)
                return
            last = self.taken == 0
        self.destroy([session] if session else [], last)

    def release(self, session: Session, forget: Callable[[], None]) -> None:
        """Takes back a session that an engine or sequences have held, once
        `forget` has freed what the session keeps for them. A forked child has
        none of the session's workers, so there nothing may be freed."""
        if self.pid == os.getpid():
            forget()
            self.give(session)

    def close(self) -> None:
        """Calls that are running finish; the last of them closes the model."""
        with self.lock:
            if self.closed:
                return
            self.closed = True
            sessions, self.free = self.free, []
            last = self.taken == 0
        self.destroy(sessions, last)

    def destroy(self, sessions: Sequence[Session], last: bool) -> None:
        for session in sessions:
            self.entry.session_destroy(session.handle)
        if last:
            if self.pool:
                self.entry.pool_destroy(self.pool)
            self.entry.close(self.model)


_all_sessions: weakref.WeakSet[SessionPool] = weakref.WeakSet()


def _forget_after_fork() -> None:
    for sessions in list(_all_sessions):
        sessions.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
